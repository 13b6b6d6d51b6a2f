//! `callfeed gaps`: what was missing, from when to when, and what still is.

use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::causes::line as cannot_be_had;
use super::progress::{estimate, words};
use super::{Lines, NICKNAME, Out, counted};
use crate::limits;
use crate::store::causes::{self, Cause};
use crate::store::ledger::{self, Gap, GapKind};
use crate::store::left::{self, Left};
use crate::store::{OneApp, Store, pace};

/// What is missing though no gap of the ledger says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    pub running: bool,
    /// Every call that ended before is known of; `None` before the first start.
    pub through: Option<Timestamp>,
    /// Reports that are known of and on their way; those that cannot be had have gaps.
    pub missing: u64,
    /// How many of them a second are asked for.
    pub per_s: f64,
}

impl Standing {
    pub async fn of(state_dir: &Path, store: &Store) -> anyhow::Result<Self> {
        // The order counts: what a collector that ends meanwhile has stored is seen.
        let running = OneApp::is_running(state_dir, NICKNAME);
        let through = ledger::known_through(&store.pool).await.context("cannot read the store")?;
        let missing = causes::on_their_way(&store.pool, None).await.context("cannot read the store")?;
        let per_s = pace::slowest(&store.pool).await.context("cannot read the store")?;
        Ok(Self { running, through, missing, per_s: per_s.unwrap_or(sdk::limits::RATE_MAX) })
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
            let left = words(estimate(self.missing, self.per_s));
            lines.push(match self.running {
                true => format!("catching up: {number} to fetch, about {left}"),
                false => format!("to fetch at the next start: {number}, about {left}"),
            });
        }
        lines
    }
}

/// What of the gaps is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct What {
    /// Those that are closed too.
    pub all: bool,
    /// Each report that cannot be had by itself; else those of one cause are one line.
    pub each: bool,
    /// A JSON document for each, for programs.
    pub json: bool,
}

/// Prints the open gaps of the store and what else is missing. Returns how many are open.
///
/// # Errors
/// When the store cannot be read or the output fails.
pub async fn gaps(state_dir: &Path, what: What, out: Out) -> anyhow::Result<usize> {
    let What { all, each, json } = what;
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
            if gap.kind == GapKind::Report.as_str() && !each && !json {
                continue;
            }
            let line =
                if json { serde_json::to_string(gap)? } else { line(gap, several, &TimeZone::system()) };
            if !out.line(&line).await? {
                return Ok(open);
            }
        }
    }
    let zone = TimeZone::system();
    if !(each || json || by_cause(&store, all, several, &zone, &mut out).await?) {
        return Ok(open);
    }
    let standing = Standing::of(state_dir, &store).await?;
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
        let lost = causes::lost(&store.pool).await.context("cannot read the store")?;
        let but = match lost {
            0 => String::new(),
            _ => format!(", except {} lost for good (--all)", counted(lost, "that is", "that are")),
        };
        let text =
            format!("No gap is open: the report of every call that ended before {until} is stored{but}.");
        out.line(&text).await?;
    }
    Ok(open)
}

/// Prints why reports cannot be had, a line a cause. `false` when nobody reads any more.
async fn by_cause(
    store: &Store,
    all: bool,
    several: bool,
    zone: &TimeZone,
    out: &mut Lines,
) -> anyhow::Result<bool> {
    let mut after = 0;
    loop {
        let page = causes::causes(&store.pool, None, all, after, limits::LIST_PAGE)
            .await
            .context("cannot read the store")?;
        let Some(last) = page.last() else { return Ok(true) };
        after = last.number;
        for cause in &page {
            if !out.line(&cause_line(cause, several, zone)).await? {
                return Ok(false);
            }
        }
    }
}

fn cause_line(cause: &Cause, several: bool, zone: &TimeZone) -> String {
    let account = if several { format!("account {}: ", cause.account_key) } else { String::new() };
    let (from, reason) = (time(cause.from, zone), &cause.reason);
    if cause.lost {
        let number = match cause.reports {
            1 => format!("report of {} is", cause.subject),
            reports => format!("{reports} reports are"),
        };
        return format!("{account}from {from} {number} lost for good: {reason}");
    }
    match (cause.reports, cause.closed) {
        (1, None) => format!("{account}report of {} from {from} still open: {reason}", cause.subject),
        (1, Some(at)) => {
            let to = time(at, zone);
            format!("{account}report of {} from {from} to {to}, closed: {reason}", cause.subject)
        }
        (_, None) => format!("{account}since {from} {} (--each names them)", cannot_be_had(cause)),
        (reports, Some(at)) => {
            let to = time(at, zone);
            format!("{account}{reports} reports could not be had from {from} to {to}, closed: {reason}")
        }
    }
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
        Some(to) if gap.is_lost() => format!("to {}, lost for good", time(to)),
        Some(to) => {
            let found = counted(gap.reports.unsigned_abs(), "report", "reports");
            format!("to {}, closed, {found} found", time(to))
        }
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
        let lines =
            |running, missing| Standing { running, through, missing, per_s: 8.0 }.lines(&TimeZone::UTC);
        assert_eq!(lines(true, 0), [""; 0]);
        assert_eq!(lines(true, 4800), ["catching up: 4800 reports to fetch, about 10 min"]);
        let stopped = lines(false, 8);
        assert!(
            stopped[0].starts_with("not running: calls that ended since 2026-02-03 17:00:00"),
            "{stopped:?}"
        );
        assert_eq!(stopped[1], "to fetch at the next start: 8 reports, about 1 s");
        let quick = Standing { running: true, through, missing: 4800, per_s: 400.0 };
        assert_eq!(quick.lines(&TimeZone::UTC), ["catching up: 4800 reports to fetch, about 12 s"]);
    }

    #[tokio::test]
    async fn a_cause_is_one_line_and_the_flag_names_each_report() {
        let folder = tempfile::tempdir().unwrap();
        let store = crate::store::testing::open(folder.path()).await;
        let pool = &store.pool;
        let at = "2026-02-03T17:00:00Z".parse().unwrap();
        ledger::begin(pool, "17", at, &[]).await.unwrap();
        ledger::open_gap(pool, "17", GapKind::Connection, "", "lost", at).await.unwrap();
        for id in ["a", "b", "c"] {
            crate::store::pending::announce(pool, "17", id, at).await.unwrap();
            let reason = if id == "c" { "status 404" } else { "status 403; sign in" };
            causes::cannot_be_had(pool, "17", id, reason, at).await.unwrap();
        }
        let printed = async |what| {
            let (mut reader, writer) = tokio::io::duplex(64 * 1024);
            let open = gaps(folder.path(), what, Box::new(writer)).await.unwrap();
            let mut text = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut text).await.unwrap();
            (open, text.lines().map(str::to_owned).collect::<Vec<_>>())
        };
        let (open, lines) = printed(What::default()).await;
        // The collector that does not run is the fifth.
        assert_eq!((open, lines.len()), (5, 4), "{lines:?}");
        assert!(lines[0].starts_with("connection from"), "{lines:?}");
        assert!(
            lines[1].contains("2 reports cannot be had: status 403; sign in (--each names them)"),
            "{lines:?}"
        );
        assert!(lines[2].starts_with("report of c from") && lines[2].ends_with("still open: status 404"));
        for what in [What { each: true, ..What::default() }, What { json: true, ..What::default() }] {
            let (open, lines) = printed(what).await;
            assert_eq!((open, lines.len()), (5, 5), "{lines:?}");
            assert!(lines[1].contains('a') && lines[2].contains("status 403"), "{lines:?}");
        }

        // What was given up is no open gap, and is told all the same.
        for id in ["a", "b", "c"] {
            causes::give_up(pool, "17", &crate::store::testing::asked(id), at).await.unwrap();
        }
        ledger::looked(pool, "17", sdk::pull::Watermark::new(at), Some((9, at)), 0).await.unwrap();
        let _running = OneApp::take(folder.path(), NICKNAME).unwrap();
        let (open, lines) = printed(What::default()).await;
        assert_eq!((open, lines.len()), (0, 1), "{lines:?}");
        assert!(lines[0].ends_with("is stored, except 3 that are lost for good (--all)."), "{lines:?}");
        let (_, lines) = printed(What { all: true, ..What::default() }).await;
        assert!(lines[1].contains("3 reports are lost for good: it was asked for in vain"), "{lines:?}");
        let (_, lines) = printed(What { all: true, each: true, json: false }).await;
        assert!(lines[1].contains("report of a from") && lines[1].contains(", lost for good: "), "{lines:?}");
    }
}
