//! One report in one line, for people: when, who with whom, how it went.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sdk::wire::Direction;
use sdk::wire::call_events::{State, Status, System, SystemType, Voicemail};
use sdk::wire::report::{Report, ReportParticipant, ReportPartyType};

use super::StoredReport;
use crate::people::number::{Home, Number};
use crate::people::text::tidy;
use crate::screen_pop::call::is_cut_off;

/// `2026-02-03 09:00:00  inbound   Ada (312) 555-0147 to Front Desk 1001  answered, talked 2:33`.
pub(super) fn line(stored: &StoredReport, zone: &TimeZone) -> String {
    let Ok(report) = serde_json::from_str::<Report>(&stored.raw) else {
        return format!("{}  a report in a form that this version cannot read", stored.conversation_space_id);
    };
    let created = match report.call_created.parse::<Timestamp>() {
        Ok(created) => created.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => tidy(&report.call_created),
    };
    let direction = direction(&report);
    format!("{created}  {direction:<8}  {}  {}", parties(&report), outcome(&report))
}

pub(super) fn direction(report: &Report) -> String {
    match &report.direction {
        Direction::Inbound => "inbound".to_owned(),
        Direction::Outbound => "outbound".to_owned(),
        Direction::Other(text) => tidy(text),
    }
}

fn parties(report: &Report) -> String {
    let outside = report.participants.iter().find_map(outside);
    let talking = answered_by(report);
    let lines = lines(report);
    match (&report.direction, outside) {
        (Direction::Inbound, Some(caller)) => {
            let rang = || if lines.is_empty() { nobody(report) } else { lines.join(", ") };
            let to = talking.unwrap_or_else(rang);
            format!("{caller} to {to}")
        }
        (_, Some(callee)) => {
            format!("{} to {callee}", lines.first().map_or("somebody", String::as_str))
        }
        (_, None) => {
            let mut both = lines.into_iter();
            let first = both.next().unwrap_or_else(|| "somebody".to_owned());
            let second = both.next().unwrap_or_else(|| "nobody".to_owned());
            format!("{first} to {second}")
        }
    }
}

/// What took a call that reached no line.
fn nobody(report: &Report) -> String {
    match voicemail(report) {
        Some(voicemail) => format!("the voicemail of {}", tidy(&voicemail.number)),
        None => "nobody".to_owned(),
    }
}

/// The voicemail that took the call.
fn voicemail(report: &Report) -> Option<&Voicemail> {
    report.interactive_voice_response_systems.iter().find_map(|system| match &system.kind {
        SystemType::Voicemail(voicemail) => Some(voicemail),
        _ => None,
    })
}

/// The lines that took part.
pub(super) fn lines(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = report.participants.iter().filter_map(line_name).collect();
    lines.dedup();
    lines
}

/// The queues that the call was in.
pub(super) fn queues(report: &Report) -> Vec<String> {
    let name = |system: &System| match &system.kind {
        SystemType::CallQueue(queue) => Some(tidy(&queue.queue_name)),
        _ => None,
    };
    report.interactive_voice_response_systems.iter().filter_map(name).collect()
}

/// Number as it came and name of whoever is not of the company.
pub(super) fn outside_party(report: &Report) -> Option<(String, String)> {
    let (number, name) = report.participants.iter().find_map(outside_raw)?;
    Some((tidy(number), tidy(name)))
}

fn outside_raw(participant: &ReportParticipant) -> Option<(&str, &str)> {
    let ReportPartyType::PhoneNumber(party) = &participant.kind else { return None };
    let other = party.caller.as_ref().or(party.callee.as_ref())?;
    Some((&other.number, &other.name))
}

fn outside(participant: &ReportParticipant) -> Option<String> {
    let (number, name) = outside_raw(participant)?;
    let number = Number::read(number, Home::default());
    let name = tidy(name);
    Some(match (name.as_str(), number.people()) {
        ("", None) => "Anonymous caller".to_owned(),
        ("", Some(number)) => number.to_owned(),
        (name, None) => name.to_owned(),
        (name, Some(number)) => format!("{name} {number}"),
    })
}

fn line_name(participant: &ReportParticipant) -> Option<String> {
    let line = match &participant.kind {
        ReportPartyType::Line(line) | ReportPartyType::Agent(line) => line,
        _ => return None,
    };
    let name = tidy(line.name.as_deref().unwrap_or_default());
    let extension = tidy(line.extension_number.as_deref().unwrap_or_default());
    Some(format!("{name} {extension}").trim().to_owned())
}

/// The line that was connected while somebody else was, too.
pub(super) fn answered_by(report: &Report) -> Option<String> {
    let state = report.call_states.iter().find(|state| is_talk(state))?;
    let ids = connected(state);
    let answering = report.participants.iter().filter(|participant| ids.contains(&participant.id.as_str()));
    answering.filter_map(line_name).next()
}

fn outcome(report: &Report) -> String {
    if report.call_states.iter().any(is_cut_off) {
        return "cut off by the phone system".to_owned();
    }
    let talk = talk_time(&report.call_states).map(|talk| format!("talked {}", length(talk.as_secs())));
    // The talk of a transferred call may come before its voicemail.
    let failed = |voicemail: &Voicemail| voicemail.voicemail_status.as_deref() == Some("FAILED");
    let message = voicemail(report).map(|voicemail| match voicemail.duration {
        Some(ms) if ms > 0 && !failed(voicemail) => {
            format!("left a voicemail of {}", length((ms / 1000).cast_signed()))
        }
        _ => "left no voicemail".to_owned(),
    });
    let told: Vec<String> = talk.into_iter().chain(message).collect();
    if told.is_empty() { "not answered".to_owned() } else { told.join(", ") }
}

/// `2:33`, or with hours `1:02:33`.
fn length(seconds: i64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// From the first state with two parties connected to the first with fewer (spec/call-events-report.md, How to
/// derive common figures); none when nobody talked.
pub(super) fn talk_time(states: &[State]) -> Option<SignedDuration> {
    let start = states.iter().position(is_talk)?;
    let end = states[start..].iter().find(|state| !is_talk(state)).or(states.last())?;
    let instant = |state: &State| state.timestamp.parse::<Timestamp>().ok();
    let talk = instant(end)?.duration_since(instant(&states[start])?);
    Some(talk.max(SignedDuration::ZERO))
}

fn is_talk(state: &State) -> bool {
    connected(state).len() >= 2
}

fn connected(state: &State) -> Vec<&str> {
    let parties =
        state.participants.iter().filter(|participant| participant.status.value == Status::Connected);
    parties.map(|participant| participant.id.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, expect: &str) {
        let path = format!("{}/../wire/tests/examples/{file}", env!("CARGO_MANIFEST_DIR"));
        let stored = StoredReport {
            number: 1,
            conversation_space_id: String::new(),
            account_key: String::new(),
            call_created: String::new(),
            call_ended: String::new(),
            stored: Timestamp::UNIX_EPOCH,
            raw: std::fs::read_to_string(path).unwrap(),
        };
        assert_eq!(line(&stored, &TimeZone::UTC), expect);
    }

    #[test]
    fn a_report_is_one_readable_line() {
        check(
            "report-inbound-call.json",
            "2026-02-03 17:00:00  inbound   EXAMPLE CALLER (312) 555-0147 to Front Desk 1001  talked 2:33",
        );
    }

    #[test]
    fn a_message_is_told_of_and_who_took_it() {
        check(
            "report-voicemail-call.json",
            "2026-02-03 19:00:00  inbound   EXAMPLE CALLER (312) 555-0147 to Front Desk 1001  left a voicemail of 0:21",
        );
        let path =
            format!("{}/../wire/tests/examples/report-voicemail-call.json", env!("CARGO_MANIFEST_DIR"));
        let mut report: Report = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        report.participants.truncate(1);
        assert_eq!(parties(&report), "EXAMPLE CALLER (312) 555-0147 to the voicemail of 1001");
        let SystemType::Voicemail(voicemail) = &mut report.interactive_voice_response_systems[0].kind else {
            panic!("the example has a voicemail");
        };
        voicemail.voicemail_status = Some("FAILED".to_owned());
        assert_eq!(outcome(&report), "left no voicemail");
    }

    #[test]
    fn a_call_that_a_crash_cut_off_claims_no_talk_time() {
        let path = format!("{}/../wire/tests/examples/report-inbound-call.json", env!("CARGO_MANIFEST_DIR"));
        let mut report: Report = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(outcome(&report), "talked 2:33");
        for participant in &mut report.call_states[4].participants {
            participant.status.value = Status::Disconnecting;
        }
        assert_eq!(outcome(&report), "cut off by the phone system");
    }
}
