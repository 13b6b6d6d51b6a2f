//! Call History API: what a user's legs did, and being told of it (spec/call-history.md).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use engine::Office;
use jiff::Timestamp;
use serde_json::value::RawValue;
use wire::call_history::{Subscription, SubscriptionRequest, Subscriptions, UCH_EVENT};
use wire::error::{Constraint, code};
use wire::{Extra, Page, scope};

use crate::app::App;
use crate::auth::Caller;
use crate::directory::lists;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, PageKey, Params, Path};
use crate::limits;
use crate::store::{self, Api, HistoryQuery, KeyKind};
use crate::subscriptions::{self, Again, NewKey};

/// `GET /calls`, newest first. Without `userKey` a super admin who names extensions sees those of the whole
/// account [inferred]; everybody else sees the own rows.
pub async fn calls(
    State(app): State<Arc<App>>,
    caller: Caller,
    params: Params,
) -> ApiResult<Json<Page<Box<RawValue>>>> {
    caller.require(scope::REPORTS_READ)?;
    let account_key = params.one("accountKey");
    let account_key = account_key.ok_or_else(|| ApiError::bad_request("accountKey", "REQUIRED"))?;
    let extensions = extensions(&params)?;
    let bound = |name: &str, absent: i64| {
        params.instant(name).map(|instant| instant.map_or(absent, Timestamp::as_microsecond))
    };
    let started_us = (bound("startTime", i64::MIN)?, bound("endTime", i64::MAX)?);
    let size = params.page_size()?;
    let after = params.page_key()?;
    let own = caller.user.user_key.as_str();
    let user_key = match params.one("userKey") {
        None if caller.user.super_admin && !extensions.is_empty() => None,
        given => Some(given.unwrap_or(own)),
    };
    check_account(&caller, account_key)?;
    if user_key.is_some_and(|key| key != own) && !caller.user.super_admin {
        return Err(ApiError::forbidden("Other people's calls ask for a super admin."));
    }
    let wanted = HistoryQuery {
        account_key,
        user_key,
        extensions,
        started_us,
        after: after.as_ref().map(|key| (key.number, key.text.as_str())),
    };
    let mut rows = app.store.history(&wanted, size + 1).await?;
    let more = rows.len() as i64 > size;
    rows.truncate(size as usize);
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| PageKey { number: row.started_us, text: row.leg_id.clone() }.marker());
    let items = rows.into_iter().map(|row| RawValue::from_string(row.content)).collect::<Result<_, _>>();
    Ok(Json(Page::new(items.map_err(ApiError::fault)?, size.unsigned_abs(), next)))
}

fn extensions(params: &Params) -> ApiResult<Vec<&str>> {
    let mut found = params.all("extension");
    let count = params.count("extension");
    found.sort_unstable();
    found.dedup();
    if found.len() < count || count > limits::FILTER_VALUES_MAX {
        let message = format!("Give up to {} different extensions.", limits::FILTER_VALUES_MAX);
        return Err(ApiError::bad_request("extension", "INVALID").with_message(message));
    }
    Ok(found)
}

fn check_account(caller: &Caller, account_key: &str) -> ApiResult<()> {
    if caller.user.account_key == account_key {
        return Ok(());
    }
    Err(ApiError::forbidden("The user is not in this account."))
}

/// `POST /subscriptions`: one for each user; those that exist stay as they are.
pub async fn subscribe(State(app): State<Arc<App>>, caller: Caller, body: Body) -> ApiResult<Response> {
    caller.require(scope::CALL_HISTORY_MANAGE)?;
    let request: SubscriptionRequest = body.json()?;
    let account_key = required_account(&caller, &request)?;
    let channel_id = subscriptions::required_channel(Some(&request.channel_id), "channelId")?;
    let named = request.user_keys.len() + request.extensions.len();
    subscriptions::check_count(named.max(1), "userKeys")?;
    let channel = crate::channels::owned(&app, &caller, None, channel_id)?;
    let users = users(&*lists::own(&app, &caller)?, &caller, &request)?;
    let key = |user: &String| NewKey {
        kind: KeyKind::User,
        value: user.clone(),
        events: vec![UCH_EVENT.to_owned()],
    };
    let keys = users.iter().map(key).collect();
    let present =
        subscriptions::add(&app, &channel, account_key, Api::CallHistory, keys, Again::Stay).await?;
    let of_user = |user: &String| {
        present.iter().find(|s| s.api == Api::CallHistory && s.key_value == *user).map(describe)
    };
    let items = users.iter().filter_map(of_user).collect();
    Ok((StatusCode::CREATED, Json(Subscriptions { items, extra: Extra::new() })).into_response())
}

fn required_account<'a>(caller: &Caller, request: &'a SubscriptionRequest) -> ApiResult<&'a str> {
    if request.account_key.is_empty() {
        return Err(ApiError::bad_request("accountKey", "REQUIRED"));
    }
    check_account(caller, &request.account_key)?;
    Ok(&request.account_key)
}

/// Keys of the users that are named by key and by extension, each once; of the caller when none is.
fn users(office: &Office, caller: &Caller, request: &SubscriptionRequest) -> ApiResult<Vec<String>> {
    let own = &caller.user.user_key;
    if request.user_keys.is_empty() && request.extensions.is_empty() {
        return Ok(vec![own.clone()]);
    }
    let user = |key: &String| {
        office.users.iter().find(|user| user.key == *key).map(|user| &user.key).ok_or("userKeys")
    };
    let of_extension = |extension: &String| {
        let line = office.lines.iter().find(|line| line.extension == *extension);
        line.map(|line| &line.user_key).ok_or("extensions")
    };
    let all = request.user_keys.iter().map(user).chain(request.extensions.iter().map(of_extension));
    let mut found: Vec<String> = Vec::new();
    for key in all {
        let allowed = caller.user.super_admin || key == Ok(own);
        if !allowed {
            return Err(ApiError::forbidden("Other people's calls ask for a super admin."));
        }
        let key = key.map_err(|field| ApiError::bad_request(field, "INVALID"))?;
        if !found.contains(key) {
            found.push(key.clone());
        }
    }
    Ok(found)
}

/// `PUT /subscriptions/{id}`: moves it to the channel that the body names [inferred]; the user stays. 409 when
/// that channel has the user's subscription already.
pub async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body,
) -> ApiResult<Json<Subscriptions>> {
    caller.require(scope::CALL_HISTORY_MANAGE)?;
    let request: SubscriptionRequest = body.json()?;
    let mut subscription = owned(&app, &caller, &id).await?;
    required_account(&caller, &request)?;
    let channel_id = subscriptions::required_channel(Some(&request.channel_id), "channelId")?;
    let channel = crate::channels::owned(&app, &caller, None, channel_id)?;
    if *channel.id != *subscription.channel_id {
        if !app.store.move_subscription(&id, &channel.id, app.clock.now_us()).await? {
            return Err(conflict());
        }
        if let Some(before) = app.hub.get(&subscription.channel_id) {
            subscriptions::reload(&app, &before).await?;
        }
        subscriptions::reload(&app, &channel).await?;
        subscription.channel_id = channel.id.to_string();
    }
    Ok(Json(Subscriptions { items: vec![describe(&subscription)], extra: Extra::new() }))
}

/// `DELETE /subscriptions/{id}`: 204, or 404 when there is none.
pub async fn unsubscribe(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    caller.require(scope::CALL_HISTORY_MANAGE)?;
    let subscription = owned(&app, &caller, &id).await?;
    app.store.change_subscriptions(&[id], &[]).await?;
    if let Some(channel) = app.hub.get(&subscription.channel_id) {
        subscriptions::reload(&app, &channel).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A call history subscription on a channel of the caller's; any other does not exist.
async fn owned(app: &App, caller: &Caller, id: &str) -> ApiResult<store::Subscription> {
    let found = app.store.subscription(id).await?.filter(|s| s.api == Api::CallHistory);
    let mine = |s: &store::Subscription| crate::channels::owned(app, caller, None, &s.channel_id).is_ok();
    found.filter(mine).ok_or_else(ApiError::not_found)
}

fn describe(subscription: &store::Subscription) -> Subscription {
    Subscription {
        id: subscription.id.clone(),
        user_key: subscription.key_value.clone(),
        channel_id: subscription.channel_id.clone(),
        account_key: subscription.account_key.clone(),
        extra: Extra::new(),
    }
}

fn conflict() -> ApiError {
    let message = "The request could not be completed due to a conflict";
    let mut error = ApiError::new(StatusCode::CONFLICT, code::CONFLICT, message);
    error.constraints.push(Constraint::new("channelId", "Subscription already exists"));
    error
}
