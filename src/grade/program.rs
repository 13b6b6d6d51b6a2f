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

/// Lines kept for the case that the program fails.
const LAST_LINES: usize = 10;
/// The program may take so long to stop before it is killed.
const STOP: std::time::Duration = std::time::Duration::from_secs(10);

pub struct Program {
    child: Option<Mutex<Child>>,
    output: Option<PathBuf>,
    said: Arc<Mutex<Said>>,
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
        Self { child: None, output: output.map(Path::to_owned), said: Arc::default() }
    }

    pub fn start(
        command: &str,
        output: Option<&Path>,
        platform: &Platform,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {command}")]).kill_on_drop(true);
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        shell.envs(platform.environment()?).env("GRADE_ENV", &platform.env_file).env("GRADE_FOLDER", folder);
        let mut child = shell.spawn().with_context(|| format!("the shell cannot start {command}"))?;
        let said: Arc<Mutex<Said>> = Arc::default();
        let login = Arc::new(crate::demo::person::Login {
            email: platform.login.email.clone(),
            password: platform.login.password.clone(),
        });
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        for stream in [
            stdout.map(|stream| Box::new(stream) as Box<dyn AsyncRead + Unpin + Send>),
            stderr.map(|stream| Box::new(stream) as Box<dyn AsyncRead + Unpin + Send>),
        ]
        .into_iter()
        .flatten()
        {
            tokio::spawn(listen(stream, Arc::clone(&said), Arc::clone(&login)));
        }
        let child = Some(Mutex::new(child));
        Ok(Self { child, output: output.map(Path::to_owned), said })
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
        let mut child = self.child.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    pub fn last_words(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).last.join(" | ")
    }

    /// SIGTERM, then an end.
    pub async fn stop(self) {
        let Some(child) = self.child else { return };
        let mut child = child.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = child.id() {
            let _ = Command::new("kill").arg(pid.to_string()).status().await;
        }
        if tokio::time::timeout(STOP, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
    }
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

async fn listen(
    stream: Box<dyn AsyncRead + Unpin + Send>,
    said: Arc<Mutex<Said>>,
    login: Arc<crate::demo::person::Login>,
) {
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
