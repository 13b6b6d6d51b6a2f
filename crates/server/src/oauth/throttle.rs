//! Slows logins after failures, per user at an address and per address.
//!
//! A try counts as a failure from its beginning until it has worked, so many at the same time gain nothing. From the
//! fifth within a minute on, the tries of an address are let through one after the other, each later than the one
//! before. Who would have to wait too long is told to come back. Failures elsewhere never count against the right
//! person; guesses from many addresses are held back by how few passwords are checked at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits;

#[derive(Default)]
pub struct Throttle {
    keys: Mutex<HashMap<String, Tries>>,
    /// Tries that had to wait.
    slowed: AtomicU64,
}

/// What is remembered of one user at an address, or of one address.
#[derive(Default)]
struct Tries {
    failures: VecDeque<Instant>,
    /// When the last slowed try is let through; the next one comes after it.
    last_turn: Option<Instant>,
}

/// Too many tries wait already: come back after this.
#[derive(Debug, PartialEq, Eq)]
pub struct ComeBack(pub Duration);

impl Throttle {
    /// Counts a try and tells how long it has to wait.
    ///
    /// # Errors
    /// When the wait would be longer than [`limits::LOGIN_WAIT_MAX`]; the try is then not counted.
    pub fn attempt(&self, keys: &[&str], now: Instant) -> Result<Duration, ComeBack> {
        let mut known = self.lock();
        if known.len() + keys.len() > limits::LOGIN_KEYS_MAX {
            forget_oldest(&mut known, now);
        }
        let turns: Vec<Option<Instant>> =
            keys.iter().map(|key| known.entry((*key).to_owned()).or_default().turn(now)).collect();
        let wait = turns.iter().flatten().max().map_or(Duration::ZERO, |turn| *turn - now);
        if wait > limits::LOGIN_WAIT_MAX {
            return Err(ComeBack(wait));
        }
        for (key, turn) in keys.iter().zip(turns) {
            let tries = known.entry((*key).to_owned()).or_default();
            tries.failures.push_back(now);
            if tries.failures.len() > limits::LOGIN_FAILURES_KEPT {
                tries.failures.pop_front();
            }
            tries.last_turn = turn.or(tries.last_turn);
        }
        if !wait.is_zero() {
            self.slowed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(wait)
    }

    /// How many tries had to wait since the start.
    pub fn slowed(&self) -> u64 {
        self.slowed.load(Ordering::Relaxed)
    }

    /// A try that worked: its user's failures there are forgotten, and it does not count against its address.
    pub fn succeeded(&self, user: &str, address: &str) {
        let mut known = self.lock();
        known.remove(user);
        if let Some(tries) = known.get_mut(address) {
            tries.failures.pop_back();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Tries>> {
        // Whole after every step.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tries {
    /// When a try would be let through; `None` for at once.
    fn turn(&mut self, now: Instant) -> Option<Instant> {
        while self.failures.front().is_some_and(|time| now.duration_since(*time) > limits::LOGIN_WINDOW) {
            self.failures.pop_front();
        }
        let doublings = self.failures.len().checked_sub(limits::LOGIN_FAILURES_FREE)?;
        let factor = 2_u32.saturating_pow(u32::try_from(doublings).unwrap_or(u32::MAX));
        let delay = limits::LOGIN_DELAY_MIN.saturating_mul(factor).min(limits::LOGIN_DELAY_MAX);
        Some(self.last_turn.map_or(now, |turn| turn.max(now)) + delay)
    }
}

fn forget_oldest(known: &mut HashMap<String, Tries>, now: Instant) {
    let recent = |tries: &Tries| {
        tries.failures.back().is_some_and(|time| now.duration_since(*time) <= limits::LOGIN_WINDOW)
    };
    known.retain(|_, tries| recent(tries));
    while known.len() >= limits::LOGIN_KEYS_MAX {
        let oldest =
            known.iter().min_by_key(|(_, tries)| tries.failures.back().copied()).map(|(key, _)| key.clone());
        let Some(key) = oldest else { break };
        known.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn the_fifth_failure_within_a_minute_waits_and_the_wait_doubles_to_a_bound() {
        let throttle = Throttle::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..9 {
            let wait = throttle.attempt(&["user", "address"], now).expect("a turn");
            waits.push(wait.as_secs());
            now += wait;
        }
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 8]);
        assert_eq!(throttle.attempt(&["another user"], now), Ok(Duration::ZERO));
        assert!(throttle.attempt(&["another user", "address"], now).is_ok_and(|wait| wait > Duration::ZERO));
        assert_eq!(throttle.attempt(&["user", "address"], now + 61 * S), Ok(Duration::ZERO));
    }

    #[test]
    fn tries_at_the_same_time_wait_for_each_other_and_too_many_are_sent_away() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let waits: Vec<_> = (0..9).map(|_| throttle.attempt(&["user"], now).map(|w| w.as_secs())).collect();
        assert_eq!(waits[..8], [Ok(0), Ok(0), Ok(0), Ok(0), Ok(1), Ok(3), Ok(7), Ok(15)]);
        assert_eq!(waits[8], Err(ComeBack(23 * S)));
        assert_eq!(throttle.attempt(&["user"], now), Err(ComeBack(23 * S)), "what is refused is not counted");
        assert_eq!(throttle.attempt(&["another user"], now), Ok(Duration::ZERO));
    }

    #[test]
    fn logins_that_work_never_slow_anybody() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..100 {
            assert_eq!(throttle.attempt(&["user", "address"], now), Ok(Duration::ZERO));
            throttle.succeeded("user", "address");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for number in 0..limits::LOGIN_KEYS_MAX + 50 {
            throttle.attempt(&[&format!("user {number}")], now).expect("a first try is free");
        }
        assert!(throttle.lock().len() <= limits::LOGIN_KEYS_MAX);
    }
}
