//! What faults make of a request to a webhook's receiver. What is not sent, or
//! sent after another one, counts as delivered.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::attempt::{Attempt, Telling, Verdict, post};
use super::outbound::{Answer, OutboundError};
use super::{Endpoint, lock};
use crate::app::App;
use crate::clock::Busy;
use crate::faults::OnWebhook;
use crate::limits;
use crate::store::Entry;

/// An attempt as faults bent it.
pub struct Bent {
    pub attempt: Attempt,
    /// Faults that struck it.
    pub struck: Vec<&'static str>,
    /// What was done instead of asking the receiver.
    pub word: Option<&'static str>,
    /// What was sent, where a fault changed it.
    pub body: Option<Vec<u8>>,
}

impl From<Attempt> for Bent {
    fn from(attempt: Attempt) -> Self {
        Self { attempt, struck: Vec::new(), word: None, body: None }
    }
}

/// Tells the receiver of an entry as the faults of the moment have it.
pub async fn attempt(app: &Arc<App>, endpoint: &Arc<Endpoint>, entry: &Entry, turn: &mut Busy) -> Bent {
    let channel_id = lock(&endpoint.row).channel_id.clone();
    let before = lock(&endpoint.held).take();
    let signed = endpoint.signing().is_some();
    let mut fate = app.faults.sending(&channel_id, entry, before.is_some(), signed);
    let mut struck = std::mem::take(&mut fate.struck);
    if let Some((wait, lifted)) = &fate.late {
        endpoint.untold(app, entry, "held back", || "fault: webhook-late".to_owned());
        wait_for(app, *wait, lifted, turn).await;
    }
    let call = app.faults.call_of(&app.store, &channel_id, entry).await;
    let whole = entry.webhook_body();
    let body = app.faults.shaped_body(&channel_id, entry, &call, &whole, &mut struck);
    let changed = body.clone().filter(|body| app.journal.is_on() && *body != whole);
    let mut word = None;
    let attempt = match body.filter(|_| !fate.lost) {
        None => {
            word = Some("lost");
            as_if_delivered(app)
        }
        Some(body) => {
            let telling = Telling::new(entry, body.into(), fate.forged);
            if let Some((lifted, permit)) =
                fate.held.and_then(|lifted| Some((lifted, app.faults.may_wait()?)))
            {
                word = Some("held back");
                *lock(&endpoint.held) = Some(telling);
                at_last(app, endpoint, lifted, permit);
                as_if_delivered(app)
            } else {
                let first = impatient(app, fate.patience, post(app, endpoint, &telling)).await;
                if fate.twice {
                    post(app, endpoint, &telling).await;
                }
                first
            }
        }
    };
    if let Some(before) = before {
        post(app, endpoint, &before).await;
    }
    let attempt = judged(app, &channel_id, entry, attempt, &mut struck);
    Bent { attempt, struck, word, body: changed }
}

/// Keeps a request back, and with it those of the same call behind it, unless the fault is lifted or the platform stops.
async fn wait_for(app: &App, wait: Duration, lifted: &CancellationToken, turn: &mut Busy) {
    let sleep = app.clock.sleep(wait, std::mem::take(turn));
    *turn = tokio::select! {
        turn = sleep => turn,
        () = lifted.cancelled() => app.clock.busy(),
        () = app.shutdown.cancelled() => app.clock.busy(),
    };
}

/// No answer in time is a failure.
async fn impatient(app: &App, patience: Option<Duration>, posting: impl Future<Output = Attempt>) -> Attempt {
    let Some(patience) = patience else { return posting.await };
    let at_us = app.clock.now_us();
    let timed_out = |_| Attempt { at_us, duration: patience, result: Err(OutboundError::TimedOut) };
    tokio::time::timeout(patience, posting).await.unwrap_or_else(timed_out)
}

/// What the receiver's refusal means under a fault.
fn judged(
    app: &App,
    channel_id: &str,
    entry: &Entry,
    attempt: Attempt,
    struck: &mut Vec<&'static str>,
) -> Attempt {
    let refused = attempt.verdict() == Verdict::Refused && attempt.status().is_some();
    if refused && app.faults.answers(channel_id, entry, OnWebhook::RetryRefused) {
        struck.push("webhook-4xx-retried");
        let told = format!("{}, which a fault takes for a failure", attempt.told());
        return Attempt { result: Err(OutboundError::Failed(told)), ..attempt };
    }
    attempt
}

/// Sends what is held back for another notification when none has come for a while.
fn at_last(
    app: &Arc<App>,
    endpoint: &Arc<Endpoint>,
    lifted: CancellationToken,
    permit: OwnedSemaphorePermit,
) {
    let (of_task, endpoint, shutdown) = (Arc::clone(app), Arc::clone(endpoint), app.shutdown.clone());
    let sending = async move {
        let turn = tokio::select! {
            turn = of_task.clock.sleep(limits::FAULT_REORDER_WAIT, Busy::default()) => turn,
            () = lifted.cancelled() => of_task.clock.busy(),
        };
        let telling = lock(&endpoint.held).take();
        if let Some(telling) = telling {
            post(&of_task, &endpoint, &telling).await;
        }
        drop((turn, permit));
    };
    app.tasks.spawn(async move { shutdown.run_until_cancelled(sending).await });
}

fn as_if_delivered(app: &App) -> Attempt {
    let answer = Answer { status: StatusCode::NO_CONTENT, retry_after: None };
    Attempt { at_us: app.clock.now_us(), duration: Duration::ZERO, result: Ok(answer) }
}

/// The receiver said 404 or 410: where a fault has it so, the channel goes.
pub async fn gone(app: &App, endpoint: &Endpoint, entry: &Entry) {
    let channel_id = lock(&endpoint.row).channel_id.clone();
    if !app.faults.answers(&channel_id, entry, OnWebhook::GoneRemoves) {
        return;
    }
    let Some(channel) = app.hub.get(&channel_id) else { return };
    let _changing = channel.changing.lock().await;
    match app.store.delete_channel(&channel_id).await {
        Ok(_) => app.hub.remove(&channel_id),
        Err(error) => tracing::warn!("a webhook channel could not be removed: {error}"),
    }
}
