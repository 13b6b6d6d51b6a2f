//! Making a webhook channel: its address must prove with a 2xx to `OPTIONS` that it wants notifications.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize as _;
use serde_json::Value;
use uuid::Uuid;
use wire::channel::WEBHOOK;
use wire::error::code;

use super::outbound::OutboundError;
use super::sign::{Algorithm, Signing};
use super::{Endpoint, lock};
use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::limits;
use crate::secrets;
use crate::store::{ChannelMaker, ChannelRow, WebhookRow};

/// Where the address stands in the body, for the constraint of a refusal.
const URL_FIELD: &str = "webhookChannelData.webhook.url";

/// `webhookChannelData.delivery` of a webhook that keeps what failed and tries again for days.
pub const DURABLE: &str = "durable";

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

/// What a body asks for beyond GoTo Connect.
struct Extras {
    durable: bool,
    algorithm: Option<Algorithm>,
}

impl Extras {
    fn read(body: &Value) -> ApiResult<Self> {
        let data = &body["webhookChannelData"];
        let durable = match &data["delivery"] {
            Value::Null => false,
            Value::String(delivery) if delivery == DURABLE => true,
            _ => {
                let message = "delivery can be \"durable\", or absent.";
                return Err(
                    ApiError::bad_request("webhookChannelData.delivery", "INVALID").with_message(message)
                );
            }
        };
        // An older client's `sharedSecret` stands here too and asks for nothing.
        let algorithm = match &data["signature"]["algorithm"] {
            Value::Null => None,
            name => Some(Algorithm::deserialize(name).map_err(|_| {
                ApiError::bad_request("webhookChannelData.signature.algorithm", "INVALID")
                    .with_message("algorithm can be hmac-sha256 or ed25519.")
            })?),
        };
        Ok(Self { durable, algorithm })
    }

    /// 409 when a channel that exists is not what is asked for.
    fn check(&self, endpoint: &Endpoint) -> ApiResult<()> {
        let algorithm = endpoint.signing().map(|signing| signing.algorithm());
        let same_algorithm = self.algorithm.is_none() || self.algorithm == algorithm;
        if same_algorithm && (!self.durable || endpoint.is_durable()) {
            return Ok(());
        }
        let message = "This webhook channel exists with another delivery or signature. Delete it first.";
        Err(ApiError::new(StatusCode::CONFLICT, code::CONFLICT, message))
    }
}

/// `POST /channels/{nickname}` of a webhook channel. The same nickname and URL again is the same channel.
pub async fn create(app: &Arc<App>, caller: &Caller, nickname: String, body: &Value) -> ApiResult<Response> {
    let url = url(body).ok_or_else(|| ApiError::bad_request(URL_FIELD, "REQUIRED"))?;
    if url.len() > limits::WEBHOOK_URL_BYTES_MAX {
        let message = format!("The URL is longer than {} bytes.", limits::WEBHOOK_URL_BYTES_MAX);
        return Err(refusal(message));
    }
    app.webhooks.outbound.check(url).map_err(|why| refusal(format!("Cannot use this webhook: {why}.")))?;
    let extras = Extras::read(body)?;
    let signing = extras.algorithm.map(|algorithm| Signing::new(algorithm, secrets::bytes()));
    let stored_signing = signing.as_ref().map(serde_json::to_string).transpose().map_err(ApiError::fault)?;
    let webhook = WebhookRow {
        channel_id: format!("Webhook.{}", Uuid::new_v4()),
        user_key: caller.user.user_key.clone(),
        nickname,
        url: url.to_owned(),
        unreachable_us: 0,
        durable: extras.durable,
        signing: stored_signing.unwrap_or_default(),
    };
    let lifetime_s = lifetime(body)?;
    if let Some((row, endpoint)) = existing(app, &webhook).await {
        extras.check(&endpoint)?;
        return Ok(answer(app, &row, None));
    }
    let count = app.webhooks.count_of_user(&webhook.user_key);
    if count >= limits::WEBHOOKS_PER_USER_MAX {
        let message = "You have too many webhook channels. Delete some that you no longer use.";
        return Err(ApiError::new(StatusCode::CONFLICT, code::CONFLICT, message));
    }
    if !(app.faults.at_webhooks() && app.faults.spares_proof(&caller.user.account_key)) {
        prove(app, url).await?;
    }
    let created_us = app.clock.now_us();
    let row = ChannelRow {
        channel_id: webhook.channel_id.clone(),
        nickname: webhook.nickname.clone(),
        user_key: webhook.user_key.clone(),
        application_tag: body["applicationTag"].as_str().unwrap_or_default().to_owned(),
        lifetime_s,
        created_us,
        expires_us: created_us + lifetime_s * 1_000_000,
    };
    let secret = signing.as_ref().map(|signing| signing.describe(true));
    let made = {
        let (app, row, webhook, maker) =
            (Arc::clone(app), row.clone(), webhook.clone(), caller.maker.clone());
        // To the end even if the client hangs up meanwhile: store and hub must not part.
        tokio::spawn(async move { add(&app, row, webhook, &maker, signing).await })
    };
    if made.await.map_err(ApiError::fault)?? {
        return Ok(answer(app, &row, secret));
    }
    // Another request made it while the address gave its proof.
    let Some((row, endpoint)) = existing(app, &webhook).await else {
        let message = "This webhook channel is just being made or deleted. Try again.";
        return Err(ApiError::unavailable(message));
    };
    extras.check(&endpoint)?;
    Ok(answer(app, &row, None))
}

/// Stores a webhook channel and sets it going. False when there is one like it.
async fn add(
    app: &Arc<App>,
    row: ChannelRow,
    webhook: WebhookRow,
    maker: &ChannelMaker,
    signing: Option<Signing>,
) -> ApiResult<bool> {
    if !app.store.add_webhook(&row, &webhook, maker).await? {
        return Ok(false);
    }
    app.hub.add(row);
    let channel_id = webhook.channel_id.clone();
    super::start(app, Endpoint::new(webhook, signing));
    // The address may have taken its time for the proof.
    crate::channels::still_granted(app, &channel_id, maker).await?;
    Ok(true)
}

/// `signature` has the secret, which is shown this once.
fn answer(app: &App, row: &ChannelRow, signature: Option<Value>) -> Response {
    let mut channel = crate::channels::describe(app, row, false);
    if let (Some(data), Some(signature)) = (&mut channel.webhook_channel_data, signature) {
        data.extra.insert("signature".into(), signature);
    }
    (StatusCode::CREATED, Json(channel)).into_response()
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
async fn existing(app: &App, webhook: &WebhookRow) -> Option<(ChannelRow, Arc<Endpoint>)> {
    let endpoint = app.webhooks.find(webhook)?;
    let channel_id = lock(&endpoint.row).channel_id.clone();
    let row = app.hub.get(&channel_id)?.row();
    if row.expires_us > app.clock.now_us() {
        return Some((row, endpoint));
    }
    crate::channels::delete_expired(app, &channel_id).await;
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
        Ok(answer) => Err(unproven(answer.status.as_u16())),
        Err(OutboundError::Refused(why)) => Err(refusal(format!("Cannot use this webhook: {why}."))),
        Err(why) => Err(refusal(format!("The URL must answer OPTIONS with a 2xx status: {why}."))),
    }
}

/// The refusal of an address that answered OPTIONS with this status.
pub fn unproven(status: u16) -> ApiError {
    refusal(format!("The URL must answer OPTIONS with a 2xx status; it answered {status}."))
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
