//! The channel in use, remembered in a private file: the next run takes it over.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::FeedConfig;
use crate::client::{Client, issuer};
use crate::{files, limits};

/// A channel with what was subscribed on it and by whom. The URL is a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedChannel {
    pub channel_id: String,
    pub socket_url: String,
    purpose: Purpose,
    /// When the subscriptions were made or seen, in milliseconds since 1970; 0 for a file of an earlier version.
    #[serde(default)]
    subscribed_ms: i64,
}

/// Another owner cannot take the channel over; what is subscribed on it can be changed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Purpose {
    issuer: String,
    client_id: String,
    principal: Option<String>,
    nickname: String,
    account_keys: Vec<String>,
    call_events: Option<Vec<String>>,
    reports: bool,
}

impl Purpose {
    fn new(client: &Client, config: &FeedConfig) -> Self {
        let names = |types: &Vec<wire::call_events::StateType>| {
            types.iter().map(|kind| kind.as_str().to_owned()).collect()
        };
        Self {
            issuer: issuer(&client.config().hosts),
            client_id: client.config().client_id.clone(),
            principal: client.principal(),
            nickname: config.nickname.clone(),
            account_keys: config.account_keys.clone(),
            call_events: config.call_events.as_ref().map(names),
            reports: config.reports,
        }
    }

    fn has_owner_of(&self, other: &Self) -> bool {
        self.issuer == other.issuer
            && self.client_id == other.client_id
            && self.principal == other.principal
            && self.nickname == other.nickname
    }
}

/// How the subscriptions of the last run differ from those wanted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The same, or at most other accounts.
    Accounts,
    /// Other APIs, or other types of call states: those do not change by subscribing again.
    Kinds,
}

impl SavedChannel {
    pub fn new(client: &Client, config: &FeedConfig, channel_id: String, socket_url: String) -> Self {
        let subscribed_ms = Timestamp::now().as_millisecond();
        Self { channel_id, socket_url, purpose: Purpose::new(client, config), subscribed_ms }
    }

    /// The accounts that were subscribed.
    pub fn account_keys(&self) -> Vec<String> {
        self.purpose.account_keys.clone()
    }

    /// For how long lists may still lack what was subscribed. A clock that was set back makes that no longer than it is
    /// for a channel of this moment.
    pub fn may_lag(&self, now: Timestamp) -> Duration {
        let age_ms = now.as_millisecond().saturating_sub(self.subscribed_ms).max(0);
        limits::LIST_LAG.saturating_sub(Duration::from_millis(age_ms.unsigned_abs()))
    }

    /// The channel of the last run, when it has the same owner.
    pub fn load(client: &Client, config: &FeedConfig) -> Option<Self> {
        let saved = read(config.state_file.as_deref()?)?;
        saved.purpose.has_owner_of(&Purpose::new(client, config)).then_some(saved)
    }

    pub fn change(&self, client: &Client, config: &FeedConfig) -> Change {
        let wanted = Purpose::new(client, config);
        let same = self.purpose.call_events == wanted.call_events && self.purpose.reports == wanted.reports;
        if same { Change::Accounts } else { Change::Kinds }
    }

    pub fn save(&self, config: &FeedConfig) {
        let Some(path) = &config.state_file else { return };
        let bytes = serde_json::to_vec_pretty(self).expect("strings serialize");
        if let Err(error) = files::write_private(path, &bytes) {
            tracing::warn!("cannot remember the channel in {}: {error}", path.display());
        }
    }

    /// Forgets a channel that was deleted, unless a newer one is remembered already.
    pub fn forget(config: &FeedConfig, channel_id: &str) {
        let Some(path) = config.state_file.as_deref() else { return };
        if read(path).is_some_and(|saved| saved.channel_id == channel_id) {
            let _ = files::remove(path);
        }
    }
}

fn read(path: &Path) -> Option<SavedChannel> {
    serde_json::from_slice(&files::read_private(path).ok()??).ok()
}
