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

use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use crate::extract::{Body, Params};
use crate::limits;
use crate::secrets;
use crate::store::{ClientRow, StoreError, TokenKind, TokenRow};
use crate::time;

enum TokenError {
    Refused { status: StatusCode, error: &'static str, description: String },
    Fault(ApiError),
}

impl TokenError {
    fn bad(error: &'static str, description: impl Into<String>) -> Self {
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

fn no_store() -> [(header::HeaderName, &'static str); 2] {
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
    if body.content_type() != "application/x-www-form-urlencoded" {
        let description = "Send the parameters as application/x-www-form-urlencoded.";
        return Err(TokenError::bad("invalid_request", description));
    }
    let fields = Params::parse(&String::from_utf8_lossy(body.bytes()));
    let client = authenticated_client(app, headers, &fields).await?;
    match required(&fields, "grant_type")? {
        "authorization_code" => code_grant(app, &client, &fields).await,
        "refresh_token" => refresh_grant(app, &client, &fields).await,
        "client_credentials" | "password" | "personal_access_token" => {
            Err(TokenError::unauthorized("unauthorized_client", "Unauthorized grant type"))
        }
        other => Err(TokenError::bad("unsupported_grant_type", format!("Unknown grant type {other:?}"))),
    }
}

fn required<'a>(fields: &'a Params, name: &str) -> Result<&'a str, TokenError> {
    fields.one(name).ok_or_else(|| TokenError::bad("invalid_request", format!("{name} is missing")))
}

/// Basic, or id and secret in the body [inferred].
async fn authenticated_client(
    app: &App,
    headers: &HeaderMap,
    fields: &Params,
) -> Result<ClientRow, TokenError> {
    let in_body = || Some((fields.one("client_id")?.to_owned(), fields.one("client_secret")?.to_owned()));
    let Some((id, secret)) = auth::basic(headers).or_else(in_body) else {
        let description = "send Authorization: Basic with the client's id and secret";
        return Err(TokenError::unauthorized("invalid_client", description));
    };
    if app.store.client(&id).await?.is_none() {
        return Err(TokenError::unauthorized("invalid_client", "client not found"));
    }
    let client = auth::client(app, &id, &secret).await?;
    client.ok_or_else(|| TokenError::unauthorized("invalid_client", "invalid client secret"))
}

async fn code_grant(app: &App, client: &ClientRow, fields: &Params) -> Result<TokenResponse, TokenError> {
    let invalid = || TokenError::bad("invalid_grant", "invalid authorization code");
    let hash = secrets::hash(required(fields, "code")?);
    if fields.one("client_id").is_some_and(|id| id != client.client_id) {
        return Err(TokenError::bad("invalid_grant", "client_id differs from the authenticated client"));
    }
    let code = app.store.take_code(&hash).await?.ok_or_else(invalid)?;
    if code.client_id != client.client_id || code.expires_us <= time::now_us() {
        return Err(invalid());
    }
    if code.redirect_uri != fields.one("redirect_uri").unwrap_or_default() && !code.redirect_uri.is_empty() {
        let description = "redirect_uri differs from the one of the authorization request";
        return Err(TokenError::bad("invalid_grant", description));
    }
    if !code.challenge.is_empty() {
        // RFC 7636 §4.6.
        let verifier = fields.one("code_verifier").unwrap_or_default();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        if !secrets::same(&challenge, &code.challenge) {
            return Err(TokenError::bad("invalid_grant", "code_verifier does not fit the code_challenge"));
        }
    }
    issue(app, client, &code.user_key, &code.scopes, true).await
}

async fn refresh_grant(app: &App, client: &ClientRow, fields: &Params) -> Result<TokenResponse, TokenError> {
    let invalid = || TokenError::bad("invalid_grant", "invalid refresh token");
    let hash = secrets::hash(required(fields, "refresh_token")?);
    let now_us = time::now_us();
    let present = app.store.token(TokenKind::Refresh, &hash).await?.ok_or_else(invalid)?;
    if present.client_id != client.client_id || present.expires_us <= now_us {
        return Err(invalid());
    }
    let scopes = match fields.one("scope") {
        None => present.scopes.clone(),
        Some(asked) => narrowed(&present.scopes, asked)?,
    };
    // While the present one is young the answer has none; the old one stays valid until its own end.
    let age_us = now_us - present.created_us;
    let renew_us = limits::REFRESH_TOKEN_LIFE_S * 10_000 * limits::REFRESH_TOKEN_RENEW_PERCENT;
    issue(app, client, &present.user_key, &scopes, age_us >= renew_us).await
}

/// A refresh narrows or keeps the scopes, never widens them.
fn narrowed(present: &[String], asked: &str) -> Result<Vec<String>, TokenError> {
    let asked: Vec<String> = asked.split_whitespace().map(str::to_owned).collect();
    match asked.iter().find(|scope| !present.contains(scope)) {
        Some(scope) => Err(TokenError::bad("invalid_scope", format!("{scope} was not granted"))),
        None => Ok(asked),
    }
}

async fn issue(
    app: &App,
    client: &ClientRow,
    user_key: &str,
    scopes: &[String],
    with_refresh: bool,
) -> Result<TokenResponse, TokenError> {
    let user = app.store.user(user_key).await?;
    let user = user.ok_or_else(|| TokenError::bad("invalid_grant", "the user does not exist any more"))?;
    let created_us = time::now_us();
    let row = |life_s: i64| TokenRow {
        client_id: client.client_id.clone(),
        user_key: user_key.to_owned(),
        scopes: scopes.to_vec(),
        created_us,
        expires_us: created_us + life_s * 1_000_000,
    };
    let access = secrets::token("cfa_");
    let refresh = with_refresh.then(|| secrets::token("cfr_"));
    let mut tokens = vec![(TokenKind::Access, secrets::hash(&access), row(limits::ACCESS_TOKEN_LIFE_S))];
    if let Some(refresh) = &refresh {
        tokens.push((TokenKind::Refresh, secrets::hash(refresh), row(limits::REFRESH_TOKEN_LIFE_S)));
    }
    app.store.put_tokens(&tokens).await?;
    Ok(TokenResponse {
        access_token: access,
        token_type: Some("Bearer".into()),
        refresh_token: refresh,
        expires_in: limits::ACCESS_TOKEN_LIFE_S.unsigned_abs(),
        scope: Some(scopes.join(" ")),
        principal: Some(user.email),
        loa: None,
        extra: Extra::new(),
    })
}
