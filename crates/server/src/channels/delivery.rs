//! What a channel's reader gets, whatever it reads through: the log from a place on, then the hub's hints.
//!
//! The place is the channel's confirmed cursor or, when the reader names the last notification it has, right behind
//! that one. A hint whose position follows the place is sent; one that leaves a gap makes the log be read.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::hub::{Connection, wants};
use super::system::{self, Life, LifeEvent};
use crate::app::App;
use crate::limits;
use crate::store::{Entry, EntryKind};
use crate::time;

/// Why a reader's connection ends.
#[derive(Debug)]
pub enum End {
    /// The client left, or the connection broke.
    Gone,
    /// The client took no bytes, or answered no ping, for too long.
    Dead,
    /// A newer connection of the same channel, or the channel was deleted.
    TakenOver,
    /// The channel's life is over.
    Expired,
    /// The platform stops; the channel stays.
    Restart,
    /// The log could not be read.
    Fault(String),
    /// A fault on demand, with its close code; 0: without a close frame.
    Forced(u16),
}

/// Where frames go: a WebSocket or a stream of server-sent events.
pub trait Outlet {
    /// Queues one frame; `id` is the notification's, `None` for the channel's own messages.
    async fn feed(&mut self, id: Option<&str>, frame: String) -> Result<(), End>;
    /// Hands what is queued to the network.
    async fn flush(&mut self) -> Result<(), End>;
}

/// One reader's way through the logs of its accounts.
pub struct Delivery {
    pub connection: Connection,
    pub(super) app: Arc<App>,
    pub(super) shutdown: CancellationToken,
    /// Place in the log of each account, up to what was sent.
    pub(super) positions: HashMap<String, i64>,
    pub(super) event_id: u64,
    life: Life,
    /// Older entries are not sent: the `ttl`, or the resume window for a reader that resumes.
    age_max_us: i64,
}

/// Something to do; see [`Delivery::wake`].
pub enum Wake {
    End(End),
    Changed,
    Hint(Arc<Entry>),
    Life,
}

impl Delivery {
    pub fn new(app: Arc<App>, connection: Connection) -> Self {
        let row = connection.channel.row();
        Self {
            positions: connection.channel.cursors(),
            connection,
            shutdown: app.shutdown.clone(),
            app,
            event_id: 0,
            life: Life::new(&row),
            age_max_us: limits::NOTIFICATION_TTL_S * 1_000_000,
        }
    }

    /// Places up to what was sent; once the client has confirmed it, [`super::hub::Channel::confirm`] wants them.
    pub fn positions(&self) -> &HashMap<String, i64> {
        &self.positions
    }

    /// Sends what came since: since the notification `after`, or since the confirmed cursor.
    pub async fn begin(&mut self, after: Option<&str>, out: &mut impl Outlet) -> Result<(), End> {
        if let Some(id) = after {
            self.resume(id, out).await?;
        } else if self.app.faults.at_delivery() {
            self.forget().await?;
            self.obey(out).await?;
        }
        self.catch_up(out).await
    }

    /// Moves right behind a notification; where that cannot be done wholly, says so and goes on from now.
    async fn resume(&mut self, id: &str, out: &mut impl Outlet) -> Result<(), End> {
        let now_us = time::now_us();
        let mut found = false;
        for account in self.accounts() {
            let head = self.app.store.log_head(&account).await.map_err(fault)?;
            let place = self.app.store.place_of_notification(&account, id).await.map_err(fault)?;
            let whole = place.filter(|(position, at_us)| {
                head - position <= limits::RESUME_NOTIFICATIONS_MAX
                    && now_us - at_us <= limits::RESUME_WINDOW_S * 1_000_000
            });
            found |= whole.is_some();
            self.positions.insert(account, whole.map_or(head, |(position, _)| position));
        }
        self.age_max_us = limits::RESUME_WINDOW_S * 1_000_000;
        if !found {
            let content = json!({"recovered": false, "availableFrom": time::nanos(now_us)});
            self.feed_data(None, &system::resume(&content), out).await?;
        }
        Ok(())
    }

    /// Waits for something to do. Cancelling the wait loses nothing.
    pub async fn wake(&mut self) -> Wake {
        let life_due = self.life.next_due();
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Wake::End(End::Restart),
            () = self.connection.closed.cancelled() => Wake::End(End::TakenOver),
            _ = self.connection.changes.changed() => Wake::Changed,
            hint = self.connection.hints.recv() => match hint {
                Some(entry) => Wake::Hint(entry),
                None => Wake::End(End::TakenOver),
            },
            () = tokio::time::sleep_until(life_due) => Wake::Life,
        }
    }

    /// Does what a wake asks for. True when notifications were sent or passed over.
    pub async fn handle(&mut self, wake: Wake, out: &mut impl Outlet) -> Result<bool, End> {
        match wake {
            Wake::End(end) => Err(end),
            Wake::Changed => {
                self.life.restart(&self.connection.channel.row());
                if self.app.faults.at_delivery() {
                    self.obey(out).await?;
                }
                self.catch_up(out).await?;
                Ok(true)
            }
            Wake::Hint(entry) => {
                self.deliver_hints(entry, out).await?;
                Ok(true)
            }
            Wake::Life => self.live_on(out).await.map(|()| false),
        }
    }

    /// What the channel's life asks for now.
    async fn live_on(&mut self, out: &mut impl Outlet) -> Result<(), End> {
        let data = match self.life.pass(time::now_us()) {
            Some(LifeEvent::RefreshRequired { remaining_s }) => system::refresh_required(remaining_s),
            Some(LifeEvent::ToBeClosed) => system::to_be_closed(),
            Some(LifeEvent::Over) => return Err(End::Expired),
            None => return Ok(()),
        };
        self.feed_data(None, &data, out).await?;
        out.flush().await
    }

    /// Accounts that the channel has subscriptions in.
    pub(super) fn accounts(&self) -> Vec<String> {
        let subscriptions = self.connection.channel.subscriptions();
        let mut accounts: Vec<String> = subscriptions.iter().map(|s| s.account_key.clone()).collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts
    }

    /// Sends everything from the log that this reader has not been sent yet.
    async fn catch_up(&mut self, out: &mut impl Outlet) -> Result<(), End> {
        for (account, position) in self.connection.channel.cursors() {
            self.positions.entry(account).or_insert(position);
        }
        for account in self.accounts() {
            loop {
                let after = self.positions.get(&account).copied().unwrap_or(0);
                let page = self.app.store.log_after(&account, after, limits::CATCH_UP_PAGE).await;
                let page = page.map_err(fault)?;
                self.app.metrics.catch_up_reads.increment(1);
                let last = page.len() < limits::CATCH_UP_PAGE as usize;
                for entry in &page {
                    self.feed_entry(entry, out).await?;
                }
                out.flush().await?;
                if last {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Sends a hint and those that wait behind it in one write.
    async fn deliver_hints(&mut self, first: Arc<Entry>, out: &mut impl Outlet) -> Result<(), End> {
        let mut next = Some(first);
        for _ in 0..limits::CHANNEL_HINTS_MAX {
            let Some(entry) = next else { break };
            let seen = self.positions.get(&entry.account_key).copied().unwrap_or(0);
            if entry.position == seen + 1 {
                self.feed_entry(&entry, out).await?;
            } else if entry.position > seen {
                self.catch_up(out).await?;
            }
            next = self.connection.hints.try_recv().ok();
        }
        // One that was taken out and not sent is found in the log by the gap it leaves.
        if next.is_some() || self.connection.lagging.swap(false, Ordering::AcqRel) {
            self.catch_up(out).await?;
        }
        out.flush().await
    }

    /// Queues an entry if a subscription wants it, and moves on in its account's log.
    async fn feed_entry(&mut self, entry: &Entry, out: &mut impl Outlet) -> Result<(), End> {
        // A call state is stale after its ttl; a report is as good as on the first day.
        let fresh = entry.kind != EntryKind::State || time::now_us() - entry.at_us <= self.age_max_us;
        let wanted = self.connection.channel.subscriptions().iter().any(|s| wants(s, entry));
        if self.app.journal.is_on() {
            self.tell(entry, wanted, fresh);
        }
        if fresh && wanted {
            match self.app.faults.at_delivery() {
                false => self.feed_data(Some(&entry.notification_id), entry.data(), out).await?,
                true => self.feed_at_fault(entry, out).await?,
            }
            self.app.metrics.notifications_sent.increment(1);
        }
        match self.positions.get_mut(&entry.account_key) {
            Some(position) => *position = entry.position,
            None => {
                self.positions.insert(entry.account_key.clone(), entry.position);
            }
        }
        Ok(())
    }

    pub(super) async fn feed_data(
        &mut self,
        id: Option<&str>,
        data: &str,
        out: &mut impl Outlet,
    ) -> Result<(), End> {
        self.event_id += 1;
        out.feed(id, envelope(self.event_id, data)).await
    }
}

pub(super) fn envelope(event_id: u64, data: &str) -> String {
    let now = time::nanos(time::now_us());
    format!(r#"{{"event":"Notification","eventId":{event_id},"timestamp":"{now}","data":{data}}}"#)
}

pub(super) fn fault(error: crate::store::StoreError) -> End {
    End::Fault(error.to_string())
}
