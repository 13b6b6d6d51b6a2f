//! The report app: every report of the account, fetched when it is announced, kept once, printed.
//!
//! A report is announced, fetched, stored, printed, marked as printed, in this order, and each step is on disk
//! before the next: after a crash at any moment the work goes on where it stopped. The worst that can happen is
//! that the last line is printed twice.

mod collect;
mod fetch;
mod people;
mod print;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::env::Settings;
use crate::limits;
use crate::session::session;
use crate::sign_in;
use crate::store::{Store, reports as table};
use print::Printer;

pub use crate::store::reports::StoredReport;

/// Host and port of the first tutorial's redirect URI.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:12021";
/// Nickname of the app's channel.
pub const NICKNAME: &str = "callfeed-reports";
/// Remembers the channel between two runs.
const CHANNEL_FILE: &str = "reports-channel.json";

/// Where reports are printed.
pub type Out = Box<dyn AsyncWrite + Send + Sync + Unpin>;

/// How to run.
pub struct Options {
    /// Folder of the store and the tokens.
    pub state_dir: PathBuf,
    /// One bare report a line instead of words for people.
    pub json: bool,
    pub no_browser: bool,
    /// Host and port where the redirect of a sign-in is awaited.
    pub listen: String,
    /// Standard output, as a rule. Its end (a closed pipe) is the end of the run.
    pub out: Out,
    /// Receives each report when it is printed. A full queue makes printing wait; a closed one is ignored.
    pub on_report: Option<mpsc::Sender<StoredReport>>,
}

/// Collects reports until `shutdown`; then closes the socket and deletes subscription and channel.
///
/// # Errors
/// When the store cannot be opened, the sign-in fails, or the platform refuses the subscription at the start.
pub async fn run(settings: Settings, options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    collect::run(settings, options, shutdown).await
}

/// Prints what the store holds, in order of storing.
///
/// # Errors
/// When the store cannot be read or the output fails.
pub async fn list(state_dir: &Path, json: bool, out: Out) -> anyhow::Result<()> {
    let store = Store::open_existing(state_dir).await?;
    let mut printer = Printer::new(out, json);
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

fn sign_in_options(no_browser: bool) -> sign_in::Options {
    sign_in::Options { no_browser, listen_flag: "--listen" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_redirect_uri_is_the_tutorials() {
        assert_eq!(redirect_uri(LISTEN_DEFAULT).unwrap().as_str(), "http://127.0.0.1:12021/app/redirect");
        assert!(redirect_uri("127.0.0.1").unwrap_err().to_string().contains("--listen"));
    }
}
