//! Notification channels by themselves (spec/notification-channel.md): spellings, lists, who may see what,
//! and sockets that come and go.

use serde_json::{Value, json};

use crate::harness::calls::{self, Channel};
use crate::harness::{Person, Platform, SCOPES, SOON, Session, Socket};

const CHANNELS: &str = "/notification-channel/v1/channels";
const GONE: &str = "RTC-NOTIFICATION-CHANNEL-NOT-FOUND";

async fn admin(platform: &Platform) -> Session {
    Person::admin(platform).grant(platform, SCOPES).await.session
}

#[tokio::test]
async fn every_spelling_of_a_socket_channel_is_understood_and_answered_the_same() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let older = json!({"channelType": "WebSockets", "channelData": {"channelType": "WebSockets", "isConnected": false}});
    for body in [json!({"channelType": "WebSocket"}), json!({"channelType": "WebSockets"}), older] {
        let answer = session.post(&format!("{CHANNELS}/spelling"), &body).await.is(201).json();
        let typed: wire::channel::Channel = serde_json::from_value(answer.clone()).unwrap();
        assert_eq!(serde_json::to_value(&typed).unwrap(), answer);
        let id = answer["channelId"].as_str().unwrap();
        assert_eq!(answer["channelNickname"], "spelling");
        assert_eq!(answer["channelData"]["channelType"], "WebSockets");
        assert_eq!(answer["channelData"]["isConnected"], false);
        let socket = format!("{}{CHANNELS}/{id}/channelId/ws", platform.base.replace("http://", "ws://"));
        assert_eq!(answer["channelData"]["channelURL"], socket);
        assert_eq!(answer["resourceURL"], format!("{}{CHANNELS}/spelling/{id}", platform.base));
        assert!(answer["channelLifetime"].as_u64().is_some_and(|seconds| seconds >= 1200), "{answer}");
        assert_eq!(answer["doNotDisturbAware"], false);
        assert!(id.starts_with('0') && id.len() > 80, "{id}");
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(id.bytes().all(base64url), "{id}");
        let read = session.get(&format!("{CHANNELS}/spelling/{id}")).await.is(200).json();
        assert_eq!(read["channelId"], id);
    }
    session
        .post(&format!("{CHANNELS}/odd"), &json!({"channelType": "Pigeon"}))
        .await
        .error(400, "BAD_REQUEST");
    // Without a nickname, too.
    session.post(CHANNELS, &json!({"channelType": "WebSockets"})).await.is(201);
}

#[tokio::test]
async fn the_list_shows_ones_own_channels_newest_first() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let mut ids = Vec::new();
    for nickname in ["first", "second", "third"] {
        ids.insert(0, Channel::create(&session, nickname).await.id);
    }
    let member = Person::member(&platform).grant(&platform, SCOPES).await.session;
    let foreign = Channel::create(&member, "foreign").await;

    let mut listed = Vec::new();
    let mut path = format!("{CHANNELS}?pageSize=2");
    loop {
        let page = session.get(&path).await.is(200).json();
        let items = page["items"].as_array().unwrap().clone();
        listed.extend(items.iter().map(|item| item["channelId"].as_str().unwrap().to_owned()));
        let Some(marker) = page["nextPageMarker"].as_str() else { break };
        path = format!("{CHANNELS}?pageSize=2&pageMarker={marker}");
    }
    assert_eq!(listed, ids);

    // What belongs to somebody else does not exist.
    session.get(&foreign.path).await.error(404, GONE);
    session.put(&foreign.path, &json!({"channelType": "WebSockets"})).await.error(404, GONE);
    session.delete(&foreign.path).await.error(404, GONE);
    let body = json!({"channelId": foreign.id, "accountKeys": [platform.account()]});
    let refused = session.post("/call-events-report/v1/subscriptions", &body).await.status;
    assert!([400, 403, 404].contains(&refused), "a subscription on somebody else's channel: {refused}");
}

#[tokio::test]
async fn a_socket_comes_back_to_the_same_channel_and_a_second_one_takes_over() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let channel = Channel::subscribed(&platform, &session, "again").await;
    let mut first = channel.socket().await;
    assert_eq!(first.ping(b"here").await, b"here");
    let read = session.get(&channel.path).await.is(200).json();
    assert_eq!(read["channelData"]["isConnected"], true);

    let mut second = channel.socket().await;
    let closed = tokio::time::timeout(SOON, async { while first.frame().await.is_some() {} });
    closed.await.expect("the first socket is closed when a second one takes over");
    let space = calls::play(&platform, "answered", &["--speed", "50"]).await;
    let frames = second.call(&space).await;
    calls::check_sequence(&calls::states(&frames));
    assert_eq!(frames[0]["eventId"], 1, "the count starts again on each connection");
    assert_eq!(second.ping(b"").await, b"", "an empty ping has an empty pong");
}

#[tokio::test]
async fn what_happened_while_the_socket_was_away_is_delivered_when_it_comes_back() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let channel = Channel::subscribed(&platform, &session, "away").await;
    let space = calls::play(&platform, "answered", &["--speed", "50"]).await;
    let mut socket = channel.socket().await;
    let frames = socket.call(&space).await;
    calls::check_sequence(&calls::states(&frames));
}

#[tokio::test]
async fn a_channel_that_does_not_exist_has_no_socket() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let channel = Channel::create(&session, "short").await;
    session.delete(&channel.path).await.is(204);
    let refused = Socket::try_connect(&channel.url).await.err().expect("the upgrade is refused");
    let tokio_tungstenite::tungstenite::Error::Http(answer) = refused else { panic!("{refused}") };
    assert_eq!(answer.status(), 404);
    let subscriptions = format!("/call-events/v1/subscriptions?channelId={}", channel.id);
    let answer = session.get(&subscriptions).await;
    let gone = answer.status == 404 || answer.json() == json!({});
    assert!(gone, "subscriptions go with their channel: {}", answer.text);
}

#[tokio::test]
async fn one_channel_carries_the_subscriptions_of_both_apis_in_order() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let channel = Channel::subscribed(&platform, &session, "both").await;
    let mut socket = channel.socket().await;
    let space = calls::play(&platform, "ring-group", &["--speed", "50"]).await;
    let frames = socket.call(&space).await;
    let sources: Vec<&Value> = frames.iter().map(|frame| &frame["data"]["source"]).collect();
    let (last, before) = sources.split_last().unwrap();
    assert_eq!(**last, "call-events-report", "the report comes after the last state");
    assert!(before.iter().all(|source| **source == "call-events"));
    let ids: std::collections::HashSet<&str> =
        frames.iter().map(|frame| frame["data"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), frames.len(), "each notification has its own id");
}

#[tokio::test]
async fn a_report_subscription_that_is_asked_for_again_has_the_event_types_asked_for_last() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let channel = Channel::create(&session, "again").await;
    let subscriptions = "/call-events-report/v1/subscriptions";
    let both = ["REPORT_SUMMARY", "REPORT_SUMMARY_REVISION"];
    let mut ids = Vec::new();
    for events in [&both[..1], &both[1..], &both[..]] {
        let body =
            json!({"channelId": channel.id, "accountKeys": [platform.account()], "eventTypes": events});
        let answer = session.post(subscriptions, &body).await.is(201).json();
        assert_eq!(answer["items"][0]["eventTypes"], json!(events));
        ids.push(answer["items"][0]["id"].clone());
        for event in both {
            let list = format!("{subscriptions}?channelId={}&eventType={event}", channel.id);
            let keys = session.get(&list).await.is(200).json()["accountKeys"].clone();
            let expected: &[&str] = if events.contains(&event) { &[platform.account()] } else { &[] };
            assert_eq!(keys, json!(expected), "{event} after {events:?}");
        }
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "it is the same subscription");
    let body = json!({"channelId": channel.id, "accountKeys": [platform.account()]});
    let answer = session.post(subscriptions, &body).await.is(201).json();
    assert_eq!(answer["items"][0]["eventTypes"], json!(both), "who names none changes none");
}

#[tokio::test]
async fn a_lifetime_out_of_bounds_names_them() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    for seconds in [1, 86_401] {
        let body = json!({"channelType": "WebSockets", "channelLifetime": seconds});
        let error = session.post(&format!("{CHANNELS}/long"), &body).await.error(400, "BAD_REQUEST");
        assert!(error["message"].as_str().is_some_and(|text| text.contains("2 to 86400")), "{error}");
    }
}
