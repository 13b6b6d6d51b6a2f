//! Call queues and voicemail: what the commands for automatic systems other than dial plans make of a situation.

use wire::Extra;
use wire::call_events::{CallQueue, Status, System, SystemType, Voicemail};

use crate::ids::CallIds;
use crate::situation::Situation;
use crate::transitions::{Next, go_on};
use crate::{Command, CommandError, PlanExit};

/// Folder of every message, and what the box says of it at the end (spec/call-events.md, `VOICEMAIL`).
const INBOX: &str = "INBOX";
pub(crate) const SUCCESS: &str = "SUCCESS";
const FAILED: &str = "FAILED";

pub(crate) fn next(ids: &CallIds, sequence_number: u64, now: Situation, command: &Command) -> Next {
    match command {
        Command::EnterQueue { queue, exit } => {
            enter_queue(ids.system(sequence_number), now, queue, exit.as_ref())
        }
        Command::LeaveQueue => leave_queue(now),
        Command::EnterVoicemail { mailbox_id, extension } => {
            let voicemail = Voicemail {
                voicemail_box_id: mailbox_id.clone(),
                number: extension.clone(),
                ..Voicemail::default()
            };
            enter_voicemail(ids.system(sequence_number), now, voicemail)
        }
        Command::EndVoicemail { message_ms } => end_voicemail(now, *message_ms),
        _ => Err(CommandError::NothingToDo),
    }
}

/// The plan's queue node and the queue appear in the same state, as captured.
fn enter_queue(system_id: String, mut now: Situation, queue: &CallQueue, exit: Option<&PlanExit>) -> Next {
    if let Some(exit) = exit {
        go_on(&mut now, &exit.connector, &exit.node)?;
    }
    take_caller(system_id, &mut now, SystemType::CallQueue(queue.clone()))?;
    Ok(vec![now])
}

/// The innermost system is another one from now on; a queue or a box has nothing below it but a dial plan.
fn take_caller(system_id: String, now: &mut Situation, kind: SystemType) -> Result<(), CommandError> {
    let Some(caller) = now.caller().filter(|_| now.caller_waits()) else {
        return Err(CommandError::CallerNotWaiting);
    };
    let free = now.systems.iter().all(|system| matches!(system.kind, SystemType::DialPlan(_)));
    if now.somebody_rings() || !free {
        return Err(CommandError::Occupied);
    }
    now.participants[caller].status = Status::InInteractiveVoiceResponse.into();
    now.systems.push(System {
        id: system_id,
        originator: now.participants[caller].id.clone(),
        status: Some(Status::Connected.into()),
        kind,
        extra: Extra::new(),
    });
    Ok(())
}

/// The queue is innermost whenever it is there.
fn leave_queue(mut now: Situation) -> Next {
    let queue = now.systems.iter_mut().find(|system| matches!(system.kind, SystemType::CallQueue(_)));
    queue.ok_or(CommandError::NoQueue)?.status = Some(Status::Disconnecting.into());
    Ok(vec![now])
}

fn enter_voicemail(system_id: String, mut now: Situation, voicemail: Voicemail) -> Next {
    take_caller(system_id, &mut now, SystemType::Voicemail(voicemail))?;
    Ok(vec![now])
}

/// The caller is in the box still when it tells how it ended, as captured.
fn end_voicemail(mut now: Situation, message_ms: Option<u64>) -> Next {
    let found = now.systems.iter_mut().find_map(|system| match &mut system.kind {
        SystemType::Voicemail(voicemail) => Some((&mut system.status, voicemail)),
        _ => None,
    });
    let (status, voicemail) = found.ok_or(CommandError::NoVoicemail)?;
    voicemail.folder = Some(INBOX.to_owned());
    voicemail.duration = Some(message_ms.unwrap_or(0));
    voicemail.voicemail_status = Some(if message_ms.is_some() { SUCCESS } else { FAILED }.to_owned());
    *status = Some(Status::Disconnecting.into());
    Ok(vec![now])
}
