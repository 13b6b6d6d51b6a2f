//! Faults of requests and their answers: one layer around the APIs, which does nothing while no fault is active.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tower::ServiceExt as _;

use super::states::{self, Calls};
use super::{Fault, Scope, who};
use crate::app::App;
use crate::clock::Busy;
use crate::error::ApiError;
use crate::extract::Params;
use crate::limits;

/// Names the fault on each answer that it changed.
pub const X_FAULT: HeaderName = HeaderName::from_static("x-callfeed-fault");

/// What a fault does to a request.
#[derive(Debug)]
pub struct OnRequest {
    /// Endpoints, each `METHOD /path`; none: the one that the fault's parameter names.
    pub on: &'static [&'static str],
    /// The answer is kept back by `delayMs`.
    pub slow: bool,
    /// The connection ends in place of the answer.
    pub cut: bool,
    /// It looks at the states of the calls that the request or its answer names.
    pub calls: bool,
    /// Changes the request before it is read; true when it did.
    pub ask: Option<fn(&Fault, &mut Asked<'_>) -> bool>,
    /// Answers in place of the API.
    pub refuse: Option<fn(&Fault, &Asked<'_>) -> Option<Response>>,
    /// Changes the answer; true when it did.
    pub alter: Option<fn(&Fault, &Asked<'_>, &mut Answer) -> bool>,
}

impl OnRequest {
    pub const NOTHING: Self =
        Self { on: &[], slow: false, cut: false, calls: false, ask: None, refuse: None, alter: None };

    pub const fn refuse(
        on: &'static [&'static str],
        refuse: fn(&Fault, &Asked<'_>) -> Option<Response>,
    ) -> Self {
        Self { on, refuse: Some(refuse), ..Self::NOTHING }
    }

    pub const fn alter(
        on: &'static [&'static str],
        alter: fn(&Fault, &Asked<'_>, &mut Answer) -> bool,
    ) -> Self {
        Self { on, alter: Some(alter), ..Self::NOTHING }
    }

    pub const fn ask(on: &'static [&'static str], ask: fn(&Fault, &mut Asked<'_>) -> bool) -> Self {
        Self { on, ask: Some(ask), ..Self::NOTHING }
    }

    pub const SLOW: Self = Self { slow: true, ..Self::NOTHING };

    pub const CUT: Self = Self { cut: true, ..Self::NOTHING };
}

/// A request of somebody known.
pub struct Asked<'a> {
    pub app: &'a App,
    pub parts: &'a mut Parts,
    pub body: Bytes,
    pub path: String,
    pub account_key: String,
    pub email: String,
    /// When it arrived.
    pub at_us: i64,
    pub(super) client_id: Option<String>,
    /// The user's and the time of the token, where there is one.
    pub token: Option<(String, i64)>,
    /// Channels that the path, the query or the body name.
    pub(super) channels: Vec<String>,
    /// What a fault took out of the request, for its answer.
    pub note: Option<Value>,
    /// States of calls, where a fault looks at them.
    pub calls: Calls,
}

impl Asked<'_> {
    pub fn method(&self) -> &Method {
        &self.parts.method
    }

    pub fn query(&self) -> Params {
        Params::parse(self.parts.uri.query().unwrap_or_default())
    }

    /// The body, if it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub fn form(&self) -> Params {
        Params::parse(&String::from_utf8_lossy(&self.body))
    }

    pub fn put_json(&mut self, value: &Value) {
        self.body = Bytes::from(value.to_string());
        self.parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
    }

    /// Names and values of the query.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let query = self.parts.uri.query().unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// Replaces the query.
    pub fn put_query(&mut self, pairs: &[(String, String)]) -> bool {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let uri = format!("{}?{query}", self.parts.uri.path()).parse();
        uri.map(|uri| self.parts.uri = uri).is_ok()
    }

    /// Segment of the path; 0 is the API's name.
    pub fn segment(&self, number: usize) -> &str {
        self.path.split('/').nth(number + 1).unwrap_or_default()
    }

    pub fn channel(&self) -> Option<&str> {
        self.channels.first().map(String::as_str)
    }

    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    fn is_for(&self, fault: &Fault) -> bool {
        match &fault.scope {
            Scope::All => true,
            Scope::Client(id) => self.client_id.as_ref() == Some(id),
            Scope::Channel(id) => self.channels.contains(id),
        }
    }

    fn is_on(&self, fault: &Fault, request: &OnRequest) -> bool {
        let fits = |pattern: &str| fits(pattern, self.method(), &self.path);
        if request.on.is_empty() {
            // The token endpoint is meant by its name alone: who asks for a bad API still wants to sign in.
            let endpoint = fault.text("endpoint");
            fits(endpoint) && (self.path != TOKEN || endpoint.contains(TOKEN))
        } else {
            request.on.iter().any(|on| fits(on))
        }
    }
}

/// `METHOD /path`, either of them alone, or nothing; `*` is one segment.
fn fits(pattern: &str, method: &Method, path: &str) -> bool {
    meets(pattern, method, path, |_| false)
}

/// The same where some segments of the path are not known yet: `open` says of which.
pub(super) fn meets(pattern: &str, method: &Method, path: &str, open: impl Fn(&str) -> bool) -> bool {
    let (wanted, pattern) = match pattern.split_once(' ') {
        Some(both) => both,
        None if pattern.starts_with('/') => ("", pattern),
        None => (pattern, ""),
    };
    if !wanted.is_empty() && wanted != method.as_str() {
        return false;
    }
    // A pattern that ends with $ is the whole path.
    let (pattern, whole) = pattern.strip_suffix('$').map_or((pattern, false), |pattern| (pattern, true));
    let mut segments = path.split('/');
    let same = |wanted: &str, is: &str| wanted == "*" || wanted == is || open(is);
    let begins = pattern.is_empty()
        || pattern.split('/').all(|wanted| segments.next().is_some_and(|is| same(wanted, is)));
    begins && (!whole || segments.next().is_none())
}

/// An answer with a JSON body (`Null` for none).
pub struct Answer {
    pub status: StatusCode,
    pub json: Value,
}

/// The token endpoint, which has errors of its own shape (RFC 6749 §5.2).
pub const TOKEN: &str = "/oauth/token";

/// Paths whose answers can be at fault: the APIs and the token endpoint.
pub fn can_fail(path: &str) -> bool {
    const ROOTS: [&str; 9] = [
        "notification-channel",
        "call-events",
        "call-events-report",
        "call-history",
        "recording",
        "users",
        "admin",
        "voice-admin",
        "identity",
    ];
    path == TOKEN || ROOTS.contains(&path.split('/').nth(1).unwrap_or_default())
}

/// The layer. `routes` take a request whose path a fault has changed.
pub async fn misbehave(
    State((app, routes)): State<(Arc<App>, Router)>,
    request: Request,
    next: Next,
) -> Response {
    if !app.faults.at_requests() || !can_fail(request.uri().path()) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let reading =
        tokio::time::timeout(limits::REQUEST_BODY_TIMEOUT, to_bytes(body, limits::REQUEST_BODY_BYTES_MAX));
    let Ok(Ok(body)) = reading.await else {
        let message = "The body is too large, or did not come in time.";
        return ApiError::malformed(message).into_response();
    };
    let mut asked = match who::asked(&app, &mut parts, body).await {
        Ok(Ok(asked)) => asked,
        // Nobody's request is nobody's fault: the API tells what is wrong with it.
        Ok(Err(body)) => return next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(error) => return ApiError::from(error).into_response(),
    };
    let mut struck: Vec<&'static str> = Vec::new();
    let faults = app.faults.active(&asked.account_key);
    let on = |fault: &Arc<Fault>| {
        let request = fault.kind.request.as_ref()?;
        (asked.is_for(fault) && asked.is_on(fault, request)).then(|| (Arc::clone(fault), request))
    };
    let mut concerned: Vec<Concerned> = faults.iter().filter_map(on).collect();
    // Modes of states stand next to the API, whenever they began: they know the ids and words of the log, which
    // others write otherwise.
    concerned.sort_by_key(|(_, request)| request.calls);
    if let Some(response) = before(&app, &concerned, &mut asked, &mut struck).await {
        return marked(response, &struck);
    }
    let body = Body::from(std::mem::take(&mut asked.body));
    let moved = asked.path != asked.parts.uri.path();
    let request = Request::from_parts(copy(asked.parts), body);
    let response = match moved {
        false => next.run(request).await,
        true => elsewhere(request, &asked.path, routes).await,
    };
    after(&app, &concerned, &mut asked, response, struck).await
}

type Concerned = (Arc<Fault>, &'static OnRequest);

/// What happens before the API hears of the request; an answer if it never will.
async fn before(
    app: &App,
    concerned: &[Concerned],
    asked: &mut Asked<'_>,
    struck: &mut Vec<&'static str>,
) -> Option<Response> {
    for (fault, request) in concerned {
        if request.calls
            && let Err(error) = states::load(asked, None).await
        {
            return Some(ApiError::from(error).into_response());
        }
        if request.slow && app.faults.strike(fault) {
            struck.push(fault.kind.name);
            tokio::select! {
                _turn = app.clock.sleep(fault.duration("delayMs"), Busy::default()) => {}
                () = fault.lifted.cancelled() => {}
            }
        }
        if let Some(ask) = request.ask
            && fault.is_in_force()
            && ask(fault, asked)
            && app.faults.strike(fault)
        {
            struck.push(fault.kind.name);
        }
        if let Some(refuse) = request.refuse
            && fault.is_in_force()
            && let Some(response) = refuse(fault, asked)
            && app.faults.strike(fault)
        {
            struck.push(fault.kind.name);
            return Some(response);
        }
    }
    None
}

/// What happens to the API's answer.
async fn after(
    app: &App,
    concerned: &[Concerned],
    asked: &mut Asked<'_>,
    response: Response,
    mut struck: Vec<&'static str>,
) -> Response {
    let mut cuts = concerned.iter().filter(|(_, request)| request.cut);
    if let Some((fault, _)) = cuts.find(|(fault, _)| app.faults.strike(fault)) {
        struck.push(fault.kind.name);
        return marked(lost(app, asked, response.status()), &struck);
    }
    let is_json = |headers: &axum::http::HeaderMap| {
        headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"application/json"))
    };
    let alters = concerned.iter().any(|(_, request)| request.alter.is_some());
    if !alters || response.status() == StatusCode::SWITCHING_PROTOCOLS || !is_json(response.headers()) {
        return marked(response, &struck);
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, limits::FAULT_ANSWER_BYTES_MAX).await else {
        return ApiError::fault("an answer is too large to be changed by a fault").into_response();
    };
    let mut answer =
        Answer { status: parts.status, json: serde_json::from_slice(&body).unwrap_or(Value::Null) };
    let looks_at_calls = concerned.iter().any(|(_, request)| request.calls);
    if looks_at_calls && let Err(error) = states::load(asked, Some(&answer.json)).await {
        return ApiError::from(error).into_response();
    }
    let mut altered = false;
    let (of_states, others): (Vec<_>, Vec<_>) = concerned.iter().partition(|(_, request)| request.calls);
    for (fault, request) in of_states.into_iter().chain(others) {
        let Some(alter) = request.alter else { continue };
        if fault.is_in_force() && alter(fault, asked, &mut answer) && app.faults.strike(fault) {
            struck.push(fault.kind.name);
            altered = true;
        }
    }
    if !altered {
        return marked(Response::from_parts(parts, Body::from(body)), &struck);
    }
    parts.status = answer.status;
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = match answer.json {
        Value::Null => Body::empty(),
        json => {
            parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Body::from(json.to_string())
        }
    };
    marked(Response::from_parts(parts, body), &struck)
}

/// What was carried out, and its answer lost. A socket was opened: it has taken over from the one before it, and is gone
/// with its connection.
fn lost(app: &App, asked: &Asked<'_>, status: StatusCode) -> Response {
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return cut(status);
    }
    if let Some(channel) = asked.channel().and_then(|id| app.hub.get(id)) {
        drop(match app.faults.shares(&channel, &asked.account_key) {
            true => channel.connect_beside(),
            false => channel.connect(),
        });
    }
    // With 101 the HTTP server would hand the connection over instead of ending it.
    cut(StatusCode::OK)
}

/// Ends the connection before a byte of the answer is sent: what cannot be read of a body ends it.
fn cut(status: StatusCode) -> Response {
    let gone = std::io::Error::from(std::io::ErrorKind::ConnectionAborted);
    let body = Body::from_stream(tokio_stream::once(Err::<Bytes, _>(gone)));
    // The journal shows what the client would have been told.
    (status, body).into_response()
}

fn marked(mut response: Response, struck: &[&'static str]) -> Response {
    if let Ok(names) = HeaderValue::from_str(&struck.join(", "))
        && !struck.is_empty()
    {
        response.headers_mut().insert(X_FAULT, names);
    }
    response
}

/// To another path than it was sent to: what the first one left in the request is not for it.
async fn elsewhere(mut request: Request, path: &str, routes: Router) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let Ok(uri) = format!("{path}?{query}").parse() else { return ApiError::not_found().into_response() };
    *request.uri_mut() = uri;
    request.extensions_mut().clear();
    routes.oneshot(request).await.into_response()
}

/// What the API gets; the layer keeps what the faults still have to see.
fn copy(parts: &mut Parts) -> Parts {
    let (mut copy, ()) = http::Request::new(()).into_parts();
    copy.method = parts.method.clone();
    copy.uri = parts.uri.clone();
    copy.version = parts.version;
    copy.headers = parts.headers.clone();
    // Among them what a WebSocket needs, which cannot be copied.
    copy.extensions = std::mem::take(&mut parts.extensions);
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_method_and_path() {
        let path = "/call-events-report/v1/reports/abc";
        for (pattern, expect) in [
            ("", true),
            ("GET", true),
            ("POST", false),
            ("/call-events-report/v1/reports", true),
            ("/call-events-report/v1/reports$", false),
            ("/call-events-report/v1/reports/*$", true),
            ("GET /call-events-report/*/reports", true),
            ("GET /call-events", false),
            ("PUT /call-events-report", false),
            ("/call-events-report/v1/reports/abc/more", false),
        ] {
            assert_eq!(fits(pattern, &Method::GET, path), expect, "{pattern}");
        }
    }
}
