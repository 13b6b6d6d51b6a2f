//! `/simulator/v1/clock`: what time it is on the platform, and moving a virtual clock.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use jiff::{Span, SpanRelativeTo, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::limits;
use crate::sources::simulator::owner_of_client;

/// How far to move: one of both.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClockRequest {
    /// Such as `90s`, `2h 30m` or `30d`; a day is 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advance: Option<String>,
    /// An instant such as `2026-02-01T00:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// `GET`: the time.
pub async fn read(State(app): State<Arc<App>>, headers: HeaderMap) -> ApiResult<Json<Value>> {
    admin(&app, &headers).await?;
    Ok(Json(told(&app)))
}

fn told(app: &App) -> Value {
    let kind = if app.clock.is_virtual() { "virtual" } else { "system" };
    json!({"clock": kind, "now": format!("{:.3}", app.clock.now()), "callsUnderWay": app.player.under_way()})
}

/// `POST`: moves a virtual clock; answers when everything that was due on the way has happened.
pub async fn advance(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> ApiResult<Json<Value>> {
    admin(&app, &headers).await?;
    let request: ClockRequest = body.json()?;
    let advanced = move_on(&app, wanted(&request, app.clock.now())?).await?;
    let mut answer = told(&app);
    answer["from"] = json!(text(advanced.from_us));
    answer["events"] = json!(advanced.events);
    Ok(Json(answer))
}

/// Moves to that time.
///
/// # Errors
/// 409 where the clock is the machine's; 500 when the database fails.
pub async fn move_on(app: &App, to: Timestamp) -> ApiResult<super::Advanced> {
    let to_us = to.as_microsecond();
    let Some(advanced) = app.clock.advance(|_| to_us).await else {
        return Err(ApiError::conflict(
            "This platform goes by the machine's clock, which nobody can advance. Start it with --clock virtual.",
        ));
    };
    app.store.put_virtual_clock(app.clock.now_us()).await?;
    Ok(advanced)
}

fn wanted(request: &ClockRequest, now: Timestamp) -> ApiResult<Timestamp> {
    let refused = |field: &'static str, message: &'static str| {
        ApiError::bad_request(field, "INVALID").with_message(message)
    };
    let to = match (&request.advance, &request.to) {
        (Some(advance), None) => {
            let span: Option<Span> = advance.parse().ok();
            let duration = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
            let duration = duration.filter(|duration| !duration.is_negative());
            duration
                .and_then(|duration| now.checked_add(duration).ok())
                .ok_or_else(|| refused("advance", "Give a time such as 90s, 2h 30m or 30d in advance."))?
        }
        (None, Some(to)) => {
            to.parse().map_err(|_| refused("to", "Give an instant such as 2026-02-01T00:00:00Z in to."))?
        }
        _ => return Err(refused("advance", "Give either advance, such as 30d, or to, an instant.")),
    };
    if to < now {
        return Err(refused("to", "The clock goes forwards only."));
    }
    if to.as_second() - now.as_second() > limits::CLOCK_ADVANCE_DAYS_MAX * 86_400 {
        return Err(refused("advance", "That is too far: ten years at a time at most."));
    }
    Ok(to)
}

fn text(us: i64) -> String {
    Timestamp::from_microsecond(us).map_or_else(|_| String::new(), |at| format!("{at:.3}"))
}

async fn admin(app: &App, headers: &HeaderMap) -> ApiResult<()> {
    let owner = owner_of_client(app, headers).await?;
    let refused = "The clock is the whole platform's: the client's owner must be a super admin.";
    if owner.super_admin { Ok(()) } else { Err(ApiError::forbidden(refused)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(advance: Option<&str>, to: Option<&str>) -> Option<String> {
        let now: Timestamp = "2026-01-05T00:00:00Z".parse().expect("an instant");
        let request = ClockRequest { advance: advance.map(str::to_owned), to: to.map(str::to_owned) };
        wanted(&request, now).ok().map(|to| to.to_string())
    }

    #[test]
    fn a_clock_is_moved_by_a_time_or_to_an_instant() {
        assert_eq!(asked(Some("30d"), None).as_deref(), Some("2026-02-04T00:00:00Z"));
        assert_eq!(asked(Some("2h 30m"), None).as_deref(), Some("2026-01-05T02:30:00Z"));
        assert_eq!(asked(Some("0s"), None).as_deref(), Some("2026-01-05T00:00:00Z"));
        assert_eq!(asked(None, Some("2026-01-06T00:00:00Z")).as_deref(), Some("2026-01-06T00:00:00Z"));
        for wrong in [
            (None, None),
            (Some("1d"), Some("2026-01-06T00:00:00Z")),
            (Some("-1d"), None),
            (Some("soon"), None),
            (Some("11000d"), None),
            (None, Some("2026-01-04T00:00:00Z")),
            (None, Some("tomorrow")),
        ] {
            assert_eq!(asked(wrong.0, wrong.1), None, "{wrong:?}");
        }
    }
}
