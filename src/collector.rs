//! `callfeed doctor`, `token`, `explain`, `export` and `erase`: what the owner of a collector asks.

use std::path::PathBuf;

use anyhow::ensure;
use apps::env;
use apps::people::number::Home;
use apps::reports::{self, LISTEN_DEFAULT, counted, doctor};
use secrecy::ExposeSecret as _;

use crate::output::say;
use crate::{logging, outputs};

/// Look at everything that the apps need, and name the step that mends what is missing.
///
/// Settings, state folder, hosts, clock, OAuth client, redirect URI, sign-in, each endpoint with its scope and role, and
/// the socket. Makes a channel of its own and deletes it; the collector may run meanwhile.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Settings, as for `callfeed reports`; once for each account [default: .env].
    #[arg(long, value_name = "FILE")]
    env: Vec<PathBuf>,
    /// Folder of the store and the token.
    #[arg(long, value_name = "DIR", default_value = "callfeed-state")]
    state: PathBuf,
    /// Host and port of the redirect URI, as for `callfeed reports`.
    #[arg(long, value_name = "HOST:PORT", default_value = LISTEN_DEFAULT)]
    listen: String,
    /// One JSON document a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Settings, as for `callfeed reports` [default: .env].
    #[arg(long, value_name = "FILE")]
    env: Option<PathBuf>,
    /// Folder of the store and the token.
    #[arg(long, value_name = "DIR", default_value = "callfeed-state")]
    state: PathBuf,
}

pub async fn doctor(args: DoctorArgs) -> anyhow::Result<()> {
    let accounts = env::load_all(&args.env)?;
    // What fails is a finding; the log would say it twice.
    logging::init("off");
    let (mut bad, mut printed) = (0, Ok(()));
    let mut tell = |finding: doctor::Finding| {
        bad += usize::from(finding.is_bad());
        if printed.is_ok() {
            printed = match args.json {
                true => say(&serde_json::to_string(&finding).unwrap_or_default()),
                false => say(&finding.line()),
            };
        }
    };
    let redirect_uri = reports::redirect_uri(&args.listen)?;
    if let Some(finding) = doctor::store(&args.state).await {
        tell(finding);
    }
    for settings in &accounts {
        let folder = reports::account_folder(&args.state, &settings.account_key, accounts.len() > 1);
        if accounts.len() > 1 && !args.json {
            say(&format!("Account {}:", settings.account_key))?;
        }
        doctor::examine(settings, &args.state, &folder, redirect_uri.clone(), &mut tell).await?;
    }
    printed?;
    ensure!(bad == 0, "{} to be mended", counted(bad, "thing is", "things are"));
    Ok(())
}

/// Print a fresh access token, as for curl; it lives for at most an hour.
#[derive(Debug, clap::Args)]
pub struct TokenArgs {
    #[command(flatten)]
    common: Common,
}

pub async fn token(args: TokenArgs) -> anyhow::Result<()> {
    let settings = env::load(args.common.env.as_deref())?;
    // Whoever asks for a token wants nothing else on the screen.
    logging::init("off");
    let client = apps::session(&settings, &args.common.state, reports::redirect_uri(LISTEN_DEFAULT)?)?;
    let ended = |error: sdk::Error| match error.kind {
        sdk::ErrorKind::SignInNeeded => {
            anyhow::anyhow!("{error}: callfeed login, with the same --env and --state")
        }
        _ => error.into(),
    };
    client.ready().await.map_err(ended)?;
    // A token can be taken back before its time: any request shows it, and gets a new one where the sign-in lives. What
    // else is refused, or a service that is away, says nothing about the token.
    if let Err(error) = client.channels().await
        && error.kind == sdk::ErrorKind::SignInNeeded
    {
        return Err(ended(error));
    }
    let token = client.access_token().await.map_err(ended)?;
    say(&token.expose_secret())
}

/// Tell why a call was or was not collected, popped and delivered.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// Conversation space id of the call.
    conversation: String,
    /// Folder of the store.
    #[arg(long, value_name = "DIR", default_value = "callfeed-state")]
    state: PathBuf,
    /// The same for programs: a JSON document for each account that knows of the call.
    #[arg(long)]
    json: bool,
}

pub async fn explain(args: ExplainArgs) -> anyhow::Result<()> {
    reports::explain(&args.state, &args.conversation, args.json, Box::new(tokio::io::stdout())).await
}

/// Print every stored report in which a phone number took part, as JSON lines: what a person may ask for.
#[derive(Debug, clap::Args)]
pub struct NumberArgs {
    /// The number, as +13125550147 or as it is written at home.
    number: String,
    /// Folder of the store.
    #[arg(long, value_name = "DIR", default_value = "callfeed-state")]
    state: PathBuf,
    /// Country of a number that is written without one.
    #[arg(long, value_name = "REGION", default_value = "US")]
    region: Home,
    #[command(flatten)]
    outputs: outputs::Flags,
}

pub async fn export(args: NumberArgs) -> anyhow::Result<()> {
    let out = Box::new(tokio::io::stdout());
    let outputs = args.outputs.wanted(&args.state)?;
    let calls = reports::export(&args.state, &args.number, args.region, &outputs, out).await?;
    eprintln!("{}.", counted(calls, "call", "calls"));
    Ok(())
}

pub async fn erase(args: NumberArgs) -> anyhow::Result<()> {
    let outputs = args.outputs.wanted(&args.state)?;
    let erased = reports::erase(&args.state, &args.number, args.region, &outputs).await?;
    let calls = counted(erased.calls, "call", "calls");
    say(&format!("Erased from the store: {calls}, which do not come back."))?;
    say(&format!(
        "Reports of its calls until now that arrive later are not kept either ({} still to be fetched, whoever called).",
        counted(erased.to_fetch, "report is", "reports are")
    ))?;
    say(&match outputs.is_empty() {
        true => "Files and tables that outputs have written are not touched: name them as for callfeed reports, such as \
                 --jsonl DIR."
            .to_owned(),
        false => format!(
            "Erased from outputs: {} and {}.",
            counted(erased.lines, "line of files", "lines of files"),
            counted(erased.rows, "row of tables", "rows of tables")
        ),
    })?;
    let passed_on = match erased.beyond_reach.as_slice() {
        [] => String::new(),
        names => format!(" ({})", names.join(", ")),
    };
    say(&format!(
        "Out of reach: what webhooks and commands have been given{passed_on}, what the terminal has shown, copies and \
         backups of the store and of files, contacts, and the phone system itself."
    ))
}
