//! Call Events Report API: subscriptions and full reports (spec/call-events-report.md).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use wire::report::{
    REPORT_SUMMARY, REPORT_SUMMARY_REVISION, SubscribedKeys, Subscription, SubscriptionRequest, Subscriptions,
};
use wire::{Extra, scope};

use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, Path};
use crate::store::{Api, KeyKind};
use crate::subscriptions::{self, Again, NewKey};

/// `POST /subscriptions`: 201 with one item per key that the user may see, so the list can be empty.
/// Asked again with other event types, a subscription changes to these; asked again without any, it stays as it is
/// [inferred].
pub async fn subscribe(State(app): State<Arc<App>>, caller: Caller, body: Body) -> ApiResult<Response> {
    caller.require(scope::CALL_EVENTS_MANAGE)?;
    let request: SubscriptionRequest = body.json()?;
    let channel_id = subscriptions::required_channel(request.channel_id.as_deref(), "channelId")?;
    let keys = [
        (KeyKind::Account, request.account_keys),
        (KeyKind::User, request.user_keys),
        (KeyKind::Line, request.line_ids),
        (KeyKind::PhoneNumber, request.phone_number_ids),
    ];
    subscriptions::check_count(keys.iter().map(|(_, values)| values.len()).sum(), "accountKeys")?;
    let named = request.event_types.as_ref().is_some_and(|types| !types.is_empty());
    let again = if named { Again::Change } else { Again::Stay };
    let events = event_types(request.event_types)?;
    let channel = crate::channels::owned(&app, &caller, None, channel_id)?;
    let mut wanted = Vec::new();
    for (kind, values) in keys {
        for value in values {
            if may_see(&app, &caller, kind, &value) {
                wanted.push(NewKey { kind, value, events: events.clone() });
            }
        }
    }
    let asked: Vec<_> = wanted.iter().map(|key| (key.kind, key.value.clone())).collect();
    let account = &caller.user.account_key;
    let present = subscriptions::add(&app, &channel, account, Api::CallEventsReport, wanted, again).await?;
    let items = asked
        .iter()
        .filter_map(|(kind, value)| {
            present
                .iter()
                .find(|s| s.api == Api::CallEventsReport && s.key_kind == *kind && s.key_value == *value)
        })
        .map(|subscription| Subscription {
            id: subscription.id.clone(),
            channel_id: subscription.channel_id.clone(),
            value: subscription.key_value.clone(),
            event_types: Some(subscription.events.clone()),
            extra: Extra::new(),
        })
        .collect();
    Ok((StatusCode::CREATED, Json(Subscriptions { items, extra: Extra::new() })).into_response())
}

fn event_types(asked: Option<Vec<String>>) -> ApiResult<Vec<String>> {
    let events = asked.filter(|events| !events.is_empty()).unwrap_or_else(|| vec![REPORT_SUMMARY.into()]);
    let wrong = events.iter().position(|event| event != REPORT_SUMMARY && event != REPORT_SUMMARY_REVISION);
    match wrong {
        Some(place) => Err(ApiError::bad_request(&format!("eventTypes[{place}]"), "INVALID")),
        None => Ok(events),
    }
}

/// Whether the caller may hear of calls by this key, in subscriptions, summaries and reports alike.
pub fn may_see(app: &App, caller: &Caller, kind: KeyKind, value: &str) -> bool {
    let user = &caller.user;
    match kind {
        KeyKind::Account => caller.sees_account(value),
        KeyKind::User => user.user_key == value || (user.super_admin && app.directory.user(user, value)),
        KeyKind::Line => app.directory.line(user, value).is_some(),
        KeyKind::PhoneNumber => user.super_admin && app.directory.phone_number(user, value),
    }
}

/// Whether the caller may know of a finished call: one whose report a subscription or the summaries can tell the
/// caller of, by a key that [`may_see`] allows.
async fn may_know(app: &App, caller: &Caller, id: &str, account_key: &str) -> ApiResult<bool> {
    if caller.sees_account(account_key) {
        return Ok(true);
    }
    if caller.user.account_key != account_key {
        return Ok(false);
    }
    let parties = app.store.parties_of_report(id).await?;
    Ok(parties.iter().any(|(kind, value)| may_see(app, caller, *kind, value)))
}

/// `GET /subscriptions?channelId=&eventType=`: keys, not items.
pub async fn subscribed(
    State(app): State<Arc<App>>,
    caller: Caller,
    params: Params,
) -> ApiResult<Json<SubscribedKeys>> {
    caller.require(scope::CALL_EVENTS_MANAGE)?;
    let id = subscriptions::required_channel(params.one("channelId"), "channelId")?;
    let channel = crate::channels::owned(&app, &caller, None, id)?;
    let event = params.one("eventType");
    let keys = |kind| subscriptions::keys(&app, &channel, Api::CallEventsReport, kind, event);
    Ok(Json(SubscribedKeys {
        account_keys: keys(KeyKind::Account),
        user_keys: keys(KeyKind::User),
        line_ids: keys(KeyKind::Line),
        phone_number_ids: keys(KeyKind::PhoneNumber),
        extra: Extra::new(),
    }))
}

/// `DELETE /subscriptions?channelId=&accountKey=&eventType=`: 204, or 404 when there is none.
pub async fn unsubscribe(
    State(app): State<Arc<App>>,
    caller: Caller,
    params: Params,
) -> ApiResult<StatusCode> {
    caller.require(scope::CALL_EVENTS_MANAGE)?;
    let id = subscriptions::required_channel(params.one("channelId"), "channelId")?;
    let channel = crate::channels::owned(&app, &caller, None, id)?;
    let keys = [
        (KeyKind::Account, params.all("accountKey")),
        (KeyKind::User, params.all("userKey")),
        (KeyKind::Line, params.all("lineId")),
        (KeyKind::PhoneNumber, params.all("phoneNumberId")),
    ];
    subscriptions::remove(&app, &channel, Api::CallEventsReport, &keys, params.one("eventType")).await
}

/// `GET /reports/{conversationSpaceId}`: 404 for an unknown call, one under way, and one the user may not see.
pub async fn report(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    caller.require(scope::REPORTS_READ)?;
    let report = app.store.report(&id).await?;
    let report = report.ok_or_else(ApiError::not_found)?;
    if !may_know(&app, &caller, &id, &report.account_key).await? {
        return Err(ApiError::not_found());
    }
    Ok(([(header::CONTENT_TYPE, "application/json")], report.report).into_response())
}
