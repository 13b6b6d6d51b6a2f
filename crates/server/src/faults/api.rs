//! `/simulator/v1/faults`: what can go wrong, what does at the moment, and starting and ending it. Callfeed's own path;
//! a client signs in with its own credentials, and its owner must be a super admin, as a fault concerns the account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::catalogue::{self, Kind};
use super::{Scope, Wish};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Path};
use crate::limits;
use crate::sources::simulator;

/// Body of a request for a fault.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultRequest {
    fault: String,
    #[serde(default)]
    channel_id: Option<String>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
    /// Strikes, 1 to [`limits::FAULT_TIMES_MAX`].
    #[serde(default)]
    times: Option<u32>,
    /// Seconds, 1 to [`limits::FAULT_LIFE_S_MAX`].
    #[serde(default)]
    for_s: Option<u64>,
}

/// `GET /simulator/v1/faults`: `catalogue`, `active`, and `ended`, newest first.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> ApiResult<Json<Value>> {
    let account = account(&app, &headers).await?;
    Ok(Json(overview(&app, &account)))
}

pub fn overview(app: &App, account_key: &str) -> Value {
    let catalogue: Vec<Value> = catalogue::kinds().map(Kind::describe).collect();
    let active: Vec<Value> = app.faults.active(account_key).iter().map(|fault| fault.describe()).collect();
    json!({"catalogue": catalogue, "active": active, "ended": app.faults.ended(account_key)})
}

/// `POST /simulator/v1/faults`: 201 with the fault.
pub async fn add(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let account = account(&app, &headers).await?;
    let fault = super::start(&app, &account, wish(&app, &account, &body.json()?).await?)?;
    Ok((StatusCode::CREATED, Json(fault.describe())))
}

/// `DELETE /simulator/v1/faults/{id}`: 204, or 404 when it has ended.
pub async fn clear(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let account = account(&app, &headers).await?;
    match super::clear(&app, &account, &id) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::not_found()),
    }
}

/// `DELETE /simulator/v1/faults`: ends all of the account.
pub async fn clear_all(State(app): State<Arc<App>>, headers: HeaderMap) -> ApiResult<StatusCode> {
    let account = account(&app, &headers).await?;
    for fault in app.faults.active(&account) {
        super::clear(&app, &account, &fault.id);
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn account(app: &App, headers: &HeaderMap) -> ApiResult<String> {
    let owner = simulator::owner_of_client(app, headers).await?;
    if owner.super_admin {
        return Ok(owner.account_key);
    }
    Err(ApiError::forbidden("Faults concern the whole account: the client's owner must be a super admin."))
}

/// Reads a wish for a fault.
///
/// # Errors
/// 400 for what is out of bounds; 404 for a channel that is not there.
pub async fn wish(app: &App, account_key: &str, body: &Value) -> ApiResult<Wish> {
    let request: FaultRequest = serde_json::from_value(body.clone()).map_err(ApiError::malformed)?;
    let kind = catalogue::find(&request.fault).ok_or_else(|| {
        ApiError::bad_request("fault", "INVALID")
            .with_message("There is no such fault. GET /simulator/v1/faults lists them.")
    })?;
    let times = request.times.or(kind.times);
    if times.is_some_and(|times| !(1..=limits::FAULT_TIMES_MAX).contains(&times)) {
        let message = format!("times is 1 to {}.", limits::FAULT_TIMES_MAX);
        return Err(ApiError::bad_request("times", "InvalidRange").with_message(message));
    }
    let for_s = request.for_s.unwrap_or(limits::FAULT_LIFE_S);
    if !(1..=limits::FAULT_LIFE_S_MAX).contains(&for_s) {
        let message = format!("forS is in seconds, 1 to {}.", limits::FAULT_LIFE_S_MAX);
        return Err(ApiError::bad_request("forS", "InvalidRange").with_message(message));
    }
    let parameters = kind.read(&request.parameters)?;
    let scope = scope(app, account_key, kind, request.channel_id, request.client_id).await?;
    Ok(Wish { kind, scope, parameters, times, for_s })
}

async fn scope(
    app: &App,
    account_key: &str,
    kind: &Kind,
    channel_id: Option<String>,
    client_id: Option<String>,
) -> ApiResult<Scope> {
    let (scope, name) = match (channel_id, client_id) {
        (None, None) => return Ok(Scope::All),
        (Some(id), None) => (Scope::Channel(id), "channel"),
        (None, Some(id)) => (Scope::Client(id), "client"),
        (Some(_), Some(_)) => {
            let message = "Give channelId or clientId, or none for the whole account.";
            return Err(ApiError::bad_request("clientId", "INVALID").with_message(message));
        }
    };
    if !kind.scopes().contains(&name) {
        let message = format!("{} can be put on: {}.", kind.name, kind.scopes().join(", "));
        return Err(ApiError::bad_request(&format!("{name}Id"), "INVALID").with_message(message));
    }
    if let Scope::Channel(id) = &scope {
        let user_key = app.hub.get(id).map(|channel| channel.row().user_key);
        let user = match user_key {
            Some(key) => app.store.user(&key).await?,
            None => None,
        };
        if user.is_none_or(|user| user.account_key != account_key) {
            return Err(ApiError::channel_not_found(id));
        }
    }
    Ok(scope)
}
