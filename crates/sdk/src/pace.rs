//! Keeps below the rate limit and learns from each 429 (spec/errors-and-limits.md, Rate limit: 10 requests a second
//! per API). One pace per API and signed-in user, since to whom the count belongs is not stated.
//!
//! Pure but for the mutex: time is an argument, so the tests need no clock.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits;

/// The paces of one client, by API (`call-events`, `notification-channel` …).
#[derive(Debug)]
pub(crate) struct Paces {
    // A std mutex: held for some arithmetic, never across an await.
    all: Mutex<All>,
}

#[derive(Debug)]
struct All {
    /// Requests a second to one API while all is well.
    full: f64,
    by_api: HashMap<String, Pace>,
}

impl Default for Paces {
    fn default() -> Self {
        Self { all: Mutex::new(All { full: limits::RATE_MAX, by_api: HashMap::new() }) }
    }
}

impl Paces {
    /// The service allows so many requests a second to one API; some are left to others.
    pub fn allow(&self, per_s: f64) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.full = (per_s * limits::RATE_SHARE).max(limits::RATE_MIN);
        let (full, now) = (all.full, Instant::now());
        all.by_api.values_mut().for_each(|pace| *pace = Pace::new(full, now));
    }

    /// Requests a second to an API at present.
    pub fn rate(&self, api: &str) -> f64 {
        self.with(api, |pace| pace.rate)
    }

    /// Waits for this request's turn. Requests of one API leave in the order in which they asked.
    pub async fn turn(&self, api: &str) {
        let at = self.with(api, |pace| pace.reserve(Instant::now()));
        tokio::time::sleep_until(at).await;
    }

    /// The API answered 429; `wish` is its `Retry-After`. All further requests to it wait.
    pub fn slow_down(&self, api: &str, wish: Option<Duration>) {
        let rate = self.with(api, |pace| {
            pace.slow_down(Instant::now(), wish);
            pace.rate
        });
        tracing::debug!("{api} has answered 429: {rate:.1} requests a second from now on");
    }

    /// The API answered anything else.
    pub fn went_well(&self, api: &str) {
        self.with(api, Pace::went_well);
    }

    fn with<R>(&self, api: &str, work: impl FnOnce(&mut Pace) -> R) -> R {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let full = all.full;
        if !all.by_api.contains_key(api) {
            all.by_api.insert(api.to_owned(), Pace::new(full, Instant::now()));
        }
        work(all.by_api.get_mut(api).expect("it was put in above"))
    }
}

/// Turns at even distances, with room for a short burst after a rest (the "virtual scheduling" of ITU-T I.371).
#[derive(Debug)]
struct Pace {
    /// Requests a second while all is well.
    full: f64,
    /// Requests a second.
    rate: f64,
    /// When the next turn would be without any burst.
    next: Instant,
    /// Nobody may send before; after a 429.
    closed_until: Instant,
    /// Until then further 429s are answers to what was on its way, and teach nothing new.
    learned_until: Instant,
}

impl Pace {
    fn new(full: f64, now: Instant) -> Self {
        Self { full, rate: full, next: now, closed_until: now, learned_until: now }
    }

    /// Takes the next turn and returns when it is.
    fn reserve(&mut self, now: Instant) -> Instant {
        let step = Duration::from_secs_f64(1.0 / self.rate);
        let room = step * (limits::RATE_BURST - 1);
        let at = (self.next.checked_sub(room).unwrap_or(now)).max(now).max(self.closed_until);
        self.next = self.next.max(at) + step;
        at
    }

    fn slow_down(&mut self, now: Instant, wish: Option<Duration>) {
        let pause = wish.unwrap_or(limits::RATE_PAUSE).min(limits::RETRY_PAUSE_MAX);
        self.closed_until = self.closed_until.max(now + pause);
        if now < self.learned_until {
            return;
        }
        self.learned_until = now + pause.max(limits::RATE_PAUSE);
        self.rate = (self.rate / 2.0).max(limits::RATE_MIN);
        // Whoever reserved already keeps the turn; no burst for the rest.
        let room = Duration::from_secs_f64(1.0 / self.rate) * (limits::RATE_BURST - 1);
        self.next = self.next.max(self.closed_until + room);
    }

    fn went_well(&mut self) {
        self.rate = (self.rate + self.full * limits::RATE_GROWTH).min(self.full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(pace: &mut Pace, now: Instant, count: usize) -> Vec<Duration> {
        (0..count).map(|_| pace.reserve(now) - now).collect()
    }

    #[test]
    fn no_second_has_more_requests_than_the_service_allows() {
        let start = Instant::now();
        for rest in [Duration::ZERO, Duration::from_secs(60)] {
            let mut pace = Pace::new(limits::RATE_MAX, start);
            let turns = turns(&mut pace, start + rest, 100);
            for (index, first) in turns.iter().enumerate() {
                let within = turns[index..].iter().take_while(|at| **at < *first + Duration::from_secs(1));
                assert!(within.count() < 10, "from {first:?} on");
            }
            let last = turns[99].as_secs_f64();
            assert!(last < 100.0 / limits::RATE_MAX, "and yet not slower than need be: {last}");
        }
    }

    #[test]
    fn another_limit_is_kept_to_with_the_same_room() {
        let paces = Paces::default();
        paces.with("report", |_| ());
        paces.allow(100.0);
        let full = |api| paces.with(api, |pace| (pace.full, pace.rate));
        assert_eq!((full("report"), full("call-events")), ((80.0, 80.0), (80.0, 80.0)));
        paces.slow_down("report", None);
        assert_eq!((paces.rate("report"), paces.rate("call-events")), (40.0, 80.0), "what is in force");
        paces.allow(10.0);
        assert_eq!(full("report"), (limits::RATE_MAX, limits::RATE_MAX));
        let mut pace = Pace::new(80.0, Instant::now());
        pace.slow_down(Instant::now(), None);
        (0..400).for_each(|_| pace.went_well());
        assert_eq!(pace.rate, 80.0, "as many answers bring any pace back");
    }

    #[test]
    fn no_429_makes_anybody_wait_longer_than_retry_pause_max() {
        let now = Instant::now();
        for (wish, longest) in [
            (None, limits::RATE_PAUSE),
            (Some(limits::RETRY_PAUSE_MAX), limits::RETRY_PAUSE_MAX),
            (Some(Duration::from_secs(86_400)), limits::RETRY_PAUSE_MAX),
        ] {
            let mut pace = Pace::new(limits::RATE_MAX, now);
            pace.slow_down(now, wish);
            assert_eq!(turns(&mut pace, now, 1), [longest], "{wish:?}");
        }
    }

    #[test]
    fn a_429_halves_the_pace_once_and_success_brings_it_back() {
        let now = Instant::now();
        let mut pace = Pace::new(limits::RATE_MAX, now);
        let wish = Duration::from_secs(3);
        for _ in 0..5 {
            pace.slow_down(now, Some(wish));
        }
        assert!((pace.rate - limits::RATE_MAX / 2.0).abs() < f64::EPSILON, "{}", pace.rate);
        let after = turns(&mut pace, now, 3);
        assert!(after[0] >= wish, "{after:?}");
        let step = Duration::from_secs_f64(2.0 / limits::RATE_MAX);
        assert!(after[2] - after[1] >= step - Duration::from_millis(1), "{after:?}");
        for _ in 0..10_000 {
            pace.went_well();
        }
        assert!((pace.rate - limits::RATE_MAX).abs() < f64::EPSILON);
        for second in 1..100 {
            pace.slow_down(now + Duration::from_secs(10 * second), None);
        }
        assert!((pace.rate - limits::RATE_MIN).abs() < f64::EPSILON, "there is a lowest pace");
    }
}
