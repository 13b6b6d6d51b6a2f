//! Notification Channel API (spec/notification-channel.md).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Extra, Instant};

/// What a server writes for a WebSocket channel; clients also send [`SPELLING_SINGULAR`].
pub const WEBSOCKETS: &str = "WebSockets";
/// The other spelling that a server must accept.
pub const SPELLING_SINGULAR: &str = "WebSocket";
pub const WEBHOOK: &str = "Webhook";

/// Body of `POST` and `PUT`: all three spellings of a WebSocket channel, and a webhook.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_type: Option<String>,
    /// Where an older sample puts the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_data: Option<ChannelRequestData>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_channel_data: Option<WebhookChannelData>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_tag: Option<String>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_lifetime: Option<u64>,
    #[serde(flatten)]
    pub extra: Extra,
}

impl ChannelRequest {
    #[must_use]
    pub fn web_socket() -> Self {
        Self { channel_type: Some(WEBSOCKETS.into()), ..Self::default() }
    }

    /// The type from wherever the client put it.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.channel_type
            .as_deref()
            .or_else(|| self.channel_data.as_ref()?.channel_type.as_deref())
            .or_else(|| self.webhook_channel_data.as_ref()?.channel_type.as_deref())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelRequestData {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_type: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// A channel as the server answers it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Opaque.
    pub channel_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_nickname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_data: Option<ChannelData>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_channel_data: Option<WebhookChannelData>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_lifetime: Option<u64>,
    #[serde(default, rename = "resourceURL", skip_serializing_if = "Option::is_none")]
    pub resource_url: Option<String>,
    /// One documentation example has the socket's URL up here.
    #[serde(default, rename = "channelURL", skip_serializing_if = "Option::is_none")]
    pub channel_url: Option<String>,
    #[serde(default, rename = "callbackURL", skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub do_not_disturb_aware: Option<bool>,
    #[serde(flatten)]
    pub extra: Extra,
}

impl Channel {
    /// URL of the socket: inside `channelData` first, then at the top level. It is a secret.
    #[must_use]
    pub fn socket_url(&self) -> Option<&str> {
        self.channel_data
            .as_ref()
            .and_then(|data| data.channel_url.as_deref())
            .or(self.channel_url.as_deref())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelData {
    pub channel_type: String,
    #[serde(default, rename = "channelURL", skip_serializing_if = "Option::is_none")]
    pub channel_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_connected: Option<bool>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookChannelData {
    pub webhook: Webhook,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_type: Option<String>,
    /// Present while the receiver is considered unreachable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_timestamp: Option<Instant>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Webhook {
    pub url: String,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Body of `…/channel-lifetime`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelLifetime {
    /// Seconds.
    pub channel_lifetime: u64,
    #[serde(flatten)]
    pub extra: Extra,
}
