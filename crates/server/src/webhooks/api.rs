//! Extras of webhook channels on paths of their own: the log of attempts, resending, recovering, new keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wire::Page;
use wire::error::code;

use super::Endpoint;
use crate::app::App;
use crate::auth::Caller;
use crate::channels::{hub, owned};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, PageKey, Params, Path};
use crate::limits;
use crate::secrets;
use crate::store::AttemptRow;
use crate::time;

/// One request that told of a notification, or tried to.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptItem {
    notification_id: String,
    /// 1, 2, 3 …
    attempt: i64,
    timestamp: String,
    /// Milliseconds.
    duration: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Where the notification stands now: `pending`, `delivered` or `failed`.
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt: Option<String>,
}

impl From<AttemptRow> for AttemptItem {
    fn from(row: AttemptRow) -> Self {
        let pending = row.state == "pending";
        Self {
            notification_id: row.notification_id,
            attempt: row.number,
            timestamp: time::nanos(row.at_us),
            duration: row.duration_ms,
            status_code: Some(row.status).filter(|status| *status != 0),
            error: Some(row.error).filter(|error| !error.is_empty()),
            state: row.state,
            next_attempt: pending.then(|| time::nanos(row.next_us)),
        }
    }
}

/// `GET …/{channelId}/attempts?notificationId=`: newest first.
pub async fn attempts(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((nickname, id)): Path<(String, String)>,
    params: Params,
) -> ApiResult<Json<Page<AttemptItem>>> {
    durable(&app, &caller, &nickname, &id)?;
    let (size, key) = (params.page_size()?, params.page_key()?);
    let before = key.as_ref().map(|key| (key.number, key.text.as_str()));
    let mut rows = app.store.attempts(&id, params.one("notificationId"), before, size + 1).await?;
    let more = rows.len() as i64 > size;
    rows.truncate(size as usize);
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| PageKey { number: row.at_us, text: row.notification_id.clone() }.marker());
    Ok(Json(Page::new(rows.into_iter().map(AttemptItem::from).collect(), size.unsigned_abs(), next)))
}

/// `POST …/{channelId}/attempts/{notificationId}/resend`: delivered again now, whatever came of it before.
pub async fn resend(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((nickname, id, notification_id)): Path<(String, String, String)>,
) -> ApiResult<StatusCode> {
    let (channel, _) = durable(&app, &caller, &nickname, &id)?;
    if !app.store.resend_delivery(&id, &notification_id, app.clock.now_us()).await? {
        return Err(ApiError::not_found());
    }
    channel.touch();
    Ok(StatusCode::ACCEPTED)
}

/// From when on, and whether what was delivered comes again too.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoverRequest {
    since: Option<String>,
    #[serde(default)]
    include_delivered: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Recovered {
    /// How many are delivered again.
    notifications: u64,
}

/// `POST …/{channelId}/recover` with `{"since": …}`: all that happened since and was not delivered, now.
pub async fn recover(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((nickname, id)): Path<(String, String)>,
    body: Body,
) -> ApiResult<(StatusCode, Json<Recovered>)> {
    let (channel, _) = durable(&app, &caller, &nickname, &id)?;
    let request: RecoverRequest = body.json()?;
    let since = request.since.ok_or_else(|| ApiError::bad_request("since", "REQUIRED"))?;
    let since: Timestamp = since.parse().map_err(|_| ApiError::bad_request("since", "INVALID"))?;
    let (since_us, now_us) = (since.as_microsecond(), app.clock.now_us());
    let count = app.store.recover_deliveries(&id, since_us, request.include_delivered, now_us).await?;
    channel.touch();
    Ok((StatusCode::ACCEPTED, Json(Recovered { notifications: count })))
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotateRequest {
    /// Seconds in which the old key signs too.
    overlap: Option<u64>,
}

/// `POST …/{channelId}/signature/rotate`: a new key, shown once; the old one signs too for a while.
pub async fn rotate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((nickname, id)): Path<(String, String)>,
    body: Body,
) -> ApiResult<Json<Value>> {
    let (channel, endpoint) = webhook(&app, &caller, &nickname, &id)?;
    let request: RotateRequest = if body.is_empty() { RotateRequest::default() } else { body.json()? };
    let overlap_s = request.overlap.unwrap_or(limits::WEBHOOK_KEY_OVERLAP_S);
    if overlap_s > limits::WEBHOOK_KEY_OVERLAP_S_MAX {
        let message = format!("overlap is in seconds, 0 to {}.", limits::WEBHOOK_KEY_OVERLAP_S_MAX);
        return Err(ApiError::bad_request("overlap", "InvalidRange").with_message(message));
    }
    let _changing = channel.changing.lock().await;
    let Some(present) = endpoint.signing() else {
        return Err(conflict("This webhook is not signed. Make it with webhookChannelData.signature."));
    };
    let now_us = app.clock.now_us();
    let rotated = present.rotated(secrets::bytes(), now_us, now_us + overlap_s as i64 * 1_000_000);
    let rotated = rotated.ok_or_else(|| {
        conflict("Too many earlier keys still sign. Wait until one has ended, or give \"overlap\": 0 to end them all.")
    })?;
    let shown = rotated.describe(true);
    endpoint.set_signing(&app.store, rotated).await?;
    Ok(Json(shown))
}

fn webhook(
    app: &App,
    caller: &Caller,
    nickname: &str,
    id: &str,
) -> ApiResult<(Arc<hub::Channel>, Arc<Endpoint>)> {
    let channel = owned(app, caller, Some(nickname), id)?;
    let endpoint = app.webhooks.get(id);
    let endpoint = endpoint.ok_or_else(|| conflict("This is no webhook channel."))?;
    Ok((channel, endpoint))
}

fn durable(
    app: &App,
    caller: &Caller,
    nickname: &str,
    id: &str,
) -> ApiResult<(Arc<hub::Channel>, Arc<Endpoint>)> {
    let (channel, endpoint) = webhook(app, caller, nickname, id)?;
    if !endpoint.is_durable() {
        let message = "This webhook keeps no attempts. Make it with webhookChannelData.delivery \"durable\".";
        return Err(conflict(message));
    }
    Ok((channel, endpoint))
}

fn conflict(message: &'static str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, code::CONFLICT, message)
}
