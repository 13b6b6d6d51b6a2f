//! Drops notifications that come twice: the service was seen to repeat them (spec/call-events.md).

use std::collections::{HashSet, VecDeque};

use crate::limits::RECENT_IDS_MAX;

#[derive(Debug, Default)]
pub(super) struct RecentIds {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl RecentIds {
    /// Whether `id` is new; it is remembered, the oldest one forgotten when there are too many.
    pub fn is_new(&mut self, id: &str) -> bool {
        if !self.known.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > RECENT_IDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_known_until_forgotten() {
        let mut recent = RecentIds::default();
        assert!(recent.is_new("first"));
        assert!(!recent.is_new("first"));
        for n in 0..RECENT_IDS_MAX {
            assert!(recent.is_new(&n.to_string()));
        }
        assert_eq!(recent.known.len(), RECENT_IDS_MAX);
        assert!(recent.is_new("first"));
    }
}
