//! `callfeed serve`: the platform.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::net::TcpListener;
use url::Url;

use crate::logging::{self, Format};
use crate::stop;

/// Serve the GoTo Connect APIs: OAuth, notification channels, call events, reports.
///
/// GET /healthz answers 200 when the platform is ready, 503 while calls cannot be stored. Data is in one SQLite file unless --database says otherwise.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address to listen on.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: Listen,
    /// Folder of the database; made if it is not there.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// postgres://… instead of SQLite in the data folder.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// What handed-out URLs begin with [default: the listen address].
    #[arg(long, value_name = "URL", value_parser = public_url)]
    public_url: Option<Url>,
    /// Requests a second per client and API, or "off" [default: 10, off with --example].
    #[arg(long, value_name = "N|off", value_parser = rate_limit)]
    rate_limit: Option<RateLimit>,
    /// Forget finished calls, with their states and reports, after so many days.
    #[arg(long, value_name = "DAYS", default_value_t = server::limits::KEEP_DAYS,
          value_parser = clap::value_parser!(u32).range(i64::from(server::limits::KEEP_DAYS_MIN)..))]
    keep_days: u32,
    /// Certificate chain in PEM: serve https and wss. Needs --tls-key.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Look for renewed files so often; for tests.
    #[arg(long, hide = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    certificate_look_every: Option<u64>,
    /// A port of its own for Prometheus' GET /metrics [default: on the port above, for this machine alone, unless
    /// there is a public URL].
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics_listen: Option<SocketAddr>,
    /// A proxy whose X-Forwarded-For tells who the client is: an address, or a network such as 10.0.0.0/8. Can be
    /// repeated; nobody else's header is believed.
    #[arg(long, value_name = "ADDRESS")]
    trusted_proxy: Vec<server::TrustedProxy>,
    /// Let lists of channels and subscriptions lag so many seconds behind, as those of GoTo Connect do.
    #[arg(long, value_name = "SECONDS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(..=server::limits::LIST_LAG_S_MAX))]
    list_lag: u64,
    /// Connections at the same time, open sockets included [default: what the limit of open files allows].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: Option<u32>,
    /// Close a connection on which the head of a request is not whole within so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = server::limits::REQUEST_HEAD_TIMEOUT.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    head_timeout: u64,
    /// Seed an example office once and write its secrets to DIR/example.env; on this machine only.
    #[arg(long)]
    example: bool,
    /// Serve the company that this file describes: people, phones, numbers (docs/operations.md); read at each start.
    #[arg(long, value_name = "FILE", conflicts_with = "example")]
    office: Option<PathBuf>,
    /// Let webhooks go to addresses that are not public, over plain http and to any port; on with --example unless
    /// --public-url names another machine.
    #[arg(long)]
    allow_private_webhooks: bool,
    /// The machine's time, or one that stands still until `callfeed clock advance` moves it: for tests.
    #[arg(long, value_name = "KIND", default_value = "system")]
    clock: ClockKind,
    /// Where a virtual clock begins: an instant such as 2026-03-02T08:00:00Z, or now [default: 2026-01-05T00:00:00Z, a
    /// Monday]; at a later start it goes on where it stood.
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    clock_start: Option<Timestamp>,
    /// error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value = "info",
          value_parser = ["error", "warn", "info", "debug", "trace"])]
    log_level: String,
    /// How log lines on stderr look.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ClockKind {
    System,
    Virtual,
}

fn instant(text: &str) -> Result<Timestamp, String> {
    if text == "now" {
        return Ok(Timestamp::now());
    }
    text.parse().map_err(|_| "write an instant such as 2026-03-02T08:00:00Z, or now".to_owned())
}

/// An address to listen on; `localhost` is 127.0.0.1.
#[derive(Clone, Copy, Debug)]
struct Listen(SocketAddr);

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address =
            text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |p| format!("127.0.0.1:{p}"));
        let wrong = || "write an address and a port, such as 127.0.0.1:8080 or localhost:8080".to_owned();
        address.parse().map(Self).map_err(|_| wrong())
    }
}

#[derive(Clone, Copy, Debug)]
pub enum RateLimit {
    Off,
    PerSecond(NonZeroU32),
}

impl RateLimit {
    pub fn per_second(self) -> Option<NonZeroU32> {
        match self {
            Self::Off => None,
            Self::PerSecond(number) => Some(number),
        }
    }
}

pub fn rate_limit(text: &str) -> Result<RateLimit, String> {
    if text == "off" {
        return Ok(RateLimit::Off);
    }
    let number = text.parse().map_err(|_| "give a number of requests a second, 1 or more, or off")?;
    Ok(RateLimit::PerSecond(number))
}

/// Without a scheme, a host with a port would be read as one.
fn public_url(text: &str) -> Result<Url, String> {
    if !text.contains("://") {
        return Err(format!("it begins with https:// or http://; did you mean https://{text}?"));
    }
    text.parse().map_err(|error| format!("{error}; write it such as https://calls.example.com"))
}

impl Args {
    /// What the platform is told, and where it listens.
    pub fn config(self) -> (server::Config, SocketAddr) {
        let mut config = server::Config::new(self.data);
        config.database = self.database;
        config.public_url = self.public_url;
        config.metrics_listen = self.metrics_listen;
        config.keep_days = self.keep_days;
        config.connections_max = self.max_connections.map(|number| number as usize);
        config.trusted_proxies = self.trusted_proxy;
        config.list_lag = Duration::from_secs(self.list_lag);
        config.head_timeout = Duration::from_secs(self.head_timeout);
        config.tls =
            self.tls_cert.zip(self.tls_key).map(|(certificate, key)| server::TlsFiles { certificate, key });
        if let Some(seconds) = self.certificate_look_every {
            config.certificate_look_every = Duration::from_secs(seconds);
        }
        config.example = self.example;
        config.office = self.office;
        config.allow_private_webhooks = self.allow_private_webhooks;
        if self.clock == ClockKind::Virtual {
            config.clock = match self.clock_start {
                Some(start) => server::ClockKind::Virtual { start },
                None => server::ClockKind::virtual_default(),
            };
        }
        match self.rate_limit {
            Some(limit) => config.rate_limit = limit.per_second(),
            None if self.example => config.rate_limit = None,
            None => {}
        }
        (config, self.listen.0)
    }
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    logging::init_as(&args.log_level, args.log);
    let (config, address) = args.config();
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: is the port taken? Choose another with --listen")
    })?;
    let example = config.example.then(|| config.data_dir.join("example.env"));
    server::run(config, listener, stop::token(), |url| {
        tracing::info!("serving at {url}");
        tracing::info!("tutorials and API reference: {url}docs");
        if let Some(file) = example {
            tracing::info!("the example office's secrets are in {}", file.display());
            let origin = url.as_str().trim_end_matches('/');
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if !text.lines().any(|line| line == format!("GOTO_API_URL={origin}")) {
                tracing::warn!(
                    "{} names another address than this one, {origin}: it was made at the first start and stays as it \
                     is. Change its GOTO_ lines, or start at the address that it names",
                    file.display()
                );
            }
        }
    })
    .await?;
    Ok(())
}
