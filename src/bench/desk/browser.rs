//! Chromium behind ChromeDriver (W3C WebDriver), as far as a measurement needs it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::bench::platform::free_address;

/// How long the driver may take to answer.
const READY_MAX: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(50);
/// No sandbox (it may run as root), nothing that talks to the outside by itself.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
];

pub struct Browser {
    http: reqwest::Client,
    session: String,
    _driver: Child,
    _profile: TempDir,
}

impl Browser {
    /// # Errors
    /// Without ChromeDriver and Chromium on this machine; the message names them.
    pub async fn start() -> anyhow::Result<Self> {
        let http = crate::simulator::client()?;
        let port = free_address().await?.port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("chromedriver cannot be started: install Chromium and its driver")?;
        let base = format!("http://127.0.0.1:{port}");
        let began = Instant::now();
        while http.get(format!("{base}/status")).send().await.is_err() {
            ensure!(began.elapsed() < READY_MAX, "chromedriver does not answer");
            tokio::time::sleep(LOOK).await;
        }
        let profile = tempfile::tempdir().context("cannot make a temporary folder")?;
        let mut flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let mut options = json!({"args": flags});
        // Elsewhere ChromeDriver finds the browser it belongs to.
        if let Some(binary) = chromium() {
            options["binary"] = json!(binary);
        }
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let answer = asked(&http, &format!("{base}/session"), &wanted).await.context("Chromium")?;
        let id = answer["sessionId"].as_str().context("chromedriver gave no session")?;
        Ok(Self { session: format!("{base}/session/{id}"), http, _driver: driver, _profile: profile })
    }

    pub async fn open(&self, url: &str) -> anyhow::Result<()> {
        self.post("url", &json!({"url": url})).await.map(|_| ())
    }

    /// Gives the browser a cookie of the page that is open.
    pub async fn set_cookie(&self, name: &str, value: &str) -> anyhow::Result<()> {
        let cookie = json!({"cookie": {"name": name, "value": value, "path": "/", "httpOnly": true}});
        self.post("cookie", &cookie).await.map(|_| ())
    }

    /// Runs a script in the page; what it returns.
    pub async fn run(&self, script: &str) -> anyhow::Result<Value> {
        self.post("execute/sync", &json!({"script": script, "args": []})).await
    }

    /// Ends Chromium, which would outlive its driver.
    pub async fn close(self) {
        let _ = self.http.delete(&self.session).send().await;
    }

    async fn post(&self, what: &str, body: &Value) -> anyhow::Result<Value> {
        asked(&self.http, &format!("{}/{what}", self.session), body).await
    }
}

async fn asked(http: &reqwest::Client, url: &str, body: &Value) -> anyhow::Result<Value> {
    let answer = http.post(url).json(body).send().await?;
    let status = answer.status();
    let mut answer: Value = answer.json().await?;
    ensure!(status.is_success(), "the browser refuses: {}", answer["value"]["message"]);
    Ok(answer["value"].take())
}

fn chromium() -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("chromium")).find(|file| file.is_file())
}
