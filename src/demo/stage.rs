//! Plays the demo's calls, all scenarios mixed, through the platform's simulator.

use std::time::Duration;

use anyhow::Context as _;
use apps::env::Settings;
use engine::Scenario;
use server::CallRequest;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Args;
use super::office::Office;
use super::tally::Tally;
use crate::simulator::{self, Told};

/// Scenario time between two calls: busy enough to watch, slow enough to read.
const BETWEEN_CALLS: Duration = Duration::from_secs(5);
/// What a small office sees: mostly answered calls in.
const MIX: [&str; 10] = [
    "answered",
    "ring-group",
    "outbound",
    "dial-plan",
    "missed",
    "answered",
    "internal",
    "ring-group",
    "dial-plan",
    "answered",
];

/// Plays `--calls` calls, or calls without end; returns when the last one has ended.
pub async fn play(office: &Office, args: &Args, tally: &Tally) -> anyhow::Result<()> {
    let http = simulator::client()?;
    let pause = BETWEEN_CALLS.div_f64(args.speed);
    let mut calls = JoinSet::new();
    let mut due = Instant::now();
    let mut number = 0;
    while args.calls.is_none_or(|calls| number < calls) {
        tokio::select! {
            () = tokio::time::sleep_until(due) => {
                due += pause;
                let call = call(http.clone(), office.settings.clone(), request(args, number), scenario(number));
                calls.spawn(call);
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
    tally.played(played.id, played.scenario.parse::<Scenario>()?.is_inbound());
    Ok(())
}

struct Played {
    id: String,
    scenario: &'static str,
}

fn scenario(number: u64) -> &'static str {
    MIX[(number % MIX.len() as u64) as usize]
}

fn request(args: &Args, number: u64) -> CallRequest {
    CallRequest {
        scenario: scenario(number).to_string(),
        file: None,
        from: None,
        from_name: None,
        to: None,
        speed: args.speed,
        seed: Some(args.seed.wrapping_mul(1_000_003).wrapping_add(number)),
        record: false,
        count: 1,
        every_ms: 0,
        at_once: None,
    }
}

async fn call(
    http: reqwest::Client,
    settings: Settings,
    request: CallRequest,
    scenario: &'static str,
) -> anyhow::Result<Played> {
    let mut ended = None;
    simulator::play(&http, &settings, &request, |told| {
        if let Told::Ended(id, _) = told {
            ended = Some(id);
        }
        Ok(())
    })
    .await?;
    let id = ended.context("the platform told of no call that ended")?;
    Ok(Played { id, scenario })
}
