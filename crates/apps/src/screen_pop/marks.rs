//! What people do to cards: closing, pinning, notes, and which page rings. A person's marks are changed and stored in their
//! turn, so that what is on disk is what was done last.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard};

use super::{
    call::Call,
    frames::NotesFrame,
    hub::Hub,
    limits::TURNS,
    sight::{Person, Tab},
    view::active_until,
};
use crate::store::desks::{Dismissed, Mark};

/// A lock for each of [`TURNS`] groups of people.
pub struct Turns(Vec<Mutex<()>>);

/// What became of a mark.
#[derive(Debug)]
pub struct Marked {
    pub mark: Mark,
    /// Version of its notes ([`super::seat::Seat::notes_version`]).
    pub notes_version: i64,
}

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
    /// `change` is given the mark, and the ring of the call that is closed if its card is ([`Dismissed::Ring`]).
    pub fn mark(&self, person: &Person, call: &str, change: impl FnOnce(&mut Mark, u64)) -> Option<Marked> {
        let now = Timestamp::now();
        let mut guard = self.lock();
        let inner = &mut *guard;
        let (_, call) = inner.board.find(call)?;
        let seat = inner.seats.get_mut(&person.id)?;
        let sight = seat.sight(call, inner.operator.as_deref(), &inner.directory)?;
        let before = seat.mark_of(&call.id);
        let mark = seat.change(&call.id, |mark| change(mark, sight.ring));
        if before.notes == mark.notes {
            self.tell(seat, call, inner.operator.as_deref(), &inner.directory, now);
        } else {
            let version = seat.note(&call.id, now);
            seat.send(self.run, "notes", &NotesFrame { id: &call.id, notes: &mark.notes, version });
        }
        Some(Marked { mark, notes_version: seat.notes_version(&call.id) })
    }

    /// Closes the person's cards that stand among the active ones though their calls are over for them, and are not pinned;
    /// returns their marks.
    #[must_use]
    pub fn close_finished(&self, person: &Person) -> Vec<(String, Mark)> {
        let now = Timestamp::now();
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some(seat) = inner.seats.get_mut(&person.id) else { return Vec::new() };
        let done = |call: &Call| {
            let sight = seat.sight(call, inner.operator.as_deref(), &inner.directory)?;
            let stands =
                sight.tab != Tab::Active && active_until(call, &sight).is_some_and(|until| until > now);
            (stands && !seat.mark_of(&call.id).pinned).then_some((call.id.clone(), sight.ring))
        };
        let done: Vec<(String, u64)> = inner.board.calls().iter().filter_map(done).collect();
        let close = |(id, ring): (String, u64)| {
            let mark = seat.change(&id, |mark| mark.dismissed = Dismissed::Ring(ring));
            (id, mark)
        };
        let marks: Vec<(String, Mark)> = done.into_iter().map(close).collect();
        if !marks.is_empty() {
            self.anew(inner, &person.id);
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
