//! How the collector is, for monitoring: `/healthz` and `/metrics` (Prometheus text) of `--health`, and the signs of
//! life for a service manager.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use anyhow::Context as _;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use jiff::Timestamp;
use sdk::Client;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::limits;
use crate::service::Manager;
use crate::store::causes::{self, Cause};
use crate::store::{Store, changes, ledger, reports as table};

/// What only the running program knows.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    connected: AtomicBool,
    last_notification_us: AtomicI64,
}

impl Pulse {
    pub fn connected(&self, is: bool) {
        self.connected.store(is, Ordering::Relaxed);
    }

    pub fn notified(&self) {
        self.last_notification_us.store(Timestamp::now().as_microsecond(), Ordering::Relaxed);
    }

    fn last_notification(&self) -> Option<Timestamp> {
        let at = self.last_notification_us.load(Ordering::Relaxed);
        Timestamp::from_microsecond(at).ok().filter(|_| at != 0)
    }
}

/// The body of `/healthz`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    /// Notifications flow.
    connected: bool,
    last_notification: Option<Timestamp>,
    /// Every call that ended before is known of.
    known_through: Option<Timestamp>,
    /// Since when the store cannot be written, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_failing_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store_failure: Option<String>,
    gaps_open: u64,
    /// Reports that are known of and not fetched yet.
    missing: u64,
    /// Why reports cannot be had, with what mends it.
    held_back: Vec<HeldBack>,
    /// Reports that were given up.
    lost: u64,
    /// Somebody must sign in: `callfeed login`, or the address in the log.
    sign_in_needed: bool,
    sign_in_ends: Option<Timestamp>,
    accounts: Vec<AccountHealth>,
    /// Those in use: for another one nothing waits.
    outputs: Vec<changes::Standing>,
}

impl Health {
    fn is_well(&self) -> bool {
        self.connected && !self.sign_in_needed && self.store_failure.is_none()
    }
}

/// Reports of an account that cannot be had for one cause; 0 where the list of calls is refused, so that nobody knows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HeldBack {
    account_key: String,
    reports: u64,
    since: Timestamp,
    reason: String,
}

impl From<Cause> for HeldBack {
    fn from(cause: Cause) -> Self {
        let Cause { account_key, reports, from: since, reason, .. } = cause;
        Self { account_key, reports, since, reason }
    }
}

/// One account; above is what holds for all of them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountHealth {
    account_key: String,
    connected: bool,
    last_notification: Option<Timestamp>,
    known_through: Option<Timestamp>,
    missing: u64,
    sign_in_needed: bool,
    sign_in_ends: Option<Timestamp>,
}

impl AccountHealth {
    /// None are left of a sign-in that has ended; `None` when the end is not known.
    fn sign_in_days_left(&self, now: Timestamp) -> Option<f64> {
        match self.sign_in_needed {
            true => Some(0.0),
            false => self.sign_in_ends.map(|at| at.duration_since(now).as_secs_f64() / 86_400.0),
        }
    }
}

/// An account that is collected.
#[derive(Clone)]
pub(super) struct Watched {
    pub account_key: String,
    pub pulse: Arc<Pulse>,
    pub client: Client,
}

#[derive(Clone)]
pub(super) struct Monitor {
    pub accounts: Vec<Watched>,
    pub store: Store,
}

impl Monitor {
    /// Serves until `shutdown`.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn serve(self, address: &str, shutdown: CancellationToken) -> anyhow::Result<()> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}: choose another HOST:PORT with --health"))?;
        let local = listener.local_addr().context("the listener has no address")?;
        tracing::info!("health at http://{local}/healthz, metrics at http://{local}/metrics");
        let router =
            Router::new().route("/healthz", get(healthz)).route("/metrics", get(metrics)).with_state(self);
        tokio::spawn(async move {
            tokio::select! {
                _ = axum::serve(listener, router) => {}
                () = shutdown.cancelled() => {}
            }
        });
        Ok(())
    }

    async fn health(&self) -> sqlx::Result<Health> {
        let pool = &self.store.pool;
        let mut accounts = Vec::new();
        for watched in &self.accounts {
            let key = watched.account_key.as_str();
            accounts.push(AccountHealth {
                connected: watched.pulse.connected.load(Ordering::Relaxed),
                last_notification: watched.pulse.last_notification(),
                known_through: ledger::known(pool, key).await?.map(|known| known.watermark.through()),
                missing: table::missing(pool, Some(key)).await?,
                sign_in_needed: !watched.client.is_signed_in(),
                sign_in_ends: watched.client.sign_in_ends(),
                account_key: key.to_owned(),
            });
        }
        let mut outputs = changes::standings(pool).await?;
        outputs.retain(|output| output.used);
        let standing = causes::causes(pool, None, false, 0, limits::LIST_PAGE).await?;
        let look = |(account_key, reason, since)| HeldBack { account_key, reports: 0, since, reason };
        let looks = ledger::refused_looks(pool).await?.into_iter().map(look);
        let refusal = self.store.refusal();
        Ok(Health {
            store_failing_since: refusal.as_ref().map(|refusal| refusal.since),
            store_failure: refusal.map(|refusal| refusal.why),
            connected: accounts.iter().all(|account| account.connected),
            last_notification: accounts.iter().filter_map(|account| account.last_notification).max(),
            known_through: accounts.iter().map(|account| account.known_through).min().flatten(),
            gaps_open: ledger::open_gaps(pool).await?,
            missing: table::missing(pool, None).await?,
            held_back: looks.chain(standing.into_iter().map(HeldBack::from)).collect(),
            lost: causes::lost(pool).await?,
            sign_in_needed: accounts.iter().any(|account| account.sign_in_needed),
            sign_in_ends: accounts.iter().filter_map(|account| account.sign_in_ends).min(),
            accounts,
            outputs,
        })
    }
}

/// Tells the service manager that we are ready once somebody is signed in, and that we live for as long as our tasks go
/// round, until `shutdown`. A store or a service that is away is waited for: a new start would mend neither.
pub(super) async fn signs_of_life(
    manager: Manager,
    mut ready: watch::Receiver<bool>,
    shutdown: CancellationToken,
) {
    tokio::select! {
        () = shutdown.cancelled() => return,
        _ = ready.wait_for(|ready| *ready) => manager.ready(),
    }
    if let Some(every) = manager.sign_of_life_every() {
        let mut ticks = tokio::time::interval(every);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = ticks.tick() => manager.alive(),
            }
        }
    }
    shutdown.cancelled().await;
    manager.stopping();
}

/// 503 while of some account nobody is signed in or no notification can arrive, or the store fails or cannot be written.
async fn healthz(State(monitor): State<Monitor>) -> Response {
    match monitor.health().await {
        Ok(health) if health.is_well() => Json(health).into_response(),
        Ok(health) => (StatusCode::SERVICE_UNAVAILABLE, Json(health)).into_response(),
        Err(error) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("the store failed: {error}\n")).into_response()
        }
    }
}

async fn metrics(State(monitor): State<Monitor>) -> Response {
    match monitor.health().await {
        Ok(health) => {
            let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
            (kind, text(&health, Timestamp::now())).into_response()
        }
        Err(error) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("the store failed: {error}\n")).into_response()
        }
    }
}

/// Prometheus text format 0.0.4.
fn text(health: &Health, now: Timestamp) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            let name = format!("callfeed_collector_{name}");
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
        }
    };
    let seconds = |at: Timestamp| at.as_microsecond() as f64 / 1e6;
    gauge("connected", "1 while notifications flow.", Some(f64::from(u8::from(health.connected))));
    let writable = f64::from(u8::from(health.store_failure.is_none()));
    gauge("store_writable", "1 while the store can be written.", Some(writable));
    let last = health.last_notification.map(seconds);
    gauge("last_notification_timestamp_seconds", "When a notification came last.", last);
    let lag = health.known_through.map(|at| seconds(now) - seconds(at));
    gauge("lag_seconds", "Calls that ended longer ago than this are all known of.", lag);
    gauge("gaps_open", "Gaps of the ledger that are open.", Some(health.gaps_open as f64));
    gauge("reports_missing", "Reports that are known of and not fetched yet.", Some(health.missing as f64));
    gauge("reports_lost", "Reports that were given up.", Some(health.lost as f64));
    let days =
        health.accounts.iter().filter_map(|account| account.sign_in_days_left(now)).min_by(f64::total_cmp);
    gauge("sign_in_days_left", "Days until somebody must sign in, unless it is prolonged.", days);
    // One account is what stands above.
    let accounts = if health.accounts.len() > 1 { &health.accounts[..] } else { &[] };
    for (name, help, of) in ACCOUNT_GAUGES {
        let name = format!("callfeed_collector_account_{name}");
        if !accounts.is_empty() {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        }
        for account in accounts {
            if let Some(value) = of(account, now) {
                let _ = writeln!(text, "{name}{{account=\"{}\"}} {value}", account.account_key);
            }
        }
    }
    for (name, help, of) in OUTPUT_GAUGES {
        let name = format!("callfeed_collector_output_{name}");
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for output in &health.outputs {
            let _ = writeln!(text, "{name}{{output=\"{}\"}} {}", output.name, of(output));
        }
    }
    text
}

type AccountGauge = (&'static str, &'static str, fn(&AccountHealth, Timestamp) -> Option<f64>);

const ACCOUNT_GAUGES: [AccountGauge; 4] = [
    ("connected", "1 while notifications of the account flow.", |account, _| {
        Some(f64::from(u8::from(account.connected)))
    }),
    ("lag_seconds", "Calls of the account that ended longer ago are all known of.", |account, now| {
        account.known_through.map(|at| now.duration_since(at).as_secs_f64())
    }),
    ("reports_missing", "Reports of the account that are known of and not fetched yet.", |account, _| {
        Some(account.missing as f64)
    }),
    ("sign_in_days_left", "Days until somebody must sign in, unless it is prolonged.", |account, now| {
        account.sign_in_days_left(now)
    }),
];

type OutputGauge = (&'static str, &'static str, fn(&changes::Standing) -> i64);

const OUTPUT_GAUGES: [OutputGauge; 3] = [
    ("waiting", "Texts that the output has not taken yet.", |output| output.waiting),
    ("dead", "Texts that the output refused and that are put aside.", |output| output.dead),
    ("failing", "1 while the output takes nothing.", |output| i64::from(output.failing_since.is_some())),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_output_that_is_not_used_any_more_is_not_watched() {
        let folder = tempfile::tempdir().unwrap();
        let monitor = Monitor { accounts: vec![], store: crate::store::testing::open(folder.path()).await };
        let pool = &monitor.store.pool;
        for name in ["files", "webhook"] {
            changes::place(pool, name, false).await.unwrap();
        }
        let told = async || {
            let health = monitor.health().await.unwrap();
            (text(&health, Timestamp::now()), serde_json::to_string(&health).unwrap())
        };
        let (metrics, health) = told().await;
        assert!(metrics.contains("output_waiting{output=\"files\"} 0"), "no start has said which: {metrics}");
        assert!(health.contains("\"name\":\"files\""), "{health}");
        changes::use_outputs(pool, &["webhook".to_owned()]).await.unwrap();
        let (metrics, health) = told().await;
        assert!(metrics.contains("output_waiting{output=\"webhook\"} 0"), "{metrics}");
        assert!(!metrics.contains("files") && !health.contains("files"), "{metrics} {health}");
    }

    #[tokio::test]
    async fn why_reports_cannot_be_had_is_told_with_what_mends_it() {
        let folder = tempfile::tempdir().unwrap();
        let monitor = Monitor { accounts: vec![], store: crate::store::testing::open(folder.path()).await };
        let pool = &monitor.store.pool;
        for id in ["a", "b"] {
            table::announce(pool, "17", id, Timestamp::UNIX_EPOCH).await.unwrap();
            let why = "status 403; sign in as a super admin";
            causes::cannot_be_had(pool, "17", id, why, Timestamp::UNIX_EPOCH).await.unwrap();
        }
        let health = serde_json::to_value(monitor.health().await.unwrap()).unwrap();
        let told = serde_json::json!({"accountKey": "17", "reports": 2, "since": "1970-01-01T00:00:00Z",
            "reason": "status 403; sign in as a super admin"});
        assert_eq!((&health["heldBack"][0], &health["gapsOpen"]), (&told, &2.into()), "{health}");

        let (kind, at) = (ledger::GapKind::Look, Timestamp::UNIX_EPOCH);
        ledger::open_gap(pool, "17", kind, "", "the list is refused", at).await.unwrap();
        let health = serde_json::to_value(monitor.health().await.unwrap()).unwrap();
        let look = serde_json::json!({"accountKey": "17", "reports": 0, "since": "1970-01-01T00:00:00Z",
            "reason": "the list is refused"});
        assert_eq!(health["heldBack"], serde_json::json!([look, told]), "{health}");
        ledger::looked(pool, "17", sdk::pull::Watermark::new(at), Some((9, at)), 0).await.unwrap();
        let health = serde_json::to_value(monitor.health().await.unwrap()).unwrap();
        assert_eq!(health["heldBack"], serde_json::json!([told]), "{health}");
    }

    #[test]
    fn the_metrics_are_what_prometheus_reads() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let account = |key: &str, connected| AccountHealth {
            account_key: key.to_owned(),
            connected,
            last_notification: None,
            known_through: Some(at("2026-02-03T17:00:10Z")),
            missing: 0,
            sign_in_needed: !connected,
            sign_in_ends: connected.then(|| at("2026-02-13T17:00:30Z")),
        };
        let output = changes::Standing {
            name: "webhook".to_owned(),
            used: true,
            delivered: 9,
            waiting: 2,
            dead: 1,
            failing_since: Some(at("2026-02-03T17:00:00Z")),
            failure: "status 503".to_owned(),
        };
        let health = Health {
            connected: true,
            last_notification: None,
            known_through: Some(at("2026-02-03T17:00:00Z")),
            store_failing_since: Some(at("2026-02-03T17:00:00Z")),
            store_failure: Some("database or disk is full".to_owned()),
            gaps_open: 0,
            missing: 3,
            held_back: vec![],
            lost: 2,
            sign_in_needed: true,
            sign_in_ends: Some(at("2026-02-13T17:00:30Z")),
            accounts: vec![account("17", true), account("18", false)],
            outputs: vec![output],
        };
        let text = text(&health, at("2026-02-03T17:00:30Z"));
        for line in [
            "callfeed_collector_connected 1",
            "callfeed_collector_store_writable 0",
            "callfeed_collector_lag_seconds 30",
            "callfeed_collector_reports_missing 3",
            "callfeed_collector_reports_lost 2",
            // A sign-in that has ended does not vanish behind one that lives.
            "callfeed_collector_sign_in_days_left 0",
            "callfeed_collector_account_sign_in_days_left{account=\"17\"} 10",
            "callfeed_collector_account_sign_in_days_left{account=\"18\"} 0",
            "callfeed_collector_account_connected{account=\"18\"} 0",
            "callfeed_collector_account_lag_seconds{account=\"17\"} 20",
            "callfeed_collector_output_waiting{output=\"webhook\"} 2",
            "callfeed_collector_output_failing{output=\"webhook\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(!text.contains("last_notification"), "what is not known is left out");
    }
}
