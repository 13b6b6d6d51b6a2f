//! `POST /simulator/v1/office`: days of the office, call by call, on a virtual clock.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use engine::{Arrival, Office, Request, ScenarioError, Script};
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::player::{self, Play};
use super::simulator::office_of_client;
use crate::app::App;
use crate::clock::Busy;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::limits;

/// Which days.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfficeRequest {
    /// How many, from now on; 1 to 366.
    pub days: u32,
    /// Decides who calls when.
    #[serde(default)]
    pub seed: u64,
}

/// Lays out the calls; they are played as the clock is advanced.
pub async fn office(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let office = office_of_client(&app, &headers).await?;
    let request: OfficeRequest = body.json()?;
    if !app.clock.is_virtual() {
        return Err(ApiError::conflict(
            "Days of the office need a clock that can be advanced: start the platform with --clock virtual.",
        ));
    }
    if !(1..=limits::OFFICE_DAYS_MAX).contains(&request.days) {
        let message = format!("days is 1 to {}.", limits::OFFICE_DAYS_MAX);
        return Err(ApiError::bad_request("days", "InvalidRange").with_message(message));
    }
    let from = app.clock.now();
    let zone = TimeZone::get(&office.time_zone).unwrap_or(TimeZone::UTC);
    let arrivals = engine::office_days(from, request.days, &zone, request.seed);
    let until = from + jiff::SignedDuration::from_hours(24 * i64::from(request.days));
    let told = json!({
        "calls": arrivals.len(),
        "from": format!("{from:.3}"),
        "until": format!("{until:.3}"),
    });
    let busy = app.clock.busy();
    app.tasks.spawn(live(Arc::clone(&app), office, arrivals, busy));
    Ok((StatusCode::ACCEPTED, Json(told)))
}

/// Starts each call at its time.
async fn live(app: Arc<App>, office: Arc<Office>, arrivals: Vec<Arrival>, busy: Busy) {
    let (begin, begin_us) = (app.clock.instant(), app.clock.now_us());
    // Nobody listens; what happens is in the log.
    let (progress, mut inbox) = mpsc::channel(limits::SIMULATOR_LINES_MAX);
    app.tasks.spawn(async move { while inbox.recv().await.is_some() {} });
    let mut turn = busy;
    let mut lines = Lines::default();
    for arrival in arrivals {
        let wait_us = (arrival.at.as_microsecond() - begin_us).max(0);
        let due = begin + std::time::Duration::from_micros(wait_us.unsigned_abs());
        turn = tokio::select! {
            () = app.shutdown.cancelled() => return,
            next = app.clock.sleep_until(due, turn) => next,
        };
        let (seed, speed, at_us) = (arrival.request.seed, arrival.speed, arrival.at.as_microsecond());
        let request = Request { busy: lines.busy(at_us), ..arrival.request };
        let script = match engine::script(&office, &request) {
            Ok(script) => script,
            // Nobody can call out now.
            Err(ScenarioError::NobodyFree { .. }) => continue,
            Err(error) => {
                tracing::warn!("this office cannot play a call: {error}");
                continue;
            }
        };
        let Some(place) = app.player.place(script.calls()) else {
            tracing::warn!("too many calls are under way, one was left out");
            continue;
        };
        lines.take(at_us, speed, &script);
        let (office, progress, busy) = (Arc::clone(&office), progress.clone(), app.clock.busy());
        let play = Play { office, script, seed, busy, speed, place, progress, compare: false };
        app.tasks.spawn(player::play(Arc::clone(&app), play));
    }
}

/// Which lines are in the office's calls, and until when.
#[derive(Default)]
struct Lines(Vec<(String, i64)>);

impl Lines {
    /// Those that are at this time, in microseconds.
    fn busy(&mut self, now_us: i64) -> Vec<String> {
        self.0.retain(|(_, until_us)| *until_us > now_us);
        self.0.iter().map(|(line_id, _)| line_id.clone()).collect()
    }

    /// The lines of a call that begins now are in it.
    fn take(&mut self, now_us: i64, speed: f64, script: &Script) {
        for line in &script.in_call {
            let us = (line.until_ms as f64 * 1000.0 / speed).ceil() as i64;
            self.0.push((line.line_id.clone(), now_us.saturating_add(us)));
        }
    }
}
