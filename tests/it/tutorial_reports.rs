//! The first tutorial as a story: from the authorize call to the printed report, with the statuses that the
//! official demo insists on (spec/README.md).

use serde_json::{Value, json};

use crate::harness::calls::{self, Channel};
use crate::harness::{Person, Platform, REPORTS_REDIRECT, SCOPES, SOON, Session, Socket};

const SUBSCRIPTIONS: &str = "/call-events-report/v1/subscriptions";

/// Every member of the envelope is there, null where it has no value (spec/notification-channel.md, Envelope).
pub fn check_envelope(frame: &Value, event_id: usize) {
    let names = |value: &Value| -> Vec<String> {
        let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(names(frame), ["data", "event", "eventId", "timestamp"], "{frame:#}");
    assert_eq!(frame["event"], "Notification");
    assert_eq!(frame["eventId"], event_id);
    let data = &frame["data"];
    let members = [
        "bypassDoNotDisturb",
        "content",
        "contentVersion",
        "displayNotification",
        "id",
        "source",
        "timestamp",
        "topic",
        "ttl",
        "type",
        "usage",
    ];
    assert_eq!(names(data), members, "{frame:#}");
    for member in ["usage", "topic", "displayNotification", "contentVersion"] {
        assert_eq!(data[member], Value::Null, "{member}: {frame:#}");
    }
    assert_eq!(data["ttl"], 600);
    assert_eq!(data["bypassDoNotDisturb"], false);
    assert!(data["id"].as_str().unwrap().parse::<uuid::Uuid>().is_ok(), "{frame:#}");
    for timestamp in [&frame["timestamp"], &data["timestamp"]] {
        let text = timestamp.as_str().unwrap_or_else(|| panic!("no timestamp: {frame:#}"));
        assert!(text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(), "{text}");
    }
}

async fn subscribe(platform: &Platform, session: &Session, channel: &Channel) {
    let account = platform.account();
    let types = ["REPORT_SUMMARY"];
    let body = json!({"channelId": channel.id, "accountKeys": [account], "eventTypes": types});
    let answer = session.post(SUBSCRIPTIONS, &body).await.is(201).json();
    assert_eq!(answer["items"].as_array().unwrap().len(), 1, "{answer}");
    let item = &answer["items"][0];
    assert!(item["id"].as_str().is_some_and(|id| !id.is_empty()), "{answer}");
    assert_eq!(item["channelId"], channel.id.as_str());
    assert_eq!(item["value"], account);
    assert_eq!(item["eventTypes"], json!(types));

    let list = session.get(&format!("{SUBSCRIPTIONS}?channelId={}", channel.id)).await.is(200).json();
    let expected = json!({"accountKeys": [account], "userKeys": [], "lineIds": [], "phoneNumberIds": []});
    assert_eq!(list, expected);
}

async fn hear_a_call(platform: &Platform, session: &Session, socket: &mut Socket) -> Value {
    let app = platform.call("answered", &["--speed", "20", "--seed", "11"]);
    let space = calls::first_space(&app).await;
    let is_report = |frame: &Value| frame["data"]["source"] == "call-events-report";
    let frame = socket.until("the report notification", is_report).await;
    // At the very moment of the notification: no retry.
    let report = session.get(&format!("/call-events-report/v1/reports/{space}")).await.is(200).json();
    check_envelope(&frame, socket.frames.len());
    assert_eq!(frame["data"]["type"], "REPORT_SUMMARY");
    let summary: wire::report::Summary = serde_json::from_value(frame["data"]["content"].clone()).unwrap();
    assert_eq!(summary.conversation_space_id, space);
    assert_eq!(summary.account_key, platform.account());
    assert_eq!(summary.caller_outcome.as_str(), "NORMAL");
    assert!(summary.call_answered.is_some(), "the call was answered");
    report
}

fn check_report(platform: &Platform, report: &Value) {
    let typed: wire::report::Report = serde_json::from_value(report.clone()).unwrap();
    assert_eq!(
        serde_json::to_value(&typed).unwrap(),
        *report,
        "a report has only members that the spec knows"
    );
    assert_eq!(typed.account_key, platform.account());
    assert_eq!(typed.direction, wire::Direction::Inbound);
    assert_eq!(report["associatedConversations"], json!([]));
    calls::check_sequence(report["callStates"].as_array().unwrap());
    let who = typed.hangup_originator_id.expect("somebody hung up");
    assert!(typed.participants.iter().any(|participant| participant.id == who));
    for participant in report["participants"].as_array().unwrap() {
        assert_eq!(participant.get("status"), None, "a report has no status");
        assert_eq!(participant["type"].get("device"), None, "a report has no device");
    }
}

#[tokio::test]
async fn from_the_authorize_call_to_the_printed_report() {
    let platform = Platform::start().await;
    let person = Person::admin(&platform);
    let grant = person.grant(&platform, SCOPES).await;
    let session = &grant.session;

    // The demo sends WebSocket, the server always answers WebSockets.
    let path = "/notification-channel/v1/channels/demo";
    let answer = session.post(path, &json!({"channelType": "WebSocket"})).await.is(201);
    let id = answer.text_of("/channelId");
    assert_eq!(answer.text_of("/channelData/channelType"), "WebSockets");
    let url = answer.text_of("/channelData/channelURL");
    assert!(url.starts_with(&platform.base.replace("http://", "ws://")), "{url}");
    let channel = Channel { path: format!("{path}/{id}"), id, url };

    // The subscription comes before the socket is open.
    subscribe(&platform, session, &channel).await;
    let mut socket = channel.socket().await;
    for sequence in 1..=3 {
        let payload = format!("{{\"sequence\":{sequence}}}");
        assert_eq!(socket.ping(payload.as_bytes()).await, payload.as_bytes());
    }
    let refreshed = session.put(&channel.path, &json!({"channelType": "WebSocket"})).await.is(200).json();
    assert_eq!(refreshed["channelId"], channel.id.as_str());

    let report = hear_a_call(&platform, session, &mut socket).await;
    check_report(&platform, &report);

    let subscription = format!("{SUBSCRIPTIONS}?channelId={}&accountKey={}", channel.id, platform.account());
    session.delete(&subscription).await.is(204);
    session.delete(&subscription).await.error(404, "NOT_FOUND");
    session.delete(&channel.path).await.is(204);
    let error = session.delete(&channel.path).await.error(404, "RTC-NOTIFICATION-CHANNEL-NOT-FOUND");
    assert_eq!(error["message"], format!("Notification channel does not exist {}", channel.id));
    assert_eq!(error["constraintViolations"], json!([]));
    // The socket goes with its channel.
    let closed = tokio::time::timeout(SOON, async { while socket.frame().await.is_some() {} });
    closed.await.expect("the socket closes when its channel is deleted");
}

#[tokio::test]
async fn a_person_without_the_right_sees_an_empty_list_of_subscriptions() {
    let platform = Platform::start().await;
    let grant = Person::member(&platform).grant(&platform, SCOPES).await;
    let channel = Channel::create(&grant.session, "member").await;
    let body = json!({"channelId": channel.id, "accountKeys": [platform.account()]});
    let answer = grant.session.post(SUBSCRIPTIONS, &body).await.is(201).json();
    assert_eq!(answer, json!({"items": []}));
}

#[tokio::test]
async fn the_redirect_uri_must_not_be_guessed_from_the_host_header() {
    let platform = Platform::start().await;
    let url = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s");
    let request = crate::harness::http().get(url).header("host", "evil.example");
    let answer = crate::harness::Answer::of("authorize", request).await.is(302);
    assert!(answer.header("location").starts_with(&platform.base), "{}", answer.header("location"));
}
