//! How long a state takes from when it happens, through the database, to the sockets that hear of it.

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::task::JoinSet;

use super::channels::{self, Hears};
use super::figures::Figure;
use super::frames::{self, Kind, Latencies};
use super::load::{self, Pace, STATES};
use super::platform::{Access, Platform};
use super::socket::Socket;
use super::{Bench, FINISH_MAX};

/// Screens that hear of the same calls.
const SOCKETS: usize = 10;

pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    bench.progress("state to socket at 1,000 deliveries a second");
    let platform = Platform::start().await?;
    let access = platform.sign_in().await?;
    let sockets = channels::open(&access, SOCKETS, Hears::States).await?;
    let (mut slow, sockets) = paced(bench, &access, sockets, 1_000.0).await?;
    bench.progress("state to socket at 10,000 deliveries a second");
    let (mut fast, mut sockets) = paced(bench, &access, sockets, 10_000.0).await?;
    bench.progress("state to one socket at 5,000 a second");
    sockets.truncate(1);
    let (mut single, _) = paced(bench, &access, sockets, 5_000.0).await?;
    Ok(vec![
        Figure::new("latency_1000_p50_ms", name("1,000/s", "p50"), slow.percentile_ms(0.5), "ms"),
        Figure::new("latency_1000_p99_ms", name("1,000/s", "p99"), slow.percentile_ms(0.99), "ms"),
        Figure::new("latency_1000_p999_ms", name("1,000/s", "p99.9"), slow.percentile_ms(0.999), "ms"),
        Figure::new("latency_10000_p50_ms", name("10,000/s", "p50"), fast.percentile_ms(0.5), "ms"),
        Figure::new("latency_10000_p99_ms", name("10,000/s", "p99"), fast.percentile_ms(0.99), "ms"),
        Figure::new("latency_10000_p999_ms", name("10,000/s", "p99.9"), fast.percentile_ms(0.999), "ms"),
        Figure::new("one_socket_5000_p50_ms", single_name("p50"), single.percentile_ms(0.5), "ms")
            .at_most(1.0),
        Figure::new("one_socket_5000_p99_ms", single_name("p99"), single.percentile_ms(0.99), "ms")
            .at_most(10.0),
        Figure::new("one_socket_5000_p999_ms", single_name("p99.9"), single.percentile_ms(0.999), "ms"),
    ])
}

fn name(rate: &str, part: &str) -> String {
    format!("state to socket, {SOCKETS} sockets, {rate} deliveries, {part}")
}

fn single_name(part: &str) -> String {
    format!("state to socket, one socket, 5,000/s deliveries, {part}")
}

/// Deliveries at a rate, for some seconds.
pub async fn paced(
    bench: &Bench,
    access: &Access,
    sockets: Vec<Socket>,
    deliveries_per_s: f64,
) -> anyhow::Result<(Latencies, Vec<Socket>)> {
    let calls_per_s = deliveries_per_s / (sockets.len() * STATES) as f64;
    let seconds = if bench.quick { 1.0 } else { 5.0 };
    let calls = ((calls_per_s * seconds).ceil() as usize).max(2);
    let mut listeners = JoinSet::new();
    for socket in sockets {
        listeners.spawn(listen(socket, calls * STATES));
    }
    let finished = async {
        load::play(access, calls, Pace::PerSecond(calls_per_s), |_| {}).await?;
        let (mut all, mut sockets) = (Latencies::default(), Vec::new());
        while let Some(listener) = listeners.join_next().await {
            let (latencies, socket) = listener??;
            all.extend(latencies);
            sockets.push(socket);
        }
        Ok((all, sockets))
    };
    tokio::time::timeout(FINISH_MAX, finished).await.context("states got lost on their way")?
}

async fn listen(mut socket: Socket, count: usize) -> anyhow::Result<(Latencies, Socket)> {
    let mut latencies = Latencies::default();
    let mut states = 0;
    while states < count {
        socket
            .read(|frame| {
                let now = Timestamp::now();
                let Ok(frame) = std::str::from_utf8(frame) else { return };
                if frames::kind(frame) == Kind::State {
                    states += 1;
                    if let Some(then) = frames::state_instant(frame) {
                        latencies.push(frames::age_us(then, now));
                    }
                }
            })
            .await?;
    }
    Ok((latencies, socket))
}
