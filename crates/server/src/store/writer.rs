//! The event log's one writer: groups what waits into one commit, and tells of it only afterwards.
//!
//! A call's last state, its report and the report's entry go into one commit, so there is no moment in which one
//! is known without the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::value::RawValue;
use sqlx::{AnyConnection, Row as _};
use tokio::sync::{mpsc, oneshot};
use wire::Extra;
use wire::call_events::CallEvent;
use wire::recording::RecordingNotification;
use wire::report::{CallerOutcome, Report, Summary};

use super::history::{NewHistoryRow, write_history};
use super::insert::{Insert, insert};
use super::log::{Entry, EntryKind};
use super::notification_ids::notification_id;
use super::recordings::{NewRecording, write_recordings};
use super::revisions::{self, Revised, Revision};
use super::{KeyKind, Store, StoreError, StoreResult, StoredReport, recordings, summaries};
use crate::limits;
use crate::ops::metrics::LogMeter;
use crate::time;

/// New states of one call, in order.
#[derive(Debug)]
pub struct Append {
    pub events: Vec<CallEvent>,
    /// Given with the call's last state.
    pub ending: Option<Ending>,
}

#[derive(Debug)]
pub struct Ending {
    pub report: Report,
    pub summary: Summary,
}

pub(super) struct Job {
    append: Prepared,
    done: oneshot::Sender<Result<(), String>>,
}

/// An append with everything encoded, so that a commit can be tried again.
pub(super) struct Prepared {
    pub(super) account_key: String,
    pub(super) conversation_space_id: String,
    pub(super) call_created_us: i64,
    pub(super) entries: Vec<NewEntry>,
    pub(super) report: Option<NewReport>,
    pub(super) revised: Option<Revised>,
}

pub(super) struct NewEntry {
    pub(super) kind: EntryKind,
    pub(super) sequence_number: i64,
    pub(super) content: Box<RawValue>,
}

pub(super) struct NewReport {
    ended_us: i64,
    outcome: String,
    summary: Box<RawValue>,
    report: String,
    parties: Vec<(KeyKind, String)>,
    history: Vec<NewHistoryRow>,
    recordings: Vec<NewRecording>,
}

/// Handle to the writer's task. Cheap to clone.
#[derive(Clone)]
pub struct LogWriter {
    jobs: mpsc::Sender<Job>,
}

impl LogWriter {
    /// [`LogWriter::start_measured`] without a meter.
    #[cfg(test)]
    pub fn start(
        store: Store,
        publish: impl Fn(Vec<Arc<Entry>>) + Send + Sync + 'static,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        Self::start_measured(store, LogMeter::none(), publish)
    }

    /// Starts the task. `publish` hears of every entry after its commit, in the order of its account's log.
    /// The task ends when the last handle is dropped, after writing what waits.
    pub fn start_measured(
        store: Store,
        meter: LogMeter,
        publish: impl Fn(Vec<Arc<Entry>>) + Send + Sync + 'static,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (jobs, inbox) = mpsc::channel(limits::LOG_QUEUE_MAX);
        (Self { jobs }, tokio::spawn(write_all(store, meter, inbox, publish)))
    }

    /// Appends in the queue.
    pub fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Appends the states of one call; returns when they are durable.
    ///
    /// # Errors
    /// When the database refuses, after some tries; then nothing of this append was written.
    pub async fn append(&self, append: Append) -> StoreResult<()> {
        self.write(prepare(append)?).await
    }

    /// Replaces a call's report; returns when the new one is durable.
    ///
    /// # Errors
    /// As [`LogWriter::append`].
    pub async fn revise(&self, revision: Revision) -> StoreResult<()> {
        self.write(revisions::prepare(revision)?).await
    }

    async fn write(&self, append: Prepared) -> StoreResult<()> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(Job { append, done }).await.map_err(|_| StoreError::WriterGone)?;
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(StoreError::Sql(sqlx::Error::Protocol(why))),
            Err(_) => Err(StoreError::WriterGone),
        }
    }
}

fn prepare(append: Append) -> StoreResult<Prepared> {
    let first = append.events.first().ok_or_else(|| {
        StoreError::Sql(sqlx::Error::Protocol("an append needs at least one state".to_owned()))
    })?;
    let mut prepared = Prepared {
        account_key: first.metadata.account_key.clone(),
        conversation_space_id: first.metadata.conversation_space_id.clone(),
        call_created_us: time::parse_us(&first.metadata.call_created),
        entries: Vec::with_capacity(append.events.len() + 1),
        report: None,
        revised: None,
    };
    for event in &append.events {
        prepared.entries.push(NewEntry {
            kind: EntryKind::State,
            sequence_number: i64::try_from(event.state.sequence_number).unwrap_or(i64::MAX),
            content: serde_json::value::to_raw_value(event)?,
        });
    }
    if let Some(Ending { report, summary }) = append.ending {
        let truncated = summary.caller_outcome == CallerOutcome::Truncated;
        let mut history = Vec::new();
        for (place, call) in engine::history(&report, truncated).iter().enumerate() {
            let content = serde_json::value::to_raw_value(call)?;
            history.push(NewHistoryRow::new(call, content.get()));
            let sequence_number = i64::try_from(place + 1).unwrap_or(i64::MAX);
            prepared.entries.push(NewEntry { kind: EntryKind::History, sequence_number, content });
        }
        let summary_json = serde_json::value::to_raw_value(&summary)?;
        prepared.entries.push(NewEntry {
            kind: EntryKind::Report,
            sequence_number: 0,
            content: summary_json.clone(),
        });
        prepared.report = Some(NewReport {
            ended_us: time::parse_us(&report.call_ended),
            outcome: summary.caller_outcome.as_str().to_owned(),
            summary: summary_json,
            report: serde_json::to_string(&report)?,
            parties: summaries::parties(&summary),
            history,
            recordings: recordings::recordings(&report),
        });
        announce_recordings(&mut prepared)?;
    }
    Ok(prepared)
}

/// Recordings are told of after the report that names them.
fn announce_recordings(prepared: &mut Prepared) -> StoreResult<()> {
    let recordings = prepared.report.as_ref().map(|report| report.recordings.as_slice()).unwrap_or_default();
    let told = announcements(recordings, true, true)?;
    prepared.entries.extend(told);
    Ok(())
}

/// One entry for each recording and each transcript that is there, where wanted.
pub(super) fn announcements(
    recordings: &[NewRecording],
    sound: bool,
    transcripts: bool,
) -> StoreResult<Vec<NewEntry>> {
    let mut entries = Vec::new();
    for (place, new) in recordings.iter().enumerate() {
        let notification =
            RecordingNotification { recording_id: new.recording_id.clone(), extra: Extra::new() };
        let content = serde_json::value::to_raw_value(&notification)?;
        let sequence_number = i64::try_from(place + 1).unwrap_or(i64::MAX);
        if sound {
            let content = content.clone();
            entries.push(NewEntry { kind: EntryKind::Recording, sequence_number, content });
        }
        if transcripts && new.transcript {
            entries.push(NewEntry { kind: EntryKind::Transcript, sequence_number, content });
        }
    }
    Ok(entries)
}

async fn write_all(
    store: Store,
    meter: LogMeter,
    mut inbox: mpsc::Receiver<Job>,
    publish: impl Fn(Vec<Arc<Entry>>) + Send + Sync + 'static,
) {
    let mut batch = Vec::new();
    while let Some(job) = inbox.recv().await {
        let mut entries = job.append.entries.len();
        batch.push(job);
        while entries < limits::LOG_BATCH_MAX {
            let Ok(job) = inbox.try_recv() else { break };
            entries += job.append.entries.len();
            batch.push(job);
        }
        if batch.len() > 1 && commit_and_tell(&store, &meter, &mut batch, 1, &publish).await {
            continue;
        }
        // One at a time with retries, so that an append that cannot be written takes no other with it.
        for job in batch.drain(..) {
            let mut alone = vec![job];
            if !commit_and_tell(&store, &meter, &mut alone, limits::LOG_COMMIT_TRIES, &publish).await {
                for job in alone {
                    let _ = job.done.send(Err("the states could not be stored".to_owned()));
                }
            }
        }
    }
}

/// True when the whole batch is durable; then everybody has been told and the batch is empty.
async fn commit_and_tell(
    store: &Store,
    meter: &LogMeter,
    batch: &mut Vec<Job>,
    tries_max: u32,
    publish: &impl Fn(Vec<Arc<Entry>>),
) -> bool {
    let Ok(entries) = commit_with_retries(store, meter, batch, tries_max).await else { return false };
    publish(entries);
    for job in batch.drain(..) {
        // The caller may have gone; its states are durable all the same.
        let _ = job.done.send(Ok(()));
    }
    true
}

async fn commit_with_retries(
    store: &Store,
    meter: &LogMeter,
    batch: &[Job],
    tries_max: u32,
) -> StoreResult<Vec<Arc<Entry>>> {
    let mut tries = 0;
    loop {
        tries += 1;
        let started = Instant::now();
        let committed = commit(store, batch).await;
        match &committed {
            Ok(entries) => meter.committed(batch.len(), entries.len(), started),
            Err(_) => meter.failed(),
        }
        match committed {
            Ok(entries) => return Ok(entries),
            Err(error) if tries < tries_max => {
                tracing::warn!(tries, "event log: commit failed, trying again: {error}");
                tokio::time::sleep(limits::LOG_COMMIT_RETRY * tries).await;
            }
            Err(error) => {
                tracing::error!(batch = batch.len(), "event log: commit failed: {error}");
                return Err(error);
            }
        }
    }
}

async fn commit(store: &Store, batch: &[Job]) -> StoreResult<Vec<Arc<Entry>>> {
    let mut tx = store.write.begin().await?;
    let at_us = time::now_us();
    let mut counts: HashMap<&str, i64> = HashMap::new();
    for Job { append, .. } in batch {
        *counts.entry(&append.account_key).or_default() += append.entries.len() as i64;
    }
    // In key order, so that two nodes never wait for each other crosswise.
    let mut accounts: Vec<&str> = counts.keys().copied().collect();
    accounts.sort_unstable();
    let mut next: HashMap<&str, i64> = HashMap::new();
    for account in accounts {
        next.insert(account, take_positions(&mut tx, account, counts[account]).await?);
    }
    let mut written: Vec<(Arc<Entry>, i64)> = Vec::new();
    for Job { append, .. } in batch {
        let position = next.get_mut(append.account_key.as_str()).expect("every account was given positions");
        for new in &append.entries {
            let entry = Entry::new(
                append.account_key.clone(),
                *position,
                append.conversation_space_id.clone(),
                new.kind,
                notification_id(&append.account_key, *position),
                at_us,
                new.content.clone(),
            );
            *position += 1;
            written.push((Arc::new(entry), new.sequence_number));
        }
    }
    write_calls(&mut tx, store.sqlite, batch).await?;
    write_reports(&mut tx, store.sqlite, batch).await?;
    for Job { append, .. } in batch {
        if let Some(revised) = &append.revised {
            revisions::write(&mut tx, store.sqlite, append, revised).await?;
        }
    }
    write_entries(&mut tx, store.sqlite, &written).await?;
    tx.commit().await?;
    remember_reports(store, batch);
    Ok(written.into_iter().map(|(entry, _)| entry).collect())
}

/// Reserves `count` positions of an account's log and returns the first.
async fn take_positions(tx: &mut AnyConnection, account_key: &str, count: i64) -> StoreResult<i64> {
    let row =
        sqlx::query("update accounts set log_head = log_head + $1 where account_key = $2 returning log_head")
            .bind(count)
            .bind(account_key)
            .fetch_one(tx)
            .await?;
    Ok(row.try_get::<i64, _>("log_head")? - count + 1)
}

async fn write_entries(
    tx: &mut AnyConnection,
    sqlite: bool,
    entries: &[(Arc<Entry>, i64)],
) -> StoreResult<()> {
    let table = Insert {
        into: "log (account_key, position, conversation_space_id, kind, sequence_number,
            notification_id, at_us, content)",
        columns: 8,
        tail: "",
    };
    insert(tx, sqlite, &table, entries, |query, (entry, sequence_number)| {
        query
            .bind(entry.account_key.as_str())
            .bind(entry.position)
            .bind(entry.conversation_space_id.as_str())
            .bind(entry.kind.as_str())
            .bind(*sequence_number)
            .bind(entry.notification_id.as_str())
            .bind(entry.at_us)
            .bind(entry.content.get())
    })
    .await
}

/// Calls that began or ended in this batch, each once: PostgreSQL touches a row once in a statement.
async fn write_calls(tx: &mut AnyConnection, sqlite: bool, batch: &[Job]) -> StoreResult<()> {
    let mut rows: Vec<(&Prepared, i64)> = Vec::new();
    let mut place_of: HashMap<&str, usize> = HashMap::new();
    for Job { append, .. } in batch {
        let begins = append.entries.first().is_some_and(|entry| entry.sequence_number == 1);
        let ended_us = append.report.as_ref().map_or(0, |report| report.ended_us);
        if append.revised.is_some() || (!begins && append.report.is_none()) {
            continue;
        }
        match place_of.get(append.conversation_space_id.as_str()) {
            Some(place) => rows[*place].1 = ended_us,
            None => {
                place_of.insert(&append.conversation_space_id, rows.len());
                rows.push((append, ended_us));
            }
        }
    }
    let table = Insert {
        into: "calls (conversation_space_id, account_key, created_us, ended_us)",
        columns: 4,
        tail: " on conflict (conversation_space_id) do update set ended_us = excluded.ended_us",
    };
    insert(tx, sqlite, &table, &rows, |query, (append, ended_us)| {
        query
            .bind(append.conversation_space_id.as_str())
            .bind(append.account_key.as_str())
            .bind(append.call_created_us)
            .bind(*ended_us)
    })
    .await
}

/// Reports with what makes them findable.
async fn write_reports(tx: &mut AnyConnection, sqlite: bool, batch: &[Job]) -> StoreResult<()> {
    let ended = || batch.iter().filter_map(|job| Some((&job.append, job.append.report.as_ref()?)));
    let table = Insert {
        into: "reports (conversation_space_id, account_key, call_created_us, call_ended_us, outcome,
            summary, report)",
        columns: 7,
        tail: "",
    };
    let rows: Vec<(&Prepared, &NewReport)> = ended().collect();
    insert(tx, sqlite, &table, &rows, |query, (append, report)| {
        query
            .bind(append.conversation_space_id.as_str())
            .bind(append.account_key.as_str())
            .bind(append.call_created_us)
            .bind(report.ended_us)
            .bind(report.outcome.as_str())
            .bind(report.summary.get())
            .bind(report.report.as_str())
    })
    .await?;
    let (mut parties, mut history, mut recordings) = (Vec::new(), Vec::new(), Vec::new());
    for (append, report) in ended() {
        let (account, id) = (append.account_key.as_str(), append.conversation_space_id.as_str());
        parties.extend(report.parties.iter().map(|party| (id, party)));
        history.extend(report.history.iter().map(|row| (account, id, row)));
        recordings.extend(report.recordings.iter().map(|recording| (account, id, recording)));
    }
    summaries::write_parties(tx, sqlite, &parties).await?;
    write_history(tx, sqlite, &history).await?;
    write_recordings(tx, sqlite, &recordings).await
}

/// Who hears of a report fetches it at once.
fn remember_reports(store: &Store, batch: &[Job]) {
    for Job { append, .. } in batch {
        let first = append.report.as_ref().map(|report| &report.report);
        let Some(report) = append.revised.as_ref().map(|revised| &revised.report).or(first) else { continue };
        let (account_key, report) = (append.account_key.clone(), Bytes::copy_from_slice(report.as_bytes()));
        store.recent.put(&append.conversation_space_id, StoredReport { account_key, report });
    }
}
