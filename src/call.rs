//! `callfeed call`: plays calls on a running platform.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use apps::env::Settings;
use jiff::{Span, SpanRelativeTo};
use server::CallRequest;

use crate::compared::Compared;
use crate::output::{print, say};
use crate::simulator::{self, Told};
use crate::{logging, stop};

/// Play calls on a running Callfeed platform.
///
/// Prints {"conversationSpaceId": …} a line for each call, once its first state is durable, and ends when all calls
/// have ended; with exit code 1 and the reason when the platform goes away, with 130 after Ctrl-C, which the calls
/// outlive.
/// The calls of a file of one's own are compared with its [[expect]]: what is otherwise, or never came, is named, with
/// exit code 1. So is a scenario that does not exist or cannot be played, whoever notices.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A scenario of the library, such as answered, or the path of a scenario file (ending in .toml); see
    /// docs/scenarios.md.
    #[arg(value_name = "SCENARIO", required_unless_present_any = ["list", "print"])]
    scenario: Option<String>,
    /// List the scenarios of the library, one a line; plays nothing.
    #[arg(long, conflicts_with_all = ["scenario", "print"])]
    list: bool,
    /// Print the file of a scenario of the library, to make one's own of; plays nothing.
    #[arg(long, value_name = "NAME", conflicts_with = "scenario")]
    print: Option<String>,
    /// Settings of the platform's client, such as DIR/example.env [default: .env].
    #[arg(long, value_name = "FILE")]
    env: Option<PathBuf>,
    /// Who calls: any text as the number of an inbound caller, or the extension of the calling line.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    from: Option<String>,
    /// Name of an inbound caller; any text.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    from_name: Option<String>,
    /// Who is called: a company number, an extension, or the number that a line dials.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    to: Option<String>,
    /// How many times faster than life, 0.01 to 100000; at 1 a call rings about 4 s and talks about 10 s.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Decides what is left open; the same seed plays the same call.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Record the line that talks; recording and transcript are there when the call has ended.
    #[arg(long)]
    record: bool,
    /// How many calls; they overlap.
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: u64,
    /// At most so many at the same time; further ones wait [default: no bound].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    at_once: Option<u64>,
    /// Scenario time between the starts of two calls, such as 500ms or 2s.
    #[arg(long, value_name = "D", default_value = "1s", value_parser = duration)]
    every: Duration,
}

/// From this on, a scenario's real time is told beforehand.
const LONG_S: f64 = 90.0;
/// What a long scenario takes at the speed that is proposed.
const FAST_S: f64 = 10.0;

/// A scenario by name, or a file's text under the file's name.
#[derive(Clone, Debug)]
struct Chosen {
    name: String,
    file: Option<String>,
}

fn scenario(name: &str) -> anyhow::Result<Chosen> {
    if !name.ends_with(".toml") {
        let scenario: engine::Scenario = name.parse()?;
        return Ok(Chosen { name: scenario.to_string(), file: None });
    }
    let path = name;
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the scenario {path}"))?;
    let name =
        Path::new(path).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    engine::Scenario::parse(&name, &text)?;
    Ok(Chosen { name, file: Some(text) })
}

fn file_of(name: &str) -> anyhow::Result<&'static str> {
    Ok(engine::text(name).ok_or_else(|| engine::ScenarioError::UnknownScenario { name: name.to_owned() })?)
}

fn speed(text: &str) -> Result<f64, String> {
    let bounds = server::limits::SIMULATOR_SPEED;
    let speed = text.parse().ok().filter(|speed| bounds.contains(speed));
    speed.ok_or_else(|| format!("give a number from {} to {}", bounds.start(), bounds.end()))
}

/// Names of the library, each with the first sentence of what happens.
fn list() -> String {
    let line = |scenario: &engine::Scenario| {
        let about = scenario.about().split_whitespace().collect::<Vec<_>>().join(" ");
        let first = about.split_once(". ").map_or(about.as_str(), |(first, _)| first);
        format!("{:24} {}.\n", scenario.name(), first.trim_end_matches('.'))
    };
    engine::Scenario::all().iter().map(line).collect()
}

/// Reads a length of time; a day has 24 hours.
pub fn duration(text: &str) -> Result<Duration, String> {
    let span: Option<Span> = text.parse().ok();
    let length = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let duration = length.and_then(|length| Duration::try_from(length).ok());
    duration.ok_or_else(|| "give a number and a unit, such as 500ms, 2s, 1m or 2d".to_owned())
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    if args.list {
        return print(list());
    }
    if let Some(name) = &args.print {
        return print(file_of(name)?);
    }
    let chosen = &scenario(args.scenario.as_deref().unwrap_or_default())?;
    let settings = simulator::settings(args.env.as_deref())?;
    logging::init(logging::level(&settings));
    let stop = stop::token();
    tokio::select! {
        () = stop.cancelled() => {
            let goes_on = "stopped listening: the calls go on, and the platform plays all that were asked for to their end";
            Err(stop::Interrupted(goes_on).into())
        }
        played = play(&settings, &args, chosen) => played,
    }
}

async fn play(settings: &Settings, args: &Args, chosen: &Chosen) -> anyhow::Result<()> {
    let stands_still = simulator::has_virtual_clock(settings).await;
    if stands_still {
        eprintln!("The platform's clock stands still: `callfeed clock advance 1m` lets calls go on.");
    } else if let Some(hint) = long(chosen, args) {
        eprintln!("{hint}");
    }
    let request = CallRequest {
        scenario: chosen.name.clone(),
        file: chosen.file.clone(),
        from: args.from.clone(),
        from_name: args.from_name.clone(),
        to: args.to.clone(),
        speed: args.speed,
        seed: args.seed,
        record: args.record,
        count: args.count,
        every_ms: u64::try_from(args.every.as_millis()).unwrap_or(u64::MAX),
        at_once: args.at_once,
    };
    let mut compared = Compared::default();
    let tell = |told| match told {
        Told::Started(id) => say(&serde_json::json!({"conversationSpaceId": id})),
        Told::Ended(id, came) => {
            for difference in compared.count(came) {
                eprintln!("call {id}: {difference}");
            }
            Ok(())
        }
    };
    simulator::play(&simulator::client()?, settings, &request, tell).await?;
    if let Some(text) = &chosen.file {
        eprintln!("{}", compared.finish(&engine::Scenario::parse(&chosen.name, text)?)?);
    }
    Ok(())
}

/// What is said of a scenario that takes long in real time.
fn long(chosen: &Chosen, args: &Args) -> Option<String> {
    let scenario = match &chosen.file {
        Some(text) => engine::Scenario::parse(&chosen.name, text).ok()?,
        None => chosen.name.parse().ok()?,
    };
    // Whatever the office, the times are the scenario's.
    let request = engine::Request::new(scenario, args.seed.unwrap_or_default());
    let script = engine::script(&engine::Office::example(0), &request).ok()?;
    let scenario_s = script.duration_ms() as f64 / 1000.0;
    let takes_s = scenario_s / args.speed;
    if takes_s < LONG_S {
        return None;
    }
    let faster = (scenario_s / FAST_S).ceil();
    Some(format!(
        "{} takes about {} in real time; --speed {faster} plays it in about {FAST_S:.0} seconds.",
        chosen.name,
        human(takes_s)
    ))
}

fn human(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} seconds"),
        s if s < 7200.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{:.0} hours", s / 3600.0),
    }
}
