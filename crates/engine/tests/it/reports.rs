//! Reports and summaries of the captured calls, made from their states alone, equal the captured ones.

use serde_json::{Value, json};
use wire::call_events::{CallEvent, Status};
use wire::report::{CallerOutcome, Report, Summary};

use engine::{Request, Scenario, fold, unexpected};

use crate::rules;
use crate::support::{
    UserKeys, captured, captured_inbound, example, office, play, play_all, scenario, script,
};

fn user_key(user_id: &str) -> Option<String> {
    let key = match user_id {
        "bf579efa-4202-41f0-ad69-ed0649597b2b" => "6190427733518264017",
        "5f0fbc35-001e-4efc-a12c-3769cb0f7a04" => "6190427733518264018",
        "92acc960-a055-47a4-bd85-f4df324a4fdc" => "6190427733518264019",
        _ => return None,
    };
    Some(key.to_owned())
}

fn folded(events: &[CallEvent]) -> (Report, Summary) {
    fold(events, false, &UserKeys(user_key)).expect("a finished call")
}

fn as_json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("JSON")
}

/// The item of the captured page of summaries.
fn captured_summary(index: usize) -> Value {
    example("report-summaries-response.json")["items"][index].clone()
}

#[test]
fn answered_inbound_call() {
    let (report, summary) = folded(&captured_inbound());
    assert_eq!(as_json(&report), example("report-inbound-call.json"));
    assert_eq!(as_json(&summary), captured_summary(3));
}

#[test]
fn summary_in_a_notification_is_the_same() {
    let (_, summary) = folded(&captured_inbound());
    let mut content = example("ws-report-summary.json")["data"]["content"].clone();
    // An analysis by AI is not in the states.
    content.as_object_mut().expect("an object").remove("aiAnalysis");
    assert_eq!(as_json(&summary), content);
}

#[test]
fn missed_call_of_an_anonymous_caller() {
    let (report, summary) = folded(&captured("ws-call-events-missed-anonymous.json"));
    assert_eq!(as_json(&summary), captured_summary(0));
    assert_eq!(report.hangup_originator_id, None);
}

#[test]
fn outbound_call() {
    let events = captured("ws-call-events-outbound.json");
    let (report, summary) = folded(&events);
    assert_eq!(as_json(&summary), captured_summary(2));
    assert_eq!(report.hangup_originator_id.as_ref(), Some(&events[1].state.participants[1].id));
}

#[test]
fn voicemail_call() {
    let (report, summary) = folded(&captured("ws-call-events-voicemail.json"));
    assert_eq!(as_json(&summary), captured_summary(1));
    let mut expected = example("report-voicemail-call.json");
    // The voicemail service adds the action later; no state tells of it.
    expected.as_object_mut().expect("an object").remove("actions");
    assert_eq!(as_json(&report), expected);
}

#[test]
fn queue_call() {
    let (mut report, summary) = folded(&captured("ws-call-events-queue.json"));
    // An account's setting; no state tells of it.
    report.participants[1].recordings[0].post_call_transcript_enabled = Some(false);
    assert_eq!(summary.caller_outcome, CallerOutcome::Normal);
    let mut expected: Report = serde_json::from_value(example("report-queue-call.json")).expect("a report");
    // Added by AI after the call; no state tells of it.
    (expected.call_reason, expected.ai_analysis) = (None, None);
    assert_eq!(report, expected);
    let reached: Vec<&str> = summary.participants.iter().map(|p| p.number.as_str()).collect();
    assert_eq!(reached, ["1002"], "who answered; not who only rang");
}

#[test]
fn internal_call() {
    let (report, summary) = folded(&captured("ws-call-events-internal.json"));
    assert_eq!(as_json(&summary.caller)["number"], "1002");
    assert_eq!(as_json(&summary.participants)[0]["number"], "1003");
    assert_eq!(summary.caller_outcome, CallerOutcome::Normal);
    assert_eq!(as_json(&report)["interactiveVoiceResponseSystems"], json!([]));
    assert_eq!(as_json(&report)["associatedConversations"], json!([]));
}

#[test]
fn no_report_before_the_end() {
    let events = captured_inbound();
    for finished in 0..events.len() {
        assert_eq!(fold(&events[..finished], false, &UserKeys(user_key)), None);
    }
}

#[test]
fn a_truncated_call_says_so_and_names_nobody() {
    let (report, summary) = fold(&captured_inbound(), true, &UserKeys(user_key)).expect("a finished call");
    assert_eq!(summary.caller_outcome, CallerOutcome::Truncated);
    assert_eq!(report.hangup_originator_id, None);
}

/// The first so many states of a call, after which the caller leaves and everybody with it.
fn caller_leaves(mut events: Vec<CallEvent>, after: usize) -> Vec<CallEvent> {
    let mut leaving = events[after - 1].clone();
    leaving.state.participants.truncate(1);
    leaving.state.participants[0].status = Status::Disconnecting.into();
    let ending = events.pop().expect("an ENDING state");
    events.truncate(after);
    events.extend([leaving, ending]);
    events
}

#[test]
fn outcome_of_callers_who_give_up() {
    let queue = || captured("ws-call-events-queue.json");
    let outcome = |events: &[CallEvent]| folded(events).1.caller_outcome;
    assert_eq!(outcome(&caller_leaves(queue(), 1)), CallerOutcome::Missed, "before anything happened");
    assert_eq!(outcome(&caller_leaves(queue(), 4)), CallerOutcome::LeftDialPlan, "in the dial plan");
    assert_eq!(outcome(&caller_leaves(queue(), 5)), CallerOutcome::LeftQueue, "in the queue");
    assert_eq!(outcome(&caller_leaves(queue(), 6)), CallerOutcome::LeftQueue, "in the queue, phones ringing");
}

#[test]
fn every_scenario_comes_to_what_its_file_says() {
    for scenario in Scenario::all() {
        for seed in 0..40 {
            let script = script(&Request::new(scenario.clone(), seed));
            for (number, events) in play_all(&script, u128::from(seed)).iter().enumerate() {
                rules::check_finished(events);
                let what = format!("{scenario} with seed {seed}, call {number}");
                let expected =
                    script.expected[number].as_ref().expect("files of the library expect something");
                let (report, summary) = fold(events, false, &office()).expect("a finished call");
                let revisions = script.later(number).count();
                let differences = unexpected(expected, events, (&report, &summary), revisions);
                assert!(differences.is_empty(), "{what}: {differences:#?}");
                let recorded = report.participants.iter().any(|leg| !leg.recordings.is_empty());
                assert_eq!(recorded, scenario.is_recorded(), "{what}");
            }
        }
    }
}

#[test]
fn what_is_not_as_expected_is_named() {
    let missed = script(&Request::new(scenario("missed"), 1));
    let answered = script(&Request::new(scenario("answered"), 1));
    let events = play(&missed, 1);
    let (report, summary) = fold(&events, false, &office()).expect("a finished call");
    let expected = answered.expected[0].as_ref().expect("something");
    let differences = unexpected(expected, &events, (&report, &summary), 1);
    let named = [
        "outcome is \"MISSED\", expected was \"NORMAL\"",
        "answered is false, expected was true",
        "caller is [\"RINGING\", \"DISCONNECTING\"], expected was [\"RINGING\", \"CONNECTED\", \"DISCONNECTING\"]",
        "rows is [19], expected was [16]",
        "revisions is 1, expected was 0",
    ];
    assert_eq!(differences, named);
}

#[test]
fn calls_with_hold_and_transfer_fold_too() {
    for name in ["ws-call-events-hold.json", "ws-call-events-direct-transfer.json"] {
        let (report, summary) = folded(&captured(name));
        assert_eq!(summary.caller_outcome, CallerOutcome::Normal, "{name}");
        assert!(report.hangup_originator_id.is_some(), "{name}");
    }
}
