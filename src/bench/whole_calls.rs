//! Whole calls: each state durable and delivered to a subscriber, the report stored, notified and fetched.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::channels::{self, Hears};
use super::figures::Figure;
use super::frames::{self, Kind, Latencies};
use super::http::{Connection, Request};
use super::load::{self, Pace, STATES};
use super::platform::{Access, Platform, cpu_since};
use super::socket::Socket;
use super::{Bench, FINISH_MAX};

/// Calls under way at full speed.
const AT_ONCE: u64 = 128;
/// Connections that fetch reports.
const FETCHERS: usize = 4;

pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    bench.progress("whole calls at full speed");
    let platform = Platform::start().await?;
    let access = platform.sign_in().await?;
    let mut sockets = channels::open(&access, 1, Hears::StatesAndReports).await?;
    let socket = sockets.pop().context("one socket was asked for")?;
    // The first calls find cold caches and an empty file.
    let (_, socket) = run(&access, socket, bench.size(40, 500), Pace::AtOnce(AT_ONCE)).await?;
    let count = bench.size(60, 10_000);
    let cpu = platform.cpu_s();
    let (full, socket) = run(&access, socket, count, Pace::AtOnce(AT_ONCE)).await?;
    let cpu = cpu_since(cpu, platform.cpu_s());
    let per_s = count as f64 / full.took.as_secs_f64();
    bench.progress("whole calls at half that rate");
    let half = Pace::PerSecond(per_s / 2.0);
    let (mut paced, _) = run(&access, socket, bench.size(20, (per_s * 2.5) as usize), half).await?;
    let calls = "whole calls: 8 durable states, delivered, report fetched";
    Ok(vec![
        Figure::new("whole_calls_per_s", calls, per_s, "calls/s").at_least(2_000.0),
        Figure::new(
            "whole_call_cpu_us",
            "  CPU of the platform for each",
            cpu.map(|s| s * 1e6 / count as f64),
            "us",
        ),
        Figure::new("half_rate_p50_ms", half_name("p50"), paced.latencies.percentile_ms(0.5), "ms"),
        Figure::new("half_rate_p99_ms", half_name("p99"), paced.latencies.percentile_ms(0.99), "ms")
            .at_most(20.0),
        Figure::new("half_rate_p999_ms", half_name("p99.9"), paced.latencies.percentile_ms(0.999), "ms"),
    ])
}

fn half_name(part: &str) -> String {
    format!("  state to socket at half that rate, {part}")
}

struct Outcome {
    took: Duration,
    latencies: Latencies,
}

/// Plays calls until the last report has been fetched.
async fn run(access: &Access, socket: Socket, count: usize, pace: Pace) -> anyhow::Result<(Outcome, Socket)> {
    let (fetch, mut fetchers) = fetchers(access).await?;
    let started = Instant::now();
    let subscriber = tokio::spawn(listen(socket, count, fetch));
    let finished = async {
        load::play(access, count, pace, |_| {}).await?;
        let (latencies, socket) = subscriber.await??;
        let mut fetched = 0;
        while let Some(fetcher) = fetchers.join_next().await {
            fetched += fetcher??;
        }
        ensure!(fetched == count, "{fetched} of {count} reports were fetched");
        Ok((latencies, socket))
    };
    let (latencies, socket) =
        tokio::time::timeout(FINISH_MAX, finished).await.context("calls got lost")??;
    Ok((Outcome { took: started.elapsed(), latencies }, socket))
}

/// Reads every state and report of so many calls.
async fn listen(
    mut socket: Socket,
    count: usize,
    fetch: Vec<mpsc::UnboundedSender<String>>,
) -> anyhow::Result<(Latencies, Socket)> {
    let mut latencies = Latencies::default();
    let (mut states, mut reports) = (0, 0);
    while states < count * STATES || reports < count {
        socket
            .read(|frame| {
                let now = Timestamp::now();
                let Ok(frame) = std::str::from_utf8(frame) else { return };
                match frames::kind(frame) {
                    Kind::State => {
                        states += 1;
                        if let Some(then) = frames::state_instant(frame) {
                            latencies.push(frames::age_us(then, now));
                        }
                    }
                    Kind::Report => {
                        if let Some(id) = frames::conversation_space(frame) {
                            // A fetcher that has failed says so itself.
                            let _ = fetch[reports % FETCHERS].send(id.to_owned());
                        }
                        reports += 1;
                    }
                    Kind::Other => {}
                }
            })
            .await?;
    }
    Ok((latencies, socket))
}

type Fetchers = JoinSet<anyhow::Result<usize>>;

/// Fetch the reports whose calls they are told, until nobody tells any more; they return how many.
async fn fetchers(access: &Access) -> anyhow::Result<(Vec<mpsc::UnboundedSender<String>>, Fetchers)> {
    let (mut senders, mut tasks) = (Vec::new(), JoinSet::new());
    for _ in 0..FETCHERS {
        // As many as there are calls in this run.
        let (sender, mut ids) = mpsc::unbounded_channel::<String>();
        let mut connection = Connection::open(access.address).await?;
        let bearer = access.bearer.clone();
        senders.push(sender);
        tasks.spawn(async move {
            let mut fetched = 0;
            while let Some(id) = ids.recv().await {
                let path = format!("/call-events-report/v1/reports/{id}");
                let request = Request { method: "GET", path: &path, authorization: &bearer, body: None };
                let answer = connection.send(&request.encode()).await?;
                ensure!(
                    answer.status == 200,
                    "a report was not there when it was notified: {}",
                    answer.status
                );
                fetched += 1;
            }
            Ok(fetched)
        });
    }
    Ok((senders, tasks))
}
