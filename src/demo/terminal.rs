//! What the demo's terminal shows: addresses on stderr; calls, pops and reports on stdout as they happen.

use std::io::Write as _;
use std::path::Path;

use apps::reports::StoredReport;
use apps::screen_pop::Pop;
use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;
use wire::call_events::{CallEvent, ParticipantType, State, StateType, Status};
use wire::report::Report;

pub struct Terminal {
    json: bool,
}

impl Terminal {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    pub fn addresses(&self, platform: &Url, screen: &Url, env_file: &Path) {
        eprintln!("Callfeed demo: Maple Street Dental");
        eprintln!();
        eprintln!("  Screen pop   {screen}    open this page");
        eprintln!("  Platform     {platform}    the GoTo Connect APIs");
        eprintln!(
            "  Settings     {}    for your own program, and for callfeed call --env",
            env_file.display()
        );
        eprintln!();
        if !self.json {
            eprintln!("Calls come in every few seconds. Ctrl-C ends the demo.");
            eprintln!();
        }
    }

    pub fn call_event(&self, event: &CallEvent) {
        if self.json {
            return;
        }
        let state = &event.state;
        let Some(words) = change_in_words(event) else { return };
        line(&state.timestamp, words.0, &words.1);
    }

    pub fn pop(&self, pop: &Pop) {
        if self.json {
            print(&json!({"pop": {"conversationSpaceId": pop.conversation_space_id, "screen": pop.screen}}));
        } else {
            let took_ms = (pop.popped.as_millisecond() - pop.call_created.as_millisecond()).max(0);
            line(&pop.popped.to_string(), "pop", &format!("{} on the screen after {took_ms} ms", pop.who));
        }
    }

    pub fn report(&self, report: &StoredReport) {
        if self.json {
            // The report as it came; it is JSON, or it would not have been stored.
            let raw: Value = serde_json::from_str(&report.raw).unwrap_or_default();
            print(&json!({"report": raw}));
        } else {
            let words = serde_json::from_str(&report.raw).map_or_else(|_| String::new(), |r| in_words(&r));
            line(&report.stored.to_string(), "report", &words);
        }
    }

    pub fn summary(&self, summary: &Value) {
        if self.json {
            return print(&json!({"summary": summary}));
        }
        let number = |name: &str| summary[name].as_i64().unwrap_or(0);
        write_line(&format!(
            "\n{} calls, {} of them inbound: {} pops, {} reports, {} lost, {} duplicates.\n\
             Ring to pop: {} ms in the middle, {} ms at most for 99 of 100. End to report: {} ms for 99 of 100.",
            number("calls"),
            number("inbound"),
            number("pops"),
            number("reports"),
            number("lost"),
            number("duplicates"),
            number("ring_to_pop_ms_p50"),
            number("ring_to_pop_ms_p99"),
            number("end_to_report_ms_p99"),
        ));
    }
}

/// What a state says that the one before did not; most states say nothing new to people.
fn change_in_words(event: &CallEvent) -> Option<(&'static str, String)> {
    let state = &event.state;
    let lines = |status: Status| {
        let ringing = state.participants.iter().filter(|p| p.status.value == status);
        let names: Vec<&str> =
            ringing.filter_map(|p| p.kind.as_line()).map(|line| line.name.as_str()).collect();
        names.join(", ")
    };
    match (&state.kind, state.sequence_number) {
        (StateType::Starting, 1) => Some(("call", starting(event))),
        (StateType::Ending, _) => Some(("ended", String::new())),
        (StateType::Starting, 2) => Some(("rings", ringing_outside(state).unwrap_or(lines(Status::Ringing)))),
        _ if just_answered(state) => Some(("answer", lines(Status::Connected))),
        _ => None,
    }
}

fn starting(event: &CallEvent) -> String {
    match event.state.participants.first().map(|p| &p.kind) {
        Some(ParticipantType::PhoneNumber(party)) => {
            let caller = party.caller.clone().unwrap_or_default();
            let dialled = party.name.as_deref().unwrap_or(&party.number);
            let name = if caller.name.is_empty() { "Unknown" } else { &caller.name };
            format!("{name} ({}) calls {dialled}", caller.number)
        }
        Some(ParticipantType::Line(line)) => {
            let dialled = event.metadata.dial_string.as_deref().unwrap_or("somebody");
            format!("{} calls {dialled}", line.name)
        }
        _ => String::new(),
    }
}

fn ringing_outside(state: &State) -> Option<String> {
    let callee = state.participants.iter().find_map(|p| p.kind.as_phone_number()?.callee.as_ref())?;
    Some(if callee.name.is_empty() { callee.number.clone() } else { callee.name.clone() })
}

/// Two parties connected and nobody leaving or ringing: true for one state of a call, as the engine tells it, or for
/// the few that a dial plan adds; the first of them counts.
fn just_answered(state: &State) -> bool {
    let connected = state.participants.iter().filter(|p| p.status.value == Status::Connected).count();
    let plan_ends = state
        .systems()
        .iter()
        .any(|s| s.status.as_ref().is_some_and(|status| status.value == Status::Disconnecting));
    connected == 2 && !plan_ends && state.participants.len() == 2
}

fn in_words(report: &Report) -> String {
    let names = report.participants.iter().map(|participant| match &participant.kind {
        wire::report::ReportPartyType::PhoneNumber(party) => {
            let outside = party.caller.as_ref().or(party.callee.as_ref());
            outside.map_or("outside", |p| if p.name.is_empty() { &p.number } else { &p.name }).to_owned()
        }
        wire::report::ReportPartyType::Line(line) | wire::report::ReportPartyType::Agent(line) => {
            line.name.clone().unwrap_or_default()
        }
        wire::report::ReportPartyType::Other(_) => String::new(),
    });
    let names: Vec<String> = names.collect();
    let took = seconds(&report.call_created, &report.call_ended);
    format!("{}: {} states, {took:.1} s", names.join(", "), report.call_states.len())
}

fn seconds(from: &str, to: &str) -> f64 {
    match (from.parse::<Timestamp>(), to.parse::<Timestamp>()) {
        (Ok(from), Ok(to)) => to.duration_since(from).as_secs_f64(),
        _ => 0.0,
    }
}

fn line(instant: &str, what: &str, words: &str) {
    let time = instant.get(11..19).unwrap_or(instant);
    write_line(&format!("{time}  {what:<7} {words}"));
}

fn print(value: &Value) {
    write_line(&value.to_string());
}

fn write_line(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // Nobody reads any more: the demo goes on, its pages still serve.
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}
