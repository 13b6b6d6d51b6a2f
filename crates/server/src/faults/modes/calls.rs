//! Open questions of live call events (spec/call-events.md).

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use wire::error::code;

use crate::faults::Fault;
use crate::faults::answers::LAG;
use crate::faults::body::{bad_request, refusal};
use crate::faults::catalogue::{Bounds, Kind, Parameter};
use crate::faults::delivery::OnDelivery;
use crate::faults::http::{Answer, Asked, OnRequest};
use crate::faults::shapes::{each_object, items, rename};

const EVENTS: &[&str] = &["GET /call-events/v1/conversation-spaces/*/events$"];
/// Where states are read.
const STATES: &[&str] = &["GET /call-events/v1/conversation-spaces", "GET /call-events-report/v1/reports"];
/// Where callers are read.
const CALLERS: &[&str] =
    &[STATES[0], STATES[1], "GET /call-events-report/v1/report-summaries", "GET /call-history/v1/calls"];
const NUMBER: Parameter = Parameter {
    name: "number",
    what: "what stands in place of the caller's number",
    bounds: Bounds::Choice(&["Anonymous", "5550100", "sip:caller@example.com", "empty"]),
};

pub const KINDS: &[Kind] = &[
    Kind::new(
        "subscription-list-lag",
        "A fresh subscription is missing from the list for a while.",
        "Seen: for a second or two.",
    )
    .with(&[LAG])
    .request(OnRequest::alter(
        &["GET /call-events/v1/subscriptions", "GET /call-events-report/v1/subscriptions"],
        list_lags,
    )),
    Kind::new(
        "empty-keys-listed",
        "The list of a channel without live subscriptions has empty lists of keys, not none.",
        "Seen: both.",
    )
    .request(OnRequest::alter(&["GET /call-events/v1/subscriptions"], empty_keys)),
    Kind::new(
        "line-subscription-refused",
        "A subscription by lineIds is 400.",
        "Open: the body of such a subscription was never seen.",
    )
    .request(OnRequest::refuse(&["POST /call-events/v1/subscriptions"], no_lines)),
    Kind::new(
        "resubscribe-conflict",
        "A second subscription of the same API on a channel is 409.",
        "Open: harmless as seen for live calls, 409 for recordings.",
    )
    .request(OnRequest::refuse(
        &["POST /call-events/v1/subscriptions", "POST /call-events-report/v1/subscriptions"],
        resubscribe,
    )),
    Kind::new(
        "unsubscribe-200",
        "Deleting a subscription is 200 with an empty object.",
        "Open: the status is not documented.",
    )
    .request(OnRequest::alter(&["DELETE"], gone_is_200)),
    Kind::new(
        "unsubscribe-always-204",
        "Deleting a subscription that is not there is 204, not 404.",
        "Open: what is said where nothing matched.",
    )
    .request(OnRequest::alter(&["DELETE /call-events/v1", "DELETE /call-events-report/v1"], missing_is_204)),
    Kind::new(
        "constraints-key",
        "Errors name their fields under the key that the other APIs use.",
        "Seen: two APIs, two names.",
    )
    .request(OnRequest::alter(&[""], other_key)),
    Kind::new(
        "events-bare",
        "The states of one call come without their metadata.",
        "Open: the body is not documented.",
    )
    .request(OnRequest::alter(EVENTS, bare_states)),
    Kind::new(
        "sequence-exclusive",
        "sequenceFrom and sequenceTo do not belong to what they limit.",
        "Open: whether both ends belong to it.",
    )
    .request(OnRequest::alter(EVENTS, exclusive)),
    Kind::new(
        "events-gone",
        "The states of a call that has ended are 404: each page that has the last one.",
        "Open: how long they can be read.",
    )
    .request(OnRequest::alter(EVENTS, gone)),
    Kind::new(
        "caller-number",
        "The caller has no name, and a number that is no E.164 number.",
        "Seen: withheld numbers, and what comes from other systems.",
    )
    .with(&[NUMBER])
    .request(OnRequest::alter(CALLERS, odd_caller_answer))
    .delivery(OnDelivery::Frame(odd_caller)),
    Kind::new("hold-names", "ON_HOLD is HELD and PARKED is IN_PARKING.", "Open: their names.")
        .request(OnRequest::alter(STATES, hold_names_answer))
        .delivery(OnDelivery::Frame(hold_names)),
];

fn list_lags(fault: &Fault, asked: &Asked<'_>, answer: &mut Answer) -> bool {
    let channel = asked.query().one("channelId").and_then(|id| asked.app.hub.get(id));
    let Some(channel) = channel else { return false };
    let young_us = asked.app.clock.now_us() - fault.number("lagMs") as i64 * 1_000;
    let subscriptions = channel.subscriptions();
    let fresh =
        |key: &Value| subscriptions.iter().any(|one| *key == one.key_value && one.created_us > young_us);
    let mut changed = false;
    for list in answer.json.as_object_mut().into_iter().flat_map(|members| members.values_mut()) {
        let Some(list) = list.as_array_mut() else { continue };
        let count = list.len();
        list.retain(|key| !fresh(key));
        changed |= list.len() < count;
    }
    changed
}

fn empty_keys(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let fits = answer.status.is_success() && answer.json.get("accountKeys").is_none();
    if fits {
        answer.json["accountKeys"] = json!([]);
    }
    fits
}

fn no_lines(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    asked.json()?.get("lineIds").map(|_| bad_request(asked, "lineIds", "INVALID"))
}

fn resubscribe(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    let channel = asked.app.hub.get(asked.channel()?)?;
    let subscriptions = channel.subscriptions();
    let refuse = || refusal(StatusCode::CONFLICT, code::CONFLICT, "Subscription already exists");
    subscriptions.iter().any(|one| one.api.as_str() == asked.segment(0)).then(refuse)
}

fn gone_is_200(_: &Fault, asked: &Asked<'_>, answer: &mut Answer) -> bool {
    let fits = answer.status == StatusCode::NO_CONTENT && asked.path.contains("/subscriptions");
    if fits {
        *answer = Answer { status: StatusCode::OK, json: json!({}) };
    }
    fits
}

fn missing_is_204(_: &Fault, asked: &Asked<'_>, answer: &mut Answer) -> bool {
    let fits = answer.status == StatusCode::NOT_FOUND && asked.path.ends_with("/subscriptions");
    if fits {
        *answer = Answer { status: StatusCode::NO_CONTENT, json: Value::Null };
    }
    fits
}

fn other_key(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let Some(members) = answer.json.as_object_mut().filter(|_| answer.status.as_u16() >= 400) else {
        return false;
    };
    rename(members, "constraintViolations", "constraints")
        || rename(members, "constraints", "constraintViolations")
}

fn bare_states(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let Some(items) = items(&mut answer.json) else { return false };
    for item in items.iter_mut() {
        *item = item["state"].take();
    }
    true
}

fn exclusive(_: &Fault, asked: &Asked<'_>, answer: &mut Answer) -> bool {
    let query = asked.query();
    let bound = |name: &str| query.integer(name).ok().flatten();
    let (from, to) = (bound("sequenceFrom"), bound("sequenceTo"));
    let Some(items) = items(&mut answer.json) else { return false };
    let count = items.len();
    items.retain(|item| {
        let number = item["state"]["sequenceNumber"].as_i64();
        number != from.or(Some(i64::MIN)) && number != to.or(Some(i64::MIN))
    });
    items.len() < count
}

fn gone(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let ended = items(&mut answer.json)
        .is_some_and(|items| items.iter().any(|item| item["state"]["type"] == "ENDING"));
    if ended {
        let json = json!({
            "reference": crate::secrets::reference(),
            "errorCode": code::NOT_FOUND,
            "message": "The requested resource was not found.",
        });
        *answer = Answer { status: StatusCode::NOT_FOUND, json };
    }
    ended
}

fn put_caller(number: &str, value: &mut Value) -> bool {
    let number = if number == "empty" { "" } else { number };
    each_object(value, &mut |members| {
        let caller = members.get_mut("caller").filter(|caller| caller["number"].is_string());
        let Some(caller) = caller else { return false };
        caller["name"] = json!("");
        caller["number"] = json!(number);
        true
    })
}

fn odd_caller(fault: &Fault, frame: &mut Value) -> bool {
    put_caller(fault.text("number"), frame)
}

fn odd_caller_answer(fault: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    answer.status.is_success() && put_caller(fault.text("number"), &mut answer.json)
}

fn put_hold_names(value: &mut Value) -> bool {
    each_object(value, &mut |members| {
        let Some(status) = members.get_mut("status").and_then(|status| status.get_mut("value")) else {
            return false;
        };
        let name = match status.as_str() {
            Some("ON_HOLD") => "HELD",
            Some("PARKED") => "IN_PARKING",
            _ => return false,
        };
        *status = json!(name);
        true
    })
}

fn hold_names(_: &Fault, frame: &mut Value) -> bool {
    put_hold_names(frame)
}

fn hold_names_answer(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    answer.status.is_success() && put_hold_names(&mut answer.json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hold_and_parking_have_other_names() {
        let mut state = json!({"participants": [{"status": {"value": "ON_HOLD"}}, {"status": {"value": "PARKED"}}, {"status": {"value": "RINGING"}}]});
        assert!(put_hold_names(&mut state));
        let names: Vec<&Value> =
            state["participants"].as_array().expect("a list").iter().map(|p| &p["status"]["value"]).collect();
        assert_eq!(names, ["HELD", "IN_PARKING", "RINGING"]);
    }
}
