//! Modes of the course of a call: the same states come in notifications and by REST.

use serde_json::{Value, json};

use super::{FAULTS, add, ask, clear, clear_all, end_of, office, play, struck};
use crate::harness::calls::{self, Channel};
use crate::harness::{Answer, LATER, Person, Platform, Session, http};

const CLOCK: &str = "/simulator/v1/clock";
const CALLS: &str = "/call-events/v1/conversation-spaces";

/// A mode with a scenario in which it shows, and what the states of such a call are under it alone.
struct Row {
    mode: &'static str,
    set: Value,
    scenario: &'static str,
    shows: fn(&[Value]) -> bool,
}

fn row(mode: &'static str, scenario: &'static str, shows: fn(&[Value]) -> bool) -> Row {
    Row { mode, set: json!({}), scenario, shows }
}

fn statuses(state: &Value) -> Vec<&str> {
    let list = state["participants"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|one| one["status"]["value"].as_str()).collect()
}

fn contact(states: &[Value]) -> &Value {
    &states[1]["participants"][0]["type"]["contact"]
}

fn rows() -> Vec<Row> {
    vec![
        row("unanswered-starting", "missed", |states| {
            states.iter().any(|one| one["type"] == "STARTING" && statuses(one).contains(&"DISCONNECTING"))
        }),
        row("same-timestamp", "answered", |states| {
            states.iter().all(|one| one["timestamp"] == states[0]["timestamp"])
        }),
        row("contact-matched", "answered", |states| contact(states)["name"] == "Ada Lovelace"),
        Row {
            set: json!({"form": "id"}),
            ..row("contact-matched", "answered", |states| contact(states)["contactId"] == "c-100")
        },
        row("answer-in-one-state", "answered", |states| {
            states.iter().all(|one| statuses(one) != ["CONNECTED", "RINGING"]) && states.len() == 7
        }),
        row("hold-carrier", "hold", |states| {
            states.iter().any(|one| statuses(one) == ["CONNECTED", "ON_HOLD"])
        }),
        Row {
            set: json!({"who": "both"}),
            ..row("hold-carrier", "hold", |states| {
                states.iter().any(|one| statuses(one) == ["ON_HOLD", "ON_HOLD"])
            })
        },
        row("transfer-carrier", "blind-transfer", |states| {
            states.iter().any(|one| statuses(one) == ["CONNECTED", "IN_DIRECT_TRANSFER"])
        }),
        Row {
            set: json!({"who": "both"}),
            ..row("transfer-carrier", "blind-transfer", |states| {
                states.iter().any(|one| statuses(one) == ["IN_DIRECT_TRANSFER", "IN_DIRECT_TRANSFER"])
            })
        },
    ]
}

/// The states of a call as the API of live calls and the report tell them.
async fn by_rest(platform: &Platform, session: &Session, space: &str) -> [Vec<Value>; 2] {
    let events = session.get(&format!("{CALLS}/{space}/events")).await.is(200).json();
    let events = events["items"].as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
    let report = platform.report(session, space).await;
    [events, report["callStates"].as_array().unwrap().clone()]
}

#[tokio::test]
async fn all_doors_tell_the_same_states_under_a_mode_and_as_usual_after_it() {
    let (platform, session) = office().await;
    let channel = Channel::subscribed(&platform, &session, "doors").await;
    let mut socket = channel.socket().await;
    for row in rows() {
        let fault = add(&platform, &json!({"fault": row.mode, "parameters": row.set})).await;
        let space = play(&platform, row.scenario).await;
        let told = calls::states(&socket.call(&space).await);
        calls::check_sequence(&told);
        assert!((row.shows)(&told), "{} {}: {told:#?}", row.mode, row.set);
        assert_eq!(by_rest(&platform, &session, &space).await, [told.clone(), told], "{}", row.mode);
        clear(&platform, &fault).await;
        let [events, states] = by_rest(&platform, &session, &space).await;
        assert!(!(row.shows)(&events), "{} has ended: {events:#?}", row.mode);
        assert_eq!(events, states);
        let space = play(&platform, row.scenario).await;
        let usual = calls::states(&socket.call(&space).await);
        assert!(!(row.shows)(&usual), "{} has ended: {usual:#?}", row.mode);
        let (why, count) = end_of(&platform, &fault).await;
        assert!(why == "cleared" && count > 0, "{}: {why}, struck {count}", row.mode);
    }
}

#[tokio::test]
async fn a_gap_is_filled_by_the_numbers_that_are_told() {
    let (platform, session) = office().await;
    let space = play(&platform, "answered").await;
    let fault = add(&platform, &json!({"fault": "answer-in-one-state"})).await;
    let numbers = async |query: &str| -> Vec<u64> {
        let answer = session.get(&format!("{CALLS}/{space}/events?{query}")).await.is(200);
        assert_eq!(struck(&answer), "answer-in-one-state", "{query}");
        let items = answer.json()["items"].as_array().unwrap().clone();
        items.iter().map(|one| one["state"]["sequenceNumber"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers("").await, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(numbers("sequenceFrom=3&sequenceTo=4").await, [3, 4]);
    assert_eq!(numbers("sequenceFrom=2&sequenceTo=3").await, [2, 3]);
    assert_eq!(numbers("sequenceFrom=6").await, [6, 7]);
    assert_eq!(numbers("sequenceFrom=7&sequenceTo=99").await, [7]);
    clear(&platform, &fault).await;
    let usual = session.get(&format!("{CALLS}/{space}/events?sequenceFrom=3&sequenceTo=4")).await.is(200);
    let at = |place: &str| usual.json().pointer(place).cloned();
    assert_eq!(
        (at("/items/0/state/sequenceNumber"), at("/items/1/state/sequenceNumber")),
        (Some(json!(3)), Some(json!(4)))
    );
    assert_eq!(struck(&usual), "");
}

#[tokio::test]
async fn states_are_the_same_at_all_doors_beside_a_mode_that_was_added_before_or_after() {
    let (platform, session) = office().await;
    let channel = Channel::subscribed(&platform, &session, "beside").await;
    let mut socket = channel.socket().await;
    let states = ["same-timestamp", "contact-matched", "answer-in-one-state"];
    for others_first in [true, false] {
        let others = ["opaque-ids", "new-values"];
        let all = if others_first { [&others[..], &states] } else { [&states[..], &others] };
        for mode in all.into_iter().flatten() {
            add(&platform, &json!({"fault": mode})).await;
        }
        let played = play(&platform, "answered").await;
        let space = format!("z.{}", played.replace('-', ""));
        let told = calls::states(&socket.call(&space).await);
        calls::check_sequence(&told);
        assert_eq!(told.len(), 7, "the state in which one of them still rings is gone: {told:#?}");
        assert_eq!(told[1]["participants"][0]["type"]["contact"]["name"], "Ada Lovelace");
        assert_eq!(
            by_rest(&platform, &session, &space).await,
            [told.clone(), told.clone()],
            "{others_first}"
        );
        let gap = session.get(&format!("{CALLS}/{space}/events?sequenceFrom=3&sequenceTo=4")).await.is(200);
        let gap: Vec<Value> =
            gap.json()["items"].as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
        assert_eq!(gap, told[2..4], "others first: {others_first}");
        clear_all(&platform).await;
    }
}

/// A platform whose time stands still.
async fn still() -> (Platform, Session) {
    let platform = Platform::start_with(&["--clock", "virtual"]).await;
    let session = Person::admin(&platform).grant(&platform, super::SCOPES).await.session;
    (platform, session)
}

async fn advance(platform: &Platform, time: &str) {
    let (id, secret) = (platform.setting("OAUTH_CLIENT_ID"), platform.setting("OAUTH_CLIENT_SECRET"));
    let request = http().post(format!("{}{CLOCK}", platform.base)).basic_auth(id, Some(secret));
    let request = request.json(&json!({"advance": time})).timeout(LATER);
    Answer::of("advance", request).await.is(200);
}

#[tokio::test]
async fn the_list_of_live_calls_tells_what_the_socket_told_last() {
    let (platform, session) = still().await;
    let channel = Channel::subscribed(&platform, &session, "live").await;
    let mut socket = channel.socket().await;
    let list = format!("{CALLS}?accountKey={}", platform.account());
    for modes in [
        &["same-timestamp"][..],
        &["contact-matched"],
        &["answer-in-one-state"],
        &["hold-carrier"],
        // What writes ids otherwise goes behind them, whichever was added first.
        &["same-timestamp", "opaque-ids"],
        &["opaque-ids", "same-timestamp"],
    ] {
        for mode in modes {
            add(&platform, &json!({"fault": mode, "forS": 3_600})).await;
        }
        let mut call = platform.call("hold", &[]);
        let space = calls::first_space(&call).await;
        let on_hold = |frame: &Value| frame["data"]["content"]["state"].to_string().contains("ON_HOLD");
        while !socket.frames.last().is_some_and(on_hold) {
            advance(&platform, "1s").await;
            socket.ping(b"there").await;
        }
        let told = socket.frames.last().unwrap()["data"]["content"].clone();
        let listed = session.get(&list).await.is(200);
        let mut in_turn = modes.to_vec();
        in_turn.sort_by_key(|mode| *mode == "opaque-ids");
        assert_eq!(struck(&listed), in_turn.join(", "));
        assert_eq!(listed.json()["items"], json!([told]), "{modes:?}");
        clear_all(&platform).await;
        let usual = session.get(&list).await.is(200).json();
        assert_ne!(usual["items"], json!([told]), "{modes:?} have ended");
        assert_eq!(usual["items"][0]["metadata"]["conversationSpaceId"], json!(space));
        advance(&platform, "90s").await;
        assert_eq!(call.exit(LATER).await, Some(0));
        socket.call(&space).await;
    }
}

#[tokio::test]
async fn notifications_and_reports_are_ten_minutes_late_at_most() {
    let (platform, session) = still().await;
    let channel = Channel::subscribed(&platform, &session, "late").await;
    let mut socket = channel.socket().await;
    let set = json!({"delayMs": 600_000});
    for mode in ["delay", "report-later", "revision-later", "webhook-late"] {
        let over = json!({"fault": mode, "parameters": {"delayMs": 600_001}});
        ask(&platform, reqwest::Method::POST, FAULTS, &over).await.error(400, "BAD_REQUEST");
    }
    for mode in ["delay", "report-later"] {
        add(&platform, &json!({"fault": mode, "parameters": set, "forS": 7_200})).await;
    }
    let mut call = platform.call("answered", &[]);
    let space = calls::first_space(&call).await;
    advance(&platform, "5m").await;
    assert_eq!(call.exit(LATER).await, Some(0));
    socket.ping(b"there").await;
    assert_eq!(socket.frames, Vec::<Value>::new(), "nothing has come yet");
    let report = format!("/call-events-report/v1/reports/{space}");
    session.get(&report).await.error(404, "NOT_FOUND");
    advance(&platform, "9m59s").await;
    session.get(&report).await.error(404, "NOT_FOUND");
    advance(&platform, "1m").await;
    session.get(&report).await.is(200);
    let frames = socket.call(&space).await;
    calls::check_sequence(&calls::states(&frames));
}
