//! Where reports go: each output reads the changes of the store at its own pace and keeps its own place, so that one
//! which was down for hours catches up in order and holds nobody up.

mod command;
pub mod config;
mod csv_line;
pub(super) mod erase;
mod files;
pub mod manage;
mod run;
mod webhook;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::print::Printer;
use super::{Out, StoredReport};
use crate::store::changes::{self, Change, Place};
use crate::store::reports_table::ReportsTable;
use command::Run;
use files::{Format, Rolled};
use webhook::Webhook;

pub use erase::Erased;
pub(super) use run::{Ended, Runner};

/// An output as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its place is kept under this name.
    pub name: String,
    pub kind: Kind,
    /// A new output begins with what comes, not with what the store holds.
    pub from_now: bool,
}

/// What an output is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// JSON Lines, a file a day.
    Jsonl(PathBuf),
    /// Comma-separated values, a file a day.
    Csv(PathBuf),
    /// The table `callfeed_reports` of a PostgreSQL database. The URL can hold a password.
    Postgres(String),
    /// Signed requests.
    Webhook { url: url::Url, secret: Secret },
    /// A command for each report, which it reads from stdin.
    Command(String),
}

/// Where the secret of a webhook comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// Name of an environment variable.
    Environment(String),
    /// A private file, made at the first use.
    File(PathBuf),
}

impl Kind {
    /// Files and tables are copies of the store; a webhook or a command does something, once, when it happens.
    #[must_use]
    pub fn begins_now(&self) -> bool {
        matches!(self, Self::Webhook { .. } | Self::Command(_))
    }
}

/// An output that takes changes.
pub(super) enum Sink {
    /// `None`: nobody is to see anything.
    Terminal {
        printer: Option<Printer>,
        on_report: Option<mpsc::Sender<StoredReport>>,
    },
    Files(Rolled),
    Postgres(ReportsTable),
    Webhook(Webhook),
    Command(Run),
}

/// What became of changes that were handed to an output.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It has all of them; its own words for how far it has written now.
    All(String),
    /// It stands elsewhere now, and wants to be asked again once that is on disk.
    Moved(String),
    /// It takes nothing at present: all of them again later.
    Down(String),
    /// It does not want this one.
    Refused(String),
    /// It failed: the report may be at fault or the output itself, which the next report shows.
    Failed(String),
    /// Nobody reads it any more.
    Gone,
}

impl Sink {
    /// The terminal, or nobody at all.
    pub fn terminal(out: Option<Out>, json: bool, on_report: Option<mpsc::Sender<StoredReport>>) -> Self {
        Self::Terminal { printer: out.map(|out| Printer::new(out, json)), on_report }
    }

    fn open(wanted: &Wanted) -> anyhow::Result<Self> {
        let from_now = wanted.from_now;
        Ok(match &wanted.kind {
            Kind::Jsonl(folder) => Self::Files(Rolled::new(folder, Format::Jsonl, from_now)),
            Kind::Csv(folder) => Self::Files(Rolled::new(folder, Format::Csv, from_now)),
            Kind::Postgres(url) => {
                Self::Postgres(ReportsTable::new(url).context("the URL of the database cannot be read")?)
            }
            Kind::Webhook { url, secret } => Self::Webhook(Webhook::new(url.clone(), secret)?),
            Kind::Command(command) => Self::Command(Run::new(command)),
        })
    }

    /// How many changes it is given at a time.
    pub fn batch(&self) -> u32 {
        match self {
            Self::Files(_) | Self::Postgres(_) => crate::limits::OUTPUT_BATCH,
            _ => 1,
        }
    }

    /// Hands changes over, at most [`Sink::batch`].
    ///
    /// # Errors
    /// When the terminal cannot be written to, which ends the program.
    pub async fn take(&mut self, changes: &[Change], place: &Place) -> anyhow::Result<Taken> {
        Ok(match self {
            Self::Terminal { printer, on_report } => {
                for change in changes {
                    if let Some(printer) = printer
                        && !printer.print_change(change).await.context("cannot print")?
                    {
                        return Ok(Taken::Gone);
                    }
                    if let Some(receiver) = on_report {
                        let _ = receiver.send(change.report.clone()).await;
                    }
                }
                Taken::All(String::new())
            }
            Self::Files(files) => files.take(changes, &place.position).await,
            Self::Postgres(table) => match table.write(changes).await {
                Ok(()) => Taken::All(String::new()),
                Err(error) => Taken::Down(error.to_string()),
            },
            Self::Webhook(webhook) => {
                for change in changes {
                    let taken = webhook.send(change).await;
                    if !matches!(taken, Taken::All(_)) {
                        return Ok(taken);
                    }
                }
                Taken::All(String::new())
            }
            Self::Command(command) => {
                for change in changes {
                    let taken = command.run(change).await;
                    if !matches!(taken, Taken::All(_)) {
                        return Ok(taken);
                    }
                }
                Taken::All(String::new())
            }
        })
    }
}

/// The outputs of a collector besides the terminal.
///
/// # Errors
/// What is wrong with one, by its name.
pub(super) fn open(wanted: &[Wanted]) -> anyhow::Result<Vec<(Wanted, Sink)>> {
    let open = |wanted: &Wanted| {
        let sink = Sink::open(wanted).with_context(|| format!("output {}", wanted.name))?;
        Ok((wanted.clone(), sink))
    };
    wanted.iter().map(open).collect()
}

/// Name of the terminal's output.
pub(super) const TERMINAL: &str = changes::TERMINAL;

/// The file of further outputs in the state folder.
#[must_use]
pub fn default_file(state_dir: &Path) -> PathBuf {
    state_dir.join("reports.toml")
}
