//! What the demo's terminal shows: addresses on stderr; calls, pops and reports on stdout as they happen.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use apps::reports::StoredReport;
use apps::screen_pop::Pop;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use url::Url;
use wire::call_events::{CallEvent, ParticipantType, State, StateType, Status};
use wire::report::{Report, ReportPartyType};

pub struct Terminal {
    json: bool,
    /// Who calls whom, by conversation space, for the lines of calls under way.
    labels: Mutex<HashMap<String, String>>,
}

impl Terminal {
    pub fn new(json: bool) -> Self {
        Self { json, labels: Mutex::default() }
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
        let id = &event.metadata.conversation_space_id;
        let mut labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        if event.state.sequence_number == 1 {
            labels.insert(id.clone(), starting(event));
        }
        let Some((what, words)) = change_in_words(event) else { return };
        let label = match event.state.kind {
            StateType::Ending => labels.remove(id),
            _ => labels.get(id).cloned(),
        };
        line(&event.state.timestamp, what, label.as_deref().unwrap_or_default(), &words);
    }

    pub fn pop(&self, pop: &Pop) {
        if self.json {
            print(&json!({"pop": {"conversationSpaceId": pop.conversation_space_id, "screen": pop.screen}}));
        } else {
            let took_ms = (pop.popped.as_millisecond() - pop.call_created.as_millisecond()).max(0);
            line(&pop.popped.to_string(), "pop", &pop.who, &format!("on the screen after {took_ms} ms"));
        }
    }

    pub fn report(&self, report: &StoredReport) {
        // The report as it came; it is JSON, or it would not have been stored.
        if self.json {
            let raw: Value = serde_json::from_str(&report.raw).unwrap_or_default();
            print(&json!({"report": raw}));
        } else if let Ok(read) = serde_json::from_str::<Report>(&report.raw) {
            let (who, words) = in_words(&read);
            line(&report.stored.to_string(), "report", &who, &words);
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
    match (&state.kind, state.sequence_number) {
        (StateType::Starting, 1) => Some(("call", String::new())),
        (StateType::Ending, _) => Some(("ended", String::new())),
        (StateType::Starting, 2) => Some(("rings", others(state, &Status::Ringing))),
        _ if just_answered(state) => Some(("talks", others(state, &Status::Connected))),
        _ => None,
    }
}

/// Names of those in a status, without the one who started the call.
fn others(state: &State, status: &Status) -> String {
    let named = state.participants.iter().filter(|p| p.status.value == *status && p.id != p.originator);
    let names: Vec<&str> = named
        .map(|participant| match &participant.kind {
            ParticipantType::Line(line) => line.name.as_str(),
            ParticipantType::PhoneNumber(party) => party
                .callee
                .as_ref()
                .map_or("", |callee| if callee.name.is_empty() { &callee.number } else { &callee.name }),
            ParticipantType::Other(_) => "",
        })
        .collect();
    names.join(", ")
}

fn starting(event: &CallEvent) -> String {
    match event.state.participants.first().map(|p| &p.kind) {
        Some(ParticipantType::PhoneNumber(party)) => {
            let caller = party.caller.clone().unwrap_or_default();
            let dialled = party.name.as_deref().unwrap_or(&party.number);
            let name = if caller.name.is_empty() { caller.number } else { caller.name };
            format!("{name} calls {dialled}")
        }
        Some(ParticipantType::Line(line)) => {
            let dialled = event.metadata.dial_string.as_deref().unwrap_or("somebody");
            format!("{} calls {dialled}", line.name)
        }
        _ => String::new(),
    }
}

/// Two parties connected, nobody else in the call, and no system that leaves.
fn just_answered(state: &State) -> bool {
    let connected = state.participants.iter().filter(|p| p.status.value == Status::Connected).count();
    let plan_ends = state
        .systems()
        .iter()
        .any(|s| s.status.as_ref().is_some_and(|status| status.value == Status::Disconnecting));
    connected == 2 && !plan_ends && state.participants.len() == 2
}

/// Who called, and what became of it.
fn in_words(report: &Report) -> (String, String) {
    let name = |kind: &ReportPartyType| match kind {
        ReportPartyType::PhoneNumber(party) => {
            let outside = party.caller.as_ref().or(party.callee.as_ref());
            outside.map_or("", |p| if p.name.is_empty() { &p.number } else { &p.name }).to_owned()
        }
        ReportPartyType::Line(line) | ReportPartyType::Agent(line) => line.name.clone().unwrap_or_default(),
        ReportPartyType::Other(_) => String::new(),
    };
    let caller = report.participants.first().map(|p| name(&p.kind)).unwrap_or_default();
    let talk = report.call_states.iter().find(|state| just_answered(state));
    let took = format!("{:.1} s", seconds(&report.call_created, &report.call_ended));
    let words = match talk {
        Some(state) => format!("talked to {}, {took} in all", others(state, &Status::Connected)),
        None => format!("missed after {took}"),
    };
    (caller, words)
}

fn seconds(from: &str, to: &str) -> f64 {
    match (from.parse::<Timestamp>(), to.parse::<Timestamp>()) {
        (Ok(from), Ok(to)) => to.duration_since(from).as_secs_f64(),
        _ => 0.0,
    }
}

/// In the zone of whoever watches.
fn line(instant: &str, what: &str, who: &str, words: &str) {
    let zoned = instant.parse::<Timestamp>().map(|at| at.to_zoned(TimeZone::system()));
    let time = zoned.map(|at| at.strftime("%H:%M:%S").to_string()).unwrap_or_default();
    write_line(format!("{time}  {what:<7} {who:<40} {words}").trim_end());
}

fn print(value: &Value) {
    write_line(&value.to_string());
}

fn write_line(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // Nobody reads any more: the demo goes on, its pages still serve.
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}
