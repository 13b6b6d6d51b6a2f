//! The platform's time: the machine's, or one that stands still until it is told to move.
//!
//! A virtual clock moves from one thing that is due to the next. Before each step it waits until what the last one
//! woke has done its work, down to the bytes on a socket, so that a month passes in seconds and still in order.
//! Who works holds a [`Busy`]; who waits for a time holds none.

pub mod api;
pub mod date;
mod virtual_time;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::limits;
use virtual_time::Virtual;
pub use virtual_time::{Advanced, Alarm, Busy, Grace};

/// Which time a platform goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockKind {
    /// The machine's.
    #[default]
    System,
    /// One that stands still until it is advanced, and begins here.
    Virtual { start: Timestamp },
}

impl ClockKind {
    /// A virtual clock that begins on Monday, 5 January 2026, at midnight in UTC: the same at each run.
    #[must_use]
    pub fn virtual_default() -> Self {
        Self::Virtual { start: Timestamp::constant(limits::CLOCK_START_S, 0) }
    }
}

/// Tells the time: the machine's by default. Cheap to clone; all clones are one clock.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<Virtual>>);

impl Clock {
    /// Stands still at this time until it is advanced.
    pub fn standing(now_us: i64) -> Self {
        Self(Some(Arc::new(Virtual::new(now_us))))
    }

    pub fn is_virtual(&self) -> bool {
        self.0.is_some()
    }

    /// Microseconds since 1970, as stored.
    pub fn now_us(&self) -> i64 {
        match &self.0 {
            None => Timestamp::now().as_microsecond(),
            Some(clock) => clock.now_us(),
        }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.now_us()).unwrap_or(Timestamp::MAX)
    }

    /// The same for reckoning: it never goes back. To be given to this clock alone, not to a timer of the machine.
    pub fn instant(&self) -> Instant {
        match &self.0 {
            None => Instant::now(),
            Some(clock) => clock.instant(),
        }
    }

    /// Waits until then. The clock moves no further before what is returned is dropped. `before` is let go of only when
    /// the clock knows of the wait, so that it cannot pass it by.
    pub async fn sleep_until(&self, due: Instant, before: Busy) -> Busy {
        match &self.0 {
            None => {
                // The timer counts milliseconds: what is nearer than one would be late by going to sleep.
                if due > Instant::now() + Duration::from_millis(1) {
                    tokio::time::sleep_until(due).await;
                }
                before
            }
            Some(clock) => Virtual::sleep_until(clock, due, before).await,
        }
    }

    /// The same for a while.
    pub async fn sleep(&self, wait: Duration, before: Busy) -> Busy {
        self.sleep_until(self.instant() + wait, before).await
    }

    /// Keeps a virtual clock where it is until it is dropped.
    pub fn busy(&self) -> Busy {
        self.0.as_ref().map_or_else(Busy::default, Virtual::busy)
    }

    /// Calls `then` at this time; never on the machine's clock, which has timers for that. Dropping it takes it back.
    pub fn alarm(&self, due_us: i64, then: impl FnOnce() + Send + 'static) -> Option<Alarm> {
        Some(Virtual::alarm(self.0.as_ref()?, due_us, then))
    }

    /// Gives a client a moment of real time to do something, such as refreshing its channel, before a virtual clock
    /// moves on: until it is dropped, for [`limits::CLOCK_PATIENCE`] at most.
    pub fn grace(&self) -> Option<Grace> {
        self.0.as_ref().map(Virtual::grace)
    }

    /// A token was issued. While a virtual clock moves, an hour of it is nothing to a client, which would have no time to
    /// use what it got: such a token serves for [`limits::CLOCK_PATIENCE`] of real time, for
    /// [`limits::CLOCK_SPARED_MAX_S`] of the clock at most.
    pub fn issued(&self, token_hash: &str) {
        if let Some(clock) = &self.0 {
            clock.issued(token_hash);
        }
    }

    /// Whether a token serves though its time is over.
    pub fn spares(&self, token_hash: &str) -> bool {
        self.0.as_ref().is_some_and(|clock| clock.spares(token_hash))
    }

    /// Moves a virtual clock to this time; what is due on the way happens in order. `None` on the machine's clock.
    /// Where it is dropped half-way, the clock stays where it has come to.
    pub async fn advance(&self, to: impl FnOnce(i64) -> i64) -> Option<Advanced> {
        Some(Virtual::advance(self.0.as_ref()?, to).await)
    }
}
