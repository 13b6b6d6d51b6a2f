//! Recording API (spec/call-events.md, Recordings and transcripts).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Extra, Instant};

/// `data.source` of recording notifications.
pub const SOURCE: &str = "recording-service";
/// `data.type`, and an event type of a subscription: the audio is there.
pub const RECORDING_UPLOADED: &str = "RECORDING_UPLOADED";
/// `data.type`, and an event type of a subscription: the transcript is there.
pub const RECORDING_TRANSCRIPT_UPLOADED: &str = "RECORDING_TRANSCRIPT_UPLOADED";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionRequest {
    #[serde(default)]
    pub account_key: String,
    #[serde(default)]
    pub channel_id: String,
    #[serde(default)]
    pub event_types: Vec<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RecordingSubscription")]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    pub id: String,
    pub account_key: String,
    pub channel_id: String,
    pub timestamp: Instant,
    pub event_types: Vec<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Content of a notification; the documentation spells the member `recordingId`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordingNotification {
    #[serde(alias = "recordingId")]
    pub recording_id: String,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordingStatus {
    pub status: String,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordingContent {
    pub status: String,
    pub token: ContentToken,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContentToken {
    pub token: String,
    pub expires: Instant,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transcription {
    pub version: String,
    pub results: Vec<Utterance>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Utterance {
    #[serde(rename = "type")]
    pub kind: String,
    pub transcript: String,
    #[serde(rename = "final")]
    pub is_final: bool,
    pub start_time_ms: u64,
    pub end_time_ms: u64,
    /// 0: what the recorded leg said; 1: what it heard.
    pub channel: u32,
    pub language_code: String,
    #[serde(flatten)]
    pub extra: Extra,
}
