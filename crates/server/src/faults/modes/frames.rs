//! Open questions of what a notification looks like (spec/notification-channel.md, Envelope on the WebSocket).

use serde_json::{Map, Value, json};

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

pub const KINDS: &[Kind] = &[
    Kind::new(
        "short-envelope",
        "A frame is data with source, type, timestamp, content and bypassDoNotDisturb, and nothing else.",
        "notification-channel.md, Envelope on the WebSocket",
    )
    .delivery(OnDelivery::Frame(short)),
    Kind::new("ttl-text", "ttl is a string.", "notification-channel.md, Envelope on the WebSocket")
        .delivery(OnDelivery::Frame(ttl_text)),
    Kind::new(
        "event-id-goes-on",
        "eventId does not begin at 1 on each connection.",
        "notification-channel.md, Envelope on the WebSocket",
    )
    .delivery(OnDelivery::EventIdGoesOn),
    Kind::new(
        "foreign-notification",
        "A notification of a source that nobody subscribed to comes before each.",
        "notification-channel.md, Sources and types",
    )
    .delivery(OnDelivery::Foreign),
    Kind::new(
        "new-members",
        "Notifications and answers have members that nobody knows.",
        "errors-and-limits.md, Compatibility rule",
    )
    .request(OnRequest::alter(GETS, new_members_answer))
    .delivery(OnDelivery::Frame(new_members)),
    Kind::new(
        "new-values",
        "A party's status and type, and how the call began, have values that nobody knows.",
        "errors-and-limits.md, Still unknown (1, 9)",
    )
    .request(OnRequest::alter(GETS, new_values_answer))
    .delivery(OnDelivery::Frame(new_values)),
    Kind::new("timestamps", "Instants have another number of fractional digits.", "errors-and-limits.md, Formats")
        .with(&[DIGITS])
        .request(OnRequest::alter(GETS, timestamps_answer))
        .delivery(OnDelivery::Frame(timestamps)),
    Kind::new(
        "report-of-guide",
        "A report's notification has the type call-events-report and conversationSpaceId alone.",
        "call-events-report.md, Notification",
    )
    .delivery(OnDelivery::Frame(report_of_guide)),
    Kind::new(
        "report-with-ai",
        "A report's notification has aiAnalysis.",
        "call-events-report.md, Notification",
    )
    .delivery(OnDelivery::Frame(report_with_ai)),
    Kind::new(
        "recording-documented",
        "Recordings are told of as documented: recordingId in notifications, token and expires without status.",
        "call-events.md, Recordings and transcripts",
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
        if let Some(initiator) = members.get_mut("callInitiator") {
            *initiator = json!("CLICK_TO_CALL");
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
