//! The report app: every report of the account, fetched when it is announced, kept once, printed.
//!
//! A report is announced, fetched, stored, given to each output, marked as given, in this order, and each step is on
//! disk before the next: after a crash at any moment the work goes on where it stopped. The worst that can happen is
//! that an output gets the last one twice. What no notification told of is found by looking at summaries (`pull`), and
//! the ledger of the store says what was missing from when to when.

mod asking;
mod causes;
mod collect;
pub mod doctor;
mod explain;
mod fetch;
mod findings;
mod gaps;
mod health;
pub mod outputs;
mod people;
mod print;
mod privacy;
mod progress;
mod pull;
mod reach;
mod retention;
mod service;
#[cfg(test)]
mod simulation;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::env::Settings;
use crate::limits;
use crate::session::session;
use crate::sign_in;
use crate::store::{self, OneApp, Store, left, reports as table};
use outputs::Wanted;
use print::Printer;

pub use crate::store::Moved;
pub use crate::store::reports::StoredReport;
pub use explain::explain;
pub use gaps::{What as GapsWanted, gaps};
pub use print::counted;
pub use privacy::{erase, export};
pub use retention::{Keep, keep_days};

/// Host and port of the first tutorial's redirect URI.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:12021";
/// Nickname of the app's channel.
pub const NICKNAME: &str = "callfeed-reports";
/// Remembers the channel between two runs.
const CHANNEL_FILE: &str = "reports-channel.json";

/// Where reports are printed.
pub type Out = Box<dyn AsyncWrite + Send + Sync + Unpin>;

/// An output of lines that are out once they are written.
pub(crate) struct Lines {
    out: Out,
}

impl Lines {
    pub fn new(out: Out) -> Self {
        Self { out }
    }

    /// `false` when nobody reads any more (a closed pipe).
    pub async fn line(&mut self, line: &str) -> io::Result<bool> {
        let written = match self.out.write_all(format!("{line}\n").as_bytes()).await {
            Ok(()) => self.out.flush().await,
            failed => failed,
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true),
        }
    }
}

/// How to run.
pub struct Options {
    /// Folder of the store and the tokens.
    pub state_dir: PathBuf,
    /// One bare report a line instead of words for people.
    pub json: bool,
    pub no_browser: bool,
    /// At the first start, calls that ended since then are fetched; `None` for none. Later starts go on where the
    /// last one stopped.
    pub since: Since,
    /// Host and port where the redirect of a sign-in is awaited.
    pub listen: String,
    /// Standard output, as a rule. Its end (a closed pipe) is the end of the run. `None`: nothing is printed.
    pub out: Option<Out>,
    /// Where reports go besides.
    pub outputs: Vec<Wanted>,
    /// For how long what is kept.
    pub keep: Keep,
    /// Host and port where `/healthz` and `/metrics` are served, if they are.
    pub health: Option<String>,
    /// Receives each report when it is printed. A full queue makes printing wait; a closed one is ignored.
    pub on_report: Option<mpsc::Sender<StoredReport>>,
}

/// Collects reports until `shutdown`; then closes the socket and deletes subscription and channel.
///
/// # Errors
/// When the store cannot be opened, the sign-in fails, or the platform refuses the subscription at the start.
pub async fn run(settings: Settings, options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    collect::run(&[settings], options, shutdown).await
}

/// The same for several accounts with one store and one set of outputs. Each signs in apart (see [`account_folder`]),
/// and one that fails stops no other: it is tried again.
///
/// # Errors
/// When the store cannot be opened, or a file of the state folder cannot be read.
pub async fn run_all(
    accounts: &[Settings],
    options: Options,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    collect::run(accounts, options, shutdown).await
}

/// Where the sign-in of an account is kept: the state folder, or `accounts/KEY` below it where there are several.
#[must_use]
pub fn account_folder(state_dir: &Path, account_key: &str, several: bool) -> PathBuf {
    if several { state_dir.join("accounts").join(account_key) } else { state_dir.to_owned() }
}

/// Which reports of the store are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Listed {
    /// One bare report a line instead of words for people.
    pub json: bool,
    /// Of calls that ended since then alone.
    pub since: Option<Since>,
    /// Of the calls that ended last, so many.
    pub last: Option<u32>,
}

/// Prints what the store holds: all in order of storing, or a part in the order in which calls ended.
///
/// # Errors
/// When the store cannot be read or the output fails.
pub async fn list(state_dir: &Path, listed: Listed, out: Out) -> anyhow::Result<()> {
    let store = Store::open_existing(state_dir).await?;
    let mut printer = Printer::new(out, listed.json);
    if listed.since.is_some() || listed.last.is_some() {
        return list_by_end(&store, listed, &mut printer).await;
    }
    let mut after = 0;
    loop {
        let page =
            table::list(&store.pool, after, limits::LIST_PAGE).await.context("cannot read the store")?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.number;
        for report in &page {
            if !printer.print(report).await? {
                return Ok(());
            }
        }
    }
}

async fn list_by_end(store: &Store, listed: Listed, printer: &mut Printer) -> anyhow::Result<()> {
    let since = listed.since.map(|since| since.before(Timestamp::now()).unwrap_or_else(Timestamp::now));
    let read = "cannot read the store";
    let mut after = table::end_before(&store.pool, since, listed.last).await.context(read)?;
    loop {
        let (page, end) = table::list_by_end(&store.pool, &after, limits::LIST_PAGE).await.context(read)?;
        if page.is_empty() {
            return Ok(());
        }
        after = end;
        for report in &page {
            if !printer.print(report).await? {
                return Ok(());
            }
        }
    }
}

/// Moves the store from its file into a PostgreSQL database, with all that it keeps.
///
/// # Errors
/// When an app runs on the folder, the database has a store already, or either cannot be used; nothing is moved then.
pub async fn move_store(state_dir: &Path, url: &str) -> anyhow::Result<Moved> {
    Store::open_existing(state_dir).await?;
    // All who keep something in it.
    let users = [NICKNAME, "screen-pop", "contacts-import"];
    let _alone = users.map(|app| OneApp::take(state_dir, app)).into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(store::move_store(state_dir, url).await?)
}

/// Says that an account is not collected any more: it holds back no other account.
///
/// # Errors
/// When the store does not know it, a collector runs on the folder, which may be collecting it, or the store fails.
pub async fn end_account(state_dir: &Path, account_key: &str) -> anyhow::Result<()> {
    let store = Store::open_existing(state_dir).await?;
    let running = OneApp::is_running(state_dir, NICKNAME);
    let left = left::all(&store.pool).await.context("cannot read the store")?;
    let collected = running && !left.iter().any(|left| left.account_key == account_key);
    anyhow::ensure!(
        !collected,
        "the running collector collects account {account_key}: start it without the account's --env first"
    );
    let known =
        left::end(&store.pool, account_key, Timestamp::now()).await.context("cannot write the store")?;
    anyhow::ensure!(
        known,
        "the store knows no account {account_key}: callfeed gaps --all names those it has had"
    );
    Ok(())
}

/// Signs in through the pages, even when somebody is signed in already.
///
/// # Errors
/// When the sign-in fails.
pub async fn login(
    settings: &Settings,
    state_dir: &Path,
    listen: &str,
    no_browser: bool,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let client = session(settings, state_dir, redirect_uri(listen)?)?;
    let signed_in = sign_in::sign_in(&client, sign_in_options(no_browser), shutdown).await?;
    let name = client.principal().map(|name| format!(" as {name}")).unwrap_or_default();
    sign_in::say(&format!("Signed in{name}."));
    signed_in.page_shown().await;
    Ok(())
}

/// The redirect URI of an app that listens on `listen` ("127.0.0.1:12021").
///
/// # Errors
/// When `listen` is not host and port.
pub fn redirect_uri(listen: &str) -> anyhow::Result<Url> {
    let wrong = || format!("--listen {listen} is not HOST:PORT, such as {LISTEN_DEFAULT}");
    let has_port = listen.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    anyhow::ensure!(has_port, wrong());
    Url::parse(&format!("http://{listen}/app/redirect")).with_context(wrong)
}

/// How far back the first start looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Not at all.
    Now,
    /// So many days before the start.
    Days(u32),
    At(Timestamp),
}

impl Since {
    /// From when, for a start at `now`, which is the service's time.
    #[must_use]
    pub fn before(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Now => None,
            Self::Days(days) => now.checked_sub(Duration::from_secs(86_400 * u64::from(days))).ok(),
            Self::At(time) => Some(time.min(now)),
        }
    }
}

/// Reads `--since`: days, or a date in the zone of this machine.
///
/// # Errors
/// When it is neither, in the future, or too long ago.
pub fn since(text: &str) -> Result<Since, String> {
    since_at(text, Timestamp::now(), &TimeZone::system(), limits::BACKFILL_DAYS_MAX)
}

/// Reads `--since` of a list: the same, as long ago as anything is kept.
///
/// # Errors
/// When it is neither days nor a date, in the future, or too long ago.
pub fn listed_since(text: &str) -> Result<Since, String> {
    since_at(text, Timestamp::now(), &TimeZone::system(), limits::KEEP_DAYS_MAX)
}

fn since_at(text: &str, now: Timestamp, zone: &TimeZone, longest: u32) -> Result<Since, String> {
    let since = match (text.parse::<u32>(), text.parse::<Date>()) {
        (Ok(0), _) => return Ok(Since::Now),
        (Ok(days), _) if days <= longest => return Ok(Since::Days(days)),
        (Ok(_), _) => None,
        (_, Ok(date)) => Some(date.to_zoned(zone.clone()).map_err(|error| error.to_string())?.timestamp()),
        _ => return Err("give a number of days or a date such as 2026-01-31".to_owned()),
    };
    let oldest = Since::Days(longest).before(now);
    match since.filter(|since| *since <= now && oldest.is_none_or(|oldest| *since >= oldest)) {
        Some(since) => Ok(Since::At(since)),
        None => Err(format!("give a time within the last {longest} days")),
    }
}

fn sign_in_options(no_browser: bool) -> sign_in::Options {
    sign_in::Options { no_browser, listen_flag: "--listen", asks_again: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_days_or_a_date() {
        let now: Timestamp = "2026-03-10T12:00:00Z".parse().unwrap();
        let since = |text: &str| {
            since_at(text, now, &TimeZone::UTC, limits::BACKFILL_DAYS_MAX)
                .map(|since| since.before(now).map(|at| at.to_string()))
        };
        assert_eq!(since("0"), Ok(None));
        assert_eq!(since("31"), Ok(Some("2026-02-07T12:00:00Z".to_owned())));
        assert_eq!(since("2026-01-31"), Ok(Some("2026-01-31T00:00:00Z".to_owned())));
        for wrong in ["soon", "-1", "2026-03-11", "401", "4000000000", "2019-01-01"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
        let listed = since_at("2019-01-01", now, &TimeZone::UTC, limits::KEEP_DAYS_MAX);
        assert_eq!(listed, Ok(Since::At("2019-01-01T00:00:00Z".parse().unwrap())), "a store is older");
    }

    #[tokio::test]
    async fn a_list_goes_on_behind_its_first_page() {
        let folder = tempfile::tempdir().unwrap();
        let pool = store::testing::open(folder.path()).await.pool;
        let all = limits::LIST_PAGE as usize + 1;
        for number in 0..all {
            // What is stored first ended last, as in a backfill.
            let ended = Timestamp::from_second(1_770_000_000 - number as i64).unwrap();
            let raw = format!(
                r#"{{"conversationSpaceId": "call-{number}", "callCreated": "", "callEnded": "{ended}", "accountKey": "17"}}"#
            );
            table::save(&pool, &serde_json::from_str(&raw).unwrap(), &raw, ended, None).await.unwrap();
        }
        let listed = async |since, last| {
            let (mut reader, writer) = tokio::io::duplex(1024 * 1024);
            list(folder.path(), Listed { json: true, since, last }, Box::new(writer)).await.unwrap();
            let mut text = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut text).await.unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let stored = listed(None, None).await;
        assert!(stored.len() == all && stored[0].contains("call-0\""), "{}", stored.len());
        let since = Some(Since::At(Timestamp::UNIX_EPOCH));
        let mut by_end = listed(since, Some(u32::MAX)).await;
        by_end.reverse();
        assert_eq!(by_end, stored);
        assert_eq!(listed(None, Some(2)).await, [stored[1].clone(), stored[0].clone()]);
        assert_eq!(listed(Some(Since::Now), None).await, [""; 0]);
    }

    #[test]
    fn the_redirect_uri_is_the_tutorials() {
        assert_eq!(redirect_uri(LISTEN_DEFAULT).unwrap().as_str(), "http://127.0.0.1:12021/app/redirect");
        assert!(redirect_uri("127.0.0.1").unwrap_err().to_string().contains("--listen"));
    }
}
