//! Error body of the APIs and its codes (spec/errors-and-limits.md).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Extra;

/// Codes to branch on besides the status.
pub mod code {
    pub const BAD_REQUEST: &str = "BAD_REQUEST";
    pub const MALFORMED_REQUEST: &str = "MALFORMED_REQUEST";
    pub const AUTHN_INVALID_TOKEN: &str = "AUTHN_INVALID_TOKEN";
    pub const AUTHN_EXPIRED_TOKEN: &str = "AUTHN_EXPIRED_TOKEN";
    pub const AUTHN_MALFORMED_TOKEN: &str = "AUTHN_MALFORMED_TOKEN";
    pub const AUTHN_UNSUPPORTED_SCHEME: &str = "AUTHN_UNSUPPORTED_SCHEME";
    pub const NOT_AUTHENTICATED: &str = "not.authenticated";
    pub const AUTHZ_INSUFFICIENT_SCOPE: &str = "AUTHZ_INSUFFICIENT_SCOPE";
    pub const UNAUTHORIZED: &str = "UNAUTHORIZED";
    pub const NOT_FOUND: &str = "NOT_FOUND";
    pub const CHANNEL_NOT_FOUND: &str = "RTC-NOTIFICATION-CHANNEL-NOT-FOUND";
    /// [inferred]: the spec shows no code for 405, 413 and 415.
    pub const METHOD_NOT_ALLOWED: &str = "METHOD_NOT_ALLOWED";
    pub const NOT_ACCEPTABLE: &str = "NOT_ACCEPTABLE";
    pub const CONFLICT: &str = "CONFLICT";
    /// [inferred].
    pub const REQUEST_TIMEOUT: &str = "REQUEST_TIMEOUT";
    pub const PAYLOAD_TOO_LARGE: &str = "PAYLOAD_TOO_LARGE";
    pub const UNSUPPORTED_MEDIA_TYPE: &str = "UNSUPPORTED_MEDIA_TYPE";
    /// [inferred].
    pub const TOO_MANY_REQUESTS: &str = "TOO_MANY_REQUESTS";
    pub const UNKNOWN_ERROR: &str = "UNKNOWN_ERROR";
    pub const UNAVAILABLE: &str = "UNAVAILABLE";
}

/// `{"reference", "errorCode", "message", "constraintViolations"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiError {
    /// Opaque; to quote to support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(default)]
    pub error_code: String,
    #[serde(default)]
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint_violations: Option<Vec<Constraint>>,
    /// The call events API uses this key instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Vec<Constraint>>,
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Constraint {
    #[serde(default)]
    pub field: String,
    #[serde(default)]
    pub constraint: String,
    #[serde(flatten)]
    pub extra: Extra,
}

impl Constraint {
    #[must_use]
    pub fn new(field: impl Into<String>, constraint: impl Into<String>) -> Self {
        Self { field: field.into(), constraint: constraint.into(), extra: Extra::new() }
    }
}
