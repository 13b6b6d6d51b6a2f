//! The calls of one script while they are played: gives each its ids, and links those that a transfer joins.

use jiff::Timestamp;
use wire::call_events::{CallEvent, Status};

use super::Step;
use crate::{Call, Command, CommandError, Consultation, Nonce, Who};

/// All calls of a script, from before the first state on.
#[derive(Clone, Debug)]
pub struct Playback {
    nonce: Nonce,
    account_key: String,
    calls: Vec<Call>,
}

impl Playback {
    /// Everything that the calls will ever say depends on the nonce, the account, the steps and their times.
    #[must_use]
    pub fn new(nonce: Nonce, account_key: impl Into<String>) -> Self {
        Self { nonce, account_key: account_key.into(), calls: Vec::new() }
    }

    /// The call with this number, if it has had a step.
    #[must_use]
    pub fn call(&self, number: usize) -> Option<&Call> {
        self.calls.get(number)
    }

    /// True when each call has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.calls.iter().all(Call::is_ended)
    }

    /// Does a step; returns the new states of its call, in order.
    ///
    /// # Errors
    /// When the step does not fit the situation; nothing has changed then.
    pub fn apply(&mut self, now: Timestamp, step: &Step) -> Result<Vec<CallEvent>, CommandError> {
        let command = self.linked(step)?;
        while self.calls.len() <= step.call {
            let nonce = self.nonce.of_call(self.calls.len());
            self.calls.push(Call::new(nonce, self.account_key.clone()));
        }
        self.calls[step.call].apply(now, &command)
    }

    /// The command with what it needs to know of the other call.
    fn linked(&self, step: &Step) -> Result<Command, CommandError> {
        let Some(other) = step.linked else { return Ok(step.command.clone()) };
        let other = self.calls.get(other).ok_or(CommandError::NoSuchParty)?;
        Ok(match &step.command {
            Command::WarmTransfer { by, .. } => {
                Command::WarmTransfer { by: by.clone(), consultation: consultation(other, by)? }
            }
            Command::HandOver { by, .. } => {
                Command::HandOver { by: by.clone(), into: other.conversation_space_id().to_owned() }
            }
            command => command.clone(),
        })
    }
}

/// The two who talk in a consultation, seen by the one who transfers.
fn consultation(call: &Call, by: &Who) -> Result<Consultation, CommandError> {
    let Who::Device(device_id) = by else { return Err(CommandError::NoSuchParty) };
    let participants = call.last().map(|last| last.state.participants.as_slice()).unwrap_or_default();
    let ours = |line: Option<&wire::call_events::LineParty>| line.is_some_and(|l| l.device_id == *device_id);
    let transferrer =
        participants.iter().find(|p| ours(p.kind.as_line())).ok_or(CommandError::NoSuchParty)?;
    let talks = |status: &Status| *status == Status::Connected;
    let destination = participants.iter().find(|p| p.id != transferrer.id && talks(&p.status.value));
    let destination = destination.ok_or(CommandError::NotTalking)?;
    let line = destination.kind.as_line();
    Ok(Consultation {
        conversation_space_id: call.conversation_space_id().to_owned(),
        transferrer_id: transferrer.id.clone(),
        destination_id: destination.id.clone(),
        destination_extension: line.map(|line| line.extension_number.clone()).unwrap_or_default(),
        destination_name: line.map(|line| line.name.clone()).unwrap_or_default(),
    })
}
