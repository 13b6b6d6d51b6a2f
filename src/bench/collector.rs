//! The report collector beside a Node process with the libraries that the tutorials' stack loads, both signed in at the
//! same platform and asked for the same: the first request to the API, then nothing. `bench/collector.sh` installs the
//! libraries and calls this.
//!
//! Node is given less to do: it has its token in a variable, stores nothing, and opens one WebSocket and no channel.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use super::Bench;
use super::figures::{self, Figure};
use super::idle::settled_rss;
use super::platform::{Access, Platform};
use crate::demo::person;
use crate::output::{self, say};
use crate::stop;

/// Starts of each side; the middle one is told.
const STARTS: usize = 7;
/// Longest time from the start to the first request.
const FIRST_REQUEST_MAX: Duration = Duration::from_secs(60);
/// How long each has been connected before its memory is looked at: what a start takes is given back by then.
const IDLE: Duration = Duration::from_secs(10);

const NODE: &str = r#"
const { default: axios } = require("axios");
const express = require("express");
const winston = require("winston");
const WebSocket = require("ws");
const log = winston.createLogger({ transports: [new winston.transports.Console({ level: "warn" })] });
const headers = { authorization: process.env.BENCH_BEARER };
const app = express();
app.get("/", (request, response) => response.send("here"));
app.listen(0, "127.0.0.1");
axios.get(process.env.BENCH_API + "/users/v1/me", { headers }).catch((error) => log.warn(error.message));
const socket = new WebSocket(process.env.BENCH_API.replace("http", "ws") + "/healthz");
socket.on("error", () => {});
setInterval(() => {}, 60_000);
"#;

/// Measures the collector beside Node; for `bench/collector.sh` alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder whose `node_modules` has ws, axios, express and winston.
    #[arg(long, value_name = "DIR")]
    node: PathBuf,
    #[arg(long)]
    json: bool,
}

/// Which program runs.
enum Side<'a> {
    Collector { env: &'a Path, state: &'a Path },
    Node { folder: &'a Path, bearer: &'a str },
}

struct Outcome {
    first_request_ms: f64,
    idle_mib: Option<f64>,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let stop = stop::token();
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        done = compare(args) => done,
    }
}

async fn compare(args: Args) -> anyhow::Result<()> {
    let bench = Bench::new(false);
    let (platform, access) = Platform::start_signed_in().await?;
    let door = Door::open(platform.address).await?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let (env, state) = (folder.path().join("bench.env"), folder.path().join("state"));
    write_settings(&env, &access, door.address)?;
    sign_in(&access, &state).await?;
    std::fs::write(args.node.join("callfeed-bench.cjs"), NODE)?;

    bench.progress("Node");
    let node = Side::Node { folder: &args.node, bearer: &access.bearer };
    let theirs = Box::pin(measure(&door, &node)).await.context("Node")?;
    bench.progress("the collector");
    let collector = Side::Collector { env: &env, state: &state };
    let ours = Box::pin(measure(&door, &collector)).await.context("the collector")?;
    bench.finished();
    let figures = figures_of(&ours, &theirs);
    match args.json {
        true => say(&format!("{:#}", figures::document(&figures, false))),
        false => output::print(figures::table(&figures)),
    }
}

fn figures_of(ours: &Outcome, theirs: &Outcome) -> Vec<Figure> {
    let start = "from the start of the process to its first request";
    let idle = "memory of an idle process";
    let ratio = |ours: Option<f64>, theirs: Option<f64>| ours.zip(theirs).map(|(ours, theirs)| ours / theirs);
    let (first, their_first) = (Some(ours.first_request_ms), Some(theirs.first_request_ms));
    let node = "Node with ws, axios, express and winston";
    vec![
        Figure::new("collector_start_ms", format!("{start}, the collector"), first, "ms").at_most(100.0),
        Figure::new("node_start_ms", format!("{start}, {node}"), their_first, "ms"),
        Figure::new("start_ratio", "  the collector to Node", ratio(first, their_first), "x").at_most(0.1),
        Figure::new("collector_idle_mib", format!("{idle}, the collector"), ours.idle_mib, "MiB")
            .at_most(20.0),
        Figure::new("node_idle_mib", format!("{idle}, {node}"), theirs.idle_mib, "MiB"),
        Figure::new("idle_ratio", "  the collector to Node", ratio(ours.idle_mib, theirs.idle_mib), "x")
            .at_most(1.0 / 6.0),
    ]
}

async fn measure(door: &Door, side: &Side<'_>) -> anyhow::Result<Outcome> {
    let mut firsts_ms = Vec::new();
    let mut idle_mib = None;
    for start in 0..STARTS {
        let first = door.next_request();
        let spawned = Instant::now();
        let mut child = side.start(door.address)?;
        let Ok(at) = tokio::time::timeout(FIRST_REQUEST_MAX, first).await else {
            child.kill().await?;
            let said = child.wait_with_output().await?.stderr;
            bail!("start {start}: no request came; it said: {}", String::from_utf8_lossy(&said));
        };
        let at = at?;
        firsts_ms.push(at.duration_since(spawned).as_secs_f64() * 1000.0);
        if start + 1 == STARTS {
            tokio::time::sleep(IDLE).await;
            let pid = child.id().context("it ended")?;
            idle_mib = settled_rss(pid).await.map(|bytes| bytes / (1024.0 * 1024.0));
        }
        child.kill().await?;
    }
    firsts_ms.sort_unstable_by(f64::total_cmp);
    Ok(Outcome { first_request_ms: firsts_ms[STARTS / 2], idle_mib })
}

impl Side<'_> {
    fn start(&self, api: SocketAddr) -> anyhow::Result<Child> {
        let mut command = match self {
            Side::Collector { env, state } => {
                let mut command = Command::new(std::env::current_exe()?);
                command
                    .args(["reports", "--no-browser", "--quiet", "--env"])
                    .arg(env)
                    .arg("--state")
                    .arg(state);
                command
            }
            Side::Node { folder, bearer } => {
                let mut command = Command::new("node");
                command.arg("callfeed-bench.cjs").current_dir(folder);
                command.env("BENCH_BEARER", bearer).env("BENCH_API", format!("http://{api}"));
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().context("it cannot be started")
    }
}

/// The platform's settings with the door's address in the place of the API's.
fn write_settings(file: &Path, access: &Access, door: SocketAddr) -> anyhow::Result<()> {
    use secrecy::ExposeSecret as _;
    let settings = &access.settings;
    let hosts = ["AUTH", "API", "CHANNEL", "ADMIN"].map(|host| format!("GOTO_{host}_URL=http://{door}\n"));
    let (id, secret) = (&settings.client_id, settings.client_secret.expose_secret());
    let own = format!(
        "OAUTH_CLIENT_ID={id}\nOAUTH_CLIENT_SECRET={secret}\nACCOUNT_KEY={}\nLOG_LEVEL=warn\n",
        settings.account_key
    );
    std::fs::write(file, own + &hosts.concat()).context("cannot write the settings")
}

/// Leaves a token where the collector looks for it, so that its start asks nobody.
async fn sign_in(access: &Access, state: &Path) -> anyhow::Result<()> {
    let redirect = apps::reports::redirect_uri(apps::reports::LISTEN_DEFAULT)?;
    let client = apps::session(&access.settings, state, redirect)?;
    person::sign_in(&client, &access.login).await
}

/// Passes everything on to the platform and tells when the first bytes of a client came.
struct Door {
    address: SocketAddr,
    waiting: Arc<Mutex<Option<oneshot::Sender<Instant>>>>,
}

impl Door {
    async fn open(platform: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port is free")?;
        let address = listener.local_addr()?;
        let waiting = Arc::new(Mutex::new(None));
        let heard = Arc::clone(&waiting);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, platform, Arc::clone(&heard)));
            }
        });
        Ok(Self { address, waiting })
    }

    fn next_request(&self) -> oneshot::Receiver<Instant> {
        let (sender, receiver) = oneshot::channel();
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }
}

async fn pass(
    mut client: TcpStream,
    platform: SocketAddr,
    waiting: Arc<Mutex<Option<oneshot::Sender<Instant>>>>,
) -> std::io::Result<()> {
    let mut first = [0; 16 * 1024];
    let count = client.read(&mut first).await?;
    let now = Instant::now();
    let sender = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(sender) = sender {
        let _ = sender.send(now);
    }
    let mut server = TcpStream::connect(platform).await?;
    server.write_all(&first[..count]).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
