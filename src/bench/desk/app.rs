//! A screen pop in a process of its own, signed in, with browsers that have signed in before.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use apps::env::Settings;
use apps::screen_pop::{secrets, sight::Person};
use apps::store::{Store, desks};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use url::Url;

use crate::bench::platform::free_address;
use crate::demo::person::{self, Login};

/// How long it may take to be connected to its platform.
const READY_MAX: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
/// Longer than any measurement.
const SESSION_LIFE: SignedDuration = SignedDuration::from_hours(1);

pub struct ScreenPop {
    pub page: Url,
    pub pid: u32,
    _child: Child,
    _folder: TempDir,
}

/// A screen pop that is set up and does not run yet.
pub struct Prepared {
    pub page: Url,
    listen: String,
    folder: TempDir,
}

impl Prepared {
    pub async fn new() -> anyhow::Result<Self> {
        let listen = format!("localhost:{}", free_address().await?.port());
        let page = Url::parse(&format!("http://{listen}/"))?;
        Ok(Self { page, listen, folder: tempfile::tempdir().context("cannot make a temporary folder")? })
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Where the sign-in comes back to.
    pub fn redirect_uri(&self) -> anyhow::Result<Url> {
        Ok(self.page.join("app/redirect")?)
    }

    /// What a sign-in of each of these people leaves behind; the values of their cookies.
    pub async fn seat(&self, people: Vec<Person>) -> anyhow::Result<Vec<String>> {
        let store = Store::open(&self.state()).await?;
        let ends = Timestamp::now().checked_add(SESSION_LIFE)?;
        let mut cookies = Vec::new();
        for person in people {
            let cookie = secrets::token().map_err(|_| anyhow::anyhow!("the system gives no chance"))?;
            let session = desks::Session { person, ends };
            desks::add_session(&store.pool, &secrets::digest("session", &cookie), &session).await?;
            cookies.push(cookie);
        }
        store.pool.close().await;
        Ok(cookies)
    }

    /// Name of the cookie of a session.
    pub fn cookie_name(&self) -> String {
        let port = self.page.port().map(|port| format!("_{port}"));
        format!("callfeed_session{}", port.unwrap_or_default())
    }

    /// Signs in for the app.
    pub async fn sign_in(&self, settings: &Settings, login: &Login) -> anyhow::Result<sdk::Client> {
        let client = apps::session(settings, &self.state(), self.redirect_uri()?)?;
        person::sign_in(&client, login).await.context("signing in for the screen pop failed")?;
        Ok(client)
    }

    /// Starts it with the sign-in of `client`; returns when it hears calls.
    pub async fn start(self, settings: &Settings, client: &sdk::Client) -> anyhow::Result<ScreenPop> {
        let env = self.folder.path().join("screen-pop.env");
        write_env(&env, settings)?;
        let log = std::fs::File::create(self.folder.path().join("log"))?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["screen-pop", "--no-browser", "--listen", &self.listen, "--env"])
            .arg(&env)
            .arg("--state")
            .arg(self.state())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start callfeed screen-pop")?;
        let pid = child.id().context("callfeed screen-pop ended at once")?;
        let began = Instant::now();
        while !hears(client).await? {
            if began.elapsed() > READY_MAX || child.try_wait()?.is_some() {
                let said = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                bail!("callfeed screen-pop was not ready: {said}");
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(ScreenPop { page: self.page, pid, _child: child, _folder: self.folder })
    }
}

async fn hears(client: &sdk::Client) -> anyhow::Result<bool> {
    let channels = client.channels().await?;
    let connected = |data: &sdk::wire::channel::ChannelData| data.is_connected == Some(true);
    Ok(channels.iter().any(|channel| channel.channel_data.as_ref().is_some_and(connected)))
}

fn write_env(file: &Path, settings: &Settings) -> anyhow::Result<()> {
    let hosts = &settings.hosts;
    let text = format!(
        "OAUTH_CLIENT_ID={}\nOAUTH_CLIENT_SECRET={}\nACCOUNT_KEY={}\nLOG_LEVEL=warn\nGOTO_AUTH_URL={}\n\
         GOTO_API_URL={}\nGOTO_CHANNEL_URL={}\nGOTO_ADMIN_URL={}\n",
        settings.client_id,
        settings.client_secret.expose_secret(),
        settings.account_key,
        hosts.auth,
        hosts.api,
        hosts.channel,
        hosts.admin
    );
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
