//! Who follows a line hears of its calls to the end, on every door alike (spec/call-events.md, Subscriptions), and can
//! fetch the report that it is told of (spec/call-events-report.md).

use serde_json::{Value, json};

use crate::harness::calls::{self, Channel, play};
use crate::harness::receiver::{Received, Receiver};
use crate::harness::socket::space_of;
use crate::harness::{Person, Platform, SCOPES, SOON, Session, Socket};

const FAST: &[&str] = &["--speed", "50"];

/// The person with extension 1001 and that line's id.
async fn member(platform: &Platform) -> (Session, String) {
    let scopes = format!("{SCOPES} users.v1.lines.read");
    let session = Person::member(platform).grant(platform, &scopes).await.session;
    let line = session.get("/users/v1/lines").await.is(200).text_of("/items/0/id");
    (session, line)
}

async fn subscribe(session: &Session, channel: &str, line: &str) {
    let body = json!({"channelId": channel, "lineIds": [{"id": line}]});
    let answer = session.post("/call-events/v1/subscriptions", &body).await.is(207).json();
    assert_eq!(answer["lineIds"][0]["status"], 200, "{answer}");
}

fn has_line(state: &Value, line: &str) -> bool {
    let participants = state["participants"].as_array().expect("participants is a list");
    participants.iter().any(|participant| participant["type"]["lineId"] == line)
}

/// The states of a call from the first one with the line on.
fn from_line(states: &[Value], line: &str) -> Vec<Value> {
    states.iter().skip_while(|state| !has_line(state, line)).cloned().collect()
}

async fn until_ending(socket: &mut Socket, space: &str) -> Vec<Value> {
    let of_call = |frame: &Value| space_of(frame) == Some(space);
    let ending = |frame: &Value| frame["data"]["content"]["state"]["type"] == "ENDING";
    socket.until("the ENDING of the call", |frame| of_call(frame) && ending(frame)).await;
    calls::states(&socket.frames.iter().filter(|frame| of_call(frame)).cloned().collect::<Vec<_>>())
}

#[tokio::test]
async fn a_line_gets_each_state_from_its_first_one_to_the_end_on_every_door() {
    let platform = Platform::start().await;
    let admin = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let (session, line) = member(&platform).await;
    let whole = Channel::subscribed(&platform, &admin, "whole").await;
    let mut all = whole.socket().await;
    let own = Channel::create(&session, "own").await;
    subscribe(&session, &own.id, &line).await;
    let mut socket = own.socket().await;
    let receiver = Receiver::start(|_| 204.into()).await;
    let hook = json!({"channelType": "Webhook", "webhookChannelData": {"webhook": {"url": receiver.url}}});
    let hook = session.post("/notification-channel/v1/channels/hook", &hook).await.is(201);
    subscribe(&session, &hook.text_of("/channelId"), &line).await;

    // In a group, lines leave long before the call ends; whoever answers is decided by the seed.
    for seed in ["1", "2", "3"] {
        let space = play(&platform, "ring-group", &["--speed", "50", "--seed", seed]).await;
        let states = calls::states(&all.call(&space).await);
        let expected = from_line(&states, &line);
        assert!(expected.len() > 2 && expected.len() < states.len(), "the line was rung: {states:#?}");
        assert_eq!(until_ending(&mut socket, &space).await, expected);
        let posted = |requests: &[Received]| {
            let of_call =
                requests.iter().filter(|one| one.method == "POST" && one.space().as_ref() == Some(&space));
            let states: Vec<Value> = of_call.map(|one| one.json()["content"]["state"].clone()).collect();
            states.iter().any(|state| state["type"] == "ENDING").then_some(states)
        };
        assert_eq!(receiver.requests.wait("the call's end", SOON, posted).await, expected);
        let events = format!("/call-events/v1/conversation-spaces/{space}/events");
        let read = |answer: crate::harness::Answer| -> Vec<Value> {
            let items = answer.is(200).json()["items"].as_array().expect("items").clone();
            items.into_iter().map(|item| item["state"].clone()).collect()
        };
        assert_eq!(read(session.get(&events).await), expected, "one rule for reading and hearing");
        assert_eq!(read(admin.get(&events).await), states);
    }
    let other = play(&platform, "answered", &["--speed", "50", "--to", "1002"]).await;
    let mine = play(&platform, "answered", &["--speed", "50", "--to", "1001"]).await;
    until_ending(&mut socket, &mine).await;
    let foreign = socket.frames.iter().any(|frame| space_of(frame) == Some(&other));
    assert!(!foreign, "a call that never touched the line is not told");
    session.get(&format!("/call-events/v1/conversation-spaces/{other}/events")).await.error(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_call_that_a_power_cut_ends_still_ends_for_its_line() {
    let mut platform = Platform::start().await;
    let (session, line) = member(&platform).await;
    let channel = Channel::create(&session, "own").await;
    subscribe(&session, &channel.id, &line).await;
    let mut socket = channel.socket().await;
    let call = platform.call("answered", &["--to", "1001"]);
    let space = calls::first_space(&call).await;
    socket.until("the line rings", |frame| space_of(frame) == Some(&space)).await;
    let by_line = format!("/call-events/v1/conversation-spaces?lineId={line}");
    let items = session.get(&by_line).await.is(200).json()["items"].clone();
    assert_eq!(items[0]["metadata"]["conversationSpaceId"], space.as_str());
    platform.kill9().await;
    platform.restart().await;
    let mut again = channel.socket().await;
    let states = until_ending(&mut again, &space).await;
    assert_eq!(states.last().map(|state| &state["participants"]), Some(&json!([])));
    // The next one is told from the platform's memory again.
    let next = play(&platform, "answered", &[FAST, &["--to", "1001"]].concat()).await;
    until_ending(&mut again, &next).await;
}

/// Every report's call that the socket was told of.
fn reported(frames: &[Value]) -> Vec<String> {
    let reports = frames.iter().filter(|frame| frame["data"]["source"] == "call-events-report");
    reports.filter_map(|frame| space_of(frame).map(str::to_owned)).collect()
}

#[tokio::test]
async fn who_is_told_of_a_report_can_fetch_it_and_nobody_else_can() {
    let platform = Platform::start().await;
    let (session, line) = member(&platform).await;
    let channel = Channel::create(&session, "own").await;
    let body = json!({"channelId": channel.id, "lineIds": [line]});
    let items =
        session.post("/call-events-report/v1/subscriptions", &body).await.is(201).json()["items"].clone();
    assert_eq!(items.as_array().map(Vec::len), Some(1), "{items}");
    let mut socket = channel.socket().await;
    let mut spaces = vec![
        play(&platform, "answered", &["--speed", "50", "--to", "1001"]).await,
        play(&platform, "answered", &["--speed", "50", "--to", "1002"]).await,
    ];
    for seed in ["1", "2", "3"] {
        spaces.push(play(&platform, "ring-group", &["--speed", "50", "--seed", seed]).await);
    }
    // What is told comes in order: behind this one, nothing of the others is left.
    spaces.push(play(&platform, "missed", &["--speed", "50", "--to", "1001"]).await);
    socket.call(&spaces[5]).await;
    let told = reported(&socket.frames);
    assert!(told.contains(&spaces[0]) && !told.contains(&spaces[1]), "{told:?} of {spaces:?}");
    let now = jiff::Timestamp::now();
    let hour = jiff::SignedDuration::from_hours(1);
    let listed = format!(
        "/call-events-report/v1/report-summaries?startTime={}&endTime={}&lineId={line}",
        now - hour,
        now + hour
    );
    let listed = session.get(&listed).await.is(200).text;
    for space in &spaces {
        let is_told = told.contains(space);
        assert_eq!(listed.contains(space), is_told, "summaries and notifications agree: {space}");
        let report = session.get(&format!("/call-events-report/v1/reports/{space}")).await;
        if is_told {
            assert_eq!(report.is(200).json()["conversationSpaceId"], space.as_str());
        } else {
            report.error(404, "NOT_FOUND");
        }
    }
}
