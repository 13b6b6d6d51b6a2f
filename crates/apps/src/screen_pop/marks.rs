//! What people do to cards: closing, pinning, notes, and which page rings. A person's marks are changed and stored in their
//! turn, so that what is on disk is what was done last.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard};

use super::{
    call::Call,
    frames::{GoneFrame, NotesFrame},
    hub::Hub,
    limits::TURNS,
    sight::{Person, Tab},
};
use crate::store::desks::{Dismissed, Mark};

/// A lock for each of [`TURNS`] groups of people.
pub struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Mutex::default()).collect())
    }
}

impl Hub {
    /// Waits until nobody else changes, reads or writes the marks of this person. Whoever takes a copy of a mark to write it
    /// down holds this until it is written: a later copy must not be followed by an earlier one.
    pub async fn turn(&self, person: &Person) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        person.id.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % self.turns.0.len() as u64).unwrap_or_default();
        self.turns.0[at].lock().await
    }

    /// Changes a person's mark of a call and shows the result on all their pages. None if the call is not theirs.
    ///
    /// `change` is given the mark, and what closing the card means now.
    pub fn mark(
        &self,
        person: &Person,
        call: &str,
        change: impl FnOnce(&mut Mark, Dismissed),
    ) -> Option<Mark> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let (_, call) = inner.board.find(call)?;
        let seat = inner.seats.get_mut(&person.id)?;
        let sight = seat.sight(call, inner.operator.as_deref(), &inner.directory)?;
        let before = seat.mark_of(&call.id);
        let closed = if call.is_live() { Dismissed::Ring(sight.ring) } else { Dismissed::ForGood };
        let mark = seat.change(&call.id, |mark| change(mark, closed));
        if before.notes == mark.notes {
            self.tell(seat, call, inner.operator.as_deref(), &inner.directory, Timestamp::now());
        } else {
            seat.send(self.run, "notes", &NotesFrame { id: &call.id, notes: &mark.notes });
        }
        Some(mark)
    }

    /// Closes the person's cards whose calls are over, neither pinned nor missed; returns their marks.
    #[must_use]
    pub fn close_finished(&self, person: &Person) -> Vec<(String, Mark)> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some(seat) = inner.seats.get_mut(&person.id) else { return Vec::new() };
        let is_done = |call: &&Call| {
            let sight = seat.sight(call, inner.operator.as_deref(), &inner.directory);
            let over = sight.is_some_and(|sight| sight.tab != Tab::Missed);
            over && !call.is_live() && !seat.mark_of(&call.id).pinned
        };
        let done: Vec<&Call> = inner.board.calls().iter().filter(is_done).collect();
        let close = |call: &&Call| {
            (call.id.clone(), seat.change(&call.id, |mark| mark.dismissed = Dismissed::ForGood))
        };
        let marks: Vec<(String, Mark)> = done.iter().map(close).collect();
        let ids = marks.iter().map(|(id, _)| id);
        let gone: Vec<String> = ids.filter(|id| seat.shown.remove(*id)).cloned().collect();
        if !gone.is_empty() {
            seat.send(self.run, "gone", &GoneFrame { ids: &gone });
        }
        marks
    }

    /// Whether the page that asks is the first of this person's that wants to ring for this ring of the
    /// call: one page rings.
    #[must_use]
    pub fn may_ring(&self, person: &Person, call: &str) -> bool {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some((_, call)) = inner.board.find(call) else { return false };
        let Some(seat) = inner.seats.get_mut(&person.id) else { return false };
        let sight = seat.sight(call, inner.operator.as_deref(), &inner.directory);
        let Some(sight) = sight.filter(|sight| seat.is_to_tell(&call.id, sight)) else { return false };
        let quiet = seat.choice.is_quiet(Timestamp::now().to_zoned(self.zone().clone()).datetime());
        if !quiet {
            seat.told.insert(call.id.clone(), sight.ring);
        }
        !quiet
    }
}
