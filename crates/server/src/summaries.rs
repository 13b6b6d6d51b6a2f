//! Summaries of finished calls (spec/call-events-report.md, `GET /report-summaries`).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde_json::value::RawValue;
use wire::{Page, scope};

use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::{PageKey, Params};
use crate::limits;
use crate::reports;
use crate::store::{KeyKind, SummaryQuery};

const KEYS: [(&str, KeyKind); 4] = [
    ("accountKey", KeyKind::Account),
    ("userKey", KeyKind::User),
    ("lineId", KeyKind::Line),
    ("phoneNumberId", KeyKind::PhoneNumber),
];

/// `GET /report-summaries`: the window applies to the end of the call; newest call first.
pub async fn summaries(
    State(app): State<Arc<App>>,
    caller: Caller,
    params: Params,
) -> ApiResult<Json<Page<Box<RawValue>>>> {
    caller.require(scope::REPORTS_READ)?;
    let ended_us = window(&params)?;
    let (kind, values) = key(&params)?;
    let internal = internal(&params)?;
    let size = params.page_size()?;
    let after = params.page_key()?;
    if !values.iter().all(|value| reports::may_see(&app, &caller, kind, value)) {
        let message = "The user may not see these reports. Other people's calls ask for a super admin.";
        return Err(ApiError::forbidden(message));
    }
    // No call of this platform has a virtual participant yet, so a filter by one leaves nothing.
    if !params.all("virtualParticipantId").is_empty() {
        return Ok(Json(Page::new(Vec::new(), size.unsigned_abs(), None)));
    }
    let wanted = SummaryQuery {
        account_key: &caller.user.account_key,
        ended_us,
        parties: (kind != KeyKind::Account).then_some((kind, values)),
        outcome: params.one("conversationCallerOutcome"),
        internal,
        after: after.as_ref().map(|key| (key.number, key.text.as_str())),
    };
    let mut rows = app.store.summaries(&wanted, size + 1).await?;
    let more = rows.len() as i64 > size;
    rows.truncate(size as usize);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|row| PageKey { number: row.call_created_us, text: row.conversation_space_id.clone() }.marker());
    let items = rows.into_iter().map(|row| RawValue::from_string(row.summary)).collect::<Result<_, _>>();
    Ok(Json(Page::new(items.map_err(ApiError::fault)?, size.unsigned_abs(), next)))
}

/// `startTime` inclusive and `endTime` exclusive, in microseconds; the text of a window that is too long stands
/// in `field`, as on the live service.
fn window(params: &Params) -> ApiResult<(i64, i64)> {
    let required = |name: &str| {
        params
            .instant(name)?
            .ok_or_else(|| ApiError::bad_request(name, "REQUIRED"))
            .map(Timestamp::as_microsecond)
    };
    let (start_us, end_us) = (required("startTime")?, required("endTime")?);
    if end_us < start_us {
        return Err(ApiError::bad_request("endTime", "InvalidRange"));
    }
    if end_us - start_us > limits::SUMMARY_WINDOW_DAYS_MAX * 86_400 * 1_000_000 {
        let field = format!("maximum supported range is {} days", limits::SUMMARY_WINDOW_DAYS_MAX);
        return Err(ApiError::bad_request(&field, "InvalidRange"));
    }
    Ok((start_us, end_us))
}

/// The one kind of key, which can be repeated.
fn key(params: &Params) -> ApiResult<(KeyKind, Vec<&str>)> {
    if let Some((name, _)) = KEYS.iter().find(|(name, _)| params.count(name) > limits::FILTER_VALUES_MAX) {
        return Err(ApiError::bad_request(name, "InvalidRange")
            .with_message(format!("One request takes at most {} keys.", limits::FILTER_VALUES_MAX)));
    }
    let mut given =
        KEYS.iter().map(|(name, kind)| (*name, *kind, params.all(name))).filter(|k| !k.2.is_empty());
    let Some((_, kind, values)) = given.next() else {
        return Err(ApiError::bad_request("accountKey", "REQUIRED")
            .with_message("Give one of accountKey, userKey, lineId and phoneNumberId."));
    };
    if let Some((second, ..)) = given.next() {
        return Err(ApiError::bad_request(second, "INVALID")
            .with_message("Give only one of accountKey, userKey, lineId and phoneNumberId."));
    }
    Ok((kind, values))
}

fn internal(params: &Params) -> ApiResult<Option<bool>> {
    match params.one("conversationScope") {
        None => Ok(None),
        Some("INTERNAL") => Ok(Some(true)),
        Some("EXTERNAL") => Ok(Some(false)),
        Some(_) => Err(ApiError::bad_request("conversationScope", "INVALID")
            .with_message("conversationScope is INTERNAL or EXTERNAL.")),
    }
}
