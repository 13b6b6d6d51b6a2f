//! What outputs have written of somebody: found for an export, and erased with the store.
//!
//! A line of a file is written over with one of the same length, so that a running collector, which knows how far its
//! files go, is not disturbed.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use super::csv_line::{ACCOUNT_COLUMN, ID_COLUMN, NUMBER_COLUMN};
use super::{Kind, Wanted};
use crate::reports::print::one_line;
use crate::store::reports::CallKey;
use crate::store::reports_table::ReportsTable;

/// Whose calls are looked for.
pub(in crate::reports) trait Match {
    /// A run of digits that each text with the number has.
    fn digits(&self) -> &str;
    /// Whether a report has the number.
    fn is_in(&self, report: &Value) -> bool;
    /// Whether a text is the number.
    fn is(&self, text: &str) -> bool;
}

/// What was erased, and what could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Calls of the store.
    pub calls: usize,
    /// Lines of files.
    pub lines: usize,
    /// Rows of PostgreSQL tables.
    pub rows: usize,
    /// Outputs that have passed on what they got.
    pub beyond_reach: Vec<String>,
    /// Reports of any number that are known of and still to be fetched: those with this one are erased as they arrive.
    pub to_fetch: u64,
}

/// Erases `calls`, and those with the number, from what outputs have written.
///
/// # Errors
/// When a file or a table cannot be written, by the output's name; what comes before it is erased then.
pub(in crate::reports) async fn erase(
    outputs: &[Wanted],
    calls: &BTreeSet<CallKey>,
    wanted: &impl Match,
    erased: &mut Erased,
) -> anyhow::Result<()> {
    for output in outputs {
        let failed = || format!("output {}: not all is erased; mend it and do it again", output.name);
        match &output.kind {
            Kind::Jsonl(folder) => {
                erased.lines +=
                    in_files(folder, "jsonl", |text| jsonl(text, calls, wanted)).with_context(failed)?
            }
            Kind::Csv(folder) => {
                erased.lines +=
                    in_files(folder, "csv", |text| csv(text, calls, wanted)).with_context(failed)?
            }
            Kind::Postgres(url) => erased.rows += in_table(url, calls, wanted).await.with_context(failed)?,
            Kind::Webhook { .. } | Kind::Command(_) => erased.beyond_reach.push(output.name.clone()),
        }
    }
    Ok(())
}

/// Texts with the number that outputs hold, each without white space between its parts.
///
/// # Errors
/// When a file or a table cannot be read, by the output's name.
pub(in crate::reports) async fn texts(
    outputs: &[Wanted],
    wanted: &impl Match,
) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let has = |text: &str| {
        text.contains(wanted.digits()) && serde_json::from_str(text).is_ok_and(|report| wanted.is_in(&report))
    };
    for output in outputs {
        let failed = || format!("output {}", output.name);
        match &output.kind {
            Kind::Jsonl(folder) => {
                for file in files(folder, "jsonl").with_context(failed)? {
                    let text = std::fs::read_to_string(file).with_context(failed)?;
                    found.extend(text.lines().filter(|line| has(line)).map(str::to_owned));
                }
            }
            Kind::Postgres(url) => {
                let mut table = ReportsTable::new(url).with_context(failed)?;
                let all = table.candidates(wanted.digits()).await.with_context(failed)?;
                found.extend(all.iter().filter(|one| has(&one.raw)).map(|one| one_line(&one.raw)));
            }
            // A line of a table is an extract of the report, which the store has.
            Kind::Csv(_) | Kind::Webhook { .. } | Kind::Command(_) => {}
        }
    }
    Ok(found)
}

async fn in_table(url: &str, calls: &BTreeSet<CallKey>, wanted: &impl Match) -> anyhow::Result<usize> {
    let mut table = ReportsTable::new(url)?;
    let mut calls = calls.clone();
    for candidate in table.candidates(wanted.digits()).await? {
        if serde_json::from_str(&candidate.raw).is_ok_and(|report| wanted.is_in(&report)) {
            calls.insert(candidate.call);
        }
    }
    let mut rows = 0;
    for call in &calls {
        rows += usize::from(table.erase(call).await?);
    }
    Ok(rows)
}

fn files(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let ours = name.starts_with("reports-") && path.extension().is_some_and(|found| found == extension);
        if ours {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A part of a file and what is to stand there, as long as the part.
type Patch = (usize, String);

fn in_files(folder: &Path, extension: &str, find: impl Fn(&str) -> Vec<Patch>) -> io::Result<usize> {
    let mut lines = 0;
    for path in files(folder, extension)? {
        let text = std::fs::read_to_string(&path)?;
        let patches = find(&text);
        if patches.is_empty() {
            continue;
        }
        let mut file = OpenOptions::new().write(true).open(&path)?;
        for (at, patch) in &patches {
            file.seek(SeekFrom::Start(*at as u64))?;
            file.write_all(patch.as_bytes())?;
        }
        file.sync_data()?;
        lines += patches.len();
    }
    Ok(lines)
}

fn jsonl(text: &str, calls: &BTreeSet<CallKey>, wanted: &impl Match) -> Vec<Patch> {
    let (mut at, mut patches) = (0, Vec::new());
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\r', '\n']);
        let is_theirs = |report: &Value| {
            let of = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
            let call =
                CallKey { conversation_space_id: of("conversationSpaceId"), account_key: of("accountKey") };
            calls.contains(&call) || wanted.is_in(report)
        };
        if serde_json::from_str::<Value>(bare).is_ok_and(|report| is_theirs(&report)) {
            patches.push((at, format!("{:<1$}", r#"{"erased":true}"#, bare.len())));
        }
        at += line.len();
    }
    patches
}

fn csv(text: &str, calls: &BTreeSet<CallKey>, wanted: &impl Match) -> Vec<Patch> {
    let mut reader = ::csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let (mut record, mut patches) = (::csv::StringRecord::new(), Vec::new());
    if reader.headers().is_err() {
        return patches;
    }
    let mut start = place(&reader);
    while reader.read_record(&mut record).unwrap_or(false) {
        let end = place(&reader);
        let of = |column: usize| record.get(column).unwrap_or_default();
        let call = CallKey {
            conversation_space_id: of(ID_COLUMN).to_owned(),
            account_key: of(ACCOUNT_COLUMN).to_owned(),
        };
        if calls.contains(&call) || wanted.is(of(NUMBER_COLUMN)) {
            let length = text[start..end].trim_end_matches(['\r', '\n']).len();
            let commas = ",".repeat(record.len().saturating_sub(1));
            let first = length.saturating_sub(commas.len());
            patches.push((start, format!("{:<first$}{commas}", "erased")));
        }
        start = end;
    }
    patches
}

fn place<R: io::Read>(reader: &::csv::Reader<R>) -> usize {
    usize::try_from(reader.position().byte()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::outputs::csv_line;
    use crate::reports::outputs::csv_line::tests::change;

    struct Number;

    impl Match for Number {
        fn digits(&self) -> &str {
            "5550147"
        }

        fn is_in(&self, report: &Value) -> bool {
            report.to_string().contains("+13125550147")
        }

        fn is(&self, text: &str) -> bool {
            text == "+13125550147"
        }
    }

    fn patched(text: &str, patches: &[Patch]) -> String {
        let mut text = text.to_owned();
        for (at, patch) in patches {
            text.replace_range(*at..at + patch.len(), patch);
        }
        text
    }

    #[test]
    fn lines_are_written_over_in_their_place() {
        let (theirs, other) = (change("report-inbound-call.json"), change("report-queue-call.json"));
        let other_line = one_line(&other.report.raw).replace("+13125550147", "+13125550199");
        let text = format!("{}\n{other_line}\n{{}}\n", one_line(&theirs.report.raw));
        let after = patched(&text, &jsonl(&text, &BTreeSet::new(), &Number));
        assert_eq!(after.len(), text.len());
        let lines: Vec<&str> = after.lines().collect();
        assert_eq!((lines[0].trim_end(), lines[1], lines[2]), (r#"{"erased":true}"#, &*other_line, "{}"));
        let mut call = CallKey {
            conversation_space_id: other.report.conversation_space_id.clone(),
            account_key: other.report.account_key.clone(),
        };
        let by = |call: &CallKey| jsonl(&text, &BTreeSet::from([call.clone()]), &Number).len();
        assert_eq!(by(&call), 2, "by the call's key, too");
        call.account_key = "18".to_owned();
        assert_eq!(by(&call), 1, "not a call of another account with the same id");
    }

    #[test]
    fn lines_of_a_table_keep_their_cells() {
        let (theirs, mut other) = (change("report-inbound-call.json"), change("report-queue-call.json"));
        other.report.raw = other.report.raw.replace("+13125550147", "+13125550199");
        let head = csv_line::head();
        let (theirs, other) = (csv_line::line(&theirs), csv_line::line(&other));
        let text = format!("{head}{other}{theirs}{other}");
        let after = patched(&text, &csv(&text, &BTreeSet::new(), &Number));
        assert!(!after.contains("+13125550147") && after.len() == text.len(), "{after}");
        assert_eq!(after.matches(other.trim_end()).count(), 2);
        let cells = |line: &str| line.matches(',').count();
        assert!(after.lines().nth(2).is_some_and(|line| cells(line) == cells(head.trim_end())), "{after}");
    }
}
