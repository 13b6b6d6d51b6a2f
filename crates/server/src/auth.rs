//! Who calls: the bearer token's client, user and scopes (spec/oauth.md, Using the token).

use std::sync::Arc;

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::header;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wire::error::code;

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::oauth::grants;
use crate::secrets;
use crate::store::{ChannelMaker, ClientRow, User};

/// A request with a valid token, within its rate limit.
#[derive(Clone, Debug)]
pub struct Caller {
    pub user: User,
    pub scopes: Vec<String>,
    /// What the token came from: a channel ends with it.
    pub maker: ChannelMaker,
    /// The token comes from a personal access token, which the Admin API does not take
    /// (spec/oauth.md, Personal access tokens).
    pub personal_access_token: bool,
}

impl Caller {
    /// # Errors
    /// 403 `AUTHZ_INSUFFICIENT_SCOPE`; to be asked before any resource is looked up.
    pub fn require(&self, scope: &str) -> ApiResult<()> {
        if self.scopes.iter().any(|granted| granted == scope) {
            return Ok(());
        }
        Err(ApiError::insufficient_scope(format!("The token does not have the required scope {scope}.")))
    }

    /// Whether the user may see all of an account.
    pub fn sees_account(&self, account_key: &str) -> bool {
        self.user.super_admin && self.user.account_key == account_key
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let hash = secrets::hash(bearer(parts)?);
        let session = app.store.session(&hash).await?;
        let session = session.ok_or_else(|| {
            ApiError::unauthorized(
                code::AUTHN_INVALID_TOKEN,
                "The supplied authentication token is not valid.",
            )
        })?;
        let row = &session.token;
        if row.expires_us <= app.clock.now_us() && !app.clock.spares(&hash) {
            return Err(ApiError::unauthorized(
                code::AUTHN_EXPIRED_TOKEN,
                "The supplied authentication token has expired.",
            ));
        }
        // Inside a nested router the request's own path has lost the name of the API.
        let path = parts.extensions.get::<OriginalUri>().map_or(parts.uri.path(), |uri| uri.path());
        let api = path.split('/').nth(1).unwrap_or_default();
        app.limiter.check(&row.client_id, api)?;
        let user = session.user.clone().ok_or_else(|| {
            ApiError::unauthorized(code::AUTHN_INVALID_TOKEN, "The token's user does not exist any more.")
        })?;
        let personal_access_token = row.grant_type == grants::PERSONAL_ACCESS_TOKEN;
        let maker = ChannelMaker { client_id: row.client_id.clone(), grant_id: row.grant_id.clone() };
        Ok(Self { user, scopes: row.scopes.clone(), maker, personal_access_token })
    }
}

/// No token at all is answered like a lacking scope (spec/errors-and-limits.md, Status and code).
fn bearer(parts: &Parts) -> ApiResult<&str> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else {
        return Err(ApiError::insufficient_scope(
            "The request has no token. Send Authorization: Bearer with an access token.",
        ));
    };
    let malformed = || {
        ApiError::unauthorized(
            code::AUTHN_MALFORMED_TOKEN,
            "The Authorization header is malformed. Send Authorization: Bearer with an access token.",
        )
    };
    let value = value.to_str().map_err(|_| malformed())?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ApiError::unauthorized(
            code::AUTHN_UNSUPPORTED_SCHEME,
            "The authentication scheme is not supported. Use Bearer.",
        ));
    }
    let token = token.trim();
    if token.is_empty() || token.contains(' ') { Err(malformed()) } else { Ok(token) }
}

/// `client_id` and secret of an `Authorization: Basic` header.
pub fn basic(parts: &axum::http::HeaderMap) -> Option<(String, String)> {
    let value = parts.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    // RFC 6749 §2.3.1: both are form-encoded before they are joined.
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((decode(id), decode(secret)))
}

/// The client, if its secret is right.
pub async fn client(app: &App, id: &str, secret: &str) -> ApiResult<Option<ClientRow>> {
    let Some(client) = app.store.client(id).await? else { return Ok(None) };
    Ok(secret_fits(app, &client, secret).await?.then_some(client))
}

/// Whether this is a secret of the client.
pub async fn secret_fits(app: &App, client: &ClientRow, secret: &str) -> ApiResult<bool> {
    let hash = secrets::hash(secret);
    if secrets::same(&client.secret_hash, &hash) {
        return Ok(true);
    }
    // A secret that was replaced works on for a while, so that its program can be changed without a gap.
    let old = app.store.old_secrets(&client.client_id, app.clock.now_us()).await?;
    Ok(old.iter().any(|(old, _)| secrets::same(old, &hash)))
}
