//! `callfeed`: the platform, the apps and the demo in one binary. One file per subcommand; nothing else knows all
//! crates.

mod accounts;
mod backup;
mod bench;
mod call;
mod check_config;
mod clock;
mod collector;
mod compared;
mod contacts;
mod demo;
mod fault;
mod grade;
mod logging;
mod office;
mod output;
mod outputs;
mod password;
mod plain_client;
mod reports;
mod screen_pop;
mod serve;
mod simulator;
mod stop;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Call events for people and programs: who is calling, on whose screen, and the full report when the call ends.
///
/// Speaks the GoTo Connect APIs on both sides: a platform that serves them, and apps that use them.
#[derive(Debug, Parser)]
#[command(name = "callfeed", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    CheckConfig(check_config::Args),
    Password(password::Args),
    Backup(backup::Args),
    Call(call::Args),
    Clock(clock::Args),
    Office(office::Args),
    Log(office::LogArgs),
    Fault(fault::Args),
    Grade(grade::Args),
    #[command(hide = true)]
    PlainClient(plain_client::Args),
    Reports(reports::Args),
    Gaps(reports::GapsArgs),
    Outputs(outputs::Args),
    Explain(collector::ExplainArgs),
    Doctor(collector::DoctorArgs),
    Token(collector::TokenArgs),
    Export(collector::NumberArgs),
    /// Erase every call in which a phone number took part from the store.
    #[command(long_about = None)]
    Erase(collector::NumberArgs),
    Login(reports::LoginArgs),
    Accounts(accounts::Args),
    ScreenPop(screen_pop::Args),
    Contacts(contacts::Args),
    Demo(demo::Args),
    Bench(bench::Args),
    #[command(hide = true)]
    BenchReference(bench::store::reference::Args),
    #[command(hide = true)]
    BenchPeers(bench::peers::Args),
    #[command(hide = true)]
    BenchCollector(bench::collector::Args),
}

fn main() -> std::process::ExitCode {
    // The allocator asks for pages of 2 MiB each, most of which an idle platform would never fill. Where the system
    // does not know of them, nothing is lost.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("callfeed: cannot start: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    let code = match runtime.block_on(run(cli.command)) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) if error.is::<output::Closed>() => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("callfeed: {}", told(&error));
            match () {
                () if error.is::<stop::Interrupted>() => stop::INTERRUPTED.into(),
                () if error.is::<output::Refused>() => output::REFUSED.into(),
                () => std::process::ExitCode::FAILURE,
            }
        }
    };
    // A write to an output that nobody reads must not keep the process.
    runtime.shutdown_timeout(LAST_WRITES);
    code
}

/// An error with its causes; one that the text before names already is not repeated.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// How long writes to stdout may still take after the command has ended.
const LAST_WRITES: std::time::Duration = std::time::Duration::from_secs(1);

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => serve::run(args).await,
        Command::CheckConfig(args) => check_config::run(args).await,
        Command::Password(args) => password::run(args).await,
        Command::Backup(args) => backup::run(args).await,
        Command::Call(args) => call::run(args).await,
        Command::Clock(args) => clock::run(args).await,
        Command::Office(args) => office::run(args).await,
        Command::Log(args) => office::log(args).await,
        Command::Fault(args) => fault::run(args).await,
        Command::Grade(args) => grade::run(args).await,
        Command::PlainClient(args) => plain_client::run(args).await,
        Command::Reports(args) => reports::run(args).await,
        Command::Gaps(args) => reports::gaps(args).await,
        Command::Explain(args) => collector::explain(args).await,
        Command::Doctor(args) => collector::doctor(args).await,
        Command::Export(args) => collector::export(args).await,
        Command::Erase(args) => collector::erase(args).await,
        Command::Token(args) => collector::token(args).await,
        Command::Outputs(args) => outputs::run(args).await,
        Command::Login(args) => reports::login(args).await,
        Command::Accounts(args) => accounts::run(args).await,
        Command::ScreenPop(args) => screen_pop::run(args).await,
        Command::Contacts(args) => contacts::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Bench(args) => bench::run(args).await,
        Command::BenchPeers(args) => bench::peers::run(args).await,
        Command::BenchCollector(args) => bench::collector::run(args).await,
        Command::BenchReference(args) => bench::store::reference::serve(args).await,
    }
}
