//! Finds the programs that the tests need. On Debian as root, what is missing is installed, and said so;
//! elsewhere it is named together with the way to get it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// A program that tests start, and where it comes from.
struct Need {
    program: &'static str,
    found: fn() -> bool,
    debian: &'static [&'static str],
    homebrew: &'static str,
}

const POSTGRES: Need = Need {
    program: "PostgreSQL (initdb, postgres)",
    found: || postgres_program("initdb").is_some() && postgres_program("postgres").is_some(),
    debian: &["postgresql"],
    homebrew: "brew install postgresql",
};

const CHROMIUM: Need = Need {
    program: "Chromium and ChromeDriver",
    found: || on_path("chromedriver").is_some() && browser_found(),
    debian: &["chromium", "chromium-driver"],
    homebrew: "brew install --cask chromium chromedriver",
};

const PYTHON: Need = Need {
    program: "Python 3 with venv",
    found: || {
        let mut command = Command::new("python3");
        command.args(["-c", "import ensurepip, venv"]);
        command.output().is_ok_and(|output| output.status.success())
    },
    debian: &["python3", "python3-venv"],
    homebrew: "brew install python",
};

const NPM: Need = Need {
    program: "npm",
    found: || on_path("npm").is_some(),
    debian: &["npm"],
    homebrew: "brew install node",
};

/// Everything for the whole test run.
///
/// # Errors
/// Names what is missing and how to install it.
pub fn prepare(with_postgres: bool) -> Result<()> {
    let needs: &[Need] = if with_postgres { &[POSTGRES, CHROMIUM] } else { &[CHROMIUM] };
    satisfy(needs)
}

/// Python with what makes an environment of its own.
///
/// # Errors
/// Names what is missing and how to install it.
pub fn python() -> Result<()> {
    satisfy(&[PYTHON])
}

/// What installs packages of JavaScript.
///
/// # Errors
/// Names what is missing and how to install it.
pub fn npm() -> Result<()> {
    satisfy(&[NPM])
}

/// PostgreSQL alone.
///
/// # Errors
/// Names what is missing and how to install it.
pub fn postgres() -> Result<()> {
    satisfy(&[POSTGRES])
}

fn satisfy(needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !(need.found)()).collect();
    if missing.is_empty() {
        eprintln!("    everything the tests need is here");
        return Ok(());
    }
    for need in &missing {
        eprintln!("    missing: {}", need.program);
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.debian).copied().collect();
    if !(on_debian() && is_root()) {
        let mut ways = vec![format!("on Debian: apt-get install {}", packages.join(" "))];
        ways.extend(missing.iter().map(|need| format!("on macOS: {}", need.homebrew)));
        bail!(
            "the tests need programs that are not here; install them and try again\n  {}",
            ways.join("\n  ")
        );
    }
    eprintln!("    installing the Debian packages {}", packages.join(", "));
    apt_get(&["update", "--quiet"])?;
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    apt_get(&[&install[..], &packages[..]].concat())?;
    match missing.iter().find(|need| !(need.found)()) {
        None => Ok(()),
        Some(need) => bail!("{} is still missing after its packages were installed", need.program),
    }
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .context("apt-get cannot be started")?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("apt-get {} ended with {}:\n{reason}", arguments.join(" "), output.status);
    }
    Ok(())
}

fn on_debian() -> bool {
    Path::new("/etc/debian_version").exists() && on_path("apt-get").is_some()
}

/// Whether this process may do everything; asks `id`, since the standard library cannot tell.
pub fn is_root() -> bool {
    id(&["-u"]).is_some_and(|uid| uid == 0)
}

/// A number that `id` prints.
pub fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// A server program of PostgreSQL: on the path, or where Debian keeps it (newest version first).
pub fn postgres_program(name: &str) -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect();
    versions.sort();
    let installed = versions.into_iter().rev().map(|(_, folder)| folder.join("bin").join(name));
    installed.chain(on_path(name)).find(|path| path.exists())
}

fn browser_found() -> bool {
    let mac = Path::new("/Applications/Google Chrome.app").exists();
    mac || ["chromium", "chromium-browser", "google-chrome"].iter().any(|name| on_path(name).is_some())
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path: OsString = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
