//! Bad days on demand: what goes wrong between a client and GoTo Connect goes wrong here on request.
//!
//! A fault changes answers and deliveries only; the log, the subscriptions and the tokens stay what they are. Each
//! ends by itself, after so many strikes or so much time, and says so in the log and in the list. Without a fault the
//! price is one atomic load a request and one a delivery.

pub mod answers;
pub mod api;
mod body;
pub mod catalogue;
mod delivery;
pub mod grant;
mod held;
pub mod http;
mod modes;
mod reach;
mod shapes;
mod sockets;
mod states;
mod webhook;
pub mod who;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::App;
use crate::clock::{Busy, Clock};
use crate::error::{ApiError, ApiResult};
use crate::limits;
use crate::time;
use catalogue::Kind;
use delivery::OnDelivery;
pub use held::Kept;
pub use sockets::{Order, Reader};
pub use webhook::OnWebhook;

/// The faults of this node; in memory alone, so a restart ends them all.
pub struct Faults {
    /// They last and delay by the platform's time.
    clock: Clock,
    /// Active ones that concern requests, and webhooks.
    requests: AtomicUsize,
    webhooks: AtomicUsize,
    /// Active ones that concern deliveries, with what is held for channels.
    counts: Arc<held::Counts>,
    /// Webhooks' notifications that wait.
    waiting: Arc<Semaphore>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    active: Vec<Arc<Fault>>,
    ended: VecDeque<Value>,
    /// The last ones that ended with their last strike: what they keep back can still be let go.
    used_up: VecDeque<Arc<Fault>>,
}

/// Whom a fault concerns, within its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    All,
    Client(String),
    Channel(String),
}

/// One active fault.
pub struct Fault {
    pub id: String,
    pub kind: &'static Kind,
    pub account_key: String,
    pub scope: Scope,
    parameters: HashMap<&'static str, Value>,
    times: Option<u32>,
    struck: AtomicU32,
    started_us: i64,
    ends_us: i64,
    /// Its start in real time.
    began: std::time::Instant,
    /// It strikes connections and channels, too, that come while it lasts.
    newcomers: bool,
    /// It strikes no more.
    ended: CancellationToken,
    /// Its time is over, or somebody cleared it: who waits for it goes on.
    lifted: CancellationToken,
    memory: Mutex<Memory>,
}

/// What a fault has to remember between its strikes; bounded by [`limits::FAULT_MEMORY_MAX`].
#[derive(Default)]
struct Memory {
    /// When something was first asked for, or issued.
    first: HashMap<String, Instant>,
    /// Things that happened, with a number.
    numbers: HashMap<String, i64>,
}

/// What is asked for.
#[derive(Debug)]
pub struct Wish {
    pub kind: &'static Kind,
    pub scope: Scope,
    pub parameters: HashMap<&'static str, Value>,
    pub times: Option<u32>,
    pub for_s: u64,
}

/// Why a fault ends that has struck as often as it may.
const USED_UP: &str = "times";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that holds these locks can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Faults {
    pub fn new(clock: Clock) -> Self {
        let count = || AtomicUsize::new(0);
        let waiting = Arc::new(Semaphore::new(limits::FAULT_MEMORY_MAX));
        let (requests, webhooks, counts) = (count(), count(), Arc::default());
        Self { clock, requests, webhooks, counts, waiting, inner: Mutex::default() }
    }

    /// Whether any fault concerns requests.
    pub fn at_requests(&self) -> bool {
        self.requests.load(Ordering::Acquire) > 0
    }

    /// Whether any fault concerns deliveries.
    pub fn at_delivery(&self) -> bool {
        self.counts.deliveries.load(Ordering::Acquire) > 0
    }

    /// Whether any fault concerns webhooks, or keeps something back for one; those of deliveries change their bodies, too.
    pub fn at_webhooks(&self) -> bool {
        let keeps = self.waiting.available_permits() < limits::FAULT_MEMORY_MAX;
        keeps || self.webhooks.load(Ordering::Acquire) > 0 || self.at_delivery()
    }

    /// Leave for one more notification of a webhook to wait; without it that goes at once.
    pub fn may_wait(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.waiting).try_acquire_owned().ok()
    }

    /// Those that run for an account, in the order of their start.
    pub fn active(&self, account_key: &str) -> Vec<Arc<Fault>> {
        let inner = lock(&self.inner);
        inner.active.iter().filter(|fault| fault.account_key == account_key).cloned().collect()
    }

    /// Descriptions of the last ones that have ended, newest first.
    pub fn ended(&self, account_key: &str) -> Vec<Value> {
        let inner = lock(&self.inner);
        let of_account = |one: &&Value| one["accountKey"] == account_key;
        inner.ended.iter().rev().filter(of_account).cloned().collect()
    }

    fn add(&self, fault: &Arc<Fault>) -> ApiResult<()> {
        let mut inner = lock(&self.inner);
        if inner.active.len() >= limits::FAULTS_ACTIVE_MAX {
            return Err(ApiError::conflict(format!(
                "{} faults are active. Clear some first.",
                limits::FAULTS_ACTIVE_MAX
            )));
        }
        inner.active.push(Arc::clone(fault));
        if fault.kind.concerns_deliveries() {
            self.counts.deliveries.fetch_add(1, Ordering::AcqRel);
        }
        self.count(&inner);
        Ok(())
    }

    fn count(&self, inner: &Inner) {
        let requests = inner.active.iter().filter(|fault| fault.kind.concerns_requests()).count();
        self.requests.store(requests, Ordering::Release);
        let webhooks = inner.active.iter().filter(|fault| fault.kind.webhook.is_some()).count();
        self.webhooks.store(webhooks, Ordering::Release);
    }

    /// Ends a fault, once; `why` is `times`, `time` or `cleared`.
    fn end(&self, fault: &Fault, why: &'static str) -> bool {
        let mut inner = lock(&self.inner);
        let Some(place) = inner.active.iter().position(|one| one.id == fault.id) else { return false };
        let ended = inner.active.remove(place);
        if fault.kind.concerns_deliveries() {
            self.counts.deliveries.fetch_sub(1, Ordering::AcqRel);
        }
        self.count(&inner);
        if why == USED_UP {
            if inner.used_up.len() >= limits::FAULTS_ENDED_KEPT {
                inner.used_up.pop_front();
            }
            inner.used_up.push_back(ended);
        }
        let mut told = fault.describe();
        told["ended"] = json!({"why": why, "at": time::nanos(self.clock.now_us())});
        if inner.ended.len() >= limits::FAULTS_ENDED_KEPT {
            inner.ended.pop_front();
        }
        inner.ended.push_back(told);
        drop(inner);
        let struck = fault.struck.load(Ordering::Acquire);
        tracing::info!(fault = fault.kind.name, id = fault.id, struck, why, "a fault has ended");
        fault.ended.cancel();
        if why != USED_UP {
            fault.lifted.cancel();
        }
        true
    }

    /// Takes out those that have struck as often as they may, and may still keep something back.
    fn take_used_up(&self, account_key: &str, id: Option<&str>) -> Vec<Arc<Fault>> {
        let mut inner = lock(&self.inner);
        let concerned =
            |fault: &Arc<Fault>| fault.account_key == account_key && id.is_none_or(|id| fault.id == id);
        let (taken, left): (VecDeque<_>, VecDeque<_>) = inner.used_up.drain(..).partition(concerned);
        inner.used_up = left;
        taken.into()
    }

    /// A strike of this fault, if it has one left and is in force.
    fn strike(&self, fault: &Fault) -> bool {
        if fault.ended.is_cancelled() {
            return false;
        }
        let next =
            |struck: u32| fault.times.is_none_or(|times| struck < times).then_some(struck.saturating_add(1));
        let Ok(before) = fault.struck.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) else {
            return false;
        };
        // Silence goes on until somebody or its time ends it, however few connections it is for.
        if fault.times == Some(before + 1) && !matches!(fault.kind.delivery, Some(OnDelivery::HalfOpen)) {
            self.end(fault, USED_UP);
        }
        true
    }
}

impl Fault {
    /// A number among its parameters; the catalogue gives each a default.
    pub fn number(&self, name: &str) -> u64 {
        self.parameters.get(name).and_then(Value::as_u64).unwrap_or_default()
    }

    pub fn text(&self, name: &str) -> &str {
        self.parameters.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn duration(&self, name: &str) -> std::time::Duration {
        std::time::Duration::from_millis(self.number(name))
    }

    /// When `key` was seen first, which is now if it is new.
    fn first_seen(&self, key: &str, now: Instant) -> Instant {
        let mut memory = lock(&self.memory);
        if memory.first.len() >= limits::FAULT_MEMORY_MAX && !memory.first.contains_key(key) {
            memory.first.clear();
        }
        *memory.first.entry(key.to_owned()).or_insert(now)
    }

    fn remember(&self, key: &str, number: i64) {
        let mut memory = lock(&self.memory);
        if memory.numbers.len() >= limits::FAULT_MEMORY_MAX {
            memory.numbers.clear();
        }
        memory.numbers.insert(key.to_owned(), number);
    }

    fn remembered(&self, key: &str) -> Option<i64> {
        lock(&self.memory).numbers.get(key).copied()
    }

    fn is_in_force(&self) -> bool {
        !self.ended.is_cancelled()
    }

    pub fn describe(&self) -> Value {
        let mut told = json!({
            "id": self.id,
            "fault": self.kind.name,
            "accountKey": self.account_key,
            "parameters": self.parameters,
            "struck": self.struck.load(Ordering::Acquire),
            "startedAt": time::nanos(self.started_us),
            "endsAt": time::nanos(self.ends_us),
        });
        match &self.scope {
            Scope::All => {}
            Scope::Client(id) => told["clientId"] = json!(id),
            Scope::Channel(id) => told["channelId"] = json!(id),
        }
        if let Some(times) = self.times {
            told["times"] = json!(times);
        }
        told
    }
}

/// Starts a fault; it ends by itself.
///
/// # Errors
/// 409 when [`limits::FAULTS_ACTIVE_MAX`] are active.
pub fn start(app: &Arc<App>, account_key: &str, wish: Wish) -> ApiResult<Arc<Fault>> {
    let now_us = app.clock.now_us();
    let on_readers =
        matches!(wish.kind.delivery, Some(OnDelivery::Drop | OnDelivery::HalfOpen | OnDelivery::ToBeClosed));
    let nobody = on_readers
        && wish.times.is_none()
        && wish.kind.delivery.is_some_and(|on| sockets::meets_nobody(app, account_key, &wish.scope, on));
    // Where nobody is there, the first that comes is meant.
    let times = if nobody { Some(1) } else { wish.times };
    let fault = Arc::new(Fault {
        id: Uuid::new_v4().to_string(),
        kind: wish.kind,
        account_key: account_key.to_owned(),
        scope: wish.scope,
        parameters: wish.parameters,
        times,
        struck: AtomicU32::new(0),
        started_us: now_us,
        ends_us: now_us + wish.for_s as i64 * 1_000_000,
        began: std::time::Instant::now(),
        newcomers: times.is_some(),
        ended: CancellationToken::new(),
        lifted: CancellationToken::new(),
        memory: Mutex::default(),
    });
    app.faults.add(&fault)?;
    tracing::info!(fault = fault.kind.name, id = fault.id, "a fault has begun");
    let (app_of_end, of_end) = (Arc::clone(app), Arc::clone(&fault));
    app.tasks.spawn(async move {
        let ends = app_of_end.clock.sleep(std::time::Duration::from_secs(wish.for_s), Busy::default());
        tokio::select! {
            _turn = ends => {
                app_of_end.faults.end(&of_end, "time");
                release(&app_of_end, &of_end);
            }
            // Who cleared it has let go what it kept back.
            () = of_end.ended.cancelled() => {}
            () = app_of_end.shutdown.cancelled() => {}
        }
    });
    touch(app, &fault);
    Ok(fault)
}

/// Ends a fault of an account, or lets go what it still keeps back; false when there is none.
pub fn clear(app: &App, account_key: &str, id: &str) -> bool {
    let active = app.faults.active(account_key);
    let found = active.iter().find(|fault| fault.id == id);
    let cleared = found.filter(|fault| app.faults.end(fault, "cleared")).cloned();
    let used_up = app.faults.take_used_up(account_key, Some(id));
    let mut any = false;
    for fault in cleared.into_iter().chain(used_up) {
        release(app, &fault);
        any = true;
    }
    any
}

/// Ends all faults of an account; nothing is kept back any more.
pub fn clear_all(app: &App, account_key: &str) {
    let mut all = app.faults.active(account_key);
    all.retain(|fault| app.faults.end(fault, "cleared"));
    all.extend(app.faults.take_used_up(account_key, None));
    for fault in all {
        release(app, &fault);
    }
}

/// What a fault keeps back goes out, and who was kept waiting by it goes on.
fn release(app: &App, fault: &Fault) {
    fault.lifted.cancel();
    if !fault.kind.concerns_deliveries() {
        return;
    }
    let now = app.clock.instant();
    for channel in sockets::channels(app, &fault.account_key, &fault.scope) {
        channel.kept.release(Some(&fault.id), now);
        channel.touch();
    }
}

/// Lets the readers of the channels concerned look again at what they have to do.
fn touch(app: &App, fault: &Fault) {
    if !fault.kind.concerns_deliveries() {
        return;
    }
    for channel in sockets::channels(app, &fault.account_key, &fault.scope) {
        channel.touch();
    }
}
