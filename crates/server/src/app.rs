//! The one value that everything hangs on: no statics, so a test starts as many platforms as it likes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::HeaderMap;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::channels::hub::Hub;
use crate::clock::Clock;
use crate::config::Config;
use crate::console::Journal;
use crate::directory::Directory;
use crate::faults::Faults;
use crate::list_lag::ListLag;
use crate::oauth::login::Waiting;
use crate::oauth::password::Passwords;
use crate::oauth::throttle::Throttle;
use crate::ops::client_address::client_address;
use crate::ops::metrics::Metrics;
use crate::rate_limit::RateLimit;
use crate::sources::player::Player;
use crate::store::{LogWriter, OneServer, Store};
use crate::webhooks::Webhooks;

pub struct App {
    pub config: Config,
    /// The time that clients see, the store's too.
    pub clock: Clock,
    /// What handed-out URLs begin with; never the Host header.
    pub public_url: Url,
    pub store: Store,
    pub hub: Arc<Hub>,
    pub log: LogWriter,
    pub directory: Directory,
    pub limiter: RateLimit,
    pub throttle: Throttle,
    pub passwords: Passwords,
    pub logins: Waiting,
    pub player: Player,
    pub metrics: Metrics,
    pub webhooks: Webhooks,
    pub faults: Faults,
    pub list_lag: ListLag,
    pub journal: Arc<Journal>,
    /// Cancelled when the platform stops.
    pub shutdown: CancellationToken,
    /// Sockets and calls; they end before the log's writer does.
    pub tasks: TaskTracker,
    /// Keeps other platforms away from the database.
    pub _one_server: OneServer,
}

impl App {
    /// Whose request this is by address; what counts by address asks here.
    pub fn client_address(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        client_address(&self.config.trusted_proxies, peer.ip(), headers)
    }

    /// `path` (without a leading slash) below the public URL.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.public_url.as_str().trim_end_matches('/'))
    }

    /// The same for a WebSocket.
    pub fn socket_url(&self, path: &str) -> String {
        // http -> ws, https -> wss.
        self.url(path).replacen("http", "ws", 1)
    }
}
