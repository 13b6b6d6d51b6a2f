//! Plays scripts, reads the example messages, and makes ids comparable.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use engine::{Call, Command, Names, Nonce, Office, Playback, Request, Scenario, Script};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use wire::call_events::CallEvent;

pub const SECRET: u128 = 0x0CA1_1FEED;

pub fn office() -> Office {
    Office::example(SECRET)
}

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// When every played call begins.
pub fn beginning() -> Timestamp {
    at("2026-02-03T17:00:00.5Z")
}

pub fn script(request: &Request) -> Script {
    engine::script(&office(), request).expect("the example office can play it")
}

/// A scenario of the library.
pub fn scenario(name: &str) -> Scenario {
    name.parse().expect("a scenario of the library")
}

/// All states of the script's first call, played at speed 1.
pub fn play(script: &Script, nonce: u128) -> Vec<CallEvent> {
    play_all(script, nonce).remove(0)
}

/// All states of each call, played at speed 1 from the script's own time on.
pub fn play_all(script: &Script, nonce: u128) -> Vec<Vec<CallEvent>> {
    let mut playback = Playback::new(Nonce(nonce), office().account_key);
    let mut now = script.starts.unwrap_or_else(beginning);
    let mut calls = vec![Vec::new(); script.calls()];
    for (index, step) in script.steps.iter().enumerate() {
        now += SignedDuration::from_millis(i64::try_from(step.after_ms).expect("a short call"));
        match playback.apply(now, step) {
            Ok(states) => calls[step.call].extend(states),
            Err(error) => panic!("{} step {index} {:?}: {error}", script.scenario, step.command),
        }
    }
    assert!(playback.is_ended(), "the script ends each call");
    calls
}

/// Names by a function for users; queues by the captured one.
pub struct UserKeys<F>(pub F);

impl<F: Fn(&str) -> Option<String>> Names for UserKeys<F> {
    fn user_key(&self, user_id: &str) -> Option<String> {
        (self.0)(user_id)
    }

    fn queue_extension(&self, _: &str) -> Option<String> {
        Some("2000".to_owned())
    }
}

/// Does the commands at these instants; all must fit.
pub fn run(call: &mut Call, commands: &[(&str, Command)]) -> Vec<CallEvent> {
    commands
        .iter()
        .flat_map(|(now, command)| match call.apply(at(now), command) {
            Ok(states) => states,
            Err(error) => panic!("{command:?} at {now}: {error}"),
        })
        .collect()
}

pub fn example(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/examples");
    let text = fs::read_to_string(folder.join(name)).expect("an example message");
    serde_json::from_str(&text).expect("JSON")
}

fn content(frame: &Value) -> CallEvent {
    serde_json::from_value(frame["data"]["content"].clone()).expect("a call state")
}

/// The states in an array of frames.
pub fn captured(name: &str) -> Vec<CallEvent> {
    example(name).as_array().expect("an array of frames").iter().map(content).collect()
}

/// The states of the plain inbound call, which has a file for each.
pub fn captured_inbound() -> Vec<CallEvent> {
    [
        "1-starting",
        "2-starting-line-ringing",
        "3-active-answering",
        "4-active-connected",
        "5-active-recording",
        "6-active-caller-disconnecting",
        "7-active-line-disconnecting",
        "8-ending",
    ]
    .map(|step| content(&example(&format!("ws-call-event-inbound-{step}.json"))))
    .to_vec()
}

/// The events as JSON in which each UUID is replaced by the order in which it first appears.
pub fn with_plain_ids(events: &[CallEvent]) -> Value {
    let mut value = serde_json::to_value(events).expect("JSON");
    number_ids(&mut value, &mut HashMap::new());
    value
}

fn number_ids(value: &mut Value, known: &mut HashMap<String, usize>) {
    match value {
        Value::String(text) if uuid::Uuid::parse_str(text).is_ok() => {
            let next = known.len();
            let number = *known.entry(text.clone()).or_insert(next);
            *text = format!("id {number}");
        }
        Value::Array(items) => items.iter_mut().for_each(|item| number_ids(item, known)),
        Value::Object(members) => members.values_mut().for_each(|member| number_ids(member, known)),
        _ => {}
    }
}
