//! One id for each request: what the caller, its proxy and the log call the same thing.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use crate::limits;

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Takes the request's `x-request-id` if it is sane, else makes one; puts it into the answer and around every
/// log line that is written while the request is answered.
pub async fn with_id(request: Request, next: Next) -> Response {
    let id = request.headers().get(&X_REQUEST_ID).filter(|id| is_sane(id)).cloned().unwrap_or_else(new_id);
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str);
    // At the level of errors, so that the span is there whatever --log-level says. The route is the template: a
    // real path holds ids and, where WebSockets connect, a secret.
    let span = tracing::error_span!(
        "request",
        request_id = id.to_str().unwrap_or_default(),
        method = request.method().as_str(),
        route
    );
    async {
        let started = Instant::now();
        let mut response = next.run(request).await;
        let status = response.status().as_u16();
        tracing::debug!(status, duration_ms = started.elapsed().as_secs_f64() * 1000.0, "answered");
        response.headers_mut().insert(X_REQUEST_ID, id);
        response
    }
    .instrument(span)
    .await
}

/// Visible ASCII only, so that no id can forge a log line, and not too long.
fn is_sane(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    (1..=limits::REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

/// Told apart from others, not secret.
fn new_id() -> HeaderValue {
    let id = format!("{:032x}", fastrand::u128(..));
    HeaderValue::from_str(&id).expect("hexadecimal digits are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_when_it_is_short_and_visible() {
        for sane in ["a", "0f8fad5b-d9cb-469f-a165-70867728950e", &"x".repeat(64)] {
            assert!(is_sane(&HeaderValue::from_str(sane).expect("a header value")), "{sane}");
        }
        for not in ["", "two words", "tab\there", &"x".repeat(65)] {
            assert!(!is_sane(&HeaderValue::from_str(not).expect("a header value")), "{not}");
        }
        assert!(!is_sane(&HeaderValue::from_bytes("é".as_bytes()).expect("a header value")));
        assert!(is_sane(&new_id()));
        assert_ne!(new_id(), new_id());
    }
}
