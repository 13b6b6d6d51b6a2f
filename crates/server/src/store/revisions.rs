//! Later editions of a report: each replaces the one before, and is told of by an entry of its own.

use serde_json::value::RawValue;
use wire::report::{Report, Summary};

use super::StoreResult;
use super::log::{EntryKind, Subject};
use super::recordings::{self, NewRecording, write_recordings};
use super::rows::Writing;
use super::writer::{NewEntry, Prepared, announcements};
use crate::time;

/// A report that replaces the one before.
#[derive(Debug)]
pub struct Revision {
    pub report: Report,
    pub summary: Summary,
    /// 1 for the first revision, plus 1 each time.
    pub number: usize,
    /// The recordings of this edition were in none before.
    pub new_recordings: bool,
    /// The transcripts of this edition were in none before.
    pub new_transcripts: bool,
}

/// A revision with everything encoded.
pub(super) struct Revised {
    summary: Box<RawValue>,
    pub(super) report: String,
    recordings: Vec<NewRecording>,
}

pub(super) fn prepare(revision: Revision) -> StoreResult<Prepared> {
    let Revision { report, summary, number, new_recordings, new_transcripts } = revision;
    let recordings = recordings::recordings(&report);
    let summary_json = serde_json::value::to_raw_value(&summary)?;
    let mut entries = vec![NewEntry {
        kind: EntryKind::Revision,
        sequence_number: i64::try_from(number).unwrap_or(i64::MAX),
        content: summary_json.clone(),
        subject: Subject::of_report(EntryKind::Revision, &summary),
    }];
    entries.extend(announcements(&recordings, new_recordings, new_transcripts)?);
    Ok(Prepared {
        account_key: report.account_key.clone(),
        conversation_space_id: report.conversation_space_id.clone(),
        call_created_us: time::parse_us(&report.call_created),
        entries,
        history: Vec::new(),
        report: None,
        revised: Some(Revised {
            summary: summary_json,
            report: serde_json::to_string(&report)?,
            recordings: if new_recordings || new_transcripts { recordings } else { Vec::new() },
        }),
    })
}

/// Who is in the call and how it ended stays as it was; so do the rows of call history.
pub(super) async fn write(tx: &mut Writing<'_>, append: &Prepared, revised: &Revised) -> StoreResult<()> {
    let update = "update reports set summary = $1, report = $2 where conversation_space_id = $3";
    let values =
        [revised.summary.get().into(), (&revised.report).into(), (&append.conversation_space_id).into()];
    tx.execute(update, &values).await?;
    let (account, id) = (append.account_key.as_str(), append.conversation_space_id.as_str());
    let rows: Vec<_> = revised.recordings.iter().map(|recording| (account, id, recording)).collect();
    write_recordings(tx, &rows).await
}
