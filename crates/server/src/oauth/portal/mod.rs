//! Pages on which people register programs and make personal access tokens (spec/oauth.md, OAuth client portal;
//! Personal access tokens). Everything works without JavaScript; every form carries a proof of its session.

pub mod clients;
mod form;
pub mod session;
pub mod tokens;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use ui::Message;

use super::authorize::found;
use crate::error::ApiError;
use crate::extract::path_segment;
use crate::store::StoreError;

/// Why a page of the portal is not shown.
pub enum PortalError {
    /// Nobody is signed in; the login comes back to this address below the public URL.
    SignIn {
        service: String,
    },
    NotFound,
    /// Says why.
    Told(StatusCode, Message),
    /// The form was not made by this session.
    ForeignForm,
    Fault(ApiError),
}

impl From<StoreError> for PortalError {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<ApiError> for PortalError {
    fn from(error: ApiError) -> Self {
        Self::Fault(error)
    }
}

impl IntoResponse for PortalError {
    fn into_response(self) -> Response {
        let (status, page) = match self {
            Self::Fault(error) => return error.into_response(),
            Self::SignIn { service } => return found(&format!("/login?service={}", path_segment(&service))),
            Self::Told(status, message) => (status, message),
            Self::NotFound => {
                let text = "It was deleted, or it belongs to somebody else. Go back to your list.";
                (StatusCode::NOT_FOUND, Message::new("There is nothing here", text))
            }
            Self::ForeignForm => {
                let text =
                    "This form does not belong to your sign-in. Open the page again and repeat it there.";
                (StatusCode::FORBIDDEN, Message::new("Open the page again", text))
            }
        };
        ui::page(status, &page, &[]).into_response()
    }
}

type Answer = Result<Response, PortalError>;

/// 303, so that a reload does not send the form again. Relative: the browser stays on the host it knows.
fn see_other(path: &str) -> Response {
    axum::response::Redirect::to(path).into_response()
}

/// Day of an instant, as the tables show it.
fn day(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us)
        .map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%d").to_string())
}

/// Instant to the minute, with its zone.
fn minute(us: i64) -> String {
    let format = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    jiff::Timestamp::from_microsecond(us).map_or_else(|_| String::new(), format)
}

fn session_cookie(jar: &CookieJar) -> Option<&str> {
    jar.get(session::COOKIE).map(axum_extra::extract::cookie::Cookie::value)
}
