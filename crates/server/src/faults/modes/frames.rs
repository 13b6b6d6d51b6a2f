//! Open questions of what a notification looks like (spec/notification-channel.md, Envelope on the WebSocket).

use serde_json::{Map, Value, json};

use super::ids::{IN_REQUESTS, opaque_frame};
use crate::faults::Fault;
use crate::faults::catalogue::{Bounds, Kind, Parameter};
use crate::faults::delivery::OnDelivery;
use crate::faults::http::{Answer, Asked, OnRequest};
use crate::faults::shapes::{each_object, each_text};

const GETS: &[&str] = &["GET"];
const DIGITS: Parameter = Parameter {
    name: "digits",
    what: "fractional digits",
    bounds: Bounds::Number { min: 0, max: 9, default: 9 },
};

const SOURCE: Parameter = Parameter {
    name: "source",
    what: "its source; of a known one the type is unheard of",
    bounds: Bounds::Choice(&["presence", "call-events", "call-events-report"]),
};

pub const KINDS: &[Kind] = &[
    Kind::new(
        "short-envelope",
        "A frame is data with source, type, timestamp, content and bypassDoNotDisturb, and nothing else.",
        "Sources differ: this is the documentation, the whole envelope is as seen.",
    )
    .delivery(OnDelivery::Frame(short)),
    Kind::new("ttl-text", "ttl is a string.", "Sources differ: one example of the documentation has it so.")
        .delivery(OnDelivery::Frame(ttl_text)),
    Kind::new(
        "event-id-goes-on",
        "eventId does not begin at 1 on each connection.",
        "Open: where it begins.",
    )
    .delivery(OnDelivery::EventIdGoesOn),
    Kind::new(
        "foreign-notification",
        "A notification of a source, or of a type, that nobody subscribed to comes before each.",
        "Documented: other services use the same channel.",
    )
    .with(&[SOURCE])
    .delivery(OnDelivery::Foreign),
    Kind::new(
        "new-members",
        "Notifications and answers have members that nobody knows.",
        "Documented: they can come at any time.",
    )
    .request(OnRequest::alter(GETS, new_members_answer))
    .delivery(OnDelivery::Frame(new_members)),
    Kind::new(
        "new-values",
        "Status and type of a party, type of a node and of a queue, how a call began and why it left a queue are unheard of.",
        "Open: the lists of values are not complete.",
    )
    .request(OnRequest::alter(GETS, new_values_answer))
    .delivery(OnDelivery::Frame(new_values)),
    Kind::new(
        "new-error-code",
        "An error of the APIs has an errorCode that nobody knows.",
        "Open: the list of codes is not complete.",
    )
    .request(OnRequest::alter(&[""], new_error_code)),
    Kind::new(
        "empty-lists-left-out",
        "Lists without items are left out of notifications and answers.",
        "Open: documented of members without a value; live states have empty lists.",
    )
    .request(OnRequest::alter(GETS, without_empty_answer))
    .delivery(OnDelivery::Frame(without_empty)),
    Kind::new(
        "opaque-ids",
        "Ids are no UUIDs, in notifications and answers; requests may name them as they were told.",
        "Open: a UUID is what was seen, an opaque string what is promised.",
    )
    .whole_account()
    .request(IN_REQUESTS)
    .delivery(OnDelivery::Frame(opaque_frame)),
    Kind::new("timestamps", "Instants have another number of fractional digits.", "Seen: 0 to 9 digits.")
        .with(&[DIGITS])
        .request(OnRequest::alter(GETS, timestamps_answer))
        .delivery(OnDelivery::Frame(timestamps)),
    Kind::new(
        "report-of-guide",
        "A report's notification has the type call-events-report and conversationSpaceId alone.",
        "Sources differ: the guide has it so, a whole summary is as seen.",
    )
    .delivery(OnDelivery::Frame(report_of_guide)),
    Kind::new(
        "report-with-ai",
        "A report's notification has aiAnalysis.",
        "Seen: on accounts with the feature.",
    )
    .delivery(OnDelivery::Frame(report_with_ai)),
    Kind::new(
        "recording-documented",
        "Recordings are told of as documented: recordingId in notifications, token and expires without status.",
        "Sources differ: documentation and live service.",
    )
    .request(OnRequest::alter(&["GET /recording/v1/recordings/*/content$"], content_documented))
    .delivery(OnDelivery::Frame(recording_documented)),
];

fn short(_: &Fault, frame: &mut Value) -> bool {
    let data = &frame["data"];
    *frame = json!({"data": {
        "source": data["source"],
        "type": data["type"],
        "timestamp": data["timestamp"],
        "content": data["content"],
        "bypassDoNotDisturb": data["bypassDoNotDisturb"],
    }});
    true
}

fn ttl_text(_: &Fault, frame: &mut Value) -> bool {
    let ttl = &mut frame["data"]["ttl"];
    let Some(seconds) = ttl.as_u64() else { return false };
    *ttl = json!(seconds.to_string());
    true
}

fn add_members(value: &mut Value) -> bool {
    each_object(value, &mut |members: &mut Map<String, Value>| {
        members.insert("newMember".to_owned(), json!({"level": 1}));
        true
    })
}

fn new_members(_: &Fault, frame: &mut Value) -> bool {
    add_members(frame)
}

fn new_members_answer(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    answer.status.is_success() && add_members(&mut answer.json)
}

/// Members with a value that nobody knows.
const UNHEARD_OF: [(&str, &str); 3] =
    [("callInitiator", "CLICK_TO_CALL"), ("queueType", "SKILLS"), ("leftQueueReason", "OVERFLOW")];

fn put_values(value: &mut Value) -> bool {
    each_object(value, &mut |members| {
        let mut changed = false;
        if members.contains_key("legId")
            && let Some(kind) = members.get_mut("type").filter(|kind| kind["value"] == "LINE")
        {
            kind["value"] = json!("CONFERENCE_BRIDGE");
            changed = true;
        }
        if let Some(status) = members.get_mut("status").filter(|status| status["value"] == "CONNECTED") {
            status["value"] = json!("CONFERENCED");
            changed = true;
        }
        for (name, unheard_of) in UNHEARD_OF {
            if let Some(value) = members.get_mut(name) {
                *value = json!(unheard_of);
                changed = true;
            }
        }
        if let Some(node) = members.get_mut("currentNode").filter(|node| node["type"].is_string()) {
            node["type"] = json!("WebhookNode");
            changed = true;
        }
        changed
    })
}

fn new_values(_: &Fault, frame: &mut Value) -> bool {
    put_values(frame)
}

fn new_values_answer(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    answer.status.is_success() && put_values(&mut answer.json)
}

fn new_error_code(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let fits = answer.status.as_u16() >= 400 && answer.json["errorCode"].is_string();
    if fits {
        answer.json["errorCode"] = json!("RTC-UNHEARD-OF");
    }
    fits
}

fn leave_out_empty(value: &mut Value) -> bool {
    each_object(value, &mut |members| {
        let count = members.len();
        members.retain(|_, member| !member.as_array().is_some_and(Vec::is_empty));
        members.len() < count
    })
}

fn without_empty(_: &Fault, frame: &mut Value) -> bool {
    leave_out_empty(frame)
}

fn without_empty_answer(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    answer.status.is_success() && leave_out_empty(&mut answer.json)
}

fn put_digits(digits: usize, value: &mut Value) -> bool {
    each_text(value, &mut |_, text| {
        // What ends in Z and reads as an instant is one.
        if !text.ends_with('Z') || text.parse::<jiff::Timestamp>().is_err() {
            return false;
        }
        let (whole, fraction) =
            text.trim_end_matches('Z').split_once('.').unwrap_or((text.trim_end_matches('Z'), ""));
        let fraction: String = fraction.chars().chain("0".repeat(9).chars()).take(digits).collect();
        *text = if digits == 0 { format!("{whole}Z") } else { format!("{whole}.{fraction}Z") };
        true
    })
}

fn timestamps(fault: &Fault, frame: &mut Value) -> bool {
    put_digits(fault.number("digits") as usize, frame)
}

fn timestamps_answer(fault: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    answer.status.is_success() && put_digits(fault.number("digits") as usize, &mut answer.json)
}

fn is_report(frame: &Value) -> bool {
    frame["data"]["source"] == wire::report::SOURCE
}

fn report_of_guide(_: &Fault, frame: &mut Value) -> bool {
    if !is_report(frame) {
        return false;
    }
    frame["data"]["type"] = json!(wire::report::SOURCE);
    let id = frame["data"]["content"]["conversationSpaceId"].clone();
    frame["data"]["content"] = json!({"conversationSpaceId": id});
    true
}

fn report_with_ai(_: &Fault, frame: &mut Value) -> bool {
    if !is_report(frame) {
        return false;
    }
    frame["data"]["content"]["aiAnalysis"] = json!({"sentiment": "POSITIVE", "summary": "The caller asked for a quote.", "topics": ["quote"], "flags": []});
    true
}

fn recording_documented(_: &Fault, frame: &mut Value) -> bool {
    let content = frame["data"]["content"].as_object_mut();
    content.is_some_and(|content| crate::faults::shapes::rename(content, "recording_id", "recordingId"))
}

fn content_documented(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let token = answer.json["token"].clone();
    let fits = answer.status.is_success() && token.is_object();
    if fits {
        answer.json = token;
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_get_their_digits_and_other_texts_stay() {
        let mut value = json!({"at": "2024-03-05T16:04:05.57Z", "name": "Zoe Z", "list": [{"at": "2024-03-05T16:04:05Z"}]});
        assert!(put_digits(9, &mut value));
        assert_eq!(
            value,
            json!({"at": "2024-03-05T16:04:05.570000000Z", "name": "Zoe Z", "list": [{"at": "2024-03-05T16:04:05.000000000Z"}]})
        );
        assert!(put_digits(0, &mut value));
        assert_eq!(value["at"], "2024-03-05T16:04:05Z");
    }
}
