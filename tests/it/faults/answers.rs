//! Requests that fail, come late, or succeed in part.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{add, body, end_of, office, play, struck};
use crate::harness::calls::{self, Channel};
use crate::harness::{Answer, SOON, Session};

const ME: &str = "/users/v1/me";

/// One fault that is put on an endpoint, and what an answer looks like then.
struct Row {
    fault: &'static str,
    set: Value,
    status: u16,
    code: &'static str,
    header: Option<(&'static str, &'static str)>,
}

fn row(fault: &'static str, set: Value, status: u16, code: &'static str) -> Row {
    Row { fault, set, status, code, header: None }
}

#[tokio::test]
async fn refusals_come_so_often_and_then_all_is_well() {
    let (platform, session) = office().await;
    let page = |status: &str| json!({"status": status, "body": "html"});
    let rows = [
        row("unauthorized", json!({}), 401, "AUTHN_INVALID_TOKEN"),
        row("unauthorized", json!({"code": "AUTHN_EXPIRED_TOKEN"}), 401, "AUTHN_EXPIRED_TOKEN"),
        row("unauthorized", json!({"code": "not.authenticated"}), 401, "not.authenticated"),
        row("forbidden", json!({"code": "AUTHZ_INSUFFICIENT_SCOPE"}), 403, "AUTHZ_INSUFFICIENT_SCOPE"),
        row("not-found", json!({}), 404, "NOT_FOUND"),
        row("conflict", json!({}), 409, "CONFLICT"),
        Row {
            header: Some(("retry-after", "7")),
            ..row("rate-limited", json!({"retryAfterS": 7}), 429, "TOO_MANY_REQUESTS")
        },
        row("rate-limited", json!({"retryAfterS": 0, "body": "empty"}), 429, ""),
        row("server-error", json!({}), 500, "UNKNOWN_ERROR"),
        Row { header: Some(("content-type", "text/html")), ..row("server-error", page("502"), 502, "") },
        row("server-error", json!({"status": "503"}), 503, "UNAVAILABLE"),
        row("server-error", json!({"status": "504"}), 504, "UNKNOWN_ERROR"),
    ];
    for one in rows {
        let mut set = one.set;
        set["endpoint"] = json!("GET /users/v1/me");
        let id = add(&platform, &json!({"fault": one.fault, "parameters": set, "times": 2})).await;
        for _ in 0..2 {
            let answer = session.get(ME).await;
            assert_eq!((answer.status, struck(&answer)), (one.status, one.fault), "{}", answer.text);
            if one.code.is_empty() {
                assert_eq!(body(&answer), Value::Null, "no JSON: {}", answer.text);
                assert_eq!(answer.header("retry-after"), "");
            } else {
                assert_eq!(body(&answer)["errorCode"], one.code, "{}", answer.text);
            }
            if let Some((name, value)) = one.header {
                assert_eq!(answer.header(name), value);
            }
        }
        let healed = session.get(ME).await.is(200);
        assert_eq!(struck(&healed), "");
        assert_eq!(end_of(&platform, &id).await, ("times".to_owned(), 2), "{}", one.fault);
    }
}

#[tokio::test]
async fn a_slow_answer_is_late_once() {
    let (platform, session) = office().await;
    let set = json!({"delayMs": 700, "endpoint": ME});
    let id = add(&platform, &json!({"fault": "slow", "parameters": set})).await;
    let started = Instant::now();
    let answer = session.get(ME).await.is(200);
    assert!(started.elapsed() >= Duration::from_millis(700), "the answer waited");
    assert_eq!(struck(&answer), "slow");
    assert_eq!(end_of(&platform, &id).await.1, 1);
    assert_eq!(struck(&session.get(ME).await.is(200)), "");
}

#[tokio::test]
async fn a_request_is_carried_out_and_its_answer_is_lost_once() {
    let (platform, session) = office().await;
    let path = "/notification-channel/v1/channels/lost";
    let set = json!({"endpoint": format!("POST {path}")});
    let id = add(&platform, &json!({"fault": "answer-lost", "parameters": set})).await;
    let make = || session.request(reqwest::Method::POST, path).json(&json!({"channelType": "WebSockets"}));
    let error = make().send().await.expect_err("no answer comes");
    assert!(error.is_request() && error.status().is_none(), "{error:?}");
    assert_eq!(end_of(&platform, &id).await, ("times".to_owned(), 1));
    let count = async || {
        let list = session.get("/notification-channel/v1/channels").await.is(200).json();
        list["items"].as_array().unwrap().iter().filter(|one| one["channelNickname"] == "lost").count()
    };
    assert_eq!(count().await, 1, "it was made all the same");
    assert_eq!(make().send().await.unwrap().status(), 201, "the next answer comes");
    assert_eq!(count().await, 2);
}

/// Asks for a socket and stays: what comes until the platform ends the connection.
async fn asked_for_socket(url: &str) -> Vec<u8> {
    let url: url::Url = url.parse().unwrap();
    let address = url.socket_addrs(|| None).unwrap().remove(0);
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        url.path()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut told = Vec::new();
    let ended = tokio::time::timeout(SOON, stream.read_to_end(&mut told)).await;
    // A connection that is reset has ended as well.
    assert!(ended.is_ok(), "the connection goes on: {}", String::from_utf8_lossy(&told));
    told
}

#[tokio::test]
async fn a_socket_whose_answer_is_lost_has_taken_over_and_is_gone() {
    let (platform, session) = office().await;
    let channel = Channel::subscribed(&platform, &session, "lost").await;
    let mut before = channel.socket().await;
    assert_eq!(before.ping(b"there").await, b"there");
    let set = json!({"endpoint": "GET /notification-channel/v1/channels/*/*/ws"});
    let id = add(&platform, &json!({"fault": "answer-lost", "parameters": set})).await;
    assert_eq!(asked_for_socket(&channel.url).await, b"", "no answer comes");
    assert_eq!(end_of(&platform, &id).await, ("times".to_owned(), 1));
    assert_eq!(before.close_code().await, Some(1000), "it was opened all the same");
    let connected = async || {
        let told = session.get(&channel.path).await.is(200).json();
        told["channelData"]["isConnected"].as_bool().unwrap()
    };
    assert!(!connected().await, "nobody reads");
    let space = play(&platform, "answered").await;
    let mut next = channel.socket().await;
    calls::check_sequence(&calls::states(&next.call(&space).await));
    assert!(connected().await, "the next answer comes");
}

#[tokio::test]
async fn a_fault_of_every_endpoint_lets_programs_sign_in_and_errors_have_the_shape_of_their_api() {
    let (platform, session) = office().await;
    let fault =
        json!({"fault": "unauthorized", "times": 1, "parameters": {"code": "AUTHN_UNSUPPORTED_SCHEME"}});
    let id = add(&platform, &fault).await;
    let refresh = || platform.token(&[("grant_type", "refresh_token"), ("refresh_token", "nonsense")]);
    assert_eq!(refresh().await.is(400).text_of("/error"), "invalid_grant");
    session.get(ME).await.error(401, "AUTHN_UNSUPPORTED_SCHEME");
    assert_eq!(end_of(&platform, &id).await, ("times".to_owned(), 1));
    // A status may be a number; asked for by its name, the token endpoint has its own errors.
    let set = json!({"endpoint": "POST /oauth/token", "status": 503});
    add(&platform, &json!({"fault": "server-error", "parameters": set})).await;
    assert_eq!(refresh().await.is(503).text_of("/error"), "temporarily_unavailable");
    assert_eq!(refresh().await.is(400).text_of("/error"), "invalid_grant");
    for (api, has, has_not) in [
        ("call-events", "constraints", "constraintViolations"),
        ("call-events-report", "constraintViolations", "constraints"),
    ] {
        let path = format!("/{api}/v1/subscriptions");
        let set = json!({"endpoint": format!("POST {path}")});
        add(&platform, &json!({"fault": "conflict", "parameters": set})).await;
        let refused = session.post(&path, &json!({})).await.is(409).json();
        assert!(refused.get(has).is_some() && refused.get(has_not).is_none(), "{refused}");
    }
}

async fn subscribed(session: &Session, api: &str, channel: &Channel) -> Value {
    session.get(&format!("/{api}/v1/subscriptions?channelId={}", channel.id)).await.is(200).json()
}

#[tokio::test]
async fn a_207_that_is_partial_and_a_201_without_items_subscribe_nothing() {
    let (platform, session) = office().await;
    let channel = Channel::create(&session, "partial").await;
    let account = platform.account();
    add(&platform, &json!({"fault": "partial-207"})).await;
    let live = json!({"channelId": channel.id, "accountKeys": [{"id": account}]});
    let refused = session.post("/call-events/v1/subscriptions", &live).await.is(207).json();
    assert_eq!(refused["accountKeys"][0]["status"], 403, "{refused}");
    assert_eq!(subscribed(&session, "call-events", &channel).await.get("accountKeys"), None);
    // Of two keys the first is refused and the second subscribed.
    add(&platform, &json!({"fault": "partial-207", "channelId": channel.id})).await;
    let both =
        json!({"channelId": channel.id, "accountKeys": [{"id": "4000000000000000001"}, {"id": account}]});
    let answer = session.post("/call-events/v1/subscriptions", &both).await.is(207).json();
    let statuses: Vec<&Value> =
        answer["accountKeys"].as_array().unwrap().iter().map(|item| &item["status"]).collect();
    assert_eq!(statuses, [403, 200], "{answer}");
    assert_eq!(answer["accountKeys"][0]["id"], "4000000000000000001");
    for (status, code) in
        [(400, "BAD_REQUEST"), (404, "NOT_FOUND"), (409, "CONFLICT"), (500, "UNKNOWN_ERROR")]
    {
        let set = json!({"status": status.to_string()});
        add(&platform, &json!({"fault": "partial-207", "parameters": set})).await;
        let refused = session.post("/call-events/v1/subscriptions", &live).await.is(207).json();
        let item = &refused["accountKeys"][0];
        assert_eq!((&item["status"], &item["errorCode"]), (&json!(status), &json!(code)), "{refused}");
    }
    let whole = session.post("/call-events/v1/subscriptions", &live).await.is(207).json();
    assert_eq!(whole["accountKeys"][0]["status"], 200, "the fault has ended");

    add(&platform, &json!({"fault": "empty-items"})).await;
    let reports = json!({"channelId": channel.id, "accountKeys": [account]});
    let empty = session.post("/call-events-report/v1/subscriptions", &reports).await.is(201).json();
    assert_eq!(empty, json!({"items": []}));
    assert_eq!(subscribed(&session, "call-events-report", &channel).await["accountKeys"], json!([]));
    let made = session.post("/call-events-report/v1/subscriptions", &reports).await.is(201).json();
    assert_eq!(made["items"][0]["value"], account, "the fault has ended");
}

#[tokio::test]
async fn a_report_comes_later_and_is_revised_later() {
    let (platform, session) = office().await;
    let channel = Channel::create(&session, "revised").await;
    let types = ["REPORT_SUMMARY", "REPORT_SUMMARY_REVISION"];
    let keys = json!({"channelId": channel.id, "accountKeys": [platform.account()], "eventTypes": types});
    session.post("/call-events-report/v1/subscriptions", &keys).await.is(201);
    let mut socket = channel.socket().await;
    let later = add(&platform, &json!({"fault": "report-later", "parameters": {"delayMs": 500}})).await;
    let revised = add(&platform, &json!({"fault": "revision-later", "parameters": {"delayMs": 1_500}})).await;
    let space = play(&platform, "answered").await;
    let path = format!("/call-events-report/v1/reports/{space}");
    session.get(&path).await.error(404, "NOT_FOUND");
    let first = platform.report(&session, &space).await;
    assert_eq!(first.get("hangupOriginatorId"), None, "incomplete at first");
    let report = socket.frame().await.unwrap();
    assert_eq!(report["data"]["type"], "REPORT_SUMMARY");
    let revision = socket.frame().await.unwrap();
    assert_eq!(revision["data"]["type"], "REPORT_SUMMARY_REVISION", "{revision}");
    assert_eq!(revision["data"]["content"]["conversationSpaceId"], space);
    assert_ne!(revision["data"]["id"], report["data"]["id"]);
    let whole = crate::harness::eventually("the whole report", crate::harness::SOON, async || {
        let answer = session.get(&path).await.is(200).json();
        answer.get("hangupOriginatorId").is_some().then_some(answer)
    });
    assert_eq!(whole.await["conversationSpaceId"], space);
    for id in [&later, &revised] {
        super::clear(&platform, id).await;
        assert!(end_of(&platform, id).await.1 >= 1);
    }
    let next = play(&platform, "answered").await;
    let answer: Answer = session.get(&format!("/call-events-report/v1/reports/{next}")).await.is(200);
    assert!(answer.json().get("hangupOriginatorId").is_some(), "whole at once");
}
