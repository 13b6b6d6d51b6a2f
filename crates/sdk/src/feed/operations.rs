//! What the machine asks for and the APIs do: each operation runs beside the feed and ends in a [`Done`].

use std::sync::Arc;
use std::time::Duration;

use wire::call_events::StateType;
use wire::channel::Channel;

use super::FeedConfig;
use super::saved::SavedChannel;
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
    Deleted { channel_id: String, result: Result<(), Error> },
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
        let subscribed = match self.subscribe_calls(&id).await {
            Ok(()) => self.subscribe_reports(&id).await,
            failed => failed,
        };
        if let Err(error) = subscribed {
            // A channel without its subscriptions is of no use to anybody.
            let _ = self.client.delete_channel(&self.config.nickname, &id).await;
            return Err(error);
        }
        Ok(Ready { channel_id: id, socket_url, lifetime: lifetime(&channel) })
    }

    async fn subscribe_calls(&self, channel_id: &str) -> Result<(), Error> {
        let Some(types) = &self.config.call_events else { return Ok(()) };
        let types: Option<&[StateType]> = Some(types.as_slice()).filter(|types| !types.is_empty());
        self.client.subscribe_call_events(channel_id, &self.config.account_keys, types).await
    }

    async fn subscribe_reports(&self, channel_id: &str) -> Result<(), Error> {
        if self.config.reports {
            self.client.subscribe_reports(channel_id, &self.config.account_keys).await?;
        }
        Ok(())
    }

    /// Takes over the channel of an earlier run: it must live, and what is missing on it is subscribed again.
    pub async fn adopt(self, generation: Generation, saved: SavedChannel) -> Done {
        Done::Made(generation, self.take_over(saved).await)
    }

    async fn take_over(&self, saved: SavedChannel) -> Result<Ready, Error> {
        let id = saved.channel_id;
        let nickname = &self.config.nickname;
        let before = self.client.channel(nickname, &id).await?;
        // How much of its life is left is not known, so it starts again.
        let after = self.client.refresh_channel(nickname, &id).await?;
        if self.config.call_events.is_some() {
            let keys = self.client.call_event_subscriptions(&id).await?.account_keys;
            if self.config.account_keys.iter().any(|key| !keys.contains(key)) {
                self.subscribe_calls(&id).await?;
            }
        }
        if self.config.reports {
            let keys = self.client.report_subscriptions(&id).await?.account_keys;
            if self.config.account_keys.iter().any(|key| !keys.contains(key)) {
                self.subscribe_reports(&id).await?;
            }
        }
        let socket_url = before.socket_url().map_or(saved.socket_url, str::to_owned);
        let lifetime = after.channel_lifetime.map_or_else(|| lifetime(&before), Duration::from_secs);
        Ok(Ready { channel_id: id, socket_url, lifetime })
    }

    pub async fn connect(self, generation: Generation, url: String) -> Done {
        Done::Connected(generation, socket::connect(&url).await.map(Box::new))
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
