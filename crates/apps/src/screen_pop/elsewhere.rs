//! Calls of our lines that are no inbound ones: they make no card, but a wallboard must not call somebody free who is on
//! the phone, and the next card of somebody whom we have called tells of it. Pure.

use std::collections::HashMap;

use jiff::Timestamp;
use wire::call_events::{CallEvent, StateType};

use super::{
    call::{Line, Outcome, instant},
    limits::{LIVE_CARDS_MAX, STALE_AFTER},
};
use crate::people::parties::{Account, in_talk, lines, parties};

/// Outbound and internal calls under way.
#[derive(Debug, Default)]
pub struct Elsewhere {
    calls: HashMap<String, Talk>,
    /// Calls that are over and were not handed out yet ([`Elsewhere::take_over`]); no more than were under way.
    over: Vec<Dialled>,
}

/// A call of ours to somebody outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialled {
    /// Conversation space id.
    pub id: String,
    pub created: Timestamp,
    /// Whom we called, as [`crate::people::number::Number::key`].
    pub number: String,
    /// Who of us did.
    pub line: Option<Line>,
    pub answered_at: Option<Timestamp>,
    /// None if the end was not seen.
    pub ended_at: Option<Timestamp>,
    /// None while it goes on.
    pub outcome: Option<Outcome>,
}

#[derive(Debug)]
struct Talk {
    sequence: u64,
    /// Ids of the lines that talk, and since when.
    lines: HashMap<String, Timestamp>,
    heard: Timestamp,
    /// None for a call between our lines, and while no state tells who is called.
    dialled: Option<Dialled>,
}

impl Elsewhere {
    /// Takes in a state. Beyond the bound of calls at a time a further one is not known.
    pub fn take(&mut self, now: Timestamp, event: &CallEvent, account: &Account) {
        let id = &event.metadata.conversation_space_id;
        let state = &event.state;
        if state.kind == StateType::Ending {
            self.finish(id, Some(instant(&state.timestamp, now)));
            return;
        }
        if self.calls.len() >= LIVE_CARDS_MAX && !self.calls.contains_key(id) {
            return;
        }
        let known = self.calls.remove(id);
        if known.as_ref().is_some_and(|talk| state.sequence_number <= talk.sequence) {
            self.calls.extend(known.map(|talk| (id.clone(), talk)));
            return;
        }
        let (before, dialled) = known.map(|talk| (talk.lines, talk.dialled)).unwrap_or_default();
        let mut dialled = dialled.or_else(|| dialled_first(event, account, now));
        let in_talks = state.participants.iter().filter(|party| in_talk(&party.status.value)).count();
        if let (Some(dialled), true) = (&mut dialled, in_talks >= 2) {
            dialled.answered_at.get_or_insert(instant(&state.timestamp, now));
        }
        let talking = lines(state.participants.iter().filter(|party| in_talk(&party.status.value)));
        let since = |line: &str| before.get(line).copied().unwrap_or(now);
        let lines = talking.into_iter().map(|line| (line.id.clone(), since(&line.id))).collect();
        let sequence = state.sequence_number;
        self.calls.insert(id.clone(), Talk { sequence, lines, heard: now, dialled });
    }

    fn finish(&mut self, id: &str, ended_at: Option<Timestamp>) {
        let Some(dialled) = self.calls.remove(id).and_then(|talk| talk.dialled) else { return };
        let outcome = match (ended_at, dialled.answered_at) {
            (None, None) => Outcome::Unknown,
            (_, Some(_)) => Outcome::Answered,
            (Some(_), None) => Outcome::Missed,
        };
        self.over.push(Dialled { ended_at, outcome: Some(outcome), ..dialled });
    }

    /// Calls to the outside that are over, each handed out once.
    pub fn take_over(&mut self) -> Vec<Dialled> {
        std::mem::take(&mut self.over)
    }

    /// Each line that talks, and since when.
    pub fn talks(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.calls.values().flat_map(|talk| talk.lines.iter().map(|(line, since)| (line.as_str(), *since)))
    }

    pub fn ids(&self) -> impl Iterator<Item = &String> {
        self.calls.keys()
    }

    /// The list of calls under way names this one.
    pub fn listed(&mut self, id: &str, now: Timestamp) {
        if let Some(talk) = self.calls.get_mut(id) {
            talk.heard = now;
        }
    }

    /// The call is gone; its end was not seen.
    pub fn end(&mut self, id: &str) {
        self.finish(id, None);
    }

    #[must_use]
    pub fn is_known(&self, id: &str) -> bool {
        self.calls.contains_key(id)
    }

    /// There is a call without news for long.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.calls.values().any(|talk| now.duration_since(talk.heard).unsigned_abs() >= STALE_AFTER)
    }
}

fn dialled_first(event: &CallEvent, account: &Account, now: Timestamp) -> Option<Dialled> {
    let found = parties(&[event], account, &[])?;
    Some(Dialled {
        id: event.metadata.conversation_space_id.clone(),
        created: instant(&event.metadata.call_created, now),
        number: found.outside?.number.key()?.to_owned(),
        line: found.people.into_iter().next().map(|person| person.line),
        answered_at: None,
        ended_at: None,
        outcome: None,
    })
}
