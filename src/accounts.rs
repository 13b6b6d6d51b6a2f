//! `callfeed accounts`: which accounts a sign-in can see, and which one the settings name.

use std::path::PathBuf;

use apps::accounts::{self, Options, Written};
use apps::env;
use apps::reports::{self, LISTEN_DEFAULT};

use crate::output::say;
use crate::{logging, stop};

/// List the accounts that the sign-in can see: keys, names, lines and telephone numbers.
///
/// Signs in through the pages where nobody is signed in. ACCOUNT_KEY may be missing in the settings; --pick writes it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Settings, as for `callfeed reports`; ACCOUNT_KEY may be missing [default: .env].
    #[arg(long, value_name = "FILE")]
    env: Option<PathBuf>,
    /// Folder of the token.
    #[arg(long, value_name = "DIR", default_value = "callfeed-state")]
    state: PathBuf,
    /// Write ACCOUNT_KEY into the settings: this account, or the only one.
    #[arg(long, value_name = "KEY", num_args = 0..=1, default_missing_value = "")]
    pick: Option<String>,
    /// This account is not collected any more: what is missing of it is no open gap, and holds back no other account.
    /// What is stored of it stays; a collector that starts with it again takes that back. Nobody signs in for this.
    #[arg(long, value_name = "KEY", conflicts_with_all = ["pick", "json", "sign_in"])]
    end: Option<String>,
    /// One JSON document a line.
    #[arg(long)]
    json: bool,
    /// Sign in anew, as somebody else or to allow more: telephone numbers need the scope voice-admin.v1.read.
    #[arg(long)]
    sign_in: bool,
    /// Print the login address and open nothing.
    #[arg(long)]
    no_browser: bool,
    /// Host and port of the redirect URI, which is http://HOST:PORT/app/redirect.
    #[arg(long, value_name = "HOST:PORT", default_value = LISTEN_DEFAULT)]
    listen: String,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    if let Some(key) = &args.end {
        reports::end_account(&args.state, key).await?;
        return say(&format!("Account {key} has ended: callfeed gaps --all still tells of it."));
    }
    let settings = env::load_for_sign_in(args.env.as_deref())?;
    logging::init(logging::level(&settings));
    let options = Options {
        state_dir: args.state,
        listen: args.listen,
        no_browser: args.no_browser,
        sign_in: args.sign_in,
    };
    let mut accounts = accounts::list(&settings, &options, &stop::token()).await?;
    let mut said = None;
    if let Some(key) = &args.pick {
        let key = accounts::choice(&accounts, Some(key.as_str()).filter(|key| !key.is_empty()))?;
        let key = key.account_key.clone();
        said = Some(match accounts::pick(args.env.as_deref(), &key)? {
            Written::Into(file) => format!("{} has ACCOUNT_KEY={key} now.", file.display()),
            Written::Nowhere(line) => format!("There is no file of settings; put this into one: {line}"),
        });
        accounts.iter_mut().for_each(|account| account.chosen = account.account_key == key);
    }
    for account in &accounts {
        match args.json {
            true => say(&serde_json::to_string(account)?)?,
            false => say(&account.text())?,
        }
    }
    if said.is_none() && !accounts.iter().any(|account| account.chosen) {
        said = Some(
            "The settings name none of them: callfeed accounts --pick KEY writes one into them.".to_owned(),
        );
    }
    // Programs read the lines; the word is for people.
    if let Some(said) = said {
        eprintln!("{said}");
    }
    Ok(())
}
