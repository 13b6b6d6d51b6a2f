//! Calls of our lines that are no inbound ones: they make no card, but a wallboard must not call somebody free who is on
//! the phone. Pure.

use std::collections::HashMap;

use jiff::Timestamp;
use wire::call_events::{CallEvent, StateType};

use super::limits::{LIVE_CARDS_MAX, STALE_AFTER};
use crate::people::parties::{in_talk, lines};

/// Outbound and internal calls under way.
#[derive(Debug, Default)]
pub struct Elsewhere {
    calls: HashMap<String, Talk>,
}

#[derive(Debug)]
struct Talk {
    sequence: u64,
    /// Ids of the lines that talk, and since when.
    lines: HashMap<String, Timestamp>,
    heard: Timestamp,
}

impl Elsewhere {
    /// Takes in a state. Beyond the bound of calls at a time a further one is not known.
    pub fn take(&mut self, now: Timestamp, event: &CallEvent) {
        let id = &event.metadata.conversation_space_id;
        let state = &event.state;
        if state.kind == StateType::Ending {
            self.calls.remove(id);
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
        let before = known.map(|talk| talk.lines).unwrap_or_default();
        let talking = lines(state.participants.iter().filter(|party| in_talk(&party.status.value)));
        let since = |line: &str| before.get(line).copied().unwrap_or(now);
        let lines = talking.into_iter().map(|line| (line.id.clone(), since(&line.id))).collect();
        self.calls.insert(id.clone(), Talk { sequence: state.sequence_number, lines, heard: now });
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

    /// The call is gone.
    pub fn end(&mut self, id: &str) {
        self.calls.remove(id);
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
