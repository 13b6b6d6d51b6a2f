//! The run of the report app: feed in, store in the middle, lines out.

use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use sdk::{Client, ErrorKind, Feed, FeedConfig, FeedEvent, Notification};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::fetch::Fetcher;
use super::health::{Monitor, Pulse};
use super::outputs::{self, Ended, Runner, Sink};
use super::pull::{Link, Puller};
use super::{CHANNEL_FILE, NICKNAME, Options, redirect_uri, sign_in_options};
use crate::env::Settings;
use crate::service::Manager;
use crate::session::session;
use crate::sign_in;
use crate::store::ledger::{self, GapKind};
use crate::store::{OneApp, Store, reports as table};
use wire::report::REPORT_SUMMARY_REVISION;

struct Collector {
    client: Client,
    store: Store,
    account_key: String,
    link: watch::Sender<Link>,
    wake: Arc<Notify>,
    sign_ins: JoinSet<anyhow::Result<()>>,
    no_browser: bool,
    was_connected: bool,
    pulse: Arc<Pulse>,
    shutdown: CancellationToken,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Flow {
    GoOn,
    End,
}

pub(super) async fn run(
    settings: Settings,
    options: Options,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let _one_app = OneApp::take(&options.state_dir, NICKNAME)?;
    let store = Store::open(&options.state_dir).await?;
    let client = session(&settings, &options.state_dir, redirect_uri(&options.listen)?)?;
    let mut collector = Collector {
        client: client.clone(),
        store: store.clone(),
        account_key: settings.account_key.clone(),
        link: watch::Sender::new(Link::default()),
        wake: Arc::new(Notify::new()),
        sign_ins: JoinSet::new(),
        no_browser: options.no_browser,
        was_connected: false,
        pulse: Arc::default(),
        shutdown: shutdown.clone(),
    };
    let stored = watch::Sender::new(());
    let others = outputs::open(&options.outputs)?;
    let terminal = Sink::terminal(options.out, options.json, options.on_report);
    let mut outputs = Outputs::new(store.clone(), stored.clone(), &shutdown);
    outputs.start(outputs::TERMINAL, terminal, false);
    for (wanted, sink) in others {
        outputs.start(&wanted.name, sink, wanted.from_now);
    }
    let fetching = shutdown.child_token();
    let (account_key, wake) = (settings.account_key.clone(), collector.wake.clone());
    let puller =
        Puller { client: client.clone(), store: store.clone(), account_key: account_key.clone(), wake };
    let monitor = Monitor { pulse: collector.pulse.clone(), store: store.clone(), client: client.clone() };
    if let Some(address) = &options.health {
        monitor.clone().serve(address, fetching.clone()).await?;
    }
    // Before anybody signs in, which may take hours: the gap is there.
    puller.begin(options.since, Timestamp::now()).await.context("cannot write the store")?;
    if collector.sign_in_first().await? == Flow::End {
        return Ok(());
    }
    let wake = collector.wake.clone();
    let fetcher = Fetcher { client: client.clone(), store, account_key, wake, stored };
    let mut tasks = JoinSet::new();
    tasks.spawn(monitor.signs_of_life(Manager::of_environment(), fetching.clone()));
    tasks.spawn(fetcher.run(fetching.clone()));
    tasks.spawn(puller.clone().run(collector.link.subscribe(), fetching.clone()));
    tasks.spawn(puller.backfill(fetching.clone()));
    let config = FeedConfig {
        nickname: NICKNAME.to_owned(),
        account_keys: vec![settings.account_key.clone()],
        call_events: None,
        reports: true,
        state_file: Some(options.state_dir.join(CHANNEL_FILE)),
    };
    let mut feed = Feed::open(client, config);
    let result = collector.work(&mut feed, &mut outputs.running).await;
    feed.close().await;
    fetching.cancel();
    tasks.join_all().await;
    outputs.stop().await;
    tracing::info!("stopped");
    result
}

impl Collector {
    /// Nothing here waits for the output: what was announced is on disk before the next event is looked at.
    async fn work(&mut self, feed: &mut Feed, outputs: &mut Running) -> anyhow::Result<()> {
        loop {
            let flow = tokio::select! {
                () = self.shutdown.cancelled() => Flow::End,
                event = feed.next() => match event {
                    Some(event) => self.event(event).await?,
                    None => anyhow::bail!("the feed has ended by a fault"),
                },
                Some(ended) = outputs.join_next() => match ended.context("an output has ended by a fault")?? {
                    Ended::Gone => Flow::End,
                    Ended::Stopped => Flow::GoOn,
                },
                Some(done) = self.sign_ins.join_next(), if !self.sign_ins.is_empty() => {
                    done.context("the sign-in has ended by a fault")??;
                    Flow::GoOn
                }
            };
            if flow == Flow::End {
                return Ok(());
            }
        }
    }

    /// A person is asked only when there is no other way. When the platform is away the feed waits for it.
    async fn sign_in_first(&self) -> anyhow::Result<Flow> {
        let needed = self.client.ready().await.is_err_and(|error| sign_in::is_needed(&error));
        if !needed {
            return Ok(Flow::GoOn);
        }
        let options = sign_in_options(self.no_browser);
        match sign_in::sign_in(&self.client, options, &self.shutdown).await {
            Ok(_) => {
                tracing::info!("signed in");
                Ok(Flow::GoOn)
            }
            Err(_) if self.shutdown.is_cancelled() => Ok(Flow::End),
            Err(error) => Err(error),
        }
    }

    async fn event(&mut self, event: FeedEvent) -> anyhow::Result<Flow> {
        match event {
            FeedEvent::Connected { resumed } => {
                self.was_connected = true;
                self.pulse.connected(true);
                let again = if resumed { " to the channel of before" } else { "" };
                tracing::info!("connected{again}: reports are printed as they arrive");
                let now = Timestamp::now();
                table::hurry(&self.store.pool, now).await.context("cannot write the store")?;
                self.wake.notify_one();
                self.link.send_modify(|link| *link = Link { connected: true, epoch: link.epoch + 1 });
            }
            FeedEvent::Disconnected { reason } => {
                tracing::warn!("disconnected: {reason}; connecting again");
                self.pulse.connected(false);
                self.link.send_modify(|link| link.connected = false);
                self.open_gap(&reason).await?;
            }
            FeedEvent::Refreshed => tracing::info!("channel refreshed"),
            FeedEvent::Recreated { reason } => tracing::info!("new channel: {reason}"),
            FeedEvent::Report { conversation_space_id, notification } => {
                self.pulse.notified();
                self.announced(&conversation_space_id, &notification).await?;
            }
            FeedEvent::MayHaveMissed { reason } => {
                tracing::warn!("reports may have been missed: {reason}");
                self.open_gap(reason).await?;
                self.link.send_modify(|link| link.epoch += 1);
            }
            FeedEvent::CallEvent(..) | FeedEvent::Other(_) => {}
            FeedEvent::SignInNeeded => self.sign_in_again(),
            FeedEvent::SignedIn => tracing::info!("signed in"),
            FeedEvent::Problem(error) => {
                let final_word =
                    matches!(error.kind, ErrorKind::Forbidden | ErrorKind::Rejected | ErrorKind::NotFound);
                if final_word && !self.was_connected {
                    anyhow::bail!(
                        "{error}\nTo sign in as somebody else: callfeed login, with the same --env and --state"
                    );
                }
                tracing::warn!("{error}");
            }
        }
        Ok(Flow::GoOn)
    }

    async fn announced(&self, id: &str, notification: &Notification) -> anyhow::Result<()> {
        let (pool, now) = (&self.store.pool, Timestamp::now());
        let announced = if notification.kind == REPORT_SUMMARY_REVISION {
            table::announce_again(pool, id, now).await
        } else {
            table::announce(pool, id, now).await.map(|_| ())
        };
        announced.context("cannot write the store")?;
        tracing::debug!("report {id} is announced");
        self.wake.notify_one();
        Ok(())
    }

    /// What ends from now on may go unheard, until a look at the summaries has covered it.
    async fn open_gap(&self, reason: &str) -> anyhow::Result<()> {
        let (pool, account) = (&self.store.pool, &self.account_key);
        let opened = ledger::open_gap(pool, account, GapKind::Connection, "", reason, Timestamp::now()).await;
        opened.context("cannot write the store")
    }

    fn sign_in_again(&mut self) {
        if !self.sign_ins.is_empty() {
            return;
        }
        tracing::warn!("the sign-in has ended: sign in again");
        let (client, shutdown) = (self.client.clone(), self.shutdown.clone());
        let options = sign_in_options(self.no_browser);
        self.sign_ins.spawn(async move {
            match sign_in::sign_in(&client, options, &shutdown).await {
                Err(error) if !shutdown.is_cancelled() => Err(error),
                _ => Ok(()),
            }
        });
    }
}

type Running = JoinSet<anyhow::Result<Ended>>;

/// The outputs, each at its own pace.
struct Outputs {
    store: Store,
    stored: watch::Sender<()>,
    shutdown: CancellationToken,
    running: Running,
}

impl Outputs {
    fn new(store: Store, stored: watch::Sender<()>, shutdown: &CancellationToken) -> Self {
        // They end with the program, and with the terminal.
        Self { store, stored, shutdown: shutdown.child_token(), running: JoinSet::new() }
    }

    fn start(&mut self, name: &str, sink: Sink, from_now: bool) {
        let (store, stored) = (self.store.clone(), self.stored.subscribe());
        let runner = Runner { store, name: name.to_owned(), sink, from_now, stored };
        self.running.spawn(runner.run(self.shutdown.clone()));
    }

    /// Each gets a moment for what it is at.
    async fn stop(mut self) {
        self.shutdown.cancel();
        while self.running.join_next().await.is_some() {}
    }
}
