//! `callfeed grade`: watches a program under test through bad days, and tells what it handled, lost and did twice.
//!
//! It starts a platform of its own with an account for the program, plays calls on each bad day, and counts two things
//! for each call: how often the program fetched the report, which the platform's journal tells, and how often it told
//! of the call, where it prints JSON lines with `conversationSpaceId`.

mod card;
mod days;
mod group;
mod platform;
mod program;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{logging, stop};
use card::{Beside, Card, Line};
use days::{DAYS, Day};
use platform::Platform;
use program::Program;

/// Between two looks at what the program has done.
const LOOK: Duration = Duration::from_millis(250);
/// How long the program may take to be connected.
const CONNECT: Duration = Duration::from_secs(90);
/// The same where a person has to start it.
const CONNECT_BY_HAND: Duration = Duration::from_secs(600);
/// What is handled twice often is so at once.
const SETTLE: Duration = Duration::from_secs(1);

/// Grade a program: watch how it lives through bad days, on a platform of its own.
///
/// The program must subscribe to reports on a WebSocket channel and fetch each report. It is started with the
/// platform's settings in its environment, and signed in by itself if it prints the address to sign in at
/// (…/oauth/authorize?… with a redirect URI http://127.0.0.1:PORT/app/redirect). It may print a JSON line with
/// conversationSpaceId for each call that it has handled; else fetching the report counts. Eight days take up to two
/// minutes, with --plain twice that.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Starts the program, by `sh -c`; without it the settings are printed for you to start it.
    ///
    /// Anything that a shell takes: 'cd app && TZ=UTC ./prog'. The command must not end before the grade does. Its
    /// environment has the platform's settings, GRADE_ENV (the file that they stand in) and GRADE_FOLDER (an empty
    /// folder that goes with the grade). At the end it and all that it has started get SIGTERM, and SIGKILL ten seconds
    /// later; on the day "kill" SIGKILL at once. What makes a session of its own (setsid) lives on.
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// JSON lines that the program writes, unless it prints them.
    #[arg(long, value_name = "FILE")]
    output: Option<std::path::PathBuf>,
    /// Show what the program writes; it may hold secrets.
    #[arg(long)]
    show_output: bool,
    /// Calls on each day, 2 to 100: one alone cannot come in another order.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = number(2, 100))]
    calls: u64,
    /// Seconds that the program gets to handle a day's calls after the last has ended, 1 to 3600.
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = number(1, 3600))]
    patience: u64,
    /// Grade the plain behaviour of the first tutorial too (each report is asked for once, after a lost connection ten
    /// seconds pass), side by side; without --command, beside `callfeed reports`.
    #[arg(long)]
    plain: bool,
    /// One JSON document instead of the table.
    #[arg(long)]
    json: bool,
}

/// Reads a number between these, or says which ones it may be.
fn number(from: u64, to: u64) -> impl Fn(&str) -> Result<u64, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| (from..=to).contains(number));
        number.ok_or_else(|| format!("give a number from {from} to {to}"))
    }
}

/// Programs of our own.
const COLLECTOR: &str = r#"reports --json --no-browser --env "$GRADE_ENV" --state "$GRADE_FOLDER/reports""#;
const PLAIN: &str = r#"plain-client --env "$GRADE_ENV" --state "$GRADE_FOLDER/plain""#;

/// A command that starts this program, with a port of its own for the sign-in.
fn ours(command: &str) -> anyhow::Result<String> {
    let path = std::env::current_exe()?;
    // The shell takes everything between single quotes as it is, but for these themselves.
    let quoted = path.to_string_lossy().replace('\'', r"'\''");
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    Ok(format!("'{quoted}' {command} --listen 127.0.0.1:{port}"))
}

pub async fn run(mut args: Args) -> anyhow::Result<()> {
    logging::init("warn");
    if args.plain && args.command.is_none() {
        args.command = Some(ours(COLLECTOR)?);
    }
    let card = on_a_platform(&args, args.command.as_deref()).await?;
    let text = if args.plain {
        let plain = on_a_platform(&args, Some(&ours(PLAIN)?)).await?;
        let both = Beside { program: card, plain };
        if args.json { format!("{}\n", both.json()) } else { both.to_string() }
    } else if args.json {
        format!("{}\n", card.json())
    } else {
        card.to_string()
    };
    crate::output::print(text)
}

/// Grades one program on a platform of its own.
async fn on_a_platform(args: &Args, command: Option<&str>) -> anyhow::Result<Card> {
    let stop = stop::token();
    let platform_stop = CancellationToken::new();
    let folder = tempfile::tempdir()?;
    let platform = Platform::start(folder.path(), &platform_stop).await?;
    let graded = match start(args, command, &platform, folder.path()) {
        Ok(mut program) => {
            let graded = tokio::select! {
                graded = grade(args, command, &platform, &mut program) => graded,
                () = stop.cancelled() => Err(anyhow::anyhow!("stopped before the last day")),
            };
            program.stop().await;
            graded
        }
        Err(error) => Err(error),
    };
    platform_stop.cancel();
    platform.stopped().await;
    graded
}

fn start(
    args: &Args,
    command: Option<&str>,
    platform: &Platform,
    folder: &std::path::Path,
) -> anyhow::Result<Program> {
    let output = args.output.as_deref();
    if let Some(command) = command {
        return Program::start(command, (output, args.show_output), platform, folder);
    }
    eprintln!("Start your program with the settings in {}; it has ten minutes.", platform.env_file.display());
    Ok(Program::by_hand(output))
}

async fn grade(
    args: &Args,
    command: Option<&str>,
    platform: &Platform,
    program: &mut Program,
) -> anyhow::Result<Card> {
    let mut card = Card { program: command.map(str::to_owned), lines: Vec::new() };
    let connect = if command.is_some() { CONNECT } else { CONNECT_BY_HAND };
    connected(platform, program, connect).await?;
    // Nobody kills a program that somebody else has started.
    for day in DAYS.iter().filter(|day| !day.kills || command.is_some()) {
        eprintln!("{}: {}", day.name, day.what);
        let line = live_through(args, platform, program, day).await?;
        card.lines.push(line);
        platform.clear_faults().await?;
        connected(platform, program, CONNECT).await?;
    }
    Ok(card)
}

async fn connected(platform: &Platform, program: &mut Program, deadline: Duration) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        if platform.has_listener().await? {
            return Ok(());
        }
        if let Some(code) = program.ended() {
            bail!("the program ended ({code}) before it was graded; --show-output shows what it writes");
        }
        if started.elapsed() > deadline {
            let login = match program.printed_no_login() {
                true => {
                    "; no line that it printed has a login address (the platform's /oauth/authorize?… or /login?…)"
                }
                false => "",
            };
            bail!(
                "the program has no connected channel with a report subscription after {} s{login}",
                deadline.as_secs()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn live_through(
    args: &Args,
    platform: &Platform,
    program: &mut Program,
    day: &Day,
) -> anyhow::Result<Line> {
    for fault in day.faults {
        platform.add_fault(&fault.wish()).await?;
    }
    if !day.faults.is_empty() {
        platform.settled(day).await?;
    }
    if day.kills {
        program.kill().await;
    }
    let calls = platform.play(args.calls).await?;
    if day.kills {
        program.start_again()?;
    }
    let started = Instant::now();
    let patience = Duration::from_secs(args.patience);
    let mut done_after = None;
    let counts = loop {
        let counts = counts(platform, program, &calls).await?;
        if counts.iter().all(|(told, fetched)| *told.max(fetched) > 0 && (*told > 0 || !program.tells())) {
            let done = *done_after.get_or_insert_with(|| started.elapsed());
            if started.elapsed() >= done + SETTLE {
                break counts;
            }
        }
        if started.elapsed() >= patience {
            break counts;
        }
        tokio::time::sleep(LOOK).await;
    };
    let handled = |(told, fetched): &(u64, u64)| if program.tells() { *told } else { *fetched };
    Ok(Line {
        day: day.name,
        what: day.what,
        calls: calls.len(),
        handled: counts.iter().filter(|count| handled(count) > 0).count(),
        lost: counts.iter().filter(|count| handled(count) == 0).count(),
        twice: counts.iter().filter(|count| handled(count) > 1).count(),
        after: done_after,
    })
}

/// How often the program told of each call, and fetched its report.
async fn counts(platform: &Platform, program: &Program, calls: &[String]) -> anyhow::Result<Vec<(u64, u64)>> {
    let told: HashMap<String, u64> = program.told()?;
    let fetched = platform.fetched().await?;
    let of = |counts: &HashMap<String, u64>, call: &String| counts.get(call).copied().unwrap_or_default();
    Ok(calls.iter().map(|call| (of(&told, call), of(&fetched, call))).collect())
}
