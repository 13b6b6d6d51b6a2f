//! Where faults and the console's journal meet delivery: what a reader does while some are active. See `faults` and
//! `console`.

use std::sync::Arc;
use std::time::Duration;

use super::delivery::{Delivery, End, Outlet, envelope, fault};
use crate::console::Verdict;
use crate::faults::Order;
use crate::store::Entry;

impl Delivery {
    /// Does what faults ask of this reader at once, and whatever they have kept back for it.
    pub(super) async fn obey(&mut self, out: &mut impl Outlet) -> Result<(), End> {
        loop {
            match self.app.faults.order(&self.connection.channel) {
                None => return out.flush().await,
                Some(Order::Send(data)) => self.feed_data(None, &data, out).await?,
                Some(Order::Close(code)) => {
                    out.flush().await?;
                    return Err(End::Forced(code));
                }
                Some(Order::Stay(until)) => tokio::select! {
                    () = until.cancelled() => {}
                    () = self.shutdown.cancelled() => return Err(End::Restart),
                    () = self.connection.closed.cancelled() => return Err(End::TakenOver),
                },
                Some(Order::Look(after)) => {
                    self.look_after(after);
                    return out.flush().await;
                }
            }
        }
    }

    /// Begins at the end of the log if a fault wants it so.
    pub(super) async fn forget(&mut self) -> Result<(), End> {
        if self.app.faults.forgets(&self.connection.channel) {
            for account in self.accounts() {
                let head = self.app.store.log_head(&account).await.map_err(fault)?;
                self.positions.insert(account, head);
            }
        }
        Ok(())
    }

    /// Queues what faults make of a notification.
    pub(super) async fn feed_at_fault(&mut self, entry: &Entry, out: &mut impl Outlet) -> Result<(), End> {
        let id = self.connection.channel.id.clone();
        let fate = self.app.faults.fate(&id, entry);
        if !fate.wait.is_zero() {
            out.flush().await?;
            tokio::select! {
                () = tokio::time::sleep(fate.wait) => {}
                () = self.shutdown.cancelled() => return Err(End::Restart),
                () = self.connection.closed.cancelled() => return Err(End::TakenOver),
            }
        }
        for data in fate.data {
            self.event_id += 1;
            let frame = self.app.faults.shaped(&id, entry, envelope(self.event_id, &data));
            out.feed(Some(&entry.notification_id), frame).await?;
        }
        if let Some(after) = fate.look_after {
            self.look_after(after);
        }
        Ok(())
    }

    /// Tells the journal what becomes of an entry.
    pub(super) fn tell(&self, entry: &Entry, wanted: bool, fresh: bool) {
        let verdict = match (wanted, fresh, self.app.faults.at_delivery()) {
            (false, ..) => Verdict::Unwanted,
            (true, false, _) => Verdict::Stale,
            (true, true, true) => Verdict::AtFault,
            (true, true, false) => Verdict::Sent,
        };
        let row = self.connection.channel.row();
        self.app.journal.notification(&row.channel_id, &row.nickname, entry, verdict);
    }

    fn look_after(&self, after: Duration) {
        let (channel, shutdown) = (Arc::clone(&self.connection.channel), self.shutdown.clone());
        self.app.tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(after) => channel.touch(),
                () = shutdown.cancelled() => {}
            }
        });
    }
}
