//! Plays the demo's calls, all scenarios mixed, through the platform's simulator.

use std::time::Duration;

use anyhow::{Context as _, bail};
use engine::Scenario;
use futures_util::StreamExt as _;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use server::CallRequest;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Args;
use super::office::Office;
use super::tally::Tally;

/// Scenario time between two calls: busy enough to watch, slow enough to read.
const BETWEEN_CALLS: Duration = Duration::from_secs(5);
/// What a small office sees: mostly answered calls in.
const MIX: [Scenario; 10] = [
    Scenario::Answered,
    Scenario::RingGroup,
    Scenario::Outbound,
    Scenario::DialPlan,
    Scenario::Missed,
    Scenario::Answered,
    Scenario::Internal,
    Scenario::RingGroup,
    Scenario::DialPlan,
    Scenario::Answered,
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    conversation_space_id: Option<String>,
    #[serde(default)]
    ended: bool,
    failed: Option<String>,
    #[serde(default)]
    done: bool,
}

/// Plays `--calls` calls, or calls without end; returns when the last one has ended.
pub async fn play(office: &Office, args: &Args, tally: &Tally) -> anyhow::Result<()> {
    let http = reqwest::Client::new();
    let pause = BETWEEN_CALLS.div_f64(args.speed);
    let mut calls = JoinSet::new();
    let mut due = Instant::now();
    let mut number = 0;
    while args.calls.is_none_or(|calls| number < calls) {
        tokio::select! {
            () = tokio::time::sleep_until(due) => {
                due += pause;
                calls.spawn(call(http.clone(), request(office, args, number)?, scenario(number)));
                number += 1;
            }
            Some(done) = calls.join_next() => note(tally, done)?,
        }
    }
    while let Some(done) = calls.join_next().await {
        note(tally, done)?;
    }
    Ok(())
}

fn note(tally: &Tally, done: Result<anyhow::Result<Played>, tokio::task::JoinError>) -> anyhow::Result<()> {
    let played = done.context("a call ended by a fault")??;
    tally.played(played.id, played.scenario.is_inbound());
    Ok(())
}

struct Played {
    id: String,
    scenario: Scenario,
}

fn scenario(number: u64) -> Scenario {
    MIX[(number % MIX.len() as u64) as usize]
}

fn request(office: &Office, args: &Args, number: u64) -> anyhow::Result<reqwest::RequestBuilder> {
    let settings = &office.settings;
    let call = CallRequest {
        scenario: scenario(number).to_string(),
        from: None,
        from_name: None,
        to: None,
        speed: args.speed,
        seed: Some(args.seed.wrapping_mul(1_000_003).wrapping_add(number)),
        record: false,
        count: 1,
        every_ms: 0,
    };
    let url = settings.hosts.api.join("simulator/v1/calls")?;
    let secret = settings.client_secret.expose_secret();
    Ok(reqwest::Client::new().post(url).basic_auth(&settings.client_id, Some(secret)).json(&call))
}

async fn call(
    http: reqwest::Client,
    request: reqwest::RequestBuilder,
    scenario: Scenario,
) -> anyhow::Result<Played> {
    let answer = http.execute(request.build()?).await.context("the platform does not answer")?;
    let mut bytes = answer.error_for_status()?.bytes_stream();
    let mut text = Vec::new();
    while let Some(chunk) = bytes.next().await {
        text.extend_from_slice(&chunk.context("the platform went away")?);
    }
    let mut id = None;
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line: Line = serde_json::from_slice(line)?;
        if let Some(why) = line.failed {
            bail!("a call failed: {why}");
        }
        match id {
            Some(id) if line.done => return Ok(Played { id, scenario }),
            _ => id = line.conversation_space_id.filter(|_| line.ended).or(id),
        }
    }
    bail!("the platform went away before a call had ended")
}
