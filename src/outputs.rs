//! Where `callfeed reports` puts reports besides the terminal, and `callfeed outputs`.

use std::path::{Path, PathBuf};

use apps::reports::counted;
use apps::reports::outputs::{Kind, Secret, Wanted, config, default_file, manage};
use url::Url;

use crate::output::say;

/// One output of each kind; `reports.toml` has more.
#[derive(Debug, clap::Args)]
pub struct Flags {
    /// Write each report as a line of JSON into DIR/reports-DATE.jsonl.
    #[arg(long, value_name = "DIR", help_heading = "Outputs")]
    jsonl: Option<PathBuf>,
    /// Write each report as a line of a table into DIR/reports-DATE.csv.
    #[arg(long, value_name = "DIR", help_heading = "Outputs")]
    csv: Option<PathBuf>,
    /// Write each report into the table callfeed_reports of a PostgreSQL database.
    #[arg(
        long,
        value_name = "URL",
        help_heading = "Outputs",
        env = "CALLFEED_POSTGRES",
        hide_env_values = true
    )]
    postgres: Option<String>,
    /// Post each report to URL, signed as Standard Webhooks say, with the secret in CALLFEED_WEBHOOK_SECRET or in
    /// webhook.secret of the state folder, which is made.
    #[arg(long, value_name = "URL", help_heading = "Outputs", value_parser = config::webhook_url)]
    webhook: Option<Url>,
    /// Run a command for each report, which it reads from stdin.
    #[arg(long, value_name = "COMMAND", help_heading = "Outputs")]
    exec: Option<String>,
    /// Further outputs [default: reports.toml in the state folder, if there is one].
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    outputs: Option<PathBuf>,
}

/// The environment variable with the secret of `--webhook`.
const WEBHOOK_SECRET: &str = "CALLFEED_WEBHOOK_SECRET";

impl Flags {
    /// # Errors
    /// All that is wrong with the file of outputs.
    pub fn wanted(self, state: &Path) -> anyhow::Result<Vec<Wanted>> {
        let secret = match std::env::var(WEBHOOK_SECRET) {
            Ok(_) => Secret::Environment(WEBHOOK_SECRET.to_owned()),
            Err(_) => Secret::File(state.join("webhook.secret")),
        };
        // Not by the parser of the command line, which would say the address again, password and all.
        let database = self.postgres.as_deref().map(config::postgres_url).transpose();
        let database = database.map_err(|what| anyhow::anyhow!("--postgres: {what}"))?;
        let kinds = [
            ("jsonl", self.jsonl.map(Kind::Jsonl)),
            ("csv", self.csv.map(Kind::Csv)),
            ("postgres", database.map(Kind::Postgres)),
            ("webhook", self.webhook.map(|url| Kind::Webhook { url, secret })),
            ("exec", self.exec.map(Kind::Command)),
        ];
        let wanted = |(name, kind): (&str, Option<Kind>)| {
            let kind = kind?;
            let from_now = kind.begins_now();
            Some(Wanted { name: name.to_owned(), kind, from_now })
        };
        let mut all: Vec<Wanted> = kinds.into_iter().filter_map(wanted).collect();
        let file = default_file(state);
        if let Some(file) = self.outputs.or_else(|| file.is_file().then_some(file)) {
            all.extend(config::load(&file, |name| std::env::var(name).ok())?);
        }
        Ok(all)
    }
}

/// Where the outputs of the collector stand, and what they put aside.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Folder of the store.
    #[arg(long, value_name = "DIR", default_value = "callfeed-state", global = true)]
    state: PathBuf,
    /// One JSON document a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the reports that an output refused too often and that were put aside.
    Dead {
        /// Of this output alone.
        name: Option<String>,
    },
    /// Deliver again what an output put aside; a running collector does it within seconds, else the next one.
    Replay {
        /// The output.
        name: String,
        /// Of this call alone.
        #[arg(long, value_name = "CONVERSATION")]
        call: Option<String>,
    },
    /// Forget an output that is not used any more; one of the same name begins anew, for files in a folder without earlier ones.
    Forget {
        /// The output.
        name: String,
    },
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let (state, out) = (args.state.as_path(), Box::new(tokio::io::stdout()));
    match args.command {
        None => manage::list(state, args.json, out).await,
        Some(Command::Dead { name }) => manage::dead(state, name.as_deref(), args.json, out).await,
        Some(Command::Replay { name, call }) => {
            let number = manage::replay(state, &name, call.as_deref()).await?;
            let reports = counted(number, "report is", "reports are");
            say(&format!("{reports} delivered to {name} again."))
        }
        Some(Command::Forget { name }) => {
            manage::forget(state, &name).await?;
            say(&format!(
                "{name} is forgotten. A later start with it begins anew: if it writes files, move its files elsewhere first."
            ))
        }
    }
}
