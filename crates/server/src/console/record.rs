//! The layer that writes requests of the APIs and their answers into the journal while somebody looks.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::journal;
use crate::app::App;
use crate::error::ApiError;
use crate::faults::{http as faults, who};
use crate::limits;

pub async fn requests(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if !app.journal.is_on() || !faults::can_fail(request.uri().path()) {
        return next.run(request).await;
    }
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let reading = to_bytes(body, limits::REQUEST_BODY_BYTES_MAX);
    let Ok(Ok(body)) = tokio::time::timeout(limits::REQUEST_BODY_TIMEOUT, reading).await else {
        return ApiError::malformed("the body is too large, or did not come in time").into_response();
    };
    let account = match who::account(&app, &parts, &body).await {
        Ok(account) => account,
        Err(error) => return ApiError::from(error).into_response(),
    };
    let mut shown = json!({
        "kind": "request",
        "what": format!("{} {}", parts.method, journal::path(parts.uri.path())),
        "query": parts.uri.query().map(journal::path),
        "channel": who::channel(&app, &parts, &body).map(|id| journal::short(&id)),
        "call": call(parts.uri.path()),
        "asked": text(&parts.headers, &body),
    });
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    // Who is not known belongs to no account, so nobody may see it.
    let Some(account) = account else { return response };
    shown["status"] = json!(response.status().as_u16());
    shown["why"] = json!(
        response
            .headers()
            .get(faults::X_FAULT)
            .and_then(|name| name.to_str().ok())
            .map(|name| format!("fault: {name}"))
    );
    shown["ms"] = json!(started.elapsed().as_millis() as u64);
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_json {
        app.journal.put(&account, shown, None);
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, limits::FAULT_ANSWER_BYTES_MAX).await else {
        return ApiError::fault("an answer is too large to be shown").into_response();
    };
    shown["body"] = text(&parts.headers, &body);
    app.journal.put(&account, shown, None);
    Response::from_parts(parts, Body::from(body))
}

/// The call that a path names.
fn call(path: &str) -> Option<&str> {
    let mut segments = path.split('/').skip_while(|part| !matches!(*part, "reports" | "conversation-spaces"));
    segments.nth(1)
}

/// A body without its secrets; a long one is cut.
fn text(headers: &axum::http::HeaderMap, body: &Bytes) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    if body.len() > limits::JOURNAL_BODY_BYTES_MAX {
        return json!(format!("{} bytes, too many to be shown", body.len()));
    }
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.as_bytes().to_vec()).unwrap_or_default();
    if kind.starts_with(b"application/x-www-form-urlencoded") {
        return journal::mask_form(&String::from_utf8_lossy(body));
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            journal::mask(&mut value);
            value
        }
        Err(_) => json!(format!("{} bytes that are no JSON", body.len())),
    }
}
