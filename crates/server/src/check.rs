//! What `callfeed check-config` looks at: whether a platform could start with a configuration, and what would
//! surprise its operator. Nothing is changed: no folder is made, no schema is brought forward.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;

use listen::tls;
use serde::Serialize;

use crate::config::Config;
use crate::directory::{self, example};
use crate::limits;
use crate::store::{
    AccountState, DatabaseState, LockState, StoreError, account_state, database_state, lock_state,
};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// The platform starts, but somebody will be surprised.
    Warning,
    /// The platform would not start, or nobody could use it.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub level: Level,
    /// What was looked at, such as `data folder`.
    pub subject: &'static str,
    /// What is so, and what to do about it.
    pub message: String,
}

fn ok(subject: &'static str, message: impl Into<String>) -> Finding {
    Finding { level: Level::Ok, subject, message: message.into() }
}

fn warning(subject: &'static str, message: impl Into<String>) -> Finding {
    Finding { level: Level::Warning, subject, message: message.into() }
}

fn problem(subject: &'static str, message: impl Into<String>) -> Finding {
    Finding { level: Level::Problem, subject, message: message.into() }
}

/// Looks at everything that a start with this configuration at this address would need.
pub async fn check(config: &Config, listen: SocketAddr) -> Vec<Finding> {
    let locked = lock_state(&config.data_dir);
    let mut found = vec![folder(&config.data_dir), space(&config.data_dir), one_platform(config, &locked)];
    found.push(database(config).await);
    let there = account_state(&config.data_dir, config.database.as_deref(), example::FILE).await.ok();
    found.extend(there.as_ref().and_then(|there| account(config, there)));
    found.push(port("--listen", listen, &locked));
    if let Some(address) = config.metrics_listen {
        found.push(metrics_port(address, listen, &locked));
    }
    found.extend(connections(config));
    found.extend(certificate(config));
    found.push(public_url(config, listen));
    found.extend(proxy(config, listen));
    found.push(webhooks(config, listen.ip()));
    found.extend(config.office.as_deref().map(|file| office(file, there.as_ref())));
    if config.example && !listen.ip().is_loopback() {
        found.push(problem("--example", crate::Error::ExampleNotLoopback(listen).to_string()));
    }
    if config.keep_days < limits::KEEP_DAYS_MIN {
        found.push(problem("--keep-days", crate::Error::KeepDays(config.keep_days).to_string()));
    }
    found
}

/// More connections than files can be open would fail one by one instead of being refused.
fn connections(config: &Config) -> Option<Finding> {
    let (subject, wanted) = ("--max-connections", config.connections_max?);
    let possible = listen::connections_max();
    Some(match wanted <= possible {
        true => ok(subject, format!("up to {wanted} connections at the same time")),
        false => warning(
            subject,
            format!(
                "{wanted} connections need more open files than are allowed, which is enough for {possible}: raise the limit"
            ),
        ),
    })
}

/// The folder itself, or the nearest one above it that is there.
fn existing(folder: &Path) -> Option<&Path> {
    folder
        .ancestors()
        .map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path })
        .find(|p| p.exists())
}

fn folder(folder: &Path) -> Finding {
    let subject = "data folder";
    let Some(there) = existing(folder) else {
        return problem(subject, format!("{} cannot be made: nothing above it is there", folder.display()));
    };
    let probe = there.join(format!(".callfeed-check-{}", std::process::id()));
    let written = std::fs::OpenOptions::new().write(true).create_new(true).open(&probe);
    // Whether it could be made is all that matters.
    let _ = std::fs::remove_file(&probe);
    match written {
        Ok(_) if there == folder => ok(subject, format!("{} can be written", folder.display())),
        Ok(_) => ok(subject, format!("{} is not there yet and will be made", folder.display())),
        Err(error) => problem(
            subject,
            format!(
                "{} cannot be written: {error}; give it to the user that runs callfeed, or choose another --data",
                there.display()
            ),
        ),
    }
}

#[cfg(unix)]
fn space(folder: &Path) -> Finding {
    let subject = "disk space";
    let free = existing(folder).and_then(|there| rustix::fs::statvfs(there).ok());
    let Some(free) = free.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)) else {
        return warning(subject, "cannot be read");
    };
    let shown = format!("{} MiB free", free >> 20);
    if free < limits::DISK_FREE_BYTES_MIN {
        let min = limits::DISK_FREE_BYTES_MIN >> 20;
        return warning(subject, format!("{shown}: make room, {min} MiB at least, or choose another --data"));
    }
    ok(subject, shown)
}

#[cfg(not(unix))]
fn space(_: &Path) -> Finding {
    ok("disk space", "not looked at on this system")
}

fn one_platform(config: &Config, locked: &LockState) -> Finding {
    let (subject, folder) = ("one platform", config.data_dir.display());
    match locked {
        LockState::Free => ok(subject, format!("no other platform uses {folder}")),
        LockState::Held => {
            warning(subject, format!("a platform runs on {folder}: stop it before the next start"))
        }
        LockState::Unreadable(why) => problem(subject, format!("the lock in {folder} cannot be used: {why}")),
    }
}

async fn database(config: &Config) -> Finding {
    let subject = "database";
    match database_state(&config.data_dir, config.database.as_deref()).await {
        Ok(DatabaseState::New) => ok(subject, "is not there yet and will be made"),
        Ok(DatabaseState::Current(version)) => ok(subject, format!("schema {version}, the newest")),
        Ok(DatabaseState::Older { version, newest }) => ok(
            subject,
            format!("schema {version} will be brought forward to {newest} at the start: make a backup first"),
        ),
        Ok(DatabaseState::Newer { version, newest }) => problem(
            subject,
            format!(
                "has schema {version}, this callfeed knows {newest} at most: install the newer callfeed again, or \
                 restore a backup from before the update"
            ),
        ),
        Err(error) => problem(subject, error.to_string()),
    }
}

/// Without an account the platform starts, and lets nobody in; with one of another kind it does not start.
fn account(config: &Config, there: &AccountState) -> Option<Finding> {
    let subject = "account";
    let secrets = config.data_dir.join(example::FILE);
    match there {
        AccountState::None if !config.example && config.office.is_none() => Some(warning(
            subject,
            "the database holds no account, so nobody could sign in: --office FILE makes one, --example an example",
        )),
        AccountState::Other { .. } if config.office.is_some() => {
            Some(problem(subject, directory::office::OfficeError::Taken.to_string()))
        }
        AccountState::FromFile(_) | AccountState::Other { secrets_inside: false }
            if config.example && !secrets.exists() =>
        {
            Some(problem(subject, StoreError::SecretsElsewhere(secrets.display().to_string()).to_string()))
        }
        _ => None,
    }
}

/// What the file says, and whom the next start would take out.
fn office(file: &Path, there: Option<&AccountState>) -> Finding {
    let subject = "office file";
    let known = match there {
        Some(AccountState::FromFile(known)) => Some(known),
        _ => None,
    };
    let secret = known.and_then(|known| uuid::Uuid::parse_str(&known.organization_id).ok());
    match directory::office::read(file, secret.map_or(0, |secret| secret.as_u128())) {
        Ok(office) => {
            let (people, lines) = (office.users.len(), office.lines.len());
            let shown = format!("{}: {people} people, {lines} lines", file.display());
            let stays = |user: &&engine::User| office.users.iter().any(|person| person.key == user.key);
            let before = known.map(|known| known.users.as_slice()).unwrap_or_default();
            match before.len() - before.iter().filter(stays).count() {
                0 => ok(subject, shown),
                1 => warning(
                    subject,
                    format!("{shown}; one person would be removed, whose access ends at the start"),
                ),
                more => warning(
                    subject,
                    format!("{shown}; {more} people would be removed, whose access ends at the start"),
                ),
            }
        }
        Err(error) => problem(subject, error.to_string()),
    }
}

fn port(subject: &'static str, address: SocketAddr, locked: &LockState) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => ok(subject, format!("{address} is free")),
        Err(_) if *locked == LockState::Held => {
            warning(subject, format!("{address} is taken, perhaps by the platform that runs"))
        }
        Err(error) => {
            problem(subject, format!("cannot listen on {address}: {error}; choose another address or port"))
        }
    }
}

/// Both ports together: each by itself would look free.
fn metrics_port(address: SocketAddr, listen: SocketAddr, locked: &LockState) -> Finding {
    let subject = "--metrics-listen";
    let everywhere = address.ip().is_unspecified() || listen.ip().is_unspecified();
    if address.port() != 0 && address.port() == listen.port() && (everywhere || address.ip() == listen.ip()) {
        return problem(subject, format!("{address} is --listen's port too: choose another"));
    }
    port(subject, address, locked)
}

fn certificate(config: &Config) -> Option<Finding> {
    let subject = "certificate";
    let files = config.tls.as_ref()?;
    let days = match tls::load(files).and_then(|_| tls::expiry_s(files)).map(tls::days_until) {
        Ok(days) => days,
        Err(error) => return Some(problem(subject, error.to_string())),
    };
    let file = files.certificate.display();
    Some(if days < 0 {
        warning(subject, format!("{file} has expired: clients refuse it; renew it"))
    } else if days < limits::CERTIFICATE_WARN_DAYS {
        warning(subject, format!("{file} expires in {days} days: renew it"))
    } else {
        ok(subject, format!("{file} fits its key and is good for {days} days"))
    })
}

fn public_url(config: &Config, listen: SocketAddr) -> Finding {
    let subject = "public URL";
    let url = match crate::public_url(config, listen) {
        Ok(url) => url,
        Err(error) => return problem(subject, error.to_string()),
    };
    if config.public_url.is_none() && listen.ip().is_unspecified() {
        return warning(
            subject,
            format!("handed-out URLs would begin with {url}, which nobody can open: give --public-url"),
        );
    }
    let local = url.host_str().is_some_and(|host| {
        host == "localhost"
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    });
    if url.scheme() == "http" && !local {
        return warning(
            subject,
            format!(
                "{url} is not https: passwords and tokens would be readable on the way; give --tls-cert, or a proxy"
            ),
        );
    }
    ok(subject, url.to_string())
}

/// https outside and none here: there is a proxy, and all its clients would be slowed as one.
fn proxy(config: &Config, listen: SocketAddr) -> Option<Finding> {
    let outside = config.public_url.as_ref().is_some_and(|url| url.scheme() == "https");
    if config.tls.is_some() || !outside || !config.trusted_proxies.is_empty() {
        return None;
    }
    let proxy = if listen.ip().is_loopback() { listen.ip().to_string() } else { "ADDRESS".to_owned() };
    Some(warning(
        "proxy",
        format!(
            "after failed logins everybody behind the proxy is slowed together: give --trusted-proxy {proxy} and let \
             the proxy set X-Forwarded-For"
        ),
    ))
}

fn webhooks(config: &Config, listen: IpAddr) -> Finding {
    let subject = "webhooks";
    if !config.allow_private_webhooks && !config.example_alone() {
        return ok(subject, "go to public addresses over https alone");
    }
    let message = "may go to private addresses, over plain http and to any port";
    if listen.is_loopback() && config.example_alone() {
        ok(subject, message)
    } else {
        warning(subject, message)
    }
}
