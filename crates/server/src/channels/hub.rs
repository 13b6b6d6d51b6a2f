//! Which channels live, what they want to hear, and who reads them on this node.
//!
//! The hub only hints: it keeps the newest entries of each account and wakes who reads along. A reader whose place
//! lies before them reads the log, which is the truth.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use super::signal::{Signal, Signals};
use super::topic::{Batch, Places, Topic};
use crate::clock::{Clock, Grace};
use crate::faults::Kept;
use crate::store::{ChannelRow, Entry, Store, StoreResult, Subscription};
use crate::webhooks;

/// All live channels of this node. The lock is never held across an await.
#[derive(Default)]
pub struct Hub {
    inner: Mutex<Inner>,
    clock: Clock,
}

#[derive(Default)]
struct Inner {
    channels: HashMap<Arc<str>, Arc<Channel>>,
    /// By account key; as many as there are accounts with subscriptions since the start.
    audiences: HashMap<String, Audience>,
    /// How many channels each user has. The key is shared by all of them.
    users: HashMap<Arc<str>, usize>,
    /// Users whose channel has ended on a virtual clock, which waits for them to make another.
    awaited: HashMap<Arc<str>, Grace>,
}

/// Channels with a subscription in an account.
struct Audience {
    topic: Arc<Topic>,
    channels: HashMap<Arc<str>, Arc<Channel>>,
}

/// One live channel.
pub struct Channel {
    pub id: Arc<str>,
    nickname: Box<str>,
    user_key: Arc<str>,
    application_tag: Box<str>,
    created_us: i64,
    state: Mutex<State>,
    clock: Clock,
    /// When this process heard of it, in real time.
    pub born: Instant,
    /// What faults keep back for its reader.
    pub kept: Kept,
    /// Its reader is connected and stands still, as a fault has it.
    pub is_still: AtomicBool,
    /// Held over "write, read back, tell the hub": two changes of one channel never overtake each other.
    pub changing: tokio::sync::Mutex<()>,
}

struct State {
    lifetime_s: i64,
    expires_us: i64,
    subscriptions: Arc<Vec<Subscription>>,
    /// Confirmed place in the log of each account.
    places: Places,
    places_dirty: bool,
    reader: Option<Arc<Signal>>,
    /// Those beside it, where a fault lets sockets share a channel.
    others: Vec<Arc<Signal>>,
    deleted: bool,
}

/// A reader's end of a channel; a newer one closes it.
pub struct Connection {
    pub channel: Arc<Channel>,
    /// When the reader came, in real time.
    pub since: Instant,
    signal: Arc<Signal>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that holds these locks can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Everything the store knows.
    pub async fn load(store: &Store) -> StoreResult<Self> {
        let hub = Self { clock: store.clock.clone(), ..Self::default() };
        let mut subscriptions: HashMap<String, Vec<Subscription>> = HashMap::new();
        for subscription in store.all_subscriptions().await? {
            subscriptions.entry(subscription.channel_id.clone()).or_default().push(subscription);
        }
        for (row, cursors) in store.all_channels().await? {
            let id = row.channel_id.clone();
            hub.add(row);
            hub.set_subscriptions(&id, subscriptions.remove(&id).unwrap_or_default(), cursors);
        }
        Ok(hub)
    }

    pub fn add(&self, row: ChannelRow) -> Arc<Channel> {
        let mut inner = lock(&self.inner);
        let known = inner.users.get_key_value(row.user_key.as_str()).map(|(key, _)| Arc::clone(key));
        let user_key = known.unwrap_or_else(|| row.user_key.into());
        *inner.users.entry(Arc::clone(&user_key)).or_default() += 1;
        let state = State {
            lifetime_s: row.lifetime_s,
            expires_us: row.expires_us,
            subscriptions: Arc::default(),
            places: Places::new(),
            places_dirty: false,
            reader: None,
            others: Vec::new(),
            deleted: false,
        };
        let channel = Arc::new(Channel {
            id: row.channel_id.into(),
            nickname: row.nickname.into(),
            user_key,
            application_tag: row.application_tag.into(),
            created_us: row.created_us,
            state: Mutex::new(state),
            clock: self.clock.clone(),
            born: Instant::now(),
            kept: Kept::default(),
            is_still: AtomicBool::new(false),
            changing: tokio::sync::Mutex::default(),
        });
        inner.channels.insert(Arc::clone(&channel.id), Arc::clone(&channel));
        channel
    }

    pub fn get(&self, channel_id: &str) -> Option<Arc<Channel>> {
        lock(&self.inner).channels.get(channel_id).cloned()
    }

    /// Live channels of a user.
    pub fn count_of_user(&self, user_key: &str) -> usize {
        lock(&self.inner).users.get(user_key).copied().unwrap_or(0)
    }

    /// Forgets a channel and closes its reader.
    pub fn remove(&self, channel_id: &str) {
        let mut inner = lock(&self.inner);
        let Some(channel) = inner.channels.remove(channel_id) else { return };
        inner.leave(&channel);
        let left = inner.users.get(&channel.user_key).map_or(0, |count| count - 1);
        match left {
            0 => inner.users.remove(&channel.user_key),
            left => inner.users.insert(Arc::clone(&channel.user_key), left),
        };
        drop(inner);
        channel.kept.clear();
        let mut state = lock(&channel.state);
        state.deleted = true;
        for reader in state.take_readers() {
            reader.raise(Signals::CLOSED);
        }
    }

    /// The same for all whose client or grant was taken away.
    pub fn remove_all(&self, channel_ids: &[String]) {
        for channel_id in channel_ids {
            self.remove(channel_id);
        }
    }

    /// Replaces a channel's subscriptions; `cursors` gives the place of accounts it did not have before.
    pub fn set_subscriptions(
        &self,
        channel_id: &str,
        subscriptions: Vec<Subscription>,
        cursors: HashMap<String, i64>,
    ) {
        let mut inner = lock(&self.inner);
        let Some(channel) = inner.channels.get(channel_id).cloned() else { return };
        inner.leave(&channel);
        for subscription in &subscriptions {
            let channels = &mut inner.audience(&subscription.account_key).channels;
            channels.insert(Arc::clone(&channel.id), Arc::clone(&channel));
        }
        let mut state = lock(&channel.state);
        for (account, position) in cursors {
            if !state.places.iter().any(|(topic, _)| *topic.account_key == *account) {
                state.places.push((Arc::clone(&inner.audience(&account).topic), position));
            }
        }
        state.places.shrink_to_fit();
        state.subscriptions = Arc::new(subscriptions);
        drop(state);
        drop(inner);
        channel.touch();
        self.is_back(&channel);
    }

    /// Keeps new entries, in log order, and wakes the readers of their accounts.
    pub fn publish(&self, entries: &[Arc<Entry>]) {
        let inner = lock(&self.inner);
        for (account, batch) in by_account(entries) {
            let Some(audience) = inner.audiences.get(account) else { continue };
            if audience.channels.is_empty() {
                continue;
            }
            audience.topic.add(batch);
            for channel in audience.channels.values() {
                channel.signal(Signals::ENTRIES);
            }
        }
    }

    /// The newest channels of certain users.
    pub fn newest(&self, limit: usize, is_wanted: impl Fn(&str) -> bool) -> Vec<Arc<Channel>> {
        let wanted = |channel: &&Arc<Channel>| is_wanted(channel.user_key());
        let mut found: Vec<_> = lock(&self.inner).channels.values().filter(wanted).cloned().collect();
        found.sort_by_cached_key(|channel| std::cmp::Reverse(channel.created_us));
        found.truncate(limit);
        found
    }

    /// How many channels live.
    pub fn how_many(&self) -> usize {
        lock(&self.inner).channels.len()
    }

    /// The newest channels that an account's entries concern, or whose user is of the account (`is_ours`), and whose
    /// reader does not tell the journal of each: there is none, or no subscription.
    pub fn silent(
        &self,
        account_key: &str,
        limit: usize,
        is_ours: impl Fn(&str) -> bool,
    ) -> Vec<Arc<Channel>> {
        let inner = lock(&self.inner);
        let audience = inner.audiences.get(account_key).map(|audience| &audience.channels);
        let silent = |channel: &&Arc<Channel>| match audience.is_some_and(|one| one.contains_key(&channel.id))
        {
            true => !channel.tells(),
            false => is_ours(channel.user_key()),
        };
        let mut found: Vec<_> = inner.channels.values().filter(silent).cloned().collect();
        drop(inner);
        found.sort_by_cached_key(|channel| std::cmp::Reverse(channel.created_us));
        found.truncate(limit);
        found
    }

    /// Cursors confirmed since the last call: `(channel, account, position)`. Also forgets entries that are not new
    /// any more.
    pub fn take_dirty_cursors(&self) -> Vec<(String, String, i64)> {
        let inner = lock(&self.inner);
        for audience in inner.audiences.values() {
            audience.topic.sweep();
        }
        let mut dirty = Vec::new();
        for channel in inner.channels.values() {
            let mut state = lock(&channel.state);
            if std::mem::take(&mut state.places_dirty) {
                let places = state.places.iter();
                dirty.extend(places.map(|(t, p)| (channel.id.to_string(), t.account_key.to_string(), *p)));
            }
        }
        dirty
    }

    /// Live channels, and how many of them have a reader.
    pub fn counts(&self) -> (usize, usize) {
        let inner = lock(&self.inner);
        (inner.channels.len(), inner.channels.values().filter(|channel| channel.is_connected()).count())
    }

    /// The channel of a connected reader has ended: a virtual clock gives its client a moment to make another.
    pub fn await_return(&self, user_key: &str) {
        let Some(grace) = self.clock.grace() else { return };
        let before = lock(&self.inner).awaited.insert(user_key.into(), grace);
        drop(before);
    }

    /// A reader that hears of something is there: its user is awaited no more.
    pub fn is_back(&self, channel: &Channel) {
        if self.clock.is_virtual() && channel.is_connected() && !channel.subscriptions().is_empty() {
            let awaited = lock(&self.inner).awaited.remove(&channel.user_key);
            drop(awaited);
        }
    }

    /// Channels whose life has ended.
    pub fn expired(&self, now_us: i64) -> Vec<Arc<str>> {
        let inner = lock(&self.inner);
        let over = inner.channels.values().filter(|channel| channel.expires_us() <= now_us);
        over.map(|channel| Arc::clone(&channel.id)).collect()
    }

    /// Tells all readers that the platform stops.
    pub fn stop(&self) {
        for channel in lock(&self.inner).channels.values() {
            channel.signal(Signals::STOP);
        }
    }
}

/// Entries by their account, each account's in order.
fn by_account(entries: &[Arc<Entry>]) -> Vec<(&str, Batch)> {
    let Some(first) = entries.first() else { return Vec::new() };
    if entries.iter().all(|entry| entry.account_key == first.account_key) {
        return vec![(&first.account_key, entries.into())];
    }
    let mut batches: HashMap<&str, Vec<Arc<Entry>>> = HashMap::new();
    for entry in entries {
        batches.entry(&entry.account_key).or_default().push(Arc::clone(entry));
    }
    batches.into_iter().map(|(account, batch)| (account, batch.into())).collect()
}

impl Inner {
    fn audience(&mut self, account_key: &str) -> &mut Audience {
        self.audiences.entry(account_key.to_owned()).or_insert_with(|| Audience {
            topic: Arc::new(Topic::new(account_key)),
            channels: HashMap::new(),
        })
    }

    /// Takes a channel out of the audiences that its subscriptions put it into.
    fn leave(&mut self, channel: &Channel) {
        for subscription in channel.subscriptions().iter() {
            if let Some(audience) = self.audiences.get_mut(&subscription.account_key) {
                audience.channels.remove(&channel.id);
            }
        }
    }
}

impl State {
    fn take_readers(&mut self) -> Vec<Arc<Signal>> {
        let others = std::mem::take(&mut self.others);
        self.reader.take().into_iter().chain(others).collect()
    }
}

impl Channel {
    pub fn row(&self) -> ChannelRow {
        let state = lock(&self.state);
        ChannelRow {
            channel_id: self.id.to_string(),
            nickname: self.nickname.to_string(),
            user_key: self.user_key.to_string(),
            application_tag: self.application_tag.to_string(),
            lifetime_s: state.lifetime_s,
            created_us: self.created_us,
            expires_us: state.expires_us,
        }
    }

    pub fn nickname(&self) -> &str {
        &self.nickname
    }

    pub fn user_key(&self) -> &str {
        &self.user_key
    }

    pub fn lifetime_s(&self) -> i64 {
        lock(&self.state).lifetime_s
    }

    pub fn expires_us(&self) -> i64 {
        lock(&self.state).expires_us
    }

    pub fn subscriptions(&self) -> Arc<Vec<Subscription>> {
        Arc::clone(&lock(&self.state).subscriptions)
    }

    pub fn is_connected(&self) -> bool {
        lock(&self.state).reader.is_some()
    }

    /// Whether its reader tells the journal what becomes of each entry of an account that it subscribes to.
    pub fn tells(&self) -> bool {
        let is_read = self.is_connected() && !self.is_still.load(Ordering::Acquire);
        is_read && !webhooks::is_id(&self.id)
    }

    /// Confirmed places in the logs.
    pub fn places(&self) -> Places {
        lock(&self.state).places.clone()
    }

    /// The same by account key.
    pub fn cursors(&self) -> HashMap<String, i64> {
        let state = lock(&self.state);
        state.places.iter().map(|(topic, position)| (topic.account_key.to_string(), *position)).collect()
    }

    /// The reader has everything up to these places.
    pub fn confirm<'a>(&self, places: impl IntoIterator<Item = (&'a str, i64)>) {
        let mut state = lock(&self.state);
        for (account, position) in places {
            let place = state.places.iter_mut().find(|(topic, _)| *topic.account_key == *account);
            if let Some((_, place)) = place
                && *place < position
            {
                *place = position;
                state.places_dirty = true;
            }
        }
    }

    pub fn prolong(&self, lifetime_s: i64, expires_us: i64) {
        let mut state = lock(&self.state);
        state.lifetime_s = lifetime_s;
        state.expires_us = expires_us;
        drop(state);
        self.touch();
    }

    /// Lets the reader look again at what it has to do.
    pub fn touch(&self) {
        self.signal(Signals::CHANGED);
    }

    /// A reader connects; one that was there before is closed.
    pub fn connect(self: &Arc<Self>) -> Connection {
        self.join(false)
    }

    /// A reader connects beside those that are there: each gets everything.
    pub fn connect_beside(self: &Arc<Self>) -> Connection {
        self.join(true)
    }

    fn join(self: &Arc<Self>, beside: bool) -> Connection {
        let signal = Arc::new(Signal::new(&self.clock));
        let mut state = lock(&self.state);
        let present = state.take_readers();
        match beside {
            true => state.others = present,
            false => present.iter().for_each(|before| before.raise(Signals::CLOSED)),
        }
        match state.deleted {
            true => signal.raise(Signals::CLOSED),
            false => state.reader = Some(Arc::clone(&signal)),
        }
        drop(state);
        Connection { channel: Arc::clone(self), since: Instant::now(), signal }
    }

    fn signal(&self, signal: Signals) {
        let state = lock(&self.state);
        for reader in state.reader.iter().chain(&state.others) {
            reader.raise(signal);
        }
    }
}

impl Connection {
    /// Takes what there is to know, once there is something.
    pub fn poll_signals(&self, cx: &mut Context<'_>) -> Poll<Signals> {
        self.signal.poll(cx)
    }

    /// The same to wait for. Cancelling the wait loses nothing.
    pub async fn signals(&self) -> Signals {
        std::future::poll_fn(|cx| self.poll_signals(cx)).await
    }

    /// Gives back what was taken, for a later look.
    pub fn keep(&self, signals: Signals) {
        self.signal.raise(signals);
    }

    /// Waits for the end alone: whoever waits reads the log afterwards, so that no other signal matters.
    pub async fn closed(&self) {
        while !self.signals().await.has(Signals::CLOSED) {}
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = lock(&self.channel.state);
        // A newer reader may have taken the place already.
        if state.reader.as_ref().is_some_and(|reader| Arc::ptr_eq(reader, &self.signal)) {
            state.reader = state.others.pop();
        } else {
            state.others.retain(|one| !Arc::ptr_eq(one, &self.signal));
        }
    }
}
