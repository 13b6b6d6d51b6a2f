//! A platform: `callfeed serve --example` on a port, in a folder and with a database of its own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::{Answer, App, SOON, Session, database, eventually, http, ports};

pub struct Platform {
    /// `http://127.0.0.1:PORT`.
    pub base: String,
    pub app: App,
    pub env: HashMap<String, String>,
    arguments: Vec<String>,
    folder: TempDir,
    http: reqwest::Client,
}

impl Platform {
    /// A fresh example office that is ready for requests; with `--office` among the flags, that office instead.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more flags.
    pub async fn start_with(flags: &[&str]) -> Self {
        Self::start_prepared(flags, async |_, _, _| {}).await
    }

    /// The same after `prepare` has seen the data folder, the address and the URL of the database.
    pub async fn start_prepared(flags: &[&str], prepare: impl AsyncFnOnce(&Path, &str, &str)) -> Self {
        let folder = TempDir::new().expect("the temporary folder can be written");
        let port = ports::free();
        let data = folder.path().join("data").to_string_lossy().into_owned();
        let listen = format!("127.0.0.1:{port}");
        let mut arguments: Vec<String> =
            ["serve", "--listen", &listen, "--data", &data].map(str::to_owned).into();
        let example = !flags.contains(&"--office");
        if example {
            arguments.push("--example".to_owned());
        }
        let scheme = if flags.contains(&"--tls-cert") { "https" } else { "http" };
        let base = format!("{scheme}://{listen}");
        let database = database::fresh().await;
        let file = format!("sqlite://{data}/callfeed.db?mode=rwc");
        prepare(Path::new(&data), &base, database.as_deref().unwrap_or(&file)).await;
        if let Some(url) = database {
            arguments.extend(["--database".to_owned(), url]);
        }
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let app = spawn(&arguments, folder.path());
        let mut platform = Self { base, app, env: HashMap::new(), arguments, folder, http: http() };
        platform.ready().await;
        if example {
            platform.env = read_env(&platform.env_file());
        }
        platform
    }

    async fn ready(&mut self) {
        let url = format!("{}/healthz", self.base);
        let started = tokio::time::Instant::now();
        loop {
            let answer = self.http.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            assert!(!self.app.ended(), "the platform ended before it was ready");
            assert!(started.elapsed() < SOON, "the platform is not ready within {SOON:?}");
            tokio::time::sleep(super::LOOK).await;
        }
    }

    /// `kill -9`: no goodbye, no flush.
    pub async fn kill9(&mut self) {
        self.app.kill9().await;
    }

    /// Starts again on the same port, folder and database.
    pub async fn restart(&mut self) {
        self.start_again();
        self.ready().await;
    }

    /// Kills the platform and starts it with further flags.
    pub async fn restart_with(&mut self, flags: &[&str]) {
        self.kill9().await;
        self.arguments.extend(flags.iter().map(|&flag| flag.to_owned()));
        self.restart().await;
    }

    /// `kill -9`, then a start without one of its flags.
    pub async fn restart_without(&mut self, flag: &str) {
        self.kill9().await;
        self.arguments.retain(|argument| argument != flag);
        self.restart().await;
    }

    /// The same without waiting until it is ready.
    pub fn start_again(&mut self) {
        self.app = spawn(&self.arguments, self.folder.path());
    }

    /// Ctrl-C, then a clean end.
    pub async fn stop(self) {
        let Self { app, folder: _folder, .. } = self;
        app.stop().await;
    }

    /// A folder for the apps of this test; each gets its own below it.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        path
    }

    pub fn env_file(&self) -> PathBuf {
        self.folder.path().join("data").join("example.env")
    }

    /// URL of the database that this platform uses.
    pub fn database(&self) -> String {
        let given = self.arguments.iter().skip_while(|argument| *argument != "--database").nth(1);
        let file = self.folder.path().join("data").join("callfeed.db");
        given.cloned().unwrap_or_else(|| format!("sqlite://{}", file.display()))
    }

    pub fn setting(&self, name: &str) -> &str {
        self.env.get(name).unwrap_or_else(|| panic!("example.env has no {name}"))
    }

    pub fn account(&self) -> &str {
        self.setting("ACCOUNT_KEY")
    }

    /// Requests with this token; an empty one sends no `Authorization` at all.
    pub fn with_token(&self, token: &str) -> Session {
        Session::new(self.http.clone(), &self.base, token)
    }

    /// `POST /oauth/token` as the client of `example.env`.
    pub async fn token(&self, form: &[(&str, &str)]) -> Answer {
        let (id, secret) = (self.setting("OAUTH_CLIENT_ID"), self.setting("OAUTH_CLIENT_SECRET"));
        self.token_as(id, Some(secret), form).await
    }

    /// The same as another client.
    pub async fn token_as(&self, id: &str, secret: Option<&str>, form: &[(&str, &str)]) -> Answer {
        let request = self.http.post(format!("{}/oauth/token", self.base));
        let request = request.basic_auth(id, secret).header("accept", "application/json").form(form);
        Answer::of("POST /oauth/token", request).await
    }

    /// The authorization address, as a client builds it.
    pub fn authorize_url(&self, redirect_uri: &str, scope: &str, state: &str) -> url::Url {
        let client = self.setting("OAUTH_CLIENT_ID");
        let mut url = url::Url::parse(&format!("{}/oauth/authorize", self.base)).expect("a plain URL");
        url.query_pairs_mut()
            .append_pair("client_id", client)
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", scope)
            .append_pair("state", state);
        url
    }

    /// Starts `callfeed call SCENARIO --env FILE …` on this platform.
    pub fn call(&self, scenario: &str, flags: &[&str]) -> App {
        let env = self.env_file().to_string_lossy().into_owned();
        let arguments = [&["call", scenario, "--env", &env], flags].concat();
        App::start(&arguments, self.folder.path())
    }

    /// Waits until the report of a call is there.
    pub async fn report(&self, session: &Session, space: &str) -> Value {
        let path = format!("/call-events-report/v1/reports/{space}");
        eventually(&format!("a report of {space}"), SOON, async || {
            let answer = session.get(&path).await;
            (answer.status == 200).then(|| answer.json())
        })
        .await
    }
}

fn spawn(arguments: &[String], folder: &Path) -> App {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    App::start(&arguments, folder)
}

/// `NAME=value` lines, as any tool reads them.
pub fn read_env(path: &Path) -> HashMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
        .collect()
}
