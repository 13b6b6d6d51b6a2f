//! Recording a leg: what the states show of it (spec/call-events.md, state). The sound itself is not the
//! engine's.

use wire::Extra;
use wire::call_events::{Recording, State, Status, Transcript};

use crate::situation::Situation;
use crate::{CommandError, Who};

/// The leg is recorded from now on, with a transcript.
pub(crate) fn record(
    mut now: Situation,
    who: &Who,
    id: String,
    timestamp: &str,
) -> Result<Vec<Situation>, CommandError> {
    let index = now.find(who).ok_or(CommandError::NoSuchParty)?;
    let leg = &mut now.participants[index];
    if leg.status.value != Status::Connected {
        return Err(CommandError::NotTalking);
    }
    if leg.recordings.as_ref().is_some_and(|recordings| !recordings.is_empty()) {
        return Err(CommandError::RecordedAlready);
    }
    leg.recordings = Some(vec![Recording {
        id,
        start_timestamp: timestamp.to_owned(),
        transcript_enabled: Some(true),
        post_call_transcript_enabled: None,
        extra: Extra::new(),
    }]);
    Ok(vec![now])
}

/// Every recording of the call so far: those of the last state and those of legs that are there now.
pub(crate) fn recordings(last: Option<&State>, now: &Situation) -> Option<Vec<Recording>> {
    let mut all = last.and_then(|state| state.recordings.clone()).unwrap_or_default();
    for recording in now.participants.iter().flat_map(|leg| leg.recordings.iter().flatten()) {
        if !all.iter().any(|known| known.id == recording.id) {
            all.push(recording.clone());
        }
    }
    Some(all).filter(|all| !all.is_empty())
}

/// The transcripts of these recordings have their ids, and begin with them.
pub(crate) fn transcripts(last: Option<&State>, recordings: &[Recording]) -> Option<Vec<Transcript>> {
    let mut all = last.and_then(|state| state.transcripts.clone()).unwrap_or_default();
    for recording in recordings.iter().filter(|recording| recording.transcript_enabled == Some(true)) {
        if !all.iter().any(|known| known.id == recording.id) {
            all.push(Transcript {
                id: recording.id.clone(),
                start_timestamp: recording.start_timestamp.clone(),
                extra: Extra::new(),
            });
        }
    }
    Some(all).filter(|all| !all.is_empty())
}
