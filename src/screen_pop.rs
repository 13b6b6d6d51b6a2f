//! `callfeed screen-pop`: the page that shows who is calling.

use std::path::PathBuf;
use std::time::Duration;

use apps::env;
use apps::screen_pop::{self, Access, Listening, Options, TlsFiles};

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
    /// Keep the store in this PostgreSQL database, postgres://…, instead of a file; the state folder remembers it
    #[arg(long, value_name = "URL", env = "CALLFEED_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// Host and port of the page.
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:5000")]
    listen: String,
    /// The address that browsers know the page by, when that is another: https://calls.example.com, behind a proxy.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Certificate chain in PEM: serve https. Needs --tls-key; a renewed file is taken up within a minute.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Key of the certificate in PEM, not encrypted.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Look for renewed files so often; for tests.
    #[arg(long, hide = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    certificate_look_every: Option<u64>,
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
    if let Some(url) = &args.database {
        apps::store::use_database(&args.state, url)?;
    }
    let tls = args.tls_cert.zip(args.tls_key);
    let tls = tls.map(|(certificate, key)| TlsFiles { certificate, key });
    let mut listening = Listening::open(&args.listen, tls).await?;
    if let Some(seconds) = args.certificate_look_every {
        listening = listening.looking_for_certificates_every(Duration::from_secs(seconds));
    }
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
