//! JSON types of the GoTo Connect APIs, for both sides of the wire.
//!
//! Rules that hold for every type here:
//!
//! - A member that is not known is kept in `extra` and written back; an enum value that is not known is kept
//!   in `Other`. Nothing is rejected for being new.
//! - Identifiers and instants are strings, kept letter for letter: account keys exceed 2^53, and the number of
//!   fractional digits of an instant is part of what was said. Whoever needs an instant parses it.
//! - No I/O, no clock, no randomness.

pub mod call_events;
pub mod call_history;
pub mod channel;
pub mod directory;
pub mod error;
pub mod notification;
pub mod oauth;
pub mod recording;
pub mod report;
pub mod scope;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Members of a JSON object that this version does not know; they survive a round trip.
pub type Extra = serde_json::Map<String, serde_json::Value>;

/// ISO 8601 in UTC with `Z` and 0 to 9 fractional digits, as received (spec/errors-and-limits.md, Formats).
pub type Instant = String;

/// One page of a list: `pageSize`, `items` and, unless it is the last one, `nextPageMarker`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_size: Option<u64>,
    /// Opaque; absent, null or empty at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_page_marker: Option<String>,
    #[serde(default = "Vec::<T>::new")]
    pub items: Vec<T>,
    #[serde(flatten)]
    pub extra: Extra,
}

impl<T> Page<T> {
    #[must_use]
    pub fn new(items: Vec<T>, page_size: u64, next_page_marker: Option<String>) -> Self {
        Self { page_size: Some(page_size), next_page_marker, items, extra: Extra::new() }
    }

    /// The marker of the next page; an empty string counts as the end (spec/errors-and-limits.md, Paging).
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        self.next_page_marker.as_deref().filter(|marker| !marker.is_empty())
    }
}

/// `{"value": …}` with whatever else stands beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tagged<T> {
    pub value: T,
    #[serde(flatten)]
    pub extra: Extra,
}

impl<T> From<T> for Tagged<T> {
    fn from(value: T) -> Self {
        Self { value, extra: Extra::new() }
    }
}

/// A name for people and a number: an outside party, or one side of a call history row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Party {
    /// Caller-ID label; can be empty.
    #[serde(default)]
    pub name: String,
    /// E.164 as a rule; `Anonymous` and any other string is possible.
    #[serde(default)]
    pub number: String,
    #[serde(flatten)]
    pub extra: Extra,
}

impl Party {
    #[must_use]
    pub fn new(name: impl Into<String>, number: impl Into<String>) -> Self {
        Self { name: name.into(), number: number.into(), extra: Extra::new() }
    }
}

/// Which way a call goes, seen from the account. Calls between two lines are `OUTBOUND`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Direction {
    Inbound,
    Outbound,
    #[serde(untagged)]
    Other(String),
}
