//! Sockets that drop or fall silent, notifications that come late, twice, in another order, or not at all.

use std::time::Duration;

use serde_json::{Value, json};

use super::{add, clear, clear_all, end_of, office, play};
use crate::harness::calls::{self, Channel};
use crate::harness::socket::space_of;
use crate::harness::{Platform, SOON, Session, Socket, eventually};

/// Long enough to tell that nothing comes.
const SILENCE: Duration = Duration::from_millis(500);

/// A subscribed channel with its socket, of which the platform knows.
async fn listening(platform: &Platform, session: &Session) -> (Channel, Socket) {
    let channel = Channel::subscribed(platform, session, "fault").await;
    let mut socket = channel.socket().await;
    assert_eq!(socket.ping(b"there").await, b"there");
    (channel, socket)
}

fn numbers(frames: &[Value]) -> Vec<u64> {
    calls::states(frames).iter().map(|state| state["sequenceNumber"].as_u64().unwrap()).collect()
}

/// All is well: a call comes whole and in order.
async fn is_well(platform: &Platform, socket: &mut Socket) {
    let space = play(platform, "answered").await;
    calls::check_sequence(&calls::states(&socket.call(&space).await));
}

#[tokio::test]
async fn a_socket_is_dropped_with_the_code_that_was_asked_for_and_may_come_back() {
    let (platform, session) = office().await;
    for (code, expect) in [(1011, Some(1011)), (4000, Some(4000)), (0, None)] {
        let (channel, mut socket) = listening(&platform, &session).await;
        let fault = json!({"fault": "drop-socket", "channelId": channel.id, "parameters": {"code": code}, "times": 1});
        let id = add(&platform, &fault).await;
        assert_eq!(socket.close_code().await, expect);
        assert_eq!(end_of(&platform, &id).await, ("times".to_owned(), 1));
        is_well(&platform, &mut channel.socket().await).await;
    }
    // For all: each socket that is there, a channel without a subscription too; who comes later stays.
    let (one, mut first) = listening(&platform, &session).await;
    let bare = Channel::create(&session, "bare").await;
    let mut second = bare.socket().await;
    assert_eq!(second.ping(b"there").await, b"there");
    let id = add(&platform, &json!({"fault": "drop-socket", "parameters": {"code": 1001}})).await;
    assert_eq!((first.close_code().await, second.close_code().await), (Some(1001), Some(1001)));
    is_well(&platform, &mut one.socket().await).await;
    is_well(&platform, &mut listening(&platform, &session).await.1).await;
    clear(&platform, &id).await;
    assert_eq!(end_of(&platform, &id).await, ("cleared".to_owned(), 2));
    // With `times`, those that come later as well.
    let id = add(&platform, &json!({"fault": "drop-socket", "channelId": one.id, "times": 2})).await;
    for _ in 0..2 {
        assert_eq!(one.socket().await.close_code().await, None);
    }
    assert_eq!(end_of(&platform, &id).await, ("times".to_owned(), 2));
    is_well(&platform, &mut one.socket().await).await;
}

#[tokio::test]
async fn a_half_open_socket_is_silent_until_the_fault_ends() {
    let (platform, session) = office().await;
    let (channel, mut socket) = listening(&platform, &session).await;
    let id = add(&platform, &json!({"fault": "half-open", "channelId": channel.id})).await;
    let space = play(&platform, "answered").await;
    assert!(!socket.answers(b"hello", SILENCE).await, "no pong");
    assert_eq!(socket.frames, Vec::<Value>::new());
    clear(&platform, &id).await;
    calls::check_sequence(&calls::states(&socket.call(&space).await));
    assert!(socket.answers(b"again", crate::harness::SOON).await);
    assert_eq!(end_of(&platform, &id).await, ("cleared".to_owned(), 1));
    // The client that comes back gets what it missed, while the fault lasts.
    let id = add(&platform, &json!({"fault": "half-open", "channelId": channel.id})).await;
    let space = play(&platform, "answered").await;
    let mut next = channel.socket().await;
    calls::check_sequence(&calls::states(&next.call(&space).await));
    is_well(&platform, &mut next).await;
    clear(&platform, &id).await;
}

#[tokio::test]
async fn notifications_are_late_while_the_fault_lasts() {
    let (platform, session) = office().await;
    let (channel, mut socket) = listening(&platform, &session).await;
    let fault = json!({"fault": "delay", "channelId": channel.id, "parameters": {"delayMs": 900}});
    let id = add(&platform, &fault).await;
    let late = |frame: &Value| {
        let at = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let sent = at(&frame["timestamp"]);
        sent.duration_since(at(&frame["data"]["timestamp"])) >= jiff::SignedDuration::from_millis(899)
    };
    let space = play(&platform, "answered").await;
    let frames = socket.call(&space).await;
    assert!(frames.iter().all(late), "{frames:#?}");
    calls::check_sequence(&calls::states(&frames));
    clear(&platform, &id).await;
    let space = play(&platform, "answered").await;
    let frames = socket.call(&space).await;
    calls::check_sequence(&calls::states(&frames));
    assert!(!frames.iter().all(late), "{frames:#?}");
}

#[tokio::test]
async fn what_is_older_than_the_delay_goes_at_once_and_is_no_strike() {
    let (platform, session) = office().await;
    let channel = Channel::subscribed(&platform, &session, "old").await;
    let space = play(&platform, "answered").await;
    platform.report(&session, &space).await;
    // Not for luck: all of it is older than the delay then.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let fault = json!({"fault": "delay", "channelId": channel.id, "times": 1, "parameters": {"delayMs": 1}});
    let id = add(&platform, &fault).await;
    calls::check_sequence(&calls::states(&channel.socket().await.call(&space).await));
    clear(&platform, &id).await;
    assert_eq!(end_of(&platform, &id).await, ("cleared".to_owned(), 0));
}

/// Longer than a test lasts.
const NEVER_MS: u64 = 600_000;

#[tokio::test]
async fn what_waits_keeps_its_order_and_goes_out_when_the_fault_is_lifted() {
    let (platform, session) = office().await;
    let (channel, mut socket) = listening(&platform, &session).await;
    // The first two are late by themselves, the others behind them; times are used up, and it can be lifted all the same.
    for times in [Value::Null, json!(2)] {
        let fault = json!({"fault": "delay", "channelId": channel.id, "times": times, "parameters": {"delayMs": NEVER_MS}});
        let id = add(&platform, &fault).await;
        let space = play(&platform, "answered").await;
        assert_eq!(socket.ping(b"there").await, b"there");
        let heard = socket.frames.iter().filter(|frame| space_of(frame) == Some(space.as_str()));
        assert_eq!(heard.count(), 0, "nothing has come yet");
        clear(&platform, &id).await;
        calls::check_sequence(&calls::states(&socket.call(&space).await));
    }
    is_well(&platform, &mut socket).await;
}

#[tokio::test]
async fn notifications_come_twice_with_the_same_or_a_new_id() {
    let (platform, session) = office().await;
    let (channel, mut socket) = listening(&platform, &session).await;
    for (fault, same_id) in [("duplicate", true), ("duplicate-new-id", false)] {
        let id = add(&platform, &json!({"fault": fault, "channelId": channel.id})).await;
        let space = play(&platform, "answered").await;
        let frames = socket.call(&space).await;
        let numbers = numbers(&frames);
        let expect: Vec<u64> = (1..=numbers.len() as u64 / 2).flat_map(|n| [n, n]).collect();
        assert_eq!(numbers, expect, "{fault}");
        let ids =
            |frame: &Value| (frame["data"]["id"].clone(), frame["data"]["content"]["state"]["id"].clone());
        assert_eq!(ids(&frames[0]) == ids(&frames[1]), same_id, "{fault}");
        assert_eq!(frames[0]["eventId"].as_u64().unwrap() + 1, frames[1]["eventId"], "{fault}");
        clear(&platform, &id).await;
    }
    // The last report came twice while the fault was there; its second copy is not of the next call.
    is_well(&platform, &mut socket).await;
    let once = add(
        &platform,
        &json!({"fault": "duplicate", "times": 1, "parameters": {"of": "call-events-report"}}),
    )
    .await;
    let space = play(&platform, "answered").await;
    calls::check_sequence(&calls::states(&socket.call(&space).await));
    assert_eq!(space_of(&socket.frame().await.unwrap()), Some(space.as_str()), "the report again");
    assert_eq!(end_of(&platform, &once).await, ("times".to_owned(), 1));
}

#[tokio::test]
async fn neighbours_change_places_and_nothing_is_lost() {
    let (platform, session) = office().await;
    let (channel, mut socket) = listening(&platform, &session).await;
    let fault = json!({"fault": "reorder", "channelId": channel.id, "parameters": {"of": "call-events"}});
    let id = add(&platform, &fault).await;
    let space = play(&platform, "answered").await;
    let seen = numbers(&socket.call(&space).await);
    assert_eq!(seen, [2, 1, 4, 3, 6, 5, 8, 7]);
    clear(&platform, &id).await;
    // With nothing behind it, one that is held comes by itself after a while.
    let last = json!({"fault": "reorder", "channelId": channel.id, "parameters": {"of": "call-events-report"}, "times": 1});
    let last = add(&platform, &last).await;
    let space = play(&platform, "answered").await;
    calls::check_sequence(&calls::states(&socket.call(&space).await));
    assert_eq!(end_of(&platform, &last).await, ("times".to_owned(), 1));
    is_well(&platform, &mut socket).await;
}

#[tokio::test]
async fn a_lost_notification_is_in_the_log() {
    let (platform, session) = office().await;
    let (channel, mut socket) = listening(&platform, &session).await;
    let fault =
        json!({"fault": "lose", "channelId": channel.id, "parameters": {"of": "call-events"}, "times": 2});
    let id = add(&platform, &fault).await;
    let space = play(&platform, "answered").await;
    assert_eq!(numbers(&socket.call(&space).await), [3, 4, 5, 6, 7, 8]);
    assert_eq!(end_of(&platform, &id).await, ("times".to_owned(), 2));
    let events =
        session.get(&format!("/call-events/v1/conversation-spaces/{space}/events")).await.is(200).json();
    assert_eq!(events["items"].as_array().unwrap().len(), 8, "the log has them all");
    is_well(&platform, &mut socket).await;
    // What is lost is not doubled, whichever fault was there first.
    add(&platform, &json!({"fault": "duplicate", "channelId": channel.id, "times": 3})).await;
    add(&platform, &fault).await;
    let space = play(&platform, "answered").await;
    assert_eq!(numbers(&socket.call(&space).await), [3, 3, 4, 4, 5, 5, 6, 7, 8]);
    clear_all(&platform).await;
    is_well(&platform, &mut socket).await;
}

#[tokio::test]
async fn a_channel_is_announced_to_be_closed_and_ends_as_at_the_end_of_its_life() {
    let (platform, session) = office().await;
    for (content, expect, code) in [
        ("null", Value::Null, 1000),
        ("remaining", json!({"remainingLifetime": 0}), 1001),
        ("empty", json!({}), 4000),
    ] {
        let (channel, mut socket) = listening(&platform, &session).await;
        let set = match code {
            1001 => json!({"leadMs": 300, "content": content}),
            _ => json!({"leadMs": 300, "content": content, "code": code}),
        };
        let fault = json!({"fault": "to-be-closed", "channelId": channel.id, "parameters": set, "times": 1});
        let id = add(&platform, &fault).await;
        let frame =
            socket.until("the announcement", |frame| frame["data"]["type"] == "WEBSOCKET_TO_BE_CLOSED").await;
        assert_eq!(frame["data"]["content"], expect);
        assert_eq!(socket.close_code().await, Some(code));
        assert_eq!(end_of(&platform, &id).await, ("times".to_owned(), 1));
        is_gone(&platform, &session, &channel).await;
    }
}

async fn is_gone(platform: &Platform, session: &Session, channel: &Channel) {
    let missing = "RTC-NOTIFICATION-CHANNEL-NOT-FOUND";
    eventually("the end of the channel", SOON, async || {
        (session.get(&channel.path).await.status == 404).then_some(())
    })
    .await;
    assert!(Socket::try_connect(&channel.url).await.is_err(), "gone");
    session.put(&channel.path, &json!({"channelType": "WebSockets"})).await.error(404, missing);
    let live = json!({"channelId": channel.id, "accountKeys": [{"id": platform.account()}]});
    session.post("/call-events/v1/subscriptions", &live).await.error(404, missing);
    let list = session.get("/notification-channel/v1/channels").await.is(200);
    assert!(!list.text.contains(&channel.id), "{}", list.text);
}

#[tokio::test]
async fn each_channel_of_the_account_is_closed_once_and_none_when_the_fault_is_lifted_before() {
    let (platform, session) = office().await;
    let announced = |frame: &Value| frame["data"]["type"] == "WEBSOCKET_TO_BE_CLOSED";
    let (spared, mut socket) = listening(&platform, &session).await;
    let never = json!({"fault": "to-be-closed", "channelId": spared.id, "times": 1, "parameters": {"leadMs": NEVER_MS}});
    let id = add(&platform, &never).await;
    socket.until("the announcement", announced).await;
    clear(&platform, &id).await;
    is_well(&platform, &mut socket).await;

    let bare = Channel::create(&session, "bare").await;
    let mut second = bare.socket().await;
    assert_eq!(second.ping(b"there").await, b"there");
    let id = add(&platform, &json!({"fault": "to-be-closed", "parameters": {"leadMs": 100}})).await;
    assert_eq!((socket.close_code().await, second.close_code().await), (Some(1001), Some(1001)));
    is_gone(&platform, &session, &spared).await;
    is_gone(&platform, &session, &bare).await;
    let (_, mut later) = listening(&platform, &session).await;
    is_well(&platform, &mut later).await;
    assert!(!later.frames.iter().any(announced), "a channel that came later lives");
    clear(&platform, &id).await;

    // Without a word.
    let (silent, mut socket) = listening(&platform, &session).await;
    let set = json!({"leadMs": 0, "content": "unannounced", "code": 0});
    add(&platform, &json!({"fault": "to-be-closed", "channelId": silent.id, "parameters": set})).await;
    assert_eq!(socket.close_code().await, None);
    assert!(!socket.frames.iter().any(announced));
    is_gone(&platform, &session, &silent).await;

    // Nobody reads any more: it ends all the same.
    let (unread, mut socket) = listening(&platform, &session).await;
    let fault = json!({"fault": "to-be-closed", "channelId": unread.id, "parameters": {"leadMs": 300}});
    add(&platform, &fault).await;
    socket.until("the announcement", announced).await;
    drop(socket);
    is_gone(&platform, &session, &unread).await;
}

#[tokio::test]
async fn a_socket_that_returns_gets_nothing_of_what_it_missed() {
    let (platform, session) = office().await;
    let (channel, socket) = listening(&platform, &session).await;
    let id = add(&platform, &json!({"fault": "no-replay", "channelId": channel.id})).await;
    drop(socket);
    let missed = play(&platform, "answered").await;
    let mut socket = channel.socket().await;
    assert_eq!(socket.ping(b"there").await, b"there");
    let space = play(&platform, "answered").await;
    calls::check_sequence(&calls::states(&socket.call(&space).await));
    assert!(socket.frames.iter().all(|frame| space_of(frame) != Some(missed.as_str())));
    clear(&platform, &id).await;
    drop(socket);
    let missed = play(&platform, "answered").await;
    let mut socket = channel.socket().await;
    calls::check_sequence(&calls::states(&socket.call(&missed).await));
}
