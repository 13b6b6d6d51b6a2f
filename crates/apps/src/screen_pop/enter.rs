//! Signing in and out on the page, and what keeps forms of other sites away.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    Extension,
    body::Body,
    extract::{ConnectInfo, Form, Query, State},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    response::{IntoResponse, Redirect},
};
use axum_extra::extract::cookie::Cookie;
use sdk::Error;
use serde::Deserialize;
use tokio::sync::oneshot;
use ui::DeskSignIn;

use super::{
    language,
    routes::{Code, Pages},
    sight::Person,
};
use crate::sign_in::{self, RedirectQuery};

/// The page for who has not signed in. While the app itself is signed out, the first person signs in for both; the phone
/// system gives all calls to administrators alone (spec/oauth.md, Scopes).
/// `here` is the path of the page.
pub fn page(pages: &Pages, headers: &HeaderMap, here: &str) -> Response<Body> {
    let own = pages.hub.sign_in();
    let admin_first = own.is_some();
    let address = own.map_or_else(|| "/sign-in".to_owned(), |sign_in| sign_in.login_url);
    let texts = pages.hub.texts(language::of(pages, headers)).clone();
    let page = DeskSignIn { address, admin_first, here: here.to_owned(), proof: String::new(), texts };
    ui::page(StatusCode::OK, &page, &[])
}

/// Sends a browser to the login page of the phone system.
pub async fn begin(
    State(pages): State<Pages>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
) -> Response<Body> {
    let peer = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |Extension(ConnectInfo(peer))| peer.ip());
    match pages.door.begin(address(peer, pages.public.is_some(), &headers)).await {
        Ok((login_url, cookie)) => with_cookie(Redirect::to(login_url.as_str()), &cookie),
        Err(error) => {
            tracing::warn!("{error}");
            let page = language::message(&pages, &headers, |texts| &texts.errors.no_answer)
                .with_detail(error.to_string());
            ui::page(StatusCode::SERVICE_UNAVAILABLE, &page, &[])
        }
    }
}

/// The address of a browser. Behind a proxy of this machine it is the one that the proxy has put last.
fn address(peer: IpAddr, has_proxy: bool, headers: &HeaderMap) -> IpAddr {
    let peer = peer.to_canonical();
    if !has_proxy || !peer.is_loopback() {
        return peer;
    }
    let line = headers.get_all("x-forwarded-for").iter().next_back();
    let last = line.and_then(|line| line.to_str().ok()?.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
    last.map_or(peer, |address| address.to_canonical())
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
        return foreign_form(&pages, &headers);
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
            sign_in::Redirect::Foreign => foreign_answer(&pages, &headers),
            sign_in::Redirect::Refused(reason) => refused(&pages, &headers, &reason),
            sign_in::Redirect::Code(code) => {
                admitted(&pages, &headers, pages.door.finish(&state, &code).await)
            }
        };
    }
    if pages.hub.was_signed_in_by(Some(&state)) {
        // The browser's back button leads here after a sign-in that worked.
        return Redirect::to("/").into_response();
    }
    let Some(sign_in) = pages.hub.sign_in() else { return foreign_answer(&pages, &headers) };
    let code = match query.judge(&sign_in.state) {
        sign_in::Redirect::Foreign => return foreign_answer(&pages, &headers),
        sign_in::Redirect::Refused(reason) => return refused(&pages, &headers, &reason),
        sign_in::Redirect::Code(code) => code,
    };
    match exchanged(&pages, code).await {
        Ok(()) => admitted(&pages, &headers, pages.door.admit_operator().await),
        Err(reason) => refused(&pages, &headers, &reason),
    }
}

fn admitted(
    pages: &Pages,
    headers: &HeaderMap,
    result: Result<(Person, Cookie<'static>), Error>,
) -> Response<Body> {
    match result {
        Ok((person, cookie)) => {
            if !pages.hub.has_seat(&person) {
                pages.hub.vacate(&person);
            }
            with_cookie(Redirect::to("/"), &cookie)
        }
        Err(error) => {
            tracing::warn!("{error}");
            refused(pages, headers, &error.to_string())
        }
    }
}

async fn exchanged(pages: &Pages, code: String) -> Result<(), String> {
    let stopping = || "the app is stopping".to_owned();
    let (done, result) = oneshot::channel();
    pages.codes.send(Code { code, done }).await.map_err(|_| stopping())?;
    result.await.map_err(|_| stopping())?
}

pub fn with_cookie(answer: impl IntoResponse, cookie: &Cookie<'static>) -> Response<Body> {
    let mut response = answer.into_response();
    let value = HeaderValue::from_str(&cookie.to_string()).expect("names and digests are visible ASCII");
    response.headers_mut().append(header::SET_COOKIE, value);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The phone system, or the person, said no; `reason` is what it says.
fn refused(pages: &Pages, headers: &HeaderMap, reason: &str) -> Response<Body> {
    let words = &pages.hub.texts(language::of(pages, headers)).board.sign_in_again;
    let page = language::message(pages, headers, |texts| &texts.errors.refused);
    ui::page(StatusCode::BAD_REQUEST, &page.with_detail(reason).with_link(words, "/"), &[])
}

/// An answer to a sign-in that was not begun here.
fn foreign_answer(pages: &Pages, headers: &HeaderMap) -> Response<Body> {
    let words = &pages.hub.texts(language::of(pages, headers)).board.sign_in_again;
    let page = language::message(pages, headers, |texts| &texts.errors.foreign_answer).with_link(words, "/");
    ui::page(StatusCode::FORBIDDEN, &page, &[])
}

pub fn foreign_form(pages: &Pages, headers: &HeaderMap) -> Response<Body> {
    language::page(pages, headers, StatusCode::FORBIDDEN, |texts| &texts.errors.foreign_form)
}

/// Another site can make a browser send a form here, but not with this page as its origin.
pub fn is_from_own_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    let (Some((_, origin)), Some(host)) = (origin, text(header::HOST)) else { return false };
    origin.eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_of_this_machine_tells_the_address_of_a_browser() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
        headers.append("x-forwarded-for", HeaderValue::from_static("192.0.2.2, 192.0.2.3"));
        let of = |peer: &str, has_proxy, headers: &HeaderMap| {
            address(peer.parse().unwrap(), has_proxy, headers).to_string()
        };
        assert_eq!(of("127.0.0.1", true, &headers), "192.0.2.3");
        assert_eq!(of("::ffff:127.0.0.1", true, &headers), "192.0.2.3");
        assert_eq!(of("192.0.2.9", true, &headers), "192.0.2.9", "anybody can send this header");
        assert_eq!(of("127.0.0.1", false, &headers), "127.0.0.1", "there is no proxy");
        assert_eq!(of("127.0.0.1", true, &HeaderMap::new()), "127.0.0.1");
    }
}
