//! The screen pop from call states to what the browser gets. Calls come from the examples of the specification.

mod board;
mod callers;
mod claims;
mod contacts_page;
mod doors;
mod facts;
mod kept;
mod known;
mod languages;
mod last_calls;
mod limits;
mod living;
mod looks;
mod marks;
mod outage;
pub(super) mod pages;
mod past;
mod rights;
mod sights;
mod walls;
mod write_back;

use jiff::Timestamp;
use serde_json::{Value, json};
use wire::call_events::CallEvent;

/// The states of one of the examples in `crates/wire/tests/examples`.
fn example(name: &str) -> Vec<CallEvent> {
    let path = format!("{}/../wire/tests/examples/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let frames: Vec<Value> = match serde_json::from_str(&text).unwrap() {
        Value::Array(frames) => frames,
        frame => vec![frame],
    };
    frames
        .into_iter()
        .map(|frame| serde_json::from_value(frame["data"]["content"].clone()).unwrap())
        .collect()
}

/// An answered inbound call, state by state.
fn inbound() -> Vec<CallEvent> {
    let names = [
        "1-starting",
        "2-starting-line-ringing",
        "3-active-answering",
        "4-active-connected",
        "5-active-recording",
        "6-active-caller-disconnecting",
        "7-active-line-disconnecting",
        "8-ending",
    ];
    names.iter().flat_map(|name| example(&format!("ws-call-event-inbound-{name}"))).collect()
}

fn with_id(mut events: Vec<CallEvent>, id: &str) -> Vec<CallEvent> {
    for event in &mut events {
        event.metadata.conversation_space_id = id.to_owned();
    }
    events
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The first state of a call by `name` and `number`.
pub(super) fn ring(id: &str, created: &str, name: &str, number: &str) -> CallEvent {
    let content = json!({
        "metadata": {"conversationSpaceId": id, "direction": "INBOUND", "accountKey": "4827193056281740395",
            "callCreated": created},
        "state": {"id": "s", "sequenceNumber": 1, "type": "STARTING", "timestamp": created, "participants": [
            {"id": "p", "legId": "l", "originator": "p", "status": {"value": "RINGING"}, "type": {
                "value": "PHONE_NUMBER", "phoneNumberId": "n", "number": "+12025550123", "name": "Main Number",
                "callProvider": "PSTN", "caller": {"name": name, "number": number}}}]}
    });
    serde_json::from_value(content).unwrap()
}

/// The last state of a call.
fn ending(id: &str, created: &str, sequence: u64) -> CallEvent {
    let mut event = ring(id, created, "", "");
    event.state.sequence_number = sequence;
    event.state.kind = wire::call_events::StateType::Ending;
    event.state.participants.clear();
    event
}
