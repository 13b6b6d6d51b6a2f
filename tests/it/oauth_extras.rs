//! Beyond the GoTo APIs: revocation (RFC 7009), introspection (RFC 7662), metadata (RFC 8414); and PKCE at the wire.

use serde_json::json;

use crate::harness::person::query;
use crate::harness::{Answer, Person, Platform, REPORTS_REDIRECT, SCOPES, http};

const CHANNELS: &str = "/notification-channel/v1/channels";

async fn post(platform: &Platform, path: &str, form: &[(&str, &str)]) -> Answer {
    let (id, secret) = (platform.setting("OAUTH_CLIENT_ID"), platform.setting("OAUTH_CLIENT_SECRET"));
    let request = http().post(format!("{}{path}", platform.base)).basic_auth(id, Some(secret)).form(form);
    Answer::of(path, request).await
}

#[tokio::test]
async fn a_revoked_access_token_ends_and_no_other() {
    let platform = Platform::start().await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let other = Person::admin(&platform).grant(&platform, SCOPES).await;
    let form = [("token", grant.access_token.as_str()), ("token_type_hint", "access_token")];
    // Once more is as good: RFC 7009 §2.2.
    for _ in 0..2 {
        let answer = post(&platform, "/oauth/revoke", &form).await.is(200);
        assert_eq!((answer.text.as_str(), answer.header("cache-control")), ("", "no-store"));
    }
    grant.session.get(CHANNELS).await.error(401, "AUTHN_INVALID_TOKEN");
    other.session.get(CHANNELS).await.is(200);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", grant.refresh_token.as_str())];
    platform.token(&refresh).await.is(200);
}

#[tokio::test]
async fn a_revoked_refresh_token_takes_the_access_tokens_of_its_grant_with_it() {
    let platform = Platform::start().await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", grant.refresh_token.as_str())];
    let fresh = platform.token(&refresh).await.is(200).text_of("/access_token");
    // A wrong hint is no hindrance: RFC 7009 §2.1.
    let form = [("token", grant.refresh_token.as_str()), ("token_type_hint", "access_token")];
    post(&platform, "/oauth/revoke", &form).await.is(200);
    assert_eq!(platform.token(&refresh).await.is(400).text_of("/error"), "invalid_grant");
    for token in [&grant.access_token, &fresh] {
        platform.with_token(token).get(CHANNELS).await.error(401, "AUTHN_INVALID_TOKEN");
    }
}

#[tokio::test]
async fn revocation_and_introspection_ask_who_the_client_is() {
    let platform = Platform::start().await;
    let id = platform.setting("OAUTH_CLIENT_ID").to_owned();
    for path in ["/oauth/revoke", "/oauth/introspect"] {
        let url = format!("{}{path}", platform.base);
        let form = [("token", "x")];
        let answer = Answer::of(path, http().post(&url).form(&form)).await.is(401);
        assert_eq!(answer.text_of("/error"), "invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic"), "{path}");
        let wrong = http().post(&url).basic_auth(&id, Some("wrong")).form(&form);
        assert_eq!(Answer::of(path, wrong).await.is(401).text_of("/error"), "invalid_client");
        assert_eq!(post(&platform, path, &[]).await.is(400).text_of("/error"), "invalid_request");
        let json = http().post(&url).basic_auth(&id, Some("x")).json(&json!({"token": "x"}));
        assert_eq!(Answer::of(path, json).await.is(400).text_of("/error"), "invalid_request");
    }
    post(&platform, "/oauth/revoke", &[("token", "nonsense")]).await.is(200);
}

#[tokio::test]
async fn introspection_tells_what_a_token_is() {
    let platform = Platform::start().await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let answer = post(&platform, "/oauth/introspect", &[("token", &grant.access_token)]).await.is(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let told = answer.json();
    assert_eq!(told["active"], true);
    assert_eq!(told["client_id"], platform.setting("OAUTH_CLIENT_ID"));
    assert_eq!(told["username"], platform.setting("CALLFEED_USER"));
    assert_eq!((&told["token_type"], &told["iss"]), (&json!("Bearer"), &json!(platform.base)));
    assert_eq!(told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap(), 3600);
    let mut scopes: Vec<&str> = told["scope"].as_str().unwrap().split(' ').collect();
    let mut wanted: Vec<&str> = SCOPES.split(' ').collect();
    scopes.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(scopes, wanted);
    let refresh =
        post(&platform, "/oauth/introspect", &[("token", &grant.refresh_token)]).await.is(200).json();
    assert_eq!((&refresh["active"], refresh.get("token_type")), (&json!(true), None));
    let unknown = post(&platform, "/oauth/introspect", &[("token", "nonsense")]).await.is(200);
    assert_eq!(unknown.json(), json!({"active": false}));
    post(&platform, "/oauth/revoke", &[("token", &grant.access_token)]).await.is(200);
    let ended = post(&platform, "/oauth/introspect", &[("token", &grant.access_token)]).await.is(200);
    assert_eq!(ended.json(), json!({"active": false}));
}

#[tokio::test]
async fn metadata_begins_with_the_public_url() {
    let platform = Platform::start_with(&["--public-url", "https://calls.example.com"]).await;
    let url = format!("{}/.well-known/oauth-authorization-server", platform.base);
    let told = Answer::of("metadata", http().get(url)).await.is(200).json();
    let base = "https://calls.example.com";
    assert_eq!(told["issuer"], base);
    let endpoints = [
        ("authorization_endpoint", "/oauth/authorize"),
        ("token_endpoint", "/oauth/token"),
        ("revocation_endpoint", "/oauth/revoke"),
        ("introspection_endpoint", "/oauth/introspect"),
    ];
    for (name, path) in endpoints {
        assert_eq!(told[name], format!("{base}{path}"));
    }
    assert_eq!(told["code_challenge_methods_supported"], json!(["S256"]));
    assert!(told["scopes_supported"].as_array().unwrap().contains(&json!("cr.v1.read")));
}

// RFC 7636, Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn land(platform: &Platform, extra: &[(&str, &str)]) -> url::Url {
    let mut url = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s");
    url.query_pairs_mut().extend_pairs(extra);
    Person::admin(platform).sign_in(url.as_str()).await
}

async fn exchange(platform: &Platform, landed: &url::Url, verifier: Option<&str>) -> Answer {
    let code = query(landed, "code").unwrap_or_else(|| panic!("no code: {landed}"));
    let mut form =
        vec![("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REPORTS_REDIRECT)];
    form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
    platform.token(&form).await
}

#[tokio::test]
async fn pkce_takes_the_right_verifier_only() {
    let platform = Platform::start().await;
    let challenge = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    for (verifier, status) in [(Some(VERIFIER), 200), (Some(CHALLENGE), 400), (None, 400)] {
        let landed = land(&platform, &challenge).await;
        let answer = exchange(&platform, &landed, verifier).await.is(status);
        if status == 400 {
            assert_eq!(answer.text_of("/error"), "invalid_grant", "{verifier:?}");
        }
    }
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_refused() {
    let platform = Platform::start().await;
    let landed = land(&platform, &[]).await;
    let answer = exchange(&platform, &landed, Some(VERIFIER)).await.is(400);
    assert_eq!(answer.text_of("/error"), "invalid_grant");
}

#[tokio::test]
async fn plain_pkce_is_refused() {
    let platform = Platform::start().await;
    let plain: [&[(&str, &str)]; 3] = [
        &[("code_challenge", VERIFIER), ("code_challenge_method", "plain")],
        // Without a method it is plain: RFC 7636 §4.3.
        &[("code_challenge", VERIFIER)],
        &[("code_challenge_method", "S256")],
    ];
    for extra in plain {
        let landed = land(&platform, extra).await;
        assert_eq!(query(&landed, "error").as_deref(), Some("invalid_request"), "{landed}");
        assert_eq!(query(&landed, "code"), None, "{landed}");
    }
}
