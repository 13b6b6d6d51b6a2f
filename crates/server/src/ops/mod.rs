//! What running the platform for years asks for, beside what it serves.

pub mod client_address;
pub mod health;
pub mod metrics;
pub mod request_id;
pub mod retention;

use listen::Refusal;
use wire::error::{ApiError, code};

/// What a connection beyond the bound is told.
pub fn too_many_connections() -> Refusal {
    let error = ApiError {
        error_code: code::UNAVAILABLE.to_owned(),
        message: "There are too many connections. Try again soon.".to_owned(),
        ..ApiError::default()
    };
    let body = serde_json::to_string(&error).expect("the error body is plain texts");
    Refusal { content_type: "application/json", body }
}
