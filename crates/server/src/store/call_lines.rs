//! Which lines a call has touched, and from which of its states on.
//!
//! A state names the lines that are in the call at that moment, and the last one names none. Whoever follows a line
//! hears of the call from the first state with that line up to its end, so the earlier states count too. The log's
//! writer tells of each state before anybody hears of it, so that live calls ask nothing of the database; earlier
//! states stand in the log, and what was read of them is remembered for the calls asked about last.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use wire::call_events::CallEvent;

use super::{Entry, EntryKind, Store, StoreResult};
use crate::limits;

#[derive(Default)]
pub(super) struct CallLines {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    calls: HashMap<String, Arc<Known>>,
    /// First heard of first.
    order: VecDeque<String>,
}

#[derive(Clone, Default)]
struct Known {
    /// Sequence number of the last state that was read.
    through: i64,
    /// Each line with the sequence number of the first state that has it.
    first: Vec<(String, i64)>,
}

impl Known {
    fn read(&mut self, event: &CallEvent) {
        let number = i64::try_from(event.state.sequence_number).unwrap_or(i64::MAX);
        let lines = event.state.participants.iter().filter_map(|participant| participant.kind.as_line());
        self.add(number, lines.map(|line| line.line_id.as_str()));
    }

    fn add<'l>(&mut self, number: i64, lines: impl Iterator<Item = &'l str>) {
        for line in lines {
            if !self.first.iter().any(|(id, _)| id == line) {
                self.first.push((line.to_owned(), number));
            }
        }
        self.through = self.through.max(number);
    }
}

impl CallLines {
    /// Takes in a state that was just written; one that does not follow what is known is left to who asks.
    pub(super) fn told(&self, entry: &Entry) {
        if entry.kind != EntryKind::State {
            return;
        }
        let subject = entry.subject();
        let number = subject.sequence_number;
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let call = &entry.conversation_space_id;
        let lines = subject.line_ids.iter().map(String::as_str);
        if let Some(known) =
            inner.calls.get_mut(call).filter(|known| known.through.saturating_add(1) == number)
        {
            Arc::make_mut(known).add(number, lines);
        } else if number == 1 && !inner.calls.contains_key(call) {
            let mut known = Known::default();
            known.add(number, lines);
            inner.insert(call, Arc::new(known));
        }
    }

    fn get(&self, call: &str) -> Arc<Known> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.calls.get(call).cloned().unwrap_or_default()
    }

    fn put(&self, call: &str, known: Arc<Known>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // Another reader may have come further meanwhile.
        if inner.calls.get(call).is_some_and(|before| before.through >= known.through) {
            return;
        }
        inner.insert(call, known);
    }
}

impl Inner {
    fn insert(&mut self, call: &str, known: Arc<Known>) {
        if self.calls.insert(call.to_owned(), known).is_none() {
            self.order.push_back(call.to_owned());
        }
        while self.order.len() > limits::CALL_LINES_KNOWN_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            self.calls.remove(&oldest);
        }
    }
}

impl Store {
    /// Sequence number of a call's first state, up to and with the state `through`, that had one of the lines.
    pub async fn touched_from(
        &self,
        conversation_space_id: &str,
        through: i64,
        is_wanted: impl Fn(&str) -> bool,
    ) -> StoreResult<Option<i64>> {
        let mut known = self.call_lines.get(conversation_space_id);
        if known.through < through {
            let before = known.through;
            let from = before.saturating_add(1);
            for content in self.states(conversation_space_id, from, through, i64::MAX).await? {
                Arc::make_mut(&mut known).read(&serde_json::from_str(&content)?);
            }
            if known.through > before {
                self.call_lines.put(conversation_space_id, known.clone());
            }
        }
        let wanted = known.first.iter().filter(|(line, from)| *from <= through && is_wanted(line));
        Ok(wanted.map(|(_, from)| *from).min())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::log::Subject;

    fn known(through: i64) -> Arc<Known> {
        Arc::new(Known { through, first: vec![("line".to_owned(), 2)] })
    }

    fn state(number: i64, line: &str) -> Entry {
        let line_ids = vec![line.to_owned()];
        let subject = Subject { sequence_number: number, line_ids, ..Subject::default() };
        Entry::example("account", number, "call").about(subject)
    }

    #[test]
    fn states_that_follow_each_other_are_known_without_the_database() {
        let lines = CallLines::default();
        lines.told(&state(1, "a"));
        lines.told(&state(2, "b"));
        lines.told(&state(4, "c"));
        let known = lines.get("call");
        assert_eq!(known.through, 2, "a hole is left to who asks");
        assert_eq!(known.first, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
    }

    #[test]
    fn what_was_read_furthest_stays_and_the_oldest_calls_make_room() {
        let lines = CallLines::default();
        lines.put("call", known(5));
        lines.put("call", known(3));
        assert_eq!(lines.get("call").through, 5);
        for number in 0..limits::CALL_LINES_KNOWN_MAX {
            lines.put(&number.to_string(), known(1));
        }
        assert_eq!(lines.get("call").through, 0, "it was forgotten and will be read again");
        assert_eq!(lines.get("0").through, 1);
    }
}
