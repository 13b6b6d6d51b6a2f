//! Call history: one row per leg of a user, from the states of its call (spec/call-history.md).

use jiff::Timestamp;
use wire::call_events::{CallEvent, State, Status};
use wire::call_history::HistoryCall;
use wire::report::{Report, ReportLine, ReportParticipant, ReportPartyType};
use wire::{Direction, Extra, Instant, Party};

use crate::outcome::two_talk;
use crate::report::{Names, everybody};
use crate::situation::is_talking;

/// Q.850 causes that rows show.
mod cause {
    pub(super) const NORMAL: u32 = 16;
    pub(super) const NO_ANSWER: u32 = 19;
    /// Temporary failure: the call was cut off.
    pub(super) const CUT_OFF: u32 = 41;
}

/// The rows of a finished call, in order of appearance of their legs; legs without a user have none.
///
/// A row begins when its leg first rings and ends when it first disconnects. `truncated` says that the call was
/// cut off and ended with `Command::Truncate`.
#[must_use]
pub fn history(report: &Report, truncated: bool) -> Vec<HistoryCall> {
    let states: Vec<&State> = report.call_states.iter().collect();
    let call = Told { account_key: &report.account_key, states, legs: report.participants.iter().collect() };
    let rows = call.legs.iter().filter_map(|leg| {
        let course = call.course(&leg.id)?;
        let cut_off = truncated && course.to_the_end;
        call.row(leg, course, cut_off)
    });
    rows.collect()
}

/// The rows of the legs that end with the last `new` of a call's states, each with the number of its leg in order of
/// appearance, from 1. `events` are all states so far.
///
/// A row is told when its leg ends (spec/call-history.md, Subscription), which can be long before the call does. All
/// of them together are those of [`history`]. `truncated` says that the new states are those of `Command::Truncate`.
#[must_use]
pub fn ended_legs(
    events: &[CallEvent],
    new: usize,
    truncated: bool,
    names: &dyn Names,
) -> Vec<(usize, HistoryCall)> {
    let old = events.len().saturating_sub(new);
    let states: Vec<&State> = events.iter().map(|event| &event.state).collect();
    let Some(first) = events.first().filter(|_| somebody_goes(&states[old.saturating_sub(1)..])) else {
        return Vec::new();
    };
    let legs = everybody(&states, names);
    let call = Told {
        account_key: &first.metadata.account_key,
        states: states.clone(),
        legs: legs.iter().collect(),
    };
    (1..)
        .zip(&legs)
        .filter_map(|(number, leg)| {
            let course = call.course(&leg.id).filter(|course| course.ends.is_some_and(|end| end >= old))?;
            Some((number, call.row(leg, course, truncated)?))
        })
        .collect()
}

/// Whether anybody leaves in these states, or is missing from the one that follows.
fn somebody_goes(states: &[&State]) -> bool {
    let leaves = |state: &&State| state.participants.iter().any(|p| p.status.value == Status::Disconnecting);
    let missing = |pair: &[&State]| {
        pair[0].participants.iter().any(|before| pair[1].participants.iter().all(|p| p.id != before.id))
    };
    states.iter().any(leaves) || states.windows(2).any(missing)
}

/// What is told of a call.
struct Told<'a> {
    account_key: &'a str,
    states: Vec<&'a State>,
    legs: Vec<&'a ReportParticipant>,
}

impl Told<'_> {
    fn row(&self, leg: &ReportParticipant, course: Course, cut_off: bool) -> Option<HistoryCall> {
        let user_key = line(leg)?.user_key.clone()?;
        let caller = self.legs.iter().find(|leg| leg.id == leg.originator).or(self.legs.first())?;
        let calls = leg.id == caller.id;
        let callee = if calls { party(self.called(caller)) } else { party(Some(leg)) };
        Some(HistoryCall {
            originator_id: caller.id.clone(),
            leg_id: leg.leg_id.clone(),
            caller: party(Some(caller)),
            callee,
            direction: if calls { Direction::Outbound } else { Direction::Inbound },
            duration: milliseconds(&course.start, &course.end),
            hangup_cause: match course.answer {
                _ if cut_off => cause::CUT_OFF,
                Some(_) => cause::NORMAL,
                None => cause::NO_ANSWER,
            },
            start_time: course.start,
            answer_time: course.answer,
            owner_phone_number: self.legs.iter().find_map(|leg| company_number(leg)),
            account_key: self.account_key.to_owned(),
            user_key,
            extra: Extra::new(),
        })
    }

    fn course(&self, id: &str) -> Option<Course> {
        let states = &self.states;
        let status = |state: &State| {
            state.participants.iter().find(|leg| leg.id == id).map(|leg| leg.status.value.clone())
        };
        let first = states.iter().position(|state| status(state).is_some())?;
        let gone = |state: &&State| matches!(status(state), None | Some(Status::Disconnecting));
        let ends = states[first..].iter().position(gone).map(|place| first + place);
        let end = ends.unwrap_or(states.len() - 1);
        let talks =
            |state: &&&State| two_talk(state) && status(state).is_some_and(|status| is_talking(&status));
        let last = states.iter().rposition(|state| !state.participants.is_empty())?;
        Some(Course {
            start: states[first].timestamp.clone(),
            answer: states[first..end].iter().find(talks).map(|state| state.timestamp.clone()),
            end: states[end].timestamp.clone(),
            ends,
            to_the_end: end >= last,
        })
    }

    /// Whom the caller reached: the first who talked, else the first who was called.
    fn called(&self, caller: &ReportParticipant) -> Option<&ReportParticipant> {
        let others = || self.legs.iter().copied().filter(|leg| leg.id != caller.id);
        let talked = |leg: &&ReportParticipant| self.course(&leg.id).is_some_and(|c| c.answer.is_some());
        others().find(talked).or_else(|| others().next())
    }
}

/// One leg in time.
struct Course {
    start: Instant,
    /// First moment of talk.
    answer: Option<Instant>,
    end: Instant,
    /// Number of the state in which it ends, if it does.
    ends: Option<usize>,
    /// It was there until the call ended.
    to_the_end: bool,
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
