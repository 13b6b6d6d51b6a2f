//! What wakes a channel's reader: a few flags and one waker, where channels and tokens would take a hundred times
//! the memory. Flags that were raised before the reader looked are seen once, together.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use crate::clock::{Busy, Clock};

#[derive(Default)]
pub struct Signal {
    raised: AtomicU8,
    waker: AtomicWaker,
    /// On a virtual clock alone.
    hold: Option<Box<Hold>>,
}

/// Keeps a virtual clock where it is from a flag's raising until the reader has done what it asks for and looks again.
struct Hold {
    clock: Clock,
    busy: Mutex<Option<Busy>>,
}

/// Why a reader was woken; more than one at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals(u8);

impl Signals {
    /// An account of the channel has new entries.
    pub const ENTRIES: Self = Self(1);
    /// The channel's life or subscriptions were changed.
    pub const CHANGED: Self = Self(2);
    /// A newer reader took over, or the channel was deleted.
    pub const CLOSED: Self = Self(4);
    /// The platform stops.
    pub const STOP: Self = Self(8);

    pub fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }

    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

impl Signal {
    pub fn new(clock: &Clock) -> Self {
        let hold = || Box::new(Hold { clock: clock.clone(), busy: Mutex::default() });
        Self { hold: clock.is_virtual().then(hold), ..Self::default() }
    }

    pub fn raise(&self, signal: Signals) {
        if let Some(hold) = &self.hold {
            // Under the lock, so that a reader that goes to rest meanwhile does not let go of this flag.
            let mut busy = hold.lock();
            busy.get_or_insert_with(|| hold.clock.busy());
            self.raised.fetch_or(signal.0, Ordering::AcqRel);
            drop(busy);
            return self.waker.wake();
        }
        let before = self.raised.fetch_or(signal.0, Ordering::AcqRel);
        // Who raised the first flag has woken the reader, and it takes all flags at once.
        if before == 0 {
            self.waker.wake();
        }
    }

    /// Takes the flags once there are some.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<Signals> {
        if let Some(signals) = self.take() {
            return Poll::Ready(signals);
        }
        self.waker.register(cx.waker());
        // A flag raised before the waker was there woke nobody.
        let taken = self.take().map_or(Poll::Pending, Poll::Ready);
        if let (Some(hold), true) = (&self.hold, taken.is_pending()) {
            self.rest(hold);
        }
        taken
    }

    fn rest(&self, hold: &Hold) {
        let mut busy = hold.lock();
        let done = if self.raised.load(Ordering::Acquire) == 0 { busy.take() } else { None };
        drop(busy);
        drop(done);
    }

    fn take(&self) -> Option<Signals> {
        if self.raised.load(Ordering::Acquire) == 0 {
            return None;
        }
        Some(Signals(self.raised.swap(0, Ordering::AcqRel))).filter(|signals| signals.0 != 0)
    }
}

impl Hold {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Busy>> {
        // Nothing panics while it is held.
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_flag_is_lost_between_two_threads() {
        let signal = Arc::new(Signal::default());
        let raiser = Arc::clone(&signal);
        let seen = tokio::spawn(async move {
            let mut seen = 0;
            loop {
                let signals = std::future::poll_fn(|cx| signal.poll(cx)).await;
                seen += 1;
                if signals.has(Signals::CLOSED) {
                    return seen;
                }
            }
        });
        for _ in 0..10_000 {
            raiser.raise(Signals::ENTRIES);
        }
        raiser.raise(Signals::CLOSED);
        let seen = tokio::time::timeout(std::time::Duration::from_secs(20), seen).await;
        let seen = seen.expect("the last flag wakes the reader").expect("no panic");
        assert!((1..=10_001).contains(&seen), "{seen}");
    }
}
