//! axe-core (npm), with which a story looks at every page for what keeps people out. Its one file is installed below
//! `target/`, nothing of it is run here.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::setup;

/// Pinned, so that a new version does not find new things in an old commit.
const PACKAGE: &str = "axe-core@4.14.1";

/// Installs it where the stories look for it.
///
/// # Errors
/// When there is no npm, or the package cannot be fetched.
pub fn prepare(root: &Path) -> Result<()> {
    let folder = root.join("target").join("axe");
    let installed = folder.join("installed");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == PACKAGE) {
        return Ok(());
    }
    setup::npm()?;
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    eprintln!("    installing {PACKAGE} into {}", folder.display());
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix"]);
    let status = npm.arg(&folder).arg(PACKAGE).status().context("npm cannot be started")?;
    if !status.success() {
        bail!("npm ended with {status}; its output above says why");
    }
    std::fs::write(&installed, PACKAGE)?;
    Ok(())
}

/// The same; returns whether it is there. Where the package cannot be fetched, the story has to be left out, but not in CI.
///
/// # Errors
/// When it cannot be fetched, and `CI` is set.
pub fn prepare_if_possible(root: &Path) -> Result<bool> {
    match prepare(root) {
        // Nobody reads what a CI run leaves out.
        Err(error) if std::env::var("CI").is_ok_and(|ci| ci == "true") => Err(error)
            .context("axe-core cannot be installed, and CI is set: let the run reach the npm registry"),
        Err(error) => {
            eprintln!("    LEFT OUT, axe-core cannot be installed here: {error:#}");
            Ok(false)
        }
        Ok(()) => Ok(true),
    }
}
