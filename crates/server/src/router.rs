//! Every path of the platform, in one readable list.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use tower_http::catch_panic::CatchPanicLayer;
use wire::error::code;

use crate::app::App;
use crate::directory::{admin, scim, users, voice_admin};
use crate::error::ApiError;
use crate::oauth::portal::{clients, session, tokens};
use crate::oauth::{authorize, inspect, login, token};
use crate::ops::{metrics, request_id};
use crate::sources::simulator;
use crate::webhooks::api as webhooks;
use crate::{calls, channels, faults, history, limits, recordings, reports, summaries};

pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .merge(apis())
        .route("/oauth/authorize", get(authorize::authorize))
        .route("/oauth/token", post(token::token))
        .route("/oauth/revoke", post(inspect::revoke))
        .route("/oauth/introspect", post(inspect::introspect))
        .route("/.well-known/oauth-authorization-server", get(inspect::metadata))
        .merge(portal())
        .merge(recorded())
        .route("/login", get(login::form).post(login::sign_in))
        .route("/OAuth/approve", get(login::approve).post(login::decide))
        .route("/simulator/v1/calls", post(simulator::calls))
        .route(
            "/simulator/v1/faults",
            get(faults::api::list).post(faults::api::add).delete(faults::api::clear_all),
        )
        .route("/simulator/v1/faults/{id}", delete(faults::api::clear))
        .route("/healthz", get(|| async { "ok" }))
        .route("/metrics", get(metrics::scrape))
        .merge(ui::assets().layer(middleware::map_response(assets_error)))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(|| async { ApiError::not_found() })
        .layer(DefaultBodyLimit::max(limits::REQUEST_BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), faults::http::misbehave))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), metrics::measure))
        .layer(middleware::from_fn(request_id::with_id))
        .with_state(app)
}

/// What is no JSON, or need not be accepted as such: the content of recordings.
fn recorded() -> Router<Arc<App>> {
    Router::new()
        .route("/recording/v1/recordings/{id}/content/{token}", get(recordings::content_by_token))
        .route("/recording-media/v1/{token}/audio.wav", get(recordings::audio))
        .route("/recording-media/v1/{token}/transcript.json", get(recordings::transcript))
}

/// Pages on which people manage their clients and personal access tokens.
fn portal() -> Router<Arc<App>> {
    Router::new()
        .route("/clients", get(clients::list).post(clients::create))
        .route("/clients/new", get(clients::new_form))
        .route("/clients/sign-out", post(session::sign_out))
        .route("/clients/{id}", get(clients::show).post(clients::change))
        .route("/clients/{id}/secret", post(clients::rotate))
        .route("/clients/{id}/old-secrets", post(clients::end_old_secrets))
        .route("/clients/{id}/delete", get(clients::confirm_delete).post(clients::delete))
        .route("/personal-access-tokens", get(tokens::list).post(tokens::create))
        .route("/personal-access-tokens/{id}/revoke", post(tokens::revoke))
}

/// The GoTo APIs.
fn apis() -> Router<Arc<App>> {
    let channels = Router::new()
        .route("/channels", post(channels::create_without_nickname).get(channels::list))
        .route(
            "/channels/{name}",
            post(channels::create)
                .get(channels::read_by_name)
                .put(channels::refresh_by_id)
                .delete(channels::remove_by_id),
        )
        .route("/channels/{name}/{id}", put(channels::refresh).get(channels::read).delete(channels::remove))
        .route(
            "/channels/{name}/{id}/channel-lifetime",
            get(channels::read_lifetime).put(channels::set_lifetime),
        )
        .route("/channels/{name}/{id}/attempts", get(webhooks::attempts))
        .route("/channels/{name}/{id}/attempts/{notification}/resend", post(webhooks::resend))
        .route("/channels/{name}/{id}/recover", post(webhooks::recover))
        .route("/channels/{name}/{id}/signature/rotate", post(webhooks::rotate))
        .route("/channels/{name}/{id}/ws", get(channels::connect))
        .route("/channels/{name}/{id}/sse", get(channels::events));
    let calls = Router::new()
        .route("/subscriptions", post(calls::subscribe).get(calls::subscribed).delete(calls::unsubscribe))
        .route("/conversation-spaces", get(calls::conversation_spaces))
        .route("/conversation-spaces/{id}/events", get(calls::events));
    let reports = Router::new()
        .route(
            "/subscriptions",
            post(reports::subscribe).get(reports::subscribed).delete(reports::unsubscribe),
        )
        .route("/reports/{id}", get(reports::report))
        .route("/report-summaries", get(summaries::summaries));
    let recording = Router::new()
        .route("/subscriptions", post(recordings::subscribe).get(recordings::subscribed))
        .route("/subscriptions/{id}", delete(recordings::unsubscribe))
        .route("/recordings/{id}", get(recordings::status))
        .route("/recordings/{id}/content", get(recordings::content))
        .route("/transcriptions/{id}", get(recordings::transcription));
    let history = Router::new()
        .route("/calls", get(history::calls))
        .route("/subscriptions", post(history::subscribe))
        .route("/subscriptions/{id}", put(history::change).delete(history::unsubscribe));
    Router::new()
        .nest("/notification-channel/v1", channels)
        .nest("/call-events/v1", calls)
        .nest("/call-events-report/v1", reports)
        .nest("/call-history/v1", history)
        .nest("/recording/v1", recording)
        .merge(directory())
        .layer(middleware::from_fn(accepts_json))
}

/// Who works in an account, and its phones.
fn directory() -> Router<Arc<App>> {
    let users = Router::new()
        .route("/me", get(users::me))
        .route("/users", get(users::users))
        .route("/users/{key}/lines", get(users::lines_of_user))
        .route("/lines", get(users::lines));
    let admin =
        Router::new().route("/me", get(admin::me)).route("/accounts/{account_key}/users", get(admin::users));
    let voice_admin = Router::new()
        .route("/accounts", get(voice_admin::accounts))
        .route("/extensions", get(voice_admin::extensions))
        .route("/extensions/{id}", get(voice_admin::extension))
        .route("/phone-numbers", get(voice_admin::phone_numbers))
        .route("/phone-numbers/{id}", get(voice_admin::phone_number))
        .route("/devices", get(voice_admin::devices))
        .route("/devices/{id}", get(voice_admin::device))
        .route("/locations", get(voice_admin::locations))
        .route("/locations/{id}", get(voice_admin::location))
        .route("/locations/{id}/users", get(voice_admin::location_users))
        .route("/locations/{id}/devices", get(voice_admin::location_devices))
        .route("/call-queues", get(voice_admin::call_queues))
        .route("/call-queues/{id}", get(voice_admin::call_queue))
        .route("/call-queues/{id}/users", get(voice_admin::call_queue_users));
    Router::new()
        .nest("/users/v1", users)
        .nest("/admin/rest/v1", admin)
        .nest("/voice-admin/v1", voice_admin)
        .route("/identity/v1/Users/me", get(scim::me))
}

/// A missing asset is answered like every other unknown path.
async fn assets_error(response: Response) -> Response {
    match response.status() {
        StatusCode::NOT_FOUND => ApiError::not_found().into_response(),
        _ => response,
    }
}

async fn method_not_allowed() -> ApiError {
    let message = "This path does not take this method.";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, code::METHOD_NOT_ALLOWED, message)
}

fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    ApiError::fault("a handler panicked").into_response()
}

/// 406 unless the answer may be JSON.
async fn accepts_json(request: Request, next: Next) -> Response {
    if may_be_json(request.headers()) {
        return next.run(request).await;
    }
    let message = "The answer is JSON. Let Accept allow application/json.";
    ApiError::new(StatusCode::NOT_ACCEPTABLE, code::NOT_ACCEPTABLE, message).into_response()
}

fn may_be_json(headers: &HeaderMap) -> bool {
    let mut accepted =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    accepted.peek().is_none()
        || accepted.flat_map(|value| value.split(',')).any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let refused = parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0"));
            matches!(kind, "" | "*/*" | "application/*" | "application/json" | "text/event-stream")
                && !refused
        })
}
