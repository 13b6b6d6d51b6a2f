//! Each scenario for two seeds, in a form that a person can read and judge: states, report, summary, history.

use std::fmt::Write as _;

use engine::{Later, Request, Scenario, Script, edition, fold, history};
use jiff::{SignedDuration, Timestamp};
use wire::call_events::{CallEvent, Participant, ParticipantType, System, SystemType};
use wire::report::{Report, ReportPartyType, Summary, SummaryParty};

use crate::support::{beginning, office, play_all, script};

/// The second one lets other people hang up, and other lines be reached.
const SEEDS: [u64; 2] = [2, 7];

/// Of repeated calls the first so many are shown, and the last; of each other one its course in a line.
const CALLS_SHOWN: usize = 2;

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).expect("JSON").as_str().unwrap_or("?").to_owned()
}

fn name_of(kind: &ParticipantType) -> String {
    match kind {
        ParticipantType::PhoneNumber(party) => {
            let outside = party.caller.as_ref().or(party.callee.as_ref()).expect("an outside party");
            format!("{} {:?} via {}", outside.number, outside.name, party.number)
        }
        ParticipantType::Line(line) => telephone(&line.extension_number, &line.device_id),
        ParticipantType::Other(_) => "other".to_owned(),
    }
}

/// The extension; of a line with several telephones with a letter for each.
fn telephone(extension: &str, device_id: &str) -> String {
    let office = office();
    let devices = &office.line(extension).expect("a line of the office").devices;
    let place = devices.iter().position(|device| device.id == device_id).expect("one of its telephones");
    let letter = char::from(b'a' + u8::try_from(place).expect("few telephones"));
    if devices.len() > 1 { format!("{extension}#{letter}") } else { extension.to_owned() }
}

fn line_of(line: &wire::report::ReportLine) -> String {
    let extension = line.extension_number.as_deref().expect("lines of a report have one");
    telephone(extension, line.device_id.as_deref().expect("and a device"))
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
    let ended = &events.last().expect("states").state.timestamp;
    writeln!(
        text,
        "{}{dialled}, linked with {linked}, callCreated {}, callEnded {ended}",
        word(&metadata.direction),
        metadata.call_created
    )
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
        ReportPartyType::Line(line) => format!("LINE {}", line_of(line)),
        ReportPartyType::Agent(line) => {
            format!("AGENT {}, wrap-up {} ms", line_of(line), line.wrap_up_duration.unwrap_or(0))
        }
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
        let leg = of.participants.iter().find(|leg| leg.leg_id == row.leg_id).expect("a leg of the report");
        let answered =
            row.answer_time.as_ref().map_or("not".to_owned(), |at| format!("at {} ms", after_ms(at, start)));
        writeln!(
            text,
            "  history: {}, {} {} -> {}, from {} ms for {} ms, answered {answered}, cause {}",
            self::leg(&leg.kind),
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

/// Who was in a call from when to when, and how it ended.
fn in_a_line(text: &mut String, script: &Script, number: usize, events: &[CallEvent]) {
    let start = script.starts.unwrap_or_else(beginning);
    let (_, summary) = fold(events, false, &office()).expect("a finished call");
    let states = || events.iter().map(|event| &event.state);
    let mut lines: Vec<String> = states()
        .flat_map(|state| &state.participants)
        .filter_map(|party| party.kind.as_line())
        .map(|line| telephone(&line.extension_number, &line.device_id))
        .collect();
    lines.sort_unstable();
    lines.dedup();
    let ms = |state: &wire::call_events::State| after_ms(&state.timestamp, start);
    let (first, last) = (states().next().expect("states"), states().next_back().expect("states"));
    writeln!(
        text,
        "call {number:>2}: {:>6} to {:>6} ms, rings [{}], {}",
        ms(first),
        ms(last),
        lines.join(", "),
        summary.caller_outcome.as_str()
    )
    .expect("a string takes all");
}

fn played(text: &mut String, scenario: &Scenario, seed: u64) {
    let script = script(&Request::new(scenario.clone(), seed));
    let calls = play_all(&script, u128::from(seed));
    writeln!(text, "\n==== seed {seed}, {} calls", calls.len()).expect("a string takes all");
    for (number, events) in calls.iter().enumerate() {
        if number < CALLS_SHOWN || number + 1 == calls.len() {
            text.push('\n');
            call(text, &script, number, events);
        }
    }
    if calls.len() > CALLS_SHOWN {
        text.push('\n');
        calls.iter().enumerate().for_each(|(number, events)| in_a_line(text, &script, number, events));
    }
}

#[test]
fn scenarios() {
    for scenario in Scenario::all() {
        let mut text = format!("{}\n", scenario.about());
        SEEDS.iter().for_each(|seed| played(&mut text, &scenario, *seed));
        insta::assert_snapshot!(scenario.name(), text);
    }
}
