//! `callfeed reports`, `callfeed reports list` and `move`, `callfeed login` and `callfeed gaps`: the report collector.

use std::path::PathBuf;

use apps::env;
use apps::reports::{self, LISTEN_DEFAULT, Options, counted};

use crate::output::say;
use crate::{logging, outputs, stop};

/// Print and keep each call's report the moment the call ends.
///
/// Signs in through the pages the first time, and keeps the token. On Ctrl-C it deletes its subscription and channel.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(ListArgs),
    Move(MoveArgs),
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// Settings: OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET, ACCOUNT_KEY, LOG_LEVEL, SHOW_DEBUG_LOGS, and GOTO_AUTH_URL,
    /// GOTO_API_URL, GOTO_CHANNEL_URL, GOTO_ADMIN_URL for another host than GoTo's. Once for each account, where there are
    /// several [default: .env].
    #[arg(long, value_name = "FILE")]
    env: Vec<PathBuf>,
    /// Folder of the store and the token.
    #[arg(long, value_name = "DIR", default_value = "callfeed-state")]
    state: PathBuf,
    /// Keep the store in this PostgreSQL database, postgres://…, instead of a file; the state folder remembers it
    #[arg(long, value_name = "URL", env = "CALLFEED_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// One bare report a line on stdout; everything else on stderr.
    #[arg(long)]
    json: bool,
    /// Print no report, as for a service whose output goes to a log.
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    #[command(flatten)]
    outputs: outputs::Flags,
    #[command(flatten)]
    keep: KeepArgs,
    /// Serve /healthz and /metrics (Prometheus) at this address, such as 127.0.0.1:9100.
    #[arg(long, value_name = "HOST:PORT")]
    health: Option<String>,
    /// Print the login address and open nothing.
    #[arg(long)]
    no_browser: bool,
    /// At the first start, fetch the calls of so many days before it, or since a date (2026-01-31); 0 for none.
    #[arg(long, value_name = "DAYS|DATE", default_value = "31", value_parser = reports::since)]
    since: reports::Since,
    /// Host and port of the redirect URI, which is http://HOST:PORT/app/redirect.
    #[arg(long, value_name = "HOST:PORT", default_value = LISTEN_DEFAULT)]
    listen: String,
}

/// Without these all is kept.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Retention")]
struct KeepArgs {
    /// Erase calls so many days after they ended: from the store, from files by their day, from PostgreSQL.
    #[arg(long, value_name = "DAYS", value_parser = reports::keep_days)]
    keep_days: Option<u32>,
    /// Take numbers of callers and callees out of what is kept, so many days after the call.
    #[arg(long, value_name = "DAYS", value_parser = reports::keep_days)]
    keep_numbers: Option<u32>,
    /// Take names of callers and callees out of what is kept, so many days after the call.
    #[arg(long, value_name = "DAYS", value_parser = reports::keep_days)]
    keep_names: Option<u32>,
    /// Take recordings and transcripts out of what is kept, so many days after the call.
    #[arg(long, value_name = "DAYS", value_parser = reports::keep_days)]
    keep_recordings: Option<u32>,
}

impl KeepArgs {
    fn keep(&self) -> reports::Keep {
        let Self { keep_days, keep_numbers, keep_names, keep_recordings } = *self;
        reports::Keep {
            days: keep_days,
            numbers: keep_numbers,
            names: keep_names,
            recordings: keep_recordings,
        }
    }
}

/// Print the reports in the store, in order of storing; with --since or --last in the order in which calls ended.
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Folder of the store.
    #[arg(long, value_name = "DIR", default_value = "callfeed-state")]
    state: PathBuf,
    /// One bare report a line.
    #[arg(long)]
    json: bool,
    /// Of calls that ended within so many days, or since a date (2026-01-31).
    #[arg(long, value_name = "DAYS|DATE", value_parser = reports::listed_since)]
    since: Option<reports::Since>,
    /// Of the calls that ended last, so many.
    #[arg(long, value_name = "N")]
    last: Option<u32>,
}

/// Move the store of a state folder from its file into a PostgreSQL database, with all that it keeps.
///
/// Reports, where outputs stand, gaps, contacts and what the screen pop saw. Stop the apps first. The database must have no
/// store yet; the folder names it from then on.
#[derive(Debug, clap::Args)]
struct MoveArgs {
    /// Folder of the store.
    #[arg(long, value_name = "DIR", default_value = "callfeed-state")]
    state: PathBuf,
    /// Where to, postgres://…
    #[arg(long, value_name = "URL", env = "CALLFEED_DATABASE", hide_env_values = true)]
    database: String,
}

async fn move_store(args: &MoveArgs) -> anyhow::Result<()> {
    let moved = reports::move_store(&args.state, &args.database).await?;
    say(&format!(
        "{} moved, {} in all. The store of before is {}: delete it when you are sure.",
        counted(moved.reports, "report is", "reports are"),
        counted(moved.rows, "row", "rows"),
        moved.file.display()
    ))
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    match &args.command {
        Some(Command::List(list)) => {
            let ListArgs { json, since, last, .. } = *list;
            let listed = reports::Listed { json, since, last };
            return reports::list(&list.state, listed, Box::new(tokio::io::stdout())).await;
        }
        Some(Command::Move(to)) => return move_store(to).await,
        None => {}
    }
    let args = args.run;
    let accounts = env::load_all(&args.env)?;
    logging::init(accounts.first().map_or("info", logging::level));
    if let Some(url) = &args.database {
        apps::store::use_database(&args.state, url)?;
    }
    let outputs = args.outputs.wanted(&args.state)?;
    let out: Option<reports::Out> = if args.quiet { None } else { Some(Box::new(tokio::io::stdout())) };
    let options = Options {
        state_dir: args.state,
        json: args.json,
        outputs,
        keep: args.keep.keep(),
        health: args.health,
        no_browser: args.no_browser,
        since: args.since,
        listen: args.listen,
        out,
        on_report: None,
    };
    reports::run_all(&accounts, options, stop::token()).await
}

/// Sign in through the pages and keep the token; nothing else.
#[derive(Debug, clap::Args)]
pub struct LoginArgs {
    /// Settings, as for `callfeed reports`; with several, one sign-in after the other [default: .env].
    #[arg(long, value_name = "FILE")]
    env: Vec<PathBuf>,
    /// Folder of the token.
    #[arg(long, value_name = "DIR", default_value = "callfeed-state")]
    state: PathBuf,
    /// Print the login address and open nothing.
    #[arg(long)]
    no_browser: bool,
    /// Host and port of the redirect URI, which is http://HOST:PORT/app/redirect.
    #[arg(long, value_name = "HOST:PORT", default_value = LISTEN_DEFAULT)]
    listen: String,
}

pub async fn login(args: LoginArgs) -> anyhow::Result<()> {
    let accounts = env::load_all(&args.env)?;
    logging::init(accounts.first().map_or("info", logging::level));
    let (several, stop) = (accounts.len() > 1, stop::token());
    for settings in &accounts {
        let folder = reports::account_folder(&args.state, &settings.account_key, several);
        if several {
            eprintln!("Account {}:", settings.account_key);
        }
        reports::login(settings, &folder, &args.listen, args.no_browser, &stop).await?;
    }
    Ok(())
}

/// Print the times in which calls could have been missed and are not all found yet.
#[derive(Debug, clap::Args)]
pub struct GapsArgs {
    /// Folder of the store.
    #[arg(long, value_name = "DIR", default_value = "callfeed-state")]
    state: PathBuf,
    /// Those that are closed too: everything within them was found.
    #[arg(long)]
    all: bool,
    /// Each report that cannot be had by itself; else those of one cause are one line.
    #[arg(long)]
    each: bool,
    /// One JSON document a line, for each gap.
    #[arg(long)]
    json: bool,
}

pub async fn gaps(args: GapsArgs) -> anyhow::Result<()> {
    let GapsArgs { all, each, json, .. } = args;
    let what = reports::GapsWanted { all, each, json };
    reports::gaps(&args.state, what, Box::new(tokio::io::stdout())).await.map(|_| ())
}
