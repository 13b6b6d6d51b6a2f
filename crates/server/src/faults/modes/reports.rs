//! Open questions of reports and summaries (spec/call-events-report.md).

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::extract::path_segment;
use crate::faults::Fault;
use crate::faults::body::bad_request;
use crate::faults::catalogue::{Bounds, Kind, Parameter};
use crate::faults::delivery::OnDelivery;
use crate::faults::http::{Answer, Asked, OnRequest};
use crate::faults::shapes::{each_object, items, rename};

const SUMMARIES: &[&str] = &["GET /call-events-report/v1/report-summaries"];
const REPORT: &[&str] = &["GET /call-events-report/v1/reports/*$"];
const SIZE: Parameter = Parameter {
    name: "size",
    what: "items on a page",
    bounds: Bounds::Number { min: 1, max: 1_000, default: 25 },
};
const END: Parameter = Parameter {
    name: "marker",
    what: "nextPageMarker of the last page",
    bounds: Bounds::Choice(&["null", "empty"]),
};

pub const KINDS: &[Kind] = &[
    Kind::new(
        "report-subscription-200",
        "A report subscription is made with 200, not 201.",
        "call-events-report.md, Endpoints",
    )
    .request(OnRequest::alter(&["POST /call-events-report/v1/subscriptions"], made_is_200)),
    Kind::new(
        "participant-id",
        "A report's participants have participantId, not id.",
        "call-events-report.md, GET /reports/{conversationSpaceId}",
    )
    .request(OnRequest::alter(REPORT, participant_id)),
    Kind::new(
        "nulls-in-answers",
        "Members without a value are null, not left out.",
        "errors-and-limits.md, Compatibility rule",
    )
    .request(OnRequest::alter(&["GET"], nulls)),
    Kind::new(
        "page-size",
        "A list without pageSize has another number of items on a page.",
        "errors-and-limits.md, Still unknown (9)",
    )
    .with(&[SIZE])
    .request(OnRequest::ask(SUMMARIES, page_size)),
    Kind::new(
        "last-page-marker",
        "The last page has a marker that means nothing.",
        "errors-and-limits.md, Paging",
    )
    .with(&[END])
    .request(OnRequest::alter(&["GET"], last_marker)),
    Kind::new("marker-expired", "A request with a pageMarker is 400.", "errors-and-limits.md, Paging")
        .once()
        .request(OnRequest::refuse(&["GET"], marker_expired)),
    Kind::new(
        "no-answer-outcome",
        "An outcome that is MISSED is NO_ANSWER.",
        "call-events-report.md, Summary",
    )
    .request(OnRequest::alter(SUMMARIES, no_answer))
    .delivery(OnDelivery::Frame(no_answer_frame)),
    Kind::new("unknown-outcome", "The outcome of a call is UNKNOWN.", "call-events-report.md, Summary")
        .request(OnRequest::alter(SUMMARIES, unknown))
        .delivery(OnDelivery::Frame(unknown_frame)),
];

fn made_is_200(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let made = answer.status == StatusCode::CREATED;
    if made {
        answer.status = StatusCode::OK;
    }
    made
}

fn participant_id(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let list = answer.json.get_mut("participants").and_then(Value::as_array_mut);
    let members = list.into_iter().flatten().filter_map(Value::as_object_mut);
    members.fold(false, |changed, one| rename(one, "id", "participantId") | changed)
}

fn nulls(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    const MEMBERS: [(&str, &[&str]); 4] = [
        ("items", &["nextPageMarker"]),
        ("callEnded", &["callAnswered", "callReason", "aiAnalysis", "hangupOriginatorId", "actions"]),
        ("legId", &["answerTime", "recordingId", "liveTranscriptId"]),
        ("channelId", &["callbackURL", "channelNickname"]),
    ];
    answer.status.is_success()
        && each_object(&mut answer.json, &mut |members| {
            let fits = MEMBERS.iter().find(|(has, _)| members.contains_key(*has));
            let mut changed = false;
            for name in fits.into_iter().flat_map(|(_, names)| *names) {
                if !members.contains_key(*name) {
                    members.insert((*name).to_owned(), Value::Null);
                    changed = true;
                }
            }
            changed
        })
}

fn page_size(fault: &Fault, asked: &mut Asked<'_>) -> bool {
    if asked.query().one("pageSize").is_some() {
        return false;
    }
    let query = asked.parts.uri.query().unwrap_or_default();
    let size = path_segment(&fault.number("size").to_string());
    let Ok(uri) = format!("{}?{query}&pageSize={size}", asked.path).parse() else { return false };
    asked.parts.uri = uri;
    true
}

fn last_marker(fault: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let fits = items(&mut answer.json).is_some() && answer.json.get("nextPageMarker").is_none();
    if fits {
        answer.json["nextPageMarker"] = if fault.text("marker") == "empty" { json!("") } else { Value::Null };
    }
    fits
}

fn marker_expired(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    asked.query().one("pageMarker").map(|_| bad_request("pageMarker", "INVALID"))
}

fn put_outcome(value: &mut Value, from: Option<&str>, to: &str) -> bool {
    each_object(value, &mut |members| {
        let outcome = members.get_mut("callerOutcome");
        let outcome = outcome.filter(|outcome| from.is_none_or(|from| **outcome == from));
        outcome.map(|outcome| *outcome = json!(to)).is_some()
    })
}

fn no_answer(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    put_outcome(&mut answer.json, Some("MISSED"), "NO_ANSWER")
}

fn no_answer_frame(_: &Fault, frame: &mut Value) -> bool {
    put_outcome(frame, Some("MISSED"), "NO_ANSWER")
}

fn unknown(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    put_outcome(&mut answer.json, None, "UNKNOWN")
}

fn unknown_frame(_: &Fault, frame: &mut Value) -> bool {
    put_outcome(frame, None, "UNKNOWN")
}
