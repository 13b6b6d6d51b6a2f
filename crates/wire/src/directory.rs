//! Users, lines, Admin API, SCIM and Voice Admin reads (spec/users-lines-admin.md).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Extra;

/// One account of `GET /users/v1/me`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MyAccount {
    pub account_key: String,
    pub organization_id: String,
    pub organization_name: String,
    #[serde(default)]
    pub lines: Vec<Line>,
    /// Contents unknown.
    #[serde(default)]
    pub permissions: Vec<Value>,
    /// Contents unknown.
    #[serde(default)]
    pub outbound_phone_numbers: Vec<Value>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// One user of `GET /users/v1/users?accountKey=`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub user_key: String,
    pub user_id: String,
    #[serde(default)]
    pub lines: Vec<Line>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// A line; `id` is the `lineId` of call events, `number` its extension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    pub id: String,
    pub name: String,
    pub number: String,
    pub organization: Organization,
    pub account_key: String,
    #[serde(default)]
    pub primary: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Organization {
    pub id: String,
    pub name: String,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Admin API `GET /me`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminMe {
    pub key: String,
    pub email: String,
    #[serde(default)]
    pub first_name: String,
    #[serde(default)]
    pub last_name: String,
    pub account_key: String,
    #[serde(default)]
    pub accounts: Vec<AdminAccount>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdminAccount {
    pub key: String,
    pub name: String,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Admin API `GET /accounts/{accountKey}/users`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminUsers {
    #[serde(default)]
    pub results: Vec<AdminUser>,
    pub from_index: u64,
    pub to_index: u64,
    pub total: u64,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdminUser {
    /// The `userKey` of the other APIs.
    pub key: String,
    pub email: String,
    #[serde(flatten)]
    pub extra: Extra,
}

/// `GET /identity/v1/Users/me`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScimMe {
    pub id: String,
    pub user_name: String,
    #[serde(
        default,
        rename = "urn:scim:schemas:extension:getgo:1.0",
        skip_serializing_if = "Option::is_none"
    )]
    pub getgo: Option<ScimGetGo>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScimGetGo {
    #[serde(default)]
    pub accounts: Vec<ScimAccount>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScimAccount {
    /// The account key.
    pub value: String,
    pub display: String,
    #[serde(default)]
    pub entitlements: Vec<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Voice Admin extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Extension {
    pub id: String,
    pub account_key: String,
    pub organization_id: String,
    pub number: String,
    pub name: String,
    pub omit_from_directories: bool,
    pub omit_from_auto_attendants: bool,
    /// `DIRECT_EXTENSION`, `CALL_QUEUE`, `RING_GROUP`, `DIAL_PLAN`, …
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(flatten)]
    pub extra: Extra,
}

/// Voice Admin phone number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhoneNumber {
    pub id: String,
    pub account_key: String,
    pub organization_id: String,
    /// E.164.
    pub number: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_id_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_to: Option<RouteTo>,
    pub status: String,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RouteTo {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(flatten)]
    pub extra: Extra,
}
