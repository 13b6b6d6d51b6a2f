//! How far the backfill is: a line that is written over on a terminal, two lines in the log elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use super::counted;

/// Cells of the bar.
const BAR: u64 = 24;

pub(super) struct Progress {
    started: Instant,
    slices: u64,
    found: usize,
    on_terminal: bool,
}

impl Progress {
    pub fn new(slices: u64) -> Self {
        let on_terminal = io::stderr().is_terminal();
        if !on_terminal {
            tracing::info!(
                "looking for calls before the first start, a day or less at a time: {}",
                counted(slices, "time", "times")
            );
        }
        Self { started: Instant::now(), slices, found: 0, on_terminal }
    }

    /// `left` days are still to be looked through.
    pub fn advance(&mut self, left: u64, found: usize) {
        self.found += found;
        if self.on_terminal {
            let line = line(self.slices, left, self.found, self.started.elapsed());
            // Nobody there to see it is no error.
            let _ = write!(io::stderr(), "\r{line}\x1b[K");
            let _ = io::stderr().flush();
        }
    }

    pub fn finish(self) {
        if self.on_terminal {
            let _ = writeln!(io::stderr());
        }
        let found = counted(self.found, "report", "reports");
        tracing::info!("the time before the first start is looked through: {found}");
    }
}

fn line(slices: u64, left: u64, found: usize, elapsed: Duration) -> String {
    let done = slices.saturating_sub(left);
    let filled = usize::try_from((done * BAR).checked_div(slices).unwrap_or(BAR)).unwrap_or(0);
    let bar = "#".repeat(filled) + &"-".repeat(usize::try_from(BAR).unwrap_or(0) - filled);
    let estimate = match u32::try_from(done) {
        Ok(done) if done > 0 => {
            let rest = (elapsed / done).saturating_mul(u32::try_from(left).unwrap_or(u32::MAX));
            format!(", about {} left", words(rest))
        }
        _ => String::new(),
    };
    let (parts, found) = (counted(slices, "part", "parts"), counted(found, "report", "reports"));
    format!("Earlier calls [{bar}] {done} of {parts}, {found}{estimate}")
}

/// How long so many reports take: one request each, so many a second. A summary has no course of the call.
pub(super) fn estimate(reports: u64, per_s: f64) -> Duration {
    Duration::try_from_secs_f64(reports as f64 / per_s).unwrap_or(Duration::MAX)
}

pub(super) fn words(time: Duration) -> String {
    match time.as_secs() {
        0 => "1 s".to_owned(),
        seconds @ 1..90 => format!("{seconds} s"),
        seconds @ 90..5400 => format!("{} min", (seconds + 30) / 60),
        seconds => format!("{} h", seconds.saturating_add(1800) / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_how_far_and_how_long() {
        let text = line(31, 23, 340, Duration::from_secs(80));
        assert_eq!(
            text,
            "Earlier calls [######------------------] 8 of 31 parts, 340 reports, about 4 min left"
        );
        assert_eq!(
            line(4, 4, 0, Duration::ZERO),
            format!("Earlier calls [{}] 0 of 4 parts, 0 reports", "-".repeat(24))
        );
        assert!(line(4, 0, 9, Duration::from_secs(8)).contains("[########################] 4 of 4 parts"));
        assert!(line(1, 1, 1, Duration::ZERO).ends_with("0 of 1 part, 1 report"));
    }

    #[test]
    fn the_rest_takes_as_long_as_the_pace_in_force_makes_it() {
        assert_eq!(words(estimate(4800, sdk::limits::RATE_MAX)), "10 min");
        assert_eq!(words(estimate(4800, 400.0)), "12 s", "GOTO_RATE_LIMIT=500");
        assert_eq!(words(estimate(9, 0.0)), words(Duration::MAX), "no pace is no end");
    }
}
