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
use super::{Scope, Wish, reach, sockets};
use crate::app::App;
use crate::channels::hub::Channel;
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
        false => Err(ApiError::not_found()
            .with_message("No fault with this id is active. GET /simulator/v1/faults lists them.")),
    }
}

/// `DELETE /simulator/v1/faults`: ends all of the account.
pub async fn clear_all(State(app): State<Arc<App>>, headers: HeaderMap) -> ApiResult<StatusCode> {
    let account = account(&app, &headers).await?;
    super::clear_all(&app, &account);
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
/// 400 for what is out of bounds, and for what the fault can never strike; 404 for a channel that is not there.
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
    let endpoint = parameters.get("endpoint").and_then(Value::as_str).unwrap_or_default();
    let whom = (request.channel_id, request.client_id);
    let scope = scope(app, account_key, kind, endpoint, whom).await?;
    Ok(Wish { kind, scope, parameters, times, for_s })
}

/// The channel of an account with this id, or whose id alone begins so, as the console shows it.
fn channel(app: &App, account_key: &str, id: &str) -> ApiResult<String> {
    let begins = id.trim_end_matches('…');
    let found = sockets::channels(app, account_key, &Scope::All);
    let fits = |channel: &&Arc<Channel>| *channel.id == *id || channel.id.starts_with(begins);
    let mut fitting = found.iter().filter(fits).filter(|_| begins.len() >= limits::CHANNEL_ID_SHOWN);
    match (fitting.next(), fitting.next()) {
        (Some(channel), None) => Ok(channel.id.to_string()),
        _ => Err(ApiError::channel_not_found(id)),
    }
}

async fn scope(
    app: &App,
    account_key: &str,
    kind: &Kind,
    endpoint: &str,
    (channel_id, client_id): (Option<String>, Option<String>),
) -> ApiResult<Scope> {
    reach::is_endpoint(endpoint)?;
    match (channel_id, client_id) {
        (None, None) => Ok(Scope::All),
        (Some(id), None) => {
            let id = channel(app, account_key, &id)?;
            kind.on_channel(&id, endpoint)?;
            Ok(Scope::Channel(id))
        }
        (None, Some(id)) => {
            let refuse = |why: String| Err(ApiError::bad_request("clientId", "INVALID").with_message(why));
            if !kind.of_client() {
                let offer = kind.scopes().join(", ");
                return refuse(format!("{} concerns no client's requests. Put it on: {offer}.", kind.name));
            }
            let client = app.store.client(&id).await?;
            let account = client.as_ref().and_then(|client| app.directory.account_of(&client.owner_user_key));
            if account != Some(account_key) {
                return refuse("This account has no such client. /clients lists them.".to_owned());
            }
            Ok(Scope::Client(id))
        }
        (Some(_), Some(_)) => {
            let message = "Give channelId or clientId, or none for the whole account.";
            Err(ApiError::bad_request("clientId", "INVALID").with_message(message))
        }
    }
}
