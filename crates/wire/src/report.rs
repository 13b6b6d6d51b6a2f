//! Call Events Report API: finished calls (spec/call-events-report.md).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::call_events::{Recording, State, System, Transcript};
use crate::{Direction, Extra, Instant};

/// `data.source` of report notifications; dispatch on it, not on the type.
pub const SOURCE: &str = "call-events-report";
/// `data.type` on the live service, and the event type of a subscription.
pub const REPORT_SUMMARY: &str = "REPORT_SUMMARY";
/// Event type of later changes to a report.
pub const REPORT_SUMMARY_REVISION: &str = "REPORT_SUMMARY_REVISION";

/// Answer of `GET /reports/{conversationSpaceId}`. Unlike live states it shows empty arrays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub conversation_space_id: String,
    pub call_created: Instant,
    pub call_ended: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_initiator: Option<String>,
    pub direction: Direction,
    pub account_key: String,
    /// Everybody who ever took part.
    #[serde(default)]
    pub participants: Vec<ReportParticipant>,
    /// Queues and voicemail only: no dial plans, no status.
    #[serde(default)]
    pub interactive_voice_response_systems: Vec<System>,
    #[serde(default)]
    pub associated_conversations: Vec<String>,
    /// Participant who hung up; absent for missed and abandoned calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hangup_originator_id: Option<String>,
    #[serde(default)]
    pub call_states: Vec<State>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<Action>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai_analysis: Option<AiAnalysis>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportParticipant {
    /// The guide's example of 2023 calls it `participantId`.
    #[serde(alias = "participantId")]
    pub id: String,
    pub originator: String,
    pub leg_id: String,
    #[serde(default)]
    pub recordings: Vec<Recording>,
    #[serde(default)]
    pub live_transcripts: Vec<Transcript>,
    #[serde(default)]
    pub transcripts: Vec<Transcript>,
    #[serde(rename = "type")]
    pub kind: ReportPartyType,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "value", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReportPartyType {
    PhoneNumber(crate::call_events::PhoneNumberParty),
    Line(ReportLine),
    Agent(ReportLine),
    #[serde(untagged)]
    Other(Extra),
}

/// A line in a report or summary; an `AGENT` has the last four members besides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportLine {
    pub line_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_key: Option<String>,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrap_up_duration: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interactive_voice_response_system_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skills: Option<Vec<serde_json::Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched_skills: Option<Vec<serde_json::Value>>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// `{timestamp, type: {value, …}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Action {
    pub timestamp: Instant,
    #[serde(rename = "type")]
    pub kind: crate::Tagged<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AiAnalysis {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentiment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// One item of `GET /report-summaries`, and the content of a report notification on the live service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub conversation_space_id: String,
    pub account_key: String,
    pub call_created: Instant,
    /// Absent when unanswered; an answering dial plan or voicemail counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_answered: Option<Instant>,
    pub call_ended: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_initiator: Option<String>,
    pub direction: Direction,
    pub caller: SummaryParty,
    pub caller_outcome: CallerOutcome,
    /// Inbound: lines that were reached; outbound: what was dialled; may be empty.
    #[serde(default)]
    pub participants: Vec<SummaryParty>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai_analysis: Option<AiAnalysis>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SummaryParty {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub number: String,
    pub leg_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_transcript_id: Option<String>,
    #[serde(rename = "type")]
    pub kind: ReportPartyType,
    #[serde(flatten)]
    pub extra: Extra,
}

/// How the call ended for the caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CallerOutcome {
    Normal,
    Missed,
    Voicemail,
    LeftQueue,
    LeftParkingSpot,
    LeftOnHold,
    LeftDialPlan,
    Truncated,
    Unknown,
    #[serde(untagged)]
    Other(String),
}

impl CallerOutcome {
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Normal => "NORMAL",
            Self::Missed => "MISSED",
            Self::Voicemail => "VOICEMAIL",
            Self::LeftQueue => "LEFT_QUEUE",
            Self::LeftParkingSpot => "LEFT_PARKING_SPOT",
            Self::LeftOnHold => "LEFT_ON_HOLD",
            Self::LeftDialPlan => "LEFT_DIAL_PLAN",
            Self::Truncated => "TRUNCATED",
            Self::Unknown => "UNKNOWN",
            Self::Other(text) => text,
        }
    }
}

/// Body of `POST /subscriptions`; one of the four key lists is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub account_keys: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_keys: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub line_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phone_number_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_types: Option<Vec<String>>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Answer of `POST /subscriptions`. An empty list is a failure: the user may see none of the keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReportSubscriptions")]
pub struct Subscriptions {
    #[serde(default)]
    pub items: Vec<Subscription>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReportSubscription")]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    pub id: String,
    pub channel_id: String,
    /// The key subscribed to.
    pub value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_types: Option<Vec<String>>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Answer of `GET /subscriptions?channelId=`: keys, not items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReportSubscribedKeys")]
#[serde(rename_all = "camelCase")]
pub struct SubscribedKeys {
    #[serde(default)]
    pub account_keys: Vec<String>,
    #[serde(default)]
    pub user_keys: Vec<String>,
    #[serde(default)]
    pub line_ids: Vec<String>,
    #[serde(default)]
    pub phone_number_ids: Vec<String>,
    #[serde(flatten)]
    pub extra: Extra,
}
