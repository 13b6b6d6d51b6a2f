//! Where faults and the console's journal meet delivery: what a reader does while some are active. See `faults` and
//! `console`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::delivery::{Delivery, End, Frame, Outlet, fault};
use super::signal::Signals;
use super::system::Message;
use crate::clock::Busy;
use crate::console::{AtFault, Verdict};
use crate::faults::{Order, Reader};
use crate::store::Entry;
use crate::time;

impl Delivery {
    /// What a reader that connects does before it gets anything.
    pub(super) async fn begin_at_fault(&mut self, out: &mut impl Outlet) -> Result<(), End> {
        let channel = &self.connection.channel;
        let account = self.app.directory.account_of(channel.user_key()).unwrap_or_default();
        if self.app.faults.forgets(channel, account) {
            self.forget().await?;
        }
        self.obey(out).await
    }

    /// What faults ask of this reader now.
    fn order(&mut self) -> Option<Order> {
        let Self { app, connection, struck, .. } = self;
        let channel = &*connection.channel;
        let account_key = app.directory.account_of(channel.user_key()).unwrap_or_default();
        app.faults.order(&mut Reader { channel, account_key, since: connection.since, struck })
    }

    /// Does what faults ask of this reader at once, and whatever they have kept back for it.
    pub(super) async fn obey(&mut self, out: &mut impl Outlet) -> Result<(), End> {
        while let Some(order) = self.order() {
            if self.carry_out(order, out).await? {
                break;
            }
        }
        out.flush().await
    }

    /// True when there is nothing more to do at once.
    async fn carry_out(&mut self, order: Order, out: &mut impl Outlet) -> Result<bool, End> {
        match order {
            Order::Send(data) => self.queue(None, &time::nanos(self.app.clock.now_us()), &data, out),
            Order::Entry(account, position) => {
                let page = self.app.store.log_after(&account, position - 1, 1).await.map_err(fault)?;
                // What is too old by now is in the log no more.
                for entry in page.iter().filter(|entry| entry.position == position) {
                    let verdict = self.send_bent(entry, true, out).await;
                    if self.app.journal.is_on() {
                        self.note(entry, verdict);
                    }
                }
            }
            Order::ToBeClosed(content, lead) => {
                if let Some(content) = content {
                    self.tell(&Message::ToBeClosed(content), out).await?;
                }
                self.end_after(lead);
            }
            Order::Close(code) => {
                out.flush().await?;
                return Err(End::Forced(code));
            }
            Order::End(code) => {
                out.flush().await?;
                return Err(End::Ended(code));
            }
            Order::Stay(until) => {
                out.flush().await?;
                self.connection.channel.is_still.store(true, Ordering::Release);
                let done = self.pause(until.cancelled()).await;
                self.connection.channel.is_still.store(false, Ordering::Release);
                done?;
            }
            Order::Look(after) => {
                self.look_after(after);
                return Ok(true);
            }
        }
        Ok(false)
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
    pub(super) async fn send_at_fault(
        &mut self,
        entry: &Entry,
        out: &mut impl Outlet,
    ) -> Result<Verdict, End> {
        // No more can be kept back: what waits for this channel goes first, then this one.
        let now = self.app.clock.instant();
        if self.app.faults.is_full() && self.connection.channel.kept.release(None, now) {
            while let Some(order) = self.app.faults.due(&self.connection.channel) {
                self.carry_out(order, out).await?;
            }
        }
        Ok(self.send_bent(entry, false, out).await)
    }

    /// `late`: the notification has waited already.
    async fn send_bent(&mut self, entry: &Entry, late: bool, out: &mut impl Outlet) -> Verdict {
        let channel = Arc::clone(&self.connection.channel);
        let mut fate = self.app.faults.fate(&channel, entry, late);
        let timestamp = time::nanos(self.app.clock.now_us());
        let id = Some(entry.notification_id.as_str());
        let call = self.app.faults.call_of(&self.app.store, &channel.id, entry).await;
        let (mut sent, mut frame) = (0, None);
        for data in std::mem::take(&mut fate.data) {
            let mut text = Vec::new();
            Frame::new(id, self.event_id + 1, &timestamp, &data).write(&mut text);
            let text = String::from_utf8_lossy(&text).into_owned();
            // One that changed places has a row of its own.
            let own = self.app.journal.is_on() && data.contains(&entry.notification_id);
            let before = own.then(|| text.clone());
            if let Some(text) = self.app.faults.shaped(&channel.id, entry, &call, text, &mut fate.struck) {
                self.event_id += 1;
                sent += 1;
                out.queue(&Frame::whole(id, &text));
                if frame.is_none() && before.is_some_and(|before| before != text) {
                    frame = Some(text);
                }
            }
        }
        if let Some(after) = fate.look_after {
            self.look_after(after);
        }
        let status = match (fate.is_held, sent, late) {
            (true, ..) => "held back",
            (_, 0, _) => "lost",
            (.., true) => "sent late",
            _ if fate.is_twice => "sent twice",
            _ => "sent",
        };
        fate.struck.dedup();
        match fate.struck.is_empty() && status == "sent" {
            true => Verdict::Sent,
            false => Verdict::AtFault(Box::new(AtFault { status, names: fate.struck.join(", "), frame })),
        }
    }

    /// Tells the journal what becomes of an entry.
    pub(super) fn note(&self, entry: &Entry, verdict: Verdict) {
        let channel = &self.connection.channel;
        self.app.journal.notification(&channel.id, channel.nickname(), entry, verdict);
    }

    /// An announced end comes, whether or not somebody still reads.
    fn end_after(&self, lead: Duration) {
        let (channel, app) = (Arc::clone(&self.connection.channel), Arc::clone(&self.app));
        self.app.tasks.spawn(async move {
            tokio::select! {
                _turn = app.clock.sleep(lead, Busy::default()) => {
                    if channel.is_connected() {
                        channel.touch();
                    } else if channel.kept.take_end() {
                        super::end(&app, &channel).await;
                    }
                }
                () = app.shutdown.cancelled() => {}
            }
        });
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
