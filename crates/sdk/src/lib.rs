//! A typed client of the GoTo Connect APIs that heals itself.
//!
//! - [`Client`]: sign-in, tokens that stay fresh, typed REST calls.
//! - [`Feed`]: one channel with its subscriptions and its socket, kept alive whatever happens; events come out.
//! - [`wire`]: the JSON types, re-exported.
//!
//! It works with GoTo Connect and with any server of the same APIs: see [`Hosts`].
//!
//! ```no_run
//! use sdk::wire::{report::Report, scope};
//! use sdk::{Client, Config, Error, Feed, FeedConfig, FeedEvent, TokenFile};
//!
//! fn tell(address: &impl std::fmt::Display) {
//!     eprintln!("Sign in at {address}");
//! }
//!
//! /// Hands over the report of each call when it has ended, until `take` says that it was the last.
//! async fn each_report(
//!     config: Config,
//!     account_key: String,
//!     tokens: TokenFile,
//!     mut take: impl FnMut(Report) -> bool,
//! ) -> Result<(), Error> {
//!     let client = Client::new(config, tokens)?;
//!     client.sign_in(&scope::TUTORIALS, tell).await?;
//!     let wanted = FeedConfig {
//!         nickname: "my-program".to_owned(),
//!         account_keys: vec![account_key],
//!         call_events: None,
//!         reports: true,
//!         state_file: None, // Some("channel.json".into()) takes the channel over after a restart
//!     };
//!     let mut feed = Feed::open(client.clone(), wanted);
//!     while let Some(event) = feed.next().await {
//!         match event {
//!             FeedEvent::Report { conversation_space_id, .. } => {
//!                 let (report, _text) = client.report_when_ready(&conversation_space_id).await?;
//!                 if !take(report) {
//!                     break;
//!                 }
//!             }
//!             FeedEvent::SignInNeeded => client.sign_in(&scope::TUTORIALS, tell).await?,
//!             FeedEvent::Problem(error) => eprintln!("{error}"),
//!             _ => {}
//!         }
//!     }
//!     feed.close().await;
//!     Ok(())
//! }
//! ```
//!
//! A [`Config`] is the OAuth client (id, secret, redirect URI) and the [`Hosts`], which [`Hosts::default`] names for the real
//! service. The repository's tests run this code. Its folder `template` is the same as a program to copy, with a test that
//! plays calls.

mod client;
mod config;
mod error;
mod feed;
mod files;
mod keyring;
pub mod lifecycle;
pub mod limits;
pub mod mask;
mod novelty;
mod oauth;
mod pace;
pub mod pull;
mod rest;
mod seal;
mod service_time;
mod shape;
mod sign_in;
mod signature;
mod tokens;

pub use client::Client;
pub use config::{Config, Hosts};
pub use error::{Error, ErrorKind};
pub use feed::{Feed, FeedConfig, FeedEvent, Notification};
pub use keyring::Keyring;
pub use oauth::Authorization;
pub use rest::{Account, EndedCall};
pub use seal::KeySource;
pub use signature::SigningSecret;
pub use tokens::TokenFile;
pub use wire;
