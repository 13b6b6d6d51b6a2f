//! Which channels live, what they want to hear, and who reads them on this node.
//!
//! The hub only hints: it hands new log entries to the readers of an account. A reader that sees a gap in the
//! positions, or whose queue of hints was full, reads the log, which is the truth.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::limits;
use crate::store::{Api, ChannelRow, Entry, EntryKind, KeyKind, Store, StoreResult, Subscription};

/// All live channels of this node. The lock is never held across an await.
#[derive(Default)]
pub struct Hub {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    channels: HashMap<String, Arc<Channel>>,
    /// Channels with a subscription in an account.
    by_account: HashMap<String, HashMap<String, Arc<Channel>>>,
}

/// One live channel.
pub struct Channel {
    pub id: String,
    state: Mutex<State>,
    /// Counts changes of life and subscriptions, for the reader.
    changes: watch::Sender<u64>,
    /// Held over "write, read back, tell the hub": two changes of one channel never overtake each other.
    pub changing: tokio::sync::Mutex<()>,
}

struct State {
    row: ChannelRow,
    subscriptions: Arc<Vec<Subscription>>,
    /// Confirmed place in the log of each account.
    cursors: HashMap<String, i64>,
    cursors_dirty: bool,
    reader: Option<Reader>,
    deleted: bool,
}

struct Reader {
    hints: mpsc::Sender<Arc<Entry>>,
    lagging: Arc<AtomicBool>,
    close: CancellationToken,
}

/// A socket's end of a channel; a newer one cancels `closed`.
pub struct Connection {
    pub channel: Arc<Channel>,
    pub hints: mpsc::Receiver<Arc<Entry>>,
    /// Set when a hint was dropped because the queue was full.
    pub lagging: Arc<AtomicBool>,
    /// Cancelled when a newer socket took over or the channel was deleted.
    pub closed: CancellationToken,
    pub changes: watch::Receiver<u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that holds these locks can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Everything the store knows.
    pub async fn load(store: &Store) -> StoreResult<Self> {
        let hub = Self::default();
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
        let id = row.channel_id.clone();
        let state = State {
            row,
            subscriptions: Arc::default(),
            cursors: HashMap::new(),
            cursors_dirty: false,
            reader: None,
            deleted: false,
        };
        let channel = Arc::new(Channel {
            id: id.clone(),
            state: Mutex::new(state),
            changes: watch::Sender::new(0),
            changing: tokio::sync::Mutex::default(),
        });
        lock(&self.inner).channels.insert(id, Arc::clone(&channel));
        channel
    }

    pub fn get(&self, channel_id: &str) -> Option<Arc<Channel>> {
        lock(&self.inner).channels.get(channel_id).cloned()
    }

    /// Live channels of a user.
    pub fn count_of_user(&self, user_key: &str) -> usize {
        lock(&self.inner)
            .channels
            .values()
            .filter(|channel| lock(&channel.state).row.user_key == user_key)
            .count()
    }

    /// Forgets a channel and closes its socket.
    pub fn remove(&self, channel_id: &str) {
        let mut inner = lock(&self.inner);
        let Some(channel) = inner.channels.remove(channel_id) else { return };
        inner.by_account.retain(|_, channels| {
            channels.remove(channel_id);
            !channels.is_empty()
        });
        drop(inner);
        let mut state = lock(&channel.state);
        state.deleted = true;
        if let Some(reader) = state.reader.take() {
            reader.close.cancel();
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
        for channels in inner.by_account.values_mut() {
            channels.remove(channel_id);
        }
        for subscription in &subscriptions {
            inner
                .by_account
                .entry(subscription.account_key.clone())
                .or_default()
                .insert(channel_id.to_owned(), Arc::clone(&channel));
        }
        inner.by_account.retain(|_, channels| !channels.is_empty());
        let mut state = lock(&channel.state);
        for (account, position) in cursors {
            state.cursors.entry(account).or_insert(position);
        }
        state.subscriptions = Arc::new(subscriptions);
        drop(state);
        channel.changes.send_modify(|count| *count += 1);
    }

    /// Hands new entries, in log order, to the readers of their accounts.
    pub fn publish(&self, entries: &[Arc<Entry>]) {
        let inner = lock(&self.inner);
        for entry in entries {
            for channel in inner.by_account.get(&entry.account_key).into_iter().flat_map(HashMap::values) {
                channel.hint(entry);
            }
        }
    }

    /// The newest channels of certain users.
    pub fn newest(&self, limit: usize, is_wanted: impl Fn(&str) -> bool) -> Vec<Arc<Channel>> {
        let wanted = |channel: &&Arc<Channel>| is_wanted(&lock(&channel.state).row.user_key);
        let mut found: Vec<_> = lock(&self.inner).channels.values().filter(wanted).cloned().collect();
        found.sort_by_cached_key(|channel| std::cmp::Reverse(channel.row().created_us));
        found.truncate(limit);
        found
    }

    /// Lets the readers of an account look again at what they have to do.
    pub fn touch_account(&self, account_key: &str) {
        let channels: Vec<_> = {
            let inner = lock(&self.inner);
            inner.by_account.get(account_key).into_iter().flat_map(HashMap::values).cloned().collect()
        };
        channels.iter().for_each(|channel| channel.touch());
    }

    /// Cursors confirmed since the last call: `(channel, account, position)`.
    pub fn take_dirty_cursors(&self) -> Vec<(String, String, i64)> {
        let channels: Vec<_> = lock(&self.inner).channels.values().cloned().collect();
        let mut dirty = Vec::new();
        for channel in channels {
            let mut state = lock(&channel.state);
            if std::mem::take(&mut state.cursors_dirty) {
                dirty.extend(state.cursors.iter().map(|(a, p)| (channel.id.clone(), a.clone(), *p)));
            }
        }
        dirty
    }

    /// Live channels, and how many of them have a reader.
    pub fn counts(&self) -> (usize, usize) {
        let inner = lock(&self.inner);
        (inner.channels.len(), inner.channels.values().filter(|channel| channel.is_connected()).count())
    }

    /// Channels whose life has ended.
    pub fn expired(&self, now_us: i64) -> Vec<String> {
        let inner = lock(&self.inner);
        inner
            .channels
            .values()
            .filter(|c| lock(&c.state).row.expires_us <= now_us)
            .map(|c| c.id.clone())
            .collect()
    }
}

impl Channel {
    pub fn row(&self) -> ChannelRow {
        lock(&self.state).row.clone()
    }

    pub fn subscriptions(&self) -> Arc<Vec<Subscription>> {
        Arc::clone(&lock(&self.state).subscriptions)
    }

    pub fn is_connected(&self) -> bool {
        lock(&self.state).reader.is_some()
    }

    /// Confirmed places in the logs.
    pub fn cursors(&self) -> HashMap<String, i64> {
        lock(&self.state).cursors.clone()
    }

    /// The reader has everything up to here.
    pub fn confirm(&self, positions: &HashMap<String, i64>) {
        let mut state = lock(&self.state);
        for (account, position) in positions {
            let place = state.cursors.entry(account.clone()).or_insert(*position);
            if *place < *position {
                *place = *position;
                state.cursors_dirty = true;
            }
        }
    }

    pub fn prolong(&self, lifetime_s: i64, expires_us: i64) {
        let mut state = lock(&self.state);
        state.row.lifetime_s = lifetime_s;
        state.row.expires_us = expires_us;
        drop(state);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Lets the reader look again at what it has to do.
    pub fn touch(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// A socket connects; one that was there before is closed.
    pub fn connect(self: &Arc<Self>) -> Connection {
        let (hints, inbox) = mpsc::channel(limits::CHANNEL_HINTS_MAX);
        let lagging = Arc::new(AtomicBool::new(false));
        let close = CancellationToken::new();
        let reader = Reader { hints, lagging: Arc::clone(&lagging), close: close.clone() };
        let mut state = lock(&self.state);
        if state.deleted {
            close.cancel();
        } else if let Some(before) = state.reader.replace(reader) {
            before.close.cancel();
        }
        drop(state);
        Connection {
            channel: Arc::clone(self),
            hints: inbox,
            lagging,
            closed: close,
            changes: self.changes.subscribe(),
        }
    }

    fn hint(&self, entry: &Arc<Entry>) {
        let state = lock(&self.state);
        let Some(reader) = &state.reader else { return };
        if reader.hints.try_send(Arc::clone(entry)).is_err() {
            reader.lagging.store(true, Ordering::Release);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = lock(&self.channel.state);
        // A newer socket may have taken the place already.
        if !self.closed.is_cancelled() {
            state.reader = None;
        }
    }
}

/// Whether a subscription wants an entry.
pub fn wants(subscription: &Subscription, entry: &Entry) -> bool {
    let api = match entry.kind {
        EntryKind::State => Api::CallEvents,
        EntryKind::Report | EntryKind::Revision => Api::CallEventsReport,
        EntryKind::History => Api::CallHistory,
        EntryKind::Recording | EntryKind::Transcript => Api::Recording,
    };
    // What happened before the subscription was made is none of its business, wherever the cursor stands.
    let after = entry.position > subscription.since_position;
    if subscription.api != api || subscription.account_key != entry.account_key || !after {
        return false;
    }
    let subject = entry.subject();
    if !subscription.events.contains(&subject.event) {
        return false;
    }
    let key = &subscription.key_value;
    match subscription.key_kind {
        KeyKind::Account => true,
        KeyKind::User => subject.user_keys.contains(key),
        KeyKind::Line => subject.line_ids.contains(key),
        KeyKind::PhoneNumber => subject.phone_number_ids.contains(key),
    }
}
