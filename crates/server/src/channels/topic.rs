//! One account as its readers on this node see it: the newest entries of its log, kept once for all of them.
//!
//! A reader brings its own place. What it has missed is either here, or it reads the log; so a channel needs no
//! queue, and a reader that is slow costs nobody anything.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::hub::lock;
use crate::limits;
use crate::store::Entry;

/// Entries of one commit, in the order of their positions and without holes.
pub type Batch = Arc<[Arc<Entry>]>;

pub struct Topic {
    pub account_key: Box<str>,
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    /// Without holes from the first to the last.
    batches: VecDeque<(Instant, Batch)>,
    entries: usize,
    /// Position of the newest entry that was ever told of; what is forgotten does not lower it.
    newest: i64,
}

/// What follows a place.
pub enum Next {
    Nothing,
    /// The first of these that lies behind the place follows it without a gap.
    Batch(Batch),
    /// Only the log can tell.
    Gap,
}

/// Places in the logs of some accounts.
pub type Places = Vec<(Arc<Topic>, i64)>;

fn last(batch: &Batch) -> i64 {
    batch.last().map_or(0, |entry| entry.position)
}

impl Topic {
    pub fn new(account_key: &str) -> Self {
        Self { account_key: account_key.into(), recent: Mutex::default() }
    }

    /// Adds what was committed; the oldest make room.
    pub fn add(&self, batch: Batch) {
        let Some(first) = batch.first().map(|entry| entry.position) else { return };
        let mut recent = lock(&self.recent);
        if recent.batches.back().is_some_and(|(_, before)| last(before) + 1 != first) {
            recent.forget_all();
        }
        recent.newest = recent.newest.max(last(&batch));
        recent.entries += batch.len();
        recent.batches.push_back((Instant::now(), batch));
        while recent.entries > limits::RECENT_ENTRIES_MAX && recent.batches.len() > 1 {
            recent.forget_oldest();
        }
    }

    /// Forgets what every reader that keeps up has long seen.
    pub fn sweep(&self) {
        let mut recent = lock(&self.recent);
        while recent.batches.front().is_some_and(|(at, _)| at.elapsed() >= limits::RECENT_KEPT) {
            recent.forget_oldest();
        }
        if recent.batches.is_empty() {
            recent.forget_all();
        }
    }

    /// What follows `position`.
    pub fn after(&self, position: i64) -> Next {
        let recent = lock(&self.recent);
        let first = recent.batches.partition_point(|(_, batch)| last(batch) <= position);
        match recent.batches.get(first) {
            // A reader that was slow may stand before what is forgotten already.
            None if position < recent.newest => Next::Gap,
            None => Next::Nothing,
            Some((_, batch)) if batch.first().is_some_and(|entry| entry.position <= position + 1) => {
                Next::Batch(Arc::clone(batch))
            }
            Some(_) => Next::Gap,
        }
    }
}

impl Recent {
    /// Gives the memory back, too.
    fn forget_all(&mut self) {
        *self = Self { newest: self.newest, ..Self::default() };
    }

    fn forget_oldest(&mut self) {
        if let Some((_, batch)) = self.batches.pop_front() {
            self.entries -= batch.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(positions: std::ops::RangeInclusive<i64>) -> Batch {
        positions.map(|position| Arc::new(Entry::example("account", position, "call"))).collect()
    }

    fn after(topic: &Topic, position: i64) -> Option<i64> {
        match topic.after(position) {
            Next::Nothing => Some(0),
            Next::Batch(batch) => Some(last(&batch)),
            Next::Gap => None,
        }
    }

    #[test]
    fn a_reader_gets_what_follows_its_place_or_is_sent_to_the_log() {
        let topic = Topic::new("account");
        assert_eq!(after(&topic, 7), Some(0), "nothing was told yet");
        topic.add(batch(5..=7));
        topic.add(batch(8..=8));
        assert_eq!(after(&topic, 3), None);
        assert_eq!([4, 6, 7, 8, 9].map(|place| after(&topic, place)), [7, 7, 8, 0, 0].map(Some));
    }

    #[test]
    fn a_slow_reader_is_sent_to_the_log_for_what_is_forgotten() {
        let topic = Topic::new("account");
        topic.add(batch(1..=2));
        lock(&topic.recent).forget_oldest();
        topic.sweep();
        assert_eq!([0, 1, 2].map(|place| after(&topic, place)), [None, None, Some(0)]);
        topic.add(batch(5..=6));
        assert_eq!([2, 4].map(|place| after(&topic, place)), [None, Some(6)]);
    }

    #[test]
    fn what_was_not_told_of_leaves_no_hole_inside() {
        let topic = Topic::new("account");
        topic.add(batch(1..=2));
        topic.add(batch(5..=6));
        assert_eq!(after(&topic, 2), None);
        assert_eq!(after(&topic, 4), Some(6));
    }

    #[test]
    fn no_more_is_kept_than_the_limit_but_always_the_newest_commit() {
        let topic = Topic::new("account");
        let many = limits::RECENT_ENTRIES_MAX as i64;
        topic.add(batch(1..=10));
        topic.add(batch(11..=many));
        assert_eq!(after(&topic, 0), Some(10));
        topic.add(batch(many + 1..=3 * many));
        assert_eq!(after(&topic, 10), None);
        assert_eq!(after(&topic, many), Some(3 * many));
    }
}
