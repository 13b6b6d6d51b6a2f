//! What wakes a channel's reader: a few flags and one waker, where channels and tokens would take a hundred times
//! the memory. Flags that were raised before the reader looked are seen once, together.

use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

#[derive(Default)]
pub struct Signal {
    raised: AtomicU8,
    waker: AtomicWaker,
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
    pub fn raise(&self, signal: Signals) {
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
        self.take().map_or(Poll::Pending, Poll::Ready)
    }

    fn take(&self) -> Option<Signals> {
        if self.raised.load(Ordering::Acquire) == 0 {
            return None;
        }
        Some(Signals(self.raised.swap(0, Ordering::AcqRel))).filter(|signals| signals.0 != 0)
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
