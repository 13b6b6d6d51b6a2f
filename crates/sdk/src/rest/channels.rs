//! Channels, over which notifications come (spec/notification-channel.md).

use http::Method;
use url::Url;
use wire::channel::{Channel, ChannelRequest};

use super::{Call, endpoint};
use crate::client::Client;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;

impl Client {
    /// Makes a WebSocket channel. Not repeated on a lost answer: that could leave a second channel behind.
    ///
    /// # Errors
    /// See [`ErrorKind`]; [`ErrorKind::BadAnswer`] when the answer has no socket URL.
    pub async fn create_channel(&self, nickname: &str) -> Result<Channel, Error> {
        let url = self.channel_url(&["channels", nickname]);
        let call =
            Call::new("creating the channel", Method::POST, url).with_body(&ChannelRequest::web_socket());
        let channel: Channel = self.json(call).await?;
        if channel.socket_url().is_none() {
            return Err(Error::bad_answer("creating the channel failed: the answer has no channelURL"));
        }
        Ok(channel)
    }

    /// Starts the channel's life again.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the channel is gone; see [`ErrorKind`].
    pub async fn refresh_channel(&self, nickname: &str, channel_id: &str) -> Result<Channel, Error> {
        let url = self.channel_url(&["channels", nickname, channel_id]);
        let call =
            Call::new("refreshing the channel", Method::PUT, url).with_body(&ChannelRequest::web_socket());
        let answer = self.ok(call).await?;
        // Nothing is promised about this body.
        let unknown = Channel { channel_id: channel_id.to_owned(), ..Channel::default() };
        Ok(serde_json::from_slice(&answer.body).unwrap_or(unknown))
    }

    /// # Errors
    /// [`ErrorKind::NotFound`] when the channel is gone; see [`ErrorKind`].
    pub async fn channel(&self, nickname: &str, channel_id: &str) -> Result<Channel, Error> {
        let url = self.channel_url(&["channels", nickname, channel_id]);
        self.json(Call::new("reading the channel", Method::GET, url)).await
    }

    /// All channels of the user, newest first, whatever application made them.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn channels(&self) -> Result<Vec<Channel>, Error> {
        self.pages("listing the channels", self.channel_url(&["channels"])).await
    }

    /// Deletes a channel with all its subscriptions. One that is gone already is no error.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn delete_channel(&self, nickname: &str, channel_id: &str) -> Result<(), Error> {
        let url = self.channel_url(&["channels", nickname, channel_id]);
        self.delete(Call::new("deleting the channel", Method::DELETE, url)).await
    }

    fn channel_url(&self, segments: &[&str]) -> Url {
        endpoint(&self.config().hosts.channel, &["notification-channel", "v1"], segments)
    }
}
