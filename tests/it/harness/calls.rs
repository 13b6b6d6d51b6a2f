//! Channels, subscriptions and played calls: the steps that many stories share.

use serde_json::{Value, json};

use super::{Answer, App, LATER, Platform, SOON, Session, Socket};

/// A channel of one user.
pub struct Channel {
    pub id: String,
    /// Where its socket connects; a secret.
    pub url: String,
    /// REST path of the channel.
    pub path: String,
}

impl Channel {
    /// Creates a WebSocket channel.
    pub async fn create(session: &Session, nickname: &str) -> Self {
        let path = format!("/notification-channel/v1/channels/{nickname}");
        let answer = session.post(&path, &json!({"channelType": "WebSockets"})).await.is(201);
        let (id, url) = (answer.text_of("/channelId"), answer.text_of("/channelData/channelURL"));
        Self { path: format!("{path}/{id}"), id, url }
    }

    /// A channel with live states and reports of the whole account.
    pub async fn subscribed(platform: &Platform, session: &Session, nickname: &str) -> Self {
        let channel = Self::create(session, nickname).await;
        Self::subscribe(platform, session, &channel.id).await;
        channel
    }

    /// Subscribes a channel to live states and reports of the whole account.
    pub async fn subscribe(platform: &Platform, session: &Session, id: &str) {
        let keys = json!([{"id": platform.account(), "events": ["STARTING", "ACTIVE", "ENDING"]}]);
        let body = json!({"channelId": id, "accountKeys": keys});
        let answer = session.post("/call-events/v1/subscriptions", &body).await.is(207);
        assert_eq!(answer.json()["accountKeys"][0]["status"], 200, "{}", answer.text);
        let body = json!({"channelId": id, "accountKeys": [platform.account()]});
        session.post("/call-events-report/v1/subscriptions", &body).await.is(201);
    }

    pub async fn socket(&self) -> Socket {
        Socket::connect(&self.url).await
    }
}

/// Moves a virtual clock; what the platform says of it.
pub async fn advance(platform: &Platform, time: &str) -> Value {
    let (id, secret) = (platform.setting("OAUTH_CLIENT_ID"), platform.setting("OAUTH_CLIENT_SECRET"));
    let path = "/simulator/v1/clock";
    let request = super::http().post(format!("{}{path}", platform.base)).basic_auth(id, Some(secret));
    Answer::of(path, request.json(&json!({"advance": time})).timeout(LATER)).await.is(200).json()
}

/// The conversation space ids that `callfeed call` has printed so far.
pub fn spaces(app: &App) -> Vec<String> {
    app.stdout.all().iter().filter_map(|line| space_in(line)).collect()
}

fn space_in(line: &str) -> Option<String> {
    let value: Value = serde_json::from_str(line).ok()?;
    value["conversationSpaceId"].as_str().map(str::to_owned)
}

/// Waits for the first id that `callfeed call` prints.
pub async fn first_space(app: &App) -> String {
    let find = |lines: &[String]| lines.iter().find_map(|line| space_in(line));
    app.stdout.wait("the conversation space id of the call", SOON, find).await
}

/// Plays a call to its end and returns its id.
pub async fn play(platform: &Platform, scenario: &str, flags: &[&str]) -> String {
    let mut app = platform.call(scenario, flags);
    let space = first_space(&app).await;
    assert_eq!(app.exit(LATER).await, Some(0), "callfeed call {scenario} ends when its call has ended");
    space
}

/// Plays answered calls that overlap, and returns their ids.
pub async fn play_many(platform: &Platform, count: usize) -> Vec<String> {
    let flags = ["--count", &count.to_string(), "--speed", "50"];
    let mut app = platform.call("answered", &flags);
    assert_eq!(app.exit(LATER).await, Some(0), "callfeed call ends when its calls have ended");
    spaces(&app)
}

/// The states of a call among frames, in order of arrival.
pub fn states(frames: &[Value]) -> Vec<Value> {
    let live = frames.iter().filter(|frame| frame["data"]["source"] == "call-events");
    live.map(|frame| frame["data"]["content"]["state"].clone()).collect()
}

/// The rules of a whole call (spec/call-events.md, Sequences): no holes, ENDING once and last, a leaving leg
/// DISCONNECTING once and then gone.
pub fn check_sequence(states: &[Value]) {
    let mut left: Vec<String> = Vec::new();
    for (index, state) in states.iter().enumerate() {
        let shown = serde_json::to_string_pretty(states).expect("JSON can be written");
        assert_eq!(state["sequenceNumber"], index + 1, "sequence numbers have no holes: {shown}");
        let last = index + 1 == states.len();
        assert_eq!(state["type"] == "ENDING", last, "ENDING comes once and last: {shown}");
        let participants = state["participants"].as_array().expect("participants is a list");
        for participant in participants {
            let leg = participant["legId"].as_str().expect("a participant has a leg").to_owned();
            assert!(!left.contains(&leg), "leg {leg} left and came back: {shown}");
            if participant["status"]["value"] == "DISCONNECTING" {
                left.push(leg);
            }
        }
        assert_eq!(participants.is_empty(), last, "only ENDING has no participants: {shown}");
    }
}
