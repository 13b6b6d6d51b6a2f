//! Instants as the wire and the store write them.

use jiff::Timestamp;

/// Nine fractional digits, as in notification envelopes.
pub fn nanos(us: i64) -> String {
    Timestamp::from_microsecond(us).map_or_else(|_| String::new(), |at| format!("{at:.9}"))
}

/// Instant of a call state (milliseconds, trailing zeros cut) in microseconds.
pub fn parse_us(text: &str) -> i64 {
    text.parse::<Timestamp>().map_or(0, Timestamp::as_microsecond)
}
