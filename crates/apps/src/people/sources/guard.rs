//! What keeps a source from holding anybody up: a cache, a budget of requests, a circuit that opens when the source
//! fails time and again. Pure: the time is an argument.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::people::{
    contact::Contact,
    limits::{CACHED_NUMBERS_MAX, CIRCUIT_FAILURES, CIRCUIT_PAUSE},
};

/// What a source needs to remember.
pub struct Guard {
    fresh: Duration,
    stale: Duration,
    per_minute: usize,
    cached: HashMap<String, (Instant, Vec<Contact>)>,
    order: VecDeque<String>,
    asked: VecDeque<Instant>,
    failures: u32,
    closed_until: Option<Instant>,
}

/// What to do for a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The answer is known.
    Known(Vec<Contact>),
    /// Ask; an old answer can be shown meanwhile.
    Ask(Option<Vec<Contact>>),
    /// The source failed lately and is left alone for a while.
    Pause(Option<Vec<Contact>>),
    /// No request is left in this minute.
    Spent(Option<Vec<Contact>>),
}

impl Guard {
    #[must_use]
    pub fn new(fresh: Duration, stale: Duration, per_minute: u32) -> Self {
        Self {
            fresh,
            stale,
            per_minute: per_minute as usize,
            cached: HashMap::new(),
            order: VecDeque::new(),
            asked: VecDeque::new(),
            failures: 0,
            closed_until: None,
        }
    }

    /// What to do for a number; a plan to ask is counted as a request.
    pub fn plan(&mut self, key: &str, now: Instant) -> Plan {
        let known = self.cached.get(key).filter(|(at, _)| now.duration_since(*at) < self.fresh + self.stale);
        let old = match known {
            Some((at, contacts)) if now.duration_since(*at) < self.fresh => {
                return Plan::Known(contacts.clone());
            }
            known => known.map(|(_, contacts)| contacts.clone()),
        };
        if self.closed_until.is_some_and(|until| now < until) {
            return Plan::Pause(old);
        }
        while self.asked.front().is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(60)) {
            self.asked.pop_front();
        }
        if self.asked.len() >= self.per_minute {
            return Plan::Spent(old);
        }
        self.asked.push_back(now);
        Plan::Ask(old)
    }

    /// The source has answered.
    pub fn answered(&mut self, key: &str, contacts: Vec<Contact>, now: Instant) {
        self.failures = 0;
        self.closed_until = None;
        if self.cached.insert(key.to_owned(), (now, contacts)).is_none() {
            self.order.push_back(key.to_owned());
        }
        while self.order.len() > CACHED_NUMBERS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.cached.remove(&oldest);
            }
        }
    }

    /// The source has failed; after some failures in a row it is left alone for a while, then asked once more.
    pub fn failed(&mut self, now: Instant) {
        self.failures += 1;
        if self.failures >= CIRCUIT_FAILURES {
            self.closed_until = Some(now + CIRCUIT_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn contacts(name: &str) -> Vec<Contact> {
        vec![Contact { name: name.to_owned(), ..Contact::default() }]
    }

    #[test]
    fn fresh_then_stale_then_forgotten() {
        let (mut guard, start) = (Guard::new(60 * SECOND, 600 * SECOND, 100), Instant::now());
        assert_eq!(guard.plan("a", start), Plan::Ask(None));
        guard.answered("a", contacts("Ada"), start);
        assert_eq!(guard.plan("a", start + 59 * SECOND), Plan::Known(contacts("Ada")));
        assert_eq!(guard.plan("a", start + 60 * SECOND), Plan::Ask(Some(contacts("Ada"))));
        assert_eq!(guard.plan("a", start + 660 * SECOND), Plan::Ask(None));
        assert_eq!(guard.plan("b", start), Plan::Ask(None));
    }

    #[test]
    fn a_budget_is_one_of_any_minute() {
        let (mut guard, start) = (Guard::new(SECOND, SECOND, 2), Instant::now());
        guard.plan("a", start);
        guard.plan("b", start + 30 * SECOND);
        assert_eq!(guard.plan("c", start + 59 * SECOND), Plan::Spent(None));
        assert_eq!(guard.plan("c", start + 60 * SECOND), Plan::Ask(None));
        assert_eq!(guard.plan("d", start + 61 * SECOND), Plan::Spent(None));
    }

    #[test]
    fn a_source_that_fails_is_left_alone_and_tried_again() {
        let (mut guard, start) = (Guard::new(SECOND, 1_000 * SECOND, 100), Instant::now());
        guard.answered("a", contacts("Ada"), start);
        let later = start + 10 * SECOND;
        for _ in 0..CIRCUIT_FAILURES {
            assert!(matches!(guard.plan("a", later), Plan::Ask(Some(_))));
            guard.failed(later);
        }
        assert_eq!(
            guard.plan("a", later),
            Plan::Pause(Some(contacts("Ada"))),
            "the old answer is still shown"
        );
        assert_eq!(guard.plan("b", later), Plan::Pause(None));
        assert_eq!(guard.plan("b", later + CIRCUIT_PAUSE), Plan::Ask(None));
        guard.failed(later + CIRCUIT_PAUSE);
        assert_eq!(guard.plan("b", later + CIRCUIT_PAUSE), Plan::Pause(None), "one more failure is enough");
    }

    #[test]
    fn the_cache_is_bounded() {
        let (mut guard, start) = (Guard::new(SECOND, SECOND, 100), Instant::now());
        for n in 0..CACHED_NUMBERS_MAX + 10 {
            guard.answered(&n.to_string(), Vec::new(), start);
        }
        assert_eq!((guard.cached.len(), guard.order.len()), (CACHED_NUMBERS_MAX, CACHED_NUMBERS_MAX));
    }
}
