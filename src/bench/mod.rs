//! `callfeed bench`: how fast this machine makes it. One file a measurement.
//!
//! Platforms run as processes of their own, on free ports with temporary data. The load shares the machine with them,
//! as its client: it is kept cheap, and what a platform itself uses is read from the system.

mod channels;
pub mod collector;
mod desk;
mod fan_out;
mod figures;
mod frames;
mod http;
mod idle;
mod ingest;
mod latency;
mod load;
pub mod peers;
mod platform;
mod process;
mod reads;
mod socket;
mod start;
pub mod store;
mod whole_calls;

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use crate::{logging, stop};
use figures::Figure;

/// How long one measurement may take before something must have been lost.
const FINISH_MAX: Duration = Duration::from_secs(120);
/// Open files that 10,000 sockets need, on either side.
const FILES_WANTED: u64 = 20_000;

/// Measure how fast Callfeed is on this machine.
///
/// Starts platforms with temporary data, plays calls on them, and prints a table with the targets of the project. Takes
/// about two minutes; nothing else should run meanwhile.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The figures as one JSON document.
    #[arg(long)]
    json: bool,
    /// Small and short: shows that everything works, measures nothing well.
    #[arg(long)]
    quick: bool,
    /// Only these: calls, latency, fan-out, idle, reads, log, start. Card, desks and contacts measure the screen pop, when
    /// they are named.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<Name>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    Calls,
    Latency,
    FanOut,
    Idle,
    Reads,
    Log,
    Start,
    /// From a call to its card, painted in Chromium.
    Card,
    /// 500 desks and 50 calls a second.
    Desks,
    /// A million contacts.
    Contacts,
}

impl Name {
    /// Those that take minutes or want a browser run when they are named.
    fn is_usual(self) -> bool {
        !matches!(self, Self::Card | Self::Desks | Self::Contacts)
    }
}

const ALL: [Name; 10] = [
    Name::Calls,
    Name::Latency,
    Name::FanOut,
    Name::Idle,
    Name::Reads,
    Name::Log,
    Name::Start,
    Name::Card,
    Name::Desks,
    Name::Contacts,
];

/// How much is measured, and who is told of it meanwhile.
pub struct Bench {
    pub quick: bool,
    /// Files that this process and those it starts may open.
    pub files_max: u64,
    terminal: bool,
}

impl Bench {
    fn new(quick: bool) -> Self {
        // Where it cannot be raised, fewer sockets are opened, and the table says so.
        let files_max = rlimit::increase_nofile_limit(FILES_WANTED).unwrap_or(1024);
        Self { quick, files_max, terminal: std::io::stderr().is_terminal() }
    }

    /// The size of a part of the load.
    pub fn size(&self, quick: usize, whole: usize) -> usize {
        if self.quick { quick } else { whole }
    }

    /// Says what is measured now, where somebody watches.
    pub fn progress(&self, what: &str) {
        if self.terminal {
            let mut stderr = std::io::stderr();
            let _ = write!(stderr, "\r\x1b[K{what} …").and_then(|()| stderr.flush());
        }
    }

    fn finished(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    logging::init("warn");
    let stop = stop::token();
    let bench = Bench::new(args.quick);
    if cfg!(debug_assertions) && !args.quick {
        eprintln!("This is not an optimised build: for true figures, cargo run --release -- bench");
    }
    let mut figures = Vec::new();
    let failed = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        failed = measure(&bench, &args.only, &mut figures) => failed,
    };
    bench.finished();
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{:#}", figures::document(&figures, args.quick))?;
    } else {
        write!(stdout, "{}", figures::table(&figures))?;
    }
    anyhow::ensure!(failed.is_empty(), "not everything could be measured: {}", failed.join("; "));
    Ok(())
}

/// Returns why measurements failed; the others go on.
async fn measure(bench: &Bench, only: &[Name], figures: &mut Vec<Figure>) -> Vec<String> {
    let mut failed = Vec::new();
    for name in ALL {
        let is_wanted = only.contains(&name) || (only.is_empty() && name.is_usual());
        if !is_wanted {
            continue;
        }
        // On the heap: together they would be a large future.
        let measured = match name {
            Name::Calls => Box::pin(whole_calls::measure(bench)).await,
            Name::Latency => Box::pin(latency::measure(bench)).await,
            Name::FanOut => Box::pin(fan_out::measure(bench)).await,
            Name::Idle => Box::pin(idle::measure(bench)).await,
            Name::Reads => Box::pin(reads::measure(bench)).await,
            Name::Log => Box::pin(ingest::measure(bench)).await,
            Name::Start => Box::pin(start::measure(bench)).await,
            Name::Card => Box::pin(desk::card::measure(bench)).await,
            Name::Desks => Box::pin(desk::many::measure(bench)).await,
            Name::Contacts => Box::pin(desk::contacts::measure(bench)).await,
        };
        match measured {
            Ok(measured) => figures.extend(measured),
            Err(error) => failed.push(format!("{name:?}: {error:#}")),
        }
    }
    failed
}
