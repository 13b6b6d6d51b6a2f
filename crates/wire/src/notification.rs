//! What a channel carries: the WebSocket envelope and the flat webhook body (spec/notification-channel.md).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Extra, Instant};

/// `event` of every frame.
pub const EVENT: &str = "Notification";
/// `data.source` of the channel's own messages.
pub const SYSTEM_SOURCE: &str = "notification-websocket";
/// Answer with the refreshing `PUT`; the socket stays open.
pub const REFRESH_REQUIRED: &str = "WEBSOCKET_REFRESH_REQUIRED";
/// Make a new channel, subscribe and connect at once.
pub const TO_BE_CLOSED: &str = "WEBSOCKET_TO_BE_CLOSED";
/// `data.usage` of the channel's own messages.
pub const USAGE_BACKGROUND: &str = "BACKGROUND";
/// `data.ttl` seen on the live service, in seconds.
pub const TTL_S: u64 = 600;

/// One text frame. All members of `data` are present, `null` where there is no value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Frame {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// 1, 2, 3 … on a connection; not for finding gaps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<u64>,
    /// When sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Instant>,
    pub data: FrameData,
    #[serde(flatten)]
    pub extra: Extra,
}

/// `data` of a frame.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrameData {
    /// Of the notification; the same when it is repeated.
    #[serde(default)]
    pub id: Option<String>,
    /// Publishing service; dispatch on it.
    pub source: String,
    /// Kind within the source.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub usage: Option<String>,
    /// When published; null in system messages.
    #[serde(default)]
    pub timestamp: Option<Instant>,
    #[serde(default)]
    pub ttl: Option<Ttl>,
    #[serde(default)]
    pub topic: Option<Value>,
    #[serde(default)]
    pub display_notification: Option<Value>,
    #[serde(default)]
    pub content_version: Option<String>,
    #[serde(default)]
    pub content: Value,
    #[serde(default)]
    pub bypass_do_not_disturb: Option<bool>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Seconds; a number on the live service, a string in one documentation example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Ttl {
    Seconds(u64),
    Text(String),
}

/// Body of a webhook `POST`: no wrapper, no nulls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookBody {
    pub id: String,
    pub source: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Instant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_version: Option<String>,
    #[serde(default)]
    pub content: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bypass_do_not_disturb: Option<bool>,
    #[serde(flatten)]
    pub extra: Extra,
}
