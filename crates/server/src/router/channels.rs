//! Notification Channel API (spec/notification-channel.md), with the extras of webhook channels.

use schemars::json_schema;
use serde_json::{Value, json};
use wire::Page;
use wire::channel::{Channel, ChannelLifetime, ChannelRequest};

use crate::channels as handlers;
use crate::limits;
use crate::openapi::operation::{Operation, op};
use crate::openapi::parameters::{Parameter, paging};
use crate::openapi::routes::Routes;
use crate::webhooks::api as webhooks;

pub fn routes() -> Routes {
    let base = "/notification-channel/v1";
    let channels = doors(channels(Routes::new("Notification channels", base)));
    channels.merge(extras(Routes::new("Webhook extras", base)))
}

fn channels(routes: Routes) -> Routes {
    routes
        .post("/channels", handlers::create_without_nickname, create("createChannel"))
        .get(
            "/channels",
            handlers::list,
            op("listChannels", "List the channels of the token's user, newest first")
                .any_token()
                .query(paging())
                .answers::<Page<Channel>>(200, "One page.", "channels-list-response.json"),
        )
        .post("/channels/{name}", handlers::create, create("createChannelWithNickname"))
        .get(
            "/channels/{name}",
            handlers::read_by_name,
            op("readChannelByName", "Read a channel without nickname, or the newest of a nickname")
                .any_token()
                .answers::<Channel>(200, "The channel.", "channel-create-ws-response.json"),
        )
        .put("/channels/{name}", handlers::refresh_by_id, refresh("refreshChannelWithoutNickname"))
        .delete("/channels/{name}", handlers::remove_by_id, remove("deleteChannelWithoutNickname"))
        .get(
            "/channels/{name}/{id}",
            handlers::read,
            op("readChannel", "Read a channel").any_token().answers::<Channel>(
                200,
                "The channel.",
                "channel-create-ws-response.json",
            ),
        )
        .put("/channels/{name}/{id}", handlers::refresh, refresh("refreshChannel"))
        .delete("/channels/{name}/{id}", handlers::remove, remove("deleteChannel"))
        .get(
            "/channels/{name}/{id}/channel-lifetime",
            handlers::read_lifetime,
            op("readChannelLifetime", "Read the lifetime of a channel")
                .any_token()
                .answers::<ChannelLifetime>(200, "Seconds.", "channel-lifetime.json"),
        )
        .put(
            "/channels/{name}/{id}/channel-lifetime",
            handlers::set_lifetime,
            op("setChannelLifetime", "Set the lifetime of a channel, which begins anew")
                .any_token()
                .body::<ChannelLifetime>(
                    "channel-lifetime.json",
                    json!({"properties": {"channelLifetime": lifetime()}}),
                )
                .answers::<ChannelLifetime>(200, "Seconds.", "channel-lifetime.json"),
        )
}

/// What a channel is read by.
fn doors(routes: Routes) -> Routes {
    routes
        .get(
            "/channels/{name}/{id}/ws",
            handlers::connect,
            op("connectChannel", "Open the WebSocket of a channel")
                .about(
                    "Take the address from `channelData.channelURL` and never build it; it is a secret and needs no \
                     token. Text frames are `Frame`s. A second socket takes over from the first. Pings are answered \
                     with their payload.",
                )
                .query([after()])
                .answer(101, "The connection is a WebSocket now."),
        )
        .get(
            "/channels/{name}/{id}/sse",
            handlers::events,
            op("readChannelEvents", "Read a channel as server-sent events (Callfeed's own)")
                .about("Each event's data is a `Frame`, its id the notification's. As secret as the WebSocket's address.")
                .query([
                    after(),
                    Parameter::header("Last-Event-ID", "What `after` says; a browser sends it by itself."),
                ])
                .answer(200, "The stream, until the channel's life is over.")
                .bytes("text/event-stream"),
        )
}

fn extras(routes: Routes) -> Routes {
    routes
        .get(
            "/channels/{name}/{id}/attempts",
            webhooks::attempts,
            op("listAttempts", "List the attempts of a durable webhook, newest first")
                .any_token()
                .query(paging())
                .query([Parameter::text("notificationId", "Of this notification only.")])
                .answers::<Page<webhooks::AttemptItem>>(200, "One page.", "")
                .errors(&[409]),
        )
        .post(
            "/channels/{name}/{id}/attempts/{notification}/resend",
            webhooks::resend,
            op("resendNotification", "Deliver a notification again now")
                .any_token()
                .answer(202, "It will be delivered.")
                .errors(&[409]),
        )
        .post(
            "/channels/{name}/{id}/recover",
            webhooks::recover,
            op("recoverNotifications", "Deliver again what happened since and was not delivered")
                .any_token()
                .body::<webhooks::RecoverRequest>(
                    "",
                    json!({"required": ["since"],
                        "properties": {"since": {"type": "string", "format": "date-time"}}}),
                )
                .answers::<webhooks::Recovered>(202, "How many.", "")
                .errors(&[409]),
        )
        .post(
            "/channels/{name}/{id}/signature/rotate",
            webhooks::rotate,
            op("rotateSignature", "Make a new signing key; the old one signs too for a while")
                .any_token()
                .body::<webhooks::RotateRequest>(
                    "",
                    json!({"properties": {"overlap": {"maximum": limits::WEBHOOK_KEY_OVERLAP_S_MAX}}}),
                )
                .body_optional()
                .answer(200, "The new key: an HMAC's secret is shown this once.")
                .content(
                    "application/json",
                    |_| {
                        json_schema!({
                            "type": "object",
                            "required": ["algorithm"],
                            "properties": {
                                "algorithm": {"type": "string", "enum": ["hmac-sha256", "ed25519"]},
                                "secret": {"type": "string"},
                                "publicKey": {"type": "string"},
                            },
                        })
                    },
                    None,
                )
                .errors(&[409]),
        )
}

/// Seconds; a WebSocket channel's maximum is shorter, which the text says.
fn lifetime() -> Value {
    json!({
        "type": "integer",
        "minimum": limits::CHANNEL_LIFE_S_MIN,
        "maximum": limits::WEBHOOK_LIFE_S,
        "description": format!("Seconds; at most {} for a WebSocket channel.", limits::CHANNEL_LIFE_S_MAX),
    })
}

fn request_bounds() -> Value {
    json!({"properties": {
        "channelType": {"enum": ["WebSockets", "WebSocket", "Webhook", null]},
        "channelLifetime": {"minimum": limits::CHANNEL_LIFE_S_MIN, "maximum": limits::WEBHOOK_LIFE_S},
    }})
}

fn create(id: &'static str) -> Operation {
    op(id, "Create a channel")
        .about(
            "`WebSocket`, `WebSockets` or `Webhook`. A webhook's address is asked by `OPTIONS` first and must answer \
             2xx. Callfeed's own: `webhookChannelData.delivery` `durable` tries over 75 hours; \
             `webhookChannelData.signature.algorithm` `hmac-sha256` or `ed25519` signs as Standard Webhooks has it.",
        )
        .any_token()
        .body::<ChannelRequest>("channel-create-ws-request.json", request_bounds())
        .answers::<Channel>(201, "The channel.", "channel-create-ws-response.json")
        .errors(&[409, 503])
}

fn refresh(id: &'static str) -> Operation {
    op(id, "Refresh a channel: its lifetime begins anew")
        .any_token()
        .body::<ChannelRequest>("channel-create-ws-request.json", request_bounds())
        .body_optional()
        .answers::<Channel>(200, "The channel.", "channel-refresh-ws-response.json")
}

fn remove(id: &'static str) -> Operation {
    op(id, "Delete a channel with all subscriptions on it").any_token().answer(204, "Gone.")
}

fn after() -> Parameter {
    let text = "Id of the last notification seen: what came since is sent first, or a `RESUME` notification says that \
        something is missing.";
    Parameter::text("after", text)
}
