//! Call Events API: subscriptions and conversation spaces (spec/call-events.md).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::value::RawValue;
use wire::call_events::{
    StateType, SubscribedKeys, SubscriptionItem, SubscriptionRequest, SubscriptionResult, SubscriptionResults,
};
use wire::error::code;
use wire::{Extra, Page, scope};

use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, PageKey, Params, Path};
use crate::store::{Api, KeyKind};
use crate::subscriptions::{self, Again, NewKey};

const EVENTS: [&str; 3] = ["STARTING", "ACTIVE", "ENDING"];

/// `POST /subscriptions`: 207 also when everything succeeded; each item has its own status.
pub async fn subscribe(State(app): State<Arc<App>>, caller: Caller, body: Body) -> ApiResult<Response> {
    caller.require(scope::CALL_EVENTS_MANAGE)?;
    let request: SubscriptionRequest = body.json().map_err(ApiError::in_call_events)?;
    let channel_id = subscriptions::required_channel(request.channel_id.as_deref(), "channelId")
        .map_err(ApiError::in_call_events)?;
    subscriptions::check_count(request.account_keys.len() + request.line_ids.len(), "accountKeys")
        .map_err(ApiError::in_call_events)?;
    for item in request.account_keys.iter().chain(&request.line_ids) {
        check_events(item)?;
    }
    let channel = crate::channels::owned(&app, &caller, None, channel_id)?;
    let mut wanted = Vec::new();
    let mut results = SubscriptionResults::default();
    for item in request.account_keys {
        let allowed = caller.sees_account(&item.id);
        results.account_keys.push(result(&item.id, allowed));
        if allowed {
            wanted.push(key(KeyKind::Account, item));
        }
    }
    for item in request.line_ids {
        let allowed = app.directory.line(&caller.user, &item.id).is_some();
        results.line_ids.push(result(&item.id, allowed));
        if allowed {
            wanted.push(key(KeyKind::Line, item));
        }
    }
    subscriptions::add(&app, &channel, &caller.user.account_key, Api::CallEvents, wanted, Again::Stay)
        .await?;
    Ok((StatusCode::MULTI_STATUS, Json(results)).into_response())
}

fn key(kind: KeyKind, item: SubscriptionItem) -> NewKey {
    // None given, or an empty list: all.
    let events = item.events.filter(|events| !events.is_empty());
    let events = events.unwrap_or_else(|| EVENTS.map(str::to_owned).to_vec());
    NewKey { kind, value: item.id, events }
}

fn result(id: &str, allowed: bool) -> SubscriptionResult {
    let (status, message, error_code) = match allowed {
        true => (200, "Success", None),
        false => (403, "Forbidden", Some(code::UNAUTHORIZED.to_owned())),
    };
    SubscriptionResult { id: id.to_owned(), status, message: message.into(), error_code, extra: Extra::new() }
}

/// The message misleads, as on the live service; the constraint is right (spec/call-events.md, Other facts).
fn check_events(item: &SubscriptionItem) -> ApiResult<()> {
    for (place, event) in item.events.iter().flatten().enumerate() {
        if StateType::from_event_name(event).is_none() {
            return Err(ApiError::bad_request(&format!("Events[{place}]"), "INVALID")
                .with_message("The Notification Channel must be a WebSocket channel")
                .in_call_events());
        }
    }
    Ok(())
}

/// `GET /subscriptions?channelId=`: plain keys; a member without any is absent.
pub async fn subscribed(
    State(app): State<Arc<App>>,
    caller: Caller,
    params: Params,
) -> ApiResult<Json<SubscribedKeys>> {
    caller.require(scope::CALL_EVENTS_MANAGE)?;
    let id =
        subscriptions::required_channel(params.one("channelId"), "ID").map_err(ApiError::in_call_events)?;
    let channel = crate::channels::owned(&app, &caller, None, id)?;
    let keys = |kind| subscriptions::keys(&app, &channel, Api::CallEvents, kind, None);
    Ok(Json(SubscribedKeys {
        account_keys: keys(KeyKind::Account),
        line_ids: keys(KeyKind::Line),
        extra: Extra::new(),
    }))
}

/// `DELETE /subscriptions?channelId=&accountKey=&lineId=`: 204, or 404 when nothing matched [inferred].
pub async fn unsubscribe(
    State(app): State<Arc<App>>,
    caller: Caller,
    params: Params,
) -> ApiResult<StatusCode> {
    caller.require(scope::CALL_EVENTS_MANAGE)?;
    let id =
        subscriptions::required_channel(params.one("channelId"), "ID").map_err(ApiError::in_call_events)?;
    let channel = crate::channels::owned(&app, &caller, None, id)?;
    let keys = [(KeyKind::Account, params.all("accountKey")), (KeyKind::Line, params.all("lineId"))];
    subscriptions::remove(&app, &channel, Api::CallEvents, &keys, None).await
}

/// `GET /conversation-spaces`: last state of each call under way.
pub async fn conversation_spaces(
    State(app): State<Arc<App>>,
    caller: Caller,
    params: Params,
) -> ApiResult<Json<Page<Box<RawValue>>>> {
    caller.require(scope::CALL_EVENTS_READ)?;
    let accounts = params.all("accountKey");
    let lines = params.all("lineId");
    if accounts.is_empty() == lines.is_empty() {
        return Err(ApiError::bad_request("accountKey", "REQUIRED")
            .with_message("Give either accountKey or lineId.")
            .in_call_events());
    }
    let seen = accounts.iter().all(|key| caller.sees_account(key))
        && lines.iter().all(|id| app.directory.line(&caller.user, id).is_some());
    if !seen {
        let message = "The user may not see these calls. An account asks for a super admin.";
        return Err(ApiError::forbidden(message));
    }
    let size = params.page_size().map_err(ApiError::in_call_events)?;
    let start = params
        .page_key()
        .map_err(ApiError::in_call_events)?
        .unwrap_or(PageKey { number: i64::MIN, text: String::new() });
    let (rows, next) = under_way(&app, &caller.user.account_key, &lines, start, size).await?;
    let items = rows.into_iter().map(RawValue::from_string).collect::<Result<_, _>>();
    Ok(Json(Page::new(items.map_err(ApiError::fault)?, size.unsigned_abs(), next)))
}

/// One page of an account's calls under way, those of certain lines if any are named.
async fn under_way(
    app: &App,
    account_key: &str,
    lines: &[&str],
    start: PageKey,
    size: i64,
) -> ApiResult<(Vec<String>, Option<String>)> {
    let mut at = start;
    let mut found = Vec::new();
    loop {
        let rows = app.store.calls_under_way(account_key, (at.number, &at.text), size + 1).await?;
        let last_page = rows.len() as i64 <= size;
        for (created_us, id, content) in rows {
            if found.len() as i64 == size {
                return Ok((found, Some(at.marker())));
            }
            at = PageKey { number: created_us, text: id };
            if lines.is_empty() || seen_from(app, &at.text, lines).await?.is_some() {
                found.push(content);
            }
        }
        if last_page {
            return Ok((found, None));
        }
    }
}

/// The first state of a call that whoever sees these lines alone may see: all that follow are theirs too, as in
/// `channels::interest`. `None`: the call never touched one of the lines.
async fn seen_from(app: &App, conversation_space_id: &str, lines: &[&str]) -> ApiResult<Option<i64>> {
    Ok(app.store.touched_from(conversation_space_id, i64::MAX, |line| lines.contains(&line)).await?)
}

/// `GET /conversation-spaces/{id}/events`: the states of one call in ascending order. Both ends of
/// `sequenceFrom` and `sequenceTo` are inclusive [inferred]; finished calls stay readable as long as the log. Who sees
/// lines alone gets the states from the first one with such a line.
pub async fn events(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Json<Page<Box<RawValue>>>> {
    caller.require(scope::CALL_EVENTS_READ)?;
    let account = app.store.account_of_call(&id).await?;
    let account = account.filter(|account| *account == caller.user.account_key);
    account.ok_or_else(ApiError::not_found)?;
    let mut from = params.integer("sequenceFrom").map_err(ApiError::in_call_events)?.unwrap_or(1);
    let to = params.integer("sequenceTo").map_err(ApiError::in_call_events)?.unwrap_or(i64::MAX);
    if let Some(key) = params.page_key().map_err(ApiError::in_call_events)? {
        from = key.number;
    }
    let size = params.page_size().map_err(ApiError::in_call_events)?;
    if !caller.user.super_admin {
        let first = seen_from(&app, &id, &app.directory.lines_of(&caller.user)).await?;
        from = from.max(first.ok_or_else(ApiError::not_found)?);
    }
    let mut rows = app.store.states(&id, from, to, size + 1).await?;
    let more = rows.len() as i64 > size;
    rows.truncate(size as usize);
    let next = more.then(|| PageKey { number: from.max(1) + size, text: String::new() }.marker());
    let items = rows.into_iter().map(RawValue::from_string).collect::<Result<_, _>>();
    Ok(Json(Page::new(items.map_err(ApiError::fault)?, size.unsigned_abs(), next)))
}
