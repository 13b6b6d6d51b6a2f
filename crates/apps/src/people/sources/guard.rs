//! What keeps a source from holding anybody up: a cache, a budget of requests, a circuit that opens when the source
//! fails time and again. Pure: the time is an argument.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::people::limits::{CACHED_NUMBERS_MAX, CIRCUIT_FAILURES, CIRCUIT_PAUSE};

/// Requests of a source in the last minute, whatever they ask.
pub struct Budget {
    per_minute: usize,
    asked: VecDeque<Instant>,
}

impl Budget {
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute: per_minute as usize, asked: VecDeque::new() }
    }

    /// Counts a request, if there is one left.
    pub fn take(&mut self, now: Instant) -> bool {
        while self.asked.front().is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(60)) {
            self.asked.pop_front();
        }
        let is_left = self.asked.len() < self.per_minute;
        if is_left {
            self.asked.push_back(now);
        }
        is_left
    }
}

/// What needs to be remembered of one kind of request to a source.
pub struct Guard<T> {
    fresh: Duration,
    stale: Duration,
    cached: HashMap<String, (Instant, T)>,
    order: VecDeque<String>,
    failures: u32,
    closed_until: Option<Instant>,
}

/// What to do for a number, or for a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan<T> {
    /// The answer is known.
    Known(T),
    /// Ask; an old answer can be shown meanwhile.
    Ask(Option<T>),
    /// The source failed lately and is left alone for a while.
    Pause(Option<T>),
    /// No request is left in this minute.
    Spent(Option<T>),
}

impl<T: Clone> Guard<T> {
    #[must_use]
    pub fn new(fresh: Duration, stale: Duration) -> Self {
        Self { fresh, stale, cached: HashMap::new(), order: VecDeque::new(), failures: 0, closed_until: None }
    }

    /// What to do for a key; a plan to ask is counted as a request.
    pub fn plan(&mut self, key: &str, now: Instant, budget: &mut Budget) -> Plan<T> {
        let known = self.cached.get(key).filter(|(at, _)| now.duration_since(*at) < self.fresh + self.stale);
        let old = match known {
            Some((at, answer)) if now.duration_since(*at) < self.fresh => {
                return Plan::Known(answer.clone());
            }
            known => known.map(|(_, answer)| answer.clone()),
        };
        if self.closed_until.is_some_and(|until| now < until) {
            return Plan::Pause(old);
        }
        if budget.take(now) { Plan::Ask(old) } else { Plan::Spent(old) }
    }

    /// What was answered before, if it is not too old to be shown.
    #[must_use]
    pub fn remembered(&self, key: &str, now: Instant) -> Option<T> {
        let known = self.cached.get(key).filter(|(at, _)| now.duration_since(*at) < self.fresh + self.stale);
        known.map(|(_, answer)| answer.clone())
    }

    /// The source has answered.
    pub fn answered(&mut self, key: &str, answer: T, now: Instant) {
        self.failures = 0;
        self.closed_until = None;
        if self.cached.insert(key.to_owned(), (now, answer)).is_none() {
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

    /// As many requests as anybody likes.
    fn plenty() -> Budget {
        Budget::new(1_000)
    }

    #[test]
    fn fresh_then_stale_then_forgotten() {
        let (mut guard, mut budget, start) =
            (Guard::new(60 * SECOND, 600 * SECOND), plenty(), Instant::now());
        assert_eq!(guard.plan("a", start, &mut budget), Plan::Ask(None));
        guard.answered("a", "Ada", start);
        assert_eq!(guard.plan("a", start + 59 * SECOND, &mut budget), Plan::Known("Ada"));
        assert_eq!(guard.plan("a", start + 60 * SECOND, &mut budget), Plan::Ask(Some("Ada")));
        assert_eq!(guard.plan("a", start + 660 * SECOND, &mut budget), Plan::Ask(None));
        assert_eq!(guard.plan("b", start, &mut budget), Plan::Ask(None));
    }

    #[test]
    fn a_budget_is_one_of_any_minute() {
        let mut guard = Guard::<&str>::new(SECOND, SECOND);
        let (mut budget, start) = (Budget::new(2), Instant::now());
        guard.plan("a", start, &mut budget);
        // Further requests for a contact count too.
        Guard::<u8>::new(SECOND, SECOND).plan("b", start + 30 * SECOND, &mut budget);
        assert_eq!(guard.plan("c", start + 59 * SECOND, &mut budget), Plan::Spent(None));
        assert_eq!(guard.plan("c", start + 60 * SECOND, &mut budget), Plan::Ask(None));
        assert_eq!(guard.plan("d", start + 61 * SECOND, &mut budget), Plan::Spent(None));
    }

    #[test]
    fn a_source_that_fails_is_left_alone_and_tried_again() {
        let (mut guard, mut budget, start) = (Guard::new(SECOND, 1_000 * SECOND), plenty(), Instant::now());
        guard.answered("a", "Ada", start);
        let later = start + 10 * SECOND;
        for _ in 0..CIRCUIT_FAILURES {
            assert!(matches!(guard.plan("a", later, &mut budget), Plan::Ask(Some(_))));
            guard.failed(later);
        }
        assert_eq!(
            guard.plan("a", later, &mut budget),
            Plan::Pause(Some("Ada")),
            "the old answer is still shown"
        );
        assert_eq!(guard.plan("b", later, &mut budget), Plan::Pause(None));
        assert_eq!(guard.plan("b", later + CIRCUIT_PAUSE, &mut budget), Plan::Ask(None));
        guard.failed(later + CIRCUIT_PAUSE);
        assert_eq!(
            guard.plan("b", later + CIRCUIT_PAUSE, &mut budget),
            Plan::Pause(None),
            "one more failure is enough"
        );
    }

    #[test]
    fn the_cache_is_bounded() {
        let (mut guard, start) = (Guard::new(SECOND, SECOND), Instant::now());
        for n in 0..CACHED_NUMBERS_MAX + 10 {
            guard.answered(&n.to_string(), "Ada", start);
        }
        assert_eq!((guard.cached.len(), guard.order.len()), (CACHED_NUMBERS_MAX, CACHED_NUMBERS_MAX));
    }
}
