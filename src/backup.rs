//! `callfeed backup`: one file with everything, while the platform runs.

use std::path::PathBuf;

use anyhow::Context as _;

/// Copy the platform's SQLite database to one file while the platform runs.
///
/// To restore, put the file as callfeed.db into an empty folder and serve it with --data. Back a PostgreSQL
/// database up with pg_dump.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Data folder of the platform.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The backup; a file that is not there yet.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    server::backup(&args.data, &args.to).await?;
    let size = std::fs::metadata(&args.to).context("the backup is gone again")?.len();
    crate::output::say(&format!("{} ({size} bytes)", args.to.display()))?;
    Ok(())
}
