//! `callfeed screen-pop`: the page that shows who is calling.

use std::path::PathBuf;

use apps::env;
use apps::screen_pop::{self, Access, Listening, Options};

use crate::{logging, stop};

/// Show who is calling, on a web page, while the phone rings.
///
/// The page and the redirect URI of the sign-in (http://HOST:PORT/app/redirect) are on one port.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Settings: OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET, ACCOUNT_KEY, LOG_LEVEL, SHOW_DEBUG_LOGS, and GOTO_AUTH_URL,
    /// GOTO_API_URL, GOTO_CHANNEL_URL, GOTO_ADMIN_URL for another host than GoTo's [default: .env].
    #[arg(long, value_name = "FILE")]
    env: Option<PathBuf>,
    /// Folder of the token and of the calls seen.
    #[arg(long, value_name = "DIR", default_value = "callfeed-state")]
    state: PathBuf,
    /// Host and port of the page.
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:5000")]
    listen: String,
    /// The address that browsers know the page by, when that is another: https://calls.example.com, behind a proxy.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Where contacts are looked up (docs/contacts.md) [default: sources.toml in the state folder, if it is there].
    #[arg(long, value_name = "FILE")]
    sources: Option<PathBuf>,
    /// Print the login address and open nothing.
    #[arg(long)]
    no_browser: bool,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let settings = env::load(args.env.as_deref())?;
    logging::init(logging::level(&settings));
    let mut listening = Listening::open(&args.listen).await?;
    if let Some(public) = &args.public_url {
        listening = listening.known_as(public)?;
    }
    eprintln!("The screen pop is at {}", listening.page());
    let options = Options {
        state_dir: args.state,
        listening,
        no_browser: args.no_browser,
        sources: args.sources,
        access: Access::SignedIn,
        on_pop: None,
    };
    screen_pop::run(settings, options, stop::token()).await
}
