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
pub mod http;
mod modes;
mod shapes;
mod states;
mod webhook;

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
pub use delivery::Order;
pub use webhook::OnWebhook;

/// The faults of this node; in memory alone, so a restart ends them all.
pub struct Faults {
    /// They last and delay by the platform's time.
    clock: Clock,
    /// Active ones that concern requests, deliveries, and webhooks.
    requests: AtomicUsize,
    deliveries: AtomicUsize,
    webhooks: AtomicUsize,
    /// Webhooks' notifications that wait.
    waiting: Arc<Semaphore>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    active: Vec<Arc<Fault>>,
    ended: VecDeque<Value>,
    /// Notifications and closes that wait, for each channel.
    held: HashMap<String, Vec<delivery::Held>>,
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
    ended: CancellationToken,
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that holds these locks can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Faults {
    pub fn new(clock: Clock) -> Self {
        let count = || AtomicUsize::new(0);
        let waiting = Arc::new(Semaphore::new(limits::FAULT_MEMORY_MAX));
        let (requests, deliveries, webhooks) = (count(), count(), count());
        Self { clock, requests, deliveries, webhooks, waiting, inner: Mutex::default() }
    }

    /// Whether any fault concerns requests.
    pub fn at_requests(&self) -> bool {
        self.requests.load(Ordering::Acquire) > 0
    }

    /// Whether any fault concerns deliveries.
    pub fn at_delivery(&self) -> bool {
        self.deliveries.load(Ordering::Acquire) > 0
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
        self.count(&inner);
        Ok(())
    }

    fn count(&self, inner: &Inner) {
        let requests = inner.active.iter().filter(|fault| fault.kind.concerns_requests()).count();
        let deliveries = inner.active.iter().filter(|fault| fault.kind.concerns_deliveries()).count();
        self.requests.store(requests, Ordering::Release);
        let webhooks = inner.active.iter().filter(|fault| fault.kind.webhook.is_some()).count();
        self.webhooks.store(webhooks, Ordering::Release);
        let held: usize = inner.held.values().map(Vec::len).sum();
        self.deliveries.store(deliveries + held, Ordering::Release);
    }

    /// Ends a fault, once; `why` is `times`, `time` or `cleared`.
    fn end(&self, fault: &Fault, why: &'static str) -> bool {
        let mut inner = lock(&self.inner);
        let before = inner.active.len();
        inner.active.retain(|one| one.id != fault.id);
        if inner.active.len() == before {
            return false;
        }
        self.count(&inner);
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
        true
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
        if fault.times == Some(before + 1) {
            self.end(fault, "times");
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
    let fault = Arc::new(Fault {
        id: Uuid::new_v4().to_string(),
        kind: wish.kind,
        account_key: account_key.to_owned(),
        scope: wish.scope,
        parameters: wish.parameters,
        times: wish.times,
        struck: AtomicU32::new(0),
        started_us: now_us,
        ends_us: now_us + wish.for_s as i64 * 1_000_000,
        ended: CancellationToken::new(),
        memory: Mutex::default(),
    });
    app.faults.add(&fault)?;
    tracing::info!(fault = fault.kind.name, id = fault.id, "a fault has begun");
    let (app_of_end, of_end) = (Arc::clone(app), Arc::clone(&fault));
    app.tasks.spawn(async move {
        let ends = app_of_end.clock.sleep(std::time::Duration::from_secs(wish.for_s), Busy::default());
        tokio::select! {
            _turn = ends => { app_of_end.faults.end(&of_end, "time"); }
            () = of_end.ended.cancelled() => {}
            () = app_of_end.shutdown.cancelled() => return,
        }
        // Who was kept waiting by it goes on.
        touch(&app_of_end, &of_end);
    });
    touch(app, &fault);
    Ok(fault)
}

/// Ends a fault of an account; false when there is none.
pub fn clear(app: &App, account_key: &str, id: &str) -> bool {
    let active = app.faults.active(account_key);
    active.iter().find(|fault| fault.id == id).is_some_and(|fault| app.faults.end(fault, "cleared"))
}

/// Lets the readers of the channels concerned look again at what they have to do.
fn touch(app: &App, fault: &Fault) {
    if !fault.kind.concerns_deliveries() {
        return;
    }
    match &fault.scope {
        Scope::Channel(id) => {
            if let Some(channel) = app.hub.get(id) {
                channel.touch();
            }
        }
        _ => app.hub.touch_account(&fault.account_key),
    }
}
