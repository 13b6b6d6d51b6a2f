//! How a call ended for its caller, and who ended it: read from the states alone.

use wire::call_events::{Participant, State, Status, System, SystemType};
use wire::report::CallerOutcome;

use crate::situation::{Situation, is_talking};

/// How the call ended for the caller (spec/call-events-report.md, Summary). `truncated` is known only to who
/// cut the call off.
pub(crate) fn caller_outcome(states: &[State], truncated: bool) -> CallerOutcome {
    let ever = |test: fn(&System) -> bool| states.iter().any(|state| state.systems().iter().any(test));
    let in_the_end = |test: fn(&System) -> bool| {
        let stays = |state: &&State| {
            caller_in(state).is_some_and(|caller| caller.status.value != Status::Disconnecting)
        };
        states.iter().rev().find(stays).is_some_and(|state| state.systems().iter().any(test))
    };
    let box_after_talk = || {
        let last_talk = states.iter().rposition(two_talk).unwrap_or(0);
        states[last_talk..].iter().any(has_voicemail)
    };
    if truncated {
        CallerOutcome::Truncated
    } else if states.iter().any(two_talk) {
        match caller_left_as(states) {
            Some(Status::OnHold) => CallerOutcome::LeftOnHold,
            Some(Status::Parked) => CallerOutcome::LeftParkingSpot,
            // [inferred] It is how the call ended that counts, not that somebody had talked before.
            _ if box_after_talk() => CallerOutcome::Voicemail,
            _ => CallerOutcome::Normal,
        }
    } else if ever(|system| matches!(system.kind, SystemType::Voicemail(_))) {
        CallerOutcome::Voicemail
    } else if in_the_end(|system| matches!(system.kind, SystemType::CallQueue(_))) {
        CallerOutcome::LeftQueue
    } else if anybody_rang(states) {
        CallerOutcome::Missed
    } else if ever(|system| matches!(system.kind, SystemType::CallQueue(_))) {
        CallerOutcome::LeftQueue
    } else if ever(|system| matches!(system.kind, SystemType::DialPlan(_))) {
        CallerOutcome::LeftDialPlan
    } else if states.iter().any(|state| caller_in(state).is_some()) {
        CallerOutcome::Missed
    } else {
        CallerOutcome::Unknown
    }
}

fn has_voicemail(state: &State) -> bool {
    state.systems().iter().any(|system| matches!(system.kind, SystemType::Voicemail(_)))
}

/// Id of the participant who hung up: the first one to leave once the call cannot go on. Who leaves a call that
/// goes on (by a transfer, from a conference) did not end it. Absent when two parties never talked, and when the
/// call ended in a voicemail box (spec/call-events-report.md: absent for missed and abandoned calls).
pub(crate) fn hangup_originator(states: &[State]) -> Option<String> {
    if !states.iter().any(two_talk) {
        return None;
    }
    let last_alive = states.iter().rposition(|state| Situation::after(state).is_alive())?;
    if has_voicemail(&states[last_alive]) {
        return None;
    }
    states[last_alive + 1..]
        .iter()
        .flat_map(|state| &state.participants)
        .find(|participant| participant.status.value == Status::Disconnecting)
        .map(|participant| participant.id.clone())
}

/// True when two parties are through to each other.
pub(crate) fn two_talk(state: &State) -> bool {
    state.participants.iter().filter(|p| is_talking(&p.status.value)).count() >= 2
}

fn caller_in(state: &State) -> Option<&Participant> {
    state.participants.iter().find(|p| p.originator == p.id)
}

/// What the caller's leg did when the caller hung up; nothing when somebody else did.
fn caller_left_as(states: &[State]) -> Option<&Status> {
    let who = hangup_originator(states)?;
    states
        .iter()
        .filter_map(caller_in)
        .filter(|caller| caller.id == who && caller.status.value != Status::Disconnecting)
        .map(|caller| &caller.status.value)
        .next_back()
}

fn anybody_rang(states: &[State]) -> bool {
    states.iter().flat_map(|state| &state.participants).any(|p| p.originator != p.id)
}
