//! Numbers for Prometheus. Each platform has a recorder of its own, so two in one process never mix.
//!
//! `GET /metrics` on the platform's own port answers this machine alone, and nobody when a public URL is set: a
//! proxy on this machine looks like this machine. `Config::metrics_listen` gives the numbers a port of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use listen::{Bounds, Server};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio::net::TcpListener;

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::limits;

/// Upper bounds of the histograms' buckets, in seconds.
const SECONDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// The same for entries in one commit.
const ENTRIES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

const REQUESTS: &str = "callfeed_http_requests_total";
const REQUEST_SECONDS: &str = "callfeed_http_request_duration_seconds";
const COMMIT_SECONDS: &str = "callfeed_log_commit_duration_seconds";
const CERTIFICATE: &str = "callfeed_certificate_expiry_timestamp_seconds";
const COMMIT_ENTRIES: &str = "callfeed_log_commit_entries";

pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// Notifications written to WebSockets and streams of server-sent events.
    pub notifications_sent: Counter,
    /// Pages of the log read because a reader was behind.
    pub catch_up_reads: Counter,
    pub log: LogMeter,
    pub webhooks: WebhookMeter,
    at_scrape: AtScrape,
}

/// What the log's writer tells of each commit.
#[derive(Clone)]
pub struct LogMeter {
    appends: Counter,
    failures: Counter,
    seconds: Histogram,
    entries: Histogram,
}

/// Requests to the receivers of webhooks.
pub struct WebhookMeter {
    /// Taken with 2xx.
    pub delivered: Counter,
    /// Everything else: other statuses, no answer, an address that may not be used.
    pub failed: Counter,
}

/// Read when somebody asks, not counted along.
struct AtScrape {
    sockets: Gauge,
    channels: Gauge,
    calls: Gauge,
    log_queue: Gauge,
    logins_slowed: Counter,
    webhooks: Gauge,
    webhooks_resting: Gauge,
    webhooks_waiting: Gauge,
}

impl LogMeter {
    #[cfg(test)]
    pub fn none() -> Self {
        let (appends, failures) = (Counter::noop(), Counter::noop());
        Self { appends, failures, seconds: Histogram::noop(), entries: Histogram::noop() }
    }

    pub fn committed(&self, appends: usize, entries: usize, started: Instant) {
        self.appends.increment(appends as u64);
        self.seconds.record(started.elapsed());
        self.entries.record(entries as f64);
    }

    pub fn failed(&self) {
        self.failures.increment(1);
    }
}

impl Metrics {
    /// When the certificate that is served expires.
    pub fn certificate_expires(&self, expires_s: i64) {
        self.recorder.register_gauge(&Key::from_name(CERTIFICATE), &METADATA).set(expires_s as f64);
    }

    pub fn new() -> Self {
        let bounds = "a list with numbers is a list of bounds";
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
            .expect(bounds)
            .set_buckets_for_metric(Matcher::Full(COMMIT_ENTRIES.into()), &ENTRIES)
            .expect(bounds)
            .build_recorder();
        let made = Made(&recorder);
        made.about_requests();
        let log = LogMeter {
            appends: made.counter("callfeed_log_appends_total", "Appends that became durable."),
            failures: made.counter(
                "callfeed_log_commit_failures_total",
                "Commits that failed and were tried again or given up.",
            ),
            seconds: made.histogram(COMMIT_SECONDS, "Time of one commit of the event log."),
            entries: made.histogram(COMMIT_ENTRIES, "Entries in one commit of the event log."),
        };
        let at_scrape = AtScrape {
            sockets: made.gauge(
                "callfeed_sockets_open",
                "Channels with a reader: a WebSocket or a stream of server-sent events.",
            ),
            channels: made.gauge("callfeed_channels", "Live notification channels."),
            calls: made.gauge("callfeed_calls_under_way", "Calls under way on this node."),
            log_queue: made.gauge("callfeed_log_queue_length", "Appends waiting for the event log's writer."),
            logins_slowed: made
                .counter("callfeed_logins_slowed_total", "Logins that were made to wait after failures."),
            webhooks: made.gauge("callfeed_webhooks", "Live webhook channels."),
            webhooks_resting: made.gauge(
                "callfeed_webhooks_circuit_open",
                "Durable webhooks that leave their receiver alone for a while after failures.",
            ),
            webhooks_waiting: made.gauge(
                "callfeed_webhook_notifications_waiting",
                "Notifications of webhooks that are not delivered and not given up.",
            ),
        };
        let webhooks = WebhookMeter {
            delivered: made
                .counter("callfeed_webhook_deliveries_total", "Webhook requests that receivers took."),
            failed: made.counter("callfeed_webhook_failures_total", "Webhook requests that failed."),
        };
        let info = "Always 1; the version is the label.";
        made.describe_gauge("callfeed_info", info);
        let version = vec![Label::from_static_parts("version", env!("CARGO_PKG_VERSION"))];
        made.0.register_gauge(&Key::from_parts("callfeed_info", version), &METADATA).set(1.0);
        made.describe_gauge(
            CERTIFICATE,
            "When the certificate that is served expires, in seconds since 1970.",
        );
        Self {
            notifications_sent: made.counter(
                "callfeed_notifications_sent_total",
                "Notifications written to sockets and streams.",
            ),
            catch_up_reads: made.counter(
                "callfeed_catch_up_reads_total",
                "Pages of the event log read for readers that were behind.",
            ),
            log,
            webhooks,
            at_scrape,
            handle: recorder.handle(),
            recorder,
        }
    }

    /// To be called every few seconds: what histograms have heard is put into their buckets.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    fn answered(&self, method: &'static str, route: &SharedString, status: u16, started: Instant) {
        let labels = vec![Label::new("method", method), Label::new("route", route.clone())];
        let seconds = Key::from_parts(REQUEST_SECONDS, labels.clone());
        self.recorder.register_histogram(&seconds, &METADATA).record(started.elapsed());
        let mut labels = labels;
        labels.push(Label::new("status", status.to_string()));
        self.recorder.register_counter(&Key::from_parts(REQUESTS, labels), &METADATA).increment(1);
    }

    async fn render(&self, app: &App) -> String {
        let standing = app.webhooks.standing();
        self.at_scrape.webhooks.set(standing.webhooks as f64);
        self.at_scrape.webhooks_resting.set(standing.resting as f64);
        match app.store.pending_deliveries().await {
            Ok(pending) => self.at_scrape.webhooks_waiting.set(pending as f64 + standing.waiting as f64),
            Err(error) => {
                tracing::warn!("the waiting notifications of webhooks could not be counted: {error}")
            }
        }
        let (channels, read) = app.hub.counts();
        self.at_scrape.channels.set(channels as f64);
        self.at_scrape.sockets.set(read as f64);
        self.at_scrape.calls.set(app.player.under_way() as f64);
        self.at_scrape.log_queue.set(app.log.waiting() as f64);
        self.at_scrape.logins_slowed.absolute(app.throttle.slowed());
        self.handle.render()
    }
}

const METADATA: Metadata<'static> = Metadata::new("callfeed", Level::INFO, None);

/// Makes series with their description.
struct Made<'a>(&'a PrometheusRecorder);

impl Made<'_> {
    fn about_requests(&self) {
        let text = "Requests by method, route template and status.";
        self.0.describe_counter(KeyName::from(REQUESTS), None, text.into());
        let text = "Time until a request's answer begins.";
        self.0.describe_histogram(KeyName::from(REQUEST_SECONDS), None, text.into());
    }

    fn describe_gauge(&self, name: &'static str, text: &'static str) {
        self.0.describe_gauge(KeyName::from(name), None, text.into());
    }

    fn counter(&self, name: &'static str, text: &'static str) -> Counter {
        self.0.describe_counter(KeyName::from(name), None, text.into());
        self.0.register_counter(&Key::from_name(name), &METADATA)
    }

    fn gauge(&self, name: &'static str, text: &'static str) -> Gauge {
        self.describe_gauge(name, text);
        self.0.register_gauge(&Key::from_name(name), &METADATA)
    }

    fn histogram(&self, name: &'static str, text: &'static str) -> Histogram {
        self.0.describe_histogram(KeyName::from(name), None, text.into());
        self.0.register_histogram(&Key::from_name(name), &METADATA)
    }
}

/// Counts and times every request.
pub async fn measure(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = known_method(request.method());
    let route =
        request.extensions().get::<MatchedPath>().map(|path| SharedString::from(path.as_str().to_owned()));
    let response = next.run(request).await;
    let route = route.unwrap_or(SharedString::const_str("unmatched"));
    app.metrics.answered(method, &route, response.status().as_u16(), started);
    response
}

/// Anybody can make up methods; nobody can make up series.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        _ => "other",
    }
}

/// `GET /metrics` on the platform's own port; 404 to whom it is not for.
pub async fn scrape(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let shown = app.config.metrics_listen.is_none() && app.config.public_url.is_none();
    if shown && app.client_address(peer, &headers).is_loopback() {
        Ok(page(&app).await)
    } else {
        Err(ApiError::not_found())
    }
}

async fn page(app: &App) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics.render(app).await).into_response()
}

/// Answers `GET /metrics` on a port of its own, to everybody who reaches it, until the platform stops.
pub async fn serve(app: Arc<App>, listener: TcpListener) {
    let stop = app.shutdown.clone();
    let router = Router::new()
        .route("/metrics", get(|State(app): State<Arc<App>>| async move { page(&app).await }))
        .fallback(|| async { ApiError::not_found() })
        .with_state(app);
    let bounds = Bounds {
        connections_max: limits::METRICS_CONNECTIONS_MAX,
        head_timeout: limits::REQUEST_HEAD_TIMEOUT,
        refusal: super::too_many_connections(),
    };
    Server::new(router, None, bounds, stop).run(listener).await;
}
