//! From the start of the process to the first answer, with a database that is there already; and what it takes idle.

use super::figures::Figure;
use super::platform::Platform;
use super::{Bench, idle};

pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    bench.progress("cold start");
    let mut platform = Platform::start().await?;
    let mut started_ms = Vec::new();
    for _ in 0..bench.size(1, 7) {
        platform = platform.restart().await?;
        started_ms.push(platform.started_in.as_secs_f64() * 1000.0);
    }
    started_ms.sort_unstable_by(f64::total_cmp);
    let middle_ms = started_ms.get(started_ms.len() / 2).copied();
    let rss_mib = idle::settled_rss(platform.pid).await.map(|bytes| bytes / (1024.0 * 1024.0));
    Ok(vec![
        Figure::new("cold_start_ms", "cold start, until the first answer", middle_ms, "ms").at_most(50.0),
        Figure::new("idle_rss_mib", "memory of an idle platform", rss_mib, "MiB").at_most(15.0),
    ])
}
