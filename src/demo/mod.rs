//! `callfeed demo`: platform, both apps and a small office in one process, with calls played at human pace.
//!
//! Everything is real: the apps sign in through the pages, over HTTP, as a person without JavaScript would, and
//! hear of calls through their own channels. Only the calls are played.

pub mod office;
mod page;
pub mod person;
mod stage;
mod tally;
mod terminal;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::{logging, stop};
use office::Office;
use tally::Tally;
use terminal::Terminal;

/// Show everything at once: a phone system with calls, the screen pop and the report collector.
///
/// Needs no configuration. Open the address of the screen pop; Ctrl-C ends it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the data [default: a temporary folder].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many calls [default: without end].
    #[arg(long, value_name = "N")]
    calls: Option<u64>,
    /// How many times faster than life.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    speed: f64,
    /// Decides who calls whom.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// End after the last call; with --calls.
    #[arg(long, requires = "calls")]
    exit: bool,
    /// {"pop": …} and {"report": …} a line on stdout, last {"summary": …}.
    #[arg(long)]
    json: bool,
    /// Requests a second per client and API, or "off".
    #[arg(long, value_name = "N|off", default_value = "off", value_parser = crate::serve::rate_limit)]
    rate_limit: crate::serve::RateLimit,
}

/// How long the last reports may take after the last call has ended.
const LAST_REPORTS: Duration = Duration::from_secs(30);

pub async fn run(args: Args) -> anyhow::Result<()> {
    anyhow::ensure!(
        (0.01..=100_000.0).contains(&args.speed),
        "--speed must be from 0.01 to 100000, not {}",
        args.speed
    );
    logging::init("warn");
    let temporary = match args.data {
        Some(_) => None,
        None => {
            Some(tempfile::tempdir().context("cannot make a temporary folder; name one with --data DIR")?)
        }
    };
    let folder = args.data.clone().or_else(|| temporary.as_ref().map(|folder| folder.path().to_owned()));
    let folder = folder.context("no folder for the data")?;
    let stop = stop::token();
    let apps = stop.child_token();
    let platform = CancellationToken::new();
    let tally = Arc::new(Tally::new(Terminal::new(args.json)));
    let mut office = Office::open(&folder, &args, Arc::clone(&tally), &apps, &platform).await?;
    let played = play(&args, &office, &tally, &stop).await;
    apps.cancel();
    let closed = office.close(&platform).await;
    drop(temporary);
    let complete = played?;
    closed?;
    anyhow::ensure!(complete, "not every call has exactly one report and every inbound call exactly one pop");
    Ok(())
}

/// True unless a finished run of a given number of calls lost or doubled something.
async fn play(args: &Args, office: &Office, tally: &Tally, stop: &CancellationToken) -> anyhow::Result<bool> {
    tokio::select! {
        played = stage::play(office, args, tally) => played?,
        failed = office.failed() => return Err(failed),
        () = stop.cancelled() => return Ok(true),
    }
    tokio::select! {
        () = tally.wait_complete(LAST_REPORTS) => {}
        () = stop.cancelled() => return Ok(true),
    }
    let complete = tally.finish();
    if !args.exit {
        stop.cancelled().await;
    }
    Ok(complete)
}
