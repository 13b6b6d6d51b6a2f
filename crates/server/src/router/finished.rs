//! What is left of calls that have ended: reports (spec/call-events-report.md), call history
//! (spec/call-history.md), recordings (spec/call-events.md, Recordings and transcripts).

use serde_json::{Value, json};
use wire::report::{CallerOutcome, REPORT_SUMMARY, REPORT_SUMMARY_REVISION, Report, Summary};
use wire::{Page, call_history, recording, report, scope};

use crate::openapi::operation::op;
use crate::openapi::parameters::{Parameter, marker, paging};
use crate::openapi::routes::Routes;
use crate::{history, limits, recordings, reports as handlers, summaries};

fn channel_id() -> Parameter {
    Parameter::text("channelId", "A channel of the token's user.").required()
}

pub fn reports() -> Routes {
    let event_type = || Parameter::text("eventType", "Of this event type only.");
    Routes::new("Call events report", "/call-events-report/v1")
        .post(
            "/subscriptions",
            handlers::subscribe,
            op("subscribeToReports", "Subscribe a channel to reports of finished calls")
                .about("Give one of the four lists of keys. What the user may not see is left out of the answer.")
                .scope(scope::CALL_EVENTS_MANAGE)
                .body::<report::SubscriptionRequest>("report-subscription-request.json", report_bounds())
                .answers::<report::Subscriptions>(
                    201,
                    "An empty list is a failure: the user may see none of the keys.",
                    "report-subscription-201.json",
                )
                .errors(&[404]),
        )
        .get(
            "/subscriptions",
            handlers::subscribed,
            op("listReportSubscriptions", "List what a channel is subscribed to")
                .scope(scope::CALL_EVENTS_MANAGE)
                .query([channel_id(), event_type()])
                .answers::<report::SubscribedKeys>(200, "Plain keys.", "report-subscriptions-get.json")
                .errors(&[404]),
        )
        .delete(
            "/subscriptions",
            handlers::unsubscribe,
            op("unsubscribeFromReports", "End subscriptions of a channel")
                .scope(scope::CALL_EVENTS_MANAGE)
                .query([
                    channel_id(),
                    event_type(),
                    Parameter::repeated("accountKey", "Only of these accounts."),
                    Parameter::repeated("userKey", "Only of these users."),
                    Parameter::repeated("lineId", "Only of these lines."),
                    Parameter::repeated("phoneNumberId", "Only of these numbers."),
                ])
                .answer(204, "Gone.")
                .errors(&[404]),
        )
        .get(
            "/reports/{id}",
            handlers::report,
            op("readReport", "Read the report of a finished call")
                .about("404 while the call is under way; its report is there before its notification is sent.")
                .scope(scope::REPORTS_READ)
                .answers::<Report>(200, "The report.", "report-inbound-call.json"),
        )
        .get(
            "/report-summaries",
            summaries::summaries,
            op("listReportSummaries", "List finished calls, newest first")
                .about("Give exactly one of `accountKey`, `userKey`, `lineId` and `phoneNumberId`.")
                .scope(scope::REPORTS_READ)
                .query(summary_parameters())
                .query(paging())
                .answers::<Page<Summary>>(200, "One page.", "report-summaries-response.json"),
        )
}

fn report_bounds() -> Value {
    let lists = ["accountKeys", "userKeys", "lineIds", "phoneNumberIds"];
    let one = |list: &&str| json!({"required": [list], "properties": {*list: {"minItems": 1}}});
    json!({
        "required": ["channelId"],
        "properties": {
            "channelId": {"type": "string", "minLength": 1},
            "eventTypes": {"items": {"enum": [REPORT_SUMMARY, REPORT_SUMMARY_REVISION]}},
        },
        "anyOf": lists.iter().map(one).collect::<Vec<_>>(),
    })
}

fn summary_parameters() -> Vec<Parameter> {
    let start = "Inclusive; the call's end counts.";
    let end = format!("Exclusive; at most {} days after `startTime`.", limits::SUMMARY_WINDOW_DAYS_MAX);
    let outcome = format!("How the call ended for the caller, such as {}.", CallerOutcome::Missed.as_str());
    vec![
        Parameter::instant("startTime", start).required(),
        Parameter::instant("endTime", &end).required(),
        Parameter::filter("accountKey", "Calls of these accounts."),
        Parameter::filter("userKey", "Calls of these users."),
        Parameter::filter("lineId", "Calls of these lines."),
        Parameter::filter("phoneNumberId", "Calls of these numbers."),
        Parameter::repeated("virtualParticipantId", "Calls with these; no call of Callfeed has one."),
        Parameter::one_of("conversationScope", "Within the account, or not.", &["INTERNAL", "EXTERNAL"]),
        Parameter::text("conversationCallerOutcome", &outcome),
    ]
}

pub fn history() -> Routes {
    let request = |operation: crate::openapi::operation::Operation| {
        let bounds = json!({
            "required": ["accountKey", "channelId"],
            "properties": {"accountKey": {"minLength": 1}, "channelId": {"minLength": 1}},
        });
        operation
            .scope(scope::CALL_HISTORY_MANAGE)
            .body::<call_history::SubscriptionRequest>("call-history-subscription-request.json", bounds)
    };
    let example = "call-history-subscription-response.json";
    Routes::new("Call history", "/call-history/v1")
        .get(
            "/calls",
            history::calls,
            op("listHistory", "List legs of calls, newest first")
                .about("One row a leg of a user. Other people's rows ask for a super admin.")
                .scope(scope::REPORTS_READ)
                .query([
                    Parameter::text("accountKey", "Account key.").required(),
                    Parameter::text("userKey", "The caller's own unless given."),
                    Parameter::instant("startTime", "Inclusive."),
                    Parameter::instant("endTime", "Exclusive."),
                    Parameter::new(
                        "extension",
                        "Legs of these extensions, each given once.",
                        json!({"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": true,
                            "maxItems": limits::FILTER_VALUES_MAX}),
                    ),
                ])
                .query(paging())
                .answers::<Page<call_history::HistoryCall>>(200, "One page.", "call-history-response.json"),
        )
        .post(
            "/subscriptions",
            history::subscribe,
            request(op("subscribeToHistory", "Subscribe a channel to one's own legs, or to those of others"))
                .answers::<call_history::Subscriptions>(201, "One a user.", example)
                .errors(&[404]),
        )
        .put(
            "/subscriptions/{id}",
            history::change,
            request(op("moveHistorySubscription", "Move a subscription to another channel"))
                .answers::<call_history::Subscriptions>(200, "As it is now.", example)
                .errors(&[409]),
        )
        .delete(
            "/subscriptions/{id}",
            history::unsubscribe,
            op("unsubscribeFromHistory", "End a subscription")
                .scope(scope::CALL_HISTORY_MANAGE)
                .answer(204, "Gone."),
        )
}

pub fn recording() -> Routes {
    let kinds = [recording::RECORDING_UPLOADED, recording::RECORDING_TRANSCRIPT_UPLOADED];
    let bounds = json!({
        "required": ["accountKey", "channelId"],
        "properties": {
            "accountKey": {"minLength": 1},
            "channelId": {"minLength": 1},
            "eventTypes": {"items": {"enum": kinds}},
        },
    });
    let text = format!("Items on a page, {} unless given.", limits::RECORDING_PAGE_SIZE);
    Routes::new("Recordings", "/recording/v1")
        .post(
            "/subscriptions",
            recordings::subscribe,
            op("subscribeToRecordings", "Subscribe a channel to recordings and transcripts")
                .scope(scope::RECORDING_MANAGE)
                .body::<recording::SubscriptionRequest>("recording-subscription-request.json", bounds)
                .answers::<recording::Subscription>(201, "Made.", "recording-subscription-201.json")
                .errors(&[404, 409]),
        )
        .get(
            "/subscriptions",
            recordings::subscribed,
            op("listRecordingSubscriptions", "List the subscriptions on the caller's channels")
                .scope(scope::RECORDING_MANAGE)
                .query([Parameter::integer("pageSize", text, 0, limits::RECORDING_PAGE_SIZE_MAX), marker()])
                .answers::<Page<recording::Subscription>>(200, "One page.", ""),
        )
        .delete(
            "/subscriptions/{id}",
            recordings::unsubscribe,
            op("unsubscribeFromRecordings", "End a subscription")
                .scope(scope::RECORDING_MANAGE)
                .answer(204, "Gone."),
        )
        .get(
            "/recordings/{id}",
            recordings::status,
            op("readRecording", "Read how a recording stands")
                .scope(scope::RECORDING_READ)
                .answers::<recording::RecordingStatus>(200, "Its status.", "recording-status-response.json"),
        )
        .get(
            "/recordings/{id}/content",
            recordings::content,
            op("readRecordingContent", "Get a token for the sound of a recording")
                .scope(scope::RECORDING_READ)
                .answers::<recording::RecordingContent>(200, "The token.", "recording-content-response.json"),
        )
        .get(
            "/transcriptions/{id}",
            recordings::transcription,
            op("readTranscription", "Read a transcript")
                .scope(scope::RECORDING_READ)
                .answer(302, "To the transcript.")
                .header("Location", "Where the transcript is."),
        )
}

/// What is no JSON, or need not be accepted as such: the content of recordings.
pub fn recorded() -> Routes {
    Routes::new("Recordings", "")
        .get(
            "/recording/v1/recordings/{id}/content/{token}",
            recordings::content_by_token,
            op("readRecordingSound", "Hear a recording")
                .answer(302, "To the sound.")
                .header("Location", "Where the sound is."),
        )
        .get(
            "/recording-media/v1/{token}/audio.wav",
            recordings::audio,
            op("downloadRecording", "The sound of a recording").answer(200, "The sound.").bytes("audio/wav"),
        )
        .get(
            "/recording-media/v1/{token}/transcript.json",
            recordings::transcript,
            op("downloadTranscript", "The transcript of a recording").answers::<recording::Transcription>(
                200,
                "The transcript.",
                "transcription.json",
            ),
        )
}
