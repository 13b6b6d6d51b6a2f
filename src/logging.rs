//! Log lines on stderr, in UTC.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The crates whose lines a person asks for.
const OURS: [&str; 7] = ["callfeed", "wire", "engine", "sdk", "server", "apps", "ui"];

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for a log collector.
    Json,
}

/// `level`: `error`, `warn`, `info`, `debug` or `trace`. Other crates say warnings at most.
pub fn init(level: &str) {
    init_as(level, Format::Text);
}

/// The same in a format.
pub fn init_as(level: &str, format: Format) {
    let level = level.parse().unwrap_or(LevelFilter::INFO);
    let statements = match level {
        LevelFilter::OFF => LevelFilter::OFF,
        // A slow statement is told as SQL, which helps nobody but who reads debug logs.
        LevelFilter::DEBUG | LevelFilter::TRACE => LevelFilter::WARN,
        _ => LevelFilter::ERROR,
    };
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("sqlx", statements)
        .with_targets(OURS.map(|name| (name, level)));
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // A second call, as in a test, keeps the first.
    let _ = match format {
        Format::Text => subscriber.finish().with(filter).try_init(),
        Format::Json => {
            subscriber.json().flatten_event(true).with_span_list(false).finish().with(filter).try_init()
        }
    };
}

/// `SHOW_DEBUG_LOGS` asks for requests and responses, which are logged at `debug`.
pub fn level(settings: &apps::env::Settings) -> &'static str {
    use apps::env::LogLevel;
    match settings.log_level {
        LogLevel::Trace => "trace",
        _ if settings.show_debug_logs => "debug",
        other => other.as_str(),
    }
}
