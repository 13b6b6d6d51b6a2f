//! What the machine asks for and the APIs do: each operation runs beside the feed and ends in a [`Done`].

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use wire::call_events::StateType;
use wire::channel::Channel;
use wire::report;

use super::FeedConfig;
use super::saved::{Change, SavedChannel};
use super::socket::{self, Socket, SocketError};
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::lifecycle::{Generation, Trouble};
use crate::limits;

/// A channel with its subscriptions.
#[derive(Clone)]
pub(super) struct Ready {
    pub channel_id: String,
    pub socket_url: String,
    pub lifetime: Duration,
}

/// How an operation ended.
pub(super) enum Done {
    Made(Generation, Result<Ready, Error>),
    Connected(Generation, Result<Box<Socket>, SocketError>),
    Refreshed(Generation, Result<Duration, Error>),
    /// Whether something was repaired.
    Probed(Generation, Result<bool, Error>),
    Listed(Result<Vec<Channel>, Error>),
    Deleted {
        channel_id: String,
        result: Result<(), Error>,
    },
}

#[derive(Clone, Copy)]
enum Api {
    CallEvents,
    Reports,
}

/// Accounts that were subscribed so shortly ago that a list may not show them before `until`.
struct Young {
    keys: Vec<String>,
    until: Instant,
}

/// What operations need.
#[derive(Clone)]
pub(super) struct Operator {
    pub client: Client,
    pub config: Arc<FeedConfig>,
}

impl Operator {
    pub async fn make(self, generation: Generation) -> Done {
        let result = match self.client.create_channel(&self.config.nickname).await {
            Ok(channel) => self.furnish(channel).await,
            Err(error) => Err(error),
        };
        Done::Made(generation, result)
    }

    async fn furnish(&self, channel: Channel) -> Result<Ready, Error> {
        let id = channel.channel_id.clone();
        let Some(socket_url) = channel.socket_url().map(str::to_owned) else {
            return Err(Error::bad_answer("creating the channel failed: the answer has no channelURL"));
        };
        let subscribed = self.subscribe(&id, &self.config.account_keys, &self.config.account_keys).await;
        if let Err(error) = subscribed {
            // A channel without its subscriptions is of no use to anybody.
            let _ = self.client.delete_channel(&self.config.nickname, &id).await;
            return Err(error);
        }
        Ok(Ready { channel_id: id, socket_url, lifetime: lifetime(&channel) })
    }

    /// Subscribes `calls` to call events and `reports` to reports, as far as the feed wants those.
    async fn subscribe(&self, id: &str, calls: &[String], reports: &[String]) -> Result<(), Error> {
        if let Some(types) = &self.config.call_events
            && !calls.is_empty()
        {
            let types: Option<&[StateType]> = Some(types.as_slice()).filter(|types| !types.is_empty());
            let mut tries = 0;
            loop {
                tries += 1;
                let result = self.client.subscribe_call_events(id, calls, types).await;
                match existing_is_fine(result) {
                    // One item of the 207 says "not now"; subscribing the others again is harmless.
                    Err(error) if error.is_temporary() && tries < limits::TRIES_MAX => {
                        tokio::time::sleep(limits::RETRY_PAUSE).await;
                    }
                    result => break result?,
                }
            }
        }
        if self.config.reports && !reports.is_empty() {
            existing_is_fine(self.client.subscribe_reports(id, reports).await.map(|_| ()))?;
        }
        Ok(())
    }

    /// Takes over the channel of an earlier run: it must live, and its subscriptions become those wanted now.
    pub async fn adopt(self, generation: Generation, saved: SavedChannel) -> Done {
        Done::Made(generation, self.take_over(saved).await)
    }

    async fn take_over(&self, saved: SavedChannel) -> Result<Ready, Error> {
        let change = saved.change(&self.client, &self.config);
        let young =
            Young { until: Instant::now() + saved.may_lag(Timestamp::now()), keys: saved.account_keys() };
        let id = saved.channel_id;
        let nickname = &self.config.nickname;
        let before = self.client.channel(nickname, &id).await?;
        // How much of its life is left is not known, so it starts again.
        let after = self.client.refresh_channel(nickname, &id).await?;
        if change == Change::Kinds {
            // The event types of a subscription change by deleting it alone (spec/call-events.md, Create).
            self.client.unsubscribe_call_events(&id, &[]).await?;
            self.client.unsubscribe_reports(&id, &[]).await?;
            self.subscribe(&id, &self.config.account_keys, &self.config.account_keys).await?;
        } else {
            self.reconcile(&id, Some(&young)).await?;
        }
        let socket_url = before.socket_url().map_or(saved.socket_url, str::to_owned);
        let lifetime = after.channel_lifetime.map_or_else(|| lifetime(&before), Duration::from_secs);
        Ok(Ready { channel_id: id, socket_url, lifetime })
    }

    /// Asks whether the channel and its subscriptions are there, and makes again what is missing.
    pub async fn probe(self, generation: Generation, channel_id: String) -> Done {
        let result = match self.client.channel(&self.config.nickname, &channel_id).await {
            Ok(_) => self.reconcile(&channel_id, None).await,
            Err(error) => Err(error),
        };
        Done::Probed(generation, result)
    }

    /// Makes the subscriptions those that are wanted: `true` when one was missing. Those of an earlier run (`young`) are
    /// looked at for their types of events, too.
    async fn reconcile(&self, id: &str, young: Option<&Young>) -> Result<bool, Error> {
        let wanted = &self.config.account_keys;
        let (mut calls, mut reports) = (Vec::new(), Vec::new());
        if self.config.call_events.is_some() {
            let listed = self.listed(Api::CallEvents, id, young).await?;
            calls = missing(wanted, &listed);
            let extra = missing(&listed, wanted);
            if !extra.is_empty() {
                self.client.unsubscribe_call_events(id, &extra).await?;
            }
        }
        if self.config.reports {
            let listed = self.listed(Api::Reports, id, young).await?;
            reports = missing(wanted, &listed);
            let extra = missing(&listed, wanted);
            if !extra.is_empty() {
                self.client.unsubscribe_reports(id, &extra).await?;
            }
            if young.is_some() {
                let other = self.of_other_types(id, &listed).await?;
                if !other.is_empty() {
                    // Only by deleting them first do their types surely change.
                    self.client.unsubscribe_reports(id, &other).await?;
                    reports.extend(other);
                }
            }
        }
        self.subscribe(id, &calls, &reports).await?;
        Ok(!calls.is_empty() || !reports.is_empty())
    }

    /// The accounts that an API says are subscribed. A list lags a second or two behind (spec/call-events.md, Create): one
    /// that lacks what was made a moment ago is asked again until it must be there.
    async fn listed(&self, api: Api, id: &str, young: Option<&Young>) -> Result<Vec<String>, Error> {
        loop {
            let listed = match api {
                Api::CallEvents => self.client.call_event_subscriptions(id).await?.account_keys,
                Api::Reports => self.client.report_subscriptions(id).await?.account_keys,
            };
            let may_lag = |young: &Young| {
                let lacks = |key: &String| young.keys.contains(key) && !listed.contains(key);
                Instant::now() < young.until && self.config.account_keys.iter().any(lacks)
            };
            if !young.is_some_and(may_lag) {
                return Ok(listed);
            }
            tokio::time::sleep(limits::LIST_LAG_PAUSE).await;
        }
    }

    /// Wanted accounts whose report subscriptions bring other types of events, as far as the service tells. Of call events it
    /// tells no types; what an earlier run asked for is remembered.
    async fn of_other_types(&self, id: &str, listed: &[String]) -> Result<Vec<String>, Error> {
        let there = |key: &&String| listed.contains(key);
        let there: Vec<String> = self.config.account_keys.iter().filter(there).cloned().collect();
        if there.is_empty() {
            return Ok(there);
        }
        match self.client.report_subscriptions_of(id, report::REPORT_SUMMARY).await {
            Ok(of_type) => Ok(missing(&there, &of_type.account_keys)),
            // A service that does not know the filter tells nothing.
            Err(error) if error.kind == ErrorKind::Rejected => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    pub async fn list(self) -> Done {
        Done::Listed(self.client.channels().await)
    }

    /// `after`: the last notification that was heard, for a server that may resume behind it.
    pub async fn connect(self, generation: Generation, url: String, after: Option<String>) -> Done {
        let resuming = after.and_then(|id| resume_url(&url, &id));
        let socket = match resuming {
            // A server that does not know the parameter may refuse it.
            Some(resuming) => match socket::connect(&resuming).await {
                Err(error) if error.trouble == Trouble::Gone => socket::connect(&url).await,
                result => result,
            },
            None => socket::connect(&url).await,
        };
        Done::Connected(generation, socket.map(Box::new))
    }

    pub async fn refresh(self, generation: Generation, channel_id: String) -> Done {
        let result = self.client.refresh_channel(&self.config.nickname, &channel_id).await;
        Done::Refreshed(generation, result.map(|channel| lifetime(&channel)))
    }

    /// The subscriptions first, as the tutorials do it; they would die with the channel anyway.
    pub async fn delete(self, channel_id: String) -> Done {
        let keys = &self.config.account_keys;
        if self.config.call_events.is_some() {
            let _ = self.client.unsubscribe_call_events(&channel_id, keys).await;
        }
        if self.config.reports {
            let _ = self.client.unsubscribe_reports(&channel_id, keys).await;
        }
        let result = self.client.delete_channel(&self.config.nickname, &channel_id).await;
        Done::Deleted { channel_id, result }
    }
}

fn resume_url(url: &str, after: &str) -> Option<String> {
    let mut url = url::Url::parse(url).ok()?;
    url.query_pairs_mut().append_pair("after", after);
    Some(url.into())
}

/// 409 says that the subscription exists (spec/errors-and-limits.md), which is what was wanted.
fn existing_is_fine(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.status == Some(409) => Ok(()),
        result => result,
    }
}

fn missing(wanted: &[String], there: &[String]) -> Vec<String> {
    wanted.iter().filter(|key| !there.contains(key)).cloned().collect()
}

fn lifetime(channel: &Channel) -> Duration {
    channel.channel_lifetime.map_or(limits::CHANNEL_LIFETIME_DEFAULT, Duration::from_secs)
}

/// What an error means for the machine.
pub(super) fn trouble(error: &Error) -> Trouble {
    match error.kind {
        ErrorKind::SignInNeeded => Trouble::SignIn,
        ErrorKind::NotFound => Trouble::Gone,
        ErrorKind::Unreachable | ErrorKind::RateLimited => Trouble::Unreachable,
        ErrorKind::Forbidden | ErrorKind::Rejected | ErrorKind::BadAnswer | ErrorKind::Local => {
            Trouble::Refused
        }
    }
}
