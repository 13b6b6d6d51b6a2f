//! `callfeed gaps`: what was missing, from when to when, and what still is.

use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::progress::{estimate, words};
use super::{Lines, NICKNAME, Out, counted};
use crate::limits;
use crate::store::ledger::{self, Gap};
use crate::store::left::{self, Left};
use crate::store::{OneApp, Store, reports as table};

/// What is missing though no gap of the ledger says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub running: bool,
    /// Every call that ended before is known of; `None` before the first start.
    pub through: Option<Timestamp>,
    /// Reports that are known of and not there yet.
    pub missing: u64,
}

impl Standing {
    pub async fn of(state_dir: &Path, store: &Store) -> anyhow::Result<Self> {
        // The order counts: what a collector that ends meanwhile has stored is seen.
        let running = OneApp::is_running(state_dir, NICKNAME);
        let through = ledger::known_through(&store.pool).await.context("cannot read the store")?;
        let missing = table::missing(&store.pool, None).await.context("cannot read the store")?;
        Ok(Self { running, through, missing })
    }

    /// As open gaps, for programs.
    fn gaps(self) -> Vec<Gap> {
        let gap = |kind: &str, reason: String, reports| Gap {
            number: 0,
            account_key: String::new(),
            kind: kind.to_owned(),
            subject: String::new(),
            reason,
            from: self.through.unwrap_or(Timestamp::UNIX_EPOCH),
            to: None,
            closed: None,
            reports,
        };
        let mut gaps = Vec::new();
        if !self.running {
            gaps.push(gap("downtime", "the collector is not running".to_owned(), 0));
        }
        if self.missing > 0 {
            let missing = i64::try_from(self.missing).unwrap_or(i64::MAX);
            gaps.push(gap("fetching", "reports that are known of and not fetched yet".to_owned(), missing));
        }
        gaps
    }

    /// For people; empty when nothing is missing.
    fn lines(self, zone: &TimeZone) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.running {
            lines.push(match self.through {
                Some(at) => format!(
                    "not running: calls that ended since {} are not known yet; start callfeed reports",
                    time(at, zone)
                ),
                None => "not running, and never was: no call is known yet; start callfeed reports".to_owned(),
            });
        }
        if self.missing > 0 {
            let number = counted(self.missing, "report", "reports");
            let left = words(estimate(self.missing));
            lines.push(match self.running {
                true => format!("catching up: {number} to fetch, about {left}"),
                false => format!("to fetch at the next start: {number}, about {left}"),
            });
        }
        lines
    }
}

/// Prints the open gaps of the store, with `all` those that are closed too, and what else is missing. Returns how many
/// are open.
///
/// # Errors
/// When the store cannot be read or the output fails.
pub async fn gaps(state_dir: &Path, all: bool, json: bool, out: Out) -> anyhow::Result<usize> {
    let store = Store::open_existing(state_dir).await?;
    let mut out = Lines::new(out);
    let several = ledger::accounts(&store.pool).await.context("cannot read the store")? > 1;
    let (mut after, mut open) = (0, 0);
    loop {
        let page = ledger::gaps(&store.pool, all, after, limits::LIST_PAGE)
            .await
            .context("cannot read the store")?;
        let Some(last) = page.last() else { break };
        after = last.number;
        for gap in &page {
            open += usize::from(gap.closed.is_none());
            let line =
                if json { serde_json::to_string(gap)? } else { line(gap, several, &TimeZone::system()) };
            if !out.line(&line).await? {
                return Ok(open);
            }
        }
    }
    let standing = Standing::of(state_dir, &store).await?;
    let zone = TimeZone::system();
    for left in left::all(&store.pool).await.context("cannot read the store")? {
        if left.ended && !all {
            continue;
        }
        open += usize::from(!left.ended);
        let line = if json { serde_json::to_string(&left_gap(&left))? } else { left_line(&left, &zone) };
        out.line(&line).await?;
    }
    let lines = if json {
        standing.gaps().iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?
    } else {
        standing.lines(&zone)
    };
    open += lines.len();
    for line in lines {
        out.line(&line).await?;
    }
    if let (false, 0, Some(through)) = (json, open, standing.through) {
        let until = time(through, &zone);
        let text = format!("No gap is open: the report of every call that ended before {until} is stored.");
        out.line(&text).await?;
    }
    Ok(open)
}

fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// As a gap, for programs.
fn left_gap(left: &Left) -> Gap {
    let reason = if left.ended { "the account has ended" } else { "the account is not collected" };
    Gap {
        number: 0,
        account_key: left.account_key.clone(),
        kind: "account".to_owned(),
        subject: String::new(),
        reason: reason.to_owned(),
        from: left.through,
        to: left.ended.then_some(left.since),
        closed: left.ended.then_some(left.since),
        reports: 0,
    }
}

fn left_line(left: &Left, zone: &TimeZone) -> String {
    let (key, since, through) = (&left.account_key, time(left.since, zone), time(left.through, zone));
    if left.ended {
        return format!("account {key}: ended, not collected since {since}");
    }
    format!(
        "account {key}: not collected since {since}: calls that ended since {through} are not known; start callfeed \
         reports with its --env too, or say that it has ended: callfeed accounts --end {key}"
    )
}

fn line(gap: &Gap, several: bool, zone: &TimeZone) -> String {
    let time = |at| time(at, zone);
    let until = match gap.to {
        Some(to) => format!("to {}, closed, {} reports found", time(to), gap.reports),
        None => "still open".to_owned(),
    };
    let subject = if gap.subject.is_empty() { String::new() } else { format!(" of {}", gap.subject) };
    let account = if several { format!("account {}: ", gap.account_key) } else { String::new() };
    format!("{account}{}{subject} from {} {until}: {}", gap.kind, time(gap.from), gap.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_was_missing_and_whether_it_is_found() {
        let mut gap = Gap {
            number: 1,
            account_key: "17".to_owned(),
            kind: "connection".to_owned(),
            subject: String::new(),
            reason: "closed by the server".to_owned(),
            from: "2026-02-03T17:00:00Z".parse().unwrap(),
            to: None,
            closed: None,
            reports: 0,
        };
        let open = line(&gap, false, &TimeZone::UTC);
        assert_eq!(open, "connection from 2026-02-03 17:00:00 still open: closed by the server");
        (gap.to, gap.closed) = (Some(gap.from), Some(gap.from));
        gap.reports = 3;
        assert!(line(&gap, true, &TimeZone::UTC).starts_with("account 17: connection from"));
        assert!(
            line(&gap, false, &TimeZone::UTC).contains("to 2026-02-03 17:00:00, closed, 3 reports found")
        );
    }

    #[test]
    fn a_collector_that_does_not_run_or_catches_up_has_not_everything() {
        let through = Some("2026-02-03T17:00:00Z".parse().unwrap());
        let lines = |running, missing| Standing { running, through, missing }.lines(&TimeZone::UTC);
        assert_eq!(lines(true, 0), [""; 0]);
        assert_eq!(lines(true, 4800), ["catching up: 4800 reports to fetch, about 10 min"]);
        let stopped = lines(false, 8);
        assert!(
            stopped[0].starts_with("not running: calls that ended since 2026-02-03 17:00:00"),
            "{stopped:?}"
        );
        assert_eq!(stopped[1], "to fetch at the next start: 8 reports, about 1 s");
    }
}
