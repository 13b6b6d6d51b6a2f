//! The life of a channel: the platform asks for a refresh, warns before the end, and then it is gone
//! (spec/notification-channel.md, WebSocket life cycle). A short life shows it within seconds.

use serde_json::{Value, json};

use crate::harness::calls::Channel;
use crate::harness::{LATER, Person, Platform, SCOPES, Session, Socket};

const CHANNELS: &str = "/notification-channel/v1/channels";
const LIFE_S: u64 = 6;

async fn short_lived(platform: &Platform, session: &Session) -> Channel {
    let path = format!("{CHANNELS}/short");
    let body = json!({"channelType": "WebSockets", "channelLifetime": LIFE_S});
    let answer = session.post(&path, &body).await.is(201);
    assert_eq!(answer.json()["channelLifetime"], LIFE_S);
    let (id, url) = (answer.text_of("/channelId"), answer.text_of("/channelData/channelURL"));
    let body = json!({"channelId": id, "accountKeys": [platform.account()]});
    session.post("/call-events-report/v1/subscriptions", &body).await.is(201);
    Channel { path: format!("{path}/{id}"), id, url }
}

async fn system_message(socket: &mut Socket, kind: &str) -> Value {
    let frame = socket.until(kind, |frame| frame["data"]["type"] == kind).await;
    let data = &frame["data"];
    assert_eq!((&data["source"], &data["usage"]), (&json!("notification-websocket"), &json!("BACKGROUND")));
    for member in ["timestamp", "topic", "displayNotification", "contentVersion", "bypassDoNotDisturb"] {
        assert_eq!(data.get(member), Some(&Value::Null), "{member}: {frame:#}");
    }
    data["content"].clone()
}

#[tokio::test]
async fn a_channel_asks_for_a_refresh_and_ends_without_one() {
    let platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let channel = short_lived(&platform, &session).await;
    let mut socket = channel.socket().await;

    let content = system_message(&mut socket, "WEBSOCKET_REFRESH_REQUIRED").await;
    let left = content["remainingLifetime"].as_u64().expect("seconds");
    assert!((1..=LIFE_S).contains(&left), "{left} seconds left");
    session.put(&channel.path, &json!({"channelType": "WebSockets"})).await.is(200);

    // Its life started again; without another refresh it is warned, closed and gone.
    system_message(&mut socket, "WEBSOCKET_REFRESH_REQUIRED").await;
    assert_eq!(system_message(&mut socket, "WEBSOCKET_TO_BE_CLOSED").await, json!({}));
    session.get(&channel.path).await.is(200);
    let closed = tokio::time::timeout(LATER, async { while socket.frame().await.is_some() {} });
    closed.await.expect("the socket closes at the end of the channel's life");
    session.get(&channel.path).await.error(404, "RTC-NOTIFICATION-CHANNEL-NOT-FOUND");
    let body = json!({"channelType": "WebSockets"});
    session.put(&channel.path, &body).await.error(404, "RTC-NOTIFICATION-CHANNEL-NOT-FOUND");
    let subscription = json!({"channelId": channel.id, "accountKeys": [platform.account()]});
    let refused = session.post("/call-events-report/v1/subscriptions", &subscription).await.status;
    assert!([400, 404].contains(&refused), "nobody can subscribe on a channel that is gone: {refused}");
}

#[tokio::test]
async fn the_lifetime_can_be_read_and_set() {
    let platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let channel = Channel::create(&session, "lifetime").await;
    let path = format!("{}/channel-lifetime", channel.path);
    let before = session.get(&path).await.is(200).json();
    assert!(before["channelLifetime"].as_u64().is_some_and(|seconds| seconds >= 1200), "{before}");
    session.put(&path, &json!({"channelLifetime": 3600})).await.is(200);
    assert_eq!(session.get(&path).await.is(200).json(), json!({"channelLifetime": 3600}));
    assert_eq!(session.get(&channel.path).await.is(200).json()["channelLifetime"], 3600);
    session.put(&path, &json!({"channelLifetime": "long"})).await.is(400);
}
