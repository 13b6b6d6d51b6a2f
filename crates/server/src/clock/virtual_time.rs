//! A clock that moves when it is told to, from one thing that is due to the next.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::limits;

pub struct Virtual {
    /// Where [`Virtual::instant`] counts from.
    base: Instant,
    start_us: i64,
    state: Mutex<State>,
    /// Nobody works any more.
    idle: Notify,
    /// One advance at a time.
    moving: tokio::sync::Mutex<()>,
    young: Mutex<Young>,
}

impl std::fmt::Debug for Virtual {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Virtual").field("now_us", &self.now_us()).finish_non_exhaustive()
    }
}

struct State {
    now_us: i64,
    /// By due time; what is due at the same time goes in the order in which it was asked for.
    timers: BTreeMap<Key, Then>,
    asked: u64,
    busy: usize,
}

type Key = (i64, u64);
/// What happens at a time; it keeps the clock there until it drops what it is given.
type Then = Box<dyn FnOnce(Busy) + Send>;

/// Keeps the clock where it is. On the machine's clock it is empty.
#[derive(Default)]
pub struct Busy(Option<Arc<Virtual>>);

impl Drop for Busy {
    fn drop(&mut self) {
        let Some(clock) = &self.0 else { return };
        let mut state = clock.lock();
        state.busy -= 1;
        if state.busy == 0 {
            clock.idle.notify_waiters();
        }
    }
}

/// Something that will happen; dropping it takes it back.
pub struct Alarm {
    clock: Arc<Virtual>,
    key: Key,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let taken = self.clock.lock().timers.remove(&self.key);
        // What it holds may be of this clock: not to be dropped under the lock.
        drop(taken);
    }
}

/// Time for a client to act; over when it is dropped.
pub struct Grace {
    _over: DropGuard,
}

/// Tokens that were issued while the clock moved, oldest first. No more of them than can be issued within
/// [`limits::CLOCK_PATIENCE`].
#[derive(Default)]
struct Young(VecDeque<Issued>);

struct Issued {
    token_hash: String,
    /// In real time.
    at: Instant,
    /// On the clock.
    at_us: i64,
}

impl Young {
    fn add(&mut self, token_hash: &str, at: Instant, at_us: i64) {
        self.forget(at);
        self.0.push_back(Issued { token_hash: token_hash.to_owned(), at, at_us });
    }

    fn has(&mut self, token_hash: &str, now: Instant, now_us: i64) -> bool {
        self.forget(now);
        let oldest_us = now_us.saturating_sub(limits::CLOCK_SPARED_MAX_S * 1_000_000);
        self.0.iter().any(|issued| issued.token_hash == token_hash && issued.at_us >= oldest_us)
    }

    fn forget(&mut self, now: Instant) {
        while self.0.front().is_some_and(|issued| issued.at + limits::CLOCK_PATIENCE < now) {
            self.0.pop_front();
        }
    }
}

/// What an advance did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advanced {
    pub from_us: i64,
    pub to_us: i64,
    /// How many things were due on the way.
    pub events: u64,
}

impl Virtual {
    pub fn new(now_us: i64) -> Self {
        let state = State { now_us, timers: BTreeMap::new(), asked: 0, busy: 0 };
        Self {
            base: Instant::now(),
            start_us: now_us,
            state: Mutex::new(state),
            idle: Notify::new(),
            moving: tokio::sync::Mutex::default(),
            young: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now_us(&self) -> i64 {
        self.lock().now_us
    }

    pub fn instant(&self) -> Instant {
        let since_us = self.now_us() - self.start_us;
        self.base + Duration::from_micros(since_us.max(0).unsigned_abs())
    }

    fn instant_us(&self, due: Instant) -> i64 {
        let since = due.saturating_duration_since(self.base).as_micros();
        self.start_us.saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }

    pub fn busy(self: &Arc<Self>) -> Busy {
        self.lock().busy += 1;
        Busy(Some(Arc::clone(self)))
    }

    pub async fn sleep_until(self: &Arc<Self>, due: Instant, before: Busy) -> Busy {
        let due_us = self.instant_us(due);
        let (wake, woken) = oneshot::channel();
        let alarm = {
            let mut state = self.lock();
            if due_us <= state.now_us {
                state.busy += 1;
                return Busy(Some(Arc::clone(self)));
            }
            // Who has gone away meanwhile drops the turn at once.
            self.put(&mut state, due_us, Box::new(move |busy| drop(wake.send(busy))))
        };
        drop(before);
        let busy = woken.await.unwrap_or_default();
        drop(alarm);
        busy
    }

    pub fn alarm(self: &Arc<Self>, due_us: i64, then: impl FnOnce() + Send + 'static) -> Alarm {
        let mut state = self.lock();
        let due_us = due_us.max(state.now_us);
        self.put(
            &mut state,
            due_us,
            Box::new(move |busy| {
                then();
                drop(busy);
            }),
        )
    }

    fn put(self: &Arc<Self>, state: &mut State, due_us: i64, then: Then) -> Alarm {
        state.asked += 1;
        let key = (due_us, state.asked);
        state.timers.insert(key, then);
        Alarm { clock: Arc::clone(self), key }
    }

    pub fn grace(self: &Arc<Self>) -> Grace {
        let over = CancellationToken::new();
        let (busy, of_end) = (self.busy(), over.clone());
        tokio::spawn(async move {
            let _ = timeout(limits::CLOCK_PATIENCE, of_end.cancelled()).await;
            drop(busy);
        });
        Grace { _over: over.drop_guard() }
    }

    pub fn issued(&self, token_hash: &str) {
        if self.moving.try_lock().is_err() {
            let (at, at_us) = (Instant::now(), self.now_us());
            self.young.lock().unwrap_or_else(PoisonError::into_inner).add(token_hash, at, at_us);
        }
    }

    pub fn spares(&self, token_hash: &str) -> bool {
        let (now, now_us) = (Instant::now(), self.now_us());
        self.young.lock().unwrap_or_else(PoisonError::into_inner).has(token_hash, now, now_us)
    }

    pub async fn advance(self: &Arc<Self>, to: impl FnOnce(i64) -> i64) -> Advanced {
        let _moving = self.moving.lock().await;
        let from_us = self.now_us();
        let to_us = to(from_us).max(from_us);
        let mut events = 0;
        loop {
            self.settled().await;
            let Some((then, busy)) = self.next(to_us) else { break };
            events += 1;
            then(busy);
        }
        Advanced { from_us, to_us, events }
    }

    /// Moves to what is due next, or to the end.
    fn next(self: &Arc<Self>, to_us: i64) -> Option<(Then, Busy)> {
        let mut state = self.lock();
        let first = state.timers.first_entry().filter(|first| first.key().0 <= to_us);
        let Some(first) = first else {
            state.now_us = to_us;
            return None;
        };
        let ((due_us, _), then) = first.remove_entry();
        state.now_us = state.now_us.max(due_us);
        state.busy += 1;
        Some((then, Busy(Some(Arc::clone(self)))))
    }

    /// Waits until nobody works any more.
    async fn settled(&self) {
        let idle = async {
            loop {
                let told = self.idle.notified();
                let mut told = std::pin::pin!(told);
                told.as_mut().enable();
                if self.lock().busy == 0 {
                    return;
                }
                told.await;
            }
        };
        if timeout(limits::CLOCK_SETTLE_MAX, idle).await.is_err() {
            tracing::warn!(
                "the clock moves on though something has not finished within {} s",
                limits::CLOCK_SETTLE_MAX.as_secs()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Clock;
    use super::*;

    #[tokio::test]
    async fn what_is_due_happens_in_order_and_each_before_the_next() {
        let clock = Clock::standing(1_000_000);
        let seen = Arc::new(Mutex::new(Vec::new()));
        for (number, wait_s) in [(1, 30_u64), (2, 10), (3, 20), (4, 10)] {
            let (clock, seen) = (clock.clone(), Arc::clone(&seen));
            let busy = clock.busy();
            tokio::spawn(async move {
                let due = clock.instant() + Duration::from_secs(wait_s);
                let turn = clock.sleep_until(due, busy).await;
                // Work that takes a while must not be overtaken.
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
                seen.lock().unwrap().push((number, clock.now_us()));
                drop(turn);
            });
            tokio::task::yield_now().await;
        }
        let done = clock.advance(|now_us| now_us + 25_000_000).await.expect("it is virtual");
        assert_eq!(done, Advanced { from_us: 1_000_000, to_us: 26_000_000, events: 3 });
        assert_eq!(*seen.lock().unwrap(), [(2, 11_000_000), (4, 11_000_000), (3, 21_000_000)]);
        assert_eq!(clock.now_us(), 26_000_000);
        clock.advance(|now_us| now_us + 5_000_000).await;
        assert_eq!(seen.lock().unwrap().last(), Some(&(1, 31_000_000)));
    }

    #[tokio::test]
    async fn what_was_taken_back_does_not_happen() {
        let clock = Clock::standing(0);
        let alarm = clock.alarm(5, || panic!("it was taken back"));
        drop(alarm);
        let sleep = clock.sleep(Duration::from_secs(1), Busy::default());
        assert!(futures_util::FutureExt::now_or_never(sleep).is_none());
        let done = clock.advance(|_| 10_000_000).await.expect("it is virtual");
        assert_eq!(done.events, 0);
    }

    #[tokio::test]
    async fn a_token_of_a_moving_clock_serves_for_a_while_of_real_time() {
        let clock = Clock::standing(0);
        clock.issued("before");
        assert!(!clock.spares("before"), "where time stands still a token has its time");
        let of_alarm = clock.clone();
        let alarm = clock.alarm(1_000_000, move || of_alarm.issued("within"));
        let spared = Arc::new(Mutex::new(false));
        let (told, of_second) = (Arc::clone(&spared), clock.clone());
        let second = clock.alarm(7_000_000_000, move || *told.lock().unwrap() = of_second.spares("within"));
        clock.advance(|_| 7_200_000_000).await.expect("it is virtual");
        drop((alarm, second));
        assert!(*spared.lock().unwrap(), "though an hour and more has passed");
        let issued = Instant::now();
        let mut young = Young::default();
        young.add("within", issued, 0);
        assert!(young.has("within", issued + limits::CLOCK_PATIENCE, 0));
        assert!(!young.has("within", issued + limits::CLOCK_PATIENCE + Duration::from_millis(1), 0));
    }

    #[tokio::test]
    async fn a_token_that_is_spared_is_replaced_before_its_sign_in_ends() {
        let clock = Clock::standing(0);
        let of_alarm = clock.clone();
        let alarm = clock.alarm(0, move || of_alarm.issued("within"));
        clock.advance(|_| limits::CLOCK_SPARED_MAX_S * 1_000_000).await.expect("it is virtual");
        drop(alarm);
        assert!(clock.spares("within"));
        clock.advance(|now_us| now_us + 1).await.expect("it is virtual");
        assert!(!clock.spares("within"), "however little real time has passed");
        let renewed_s = limits::REFRESH_TOKEN_LIFE_S * limits::REFRESH_TOKEN_RENEW_PERCENT / 100;
        let rest_s = limits::REFRESH_TOKEN_LIFE_S - renewed_s;
        assert!(
            limits::CLOCK_SPARED_MAX_S < rest_s,
            "a refresh must come while a new refresh token comes with it"
        );
    }

    #[tokio::test]
    async fn the_machines_clock_cannot_be_advanced() {
        assert_eq!(Clock::default().advance(|now_us| now_us).await, None);
        assert!(Clock::default().alarm(0, || ()).is_none());
    }
}
