//! Pages for programmers: `/docs` tells the spec's two tutorials with commands for this very server, `/docs/api` shows
//! the OpenAPI document, and the texts of the repository are pages too.

mod guide;
mod reference;
mod tutorials;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use ui::{Docs, Message};

use crate::app::App;
use crate::extract::Path;
use crate::openapi::Document;
use crate::router::is_browser;

/// `GET /docs`.
pub async fn tutorials(State(app): State<Arc<App>>) -> Response {
    ui::page(StatusCode::OK, &Docs { tutorials: tutorials::all(&app) }, &[]).into_response()
}

/// `GET /docs/{name}`: a text of the repository.
pub async fn guide(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match guide::of(&name) {
        Some(guide) => ui::page(StatusCode::OK, &guide, &[]).into_response(),
        None if is_browser(&headers) => {
            let text = "There is no text of this name. All texts are listed at /docs.";
            let page = Message::new("There is nothing here", text);
            ui::page(StatusCode::NOT_FOUND, &page, &[]).into_response()
        }
        None => crate::error::ApiError::not_found().into_response(),
    }
}

/// `GET /docs/api`.
pub async fn reference(Extension(document): Extension<Arc<Document>>) -> Response {
    match document.value() {
        Ok(value) => ui::page(StatusCode::OK, &reference::of(&value), &[]).into_response(),
        Err(error) => crate::error::ApiError::fault(error).into_response(),
    }
}
