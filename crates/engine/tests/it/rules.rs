//! What holds for every call, however it went (spec/call-events.md, Rules a server should keep).

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use wire::Direction;
use wire::call_events::{CallEvent, ParticipantType, State, StateType, Status};

/// Panics with the broken rule. The events are all states of a call so far.
pub fn check(events: &[CallEvent]) {
    let states: Vec<&State> = events.iter().map(|event| &event.state).collect();
    numbering(events);
    kinds(&states);
    leaving(&states, events.last().is_some_and(|event| event.metadata.associated_conversations.is_some()));
    identity(&states);
    beginning(events);
}

/// The same for a call that is over.
pub fn check_finished(events: &[CallEvent]) {
    check(events);
    let last = &events.last().expect("a call has states").state;
    assert_eq!(last.kind, StateType::Ending, "the call is over");
}

fn numbering(events: &[CallEvent]) {
    let mut ids = HashSet::new();
    let mut before = Timestamp::MIN;
    for (index, event) in events.iter().enumerate() {
        let number = index as u64 + 1;
        assert_eq!(event.state.sequence_number, number, "sequence numbers have no holes");
        assert!(ids.insert(&event.state.id), "state ids differ");
        let timestamp: Timestamp = event.state.timestamp.parse().expect("an instant");
        assert!(timestamp >= before, "time does not run backwards");
        before = timestamp;
        let mut metadata = event.metadata.clone();
        assert_eq!(metadata.call_initiator.is_some(), number > 1, "callInitiator from the second state on");
        metadata.call_initiator = None;
        // A transfer links calls while they are under way.
        metadata.associated_conversations = events[0].metadata.associated_conversations.clone();
        assert_eq!(metadata, events[0].metadata, "metadata stays the same");
    }
}

fn kinds(states: &[&State]) {
    for (index, state) in states.iter().enumerate() {
        let last = index + 1 == states.len();
        let ending = state.kind == StateType::Ending;
        assert!(last || !ending, "ENDING is the last state");
        assert_eq!(ending, state.participants.is_empty(), "participants are empty in ENDING and only there");
        assert!(!ending || state.interactive_voice_response_systems.is_none(), "no system in ENDING");
        let active_before = index > 0 && states[index - 1].kind == StateType::Active;
        assert!(!(active_before && state.kind == StateType::Starting), "STARTING never after ACTIVE");
        let quiet = state.participants.iter().all(|p| p.status.value == Status::Ringing);
        assert!(quiet || state.kind != StateType::Starting, "nobody has answered or left in STARTING");
    }
}

/// Id of each leg and system with whether it is leaving.
fn members(state: &State) -> HashMap<&str, bool> {
    let legs = state.participants.iter().map(|p| (p.id.as_str(), &p.status.value));
    let systems =
        state.systems().iter().map(|s| (s.id.as_str(), &s.status.as_ref().expect("a live status").value));
    legs.chain(systems).map(|(id, status)| (id, *status == Status::Disconnecting)).collect()
}

/// Of a call that is linked with another one, a party may go on there: it is not shown leaving.
fn leaving(states: &[&State], linked: bool) {
    let mut gone = HashSet::new();
    for pair in states.windows(2) {
        let (before, after) = (members(pair[0]), members(pair[1]));
        if linked && pair[1].kind == StateType::Ending {
            break;
        }
        for (id, was_leaving) in before {
            assert_eq!(
                after.contains_key(id),
                !was_leaving,
                "DISCONNECTING once, then gone, and not otherwise"
            );
            if was_leaving {
                gone.insert(id);
            }
        }
        assert!(after.keys().all(|id| !gone.contains(id)), "who left does not come back");
    }
}

fn identity(states: &[&State]) {
    let mut known = HashMap::new();
    for state in states {
        let ids: HashSet<&str> = state.participants.iter().map(|p| p.id.as_str()).collect();
        assert_eq!(ids.len(), state.participants.len(), "a participant stands once in a state");
        for participant in &state.participants {
            let mut kind = participant.kind.clone();
            if let ParticipantType::PhoneNumber(party) = &mut kind {
                party.contact = None;
            }
            let now = (participant.leg_id.as_str(), participant.originator.as_str(), kind);
            let first = known.entry(participant.id.as_str()).or_insert_with(|| now.clone());
            assert_eq!(*first, now, "leg, originator and party stay the same");
        }
        let originators = state.participants.iter().map(|p| &p.originator);
        for originator in originators.chain(state.systems().iter().map(|s| &s.originator)) {
            assert!(known.contains_key(originator.as_str()), "originators are known");
        }
    }
    let legs: HashSet<&str> = known.values().map(|(leg, ..)| *leg).collect();
    assert_eq!(legs.len(), known.len(), "each participant has a leg of its own");
}

fn beginning(events: &[CallEvent]) {
    let Some(first) = events.first() else { return };
    assert_eq!(first.state.kind, StateType::Starting);
    assert_eq!(first.state.participants.len(), 1, "the caller is alone in the first state");
    assert_eq!(first.metadata.call_created, first.state.timestamp);
    if first.metadata.direction == Direction::Inbound {
        let party = first.state.participants[0].kind.as_phone_number().expect("an outside caller");
        assert!(party.caller.is_some() && party.contact.is_none());
    }
}
