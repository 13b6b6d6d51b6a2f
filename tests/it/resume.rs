//! Callfeed's own doors into a channel: resuming behind a known notification, and server-sent events.

use futures_util::StreamExt as _;
use serde_json::Value;

use crate::harness::calls::{self, Channel};
use crate::harness::database::sql;
use crate::harness::{Person, Platform, SCOPES, SOON, Session, Socket};

async fn admin(platform: &Platform) -> Session {
    Person::admin(platform).grant(platform, SCOPES).await.session
}

fn ids(frames: &[Value]) -> Vec<String> {
    frames.iter().map(|frame| frame["data"]["id"].as_str().expect("an id").to_owned()).collect()
}

fn after(channel: &Channel, id: &str) -> String {
    format!("{}?after={id}", channel.url)
}

#[tokio::test]
async fn a_socket_that_names_its_last_notification_gets_all_that_came_since() {
    let mut platform = Platform::start().await;
    let session = admin(&platform).await;
    let channel = Channel::subscribed(&platform, &session, "resume").await;
    let mut socket = channel.socket().await;
    let first = calls::play(&platform, "answered", &["--speed", "50"]).await;
    let seen = ids(&socket.call(&first).await);
    drop(socket);
    let second = calls::play(&platform, "missed", &["--speed", "50"]).await;

    // In the middle of the first call: the rest of it, then the second one, each once and in order.
    let mut again = Socket::connect(&after(&channel, &seen[2])).await;
    again.call(&second).await;
    let resumed = ids(&again.frames);
    assert_eq!(resumed[..seen.len() - 3], seen[3..]);
    drop(again);

    // The same across a power cut.
    platform.kill9().await;
    platform.restart().await;
    let mut again = Socket::connect(&after(&channel, &seen[2])).await;
    again.call(&second).await;
    assert_eq!(ids(&again.frames), resumed);
    drop(again);

    // Whoever has everything gets nothing but what comes next.
    let mut again = Socket::connect(&after(&channel, resumed.last().expect("frames"))).await;
    let third = calls::play(&platform, "missed", &["--speed", "50"]).await;
    let frames = again.call(&third).await;
    assert_eq!(again.frames.len(), frames.len(), "{:#?}", again.frames);
}

#[tokio::test]
async fn what_grows_too_old_while_a_resume_is_under_way_is_sent_all_the_same() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let channel = Channel::subscribed(&platform, &session, "edge").await;
    let mut socket = channel.socket().await;
    let space = calls::play(&platform, "answered", &["--speed", "50"]).await;
    let seen = ids(&socket.call(&space).await);
    drop(socket);
    // The edge of the window lies between the place and what is behind it, as it does for a reader that takes long.
    let day = 25_i64 * 3_600 * 1_000_000;
    let aged = format!(
        "update log set at_us = at_us - {day} where kind = 'state' and position > \
         (select position from log where notification_id = '{}')",
        seen[0]
    );
    sql(&platform, &aged).await;
    let mut again = Socket::connect(&after(&channel, &seen[0])).await;
    assert_eq!(ids(&again.call(&space).await), seen[1..], "never a part");
}

#[tokio::test]
async fn a_resume_that_cannot_be_whole_says_so_first_and_goes_on() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let channel = Channel::subscribed(&platform, &session, "unknown").await;
    let before = calls::play(&platform, "missed", &["--speed", "50"]).await;
    for unknown in ["00000000-0000-4000-8000-000000000000", "not-an-id"] {
        let mut socket = Socket::connect(&after(&channel, unknown)).await;
        let first = socket.frame().await.expect("a first frame");
        assert_eq!(first["data"]["source"], "callfeed");
        assert_eq!(first["data"]["type"], "RESUME");
        assert_eq!(first["data"]["content"]["recovered"], false);
        let from = first["data"]["content"]["availableFrom"].as_str().expect("an instant");
        from.parse::<jiff::Timestamp>().expect("ISO 8601");
        let next = calls::play(&platform, "missed", &["--speed", "50"]).await;
        let frames = socket.call(&next).await;
        calls::check_sequence(&calls::states(&frames));
        let part = socket.frames.iter().any(|frame| calls_of(frame) == Some(before.as_str()));
        assert!(!part, "a part of what was missed is not sent as if it were all");
    }
}

#[tokio::test]
async fn a_channels_own_messages_can_be_resumed_behind_too() {
    let mut platform = Platform::start().await;
    let session = admin(&platform).await;
    let channel = Channel::create(&session, "own").await;
    // Once without any subscription, once with; the second has heard of a call already.
    let mut behind = Vec::new();
    for round in 0..2 {
        let lifetime = format!("{}/channel-lifetime", channel.path);
        session.put(&lifetime, &serde_json::json!({"channelLifetime": 6})).await.is(200);
        let mut socket = channel.socket().await;
        if round == 1 {
            let space = calls::play(&platform, "missed", &["--speed", "50"]).await;
            socket.call(&space).await;
        }
        let asked = |frame: &Value| frame["data"]["type"] == "WEBSOCKET_REFRESH_REQUIRED";
        let frame = socket.until("the request to refresh", asked).await;
        session.put(&lifetime, &serde_json::json!({"channelLifetime": 1200})).await.is(200);
        behind.push(ids(&[frame]).remove(0));
        drop(socket);
        if round == 0 {
            Channel::subscribe(&platform, &session, &channel.id).await;
        }
    }
    let mut unknown = Socket::connect(&after(&channel, "not-an-id")).await;
    let first = unknown.frame().await.expect("a first frame");
    assert_eq!(first["data"]["type"], "RESUME");
    behind.push(ids(&[first]).remove(0));
    drop(unknown);
    platform.kill9().await;
    platform.restart().await;
    let space = calls::play(&platform, "answered", &["--speed", "50"]).await;
    let mut whole = Vec::new();
    for (place, id) in behind.iter().enumerate() {
        let mut socket = Socket::connect(&after(&channel, id)).await;
        let frames = socket.call(&space).await;
        calls::check_sequence(&calls::states(&frames));
        let resume = socket.frames.iter().any(|frame| frame["data"]["type"] == "RESUME");
        assert!(!resume, "message {place} is a place in the log: {:#?}", socket.frames);
        assert_eq!(socket.frames.len() > frames.len(), place == 0, "the first has a call more behind it");
        whole.push(ids(&frames));
    }
    assert!(whole.iter().all(|ids| *ids == whole[0]), "the same ids each time");
    assert_eq!(behind.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "each has its own id");
}

fn calls_of(frame: &Value) -> Option<&str> {
    crate::harness::socket::space_of(frame)
}

/// Reads events until one is the report of a call: `(event id, frame)` each.
async fn events_until_report(answer: reqwest::Response, space: &str) -> Vec<(String, Value)> {
    let mut chunks = answer.bytes_stream();
    let (mut text, mut id, mut found) = (String::new(), String::new(), Vec::new());
    loop {
        let chunk = tokio::time::timeout(SOON, chunks.next()).await.expect("events in time");
        let chunk = chunk.expect("the stream goes on").expect("bytes");
        text.push_str(std::str::from_utf8(&chunk).expect("events are UTF-8"));
        while let Some(end) = text.find('\n') {
            let line: String = text.drain(..=end).collect();
            if let Some(value) = line.strip_prefix("id: ") {
                id = value.trim_end().to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                let frame: Value = serde_json::from_str(data).expect("a frame is one JSON document");
                let report =
                    frame["data"]["source"] == "call-events-report" && calls_of(&frame) == Some(space);
                found.push((id.clone(), frame));
                if report {
                    return found;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_channel_can_be_read_as_server_sent_events_and_resumes_like_a_browser_does() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let channel = Channel::subscribed(&platform, &session, "events").await;
    let url = format!("{}{}/sse", platform.base, channel.path);
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let open = |last: Option<String>| {
        let request = http.get(&url).header("accept", "text/event-stream");
        match last {
            Some(id) => request.header("last-event-id", id),
            None => request,
        }
    };
    let answer = open(None).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let space = calls::play(&platform, "answered", &["--speed", "50"]).await;
    let events = events_until_report(answer, &space).await;
    let frames: Vec<Value> = events.iter().map(|(_, frame)| frame.clone()).collect();
    calls::check_sequence(&calls::states(&frames));
    for (id, frame) in &events {
        assert_eq!(frame["data"]["id"], id.as_str(), "the event id is the notification's");
        assert_eq!(frame["event"], "Notification");
    }

    let answer = open(Some(events[1].0.clone())).send().await.expect("an answer");
    let rest = events_until_report(answer, &space).await;
    assert_eq!(ids(&rest.into_iter().map(|(_, frame)| frame).collect::<Vec<_>>()), ids(&frames[2..]));

    // Where resuming cannot be whole, the browser has an id to go on from all the same.
    let answer = open(Some("not-an-id".to_owned())).send().await.expect("an answer");
    let space = calls::play(&platform, "missed", &["--speed", "50"]).await;
    let events = events_until_report(answer, &space).await;
    assert_eq!(events[0].1["data"]["type"], "RESUME");
    assert_eq!(events[0].1["data"]["id"], events[0].0.as_str(), "{events:#?}");
    let answer = open(Some(events[0].0.clone())).send().await.expect("an answer");
    assert_eq!(ids(&[events_until_report(answer, &space).await[0].1.clone()]), ids(&[events[1].1.clone()]));

    let gone = format!("{}/notification-channel/v1/channels/events/0nothing/sse", platform.base);
    assert_eq!(http.get(gone).send().await.expect("an answer").status(), 404);
}
