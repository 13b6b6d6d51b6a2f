//! `callfeed clock`: what time it is on a running platform, and moving its virtual clock.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};

use crate::fault::ask;
use crate::output::say;
use crate::{logging, simulator};

pub const PATH: &str = "simulator/v1/clock";

/// Tell the time of a running Callfeed platform, or move its virtual clock (serve --clock virtual).
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Settings of the platform's client, such as DIR/example.env [default: .env].
    #[arg(long, value_name = "FILE", global = true)]
    env: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Move it by a time such as 90s, 2h 30m or 30d, or to an instant; ends when all that was due has happened.
    Advance {
        /// Such as 30d, or 2026-02-01T00:00:00Z.
        #[arg(value_name = "TIME", required = true, num_args = 1..)]
        time: Vec<String>,
    },
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let settings = simulator::settings(args.env.as_deref())?;
    logging::init(logging::level(&settings));
    let told = match args.command {
        None => ask(&settings, Method::GET, PATH, None).await?,
        Some(Command::Advance { time }) => {
            ask(&settings, Method::POST, PATH, Some(&wish(&time.join(" ")))).await?
        }
    };
    say(&told)
}

/// An instant has a T between date and time, a span of time none.
fn wish(time: &str) -> Value {
    let instant = time.parse::<jiff::Timestamp>().is_ok();
    if instant { json!({"to": time}) } else { json!({"advance": time}) }
}
