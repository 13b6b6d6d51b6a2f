//! What to ask `report-summaries` for, so that push and pull together miss no call. Pure: time is an argument.
//!
//! A watermark says: every call that ended before it is known. Each look starts before the watermark, because a
//! summary can come minutes after its call, and a clock can go wrong; a successful look moves it to the time of asking.

use std::time::Duration;

use jiff::Timestamp;

use crate::limits;

/// A span of time; `from` is included, `to` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Span {
    /// The span in parts that one request may ask for (31 days, spec/call-events-report.md), newest first: what
    /// somebody is likely to look for comes first.
    #[must_use]
    pub fn slices(self, longest: Duration) -> Vec<Self> {
        let longest = longest.clamp(Duration::from_secs(1), limits::SUMMARIES_SPAN_MAX);
        let mut slices = Vec::new();
        let mut to = self.to;
        while to > self.from {
            let from = to.checked_sub(longest).unwrap_or(self.from).max(self.from);
            slices.push(Self { from, to });
            to = from;
        }
        slices
    }
}

/// Why a look is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Notifications were not flowing: at the start, after a reconnect, after a repair.
    AfterBreak,
    /// Now and then, for what no notification told of.
    Periodic,
    /// Once a day, for summaries that came late and whose notification was lost.
    Daily,
}

/// Every call of an account that ended before it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    through: Timestamp,
}

impl Watermark {
    #[must_use]
    pub fn new(through: Timestamp) -> Self {
        Self { through }
    }

    /// To be kept on disk.
    #[must_use]
    pub fn through(self) -> Timestamp {
        self.through
    }

    /// What to ask for at the time `now`. It ends after `now`, for servers whose clock is ahead.
    #[must_use]
    pub fn span(self, now: Timestamp, look: Look) -> Span {
        let overlap = match look {
            Look::AfterBreak => limits::PULL_OVERLAP_BREAK,
            Look::Periodic => limits::PULL_OVERLAP,
            Look::Daily => limits::PULL_OVERLAP_DAILY,
        };
        // A clock that was set back must not make a look that sees nothing.
        let known = self.through.min(now);
        let from = known.checked_sub(overlap).unwrap_or(Timestamp::UNIX_EPOCH);
        Span { from, to: now.checked_add(limits::PULL_OVERLAP).unwrap_or(Timestamp::MAX) }
    }

    /// All of the span asked for at `asked` was answered. A clock that was ahead is not believed any longer.
    pub fn advance(&mut self, asked: Timestamp) {
        self.through = asked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400).unwrap()
    }

    #[test]
    fn slices_cover_the_span_without_holes_newest_first() {
        let span = Span { from: day(5), to: day(100) };
        let slices = span.slices(Duration::MAX);
        assert_eq!(slices.len(), 4);
        assert_eq!((slices[0].to, slices[3].from), (day(100), day(5)));
        for pair in slices.windows(2) {
            assert_eq!(pair[0].from, pair[1].to);
        }
        for slice in &slices {
            assert!(slice.to.duration_since(slice.from).as_secs() <= 31 * 86_400);
        }
        assert_eq!(Span { from: day(5), to: day(5) }.slices(Duration::MAX), []);
    }

    #[test]
    fn a_look_begins_before_the_watermark_even_when_the_clock_was_set_back() {
        let mut watermark = Watermark::new(day(10));
        let span = watermark.span(day(11), Look::Periodic);
        assert!(span.from < day(10) && span.to > day(11));
        assert!(watermark.span(day(11), Look::AfterBreak).from < span.from);
        assert_eq!(
            watermark.span(day(11), Look::Daily).from,
            day(8),
            "a summary that is a day late is found"
        );
        assert!(watermark.span(day(9), Look::Periodic).from < day(9));
        watermark.advance(day(11));
        watermark.advance(day(9));
        assert_eq!(watermark.through(), day(9), "a clock that was ahead is not believed any longer");
    }
}
