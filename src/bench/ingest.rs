//! The event log alone: states made durable for 64 callers, beside the least that SQLite can do for as many rows.

use super::Bench;
use super::figures::Figure;
use super::store::reference;

const CALLERS: usize = 64;
/// Rounds, one and the other in turn; the middle one counts.
const ROUNDS: usize = 3;

pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    bench.progress("the event log with 64 callers");
    let calls_each = bench.size(2, 40);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..if bench.quick { 1 } else { ROUNDS } {
        let folder = tempfile::tempdir()?;
        let log = server::measure_log(folder.path(), CALLERS, calls_each).await?;
        ours.push(log.states as f64 / log.took.as_secs_f64());
        let folder = tempfile::tempdir()?;
        let rows_each = log.states / CALLERS;
        bare.push(reference::group_commit(folder.path(), CALLERS, rows_each, log.bytes_mean).await?);
    }
    let (ours, bare) = (middle(ours), middle(bare));
    Ok(vec![
        Figure::new(
            "log_states_per_s",
            "durable states of 64 callers, the event log alone",
            ours,
            "states/s",
        ),
        Figure::new("bare_rows_per_s", "  bare SQLite, group commit, rows as long", bare, "rows/s"),
        Figure::new("log_ratio", "  event log to bare SQLite", ours / bare, "x").at_least(0.8),
    ])
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
