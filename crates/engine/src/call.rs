//! One call as a state machine: commands in, states out, nothing else.
//!
//! The whole memory of a call is its last state. So a state in the log is all that a restart needs, and what is
//! true for a call that ran through is true for one that was resumed.

use jiff::Timestamp;
use wire::call_events::{CallEvent, Metadata, State, StateType, Status};
use wire::{Direction, Extra, Instant};

use crate::ids::CallIds;
use crate::situation::Situation;
use crate::transitions::Leaving;
use crate::{Command, CommandError, Nonce, recording, transitions};

/// `callInitiator` of every call that was not placed by click-to-call (spec/call-events.md, metadata).
const DIRECT: &str = "DIRECT";

/// A call, from before its first state until after its last.
#[derive(Clone, Debug)]
pub struct Call {
    ids: CallIds,
    account_key: String,
    last: Option<CallEvent>,
}

impl Call {
    /// A call that has not started. Everything it will ever say depends on the nonce, the account, the commands
    /// and their times.
    #[must_use]
    pub fn new(nonce: Nonce, account_key: impl Into<String>) -> Self {
        Self { ids: CallIds::new(nonce), account_key: account_key.into(), last: None }
    }

    /// The call as its last state left it, say after a restart. It goes on as if nothing had happened; a source
    /// that is gone should give it [`Command::Truncate`].
    #[must_use]
    pub fn resume(last: &CallEvent) -> Self {
        Self {
            ids: CallIds::resume(&last.metadata.conversation_space_id),
            account_key: last.metadata.account_key.clone(),
            last: Some(last.clone()),
        }
    }

    /// Identifies the call everywhere; known before it starts.
    #[must_use]
    pub fn conversation_space_id(&self) -> &str {
        self.ids.space_id()
    }

    /// The newest state, if the call has started.
    #[must_use]
    pub fn last(&self) -> Option<&CallEvent> {
        self.last.as_ref()
    }

    /// True after the ENDING state.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.state.kind == StateType::Ending)
    }

    /// Does the command, and returns the new states in order: one or two.
    ///
    /// States are stamped with `now`, cut to milliseconds; if `now` lies before the last state, with that one's
    /// timestamp, since time does not run backwards within a call.
    ///
    /// # Errors
    /// When the command does not fit the situation; the call is then unchanged.
    pub fn apply(&mut self, now: Timestamp, command: &Command) -> Result<Vec<CallEvent>, CommandError> {
        let Some(last) = &self.last else {
            let situations = transitions::start(&self.ids, command)?;
            let metadata = self.first_metadata(now, command);
            return Ok(self.record(metadata, &instant(now), situations));
        };
        if last.state.kind == StateType::Ending {
            return Err(CommandError::Ended);
        }
        if matches!(command, Command::MoveAway) && last.metadata.associated_conversations.is_none() {
            return Err(CommandError::NotLinked);
        }
        let settled = Situation::after(&last.state);
        let timestamp = not_before(&last.state.timestamp, now);
        let situations = transitions::next(
            &self.ids,
            (last.state.sequence_number.saturating_add(1), &timestamp),
            settled,
            somebody_leaves(&last.state),
            command,
        )?;
        let mut metadata = last.metadata.clone();
        metadata.call_initiator.get_or_insert_with(|| DIRECT.to_owned());
        associate(&mut metadata, command);
        Ok(self.record(metadata, &timestamp, situations))
    }

    fn first_metadata(&self, now: Timestamp, command: &Command) -> Metadata {
        let (direction, dial_string) = match command {
            Command::StartOutbound { dial_string, .. } => (Direction::Outbound, Some(dial_string.clone())),
            _ => (Direction::Inbound, None),
        };
        Metadata {
            conversation_space_id: self.ids.space_id().to_owned(),
            direction,
            account_key: self.account_key.clone(),
            call_created: instant(now),
            call_initiator: None,
            dial_string,
            initiator_id: None,
            associated_conversations: None,
            extra: Extra::new(),
        }
    }

    fn record(&mut self, metadata: Metadata, now: &str, situations: Vec<Situation>) -> Vec<CallEvent> {
        let mut events = Vec::with_capacity(situations.len());
        for situation in situations {
            let state = self.state(now, situation);
            let event = CallEvent { metadata: metadata.clone(), state, extra: Extra::new() };
            self.last = Some(event.clone());
            events.push(event);
        }
        events
    }

    fn state(&self, now: &str, mut situation: Situation) -> State {
        let last = self.last.as_ref().map(|event| &event.state);
        let sequence_number = last.map_or(1, |state| state.sequence_number.saturating_add(1));
        let kind = situation.state_type(last.map(|state| &state.kind));
        if sequence_number > 1 {
            look_up_contacts(&mut situation);
        }
        let running = last.filter(|_| kind != StateType::Ending);
        let recordings = recording::recordings(running, &situation).filter(|_| kind != StateType::Ending);
        let transcripts = recordings.as_deref().and_then(|all| recording::transcripts(running, all));
        let systems = Some(situation.systems).filter(|systems| !systems.is_empty());
        State {
            id: self.ids.state(sequence_number),
            sequence_number,
            timestamp: now.to_owned(),
            participants: situation.participants,
            interactive_voice_response_systems: systems.filter(|_| kind != StateType::Ending),
            recordings,
            transcripts,
            kind,
            extra: Extra::new(),
        }
    }
}

/// The instant as messages show it: UTC, cut to milliseconds, trailing zeros cut, no fraction on a full second
/// (spec/call-events.md, state).
#[must_use]
pub fn instant(now: Timestamp) -> Instant {
    Timestamp::from_millisecond(now.as_millisecond()).map_or_else(|_| now.to_string(), |cut| cut.to_string())
}

fn not_before(last: &str, now: Timestamp) -> Instant {
    match last.parse::<Timestamp>() {
        Ok(before) if before > now => last.to_owned(),
        _ => instant(now),
    }
}

/// Calls that are linked by a transfer name each other from then on (spec/call-events.md, metadata).
fn associate(metadata: &mut Metadata, command: &Command) {
    let other = match command {
        Command::WarmTransfer { consultation, .. } => &consultation.conversation_space_id,
        Command::HandOver { into, .. } => into,
        _ => return,
    };
    let all = metadata.associated_conversations.get_or_insert_default();
    if !all.contains(other) {
        all.push(other.clone());
    }
}

fn somebody_leaves(state: &State) -> Leaving {
    let leaves = |status: &Status| *status == Status::Disconnecting;
    Leaving {
        party: state.participants.iter().any(|p| leaves(&p.status.value)),
        system: state.systems().iter().any(|s| s.status.as_ref().is_some_and(|status| leaves(&status.value))),
    }
}

/// From the second state on an inbound caller shows the outcome of the contact look-up; there are no contacts
/// yet, so none matches (spec/call-events.md, participant types).
fn look_up_contacts(situation: &mut Situation) {
    for participant in &mut situation.participants {
        if let wire::call_events::ParticipantType::PhoneNumber(party) = &mut participant.kind
            && party.caller.is_some()
        {
            party.contact.get_or_insert_with(|| {
                Extra::from_iter([("notAddedReason".to_owned(), serde_json::Value::from("NO_CONTACT"))])
            });
        }
    }
}
