//! Plays scripts: one task a script, each state durable before the next step.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use engine::{Afterwards, Later, Nonce, Office, Part, Playback, Script, Step};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;
use wire::call_events::CallEvent;
use wire::report::{Report, Summary};

use super::recovery;
use crate::app::App;
use crate::clock::{Busy, Clock};
use crate::limits;
use crate::secrets;
use crate::store::{Append, Ending, Revision};

/// Counts the calls under way.
#[derive(Default)]
pub struct Player {
    under_way: Arc<AtomicUsize>,
    /// Scripts that were played on a virtual clock, from the start of its time on.
    played: AtomicU64,
}

/// The place of so many calls among those under way; given back when it is dropped.
pub struct Place {
    under_way: Arc<AtomicUsize>,
    calls: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.under_way.fetch_sub(self.calls, Ordering::AcqRel);
    }
}

impl Player {
    /// One that counts on from here; never from a number that was used on the same database.
    pub fn new(played: u64) -> Self {
        Self { under_way: Arc::default(), played: AtomicU64::new(played) }
    }

    /// From which a script's calls have their ids: chance, or on a virtual clock the seed and how many were played
    /// before, so that the same seeds in the same order give the same ids.
    pub fn nonce(&self, clock: &Clock, seed: u64) -> Nonce {
        if !clock.is_virtual() {
            return secrets::nonce_of_call(clock.now());
        }
        let number = self.played.fetch_add(1, Ordering::AcqRel);
        secrets::nonce_of_call_from(clock.now(), &format!("script {number} {seed}"))
    }

    /// A seed for who names none: chance, or on a virtual clock the number of scripts that were played.
    pub fn seed(&self, clock: &Clock) -> u64 {
        if clock.is_virtual() { self.played.load(Ordering::Acquire) } else { fastrand::u64(..) }
    }

    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Acquire)
    }

    /// A place for so many more calls, if there is one.
    pub fn place(&self, calls: usize) -> Option<Place> {
        let taken = self.under_way.fetch_add(calls, Ordering::AcqRel);
        let place = Place { under_way: Arc::clone(&self.under_way), calls };
        (taken.saturating_add(calls) <= limits::CALLS_UNDER_WAY_MAX).then_some(place)
    }
}

/// What the one who asked for a call hears of it.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The first state is durable.
    Started(String),
    /// The last state and the report are durable. `came` tells what the call came to, if that was asked.
    Ended { id: String, came: Option<Came> },
    /// A call could not go on.
    Failed(String),
}

/// A call beside what its file expects.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Came {
    /// The part of the file that it played.
    pub part: Part,
    /// Whether the file says what must come of such a call.
    pub compared: bool,
    /// What came otherwise, one line for people each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unexpected: Vec<String>,
}

/// One script and how it is played.
pub struct Play {
    pub office: Arc<Office>,
    pub script: Script,
    /// The script's; on a virtual clock the calls' ids come from it, too.
    pub seed: u64,
    /// Keeps a virtual clock where it is until the call has begun.
    pub busy: Busy,
    /// Divides the script's times.
    pub speed: f64,
    pub place: Place,
    pub progress: mpsc::Sender<Progress>,
    /// Whether calls are compared with what their file expects.
    pub compare: bool,
}

/// Plays a script to its end and its reports' last revisions. A call that the platform's stop cuts off is ended at the
/// next start; a revision that it cuts off is not made.
pub async fn play(app: Arc<App>, play: Play) {
    let shutdown = app.shutdown.clone();
    let progress = play.progress.clone();
    tokio::select! {
        () = shutdown.cancelled() => failed(&progress, "the platform stops".to_owned()).await,
        () = run(&app, play) => {}
    }
}

async fn failed(progress: &mpsc::Sender<Progress>, why: String) {
    // The one who asked may have gone; the calls are played all the same.
    let _ = progress.send(Progress::Failed(why)).await;
}

async fn run(app: &App, play: Play) {
    let mut stage = Stage {
        app,
        office: &play.office,
        script: &play.script,
        speed: play.speed,
        progress: &play.progress,
        compare: play.compare,
        playback: Playback::new(app.player.nonce(&app.clock, play.seed), play.office.account_key.clone()),
        histories: vec![Vec::new(); play.script.calls()],
        ended: Vec::new(),
        revisions: Vec::new(),
        turn: play.busy,
    };
    if let Err(why) = stage.play().await {
        // Told at once: it may take long until the log can be written again.
        failed(&play.progress, why).await;
        for number in 0..play.script.calls() {
            let Some(call) = stage.playback.call(number).filter(|call| !call.is_ended()) else { continue };
            // Nobody will end it but us: it must not stay under way for ever.
            recovery::end_when_possible(app, &play.office.account_key, call.conversation_space_id()).await;
        }
    }
    // Until here, so that what is under way is counted.
    drop(play.place);
}

/// A script while it is played.
struct Stage<'a> {
    app: &'a App,
    office: &'a Office,
    script: &'a Script,
    speed: f64,
    progress: &'a mpsc::Sender<Progress>,
    compare: bool,
    playback: Playback,
    /// The states of each call so far.
    histories: Vec<Vec<CallEvent>>,
    ended: Vec<Ended>,
    /// When a report is revised, soonest first.
    revisions: Vec<(Instant, Afterwards)>,
    /// Keeps a virtual clock where it is until the wait for the next step is known to it.
    turn: Busy,
}

/// A finished call whose report will be revised.
struct Ended {
    call: usize,
    report: Report,
    summary: Summary,
    known: Vec<(Later, Timestamp)>,
}

impl Stage<'_> {
    async fn play(&mut self) -> Result<(), String> {
        let mut due = self.app.clock.instant();
        for step in &self.script.steps {
            due += scaled(step.after_ms, self.speed);
            self.revise_until(Some(due)).await?;
            self.wait_until(due).await;
            self.step(step, due).await?;
        }
        self.revise_until(None).await
    }

    async fn wait_until(&mut self, due: Instant) {
        let before = std::mem::take(&mut self.turn);
        self.turn = self.app.clock.sleep_until(due, before).await;
    }

    async fn step(&mut self, step: &Step, due: Instant) -> Result<(), String> {
        let events = self.playback.apply(self.app.clock.now(), step).map_err(|error| error.to_string())?;
        let Some(id) = events.first().map(|event| event.metadata.conversation_space_id.clone()) else {
            return Ok(());
        };
        let first = self.histories[step.call].is_empty();
        self.histories[step.call].extend(events.iter().cloned());
        let history = engine::ended_legs(&self.histories[step.call], events.len(), false, self.office);
        let ended = self.playback.call(step.call).is_some_and(engine::Call::is_ended);
        let (ending, came) = if ended { self.ending(step.call) } else { (None, None) };
        self.app.log.append(Append { events, history, ending }).await.map_err(|error| {
            tracing::error!("a call could not go on: {error}");
            error.to_string()
        })?;
        if first {
            let _ = self.progress.send(Progress::Started(id.clone())).await;
        }
        if ended {
            let later = self.script.later(step.call).cloned();
            self.revisions.extend(later.map(|later| (due + scaled(later.after_ms, self.speed), later)));
            self.revisions.sort_by_key(|(due, _)| *due);
            let _ = self.progress.send(Progress::Ended { id, came }).await;
        }
        Ok(())
    }

    /// The first edition of the report, and what came of the call if that was asked.
    fn ending(&mut self, call: usize) -> (Option<Ending>, Option<Came>) {
        let history = std::mem::take(&mut self.histories[call]);
        let Some((report, summary)) = engine::fold(&history, false, self.office) else {
            return (None, None);
        };
        let came = self.compare.then(|| {
            let expected = self.script.expected[call].as_ref();
            let revisions = self.script.later(call).count();
            let unexpected = expected
                .map(|expected| engine::unexpected(expected, &history, (&report, &summary), revisions));
            let (part, compared) = (self.script.parts[call], expected.is_some());
            Came { part, compared, unexpected: unexpected.unwrap_or_default() }
        });
        let awaited: Vec<Later> = self.script.later(call).map(|later| later.what).collect();
        let (first, first_summary) = engine::edition(&report, &summary, &[], &awaited);
        if !awaited.is_empty() {
            self.ended.push(Ended { call, report, summary, known: Vec::new() });
        }
        (Some(Ending { report: first, summary: first_summary }), came)
    }

    /// Makes the revisions that are due before this, or all.
    async fn revise_until(&mut self, end: Option<Instant>) -> Result<(), String> {
        while let Some((due, _)) = self.revisions.first()
            && end.is_none_or(|end| *due < end)
        {
            let (due, later) = self.revisions.remove(0);
            self.wait_until(due).await;
            let Some(revision) = self.revision(&later) else { continue };
            self.app.log.revise(revision).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn revision(&mut self, later: &Afterwards) -> Option<Revision> {
        let ended = self.ended.iter_mut().find(|ended| ended.call == later.call)?;
        ended.known.push((later.what, self.app.clock.now()));
        let done = |what: Later| ended.known.iter().any(|(known, _)| *known == what);
        let awaited: Vec<Later> =
            self.script.later(later.call).map(|later| later.what).filter(|what| !done(*what)).collect();
        let (report, summary) = engine::edition(&ended.report, &ended.summary, &ended.known, &awaited);
        Some(Revision {
            report,
            summary,
            number: ended.known.len(),
            new_recordings: later.what == Later::RecordingReady,
            new_transcripts: matches!(later.what, Later::RecordingReady | Later::TranscriptReady),
        })
    }
}

fn scaled(ms: u64, speed: f64) -> Duration {
    Duration::from_secs_f64(ms as f64 / 1000.0 / speed)
}
