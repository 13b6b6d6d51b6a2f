//! Each scenario for one seed, in a form that a person can read and judge: states, report, summary, history.

use std::fmt::Write as _;

use engine::{Later, Request, Scenario, Script, edition, fold, history};
use jiff::{SignedDuration, Timestamp};
use wire::call_events::{CallEvent, Participant, ParticipantType, System, SystemType};
use wire::report::{Report, ReportPartyType, Summary, SummaryParty};

use crate::support::{beginning, office, play_all, script};

/// Of repeated calls the first so many are shown.
const CALLS_SHOWN: usize = 3;

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).expect("JSON").as_str().unwrap_or("?").to_owned()
}

fn name_of(kind: &ParticipantType) -> String {
    match kind {
        ParticipantType::PhoneNumber(party) => {
            let outside = party.caller.as_ref().or(party.callee.as_ref()).expect("an outside party");
            format!("{} {:?} via {}", outside.number, outside.name, party.number)
        }
        ParticipantType::Line(line) => line.extension_number.clone(),
        ParticipantType::Other(_) => "other".to_owned(),
    }
}

fn party(participant: &Participant) -> String {
    let extra = &participant.status.extra;
    let told = |pointer: &[&str]| {
        let first = extra.get(pointer[0])?;
        pointer[1..].iter().try_fold(first, |value, key| value.get(*key))?.as_str().map(str::to_owned)
    };
    let destination = told(&["destination", "number"]).or_else(|| told(&["destination", "extensionNumber"]));
    let transfer = match (told(&["initiator", "extensionNumber"]), destination) {
        (Some(by), Some(to)) => format!(" [{by} sends on to {to}]"),
        _ => String::new(),
    };
    let spot = told(&["parkingSpot"]).map(|spot| format!(" [spot {spot}]")).unwrap_or_default();
    let recorded = if participant.recordings.is_some() { " recorded" } else { "" };
    format!("{} {}{transfer}{spot}{recorded}", name_of(&participant.kind), word(&participant.status.value))
}

fn system(system: &System) -> String {
    let status = system.status.as_ref().map(|status| word(&status.value)).unwrap_or_default();
    match &system.kind {
        SystemType::DialPlan(plan) => {
            let node = &plan.current_node;
            let result = node.result.as_deref().map(|result| format!(" = {result}")).unwrap_or_default();
            format!("plan {status} [{:?}> {}{result}]", plan.previous_node.connector, node.kind)
        }
        SystemType::CallQueue(queue) => {
            let left = match (&queue.left_queue_reason, queue.caller_wait_duration) {
                (Some(reason), Some(wait_ms)) => format!(" {reason} after {wait_ms} ms"),
                _ => String::new(),
            };
            let extension = queue.extension_number.as_deref().unwrap_or_default();
            format!("queue {:?}{left} {extension}{status}", queue.queue_name)
        }
        SystemType::Voicemail(voicemail) => {
            let end = match (&voicemail.voicemail_status, voicemail.duration) {
                (Some(status), Some(ms)) => format!(" {status}, {ms} ms"),
                _ => String::new(),
            };
            format!("voicemail of {} {status}{end}", voicemail.number)
        }
        SystemType::Other(_) => status,
    }
}

fn after_ms(text: &str, start: Timestamp) -> i128 {
    let now: Timestamp = text.parse().expect("an instant");
    now.duration_since(start).as_millis()
}

fn states(text: &mut String, events: &[CallEvent], start: Timestamp) {
    let metadata = &events.last().expect("states").metadata;
    let linked = metadata.associated_conversations.as_ref().map_or(0, Vec::len);
    let dialled =
        metadata.dial_string.as_ref().map(|digits| format!(", dialled {digits}")).unwrap_or_default();
    writeln!(text, "{}{dialled}, linked with {linked}, {}", word(&metadata.direction), metadata.call_created)
        .expect("a string takes all");
    for event in events {
        let state = &event.state;
        let who: Vec<String> =
            state.participants.iter().map(party).chain(state.systems().iter().map(system)).collect();
        let at_ms = after_ms(&state.timestamp, start);
        let (number, kind) = (state.sequence_number, state.kind.as_str());
        writeln!(text, "{at_ms:>8} ms {number:>2} {kind:<8}  {}", who.join(" | "))
            .expect("a string takes all");
    }
}

fn leg(kind: &ReportPartyType) -> String {
    match kind {
        ReportPartyType::PhoneNumber(party) => format!("PHONE_NUMBER {}", party.number),
        ReportPartyType::Line(line) => format!("LINE {}", line.extension_number.as_deref().unwrap_or("?")),
        ReportPartyType::Agent(line) => format!(
            "AGENT {}, wrap-up {} ms",
            line.extension_number.as_deref().unwrap_or("?"),
            line.wrap_up_duration.unwrap_or(0)
        ),
        ReportPartyType::Other(_) => "other".to_owned(),
    }
}

fn report(text: &mut String, report: &Report) {
    for party in &report.participants {
        let mut line = format!("  report: {}", leg(&party.kind));
        if !party.recordings.is_empty() || !party.transcripts.is_empty() {
            write!(line, ", {} recordings, {} transcripts", party.recordings.len(), party.transcripts.len())
                .expect("a string takes all");
        }
        if report.hangup_originator_id.as_ref() == Some(&party.id) {
            line.push_str(", hung up");
        }
        writeln!(text, "{line}").expect("a string takes all");
    }
    for one in &report.interactive_voice_response_systems {
        writeln!(text, "  report: {}", system(one)).expect("a string takes all");
    }
    for action in report.actions.iter().flatten() {
        let members = &action.kind.extra;
        writeln!(
            text,
            "  report: {} {} {} -> {} for {}, {} ms",
            action.kind.value,
            members["callerName"],
            members["callerNumber"],
            members["calledNumber"],
            members["extensionNumber"],
            members["durationMs"]
        )
        .expect("a string takes all");
    }
    if let Some(reason) = &report.call_reason {
        writeln!(text, "  report: call reason {reason:?}").expect("a string takes all");
    }
}

fn summary(text: &mut String, summary: &Summary, start: Timestamp) {
    let party = |party: &SummaryParty| {
        let recorded = if party.recording_id.is_some() { " recorded" } else { "" };
        format!("{} {:?}{recorded}", party.number, party.name)
    };
    let reached: Vec<String> = summary.participants.iter().map(party).collect();
    let answered = summary
        .call_answered
        .as_ref()
        .map_or("not".to_owned(), |at| format!("at {} ms", after_ms(at, start)));
    let analysed = if summary.ai_analysis.is_some() { ", analysed" } else { "" };
    writeln!(
        text,
        "  summary: {} answered {answered}, {} -> [{}]{analysed}",
        summary.caller_outcome.as_str(),
        party(&summary.caller),
        reached.join(", ")
    )
    .expect("a string takes all");
}

fn rows(text: &mut String, of: &Report, start: Timestamp) {
    for row in history(of, false) {
        let answered =
            row.answer_time.as_ref().map_or("not".to_owned(), |at| format!("at {} ms", after_ms(at, start)));
        writeln!(
            text,
            "  history: {} {} -> {}, from {} ms for {} ms, answered {answered}, cause {}",
            word(&row.direction),
            row.caller.number,
            row.callee.number,
            after_ms(&row.start_time, start),
            row.duration,
            row.hangup_cause
        )
        .expect("a string takes all");
    }
}

fn call(text: &mut String, script: &Script, number: usize, events: &[CallEvent]) {
    let start = script.starts.unwrap_or_else(beginning);
    states(text, events, start);
    let (full, full_summary) = fold(events, false, &office()).expect("a finished call");
    let ended: Timestamp = full.call_ended.parse().expect("an instant");
    let later: Vec<_> = script.later(number).collect();
    for done in 0..=later.len() {
        let at = |after_ms: u64| ended + SignedDuration::from_millis(after_ms as i64);
        let known: Vec<(Later, Timestamp)> =
            later[..done].iter().map(|step| (step.what, at(step.after_ms))).collect();
        let awaited: Vec<Later> = later[done..].iter().map(|step| step.what).collect();
        if let Some(latest) = done.checked_sub(1).map(|place| later[place]) {
            writeln!(text, "{:?} {} ms after the end:", latest.what, latest.after_ms).expect("it takes all");
        }
        let (edition, its_summary) = edition(&full, &full_summary, &known, &awaited);
        report(text, &edition);
        summary(text, &its_summary, start);
    }
    rows(text, &full, start);
}

#[test]
fn scenarios() {
    for scenario in Scenario::all() {
        let script = script(&Request::new(scenario.clone(), 2));
        let calls = play_all(&script, 2);
        let mut text = format!("{}\n\n{} calls\n", scenario.about(), calls.len());
        for (number, events) in calls.iter().enumerate().take(CALLS_SHOWN) {
            text.push('\n');
            call(&mut text, &script, number, events);
        }
        insta::assert_snapshot!(scenario.name(), text);
    }
}
