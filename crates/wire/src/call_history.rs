//! Call History API: one row per leg of a user (spec/call-history.md).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Direction, Extra, Instant, Party};

/// `data.source` of call history notifications.
pub const SOURCE: &str = "call-history";
/// Their `data.type`.
pub const UCH_EVENT: &str = "UchEvent";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryCall {
    pub originator_id: String,
    pub leg_id: String,
    pub caller: Party,
    pub callee: Party,
    /// As seen from the leg's user.
    pub direction: Direction,
    pub start_time: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_time: Option<Instant>,
    /// Milliseconds.
    pub duration: u64,
    /// Q.850 number.
    pub hangup_cause: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_phone_number: Option<String>,
    pub account_key: String,
    pub user_key: String,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionRequest {
    #[serde(default)]
    pub account_key: String,
    #[serde(default)]
    pub channel_id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_keys: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CallHistorySubscriptions")]
pub struct Subscriptions {
    pub items: Vec<Subscription>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CallHistorySubscription")]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    pub id: String,
    pub user_key: String,
    pub channel_id: String,
    pub account_key: String,
    #[serde(flatten)]
    pub extra: Extra,
}
