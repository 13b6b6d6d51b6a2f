//! The login page and the consent page behind it: plain forms that work without JavaScript.
//!
//! A sign-in lives in a cookie from the login to the end of the consent, ten minutes at most. It starts from the
//! login address in any browser, since the demos make the authorization request themselves (spec/oauth.md).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use tokio::sync::Semaphore;
use ui::{Consent, Login, Message};

use super::authorize::{found, refuse};
use super::issue::{Grant, issue};
use super::portal::{PortalError, session};
use super::request::{AuthorizationRequest, returned};
use super::{grants, scopes};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Body, Params, path_segment};
use crate::limits;
use crate::ops::client_address::one_client;
use crate::secrets;
use crate::store::{Basis, CodeRow, StoreError, StoreResult, User};

const COOKIE: &str = "callfeed_sign_in";
const COOKIE_PATH: &str = "/OAuth";

/// Where a login leads.
enum Goal {
    /// Back to the program that asked for it.
    Program(Box<AuthorizationRequest>),
    /// To a page of the portal.
    Portal(String),
}

/// `GET /login?service=…`.
pub async fn form(State(app): State<Arc<App>>, params: Params) -> Response {
    let Some(service) = params.one("service") else {
        // A person who typed the address: the portal's page leads back here, with where to go afterwards.
        return found("/clients");
    };
    match goal_of(&app, service).await {
        Ok(goal) => show_form(&goal, StatusCode::OK, service, "", None),
        Err(response) => *response,
    }
}

fn show_form(goal: &Goal, status: StatusCode, service: &str, email: &str, error: Option<&str>) -> Response {
    let (app_name, targets) = match goal {
        Goal::Program(request) => (request.client.name.clone(), vec![request.redirect_uri.as_str()]),
        Goal::Portal(_) => ("the developer portal".to_owned(), Vec::new()),
    };
    let page = Login {
        service: service.to_owned(),
        email: email.to_owned(),
        error: error.map(str::to_owned),
        app_name: Some(app_name),
    };
    ui::page(status, &page, &targets).into_response()
}

async fn goal_of(app: &App, service: &str) -> Result<Goal, Box<Response>> {
    match session::portal_path(app, service) {
        Some(path) => Ok(Goal::Portal(path.to_owned())),
        None => request_of(app, service).await.map(|request| Goal::Program(Box::new(request))),
    }
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

/// `POST /login`: 303 to the approve step or to the portal, or the form again.
pub async fn sign_in(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let fields = match form_fields(&body) {
        Ok(fields) => fields,
        Err(error) => return error.into_response(),
    };
    let service = fields.one("service").unwrap_or_default();
    let goal = match goal_of(&app, service).await {
        Ok(Goal::Portal(_)) if session::from_another_site(&headers) => {
            return PortalError::ForeignForm.into_response();
        }
        Ok(goal) => goal,
        Err(response) => return *response,
    };
    let email = fields.one("email").unwrap_or_default().trim().to_lowercase();
    let email: String = email.chars().take(limits::EMAIL_CHARS_MAX).collect();
    let password = fields.one("password").unwrap_or_default().to_owned();
    let address = one_client(app.client_address(peer, &headers));
    let user = match checked_user(&app, &email, password, &address).await {
        Ok(Checked::Fits(user)) => user,
        Ok(Checked::DoesNotFit { waited }) => {
            let error = does_not_fit(waited);
            return show_form(&goal, StatusCode::UNAUTHORIZED, service, &email, Some(&error));
        }
        Err(error) if error.status == StatusCode::TOO_MANY_REQUESTS => {
            return show_form(&goal, error.status, service, &email, Some(&error.message));
        }
        Err(error) => return error.into_response(),
    };
    let begun = match &goal {
        Goal::Program(request) => begin_sign_in(&app, &user, request).await,
        Goal::Portal(path) => session::begin(&app, &user, path).await,
    };
    begun.unwrap_or_else(|error| ApiError::from(error).into_response())
}

async fn begin_sign_in(app: &App, user: &User, request: &AuthorizationRequest) -> StoreResult<Response> {
    let sign_in = secrets::token("cfi_");
    let expires_us = app.clock.now_us() + limits::SIGN_IN_LIFE_S * 1_000_000;
    app.store.put_sign_in(&secrets::hash(&sign_in), &user.user_key, expires_us).await?;
    let cookie = Cookie::build((COOKIE, sign_in))
        .path(COOKIE_PATH)
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(app.public_url.scheme() == "https")
        .build();
    // Relative, so that the cookie goes with it by whatever name the browser knows this host.
    let location = format!("/{}", request.approve_path());
    // RFC 9700 §4.12: 303, after which no browser sends the password on.
    Ok((StatusCode::SEE_OTHER, CookieJar::new().add(cookie), [(header::LOCATION, location)]).into_response())
}

/// Logins waiting for their delay or for their turn at a password check.
pub struct Waiting(Semaphore);

impl Default for Waiting {
    fn default() -> Self {
        Self(Semaphore::new(limits::LOGINS_WAITING_MAX))
    }
}

/// What a login came to.
enum Checked {
    Fits(Box<User>),
    DoesNotFit {
        /// How long it was made to wait after failures before it.
        waited: Duration,
    },
}

/// What the login page says. A page that took long says why, or people think that something is broken.
fn does_not_fit(waited: Duration) -> String {
    let plain = "This e-mail address and password do not belong together. Check both and try again.";
    match waited.as_secs() {
        0 => plain.to_owned(),
        seconds => format!(
            "{plain} After several failures each try waits, so that nobody can guess passwords; this one waited \
             {seconds} s."
        ),
    }
}

async fn checked_user(app: &App, email: &str, password: String, address: &str) -> Result<Checked, ApiError> {
    let Ok(_waiting) = app.logins.0.try_acquire() else {
        return Err(ApiError::unavailable("Too many people sign in at this moment. Try again soon."));
    };
    // Never by the user alone: who guesses elsewhere would keep the right person out.
    let (user_key, address_key) = (format!("user {email} at {address}"), format!("address {address}"));
    let keys = [user_key.as_str(), address_key.as_str()];
    let wait = app.throttle.attempt(&keys, Instant::now()).map_err(|come_back| {
        let seconds = come_back.0.as_secs() + 1;
        ApiError::too_many_requests().with_message(format!(
            "Too many sign-ins from your address have failed, so each one waits for a while: nobody shall guess \
             passwords. Wait {seconds} seconds, then try again."
        ))
    })?;
    tokio::time::sleep(wait).await;
    let user = app.store.user_by_email(email).await?;
    let fits = app.passwords.fit(password, user.as_ref().map(|user| user.password_hash.clone())).await;
    match user.filter(|_| fits) {
        Some(user) => {
            app.throttle.succeeded(&user_key, &address_key);
            Ok(Checked::Fits(Box::new(user)))
        }
        None => Ok(Checked::DoesNotFit { waited: wait }),
    }
}

/// Fields of a form that a browser sent.
pub(super) fn form_fields(body: &Body) -> Result<Params, ApiError> {
    if body.content_type() != "application/x-www-form-urlencoded" {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            wire::error::code::UNSUPPORTED_MEDIA_TYPE,
            "Send the form with Content-Type: application/x-www-form-urlencoded.",
        ));
    }
    Params::checked(&String::from_utf8_lossy(body.bytes()))
}

/// `GET /OAuth/approve?…`: the consent page the first time, later straight back to the program.
pub async fn approve(State(app): State<Arc<App>>, RawQuery(query): RawQuery, jar: CookieJar) -> Response {
    let params = Params::parse(query.as_deref().unwrap_or_default());
    let request = match AuthorizationRequest::read(&app, &params).await {
        Ok(request) => request,
        Err(refusal) => return refuse(refusal),
    };
    match signed_in(&app, &jar).await {
        Ok(Some((user, sign_in))) => match request.check(&params) {
            Ok(()) => consent_or_code(&app, &request, &user, &sign_in).await,
            Err((error, description)) => found(&request.return_with(&returned(error, description))),
        },
        Ok(None) => sign_in_first(&app, &request),
        Err(error) => ApiError::from(error).into_response(),
    }
}

fn sign_in_first(app: &App, request: &AuthorizationRequest) -> Response {
    found(&format!("/login?service={}", path_segment(&app.url(&request.approve_path()))))
}

async fn signed_in(app: &App, jar: &CookieJar) -> StoreResult<Option<(User, String)>> {
    let Some(cookie) = jar.get(COOKIE) else { return Ok(None) };
    let Some(key) = app.store.sign_in(&secrets::hash(cookie.value()), app.clock.now_us()).await? else {
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
        return give_answer(app, request, user, sign_in).await;
    }
    let page = Consent {
        app_name: request.client.name.clone(),
        user_email: user.email.clone(),
        scopes: scopes::for_people(&request.scopes),
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
    if let Err((error, description)) = request.check(&params) {
        return found(&request.return_with(&returned(error, description)));
    }
    if !secrets::same(fields.one("proof").unwrap_or_default(), &proof(&sign_in)) {
        let text =
            "This form does not belong to your sign-in. Start again from the program that sent you here.";
        let page = Message::new("Start again", text);
        return ui::page(StatusCode::FORBIDDEN, &page, &[]).into_response();
    }
    if fields.one("decision") != Some("allow") {
        return found(&request.return_with(&returned("access_denied", "The user did not allow access.")));
    }
    match widen_consent(&app, &request, &user).await {
        Ok(()) => give_answer(&app, &request, &user, &sign_in).await,
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

/// Ends the sign-in and sends the browser back with a code, or with a token in the implicit flow.
async fn give_answer(app: &App, request: &AuthorizationRequest, user: &User, sign_in: &str) -> Response {
    let given = async {
        let location = if request.implicit {
            location_with_token(app, request, user).await?
        } else {
            location_with_code(app, request, user).await?
        };
        app.store.delete_sign_in(&secrets::hash(sign_in)).await?;
        Ok::<_, StoreError>(location)
    };
    let mut response = match given.await {
        Ok(location) => found(&location),
        Err(error) => return ApiError::from(error).into_response(),
    };
    let gone = Cookie::build((COOKIE, "")).path(COOKIE_PATH).max_age(Default::default()).build();
    if let Ok(value) = gone.to_string().parse() {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

async fn location_with_code(app: &App, request: &AuthorizationRequest, user: &User) -> StoreResult<String> {
    let code = secrets::token("cfc_");
    let row = CodeRow {
        client_id: request.client.client_id.clone(),
        user_key: user.user_key.clone(),
        redirect_uri: if request.redirect_uri_sent { request.redirect_uri.clone() } else { String::new() },
        scopes: request.scopes.clone(),
        challenge: request.challenge.clone(),
        expires_us: app.clock.now_us() + limits::CODE_LIFE_S * 1_000_000,
    };
    app.store.put_code(&secrets::hash(&code), &row).await?;
    Ok(request.return_with(&[("code", &code)]))
}

/// Members of spec/oauth.md, Implicit flow; there is no refresh.
async fn location_with_token(app: &App, request: &AuthorizationRequest, user: &User) -> StoreResult<String> {
    let grant_id = secrets::hash(&secrets::token("cfg_"));
    let grant = Grant {
        client: &request.client,
        user_key: &user.user_key,
        scopes: &request.scopes,
        grant_id: &grant_id,
        grant_type: grants::IMPLICIT,
        basis: Basis::Client,
        with_refresh: false,
    };
    let Some(tokens) = issue(app, grant).await? else {
        return Ok(request.return_with(&returned("access_denied", "The user does not exist any more.")));
    };
    Ok(request.return_with(&[
        ("access_token", &tokens.access_token),
        ("token_type", "Bearer"),
        ("expires_in", &tokens.expires_in.to_string()),
        ("principal", &user.email),
        ("scope", &request.scopes.join(" ")),
    ]))
}
