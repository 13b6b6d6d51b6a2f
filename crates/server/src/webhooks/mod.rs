//! Webhook channels (spec/notification-channel.md, Webhook channels): notifications as `POST` requests to an address
//! that the customer names.
//!
//! Each webhook channel has a task of its own that reads the event log from the channel's cursor, as a socket does,
//! and moves the cursor on when a notification is done. A crash repeats some with the same ids and loses none; a slow
//! receiver keeps nobody waiting but itself.

pub mod api;
mod at_fault;
mod attempt;
pub mod create;
mod durable;
mod outbound;
mod quick;
mod schedule;
mod sign;
mod window;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Semaphore;
use wire::Extra;
use wire::channel::{WEBHOOK, Webhook, WebhookChannelData};

use crate::app::App;
use crate::console::{Again, Record};
use crate::error::{ApiError, ApiResult};
use crate::limits;
use crate::store::{Entry, Store, StoreError, StoreResult, WebhookRow};
use outbound::Outbound;
use sign::Signing;

/// All webhook channels of this node, and the way out.
pub struct Webhooks {
    outbound: Outbound,
    proofs: Semaphore,
    endpoints: Mutex<HashMap<String, Arc<Endpoint>>>,
}

/// One webhook channel's receiver.
pub struct Endpoint {
    row: Mutex<WebhookRow>,
    signing: Mutex<Option<Arc<Signing>>>,
    /// So that the log tells of the first failure, not of each.
    failing: AtomicBool,
    /// Notifications in memory that are not delivered yet.
    waiting: AtomicUsize,
    /// Its receiver is left alone for a while.
    resting: AtomicBool,
    /// What a fault keeps back until the next notification has gone.
    held: Mutex<Option<attempt::Telling>>,
}

/// How the webhooks stand at this moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    pub webhooks: usize,
    /// Whose receivers are left alone for a while.
    pub resting: usize,
    /// Notifications in memory.
    pub waiting: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that holds these locks can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Webhooks {
    /// Those that the store knows; [`start_all`] sets them going.
    ///
    /// # Errors
    /// When the store or the system's certificates cannot be read.
    pub async fn load(store: &Store, allow_private: bool) -> Result<Self, crate::Error> {
        let outbound =
            Outbound::new(allow_private).map_err(|error| crate::Error::Outbound(error.to_string()))?;
        let rows = store.all_webhooks().await?;
        let mut endpoints = HashMap::with_capacity(rows.len());
        for row in rows {
            let signing = match row.signing.as_str() {
                "" => None,
                text => Some(serde_json::from_str(text).map_err(StoreError::from)?),
            };
            endpoints.insert(row.channel_id.clone(), Endpoint::new(row, signing));
        }
        let proofs = Semaphore::new(limits::WEBHOOK_PROOFS_MAX);
        Ok(Self { outbound, proofs, endpoints: Mutex::new(endpoints) })
    }

    pub fn get(&self, channel_id: &str) -> Option<Arc<Endpoint>> {
        lock(&self.endpoints).get(channel_id).cloned()
    }

    fn find(&self, row: &WebhookRow) -> Option<Arc<Endpoint>> {
        let same = |endpoint: &&Arc<Endpoint>| {
            let other = lock(&endpoint.row);
            (&other.user_key, &other.nickname, &other.url) == (&row.user_key, &row.nickname, &row.url)
        };
        lock(&self.endpoints).values().find(same).cloned()
    }

    pub fn standing(&self) -> Standing {
        let mut standing = Standing::default();
        for endpoint in lock(&self.endpoints).values() {
            standing.webhooks += 1;
            standing.resting += usize::from(endpoint.resting.load(Ordering::Relaxed));
            standing.waiting += endpoint.waiting.load(Ordering::Relaxed);
        }
        standing
    }

    fn count_of_user(&self, user_key: &str) -> usize {
        lock(&self.endpoints).values().filter(|endpoint| lock(&endpoint.row).user_key == user_key).count()
    }
}

impl Endpoint {
    /// Channel and nickname.
    fn names(&self) -> (String, String) {
        let row = lock(&self.row);
        (row.channel_id.clone(), row.nickname.clone())
    }

    /// Tells the journal what becomes of an entry without a request.
    fn untold(&self, app: &App, entry: &Entry, status: &str, why: impl FnOnce() -> String) {
        if app.journal.is_on() {
            let (channel_id, nickname) = self.names();
            app.journal.untold(&channel_id, &nickname, entry, status, &why());
        }
    }

    fn new(row: WebhookRow, signing: Option<Signing>) -> Arc<Self> {
        let signing = Mutex::new(signing.map(Arc::new));
        let (failing, waiting, resting, held) = Default::default();
        Arc::new(Self { row: Mutex::new(row), signing, failing, waiting, resting, held })
    }

    fn is_durable(&self) -> bool {
        lock(&self.row).durable
    }

    fn signing(&self) -> Option<Arc<Signing>> {
        lock(&self.signing).clone()
    }

    async fn set_signing(&self, store: &Store, signing: Signing) -> StoreResult<()> {
        let channel_id = lock(&self.row).channel_id.clone();
        store.set_webhook_signing(&channel_id, &serde_json::to_string(&signing)?).await?;
        *lock(&self.signing) = Some(Arc::new(signing));
        Ok(())
    }

    fn url(&self) -> String {
        lock(&self.row).url.clone()
    }

    fn unreachable_us(&self) -> i64 {
        lock(&self.row).unreachable_us
    }

    /// Marks the receiver as unreachable since then; 0 takes the mark away.
    async fn set_unreachable(&self, store: &Store, unreachable_us: i64) -> StoreResult<()> {
        let channel_id = lock(&self.row).channel_id.clone();
        store.set_webhook_unreachable(&channel_id, unreachable_us).await?;
        lock(&self.row).unreachable_us = unreachable_us;
        Ok(())
    }

    /// What the channel API tells of the receiver.
    pub fn describe(&self) -> WebhookChannelData {
        let mut extra = Extra::new();
        if let Some(signing) = self.signing() {
            extra.insert("signature".into(), signing.describe(false));
        }
        let row = lock(&self.row);
        if row.durable {
            extra.insert("delivery".into(), create::DURABLE.into());
        }
        let unreachable = Timestamp::from_microsecond(row.unreachable_us).ok();
        WebhookChannelData {
            webhook: Webhook { url: row.url.clone(), extra: Extra::new() },
            channel_type: Some(WEBHOOK.into()),
            unreachable_timestamp: unreachable
                .filter(|_| row.unreachable_us != 0)
                .map(|since| format!("{since:.3}")),
            extra,
        }
    }
}

/// Whether an id is that of a webhook channel.
pub fn is_id(channel_id: &str) -> bool {
    channel_id.starts_with("Webhook.")
}

/// A notification of the journal goes to its receiver again: at once, or, where deliveries are kept, by its channel's own
/// way, as the API's resend does it. What comes of it is a row of the journal.
///
/// # Errors
/// 409 when the channel is gone or does not know the notification.
pub async fn send_again(app: &Arc<App>, record: &Arc<Record>, again: &Again) -> ApiResult<()> {
    let found = app.webhooks.get(&again.channel_id).zip(app.hub.get(&again.channel_id));
    let (endpoint, channel) = found.ok_or_else(|| ApiError::conflict("The webhook channel is gone."))?;
    if !endpoint.is_durable() {
        attempt::again(app, endpoint, Arc::clone(record), again);
        return Ok(());
    }
    let (id, now_us) = (&again.notification_id, app.clock.now_us());
    if !app.store.resend_delivery(&again.channel_id, id, now_us).await? {
        return Err(ApiError::conflict("The channel keeps this notification no more."));
    }
    channel.touch();
    Ok(())
}

/// Sets the webhook channels going that the store knew at the start.
pub fn start_all(app: &Arc<App>) {
    let endpoints: Vec<_> = lock(&app.webhooks.endpoints).values().cloned().collect();
    for endpoint in endpoints {
        start(app, endpoint);
    }
}

/// Delivers until the channel is deleted or the platform stops.
fn start(app: &Arc<App>, endpoint: Arc<Endpoint>) {
    let channel_id = lock(&endpoint.row).channel_id.clone();
    let Some(channel) = app.hub.get(&channel_id) else { return };
    lock(&app.webhooks.endpoints).insert(channel_id.clone(), Arc::clone(&endpoint));
    let (app, connection) = (Arc::clone(app), channel.connect());
    app.tasks.clone().spawn(async move {
        match endpoint.is_durable() {
            true => durable::deliver(&app, &endpoint, connection).await,
            false => quick::deliver(&app, &endpoint, connection).await,
        }
        if !app.shutdown.is_cancelled() {
            lock(&app.webhooks.endpoints).remove(&channel_id);
        }
    });
}
