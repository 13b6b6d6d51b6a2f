//! Editions of a report: what is not known yet is left out of the first one and added by later ones
//! (spec/call-events-report.md: a report can be incomplete at first and be enriched later).
//!
//! [inferred] The live service's revisions were never seen. Here each edition is a whole report, and its summary is
//! what the notification of it carries.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;
use wire::call_events::{SystemType, Voicemail};
use wire::report::{Action, AiAnalysis, Report, ReportPartyType, Summary};
use wire::{Extra, Tagged};

use crate::ids::derived;
use crate::scenario::Later;
use crate::systems::SUCCESS;

const VOICEMAIL_NEW: &str = "VOICEMAIL_NEW";

/// The report and its summary as they stand when `known` has happened, each at its instant, and `awaited` has not.
/// `report` and `summary` are those that [`crate::fold`] made of all states.
#[must_use]
pub fn edition(
    report: &Report,
    summary: &Summary,
    known: &[(Later, Timestamp)],
    awaited: &[Later],
) -> (Report, Summary) {
    let (mut report, mut summary) = (report.clone(), summary.clone());
    for leg in &mut report.participants {
        if awaited.contains(&Later::RecordingReady) {
            leg.recordings.clear();
        }
        if awaited.contains(&Later::RecordingReady) || awaited.contains(&Later::TranscriptReady) {
            leg.transcripts.clear();
        }
    }
    if awaited.contains(&Later::RecordingReady) {
        for party in std::iter::once(&mut summary.caller).chain(&mut summary.participants) {
            party.recording_id = None;
        }
    }
    for (what, at) in known {
        match what {
            Later::VoicemailStored => {
                let actions: Vec<Action> = voicemail_action(&report, *at).into_iter().collect();
                if !actions.is_empty() {
                    report.actions.get_or_insert_default().extend(actions);
                }
            }
            Later::Analysed => {
                report.call_reason = Some("Opening hours".to_owned());
                report.ai_analysis = Some(analysis());
                summary.ai_analysis = Some(analysis());
            }
            Later::RecordingReady | Later::TranscriptReady => {}
        }
    }
    (report, summary)
}

fn analysis() -> AiAnalysis {
    AiAnalysis {
        sentiment: Some("NEUTRAL".to_owned()),
        summary: Some("Caller asked about opening hours.".to_owned()),
        topics: Some(vec!["opening hours".to_owned()]),
        flags: Some(Vec::new()),
        extra: Extra::new(),
    }
}

/// Nothing when no message was left.
fn voicemail_action(report: &Report, at: Timestamp) -> Option<Action> {
    let system =
        report.interactive_voice_response_systems.iter().rev().find_map(|system| match &system.kind {
            SystemType::Voicemail(voicemail) => Some(voicemail),
            _ => None,
        })?;
    if system.voicemail_status.as_deref() != Some(SUCCESS) {
        return None;
    }
    let outside = report.participants.iter().find_map(|leg| match &leg.kind {
        ReportPartyType::PhoneNumber(party) => Some(party),
        _ => None,
    })?;
    let caller = outside.caller.clone().unwrap_or_default();
    let members = json!({
        "callerName": caller.name,
        "callerNumber": caller.number,
        "calledNumber": outside.number,
        "durationMs": system.duration,
        "createdTime": crate::instant(at),
        "extensionId": extension_id(report, system),
        "extensionNumber": system.number,
        "mailboxType": "LINE",
        "voicemailId": STANDARD.encode(format!("{} {}", system.voicemail_box_id, report.conversation_space_id)),
        "voicemailboxId": system.voicemail_box_id,
    });
    let extra = members.as_object().cloned().unwrap_or_default();
    Some(Action {
        timestamp: format!("{at:.9}"),
        kind: Tagged { value: VOICEMAIL_NEW.to_owned(), extra },
        extra: Extra::new(),
    })
}

/// The id of the extension is that of its line, where that line was in the call.
fn extension_id(report: &Report, voicemail: &Voicemail) -> String {
    let line = report.participants.iter().find_map(|leg| match &leg.kind {
        ReportPartyType::Line(line) if line.extension_number.as_deref() == Some(&*voicemail.number) => {
            Some(line.line_id.clone())
        }
        _ => None,
    });
    line.unwrap_or_else(|| derived(Uuid::NAMESPACE_OID, &voicemail.voicemail_box_id).to_string())
}
