//! What faults keep back for a channel's reader: notifications that are late, and closes that were announced. It lies with
//! the channel and goes with it. What a fault keeps back goes out at once, in its order, when the fault is lifted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::lock;

/// How much there is to do at deliveries: one number is read for each, so what is held counts beside active faults.
#[derive(Debug, Default)]
pub struct Counts {
    pub deliveries: AtomicUsize,
    pub held: AtomicUsize,
}

/// One that is held; counted as long as it is there.
struct Counted(Arc<Counts>);

impl Counted {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.deliveries.fetch_add(1, Ordering::AcqRel);
        counts.held.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(counts))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.deliveries.fetch_sub(1, Ordering::AcqRel);
        self.0.held.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Something that waits.
pub struct Held {
    due: Instant,
    /// It may go as soon as another notification has gone.
    swaps: bool,
    /// Id of the fault that keeps it back; none for what somebody sends again.
    fault: Option<String>,
    what: HeldThing,
    _counted: Counted,
}

pub enum HeldThing {
    Send(String),
    /// An entry of this account's log.
    Entry(String, i64),
    /// The channel's end, with the close code of its socket.
    End(u16),
}

/// What is held for one channel, in its order.
#[derive(Default)]
pub struct Kept(Mutex<Vec<Held>>);

impl Kept {
    pub(super) fn put(
        &self,
        counts: &Arc<Counts>,
        due: Instant,
        swaps: bool,
        fault: Option<String>,
        what: HeldThing,
    ) {
        let held = Held { due, swaps, fault, what, _counted: Counted::new(counts) };
        lock(&self.0).push(held);
    }

    /// A notification that waits for another to go first.
    pub(super) fn take_swap(&self) -> Option<String> {
        let mut list = lock(&self.0);
        let place = list.iter().position(|one| one.swaps)?;
        match list.remove(place).what {
            HeldThing::Send(data) => Some(data),
            HeldThing::Entry(..) | HeldThing::End(_) => None,
        }
    }

    /// The first that is due.
    pub(super) fn due(&self, now: Instant) -> Option<HeldThing> {
        let mut list = lock(&self.0);
        let place = list.iter().position(|one| one.due <= now)?;
        Some(list.remove(place).what)
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        lock(&self.0).iter().map(|one| one.due).min()
    }

    /// When the last late notification is due, and for which fault it waits: none may overtake it.
    pub(super) fn last_entry(&self) -> Option<(Instant, Option<String>)> {
        let list = lock(&self.0);
        let last = list.iter().rev().find(|one| matches!(one.what, HeldThing::Entry(..)))?;
        Some((last.due, last.fault.clone()))
    }

    /// Lets go what this fault keeps back, whose announced end comes no more; without one, what any does, but ends.
    /// True when there was some.
    pub fn release(&self, fault: Option<&str>, now: Instant) -> bool {
        let mut list = lock(&self.0);
        let concerned = |one: &Held| fault.is_none() || one.fault.as_deref() == fault;
        let mut any = false;
        list.retain_mut(|one| {
            let is_end = matches!(one.what, HeldThing::End(_));
            if !concerned(one) || (is_end && fault.is_none()) {
                return true;
            }
            any = true;
            one.due = one.due.min(now);
            one.swaps = false;
            !is_end
        });
        any
    }

    /// The announced end, for who carries it out where nobody reads.
    pub fn take_end(&self) -> bool {
        let mut list = lock(&self.0);
        let place = list.iter().position(|one| matches!(one.what, HeldThing::End(_)));
        place.map(|place| list.remove(place)).is_some()
    }

    /// The channel is gone.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn entry(position: i64) -> HeldThing {
        HeldThing::Entry("1".to_owned(), position)
    }

    fn places(kept: &Kept, now: Instant) -> Vec<i64> {
        let mut places = Vec::new();
        while let Some(HeldThing::Entry(_, position)) = kept.due(now) {
            places.push(position);
        }
        places
    }

    #[test]
    fn what_a_lifted_fault_keeps_back_goes_out_in_order_and_its_end_does_not_come() {
        let (counts, kept, now) = (Arc::default(), Kept::default(), Instant::now());
        let late = now + Duration::from_secs(60);
        for position in [1, 2, 3] {
            kept.put(&counts, late, false, Some("a".to_owned()), entry(position));
        }
        kept.put(&counts, late, false, Some("b".to_owned()), HeldThing::End(1001));
        assert_eq!(counts.held.load(Ordering::Acquire), 4);
        assert!(places(&kept, now).is_empty() && !kept.release(Some("c"), now));
        assert!(kept.release(Some("a"), now));
        assert_eq!(places(&kept, now), [1, 2, 3]);
        assert!(kept.release(Some("b"), now) && !kept.take_end());
        assert_eq!(counts.deliveries.load(Ordering::Acquire), 0);
    }

    #[test]
    fn what_is_held_goes_with_its_channel() {
        let (counts, kept) = (Arc::default(), Kept::default());
        kept.put(&counts, Instant::now(), true, None, HeldThing::Send("{}".to_owned()));
        kept.clear();
        assert_eq!((counts.deliveries.load(Ordering::Acquire), kept.next()), (0, None));
        kept.put(&counts, Instant::now(), true, None, HeldThing::Send("{}".to_owned()));
        drop(kept);
        assert_eq!(counts.held.load(Ordering::Acquire), 0);
    }
}
