//! A platform in a process of its own, so that what it uses can be told from what the load uses.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use apps::env::Settings;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use url::Url;

use super::http::Connection;
use super::process;
use crate::demo::{office, person};

/// How long a platform may take to be ready.
const READY_MAX: Duration = Duration::from_secs(60);
/// Between two looks; short, since the cold start is measured by them.
const LOOK: Duration = Duration::from_millis(1);

/// The office file of a platform that has one, in its folder.
const OFFICE: &str = "office.toml";

pub struct Platform {
    pub address: SocketAddr,
    pub pid: u32,
    /// Time from the spawn to the first answered `GET /healthz`.
    pub started_in: Duration,
    folder: TempDir,
    child: Child,
}

/// What requests to a platform need.
#[derive(Clone)]
pub struct Access {
    pub address: SocketAddr,
    pub settings: Settings,
    /// The super admin's.
    pub login: Arc<person::Login>,
    /// `Authorization` of the super admin.
    pub bearer: String,
    /// `Authorization` of the client.
    pub basic: String,
    pub token: String,
}

impl Platform {
    /// A fresh example office.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        Self::start_in(folder, free_address().await?).await
    }

    /// The company of an office file; its people have the password `password`.
    pub async fn start_office(office: &str, password: &str, people: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        std::fs::write(folder.path().join(OFFICE), office)?;
        let platform = Self::start_in(folder, free_address().await?).await?;
        for email in people {
            let data = platform.folder.path().join("data");
            server::set_password(&data, None, email, password.to_owned()).await?;
        }
        Ok(platform)
    }

    /// Where it is, for browsers and apps.
    pub fn url(&self) -> anyhow::Result<Url> {
        Ok(Url::parse(&format!("http://{}", self.address))?)
    }

    /// A platform that has somebody signed in and was started again since: checking a password takes 19 MiB, which the
    /// allocator keeps and hands to what comes next, so that it would hide that much of what is measured.
    pub async fn start_signed_in() -> anyhow::Result<(Self, Access)> {
        let platform = Self::start().await?;
        let access = platform.sign_in().await?;
        Ok((platform.restart().await?, access))
    }

    async fn start_in(folder: TempDir, address: SocketAddr) -> anyhow::Result<Self> {
        let log = std::fs::File::create(folder.path().join("serve.log"))?;
        let mut command = Command::new(std::env::current_exe()?);
        let office = folder.path().join(OFFICE);
        match office.is_file() {
            true => command.args(["serve", "--office"]).arg(office),
            false => command.args(["serve", "--example"]),
        };
        command
            .args(["--rate-limit", "off", "--log-level", "warn"])
            .args(["--listen", &address.to_string(), "--data"])
            .arg(folder.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        let spawned = Instant::now();
        let mut child = command.spawn().context("cannot start callfeed serve")?;
        let pid = child.id().context("callfeed serve ended at once")?;
        while !healthy(address).await {
            if spawned.elapsed() > READY_MAX || child.try_wait()?.is_some() {
                let said = std::fs::read_to_string(folder.path().join("serve.log")).unwrap_or_default();
                bail!("callfeed serve was not ready: {said}");
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(Self { address, pid, started_in: spawned.elapsed(), folder, child })
    }

    /// Ends it and starts it again with the same data at the same address.
    pub async fn restart(self) -> anyhow::Result<Self> {
        let Self { address, folder, mut child, .. } = self;
        child.kill().await?;
        Self::start_in(folder, address).await
    }

    /// Signs in as the super admin, through the pages, as everybody does.
    pub async fn sign_in(&self) -> anyhow::Result<Access> {
        let (settings, login) = self.settings()?;
        crate::simulator::client()?;
        let secret = settings.client_secret.expose_secret();
        let basic = format!("Basic {}", STANDARD.encode(format!("{}:{secret}", settings.client_id)));
        let (bearer, token, login) = (String::new(), String::new(), Arc::new(login));
        let mut access = Access { address: self.address, settings, login, bearer, basic, token };
        access.token = access.fetch_token().await.context("signing in failed")?;
        access.bearer = format!("Bearer {}", access.token);
        Ok(access)
    }

    /// Of the example office: what a program needs, and the super admin's login.
    pub fn settings(&self) -> anyhow::Result<(Settings, person::Login)> {
        office::settings(&self.env_file(), &self.url()?)
    }

    fn env_file(&self) -> PathBuf {
        self.folder.path().join("data").join("example.env")
    }

    /// CPU seconds that the platform has used so far.
    pub fn cpu_s(&self) -> Option<f64> {
        process::cpu(self.pid).map(|cpu| cpu.as_secs_f64())
    }
}

impl Access {
    /// The code flow, without the SDK: it keeps its tokens to itself.
    async fn fetch_token(&self) -> anyhow::Result<String> {
        let redirect = "http://127.0.0.1:12021/app/redirect";
        let mut url = self.settings.hosts.auth.join("oauth/authorize")?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", redirect)
            .append_pair("scope", &apps::SCOPES.join(" "))
            .append_pair("state", "bench");
        let page = person::next(&url, &person::browser()?.get(url.clone()).send().await?)?;
        let back = person::allow(&page, &self.login).await?;
        let code = person::query(&back, "code").context("the platform gave no code")?;
        let answer = person::browser()?
            .post(self.settings.hosts.auth.join("oauth/token")?)
            .header("authorization", &self.basic)
            .form(&[("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", redirect)])
            .send()
            .await?;
        let answer: wire::oauth::TokenResponse = answer.json().await?;
        Ok(answer.access_token)
    }
}

/// CPU seconds since `before`; `None` when it was less than the clock of /proc can tell.
pub fn cpu_since(before: Option<f64>, now: Option<f64>) -> Option<f64> {
    Some(now? - before?).filter(|cpu| *cpu > 0.0)
}

async fn healthy(address: SocketAddr) -> bool {
    let Ok(mut connection) = Connection::open(address).await else { return false };
    let answer = connection.send(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    answer.is_ok_and(|answer| answer.status == 200)
}

/// A port that was free a moment ago.
pub async fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.context("no port is free")?;
    Ok(listener.local_addr()?)
}
