//! The program under test: its process, what it prints, and its sign-in.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use url::Url;

use super::platform::{self, Platform};
use crate::demo::person::Login;

/// Lines kept for the case that the program fails.
const LAST_LINES: usize = 10;
/// The program may take so long to stop before it is killed.
const STOP: std::time::Duration = std::time::Duration::from_secs(10);

pub struct Program {
    started: Option<Started>,
    output: Option<PathBuf>,
    said: Arc<Mutex<Said>>,
}

/// One that we have started, and can start again.
struct Started {
    child: Mutex<Child>,
    how: How,
}

#[derive(Clone)]
struct How {
    command: String,
    environment: Vec<(String, String)>,
    login: Arc<Login>,
}

#[derive(Default)]
struct Said {
    told: HashMap<String, u64>,
    last: Vec<String>,
    /// Login addresses that were opened.
    opened: Vec<String>,
}

impl Program {
    /// One that somebody else starts.
    pub fn by_hand(output: Option<&Path>) -> Self {
        Self { started: None, output: output.map(Path::to_owned), said: Arc::default() }
    }

    pub fn start(
        command: &str,
        output: Option<&Path>,
        platform: &Platform,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let mut environment = platform.environment()?;
        let own = [("GRADE_ENV", platform.env_file.as_path()), ("GRADE_FOLDER", folder)];
        environment.extend(own.map(|(name, path)| (name.to_owned(), path.to_string_lossy().into_owned())));
        let login = Arc::new(Login {
            email: platform.login.email.clone(),
            password: platform.login.password.clone(),
        });
        let how = How { command: command.to_owned(), environment, login };
        let said: Arc<Mutex<Said>> = Arc::default();
        let child = Mutex::new(spawn(&how, &said)?);
        let started = Some(Started { child, how });
        Ok(Self { started, output: output.map(Path::to_owned), said })
    }

    /// Whether it can be killed and started again.
    pub fn is_ours(&self) -> bool {
        self.started.is_some()
    }

    /// SIGKILL, and its end.
    pub async fn kill(&self) -> anyhow::Result<()> {
        let Some(started) = &self.started else { return Ok(()) };
        started.child.lock().unwrap_or_else(PoisonError::into_inner).start_kill()?;
        while self.ended().is_none() {
            tokio::time::sleep(super::LOOK).await;
        }
        Ok(())
    }

    /// Starts it as it was started first.
    pub fn start_again(&self) -> anyhow::Result<()> {
        let Some(started) = &self.started else { return Ok(()) };
        let child = spawn(&started.how, &self.said)?;
        *started.child.lock().unwrap_or_else(PoisonError::into_inner) = child;
        Ok(())
    }

    /// Whether it tells of the calls that it has handled.
    pub fn tells(&self) -> bool {
        self.told().is_ok_and(|told| !told.is_empty())
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
    pub fn ended(&self) -> Option<String> {
        let mut child = self.started.as_ref()?.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    pub fn last_words(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).last.join(" | ")
    }

    /// SIGTERM, then an end.
    pub async fn stop(self) {
        let Some(started) = self.started else { return };
        let mut child = started.child.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = child.id() {
            let _ = Command::new("kill").arg(pid.to_string()).status().await;
        }
        if tokio::time::timeout(STOP, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
    }
}

fn spawn(how: &How, said: &Arc<Mutex<Said>>) -> anyhow::Result<Child> {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec {}", how.command)]).kill_on_drop(true);
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell.envs(how.environment.iter().map(|(name, value)| (name, value)));
    let mut child = shell.spawn().with_context(|| format!("the shell cannot start {}", how.command))?;
    let stdout = child.stdout.take().map(|stream| Box::new(stream) as Box<dyn AsyncRead + Unpin + Send>);
    let stderr = child.stderr.take().map(|stream| Box::new(stream) as Box<dyn AsyncRead + Unpin + Send>);
    for stream in [stdout, stderr].into_iter().flatten() {
        tokio::spawn(listen(stream, Arc::clone(said), Arc::clone(&how.login)));
    }
    Ok(child)
}

/// The call that a JSON line is about.
fn call(line: &str) -> Option<String> {
    let value: Value = serde_json::from_str(line.trim()).ok()?;
    value["conversationSpaceId"].as_str().map(str::to_owned)
}

fn login_address(line: &str) -> Option<Url> {
    let start = line.find("http")?;
    let address = line[start..].split_whitespace().next()?;
    address.contains("/login?service=").then(|| address.parse().ok()).flatten()
}

async fn listen(stream: Box<dyn AsyncRead + Unpin + Send>, said: Arc<Mutex<Said>>, login: Arc<Login>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let page = login_address(&line);
        {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(call) = call(&line) {
                *said.told.entry(call).or_default() += 1;
                continue;
            }
            if said.last.len() >= LAST_LINES {
                said.last.remove(0);
            }
            said.last.push(line);
            let Some(page) = &page else { continue };
            if said.opened.contains(&page.to_string()) {
                continue;
            }
            said.opened.push(page.to_string());
        }
        if let Some(page) = page
            && let Err(error) = platform::sign_in(&page, &login).await
        {
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
        let page = login_address("Sign in: http://127.0.0.1:1/login?service=x now");
        assert_eq!(page.expect("an address").as_str(), "http://127.0.0.1:1/login?service=x");
        assert_eq!(login_address("http://127.0.0.1:1/other"), None);
    }
}
