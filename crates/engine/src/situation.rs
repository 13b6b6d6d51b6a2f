//! Who is in a call at one moment: the part of a state that decides what can come next.
//!
//! A situation is read from the last state and from nothing else. That is why a call can be resumed after a
//! crash from its last state in the log.

use wire::call_events::{Participant, State, StateType, Status, System, SystemType};

use crate::Who;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Situation {
    pub(crate) participants: Vec<Participant>,
    pub(crate) systems: Vec<System>,
}

impl Situation {
    pub(crate) fn empty() -> Self {
        Self { participants: Vec::new(), systems: Vec::new() }
    }

    /// Who is still there after this state: a leg or system that leaves appears once as DISCONNECTING and is
    /// missing from the next state (spec/call-events.md, Rules a server should keep).
    pub(crate) fn after(state: &State) -> Self {
        Self { participants: state.participants.clone(), systems: state.systems().to_vec() }.settled()
    }

    /// The same without those who are DISCONNECTING.
    pub(crate) fn settled(&self) -> Self {
        let stays = |status: &Status| *status != Status::Disconnecting;
        Self {
            participants: self.participants.iter().filter(|p| stays(&p.status.value)).cloned().collect(),
            systems: self
                .systems
                .iter()
                .filter(|system| system.status.as_ref().is_some_and(|status| stays(&status.value)))
                .cloned()
                .collect(),
        }
    }

    /// STARTING until anybody or any system answers; every state with a DISCONNECTING party is ACTIVE; ENDING
    /// when nobody is left (spec/call-events.md, state).
    pub(crate) fn state_type(&self, before: Option<&StateType>) -> StateType {
        let quiet =
            self.systems.is_empty() && self.participants.iter().all(|p| p.status.value == Status::Ringing);
        if self.participants.is_empty() {
            StateType::Ending
        } else if quiet && before.is_none_or(|kind| *kind == StateType::Starting) {
            StateType::Starting
        } else {
            StateType::Active
        }
    }

    /// Index of the one who started the call: its own originator.
    pub(crate) fn caller(&self) -> Option<usize> {
        self.participants.iter().position(|p| p.originator == p.id)
    }

    pub(crate) fn caller_status(&self) -> Option<&Status> {
        self.caller().map(|index| &self.participants[index].status.value)
    }

    pub(crate) fn find(&self, who: &Who) -> Option<usize> {
        match who {
            Who::Caller => self.caller(),
            Who::Callee => self.participants.iter().position(|p| p.originator != p.id),
            Who::Device(id) => self
                .participants
                .iter()
                .position(|p| p.kind.as_line().is_some_and(|line| line.device_id == *id)),
            Who::Participant(id) => self.participants.iter().position(|p| p.id == *id),
        }
    }

    /// Index of the dial plan that has the call.
    pub(crate) fn plan(&self) -> Option<usize> {
        self.systems.iter().position(|system| matches!(system.kind, SystemType::DialPlan(_)))
    }

    /// True when somebody other than the caller rings.
    pub(crate) fn somebody_rings(&self) -> bool {
        let caller = self.caller();
        self.participants
            .iter()
            .enumerate()
            .any(|(index, p)| Some(index) != caller && p.status.value == Status::Ringing)
    }

    /// True when the caller waits for somebody to answer: rings, is with an automatic system, or is sent on.
    pub(crate) fn caller_waits(&self) -> bool {
        matches!(
            self.caller_status(),
            Some(Status::Ringing | Status::InInteractiveVoiceResponse | Status::InDirectTransfer)
        )
    }

    /// Index of the one who waits for another call's party or for somebody who picks the call up.
    pub(crate) fn waits_elsewhere(&self) -> Option<usize> {
        self.participants
            .iter()
            .position(|p| matches!(p.status.value, Status::Parked | Status::InWarmTransfer))
    }

    /// True when the call can go on by itself: two parties talk, or the caller waits for one who rings or for a
    /// system, is parked or transferred. A system alone does not hold a caller whose talk is over.
    pub(crate) fn is_alive(&self) -> bool {
        let talking = self.participants.iter().filter(|p| is_talking(&p.status.value)).count();
        let in_system = matches!(self.caller_status(), Some(Status::InInteractiveVoiceResponse));
        let moves = |p: &Participant| {
            matches!(p.status.value, Status::Parked | Status::InDirectTransfer | Status::InWarmTransfer)
        };
        talking >= 2
            || self.participants.iter().any(moves)
            || (self.caller().is_some() && self.somebody_rings())
            || (in_system && !self.systems.is_empty())
    }

    pub(crate) fn disconnect_all(&mut self) {
        for participant in &mut self.participants {
            participant.status = Status::Disconnecting.into();
        }
        self.disconnect_systems();
    }

    pub(crate) fn disconnect_systems(&mut self) {
        for system in &mut self.systems {
            system.status = Some(Status::Disconnecting.into());
        }
    }

    /// The system that has the caller now goes; those below stay. A dial plan's node gets the result.
    pub(crate) fn disconnect_innermost(&mut self, result: &str) {
        if self.systems.len() == 1 {
            self.finish_node(result);
        }
        if let Some(system) = self.systems.last_mut() {
            system.status = Some(Status::Disconnecting.into());
        }
    }

    /// The dial plan's node gets a result, if it has none.
    pub(crate) fn finish_node(&mut self, result: &str) {
        for system in &mut self.systems {
            if let SystemType::DialPlan(plan) = &mut system.kind {
                plan.current_node.result.get_or_insert_with(|| result.to_owned());
            }
        }
    }
}

/// Whether a party with this status has been through to somebody: talking now, or held, parked or moved.
pub(crate) fn is_talking(status: &Status) -> bool {
    !matches!(status, Status::Ringing | Status::Disconnecting | Status::InInteractiveVoiceResponse)
}
