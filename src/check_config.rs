//! `callfeed check-config`: what a start would meet, before it is tried.

use anyhow::bail;
use server::Level;

use crate::output::say;
use crate::serve;

/// Check the flags of `callfeed serve` and what they name, without starting anything.
///
/// Prints what would be used. Ends with exit code 1 when the platform would not start, with every problem named.
// Without a group: that of the flags of `serve` would have the same name.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    #[command(flatten)]
    serve: serve::Args,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let (config, listen) = args.serve.config();
    // One provider is enough for all of this process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let findings = server::check(&config, listen).await;
    let problems = findings.iter().filter(|finding| finding.level == Level::Problem).count();
    if args.json {
        let document = serde_json::json!({"ok": problems == 0, "findings": findings});
        say(&serde_json::to_string_pretty(&document)?)?;
    } else {
        for finding in &findings {
            let level = match finding.level {
                Level::Ok => "ok     ",
                Level::Warning => "warning",
                Level::Problem => "PROBLEM",
            };
            say(&format!("{level}  {}: {}", finding.subject, finding.message))?;
        }
    }
    match problems {
        0 => Ok(()),
        1 => bail!("one problem: the platform would not start"),
        more => bail!("{more} problems: the platform would not start"),
    }
}
