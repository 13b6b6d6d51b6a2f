//! Beyond the GoTo APIs: ending a token (RFC 7009), asking what a token is (RFC 7662), and the document that tells a
//! client library where everything is (RFC 8414). A client learns of its own tokens only.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::grants;
use super::token::{TokenError, authenticated_client, form, no_store, required};
use crate::app::App;
use crate::extract::Body;
use crate::secrets;
use crate::store::TokenKind;

/// `POST /oauth/revoke`.
pub async fn revoke(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    match end_token(&app, &headers, &body).await {
        Ok(()) => (StatusCode::OK, no_store()).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn end_token(app: &App, headers: &HeaderMap, body: &Body) -> Result<(), TokenError> {
    let fields = form(body)?;
    let client = authenticated_client(app, headers, &fields).await?;
    let hash = secrets::hash(required(&fields, "token")?);
    // RFC 7009 §2.2: a token that is not there is as good as revoked.
    let Some((kind, token)) = app.store.token_of_any_kind(&hash).await? else { return Ok(()) };
    if token.client_id != client.client_id {
        return Err(TokenError::bad("invalid_grant", "the token was issued to another client"));
    }
    // RFC 7009 §2.1: with a refresh token go the access tokens of its grant.
    if kind == TokenKind::Refresh && !token.grant_id.is_empty() {
        app.hub.remove_all(&app.store.delete_grant(&client.client_id, &token.grant_id).await?);
    }
    app.hub.remove_all(&app.store.delete_token(&hash, &token).await?);
    Ok(())
}

/// RFC 7662 §2.2; a token that is not active has no other member.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Introspection {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// E-mail address of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// User key.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
}

/// `POST /oauth/introspect`.
pub async fn introspect(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    match inspect(&app, &headers, &body).await {
        Ok(answer) => (no_store(), Json(answer)).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn inspect(app: &App, headers: &HeaderMap, body: &Body) -> Result<Introspection, TokenError> {
    let fields = form(body)?;
    let client = authenticated_client(app, headers, &fields).await?;
    let hash = secrets::hash(required(&fields, "token")?);
    let Some((kind, token)) = app.store.token_of_any_kind(&hash).await? else {
        return Ok(Introspection::default());
    };
    if token.client_id != client.client_id || token.expires_us <= app.clock.now_us() {
        return Ok(Introspection::default());
    }
    let Some(user) = app.store.user(&token.user_key).await? else { return Ok(Introspection::default()) };
    Ok(Introspection {
        active: true,
        scope: Some(token.scopes.join(" ")),
        client_id: Some(token.client_id),
        username: Some(user.email),
        token_type: (kind == TokenKind::Access).then_some("Bearer"),
        exp: Some(token.expires_us / 1_000_000),
        iat: Some(token.created_us / 1_000_000),
        sub: Some(token.user_key),
        iss: Some(issuer(app)),
    })
}

/// `GET /.well-known/oauth-authorization-server`.
pub async fn metadata(State(app): State<Arc<App>>) -> Response {
    let client_authentication = ["client_secret_basic", "client_secret_post"];
    let scopes: Vec<&str> = wire::scope::ALL.iter().map(|(name, _)| *name).collect();
    Json(json!({
        "issuer": issuer(&app),
        "authorization_endpoint": app.url("oauth/authorize"),
        "token_endpoint": app.url("oauth/token"),
        "revocation_endpoint": app.url("oauth/revoke"),
        "introspection_endpoint": app.url("oauth/introspect"),
        "scopes_supported": scopes,
        "response_types_supported": ["code", "token"],
        "response_modes_supported": ["query", "fragment"],
        "grant_types_supported": grants::ALL.map(|(name, _)| name),
        "token_endpoint_auth_methods_supported": client_authentication,
        "revocation_endpoint_auth_methods_supported": client_authentication,
        "introspection_endpoint_auth_methods_supported": client_authentication,
        "code_challenge_methods_supported": ["S256"],
    }))
    .into_response()
}

/// RFC 8414 §2: the public URL without a slash at its end.
fn issuer(app: &App) -> String {
    app.public_url.as_str().trim_end_matches('/').to_owned()
}
