//! Which lines a call has touched, and from which of its states on.
//!
//! A state names the lines that are in the call at that moment, and the last one names none. Whoever follows a line
//! hears of the call from the first state with that line up to its end, so the earlier states count too. They stand
//! in the log; what was read of them is remembered for the calls asked about last.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use wire::call_events::CallEvent;

use super::{Store, StoreResult};
use crate::limits;

#[derive(Default)]
pub(super) struct CallLines {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    calls: HashMap<String, Known>,
    /// First asked about first.
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
        for line in event.state.participants.iter().filter_map(|participant| participant.kind.as_line()) {
            if !self.first.iter().any(|(id, _)| *id == line.line_id) {
                self.first.push((line.line_id.clone(), number));
            }
        }
        self.through = self.through.max(number);
    }
}

impl CallLines {
    fn get(&self, call: &str) -> Known {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.calls.get(call).cloned().unwrap_or_default()
    }

    fn put(&self, call: &str, known: Known) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // Another reader may have come further meanwhile.
        if inner.calls.get(call).is_some_and(|before| before.through >= known.through) {
            return;
        }
        if inner.calls.insert(call.to_owned(), known).is_none() {
            inner.order.push_back(call.to_owned());
        }
        while inner.order.len() > limits::CALL_LINES_KNOWN_MAX {
            let Some(oldest) = inner.order.pop_front() else { break };
            inner.calls.remove(&oldest);
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
                known.read(&serde_json::from_str(&content)?);
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

    fn known(through: i64) -> Known {
        Known { through, first: vec![("line".to_owned(), 2)] }
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
