//! Who sent a request and which channels it names: what decides whom its faults concern.

use axum::body::Bytes;
use axum::http::header;
use axum::http::request::Parts;
use serde_json::Value;

use super::http::{Asked, TOKEN};
use super::states::Calls;
use crate::app::App;
use crate::auth;
use crate::extract::Params;
use crate::secrets;
use crate::store::{StoreResult, TokenKind};
use crate::webhooks;

/// Who asks for what, or the body again if that is not known.
pub(super) async fn asked<'a>(
    app: &'a App,
    parts: &'a mut Parts,
    body: Bytes,
) -> StoreResult<Result<Asked<'a>, Bytes>> {
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
    let form = (path == TOKEN).then(|| Params::parse(&String::from_utf8_lossy(body)))?;
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
