//! A platform within a test, started in one line: the example office on a free port, in a folder of its own, with a
//! clock that the test moves. docs/time.md has a whole test.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::app::App;
use crate::clock::ClockKind;
use crate::config::Config;
use crate::directory::example;
use crate::secrets;
use crate::sources::simulator::{self, CallRequest};

/// Why a test's platform cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Platform(#[from] crate::Error),
    #[error("the platform's folder cannot be used: {0}")]
    Folder(#[from] std::io::Error),
    #[error("the platform has ended")]
    Ended,
    #[error("the platform's clock is the machine's, which nobody can advance: start it with a virtual one")]
    NotVirtual,
    #[error("the call cannot be played: {0}")]
    Refused(String),
    #[error("nobody could sign in at the login page: {0}")]
    SignIn(String),
}

/// A platform that runs until it is dropped, in a Tokio runtime with more than one thread.
///
/// Its clock is virtual unless it was started otherwise, and begins on Monday, 5 January 2026: time passes only in
/// [`Platform::play`] and [`Platform::advance`].
pub struct Platform {
    app: Arc<App>,
    env: Vec<(String, String)>,
    folder: PathBuf,
    stop: CancellationToken,
    running: Option<JoinHandle<Result<(), crate::Error>>>,
}

impl Platform {
    /// Starts one; it answers requests when this returns.
    ///
    /// # Errors
    /// When there is no port, or the temporary folder cannot be written.
    pub async fn start() -> Result<Self, Error> {
        Self::start_with(|_| ()).await
    }

    /// The same with another configuration; the data folder is given.
    ///
    /// # Errors
    /// As [`Platform::start`], and when the configuration does not fit.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Result<Self, Error> {
        let folder = std::env::temp_dir().join(format!("callfeed-test-{:032x}", secrets::nonce()));
        let mut config = Config::new(&folder);
        config.example = true;
        config.rate_limit = None;
        config.clock = ClockKind::virtual_default();
        change(&mut config);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let stop = CancellationToken::new();
        let (ready, is_ready) = oneshot::channel();
        let serving = crate::run_with(config, listener, stop.clone(), move |app| {
            // Who waited has gone: the platform is dropped with it.
            drop(ready.send(Arc::clone(app)));
        });
        let running = tokio::spawn(Box::pin(serving));
        let Ok(app) = is_ready.await else {
            let ended = running.await.map_err(|_| Error::Ended)?;
            return Err(ended.err().map_or(Error::Ended, Error::Platform));
        };
        let env = settings(&folder.join(example::FILE))?;
        Ok(Self { app, env, folder, stop, running: Some(running) })
    }

    /// What all addresses begin with.
    #[must_use]
    pub fn url(&self) -> Url {
        self.app.public_url.clone()
    }

    /// The file with all settings of a client, for programs that are started.
    #[must_use]
    pub fn env_file(&self) -> PathBuf {
        self.folder.join(example::FILE)
    }

    /// A folder that is removed with the platform.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[must_use]
    pub fn client_id(&self) -> &str {
        self.setting("OAUTH_CLIENT_ID")
    }

    #[must_use]
    pub fn client_secret(&self) -> &str {
        self.setting("OAUTH_CLIENT_SECRET")
    }

    /// One of the client's.
    #[must_use]
    pub fn redirect_uri(&self) -> Url {
        Url::parse(example::REDIRECT_URIS[0]).expect("a constant URL that each example.env has worked with")
    }

    #[must_use]
    pub fn account_key(&self) -> &str {
        self.setting("ACCOUNT_KEY")
    }

    /// The office's super admin.
    #[must_use]
    pub fn email(&self) -> &str {
        self.setting("CALLFEED_USER")
    }

    #[must_use]
    pub fn password(&self) -> &str {
        self.setting("CALLFEED_PASSWORD")
    }

    fn setting(&self, name: &str) -> &str {
        self.env.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Does at a login page what the super admin would: signs in and allows access. Returns the code that the browser
    /// brings back to the client.
    ///
    /// # Errors
    /// When the page is not this platform's.
    pub async fn allow(&self, login_page: &Url) -> Result<String, Error> {
        let back = person::allow(login_page, self.email(), self.password()).await?;
        let code = back.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned());
        code.ok_or_else(|| Error::SignIn("access was not allowed".to_owned()))
    }

    /// Plays a scenario of the library to its end, revisions of its reports included, and returns the ids of its calls.
    /// On a virtual clock the time passes at once.
    ///
    /// # Errors
    /// When there is no such scenario, or a call cannot go on.
    pub async fn play(&self, scenario: &str) -> Result<Vec<String>, Error> {
        self.play_as(CallRequest::new(scenario)).await
    }

    /// The same with all that can be asked for.
    ///
    /// # Errors
    /// As [`Platform::play`].
    pub async fn play_as(&self, mut request: CallRequest) -> Result<Vec<String>, Error> {
        request.seed.get_or_insert_with(|| self.app.player.seed(&self.app.clock));
        let office = self.app.directory.office(self.account_key()).map(Arc::clone).ok_or(Error::Ended)?;
        let lasts = simulator::lasts(&office, &request);
        let lines = simulator::begin(&self.app, office, request);
        let mut lines = lines.map_err(|refused| Error::Refused(refused.message.into_owned()))?;
        if self.app.clock.is_virtual() {
            self.advance(lasts).await?;
        }
        followed(&mut lines).await
    }

    /// Moves the clock; what is due on the way has happened, in order, when this returns.
    ///
    /// # Errors
    /// When the clock is the machine's.
    pub async fn advance(&self, time: Duration) -> Result<(), Error> {
        let us = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let advanced = self.app.clock.advance(|now_us| now_us.saturating_add(us)).await;
        advanced.map(|_| ()).ok_or(Error::NotVirtual)
    }

    /// What time it is on the platform.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    /// Stops it and waits until it has.
    ///
    /// # Errors
    /// When it ended by a fault.
    pub async fn stop(mut self) -> Result<(), Error> {
        self.stop.cancel();
        let Some(running) = self.running.take() else { return Ok(()) };
        running.await.map_err(|_| Error::Ended)??;
        Ok(())
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.stop.cancel();
        // What is still being written goes with it.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Ids of the calls, once all have ended.
async fn followed(lines: &mut mpsc::Receiver<Bytes>) -> Result<Vec<String>, Error> {
    let mut calls = Vec::new();
    while let Some(line) = lines.recv().await {
        let Ok(told) = serde_json::from_slice::<Value>(&line) else { continue };
        if let Some(why) = told["failed"].as_str() {
            return Err(Error::Refused(why.to_owned()));
        }
        match told["conversationSpaceId"].as_str() {
            Some(id) if told["ended"] != true => calls.push(id.to_owned()),
            _ if told["done"] == true => return Ok(calls),
            _ => {}
        }
    }
    Err(Error::Ended)
}

fn settings(file: &Path) -> Result<Vec<(String, String)>, std::io::Error> {
    let text = std::fs::read_to_string(file)?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// What a person does at the pages of the authorization server.
mod person {
    use reqwest::header::LOCATION;
    use reqwest::{Client, RequestBuilder, redirect};
    use url::Url;

    use super::Error;

    pub async fn allow(page: &Url, email: &str, password: &str) -> Result<Url, Error> {
        // Another part of the process may have installed a provider already: any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let browser = Client::builder().cookie_store(true).redirect(redirect::Policy::none()).build();
        let browser = browser.map_err(failed)?;
        let service = page.query_pairs().find(|(name, _)| name == "service");
        let service = service.ok_or_else(|| failed("the address has no service"))?.1.into_owned();
        let form = [("email", email), ("password", password), ("service", &service)];
        let login = page.join("/login").map_err(failed)?;
        let approve = next(page, browser.post(login).form(&form)).await?;
        let answer = browser.get(approve.clone()).send().await.map_err(failed)?;
        if answer.status().is_redirection() {
            return next(page, browser.get(approve)).await;
        }
        let html = answer.text().await.map_err(failed)?;
        let proof = html.split_once("name=\"proof\"").and_then(|(_, rest)| rest.split_once("value=\""));
        let proof = proof.and_then(|(_, rest)| rest.split_once('"')).map(|(value, _)| value);
        let proof = proof.ok_or_else(|| failed("the consent page has no form"))?;
        let request = approve.query().unwrap_or_default();
        let form = [("request", request), ("proof", proof), ("decision", "allow")];
        let decide = page.join("/OAuth/approve").map_err(failed)?;
        next(page, browser.post(decide).form(&form)).await
    }

    /// Where an answer leads to.
    async fn next(page: &Url, request: RequestBuilder) -> Result<Url, Error> {
        let answer = request.send().await.map_err(failed)?;
        let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| failed(format!("status {}", answer.status())))?;
        page.join(location).map_err(failed)
    }

    fn failed(why: impl std::fmt::Display) -> Error {
        Error::SignIn(why.to_string())
    }
}
