//! `callfeed office`: days of the office on a platform with a virtual clock; `callfeed log`: what the platform wrote.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::fault::ask;
use crate::output::{self, say};
use crate::{clock, logging, simulator};

/// Play days of the office on a platform with a virtual clock (serve --clock virtual), and tell what that made.
///
/// Office hours, lunch, evenings and weekends; calls in and out by the hour. The same seed on a fresh platform gives the
/// same log, byte for byte: `callfeed log` prints it.
///
/// Prints one line of JSON: how many calls began, from when until when, how many events came due on the platform's clock in
/// that time (steps of calls, deliveries, ends of tokens and channels), and the real seconds that it took.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many days, from the platform's time on.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
    /// Decides who calls when.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Settings of the platform's client, such as DIR/example.env [default: .env].
    #[arg(long, value_name = "FILE")]
    env: Option<PathBuf>,
}

/// Print the event log of a running platform: one JSON document a line, oldest first.
#[derive(Debug, clap::Args)]
pub struct LogArgs {
    /// Only entries behind this position.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    after: u64,
    /// Settings of the platform's client, such as DIR/example.env [default: .env].
    #[arg(long, value_name = "FILE")]
    env: Option<PathBuf>,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let settings = simulator::settings(args.env.as_deref())?;
    logging::init(logging::level(&settings));
    let wish = json!({"days": args.days, "seed": args.seed});
    let laid_out = ask(&settings, Method::POST, "simulator/v1/office", Some(&wish)).await?;
    eprintln!("{} calls in {} days; the clock is being advanced.", laid_out["calls"], args.days);
    let started = Instant::now();
    let to = json!({"to": laid_out["until"]});
    let moved = ask(&settings, Method::POST, clock::PATH, Some(&to)).await?;
    say(&json!({
        "calls": laid_out["calls"],
        "from": laid_out["from"],
        "until": moved["now"],
        "events": moved["events"],
        "seconds": (started.elapsed().as_secs_f64() * 10.0).round() / 10.0,
    }))
}

pub async fn log(args: LogArgs) -> anyhow::Result<()> {
    let settings = simulator::settings(args.env.as_deref())?;
    logging::init(logging::level(&settings));
    let api = &settings.hosts.api;
    let url = api.join(&format!("simulator/v1/log?after={}", args.after))?;
    let request = simulator::client()?
        .get(url)
        .basic_auth(&settings.client_id, Some(settings.client_secret.expose_secret()));
    let mut chunks = simulator::answered(api, request).await?.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        output::print(&chunk.context("the platform went away before the log's end")?)?;
    }
    Ok(())
}
