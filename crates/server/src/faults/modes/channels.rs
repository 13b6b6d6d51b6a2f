//! Open questions of notification channels (spec/notification-channel.md).

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use wire::error::code;

use crate::faults::Fault;
use crate::faults::answers::LAG;
use crate::faults::body::{bad_request, refusal};
use crate::faults::catalogue::{Bounds, Kind, Parameter};
use crate::faults::http::{Answer, Asked, OnRequest};
use crate::faults::reach::Channels;
use crate::faults::shapes::items;

const CHANNELS: &str = "/notification-channel/v1/channels";
const CREATE: &[&str] =
    &["POST /notification-channel/v1/channels$", "POST /notification-channel/v1/channels/*$"];
const QUOTA: Parameter =
    Parameter { name: "status", what: "HTTP status", bounds: Bounds::Choice(&["409", "403", "429"]) };

pub const KINDS: &[Kind] = &[
    Kind::new(
        "channel-url-top-level",
        "channelURL stands beside channelData, not in it.",
        "Sources differ: one example of the documentation has it so.",
    )
    // A webhook channel has no such address.
    .only(Channels::SOCKETS)
    .request(OnRequest::alter(&[CHANNELS], url_at_top)),
    Kind::new(
        "channel-list-lag",
        "A fresh channel is missing from the list for a while.",
        "Seen: for a few seconds.",
    )
    .with(&[LAG])
    .request(OnRequest::alter(&["GET /notification-channel/v1/channels$"], list_lags)),
    Kind::new(
        "lifetime-ignored",
        "channelLifetime in a request changes nothing.",
        "Open: whether the request has a say.",
    )
    .request(OnRequest::ask(&[CHANNELS], lifetime_ignored)),
    Kind::new(
        "lifetime-10800",
        "A new WebSocket channel lives 10,800 s, as in the guides.",
        "Sources differ: 10,800 s in the guides, 1,200 s as seen.",
    )
    .request(OnRequest::ask(CREATE, lifetime_of_guides)),
    Kind::new("channel-quota", "No further channel can be made.", "Open: no number is published.")
        .with(&[QUOTA])
        .request(OnRequest::refuse(CREATE, quota)),
    Kind::new(
        "strict-nickname",
        "A nickname with other characters than letters, digits and hyphens is 400.",
        "Open: which characters are allowed.",
    )
    .request(OnRequest::refuse(CREATE, strict_nickname)),
    Kind::new(
        "nickname-read-missing",
        "GET /channels/{nickname} is 404.",
        "Sources differ: one integrator reads it, nothing documents it.",
    )
    // By its id a channel is read as usual.
    .only(Channels::NONE)
    .request(OnRequest::refuse(&["GET /notification-channel/v1/channels/*$"], no_read_by_name)),
    Kind::new(
        "empty-refresh-refused",
        "A refreshing PUT without a body is 400.",
        "Open: the documented body is that of the creation.",
    )
    .request(OnRequest::refuse(&["PUT /notification-channel/v1/channels"], empty_put)),
    Kind::new(
        "lifetime-put-refused",
        "Setting a channel's lifetime by its own path is 400.",
        "Open: the body of that request.",
    )
    .request(OnRequest::refuse(
        &["PUT /notification-channel/v1/channels/*/*/channel-lifetime"],
        lifetime_put,
    )),
    Kind::new(
        "second-socket-refused",
        "A second socket on a connected channel is 409; the first goes on.",
        "Open: what becomes of two sockets.",
    )
    .tokenless()
    .request(OnRequest::refuse(&["GET /notification-channel/v1/channels/*/*/ws"], second_socket)),
    Kind::new(
        "callback-url",
        "A channel has a callbackURL.",
        "Documented: sometimes there, without a purpose.",
    )
    .request(OnRequest::alter(&[CHANNELS], callback_url)),
];

/// The channels of an answer, alone or in a list.
fn each_channel(answer: &mut Answer, change: &mut dyn FnMut(&mut Value) -> bool) -> bool {
    match items(&mut answer.json) {
        Some(items) => items.iter_mut().fold(false, |changed, item| change(item) | changed),
        None => answer.json.get("channelId").is_some() && change(&mut answer.json),
    }
}

fn url_at_top(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    each_channel(answer, &mut |channel| {
        let data = channel.get_mut("channelData").and_then(Value::as_object_mut);
        let Some(url) = data.and_then(|data| data.remove("channelURL")) else { return false };
        channel["channelURL"] = url;
        true
    })
}

fn list_lags(fault: &Fault, asked: &Asked<'_>, answer: &mut Answer) -> bool {
    let Some(items) = items(&mut answer.json) else { return false };
    let count = items.len();
    let young_us = asked.app.clock.now_us() - fault.number("lagMs") as i64 * 1_000;
    items.retain(|item| {
        let channel = asked.app.hub.get(item["channelId"].as_str().unwrap_or_default());
        channel.is_none_or(|channel| channel.row().created_us <= young_us)
    });
    items.len() < count
}

fn lifetime_ignored(_: &Fault, asked: &mut Asked<'_>) -> bool {
    let Some(Value::Object(mut body)) = asked.json() else { return false };
    if body.remove("channelLifetime").is_none() || asked.path.ends_with("/channel-lifetime") {
        return false;
    }
    asked.put_json(&Value::Object(body));
    true
}

fn lifetime_of_guides(_: &Fault, asked: &mut Asked<'_>) -> bool {
    let Some(Value::Object(mut body)) = asked.json() else { return false };
    if body.contains_key("channelLifetime") || body.contains_key("webhookChannelData") {
        return false;
    }
    body.insert("channelLifetime".to_owned(), json!(10_800));
    asked.put_json(&Value::Object(body));
    true
}

fn quota(fault: &Fault, _: &Asked<'_>) -> Option<Response> {
    let (status, code) = match fault.text("status") {
        "403" => (StatusCode::FORBIDDEN, code::UNAUTHORIZED),
        "429" => (StatusCode::TOO_MANY_REQUESTS, code::TOO_MANY_REQUESTS),
        _ => (StatusCode::CONFLICT, code::CONFLICT),
    };
    Some(refusal(status, code, "The user has too many channels."))
}

fn strict_nickname(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let strange = !asked.segment(3).bytes().all(plain);
    strange.then(|| bad_request(asked, "channelNickname", "INVALID"))
}

fn no_read_by_name(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let by_id = asked.app.hub.get(asked.segment(3)).is_some();
    let refuse = || refusal(StatusCode::NOT_FOUND, code::NOT_FOUND, "The requested resource was not found.");
    (!by_id).then(refuse)
}

fn empty_put(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    asked.body.trim_ascii().is_empty().then(|| bad_request(asked, "channelType", "REQUIRED"))
}

fn lifetime_put(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    Some(bad_request(asked, "channelLifetime", "INVALID"))
}

fn second_socket(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let channel = asked.app.hub.get(asked.channel()?)?;
    let refuse = || refusal(StatusCode::CONFLICT, code::CONFLICT, "The channel has a socket already.");
    channel.is_connected().then(refuse)
}

fn callback_url(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    each_channel(answer, &mut |channel| {
        channel["callbackURL"] = channel["resourceURL"].clone();
        true
    })
}
