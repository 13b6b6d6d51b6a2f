//! RFC 9700, Best Current Practice for OAuth 2.0 Security: each MUST that applies to an authorization server with
//! confidential clients, one test each. Names begin with the section.

use oauth2::basic::BasicClient;
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse,
    IntrospectionUrl, PkceCodeChallenge, RedirectUrl, Scope, TokenIntrospectionResponse as _,
    TokenResponse as _, TokenUrl,
};
use url::Url;

use crate::harness::person::query;
use crate::harness::portal::{CLIENTS, Client, Fields, Portal, TOKENS, form_for};
use crate::harness::{Answer, Person, Platform, REPORTS_REDIRECT, SCOPES, SCREEN_POP_REDIRECT, http};

const CALLBACK: &str = "https://example.com/callback";
const CHANNELS: &str = "/notification-channel/v1/channels";
// RFC 7636, Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn get(url: &str) -> Answer {
    Answer::of("a browser", http().get(url)).await
}

/// A client of its own with the grants, which returns to [`CALLBACK`] and [`REPORTS_REDIRECT`].
async fn client(platform: &Platform, grants: &[&str]) -> Client {
    let portal = Portal::open(platform, &Person::admin(platform)).await;
    let client = portal.new_client(SCOPES, grants).await;
    let page = format!("/clients/{}", client.id);
    let uris = format!("{CALLBACK}\n{REPORTS_REDIRECT}");
    let mut fields = vec![("name", "Two addresses"), ("redirect_uris", uris.as_str())];
    fields.extend(SCOPES.split(' ').map(|scope| ("scope", scope)));
    fields.extend(grants.iter().map(|grant| ("grant", *grant)));
    portal.send(&page, &page, &fields).await.is(303);
    client
}

fn authorize_url(platform: &Platform, client: &Client, redirect_uri: &str) -> String {
    let url = platform.authorize_url(redirect_uri, SCOPES, "s").to_string();
    url.replace(platform.setting("OAUTH_CLIENT_ID"), &client.id)
}

async fn code(platform: &Platform, extra: Fields<'_>) -> String {
    let mut url = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s");
    url.query_pairs_mut().extend_pairs(extra);
    let landed = Person::admin(platform).sign_in(url.as_str()).await;
    query(&landed, "code").unwrap_or_else(|| panic!("no code: {landed}"))
}

fn with_code<'a>(code: &'a str, redirect_uri: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)]
}

#[tokio::test]
async fn s2_1_redirect_uris_are_compared_letter_for_letter() {
    let platform = Platform::start().await;
    let client = client(&platform, &["authorization_code"]).await;
    get(&authorize_url(&platform, &client, CALLBACK)).await.is(302);
    let others = [
        "https://example.com/callback/",
        "https://example.com/Callback",
        "https://EXAMPLE.com/callback",
        "https://example.com:443/callback",
        "https://example.com/callback?x=1",
        "https://example.com/callback#x",
        "https://example.com/callback/../callback",
        "https://example.com/callbac%6B",
        "https://ada@example.com/callback",
        "https://www.example.com/callback",
        "https://example.com.evil.example/callback",
        "http://example.com/callback",
        "https://example.com/",
        // Only the example's own client may choose its port.
        "http://127.0.0.1:12022/app/other",
    ];
    for other in others {
        let answer = get(&authorize_url(&platform, &client, other)).await.is(400);
        assert_eq!(answer.header("location"), "", "{other}");
    }
}

#[tokio::test]
async fn s2_1_and_4_11_nothing_redirects_to_where_nobody_registered() {
    let platform = Platform::start().await;
    let evil = "https://evil.example/app/redirect";
    let paths = [
        platform.authorize_url(evil, SCOPES, "s").to_string(),
        platform.authorize_url(evil, SCOPES, "s").to_string().replace("/oauth/authorize", "/OAuth/approve"),
        platform.authorize_url(evil, SCOPES, "s").to_string().replace("=code", "=magic"),
        format!("{}/login?service={evil}", platform.base),
        format!("{}/login?service=//evil.example/clients", platform.base),
    ];
    for path in paths {
        let answer = get(&path).await.is(400);
        assert_eq!(answer.header("location"), "", "{path}");
    }
    // The login of the portal leads to the portal alone.
    let person = Person::admin(&platform);
    let portal = Portal::closed(&platform);
    for page in [
        "/clients/../../evil.example",
        "/clients@evil.example",
        "/clients/%2F%2Fevil",
        "/clients?x",
        "//evil",
    ] {
        let answer = portal.log_in(&person, page, &[]).await.is(400);
        assert_eq!(answer.header("location"), "", "{page}");
    }
}

/// Else anybody with a client could send people from our address to a page of theirs.
#[tokio::test]
async fn s4_11_2_nobody_is_redirected_to_a_client_before_signing_in() {
    let platform = Platform::start().await;
    let good = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s").to_string();
    let wrong = [
        good.replace("=code", "=magic"),
        good.replace("=code", "=token"),
        format!("{good}&code_challenge=x&code_challenge_method=plain"),
        platform.authorize_url(REPORTS_REDIRECT, "no.such.scope", "s").to_string(),
    ];
    for url in wrong {
        for path in [url.clone(), url.replace("/oauth/authorize", "/OAuth/approve")] {
            let answer = get(&path).await.is(302);
            let to = Url::parse(&platform.base).unwrap().join(answer.header("location")).unwrap();
            assert_eq!(to.path(), "/login", "{path}");
            assert!(to.as_str().starts_with(&platform.base), "{path} leads to {to}");
        }
        let landed = Person::admin(&platform).sign_in(&url).await;
        assert!(landed.as_str().starts_with(REPORTS_REDIRECT), "{landed}");
        assert!(query(&landed, "error").is_some() && query(&landed, "code").is_none(), "{landed}");
    }
}

/// Headers that a proxy would set say nothing to the platform, so nobody can forge them.
#[tokio::test]
async fn s4_13_headers_of_a_proxy_are_not_believed() {
    let platform = Platform::start().await;
    let url = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s").to_string();
    let told = |answer: &Answer| (answer.status, answer.header("location").to_owned(), answer.text.clone());
    let metadata = format!("{}/.well-known/oauth-authorization-server", platform.base);
    for url in [url, metadata] {
        let honest = get(&url).await;
        let forged = http()
            .get(&url)
            .header("host", "evil.example")
            .header("forwarded", "for=10.0.0.1;host=evil.example;proto=https")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-for", "10.0.0.1");
        assert_eq!(told(&Answer::of(&url, forged).await), told(&honest), "{url}");
    }
}

#[tokio::test]
async fn s2_1_1_pkce_is_supported_enforced_and_announced() {
    let platform = Platform::start().await;
    let told = get(&format!("{}/.well-known/oauth-authorization-server", platform.base)).await.is(200).json();
    assert_eq!(told["code_challenge_methods_supported"][0], "S256");
    let extra = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    for (verifier, status) in [("", 400), ("wrong", 400), (VERIFIER, 200)] {
        let code = code(&platform, &extra).await;
        let mut form = with_code(&code, REPORTS_REDIRECT);
        form.push(("code_verifier", verifier));
        platform.token(&form).await.is(status);
    }
}

#[tokio::test]
async fn s2_1_1_and_4_8_a_pkce_downgrade_is_refused() {
    let platform = Platform::start().await;
    // Somebody took the challenge out of the authorization request; the program still sends its verifier.
    let code = code(&platform, &[]).await;
    let mut form = with_code(&code, REPORTS_REDIRECT);
    form.push(("code_verifier", VERIFIER));
    assert_eq!(platform.token(&form).await.is(400).text_of("/error"), "invalid_grant");
}

#[tokio::test]
async fn s2_1_2_the_implicit_flow_is_off_unless_chosen() {
    let platform = Platform::start().await;
    let url = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s").to_string();
    let landed = Person::admin(&platform).sign_in(&url.replace("=code", "=token")).await;
    assert_eq!(query(&landed, "error").as_deref(), Some("unauthorized_client"));
    let portal = Portal::open(&platform, &Person::admin(&platform)).await;
    let form = portal.get("/clients/new").await.is(200).text;
    assert!(
        form.contains(r#"value="implicit"><span>"#) && form.contains(r#"value="authorization_code" checked"#)
    );
}

#[tokio::test]
async fn s2_3_a_token_does_what_its_scopes_say_and_no_more() {
    let platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, "cr.v1.read").await.session;
    session.get("/call-events/v1/conversation-spaces").await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
}

#[tokio::test]
async fn s2_4_the_password_grant_is_never_given() {
    let platform = Platform::start().await;
    let (user, password) = (platform.setting("CALLFEED_USER"), platform.setting("CALLFEED_PASSWORD"));
    let form = [("grant_type", "password"), ("username", user), ("password", password)];
    assert_eq!(platform.token(&form).await.is(401).text_of("/error"), "unauthorized_client");
    let portal = Portal::open(&platform, &Person::admin(&platform)).await;
    let fields = [
        ("name", "x"),
        ("redirect_uris", CALLBACK),
        ("scope", "cr.v1.read"),
        ("grant", "authorization_code"),
        ("grant", "password"),
    ];
    portal.send("/clients/new", CLIENTS, &fields).await.is(400);
}

#[tokio::test]
async fn s2_6_only_loopback_addresses_may_be_unencrypted() {
    let platform = Platform::start().await;
    let portal = Portal::open(&platform, &Person::admin(&platform)).await;
    let cases = [
        ("http://example.com/callback", 400),
        ("http://localhost.example.com/callback", 400),
        ("javascript:alert(1)", 400),
        ("https://example.com/callback#part", 400),
        ("http://127.0.0.1:12021/app/redirect", 200),
        ("http://localhost:5000/app/redirect", 200),
        (CALLBACK, 200),
    ];
    for (uri, status) in cases {
        let fields =
            [("name", "x"), ("redirect_uris", uri), ("scope", "cr.v1.read"), ("grant", "authorization_code")];
        let answer = portal.send("/clients/new", CLIENTS, &fields).await;
        assert_eq!(answer.status, status, "{uri}");
    }
}

#[tokio::test]
async fn s2_6_the_authorization_endpoint_and_its_pages_allow_no_other_origin() {
    let platform = Platform::start().await;
    let url = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s").to_string();
    let login = format!("{}{}", platform.base, "/login?service=x");
    for url in [url, login, format!("{}/clients", platform.base)] {
        let request = http().get(&url).header("origin", "https://evil.example");
        let answer = Answer::of(&url, request).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{url}");
    }
}

#[tokio::test]
async fn s4_2_4_a_code_works_once_and_its_replay_gives_nothing() {
    let platform = Platform::start().await;
    let code = code(&platform, &[]).await;
    let form = with_code(&code, REPORTS_REDIRECT);
    let first = platform.token(&form).await.is(200);
    let access = first.text_of("/access_token");
    assert_eq!(platform.token(&form).await.is(400).text_of("/error"), "invalid_grant");
    // A client that tried again after a lost answer keeps what it has.
    platform.with_token(&access).get(CHANNELS).await.is(200);
}

#[tokio::test]
async fn s4_2_4_pages_tell_no_referrer_and_load_nothing_from_elsewhere() {
    let platform = Platform::start().await;
    for (name, headers) in pages(&platform).await {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(header("referrer-policy"), "no-referrer", "{name}");
        assert_eq!(header("cache-control"), "no-store", "{name}");
        let policy = header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("script-src 'self'"),
            "{name}: {policy}"
        );
    }
}

/// Headers of every kind of page that a person meets.
async fn pages(platform: &Platform) -> Vec<(String, reqwest::header::HeaderMap)> {
    let person = Person::member(platform);
    let login = person.open(platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s").as_str()).await.page();
    let consent = person.log_in(&login).await.page();
    let mut pages = vec![("login".to_owned(), login.headers), ("consent".to_owned(), consent.headers)];
    let unknown = get(platform.authorize_url("https://evil.example", SCOPES, "s").as_str()).await.is(400);
    pages.push(("message".to_owned(), unknown.headers));
    let portal = Portal::open(platform, &person).await;
    for path in [CLIENTS, "/clients/new", TOKENS] {
        pages.push((path.to_owned(), portal.get(path).await.is(200).headers));
    }
    pages
}

#[tokio::test]
async fn s4_3_2_credentials_in_an_address_are_not_read() {
    let platform = Platform::start().await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let none = platform.with_token("");
    none.get(&format!("{CHANNELS}?access_token={}", grant.access_token))
        .await
        .error(403, "AUTHZ_INSUFFICIENT_SCOPE");
    let (id, secret) = (platform.setting("OAUTH_CLIENT_ID"), platform.setting("OAUTH_CLIENT_SECRET"));
    let mut url = Url::parse(&format!("{}/oauth/token", platform.base)).unwrap();
    url.query_pairs_mut().append_pair("client_id", id).append_pair("client_secret", secret);
    url.query_pairs_mut().append_pair("refresh_token", &grant.refresh_token);
    let form = [("grant_type", "refresh_token")];
    Answer::of("token", http().post(url.clone()).form(&form)).await.is(401);
    Answer::of("token", http().get(url)).await.is(405);
}

#[tokio::test]
async fn s4_5_a_code_is_bound_to_its_client_and_its_redirect_uri() {
    let platform = Platform::start().await;
    let other = client(&platform, &["authorization_code"]).await;
    let stolen = code(&platform, &[]).await;
    let form = with_code(&stolen, REPORTS_REDIRECT);
    let answer = platform.token_as(&other.id, Some(&other.secret), &form).await.is(400);
    assert_eq!(answer.text_of("/error"), "invalid_grant");
    for redirect_uri in [SCREEN_POP_REDIRECT, ""] {
        let code = code(&platform, &[]).await;
        let answer = platform.token(&with_code(&code, redirect_uri)).await.is(400);
        assert_eq!(answer.text_of("/error"), "invalid_grant", "{redirect_uri:?}");
    }
}

#[tokio::test]
async fn s4_7_the_state_comes_back_unchanged() {
    let platform = Platform::start().await;
    for state in ["0123456789abcdef", "a b&c=d#e?f/g%h+i", "\u{e9}\u{1f4de}\"'<>"] {
        let url = platform.authorize_url(REPORTS_REDIRECT, SCOPES, state);
        let landed = Person::admin(&platform).sign_in(url.as_str()).await;
        assert_eq!(query(&landed, "state").as_deref(), Some(state));
    }
}

#[tokio::test]
async fn s4_7_a_form_of_another_session_is_refused() {
    let platform = Platform::start().await;
    let portal = Portal::open(&platform, &Person::admin(&platform)).await;
    let other = Portal::open(&platform, &Person::member(&platform)).await;
    let foreign = form_for(&other.get(CLIENTS).await, "/clients/sign-out").controls[0].value.clone();
    let id = uuid::Uuid::new_v4().to_string();
    let own = format!("/clients/{}", platform.setting("OAUTH_CLIENT_ID"));
    let targets = [
        CLIENTS.to_owned(),
        TOKENS.to_owned(),
        own.clone(),
        format!("{own}/secret"),
        format!("{own}/delete"),
    ];
    for proof in [foreign.as_str(), ""] {
        for target in &targets {
            let fields = [("proof", proof), ("id", &id), ("name", "x"), ("scope", "cr.v1.read")];
            portal.post(target, &fields).await.is(403);
        }
    }
    // Nor does a person get into a session that another site chose.
    let browser = [("sec-fetch-site", "cross-site")];
    Portal::closed(&platform).log_in(&Person::admin(&platform), CLIENTS, &browser).await.is(403);
    let browser = [("sec-fetch-site", "same-origin")];
    Portal::closed(&platform).log_in(&Person::admin(&platform), CLIENTS, &browser).await.is(303);
}

#[tokio::test]
async fn s4_12_a_password_is_never_sent_on_by_a_redirect() {
    let platform = Platform::start().await;
    let person = Person::admin(&platform);
    // 303, after which a browser asks with GET; never 307 or 308.
    Portal::closed(&platform).log_in(&person, CLIENTS, &[]).await.is(303);
    let url = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s").to_string();
    let login = get(&url).await.is(302).header("location").to_owned();
    let service = query(&Url::parse(&login).unwrap(), "service").unwrap();
    let form = [("service", service.as_str()), ("email", &person.email), ("password", &person.password)];
    let request = http().post(format!("{}/login", platform.base)).form(&form);
    Answer::of("POST /login", request).await.is(303);
}

#[tokio::test]
async fn s4_14_a_refresh_token_is_bound_to_its_client_and_its_scopes() {
    let platform = Platform::start().await;
    let grant = Person::admin(&platform).grant(&platform, "cr.v1.read").await;
    let other = client(&platform, &["authorization_code", "refresh_token"]).await;
    let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", grant.refresh_token.as_str())];
    let answer = platform.token_as(&other.id, Some(&other.secret), &form).await.is(400);
    assert_eq!(answer.text_of("/error"), "invalid_grant");
    assert_eq!(platform.token(&form).await.is(200).text_of("/scope"), "cr.v1.read");
    form.push(("scope", SCOPES));
    assert_eq!(platform.token(&form).await.is(400).text_of("/error"), "invalid_scope");
    // One client neither ends nor sees another's token.
    for path in ["/oauth/revoke", "/oauth/introspect"] {
        let request =
            http().post(format!("{}{path}", platform.base)).basic_auth(&other.id, Some(&other.secret));
        let answer = Answer::of(path, request.form(&[("token", &grant.access_token)])).await;
        if path == "/oauth/revoke" {
            assert_eq!(answer.is(400).text_of("/error"), "invalid_grant");
        } else {
            assert_eq!(answer.is(200).json(), serde_json::json!({"active": false}));
        }
    }
    grant.session.get(CHANNELS).await.is(200);
}

#[tokio::test]
async fn s4_16_no_page_can_be_framed() {
    let platform = Platform::start().await;
    for (name, headers) in pages(&platform).await {
        assert_eq!(headers["x-frame-options"], "DENY", "{name}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{name}: {policy}");
    }
}

#[tokio::test]
async fn cookies_are_for_the_server_alone_and_encrypted_where_the_platform_is() {
    for (flags, secure) in [(&[][..], false), (&["--public-url", "https://calls.example.com"][..], true)] {
        let platform = Platform::start_with(flags).await;
        let public = if secure { "https://calls.example.com" } else { &platform.base };
        let person = Person::admin(&platform);
        let url = get(platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s").as_str()).await.is(302);
        let service = query(&Url::parse(url.header("location")).unwrap(), "service").unwrap();
        for service in [service, format!("{public}/clients")] {
            let form =
                [("service", service.as_str()), ("email", &person.email), ("password", &person.password)];
            let request = http().post(format!("{}/login", platform.base)).form(&form);
            let answer = Answer::of("POST /login", request).await.is(303);
            let cookie = answer.header("set-cookie");
            assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"), "{cookie}");
            assert_eq!(cookie.contains("; Secure"), secure, "{cookie}");
        }
    }
}

/// Another's reading of the RFCs agrees with ours.
#[tokio::test]
async fn the_oauth2_crate_signs_in_refreshes_and_introspects() {
    let platform = Platform::start().await;
    let at = |path: &str| format!("{}{path}", platform.base);
    let client = BasicClient::new(ClientId::new(platform.setting("OAUTH_CLIENT_ID").to_owned()))
        .set_client_secret(ClientSecret::new(platform.setting("OAUTH_CLIENT_SECRET").to_owned()))
        .set_auth_uri(AuthUrl::new(at("/oauth/authorize")).unwrap())
        .set_token_uri(TokenUrl::new(at("/oauth/token")).unwrap())
        .set_introspection_url(IntrospectionUrl::new(at("/oauth/introspect")).unwrap())
        .set_redirect_uri(RedirectUrl::new(REPORTS_REDIRECT.to_owned()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state) = client
        .authorize_url(CsrfToken::new_random)
        .add_scope(Scope::new("cr.v1.read".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let landed = Person::admin(&platform).sign_in(url.as_str()).await;
    assert_eq!(query(&landed, "state").as_ref(), Some(state.secret()));
    let code = AuthorizationCode::new(query(&landed, "code").unwrap());
    let exchange = client.exchange_code(code).set_pkce_verifier(verifier);
    let token = exchange.request_async(&carry).await.expect("a token");
    assert_eq!(token.expires_in().map(|life| life.as_secs()), Some(3600));
    assert_eq!(token.scopes().map(Vec::as_slice), Some(&[Scope::new("cr.v1.read".to_owned())][..]));
    let refresh = token.refresh_token().expect("a refresh token").clone();
    let fresh = client.exchange_refresh_token(&refresh).request_async(&carry).await.expect("a fresh token");
    let told = client.introspect(fresh.access_token()).request_async(&carry).await.expect("an answer");
    assert!(told.active());
    assert_eq!(told.username(), Some(platform.setting("CALLFEED_USER")));
    assert_eq!(told.scopes().map(Vec::len), Some(1));
}

async fn carry(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let answer = http().execute(request.try_into()?).await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = HttpResponse::new(answer.bytes().await?.to_vec());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}
