//! The report of a finished call and its summary, as a fold of the call's states.
//!
//! Because everything is derived, a report can be built again from the log at any time, with the same result.

use wire::call_events::{
    CallEvent, LineParty, Participant, ParticipantType, PhoneNumberParty, Recording, State, StateType,
    Status, System, SystemType, Transcript,
};
use wire::report::{Report, ReportLine, ReportParticipant, ReportPartyType, Summary, SummaryParty};
use wire::{Direction, Extra};

use crate::Office;
use crate::outcome::{caller_outcome, hangup_originator, two_talk};
use crate::report_systems::{agent, systems};
use crate::situation::is_talking;

/// What a report tells beyond the states: keys of people, extensions of queues.
pub trait Names {
    /// Key of a user by the user's id.
    fn user_key(&self, user_id: &str) -> Option<String>;
    /// Extension of a call queue by its id.
    fn queue_extension(&self, queue_id: &str) -> Option<String>;
}

impl Names for Office {
    fn user_key(&self, user_id: &str) -> Option<String> {
        Self::user_key(self, user_id)
    }

    fn queue_extension(&self, queue_id: &str) -> Option<String> {
        self.queue(queue_id).map(|queue| queue.extension.clone())
    }
}

/// Nobody is known by name, say because the office is gone.
impl<T: Names> Names for Option<&T> {
    fn user_key(&self, user_id: &str) -> Option<String> {
        self.and_then(|names| names.user_key(user_id))
    }

    fn queue_extension(&self, queue_id: &str) -> Option<String> {
        self.and_then(|names| names.queue_extension(queue_id))
    }
}

/// The report and its summary (spec/call-events-report.md), from all states of one call in order.
///
/// `truncated` says that the call was cut off and ended with `Command::Truncate`; the states cannot tell.
/// `None` while the call has not ended, or when nobody was ever in it.
#[must_use]
pub fn fold(events: &[CallEvent], truncated: bool, names: &dyn Names) -> Option<(Report, Summary)> {
    let last = events.last().filter(|event| event.state.kind == StateType::Ending)?;
    let states: Vec<State> = events.iter().map(|event| event.state.clone()).collect();
    let legs = legs(&states, names);
    let summary = summary(last, &states, &legs, truncated)?;
    let metadata = &last.metadata;
    let report = Report {
        conversation_space_id: metadata.conversation_space_id.clone(),
        call_created: metadata.call_created.clone(),
        call_ended: last.state.timestamp.clone(),
        call_initiator: metadata.call_initiator.clone(),
        direction: metadata.direction.clone(),
        account_key: metadata.account_key.clone(),
        participants: legs.into_iter().map(|leg| leg.report).collect(),
        interactive_voice_response_systems: systems(&states, names),
        associated_conversations: metadata.associated_conversations.clone().unwrap_or_default(),
        hangup_originator_id: hangup_originator(&states).filter(|_| !truncated),
        call_states: states,
        actions: None,
        call_reason: None,
        ai_analysis: None,
        extra: Extra::new(),
    };
    Some((report, summary))
}

/// One leg with all that is known of it at the end.
struct Leg {
    report: ReportParticipant,
    /// Was through to somebody.
    talked: bool,
    is_caller: bool,
}

/// Every leg that was ever seen, in order of appearance, each as its last state tells it.
fn legs(states: &[State], names: &dyn Names) -> Vec<Leg> {
    let mut legs: Vec<Leg> = Vec::new();
    for state in states {
        let talk = two_talk(state);
        for participant in &state.participants {
            let index = legs.iter().position(|leg| leg.report.id == participant.id).unwrap_or_else(|| {
                legs.push(new_leg(participant));
                legs.len() - 1
            });
            let leg = &mut legs[index];
            leg.talked |= talk && is_talking(&participant.status.value);
            leg.report.kind = party(&participant.kind, names);
            add_recordings(&mut leg.report, participant, state);
        }
    }
    for leg in legs.iter_mut().filter(|leg| leg.talked) {
        leg.report.kind = agent(&leg.report.id, &leg.report.kind, states);
    }
    legs
}

/// Every leg that was ever seen, in order of appearance, by its party alone.
pub(crate) fn everybody(states: &[&State], names: &dyn Names) -> Vec<ReportParticipant> {
    let mut legs: Vec<ReportParticipant> = Vec::new();
    for participant in states.iter().flat_map(|state| &state.participants) {
        if legs.iter().all(|leg| leg.id != participant.id) {
            let kind = party(&participant.kind, names);
            legs.push(ReportParticipant { kind, ..new_leg(participant).report });
        }
    }
    legs
}

fn new_leg(participant: &Participant) -> Leg {
    Leg {
        report: ReportParticipant {
            id: participant.id.clone(),
            originator: participant.originator.clone(),
            leg_id: participant.leg_id.clone(),
            recordings: Vec::new(),
            live_transcripts: Vec::new(),
            transcripts: Vec::new(),
            kind: ReportPartyType::Other(Extra::new()),
            extra: Extra::new(),
        },
        talked: false,
        is_caller: participant.id == participant.originator,
    }
}

/// The transcripts of a leg are those of the call whose id is that of one of the leg's recordings
/// (spec/call-events.md, state).
fn add_recordings(leg: &mut ReportParticipant, participant: &Participant, state: &State) {
    for recording in participant.recordings.iter().flatten() {
        match leg.recordings.iter_mut().find(|known: &&mut Recording| known.id == recording.id) {
            Some(known) => *known = recording.clone(),
            None => leg.recordings.push(recording.clone()),
        }
    }
    for transcript in state.transcripts.iter().flatten() {
        let ours = leg.recordings.iter().any(|recording| recording.id == transcript.id);
        let known = leg.transcripts.iter().any(|known: &Transcript| known.id == transcript.id);
        if ours && !known {
            leg.transcripts.push(transcript.clone());
        }
    }
}

/// Without `contact`, and without the device: the user stands there by id and key.
fn party(kind: &ParticipantType, names: &dyn Names) -> ReportPartyType {
    match kind {
        ParticipantType::PhoneNumber(party) => {
            ReportPartyType::PhoneNumber(PhoneNumberParty { contact: None, ..party.clone() })
        }
        ParticipantType::Line(line) => ReportPartyType::Line(report_line(line, names)),
        ParticipantType::Other(members) => ReportPartyType::Other(members.clone()),
    }
}

fn report_line(line: &LineParty, names: &dyn Names) -> ReportLine {
    let user_id = line.device.as_ref().and_then(|device| device.user.as_ref()).map(|user| user.id.clone());
    ReportLine {
        line_id: line.line_id.clone(),
        device_id: Some(line.device_id.clone()),
        extension_number: Some(line.extension_number.clone()),
        name: Some(line.name.clone()),
        user_key: user_id.as_deref().and_then(|id| names.user_key(id)),
        user_id,
        extra: line.extra.clone(),
        ..ReportLine::default()
    }
}

fn summary(last: &CallEvent, states: &[State], legs: &[Leg], truncated: bool) -> Option<Summary> {
    let metadata = &last.metadata;
    let caller = legs.iter().find(|leg| leg.is_caller).or(legs.first())?;
    let called: Vec<&Leg> = legs.iter().filter(|leg| leg.report.id != caller.report.id).collect();
    Some(Summary {
        conversation_space_id: metadata.conversation_space_id.clone(),
        account_key: metadata.account_key.clone(),
        call_created: metadata.call_created.clone(),
        call_answered: answered(states).map(|state| state.timestamp.clone()),
        call_ended: last.state.timestamp.clone(),
        call_initiator: metadata.call_initiator.clone(),
        direction: metadata.direction.clone(),
        caller: summary_party(caller),
        caller_outcome: caller_outcome(states, truncated),
        participants: reached(&metadata.direction, states, &called).into_iter().map(summary_party).collect(),
        ai_analysis: None,
        extra: Extra::new(),
    })
}

/// The state in which somebody, or an automatic system, answered.
fn answered(states: &[State]) -> Option<&State> {
    states.iter().find(|state| {
        state
            .participants
            .iter()
            .any(|p| matches!(p.status.value, Status::Connected | Status::InInteractiveVoiceResponse))
    })
}

/// Inbound: the lines that were reached, that is those that talked and those whose voicemail took the call, or all that
/// rang when there are none. Outbound: what was dialled, by the same rule (spec/call-events-report.md, Summary; the
/// captured voicemail call names the line that rang in vain).
fn reached<'a>(direction: &Direction, states: &[State], called: &[&'a Leg]) -> Vec<&'a Leg> {
    let fits = |leg: &Leg| *direction != Direction::Inbound || !is_phone_number(leg);
    let fitting: Vec<&Leg> = called.iter().copied().filter(|leg| fits(leg)).collect();
    let boxes: Vec<&str> = states.iter().flat_map(State::systems).filter_map(voicemail_of).collect();
    let by_voicemail = |leg: &Leg| match &leg.report.kind {
        ReportPartyType::Line(line) => {
            line.extension_number.as_deref().is_some_and(|number| boxes.contains(&number))
        }
        _ => false,
    };
    let reached: Vec<&Leg> = fitting.iter().copied().filter(|leg| leg.talked || by_voicemail(leg)).collect();
    if reached.is_empty() { fitting } else { reached }
}

/// Extension of the line whose box this is.
fn voicemail_of(system: &System) -> Option<&str> {
    match &system.kind {
        SystemType::Voicemail(voicemail) => Some(&voicemail.number),
        _ => None,
    }
}

fn is_phone_number(leg: &Leg) -> bool {
    matches!(leg.report.kind, ReportPartyType::PhoneNumber(_))
}

fn summary_party(leg: &Leg) -> SummaryParty {
    let (name, number, kind) = match &leg.report.kind {
        ReportPartyType::PhoneNumber(party) => {
            let outside = party.caller.as_ref().or(party.callee.as_ref()).cloned().unwrap_or_default();
            let kind = PhoneNumberParty { caller: None, callee: None, ..party.clone() };
            (outside.name, outside.number, ReportPartyType::PhoneNumber(kind))
        }
        ReportPartyType::Line(line) => summary_line(line, ReportPartyType::Line),
        ReportPartyType::Agent(agent) => summary_line(agent, ReportPartyType::Agent),
        other @ ReportPartyType::Other(_) => (String::new(), String::new(), other.clone()),
    };
    SummaryParty {
        name,
        number,
        leg_id: leg.report.leg_id.clone(),
        recording_id: leg.report.recordings.first().map(|recording| recording.id.clone()),
        live_transcript_id: leg.report.live_transcripts.first().map(|transcript| transcript.id.clone()),
        kind,
        extra: Extra::new(),
    }
}

/// Name, extension, and the line by its ids alone.
fn summary_line(
    line: &ReportLine,
    kind: fn(ReportLine) -> ReportPartyType,
) -> (String, String, ReportPartyType) {
    let ids = ReportLine {
        line_id: line.line_id.clone(),
        user_id: line.user_id.clone(),
        user_key: line.user_key.clone(),
        ..ReportLine::default()
    };
    (line.name.clone().unwrap_or_default(), line.extension_number.clone().unwrap_or_default(), kind(ids))
}
