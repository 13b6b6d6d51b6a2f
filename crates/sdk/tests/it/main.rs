//! The client against a small server in the same process that can be told to misbehave.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod fake;
mod feed;
mod oauth;
mod rest;

use std::time::Duration;

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(20);
