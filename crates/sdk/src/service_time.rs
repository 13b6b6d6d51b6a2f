//! The service's time, as its answers tell it: calls are asked for by their times there, and a machine's clock may be wrong
//! by hours for months, or the service's may be a virtual one.

use std::sync::atomic::{AtomicI64, Ordering};

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

use crate::limits;

/// How far the service's clock is ahead of this machine's: not at all until an answer tells otherwise.
#[derive(Debug, Default)]
pub(crate) struct ServiceTime {
    ahead_s: AtomicI64,
    /// The latest time that was told, in microseconds.
    told_us: AtomicI64,
}

impl ServiceTime {
    /// Takes note of an answer's `Date`, which has whole seconds (RFC 9110, section 6.6.1).
    pub fn heard(&self, headers: &HeaderMap, at: Timestamp) {
        let Some(ahead) = ahead(headers, at) else { return };
        let differs = ahead.unsigned_abs() > limits::CLOCK_TOLERANCE;
        self.ahead_s.store(if differs { ahead.as_secs() } else { 0 }, Ordering::Relaxed);
    }

    pub fn now(&self) -> Timestamp {
        let here = Timestamp::now();
        let ahead = SignedDuration::from_secs(self.ahead_s.load(Ordering::Relaxed));
        let now = here.checked_add(ahead).unwrap_or(here);
        let told_us = self.told_us.fetch_max(now.as_microsecond(), Ordering::Relaxed);
        let back = SignedDuration::from_micros(told_us.saturating_sub(now.as_microsecond()));
        // A clock that stands still, or is set by seconds, does not make time go back here; one that was wrong does.
        if back > SignedDuration::ZERO && back.unsigned_abs() <= limits::CLOCK_STANDS_MAX {
            return Timestamp::from_microsecond(told_us).unwrap_or(now);
        }
        if back > SignedDuration::ZERO {
            self.told_us.store(now.as_microsecond(), Ordering::Relaxed);
        }
        now
    }
}

/// How much the clock of whoever gave an answer is ahead of `at`, when the answer came.
fn ahead(headers: &HeaderMap, at: Timestamp) -> Option<SignedDuration> {
    let date = headers.get(http::header::DATE)?.to_str().ok()?;
    let there = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(there.duration_since(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(date: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::header::DATE, date.parse().unwrap())])
    }

    #[test]
    fn the_time_follows_the_service_where_the_clocks_differ() {
        let time = ServiceTime::default();
        let at: Timestamp = "2026-02-03T17:00:00.9Z".parse().unwrap();
        let ahead = |time: &ServiceTime| time.ahead_s.load(Ordering::Relaxed);
        for (date, seconds) in [
            ("Tue, 03 Feb 2026 19:00:01 GMT", 7200),
            ("Tue, 03 Feb 2026 17:00:05 GMT", 0),
            ("Mon, 05 Jan 2026 17:00:00 GMT", -29 * 86_400),
            ("no date", -29 * 86_400),
        ] {
            time.heard(&dated(date), at);
            assert_eq!(ahead(&time), seconds, "{date}");
        }
        time.heard(&HeaderMap::new(), at);
        let (now, here) = (time.now(), Timestamp::now());
        let behind = here.duration_since(now).as_secs();
        assert!((29 * 86_400 - 1..=29 * 86_400).contains(&behind), "{behind} s");
    }
}
