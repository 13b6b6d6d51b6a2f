//! The login page and the consent page behind it: plain forms that work without JavaScript.
//!
//! A sign-in lives in a cookie from the login to the end of the consent, ten minutes at most. It starts from the
//! login address in any browser, since the demos make the authorization request themselves (spec/oauth.md).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use tokio::sync::Semaphore;
use ui::{Consent, Login, Message, ScopeGroup};

use super::authorize::{found, refuse};
use super::request::AuthorizationRequest;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Body, Params, path_segment};
use crate::limits;
use crate::secrets;
use crate::store::{CodeRow, StoreResult, User};
use crate::time;

const COOKIE: &str = "callfeed_sign_in";
const COOKIE_PATH: &str = "/OAuth";

/// `GET /login?service=…`.
pub async fn form(State(app): State<Arc<App>>, params: Params) -> Response {
    let service = params.one("service").unwrap_or_default();
    match request_of(&app, service).await {
        Ok(request) => show_form(&request, StatusCode::OK, service, "", None),
        Err(response) => *response,
    }
}

fn show_form(
    request: &AuthorizationRequest,
    status: StatusCode,
    service: &str,
    email: &str,
    error: Option<&str>,
) -> Response {
    let page = Login {
        service: service.to_owned(),
        email: email.to_owned(),
        error: error.map(str::to_owned),
        app_name: Some(request.client.name.clone()),
    };
    ui::page(status, &page, &[&request.redirect_uri]).into_response()
}

/// The authorization request inside a `service` URL, which must be our own approve step.
async fn request_of(app: &App, service: &str) -> Result<AuthorizationRequest, Box<Response>> {
    let approve = app.url("OAuth/approve?");
    let Some(query) = service.strip_prefix(&approve) else {
        let text = "The sign-in address is not complete. Start again from the program that sent you here.";
        let page = Message::new("This link does not work", text);
        return Err(Box::new(ui::page(StatusCode::BAD_REQUEST, &page, &[]).into_response()));
    };
    AuthorizationRequest::read(app, &Params::parse(query)).await.map_err(|r| Box::new(refuse(r)))
}

/// `POST /login`: 303 to the approve step, or the form again.
pub async fn sign_in(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    jar: CookieJar,
    body: Body,
) -> Response {
    let fields = match form_fields(&body) {
        Ok(fields) => fields,
        Err(error) => return error.into_response(),
    };
    let service = fields.one("service").unwrap_or_default();
    let request = match request_of(&app, service).await {
        Ok(request) => request,
        Err(response) => return *response,
    };
    let email = fields.one("email").unwrap_or_default().trim().to_lowercase();
    let password = fields.one("password").unwrap_or_default().to_owned();
    let user = match checked_user(&app, &email, password, &address.ip().to_string()).await {
        Ok(Some(user)) => user,
        Ok(None) => {
            let error = "This e-mail address and password do not belong together. Check both and try again.";
            return show_form(&request, StatusCode::UNAUTHORIZED, service, &email, Some(error));
        }
        Err(error) => return error.into_response(),
    };
    let sign_in = secrets::token("cfi_");
    let expires_us = time::now_us() + limits::SIGN_IN_LIFE_S * 1_000_000;
    if let Err(error) = app.store.put_sign_in(&secrets::hash(&sign_in), &user.user_key, expires_us).await {
        return ApiError::from(error).into_response();
    }
    let cookie = Cookie::build((COOKIE, sign_in))
        .path(COOKIE_PATH)
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(app.public_url.scheme() == "https")
        .build();
    // Relative, so that the cookie goes with it by whatever name the browser knows this host.
    let location = format!("/{}", request.approve_path());
    (StatusCode::SEE_OTHER, jar.add(cookie), [(header::LOCATION, location)]).into_response()
}

/// Logins waiting for their delay or for their turn at a password check.
pub struct Waiting(Semaphore);

impl Default for Waiting {
    fn default() -> Self {
        Self(Semaphore::new(limits::LOGINS_WAITING_MAX))
    }
}

async fn checked_user(
    app: &App,
    email: &str,
    password: String,
    address: &str,
) -> Result<Option<User>, ApiError> {
    let Ok(_waiting) = app.logins.0.try_acquire() else {
        return Err(ApiError::unavailable("Too many people sign in at this moment. Try again soon."));
    };
    let (user_key, address_key) = (format!("user {email}"), format!("address {address}"));
    let keys = [user_key.as_str(), address_key.as_str()];
    tokio::time::sleep(app.throttle.delay(&keys, Instant::now())).await;
    let user = app.store.user_by_email(email).await?;
    let fits = app.passwords.fit(password, user.as_ref().map(|user| user.password_hash.clone())).await;
    if fits {
        app.throttle.succeeded(&user_key);
        return Ok(user);
    }
    app.throttle.failed(&keys, Instant::now());
    Ok(None)
}

fn form_fields(body: &Body) -> Result<Params, ApiError> {
    if body.content_type() != "application/x-www-form-urlencoded" {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            wire::error::code::UNSUPPORTED_MEDIA_TYPE,
            "Send the form with Content-Type: application/x-www-form-urlencoded.",
        ));
    }
    Ok(Params::parse(&String::from_utf8_lossy(body.bytes())))
}

/// `GET /OAuth/approve?…`: the consent page the first time, later straight back to the program.
pub async fn approve(State(app): State<Arc<App>>, RawQuery(query): RawQuery, jar: CookieJar) -> Response {
    let params = Params::parse(query.as_deref().unwrap_or_default());
    let request = match AuthorizationRequest::read(&app, &params).await {
        Ok(request) => request,
        Err(refusal) => return refuse(refusal),
    };
    if let Err((error, description)) = request.check(&params) {
        return found(&request.return_with(&[("error", error), ("error_description", description)]));
    }
    match signed_in(&app, &jar).await {
        Ok(Some((user, sign_in))) => consent_or_code(&app, &request, &user, &sign_in).await,
        Ok(None) => sign_in_first(&app, &request),
        Err(error) => ApiError::from(error).into_response(),
    }
}

fn sign_in_first(app: &App, request: &AuthorizationRequest) -> Response {
    found(&format!("/login?service={}", path_segment(&app.url(&request.approve_path()))))
}

async fn signed_in(app: &App, jar: &CookieJar) -> StoreResult<Option<(User, String)>> {
    let Some(cookie) = jar.get(COOKIE) else { return Ok(None) };
    let Some(key) = app.store.sign_in(&secrets::hash(cookie.value()), time::now_us()).await? else {
        return Ok(None);
    };
    Ok(app.store.user(&key).await?.map(|user| (user, cookie.value().to_owned())))
}

async fn consent_or_code(app: &App, request: &AuthorizationRequest, user: &User, sign_in: &str) -> Response {
    let given = match app.store.consent(&user.user_key, &request.client.client_id).await {
        Ok(given) => given,
        Err(error) => return ApiError::from(error).into_response(),
    };
    if request.scopes.iter().all(|scope| given.contains(scope)) {
        return give_code(app, request, user, sign_in).await;
    }
    let page = Consent {
        app_name: request.client.name.clone(),
        user_email: user.email.clone(),
        scopes: scopes_for_people(&request.scopes),
        hidden: vec![("request".into(), request.query().to_owned()), ("proof".into(), proof(sign_in))],
        redirect_host: url::Url::parse(&request.redirect_uri)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned)),
    };
    ui::page(StatusCode::OK, &page, &[&request.redirect_uri]).into_response()
}

/// Ties the consent form to the sign-in: another site cannot know it.
fn proof(sign_in: &str) -> String {
    secrets::hash(&format!("consent {sign_in}"))
}

fn scopes_for_people(scopes: &[String]) -> Vec<ScopeGroup> {
    let mut groups: Vec<ScopeGroup> = Vec::new();
    for scope in scopes {
        let product = product_of(scope);
        let text = wire::scope::ALL.iter().find(|(name, _)| name == scope).map_or(scope.as_str(), |(_, t)| t);
        match groups.iter_mut().find(|group| group.product == product) {
            Some(group) => group.texts.push(text.to_owned()),
            None => groups.push(ScopeGroup { product: product.to_owned(), texts: vec![text.to_owned()] }),
        }
    }
    groups
}

fn product_of(scope: &str) -> &'static str {
    match scope.split(['.', ':']).next().unwrap_or_default() {
        "call-events" | "cr" | "call-history" | "recording" | "call-control" | "calls" | "call-parking"
        | "webrtc" => "Calls",
        "voicemail" | "messaging" | "fax" => "Messages",
        "queue-caller" | "cc-analytics" | "asset" => "Contact center",
        "users" | "identity" | "contacts" | "presence" => "People",
        "voice-admin" => "Phone system",
        _ => "Other products",
    }
}

/// `POST /OAuth/approve`: Allow or Deny.
pub async fn decide(State(app): State<Arc<App>>, jar: CookieJar, body: Body) -> Response {
    let fields = match form_fields(&body) {
        Ok(fields) => fields,
        Err(error) => return error.into_response(),
    };
    let params = Params::parse(fields.one("request").unwrap_or_default());
    let request = match AuthorizationRequest::read(&app, &params).await {
        Ok(request) => request,
        Err(refusal) => return refuse(refusal),
    };
    let (user, sign_in) = match signed_in(&app, &jar).await {
        Ok(Some(signed_in)) => signed_in,
        Ok(None) => return sign_in_first(&app, &request),
        Err(error) => return ApiError::from(error).into_response(),
    };
    if !secrets::same(fields.one("proof").unwrap_or_default(), &proof(&sign_in)) {
        let text =
            "This form does not belong to your sign-in. Start again from the program that sent you here.";
        let page = Message::new("Start again", text);
        return ui::page(StatusCode::FORBIDDEN, &page, &[]).into_response();
    }
    if fields.one("decision") != Some("allow") {
        let denied = [("error", "access_denied"), ("error_description", "The user did not allow access.")];
        return found(&request.return_with(&denied));
    }
    match widen_consent(&app, &request, &user).await {
        Ok(()) => give_code(&app, &request, &user, &sign_in).await,
        Err(error) => ApiError::from(error).into_response(),
    }
}

async fn widen_consent(app: &App, request: &AuthorizationRequest, user: &User) -> StoreResult<()> {
    let client_id = &request.client.client_id;
    let mut scopes = app.store.consent(&user.user_key, client_id).await?;
    for scope in &request.scopes {
        if !scopes.contains(scope) {
            scopes.push(scope.clone());
        }
    }
    app.store.put_consent(&user.user_key, client_id, &scopes).await
}

/// Ends the sign-in and sends the browser back with a code.
async fn give_code(app: &App, request: &AuthorizationRequest, user: &User, sign_in: &str) -> Response {
    let code = secrets::token("cfc_");
    let row = CodeRow {
        client_id: request.client.client_id.clone(),
        user_key: user.user_key.clone(),
        redirect_uri: if request.redirect_uri_sent { request.redirect_uri.clone() } else { String::new() },
        scopes: request.scopes.clone(),
        challenge: request.challenge.clone(),
        expires_us: time::now_us() + limits::CODE_LIFE_S * 1_000_000,
    };
    let stored = async {
        app.store.put_code(&secrets::hash(&code), &row).await?;
        app.store.delete_sign_in(&secrets::hash(sign_in)).await
    };
    if let Err(error) = stored.await {
        return ApiError::from(error).into_response();
    }
    let mut response = found(&request.return_with(&[("code", &code)]));
    let gone = Cookie::build((COOKIE, "")).path(COOKIE_PATH).max_age(Default::default()).build();
    let mut headers = HeaderMap::new();
    if let Ok(value) = gone.to_string().parse() {
        headers.insert(header::SET_COOKIE, value);
    }
    response.headers_mut().extend(headers);
    response
}
