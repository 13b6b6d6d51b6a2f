//! `GET /oauth/authorize`: a redirect to the login page, exactly as both demos read it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ui::Message;

use super::request::{AuthorizationRequest, Refusal};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Params, path_segment};

pub async fn authorize(State(app): State<Arc<App>>, params: Params) -> Response {
    let request = match AuthorizationRequest::read(&app, &params).await {
        Ok(request) => request,
        Err(refusal) => return refuse(refusal),
    };
    // RFC 9700 §4.11.2: whatever else is wrong, the person signs in before being sent to the client's address.
    found(&app.url(&format!("login?service={}", path_segment(&app.url(&request.approve_path())))))
}

/// 302, the number that both demos insist on.
pub fn found(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => {
            // RFC 9700 §4.2.4: what stands in the address is kept from caches and from the next page's referrer.
            let headers = [
                (header::LOCATION, location),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
                (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            ];
            (StatusCode::FOUND, headers).into_response()
        }
        Err(error) => ApiError::fault(error).into_response(),
    }
}

/// A page, since there is no address that could be trusted with a redirect.
pub fn refuse(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Page { text } => {
            ui::page(StatusCode::BAD_REQUEST, &Message::new("This link does not work", text), &[])
                .into_response()
        }
        Refusal::Fault(error) => ApiError::from(error).into_response(),
    }
}
