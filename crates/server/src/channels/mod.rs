//! Notification Channel API (spec/notification-channel.md).

mod at_fault;
mod delivery;
mod frames;
pub mod hub;
pub mod interest;
mod resume;
pub mod signal;
mod socket;
mod sse;
mod system;
pub mod topic;
mod upgrade;

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::{Parts, Upgraded};
use hyper_util::rt::TokioIo;
use listen::Seat;
use tokio::net::TcpStream;
use wire::channel::{Channel, ChannelData, ChannelLifetime, ChannelRequest, SPELLING_SINGULAR, WEBSOCKETS};
use wire::error::code;
use wire::{Extra, Page};

use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, PageKey, Params, Path};
use crate::limits;
use crate::secrets;
use crate::store::{ChannelMaker, ChannelRow};
use crate::subscriptions::to_the_end;
use crate::webhooks;
use upgrade::Upgrade;

/// `POST /channels/{nickname}`.
pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(nickname): Path<String>,
    body: Body,
) -> ApiResult<Response> {
    if nickname.is_empty() || nickname.chars().count() > limits::NICKNAME_CHARS_MAX {
        return Err(ApiError::bad_request("channelNickname", "INVALID"));
    }
    make(&app, &caller, nickname, &body).await
}

/// `POST /channels`.
pub async fn create_without_nickname(
    State(app): State<Arc<App>>,
    caller: Caller,
    body: Body,
) -> ApiResult<Response> {
    make(&app, &caller, String::new(), &body).await
}

async fn make(app: &Arc<App>, caller: &Caller, nickname: String, body: &Body) -> ApiResult<Response> {
    let document: serde_json::Value = body.json()?;
    if webhooks::create::is_asked_for(&document) {
        return webhooks::create::create(app, caller, nickname, &document).await;
    }
    let request: ChannelRequest = body.json()?;
    check_kind(&request)?;
    let lifetime_s = lifetime(&request)?.unwrap_or(app.config.channel_lifetime_s);
    if app.hub.count_of_user(&caller.user.user_key) >= limits::CHANNELS_PER_USER_MAX {
        let message = "You have too many channels. Delete some that you no longer use.";
        return Err(ApiError::new(StatusCode::CONFLICT, code::CONFLICT, message));
    }
    let created_us = app.clock.now_us();
    let row = ChannelRow {
        channel_id: secrets::channel_id(),
        nickname,
        user_key: caller.user.user_key.clone(),
        application_tag: request.application_tag.unwrap_or_default(),
        lifetime_s: lifetime_s as i64,
        created_us,
        expires_us: created_us + lifetime_s as i64 * 1_000_000,
    };
    let answer = Json(describe(app, &row, false));
    let (app, maker) = (Arc::clone(app), caller.maker.clone());
    to_the_end(async move {
        app.store.put_channel(&row, &maker).await?;
        let id = row.channel_id.clone();
        app.hub.add(row);
        still_granted(&app, &id, &maker).await
    })
    .await?;
    Ok((StatusCode::CREATED, answer).into_response())
}

/// Takes a channel back whose grant was taken away while it was being made.
pub async fn still_granted(app: &App, channel_id: &str, maker: &ChannelMaker) -> ApiResult<()> {
    if app.store.grant_lives(maker).await? {
        return Ok(());
    }
    app.store.delete_channel(channel_id).await?;
    app.hub.remove(channel_id);
    Err(ApiError::unauthorized(code::AUTHN_INVALID_TOKEN, "The supplied authentication token is not valid."))
}

fn check_kind(request: &ChannelRequest) -> ApiResult<()> {
    match request.kind() {
        Some(WEBSOCKETS | SPELLING_SINGULAR) => Ok(()),
        Some(_) => Err(ApiError::bad_request("channelType", "INVALID")
            .with_message("channelType must be WebSockets, WebSocket or Webhook.")),
        None => Err(ApiError::bad_request("channelType", "REQUIRED")),
    }
}

fn lifetime(request: &ChannelRequest) -> ApiResult<Option<u64>> {
    request.channel_lifetime.map(|seconds| check_lifetime(seconds, limits::CHANNEL_LIFE_S_MAX)).transpose()
}

/// A webhook channel may live longer than one that is refreshed.
fn lifetime_max(channel_id: &str) -> u64 {
    if webhooks::is_id(channel_id) { limits::WEBHOOK_LIFE_S } else { limits::CHANNEL_LIFE_S_MAX }
}

pub fn check_lifetime(seconds: u64, max: u64) -> ApiResult<u64> {
    if (limits::CHANNEL_LIFE_S_MIN..=max).contains(&seconds) {
        return Ok(seconds);
    }
    Err(ApiError::bad_request("channelLifetime", "InvalidRange").with_message(format!(
        "channelLifetime is in seconds, {} to {}.",
        limits::CHANNEL_LIFE_S_MIN,
        max
    )))
}

/// `PUT …/{channelId}`: the channel's lifetime starts again. An empty body is accepted [inferred].
pub async fn refresh(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((nickname, id)): Path<(String, String)>,
    body: Body,
) -> ApiResult<Json<Channel>> {
    let channel = owned(&app, &caller, Some(&nickname), &id)?;
    let mut lifetime_s = channel.lifetime_s();
    if !body.is_empty() {
        let request: ChannelRequest = body.json()?;
        if request.kind().is_some() && !webhooks::is_id(&id) {
            check_kind(&request)?;
        }
        if let Some(seconds) = request.channel_lifetime {
            lifetime_s = check_lifetime(seconds, lifetime_max(&id))? as i64;
        }
    }
    prolong(&app, &channel, lifetime_s, &caller).await?;
    Ok(Json(describe(&app, &channel.row(), channel.is_connected())))
}

async fn prolong(
    app: &Arc<App>,
    channel: &Arc<hub::Channel>,
    lifetime_s: i64,
    caller: &Caller,
) -> ApiResult<()> {
    let (app, channel, asking) = (Arc::clone(app), Arc::clone(channel), caller.maker.clone());
    to_the_end(async move {
        let _changing = channel.changing.lock().await;
        let expires_us = app.clock.now_us() + lifetime_s * 1_000_000;
        if !app.store.prolong_channel(&channel.id, lifetime_s, expires_us, &asking).await? {
            return Err(ApiError::channel_not_found(&channel.id));
        }
        channel.prolong(lifetime_s, expires_us);
        Ok(())
    })
    .await
}

/// `GET …/{nickname}/{channelId}`.
pub async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((nickname, id)): Path<(String, String)>,
) -> ApiResult<Json<Channel>> {
    let channel = owned(&app, &caller, Some(&nickname), &id)?;
    Ok(Json(describe(&app, &channel.row(), channel.is_connected())))
}

/// `GET /channels/{name}`: a channel without nickname by its id, or the newest of a nickname [inferred].
pub async fn read_by_name(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> ApiResult<Json<Channel>> {
    if let Ok(channel) = owned(&app, &caller, None, &name) {
        return Ok(Json(describe(&app, &channel.row(), channel.is_connected())));
    }
    let key = &caller.user.user_key;
    let rows = app.store.channels_of_user(key, app.clock.now_us(), None, limits::PAGE_SIZE_MAX).await?;
    let row = rows.into_iter().find(|row| row.nickname == name);
    let row = row.ok_or_else(|| ApiError::channel_not_found(&name))?;
    Ok(Json(describe(&app, &row, is_connected(&app, &row))))
}

/// `PUT /channels/{channelId}` of a channel without nickname.
pub async fn refresh_by_id(
    state: State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    body: Body,
) -> ApiResult<Json<Channel>> {
    refresh(state, caller, Path((String::new(), id)), body).await
}

/// `DELETE /channels/{channelId}` of a channel without nickname.
pub async fn remove_by_id(
    state: State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    remove(state, caller, Path((String::new(), id))).await
}

/// `GET /channels`: all channels of the token's user, newest first.
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    params: Params,
) -> ApiResult<Json<Page<Channel>>> {
    let size = params.page_size()?;
    let key = params.page_key()?;
    let before = key.as_ref().map(|key| (key.number, key.text.as_str()));
    let user = &caller.user.user_key;
    // A list that lags begins where the channels are old enough.
    let listed_us = app.list_lag.listed_before_us();
    let before = if before.is_none_or(|(created_us, _)| created_us > listed_us) {
        Some((listed_us, ""))
    } else {
        before
    };
    let mut rows = app.store.channels_of_user(user, app.clock.now_us(), before, size + 1).await?;
    let more = rows.len() as i64 > size;
    rows.truncate(size as usize);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|row| PageKey { number: row.created_us, text: row.channel_id.clone() }.marker());
    let mut items: Vec<Channel> =
        rows.iter().map(|row| describe(&app, row, is_connected(&app, row))).collect();
    // On the page where they stood; so a page of a list that lags can be longer.
    let page_ends_us = if more { rows.last().map_or(i64::MIN, |row| row.created_us) } else { i64::MIN };
    for (gone, shown) in app.list_lag.channels_of(user) {
        let before_us = before.map_or(i64::MAX, |(created_us, _)| created_us);
        if gone.created_us < before_us && gone.created_us >= page_ends_us {
            let place = rows.partition_point(|row| row.created_us > gone.created_us);
            rows.insert(place, gone);
            items.insert(place, shown);
        }
    }
    Ok(Json(Page::new(items, size.unsigned_abs(), next)))
}

/// `DELETE …/{channelId}`: the subscriptions on it go too.
pub async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((nickname, id)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    let channel = owned(&app, &caller, Some(&nickname), &id)?;
    to_the_end(async move {
        let _changing = channel.changing.lock().await;
        let shown = (!app.list_lag.is_off()).then(|| describe(&app, &channel.row(), channel.is_connected()));
        let deleted = app.store.delete_channel(&id).await?;
        app.hub.remove(&id);
        if let Some(shown) = shown.filter(|_| deleted) {
            app.list_lag.deleted(channel.row(), shown);
        }
        if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::channel_not_found(&id)) }
    })
    .await
}

/// Deletes a channel if its life is over. One that cannot be deleted stays known, so the sweeper meets it again.
pub async fn delete_expired(app: &App, channel_id: &str) {
    let Some(channel) = app.hub.get(channel_id) else { return };
    let _changing = channel.changing.lock().await;
    if channel.expires_us() > app.clock.now_us() {
        return;
    }
    delete_ended(app, channel_id).await;
}

/// Ends a channel before its time, as its life ends otherwise.
pub async fn end(app: &App, channel: &hub::Channel) {
    app.hub.await_return(channel.user_key());
    let _changing = channel.changing.lock().await;
    delete_ended(app, &channel.id).await;
}

async fn delete_ended(app: &App, channel_id: &str) {
    match app.store.delete_channel(channel_id).await {
        Ok(_) => app.hub.remove(channel_id),
        Err(error) => tracing::warn!("a channel that has ended could not be deleted: {error}"),
    }
}

/// `GET …/channel-lifetime`.
pub async fn read_lifetime(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((nickname, id)): Path<(String, String)>,
) -> ApiResult<Json<ChannelLifetime>> {
    let channel = owned(&app, &caller, Some(&nickname), &id)?;
    Ok(Json(lifetime_body(channel.lifetime_s())))
}

/// `PUT …/channel-lifetime`.
pub async fn set_lifetime(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((nickname, id)): Path<(String, String)>,
    body: Body,
) -> ApiResult<Json<ChannelLifetime>> {
    let channel = owned(&app, &caller, Some(&nickname), &id)?;
    let request: ChannelLifetime = body.json()?;
    let lifetime_s = check_lifetime(request.channel_lifetime, lifetime_max(&id))? as i64;
    prolong(&app, &channel, lifetime_s, &caller).await?;
    Ok(Json(lifetime_body(lifetime_s)))
}

fn lifetime_body(lifetime_s: i64) -> ChannelLifetime {
    ChannelLifetime { channel_lifetime: lifetime_s.unsigned_abs(), extra: Extra::new() }
}

/// `GET /channels/{channelId}/channelId/ws`: whoever has the URL can read. `?after=` resumes behind a notification.
pub async fn connect(
    State(app): State<Arc<App>>,
    Path((id, _)): Path<(String, String)>,
    params: Params,
    Extension(seat): Extension<Seat>,
    upgrade: ApiResult<Upgrade>,
) -> ApiResult<Response> {
    let channel = living(&app, &id)?;
    let after = params.one("after").map(str::to_owned);
    let (response, upgraded) = upgrade?.agree();
    app.tasks.clone().spawn(async move {
        // A client that hung up meanwhile.
        let Ok(upgraded) = upgraded.await else { return };
        socket(app, upgraded, seat, channel, after);
    });
    Ok(response)
}

/// Serves a socket in a task of its own, on the bare connection where that is known.
fn socket(app: Arc<App>, upgraded: Upgraded, seat: Seat, channel: Arc<hub::Channel>, after: Option<String>) {
    let tasks = app.tasks.clone();
    let account = app.directory.account_of(channel.user_key()).unwrap_or_default();
    let connection = match app.faults.at_delivery() && app.faults.shares(&channel, account) {
        true => channel.connect_beside(),
        false => channel.connect(),
    };
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(Parts { io, read_buf, .. }) => {
            let (stream, begun) = (io.into_inner(), read_buf.into());
            tasks.spawn(socket::serve(app, stream, begun, connection, after, seat));
        }
        Err(upgraded) => {
            let stream = TokioIo::new(upgraded);
            tasks.spawn(socket::serve(app, stream, Vec::new(), connection, after, seat));
        }
    }
}

/// `GET /channels/{nickname}/{channelId}/sse`: the same as server-sent events; as secret as the socket's URL.
pub async fn events(
    State(app): State<Arc<App>>,
    Path((nickname, id)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let channel = living(&app, &id)?;
    if channel.nickname() != nickname {
        return Err(ApiError::channel_not_found(&id));
    }
    // What the browser has seen since is newer than what the page's address says.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    let after = last.or(params.one("after")).map(str::to_owned);
    Ok(sse::respond(app, channel.connect(), after))
}

fn living(app: &App, id: &str) -> ApiResult<Arc<hub::Channel>> {
    let live = app.hub.get(id).filter(|channel| channel.expires_us() > app.clock.now_us());
    // A webhook channel has no URL to read from.
    live.filter(|_| !webhooks::is_id(id)).ok_or_else(|| ApiError::channel_not_found(id))
}

/// The channel, if it lives, is the caller's, and has that nickname.
pub fn owned(app: &App, caller: &Caller, nickname: Option<&str>, id: &str) -> ApiResult<Arc<hub::Channel>> {
    let channel = app.hub.get(id).ok_or_else(|| ApiError::channel_not_found(id))?;
    let named = nickname.is_none_or(|nickname| nickname == channel.nickname());
    if channel.user_key() == caller.user.user_key && named && channel.expires_us() > app.clock.now_us() {
        Ok(channel)
    } else {
        Err(ApiError::channel_not_found(id))
    }
}

fn is_connected(app: &App, row: &ChannelRow) -> bool {
    app.hub.get(&row.channel_id).is_some_and(|channel| channel.is_connected())
}

pub fn describe(app: &App, row: &ChannelRow, connected: bool) -> Channel {
    let id = &row.channel_id;
    let base = "notification-channel/v1/channels";
    let resource = match row.nickname.as_str() {
        "" => format!("{base}/{id}"),
        nickname => format!("{base}/{}/{id}", crate::extract::path_segment(nickname)),
    };
    let webhook = app.webhooks.get(id).map(|endpoint| endpoint.describe());
    let socket = || ChannelData {
        channel_type: WEBSOCKETS.into(),
        channel_url: Some(app.socket_url(&format!("{base}/{id}/channelId/ws"))),
        is_connected: Some(connected),
        extra: Extra::new(),
    };
    Channel {
        channel_id: id.clone(),
        channel_nickname: (!row.nickname.is_empty()).then(|| row.nickname.clone()),
        channel_data: webhook.is_none().then(socket),
        webhook_channel_data: webhook,
        channel_lifetime: Some(row.lifetime_s.unsigned_abs()),
        resource_url: Some(app.url(&resource)),
        do_not_disturb_aware: Some(false),
        ..Channel::default()
    }
}
