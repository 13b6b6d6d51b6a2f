//! What a channel's reader gets, whatever it reads through: the log from a place on, then what the hub tells.
//!
//! The place is the channel's confirmed cursor or, when the reader names the last notification it has, right behind
//! that one. What follows the place is sent from memory; a gap makes the log be read. All that waits when a reader
//! is woken goes into one write, since a write costs more than a dozen notifications.

use std::sync::Arc;
use std::task::{Context, Poll};

use serde_json::json;
use tokio::time::Instant;

use super::hub::Connection;
use super::interest;
use super::signal::Signals;
use super::system::{Life, LifeEvent, Message};
use super::topic::{Batch, Next, Places, Topic};
use crate::app::App;
use crate::clock::{Alarm, Grace};
use crate::console::Verdict;
use crate::limits;
use crate::store::{Entry, EntryKind, Subscription};
use crate::time;

/// Why a reader's connection ends.
#[derive(Debug)]
pub enum End {
    /// The client left, or the connection broke.
    Gone,
    /// The client closed the socket, with this code if it gave one.
    Closed(Option<u16>),
    /// The client sent what it must not send.
    Violation(super::frames::Violation),
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
    /// The same, and the channel ends with it.
    Ended(u16),
}

/// Where frames go: a WebSocket or a stream of server-sent events.
pub trait Outlet {
    /// Queues one frame.
    fn queue(&mut self, frame: &Frame<'_>);
    /// Enough is queued to be handed on.
    fn is_full(&self) -> bool;
    /// Hands what is queued to the network.
    async fn flush(&mut self) -> Result<(), End>;
    /// A page of the log went by, up to these places: where the client can confirm something, it is asked to.
    async fn page_ends(&mut self, places: &Places) -> Result<(), End>;
}

/// One frame of a channel, in the parts that it is put together from.
pub struct Frame<'a> {
    /// The notification's; `None` for the channel's own messages.
    pub id: Option<&'a str>,
    text: Text<'a>,
}

enum Text<'a> {
    Parts {
        event_id: u64,
        timestamp: &'a str,
        data: &'a str,
    },
    /// In a shape that a fault gave it.
    Whole(&'a str),
}

impl<'a> Frame<'a> {
    const BEGIN: &'static str = r#"{"event":"Notification","eventId":"#;
    const TIMESTAMP: &'static str = r#","timestamp":""#;
    const DATA: &'static str = r#"","data":"#;

    pub(super) fn new(id: Option<&'a str>, event_id: u64, timestamp: &'a str, data: &'a str) -> Self {
        Self { id, text: Text::Parts { event_id, timestamp, data } }
    }

    pub(super) fn whole(id: Option<&'a str>, text: &'a str) -> Self {
        Self { id, text: Text::Whole(text) }
    }

    pub fn len(&self) -> usize {
        let (event_id, timestamp, data) = match self.text {
            Text::Parts { event_id, timestamp, data } => (event_id, timestamp, data),
            Text::Whole(text) => return text.len(),
        };
        let digits = event_id.checked_ilog10().unwrap_or(0) as usize + 1;
        let fixed = Self::BEGIN.len() + Self::TIMESTAMP.len() + Self::DATA.len() + 1;
        fixed + digits + timestamp.len() + data.len()
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        let (event_id, timestamp, data) = match self.text {
            Text::Parts { event_id, timestamp, data } => (event_id, timestamp, data),
            Text::Whole(text) => return out.extend_from_slice(text.as_bytes()),
        };
        out.extend_from_slice(Self::BEGIN.as_bytes());
        let mut digits = [0; 20];
        let mut rest = event_id;
        let mut from = digits.len();
        loop {
            from -= 1;
            digits[from] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        out.extend_from_slice(&digits[from..]);
        for part in [Self::TIMESTAMP, timestamp, Self::DATA, data, "}"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// One reader's way through the logs of its accounts.
pub struct Delivery {
    pub connection: Connection,
    pub(super) app: Arc<App>,
    /// Place in the log of each account, up to what was sent.
    pub(super) places: Places,
    pub(super) event_id: u64,
    life: Life,
    life_due: Instant,
    /// On a virtual clock: wakes this reader when its life has something to say.
    alarm: Option<Alarm>,
    /// On a virtual clock: the client has a moment to refresh.
    grace: Option<Grace>,
    /// Older states are not sent: the `ttl`; no bound for a reader that resumes, whose place is within the window.
    pub(super) age_max_us: i64,
    /// Ids of the faults that have struck this connection as a whole.
    pub(super) struck: Vec<String>,
}

/// One turn: everything in it has the same time, and what was sent is counted once.
struct Turn {
    now_us: i64,
    timestamp: String,
    subscriptions: Arc<Vec<Subscription>>,
    sent: u64,
}

impl Delivery {
    pub fn new(app: Arc<App>, connection: Connection) -> Self {
        let channel = &connection.channel;
        let life = Life::new(channel.lifetime_s(), channel.expires_us());
        app.hub.is_back(channel);
        let mut delivery = Self {
            places: channel.places(),
            app,
            event_id: 0,
            life_due: Instant::now(),
            life,
            alarm: None,
            grace: None,
            age_max_us: limits::NOTIFICATION_TTL_S * 1_000_000,
            connection,
            struck: Vec::new(),
        };
        delivery.set_life_due();
        delivery
    }

    /// On a virtual clock an alarm says when, and the machine's timer says nothing.
    fn set_life_due(&mut self) {
        let clock = &self.app.clock;
        if clock.is_virtual() {
            self.life_due = Instant::now() + limits::CLOCK_NEVER;
            let channel = Arc::clone(&self.connection.channel);
            self.alarm = clock.alarm(self.life.due_us(), move || channel.touch());
        } else {
            self.life_due = Instant::now() + self.life.next_due(clock.now_us());
        }
    }

    /// Places up to what was sent; once the client has confirmed them, the channel wants to know.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Sends what came since: since the notification `after`, or since the confirmed cursor.
    pub async fn begin(&mut self, after: Option<&str>, out: &mut impl Outlet) -> Result<(), End> {
        // One that connects while the platform stops may have missed the signal.
        if self.app.shutdown.is_cancelled() {
            return Err(End::Restart);
        }
        if let Some(id) = after {
            Box::pin(self.resume(id, out)).await?;
        } else if self.app.faults.at_delivery() {
            Box::pin(self.begin_at_fault(out)).await?;
        }
        self.catch_up(out).await
    }

    /// What wakes this reader. Cancelling the wait loses nothing.
    pub fn poll_signals(&self, cx: &mut Context<'_>) -> Poll<Signals> {
        self.connection.poll_signals(cx)
    }

    /// When [`Delivery::live_on`] has something to do.
    pub fn life_due(&self) -> Instant {
        self.life_due
    }

    /// Does what it was woken for. True when notifications were sent or passed over.
    pub async fn handle(&mut self, signals: Signals, out: &mut impl Outlet) -> Result<bool, End> {
        if signals.has(Signals::STOP) {
            return Err(End::Restart);
        }
        if signals.has(Signals::CLOSED) {
            return Err(End::TakenOver);
        }
        let mut passed = false;
        if signals.has(Signals::CHANGED) {
            let channel = &self.connection.channel;
            if self.life.restart(channel.lifetime_s(), channel.expires_us()) {
                self.grace = None;
            }
            self.set_life_due();
            if self.app.clock.is_virtual() {
                Box::pin(self.live_on(out)).await?;
            }
            if self.app.faults.at_delivery() {
                Box::pin(self.obey(out)).await?;
            }
            Box::pin(self.catch_up(out)).await?;
            passed = true;
        }
        if signals.has(Signals::ENTRIES) {
            passed |= self.follow(out).await?;
        }
        Ok(passed)
    }

    /// Does what the channel's life asks for now.
    pub async fn live_on(&mut self, out: &mut impl Outlet) -> Result<(), End> {
        let event = self.life.pass(self.app.clock.now_us());
        if event.is_some() || !self.app.clock.is_virtual() {
            self.set_life_due();
        }
        let message = match event {
            Some(LifeEvent::RefreshRequired { remaining_s }) => {
                self.grace = self.app.clock.grace();
                Message::RefreshRequired { remaining_s }
            }
            Some(LifeEvent::ToBeClosed) => Message::ToBeClosed(json!({})),
            Some(LifeEvent::Over) => {
                self.app.hub.await_return(self.connection.channel.user_key());
                return Err(End::Expired);
            }
            None => return Ok(()),
        };
        Box::pin(self.tell(&message, out)).await?;
        out.flush().await
    }

    /// Accounts that the channel has subscriptions in.
    pub(super) fn accounts(&self) -> Vec<Box<str>> {
        let subscriptions = self.connection.channel.subscriptions();
        let mut accounts: Vec<Box<str>> =
            subscriptions.iter().map(|s| s.account_key.as_str().into()).collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts
    }

    /// Sends everything from the log that this reader has not been sent yet.
    async fn catch_up(&mut self, out: &mut impl Outlet) -> Result<(), End> {
        for (topic, position) in self.connection.channel.places() {
            if !self.places.iter().any(|(known, _)| Arc::ptr_eq(known, &topic)) {
                self.places.push((topic, position));
            }
        }
        let accounts = self.accounts();
        for place in 0..self.places.len() {
            let topic = Arc::clone(&self.places[place].0);
            while accounts.contains(&topic.account_key) && self.read_page(place, &topic, out).await? {}
        }
        out.flush().await
    }

    /// Sends a page of an account's log. True when there is more.
    async fn read_page(&mut self, place: usize, topic: &Topic, out: &mut impl Outlet) -> Result<bool, End> {
        let after = self.places[place].1;
        let page = self.app.store.log_after(&topic.account_key, after, limits::CATCH_UP_PAGE).await;
        let page = page.map_err(fault)?;
        self.app.metrics.catch_up_reads.increment(1);
        let mut turn = self.turn();
        for entry in &page {
            self.send_entry(&mut turn, place, entry, out).await?;
        }
        self.ended(&turn);
        if !page.is_empty() {
            out.page_ends(&self.places).await?;
        }
        Ok(page.len() == limits::CATCH_UP_PAGE as usize)
    }

    /// Sends what is new in memory, or reads the log where something is missing between. True when there was some.
    async fn follow(&mut self, out: &mut impl Outlet) -> Result<bool, End> {
        let mut turn = None;
        let mut gap = false;
        for place in 0..self.places.len() {
            loop {
                let (topic, position) = &self.places[place];
                let batch = match topic.after(*position) {
                    Next::Nothing => break,
                    Next::Batch(batch) => batch,
                    Next::Gap => {
                        gap = true;
                        break;
                    }
                };
                let turn = turn.get_or_insert_with(|| self.turn());
                self.send_batch(turn, place, &batch, out).await?;
            }
        }
        if let Some(turn) = &turn {
            self.ended(turn);
        }
        match gap {
            true => Box::pin(self.catch_up(out)).await?,
            false => out.flush().await?,
        }
        Ok(gap || turn.is_some())
    }

    async fn send_batch(
        &mut self,
        turn: &mut Turn,
        place: usize,
        batch: &Batch,
        out: &mut impl Outlet,
    ) -> Result<(), End> {
        let seen = self.places[place].1;
        let from = batch.partition_point(|entry| entry.position <= seen);
        for entry in &batch[from..] {
            self.send_entry(turn, place, entry, out).await?;
        }
        Ok(())
    }

    /// Queues an entry if a subscription wants it, and moves on in its account's log.
    async fn send_entry(
        &mut self,
        turn: &mut Turn,
        place: usize,
        entry: &Entry,
        out: &mut impl Outlet,
    ) -> Result<(), End> {
        // A call state is stale after its ttl; a report is as good as on the first day.
        let fresh = entry.kind != EntryKind::State || turn.now_us - entry.at_us <= self.age_max_us;
        let wanted = interest::wanted(&self.app.store, &turn.subscriptions, entry).await.map_err(fault)?;
        let verdict = match (wanted, fresh) {
            (false, _) => Verdict::Unwanted,
            (true, false) => Verdict::Stale,
            (true, true) => {
                turn.sent += 1;
                if self.app.faults.at_delivery() {
                    Box::pin(self.send_at_fault(entry, out)).await?
                } else {
                    self.queue(Some(&entry.notification_id), &turn.timestamp, entry.data(), out);
                    Verdict::Sent
                }
            }
        };
        if self.app.journal.is_on() {
            self.note(entry, verdict);
        }
        self.places[place].1 = entry.position;
        if out.is_full() { out.flush().await } else { Ok(()) }
    }

    fn turn(&self) -> Turn {
        let now_us = self.app.clock.now_us();
        let subscriptions = self.connection.channel.subscriptions();
        Turn { now_us, timestamp: time::nanos(now_us), subscriptions, sent: 0 }
    }

    fn ended(&self, turn: &Turn) {
        if turn.sent > 0 {
            self.app.metrics.notifications_sent.increment(turn.sent);
        }
    }

    pub(super) fn queue(&mut self, id: Option<&str>, timestamp: &str, data: &str, out: &mut impl Outlet) {
        self.event_id += 1;
        out.queue(&Frame::new(id, self.event_id, timestamp, data));
    }
}

pub(super) fn fault(error: crate::store::StoreError) -> End {
    End::Fault(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_long_as_it_says_and_its_members_are_in_the_captures_order() {
        for event_id in [0, 1, 9, 10, 99, 100, 12_345, u64::MAX] {
            let frame = Frame::new(None, event_id, "2026-01-02T03:04:05.000000000Z", r#"{"a":1}"#);
            let mut out = Vec::new();
            frame.write(&mut out);
            assert_eq!(out.len(), frame.len());
            let expected = format!(
                r#"{{"event":"Notification","eventId":{event_id},"timestamp":"2026-01-02T03:04:05.000000000Z","data":{{"a":1}}}}"#
            );
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
