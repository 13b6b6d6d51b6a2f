//! The event log alone, for `callfeed bench`: what it makes durable when nothing else is to be done.

use std::path::Path;
use std::time::{Duration, Instant};

use engine::{Call, Nonce, Office, Request, Scenario};
use jiff::Timestamp;
use tokio::task::JoinSet;
use wire::call_events::CallEvent;

use crate::Error;
use crate::directory::example;
use crate::ops::metrics::Metrics;
use crate::store::{Append, LogWriter, Store, StoreResult};

/// What [`measure_log`] did.
#[derive(Clone, Copy, Debug)]
pub struct LogMeasured {
    /// Call states that became durable.
    pub states: usize,
    pub took: Duration,
    /// Length of a state's JSON text.
    pub bytes_mean: usize,
}

/// Writes the states of `calls_each` calls for each of `callers`, each caller one state after the other, into a fresh
/// database in `folder`. The calls have been played before the clock starts.
///
/// # Errors
/// When the database cannot be used.
pub async fn measure_log(folder: &Path, callers: usize, calls_each: usize) -> Result<LogMeasured, Error> {
    let store = Store::open(folder, None).await?;
    example::seed(&store, folder, "http://localhost").await?;
    let mut accounts = store.accounts().await?;
    let office = accounts.pop().expect("the example office was seeded above").office;
    let mut next = 0;
    let mut work: Vec<Vec<CallEvent>> = Vec::new();
    for _ in 0..callers {
        let mut states = Vec::new();
        for _ in 0..calls_each {
            next += 1;
            states.extend(played(&office, next));
        }
        work.push(states);
    }
    let (states, bytes) = size(&work);
    let (log, writer) = LogWriter::start_measured(store.clone(), Metrics::new().log, |_| {});
    let started = Instant::now();
    let mut tasks: JoinSet<StoreResult<()>> = JoinSet::new();
    for states in work {
        let log = log.clone();
        tasks.spawn(async move {
            for state in states {
                log.append(Append { events: vec![state], history: Vec::new(), ending: None }).await?;
            }
            Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| Error::Listen(error.into()))??;
    }
    let took = started.elapsed();
    drop(log);
    let _ = writer.await;
    store.close().await;
    Ok(LogMeasured { states, took, bytes_mean: bytes / states.max(1) })
}

/// All states of one call.
fn played(office: &Office, number: u64) -> Vec<CallEvent> {
    let scenario = "ring-group".parse::<Scenario>().expect("it is in the library");
    let request = Request::new(scenario, number);
    let mut call = Call::new(Nonce(u128::from(number)), office.account_key.clone());
    let steps = engine::script(office, &request).map(|script| script.steps).unwrap_or_default();
    let states = steps.iter().map(|step| call.apply(Timestamp::now(), &step.command).unwrap_or_default());
    states.flatten().collect()
}

fn size(work: &[Vec<CallEvent>]) -> (usize, usize) {
    let states = work.iter().flatten();
    let bytes = states.clone().map(|state| serde_json::to_string(state).map_or(0, |text| text.len())).sum();
    (states.count(), bytes)
}
