//! One inbound call as the board knows it, and how a state of it changes what is known.

use std::collections::HashMap;

use jiff::Timestamp;
use wire::call_events::{CallEvent, State, StateType, Status, SystemType};

use super::callers::Known;
pub use crate::people::parties::{Line, Way};
use crate::people::{
    number::Number,
    parties::{self, Account, caller, in_talk, parties, remember},
    sources::Failure,
    text::tidy,
};

/// An inbound call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Conversation space id.
    pub id: String,
    pub created: Timestamp,
    pub caller_name: String,
    pub caller: Number,
    /// Label of the number dialled.
    pub dialled_label: String,
    pub dialled: Number,
    pub stage: Stage,
    /// Ring now.
    pub ringing: Vec<Line>,
    /// By line: the sequence number of the state with which it began to ring last.
    pub rings: HashMap<String, u64>,
    /// Rang at any time.
    pub rang: Vec<Line>,
    /// Talk now, or talked last.
    pub answered_by: Vec<Line>,
    /// Talked at any time.
    pub talked: Vec<Line>,
    /// The caller waits in a parking spot.
    pub parked: bool,
    /// Missed, and somebody has talked with the caller since.
    pub settled: bool,
    /// Missed, and this person said that they take it.
    pub claimed: Option<String>,
    pub answered_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// Voicemail took the call.
    pub voicemail: bool,
    /// The phone system broke off; how the call ended is not known.
    pub cut_off: bool,
    /// Name of the queue that took the call last; can be empty.
    pub queue: Option<String>,
    /// What the app saw of this caller before.
    pub history: Option<History>,
    /// What the sources say of the caller.
    pub known: Option<Known>,
    /// How the call stands with the CRM that it is written to.
    pub logged: Option<Logged>,
    /// Highest sequence number seen.
    pub(crate) sequence: u64,
    /// When the app heard of the call last.
    pub(crate) heard: Timestamp,
}

/// Where a call stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    Waiting(Place),
    Ringing,
    Answered,
    Ended(Outcome),
}

/// What handles a call that no person has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Menu,
    /// Name of the queue; can be empty.
    Queue(String),
    Voicemail,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Two parties talked.
    Answered,
    /// Nobody answered.
    Missed,
    /// The end was not seen.
    Unknown,
}

/// What the app saw of a caller before this call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The numbers whose calls these are: the caller's, and the others of the contact who surely calls.
    pub numbers: Vec<String>,
    /// The newest first, at most [`super::limits::LAST_CALLS_SHOWN_MAX`].
    pub calls: Vec<LastCall>,
    /// Calls of today that came in, this one included.
    pub today: u64,
}

/// How a call stands with the CRM of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logged {
    /// Will be there soon.
    Waits(String),
    There(String),
    /// Why not, and whether it is tried again by itself.
    Failed {
        crm: String,
        why: Option<Failure>,
        again: bool,
    },
}

/// A call with the same person before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastCall {
    /// Conversation space id.
    pub id: String,
    pub created: Timestamp,
    pub way: Way,
    /// None while it goes on.
    pub outcome: Option<Outcome>,
    /// Who of us answered, or called.
    pub line: Option<Line>,
    /// How long they talked.
    pub talked_s: Option<i64>,
}

impl Call {
    /// A call seen for the first time; none if the state does not tell who calls.
    pub(super) fn first_seen(event: &CallEvent, account: &Account, now: Timestamp) -> Option<Self> {
        let found = parties(&[event], account, &[])?;
        let (outside, ours) = (found.outside?, found.ours?);
        let mut call = Self {
            id: event.metadata.conversation_space_id.clone(),
            created: instant(&event.metadata.call_created, now),
            caller_name: outside.label,
            caller: outside.number,
            dialled_label: ours.label,
            dialled: ours.number,
            stage: Stage::Ringing,
            ringing: Vec::new(),
            rings: HashMap::new(),
            rang: Vec::new(),
            answered_by: Vec::new(),
            talked: Vec::new(),
            parked: false,
            settled: false,
            claimed: None,
            answered_at: None,
            ended_at: None,
            voicemail: false,
            cut_off: false,
            queue: None,
            history: None,
            known: None,
            logged: None,
            sequence: 0,
            heard: now,
        };
        call.take(&event.state, now);
        Some(call)
    }

    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self.stage, Stage::Ended(_))
    }

    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        if let Stage::Ended(outcome) = self.stage { Some(outcome) } else { None }
    }

    /// The store remembers the call, and nothing was heard of it since.
    #[must_use]
    pub(super) fn is_from_store(&self) -> bool {
        self.sequence == 0
    }

    /// Takes in whose lines ring and who talks, whenever that was; tells whether somebody of them is new.
    pub(super) fn recall(&mut self, state: &State) -> bool {
        let before = (self.rang.len(), self.talked.len());
        for line in lines(state, |status| *status == Status::Ringing) {
            remember(&mut self.rang, &line);
        }
        if talks(state) {
            for line in lines(state, in_talk) {
                remember(&mut self.talked, &line);
            }
        }
        before != (self.rang.len(), self.talked.len())
    }

    /// Takes in a newer state; tells as [`Call::recall`].
    pub(super) fn take(&mut self, state: &State, now: Timestamp) -> bool {
        self.sequence = state.sequence_number;
        self.heard = now;
        let at = instant(&state.timestamp, now);
        if state.kind == StateType::Ending {
            let outcome = match self.answered_at {
                _ if self.cut_off => Outcome::Unknown,
                Some(_) => Outcome::Answered,
                None => Outcome::Missed,
            };
            self.end(outcome, at);
            return false;
        }
        self.cut_off |= is_cut_off(state);
        // News of a call that was given up: it goes on after all.
        self.ended_at = None;
        let told = self.recall(state);
        let rang_before = std::mem::take(&mut self.ringing);
        for line in lines(state, |status| *status == Status::Ringing) {
            if !rang_before.iter().any(|other| other.id == line.id) {
                self.rings.insert(line.id.clone(), state.sequence_number);
            }
            remember(&mut self.ringing, &line);
        }
        let place = place(state);
        if let Some(Place::Queue(name)) = &place {
            self.queue = Some(name.clone());
        }
        self.voicemail |= place == Some(Place::Voicemail);
        if talks(state) {
            self.answered_at.get_or_insert(at);
            let talking = lines(state, in_talk);
            if !talking.is_empty() {
                self.answered_by = talking;
            }
        }
        self.parked = state.participants.iter().any(|party| party.status.value == Status::Parked);
        self.stage = self.stage_of(state, place);
        told
    }

    fn stage_of(&self, state: &State, place: Option<Place>) -> Stage {
        if self.answered_at.is_some() {
            return Stage::Answered;
        }
        if !self.ringing.is_empty() {
            return Stage::Ringing;
        }
        let waits = state
            .participants
            .iter()
            .any(|party| caller(party).is_some() && party.status.value == Status::InInteractiveVoiceResponse);
        match (place, &self.stage) {
            (Some(place), _) => Stage::Waiting(place),
            // Systems and parties leave one by one before the end: nothing new is known yet.
            (None, Stage::Waiting(place)) => Stage::Waiting(place.clone()),
            (None, _) if waits => Stage::Waiting(Place::Menu),
            (None, _) => Stage::Ringing,
        }
    }

    /// The call is over.
    pub(super) fn end(&mut self, outcome: Outcome, at: Timestamp) {
        self.ringing.clear();
        self.parked = false;
        self.ended_at = Some(at.max(self.created));
        self.stage = Stage::Ended(outcome);
    }
}

/// Nobody hangs up at the same moment as the others: that is how a call looks that a crash of the phone system cut
/// off, whose outcome and talk time nobody knows (`callerOutcome` TRUNCATED).
pub(crate) fn is_cut_off(state: &State) -> bool {
    // When the caller has given up, the telephones that rang leave together.
    let caller_is_there = state.participants.iter().any(|party| caller(party).is_some());
    caller_is_there
        && state.participants.len() >= 2
        && state.participants.iter().all(|party| party.status.value == Status::Disconnecting)
}

/// An instant of the wire; `now` if it cannot be read.
pub(super) fn instant(text: &str, now: Timestamp) -> Timestamp {
    text.parse().unwrap_or(now)
}

/// Two parties are connected, or the state shows one leaving a talk whose start was not seen.
fn talks(state: &State) -> bool {
    let connected = state.participants.iter().filter(|party| in_talk(&party.status.value)).count();
    let line = !lines(state, in_talk).is_empty();
    let left = state
        .participants
        .iter()
        .all(|party| caller(party).is_none() || party.status.value == Status::Disconnecting);
    connected >= 2 || (line && left)
}

/// What handles the call: the system that took it last.
fn place(state: &State) -> Option<Place> {
    let connected = |status: &Option<wire::Tagged<Status>>| {
        status.as_ref().is_none_or(|status| status.value != Status::Disconnecting)
    };
    state.systems().iter().rev().find(|system| connected(&system.status)).and_then(|system| {
        match &system.kind {
            SystemType::DialPlan(_) => Some(Place::Menu),
            SystemType::CallQueue(queue) => Some(Place::Queue(tidy(&queue.queue_name))),
            SystemType::Voicemail(_) => Some(Place::Voicemail),
            SystemType::Other(_) => None,
        }
    })
}

fn lines(state: &State, wanted: impl Fn(&Status) -> bool) -> Vec<Line> {
    parties::lines(state.participants.iter().filter(|party| wanted(&party.status.value)))
}
