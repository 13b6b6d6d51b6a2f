//! The platform beside nchan, both fed and read by the same load; `bench/peers.sh` starts nchan and calls this.
//!
//! nchan keeps messages in memory and publishes what it is sent; the platform plays calls and stores each state first.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use tokio::task::JoinSet;
use url::Url;

use super::channels::{self, Hears};
use super::fan_out::count_frames;
use super::figures::{self, Figure};
use super::frames::{self, Latencies};
use super::http::{Connection, Request};
use super::idle::settled_rss;
use super::load::{self, Pace, STATES};
use super::platform::{Access, Platform, cpu_since};
use super::socket::Socket;
use super::{Bench, FINISH_MAX, process};
use crate::output::{self, say};
use crate::stop;

/// Sockets of the fan-out.
const SOCKETS: usize = 1_000;
/// Sockets opened before memory is looked at.
const WARM: usize = 64;
/// Messages of the burst, whole calls.
const BURST: usize = 100 * STATES;
/// Deliveries a second, all sockets together, and for how long.
const PACED_PER_S: f64 = 20_000.0;
const SINGLE_PER_S: f64 = 5_000.0;
const PACED_S: f64 = 5.0;
/// Connections that publish to nchan.
const PUBLISHERS: usize = 8;
/// About as long as the frames that the targets were measured with.
const MESSAGE_BYTES: usize = 600;

/// Measures the platform beside nchan; for `bench/peers.sh` alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where nchan answers `/publish` and `/subscribe`.
    #[arg(long)]
    nchan: SocketAddr,
    /// nginx' first process.
    #[arg(long)]
    nchan_pid: u32,
    #[arg(long)]
    json: bool,
}

/// Who is measured.
enum Side {
    Callfeed(Box<(Platform, Access)>),
    Nchan { address: SocketAddr, pids: Vec<u32> },
}

/// What one side did.
struct Outcome {
    fan_out_per_cpu_s: Option<f64>,
    paced_cpu_us: Option<f64>,
    paced_p99_ms: f64,
    single_cpu_us: Option<f64>,
    single_p50_ms: f64,
    idle_kib: Option<f64>,
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
    bench.progress("nchan");
    let mut pids = process::children(args.nchan_pid);
    pids.push(args.nchan_pid);
    let theirs = Box::pin(measure(&Side::Nchan { address: args.nchan, pids })).await.context("nchan")?;
    bench.progress("Callfeed");
    let (platform, access) = Platform::start_signed_in().await?;
    let side = Side::Callfeed(Box::new((platform, access)));
    let ours = Box::pin(measure(&side)).await.context("Callfeed")?;
    bench.finished();
    let figures = figures_of(&ours, &theirs);
    if args.json {
        say(&format!("{:#}", figures::document(&figures, false)))
    } else {
        output::print(figures::table(&figures))
    }
}

fn figures_of(ours: &Outcome, theirs: &Outcome) -> Vec<Figure> {
    let ratio = |ours: Option<f64>, theirs: Option<f64>| ours.zip(theirs).map(|(ours, theirs)| ours / theirs);
    let (paced_p99, single_p50) = ("20,000 deliveries/s to 1,000 sockets, p99", "5,000/s to one socket, p50");
    let fan_out = "fan-out to 1,000 sockets, for each CPU second of the server";
    let (paced_cpu, single_cpu) =
        ("20,000 deliveries/s, CPU for each", "5,000/s to one socket, CPU for each");
    let idle = "memory of an idle socket";
    let pair = |name: [&'static str; 3], what: &str, ours: Option<f64>, theirs: Option<f64>, unit| {
        let side = |name, side: &str, value| Figure::new(name, format!("{what}, {side}"), value, unit);
        let ratio = Figure::new(name[2], "  Callfeed to nchan", ratio(ours, theirs), "x");
        (side(name[0], "Callfeed", ours), side(name[1], "nchan", theirs), ratio)
    };
    let mut all = Vec::new();
    let mut add = |(ours, theirs, ratio): (Figure, Figure, Figure)| all.extend([ours, theirs, ratio]);
    let names = ["fan_out_per_cpu_s", "nchan_fan_out_per_cpu_s", "fan_out_ratio"];
    let (a, b, c) = pair(names, fan_out, ours.fan_out_per_cpu_s, theirs.fan_out_per_cpu_s, "deliveries");
    add((a, b, c.at_least(4.0)));
    let names = ["paced_cpu_us", "nchan_paced_cpu_us", "paced_cpu_ratio"];
    let (a, b, c) = pair(names, paced_cpu, ours.paced_cpu_us, theirs.paced_cpu_us, "us");
    add((a, b, c.at_most(0.85)));
    let names = ["paced_p99_ms", "nchan_paced_p99_ms", "paced_p99_ratio"];
    let (a, b, c) = pair(names, paced_p99, Some(ours.paced_p99_ms), Some(theirs.paced_p99_ms), "ms");
    add((a, b, c.at_most(0.9)));
    let names = ["single_cpu_us", "nchan_single_cpu_us", "single_cpu_ratio"];
    add(pair(names, single_cpu, ours.single_cpu_us, theirs.single_cpu_us, "us"));
    let names = ["single_p50_ms", "nchan_single_p50_ms", "single_p50_ratio"];
    add(pair(names, single_p50, Some(ours.single_p50_ms), Some(theirs.single_p50_ms), "ms"));
    let names = ["idle_kib", "nchan_idle_kib", "idle_ratio"];
    add(pair(names, idle, ours.idle_kib, theirs.idle_kib, "KiB"));
    all
}

async fn measure(side: &Side) -> anyhow::Result<Outcome> {
    let mut sockets = side.open(WARM).await?;
    let before = side.rss_kib().await;
    sockets.extend(side.open(SOCKETS - WARM).await?);
    let idle_kib = before.zip(side.rss_kib().await);
    let idle_kib = idle_kib.map(|(before, after)| (after - before) / (SOCKETS - WARM) as f64);
    let (sockets, _, _) = side.deliver(sockets, 10 * STATES, None).await?;
    let (sockets, cpu, _) = side.deliver(sockets, BURST, None).await?;
    let fan_out_per_cpu_s = cpu.map(|cpu| (SOCKETS * BURST) as f64 / cpu);
    let rate = PACED_PER_S / SOCKETS as f64;
    let messages = whole_calls(rate * PACED_S);
    let (mut sockets, cpu, mut paced) = side.deliver(sockets, messages, Some(rate)).await?;
    let paced_cpu_us = cpu.map(|cpu| cpu * 1e6 / (SOCKETS * messages) as f64);
    sockets.truncate(1);
    let messages = whole_calls(SINGLE_PER_S * PACED_S);
    let (_, cpu, mut single) = side.deliver(sockets, messages, Some(SINGLE_PER_S)).await?;
    Ok(Outcome {
        fan_out_per_cpu_s,
        paced_cpu_us,
        paced_p99_ms: paced.percentile_ms(0.99),
        single_cpu_us: cpu.map(|cpu| cpu * 1e6 / messages as f64),
        single_p50_ms: single.percentile_ms(0.5),
        idle_kib,
    })
}

fn whole_calls(messages: f64) -> usize {
    (messages / STATES as f64).ceil() as usize * STATES
}

impl Side {
    async fn open(&self, count: usize) -> anyhow::Result<Vec<Socket>> {
        match self {
            Self::Callfeed(platform) => channels::open(&platform.1, count, Hears::States).await,
            Self::Nchan { address, .. } => {
                let url = Url::parse(&format!("ws://{address}/subscribe"))?;
                let mut sockets = Vec::new();
                for _ in 0..count {
                    sockets.push(Socket::connect(&url).await?);
                }
                Ok(sockets)
            }
        }
    }

    fn pids(&self) -> Vec<u32> {
        match self {
            Self::Callfeed(platform) => vec![platform.0.pid],
            Self::Nchan { pids, .. } => pids.clone(),
        }
    }

    fn cpu_s(&self) -> Option<f64> {
        self.pids().into_iter().map(|pid| process::cpu(pid).map(|cpu| cpu.as_secs_f64())).sum()
    }

    async fn rss_kib(&self) -> Option<f64> {
        let mut bytes = 0.0;
        for pid in self.pids() {
            bytes += settled_rss(pid).await?;
        }
        Some(bytes / 1024.0)
    }

    /// Sends so many messages to all sockets, at full speed or so many a second; returns the server's CPU seconds.
    async fn deliver(
        &self,
        sockets: Vec<Socket>,
        messages: usize,
        per_s: Option<f64>,
    ) -> anyhow::Result<(Vec<Socket>, Option<f64>, Latencies)> {
        let cpu = self.cpu_s();
        let mut listeners = JoinSet::new();
        for socket in sockets {
            listeners.spawn(listen(socket, messages, per_s.is_some()));
        }
        let finished = async {
            self.send(messages, per_s).await?;
            let (mut sockets, mut all) = (Vec::new(), Latencies::default());
            while let Some(listener) = listeners.join_next().await {
                let (socket, latencies) = listener??;
                sockets.push(socket);
                all.extend(latencies);
            }
            Ok::<_, anyhow::Error>((sockets, all))
        };
        let (sockets, all) =
            tokio::time::timeout(FINISH_MAX, finished).await.context("messages got lost")??;
        Ok((sockets, cpu_since(cpu, self.cpu_s()), all))
    }

    async fn send(&self, messages: usize, per_s: Option<f64>) -> anyhow::Result<()> {
        match self {
            Self::Callfeed(platform) => {
                let pace = per_s.map_or(Pace::AtOnce(16), |per_s| Pace::PerSecond(per_s / STATES as f64));
                load::play(&platform.1, messages / STATES, pace, |_| {}).await
            }
            Self::Nchan { address, .. } => {
                let mut publishers = JoinSet::new();
                for first in 0..PUBLISHERS {
                    let own = (first..messages).step_by(PUBLISHERS);
                    publishers.spawn(publish(*address, own, per_s));
                }
                while let Some(publisher) = publishers.join_next().await {
                    publisher??;
                }
                Ok(())
            }
        }
    }
}

/// Publishes the messages of these numbers, each when its time has come.
async fn publish(
    address: SocketAddr,
    own: impl Iterator<Item = usize>,
    per_s: Option<f64>,
) -> anyhow::Result<()> {
    let mut connection = Connection::open(address).await?;
    let started = Instant::now();
    for number in own {
        if let Some(per_s) = per_s {
            let due = started + Duration::from_secs_f64(number as f64 / per_s);
            tokio::time::sleep_until(due.into()).await;
        }
        let body = format!(r#"{{"state":{{"timestamp":"{}","pad":""#, Timestamp::now());
        let body = format!(r#"{body:x<0$}"}}}}"#, MESSAGE_BYTES - 3);
        let request = Request {
            method: "POST",
            path: "/publish",
            authorization: "",
            body: Some(("application/json", &body)),
        };
        let status = connection.send(&request.encode()).await?.status;
        ensure!((200..300).contains(&status), "nchan answered {status}");
    }
    Ok(())
}

async fn listen(mut socket: Socket, count: usize, timed: bool) -> anyhow::Result<(Socket, Latencies)> {
    let mut latencies = Latencies::default();
    if !timed {
        return Ok((count_frames(socket, count).await?, latencies));
    }
    let mut received = 0;
    while received < count {
        socket
            .read(|frame| {
                received += 1;
                let now = Timestamp::now();
                let instant = std::str::from_utf8(frame).ok().and_then(frames::state_instant);
                if let Some(then) = instant {
                    latencies.push(frames::age_us(then, now));
                }
            })
            .await?;
    }
    Ok((socket, latencies))
}
