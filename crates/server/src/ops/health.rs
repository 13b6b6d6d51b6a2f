//! Whether the platform can do what it is there for, for whoever watches over it.

use std::sync::Arc;

use axum::extract::State;

use crate::app::App;
use crate::error::{ApiError, ApiResult};

/// `GET /healthz`. While the event log cannot be written no call can begin or go on, though all that is stored is
/// served; that is for an operator to know before anybody misses a call.
pub async fn health(State(app): State<Arc<App>>) -> ApiResult<&'static str> {
    if app.log.is_failing() {
        return Err(ApiError::unavailable("The event log cannot be written. The platform's log says why."));
    }
    Ok("ok")
}
