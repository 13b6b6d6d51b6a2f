//! Call history: one row per leg of a user, from the report of a finished call (spec/call-history.md).

use jiff::Timestamp;
use wire::call_events::{State, Status};
use wire::call_history::HistoryCall;
use wire::report::{Report, ReportLine, ReportParticipant, ReportPartyType};
use wire::{Direction, Extra, Instant, Party};

use crate::outcome::two_talk;
use crate::situation::is_talking;

/// Q.850 causes that rows show.
mod cause {
    pub(super) const NORMAL: u32 = 16;
    pub(super) const NO_ANSWER: u32 = 19;
    /// Temporary failure: the call was cut off.
    pub(super) const CUT_OFF: u32 = 41;
}

/// The rows of a call, in order of appearance of their legs; legs without a user have none.
///
/// A row begins when its leg first rings and ends when it first disconnects. `truncated` says that the call was
/// cut off and ended with `Command::Truncate`.
#[must_use]
pub fn history(report: &Report, truncated: bool) -> Vec<HistoryCall> {
    let Some(caller) =
        report.participants.iter().find(|leg| leg.id == leg.originator).or(report.participants.first())
    else {
        return Vec::new();
    };
    report.participants.iter().filter_map(|leg| row(report, caller, leg, truncated)).collect()
}

fn row(
    report: &Report,
    caller: &ReportParticipant,
    leg: &ReportParticipant,
    truncated: bool,
) -> Option<HistoryCall> {
    let user_key = line(leg)?.user_key.clone()?;
    let course = course(&report.call_states, &leg.id)?;
    let calls = leg.id == caller.id;
    let callee = if calls { party(called(report, caller)) } else { party(Some(leg)) };
    Some(HistoryCall {
        originator_id: caller.id.clone(),
        leg_id: leg.leg_id.clone(),
        caller: party(Some(caller)),
        callee,
        direction: if calls { Direction::Outbound } else { Direction::Inbound },
        duration: milliseconds(&course.start, &course.end),
        hangup_cause: match course.answer {
            _ if truncated && course.to_the_end => cause::CUT_OFF,
            Some(_) => cause::NORMAL,
            None => cause::NO_ANSWER,
        },
        start_time: course.start,
        answer_time: course.answer,
        owner_phone_number: report.participants.iter().find_map(company_number),
        account_key: report.account_key.clone(),
        user_key,
        extra: Extra::new(),
    })
}

/// One leg in time.
struct Course {
    start: Instant,
    /// First moment of talk.
    answer: Option<Instant>,
    end: Instant,
    /// It was there until the call ended.
    to_the_end: bool,
}

fn course(states: &[State], id: &str) -> Option<Course> {
    let status = |state: &State| {
        state.participants.iter().find(|leg| leg.id == id).map(|leg| leg.status.value.clone())
    };
    let first = states.iter().position(|state| status(state).is_some())?;
    let gone = |state: &State| matches!(status(state), None | Some(Status::Disconnecting));
    let end = states[first..].iter().position(gone).map_or(states.len() - 1, |place| first + place);
    let talks = |state: &&State| two_talk(state) && status(state).is_some_and(|status| is_talking(&status));
    let last = states.iter().rposition(|state| !state.participants.is_empty())?;
    Some(Course {
        start: states[first].timestamp.clone(),
        answer: states[first..end].iter().find(talks).map(|state| state.timestamp.clone()),
        end: states[end].timestamp.clone(),
        to_the_end: end >= last,
    })
}

/// Whom the caller reached: the first who talked, else the first who was called.
fn called<'a>(report: &'a Report, caller: &ReportParticipant) -> Option<&'a ReportParticipant> {
    let others = || report.participants.iter().filter(|leg| leg.id != caller.id);
    let talked =
        |leg: &&ReportParticipant| course(&report.call_states, &leg.id).is_some_and(|c| c.answer.is_some());
    others().find(talked).or_else(|| others().next())
}

fn line(leg: &ReportParticipant) -> Option<&ReportLine> {
    match &leg.kind {
        ReportPartyType::Line(line) | ReportPartyType::Agent(line) => Some(line),
        _ => None,
    }
}

/// A line by its extension, an outside party by its own number; nobody is empty.
fn party(leg: Option<&ReportParticipant>) -> Party {
    match leg.map(|leg| &leg.kind) {
        Some(ReportPartyType::Line(line) | ReportPartyType::Agent(line)) => {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            Party::new(text(&line.name), text(&line.extension_number))
        }
        Some(ReportPartyType::PhoneNumber(party)) => {
            party.caller.as_ref().or(party.callee.as_ref()).cloned().unwrap_or_default()
        }
        _ => Party::default(),
    }
}

fn company_number(leg: &ReportParticipant) -> Option<String> {
    match &leg.kind {
        ReportPartyType::PhoneNumber(party) => Some(party.number.clone()),
        _ => None,
    }
}

/// Between two instants of the same call; 0 when one of them cannot be read.
fn milliseconds(from: &str, to: &str) -> u64 {
    let instant = |text: &str| text.parse::<Timestamp>().map(Timestamp::as_millisecond).ok();
    let (Some(from), Some(to)) = (instant(from), instant(to)) else { return 0 };
    u64::try_from(to - from).unwrap_or(0)
}
