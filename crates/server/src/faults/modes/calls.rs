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
const NUMBER: Parameter = Parameter {
    name: "number",
    what: "what stands in place of the caller's number",
    bounds: Bounds::Choice(&["Anonymous", "5550100", "sip:caller@example.com", "empty"]),
};

pub const KINDS: &[Kind] = &[
    Kind::new(
        "subscription-list-lag",
        "A fresh subscription is missing from the list for a while.",
        "call-events.md, Subscriptions",
    )
    .with(&[LAG])
    .request(OnRequest::alter(
        &["GET /call-events/v1/subscriptions", "GET /call-events-report/v1/subscriptions"],
        list_lags,
    )),
    Kind::new(
        "line-subscription-refused",
        "A subscription by lineIds is 400.",
        "errors-and-limits.md, Still unknown (8)",
    )
    .request(OnRequest::refuse(&["POST /call-events/v1/subscriptions"], no_lines)),
    Kind::new(
        "resubscribe-conflict",
        "A second subscription of the same API on a channel is 409.",
        "errors-and-limits.md, Status and code",
    )
    .request(OnRequest::refuse(
        &["POST /call-events/v1/subscriptions", "POST /call-events-report/v1/subscriptions"],
        resubscribe,
    )),
    Kind::new(
        "unsubscribe-200",
        "Deleting a subscription is 200 with an empty object.",
        "call-events.md, Delete",
    )
    .request(OnRequest::alter(&["DELETE"], gone_is_200)),
    Kind::new(
        "unsubscribe-always-204",
        "Deleting a subscription that is not there is 204, not 404.",
        "call-events.md, Delete",
    )
    .request(OnRequest::alter(&["DELETE /call-events/v1", "DELETE /call-events-report/v1"], missing_is_204)),
    Kind::new(
        "constraints-key",
        "Errors name their fields under the key that the other APIs use.",
        "errors-and-limits.md, Error body of the APIs",
    )
    .request(OnRequest::alter(&[""], other_key)),
    Kind::new(
        "events-bare",
        "The states of one call come without their metadata.",
        "call-events.md, Conversation spaces",
    )
    .request(OnRequest::alter(EVENTS, bare_states)),
    Kind::new(
        "sequence-exclusive",
        "sequenceFrom and sequenceTo do not belong to what they limit.",
        "call-events.md, Conversation spaces",
    )
    .request(OnRequest::alter(EVENTS, exclusive)),
    Kind::new(
        "events-gone",
        "The states of a call that has ended are 404.",
        "call-events.md, Conversation spaces",
    )
    .request(OnRequest::alter(EVENTS, gone)),
    Kind::new(
        "unanswered-starting",
        "A call that nobody answered is torn down in STARTING states.",
        "call-events.md, state",
    )
    .delivery(OnDelivery::Frame(starting)),
    Kind::new(
        "same-timestamp",
        "The states of a call carry the timestamp of its first.",
        "call-events.md, state",
    )
    .delivery(OnDelivery::Frame(same_timestamp)),
    Kind::new(
        "caller-number",
        "The caller has no name, and a number that is no E.164 number.",
        "call-events.md, participant types",
    )
    .with(&[NUMBER])
    .request(OnRequest::alter(STATES, odd_caller_answer))
    .delivery(OnDelivery::Frame(odd_caller)),
    Kind::new(
        "contact-matched",
        "The outside party of an inbound call has a contact.",
        "errors-and-limits.md, Still unknown (10)",
    )
    .delivery(OnDelivery::Frame(contact)),
    Kind::new(
        "hold-names",
        "ON_HOLD is HELD and PARKED is IN_PARKING.",
        "errors-and-limits.md, Still unknown (1)",
    )
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

fn no_lines(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    asked.json()?.get("lineIds").map(|_| bad_request("lineIds", "INVALID"))
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

fn call(frame: &Value) -> Option<String> {
    frame["data"]["content"]["metadata"]["conversationSpaceId"].as_str().map(str::to_owned)
}

fn starting(fault: &Fault, frame: &mut Value) -> bool {
    let Some(call) = call(frame) else { return false };
    let state = &mut frame["data"]["content"]["state"];
    let answered = |state: &Value| {
        let has = |list: &str, value: &str| {
            state[list].as_array().is_some_and(|all| all.iter().any(|one| one["status"]["value"] == value))
        };
        // An outbound line is connected before the other side answers.
        let connected = state["participants"]
            .as_array()
            .map_or(0, |all| all.iter().filter(|one| one["status"]["value"] == "CONNECTED").count());
        connected > 1 || has("interactiveVoiceResponseSystems", "CONNECTED")
    };
    if answered(state) {
        fault.remember(&call, 1);
    }
    if fault.remembered(&call).is_some() || state["type"] != "ACTIVE" {
        return false;
    }
    state["type"] = json!("STARTING");
    true
}

fn same_timestamp(fault: &Fault, frame: &mut Value) -> bool {
    let Some(call) = call(frame) else { return false };
    let state = &mut frame["data"]["content"]["state"];
    let at: Option<jiff::Timestamp> = state["timestamp"].as_str().and_then(|text| text.parse().ok());
    let Some(at) = at else { return false };
    match fault.remembered(&call) {
        None => {
            fault.remember(&call, at.as_millisecond());
            false
        }
        Some(first_ms) => {
            let first = jiff::Timestamp::from_millisecond(first_ms);
            state["timestamp"] = json!(first.map_or_else(|_| String::new(), engine::instant));
            true
        }
    }
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

fn contact(_: &Fault, frame: &mut Value) -> bool {
    each_object(&mut frame["data"]["content"], &mut |kind| {
        let inbound = kind.contains_key("caller") && kind.contains_key("callProvider");
        if inbound {
            let contact = json!({"id": "c-100", "name": "Ada Lovelace", "source": "company"});
            kind.insert("contact".to_owned(), contact);
        }
        inbound
    })
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
