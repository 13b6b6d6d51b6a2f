//! What the operator sets.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use listen::TlsFiles;
use url::Url;

use crate::clock::ClockKind;
use crate::limits;
use crate::ops::client_address::TrustedProxy;

#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of the database and of `example.env`; made if it is not there.
    pub data_dir: PathBuf,
    /// `postgres://…`; SQLite in `data_dir` if not given.
    pub database: Option<String>,
    /// What handed-out URLs begin with; the listen address if not given.
    pub public_url: Option<Url>,
    /// Requests per second per client and API; `None` for no limit.
    pub rate_limit: Option<NonZeroU32>,
    /// Seeds the example office and writes `example.env`; loopback only.
    pub example: bool,
    /// The file that describes the account (docs/operations.md), read at each start.
    pub office: Option<PathBuf>,
    /// Lets webhooks go to addresses that are not public, over plain http and to any port. The example office does.
    pub allow_private_webhooks: bool,
    /// Life of a channel unless its request says otherwise, in seconds.
    pub channel_lifetime_s: u64,
    /// Finished calls are forgotten after so many days, [`limits::KEEP_DAYS_MIN`] or more.
    pub keep_days: u32,
    /// https and wss instead of http and ws.
    pub tls: Option<TlsFiles>,
    /// Renewed files are taken up within this.
    pub certificate_look_every: Duration,
    /// A port of its own for `/metrics`, which the platform's port does not answer then.
    pub metrics_listen: Option<SocketAddr>,
    /// Connections at the same time, sockets included; as many as there may be open files if not given.
    pub connections_max: Option<usize>,
    /// Proxies whose `X-Forwarded-For` tells the client's address; nobody's unless given.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// The machine's time, or one that is advanced on request.
    pub clock: ClockKind,
    /// Lists of channels and subscriptions lag so far behind what was made and deleted, at most
    /// [`limits::LIST_LAG_S_MAX`] seconds.
    pub list_lag: Duration,
    /// The head of a request must be there within this.
    pub head_timeout: Duration,
}

impl Config {
    /// Defaults for a platform in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            database: None,
            public_url: None,
            rate_limit: NonZeroU32::new(limits::RATE_LIMIT_PER_S),
            example: false,
            office: None,
            allow_private_webhooks: false,
            channel_lifetime_s: limits::CHANNEL_LIFE_S,
            keep_days: limits::KEEP_DAYS,
            tls: None,
            certificate_look_every: limits::CERTIFICATE_LOOK_EVERY,
            metrics_listen: None,
            connections_max: None,
            trusted_proxies: Vec::new(),
            clock: ClockKind::default(),
            list_lag: Duration::ZERO,
            head_timeout: limits::REQUEST_HEAD_TIMEOUT,
        }
    }

    /// The example office on a platform that this machine alone reaches; only there is what developers like safe,
    /// such as webhooks to any address.
    pub fn example_alone(&self) -> bool {
        let loopback = |url: &Url| {
            matches!(url.host(), Some(url::Host::Ipv4(ip)) if ip.is_loopback())
                || matches!(url.host(), Some(url::Host::Ipv6(ip)) if ip.is_loopback())
                || url.host_str() == Some("localhost")
        };
        self.example && self.public_url.as_ref().is_none_or(loopback)
    }
}
