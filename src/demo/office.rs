//! The platform and both apps, started, signed in and connected.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use apps::env::{LogLevel, Settings};
use apps::screen_pop::Listening;
use apps::{reports, screen_pop};
use sdk::{Feed, FeedConfig, FeedEvent};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::tally::Tally;
use super::{Args, page, person};

const PLATFORM_PORT: u16 = 8080;
const SCREEN_POP_PORT: u16 = 5000;
/// How long the apps may take to be connected.
const CONNECTED: Duration = Duration::from_secs(30);
/// How long everything may take to stop.
const STOPPED: Duration = Duration::from_secs(15);
/// Pops and reports waiting to be shown.
const QUEUE: usize = 1024;

pub struct Office {
    pub settings: Settings,
    parts: JoinSet<anyhow::Result<()>>,
    platform: tokio::task::JoinHandle<Result<(), server::Error>>,
    /// Told by a part that ended before its time.
    ended: Arc<Ended>,
}

#[derive(Default)]
struct Ended {
    told: Notify,
    why: std::sync::Mutex<Option<String>>,
}

impl Office {
    /// Starts everything; returns when calls can begin.
    pub async fn open(
        folder: &Path,
        args: &Args,
        tally: Arc<Tally>,
        apps_stop: &CancellationToken,
        platform_stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let listener = listen(PLATFORM_PORT).await?;
        let mut config = server::Config::new(folder.join("platform"));
        config.example = true;
        config.rate_limit = args.rate_limit.per_second();
        let env_file = config.data_dir.join("example.env");
        let (ready, is_ready) = oneshot::channel();
        let stop = platform_stop.clone();
        let platform = tokio::spawn(Box::pin(server::run(config, listener, stop, move |url| {
            let _ = ready.send(url.clone());
        })));
        let Ok(platform_url) = is_ready.await else {
            let ended = platform.await.context("the platform ended by a fault")?;
            return Err(ended.err().map_or_else(|| anyhow!("the platform ended early"), Into::into));
        };
        let (settings, login) = settings(&env_file, &platform_url)?;
        let mut office = Self { settings, parts: JoinSet::new(), platform, ended: Arc::default() };
        let furnished = tokio::select! {
            furnished = office.furnish(folder, &env_file, &login, tally, apps_stop) => furnished,
            () = apps_stop.cancelled() => Ok(()),
        };
        if let Err(error) = furnished {
            // The folder may go with us: nothing may still write into it.
            apps_stop.cancel();
            let _ = office.close(platform_stop).await;
            return Err(error);
        }
        Ok(office)
    }

    /// Signs in, starts the apps, and waits until they are connected.
    async fn furnish(
        &mut self,
        folder: &Path,
        env_file: &Path,
        login: &person::Login,
        tally: Arc<Tally>,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let state = folder.join("apps");
        let listening = match Listening::open(&format!("localhost:{SCREEN_POP_PORT}"), None).await {
            Ok(listening) => listening,
            Err(_) => Listening::open("localhost:0", None).await?,
        };
        let screen = listening.page().clone();
        tally.terminal.addresses(&self.settings.hosts.api, &screen, env_file);
        let client = apps::session(&self.settings, &state, listening.redirect_uri()?)?;
        if !client.is_signed_in() {
            person::sign_in(&client, login).await.context("signing in to the demo's platform failed")?;
        }
        self.start_apps(&state, listening, &tally, stop);
        self.watch(client, &screen, tally, stop).await
    }

    fn start_apps(
        &mut self,
        state: &Path,
        listening: Listening,
        tally: &Arc<Tally>,
        stop: &CancellationToken,
    ) {
        let (on_report, mut stored) = mpsc::channel(QUEUE);
        let options = reports::Options {
            state_dir: state.to_owned(),
            json: true,
            no_browser: true,
            listen: reports::LISTEN_DEFAULT.to_owned(),
            // The terminal shows them in its own way.
            out: None,
            outputs: Vec::new(),
            keep: reports::Keep::default(),
            health: None,
            on_report: Some(on_report),
            since: reports::Since::Now,
        };
        self.part("the report collector", stop, reports::run(self.settings.clone(), options, stop.clone()));
        let reports_tally = Arc::clone(tally);
        tokio::spawn(async move {
            while let Some(report) = stored.recv().await {
                reports_tally.report(&report);
            }
        });
        let (on_pop, mut pops) = mpsc::channel(QUEUE);
        let options = screen_pop::Options {
            state_dir: state.to_owned(),
            listening,
            no_browser: true,
            sources: None,
            // Its calls are invented, and whoever started it watches.
            access: screen_pop::Access::Anyone,
            on_pop: Some(on_pop),
        };
        self.part("the screen pop", stop, screen_pop::run(self.settings.clone(), options, stop.clone()));
        let pops_tally = Arc::clone(tally);
        tokio::spawn(async move {
            while let Some(pop) = pops.recv().await {
                pops_tally.pop(&pop);
            }
        });
    }

    fn part(
        &mut self,
        name: &'static str,
        stop: &CancellationToken,
        work: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let (ended, stop) = (Arc::clone(&self.ended), stop.clone());
        self.parts.spawn(async move {
            let result = Box::pin(work).await;
            if !stop.is_cancelled() {
                let why = match &result {
                    Ok(()) => format!("{name} ended before its time"),
                    Err(error) => format!("{name} failed: {error:#}"),
                };
                ended.tell(why);
            }
            result
        });
    }

    /// Opens the demo's own feed of calls and its own page, and waits until the apps are connected.
    async fn watch(
        &mut self,
        client: sdk::Client,
        screen: &Url,
        tally: Arc<Tally>,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let feed = Feed::open(
            client.clone(),
            FeedConfig {
                nickname: "callfeed-demo".into(),
                account_keys: vec![self.settings.account_key.clone()],
                call_events: Some(Vec::new()),
                reports: false,
                state_file: None,
            },
        );
        let page = page::watch(screen.join("events")?, Arc::clone(&tally), stop.clone());
        self.part("the demo's page", stop, page);
        self.part("the demo's feed", stop, follow(feed, Arc::clone(&tally), stop.clone()));
        tokio::select! {
            connected = tokio::time::timeout(CONNECTED, all_connected(&client, &tally)) => {
                connected.context("the apps were not connected in time")?
            }
            failed = self.failed() => Err(failed),
        }
    }

    /// Ends when a part has ended before its time, and says which.
    pub async fn failed(&self) -> anyhow::Error {
        loop {
            let told = self.ended.told.notified();
            if let Some(why) = self.ended.why() {
                return anyhow!(why);
            }
            told.await;
        }
    }

    /// Waits for the apps, which have been told to stop, then stops the platform.
    pub async fn close(&mut self, platform: &CancellationToken) -> anyhow::Result<()> {
        let apps = async {
            while let Some(part) = self.parts.join_next().await {
                part.context("a part of the demo ended by a fault")??;
            }
            Ok::<(), anyhow::Error>(())
        };
        let closed = tokio::time::timeout(STOPPED, apps).await;
        platform.cancel();
        let stopped = tokio::time::timeout(STOPPED, &mut self.platform).await;
        closed.context("the apps did not stop in time")??;
        stopped.context("the platform did not stop in time")?.context("the platform ended by a fault")??;
        Ok(())
    }
}

impl Ended {
    fn tell(&self, why: String) {
        self.why.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(why);
        self.told.notify_waiters();
    }

    fn why(&self) -> Option<String> {
        self.why.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// The demo's own line of calls in the terminal.
async fn follow(mut feed: Feed, tally: Arc<Tally>, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            event = feed.next() => match event {
                Some(FeedEvent::CallEvent(event, _)) => tally.call_event(&event),
                Some(_) => {}
                None => break,
            },
        }
    }
    feed.close().await;
    Ok(())
}

/// Three channels with open sockets, and the demo's page: whatever is played now is seen.
async fn all_connected(client: &sdk::Client, tally: &Tally) -> anyhow::Result<()> {
    loop {
        let channels = client.channels().await?;
        let connected =
            channels.iter().filter_map(|c| c.channel_data.as_ref()).filter(|d| d.is_connected == Some(true));
        if connected.count() >= 3 && tally.page_is_open() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The settings that the platform wrote for its example office, and the admin's login. The process environment has
/// no say here: the demo is its own world.
pub fn settings(file: &Path, platform: &Url) -> anyhow::Result<(Settings, person::Login)> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let values: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |name: &str| {
        let value = values.get(name).map(|value| (*value).to_owned());
        value.with_context(|| format!("{name} is missing in {}", file.display()))
    };
    let settings = Settings {
        client_id: value("OAUTH_CLIENT_ID")?,
        client_secret: SecretString::from(value("OAUTH_CLIENT_SECRET")?),
        account_key: value("ACCOUNT_KEY")?,
        log_level: LogLevel::Warn,
        show_debug_logs: false,
        hosts: sdk::Hosts {
            auth: platform.clone(),
            api: platform.clone(),
            channel: platform.clone(),
            admin: platform.clone(),
        },
        token_key: None,
        rate_limit: None,
    };
    let login = person::Login {
        email: value("CALLFEED_USER")?,
        password: SecretString::from(value("CALLFEED_PASSWORD")?),
    };
    Ok((settings, login))
}

/// The usual port, or a free one where that is taken.
async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(("127.0.0.1", port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind(("127.0.0.1", 0)).await.context("no port is free on 127.0.0.1"),
    }
}
