//! The platform: a server of the GoTo Connect APIs, with the phones that make the calls.
//!
//! A call state is in the event log before anyone hears of it, and a report is stored before its notification is
//! sent. Everything after the log reads it with a cursor, so a crash means work repeated with the same
//! notification ids, never work lost.

mod app;
mod auth;
mod calls;
mod channels;
mod check;
mod clock;
mod config;
mod console;
mod directory;
mod docs;
mod error;
mod extract;
mod faults;
mod history;
pub mod limits;
mod list_lag;
mod measure;
mod oauth;
mod openapi;
mod ops;
mod rate_limit;
mod recordings;
mod reports;
mod router;
mod secrets;
mod sources;
mod store;
mod subscriptions;
mod summaries;
pub mod testing;
mod time;
mod tone;
mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;

use listen::{Bounds, Served, Server};
pub use listen::{TlsError, TlsFiles};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use app::App;
use channels::hub::Hub;
pub use check::{Finding, Level, check};
use clock::Clock;
pub use clock::ClockKind;
pub use config::Config;
use directory::Directory;
pub use directory::office::{OfficeError, PasswordError, set_password};
pub use measure::{LogMeasured, measure_log};
pub use ops::client_address::TrustedProxy;
pub use sources::simulator::CallRequest;
pub use store::{BackupError, backup};
use store::{LogWriter, OneServer, Store, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("--example is for this machine alone: listen on 127.0.0.1, not on {0}")]
    ExampleNotLoopback(SocketAddr),
    #[error("--public-url must be http:// or https:// with a host and nothing behind it, not {0}")]
    PublicUrl(Url),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no webhook can be delivered, the system's certificates cannot be used: {0}")]
    Outbound(String),
    #[error("--keep-days must be {min} or more, not {0}", min = limits::KEEP_DAYS_MIN)]
    KeepDays(u32),
    #[error(transparent)]
    Office(#[from] OfficeError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot listen on {address} for metrics: {source}")]
    MetricsListen { address: SocketAddr, source: std::io::Error },
    #[error("cannot listen: {0}")]
    Listen(#[from] std::io::Error),
}

/// Serves until `shutdown` is cancelled; then lets open requests end, tells sockets to come back, and writes what
/// waits. `ready` hears the public URL once requests are answered.
///
/// # Errors
/// When the configuration does not fit, or the database cannot be used.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
    ready: impl FnOnce(&Url),
) -> Result<(), Error> {
    run_with(config, listener, shutdown, |app| ready(&app.public_url)).await
}

/// The same for who needs more than the address.
async fn run_with(
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
    ready: impl FnOnce(&Arc<App>),
) -> Result<(), Error> {
    let tls = config.tls.as_ref().map(listen::tls::load).transpose()?.map(Served::new);
    let expires_s = config.tls.as_ref().map(listen::tls::expiry_s).transpose()?;
    let starting = start(config, listener.local_addr()?, shutdown.clone());
    let (app, writer) = tokio::select! {
        started = starting => started?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let (store, tasks) = (app.store.clone(), app.tasks.clone());
    let bounds = Bounds {
        connections_max: app.config.connections_max.unwrap_or_else(listen::connections_max),
        head_timeout: app.config.head_timeout,
        refusal: ops::too_many_connections(),
    };
    // Before the first request is answered: who sees the platform ready finds its metrics too.
    if let Some(address) = app.config.metrics_listen {
        let bound = TcpListener::bind(address).await;
        let listener = bound.map_err(|source| Error::MetricsListen { address, source })?;
        tasks.spawn(ops::metrics::serve(Arc::clone(&app), listener));
    }
    let server = Server::new(router::router(Arc::clone(&app)), tls.clone(), bounds, shutdown.clone());
    let connections = server.connections();
    let server = tokio::spawn(server.run(listener));
    tasks.spawn(sweep(Arc::clone(&app)));
    tasks.spawn(console::watch(Arc::clone(&app)));
    if app.clock.is_virtual() {
        tasks.spawn(sweep_in_virtual_time(Arc::clone(&app)));
    }
    if let (Some(files), Some(served), Some(expires_s)) = (app.config.tls.clone(), tls, expires_s) {
        app.metrics.certificate_expires(expires_s);
        let (renewed, look_every) = (Arc::clone(&app), app.config.certificate_look_every);
        let renewed = move |expires_s| renewed.metrics.certificate_expires(expires_s);
        tasks.spawn(listen::tls::follow(files, served, expires_s, look_every, shutdown.clone(), renewed));
    }
    webhooks::start_all(&app);
    ready(&app);
    shutdown.cancelled().await;
    app.hub.stop();
    tasks.close();
    let ended = async {
        tasks.wait().await;
        let _ = server.await;
    };
    let in_time = tokio::time::timeout(limits::SHUTDOWN_GRACE, ended).await.is_ok();
    let cut_off = if in_time { 0 } else { connections.len() };
    if let Err(error) = store.put_cursors(&app.hub.take_dirty_cursors()).await {
        // Readers hear a little twice when they come back, and nothing is lost.
        tracing::warn!("how far readers have come is not stored: {error}");
    }
    let (last_try, is_failing) = (app.log.last_try(), app.log.is_failing());
    drop(app);
    end_log(writer, last_try, is_failing).await;
    store.close().await;
    tracing::info!(cut_off, "stopped; {cut_off} requests did not end in time and were cut off");
    Ok(())
}

/// Appends that wait are written; the writer ends when its last handle is gone. Where the log cannot be written it ends
/// all the same: a writer that waits for its next try must not outlive the runtime.
async fn end_log(mut writer: JoinHandle<()>, last_try: CancellationToken, is_failing: bool) {
    if is_failing {
        tracing::error!(
            "the event log cannot be written: what waits for it is lost. Calls that this cuts off are ended at the next \
             start"
        );
        last_try.cancel();
    }
    if tokio::time::timeout(limits::SHUTDOWN_GRACE, &mut writer).await.is_err() {
        last_try.cancel();
        let _ = tokio::time::timeout(limits::SHUTDOWN_GRACE, writer).await;
    }
}

/// Everything up to the first request: schema, example office, calls that a crash cut off.
async fn start(
    config: Config,
    address: SocketAddr,
    shutdown: CancellationToken,
) -> Result<(Arc<App>, JoinHandle<()>), Error> {
    if config.example && !address.ip().is_loopback() {
        return Err(Error::ExampleNotLoopback(address));
    }
    if config.keep_days < limits::KEEP_DAYS_MIN {
        return Err(Error::KeepDays(config.keep_days));
    }
    let public_url = public_url(&config, address)?;
    private_folder(&config.data_dir)?;
    let one_server = OneServer::take(&config.data_dir, config.database.as_deref()).await?;
    let store = open_store(&config).await?;
    let clock = store.clock.clone();
    if config.example {
        let origin = public_url.as_str().trim_end_matches('/');
        directory::example::seed(&store, &config.data_dir, origin).await?;
    }
    if let Some(file) = &config.office {
        follow_office(&store, file).await?;
    }
    let directory = Directory::load(&store).await?;
    if directory.is_empty() {
        tracing::warn!(
            "the database holds no account, so nobody can sign in: --office FILE makes one, --example an example"
        );
    }
    store.grant_grace(clock.now_us() + limits::CHANNEL_GRACE_S * 1_000_000).await?;
    let hub = Arc::new(Hub::load(&store).await?);
    let publish = Arc::clone(&hub);
    let journal = Arc::new(console::Journal::new(clock.clone()));
    let of_journal = Arc::clone(&journal);
    let metrics = ops::metrics::Metrics::new();
    let (log, writer) = LogWriter::start_measured(store.clone(), metrics.log.clone(), move |entries| {
        publish.publish(&entries);
        of_journal.published(&entries);
    });
    let truncated = sources::recovery::end_cut_off_calls(&store, &directory, &log).await?;
    if truncated > 0 {
        tracing::warn!(calls = truncated, "calls that were cut off by the last stop have been ended");
    }
    let allow_private = config.allow_private_webhooks || config.example_alone();
    let webhooks = webhooks::Webhooks::load(&store, allow_private).await?;
    let app = App {
        public_url,
        hub,
        log,
        directory,
        limiter: rate_limit::RateLimit::new(config.rate_limit),
        throttle: oauth::throttle::Throttle::default(),
        passwords: oauth::password::Passwords::default(),
        logins: oauth::login::Waiting::default(),
        player: sources::player::Player::new(store.entries_ever().await?.unsigned_abs()),
        metrics,
        webhooks,
        faults: faults::Faults::new(clock.clone()),
        list_lag: list_lag::ListLag::new(config.list_lag, clock.clone()),
        journal,
        shutdown,
        tasks: TaskTracker::new(),
        _one_server: one_server,
        store,
        clock,
        config,
    };
    Ok((Arc::new(app), writer))
}

/// The database, with the time that the platform goes by.
async fn open_store(config: &Config) -> Result<Store, Error> {
    let ClockKind::Virtual { start } = config.clock else {
        let store = Store::open(&config.data_dir, config.database.as_deref()).await?;
        if store.virtual_clock().await?.is_some() {
            tracing::warn!(
                "this database was used with a virtual clock: what it holds may lie in the future. Give --clock virtual, \
                 or a fresh data folder"
            );
        }
        return Ok(store);
    };
    let mut store = Store::open_with(&config.data_dir, config.database.as_deref(), true).await?;
    let stood = store.virtual_clock().await?;
    let now_us = stood.unwrap_or(i64::MIN).max(start.as_microsecond());
    store.clock = Clock::standing(now_us);
    store.put_virtual_clock(now_us).await?;
    tracing::info!(now = %store.clock.now(), "the clock is virtual: it stands still until it is advanced");
    Ok(store)
}

/// Brings the account in line with its file, and tells what that changed, without names.
async fn follow_office(store: &Store, file: &std::path::Path) -> Result<(), OfficeError> {
    let done = directory::office::apply(store, file).await?;
    let (added, changed, removed, returned) = (done.added, done.changed, done.removed, done.returned);
    if added + changed + removed + returned > 0 {
        tracing::info!(added, changed, removed, returned, "people are as the office file says");
    }
    if done.lines_left > 0 {
        let subscriptions = done.lines_left;
        tracing::info!(subscriptions, "subscriptions by lines that are another's now have ended");
    }
    if done.without_password > 0 {
        let people = done.without_password;
        tracing::warn!(
            people,
            "some people have no password yet: callfeed password EMAIL --data DIR sets one"
        );
    }
    Ok(())
}

fn public_url(config: &Config, address: SocketAddr) -> Result<Url, Error> {
    let Some(url) = &config.public_url else {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let text = format!("{scheme}://{address}");
        return Ok(Url::parse(&text).expect("a socket address is a valid authority"));
    };
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    if plain { Ok(url.clone()) } else { Err(Error::PublicUrl(url.clone())) }
}

/// The folder holds tokens' hashes and calls: its owner's alone.
fn private_folder(folder: &std::path::Path) -> Result<(), Error> {
    let failed = |source| StoreError::Folder { path: folder.display().to_string(), source };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(failed)?;
    Ok(())
}

/// On a virtual clock: removes what has expired as its time goes by.
async fn sweep_in_virtual_time(app: Arc<App>) {
    let mut looks: u64 = 0;
    let mut turn = clock::Busy::default();
    loop {
        turn = tokio::select! {
            () = app.shutdown.cancelled() => return,
            next = app.clock.sleep(limits::CLOCK_LOOK_EVERY, turn) => next,
        };
        let now_us = app.clock.now_us();
        for channel in app.hub.expired(now_us) {
            channels::delete_expired(&app, &channel).await;
        }
        looks += 1;
        if !looks.is_multiple_of(limits::CLOCK_LOOKS_PER_SWEEP) {
            continue;
        }
        let swept = async {
            ops::retention::sweep(&app, now_us).await?;
            app.store.sweep_oauth(now_us, now_us - expired_token_kept_us(&app)).await
        };
        if let Err(error) = swept.await {
            tracing::warn!("sweeping failed, trying again soon: {error}");
        }
    }
}

/// Removes what has expired and writes confirmed cursors, until the platform stops.
async fn sweep(app: Arc<App>) {
    let mut ticks = tokio::time::interval(limits::SWEEP_EVERY);
    let mut sweeps: u64 = 0;
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now_us = app.clock.now_us();
        for channel in app.hub.expired(now_us) {
            channels::delete_expired(&app, &channel).await;
        }
        app.metrics.upkeep();
        app.log.look_again(&app.store).await;
        let cursors = app.hub.take_dirty_cursors();
        sweeps += 1;
        let swept = async {
            if !cursors.is_empty() {
                app.store.put_cursors(&cursors).await?;
            }
            ops::retention::sweep(&app, now_us).await?;
            if !sweeps.is_multiple_of(limits::SWEEPS_PER_OAUTH_SWEEP) {
                return Ok(());
            }
            app.store.sweep_oauth(now_us, now_us - expired_token_kept_us(&app)).await
        };
        if let Err(error) = swept.await {
            tracing::warn!("sweeping failed, trying again soon: {error}");
        }
    }
}

fn expired_token_kept_us(app: &App) -> i64 {
    let kept_s = if app.clock.is_virtual() {
        limits::EXPIRED_TOKEN_KEPT_VIRTUAL_S
    } else {
        limits::EXPIRED_TOKEN_KEPT_S
    };
    kept_s * 1_000_000
}
