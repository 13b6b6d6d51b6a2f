//! Asks a platform's simulator for calls, and follows what it tells of them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use apps::env::{self, Settings};
use futures_util::StreamExt as _;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use server::CallRequest;
use url::Url;

use crate::{clock, fault};

/// How long the platform may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The platform sends an empty line every few seconds; after this much silence it has gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const GONE: &str = "the platform went away before all calls had ended";

/// What happens to a call.
pub enum Told {
    /// Its first state is durable.
    Started(String),
    /// Its report is.
    Ended(String, Came),
}

/// A call beside what its file expects; of a scenario of the library nothing is told.
#[derive(Debug, Default, Deserialize)]
pub struct Came {
    pub part: Option<engine::Part>,
    #[serde(default)]
    pub compared: bool,
    /// What came otherwise.
    #[serde(default)]
    pub unexpected: Vec<String>,
}

/// One line of the platform's answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    conversation_space_id: Option<String>,
    #[serde(default)]
    ended: bool,
    #[serde(flatten)]
    came: Came,
    failed: Option<String>,
    #[serde(default)]
    done: bool,
}

/// A client for [`play`].
pub fn client() -> anyhow::Result<reqwest::Client> {
    // Somebody else in this process may have been first; one provider is enough for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).build()?)
}

/// What somebody needs who has no platform yet.
const PLATFORM: &str = "this is for a Callfeed platform: `callfeed serve --data platform --example` starts one and writes \
                        platform/example.env; give --env platform/example.env";

/// Settings of a Callfeed platform, as far as that can be told without asking it.
///
/// # Errors
/// When they are incomplete, or name the real service.
pub fn settings(file: Option<&Path>) -> anyhow::Result<Settings> {
    let settings = match env::load(file) {
        Ok(settings) => settings,
        // Whoever has named no file has most likely none, and needs no client of the real service.
        Err(problems) if file.is_none() => bail!("{PLATFORM}\nWithout --env:\n{problems}"),
        Err(problems) => return Err(problems.into()),
    };
    let api = &settings.hosts.api;
    if *api == sdk::Hosts::default().api {
        bail!("{PLATFORM}\nThe settings name {api}; GOTO_API_URL would name another host");
    }
    Ok(settings)
}

/// Whether the platform's time stands still; false where it does not say.
pub async fn has_virtual_clock(settings: &Settings) -> bool {
    let told = fault::ask(settings, reqwest::Method::GET, clock::PATH, None).await;
    told.is_ok_and(|told| told["clock"] == "virtual")
}

/// Sends a request to the platform at `api`; what it refuses is told in its own words.
///
/// # Errors
/// When there is no answer, or one without success.
pub async fn answered(api: &Url, request: reqwest::RequestBuilder) -> anyhow::Result<reqwest::Response> {
    let answer = request
        .send()
        .await
        .with_context(|| format!("the platform at {api} does not answer: is it running?"))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let text = answer.text().await.unwrap_or_default();
    let error: wire::error::ApiError = serde_json::from_str(&text).unwrap_or_default();
    bail!("the platform refuses ({status}): {}", error.message)
}

/// Plays calls; returns when all of them have ended.
///
/// # Errors
/// When the platform refuses, goes away or falls silent, or a call fails.
pub async fn play(
    client: &reqwest::Client,
    settings: &Settings,
    request: &CallRequest,
    mut tell: impl FnMut(Told) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let api = &settings.hosts.api;
    let asked = client
        .post(api.join("simulator/v1/calls")?)
        .basic_auth(&settings.client_id, Some(settings.client_secret.expose_secret()))
        .json(request);
    let mut bytes = answered(api, asked).await?.bytes_stream();
    let mut text = Vec::new();
    while let Some(chunk) = tokio::time::timeout(SILENCE_MAX, bytes.next()).await.context(GONE)? {
        text.extend_from_slice(&chunk.context(GONE)?);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            if line.trim_ascii().is_empty() {
                continue;
            }
            let line: Line = serde_json::from_slice(&line).context("the platform's answer cannot be read")?;
            if let Some(why) = line.failed {
                bail!("a call failed: {why}");
            }
            match line.conversation_space_id {
                Some(id) if line.ended => tell(Told::Ended(id, line.came))?,
                Some(id) => tell(Told::Started(id))?,
                None if line.done => return Ok(()),
                None => {}
            }
        }
    }
    bail!(GONE)
}
