//! What faults make of a request to a webhook's receiver. What is not sent, or sent later, counts as delivered.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;

use super::attempt::{Attempt, Telling, Verdict, post};
use super::outbound::{Answer, OutboundError};
use super::{Endpoint, lock};
use crate::app::App;
use crate::clock::Busy;
use crate::faults::OnWebhook;
use crate::limits;
use crate::store::Entry;

/// Tells the receiver of an entry as the faults of the moment have it.
pub async fn attempt(app: &Arc<App>, endpoint: &Arc<Endpoint>, entry: &Entry) -> Attempt {
    let channel_id = lock(&endpoint.row).channel_id.clone();
    let before = lock(&endpoint.held).take();
    let fate = app.faults.sending(&channel_id, entry, before.is_some());
    let call = app.faults.call_of(&app.store, &channel_id, entry).await;
    let body = app.faults.shaped_body(&channel_id, entry, &call, &entry.webhook_body());
    let attempt = match body.filter(|_| !fate.lost) {
        None => as_if_delivered(app),
        Some(body) => {
            let telling = Telling::new(entry, body.into(), fate.forged);
            let wait = fate.late.or(fate.held.then_some(limits::FAULT_REORDER_WAIT));
            if let Some((wait, permit)) = wait.and_then(|wait| Some((wait, app.faults.may_wait()?))) {
                let held = fate.late.is_none();
                // One that changes places goes then at the latest: nothing may follow.
                let telling = if held { lock(&endpoint.held).replace(telling) } else { Some(telling) };
                later(app, endpoint, wait, telling, permit);
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
    judged(app, &channel_id, entry, attempt)
}

/// No answer in time is a failure.
async fn impatient(app: &App, patience: Option<Duration>, posting: impl Future<Output = Attempt>) -> Attempt {
    let Some(patience) = patience else { return posting.await };
    let at_us = app.clock.now_us();
    let timed_out = |_| Attempt { at_us, duration: patience, result: Err(OutboundError::TimedOut) };
    tokio::time::timeout(patience, posting).await.unwrap_or_else(timed_out)
}

/// What the receiver's refusal means under a fault.
fn judged(app: &App, channel_id: &str, entry: &Entry, attempt: Attempt) -> Attempt {
    let refused = attempt.verdict() == Verdict::Refused && attempt.status().is_some();
    if refused && app.faults.answers(channel_id, entry, OnWebhook::RetryRefused) {
        let told = format!("{}, which a fault takes for a failure", attempt.told());
        return Attempt { result: Err(OutboundError::Failed(told)), ..attempt };
    }
    attempt
}

/// Sends this after a while, or what is held back for another notification then.
fn later(
    app: &Arc<App>,
    endpoint: &Arc<Endpoint>,
    wait: Duration,
    telling: Option<Telling>,
    permit: OwnedSemaphorePermit,
) {
    let (of_task, endpoint, shutdown) = (Arc::clone(app), Arc::clone(endpoint), app.shutdown.clone());
    let sending = async move {
        let turn = of_task.clock.sleep(wait, Busy::default()).await;
        let telling = telling.or_else(|| lock(&endpoint.held).take());
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
