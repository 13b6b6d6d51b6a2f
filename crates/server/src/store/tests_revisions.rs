//! Reports that are revised, on the database that CALLFEED_TEST_DATABASE names.

use engine::{Later, Request};

use super::tests::{Fresh, fresh, scenario};
use super::tests_reads::played;
use super::*;

#[tokio::test]
async fn a_revision_replaces_the_report_and_is_told_of_with_what_is_new() {
    let Fresh { store, office, _folder } = fresh().await;
    let (log, _writer) = LogWriter::start(store.clone(), |_| {});
    let mut first = played(&office, &Request::new(scenario("recording-revision"), 1), 1, 0);
    let Some(Ending { report, summary }) = first.ending.take() else { panic!("the call has ended") };
    let id = report.conversation_space_id.clone();
    let (early, early_summary) = engine::edition(&report, &summary, &[], &[Later::RecordingReady]);
    first.ending = Some(Ending { report: early, summary: early_summary });
    log.append(first).await.expect("appended");
    let head = store.log_head(&office.account_key).await.expect("a head");
    let recording = report.participants.iter().flat_map(|leg| &leg.recordings).next().expect("a recording");
    assert_eq!(store.recording(&recording.id).await.expect("a query"), None, "it is not uploaded yet");
    let edition = |report: &wire::report::Report, number, sound, transcripts| Revision {
        report: report.clone(),
        summary: summary.clone(),
        number,
        new_recordings: sound,
        new_transcripts: transcripts,
    };
    let (silent, _) = engine::edition(&report, &summary, &[], &[Later::TranscriptReady]);
    log.revise(edition(&silent, 1, true, false)).await.expect("revised");
    let uploaded = store.recording(&recording.id).await.expect("a query").expect("the recording");
    assert!(!uploaded.transcript_ready);
    log.revise(edition(&report, 2, false, true)).await.expect("revised");
    let uploaded = store.recording(&recording.id).await.expect("a query").expect("the recording");
    assert!(uploaded.transcript_ready);
    let entries = store.log_after(&office.account_key, head, 10).await.expect("entries");
    let kinds: Vec<EntryKind> = entries.iter().map(|entry| entry.kind).collect();
    let expected = [EntryKind::Revision, EntryKind::Recording, EntryKind::Revision, EntryKind::Transcript];
    assert_eq!(kinds, expected);
    assert_eq!(entries[0].subject().event, wire::report::REPORT_SUMMARY_REVISION);
    let stored = store.report(&id).await.expect("a query").expect("the report");
    let stored: wire::report::Report = serde_json::from_slice(&stored.report).expect("JSON");
    assert_eq!(stored, report, "the newest edition");
}
