//! The event log's one writer: groups what waits into one commit, and tells of it only afterwards.
//!
//! A call's last state, its report and the report's entry go into one commit, so there is no moment in which one
//! is known without the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use serde_json::value::RawValue;
use sqlx::Any;
use sqlx::pool::PoolConnection;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use wire::Extra;
use wire::call_events::CallEvent;
use wire::call_history::HistoryCall;
use wire::recording::RecordingNotification;
use wire::report::{Report, Summary};

use super::history::NewHistoryRow;
use super::log::{Entry, EntryKind, Subject};
use super::recordings::NewRecording;
use super::revisions::{self, Revised, Revision};
use super::rows::Writing;
use super::{KeyKind, Store, StoreError, StoreResult, StoredReport, commit, local, recordings, summaries};
use crate::limits;
use crate::ops::metrics::LogMeter;
use crate::time;

/// New states of one call, in order.
#[derive(Debug)]
pub struct Append {
    pub events: Vec<CallEvent>,
    /// Rows of call history of the legs that end with these states, each with its leg's number in the call, from 1.
    pub history: Vec<(usize, HistoryCall)>,
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
    pub(super) history: Vec<NewHistoryRow>,
    pub(super) report: Option<NewReport>,
    pub(super) revised: Option<Revised>,
}

pub(super) struct NewEntry {
    pub(super) kind: EntryKind,
    pub(super) sequence_number: i64,
    pub(super) content: Box<RawValue>,
    pub(super) subject: Subject,
}

pub(super) struct NewReport {
    pub(super) ended_us: i64,
    pub(super) outcome: String,
    pub(super) summary: Box<RawValue>,
    pub(super) report: String,
    pub(super) parties: Vec<(KeyKind, String)>,
    pub(super) recordings: Vec<NewRecording>,
}

/// Handle to the writer's task. Cheap to clone.
#[derive(Clone)]
pub struct LogWriter {
    jobs: mpsc::Sender<Job>,
    failing: Arc<AtomicBool>,
    last_try: CancellationToken,
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
        // SQLite is spoken to where the writer runs, which therefore has a thread of its own.
        let own_thread = store.local.is_some();
        let failing = Arc::new(AtomicBool::new(false));
        let last_try = CancellationToken::new();
        let (told, asked) = (Arc::clone(&failing), last_try.clone());
        let log = Log { store, turn: None, connection: None, meter, failing: told, last_try: asked };
        let writing = write_all(log, inbox, publish);
        let task = if own_thread {
            let runtime = tokio::runtime::Handle::current();
            tokio::task::spawn_blocking(move || runtime.block_on(writing))
        } else {
            tokio::spawn(writing)
        };
        (Self { jobs, failing, last_try }, task)
    }

    /// Once it is cancelled nothing is tried again: what waits has one try each, so that the task ends soon.
    pub fn last_try(&self) -> CancellationToken {
        self.last_try.clone()
    }

    /// Whether the last try to write was in vain.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// Where the last try was in vain, looks whether it can be written now: nobody else may try for long.
    pub async fn look_again(&self, store: &Store) {
        if self.is_failing() && store.takes_entries().await.is_ok() {
            works_again(&self.failing);
        }
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
            Ok(Err(why)) => Err(StoreError::NotWritten(why)),
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
        entries: Vec::with_capacity(append.events.len() + append.history.len() + 1),
        history: Vec::with_capacity(append.history.len()),
        report: None,
        revised: None,
    };
    for event in &append.events {
        prepared.entries.push(NewEntry {
            kind: EntryKind::State,
            sequence_number: i64::try_from(event.state.sequence_number).unwrap_or(i64::MAX),
            content: serde_json::value::to_raw_value(event)?,
            subject: Subject::of_state(event),
        });
    }
    // After the states in which the legs end, before the report of the call.
    for (number, call) in &append.history {
        let content = serde_json::value::to_raw_value(call)?;
        prepared.history.push(NewHistoryRow::new(call, content.get()));
        let sequence_number = i64::try_from(*number).unwrap_or(i64::MAX);
        let subject = Subject::of_history(call);
        prepared.entries.push(NewEntry { kind: EntryKind::History, sequence_number, content, subject });
    }
    if let Some(Ending { report, summary }) = append.ending {
        let summary_json = serde_json::value::to_raw_value(&summary)?;
        prepared.entries.push(NewEntry {
            kind: EntryKind::Report,
            sequence_number: 0,
            content: summary_json.clone(),
            subject: Subject::of_report(EntryKind::Report, &summary),
        });
        prepared.report = Some(NewReport {
            ended_us: time::parse_us(&report.call_ended),
            outcome: summary.caller_outcome.as_str().to_owned(),
            summary: summary_json,
            report: serde_json::to_string(&report)?,
            parties: summaries::parties(&summary),
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
            let (kind, content) = (EntryKind::Recording, content.clone());
            entries.push(NewEntry { kind, sequence_number, content, subject: Subject::of_account(kind) });
        }
        if transcripts && new.transcript {
            let (kind, subject) = (EntryKind::Transcript, Subject::of_account(EntryKind::Transcript));
            entries.push(NewEntry { kind, sequence_number, content, subject });
        }
    }
    Ok(entries)
}

/// SQLite knows one writer: whoever has this connection, which nobody uses meanwhile, may write.
struct Turn {
    _connection: PoolConnection<Any>,
    until: Instant,
}

/// What the writer writes with.
struct Log {
    store: Store,
    turn: Option<Turn>,
    /// Opened by the first commit on SQLite.
    connection: Option<rusqlite::Connection>,
    meter: LogMeter,
    failing: Arc<AtomicBool>,
    last_try: CancellationToken,
}

/// Said once, by whoever finds out first.
fn works_again(failing: &AtomicBool) {
    if failing.swap(false, Ordering::AcqRel) {
        tracing::info!("event log: it can be written again");
    }
}

async fn write_all(
    mut log: Log,
    mut inbox: mpsc::Receiver<Job>,
    publish: impl Fn(Vec<Arc<Entry>>) + Send + Sync + 'static,
) {
    let mut batch = Vec::new();
    while let Some(job) = log.next(&mut inbox).await {
        let mut entries = job.append.entries.len();
        batch.push(job);
        while entries < limits::LOG_BATCH_MAX {
            let Ok(job) = inbox.try_recv() else { break };
            entries += job.append.entries.len();
            batch.push(job);
        }
        if batch.len() > 1 && commit_and_tell(&mut log, &mut batch, 1, &publish).await.is_ok() {
            continue;
        }
        // One at a time with retries, so that an append that cannot be written takes no other with it.
        for job in batch.drain(..) {
            let mut alone = vec![job];
            let told = commit_and_tell(&mut log, &mut alone, limits::LOG_COMMIT_TRIES, &publish).await;
            if let Err(error) = told {
                for job in alone {
                    let _ = job.done.send(Err(error.to_string()));
                }
            }
        }
    }
}

/// When this succeeds the whole batch is durable, everybody has been told, and the batch is empty.
async fn commit_and_tell(
    log: &mut Log,
    batch: &mut Vec<Job>,
    tries_max: u32,
    publish: &impl Fn(Vec<Arc<Entry>>),
) -> StoreResult<()> {
    let entries = commit_with_retries(log, batch, tries_max).await?;
    publish(entries);
    for job in batch.drain(..) {
        // The caller may have gone; its states are durable all the same.
        let _ = job.done.send(Ok(()));
    }
    Ok(())
}

async fn commit_with_retries(log: &mut Log, batch: &[Job], tries_max: u32) -> StoreResult<Vec<Arc<Entry>>> {
    let mut tries = 0;
    loop {
        tries += 1;
        let started = Instant::now();
        let committed = log.commit(batch).await;
        match &committed {
            Ok(entries) => {
                works_again(&log.failing);
                log.meter.committed(batch.len(), entries.len(), started);
            }
            Err(_) => {
                log.failing.store(true, Ordering::Release);
                log.meter.failed();
                // Others may write, and look whether anything can be written, while this one waits.
                log.turn = None;
            }
        }
        match committed {
            Ok(entries) => return Ok(entries),
            Err(error) if tries < tries_max && !log.last_try.is_cancelled() => {
                tracing::warn!(tries, "event log: commit failed, trying again: {error}");
                let pause = tokio::time::sleep(limits::LOG_COMMIT_RETRY * tries);
                log.last_try.run_until_cancelled(pause).await;
            }
            Err(error) => {
                tracing::error!(batch = batch.len(), "event log: commit failed: {error}");
                return Err(error);
            }
        }
    }
}

impl Store {
    /// Whether the log can be written: an entry of no account is written and taken away in one commit.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn takes_entries(&self) -> StoreResult<()> {
        let mut tx = self.write.begin().await?;
        let insert = "insert into log (account_key, position, conversation_space_id, kind, sequence_number,
                notification_id, at_us, content)
             values ('', 0, '', '', 0, '', 0, '')";
        sqlx::query(insert).execute(&mut *tx).await?;
        sqlx::query("delete from log where account_key = ''").execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }
}

impl Log {
    /// The next job. The turn to write, which takes two threads to hand over, is kept for a while if there is more.
    async fn next(&mut self, inbox: &mut mpsc::Receiver<Job>) -> Option<Job> {
        if let Some(turn) = &self.turn
            && Instant::now() < turn.until
            && let Ok(job) = tokio::time::timeout_at(turn.until.into(), inbox.recv()).await
        {
            return job;
        }
        self.turn = None;
        inbox.recv().await
    }

    /// Writes the batch as one commit.
    async fn commit(&mut self, batch: &[Job]) -> StoreResult<Vec<Arc<Entry>>> {
        let appends: Vec<&Prepared> = batch.iter().map(|job| &job.append).collect();
        let entries = match &self.store.local {
            None => {
                let mut tx = self.store.write.begin().await?;
                let entries = commit::write(&mut Writing::Any(&mut tx), &appends, &self.store.clock).await?;
                tx.commit().await?;
                entries
            }
            Some(local) => {
                if self.turn.is_none() {
                    let connection = self.store.write.acquire().await?;
                    self.turn =
                        Some(Turn { _connection: connection, until: Instant::now() + limits::LOG_TURN_MAX });
                }
                let connection = match &mut self.connection {
                    Some(connection) => connection,
                    none => none.insert(local.writer()?),
                };
                local::begin(connection)?;
                let written =
                    commit::write(&mut Writing::Local(connection), &appends, &self.store.clock).await;
                let ended = local::end(connection, written);
                if ended.is_err() {
                    // Whatever state it is in, the next commit begins on a fresh one.
                    self.connection = None;
                }
                ended?
            }
        };
        remember_reports(&self.store, batch);
        entries.iter().for_each(|entry| self.store.call_lines.told(entry));
        Ok(entries)
    }
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
