//! The page's own server: the board, its events, and the way back from the sign-in. It answers this machine only
//! under names of this machine, so that no web site can read the calls by pointing its own name here.

use std::{
    io,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Form, Query, Request, State},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Redirect},
    routing::{get, post},
};
use futures_util::stream;
use serde::Deserialize;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::{Interval, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use ui::Message;

use super::{
    callers::{Callers, Written},
    hub::Hub,
    limits::{FORM_BYTES_MAX, HEARTBEAT, SHUTDOWN_WAIT},
};
use crate::sign_in::{self, RedirectQuery};

/// Path of the OAuth redirect URI.
pub const REDIRECT_PATH: &str = "/app/redirect";

/// A code that came back from the sign-in, and where to tell what became of it.
pub struct Code {
    pub code: String,
    /// What went wrong, for the person who waits.
    pub done: oneshot::Sender<Result<(), String>>,
}

/// What the routes share.
#[derive(Clone)]
pub struct Pages {
    pub hub: Arc<Hub>,
    pub callers: Arc<Callers>,
    /// Takes the codes of sign-ins whose state was right.
    pub codes: mpsc::Sender<Code>,
    /// Host of the listen address.
    pub host: String,
}

/// The routes of the page.
pub fn router(pages: Pages) -> Router {
    Router::new()
        .route("/", get(board))
        .route("/events", get(events))
        .route("/callers/pick", post(pick))
        .route("/callers/new", post(new_contact))
        .route(REDIRECT_PATH, get(redirect))
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(|| async {
            let page =
                Message::new("There is no such page", "The calls are on the first page of this address.");
            ui::page(StatusCode::NOT_FOUND, &page, &[])
        })
        .merge(ui::assets())
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(middleware::from_fn_with_state(pages.clone(), only_own_names))
        .with_state(pages)
}

async fn board(State(pages): State<Pages>) -> Response<Body> {
    ui::page(StatusCode::OK, &pages.hub.page(), &[])
}

async fn events(State(pages): State<Pages>) -> Response<Body> {
    let Some(events) = pages.hub.subscribe() else {
        let text = "Too many pages are open. Close some and try again.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let mut response = Body::from_stream(stream::unfold((events, heartbeat()), next_bytes)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[derive(Deserialize)]
struct PickForm {
    call: String,
    contact: String,
}

#[derive(Deserialize)]
struct NewContactForm {
    call: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    company: String,
    #[serde(default)]
    notes: String,
}

async fn pick(State(pages): State<Pages>, headers: HeaderMap, Form(form): Form<PickForm>) -> Response<Body> {
    if !is_from_own_page(&headers) {
        return foreign_form();
    }
    kept(pages.callers.pick(&form.call, &form.contact).await)
}

async fn new_contact(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Form(form): Form<NewContactForm>,
) -> Response<Body> {
    if !is_from_own_page(&headers) {
        return foreign_form();
    }
    let written = Written { name: form.name, company: form.company, notes: form.notes };
    kept(pages.callers.add(&form.call, &written).await)
}

fn kept(result: sqlx::Result<bool>) -> Response<Body> {
    match result {
        Ok(true) => Redirect::to("/").into_response(),
        Ok(false) => {
            let page =
                Message::new("Nothing was kept", "The call has left the board, or the name is missing.");
            ui::page(StatusCode::BAD_REQUEST, &page, &[])
        }
        Err(error) => {
            tracing::error!(%error, "a contact could not be kept");
            let page = Message::new("Nothing was kept", "The contacts cannot be written now. Try again.");
            ui::page(StatusCode::INTERNAL_SERVER_ERROR, &page, &[])
        }
    }
}

fn foreign_form() -> Response<Body> {
    let page = Message::new("This form came from another page", "Open the screen pop and try again there.");
    ui::page(StatusCode::FORBIDDEN, &page, &[])
}

/// Another site can make a browser send a form here, but not with this page as its origin.
fn is_from_own_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    let (Some((_, origin)), Some(host)) = (origin, text(header::HOST)) else { return false };
    origin.eq_ignore_ascii_case(host)
}

type Events = (mpsc::Receiver<Bytes>, Interval);

async fn next_bytes((mut events, mut heartbeat): Events) -> Option<(io::Result<Bytes>, Events)> {
    let bytes = tokio::select! {
        bytes = events.recv() => bytes?,
        _ = heartbeat.tick() => Bytes::from_static(b":\n\n"),
    };
    Some((Ok(bytes), (events, heartbeat)))
}

fn heartbeat() -> Interval {
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat
}

async fn redirect(State(pages): State<Pages>, Query(query): Query<RedirectQuery>) -> Response<Body> {
    if pages.hub.was_signed_in_by(query.state.as_deref()) {
        // The browser's back button leads here after a sign-in that worked.
        return Redirect::to("/").into_response();
    }
    let Some(sign_in) = pages.hub.sign_in() else { return sign_in::foreign_page() };
    let code = match query.judge(&sign_in.state) {
        sign_in::Redirect::Foreign => return sign_in::foreign_page(),
        sign_in::Redirect::Refused(reason) => return sign_in::failed_page(&reason),
        sign_in::Redirect::Code(code) => code,
    };
    match exchanged(&pages, code).await {
        Ok(()) => Redirect::to("/").into_response(),
        Err(reason) => sign_in::failed_page(&reason),
    }
}

async fn exchanged(pages: &Pages, code: String) -> Result<(), String> {
    let stopping = || "the app is stopping".to_owned();
    let (done, result) = oneshot::channel();
    pages.codes.send(Code { code, done }).await.map_err(|_| stopping())?;
    result.await.map_err(|_| stopping())?
}

async fn only_own_names(State(pages): State<Pages>, request: Request, next: Next) -> Response<Body> {
    if is_own_name(request.headers(), &pages.host) {
        return next.run(request).await;
    }
    let page = Message::new(
        "This is not the address of the screen pop",
        "Open it as http://localhost and its port.",
    );
    ui::page(StatusCode::MISDIRECTED_REQUEST, &page, &[])
}

fn is_own_name(headers: &HeaderMap, listen_host: &str) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Some(name) = host.to_str().ok().and_then(without_port) else { return false };
    let listen_host = bare(listen_host);
    match name.parse::<IpAddr>() {
        // A name can be pointed anywhere by its owner, an address cannot.
        Ok(ip) => {
            ip.is_loopback()
                || listen_host.parse::<IpAddr>().is_ok_and(|own| own == ip || own.is_unspecified())
        }
        Err(_) => name.eq_ignore_ascii_case("localhost") || name.eq_ignore_ascii_case(listen_host),
    }
}

/// The host of a `Host` header, without the brackets of IPv6.
fn without_port(authority: &str) -> Option<&str> {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map(|(host, _)| host);
    }
    let host = authority.split_once(':').map_or(authority, |(host, _)| host);
    (!host.is_empty()).then_some(host)
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Splits `localhost:5000`; the port is needed.
///
/// # Errors
/// A sentence that names the flag.
pub fn split_listen(listen: &str) -> Result<(String, u16), String> {
    let wrong =
        || format!("--listen {listen} is no address: write a host and a port, such as localhost:5000");
    let (host, port) = listen.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    let is_v6 = bare(host).parse::<Ipv6Addr>().is_ok();
    if host.is_empty() || (is_v6 && !host.starts_with('[')) {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

/// Opens the listen address. `localhost` is both 127.0.0.1 and, where there is IPv6, ::1.
///
/// # Errors
/// A sentence that says what is wrong, with the flag that changes it.
pub async fn listen(host: &str, port: u16) -> Result<Vec<TcpListener>, String> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "port {port} is taken by another program: stop it, or choose another with --listen {host}:PORT"
            )
        }
        _ => {
            format!("cannot listen on {host}:{port}: {error}; choose another address with --listen HOST:PORT")
        }
    };
    sign_in::bind_loopback(host, port).await.map_err(failed)
}

/// Serves until `stop` is done, and then at most [`SHUTDOWN_WAIT`] longer.
pub async fn serve(listeners: Vec<TcpListener>, pages: Pages, stop: CancellationToken) {
    let hub = Arc::clone(&pages.hub);
    let router = router(pages);
    let mut servers = tokio::task::JoinSet::new();
    for listener in listeners {
        let stopped = stop.clone().cancelled_owned();
        let server = axum::serve(listener, router.clone()).with_graceful_shutdown(stopped);
        servers.spawn(async move { server.await });
    }
    stop.cancelled().await;
    hub.close();
    let all = async { while servers.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_WAIT, all).await.is_err() {
        tracing::debug!("open pages were cut off");
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[track_caller]
    fn check(host: &str, listen: &str, own: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        assert_eq!(is_own_name(&headers, listen), own, "{host} at {listen}");
    }

    #[test]
    fn only_names_of_this_machine() {
        for host in ["localhost:5000", "LOCALHOST", "127.0.0.1:5000", "[::1]:5000", "[::1]"] {
            check(host, "localhost", true);
        }
        for host in [
            "evil.example:5000",
            "localhost.evil.example",
            "192.0.2.7:5000",
            "",
            ":5000",
            "[",
            "127.0.0.1.evil.example",
        ] {
            check(host, "localhost", false);
        }
        check("desk.example:5000", "desk.example", true);
        check("192.0.2.7:5000", "0.0.0.0", true);
        check("192.0.2.7:5000", "192.0.2.7", true);
        check("[2001:db8::1]:5000", "[2001:db8::1]", true);
        check("evil.example", "0.0.0.0", false);
    }

    #[test]
    fn two_hosts_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        headers.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert!(!is_own_name(&headers, "localhost"));
    }

    #[test]
    fn listen_addresses() {
        assert_eq!(split_listen("localhost:5000"), Ok(("localhost".to_owned(), 5000)));
        assert_eq!(split_listen("[::1]:80"), Ok(("[::1]".to_owned(), 80)));
        for wrong in ["5000", "localhost", "localhost:", "localhost:x", ":5000", "::1:5000"] {
            assert!(split_listen(wrong).is_err_and(|text| text.contains("--listen")), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_its_flag() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = listen("localhost", port).await.unwrap_err();
        assert!(error.contains(&port.to_string()) && error.contains("--listen"), "{error}");
    }
}
