//! What one webhook has read of the logs and not yet delivered: notifications of one call one after the other,
//! those of different calls at the same time, and the place up to which everything is done.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::limits;
use crate::store::Entry;

#[derive(Default)]
pub struct Window {
    accounts: HashMap<String, Ledger>,
    /// Per call, the first one under way or ready.
    lanes: HashMap<String, VecDeque<Arc<Entry>>>,
    /// Calls whose first notification may be sent.
    ready: VecDeque<String>,
    held: usize,
}

/// Places in one account's log.
struct Ledger {
    read: i64,
    open: BTreeSet<i64>,
}

impl Ledger {
    /// Everything up to here is done.
    fn done(&self) -> i64 {
        self.open.first().map_or(self.read, |first| first - 1)
    }
}

impl Window {
    /// Begins an account's log behind `position`, unless it has begun.
    pub fn begin(&mut self, account: &str, position: i64) {
        if !self.accounts.contains_key(account) {
            self.accounts.insert(account.to_owned(), Ledger { read: position, open: BTreeSet::new() });
        }
    }

    /// The place up to which an account's log has been read.
    pub fn read(&self, account: &str) -> i64 {
        self.accounts.get(account).map_or(0, |ledger| ledger.read)
    }

    /// How many notifications it holds.
    pub fn held(&self) -> usize {
        self.held
    }

    /// How many notifications more it takes.
    pub fn room(&self) -> usize {
        limits::WEBHOOK_WINDOW.saturating_sub(self.held)
    }

    /// The next entry of its account's log, to be sent or not.
    pub fn take(&mut self, entry: Arc<Entry>, wanted: bool) {
        self.begin(&entry.account_key, 0);
        let Some(ledger) = self.accounts.get_mut(&entry.account_key) else { return };
        ledger.read = entry.position;
        if !wanted {
            return;
        }
        ledger.open.insert(entry.position);
        self.held += 1;
        let call = &entry.conversation_space_id;
        let lane = self.lanes.entry(call.clone()).or_default();
        if lane.is_empty() {
            self.ready.push_back(call.clone());
        }
        lane.push_back(entry);
    }

    /// One that may be sent now.
    pub fn next(&mut self) -> Option<Arc<Entry>> {
        let call = self.ready.pop_front()?;
        self.lanes.get(&call)?.front().cloned()
    }

    /// The first of its call is done; the call's next may be sent.
    pub fn finish(&mut self, entry: &Entry) {
        if let Some(ledger) = self.accounts.get_mut(&entry.account_key) {
            ledger.open.remove(&entry.position);
        }
        self.held = self.held.saturating_sub(1);
        let call = &entry.conversation_space_id;
        let Some(lane) = self.lanes.get_mut(call) else { return };
        lane.pop_front();
        if lane.is_empty() {
            self.lanes.remove(call);
        } else {
            self.ready.push_back(call.clone());
        }
    }

    /// The places up to which everything is done.
    pub fn done(&self) -> HashMap<String, i64> {
        self.accounts.iter().map(|(account, ledger)| (account.clone(), ledger.done())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(position: i64, call: &str) -> Arc<Entry> {
        Arc::new(Entry::example("account", position, call))
    }

    #[test]
    fn calls_go_side_by_side_and_the_states_of_one_call_in_order() {
        let mut window = Window::default();
        window.begin("account", 10);
        for (position, call) in [(11, "a"), (12, "a"), (13, "b")] {
            window.take(entry(position, call), true);
        }
        let first = window.next().expect("a's first");
        let second = window.next().expect("b's first");
        assert_eq!((first.position, second.position), (11, 13));
        assert!(window.next().is_none(), "a's second waits for its first");
        window.finish(&first);
        assert_eq!(window.next().map(|entry| entry.position), Some(12));
    }

    #[test]
    fn the_place_moves_on_only_over_what_is_done() {
        let mut window = Window::default();
        window.begin("account", 10);
        let done = |window: &Window| window.done()["account"];
        assert_eq!(done(&window), 10);
        window.take(entry(11, "a"), true);
        window.take(entry(12, "b"), true);
        window.take(entry(13, "b"), false);
        assert_eq!((done(&window), window.read("account")), (10, 13));
        let (a, b) = (window.next().expect("a"), window.next().expect("b"));
        window.finish(&b);
        assert_eq!(done(&window), 10);
        window.finish(&a);
        assert_eq!(done(&window), 13);
        assert_eq!(window.room(), limits::WEBHOOK_WINDOW);
    }
}
