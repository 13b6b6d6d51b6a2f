//! Every path of the platform, in readable lists: those that programs call stand beside what the OpenAPI document
//! tells of them, one file a group of APIs; pages for people stand here.

mod calls;
mod channels;
mod directory;
mod finished;
mod oauth;
mod own;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;
use wire::error::code;

use crate::app::App;
use crate::error::ApiError;
use crate::oauth::login;
use crate::oauth::portal::{clients, session, tokens};
use crate::openapi::Document;
use crate::openapi::operation::Documented;
use crate::openapi::routes::Routes;
use crate::ops::{metrics, request_id};
use crate::{clock, console, docs, faults, limits};

pub fn router(app: Arc<App>) -> Router {
    let (routes, operations) = routes();
    let document = Arc::new(Document::new(&operations, &app.public_url));
    let routes = routes
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(|| async { ApiError::not_found() })
        .layer(Extension(document))
        .layer(DefaultBodyLimit::max(limits::REQUEST_BODY_BYTES_MAX));
    let elsewhere = routes.clone().with_state(Arc::clone(&app));
    routes
        .layer(middleware::from_fn_with_state((Arc::clone(&app), elsewhere), faults::http::misbehave))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), console::requests))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), metrics::measure))
        .layer(middleware::from_fn(request_id::with_id))
        .layer(middleware::map_response_with_state(Arc::clone(&app), clock::date::tell))
        .with_state(app)
}

/// All routes, and what the document tells of those that programs call.
pub fn routes() -> (Router<Arc<App>>, Vec<Documented>) {
    let (programs, operations) = documented().into_parts();
    (programs.merge(pages()), operations)
}

/// Method and path of all that programs call; variable segments stand in braces.
pub fn endpoints() -> Vec<(Method, String)> {
    let (_, operations) = documented().into_parts();
    operations.into_iter().map(|one| (one.method, one.path)).collect()
}

/// Every path that programs call, each with what the document tells of it.
fn documented() -> Routes {
    let apis = channels::routes()
        .merge(calls::call_events())
        .merge(finished::reports())
        .merge(finished::history())
        .merge(finished::recording())
        .merge(directory::routes())
        .negotiated(middleware::from_fn(accepts_json));
    apis.merge(finished::recorded()).merge(oauth::routes()).merge(own::routes())
}

/// Pages for people, which no program reads.
pub fn pages() -> Router<Arc<App>> {
    Router::new()
        .route("/", any(home))
        .route("/docs", get(docs::tutorials))
        .route("/docs/api", get(docs::reference))
        .route("/docs/{name}", get(docs::guide))
        .route("/login", get(login::form).post(login::sign_in))
        .route("/OAuth/approve", get(login::approve).post(login::decide))
        .route("/clients", get(clients::list).post(clients::create))
        .route("/clients/new", get(clients::new_form))
        .route("/clients/sign-out", post(session::sign_out))
        .route("/clients/{id}", get(clients::show).post(clients::change))
        .route("/clients/{id}/take-over", post(clients::take_over))
        .route("/clients/{id}/secret", post(clients::rotate))
        .route("/clients/{id}/old-secrets", post(clients::end_old_secrets))
        .route("/clients/{id}/delete", get(clients::confirm_delete).post(clients::delete))
        .route("/personal-access-tokens", get(tokens::list).post(tokens::create))
        .route("/personal-access-tokens/{id}/revoke", post(tokens::revoke))
        .route("/console", get(console::show))
        .route("/console/events", get(console::events))
        .route("/console/play", post(console::play))
        .route("/console/faults", post(console::add_fault))
        .route("/console/faults/clear", post(console::clear_faults))
        .route("/console/resend", post(console::resend))
        .merge(ui::assets().layer(middleware::map_response(assets_error)))
}

/// Who opens the platform in a browser is led to the documentation; to programs it is a path like any unknown one.
async fn home(method: Method, headers: HeaderMap) -> Response {
    if is_browser(&headers) && (method == Method::GET || method == Method::HEAD) {
        return Redirect::to("/docs").into_response();
    }
    ApiError::not_found().into_response()
}

/// Whether a person will read the answer.
pub fn is_browser(headers: &HeaderMap) -> bool {
    let kinds = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    kinds.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("text/html"))
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
