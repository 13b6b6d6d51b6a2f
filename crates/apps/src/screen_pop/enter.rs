//! Signing in and out on the page, and what keeps forms of other sites away.

use axum::{
    body::Body,
    extract::{Form, Query, State},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    response::{IntoResponse, Redirect},
};
use axum_extra::extract::cookie::Cookie;
use sdk::Error;
use serde::Deserialize;
use tokio::sync::oneshot;
use ui::{DeskSignIn, Message};

use super::{
    routes::{Code, Pages},
    sight::Person,
};
use crate::sign_in::{self, RedirectQuery};

/// The page for who has not signed in. While the app itself is signed out, the first person signs in for both.
pub fn page(pages: &Pages) -> Response<Body> {
    let address = pages.hub.sign_in().map_or_else(|| "/sign-in".to_owned(), |sign_in| sign_in.login_url);
    ui::page(StatusCode::OK, &DeskSignIn { address }, &[])
}

/// Sends a browser to the login page of the phone system.
pub async fn begin(State(pages): State<Pages>) -> Response<Body> {
    match pages.door.begin().await {
        Ok((login_url, cookie)) => with_cookie(Redirect::to(login_url.as_str()), &cookie),
        Err(error) => {
            tracing::warn!("{error}");
            let page =
                Message::new("Not signed in", "The phone system did not answer. Try again in a minute.")
                    .with_detail(error.to_string());
            ui::page(StatusCode::SERVICE_UNAVAILABLE, &page, &[])
        }
    }
}

#[derive(Deserialize)]
pub struct LeaveForm {
    proof: String,
}

pub async fn leave(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Form(form): Form<LeaveForm>,
) -> Response<Body> {
    // With our referrer policy a browser's form has no origin; the proof alone tells that it is ours.
    let Some(visitor) = pages.door.visitor(&headers) else { return Redirect::to("/").into_response() };
    if form.proof != visitor.proof {
        return foreign_form();
    }
    pages.door.leave(&visitor).await;
    pages.hub.close_session(&visitor.person, &visitor.session);
    with_cookie(Redirect::to("/"), &pages.door.no_cookie())
}

/// The way back from the login page: of a browser that began at this page, or of the app's own sign-in.
pub async fn redirect(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Query(query): Query<RedirectQuery>,
) -> Response<Body> {
    let state = query.state.clone().unwrap_or_default();
    if pages.door.expects(&headers, &state) {
        return match query.judge(&state) {
            sign_in::Redirect::Foreign => sign_in::foreign_page(),
            sign_in::Redirect::Refused(reason) => sign_in::failed_page(&reason, Some("/")),
            sign_in::Redirect::Code(code) => admitted(&pages, pages.door.finish(&state, &code).await),
        };
    }
    if pages.hub.was_signed_in_by(Some(&state)) {
        // The browser's back button leads here after a sign-in that worked.
        return Redirect::to("/").into_response();
    }
    let Some(sign_in) = pages.hub.sign_in() else { return sign_in::foreign_page() };
    let code = match query.judge(&sign_in.state) {
        sign_in::Redirect::Foreign => return sign_in::foreign_page(),
        sign_in::Redirect::Refused(reason) => return sign_in::failed_page(&reason, Some("/")),
        sign_in::Redirect::Code(code) => code,
    };
    match exchanged(&pages, code).await {
        Ok(()) => admitted(&pages, pages.door.admit_operator().await),
        Err(reason) => sign_in::failed_page(&reason, Some("/")),
    }
}

fn admitted(pages: &Pages, result: Result<(Person, Cookie<'static>), Error>) -> Response<Body> {
    match result {
        Ok((person, cookie)) => {
            if !pages.hub.has_seat(&person) {
                pages.hub.vacate(&person);
            }
            with_cookie(Redirect::to("/"), &cookie)
        }
        Err(error) => {
            tracing::warn!("{error}");
            sign_in::failed_page(&error.to_string(), Some("/"))
        }
    }
}

async fn exchanged(pages: &Pages, code: String) -> Result<(), String> {
    let stopping = || "the app is stopping".to_owned();
    let (done, result) = oneshot::channel();
    pages.codes.send(Code { code, done }).await.map_err(|_| stopping())?;
    result.await.map_err(|_| stopping())?
}

fn with_cookie(answer: impl IntoResponse, cookie: &Cookie<'static>) -> Response<Body> {
    let mut response = answer.into_response();
    let value = HeaderValue::from_str(&cookie.to_string()).expect("names and digests are visible ASCII");
    response.headers_mut().append(header::SET_COOKIE, value);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub fn foreign_form() -> Response<Body> {
    let page = Message::new("This form came from another page", "Open the screen pop and try again there.");
    ui::page(StatusCode::FORBIDDEN, &page, &[])
}

/// Another site can make a browser send a form here, but not with this page as its origin.
pub fn is_from_own_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    let (Some((_, origin)), Some(host)) = (origin, text(header::HOST)) else { return false };
    origin.eq_ignore_ascii_case(host)
}
