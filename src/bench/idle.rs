//! What a channel with a live subscription and an open socket takes while nothing happens.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::channels::{self, Hears};
use super::figures::Figure;
use super::platform::Platform;
use super::{Bench, process};

/// Sockets opened before the first look: what the first ones take is not what one more takes.
const WARM: usize = 64;
/// Memory that has not changed for so long has settled.
const SETTLED: Duration = Duration::from_secs(1);
const SETTLED_MAX: Duration = Duration::from_secs(10);

pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let wanted = bench.size(400, 10_000);
    // Some descriptors for everything else.
    let files = usize::try_from(bench.files_max.saturating_sub(200)).unwrap_or(wanted);
    let count = wanted.min(files).max(2 * WARM);
    bench.progress(&format!("{count} idle channels"));
    let (platform, access) = Platform::start_signed_in().await?;
    let mut readers = JoinSet::new();
    let mut open = 0;
    let mut before = None;
    while open < count {
        // In parts, so that each soon has somebody who answers its pings.
        let part = if open == 0 { WARM } else { (count - open).min(500) };
        for mut socket in channels::open(&access, part, Hears::States).await? {
            readers.spawn(async move { while socket.read(|_| {}).await.is_ok() {} });
        }
        if open == 0 {
            before = settled_rss(platform.pid).await;
        }
        open += part;
    }
    let after = settled_rss(platform.pid).await;
    let each = before.zip(after).map(|(before, after)| (after - before) / (count - WARM) as f64);
    let lost = readers.try_join_next().is_some();
    anyhow::ensure!(!lost, "the platform closed an idle socket");
    let mut what = format!("memory of an idle channel with a subscription and a socket, at {count}");
    if count < wanted {
        what.push_str(&format!(" ({wanted} need a higher limit of open files)"));
    }
    Ok(vec![Figure::new("idle_channel_bytes", what, each, "bytes").at_most(4096.0)])
}

/// Resident memory once it has stopped changing.
pub async fn settled_rss(pid: u32) -> Option<f64> {
    let started = Instant::now();
    let mut last = (process::rss_bytes(pid)?, Instant::now());
    while last.1.elapsed() < SETTLED && started.elapsed() < SETTLED_MAX {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = process::rss_bytes(pid)?;
        if (now - last.0).abs() > 64.0 * 1024.0 {
            last = (now, Instant::now());
        }
    }
    process::rss_bytes(pid)
}
