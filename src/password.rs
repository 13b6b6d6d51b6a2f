//! `callfeed password`: the password of a person of the office file.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::output::say;

/// Set the password of a person of the office file, also while the platform runs.
///
/// Asks twice without showing what is typed. The person's open logins end; programs that were let in go on.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// E-mail address of the person, as in the office file.
    #[arg(value_name = "EMAIL")]
    email: String,
    /// Data folder of the platform.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// postgres://… instead of SQLite in the data folder.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Take the password from the first line of stdin.
    #[arg(long)]
    stdin: bool,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let password = if args.stdin { from_stdin()? } else { asked()? };
    server::set_password(&args.data, args.database.as_deref(), &args.email, password).await?;
    say(&"the password is set")
}

fn from_stdin() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("cannot read the password from stdin")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn asked() -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask on: give --stdin");
    }
    let ask = |prompt: &str| rpassword::prompt_password(prompt).context("cannot read the password");
    let password = ask("New password: ")?;
    if password != ask("The same again: ")? {
        bail!("the two are not the same; nothing was changed");
    }
    Ok(password)
}
