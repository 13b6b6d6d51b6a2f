//! Every error of the API has the spec's error body (spec/errors-and-limits.md), whoever raised it.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, Person, Platform, SCOPES, SOON, Session, eventually, http};

const CHANNELS: &str = "/notification-channel/v1/channels";
const SUBSCRIPTIONS: &str = "/call-events/v1/subscriptions";
const REPORT: &str = "/call-events-report/v1/reports/009a1df5-5ae0-33e2-8ce1-157908a9e0c6";
const EVENTS: &str = "/call-events/v1/conversation-spaces/009a1df5-5ae0-33e2-8ce1-157908a9e0c6/events";

async fn admin(platform: &Platform, scopes: &str) -> Session {
    Person::admin(platform).grant(platform, scopes).await.session
}

async fn send(session: &Session, method: Method, path: &str, kind: &str, body: Vec<u8>) -> Answer {
    let request = session.request(method, path).header("content-type", kind).body(body);
    Answer::of(path, request).await
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let platform = Platform::start().await;
    let session = admin(&platform, SCOPES).await;
    let unknown =
        ["/call-events/v1/nonsense", "/call-events-report/v2/reports", "/nonsense/v1", REPORT, EVENTS];
    for path in unknown {
        session.get(path).await.error(404, "NOT_FOUND");
    }
    for path in [REPORT, EVENTS].map(|path| path.replace("009a1df5", "not-a-uuid")) {
        session.get(&path).await.error(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_with_the_error_body() {
    let platform = Platform::start().await;
    let session = admin(&platform, SCOPES).await;
    let wrong = [
        (Method::PATCH, SUBSCRIPTIONS),
        (Method::POST, REPORT),
        (Method::DELETE, "/call-events/v1/conversation-spaces"),
        (Method::PATCH, "/notification-channel/v1/channels/demo/some-id"),
    ];
    for (method, path) in wrong {
        let answer = Answer::of(path, session.request(method, path)).await;
        assert_ne!(answer.header("allow"), "", "{path}: the answer names the methods that are allowed");
        let code = answer.json()["errorCode"].as_str().unwrap_or_default().to_owned();
        answer.error(405, &code);
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_or_no_json_is_refused() {
    let platform = Platform::start().await;
    let session = admin(&platform, SCOPES).await;
    let path = format!("{CHANNELS}/demo");
    let huge = format!("{{\"channelType\":\"{}\"}}", "x".repeat(3 << 20)).into_bytes();
    // The platform does not read such a body to its end, so the connection is of no use afterwards.
    let once = Session::new(http(), &platform.base, &session.token);
    let answer = send(&once, Method::POST, &path, "application/json", huge).await;
    let code = answer.json()["errorCode"].as_str().unwrap_or_default().to_owned();
    answer.error(413, &code);

    let good = br#"{"channelType":"WebSocket"}"#.to_vec();
    let answer = send(&session, Method::POST, &path, "text/plain", good).await;
    let code = answer.json()["errorCode"].as_str().unwrap_or_default().to_owned();
    answer.error(415, &code);

    for body in ["", "{", "[]", "\"WebSocket\"", "{\"channelType\": 5}", "\u{0}"] {
        let answer = send(&session, Method::POST, &path, "application/json", body.into()).await;
        answer.error(400, "MALFORMED_REQUEST");
    }
    let not_utf8 = vec![b'{', b'"', 0xff, 0xfe, b'"', b':', b'1', b'}'];
    send(&session, Method::POST, &path, "application/json", not_utf8).await.error(400, "MALFORMED_REQUEST");
}

#[tokio::test]
async fn a_token_is_needed_and_must_be_good() {
    let platform = Platform::start().await;
    for path in [CHANNELS, SUBSCRIPTIONS, REPORT, EVENTS] {
        platform.with_token("").get(path).await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
        platform.with_token("made-up").get(path).await.error(401, "AUTHN_INVALID_TOKEN");
        let basic = platform.with_token("").request(Method::GET, path).basic_auth("user", Some("password"));
        Answer::of(path, basic).await.error(401, "AUTHN_UNSUPPORTED_SCHEME");
    }
    let long = "x".repeat(5000);
    let answer = platform.with_token(&long).get(CHANNELS).await;
    assert!([401, 431].contains(&answer.status), "a token beyond every limit: {}", answer.status);
}

#[tokio::test]
async fn the_scope_is_checked_before_the_resource() {
    let platform = Platform::start().await;
    let reader = admin(&platform, "cr.v1.read").await;
    reader.get(REPORT).await.error(404, "NOT_FOUND");
    reader.get(EVENTS).await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
    reader.get("/call-events/v1/conversation-spaces").await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
    let body = json!({"channelId": "0nothing", "accountKeys": [{"id": platform.account()}]});
    reader.post(SUBSCRIPTIONS, &body).await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
    let body = json!({"channelId": "0nothing", "accountKeys": [platform.account()]});
    let reports = "/call-events-report/v1/subscriptions";
    reader.post(reports, &body).await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
    // There is no scope for the notification channel: any valid token will do.
    reader.get(CHANNELS).await.is(200);
    reader.get(&format!("{CHANNELS}/demo/0nothing")).await.error(404, "RTC-NOTIFICATION-CHANNEL-NOT-FOUND");

    let listener = admin(&platform, "call-events.v1.events.read").await;
    listener.get(EVENTS).await.error(404, "NOT_FOUND");
    listener.get(REPORT).await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
}

#[tokio::test]
async fn somebody_without_the_right_cannot_read_the_accounts_calls() {
    let platform = Platform::start().await;
    let member = Person::member(&platform).grant(&platform, SCOPES).await.session;
    let path = format!("/call-events/v1/conversation-spaces?accountKey={}", platform.account());
    member.get(&path).await.error(403, "UNAUTHORIZED");
    let other = "/call-events/v1/conversation-spaces?accountKey=1000000000000000001";
    let answer = admin(&platform, SCOPES).await.get(other).await;
    let items = answer.status == 200 && answer.json()["items"] == json!([]);
    assert!(items || [403, 404].contains(&answer.status), "{} {}", answer.status, answer.text);
}

#[tokio::test]
async fn more_than_the_rate_limit_is_429_with_retry_after_and_passes_again_later() {
    let platform = Platform::start_with(&["--rate-limit", "10"]).await;
    let session = admin(&platform, SCOPES).await;
    let mut limited = None;
    for _ in 0..200 {
        let answer = session.get(CHANNELS).await;
        if answer.status != 200 {
            limited = Some(answer);
            break;
        }
    }
    let answer = limited.expect("200 requests in a row meet a limit of 10 a second");
    let wait: u64 = answer.header("retry-after").parse().expect("Retry-After gives seconds");
    assert!((1..=2).contains(&wait), "{wait}");
    answer.error(429, "TOO_MANY_REQUESTS");
    // The other API has a count of its own.
    session.get(REPORT).await.error(404, "NOT_FOUND");
    eventually("requests pass again", SOON, async || {
        (session.get(CHANNELS).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_example_office_has_no_rate_limit_unless_asked() {
    let platform = Platform::start().await;
    let session = admin(&platform, SCOPES).await;
    for _ in 0..100 {
        session.get(CHANNELS).await.is(200);
    }
}
