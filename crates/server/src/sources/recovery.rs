//! Ends the calls that a crash cut off, before anything else is served.

use engine::{Call, Command};
use jiff::Timestamp;
use wire::call_events::CallEvent;

use crate::app::App;
use crate::directory::Directory;
use crate::limits;
use crate::store::{Append, Ending, LogWriter, Store, StoreResult};

/// Gives every call without an end its ENDING state and a report with outcome TRUNCATED. Returns how many.
pub async fn end_cut_off_calls(store: &Store, directory: &Directory, log: &LogWriter) -> StoreResult<usize> {
    let calls = store.calls_without_end().await?;
    let count = calls.len();
    let mut appends = tokio::task::JoinSet::new();
    for (account_key, id) in calls {
        let Some(append) = missing_end(store, directory, &account_key, &id).await? else { continue };
        let log = log.clone();
        appends.spawn(async move { log.append(append).await });
    }
    while let Some(done) = appends.join_next().await {
        done.unwrap_or_else(|_| Err(crate::store::StoreError::WriterGone))?;
    }
    Ok(count)
}

/// Ends one call whose states could not be stored, as soon as they can be again.
pub async fn end_when_possible(app: &App, account_key: &str, id: &str) {
    loop {
        let ended = async {
            match missing_end(&app.store, &app.directory, account_key, id).await? {
                Some(append) => app.log.append(append).await,
                None => Ok(()),
            }
        };
        match ended.await {
            Ok(()) => return,
            Err(error) => tracing::warn!(call = id, "a call that broke off cannot be ended yet: {error}"),
        }
        tokio::time::sleep(limits::BROKEN_CALL_RETRY).await;
    }
}

/// What a call lacks to its end; nothing when it has one, or when not even its first state was stored.
async fn missing_end(
    store: &Store,
    directory: &Directory,
    account_key: &str,
    id: &str,
) -> StoreResult<Option<Append>> {
    let mut history = Vec::new();
    for content in store.states(id, 1, i64::MAX, i64::MAX).await? {
        history.push(serde_json::from_str::<CallEvent>(&content)?);
    }
    let told = store.history_legs(id).await?;
    Ok(truncate(store.clock.now(), directory, account_key, history, &told))
}

/// `told` are the legs that ended before, with their rows.
fn truncate(
    now: Timestamp,
    directory: &Directory,
    account_key: &str,
    mut history: Vec<CallEvent>,
    told: &[String],
) -> Option<Append> {
    let mut call = Call::resume(history.last()?);
    let events = call.apply(now, &Command::Truncate).ok()?;
    history.extend(events.iter().cloned());
    let office = directory.office(account_key).map(|office| office.as_ref());
    let (report, summary) = engine::fold(&history, true, &office)?;
    let (before, new) = (history.len() - events.len(), events.len());
    // Older versions wrote no row before the end of the call: those that are missing are written now.
    let mut rows = engine::ended_legs(&history[..before], before, false, &office);
    rows.retain(|(_, row)| !told.contains(&row.leg_id));
    rows.extend(engine::ended_legs(&history, new, true, &office));
    Some(Append { events, history: rows, ending: Some(Ending { report, summary }) })
}
