//! The event log's one writer: groups what waits into one commit, and tells of it only afterwards.
//!
//! A call's last state, its report and the report's entry go into one commit, so there is no moment in which one
//! is known without the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use tokio::sync::{mpsc, oneshot};
use wire::Extra;
use wire::call_events::CallEvent;
use wire::recording::RecordingNotification;
use wire::report::{CallerOutcome, Report, Summary};

use super::history::{NewHistoryRow, write_history};
use super::log::{Entry, EntryKind, notification_id};
use super::recordings::{NewRecording, write_recordings};
use super::summaries::placeholders;
use super::{KeyKind, Store, StoreError, StoreResult, recordings, summaries};
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

struct Job {
    append: Prepared,
    done: oneshot::Sender<Result<(), String>>,
}

/// An append with everything encoded, so that a commit can be tried again.
struct Prepared {
    account_key: String,
    conversation_space_id: String,
    call_created_us: i64,
    entries: Vec<NewEntry>,
    report: Option<NewReport>,
}

struct NewEntry {
    kind: EntryKind,
    sequence_number: i64,
    content: Box<RawValue>,
}

struct NewReport {
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
        let append = prepare(append)?;
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
    for (place, new) in prepared.report.iter().flat_map(|report| &report.recordings).enumerate() {
        let id = new.recording_id.clone();
        let content = serde_json::value::to_raw_value(&RecordingNotification {
            recording_id: id,
            extra: Extra::new(),
        })?;
        let sequence_number = i64::try_from(place + 1).unwrap_or(i64::MAX);
        let transcript = new.transcript.then(|| content.clone());
        prepared.entries.push(NewEntry { kind: EntryKind::Recording, sequence_number, content });
        if let Some(content) = transcript {
            prepared.entries.push(NewEntry { kind: EntryKind::Transcript, sequence_number, content });
        }
    }
    Ok(())
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
        write_call(&mut tx, append).await?;
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
    write_entries(&mut tx, &written).await?;
    tx.commit().await?;
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

/// Inserts entries, many by one statement where there are many: each statement costs a switch to the database's
/// thread or server. Two sizes, so that two prepared statements serve all.
async fn write_entries(tx: &mut AnyConnection, entries: &[(Arc<Entry>, i64)]) -> StoreResult<()> {
    let (whole, rest) = entries.split_at(entries.len() - entries.len() % limits::LOG_ROWS_PER_STATEMENT);
    for rows in whole.chunks(limits::LOG_ROWS_PER_STATEMENT) {
        insert_rows(tx, rows).await?;
    }
    for row in rest {
        insert_rows(tx, std::slice::from_ref(row)).await?;
    }
    Ok(())
}

async fn insert_rows(tx: &mut AnyConnection, rows: &[(Arc<Entry>, i64)]) -> StoreResult<()> {
    const COLUMNS: usize = 8;
    let values: Vec<String> =
        (0..rows.len()).map(|row| format!("({})", placeholders(row * COLUMNS + 1, COLUMNS))).collect();
    let text = format!(
        "insert into log (account_key, position, conversation_space_id, kind, sequence_number,
            notification_id, at_us, content) values {}",
        values.join(", ")
    );
    // The text holds nothing but the placeholders made above.
    let mut insert = sqlx::query(AssertSqlSafe(text));
    for (entry, sequence_number) in rows {
        insert = insert
            .bind(&entry.account_key)
            .bind(entry.position)
            .bind(&entry.conversation_space_id)
            .bind(entry.kind.as_str())
            .bind(sequence_number)
            .bind(&entry.notification_id)
            .bind(entry.at_us)
            .bind(entry.content.get());
    }
    insert.execute(tx).await?;
    Ok(())
}

async fn write_call(tx: &mut AnyConnection, append: &Prepared) -> StoreResult<()> {
    if append.entries.first().is_some_and(|entry| entry.sequence_number == 1) {
        sqlx::query(
            "insert into calls (conversation_space_id, account_key, created_us, ended_us)
             values ($1, $2, $3, 0)",
        )
        .bind(&append.conversation_space_id)
        .bind(&append.account_key)
        .bind(append.call_created_us)
        .execute(&mut *tx)
        .await?;
    }
    let Some(report) = &append.report else { return Ok(()) };
    sqlx::query("update calls set ended_us = $1 where conversation_space_id = $2")
        .bind(report.ended_us)
        .bind(&append.conversation_space_id)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "insert into reports (conversation_space_id, account_key, call_created_us, call_ended_us, outcome,
            summary, report) values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&append.conversation_space_id)
    .bind(&append.account_key)
    .bind(append.call_created_us)
    .bind(report.ended_us)
    .bind(&report.outcome)
    .bind(report.summary.get())
    .bind(&report.report)
    .execute(&mut *tx)
    .await?;
    let id = &append.conversation_space_id;
    summaries::write_parties(tx, id, &report.parties).await?;
    write_history(tx, &append.account_key, id, &report.history).await?;
    write_recordings(tx, &append.account_key, id, &report.recordings).await
}
