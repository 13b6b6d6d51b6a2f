//! What a load client needs of a frame, found by its text: reading the JSON would cost more than sending it did.

use jiff::Timestamp;

/// Whether a frame tells of a call state, a report, or of the channel itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    State,
    Report,
    Other,
}

pub fn kind(frame: &str) -> Kind {
    // `source` stands near the beginning; the content behind it is long.
    let mut end = frame.len().min(300);
    while !frame.is_char_boundary(end) {
        end -= 1;
    }
    let head = &frame[..end];
    if head.contains(r#""source":"call-events","#) {
        Kind::State
    } else if head.contains(r#""source":"call-events-report","#) {
        Kind::Report
    } else {
        Kind::Other
    }
}

/// When the state happened; the platform cuts it to milliseconds.
pub fn state_instant(frame: &str) -> Option<Timestamp> {
    let (_, state) = frame.split_once(r#""state":{"#)?;
    value(state, r#""timestamp":""#)?.parse().ok()
}

pub fn conversation_space(frame: &str) -> Option<&str> {
    value(frame, r#""conversationSpaceId":""#)
}

/// The string behind `name`.
pub fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(name)?;
    rest.split_once('"').map(|(value, _)| value)
}

/// Microseconds from then until now; negative if the clock was set back meanwhile.
pub fn age_us(then: Timestamp, now: Timestamp) -> i64 {
    now.as_microsecond() - then.as_microsecond()
}

/// Latencies in microseconds.
#[derive(Default)]
pub struct Latencies(Vec<i64>);

impl Latencies {
    pub fn push(&mut self, us: i64) {
        self.0.push(us);
    }

    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The value below which `part` of all lie, in milliseconds; not a number when nothing was measured.
    pub fn percentile_ms(&mut self, part: f64) -> f64 {
        self.0.sort_unstable();
        let place = ((self.0.len() as f64 * part).ceil() as usize).clamp(1, self.0.len().max(1)) - 1;
        self.0.get(place).map_or(f64::NAN, |us| *us as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let mut latencies = Latencies((1..=1000).rev().map(|ms| ms * 1000).collect());
        assert_eq!(latencies.percentile_ms(0.5), 500.0);
        assert_eq!(latencies.percentile_ms(0.99), 990.0);
        assert_eq!(latencies.percentile_ms(0.999), 999.0);
        assert!(Latencies::default().percentile_ms(0.5).is_nan());
        assert_eq!(Latencies(vec![-1000]).percentile_ms(0.5), -1.0);
        assert_eq!(Latencies(vec![7000]).percentile_ms(0.999), 7.0);
    }

    #[test]
    fn the_state_s_own_instant_is_found_among_the_others() {
        let frame = concat!(
            r#"{"event":"Notification","eventId":1,"timestamp":"2026-01-01T00:00:03Z","data":{"id":"a","#,
            r#""source":"call-events","type":"call-state","timestamp":"2026-01-01T00:00:02Z","content":{"#,
            r#""metadata":{"conversationSpaceId":"s"},"state":{"id":"b","sequenceNumber":1,"#,
            r#""timestamp":"2026-01-01T00:00:01Z"}}}}"#
        );
        assert_eq!(kind(frame), Kind::State);
        assert_eq!(conversation_space(frame), Some("s"));
        assert_eq!(state_instant(frame), Some("2026-01-01T00:00:01Z".parse().unwrap()));
    }
}
