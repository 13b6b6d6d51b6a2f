//! Signing in and staying signed in.

use std::sync::Arc;

use sdk::ErrorKind;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::sync::Notify;

use crate::fake::Fake;

const REFRESH: &str = "POST /oauth/token grant_type=refresh_token";

#[tokio::test]
async fn the_login_address_is_the_location_of_a_302_and_nothing_else() {
    let fake = Fake::start().await;
    let client = fake.client();
    let authorization = client.authorization(&["call-events.v1.events.read", "cr.v1.read"]).await.unwrap();
    assert_eq!(authorization.login_url, fake.base.join("/login?service=x").unwrap());
    assert_eq!(authorization.state.len(), 30);
    assert!(authorization.state.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let request = fake.log().pop().unwrap();
    for part in ["response_type=code", "client_id=client-1", "scope=call-events.v1.events.read+cr.v1.read"] {
        assert!(request.contains(part), "{request}");
    }
    assert!(request.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A12021%2Fapp%2Fredirect"), "{request}");

    for status in [303, 200, 400] {
        fake.mood(|mood| mood.authorize_status = status);
        let error = client.authorization(&[]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Rejected, "{status}");
        assert!(error.to_string().contains("OAUTH_CLIENT_ID"), "{error}");
    }
}

#[tokio::test]
async fn a_sign_in_lasts_over_a_restart() {
    let fake = Fake::start().await;
    let client = fake.client();
    assert_eq!(client.ready().await.unwrap_err().kind, ErrorKind::SignInNeeded);
    client.exchange("code-1").await.unwrap();
    assert!(client.is_signed_in());
    assert_eq!(client.principal().as_deref(), Some("ada@example.com"));
    let request = fake.log().pop().unwrap();
    for part in ["grant_type=authorization_code", "code=code-1", "client_id=client-1", "redirect_uri="] {
        assert!(request.contains(part), "{request}");
    }
    drop(client);

    let client = fake.client();
    client.ready().await.unwrap();
    assert_eq!(fake.count("POST /oauth/token"), 1);
    assert!(!format!("{client:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_refresh_outlives_the_request_that_began_it() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    let (come, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let first = client.access_token().await.unwrap().expose_secret().to_owned();
    fake.mood(|mood| {
        mood.expired = Some(first);
        mood.held = Some((come.clone(), go.clone()));
    });
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.channels().await }
    });
    come.notified().await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    go.notify_one();
    fake.wait_for(REFRESH, 1).await;
    // Had the answer gone with the request, another refresh would come now.
    let channels = "GET /notification-channel/v1/channels";
    fake.next(channels, 200, json!({"items": []}));
    client.channels().await.unwrap();
    assert_eq!(fake.count(REFRESH), 1);
}

#[tokio::test]
async fn tokens_of_one_server_are_not_shown_to_another() {
    let (one, other) = (Fake::start().await, Fake::start().await);
    one.signed_in().await;
    let file = sdk::TokenFile::new(one.folder.path().join("tokens.json"));
    let client = sdk::Client::new(other.config(), file).unwrap();
    assert_eq!(client.channels().await.unwrap_err().kind, ErrorKind::SignInNeeded);
    assert_eq!(other.log().len(), 0);
}

#[tokio::test]
async fn a_token_is_refreshed_at_a_third_of_its_life_and_the_old_refresh_token_kept() {
    let fake = Fake::start().await;
    fake.mood(|mood| mood.expires_in = 3);
    let started = std::time::Instant::now();
    let client = fake.signed_in().await;
    // The first tick fails and is made up for at the next one.
    fake.next("POST /oauth/token", 503, json!({}));
    fake.wait_for("POST /oauth/token grant_type=refresh_token", 3).await;
    assert!(started.elapsed() >= std::time::Duration::from_secs(3), "three ticks of a second");
    let refreshes = fake.log().into_iter().filter(|line| line.contains("grant_type=refresh_token"));
    assert!(refreshes.into_iter().all(|line| line.contains("refresh_token=refresh-1")));
    assert!(client.is_signed_in());
}

#[tokio::test]
async fn a_refused_refresh_means_that_a_person_must_sign_in() {
    let fake = Fake::start().await;
    fake.mood(|mood| mood.expires_in = 0);
    let client = fake.signed_in().await;
    let refused = json!({"error": "invalid_grant", "error_description": "expired"});
    fake.next("POST /oauth/token", 400, refused);
    let error = client.ready().await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::SignInNeeded, Some("invalid_grant")));
    assert!(!client.is_signed_in());
    let before = fake.log().len();
    assert_eq!(client.ready().await.unwrap_err().kind, ErrorKind::SignInNeeded);
    assert_eq!(fake.log().len(), before, "a refused token is not sent again");

    fake.mood(|mood| mood.expires_in = 3600);
    client.exchange("code-2").await.unwrap();
    client.ready().await.unwrap();
}

#[tokio::test]
async fn many_calls_with_an_expired_token_refresh_it_once() {
    let fake = Fake::start().await;
    fake.mood(|mood| mood.expires_in = 0);
    let client = fake.signed_in().await;
    fake.mood(|mood| mood.expires_in = 3600);
    let calls = (0..10).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.ready().await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(fake.count("POST /oauth/token grant_type=refresh_token"), 1);
}

#[tokio::test]
async fn a_wrong_client_secret_is_named() {
    let fake = Fake::start().await;
    let refused = json!({"error": "invalid_client", "error_description": "client not found"});
    fake.next("POST /oauth/token", 401, refused);
    let error = fake.client().exchange("code").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.to_string().contains("OAUTH_CLIENT_SECRET"), "{error}");
}

#[tokio::test]
async fn fifty_tasks_that_meet_a_401_make_one_refresh() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    fake.mood(|mood| mood.expired = Some("access-1".to_owned()));
    let calls = (0..50).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.report_subscriptions("c").await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(fake.count("POST /oauth/token grant_type=refresh_token"), 1);
}

#[tokio::test]
async fn processes_that_share_a_token_file_make_one_refresh() {
    let fake = Fake::start().await;
    // A client value has its own handle on the lock file, as a process has.
    let clients: Vec<sdk::Client> =
        std::iter::once(fake.signed_in().await).chain((0..5).map(|_| fake.client())).collect();
    fake.mood(|mood| mood.expired = Some("access-1".to_owned()));
    let calls: Vec<_> = clients
        .iter()
        .cloned()
        .map(|client| tokio::spawn(async move { client.report_subscriptions("c").await }))
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(fake.count("POST /oauth/token grant_type=refresh_token"), 1);
}

#[tokio::test]
async fn a_sign_in_by_another_process_is_taken_up() {
    let fake = Fake::start().await;
    let waiting = fake.client();
    assert!(!waiting.is_signed_in());
    fake.signed_in().await;
    let taken_up = async {
        while !waiting.is_signed_in() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::PATIENCE, taken_up).await.expect("the file is looked at");
    waiting.report_subscriptions("c").await.unwrap();
}

#[tokio::test]
async fn a_new_sign_in_by_another_process_is_taken_up_while_the_old_one_still_serves() {
    let fake = Fake::start().await;
    let token = async |client: &sdk::Client| {
        client.access_token().await.expect("somebody is signed in").expose_secret().to_owned()
    };
    let running = fake.signed_in().await;
    let before = token(&running).await;
    let other = fake.client();
    other.exchange("code-2").await.unwrap();
    let after = token(&other).await;
    assert_ne!(before, after);
    let taken_up = async {
        while token(&running).await != after {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::PATIENCE, taken_up).await.expect("the file is looked at");
    running.report_subscriptions("c").await.unwrap();
    assert_eq!((token(&other).await, fake.count(REFRESH)), (after, 0), "nothing was refreshed for it");
}

#[tokio::test]
async fn the_code_is_bound_to_the_sign_in_that_asked_for_it() {
    let fake = Fake::start().await;
    let client = fake.client();
    client.authorization(&[]).await.unwrap();
    let asked = fake.log().pop().unwrap();
    assert!(asked.contains("code_challenge_method=S256"), "{asked}");
    let challenge =
        asked.split("code_challenge=").nth(1).unwrap().split(['&', ' ']).next().unwrap().to_owned();
    client.exchange("code-1").await.unwrap();
    let exchanged = fake.log().pop().unwrap();
    let verifier = exchanged.split("code_verifier=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    // RFC 7636 §4.6
    let expected =
        oauth2::PkceCodeChallenge::from_code_verifier_sha256(&oauth2::PkceCodeVerifier::new(verifier));
    assert_eq!(challenge, expected.as_str());
}

#[tokio::test]
async fn the_end_of_the_sign_in_is_known_and_moves_with_a_new_refresh_token() {
    let fake = Fake::start().await;
    fake.mood(|mood| mood.expires_in = 0);
    let client = fake.signed_in().await;
    let first = client.sign_in_ends().unwrap();
    let days = first.duration_since(jiff::Timestamp::now()).as_secs_f64() / 86_400.0;
    assert!((29.9..=30.0).contains(&days), "{days}");
    client.ready().await.unwrap();
    assert_eq!(client.sign_in_ends(), Some(first), "an answer without a refresh token prolongs nothing");

    let renewed = json!({"access_token": "access-9", "refresh_token": "refresh-2", "expires_in": 0});
    fake.next("POST /oauth/token", 200, renewed);
    client.ready().await.unwrap();
    assert!(client.sign_in_ends().unwrap() > first);
    client.ready().await.unwrap();
    assert!(fake.log().pop().unwrap().contains("refresh_token=refresh-2"));
}

#[tokio::test]
async fn a_program_without_pages_waits_for_the_browser_itself() {
    let fake = Fake::start().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let redirect = format!("http://{free}/app/redirect");
    let config = sdk::Config { redirect_uri: redirect.parse().unwrap(), ..fake.config() };
    let client =
        sdk::Client::new(config, sdk::TokenFile::new(fake.folder.path().join("tokens.json"))).unwrap();
    let (told, address) = tokio::sync::oneshot::channel();
    let signing_in = tokio::spawn({
        let client = client.clone();
        async move { client.sign_in(&["cr.v1.read"], |address| drop(told.send(address.clone()))).await }
    });
    assert_eq!(address.await.unwrap().path(), "/login");
    let state = fake.log().iter().find_map(|line| Some(line.split_once("state=")?.1.to_owned())).unwrap();
    let state = &state[..30];
    let back = async |query: String| reqwest::get(format!("{redirect}?{query}")).await.unwrap();
    assert_eq!(back("state=guessed&code=code-0".to_owned()).await.status(), 404);
    let page = back(format!("state={state}&code=code-1")).await.text().await.unwrap();
    assert!(page.contains("You are signed in"), "{page}");
    signing_in.await.unwrap().unwrap();
    assert!(client.is_signed_in());
    let nobody = client.sign_in(&[], |_| panic!("nobody is asked")).await;
    assert!(nobody.is_ok());
}

#[tokio::test]
async fn a_sign_in_that_has_ended_is_begun_anew_and_one_that_cannot_be_asked_for_is_kept() {
    let fake = Fake::start().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let redirect_uri = format!("http://{free}/app/redirect").parse().unwrap();
    let config = sdk::Config { redirect_uri, ..fake.config() };
    let file = sdk::TokenFile::new(fake.folder.path().join("tokens.json"));
    let client = sdk::Client::new(config, file).unwrap();
    fake.mood(|mood| mood.expires_in = 0);
    client.exchange("code-1").await.unwrap();
    fake.next("POST /oauth/token", 503, json!({}));
    client.sign_in(&[], |_| panic!("nobody is asked")).await.unwrap();

    fake.next("POST /oauth/token", 400, json!({"error": "invalid_grant"}));
    let (told, address) = tokio::sync::oneshot::channel();
    let signing_in =
        tokio::spawn(async move { client.sign_in(&[], |address| drop(told.send(address.clone()))).await });
    assert_eq!(address.await.unwrap().path(), "/login");
    signing_in.abort();
}
