//! The platform that a program is graded on, and what it tells of the program.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use apps::env::Settings;
use reqwest::Method;
use serde_json::Value;
use server::CallRequest;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::days::Day;
use crate::demo::office;
use crate::demo::person::{self, Login};
use crate::fault;
use crate::simulator::{self, Told};

/// Calls are played so many times faster than life.
const SPEED: f64 = 20.0;
/// How long a broken socket may take to break.
const BREAK: Duration = Duration::from_secs(10);
/// How long after it has printed its login address a program may begin to listen at its redirect address.
const LISTENS: Duration = Duration::from_secs(10);
const LISTENS_LOOK: Duration = Duration::from_millis(100);
/// What platforms take to stop.
const STOPPED: Duration = Duration::from_secs(15);

pub struct Platform {
    pub env_file: PathBuf,
    pub settings: Settings,
    pub login: Login,
    /// A client beside the program's, for looking at channels.
    watcher: sdk::Client,
    running: Mutex<Option<JoinHandle<Result<(), server::Error>>>>,
    journal: Mutex<Journal>,
}

/// What was read of the journal.
#[derive(Default)]
struct Journal {
    after: u64,
    fetched: HashMap<String, u64>,
}

impl Platform {
    pub async fn start(folder: &Path, stop: &CancellationToken) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port is free on 127.0.0.1")?;
        let mut config = server::Config::new(folder.join("platform"));
        config.example = true;
        config.rate_limit = None;
        let env_file = config.data_dir.join("example.env");
        let (ready, is_ready) = oneshot::channel();
        let running = tokio::spawn(Box::pin(server::run(config, listener, stop.clone(), move |url| {
            let _ = ready.send(url.clone());
        })));
        let Ok(url) = is_ready.await else {
            let ended = running.await.context("the platform ended by a fault")?;
            return Err(ended.err().map_or_else(|| anyhow!("the platform ended early"), Into::into));
        };
        let (settings, login) = office::settings(&env_file, &url)?;
        let redirect = apps::reports::redirect_uri(apps::reports::LISTEN_DEFAULT)?;
        let watcher = apps::session(&settings, &folder.join("watcher"), redirect)?;
        person::sign_in(&watcher, &login).await.context("signing in to the platform failed")?;
        let running = Mutex::new(Some(running));
        let platform = Self { env_file, settings, login, watcher, running, journal: Mutex::default() };
        // From the first look on the journal is kept.
        platform.fetched().await?;
        Ok(platform)
    }

    pub async fn stopped(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            let _ = tokio::time::timeout(STOPPED, running).await;
        }
    }

    pub async fn add_fault(&self, wish: &Value) -> anyhow::Result<()> {
        fault::ask(&self.settings, Method::POST, fault::PATH, Some(wish)).await.map(|_| ())
    }

    pub async fn clear_faults(&self) -> anyhow::Result<()> {
        fault::ask(&self.settings, Method::DELETE, fault::PATH, None).await.map(|_| ())
    }

    /// Whether some channel is connected and has a report subscription.
    pub async fn has_listener(&self) -> anyhow::Result<bool> {
        for channel in self.watcher.channels().await? {
            let connected = channel.channel_data.as_ref().and_then(|data| data.is_connected) == Some(true);
            if !connected {
                continue;
            }
            let keys = self.watcher.report_subscriptions(&channel.channel_id).await;
            if keys.is_ok_and(|keys| !keys.account_keys.is_empty()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Waits until a fault of sockets has struck.
    pub async fn settled(&self, day: &Day) -> anyhow::Result<()> {
        if !day.breaks {
            return Ok(());
        }
        let started = Instant::now();
        loop {
            let all = fault::ask(&self.settings, Method::GET, fault::PATH, None).await?;
            let struck = |fault: &Value| {
                let breaks = fault["fault"] == "drop-socket" || fault["fault"] == "to-be-closed";
                breaks && fault["struck"].as_u64().unwrap_or_default() > 0
            };
            if all["active"].as_array().is_some_and(|active| active.iter().any(struck)) {
                return Ok(());
            }
            if started.elapsed() > BREAK {
                bail!("the program's socket did not break within {} s", BREAK.as_secs());
            }
            tokio::time::sleep(super::LOOK).await;
        }
    }

    /// Plays calls to their end and returns their ids.
    pub async fn play(&self, count: u64) -> anyhow::Result<Vec<String>> {
        let request = CallRequest {
            file: None,
            scenario: "answered".to_owned(),
            from: None,
            from_name: None,
            to: None,
            speed: SPEED,
            seed: None,
            record: false,
            count,
            every_ms: 500,
            at_once: None,
        };
        let mut calls = Vec::new();
        simulator::play(&simulator::client()?, &self.settings, &request, |told| {
            if let Told::Ended(id, _) = told {
                calls.push(id);
            }
            Ok(())
        })
        .await?;
        Ok(calls)
    }

    /// How often each report was fetched, up to now.
    pub async fn fetched(&self) -> anyhow::Result<HashMap<String, u64>> {
        let after = self.journal.lock().unwrap_or_else(PoisonError::into_inner).after;
        let path = format!("simulator/v1/journal?after={after}");
        let page = fault::ask(&self.settings, Method::GET, &path, None).await?;
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        for record in page["items"].as_array().into_iter().flatten() {
            journal.after = record["number"].as_u64().unwrap_or(journal.after);
            let what = record["what"].as_str().unwrap_or_default();
            let fetched = what.starts_with("GET /call-events-report/v1/reports/") && record["status"] == 200;
            if let Some(call) = record["call"].as_str().filter(|_| fetched) {
                *journal.fetched.entry(call.to_owned()).or_default() += 1;
            }
        }
        Ok(journal.fetched.clone())
    }

    /// Settings for a program's environment.
    pub fn environment(&self) -> anyhow::Result<Vec<(String, String)>> {
        let text = std::fs::read_to_string(&self.env_file)?;
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// Opens a program's login address as a person does, and brings the code back to the program.
pub async fn sign_in(page: &Url, login: &Login) -> anyhow::Result<()> {
    let page = match page.path() {
        "/login" => page.clone(),
        _ => {
            let answer = person::browser()?.get(page.clone()).send().await?;
            person::next(page, &answer).context("the platform refuses the address that it printed")?
        }
    };
    let back = person::allow(&page, login).await?;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let started = Instant::now();
    let answer = loop {
        match http.get(back.clone()).send().await {
            // A program may print its address before it listens.
            Err(error) if error.is_connect() && started.elapsed() < LISTENS => {
                tokio::time::sleep(LISTENS_LOOK).await;
            }
            // The address holds the code, which is no text for a terminal.
            answer => break answer.map_err(reqwest::Error::without_url),
        }
    };
    let answer = answer.context("the program does not answer at its redirect address")?;
    anyhow::ensure!(answer.status().as_u16() < 400, "the program refused its code: {}", answer.status());
    Ok(())
}
