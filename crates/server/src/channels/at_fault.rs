//! Where faults and the console's journal meet delivery: what a reader does while some are active. See `faults` and
//! `console`.

use std::sync::Arc;
use std::time::Duration;

use super::delivery::{Delivery, End, Frame, Outlet, fault};
use super::signal::Signals;
use super::system::Message;
use crate::clock::Busy;
use crate::console::Verdict;
use crate::faults::Order;
use crate::store::Entry;
use crate::time;

impl Delivery {
    /// What a reader that connects does before it gets anything.
    pub(super) async fn begin_at_fault(&mut self, out: &mut impl Outlet) -> Result<(), End> {
        if self.app.faults.forgets(&self.connection.channel) {
            self.forget().await?;
        }
        self.obey(out).await
    }

    /// Does what faults ask of this reader at once, and whatever they have kept back for it.
    pub(super) async fn obey(&mut self, out: &mut impl Outlet) -> Result<(), End> {
        loop {
            match self.app.faults.order(&self.connection.channel) {
                None => return out.flush().await,
                Some(Order::Send(data)) => {
                    self.queue(None, &time::nanos(self.app.clock.now_us()), &data, out)
                }
                Some(Order::Entry(account, position)) => {
                    let page = self.app.store.log_after(&account, position - 1, 1).await.map_err(fault)?;
                    // What is too old by now is in the log no more.
                    for entry in page.iter().filter(|entry| entry.position == position) {
                        self.send_bent(entry, true, out).await;
                    }
                }
                Some(Order::ToBeClosed(content)) => self.tell(&Message::ToBeClosed(content), out).await?,
                Some(Order::Close(code)) => {
                    out.flush().await?;
                    return Err(End::Forced(code));
                }
                Some(Order::Stay(until)) => {
                    out.flush().await?;
                    self.pause(until.cancelled()).await?;
                }
                Some(Order::Look(after)) => {
                    self.look_after(after);
                    return out.flush().await;
                }
            }
        }
    }

    /// Begins at the end of the log.
    async fn forget(&mut self) -> Result<(), End> {
        let accounts = self.accounts();
        for (topic, place) in
            self.places.iter_mut().filter(|(topic, _)| accounts.contains(&topic.account_key))
        {
            *place = self.app.store.log_head(&topic.account_key).await.map_err(fault)?;
        }
        Ok(())
    }

    /// Queues what faults make of a notification.
    pub(super) async fn send_at_fault(&mut self, entry: &Entry, out: &mut impl Outlet) {
        self.send_bent(entry, false, out).await;
    }

    /// `late`: the notification has waited already.
    async fn send_bent(&mut self, entry: &Entry, late: bool, out: &mut impl Outlet) {
        let channel = Arc::clone(&self.connection.channel.id);
        let fate = self.app.faults.fate(&channel, entry, late);
        let timestamp = time::nanos(self.app.clock.now_us());
        let id = Some(entry.notification_id.as_str());
        let call = self.app.faults.call_of(&self.app.store, &channel, entry).await;
        for data in fate.data {
            let mut text = Vec::new();
            Frame::new(id, self.event_id + 1, &timestamp, &data).write(&mut text);
            let text = String::from_utf8_lossy(&text).into_owned();
            if let Some(text) = self.app.faults.shaped(&channel, entry, &call, text) {
                self.event_id += 1;
                out.queue(&Frame::whole(id, &text));
            }
        }
        if let Some(after) = fate.look_after {
            self.look_after(after);
        }
    }

    /// Tells the journal what becomes of an entry.
    pub(super) fn note(&self, entry: &Entry, wanted: bool, fresh: bool) {
        let channel = &self.connection.channel;
        let verdict = match (wanted, fresh) {
            (false, _) => Verdict::Unwanted,
            (true, false) => Verdict::Stale,
            (true, true) => match self.app.faults.names(&channel.id, entry) {
                names if names.is_empty() => Verdict::Sent,
                names => Verdict::AtFault(names.join(", ")),
            },
        };
        self.app.journal.notification(&channel.id, channel.nickname(), entry, verdict);
    }

    /// Stays still until `over`, unless the connection is to end. What this reader is told meanwhile is kept.
    async fn pause(&self, over: impl Future<Output = ()>) -> Result<(), End> {
        let mut told = Signals::default();
        let ended = async {
            loop {
                let signals = self.connection.signals().await;
                if signals.has(Signals::STOP) {
                    return End::Restart;
                }
                if signals.has(Signals::CLOSED) {
                    return End::TakenOver;
                }
                told = told.and(signals);
            }
        };
        let done = tokio::select! {
            () = over => Ok(()),
            end = ended => Err(end),
        };
        self.connection.keep(told);
        done
    }

    fn look_after(&self, after: Duration) {
        let (channel, shutdown) = (Arc::clone(&self.connection.channel), self.app.shutdown.clone());
        let clock = self.app.clock.clone();
        self.app.tasks.spawn(async move {
            tokio::select! {
                _turn = clock.sleep(after, Busy::default()) => channel.touch(),
                () = shutdown.cancelled() => {}
            }
        });
    }
}
