//! A typed client of the GoTo Connect APIs that heals itself.
//!
//! - [`Client`]: sign-in, tokens that stay fresh, typed REST calls.
//! - [`Feed`]: one channel with its subscriptions and its socket, kept alive whatever happens; events come out.
//! - [`wire`]: the JSON types, re-exported.
//!
//! It works with GoTo Connect and with any server of the same APIs: see [`Hosts`].

mod client;
mod config;
mod error;
mod feed;
mod files;
pub mod lifecycle;
pub mod limits;
pub mod mask;
mod novelty;
mod oauth;
mod pace;
pub mod pull;
mod rest;
mod seal;
mod signature;
mod tokens;

pub use client::Client;
pub use config::{Config, Hosts};
pub use error::{Error, ErrorKind};
pub use feed::{Feed, FeedConfig, FeedEvent, Notification};
pub use oauth::Authorization;
pub use rest::Account;
pub use seal::KeySource;
pub use signature::SigningSecret;
pub use tokens::TokenFile;
pub use wire;
