//! Open questions of call history and recordings (spec/call-history.md; spec/call-events.md, Recordings and
//! transcripts).

use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use wire::error::code;

use crate::faults::Fault;
use crate::faults::body::{bad_request, refusal};
use crate::faults::catalogue::Kind;
use crate::faults::delivery::OnDelivery;
use crate::faults::http::{Answer, Asked, OnRequest};
use crate::faults::shapes::{each_object, rename};

const HISTORY: &[&str] = &["GET /call-history/v1/calls"];
const CONTENT: &[&str] = &["GET /recording/v1/recordings/*/content$"];

pub const KINDS: &[Kind] = &[
    Kind::new(
        "history-subscription-200",
        "A call history subscription is made with 200, not 201.",
        "Open: 200 or 201.",
    )
    .request(OnRequest::alter(&["POST /call-history/v1/subscriptions"], made_is_200)),
    Kind::new(
        "history-seconds",
        "The duration of a leg is in seconds, not milliseconds.",
        "Sources differ: milliseconds as seen, seconds in another text.",
    )
    .request(OnRequest::alter(HISTORY, seconds))
    .delivery(OnDelivery::Frame(seconds_frame)),
    Kind::new(
        "history-old-ids",
        "originatorId and legId have a suffix, as in the documentation.",
        "Sources differ: documentation and live service.",
    )
    .request(OnRequest::alter(HISTORY, old_ids))
    .delivery(OnDelivery::Frame(old_ids_frame)),
    Kind::new(
        "recording-not-uploaded",
        "A recording is not uploaded yet: its status says so and its content is 400.",
        "Documented: the 400; the word of the status is open.",
    )
    .request(NOT_UPLOADED),
    Kind::new(
        "content-needs-token",
        "The address of a recording's audio is 401 without a bearer token.",
        "Sources differ.",
    )
    .tokenless()
    .request(OnRequest::refuse(&["GET /recording/v1/recordings/*/content/*"], needs_token)),
    Kind::new(
        "capital-page-marker",
        "The list of recording subscriptions has NextPageMarker.",
        "Documented: so it is written there.",
    )
    .request(OnRequest::alter(&["GET /recording/v1/subscriptions"], capital)),
];

fn made_is_200(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let made = answer.status == StatusCode::CREATED;
    if made {
        answer.status = StatusCode::OK;
    }
    made
}

/// Rows of call history, wherever they stand.
fn each_row(value: &mut Value, change: &mut dyn FnMut(&mut serde_json::Map<String, Value>)) -> bool {
    each_object(value, &mut |members| {
        let row = members.contains_key("originatorId") && members.contains_key("hangupCause");
        if row {
            change(members);
        }
        row
    })
}

fn put_seconds(value: &mut Value) -> bool {
    each_row(value, &mut |row| {
        if let Some(ms) = row.get("duration").and_then(Value::as_u64) {
            row.insert("duration".to_owned(), json!(ms / 1_000));
        }
    })
}

fn seconds(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    put_seconds(&mut answer.json)
}

fn seconds_frame(_: &Fault, frame: &mut Value) -> bool {
    put_seconds(frame)
}

fn put_old_ids(value: &mut Value) -> bool {
    each_row(value, &mut |row| {
        for name in ["originatorId", "legId"] {
            if let Some(id) = row.get(name).and_then(Value::as_str) {
                let id = format!("{id}-1563304741.6043");
                row.insert(name.to_owned(), json!(id));
            }
        }
    })
}

fn old_ids(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    put_old_ids(&mut answer.json)
}

fn old_ids_frame(_: &Fault, frame: &mut Value) -> bool {
    put_old_ids(frame)
}

const NOT_UPLOADED: OnRequest = OnRequest {
    on: &["GET /recording/v1/recordings/*$", CONTENT[0]],
    refuse: Some(no_content),
    alter: Some(uploading),
    ..OnRequest::NOTHING
};

fn no_content(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    asked.path.ends_with("/content").then(|| bad_request(asked, "status", "INVALID"))
}

fn uploading(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let fits = answer.status.is_success() && answer.json["status"].is_string();
    if fits {
        answer.json["status"] = json!("UPLOADING");
    }
    fits
}

fn needs_token(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let message = "The request has no token.";
    let refuse = || refusal(StatusCode::UNAUTHORIZED, code::AUTHN_INVALID_TOKEN, message);
    (!asked.parts.headers.contains_key(header::AUTHORIZATION)).then(refuse)
}

fn capital(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    answer.json.as_object_mut().is_some_and(|members| rename(members, "nextPageMarker", "NextPageMarker"))
}
