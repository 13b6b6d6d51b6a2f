//! Delivery that does not give up for days, opt-in: what is to be delivered is kept in the store, tried again on a
//! schedule, and what was tried can be read, resent and recovered.
//!
//! Two halves: the log is copied into deliveries, and what is due is tried. Notifications of one call follow each
//! other; one that waits for its next try keeps only its own call waiting.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::Endpoint;
use super::attempt::{Attempt, Verdict, attempt};
use super::schedule::{self, Breaker};
use crate::app::App;
use crate::channels::hub::Connection;
use crate::channels::interest;
use crate::channels::signal::Signals;
use crate::clock::Busy;
use crate::limits;
use crate::store::{DeliveryState, DueDelivery, Entry, StoreResult, TriedDelivery};

struct Durable<'a> {
    app: &'a Arc<App>,
    endpoint: &'a Arc<Endpoint>,
    connection: Connection,
    running: JoinSet<Tried>,
    /// Calls with a request under way, or one that is not recorded yet.
    busy: HashSet<String>,
    /// Tries that the store does not know yet, with their calls.
    unrecorded: Vec<(String, TriedDelivery, Busy)>,
    breaker: Breaker,
    /// The log may hold more than was copied.
    behind: bool,
    swept: Option<Instant>,
    /// When the next try is due, where nothing else is to be done before.
    next_us: Option<i64>,
}

/// A delivery with its try; a virtual clock waits until it is recorded.
type Tried = (DueDelivery, Attempt, Busy);

/// Waits for a time on a virtual clock; on the machine's, whose timers do that, for ever.
async fn due_in_virtual_time(app: &App, due_us: Option<i64>, working: Busy) -> Busy {
    let Some(due_us) = due_us.filter(|_| app.clock.is_virtual()) else {
        drop(working);
        return std::future::pending().await;
    };
    let wait_us = (due_us - app.clock.now_us()).max(0);
    app.clock.sleep(Duration::from_micros(wait_us.unsigned_abs()), working).await
}

/// Delivers until the channel is deleted or the platform stops.
pub async fn deliver(app: &Arc<App>, endpoint: &Arc<Endpoint>, connection: Connection) {
    let mut durable = Durable {
        app,
        endpoint,
        connection,
        running: JoinSet::new(),
        busy: HashSet::new(),
        unrecorded: Vec::new(),
        breaker: Breaker::default(),
        behind: true,
        swept: None,
        next_us: None,
    };
    durable.run().await;
}

impl Durable<'_> {
    async fn run(&mut self) {
        let mut turn = Busy::default();
        loop {
            // Until the wait for what comes next is known to the clock.
            let working = self.app.clock.busy();
            drop(std::mem::take(&mut turn));
            let done = self.work().await;
            let wake = match done {
                Ok(wake) => wake,
                Err(error) => {
                    tracing::warn!("a webhook's deliveries could not be read or written: {error}");
                    self.behind = true;
                    Instant::now() + limits::WEBHOOK_STORE_RETRY
                }
            };
            tokio::select! {
                biased;
                () = self.app.shutdown.cancelled() => return self.drain().await,
                signals = self.connection.signals() => {
                    if signals.has(Signals::CLOSED) {
                        return;
                    }
                    if signals.has(Signals::CHANGED) {
                        self.changed();
                    }
                    // The log is read from the place of the last copy.
                    self.behind = true;
                }
                Some(done) = self.running.join_next() => self.finished(done),
                () = tokio::time::sleep_until(wake) => {}
                due = due_in_virtual_time(self.app, self.next_us, working) => turn = due,
            }
        }
    }

    /// What can be done now; says when there is more to do.
    async fn work(&mut self) -> StoreResult<Instant> {
        self.record().await?;
        if self.behind {
            self.copy().await?;
            self.behind = false;
        }
        self.sweep().await?;
        self.launch().await
    }

    /// The channel was changed, or somebody asked for notifications again: who asks says that the receiver is back.
    fn changed(&mut self) {
        self.breaker = Breaker::default();
    }

    /// Copies what the log has for this channel. A crash copies it again, which changes nothing.
    async fn copy(&mut self) -> StoreResult<()> {
        let channel = Arc::clone(&self.connection.channel);
        let subscriptions = channel.subscriptions();
        let mut places = channel.cursors();
        let of_account = |account: &str| subscriptions.iter().any(|s| s.account_key == account);
        places.retain(|account, _| of_account(account));
        for (account, mut place) in places {
            loop {
                let page = self.app.store.log_after(&account, place, limits::CATCH_UP_PAGE).await?;
                let Some(last) = page.last() else { break };
                place = last.position;
                let more = page.len() as i64 == limits::CATCH_UP_PAGE;
                let mut entries: Vec<Entry> = Vec::new();
                for entry in page {
                    if interest::wanted(&self.app.store, &subscriptions, &entry).await? {
                        entries.push(entry);
                    }
                }
                if !entries.is_empty() {
                    self.app.store.add_deliveries(&channel.id, &entries, self.app.clock.now_us()).await?;
                }
                channel.confirm([(account.as_str(), place)]);
                if !more {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Tries what is due, as far as the receiver and the limits allow.
    async fn launch(&mut self) -> StoreResult<Instant> {
        let now = Instant::now();
        let clock = &self.app.clock;
        self.next_us = None;
        let allowed = self.breaker.allowed(clock.instant());
        self.endpoint.resting.store(allowed == 0, Ordering::Relaxed);
        if allowed == 0 {
            let closed = self.breaker.until().map(|until| until.saturating_duration_since(clock.instant()));
            let closed = closed.unwrap_or_default();
            self.next_us = Some(clock.now_us().saturating_add(closed.as_micros() as i64));
            return Ok(now + closed.clamp(limits::WEBHOOK_LOOK_MIN, limits::WEBHOOK_SWEEP_EVERY));
        }
        let channel_id = &self.connection.channel.id;
        let store = &self.app.store;
        if self.running.len() < allowed {
            let limit = (limits::WEBHOOK_CONCURRENCY + self.busy.len()) as i64;
            for due in store.due_deliveries(channel_id, self.app.clock.now_us(), limit).await? {
                if self.running.len() >= allowed {
                    break;
                }
                if self.busy.insert(due.entry.conversation_space_id.clone()) {
                    let (app, endpoint) = (Arc::clone(self.app), Arc::clone(self.endpoint));
                    let mut busy = app.clock.busy();
                    self.running.spawn(async move {
                        let number = due.attempts + 1;
                        let attempt = attempt(&app, &endpoint, &due.entry, number, &mut busy).await;
                        (due, attempt, busy)
                    });
                }
            }
        }
        if !self.running.is_empty() {
            // The end of a request is what comes next; other calls are looked at in between.
            return Ok(now + limits::WEBHOOK_LOOK_EVERY);
        }
        let next_us = store.next_delivery_us(channel_id).await?;
        self.next_us = next_us;
        let wait_us = next_us.map_or(i64::MAX, |next_us| next_us - self.app.clock.now_us());
        let wait = std::time::Duration::from_micros(wait_us.max(0).unsigned_abs());
        Ok(now + wait.clamp(limits::WEBHOOK_LOOK_MIN, limits::WEBHOOK_SWEEP_EVERY))
    }

    fn finished(&mut self, done: Result<Tried, tokio::task::JoinError>) {
        let (due, attempt, busy) = match done {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let now = self.app.clock.instant();
        let verdict = attempt.verdict();
        let asked =
            attempt.retry_after().and_then(|value| schedule::retry_after(value, self.app.clock.now()));
        match verdict {
            Verdict::Delivered => self.breaker.succeeded(),
            Verdict::Failed | Verdict::Gone => self.breaker.failed(now),
            Verdict::Refused => {}
        }
        if let Some(asked) = asked.filter(|_| verdict != Verdict::Delivered) {
            self.breaker.hold(now + asked);
        }
        let tries = due.tries + 1;
        let wait = schedule::wait_after(tries, fastrand::f64(), asked);
        let (state, next_us) = match (verdict, wait) {
            (Verdict::Delivered, _) => (DeliveryState::Delivered, 0),
            (_, Some(wait)) => (DeliveryState::Pending, self.app.clock.now_us() + wait.as_micros() as i64),
            (_, None) => (DeliveryState::Failed, 0),
        };
        if state == DeliveryState::Failed {
            let number = due.attempts + 1;
            let why = || format!("attempt {number} was the last one; it can be resent or recovered");
            self.endpoint.untold(self.app, &due.entry, "given up", why);
            tracing::warn!(tries, "a durable webhook gave up a notification; it can be resent or recovered");
        }
        let tried = TriedDelivery {
            notification_id: due.entry.notification_id.clone(),
            number: due.attempts + 1,
            at_us: attempt.at_us,
            duration_ms: i64::try_from(attempt.duration.as_millis()).unwrap_or(i64::MAX),
            status: attempt.status().map_or(0, i64::from),
            error: attempt.error().unwrap_or_default(),
            state,
            tries,
            next_us,
        };
        self.unrecorded.push((due.entry.conversation_space_id, tried, busy));
    }

    /// Writes what ended since, in one commit.
    async fn record(&mut self) -> StoreResult<()> {
        while let Some(done) = self.running.try_join_next() {
            self.finished(done);
        }
        if self.unrecorded.is_empty() {
            return Ok(());
        }
        let tried: Vec<TriedDelivery> = self.unrecorded.iter().map(|(_, tried, _)| tried.clone()).collect();
        self.app.store.record_attempts(&self.connection.channel.id, &tried).await?;
        for (call, _, busy) in self.unrecorded.drain(..) {
            self.busy.remove(&call);
            drop(busy);
        }
        Ok(())
    }

    async fn sweep(&mut self) -> StoreResult<()> {
        let now = Instant::now();
        if self.swept.is_some_and(|swept| now - swept < limits::WEBHOOK_SWEEP_EVERY) {
            return Ok(());
        }
        let before_us = self.app.clock.now_us() - limits::WEBHOOK_DELIVERIES_KEPT_S * 1_000_000;
        self.app.store.sweep_deliveries(&self.connection.channel.id, before_us).await?;
        self.swept = Some(now);
        Ok(())
    }

    /// The platform stops: what is under way may end, so that it is not repeated at the next start.
    async fn drain(&mut self) {
        let ending = async {
            while let Some(done) = self.running.join_next().await {
                self.finished(done);
            }
        };
        let _ = timeout(limits::WEBHOOK_DRAIN, ending).await;
        if let Err(error) = self.record().await {
            tracing::warn!("a webhook's last deliveries could not be recorded and will be repeated: {error}");
        }
    }
}
