//! The program under test: its process, what it prints, and its sign-in.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use url::Url;

use super::group::Group;
use super::platform::{self, Platform};
use crate::demo::person::Login;

/// After SIGTERM the program and what it has started have so long before they are killed.
pub const STOP: std::time::Duration = std::time::Duration::from_secs(10);

pub struct Program {
    started: Option<Started>,
    output: Option<PathBuf>,
    said: Arc<Mutex<Said>>,
}

/// One that we have started, and can start again.
struct Started {
    group: Group,
    how: How,
}

#[derive(Clone)]
struct How {
    command: String,
    environment: Vec<(String, String)>,
    login: Arc<Login>,
    /// Where the platform's pages are.
    pages: Url,
    /// Whether what it writes is shown.
    shown: bool,
}

#[derive(Default)]
struct Said {
    told: HashMap<String, u64>,
    /// Login addresses that were opened.
    opened: Vec<String>,
}

impl Program {
    /// One that somebody else starts.
    pub fn by_hand(output: Option<&Path>) -> Self {
        Self { started: None, output: output.map(Path::to_owned), said: Arc::default() }
    }

    /// Starts a command in a shell; `shown` passes on what it writes.
    pub fn start(
        command: &str,
        (output, shown): (Option<&Path>, bool),
        platform: &Platform,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let mut environment = platform.environment()?;
        let folder = folder.join("program");
        std::fs::create_dir_all(&folder).context("the program's folder cannot be made")?;
        let own = [("GRADE_ENV", platform.env_file.as_path()), ("GRADE_FOLDER", folder.as_path())];
        environment.extend(own.map(|(name, path)| (name.to_owned(), path.to_string_lossy().into_owned())));
        let login = Arc::new(Login {
            email: platform.login.email.clone(),
            password: platform.login.password.clone(),
        });
        let pages = platform.settings.hosts.auth.clone();
        let how = How { command: command.to_owned(), environment, login, pages, shown };
        let said: Arc<Mutex<Said>> = Arc::default();
        let started = Some(Started { group: spawn(&how, &said)?, how });
        Ok(Self { started, output: output.map(Path::to_owned), said })
    }

    /// SIGKILL to it and to all that it has started, and their end.
    pub async fn kill(&mut self) {
        if let Some(started) = &mut self.started {
            started.group.kill().await;
        }
    }

    /// Starts it as it was started first.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        if let Some(started) = &mut self.started {
            started.group = spawn(&started.how, &self.said)?;
        }
        Ok(())
    }

    /// Whether it tells of the calls that it has handled.
    pub fn tells(&self) -> bool {
        self.told().is_ok_and(|told| !told.is_empty())
    }

    /// Whether it was started here and printed no address to sign it in at.
    pub fn printed_no_login(&self) -> bool {
        self.started.is_some() && self.said.lock().unwrap_or_else(PoisonError::into_inner).opened.is_empty()
    }

    /// How often it told of each call.
    pub fn told(&self) -> anyhow::Result<HashMap<String, u64>> {
        let Some(file) = &self.output else {
            return Ok(self.said.lock().unwrap_or_else(PoisonError::into_inner).told.clone());
        };
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let mut told = HashMap::new();
        for call in text.lines().filter_map(call) {
            *told.entry(call).or_default() += 1;
        }
        Ok(told)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<String> {
        self.started.as_mut()?.group.ended()
    }

    /// SIGTERM to it and to all that it has started, then an end.
    pub async fn stop(&mut self) {
        if let Some(started) = &mut self.started {
            started.group.end(STOP).await;
        }
    }
}

fn spawn(how: &How, said: &Arc<Mutex<Said>>) -> anyhow::Result<Group> {
    let mut group = Group::start(&how.command, &how.environment)
        .context("no shell (sh) can be started for the program")?;
    let shell = group.shell();
    let stdout = shell.stdout.take().map(|stream| Box::new(stream) as Box<dyn AsyncRead + Unpin + Send>);
    let stderr = shell.stderr.take().map(|stream| Box::new(stream) as Box<dyn AsyncRead + Unpin + Send>);
    for stream in [stdout, stderr].into_iter().flatten() {
        tokio::spawn(listen(stream, Arc::clone(said), how.clone()));
    }
    Ok(group)
}

/// The call that a JSON line is about.
fn call(line: &str) -> Option<String> {
    let value: Value = serde_json::from_str(line.trim()).ok()?;
    value["conversationSpaceId"].as_str().map(str::to_owned)
}

/// Where somebody signs in: the authorize address, or the platform's login page that it leads to.
fn login_address(line: &str, pages: &Url) -> Option<Url> {
    let is_end = |letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'' | '<' | '>' | '`');
    let address: Url = line[line.find("http")?..].split(is_end).next()?.parse().ok()?;
    let here = address.port_or_known_default() == pages.port_or_known_default();
    let login = ["/oauth/authorize", "/login"].contains(&address.path()) && address.query().is_some();
    (here && login).then_some(address)
}

async fn listen(stream: Box<dyn AsyncRead + Unpin + Send>, said: Arc<Mutex<Said>>, how: How) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if how.shown {
            eprintln!("| {line}");
        }
        let page = {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(call) = call(&line) {
                *said.told.entry(call).or_default() += 1;
                continue;
            }
            let Some(page) = login_address(&line, &how.pages) else { continue };
            if said.opened.contains(&page.to_string()) {
                continue;
            }
            said.opened.push(page.to_string());
            page
        };
        if let Err(error) = platform::sign_in(&page, &how.login).await {
            eprintln!("signing the program in failed: {error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_of_calls_and_of_login_addresses() {
        assert_eq!(call(r#"{"conversationSpaceId": "a", "more": 1}"#).as_deref(), Some("a"));
        assert_eq!(call("a line for people"), None);
        let pages: Url = "http://127.0.0.1:1/".parse().expect("an address");
        let found = |line: &str| login_address(line, &pages).map(|page| page.to_string());
        let login = "http://127.0.0.1:1/login?service=x";
        assert_eq!(found("Sign in: http://127.0.0.1:1/login?service=x now").as_deref(), Some(login));
        let authorize = "http://localhost:1/oauth/authorize?client_id=a&state=b";
        for line in [authorize.to_owned(), format!("open \"{authorize}\"."), format!("<{authorize}>")] {
            assert_eq!(found(&line).as_deref(), Some(authorize), "{line}");
        }
        for other in ["http://127.0.0.1:1/other?a=b", "http://127.0.0.1:2/login?service=x", "no address"] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
