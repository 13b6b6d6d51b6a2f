//! Bodies of refusals: the spec's, or what a proxy in between says (spec/errors-and-limits.md, Error body).

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Fault;
use super::catalogue::{Bounds, Parameter};
use super::http::{Asked, TOKEN};
use crate::error::ApiError;
use crate::secrets;

/// How the body of a refusal looks.
pub const BODY: Parameter = Parameter {
    name: "body",
    what: "the spec's error body, a proxy's page, or nothing",
    bounds: Bounds::Choice(&["json", "html", "empty"]),
};

const PAGE: &str = "<html><head><title>Error</title></head><body><h1>Error</h1></body></html>";

/// A refusal with the spec's body.
pub fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({"reference": secrets::reference(), "errorCode": code, "message": message});
    (status, axum::Json(body)).into_response()
}

/// A refusal of this request, in the shape of its API.
pub fn refusal_of(asked: &Asked<'_>, status: StatusCode, code: &str, message: &str) -> Response {
    if asked.path != TOKEN {
        return refusal(status, code, message);
    }
    // RFC 6749 §5.2 has no words for what is not the request's fault; these are those of §4.1.2.1.
    let error = match status {
        StatusCode::UNAUTHORIZED => "invalid_client",
        StatusCode::FORBIDDEN => "unauthorized_client",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    };
    (status, axum::Json(json!({"error": error, "error_description": message}))).into_response()
}

/// The same with the body that the fault asks for.
pub fn refusal_as(
    fault: &Fault,
    asked: &Asked<'_>,
    status: StatusCode,
    code: &str,
    message: &str,
) -> Response {
    match fault.text("body") {
        "html" => (status, [(header::CONTENT_TYPE, "text/html")], PAGE).into_response(),
        "empty" => (status, Body::empty()).into_response(),
        _ => refusal_of(asked, status, code, message),
    }
}

/// A refusal with a constraint on one field, under the name that the request's API has for it.
pub fn bad_request(asked: &Asked<'_>, field: &str, constraint: &str) -> Response {
    let error = ApiError::bad_request(field, constraint);
    match asked.segment(0) {
        "call-events" => error.in_call_events().into_response(),
        _ => error.into_response(),
    }
}

/// With `Retry-After`, unless that is 0.
pub fn with_retry_after(mut response: Response, seconds: u64) -> Response {
    if seconds > 0 {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
