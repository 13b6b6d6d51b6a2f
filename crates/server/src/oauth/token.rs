//! `POST /oauth/token` (spec/oauth.md, Token endpoint). Errors have the shape of RFC 6749 §5.2.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use wire::Extra;
use wire::oauth::{OAuthError, TokenResponse};

use super::grants;
use super::issue::{Grant, issue};
use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use crate::extract::{Body, Params};
use crate::faults;
use crate::limits;
use crate::secrets;
use crate::store::{Basis, ClientRow, StoreError, TokenKind};

pub(super) enum TokenError {
    Refused { status: StatusCode, error: &'static str, description: String },
    Fault(ApiError),
}

impl TokenError {
    pub(super) fn bad(error: &'static str, description: impl Into<String>) -> Self {
        Self::Refused { status: StatusCode::BAD_REQUEST, error, description: description.into() }
    }

    fn unauthorized(error: &'static str, description: &str) -> Self {
        Self::Refused { status: StatusCode::UNAUTHORIZED, error, description: description.to_owned() }
    }
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<ApiError> for TokenError {
    fn from(error: ApiError) -> Self {
        Self::Fault(error)
    }
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        let (status, error, description) = match self {
            Self::Fault(error) => return error.into_response(),
            Self::Refused { status, error, description } => (status, error, description),
        };
        let body =
            OAuthError { error: error.to_owned(), error_description: Some(description), extra: Extra::new() };
        let mut response = (status, no_store(), Json(body)).into_response();
        if error == "invalid_client" {
            // RFC 6749 §5.2.
            let challenge = HeaderValue::from_static("Basic realm=\"Callfeed\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

pub(super) fn no_store() -> [(header::HeaderName, &'static str); 2] {
    // RFC 6749 §5.1.
    [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")]
}

pub async fn token(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    match grant(&app, &headers, &body).await {
        Ok(tokens) => (no_store(), Json(tokens)).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn grant(app: &App, headers: &HeaderMap, body: &Body) -> Result<TokenResponse, TokenError> {
    let fields = form(body)?;
    let client = authenticated_client(app, headers, &fields).await?;
    let grant_type = required(&fields, "grant_type")?;
    let known = matches!(
        grant_type,
        grants::AUTHORIZATION_CODE
            | grants::REFRESH_TOKEN
            | grants::PERSONAL_ACCESS_TOKEN
            | "client_credentials"
            | "password"
    );
    if !known {
        return Err(TokenError::bad("unsupported_grant_type", format!("Unknown grant type {grant_type:?}")));
    }
    if !client.may(grant_type) {
        return Err(TokenError::unauthorized("unauthorized_client", "Unauthorized grant type"));
    }
    match grant_type {
        grants::AUTHORIZATION_CODE => code_grant(app, &client, &fields).await,
        grants::REFRESH_TOKEN => refresh_grant(app, &client, &fields).await,
        _ => personal_grant(app, &client, &fields).await,
    }
}

/// The body's fields.
pub(super) fn form(body: &Body) -> Result<Params, TokenError> {
    if body.content_type() != "application/x-www-form-urlencoded" {
        let description = "Send the parameters as application/x-www-form-urlencoded.";
        return Err(TokenError::bad("invalid_request", description));
    }
    Params::checked(&String::from_utf8_lossy(body.bytes()))
        .map_err(|_| TokenError::bad("invalid_request", "The character NUL is not allowed."))
}

pub(super) fn required<'a>(fields: &'a Params, name: &str) -> Result<&'a str, TokenError> {
    fields.one(name).ok_or_else(|| TokenError::bad("invalid_request", format!("{name} is missing")))
}

/// Basic, or id and secret in the body [inferred].
pub(super) async fn authenticated_client(
    app: &App,
    headers: &HeaderMap,
    fields: &Params,
) -> Result<ClientRow, TokenError> {
    let in_body = || Some((fields.one("client_id")?.to_owned(), fields.one("client_secret")?.to_owned()));
    let Some((id, secret)) = auth::basic(headers).or_else(in_body) else {
        let description = "send Authorization: Basic with the client's id and secret";
        return Err(TokenError::unauthorized("invalid_client", description));
    };
    let Some(client) = app.store.client(&id).await? else {
        return Err(TokenError::unauthorized("invalid_client", "client not found"));
    };
    if !auth::secret_fits(app, &client, &secret).await? {
        return Err(TokenError::unauthorized("invalid_client", "invalid client secret"));
    }
    Ok(client)
}

async fn code_grant(app: &App, client: &ClientRow, fields: &Params) -> Result<TokenResponse, TokenError> {
    let invalid = || TokenError::bad("invalid_grant", "invalid authorization code");
    let hash = secrets::hash(required(fields, "code")?);
    if fields.one("client_id").is_some_and(|id| id != client.client_id) {
        return Err(TokenError::bad("invalid_grant", "client_id differs from the authenticated client"));
    }
    // What a replayed code gave before goes on (RFC 6749 §4.1.2 leaves it to us): whoever comes here has proved to be
    // the client, so a replay is far more often a retry after a lost answer than a theft.
    let code = app.store.take_code(&hash).await?.ok_or_else(invalid)?;
    if code.client_id != client.client_id || code.expires_us <= app.clock.now_us() {
        return Err(invalid());
    }
    if code.redirect_uri != fields.one("redirect_uri").unwrap_or_default() && !code.redirect_uri.is_empty() {
        let description = "redirect_uri differs from the one of the authorization request";
        return Err(TokenError::bad("invalid_grant", description));
    }
    if !faults::grant::ignores_verifier(app, &client.client_id, &code.user_key).await? {
        check_verifier(&code.challenge, fields.one("code_verifier"))?;
    }
    let grant = Grant {
        client,
        user_key: &code.user_key,
        scopes: &code.scopes,
        grant_id: &hash,
        grant_type: grants::AUTHORIZATION_CODE,
        basis: Basis::Client,
        with_refresh: true,
    };
    issued(app, grant).await
}

/// RFC 7636 §4.6; RFC 9700 §2.1.1: a verifier without a challenge is a challenge that somebody took away.
fn check_verifier(challenge: &str, verifier: Option<&str>) -> Result<(), TokenError> {
    let fits = match verifier {
        None => challenge.is_empty(),
        Some(verifier) => {
            !challenge.is_empty()
                && secrets::same(&URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())), challenge)
        }
    };
    if fits {
        return Ok(());
    }
    Err(TokenError::bad("invalid_grant", "code_verifier does not fit the code_challenge"))
}

async fn refresh_grant(app: &App, client: &ClientRow, fields: &Params) -> Result<TokenResponse, TokenError> {
    let invalid = || TokenError::bad("invalid_grant", "invalid refresh token");
    let hash = secrets::hash(required(fields, "refresh_token")?);
    let now_us = app.clock.now_us();
    let present = app.store.token(TokenKind::Refresh, &hash).await?.ok_or_else(invalid)?;
    if present.client_id != client.client_id || present.expires_us <= now_us {
        return Err(invalid());
    }
    // What the client's owner has taken away since is not given again.
    let granted = common(&present.scopes, &client.scopes);
    if granted.is_empty() {
        return Err(invalid());
    }
    let scopes = narrowed(granted, fields.one("scope"))?;
    // While the present one is young the answer has none; the old one stays valid until its own end.
    let age_us = now_us - present.created_us;
    let renew_us = limits::REFRESH_TOKEN_LIFE_S * 10_000 * limits::REFRESH_TOKEN_RENEW_PERCENT;
    let rotates = faults::grant::rotates(app, &hash, &present, age_us >= renew_us).await?;
    let grant = Grant {
        client,
        user_key: &present.user_key,
        scopes: &scopes,
        grant_id: &present.grant_id,
        grant_type: &present.grant_type,
        basis: Basis::RefreshToken(&hash),
        with_refresh: rotates.ok_or_else(invalid)?,
    };
    issued(app, grant).await
}

/// The token's user is the caller; a refresh token does not come with it (spec/oauth.md, Personal access tokens).
async fn personal_grant(app: &App, client: &ClientRow, fields: &Params) -> Result<TokenResponse, TokenError> {
    let hash = secrets::hash(required(fields, "pat")?);
    let token = app.store.use_personal_token(&hash, app.clock.now_us()).await?;
    let token = token.ok_or_else(|| TokenError::bad("invalid_grant", "invalid personal access token"))?;
    let granted = common(&token.scopes, &client.scopes);
    if granted.is_empty() {
        let description = "the client has none of the scopes of the personal access token";
        return Err(TokenError::bad("invalid_scope", description));
    }
    let scopes = narrowed(granted, fields.one("scope"))?;
    let grant = Grant {
        client,
        user_key: &token.user_key,
        scopes: &scopes,
        grant_id: &token.pat_id,
        grant_type: grants::PERSONAL_ACCESS_TOKEN,
        basis: Basis::PersonalToken(&token.pat_id),
        with_refresh: false,
    };
    issued(app, grant).await
}

async fn issued(app: &App, grant: Grant<'_>) -> Result<TokenResponse, TokenError> {
    let tokens = issue(app, grant).await?;
    tokens.ok_or_else(|| TokenError::bad("invalid_grant", "the user or the grant does not exist any more"))
}

fn common(scopes: &[String], of_client: &[String]) -> Vec<String> {
    scopes.iter().filter(|scope| of_client.contains(scope)).cloned().collect()
}

/// A request narrows or keeps the scopes, never widens them.
fn narrowed(granted: Vec<String>, asked: Option<&str>) -> Result<Vec<String>, TokenError> {
    let Some(asked) = asked else { return Ok(granted) };
    let asked: Vec<String> = asked.split_whitespace().map(str::to_owned).collect();
    match asked.iter().find(|scope| !granted.contains(scope)) {
        Some(scope) => Err(TokenError::bad("invalid_scope", format!("{scope} was not granted"))),
        None => Ok(asked),
    }
}
