//! Each scenario for one seed, in a form that a person can read and judge.

use std::fmt::Write as _;

use engine::{Request, Scenario};
use jiff::Timestamp;
use wire::call_events::{CallEvent, Participant, ParticipantType, System, SystemType};

use crate::support::{beginning, play, script};

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).expect("JSON").as_str().unwrap_or("?").to_owned()
}

fn party(participant: &Participant) -> String {
    let name = match &participant.kind {
        ParticipantType::PhoneNumber(party) => {
            let outside = party.caller.as_ref().or(party.callee.as_ref()).expect("an outside party");
            format!("{} {:?} via {}", outside.number, outside.name, party.number)
        }
        ParticipantType::Line(line) => line.extension_number.clone(),
        ParticipantType::Other(_) => "other".to_owned(),
    };
    format!("{name} {}", word(&participant.status.value))
}

fn system(system: &System) -> String {
    let status = system.status.as_ref().map(|status| word(&status.value)).unwrap_or_default();
    match &system.kind {
        SystemType::DialPlan(plan) => {
            let node = &plan.current_node;
            let result = node.result.as_deref().map(|result| format!(" = {result}")).unwrap_or_default();
            format!("plan {status} [{:?}> {}{result}]", plan.previous_node.connector, node.kind)
        }
        _ => status,
    }
}

fn render(events: &[CallEvent]) -> String {
    let mut text = String::new();
    for event in events {
        let state = &event.state;
        let now: Timestamp = state.timestamp.parse().expect("an instant");
        let after_ms = now.duration_since(beginning()).as_millis();
        let who: Vec<String> =
            state.participants.iter().map(party).chain(state.systems().iter().map(system)).collect();
        writeln!(
            text,
            "{after_ms:>6} ms  {} {:<8}  {}",
            state.sequence_number,
            state.kind.as_str(),
            who.join(" | ")
        )
        .expect("a string takes all");
    }
    text
}

fn rendered(scenario: Scenario) -> String {
    render(&play(&script(&Request::new(scenario, 2)), 2))
}

#[test]
fn answered() {
    insta::assert_snapshot!(rendered(Scenario::Answered));
}

#[test]
fn missed() {
    insta::assert_snapshot!(rendered(Scenario::Missed));
}

#[test]
fn outbound() {
    insta::assert_snapshot!(rendered(Scenario::Outbound));
}

#[test]
fn internal() {
    insta::assert_snapshot!(rendered(Scenario::Internal));
}

#[test]
fn ring_group() {
    insta::assert_snapshot!(rendered(Scenario::RingGroup));
}

#[test]
fn dial_plan() {
    insta::assert_snapshot!(rendered(Scenario::DialPlan));
}
