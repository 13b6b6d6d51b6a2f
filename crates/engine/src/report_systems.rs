//! The automatic systems of a report, and the agents who answer for a call queue
//! (spec/call-events-report.md, Systems).

use std::collections::HashSet;

use jiff::Timestamp;
use wire::call_events::{CallQueue, State, Status, System, SystemType};
use wire::report::{ReportLine, ReportPartyType};

use crate::outcome::two_talk;
use crate::report::Names;

/// `leftQueueReason` of a caller whom an agent took, and of one who gave up; further values are unknown.
const ANSWERED: &str = "ANSWERED";
const ABANDON: &str = "ABANDON";

/// Queues and voicemail, each as its last state tells it, without status; dial plans are left out.
pub(crate) fn systems(states: &[State], names: &dyn Names) -> Vec<System> {
    let all: Vec<&System> = states.iter().flat_map(State::systems).collect();
    let mut seen = HashSet::new();
    all.iter()
        .filter(|system| !matches!(system.kind, SystemType::DialPlan(_)) && seen.insert(system.id.as_str()))
        .filter_map(|first| all.iter().rev().find(|system| system.id == first.id))
        .map(|last| System { status: None, kind: finished(last, states, names), ..(*last).clone() })
        .collect()
}

fn finished(system: &System, states: &[State], names: &dyn Names) -> SystemType {
    let SystemType::CallQueue(queue) = &system.kind else { return system.kind.clone() };
    let stay = Stay::of(&system.id, states);
    SystemType::CallQueue(CallQueue {
        extension_number: names.queue_extension(&queue.queue_id),
        left_queue_reason: stay.reason().map(str::to_owned),
        // Callbacks and intents are features that no scenario has.
        callback_offered: Some(false),
        intents: Some(Vec::new()),
        caller_wait_duration: stay.wait_ms(),
        ..queue.clone()
    })
}

/// A caller's time with a queue.
struct Stay<'a> {
    states: &'a [State],
    entered: Option<usize>,
    /// Somebody talked with the caller while the queue was there.
    answered: Option<usize>,
    /// Not CONNECTED any more.
    left: Option<usize>,
}

impl<'a> Stay<'a> {
    fn of(system_id: &str, states: &'a [State]) -> Self {
        let with = |state: &State| is_connected(state, system_id);
        let entered = states.iter().position(with);
        let after = |first: usize, test: &dyn Fn(&State) -> bool| {
            states[first..].iter().position(test).map(|place| first + place)
        };
        let left = entered.and_then(|first| after(first, &|state| !with(state)));
        let answered = entered
            .and_then(|first| after(first, &two_talk))
            .filter(|answered| left.is_none_or(|left| *answered < left));
        Self { states, entered, answered, left }
    }

    /// None when the caller went on elsewhere without an answer.
    fn reason(&self) -> Option<&'static str> {
        let gave_up = || {
            let after = self.left.and_then(|left| self.states.get(left + 1))?;
            let mut callers = after.participants.iter().filter(|p| p.originator == p.id);
            Some(callers.all(|caller| caller.status.value == Status::Disconnecting))
        };
        if self.answered.is_some() { Some(ANSWERED) } else { gave_up()?.then_some(ABANDON) }
    }

    fn wait_ms(&self) -> Option<u64> {
        let at = |place: usize| self.states.get(place)?.timestamp.parse::<Timestamp>().ok();
        let until = at(self.answered.or(self.left)?)?;
        u64::try_from(until.as_millisecond() - at(self.entered?)?.as_millisecond()).ok()
    }
}

fn is_connected(state: &State, system_id: &str) -> bool {
    state.systems().iter().any(|system| {
        system.id == system_id && system.status.as_ref().is_some_and(|s| s.value == Status::Connected)
    })
}

/// A line that talked and that the queue had rung is an agent; everybody else is who they were.
pub(crate) fn agent(id: &str, kind: &ReportPartyType, states: &[State]) -> ReportPartyType {
    let rang = states.iter().find(|state| state.participants.iter().any(|p| p.id == id));
    let queue = rang.into_iter().flat_map(State::systems).find_map(|system| match &system.kind {
        SystemType::CallQueue(queue) => Some((system, queue)),
        _ => None,
    });
    match (kind, queue) {
        (ReportPartyType::Line(line), Some((system, queue))) => ReportPartyType::Agent(ReportLine {
            // [inferred] The time that the agent is given, since nothing tells how much was used.
            wrap_up_duration: queue.configured_wrap_up_duration.map(|s| s.saturating_mul(1_000)),
            interactive_voice_response_system_id: Some(system.id.clone()),
            skills: Some(Vec::new()),
            matched_skills: Some(Vec::new()),
            ..line.clone()
        }),
        _ => kind.clone(),
    }
}
