//! Pages for programmers: `/docs` tells the spec's two tutorials with commands for this very server, `/docs/api` shows
//! the OpenAPI document.

mod reference;
mod tutorials;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ui::Docs;

use crate::app::App;
use crate::openapi::Document;

/// `GET /docs`.
pub async fn tutorials(State(app): State<Arc<App>>) -> Response {
    ui::page(StatusCode::OK, &Docs { tutorials: tutorials::all(&app) }, &[]).into_response()
}

/// `GET /docs/webhooks`: the text of the repository, as it is.
pub async fn webhooks() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (kind, include_str!("../../../../docs/webhooks.md")).into_response()
}

/// `GET /docs/api`.
pub async fn reference(Extension(document): Extension<Arc<Document>>) -> Response {
    match document.value() {
        Ok(value) => ui::page(StatusCode::OK, &reference::of(&value), &[]).into_response(),
        Err(error) => crate::error::ApiError::fault(error).into_response(),
    }
}
