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
use super::{Fault, Scope};
use crate::app::App;
use crate::auth;
use crate::clock::Busy;
use crate::error::ApiError;
use crate::extract::Params;
use crate::limits;
use crate::secrets;
use crate::store::{StoreResult, TokenKind};
use crate::webhooks;

/// Names the fault on each answer that it changed.
pub const X_FAULT: HeaderName = HeaderName::from_static("x-callfeed-fault");

/// What a fault does to a request.
#[derive(Debug)]
pub struct OnRequest {
    /// Endpoints, each `METHOD /path`; none: the one that the fault's parameter names.
    pub on: &'static [&'static str],
    /// The answer is kept back by `delayMs`.
    pub slow: bool,
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
        Self { on: &[], slow: false, calls: false, ask: None, refuse: None, alter: None };

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
    client_id: Option<String>,
    /// The user's and the time of the token, where there is one.
    pub token: Option<(String, i64)>,
    /// Channels that the path, the query or the body name.
    channels: Vec<String>,
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
            fits(fault.text("endpoint"))
        } else {
            request.on.iter().any(|on| fits(on))
        }
    }
}

/// `METHOD /path`, either of them alone, or nothing; `*` is one segment.
fn fits(pattern: &str, method: &Method, path: &str) -> bool {
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
    let begins = pattern.is_empty()
        || pattern.split('/').all(|wanted| segments.next().is_some_and(|is| wanted == "*" || wanted == is));
    begins && (!whole || segments.next().is_none())
}

/// An answer with a JSON body (`Null` for none).
pub struct Answer {
    pub status: StatusCode,
    pub json: Value,
}

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
    path == "/oauth/token" || ROOTS.contains(&path.split('/').nth(1).unwrap_or_default())
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
    let mut asked = match asked(&app, &mut parts, body).await {
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
    let concerned: Vec<Concerned> = faults.iter().filter_map(on).collect();
    let looks_at_calls = concerned.iter().any(|(_, request)| request.calls);
    if looks_at_calls && let Err(error) = states::load(&mut asked, None).await {
        return ApiError::from(error).into_response();
    }
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
        if request.slow && app.faults.strike(fault) {
            struck.push(fault.kind.name);
            tokio::select! {
                _turn = app.clock.sleep(fault.duration("delayMs"), Busy::default()) => {}
                () = fault.ended_early() => {}
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
    for (fault, request) in concerned {
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

/// Who asks for what, or the body again if that is not known.
async fn asked<'a>(app: &'a App, parts: &'a mut Parts, body: Bytes) -> StoreResult<Result<Asked<'a>, Bytes>> {
    let path = parts.uri.path().to_owned();
    let channels = channels(app, parts, &path, &body);
    let Some(Who { account_key, email, client_id, token }) = who(app, parts, &body, &channels).await? else {
        return Ok(Err(body));
    };
    let at_us = app.clock.now_us();
    let (note, calls) = (None, Calls::new());
    Ok(Ok(Asked {
        app,
        parts,
        body,
        path,
        account_key,
        email,
        at_us,
        client_id,
        token,
        channels,
        note,
        calls,
    }))
}

/// Who sent a request, whether or not the API will have it.
struct Who {
    account_key: String,
    email: String,
    client_id: Option<String>,
    token: Option<(String, i64)>,
}

async fn who(app: &App, parts: &Parts, body: &Bytes, channels: &[String]) -> StoreResult<Option<Who>> {
    let path = parts.uri.path();
    let (mut client_id, mut token, mut user_key) = (None, None, None);
    if let Some((id, _)) = auth::basic(&parts.headers).or_else(|| in_form(path, body)) {
        user_key = app.store.client(&id).await?.map(|client| client.owner_user_key);
        client_id = Some(id);
    } else if let Some(bearer) = bearer(parts) {
        let row = app.store.token(TokenKind::Access, &secrets::hash(bearer)).await?;
        if let Some(row) = row {
            user_key = Some(row.user_key.clone());
            token = Some((row.user_key, row.created_us));
            client_id = Some(row.client_id);
        }
    } else if let Some(channel) = channels.first().and_then(|id| app.hub.get(id)) {
        // A socket's address is enough to be somebody.
        user_key = Some(channel.row().user_key);
    }
    let user = match user_key {
        Some(key) => app.store.user(&key).await?,
        None => None,
    };
    if let Some(user) = user {
        return Ok(Some(Who { account_key: user.account_key, email: user.email, client_id, token }));
    }
    // A recording's audio is asked for without a token by some.
    let Some(id) = audio(path) else { return Ok(None) };
    let recording = app.store.recording(id).await?;
    let of_account = |account_key| Who { account_key, email: String::new(), client_id, token };
    Ok(recording.map(|recording| of_account(recording.account_key)))
}

/// The account that a request concerns, if its sender is known.
pub async fn account(app: &App, parts: &Parts, body: &Bytes) -> StoreResult<Option<String>> {
    let channels = channels(app, parts, parts.uri.path(), body);
    Ok(who(app, parts, body, &channels).await?.map(|who| who.account_key))
}

/// The channel that a request names first.
pub fn channel(app: &App, parts: &Parts, body: &Bytes) -> Option<String> {
    channels(app, parts, parts.uri.path(), body).into_iter().next()
}

fn audio(path: &str) -> Option<&str> {
    path.strip_prefix("/recording/v1/recordings/")?.split_once("/content/").map(|(id, _)| id)
}

fn in_form(path: &str, body: &Bytes) -> Option<(String, String)> {
    let form = (path == "/oauth/token").then(|| Params::parse(&String::from_utf8_lossy(body)))?;
    Some((form.one("client_id")?.to_owned(), String::new()))
}

fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn channels(app: &App, parts: &Parts, path: &str, body: &Bytes) -> Vec<String> {
    let known = |id: &&str| app.hub.get(id).is_some() || webhooks::is_id(id);
    let mut found: Vec<String> = path.split('/').filter(known).map(str::to_owned).collect();
    let query = Params::parse(parts.uri.query().unwrap_or_default());
    found.extend(query.one("channelId").map(str::to_owned));
    if let Ok(json) = serde_json::from_slice::<Value>(body) {
        found.extend(json["channelId"].as_str().map(str::to_owned));
    }
    found
}

impl Fault {
    pub(super) fn is_in_force(&self) -> bool {
        !self.ended.is_cancelled()
    }

    /// Somebody cleared it: who waits for it goes on. Its own last strike is no such end.
    async fn ended_early(&self) {
        self.ended.cancelled().await;
        if self.times.is_some() {
            std::future::pending::<()>().await;
        }
    }
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
