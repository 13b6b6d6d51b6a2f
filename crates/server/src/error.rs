//! Errors of the APIs in the spec's body (spec/errors-and-limits.md); what is not the caller's doing is a fault,
//! logged once, here, with the reference that the caller gets.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wire::error::{Constraint, code};

use crate::secrets;
use crate::store::StoreError;

pub type ApiResult<T> = Result<T, ApiError>;

#[derive(Debug)]
pub struct ApiError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: Cow<'static, str>,
    pub constraints: Vec<Constraint>,
    /// The call events API says `constraints`, all others `constraintViolations`.
    pub constraints_key: ConstraintsKey,
    retry_after_s: Option<u32>,
    fault: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintsKey {
    /// The member stays out unless there are constraints.
    Violations,
    /// The member is there even when empty.
    ViolationsAlways,
    Constraints,
}

impl ApiError {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            constraints: Vec::new(),
            constraints_key: ConstraintsKey::Violations,
            retry_after_s: None,
            fault: None,
        }
    }

    pub fn bad_request(field: &str, constraint: &str) -> Self {
        let mut error = Self::new(StatusCode::BAD_REQUEST, code::BAD_REQUEST, "The request is invalid.");
        error.constraints.push(Constraint::new(field, constraint));
        error
    }

    pub fn malformed(why: impl std::fmt::Display) -> Self {
        let mut error = Self::new(
            StatusCode::BAD_REQUEST,
            code::MALFORMED_REQUEST,
            format!("The request is malformed: {why}."),
        );
        error.constraints_key = ConstraintsKey::ViolationsAlways;
        error
    }

    pub fn unauthorized(code: &'static str, message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code::UNAUTHORIZED, message)
    }

    pub fn insufficient_scope(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code::AUTHZ_INSUFFICIENT_SCOPE, message)
    }

    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code::CONFLICT, message)
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, code::NOT_FOUND, "The requested resource was not found.")
    }

    pub fn channel_not_found(id: &str) -> Self {
        let message = format!("Notification channel does not exist {id}");
        let mut error = Self::new(StatusCode::NOT_FOUND, code::CHANNEL_NOT_FOUND, message);
        error.constraints_key = ConstraintsKey::ViolationsAlways;
        error
    }

    pub fn too_many_requests() -> Self {
        let mut error = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            code::TOO_MANY_REQUESTS,
            "Rate limit exceeded. Wait as long as Retry-After says, then try again.",
        );
        error.retry_after_s = Some(1);
        error
    }

    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, code::UNAVAILABLE, message);
        error.retry_after_s = Some(1);
        error
    }

    /// Something that is not the caller's doing.
    pub fn fault(why: impl std::fmt::Display) -> Self {
        let mut error =
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, code::UNKNOWN_ERROR, "An unknown error occurred.");
        error.fault = Some(why.to_string());
        error
    }

    /// The call events API's name of the list of constraints.
    #[must_use]
    pub fn in_call_events(mut self) -> Self {
        if self.constraints_key == ConstraintsKey::Violations {
            self.constraints_key = ConstraintsKey::Constraints;
        }
        self
    }

    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::fault(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let reference = secrets::reference();
        if let Some(why) = &self.fault {
            tracing::error!(reference, "request failed: {why}");
        }
        let shown = !self.constraints.is_empty();
        let body = wire::error::ApiError {
            reference: Some(reference),
            error_code: self.code.into(),
            message: self.message.into_owned(),
            constraint_violations: match self.constraints_key {
                ConstraintsKey::ViolationsAlways => Some(self.constraints.clone()),
                ConstraintsKey::Violations if shown => Some(self.constraints.clone()),
                _ => None,
            },
            constraints: (self.constraints_key == ConstraintsKey::Constraints && shown)
                .then_some(self.constraints),
            extra: wire::Extra::new(),
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self.status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
            // The rest of the body stays unread, so the connection cannot carry another request.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
