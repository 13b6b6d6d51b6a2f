//! Bodies of refusals: the spec's, or what a proxy in between says (spec/errors-and-limits.md, Error body).

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Fault;
use super::catalogue::{Bounds, Parameter};
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

/// The same with the body that the fault asks for.
pub fn refusal_as(fault: &Fault, status: StatusCode, code: &str, message: &str) -> Response {
    match fault.text("body") {
        "html" => (status, [(header::CONTENT_TYPE, "text/html")], PAGE).into_response(),
        "empty" => (status, Body::empty()).into_response(),
        _ => refusal(status, code, message),
    }
}

/// A refusal with a constraint on one field.
pub fn bad_request(field: &str, constraint: &str) -> Response {
    ApiError::bad_request(field, constraint).into_response()
}

/// With `Retry-After`, unless that is 0.
pub fn with_retry_after(mut response: Response, seconds: u64) -> Response {
    if seconds > 0 {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
