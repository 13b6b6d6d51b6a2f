//! Slows logins after failures, per user and per address.
//!
//! The fifth failure within a minute is answered late already, and so is every try after it, right or wrong, until
//! a minute has passed. Nobody is locked out.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits;

#[derive(Default)]
pub struct Throttle {
    failures: Mutex<HashMap<String, VecDeque<Instant>>>,
    /// Tries that had to wait.
    slowed: AtomicU64,
}

impl Throttle {
    /// How long a try of these keys has to wait.
    pub fn delay(&self, keys: &[&str], now: Instant) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let most = keys.iter().map(|key| recent(&mut failures, key, now)).max().unwrap_or(0);
        let delay = delay_after(most);
        if !delay.is_zero() {
            self.slowed.fetch_add(1, Ordering::Relaxed);
        }
        delay
    }

    /// How many tries had to wait since the start.
    pub fn slowed(&self) -> u64 {
        self.slowed.load(Ordering::Relaxed)
    }

    pub fn failed(&self, keys: &[&str], now: Instant) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() + keys.len() > limits::LOGIN_KEYS_MAX {
            forget_oldest(&mut failures, now);
        }
        for key in keys {
            let times = failures.entry((*key).to_owned()).or_default();
            times.push_back(now);
            if times.len() > FAILURES_KEPT {
                times.pop_front();
            }
        }
    }

    /// A login that worked clears its user's failures; the address keeps its own.
    pub fn succeeded(&self, user: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(user);
    }
}

/// More do not lengthen the wait.
const FAILURES_KEPT: usize = 16;

fn recent(failures: &mut HashMap<String, VecDeque<Instant>>, key: &str, now: Instant) -> usize {
    let Some(times) = failures.get_mut(key) else { return 0 };
    while times.front().is_some_and(|time| now.duration_since(*time) > limits::LOGIN_WINDOW) {
        times.pop_front();
    }
    times.len()
}

fn delay_after(failures: usize) -> Duration {
    match failures.checked_sub(limits::LOGIN_FAILURES_FREE) {
        None => Duration::ZERO,
        Some(doublings) => {
            let factor = 2_u32.saturating_pow(u32::try_from(doublings).unwrap_or(u32::MAX));
            limits::LOGIN_DELAY_MIN.saturating_mul(factor).min(limits::LOGIN_DELAY_MAX)
        }
    }
}

fn forget_oldest(failures: &mut HashMap<String, VecDeque<Instant>>, now: Instant) {
    failures.retain(|_, times| {
        times.back().is_some_and(|time| now.duration_since(*time) <= limits::LOGIN_WINDOW)
    });
    while failures.len() >= limits::LOGIN_KEYS_MAX {
        let oldest =
            failures.iter().min_by_key(|(_, times)| times.back().copied()).map(|(key, _)| key.clone());
        let Some(key) = oldest else { break };
        failures.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifth_failure_within_a_minute_waits_and_the_wait_doubles_to_a_bound() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for _ in 0..4 {
            assert_eq!(throttle.delay(&["user", "address"], start), Duration::ZERO);
            throttle.failed(&["user", "address"], start);
        }
        let mut delays = Vec::new();
        for _ in 0..6 {
            delays.push(throttle.delay(&["user", "address"], start).as_secs());
            throttle.failed(&["user", "address"], start);
        }
        assert_eq!(delays, [1, 2, 4, 8, 8, 8]);
        assert_eq!(throttle.delay(&["another user"], start), Duration::ZERO);
        assert!(throttle.delay(&["another user", "address"], start) > Duration::ZERO);
        let later = start + Duration::from_secs(61);
        assert_eq!(throttle.delay(&["user", "address"], later), Duration::ZERO);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for number in 0..limits::LOGIN_KEYS_MAX + 50 {
            throttle.failed(&[&format!("user {number}")], now);
        }
        assert!(throttle.failures.lock().expect("no panic").len() <= limits::LOGIN_KEYS_MAX);
    }
}
