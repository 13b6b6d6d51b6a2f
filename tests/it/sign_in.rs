//! OAuth at the wire (spec/oauth.md): the redirect, the pages, codes, tokens and their errors.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::harness::person::{Page, Place, query};
use crate::harness::{Answer, Person, Platform, REPORTS_REDIRECT, SCOPES, SCREEN_POP_REDIRECT, http};

/// Percent-encodes everything but the unreserved characters of RFC 3986.
fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

async fn get(url: &str) -> Answer {
    Answer::of("a browser", http().get(url)).await
}

#[tokio::test]
async fn authorize_sends_the_browser_to_the_login_page_with_everything_encoded_twice() {
    let platform = Platform::start().await;
    let base = &platform.base;
    for redirect_uri in [REPORTS_REDIRECT, SCREEN_POP_REDIRECT] {
        let state = "0123456789abcdef0123456789abcd";
        let answer = get(platform.authorize_url(redirect_uri, SCOPES, state).as_str()).await.is(302);
        let inner = format!(
            "{base}/OAuth/approve?client_id={}&response_type=code&redirect_uri={}&scope={}&state={state}",
            platform.setting("OAUTH_CLIENT_ID"),
            encoded(redirect_uri),
            encoded(SCOPES),
        );
        assert_eq!(answer.header("location"), format!("{base}/login?service={}", encoded(&inner)));
        assert!(answer.header("location").contains("http%253A%252F%252F"), "encoded twice");
    }
}

#[tokio::test]
async fn an_unknown_client_or_redirect_uri_gets_a_page_and_no_redirect() {
    let platform = Platform::start().await;
    let good = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s").to_string();
    let unknown_client = good.replace(platform.setting("OAUTH_CLIENT_ID"), &uuid::Uuid::new_v4().to_string());
    let foreign = platform.authorize_url("https://evil.example/app/redirect", SCOPES, "s").to_string();
    let other_path = platform.authorize_url("http://127.0.0.1:12021/app/redirect/x", SCOPES, "s").to_string();
    for url in [unknown_client, foreign, other_path] {
        let answer = get(&url).await.is(400);
        assert!(answer.header("content-type").starts_with("text/html"), "{url}: {}", answer.text);
        assert_eq!(answer.header("location"), "");
    }
}

#[tokio::test]
async fn other_mistakes_go_back_to_the_redirect_uri_with_an_error() {
    let platform = Platform::start().await;
    let url = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s t").to_string();
    let url = url.replace("response_type=code", "response_type=magic");
    let location = Person::admin(&platform).sign_in(&url).await;
    assert!(location.as_str().starts_with(REPORTS_REDIRECT), "{location}");
    assert!(query(&location, "error").is_some(), "{location}");
    assert_eq!(query(&location, "state").as_deref(), Some("s t"));
}

#[tokio::test]
async fn a_wrong_password_stays_on_the_login_page() {
    let platform = Platform::start().await;
    let url = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s").to_string();
    let nobody = "nobody@example.com".to_owned();
    for email in [platform.setting("CALLFEED_USER").to_owned(), nobody] {
        let person = Person::new(&email, "not the password");
        let page = person.open(&url).await.page();
        let again = person.log_in(&page).await.page();
        assert!(again.form().controls.iter().any(|control| control.kind == "password"), "{}", again.text());
        assert!(!again.html.contains("not the password"), "a password is never shown again");
    }
}

#[tokio::test]
async fn consent_is_asked_the_first_time_and_again_when_the_scopes_grow() {
    let platform = Platform::start().await;
    let person = Person::admin(&platform);
    let narrow = platform.authorize_url(REPORTS_REDIRECT, "cr.v1.read", "s").to_string();
    let login = person.open(&narrow).await.page();
    let consent = person.log_in(&login).await.page();
    assert!(consent.text().contains("call reports"), "the scopes are named: {}", consent.text());
    let landed = person.submit(&consent, &[], Some("Allow")).await.elsewhere();
    assert_eq!(query(&landed, "state").as_deref(), Some("s"));
    assert!(query(&landed, "code").is_some(), "{landed}");

    // The same scopes at another browser: login, no consent.
    let elsewhere = person.elsewhere();
    let login = elsewhere.open(&narrow).await.page();
    elsewhere.log_in(&login).await.elsewhere();

    let elsewhere = person.elsewhere();
    let wide = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s").to_string();
    let login = elsewhere.open(&wide).await.page();
    elsewhere.log_in(&login).await.page();
}

#[tokio::test]
async fn a_declined_consent_goes_back_with_access_denied() {
    let platform = Platform::start().await;
    let person = Person::member(&platform);
    let url = platform.authorize_url(REPORTS_REDIRECT, "cr.v1.read", "s").to_string();
    let login = person.open(&url).await.page();
    let consent = person.log_in(&login).await.page();
    let landed = person.submit(&consent, &[], Some("Deny")).await.elsewhere();
    assert!(landed.as_str().starts_with(REPORTS_REDIRECT), "{landed}");
    assert_eq!(query(&landed, "error").as_deref(), Some("access_denied"));
    assert_eq!(query(&landed, "state").as_deref(), Some("s"));
    assert_eq!(query(&landed, "code"), None);
}

/// A browser applies `form-action` to the redirects after the form as well.
fn lets_the_browser_follow(page: &Page, origin: &str) {
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    let action = policy.split(';').find(|part| part.trim().starts_with("form-action"));
    assert!(action.is_none_or(|action| action.contains(origin)), "{}: {policy}", page.url);
    assert!(!policy.contains("unsafe-inline"), "{}: {policy}", page.url);
}

#[tokio::test]
async fn the_pages_let_the_browser_follow_the_redirect() {
    let platform = Platform::start().await;
    let person = Person::admin(&platform);
    let url = platform.authorize_url(SCREEN_POP_REDIRECT, SCOPES, "s").to_string();
    let login = person.open(&url).await.page();
    lets_the_browser_follow(&login, "http://localhost:5000");
    let consent = person.log_in(&login).await.page();
    lets_the_browser_follow(&consent, "http://localhost:5000");
}

#[tokio::test]
async fn the_login_page_sends_nobody_to_a_foreign_site() {
    let platform = Platform::start().await;
    let foreign = ["https://evil.example/OAuth/approve", "//evil.example/", "javascript:alert(1)"];
    for service in foreign {
        let person = Person::admin(&platform);
        let url = format!("{}/login?service={}", platform.base, encoded(service));
        let Place::Page(page) = person.open(&url).await else { panic!("{service}: redirected at once") };
        if page.status == 200
            && let Place::Elsewhere(url) = person.log_in(&page).await
        {
            panic!("{service}: sent to {url}");
        }
    }
}

async fn code(platform: &Platform, extra: &[(&str, &str)]) -> String {
    let mut url = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s");
    for (name, value) in extra {
        url.query_pairs_mut().append_pair(name, value);
    }
    let landed = Person::admin(platform).sign_in(url.as_str()).await;
    query(&landed, "code").unwrap_or_else(|| panic!("no code: {landed}"))
}

fn with_code<'a>(code: &'a str, redirect_uri: &'a str) -> [(&'a str, &'a str); 3] {
    [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)]
}

#[tokio::test]
async fn a_code_works_once_and_only_with_its_own_redirect_uri() {
    let platform = Platform::start().await;
    let first = code(&platform, &[]).await;
    let answer = platform.token(&with_code(&first, SCREEN_POP_REDIRECT)).await.is(400);
    assert_eq!(answer.text_of("/error"), "invalid_grant");

    let second = code(&platform, &[]).await;
    let answer = platform.token(&with_code(&second, REPORTS_REDIRECT)).await.is(200);
    let token = answer.json();
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["expires_in"], 3600);
    assert_eq!(token["principal"], platform.setting("CALLFEED_USER"));
    for member in ["access_token", "refresh_token"] {
        let length = token[member].as_str().unwrap().len();
        assert!((20..=4096).contains(&length), "{member} has {length} characters");
    }
    let mut granted: Vec<&str> = token["scope"].as_str().unwrap().split(' ').collect();
    let mut wanted: Vec<&str> = SCOPES.split(' ').collect();
    granted.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(granted, wanted);

    let answer = platform.token(&with_code(&second, REPORTS_REDIRECT)).await.is(400);
    assert_eq!(answer.text_of("/error"), "invalid_grant");
}

#[tokio::test]
async fn a_code_with_a_challenge_needs_its_verifier() {
    let platform = Platform::start().await;
    // RFC 7636, Appendix B.
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    assert_eq!(URL_SAFE_NO_PAD.decode(challenge).unwrap().len(), 32);
    let extra = [("code_challenge", challenge), ("code_challenge_method", "S256")];
    let first = code(&platform, &extra).await;
    let wrong = [&with_code(&first, REPORTS_REDIRECT)[..], &[("code_verifier", challenge)]].concat();
    assert_eq!(platform.token(&wrong).await.is(400).text_of("/error"), "invalid_grant");
    let second = code(&platform, &extra).await;
    let right = [&with_code(&second, REPORTS_REDIRECT)[..], &[("code_verifier", verifier)]].concat();
    platform.token(&right).await.is(200);
}

#[tokio::test]
async fn a_refresh_brings_a_new_access_token_and_leaves_the_refresh_token_out() {
    let platform = Platform::start().await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", grant.refresh_token.as_str())];
    for _ in 0..2 {
        let token = platform.token(&form).await.is(200).json();
        assert_eq!(token.get("refresh_token"), None, "it is young: {token}");
        assert_eq!(token["principal"], platform.setting("CALLFEED_USER"));
        let fresh = token["access_token"].as_str().unwrap();
        assert_ne!(fresh, grant.access_token);
        platform.with_token(fresh).get("/notification-channel/v1/channels").await.is(200);
    }
    // The older access token goes on working.
    grant.session.get("/notification-channel/v1/channels").await.is(200);
}

type Form<'a> = &'a [(&'a str, &'a str)];

#[tokio::test]
async fn the_token_endpoint_says_what_is_wrong() {
    let platform = Platform::start().await;
    let id = platform.setting("OAUTH_CLIENT_ID").to_owned();
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", "nonsense")];
    let answer = platform.token_as(&uuid::Uuid::new_v4().to_string(), Some("x"), &refresh).await.is(401);
    assert_eq!(answer.json(), json!({"error": "invalid_client", "error_description": "client not found"}));
    let answer = platform.token_as(&id, Some("wrong"), &refresh).await.is(401);
    assert_eq!(answer.text_of("/error"), "invalid_client");

    let cases: [(Form, u16, &str); 6] = [
        (&refresh, 400, "invalid_grant"),
        (&with_code("nonsense", REPORTS_REDIRECT), 400, "invalid_grant"),
        (&[("grant_type", "client_credentials")], 401, "unauthorized_client"),
        (&[("grant_type", "magic")], 400, "unsupported_grant_type"),
        (&[("grant_type", "refresh_token")], 400, "invalid_request"),
        (&[], 400, "invalid_request"),
    ];
    for (form, status, error) in cases {
        let answer = platform.token(form).await.is(status);
        assert_eq!(answer.text_of("/error"), error, "{form:?}");
        assert_ne!(answer.text_of("/error_description"), "", "{form:?}");
    }
}
