//! A typed client of the GoTo Connect APIs that heals itself.
//!
//! - [`Client`]: sign-in, tokens that stay fresh, typed REST calls.
//! - [`Feed`]: one channel with its subscriptions and its socket, kept alive whatever happens; events come out.
//! - [`wire`]: the JSON types, re-exported.
//!
//! It works with GoTo Connect and with any server of the same APIs: see [`Hosts`].
//!
//! ```no_run
//! use sdk::{Client, Config, Feed, FeedConfig, FeedEvent, Hosts, TokenFile, wire::scope};
//!
//! # async fn follow() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config {
//!     client_id: std::env::var("OAUTH_CLIENT_ID")?,
//!     client_secret: std::env::var("OAUTH_CLIENT_SECRET")?.into(),
//!     redirect_uri: "http://127.0.0.1:12021/app/redirect".parse()?,
//!     hosts: Hosts::default(),
//! };
//! let client = Client::new(config, TokenFile::new("tokens.json"))?;
//! client.sign_in(&scope::TUTORIALS, |address| eprintln!("Sign in at {address}")).await?;
//! let wanted = FeedConfig {
//!     nickname: "my-program".to_owned(),
//!     account_keys: vec![std::env::var("ACCOUNT_KEY")?],
//!     call_events: None,
//!     reports: true,
//!     state_file: Some("channel.json".into()),
//! };
//! let mut feed = Feed::open(client.clone(), wanted);
//! while let Some(event) = feed.next().await {
//!     if let FeedEvent::Report { conversation_space_id, .. } = event {
//!         let (report, raw) = client.report_when_ready(&conversation_space_id).await?;
//!         println!("{:?}: {raw}", report.direction);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The folder `template` of the repository is this as a program to copy, with a test that plays calls.

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
mod sign_in;
mod signature;
mod tokens;

pub use client::Client;
pub use config::{Config, Hosts};
pub use error::{Error, ErrorKind};
pub use feed::{Feed, FeedConfig, FeedEvent, Notification};
pub use keyring::Keyring;
pub use oauth::Authorization;
pub use rest::Account;
pub use seal::KeySource;
pub use signature::SigningSecret;
pub use tokens::TokenFile;
pub use wire;
