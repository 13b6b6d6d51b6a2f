//! Making a webhook channel: its address must prove with a 2xx to `OPTIONS` that it wants notifications.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use uuid::Uuid;
use wire::channel::WEBHOOK;
use wire::error::code;

use super::outbound::OutboundError;
use super::{Endpoint, lock};
use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::limits;
use crate::store::{ChannelRow, WebhookRow};
use crate::time;

/// Where the address stands in the body, for the constraint of a refusal.
const URL_FIELD: &str = "webhookChannelData.webhook.url";

/// Whether a body asks for a webhook channel, wherever it says so.
pub fn is_asked_for(body: &Value) -> bool {
    let places = ["/channelType", "/channelData/channelType", "/webhookChannelData/channelType"];
    places.iter().find_map(|place| body.pointer(place)?.as_str()) == Some(WEBHOOK)
}

/// The address, from where newer or older clients put it.
fn url(body: &Value) -> Option<&str> {
    let places = ["/webhookChannelData/webhook/url", "/webhookChannelData/url", "/channelData/webhook/url"];
    places.iter().find_map(|place| body.pointer(place)?.as_str()).filter(|url| !url.is_empty())
}

/// `POST /channels/{nickname}` of a webhook channel. The same nickname and URL again is the same channel.
pub async fn create(app: &Arc<App>, caller: &Caller, nickname: String, body: &Value) -> ApiResult<Response> {
    let url = url(body).ok_or_else(|| ApiError::bad_request(URL_FIELD, "REQUIRED"))?;
    if url.len() > limits::WEBHOOK_URL_BYTES_MAX {
        let message = format!("The URL is longer than {} bytes.", limits::WEBHOOK_URL_BYTES_MAX);
        return Err(refusal(message));
    }
    app.webhooks.outbound.check(url).map_err(|why| refusal(format!("Cannot use this webhook: {why}.")))?;
    let webhook = WebhookRow {
        channel_id: format!("Webhook.{}", Uuid::new_v4()),
        user_key: caller.user.user_key.clone(),
        nickname,
        url: url.to_owned(),
        unreachable_us: 0,
        durable: false,
        signing: String::new(),
    };
    let lifetime_s = lifetime(body)?;
    if let Some(row) = existing(app, &webhook).await {
        return Ok(answer(app, &row));
    }
    let count = app.webhooks.count_of_user(&webhook.user_key);
    if count >= limits::WEBHOOKS_PER_USER_MAX {
        let message = "You have too many webhook channels. Delete some that you no longer use.";
        return Err(ApiError::new(StatusCode::CONFLICT, code::CONFLICT, message));
    }
    prove(app, url).await?;
    let created_us = time::now_us();
    let row = ChannelRow {
        channel_id: webhook.channel_id.clone(),
        nickname: webhook.nickname.clone(),
        user_key: webhook.user_key.clone(),
        application_tag: body["applicationTag"].as_str().unwrap_or_default().to_owned(),
        lifetime_s,
        created_us,
        expires_us: created_us + lifetime_s * 1_000_000,
    };
    if !app.store.add_webhook(&row, &webhook).await? {
        // Another request made it while the address gave its proof.
        let row = existing(app, &webhook).await;
        return row.map(|row| answer(app, &row)).ok_or_else(|| {
            ApiError::unavailable("This webhook channel is just being made or deleted. Try again.")
        });
    }
    app.hub.add(row.clone());
    super::start(app, Endpoint::new(webhook));
    Ok(answer(app, &row))
}

fn answer(app: &App, row: &ChannelRow) -> Response {
    (StatusCode::CREATED, Json(crate::channels::describe(app, row, false))).into_response()
}

fn refusal(message: String) -> ApiError {
    ApiError::bad_request(URL_FIELD, "INVALID").with_message(message)
}

/// Seconds; practically for ever unless the body says otherwise.
fn lifetime(body: &Value) -> ApiResult<i64> {
    match &body["channelLifetime"] {
        Value::Null => Ok(limits::WEBHOOK_LIFE_S as i64),
        Value::Number(number) => match number.as_u64() {
            Some(seconds) => Ok(crate::channels::check_lifetime(seconds, limits::WEBHOOK_LIFE_S)? as i64),
            None => Err(ApiError::bad_request("channelLifetime", "INVALID")),
        },
        _ => Err(ApiError::bad_request("channelLifetime", "INVALID")),
    }
}

/// The user's live channel with this nickname and URL. One whose life is over makes way.
async fn existing(app: &App, webhook: &WebhookRow) -> Option<ChannelRow> {
    let endpoint = app.webhooks.find(webhook)?;
    let channel_id = lock(&endpoint.row).channel_id.clone();
    let row = app.hub.get(&channel_id)?.row();
    if row.expires_us > time::now_us() {
        return Some(row);
    }
    crate::channels::delete(app, &channel_id).await;
    None
}

async fn prove(app: &App, url: &str) -> ApiResult<()> {
    let Ok(_permit) = app.webhooks.proofs.try_acquire() else {
        return Err(ApiError::unavailable(
            "Too many webhook channels are being made. Try again in a moment.",
        ));
    };
    match app.webhooks.outbound.options(url).await {
        Ok(answer) if answer.status.is_success() => Ok(()),
        Ok(answer) => Err(refusal(format!(
            "The URL must answer OPTIONS with a 2xx status; it answered {}.",
            answer.status.as_u16()
        ))),
        Err(OutboundError::Refused(why)) => Err(refusal(format!("Cannot use this webhook: {why}."))),
        Err(why) => Err(refusal(format!("The URL must answer OPTIONS with a 2xx status: {why}."))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_places_of_the_type_and_of_the_url_are_found() {
        let newer = json!({"channelType": "Webhook", "webhookChannelData": {"webhook": {"url": "https://a.example"}}});
        let older = json!({"webhookChannelData": {"channelType": "Webhook", "url": "https://a.example"}});
        for body in [newer, older] {
            assert!(is_asked_for(&body), "{body}");
            assert_eq!(url(&body), Some("https://a.example"));
        }
        assert!(!is_asked_for(&json!({"channelType": "WebSockets"})));
        assert!(!is_asked_for(&json!([])));
    }
}
