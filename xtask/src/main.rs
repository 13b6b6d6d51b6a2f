//! The project's own commands, so that a fresh clone needs nothing but cargo.
//!
//! - `cargo xtask test` sets up what the tests need and runs everything that guards the project.
//! - `cargo xtask soak` plays many calls while everything fails that can fail, `cargo xtask chaos` does the same to the report
//!   collector, and `cargo xtask backfill` gives it a past of 90 days.
//! - `cargo xtask tidy` checks the rules of the house that no compiler knows.
//! - `cargo xtask schemathesis` sends the running platform what its OpenAPI document allows, and what it does not.
//! - `cargo xtask axe` installs axe-core, with which a story looks at every page.
//! - `cargo xtask postgres COMMAND…` runs a command with a PostgreSQL of its own.

mod axe;
mod postgres;
mod schemathesis;
mod setup;
mod steps;
mod tidy;

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::postgres::Postgres;
use crate::steps::Steps;

const HELP: &str = "\
cargo xtask test                everything that guards the project; installs what is missing where it may
cargo xtask test --fast         the same without PostgreSQL and schemathesis
cargo xtask soak [--calls N] [--seed S] [--release]
                                N calls (10000) while the platform is killed and connections break; see tests/it/soak.rs
cargo xtask chaos [--calls N] [--seed S] [--release]
                                N calls (10000) while collector and platform are killed among faults; see
                                tests/it/collector_chaos.rs
cargo xtask backfill [--calls N] [--limit R] [--seed S] [--release]
                                N calls (59000) of the last 90 days, fetched by a first start at R requests a second at
                                most (500); see tests/it/backfill.rs
cargo xtask schemathesis        hundreds of requests for each operation of the OpenAPI document
cargo xtask axe                 axe-core from npm, for the story that looks at every page
cargo xtask tidy                only the rules that no compiler knows
cargo xtask postgres COMMAND…   runs COMMAND with a fresh PostgreSQL in CALLFEED_TEST_POSTGRES
                                and CALLFEED_TEST_DATABASE=postgres
";

/// Which database the suites use: `sqlite` or `postgres`.
const DATABASE: &str = "CALLFEED_TEST_DATABASE";
/// How many tests run at once: the stories wait for processes more than they compute.
const THREADS: (&str, &str) = ("RUST_TEST_THREADS", "6");
/// How many calls the soak plays, and how many its long form plays unless told otherwise.
const SOAK_CALLS: (&str, &str) = ("CALLFEED_SOAK_CALLS", "10000");
/// The same of the collector among kills and faults, and of its first start.
const CHAOS_CALLS: (&str, &str) = ("CALLFEED_CHAOS_CALLS", "10000");
const BACKFILL_CALLS: (&str, &str) = ("CALLFEED_BACKFILL_CALLS", "59000");
/// Requests a second of that first start.
const BACKFILL_LIMIT: &str = "CALLFEED_BACKFILL_LIMIT";
/// Repeats what a random test decided.
const SEED: &str = "CALLFEED_TEST_SEED";
/// URL of a PostgreSQL server on which the suites may create databases.
const POSTGRES: &str = "CALLFEED_TEST_POSTGRES";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["test"] => test(true),
        ["test", "--fast"] => test(false),
        ["soak", flags @ ..] => long_form("soak::", SOAK_CALLS, flags),
        ["chaos", flags @ ..] => long_form("collector_chaos::", CHAOS_CALLS, flags),
        ["backfill", flags @ ..] => long_form("backfill::", BACKFILL_CALLS, flags),
        ["schemathesis"] => requests(),
        ["axe"] => axe::prepare(root()),
        ["tidy"] => tidy::check(root()),
        ["postgres", command @ ..] if !command.is_empty() => with_postgres(command),
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace folder: the parent of this package.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies inside the workspace")
}

/// Cargo, started in the workspace folder with the flags that every step shares.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    if std::env::var_os(THREADS.0).is_none() {
        command.env(THREADS.0, THREADS.1);
    }
    command
}

fn test(with_postgres: bool) -> Result<()> {
    let mut steps = Steps::new();
    let mut flags: &[&str] = &[];
    steps.run("set-up", || {
        setup::prepare(with_postgres)?;
        if !axe::prepare_if_possible(root())? {
            flags = &["--", "--skip", "axe::"];
        }
        Ok(())
    })?;
    steps.run("tidy", || tidy::check(root()))?;
    steps.command("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    let lints = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    steps.command("lints", &mut cargo(&lints))?;
    // The doc tests run here as well.
    let sqlite = &mut cargo(&[&["test", "--workspace"], flags].concat());
    steps.command("tests on SQLite", sqlite.env(DATABASE, "sqlite").env_remove(POSTGRES))?;
    if with_postgres {
        steps.run("schemathesis", short_requests)?;
        let postgres = Postgres::start()?;
        // The whole workspace again, not two packages: another selection would unify features differently
        // and compile everything anew, which takes longer than the few tests that need no database.
        let tests = &mut cargo(&[&["test", "--workspace", "--tests"], flags].concat());
        steps.command("tests on PostgreSQL", tests.env(DATABASE, "postgres").env(POSTGRES, &postgres.url))?;
    }
    steps.summary();
    Ok(())
}

/// The long form of a story; on which database, `CALLFEED_TEST_DATABASE` says.
fn long_form(story: &str, calls: (&str, &str), flags: &[&str]) -> Result<()> {
    let mut command = cargo(&["test", "--package", "callfeed", "--test", "it"]);
    command.env(calls.0, calls.1);
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        let mut number = || {
            let text = *flags.next().with_context(|| format!("{flag} wants a number"))?;
            text.parse::<u64>().with_context(|| format!("{flag} wants a number, {text:?} is none"))
        };
        match *flag {
            "--calls" => command.env(calls.0, number()?.to_string()),
            "--limit" if calls == BACKFILL_CALLS => command.env(BACKFILL_LIMIT, number()?.to_string()),
            "--seed" => command.env(SEED, number()?.to_string()),
            "--release" => command.arg("--release"),
            _ => bail!("there is no {flag}; see cargo xtask"),
        };
    }
    let status = command.args([story, "--", "--nocapture"]).status().context("cargo cannot be started")?;
    if !status.success() {
        bail!("it failed; the seed that it printed first repeats it: --seed S");
    }
    Ok(())
}

fn requests() -> Result<()> {
    let python = schemathesis::prepare(root())?;
    if !cargo(&["build", "--package", "callfeed"]).status()?.success() {
        bail!("the platform cannot be built");
    }
    schemathesis::check(root(), &python, schemathesis::Form::Full)
}

/// With the binary that the tests have built. Where its packages cannot be fetched, it is left out and says so.
fn short_requests() -> Result<()> {
    match schemathesis::prepare(root()) {
        Ok(python) => schemathesis::check(root(), &python, schemathesis::Form::Short),
        // Nobody reads what a CI run leaves out.
        Err(error) if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
            Err(error).context("schemathesis cannot be installed, and CI is set: let the run reach PyPI")
        }
        Err(error) => {
            eprintln!("    LEFT OUT, schemathesis cannot be installed here: {error:#}");
            Ok(())
        }
    }
}

fn with_postgres(command: &[&str]) -> Result<()> {
    setup::postgres()?;
    let postgres = Postgres::start()?;
    let (program, arguments) = command.split_first().context("no command given")?;
    let status = Command::new(program)
        .args(arguments)
        .env(DATABASE, "postgres")
        .env(POSTGRES, &postgres.url)
        .status()
        .with_context(|| format!("{program} cannot be started"))?;
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    Ok(())
}
