//! Tokens that expire, rotate, or are answered otherwise.

use serde_json::{Value, json};

use super::{SCOPES, add, clear, end_of, office, struck};
use crate::harness::person::query;
use crate::harness::{Answer, Person, Platform, REPORTS_REDIRECT, http};

const ME: &str = "/users/v1/me";

async fn refresh(platform: &Platform, token: &str) -> Answer {
    platform.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

/// A fault, what is asked for, and whether the answer's status and body show the fault.
type Row<'a> = (&'static str, &'a str, fn(u16, &Value) -> bool);

#[tokio::test]
async fn a_token_expires_early_and_a_fresh_one_works() {
    let platform = Platform::start().await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let id = add(&platform, &json!({"fault": "expire-token"})).await;
    let answer = grant.session.get(ME).await;
    assert_eq!(struck(&answer), "expire-token");
    answer.error(401, "AUTHN_EXPIRED_TOKEN");
    let fresh = refresh(&platform, &grant.refresh_token).await.is(200).text_of("/access_token");
    platform.with_token(&fresh).get(ME).await.is(200);
    clear(&platform, &id).await;
    grant.session.get(ME).await.is(200);
}

#[tokio::test]
async fn refresh_tokens_rotate_or_do_not_and_old_ones_may_end() {
    let platform = Platform::start().await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let has_new = |answer: &Answer| answer.json().get("refresh_token").is_some();
    assert!(!has_new(&refresh(&platform, &grant.refresh_token).await.is(200)), "a young one stays");

    let id = add(&platform, &json!({"fault": "refresh-rotated", "times": 1})).await;
    let second = refresh(&platform, &grant.refresh_token).await.is(200).text_of("/refresh_token");
    assert_eq!(end_of(&platform, &id).await, ("times".to_owned(), 1));
    assert!(!has_new(&refresh(&platform, &grant.refresh_token).await.is(200)), "the old one lives on");

    let id = add(&platform, &json!({"fault": "old-refresh-ends"})).await;
    let third = refresh(&platform, &second).await.is(200).text_of("/refresh_token");
    let refused = refresh(&platform, &second).await.is(400).json();
    assert_eq!(refused["error"], "invalid_grant");
    refresh(&platform, &third).await.is(200);
    clear(&platform, &id).await;
    refresh(&platform, &second).await.is(200);

    // Two that contradict each other: the later one counts.
    add(&platform, &json!({"fault": "refresh-rotated"})).await;
    let id = add(&platform, &json!({"fault": "refresh-not-rotated"})).await;
    assert!(!has_new(&refresh(&platform, &third).await.is(200)));
    clear(&platform, &id).await;
    assert!(has_new(&refresh(&platform, &third).await.is(200)));
}

#[tokio::test]
async fn the_token_endpoint_answers_otherwise_once() {
    let platform = Platform::start().await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let rows: [Row<'_>; 4] = [
        ("token-type-missing", &grant.refresh_token, |_, json| json.get("token_type").is_none()),
        ("old-token-answer", &grant.refresh_token, |_, json| json["organizer_key"].is_string()),
        ("grant-errors-401", "nonsense", |status, json| status == 401 && json["error"] == "invalid_grant"),
        ("refresh-refused", &grant.refresh_token, |status, json| {
            status == 400 && json["error"] == "invalid_grant"
        }),
    ];
    for (mode, token, shows) in rows {
        let id = add(&platform, &json!({"fault": mode, "times": 1})).await;
        let answer = refresh(&platform, token).await;
        assert!(shows(answer.status, &answer.json()), "{mode}: {}", answer.text);
        assert_eq!(struck(&answer), mode);
        assert_eq!(end_of(&platform, &id).await, ("times".to_owned(), 1));
        let usual = refresh(&platform, token).await;
        assert!(!shows(usual.status, &usual.json()), "{mode} has ended: {}", usual.text);
    }
}

#[tokio::test]
async fn a_new_access_token_ends_the_older_ones_while_the_mode_lasts() {
    let (platform, _) = office().await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let id = add(&platform, &json!({"fault": "old-access-ends"})).await;
    grant.session.get(ME).await.is(200);
    let fresh = refresh(&platform, &grant.refresh_token).await.is(200).text_of("/access_token");
    platform.with_token(&fresh).get(ME).await.is(200);
    grant.session.get(ME).await.error(401, "AUTHN_INVALID_TOKEN");
    clear(&platform, &id).await;
    grant.session.get(ME).await.is(200);
}

/// RFC 7636, Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Signs in with a challenge and exchanges the code with this verifier.
async fn exchange(platform: &Platform, verifier: &str) -> Answer {
    let mut url = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s");
    url.query_pairs_mut().extend_pairs([("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]);
    let landed = Person::admin(platform).sign_in(url.as_str()).await;
    let code = query(&landed, "code").unwrap_or_else(|| panic!("no code in {landed}"));
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REPORTS_REDIRECT),
        ("code_verifier", verifier),
    ];
    platform.token(&form).await
}

#[tokio::test]
async fn a_code_or_its_verifier_is_refused_or_not_looked_at() {
    let platform = Platform::start().await;
    for (mode, error) in [("code-refused", "invalid_grant"), ("pkce-refused", "invalid_request")] {
        let id = add(&platform, &json!({"fault": mode, "times": 1})).await;
        let refused = exchange(&platform, VERIFIER).await.is(400);
        assert_eq!((struck(&refused), refused.text_of("/error").as_str()), (mode, error));
        assert_eq!(end_of(&platform, &id).await, ("times".to_owned(), 1));
        exchange(&platform, VERIFIER).await.is(200);
    }
    let id = add(&platform, &json!({"fault": "pkce-ignored", "times": 1})).await;
    exchange(&platform, "another-verifier-of-at-least-forty-three-characters").await.is(200);
    assert_eq!(end_of(&platform, &id).await, ("times".to_owned(), 1));
    exchange(&platform, "another-verifier-of-at-least-forty-three-characters").await.is(400);
}

#[tokio::test]
async fn credentials_in_the_body_are_refused_while_the_mode_lasts() {
    let platform = Platform::start().await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let ask = async || {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", grant.refresh_token.as_str()),
            ("client_id", platform.setting("OAUTH_CLIENT_ID")),
            ("client_secret", platform.setting("OAUTH_CLIENT_SECRET")),
        ];
        let request = http().post(format!("{}/oauth/token", platform.base)).form(&form);
        Answer::of("POST /oauth/token", request).await
    };
    ask().await.is(200);
    let id = add(&platform, &json!({"fault": "body-credentials-refused"})).await;
    let refused = ask().await.is(401);
    assert_eq!(
        (struck(&refused), refused.text_of("/error").as_str()),
        ("body-credentials-refused", "invalid_client")
    );
    refresh(&platform, &grant.refresh_token).await.is(200);
    clear(&platform, &id).await;
    ask().await.is(200);
    assert_eq!(end_of(&platform, &id).await, ("cleared".to_owned(), 1));
}
