//! `callfeed gaps`: what was missing, from when to when, and what still is.

use std::io;
use std::path::Path;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use tokio::io::AsyncWriteExt as _;

use super::Out;
use crate::limits;
use crate::store::Store;
use crate::store::ledger::{self, Gap};

/// Prints the open gaps of the store, with `all` those that are closed too. Returns how many are open.
///
/// # Errors
/// When the store cannot be read or the output fails.
pub async fn gaps(state_dir: &Path, all: bool, json: bool, mut out: Out) -> anyhow::Result<usize> {
    let store = Store::open_existing(state_dir).await?;
    let (mut after, mut open) = (0, 0);
    loop {
        let page = ledger::gaps(&store.pool, all, after, limits::LIST_PAGE)
            .await
            .context("cannot read the store")?;
        let Some(last) = page.last() else { break };
        after = last.number;
        for gap in &page {
            open += usize::from(gap.closed.is_none());
            let line = if json { serde_json::to_string(gap)? } else { line(gap, &TimeZone::system()) };
            if !write(&mut out, &line).await? {
                return Ok(open);
            }
        }
    }
    if !json && open == 0 {
        write(&mut out, "No gap is open: every call that ended so far is known.").await?;
    }
    Ok(open)
}

/// `false` when nobody reads any more.
async fn write(out: &mut Out, line: &str) -> io::Result<bool> {
    let written = match out.write_all(format!("{line}\n").as_bytes()).await {
        Ok(()) => out.flush().await,
        failed => failed,
    };
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}

fn line(gap: &Gap, zone: &TimeZone) -> String {
    let time = |at: jiff::Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let until = match gap.to {
        Some(to) => format!("to {}, closed, {} reports found", time(to), gap.reports),
        None => "still open".to_owned(),
    };
    let subject = if gap.subject.is_empty() { String::new() } else { format!(" of {}", gap.subject) };
    format!("{}{subject} from {} {until}: {}", gap.kind, time(gap.from), gap.reason)
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
        let open = line(&gap, &TimeZone::UTC);
        assert_eq!(open, "connection from 2026-02-03 17:00:00 still open: closed by the server");
        (gap.to, gap.closed) = (Some(gap.from), Some(gap.from));
        gap.reports = 3;
        assert!(line(&gap, &TimeZone::UTC).contains("to 2026-02-03 17:00:00, closed, 3 reports found"));
    }
}
