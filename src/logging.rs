//! Log lines on stderr, in UTC.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

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
    let ours = ["callfeed", "wire", "engine", "sdk", "server", "apps", "ui"];
    let directives: Vec<String> = ours.iter().map(|name| format!("{name}={level}")).collect();
    let others = if level == "off" { "off" } else { "warn" };
    // A slow statement is told as SQL, which helps nobody but who reads debug logs.
    let statements = match level {
        "debug" | "trace" => "warn",
        "off" => "off",
        _ => "error",
    };
    let filter = EnvFilter::new(format!("{others},sqlx={statements},{}", directives.join(",")));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // A second call, as in a test, keeps the first.
    let _ = match format {
        Format::Text => subscriber.try_init(),
        Format::Json => subscriber.json().flatten_event(true).with_span_list(false).try_init(),
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
