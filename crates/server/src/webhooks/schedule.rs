//! When a durable webhook tries again, and when it leaves its receiver alone.

use std::time::Duration;

use http::HeaderValue;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::limits;

/// The wait before the next try after `tries` of them, or nothing when that was the last. `chance` (0 to 1) spreads
/// receivers and notifications that failed together; `asked` is the receiver's `Retry-After`.
pub fn wait_after(tries: i64, chance: f64, asked: Option<Duration>) -> Option<Duration> {
    let place = usize::try_from(tries).ok()?.checked_sub(1)?;
    let wait = limits::WEBHOOK_DURABLE_RETRIES.get(place)?;
    let jitter = 1.0 + limits::WEBHOOK_JITTER * (2.0 * chance - 1.0);
    Some(wait.mul_f64(jitter).max(asked.unwrap_or_default()))
}

/// `Retry-After`: seconds or a date (RFC 9110 §10.2.3), at most [`limits::WEBHOOK_RETRY_AFTER_MAX`].
pub fn retry_after(value: &HeaderValue, now: Timestamp) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            Duration::try_from(date.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(limits::WEBHOOK_RETRY_AFTER_MAX))
}

/// Stops asking a receiver that fails again and again, and tries with one request whether it is back.
#[derive(Debug, Default)]
pub struct Breaker {
    failures: u32,
    closed_until: Option<Instant>,
}

impl Breaker {
    /// How many requests may be under way at the same time now.
    pub fn allowed(&self, now: Instant) -> usize {
        match self.closed_until {
            Some(until) if now < until => 0,
            _ if self.failures >= limits::WEBHOOK_BREAKER_FAILURES => 1,
            _ => limits::WEBHOOK_CONCURRENCY,
        }
    }

    /// When requests may be made again, if not now.
    pub fn until(&self) -> Option<Instant> {
        self.closed_until
    }

    /// The receiver took a notification.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The receiver failed; from some failures in a row on it is left alone, each time twice as long.
    pub fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if let Some(doublings) = self.failures.checked_sub(limits::WEBHOOK_BREAKER_FAILURES) {
            let pause = limits::WEBHOOK_BREAKER_PAUSE_MIN.saturating_mul(1 << doublings.min(16));
            self.hold(now + pause.min(limits::WEBHOOK_BREAKER_PAUSE_MAX));
        }
    }

    /// The receiver asked to be left alone until then.
    pub fn hold(&mut self, until: Instant) {
        self.closed_until = Some(self.closed_until.map_or(until, |present| present.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_spans_75_hours_and_ends() {
        let waits: Vec<Duration> = (1..).map_while(|tries| wait_after(tries, 0.5, None)).collect();
        assert_eq!(waits.len(), 9);
        assert_eq!(waits[0], Duration::from_secs(5));
        assert_eq!(waits.iter().sum::<Duration>().as_secs() / 3600, 75);
        let (low, high) = (wait_after(9, 0.0, None), wait_after(9, 1.0, None));
        assert!(low < wait_after(9, 0.5, None) && high > wait_after(9, 0.5, None));
        let asked = Duration::from_secs(77);
        assert_eq!(wait_after(1, 0.5, Some(asked)), Some(asked));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "1994-11-06T08:49:37Z".parse().expect("an instant");
        let read =
            |text: &'static str| retry_after(&HeaderValue::from_static(text), now).map(|d| d.as_secs());
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:07 GMT"), Some(30));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(read("99999999"), Some(limits::WEBHOOK_RETRY_AFTER_MAX.as_secs()));
        assert_eq!(read("soon"), None);
    }

    #[test]
    fn a_breaker_opens_after_failures_in_a_row_probes_with_one_and_closes() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for _ in 1..limits::WEBHOOK_BREAKER_FAILURES {
            breaker.failed(start);
        }
        assert_eq!(breaker.allowed(start), limits::WEBHOOK_CONCURRENCY);
        breaker.failed(start);
        assert_eq!(breaker.allowed(start), 0);
        let probe = start + limits::WEBHOOK_BREAKER_PAUSE_MIN;
        assert_eq!(breaker.allowed(probe), 1);
        breaker.failed(probe);
        assert_eq!(breaker.allowed(probe + limits::WEBHOOK_BREAKER_PAUSE_MIN), 0, "twice as long");
        for _ in 0..100 {
            breaker.failed(probe);
        }
        assert_eq!(breaker.allowed(probe + limits::WEBHOOK_BREAKER_PAUSE_MAX), 1);
        breaker.succeeded();
        assert_eq!(breaker.allowed(probe), limits::WEBHOOK_CONCURRENCY);
    }
}
