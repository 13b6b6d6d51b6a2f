//! The run of the report app: feed in, store in the middle, lines out.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use sdk::{Client, ErrorKind, Feed, FeedConfig, FeedEvent, Notification};
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::asking::{Asker, Asking};
use super::doctor;
use super::fetch::Fetcher;
use super::health::{Monitor, Pulse, Watched, signs_of_life};
use super::outputs::{self, Ended, Runner, Sink};
use super::pull::{Link, Puller};
use super::retention::Keeper;
use super::{CHANNEL_FILE, NICKNAME, Options, Since, account_folder, redirect_uri};
use crate::env::Settings;
use crate::limits;
use crate::service::Manager;
use crate::session::session_beside;
use crate::sign_in;
use crate::store::ledger::{self, GapKind};
use crate::store::{OneApp, Store, changes, left, open_waiting, reports as table, take_waiting};
use wire::report::REPORT_SUMMARY_REVISION;

/// One account: its login, its channel, its looks, its fetches. Store and outputs are shared.
struct Collector {
    client: Client,
    store: Store,
    account_key: String,
    feed: FeedConfig,
    link: watch::Sender<Link>,
    wake: Arc<Notify>,
    asker: Asker,
    asking: Asking,
    shared: Shared,
    was_connected: bool,
    pulse: Arc<Pulse>,
    shutdown: CancellationToken,
}

/// What the accounts of a collector have in common.
#[derive(Clone)]
struct Shared {
    /// There are others: what is said names the account, and a failure ends nobody else.
    several: bool,
    no_browser: bool,
    /// A sign-in listens at the redirect URI, which all share: one at a time.
    signing_in: Arc<Mutex<()>>,
    /// Some account is signed in.
    ready: watch::Sender<bool>,
    /// Says that a report was stored.
    stored: watch::Sender<()>,
}

/// What is to be written, however long the store refuses it.
enum Due<'a> {
    /// The accounts of this start.
    Collecting(Vec<&'a str>),
    /// The outputs of this start.
    Giving(Vec<String>),
    /// This account's start, with how far back its first one looks.
    Begin(Since),
    /// What waits to be fetched is due now.
    Hurry,
    /// A report was announced; again, since it has changed.
    Announced { id: &'a str, again: bool },
    /// From now on calls may end unheard, until a look at the summaries has covered it; how and why.
    Gap(GapKind, &'a str),
}

/// What `callfeed gaps` says while nobody is signed in.
const SIGN_IN_WANTED: &str =
    "nobody is signed in: open the address that the collector has shown, or callfeed login";

impl Shared {
    /// Names the account where there are others.
    fn name_of(&self, account_key: &str) -> String {
        if self.several { format!("account {account_key}: ") } else { String::new() }
    }
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Flow {
    GoOn,
    End,
}

pub(super) async fn run(
    accounts: &[Settings],
    options: Options,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let _one_app = OneApp::take(&options.state_dir, NICKNAME)?;
    let state_dir = &options.state_dir;
    let Some(_one_here) = take_waiting(state_dir, NICKNAME, &shutdown).await? else { return Ok(()) };
    let Some(store) = open_waiting(state_dir, &shutdown).await? else { return Ok(()) };
    let shared = Shared {
        several: accounts.len() > 1,
        no_browser: options.no_browser,
        signing_in: Arc::default(),
        ready: watch::Sender::new(false),
        stored: watch::Sender::new(()),
    };
    // The outputs outlive the accounts, whose last reports they get.
    let collecting = shutdown.child_token();
    let mut collectors: Vec<Collector> = Vec::new();
    for settings in accounts {
        let others: Vec<&Client> = collectors.iter().map(|collector| &collector.client).collect();
        let folder = account_folder(&options.state_dir, &settings.account_key, shared.several);
        let client = session_beside(&others, settings, &folder, redirect_uri(&options.listen)?)?;
        collectors.push(Collector::open(client, settings, &folder, &store, &shared, &collecting));
    }
    let others = outputs::open(&options.outputs)?;
    let terminal = Sink::terminal(options.out, options.json, options.on_report);
    let mut outputs = Outputs::new(store.clone(), shared.stored.clone(), &shutdown);
    outputs.start(outputs::TERMINAL, terminal, false);
    let mut names = vec![outputs::TERMINAL.to_owned()];
    for (wanted, sink) in others {
        outputs.start(&wanted.name, sink, wanted.from_now);
        names.push(wanted.name.clone());
    }
    let watched = collectors.iter().map(Collector::watched).collect();
    let monitor = Monitor { accounts: watched, store };
    if let Some(address) = &options.health {
        monitor.clone().serve(address, collecting.clone()).await?;
    }
    let watching = tokio::spawn(monitor.store.clone().watch_refusals(collecting.clone()));
    // Before anybody signs in, which may take hours: the gap is there.
    let (keys, since) =
        (accounts.iter().map(|account| account.account_key.as_str()).collect(), options.since);
    if let Some(collector) = collectors.first() {
        collector.write(Due::Collecting(keys)).await;
        collector.write(Due::Giving(names)).await;
    }
    for collector in &collectors {
        collector.client.hear_time().await;
        collector.write(Due::Begin(since)).await;
    }
    let keeper = Keeper::new(options.keep, monitor.store.clone(), &options.outputs);
    let keeping = tokio::spawn(keeper.run(collecting.clone()));
    let alive =
        tokio::spawn(signs_of_life(Manager::of_environment(), shared.ready.subscribe(), collecting.clone()));
    let mut running: JoinSet<anyhow::Result<()>> = JoinSet::new();
    for collector in collectors {
        running.spawn(collector.keep_running());
    }
    let result = first_end(&mut running, &mut outputs.running, &shutdown).await;
    collecting.cancel();
    while running.join_next().await.is_some() {}
    let _ = tokio::join!(alive, keeping, watching);
    outputs.stop().await;
    tracing::info!("stopped");
    result
}

/// Waits until the program is to end: by a signal, by its terminal, by the failure of an account that is alone.
async fn first_end(
    running: &mut JoinSet<anyhow::Result<()>>,
    outputs: &mut Running,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            Some(ended) = outputs.join_next() => {
                if ended.context("an output has ended by a fault")?? == Ended::Gone {
                    return Ok(());
                }
            }
            Some(ended) = running.join_next() => return ended.context("the collector has ended by a fault")?,
        }
    }
}

impl Collector {
    fn open(
        client: Client,
        settings: &Settings,
        folder: &Path,
        store: &Store,
        shared: &Shared,
        shutdown: &CancellationToken,
    ) -> Self {
        let account_key = settings.account_key.clone();
        let nickname = match shared.several {
            // Two accounts of one person would sweep each other's channel away.
            true => format!("{NICKNAME}-{account_key}"),
            false => NICKNAME.to_owned(),
        };
        let feed = FeedConfig {
            nickname,
            account_keys: vec![account_key.clone()],
            call_events: None,
            reports: true,
            state_file: Some(folder.join(CHANNEL_FILE)),
        };
        let asker = Asker {
            client: client.clone(),
            who: shared.name_of(&account_key),
            no_browser: shared.no_browser,
            turn: shared.signing_in.clone(),
            shutdown: shutdown.clone(),
        };
        Self {
            client,
            store: store.clone(),
            account_key,
            feed,
            link: watch::Sender::new(Link::default()),
            wake: Arc::new(Notify::new()),
            asking: Asking::new(asker.clone()),
            asker,
            shared: shared.clone(),
            was_connected: false,
            pulse: Arc::default(),
            shutdown: shutdown.clone(),
        }
    }

    fn watched(&self) -> Watched {
        let account_key = self.account_key.clone();
        Watched { account_key, pulse: self.pulse.clone(), client: self.client.clone() }
    }

    fn puller(&self) -> Puller<Client> {
        Puller {
            client: self.client.clone(),
            store: self.store.clone(),
            account_key: self.account_key.clone(),
            wake: self.wake.clone(),
        }
    }

    /// Names the account where there are others.
    fn who(&self) -> String {
        self.shared.name_of(&self.account_key)
    }

    /// Runs until the end. The failure of an account that is alone ends the program, which says why; with others beside
    /// it, it is said, and tried again after a pause.
    async fn keep_running(mut self) -> anyhow::Result<()> {
        loop {
            match self.run().await {
                Err(error) if self.shared.several && !self.shutdown.is_cancelled() => {
                    let pause = limits::ACCOUNT_PAUSE;
                    tracing::error!("{}{error:#}; tried again in {} s", self.who(), pause.as_secs());
                    self.pulse.connected(false);
                    tokio::select! {
                        () = self.shutdown.cancelled() => return Ok(()),
                        () = tokio::time::sleep(pause) => {}
                    }
                }
                result => return result,
            }
        }
    }

    async fn run(&mut self) -> anyhow::Result<()> {
        if self.sign_in_first().await? == Flow::End {
            return Ok(());
        }
        self.shared.ready.send_replace(true);
        let fetching = self.shutdown.child_token();
        let fetcher = Fetcher {
            client: self.client.clone(),
            store: self.store.clone(),
            account_key: self.account_key.clone(),
            wake: self.wake.clone(),
            stored: self.shared.stored.clone(),
            who: self.who(),
        };
        let puller = self.puller();
        let mut tasks = JoinSet::new();
        tasks.spawn(fetcher.run(fetching.clone()));
        tasks.spawn(puller.clone().run(self.link.subscribe(), fetching.clone()));
        tasks.spawn(puller.backfill(self.link.subscribe(), fetching.clone()));
        let mut feed = Feed::open(self.client.clone(), self.feed.clone());
        let result = self.work(&mut feed).await;
        feed.close().await;
        fetching.cancel();
        tasks.join_all().await;
        result
    }

    /// Nothing here waits for the outputs: what was announced is on disk before the next event is looked at.
    async fn work(&mut self, feed: &mut Feed) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                event = feed.next() => match event {
                    Some(event) => self.event(event).await?,
                    None => anyhow::bail!("the feed has ended by a fault"),
                },
            }
        }
    }

    /// A person is asked only when there is no other way. When the platform is away the feed waits for it.
    async fn sign_in_first(&self) -> anyhow::Result<Flow> {
        let needed = self.client.ready().await.is_err_and(|error| sign_in::is_needed(&error));
        if !needed {
            return Ok(Flow::GoOn);
        }
        self.write(Due::Gap(GapKind::SignIn, SIGN_IN_WANTED)).await;
        match self.asker.ask_first().await {
            Ok(()) => {
                tracing::info!("{}signed in", self.who());
                Ok(Flow::GoOn)
            }
            Err(_) if self.shutdown.is_cancelled() => Ok(Flow::End),
            Err(error) => Err(error),
        }
    }

    async fn event(&mut self, event: FeedEvent) -> anyhow::Result<()> {
        let who = self.who();
        match event {
            FeedEvent::Connected { resumed } => {
                self.was_connected = true;
                self.pulse.connected(true);
                let again = if resumed { " to the channel of before" } else { "" };
                tracing::info!("{who}connected{again}: reports are printed as they arrive");
                self.write(Due::Hurry).await;
                self.wake.notify_one();
                self.link.send_modify(|link| *link = Link { connected: true, epoch: link.epoch + 1 });
            }
            FeedEvent::Disconnected { reason } => {
                tracing::warn!("{who}disconnected: {reason}; connecting again");
                self.pulse.connected(false);
                self.link.send_modify(|link| link.connected = false);
                self.write(Due::Gap(GapKind::Connection, &reason)).await;
            }
            FeedEvent::Refreshed => tracing::info!("{who}channel refreshed"),
            FeedEvent::Recreated { reason } => tracing::info!("{who}new channel: {reason}"),
            FeedEvent::Report { conversation_space_id, notification } => {
                self.pulse.notified();
                self.announced(&conversation_space_id, &notification).await;
            }
            FeedEvent::MayHaveMissed { reason } => {
                tracing::warn!("{who}reports may have been missed: {reason}");
                self.write(Due::Gap(GapKind::Connection, reason)).await;
                self.link.send_modify(|link| link.epoch += 1);
            }
            FeedEvent::CallEvent(..) | FeedEvent::Other(_) => {}
            FeedEvent::SignInNeeded => {
                if self.asking.want() {
                    tracing::warn!("{who}the sign-in has ended: sign in again");
                    self.write(Due::Gap(GapKind::SignIn, SIGN_IN_WANTED)).await;
                }
            }
            FeedEvent::SignedIn => {
                self.asking.enough();
                tracing::info!("{who}a new sign-in is taken up: what waits is asked for at once");
                self.write(Due::Hurry).await;
                self.wake.notify_one();
                // What could not be looked for meanwhile is looked for now.
                self.link.send_modify(|link| link.epoch += 1);
            }
            FeedEvent::Problem(error) => {
                let final_word =
                    matches!(error.kind, ErrorKind::Forbidden | ErrorKind::Rejected | ErrorKind::NotFound);
                if final_word && !self.was_connected {
                    let scope = "call-events.v1.notifications.manage";
                    let step = doctor::step(&error, scope, &self.account_key);
                    anyhow::bail!("{error}\nWhat mends it, with the same --env and --state: {step}");
                }
                tracing::warn!("{who}{error}");
            }
        }
        Ok(())
    }

    async fn announced(&self, id: &str, notification: &Notification) {
        self.write(Due::Announced { id, again: notification.kind == REPORT_SUMMARY_REVISION }).await;
        tracing::debug!("report {id} is announced");
        self.wake.notify_one();
    }

    /// Writes until it is written, or until the end: a full disk is no reason to stop hearing, and what is in hand is
    /// not to be forgotten. Meanwhile notifications wait on their way; what is lost there is found by the next look.
    async fn write(&self, due: Due<'_>) {
        let now = self.client.now();
        while let Err(error) = self.try_write(&due, now).await {
            self.store.refused(&error);
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = tokio::time::sleep(limits::STORE_RETRY_PAUSE) => {}
            }
        }
    }

    async fn try_write(&self, due: &Due<'_>, now: Timestamp) -> sqlx::Result<()> {
        let (pool, account) = (&self.store.pool, self.account_key.as_str());
        match *due {
            Due::Collecting(ref accounts) => left::collecting(pool, accounts, now).await,
            Due::Giving(ref outputs) => changes::use_outputs(pool, outputs).await,
            Due::Begin(since) => self.puller().begin(since.before(now), now).await,
            Due::Hurry => table::hurry(pool, account, now).await,
            Due::Announced { id, again: true } => table::announce_again(pool, account, id, now).await,
            Due::Announced { id, again: false } => table::announce(pool, account, id, now).await.map(|_| ()),
            Due::Gap(kind, reason) => ledger::open_gap(pool, account, kind, "", reason, now).await,
        }
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
        let runner = Runner { store, name: name.to_owned(), sink, from_now, stored, untold: None };
        self.running.spawn(runner.run(self.shutdown.clone()));
    }

    /// Each gets a moment for what it is at.
    async fn stop(mut self) {
        self.shutdown.cancel();
        while self.running.join_next().await.is_some() {}
    }
}
