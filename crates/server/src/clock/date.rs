//! Answers have the date of the platform's clock, so that a program can follow a virtual one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::app::App;

/// Sets `Date` (RFC 9110, section 6.6.1) where the clock is virtual; elsewhere the HTTP library does.
pub async fn tell(State(app): State<Arc<App>>, mut response: Response) -> Response {
    if app.clock.is_virtual() {
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&app.clock.now());
        if let Some(date) = date.ok().and_then(|date| HeaderValue::try_from(date).ok()) {
            response.headers_mut().insert(header::DATE, date);
        }
    }
    response
}
