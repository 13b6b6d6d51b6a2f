//! Hold, parking, transfers and conferences: commands that move a talk about.
//!
//! [inferred] here, because no capture of the live service shows it: the statuses of hold and parking (their names
//! stand in `wire::call_events::Status`), that the caller carries them, the member `parkingSpot`, and that a
//! conference is one conversation space in which three parties are CONNECTED.

use serde_json::json;
use wire::call_events::{Participant, ParticipantType, Status};
use wire::{Extra, Tagged};

use crate::ids::CallIds;
use crate::situation::Situation;
use crate::transitions::{Next, add_ringing, newcomer};
use crate::{Command, CommandError, Consultation, Who};

pub(crate) fn next(ids: &CallIds, sequence_number: u64, mut now: Situation, command: &Command) -> Next {
    match command {
        Command::Invite { by, targets } => {
            let inviter = talking(&now, by)?;
            let id = now.participants[inviter].id.clone();
            add_ringing(ids, sequence_number, &mut now, &id, targets)?;
        }
        Command::Hold { who } => {
            let held = talking(&now, who)?;
            now.participants[held].status = Status::OnHold.into();
        }
        Command::Resume { who } => {
            let held = now.find(who).ok_or(CommandError::NoSuchParty)?;
            if now.participants[held].status.value != Status::OnHold {
                return Err(CommandError::NotOnHold);
            }
            now.participants[held].status = Status::Connected.into();
        }
        Command::Park { by, spot } => {
            let (caller, by) = pair(&now, by)?;
            let extra = members([("parkingSpot", json!(spot))]);
            now.participants[caller].status = Tagged { value: Status::Parked, extra };
            now.participants[by].status = Status::Disconnecting.into();
        }
        Command::TakeOver { line } => {
            let waiting = now.waits_elsewhere().ok_or(CommandError::NobodyWaits)?;
            let originator = now.participants[waiting].id.clone();
            now.participants[waiting].status = Status::Connected.into();
            let kind = ParticipantType::Line(line.clone());
            let mut taker = newcomer(ids, (sequence_number, 0), &originator, kind);
            taker.status = Status::Connected.into();
            now.participants.push(taker);
        }
        Command::Transfer { by, destination } => transfer(ids, &mut now, by, destination)?,
        Command::WarmTransfer { by, consultation } => warm_transfer(ids, &mut now, by, consultation)?,
        Command::HandOver { by, .. } => {
            let by = talking(&now, by)?;
            now.participants[by].status = Status::Disconnecting.into();
        }
        Command::MoveAway => now = Situation::empty(),
        _ => return Err(CommandError::NothingToDo),
    }
    Ok(vec![now])
}

fn talking(now: &Situation, who: &Who) -> Result<usize, CommandError> {
    let index = now.find(who).ok_or(CommandError::NoSuchParty)?;
    if now.participants[index].status.value == Status::Connected {
        Ok(index)
    } else {
        Err(CommandError::NotTalking)
    }
}

/// The caller, and the other one who moves it: both talk (or the caller is on hold).
fn pair(now: &Situation, by: &Who) -> Result<(usize, usize), CommandError> {
    let by = talking(now, by)?;
    let caller = now.caller().ok_or(CommandError::NoSuchParty)?;
    let free = matches!(now.participants[caller].status.value, Status::Connected | Status::OnHold);
    if caller == by || !free || now.somebody_rings() {
        Err(CommandError::NotTalking)
    } else {
        Ok((caller, by))
    }
}

/// As captured: the caller carries the status, the line leaves in the same state. Systems that brought the caller
/// here have nothing to do with where the call goes next; they leave too.
fn transfer(ids: &CallIds, now: &mut Situation, by: &Who, destination: &str) -> Result<(), CommandError> {
    let (caller, by) = pair(now, by)?;
    let initiator = party(ids.space_id(), &now.participants[by]);
    let extra = members([("initiator", initiator), ("destination", json!({"number": destination}))]);
    now.participants[caller].status = Tagged { value: Status::InDirectTransfer, extra };
    now.participants[by].status = Status::Disconnecting.into();
    now.disconnect_systems();
    Ok(())
}

fn warm_transfer(
    ids: &CallIds,
    now: &mut Situation,
    by: &Who,
    consultation: &Consultation,
) -> Result<(), CommandError> {
    let (caller, by) = pair(now, by)?;
    let initiator = party(ids.space_id(), &now.participants[by]);
    let mut transferrer = initiator.clone();
    transferrer["participantId"] = json!(consultation.transferrer_id);
    transferrer["conversationSpaceId"] = json!(consultation.conversation_space_id);
    let destination = json!({
        "participantId": consultation.destination_id,
        "conversationSpaceId": consultation.conversation_space_id,
        "extensionNumber": consultation.destination_extension,
        "name": consultation.destination_name,
    });
    let extra =
        members([("initiator", initiator), ("transferrer", transferrer), ("destination", destination)]);
    now.participants[caller].status = Tagged { value: Status::InWarmTransfer, extra };
    now.participants[by].status = Status::Disconnecting.into();
    now.disconnect_systems();
    Ok(())
}

/// A line as a transfer's status names it.
fn party(space_id: &str, participant: &Participant) -> serde_json::Value {
    let (extension, name) = match participant.kind.as_line() {
        Some(line) => (line.extension_number.as_str(), line.name.as_str()),
        None => ("", ""),
    };
    json!({
        "participantId": participant.id,
        "conversationSpaceId": space_id,
        "extensionNumber": extension,
        "name": name,
    })
}

fn members<const N: usize>(all: [(&str, serde_json::Value); N]) -> Extra {
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
