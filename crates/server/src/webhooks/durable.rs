//! Delivery that does not give up for days, opt-in: what is to be delivered is kept in the store, tried again on a
//! schedule, and what was tried can be read, resent and recovered.
//!
//! Two halves: the log is copied into deliveries, and what is due is tried. Notifications of one call follow each
//! other; one that waits for its next try keeps only its own call waiting.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::Endpoint;
use super::attempt::{Attempt, Verdict, attempt};
use super::schedule::{self, Breaker};
use crate::app::App;
use crate::channels::hub::Connection;
use crate::channels::interest;
use crate::channels::signal::Signals;
use crate::limits;
use crate::store::{DeliveryState, DueDelivery, Entry, StoreResult, TriedDelivery};
use crate::time;

struct Durable<'a> {
    app: &'a Arc<App>,
    endpoint: &'a Arc<Endpoint>,
    connection: Connection,
    running: JoinSet<(DueDelivery, Attempt)>,
    /// Calls with a request under way, or one that is not recorded yet.
    busy: HashSet<String>,
    /// Tries that the store does not know yet, with their calls.
    unrecorded: Vec<(String, TriedDelivery)>,
    breaker: Breaker,
    /// The log may hold more than was copied.
    behind: bool,
    swept: Option<Instant>,
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
    };
    durable.run().await;
}

impl Durable<'_> {
    async fn run(&mut self) {
        loop {
            let wake = match self.work().await {
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
                    self.app.store.add_deliveries(&channel.id, &entries, time::now_us()).await?;
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
        let allowed = self.breaker.allowed(now);
        if allowed == 0 {
            return Ok(self.breaker.until().unwrap_or(now).min(now + limits::WEBHOOK_SWEEP_EVERY));
        }
        let channel_id = &self.connection.channel.id;
        let store = &self.app.store;
        if self.running.len() < allowed {
            let limit = (limits::WEBHOOK_CONCURRENCY + self.busy.len()) as i64;
            for due in store.due_deliveries(channel_id, time::now_us(), limit).await? {
                if self.running.len() >= allowed {
                    break;
                }
                if self.busy.insert(due.entry.conversation_space_id.clone()) {
                    let (app, endpoint) = (Arc::clone(self.app), Arc::clone(self.endpoint));
                    self.running.spawn(async move {
                        let attempt = attempt(&app, &endpoint, &due.entry).await;
                        (due, attempt)
                    });
                }
            }
        }
        if !self.running.is_empty() {
            // The end of a request is what comes next; other calls are looked at in between.
            return Ok(now + limits::WEBHOOK_LOOK_EVERY);
        }
        let next_us = store.next_delivery_us(channel_id).await?;
        let wait_us = next_us.map_or(i64::MAX, |next_us| next_us - time::now_us());
        let wait = std::time::Duration::from_micros(wait_us.max(0).unsigned_abs());
        Ok(now + wait.clamp(limits::WEBHOOK_LOOK_MIN, limits::WEBHOOK_SWEEP_EVERY))
    }

    fn finished(&mut self, done: Result<(DueDelivery, Attempt), tokio::task::JoinError>) {
        let (due, attempt) = match done {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let now = Instant::now();
        let verdict = attempt.verdict();
        let asked = attempt.retry_after().and_then(|value| schedule::retry_after(value, Timestamp::now()));
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
            (_, Some(wait)) => (DeliveryState::Pending, time::now_us() + wait.as_micros() as i64),
            (_, None) => (DeliveryState::Failed, 0),
        };
        if state == DeliveryState::Failed {
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
        self.unrecorded.push((due.entry.conversation_space_id, tried));
    }

    /// Writes what ended since, in one commit.
    async fn record(&mut self) -> StoreResult<()> {
        while let Some(done) = self.running.try_join_next() {
            self.finished(done);
        }
        if self.unrecorded.is_empty() {
            return Ok(());
        }
        let tried: Vec<TriedDelivery> = self.unrecorded.iter().map(|(_, tried)| tried.clone()).collect();
        self.app.store.record_attempts(&self.connection.channel.id, &tried).await?;
        for (call, _) in self.unrecorded.drain(..) {
            self.busy.remove(&call);
        }
        Ok(())
    }

    async fn sweep(&mut self) -> StoreResult<()> {
        let now = Instant::now();
        if self.swept.is_some_and(|swept| now - swept < limits::WEBHOOK_SWEEP_EVERY) {
            return Ok(());
        }
        let before_us = time::now_us() - limits::WEBHOOK_DELIVERIES_KEPT_S * 1_000_000;
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
