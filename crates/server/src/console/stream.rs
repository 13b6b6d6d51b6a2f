//! What the console hears: records as they come, and how things stand, once a second.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::journal::short;
use super::page::admin;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;
use crate::limits;
use crate::oauth::portal::PortalError;
use crate::oauth::portal::session::Session;
use crate::sources::simulator;
use crate::store::StoreResult;
use crate::{time, webhooks};

/// `GET /simulator/v1/journal?after=NUMBER`: requests and notifications behind a number, and whatever happens in the
/// next minutes is recorded. For clients whose owner is a super admin.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap, params: Params) -> ApiResult<Json<Value>> {
    let owner = simulator::owner_of_client(&app, &headers).await?;
    if !owner.super_admin {
        let message = "The journal shows the whole account: the client's owner must be a super admin.";
        return Err(ApiError::forbidden(message));
    }
    app.journal.look();
    let after = params.integer("after")?.unwrap_or(0).max(0).unsigned_abs();
    let records = app.journal.after(&owner.account_key, after);
    let items: Vec<&Value> = records.iter().map(|record| &record.shown).collect();
    Ok(Json(json!({"items": items})))
}

/// `GET /console/events`: server-sent events `record` and `state`.
pub async fn events(State(app): State<Arc<App>>, session: Session) -> Result<Response, PortalError> {
    admin(&session)?;
    let (events, inbox) = mpsc::channel(limits::CONSOLE_EVENTS_MAX);
    app.tasks.spawn(feed(Arc::clone(&app), session.user.account_key, events));
    let stream = ReceiverStream::new(inbox).map(Ok::<_, Infallible>);
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()).into_response())
}

async fn feed(app: Arc<App>, account_key: String, events: mpsc::Sender<Event>) {
    let mut seen = 0;
    let mut before = Value::Null;
    let mut news = app.journal.watch();
    let mut ticks = tokio::time::interval(limits::CONSOLE_STATE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = events.closed() => return,
            _ = news.changed() => {}
            _ = ticks.tick() => {
                app.journal.look();
                let Ok(state) = state(&app, &account_key).await else { continue };
                if state != before && !send(&events, "state", &state).await {
                    return;
                }
                before = state;
            }
        }
        for record in app.journal.after(&account_key, seen) {
            seen = record.number;
            if !send(&events, "record", &record.shown).await {
                return;
            }
        }
    }
}

async fn send(events: &mpsc::Sender<Event>, name: &str, value: &Value) -> bool {
    events.send(Event::default().event(name).data(value.to_string())).await.is_ok()
}

/// Channels with their subscriptions, calls under way, faults.
async fn state(app: &App, account_key: &str) -> StoreResult<Value> {
    let office = app.directory.office(account_key);
    let is_ours = |key: &str| office.is_some_and(|office| office.users.iter().any(|user| user.key == key));
    let mut channels: Vec<Value> = Vec::new();
    let all = app.hub.newest(usize::MAX, is_ours);
    for channel in all.iter().take(limits::CONSOLE_CHANNELS_MAX) {
        let row = channel.row();
        let subscriptions: Vec<String> = channel
            .subscriptions()
            .iter()
            .map(|one| format!("{} {}", one.api.as_str(), one.events.join(", ")))
            .collect();
        channels.push(json!({
            "channel": short(&channel.id),
            "nickname": row.nickname,
            "connected": channel.is_connected(),
            "webhook": webhooks::is_id(&channel.id),
            "ends": time::nanos(row.expires_us),
            "subscriptions": subscriptions,
        }));
    }
    let rows = app.store.calls_under_way(account_key, (i64::MIN, ""), limits::CONSOLE_CALLS_MAX + 1).await?;
    let more_calls = rows.len() as i64 > limits::CONSOLE_CALLS_MAX;
    let calls: Vec<Value> = rows
        .into_iter()
        .take(limits::CONSOLE_CALLS_MAX as usize)
        .map(|(_, id, content)| {
            let content: Value = serde_json::from_str(&content).unwrap_or(Value::Null);
            json!({
                "call": id,
                "direction": content["metadata"]["direction"],
                "state": content["state"]["type"],
                "since": content["metadata"]["callCreated"],
            })
        })
        .collect();
    let faults: Vec<Value> = app
        .faults
        .active(account_key)
        .iter()
        .map(|fault| {
            let mut told = fault.describe();
            super::journal::mask(&mut told);
            told
        })
        .collect();
    Ok(json!({
        "channels": channels,
        "channelCount": all.len(),
        "calls": calls,
        "moreCalls": more_calls,
        "faults": faults,
    }))
}
