//! One account's states to a thousand sockets, as fast as they go.

use std::time::Instant;

use anyhow::Context as _;
use tokio::task::JoinSet;

use super::channels::{self, Hears};
use super::figures::Figure;
use super::load::{self, Pace, STATES};
use super::platform::{Access, Platform, cpu_since};
use super::socket::Socket;
use super::{Bench, FINISH_MAX};

/// Calls under way meanwhile.
const AT_ONCE: u64 = 16;

pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    bench.progress("fan-out to 1,000 sockets");
    let platform = Platform::start().await?;
    let access = platform.sign_in().await?;
    let count = bench.size(50, 1_000);
    let sockets = channels::open(&access, count, Hears::States).await?;
    let sockets = burst(&access, sockets, bench.size(2, 10)).await?;
    let calls = bench.size(5, 100);
    let (cpu, started) = (platform.cpu_s(), Instant::now());
    burst(&access, sockets, calls).await?;
    let took = started.elapsed();
    let cpu = cpu_since(cpu, platform.cpu_s());
    let deliveries = (count * calls * STATES) as f64;
    Ok(vec![
        Figure::new(
            "fan_out_per_cpu_s",
            format!("fan-out of one account to {count} sockets, for each CPU second of the platform"),
            cpu.map(|cpu| deliveries / cpu),
            "deliveries",
        ),
        Figure::new(
            "fan_out_per_s",
            "  the same for each second, with the load on the same cores",
            deliveries / took.as_secs_f64(),
            "deliveries",
        ),
    ])
}

/// Plays calls at full speed until every socket has every state.
pub async fn burst(access: &Access, sockets: Vec<Socket>, calls: usize) -> anyhow::Result<Vec<Socket>> {
    let mut listeners = JoinSet::new();
    for socket in sockets {
        listeners.spawn(count_frames(socket, calls * STATES));
    }
    let finished = async {
        load::play(access, calls, Pace::AtOnce(AT_ONCE), |_| {}).await?;
        let mut sockets = Vec::new();
        while let Some(listener) = listeners.join_next().await {
            sockets.push(listener??);
        }
        Ok(sockets)
    };
    tokio::time::timeout(FINISH_MAX, finished).await.context("states got lost on their way")?
}

/// Reads so many frames without looking into them.
pub async fn count_frames(mut socket: Socket, count: usize) -> anyhow::Result<Socket> {
    let mut frames = 0;
    while frames < count {
        socket.read(|_| frames += 1).await?;
    }
    Ok(socket)
}
