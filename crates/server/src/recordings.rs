//! Recording API: recordings and transcripts of finished calls (spec/call-events.md, Recordings and transcripts).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use wire::error::{Constraint, code};
use wire::recording::{
    ContentToken, RECORDING_TRANSCRIPT_UPLOADED, RECORDING_UPLOADED, RecordingContent, RecordingStatus,
    Subscription, SubscriptionRequest, Transcription, Utterance,
};
use wire::{Extra, Page, scope};

use crate::app::App;
use crate::auth::Caller;
use crate::directory::lists;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, Path};
use crate::store::{self, Api, KeyKind, RecordingRow};
use crate::subscriptions::{self, Again, NewKey};
use crate::{limits, secrets, tone};

const EVENTS: [&str; 2] = [RECORDING_UPLOADED, RECORDING_TRANSCRIPT_UPLOADED];
/// Content is there as soon as the call has ended.
const UPLOADED: &str = "UPLOADED";

/// `POST /subscriptions`: 201, or 409 when the channel has one. Recordings of an account are for its super admin.
pub async fn subscribe(State(app): State<Arc<App>>, caller: Caller, body: Body) -> ApiResult<Response> {
    caller.require(scope::RECORDING_MANAGE)?;
    let request: SubscriptionRequest = body.json()?;
    if request.account_key.is_empty() {
        return Err(ApiError::bad_request("accountKey", "REQUIRED"));
    }
    let channel_id = subscriptions::required_channel(Some(&request.channel_id), "channelId")?;
    let events = event_types(request.event_types)?;
    let channel = crate::channels::owned(&app, &caller, None, channel_id)?;
    lists::administered(&app, &caller, &request.account_key)?;
    if channel.subscriptions().iter().any(|s| s.api == Api::Recording) {
        return Err(conflict());
    }
    let key = NewKey { kind: KeyKind::Account, value: request.account_key.clone(), events };
    let (account, keys) = (&request.account_key, vec![key]);
    let present = subscriptions::add(&app, &channel, account, Api::Recording, keys, Again::Stay).await?;
    let made = present.iter().find(|s| s.api == Api::Recording).ok_or_else(ApiError::not_found)?;
    Ok((StatusCode::CREATED, Json(describe(made))).into_response())
}

fn event_types(asked: Vec<String>) -> ApiResult<Vec<String>> {
    if asked.is_empty() {
        return Ok(EVENTS.map(str::to_owned).to_vec());
    }
    match asked.iter().position(|event| !EVENTS.contains(&event.as_str())) {
        Some(place) => Err(ApiError::bad_request(&format!("eventTypes[{place}]"), "INVALID")
            .with_message(format!("eventTypes are {} and {}.", EVENTS[0], EVENTS[1]))),
        None => Ok(asked),
    }
}

fn conflict() -> ApiError {
    let message = "The request could not be completed due to a conflict";
    let mut error = ApiError::new(StatusCode::CONFLICT, code::CONFLICT, message);
    error.constraints.push(Constraint::new("channelId", "Subscription already exists"));
    error
}

fn describe(subscription: &store::Subscription) -> Subscription {
    Subscription {
        id: subscription.id.clone(),
        account_key: subscription.key_value.clone(),
        channel_id: subscription.channel_id.clone(),
        timestamp: instant(subscription.created_us),
        event_types: subscription.events.clone(),
        extra: Extra::new(),
    }
}

/// With milliseconds, trailing zeros cut.
fn instant(us: i64) -> String {
    Timestamp::from_millisecond(us / 1_000).map_or_else(|_| String::new(), engine::instant)
}

/// `GET /subscriptions`: those on the caller's channels.
pub async fn subscribed(
    State(app): State<Arc<App>>,
    caller: Caller,
    params: Params,
) -> ApiResult<Json<Page<Subscription>>> {
    caller.require(scope::RECORDING_MANAGE)?;
    match params.integer("pageSize")? {
        // Zero is allowed here, unlike elsewhere.
        Some(0) => return Ok(Json(Page::new(Vec::new(), 0, None))),
        Some(size) if size > limits::RECORDING_PAGE_SIZE_MAX => {
            return Err(ApiError::bad_request("pageSize", "InvalidRange"));
        }
        _ => {}
    }
    let all = app.store.subscriptions_of_user(&caller.user.user_key, Api::Recording).await?;
    // Of the caller's own channels.
    let own = |id: &str| app.hub.get(id).is_some_and(|channel| channel.user_key() == caller.user.user_key);
    let all = app.list_lag.subscriptions(all, |s| s.api == Api::Recording && own(&s.channel_id));
    let page = lists::page(all.iter().map(describe).collect(), &params, limits::RECORDING_PAGE_SIZE)?;
    Ok(Json(page))
}

/// `DELETE /subscriptions/{id}`: 204, or 404 when there is none on the caller's channels.
pub async fn unsubscribe(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    caller.require(scope::RECORDING_MANAGE)?;
    let found = app.store.subscription(&id).await?.filter(|s| s.api == Api::Recording);
    let found = found.ok_or_else(ApiError::not_found)?;
    let channel = crate::channels::owned(&app, &caller, None, &found.channel_id);
    let channel = channel.map_err(|_| ApiError::not_found())?;
    app.store.change_subscriptions(&[id], &[]).await?;
    app.list_lag.unsubscribed([&found]);
    subscriptions::reload(&app, &channel).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /recordings/{id}`.
pub async fn status(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Json<RecordingStatus>> {
    visible(&app, &caller, &id).await?;
    Ok(Json(RecordingStatus { status: UPLOADED.to_owned(), extra: Extra::new() }))
}

/// `GET /recordings/{id}/content`: a token that gives the audio for a while.
pub async fn content(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Json<RecordingContent>> {
    let recording = visible(&app, &caller, &id).await?;
    let (token, expires_us) = new_token(&app, &recording).await?;
    let token = ContentToken { token, expires: instant(expires_us), extra: Extra::new() };
    Ok(Json(RecordingContent { status: UPLOADED.to_owned(), token, extra: Extra::new() }))
}

/// `GET /recordings/{id}/content/{token}`: 302 to the audio. The token is enough; a bearer token that comes with
/// it is not looked at (whether it is needed is disputed).
pub async fn content_by_token(
    State(app): State<Arc<App>>,
    Path((id, token)): Path<(String, String)>,
) -> ApiResult<Response> {
    let recording = of_token(&app, &token).await?;
    if recording.recording_id != id {
        return Err(ApiError::not_found());
    }
    Ok(found(app.url(&format!("recording-media/v1/{token}/audio.wav"))))
}

/// `GET /transcriptions/{id}`: 302 to the transcript, 404 while there is none.
pub async fn transcription(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let recording = visible(&app, &caller, &id).await?;
    if !recording.transcript_ready {
        return Err(ApiError::not_found());
    }
    let (token, _) = new_token(&app, &recording).await?;
    Ok(found(app.url(&format!("recording-media/v1/{token}/transcript.json"))))
}

/// `GET /recording-media/v1/{token}/audio.wav`, Callfeed's own path.
pub async fn audio(State(app): State<Arc<App>>, Path(token): Path<String>) -> ApiResult<Response> {
    let recording = of_token(&app, &token).await?;
    let headers = [(header::CONTENT_TYPE, "audio/wav"), (header::CACHE_CONTROL, "private, no-store")];
    Ok((headers, tone::wav(recording.duration_ms)).into_response())
}

/// `GET /recording-media/v1/{token}/transcript.json`, Callfeed's own path.
pub async fn transcript(State(app): State<Arc<App>>, Path(token): Path<String>) -> ApiResult<Response> {
    of_token(&app, &token).await?;
    let utterance = |transcript: &str, start_time_ms: u64, end_time_ms: u64, channel: u32| Utterance {
        kind: "utterances".to_owned(),
        transcript: transcript.to_owned(),
        is_final: true,
        start_time_ms,
        end_time_ms,
        channel,
        language_code: "en-US".to_owned(),
        extra: Extra::new(),
    };
    let results = vec![
        utterance("Hello, how can I help you?", 420, 2_210, 0),
        utterance("When do you open tomorrow?", 2_600, 4_380, 1),
    ];
    let transcription = Transcription { version: "1".to_owned(), results, extra: Extra::new() };
    Ok(([(header::CACHE_CONTROL, "private, no-store")], Json(transcription)).into_response())
}

/// A recording that the caller may hear: that of a super admin's account.
async fn visible(app: &App, caller: &Caller, id: &str) -> ApiResult<RecordingRow> {
    caller.require(scope::RECORDING_READ)?;
    let recording = app.store.recording(id).await?;
    recording.filter(|recording| caller.sees_account(&recording.account_key)).ok_or_else(ApiError::not_found)
}

async fn new_token(app: &App, recording: &RecordingRow) -> ApiResult<(String, i64)> {
    let token = secrets::token("");
    let now_us = app.clock.now_us();
    let expires_us = now_us + limits::RECORDING_TOKEN_LIFE_S * 1_000_000;
    let hash = secrets::hash(&token);
    app.store.put_recording_token(&hash, &recording.recording_id, expires_us, now_us).await?;
    Ok((token, expires_us))
}

async fn of_token(app: &App, token: &str) -> ApiResult<RecordingRow> {
    let recording = app.store.recording_of_token(&secrets::hash(token), app.clock.now_us()).await?;
    recording.ok_or_else(ApiError::not_found)
}

fn found(location: String) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, location), (header::CACHE_CONTROL, "no-store".to_owned())])
        .into_response()
}
