//! Report summaries (spec/call-events-report.md, `GET /report-summaries`): filters, the window, paging, rights.

use serde_json::Value;

use crate::harness::calls;
use crate::harness::{Person, Platform, SCOPES, Session};

const SUMMARIES: &str = "/call-events-report/v1/report-summaries";

/// A window around now.
fn window() -> String {
    let now = jiff::Timestamp::now();
    let hour = jiff::SignedDuration::from_hours(1);
    format!("startTime={}&endTime={}", now - hour, now + hour)
}

async fn ids(session: &Session, filter: &str) -> Vec<String> {
    let page = session.get(&format!("{SUMMARIES}?{}&{filter}", window())).await.is(200).json();
    assert_eq!(page.get("nextPageMarker"), None, "one page holds them all: {page}");
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["conversationSpaceId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn summaries_are_filtered_by_outcome_scope_and_party_and_equal_the_notifications() {
    let platform = Platform::start().await;
    let admin = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let channel = calls::Channel::subscribed(&platform, &admin, "summaries").await;
    let mut socket = channel.socket().await;
    let answered = calls::play(&platform, "answered", &["--speed", "50", "--seed", "3"]).await;
    let frames = socket.call(&answered).await;
    let missed = calls::play(&platform, "missed", &["--speed", "50", "--seed", "4"]).await;
    let internal = calls::play(&platform, "internal", &["--speed", "50", "--seed", "5"]).await;

    let account = format!("accountKey={}", platform.account());
    let newest_first = [internal.clone(), missed.clone(), answered.clone()];
    assert_eq!(ids(&admin, &account).await, newest_first);
    assert_eq!(ids(&admin, &format!("{account}&outcomme=MISSED")).await, newest_first, "a typing error");
    let filter = |filter: &str| format!("{account}&{filter}");
    assert_eq!(ids(&admin, &filter("conversationCallerOutcome=MISSED")).await, std::slice::from_ref(&missed));
    assert_eq!(ids(&admin, &filter("conversationScope=INTERNAL")).await, std::slice::from_ref(&internal));
    assert_eq!(ids(&admin, &filter("conversationScope=EXTERNAL")).await, [missed.clone(), answered.clone()]);

    let page = admin.get(&format!("{SUMMARIES}?{}&{account}", window())).await.is(200).json();
    assert_eq!(page["pageSize"], 100);
    let summary = &page["items"][2];
    assert_eq!(*summary, frames.last().unwrap()["data"]["content"], "the notification's content");
    let text = |pointer: &str| summary.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
    let with = |found: &[String]| found.contains(&answered);
    assert!(with(&ids(&admin, &format!("lineId={}", text("/participants/0/type/lineId"))).await));
    assert!(with(&ids(&admin, &format!("userKey={}", text("/participants/0/type/userKey"))).await));
    let number = text("/caller/type/phoneNumberId");
    assert!(with(&ids(&admin, &format!("phoneNumberId={number}")).await));
    assert_eq!(ids(&admin, &format!("phoneNumberId={number}&conversationScope=INTERNAL")).await, [""; 0]);
}

#[tokio::test]
async fn summaries_come_page_by_page() {
    let platform = Platform::start().await;
    let admin = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let flags = ["--speed", "100", "--count", "5", "--every", "100ms"];
    calls::play(&platform, "answered", &flags).await;
    let path = format!("{SUMMARIES}?{}&accountKey={}&pageSize=2", window(), platform.account());
    let (mut seen, mut sizes, mut next) = (Vec::new(), Vec::new(), path.clone());
    loop {
        let page = admin.get(&next).await.is(200).json();
        assert_eq!(page["pageSize"], 2);
        let items = page["items"].as_array().unwrap().clone();
        sizes.push(items.len());
        seen.extend(items);
        let Some(marker) = page["nextPageMarker"].as_str() else { break };
        next = format!("{path}&pageMarker={marker}");
    }
    assert_eq!(sizes, [2, 2, 1]);
    let created: Vec<&str> = seen.iter().map(|item| item["callCreated"].as_str().unwrap()).collect();
    let instants: Vec<jiff::Timestamp> = created.iter().map(|text| text.parse().unwrap()).collect();
    assert!(instants.is_sorted_by(|a, b| a >= b), "newest first: {created:?}");
    admin.get(&format!("{path}&pageMarker=nonsense!")).await.error(400, "BAD_REQUEST");
    // A window before all calls.
    let empty = format!(
        "{SUMMARIES}?startTime=2026-01-01T00:00:00Z&endTime=2026-01-31T23:59:59Z&accountKey={}",
        platform.account()
    );
    let answer = admin.get(&empty).await.is(200).json();
    assert_eq!(answer, serde_json::json!({"pageSize": 100, "items": []}));
}

#[tokio::test]
async fn what_a_request_for_summaries_lacks_is_named() {
    let platform = Platform::start().await;
    let admin = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let key = format!("accountKey={}", platform.account());
    let too_long = format!("startTime=2026-01-01T00:00:00Z&endTime=2026-02-01T00:00:01Z&{key}");
    let error = admin.get(&format!("{SUMMARIES}?{too_long}")).await.error(400, "BAD_REQUEST");
    assert_eq!(error["message"], "The request is invalid.");
    let expected = serde_json::json!(
        [{"field": "maximum supported range is 31 days", "constraint": "InvalidRange"}]);
    assert_eq!(error["constraintViolations"], expected);
    let exactly = format!("startTime=2026-01-01T00:00:00Z&endTime=2026-02-01T00:00:00Z&{key}");
    admin.get(&format!("{SUMMARIES}?{exactly}")).await.is(200);

    let cases = [
        (format!("endTime=2026-02-01T00:00:00Z&{key}"), "startTime"),
        (format!("startTime=2026-02-01T00:00:00Z&{key}"), "endTime"),
        (format!("startTime=yesterday&endTime=2026-02-01T00:00:00Z&{key}"), "startTime"),
        (window(), "accountKey"),
        (format!("{}&{key}&userKey=1", window()), "userKey"),
        (format!("{}&{key}&conversationScope=SIDEWAYS", window()), "conversationScope"),
    ];
    for (query, field) in cases {
        let error = admin.get(&format!("{SUMMARIES}?{query}")).await.error(400, "BAD_REQUEST");
        assert_eq!(error["constraintViolations"][0]["field"], field, "{query}: {error}");
    }
}

#[tokio::test]
async fn summaries_ask_for_the_scope_first_and_then_for_the_right() {
    let platform = Platform::start().await;
    let member = Person::member(&platform);
    let path = format!("{SUMMARIES}?{}&accountKey={}", window(), platform.account());
    let without = member.grant(&platform, "call-events.v1.events.read").await.session;
    without.get(&path).await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
    without.get(SUMMARIES).await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
    let session = member.grant(&platform, SCOPES).await.session;
    session.get(&path).await.error(403, "UNAUTHORIZED");
    session.get(&format!("{SUMMARIES}?{}&userKey=1", window())).await.error(403, "UNAUTHORIZED");
}
