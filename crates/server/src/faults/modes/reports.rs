//! Open questions of reports and summaries (spec/call-events-report.md).

use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use wire::report::REPORT_SUMMARY_REVISION;

use crate::faults::Fault;
use crate::faults::body::bad_request;
use crate::faults::catalogue::{Bounds, Kind, Parameter};
use crate::faults::delivery::OnDelivery;
use crate::faults::http::{Answer, Asked, OnRequest};
use crate::faults::reach::Channels;
use crate::faults::shapes::{each_object, items, rename};
use crate::limits;

const SUMMARIES: &[&str] = &["GET /call-events-report/v1/report-summaries"];
const REPORT: &[&str] = &["GET /call-events-report/v1/reports/*$"];
const RECORDS: &[&str] = &[SUMMARIES[0], REPORT[0]];
const SIZE: Parameter = Parameter {
    name: "size",
    what: "items on a page",
    bounds: Bounds::Number { min: 1, max: 1_000, default: 25 },
};
/// The filter of summaries by their outcome.
const OUTCOME: &str = "conversationCallerOutcome";
/// Filters by words that stand for every stored outcome, and for none.
const EVERY: &str = "";
const NONE: &str = "-";
const END: Parameter = Parameter {
    name: "marker",
    what: "nextPageMarker of the last page",
    bounds: Bounds::Choice(&["null", "empty"]),
};

const CONTENT: Parameter =
    Parameter { name: "content", what: "what it has", bounds: Bounds::Choice(&["id", "nested", "changes"]) };

pub const KINDS: &[Kind] = &[
    Kind::new(
        "report-subscription-200",
        "A report subscription is made with 200, not 201.",
        "Sources differ: 201 documented, 200 as one integrator has it.",
    )
    .request(OnRequest::alter(&["POST /call-events-report/v1/subscriptions"], made_is_200)),
    Kind::new(
        "participant-id",
        "A report's participants have participantId, not id.",
        "Sources differ: the guide has it so, id is as seen.",
    )
    .request(OnRequest::alter(REPORT, participant_id)),
    Kind::new(
        "nulls-in-answers",
        "Members without a value are null, not left out.",
        "Sources differ: left out in REST answers, null on the WebSocket.",
    )
    .request(OnRequest::alter(&["GET"], nulls)),
    Kind::new(
        "page-size",
        "A list of summaries without pageSize has another number of items on a page.",
        "Open: the default.",
    )
    .with(&[SIZE])
    .request(OnRequest::ask(SUMMARIES, page_size)),
    Kind::new(
        "last-page-marker",
        "The last page has a marker that means nothing.",
        "Open: documented as absent.",
    )
    .with(&[END])
    // No list of a channel has pages.
    .only(Channels::NONE)
    .request(OnRequest::alter(&["GET"], last_marker)),
    Kind::new(
        "marker-expired",
        "A request with a pageMarker is 400.",
        "Documented: of another API of the platform.",
    )
    .once()
    .only(Channels::NONE)
    .request(OnRequest::refuse(&["GET"], marker_expired)),
    Kind::new(
        "marker-forgets-filters",
        "A page of summaries after the first is of all calls of the window, whatever filter the request repeats.",
        "Open: what a marker remembers.",
    )
    .request(OnRequest::ask(SUMMARIES, without_filters)),
    Kind::new(
        "summaries-by-start",
        "The window of summaries applies to the start of a call, not to its end.",
        "Open: the end was seen by one integrator.",
    )
    .request(BY_START),
    Kind::new(
        "no-answer-outcome",
        "An outcome that is MISSED is NO_ANSWER.",
        "Open: whether there is such a word.",
    )
    .request(OnRequest { ask: Some(no_answer_filter), ..OnRequest::alter(SUMMARIES, no_answer) })
    .delivery(OnDelivery::Frame(no_answer_frame)),
    Kind::new(
        "truncated-report",
        "The record of a call is incomplete: its outcome is TRUNCATED, and its report lacks the last states.",
        "Open: what the outcome TRUNCATED means.",
    )
    .request(OnRequest { ask: Some(truncated_filter), ..OnRequest::alter(RECORDS, truncated) })
    .delivery(OnDelivery::Frame(truncated_frame)),
    Kind::new(
        "revision-payload",
        "A REPORT_SUMMARY_REVISION has no summary, but this.",
        "Open: its content was never captured.",
    )
    .with(&[CONTENT])
    .delivery(OnDelivery::Frame(revision)),
    Kind::new("unknown-outcome", "The outcome of a call is UNKNOWN.", "Seen.")
        .request(OnRequest { ask: Some(unknown_filter), ..OnRequest::alter(SUMMARIES, unknown) })
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
        ("hangupCause", &["answerTime", "recordingId", "liveTranscriptId"]),
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
    let mut pairs = asked.pairs();
    pairs.push(("pageSize".to_owned(), fault.number("size").to_string()));
    asked.put_query(&pairs)
}

fn last_marker(fault: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let fits = items(&mut answer.json).is_some() && answer.json.get("nextPageMarker").is_none();
    if fits {
        answer.json["nextPageMarker"] = if fault.text("marker") == "empty" { json!("") } else { Value::Null };
    }
    fits
}

fn marker_expired(_: &Fault, asked: &Asked<'_>) -> Option<Response> {
    asked.query().one("pageMarker").map(|_| bad_request(asked, "pageMarker", "INVALID"))
}

fn without_filters(_: &Fault, asked: &mut Asked<'_>) -> bool {
    const FILTERS: [&str; 3] = ["conversationScope", OUTCOME, "virtualParticipantId"];
    let mut pairs = asked.pairs();
    let count = pairs.len();
    let later = pairs.iter().any(|(name, _)| name == "pageMarker");
    pairs.retain(|(name, _)| !FILTERS.contains(&name.as_str()));
    later && pairs.len() < count && asked.put_query(&pairs)
}

const BY_START: OnRequest =
    OnRequest { on: SUMMARIES, ask: Some(with_later_ends), alter: Some(begun_within), ..OnRequest::NOTHING };

/// Calls that began within the window and ended after it are asked for, too. No strike by itself.
fn with_later_ends(_: &Fault, asked: &mut Asked<'_>) -> bool {
    let query = asked.query();
    let instant = |name: &str| query.instant(name).ok().flatten();
    let (Some(start), Some(end)) = (instant("startTime"), instant("endTime")) else { return false };
    let longest = SignedDuration::from_hours(24 * limits::SUMMARY_WINDOW_DAYS_MAX);
    let last = end.saturating_add(SignedDuration::from_hours(24)).unwrap_or(end);
    let last = last.min(start.saturating_add(longest).unwrap_or(end));
    asked.note = Some(json!([start.to_string(), end.to_string()]));
    let mut pairs = asked.pairs();
    for (name, value) in &mut pairs {
        if name == "endTime" {
            *value = last.max(end).to_string();
        }
    }
    asked.put_query(&pairs);
    false
}

fn begun_within(_: &Fault, asked: &Asked<'_>, answer: &mut Answer) -> bool {
    let instant = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let window = asked.note.as_ref().map(|note| (instant(&note[0]), instant(&note[1])));
    let (Some((start, end)), Some(items)) = (window, items(&mut answer.json)) else { return false };
    let by_end = |one: &Value| (start..end).contains(&instant(&one["callEnded"]));
    let by_start = |one: &Value| (start..end).contains(&instant(&one["callCreated"]));
    let changed = items.iter().any(|one| by_end(one) != by_start(one));
    items.retain(by_start);
    changed
}

/// Without the second half of its states.
fn truncated(_: &Fault, _: &Asked<'_>, answer: &mut Answer) -> bool {
    let mut changed = put_outcome(&mut answer.json, None, "TRUNCATED");
    if let Some(states) = answer.json.get_mut("callStates").and_then(Value::as_array_mut) {
        states.truncate(states.len().div_ceil(2));
        changed = true;
    }
    changed
}

fn truncated_frame(_: &Fault, frame: &mut Value) -> bool {
    put_outcome(frame, None, "TRUNCATED")
}

fn revision(fault: &Fault, frame: &mut Value) -> bool {
    let data = &mut frame["data"];
    if data["type"] != REPORT_SUMMARY_REVISION {
        return false;
    }
    let (call, summary) = (data["content"]["conversationSpaceId"].clone(), data["content"].take());
    data["content"] = match fault.text("content") {
        "nested" => json!({"conversationSpaceId": call, "reportSummary": summary}),
        "changes" => {
            json!({"conversationSpaceId": call, "revision": 2, "changed": ["actions", "aiAnalysis"]})
        }
        _ => json!({"conversationSpaceId": call}),
    };
    true
}

fn put_outcome(value: &mut Value, from: Option<&str>, to: &str) -> bool {
    each_object(value, &mut |members| {
        let outcome = members.get_mut("callerOutcome");
        let outcome = outcome.filter(|outcome| from.is_none_or(|from| **outcome == from));
        outcome.map(|outcome| *outcome = json!(to)).is_some()
    })
}

/// A filter finds what is told: `stored` says which word of the log the one asked for stands for. True when it finds
/// nothing, for then no answer shows the mode.
fn put_filter(asked: &mut Asked<'_>, stored: impl Fn(&str) -> &str) -> bool {
    let mut pairs = asked.pairs();
    let (mut changed, mut finds_nothing) = (false, false);
    for (_, value) in pairs.iter_mut().filter(|(name, value)| name == OUTCOME && value != EVERY) {
        let word = stored(value).to_owned();
        changed |= word != *value;
        finds_nothing |= word == NONE;
        *value = word;
    }
    changed && asked.put_query(&pairs) && finds_nothing
}

/// The same where every outcome is told by this one word.
fn put_filter_of_all(asked: &mut Asked<'_>, told: &str) -> bool {
    put_filter(asked, |word| if word == told { EVERY } else { NONE })
}

fn no_answer_filter(_: &Fault, asked: &mut Asked<'_>) -> bool {
    put_filter(asked, |word| match word {
        "NO_ANSWER" => "MISSED",
        "MISSED" => NONE,
        other => other,
    })
}

fn truncated_filter(_: &Fault, asked: &mut Asked<'_>) -> bool {
    put_filter_of_all(asked, "TRUNCATED")
}

fn unknown_filter(_: &Fault, asked: &mut Asked<'_>) -> bool {
    put_filter_of_all(asked, "UNKNOWN")
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
