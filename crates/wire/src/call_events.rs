//! Call Events API: live states of calls (spec/call-events.md).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Direction, Extra, Instant, Party, Tagged};

/// `data.source` of call states.
pub const SOURCE: &str = "call-events";
/// `data.type` of call states.
pub const TYPE_CALL_STATE: &str = "call-state";

/// Content of one notification, one item of `/conversation-spaces` and of `/events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallEvent {
    pub metadata: Metadata,
    pub state: State,
    #[serde(flatten)]
    pub extra: Extra,
}

/// What stays the same through a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CallMetadata")]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Identifies the call; key of its report.
    pub conversation_space_id: String,
    pub direction: Direction,
    pub account_key: String,
    pub call_created: Instant,
    /// `DIRECT`; not there yet in the first state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_initiator: Option<String>,
    /// Outbound only: the digits as dialled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dial_string: Option<String>,
    /// Click-to-call only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator_id: Option<String>,
    /// Conversation space ids of linked calls (transfers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub associated_conversations: Option<Vec<String>>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// One state of a call; the same members stand in a report's `callStates`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CallState")]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub id: String,
    /// 1 for the first state of a call, plus 1 each time.
    pub sequence_number: u64,
    #[serde(rename = "type")]
    pub kind: StateType,
    pub timestamp: Instant,
    /// Those in the call now; empty in `ENDING`.
    #[serde(default)]
    pub participants: Vec<Participant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interactive_voice_response_systems: Option<Vec<System>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recordings: Option<Vec<Recording>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcripts: Option<Vec<Transcript>>,
    #[serde(flatten)]
    pub extra: Extra,
}

impl State {
    /// Automatic systems handling the call now.
    #[must_use]
    pub fn systems(&self) -> &[System] {
        self.interactive_voice_response_systems.as_deref().unwrap_or_default()
    }
}

/// `STARTING` until anybody or any automatic system answers, `ACTIVE` after, `ENDING` exactly once and last.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StateType {
    Starting,
    Active,
    Ending,
    #[serde(untagged)]
    Other(String),
}

impl StateType {
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Starting => "STARTING",
            Self::Active => "ACTIVE",
            Self::Ending => "ENDING",
            Self::Other(text) => text,
        }
    }

    /// The three event names that a subscription accepts.
    #[must_use]
    pub fn from_event_name(name: &str) -> Option<Self> {
        match name {
            "STARTING" => Some(Self::Starting),
            "ACTIVE" => Some(Self::Active),
            "ENDING" => Some(Self::Ending),
            _ => None,
        }
    }
}

/// One leg of a call. A line that rings on two devices is two participants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// Stable through the call.
    pub id: String,
    pub leg_id: String,
    /// `id` of the participant whose action brought this one in; its own for the first.
    pub originator: String,
    pub status: Tagged<Status>,
    #[serde(rename = "type")]
    pub kind: ParticipantType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recordings: Option<Vec<Recording>>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a leg does now. `ON_HOLD` and `PARKED` are [inferred] names; they stand here alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    Ringing,
    Connected,
    Disconnecting,
    InInteractiveVoiceResponse,
    InDirectTransfer,
    InWarmTransfer,
    OnHold,
    Parked,
    #[serde(untagged)]
    Other(String),
}

/// Who a participant is, told apart by `value`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "value", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ParticipantType {
    PhoneNumber(PhoneNumberParty),
    Line(LineParty),
    #[serde(untagged)]
    Other(Extra),
}

impl ParticipantType {
    #[must_use]
    pub fn as_line(&self) -> Option<&LineParty> {
        if let Self::Line(line) = self { Some(line) } else { None }
    }

    #[must_use]
    pub fn as_phone_number(&self) -> Option<&PhoneNumberParty> {
        if let Self::PhoneNumber(party) = self { Some(party) } else { None }
    }
}

/// A party on the public network, through one of the company's numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhoneNumberParty {
    /// Id of the **company's** number used.
    pub phone_number_id: String,
    /// The company's number, E.164; not the other party's.
    pub number: String,
    /// Label of that number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_provider: Option<String>,
    /// The outside party of an inbound call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Party>,
    /// The outside party of an outbound call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callee: Option<Party>,
    /// Inbound, from the second state on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Extra>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// A user's or shared line on one device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineParty {
    pub line_id: String,
    pub device_id: String,
    pub extension_number: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// The phone a line rings on, and whose it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LineDevice")]
pub struct Device {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<DeviceUser>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceUser {
    pub id: String,
    #[serde(flatten)]
    pub extra: Extra,
}

/// An automatic system handling the call: dial plan, queue, voicemail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "InteractiveVoiceResponseSystem")]
pub struct System {
    pub id: String,
    pub originator: String,
    /// `CONNECTED` or `DISCONNECTING`; absent in reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Tagged<Status>>,
    #[serde(rename = "type")]
    pub kind: SystemType,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "value", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SystemType {
    DialPlan(DialPlan),
    CallQueue(CallQueue),
    Voicemail(Voicemail),
    #[serde(untagged)]
    Other(Extra),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DialPlan {
    pub dial_plan_id: String,
    pub execution_id: String,
    pub current_node: DialPlanNode,
    pub previous_node: PreviousNode,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DialPlanNode {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// Appears when the node is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PreviousNode {
    pub id: String,
    /// The exit taken; empty at the start.
    pub connector: String,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CallQueueSystem")]
#[serde(rename_all = "camelCase")]
pub struct CallQueue {
    pub queue_id: String,
    pub queue_name: String,
    pub queue_type: String,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured_wrap_up_duration: Option<u64>,
    /// Reports only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension_number: Option<String>,
    /// Reports only: `ANSWERED`, `ABANDON`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_queue_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_offered: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intents: Option<Vec<serde_json::Value>>,
    /// Milliseconds. Reports only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_wait_duration: Option<u64>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Voicemail {
    pub voicemail_box_id: String,
    /// Extension.
    pub number: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voicemail_status: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RecordingOfLeg")]
#[serde(rename_all = "camelCase")]
pub struct Recording {
    pub id: String,
    pub start_timestamp: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript_enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_call_transcript_enabled: Option<bool>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TranscriptOfLeg")]
#[serde(rename_all = "camelCase")]
pub struct Transcript {
    pub id: String,
    pub start_timestamp: Instant,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Body of `POST /subscriptions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub account_keys: Vec<SubscriptionItem>,
    /// The form by line is [inferred].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub line_ids: Vec<SubscriptionItem>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionItem {
    pub id: String,
    /// Subset of `STARTING`, `ACTIVE`, `ENDING`; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// 207 answer of `POST /subscriptions`: a success only when each item says 200.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CallEventsSubscriptionResults")]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionResults {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub account_keys: Vec<SubscriptionResult>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub line_ids: Vec<SubscriptionResult>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CallEventsSubscriptionResult")]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionResult {
    pub id: String,
    /// 200 or an HTTP error number for this item.
    pub status: u16,
    #[serde(default)]
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Answer of `GET /subscriptions?channelId=`: plain keys; a member without any is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CallEventsSubscribedKeys")]
#[serde(rename_all = "camelCase")]
pub struct SubscribedKeys {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub account_keys: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub line_ids: Vec<String>,
    #[serde(flatten)]
    pub extra: Extra,
}
