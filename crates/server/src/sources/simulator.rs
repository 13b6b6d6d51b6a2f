//! `POST /simulator/v1/calls`: calls on demand. Callfeed's own path, outside the GoTo APIs; the client signs in with
//! its own credentials, no user needed.
//!
//! The answer is a stream of JSON lines: `{"conversationSpaceId": …}` when a call's first state is durable,
//! `{"conversationSpaceId": …, "ended": true}` when its report is, last `{"done": true}`. A stream that ends without
//! it was cut off. Of a call of a file, the second line has what came of it, too: `"part"` of the file that it played
//! (`steps`, `consultation`, `when-busy`, `busy-tone`), whether it was `"compared"` with what the file expects of that
//! part, and the differences: `"unexpected": ["outcome is …", …]`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body as HttpBody, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use engine::{Office, Request, Scenario, Script};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use wire::error::code;

use super::player::{self, Came, Play, Progress};
use crate::app::App;
use crate::auth;
use crate::clock::Busy;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::limits;
use crate::store::User;

/// Body of the request. Times are in scenario time: `speed` divides them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallRequest {
    /// A scenario of the library, see docs/scenarios.md; with `file` any name.
    pub scenario: String,
    /// Text of a scenario file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// How many times faster than life; 0.01 to 100,000.
    #[serde(default = "one")]
    pub speed: f64,
    /// Decides what is left open; each further call of `count` has the next seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The line that talks is recorded.
    #[serde(default)]
    pub record: bool,
    #[serde(default = "one_call")]
    pub count: u64,
    /// Between the starts of two calls, in milliseconds of scenario time.
    #[serde(default = "one_second_ms")]
    pub every_ms: u64,
    /// At most so many calls of this request under way; further ones wait. Without it, no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once: Option<u64>,
}

impl CallRequest {
    /// One call of a scenario, with everything else left open.
    #[must_use]
    pub fn new(scenario: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            file: None,
            from: None,
            from_name: None,
            to: None,
            speed: one(),
            seed: None,
            record: false,
            count: one_call(),
            every_ms: one_second_ms(),
            at_once: None,
        }
    }

    fn scenario(&self) -> Result<Scenario, engine::ScenarioError> {
        match &self.file {
            Some(text) => Scenario::parse(&self.scenario, text),
            None => self.scenario.parse(),
        }
    }

    fn asked(&self, scenario: Scenario, seed: u64) -> Request {
        let (from, from_name, to) = (self.from.clone(), self.from_name.clone(), self.to.clone());
        Request { from, from_name, to, record: self.record, ..Request::new(scenario, seed) }
    }
}

/// How long the calls take, with what their reports are told later; nothing where they cannot be played.
pub fn lasts(office: &Office, request: &CallRequest) -> Duration {
    let Ok(scenario) = request.scenario() else { return Duration::ZERO };
    let asked = request.asked(scenario, request.seed.unwrap_or_default());
    let mut longest_ms = 0;
    for number in 0..request.count.min(limits::SIMULATOR_COUNT_MAX) {
        let asked = Request { seed: asked.seed.wrapping_add(number), ..asked.clone() };
        let Ok(script) = engine::script(office, &asked) else { continue };
        let later_ms: u64 = script.afterwards.iter().map(|later| later.after_ms).sum();
        longest_ms = longest_ms.max(number * request.every_ms + script.duration_ms() + later_ms);
    }
    Duration::from_secs_f64(longest_ms as f64 / 1000.0 / request.speed) + Duration::from_millis(1)
}

fn one() -> f64 {
    1.0
}

fn one_call() -> u64 {
    1
}

fn one_second_ms() -> u64 {
    1000
}

/// Names of all scenarios.
pub fn scenarios() -> Vec<String> {
    Scenario::all().iter().map(ToString::to_string).collect()
}

pub async fn calls(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> ApiResult<Response> {
    let office = office_of_client(&app, &headers).await?;
    let inbox = begin(&app, office, body.json()?)?;
    let stream = ReceiverStream::new(inbox).map(Ok::<_, Infallible>);
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], HttpBody::from_stream(stream)).into_response())
}

/// Starts calls; the lines tell how they go on, to whoever wants to know.
///
/// # Errors
/// 400 for what the office cannot play.
pub fn begin(app: &Arc<App>, office: Arc<Office>, request: CallRequest) -> ApiResult<mpsc::Receiver<Bytes>> {
    let field = if request.file.is_some() { "file" } else { "scenario" };
    let scenario = request.scenario().map_err(refused(field))?;
    if !limits::SIMULATOR_SPEED.contains(&request.speed) {
        let message =
            format!("speed is {} to {}.", limits::SIMULATOR_SPEED.start(), limits::SIMULATOR_SPEED.end());
        return Err(ApiError::bad_request("speed", "InvalidRange").with_message(message));
    }
    if !(1..=limits::SIMULATOR_COUNT_MAX).contains(&request.count) {
        let message = format!("count is 1 to {}.", limits::SIMULATOR_COUNT_MAX);
        return Err(ApiError::bad_request("count", "InvalidRange").with_message(message));
    }
    if request.every_ms > limits::SIMULATOR_EVERY_MS_MAX {
        let message = format!("everyMs is at most {} (a day).", limits::SIMULATOR_EVERY_MS_MAX);
        return Err(ApiError::bad_request("everyMs", "InvalidRange").with_message(message));
    }
    if request.at_once == Some(0) {
        return Err(ApiError::bad_request("atOnce", "InvalidRange").with_message("atOnce is at least 1."));
    }
    let seed = request.seed.unwrap_or_else(|| app.player.seed(&app.clock));
    let asked = request.asked(scenario, seed);
    // Whether the office can play it is told before the stream begins.
    engine::script(&office, &asked).map_err(refused("to"))?;
    let (lines, inbox) = mpsc::channel(limits::SIMULATOR_LINES_MAX);
    let begun = app.clock.busy();
    app.tasks.spawn(start_calls(Arc::clone(app), office, asked, request, (lines, begun)));
    Ok(inbox)
}

pub async fn office_of_client(app: &App, headers: &HeaderMap) -> ApiResult<Arc<Office>> {
    let owner = owner_of_client(app, headers).await?;
    if !owner.super_admin {
        return Err(ApiError::forbidden(
            "Calls are the whole account's: the client's owner must be a super admin.",
        ));
    }
    let office = app.directory.office(&owner.account_key).ok_or_else(ApiError::not_found)?;
    Ok(Arc::clone(office))
}

/// Whose client signs in with its own credentials.
///
/// # Errors
/// 401 unless it does.
pub async fn owner_of_client(app: &App, headers: &HeaderMap) -> ApiResult<User> {
    let refused = || {
        ApiError::unauthorized(
            code::AUTHN_INVALID_TOKEN,
            "Sign in with Authorization: Basic and the client's id and secret.",
        )
    };
    let (id, secret) = auth::basic(headers).ok_or_else(refused)?;
    let client = auth::client(app, &id, &secret).await?.ok_or_else(refused)?;
    let owner = app.store.user(&client.owner_user_key).await?;
    // Other people's programs may go on with the client of somebody who left, but nobody plays the leaver.
    owner.filter(|owner| !owner.is_removed()).ok_or_else(refused)
}

fn refused<E: std::fmt::Display>(field: &'static str) -> impl Fn(E) -> ApiError {
    move |error| ApiError::bad_request(field, "INVALID").with_message(format!("{error}."))
}

/// Starts the calls one after the other.
async fn start_each(
    app: Arc<App>,
    office: Arc<Office>,
    asked: Request,
    request: CallRequest,
    (progress, begun): (mpsc::Sender<Progress>, Busy),
) {
    let pause = Duration::from_secs_f64(request.every_ms as f64 / 1000.0 / request.speed);
    let mut due = app.clock.instant();
    let mut turn = begun;
    let room = room(request.at_once);
    for number in 0..request.count {
        let next = async {
            let busy = app.clock.sleep_until(due, turn).await;
            due += pause;
            if let Ok(permit) = Arc::clone(&room).try_acquire_owned() {
                return Some((permit, busy));
            }
            // A virtual clock moves on while this one waits for another call's end.
            drop(busy);
            let permit = Arc::clone(&room).acquire_owned().await.ok()?;
            Some((permit, app.clock.busy()))
        };
        let Some(Some((permit, busy))) = app.shutdown.run_until_cancelled(next).await else { return };
        turn = busy;
        let asked = Request { seed: asked.seed.wrapping_add(number), ..asked.clone() };
        match engine::script(&office, &asked) {
            Ok(script) => {
                let how = How { seed: asked.seed, speed: request.speed, compare: request.file.is_some() };
                start(&app, &office, script, (how, permit), &progress).await;
            }
            Err(error) => {
                let _ = progress.send(Progress::Failed(error.to_string())).await;
            }
        }
    }
}

/// Starts the calls one after the other and passes on what they tell.
async fn start_calls(
    app: Arc<App>,
    office: Arc<Office>,
    asked: Request,
    request: CallRequest,
    (lines, begun): (mpsc::Sender<Bytes>, Busy),
) {
    let (progress, mut inbox) = mpsc::channel(limits::SIMULATOR_LINES_MAX);
    let starter = start_each(Arc::clone(&app), office, asked, request, (progress, begun));
    app.tasks.spawn(starter);
    let mut failed = false;
    loop {
        let told = match tokio::time::timeout(limits::SIMULATOR_HEARTBEAT, inbox.recv()).await {
            Ok(Some(told)) => told,
            Ok(None) => break,
            Err(_) => {
                let _ = lines.send(Bytes::from_static(b"\n")).await;
                continue;
            }
        };
        let line = match told {
            Progress::Started(id) => json!({"conversationSpaceId": id}),
            Progress::Ended { id, came } => ended(&id, came.as_ref()),
            Progress::Failed(why) => {
                failed = true;
                json!({"failed": why})
            }
        };
        send(&lines, &line).await;
    }
    if !failed && !app.shutdown.is_cancelled() {
        send(&lines, &json!({"done": true})).await;
    }
}

fn ended(id: &str, came: Option<&Came>) -> Value {
    let mut line = json!({"conversationSpaceId": id, "ended": true});
    if let (Some(line), Ok(Value::Object(came))) = (line.as_object_mut(), serde_json::to_value(came)) {
        line.extend(came);
    }
    line
}

/// A permit for each call of a request that may be under way.
fn room(at_once: Option<u64>) -> Arc<Semaphore> {
    let calls = at_once.and_then(|calls| usize::try_from(calls).ok()).unwrap_or(usize::MAX);
    Arc::new(Semaphore::new(calls.min(Semaphore::MAX_PERMITS)))
}

/// How a call is played.
struct How {
    seed: u64,
    speed: f64,
    /// Files of one's own are compared with what they expect; those of the library are tested.
    compare: bool,
}

async fn start(
    app: &Arc<App>,
    office: &Arc<Office>,
    script: Script,
    (how, permit): (How, OwnedSemaphorePermit),
    progress: &mpsc::Sender<Progress>,
) {
    let Some(place) = app.player.place(script.calls()) else {
        let why = format!("{} calls are under way, no more fit", limits::CALLS_UNDER_WAY_MAX);
        let _ = progress.send(Progress::Failed(why)).await;
        return;
    };
    let (app_of_call, office) = (Arc::clone(app), Arc::clone(office));
    let busy = app.clock.busy();
    let How { seed, speed, compare } = how;
    let play = Play { office, script, seed, busy, speed, place, progress: progress.clone(), compare };
    app.tasks.spawn(async move {
        player::play(app_of_call, play).await;
        drop(permit);
    });
}

async fn send(lines: &mpsc::Sender<Bytes>, line: &serde_json::Value) {
    // A reader that has gone does not stop the calls.
    let _ = lines.send(Bytes::from(format!("{line}\n"))).await;
}
