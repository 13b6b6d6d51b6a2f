//! Requests that fail, come late, or succeed in part.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use wire::error::code;

use super::Fault;
use super::body::{BODY, refusal, refusal_as, refusal_of, with_retry_after};
use super::catalogue::{Bounds, ENDPOINT, Kind, Parameter};
use super::delivery::OnDelivery;
use super::grant::OnGrant;
use super::http::{Answer, Asked, OnRequest, TOKEN};
use crate::limits;

const REPORT: &str = "GET /call-events-report/v1/reports/*$";

const SLOW: Parameter = Parameter {
    name: "delayMs",
    what: "milliseconds",
    bounds: Bounds::Number { min: 1, max: limits::FAULT_SLOW_MS_MAX, default: 5_000 },
};
const LATER: Parameter =
    Parameter { bounds: Bounds::Number { min: 1, max: limits::FAULT_DELAY_MS_MAX, default: 5_000 }, ..SLOW };

pub const KINDS: &[Kind] = &[
    Kind::new("unauthorized", "A request is answered 401.", "Documented.")
        .with(&[ENDPOINT, CODE_401])
        .once()
        .request(OnRequest::refuse(&[], unauthorized)),
    Kind::new("forbidden", "A request is answered 403.", "Documented.")
        .with(&[ENDPOINT, CODE_403])
        .once()
        .request(OnRequest::refuse(&[], forbidden)),
    Kind::new(
        "not-found",
        "A request is answered 404, the next one as it should be.",
        "Seen: a report is 404 for a while after its notification.",
    )
    .with(&[REPORTS])
    .once()
    .request(OnRequest::refuse(&[], not_found)),
    Kind::new("conflict", "A request is answered 409.", "Seen: where the subscription is there already.")
        .with(&[SUBSCRIPTIONS])
        .once()
        .request(OnRequest::refuse(&[], conflict)),
    Kind::new(
        "rate-limited",
        "A request is answered 429.",
        "Documented: the status; body and headers are open.",
    )
    .with(&[ENDPOINT, RETRY_AFTER, BODY])
    .once()
    .request(OnRequest::refuse(&[], rate_limited)),
    Kind::new("server-error", "A request is answered 5xx.", "Documented.")
        .with(&[ENDPOINT, STATUS_5XX, BODY])
        .once()
        .request(OnRequest::refuse(&[], server_error)),
    Kind::new(
        "answer-lost",
        "A request is carried out, and the connection ends before its answer.",
        "Network: a connection can break at any moment.",
    )
    .with(&[ENDPOINT])
    .once()
    .request(OnRequest::CUT),
    Kind::new(
        "slow",
        "A request waits before it is carried out, so its answer comes late.",
        "Documented: 504 is what a proxy makes of it.",
    )
    .with(&[ENDPOINT, SLOW])
    .once()
    .request(OnRequest::SLOW),
    Kind::new(
        "partial-207",
        "A live subscription's first key is refused within a 207; the others are subscribed.",
        "Documented: the form; seen with 403, other numbers are open.",
    )
    .with(&[STATUS_207])
    .once()
    .request(PARTIAL),
    Kind::new(
        "empty-items",
        "A report subscription is answered 201 without items, and nothing is subscribed.",
        "Seen: where the user may see none of the keys.",
    )
    .once()
    .request(OnRequest::refuse(&["POST /call-events-report/v1/subscriptions"], empty_items)),
    Kind::new(
        "report-later",
        "A report is 404 until some time after it was first asked for.",
        "Seen: for a while after the notification.",
    )
    .with(&[LATER])
    .request(OnRequest::refuse(&[REPORT], report_later)),
    Kind::new(
        "revision-later",
        "A report lacks members at first; later it is whole, and a REPORT_SUMMARY_REVISION says so.",
        "Seen: a report is enriched later.",
    )
    .with(&[LATER])
    .request(OnRequest::alter(&[REPORT], incomplete))
    .delivery(OnDelivery::RevisionLater),
    Kind::new(
        "expire-token",
        "Access tokens issued before the fault began are answered 401 AUTHN_EXPIRED_TOKEN.",
        "Documented: a token lives an hour.",
    )
    .request(OnRequest::refuse(&[], expired)),
    Kind::new(
        "refresh-refused",
        "A refresh is answered 400 invalid_grant, as when the refresh token has died.",
        "Open: which error it is.",
    )
    .once()
    .request(OnRequest::refuse(&["POST /oauth/token"], refresh_refused)),
    Kind::new(
        "refresh-rotated",
        "Every refresh brings a new refresh token.",
        "Documented: a new one once 60 % of the life has passed.",
    )
    .grant(OnGrant::Always),
    Kind::new(
        "refresh-not-rotated",
        "No refresh brings a new refresh token.",
        "Documented: none while the present one is young.",
    )
    .grant(OnGrant::Never),
    Kind::new(
        "old-refresh-ends",
        "Every refresh brings a new refresh token, and the old one is refused.",
        "Open: whether the old one lives on.",
    )
    .grant(OnGrant::AlwaysAndEnd),
];

const CODE_401: Parameter = Parameter {
    name: "code",
    what: "errorCode",
    bounds: Bounds::Choice(&[
        code::AUTHN_INVALID_TOKEN,
        code::AUTHN_EXPIRED_TOKEN,
        code::AUTHN_MALFORMED_TOKEN,
        code::AUTHN_UNSUPPORTED_SCHEME,
        code::NOT_AUTHENTICATED,
    ]),
};
const CODE_403: Parameter = Parameter {
    name: "code",
    what: "errorCode",
    bounds: Bounds::Choice(&[code::UNAUTHORIZED, code::AUTHZ_INSUFFICIENT_SCOPE]),
};
const REPORTS: Parameter =
    Parameter { bounds: Bounds::Endpoint("GET /call-events-report/v1/reports"), ..ENDPOINT };
const SUBSCRIPTIONS: Parameter =
    Parameter { bounds: Bounds::Endpoint("POST /call-events-report/v1/subscriptions"), ..ENDPOINT };
const RETRY_AFTER: Parameter = Parameter {
    name: "retryAfterS",
    what: "Retry-After in seconds; 0: no such header",
    bounds: Bounds::Number { min: 0, max: 3_600, default: 1 },
};
const STATUS_207: Parameter = Parameter {
    name: "status",
    what: "status of the key that is refused",
    bounds: Bounds::Choice(&["403", "400", "404", "409", "500"]),
};
const STATUS_5XX: Parameter =
    Parameter { name: "status", what: "HTTP status", bounds: Bounds::Choice(&["500", "502", "503", "504"]) };

fn unauthorized(fault: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let message = "The supplied authentication token is not valid.";
    Some(refusal_of(asked, StatusCode::UNAUTHORIZED, fault.text("code"), message))
}

fn forbidden(fault: &Fault, asked: &Asked<'_>) -> Option<Response> {
    Some(refusal_of(asked, StatusCode::FORBIDDEN, fault.text("code"), "The user may not do this."))
}

fn not_found(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    Some(match asked.segment(0) {
        "notification-channel" => {
            let message = "Notification channel does not exist";
            refusal(StatusCode::NOT_FOUND, code::CHANNEL_NOT_FOUND, message)
        }
        _ => {
            let message = "The requested resource was not found.";
            refusal_of(asked, StatusCode::NOT_FOUND, code::NOT_FOUND, message)
        }
    })
}

fn conflict(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let message = "The request could not be completed due to a conflict";
    if asked.path == TOKEN {
        return Some(refusal_of(asked, StatusCode::CONFLICT, code::CONFLICT, message));
    }
    let constraints = if asked.segment(0) == "call-events" { "constraints" } else { "constraintViolations" };
    let body = json!({
        "reference": crate::secrets::reference(),
        "errorCode": code::CONFLICT,
        "message": message,
        constraints: [{"field": "channelId", "constraint": "Subscription already exists"}],
    });
    Some((StatusCode::CONFLICT, axum::Json(body)).into_response())
}

fn rate_limited(fault: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let (status, message) = (StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded.");
    let response = refusal_as(fault, asked, status, code::TOO_MANY_REQUESTS, message);
    Some(with_retry_after(response, fault.number("retryAfterS")))
}

fn server_error(fault: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let (status, code) = match fault.text("status") {
        "502" => (StatusCode::BAD_GATEWAY, code::UNKNOWN_ERROR),
        "503" => (StatusCode::SERVICE_UNAVAILABLE, code::UNAVAILABLE),
        "504" => (StatusCode::GATEWAY_TIMEOUT, code::UNKNOWN_ERROR),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, code::UNKNOWN_ERROR),
    };
    Some(refusal_as(fault, asked, status, code, "An unknown error occurred."))
}

const PARTIAL: OnRequest = OnRequest {
    on: &["POST /call-events/v1/subscriptions"],
    ask: Some(without_first),
    refuse: Some(all_refused),
    alter: Some(one_refused),
    ..OnRequest::NOTHING
};

/// The only key is refused: there is nothing left to subscribe.
fn all_refused(fault: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let json = asked.json()?;
    let keys = json["accountKeys"].as_array()?;
    let only = (keys.len() == 1 && asked.note.is_none()).then(|| keys[0]["id"].clone())?;
    let answer = json!({"accountKeys": [refused(fault, &only)]});
    Some((StatusCode::MULTI_STATUS, axum::Json(answer)).into_response())
}

/// Of several keys the first never reaches the API. That counts when the answer tells of it.
fn without_first(_: &Fault, asked: &mut Asked<'_>) -> bool {
    let Some(mut json) = asked.json() else { return false };
    let keys = json["accountKeys"].as_array_mut().filter(|keys| keys.len() > 1);
    if let Some(keys) = keys {
        asked.note = Some(keys.remove(0)["id"].clone());
        asked.put_json(&json);
    }
    false
}

fn one_refused(fault: &Fault, asked: &Asked<'_>, answer: &mut Answer) -> bool {
    let items = answer.json["accountKeys"].as_array_mut();
    let (Some(id), Some(items)) = (&asked.note, items) else { return false };
    items.insert(0, refused(fault, id));
    true
}

fn refused(fault: &Fault, id: &Value) -> Value {
    let (status, message, code) = match fault.text("status") {
        "400" => (400, "Bad Request", code::BAD_REQUEST),
        "404" => (404, "Not Found", code::NOT_FOUND),
        "409" => (409, "Conflict", code::CONFLICT),
        "500" => (500, "Internal Server Error", code::UNKNOWN_ERROR),
        _ => (403, "Forbidden", code::UNAUTHORIZED),
    };
    json!({"id": id, "status": status, "message": message, "errorCode": code})
}

fn empty_items(_: &Fault, _: &Asked<'_>) -> Option<Response> {
    Some((StatusCode::CREATED, axum::Json(json!({"items": []}))).into_response())
}

fn report_later(fault: &Fault, asked: &Asked<'_>) -> Option<Response> {
    is_young(fault, asked).then(|| not_found(fault, asked)).flatten()
}

/// Whether the report was first asked for less than the fault's delay ago.
fn is_young(fault: &Fault, asked: &Asked<'_>) -> bool {
    let now = asked.app.clock.instant();
    now - fault.first_seen(asked.segment(3), now) < fault.duration("delayMs")
}

fn incomplete(fault: &Fault, asked: &Asked<'_>, answer: &mut Answer) -> bool {
    if !is_young(fault, asked) {
        return false;
    }
    let Some(report) = answer.json.as_object_mut().filter(|_| answer.status == StatusCode::OK) else {
        return false;
    };
    for member in ["callReason", "actions", "aiAnalysis", "hangupOriginatorId"] {
        report.remove(member);
    }
    true
}

fn expired(fault: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let (_, issued_us) = asked.token.as_ref()?;
    let message = "The supplied authentication token has expired.";
    let refuse = || refusal(StatusCode::UNAUTHORIZED, code::AUTHN_EXPIRED_TOKEN, message);
    (*issued_us <= fault.started_us).then(refuse)
}

fn refresh_refused(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let refuse = || {
        let body = json!({"error": "invalid_grant", "error_description": "invalid refresh token"});
        (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
    };
    (asked.form().one("grant_type") == Some("refresh_token")).then(refuse)
}

/// How long a fresh thing is missing from a list.
pub const LAG: Parameter = Parameter {
    name: "lagMs",
    what: "milliseconds",
    bounds: Bounds::Number { min: 1, max: limits::FAULT_SLOW_MS_MAX, default: 2_000 },
};
