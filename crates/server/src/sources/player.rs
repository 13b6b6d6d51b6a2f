//! Plays scripts: one task a call, each state durable before the next step.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engine::{Call, Nonce, Office, Script};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;
use wire::call_events::CallEvent;

use super::recovery;
use crate::app::App;
use crate::limits;
use crate::secrets;
use crate::store::{Append, Ending};

/// Counts the calls under way.
#[derive(Default)]
pub struct Player {
    under_way: Arc<AtomicUsize>,
}

/// A call's place among those under way; given back when it is dropped.
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Player {
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Acquire)
    }

    /// A place for one more call, if there is one.
    pub fn place(&self) -> Option<Place> {
        let taken = self.under_way.fetch_add(1, Ordering::AcqRel);
        let place = Place(Arc::clone(&self.under_way));
        (taken < limits::CALLS_UNDER_WAY_MAX).then_some(place)
    }
}

/// What the one who asked for a call hears of it.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The first state is durable.
    Started(String),
    /// The last state and the report are durable.
    Ended(String),
    /// The call could not go on.
    Failed(String),
}

/// Plays a script; `speed` divides its times. A call that the platform's stop cuts off is ended at the next start.
pub async fn play(
    app: Arc<App>,
    office: Arc<Office>,
    script: Script,
    speed: f64,
    place: Place,
    progress: mpsc::Sender<Progress>,
) {
    let shutdown = app.shutdown.clone();
    let outcome = tokio::select! {
        () = shutdown.cancelled() => Err("the platform stops".to_owned()),
        outcome = run(&app, &office, script, speed, &progress) => outcome,
    };
    drop(place);
    let last = match outcome {
        Ok(id) => Progress::Ended(id),
        Err(why) => Progress::Failed(why),
    };
    // The one who asked may have gone; the call is played all the same.
    let _ = progress.send(last).await;
}

async fn run(
    app: &App,
    office: &Office,
    script: Script,
    speed: f64,
    progress: &mpsc::Sender<Progress>,
) -> Result<String, String> {
    let mut call = Call::new(Nonce(secrets::nonce()), office.account_key.clone());
    let played = run_call(app, office, &mut call, script, speed, progress).await;
    if played.is_err() {
        // Nobody will end it but us: it must not stay under way for ever.
        recovery::end_when_possible(app, &office.account_key, call.conversation_space_id()).await;
    }
    played.map(|()| call.conversation_space_id().to_owned())
}

async fn run_call(
    app: &App,
    office: &Office,
    call: &mut Call,
    script: Script,
    speed: f64,
    progress: &mpsc::Sender<Progress>,
) -> Result<(), String> {
    let mut history: Vec<CallEvent> = Vec::new();
    let mut due = Instant::now();
    for step in script.steps {
        due += Duration::from_secs_f64(step.after_ms as f64 / 1000.0 / speed);
        // The timer counts milliseconds: what is nearer than one would be late by going to sleep.
        if due > Instant::now() + Duration::from_millis(1) {
            tokio::time::sleep_until(due).await;
        }
        let events = call.apply(Timestamp::now(), &step.command).map_err(|error| error.to_string())?;
        if events.is_empty() {
            continue;
        }
        let first = history.is_empty();
        history.extend(events.iter().cloned());
        let ending = call.is_ended().then(|| ending(office, &history)).flatten();
        app.log.append(Append { events, ending }).await.map_err(|error| {
            tracing::error!("a call could not go on: {error}");
            error.to_string()
        })?;
        if first {
            let _ = progress.send(Progress::Started(call.conversation_space_id().to_owned())).await;
        }
    }
    Ok(())
}

fn ending(office: &Office, history: &[CallEvent]) -> Option<Ending> {
    let (report, summary) = engine::fold(history, false, &|id| office.user_key(id))?;
    Some(Ending { report, summary })
}
