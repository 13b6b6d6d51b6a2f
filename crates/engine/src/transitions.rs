//! What each command makes of a situation: pure functions, one per command.
//!
//! They get the situation without those whose leaving was shown already, and give the next one or two.

use wire::Extra;
use wire::call_events::{
    DialPlan, DialPlanNode, Participant, ParticipantType, PhoneNumberParty, PreviousNode, Status, System,
    SystemType,
};

use crate::ids::CallIds;
use crate::situation::Situation;
use crate::{Command, CommandError, CompanyNumber, PlanNode, Target, Who, limits, moves, recording, systems};

pub(crate) type Next = Result<Vec<Situation>, CommandError>;

/// Result that a dial plan's last node gets when the call is hung up in it.
pub(crate) const NODE_COMPLETED: &str = "COMPLETED";

/// The state 1 that the command makes of a call that has not started.
pub(crate) fn start(ids: &CallIds, command: &Command) -> Next {
    let kind = match command {
        Command::StartInbound { number, caller } => {
            ParticipantType::PhoneNumber(PhoneNumberParty { caller: Some(caller.clone()), ..outside(number) })
        }
        Command::StartOutbound { line, .. } => ParticipantType::Line(line.clone()),
        _ => return Err(CommandError::NotStarted),
    };
    let caller = newcomer(ids, (1, 0), &ids.participant(1, 0), kind);
    Ok(vec![Situation { participants: vec![caller], systems: Vec::new() }])
}

/// The states that the command makes of a call under way. Sequence number and timestamp are those of the
/// next state; `leaving` tells who was shown leaving by the last state.
pub(crate) fn next(
    ids: &CallIds,
    (sequence_number, timestamp): (u64, &str),
    now: Situation,
    leaving: Leaving,
    command: &Command,
) -> Next {
    match command {
        Command::EnterQueue { .. }
        | Command::LeaveQueue
        | Command::EnterVoicemail { .. }
        | Command::EndVoicemail { .. } => systems::next(ids, sequence_number, now, command),
        Command::Invite { .. }
        | Command::Hold { .. }
        | Command::Resume { .. }
        | Command::Park { .. }
        | Command::TakeOver { .. }
        | Command::Transfer { .. }
        | Command::WarmTransfer { .. }
        | Command::HandOver { .. }
        | Command::MoveAway => moves::next(ids, sequence_number, now, command),
        Command::Record { who } => recording::record(now, who, ids.recording(sequence_number), timestamp),
        Command::StartInbound { .. } | Command::StartOutbound { .. } => Err(CommandError::AlreadyStarted),
        Command::Ring { targets } => ring(ids, sequence_number, now, targets),
        Command::EnterPlan { dial_plan_id, start_node_id, node } => {
            let previous_node = PreviousNode { id: start_node_id.clone(), ..PreviousNode::default() };
            let plan = DialPlan {
                dial_plan_id: dial_plan_id.clone(),
                execution_id: ids.execution(sequence_number),
                current_node: current(node),
                previous_node,
                extra: Extra::new(),
            };
            enter_plan(ids.system(sequence_number), now, plan)
        }
        Command::NodeResult { result } => node_result(now, result),
        Command::NextNode { connector, node } => next_node(now, connector, node),
        Command::EndPlan { result } => end_plan(now, result),
        Command::Answer { who } => answer(now, who),
        Command::StopRinging => stop_ringing(now),
        Command::HangUp { who } => hang_up(now, who, leaving),
        Command::Proceed => proceed(now, leaving),
        Command::Truncate => Ok(truncate(now)),
    }
}

fn ring(ids: &CallIds, sequence_number: u64, mut now: Situation, targets: &[Target]) -> Next {
    let Some(caller) = now.caller().filter(|_| now.caller_waits()) else {
        return Err(if targets.is_empty() {
            CommandError::NobodyToRing
        } else {
            CommandError::CallerNotWaiting
        });
    };
    let caller_id = now.participants[caller].id.clone();
    add_ringing(ids, sequence_number, &mut now, &caller_id, targets)?;
    Ok(vec![now])
}

/// The targets ring, brought in by the one with this id.
pub(crate) fn add_ringing(
    ids: &CallIds,
    sequence_number: u64,
    now: &mut Situation,
    originator: &str,
    targets: &[Target],
) -> Result<(), CommandError> {
    if targets.is_empty() {
        return Err(CommandError::NobodyToRing);
    }
    if now.participants.len().saturating_add(targets.len()) > limits::LEGS_MAX {
        return Err(CommandError::TooManyLegs);
    }
    for (index, target) in targets.iter().enumerate() {
        let kind = match target {
            Target::Line(line) if now.find(&Who::Device(line.device_id.clone())).is_some() => {
                return Err(CommandError::AlreadyInCall);
            }
            Target::Line(line) => ParticipantType::Line(line.clone()),
            Target::Number { number, callee } => ParticipantType::PhoneNumber(PhoneNumberParty {
                callee: Some(callee.clone()),
                ..outside(number)
            }),
        };
        now.participants.push(newcomer(ids, (sequence_number, index), originator, kind));
    }
    Ok(())
}

fn enter_plan(system_id: String, mut now: Situation, plan: DialPlan) -> Next {
    let Some(caller) = now.caller().filter(|_| now.caller_waits()) else {
        return Err(CommandError::CallerNotWaiting);
    };
    if !now.systems.is_empty() || now.participants.len() > 1 {
        return Err(CommandError::Occupied);
    }
    now.participants[caller].status = Status::InInteractiveVoiceResponse.into();
    now.systems.push(System {
        id: system_id,
        originator: now.participants[caller].id.clone(),
        status: Some(Status::Connected.into()),
        kind: SystemType::DialPlan(plan),
        extra: Extra::new(),
    });
    Ok(vec![now])
}

fn node_result(mut now: Situation, result: &str) -> Next {
    let plan = plan_mut(&mut now)?;
    if plan.current_node.result.is_some() {
        return Err(CommandError::NodeDone);
    }
    plan.current_node.result = Some(result.to_owned());
    Ok(vec![now])
}

fn next_node(mut now: Situation, connector: &str, node: &PlanNode) -> Next {
    go_on(&mut now, connector, node)?;
    Ok(vec![now])
}

/// The plan's next node is its current one.
pub(crate) fn go_on(now: &mut Situation, connector: &str, node: &PlanNode) -> Result<(), CommandError> {
    let rings = now.somebody_rings();
    let waits = now.caller_waits();
    let below = now.systems.len() > 1;
    let plan = plan_mut(now)?;
    if !waits {
        return Err(CommandError::CallerNotWaiting);
    }
    if rings || below {
        return Err(CommandError::Occupied);
    }
    let left = std::mem::replace(&mut plan.current_node, current(node));
    plan.previous_node =
        PreviousNode { id: left.id, connector: connector.to_owned(), ..PreviousNode::default() };
    Ok(())
}

fn end_plan(mut now: Situation, result: &str) -> Next {
    plan_mut(&mut now)?;
    now.finish_node(result);
    now.disconnect_systems();
    Ok(vec![now])
}

/// A caller who rings is CONNECTED in a state of its own before the one who answers is, with the same timestamp
/// (spec/call-events.md, Sequences: states 3 and 4).
fn answer(mut now: Situation, who: &Who) -> Next {
    let index = now.find(who).ok_or(CommandError::NoSuchParty)?;
    let caller = now.caller().ok_or(CommandError::CallerNotWaiting)?;
    if index == caller || now.participants[index].status.value != Status::Ringing {
        return Err(CommandError::NotRinging);
    }
    let mut states = Vec::new();
    let caller_rang = now.caller_status() == Some(&Status::Ringing);
    if now.caller_waits() {
        now.participants[caller].status = Status::Connected.into();
    }
    if caller_rang {
        states.push(now.clone());
    }
    for (other, participant) in now.participants.iter_mut().enumerate() {
        if other == index {
            participant.status = Status::Connected.into();
        } else if participant.status.value == Status::Ringing {
            participant.status = Status::Disconnecting.into();
        }
    }
    states.push(now);
    Ok(states)
}

/// All who ring leave in one state (spec/call-events.md: as before a captured voicemail).
fn stop_ringing(mut now: Situation) -> Next {
    if !now.somebody_rings() {
        return Err(CommandError::NotRinging);
    }
    let caller = now.caller();
    for (index, participant) in now.participants.iter_mut().enumerate() {
        if Some(index) != caller && participant.status.value == Status::Ringing {
            participant.status = Status::Disconnecting.into();
        }
    }
    Ok(vec![now])
}

/// The system that has the caller goes before the parties, in a state of its own; what lies below it in the stack
/// goes with the first party, as captured with a queue in a dial plan (spec/call-events.md, Sequences).
fn hang_up(mut now: Situation, who: &Who, leaving: Leaving) -> Next {
    let index = now.find(who).ok_or(CommandError::NoSuchParty)?;
    let mut states = Vec::new();
    let mut without = now.clone();
    without.participants.remove(index);
    if !without.is_alive() && !now.systems.is_empty() {
        if !leaving.system {
            let mut closing = now.clone();
            closing.disconnect_innermost(NODE_COMPLETED);
            states.push(closing);
            now.systems.pop();
        }
        now.finish_node(NODE_COMPLETED);
        now.disconnect_systems();
    }
    now.participants[index].status = Status::Disconnecting.into();
    states.push(now);
    Ok(states)
}

fn proceed(mut now: Situation, leaving: Leaving) -> Next {
    if !leaving.party && !leaving.system {
        return Err(CommandError::NothingToDo);
    }
    if !now.is_alive() {
        now.disconnect_all();
    }
    Ok(vec![now])
}

/// Legs that were leaving are gone; all others leave in one state; then the end.
fn truncate(mut now: Situation) -> Vec<Situation> {
    let mut states = Vec::new();
    if !now.participants.is_empty() {
        now.disconnect_all();
        states.push(now);
    }
    states.push(Situation::empty());
    states
}

fn plan_mut(now: &mut Situation) -> Result<&mut DialPlan, CommandError> {
    let index = now.plan().ok_or(CommandError::NoPlan)?;
    match &mut now.systems[index].kind {
        SystemType::DialPlan(plan) => Ok(plan),
        _ => Err(CommandError::NoPlan),
    }
}

pub(crate) fn current(node: &PlanNode) -> DialPlanNode {
    DialPlanNode { id: node.id.clone(), kind: node.kind.clone(), ..DialPlanNode::default() }
}

fn outside(number: &CompanyNumber) -> PhoneNumberParty {
    PhoneNumberParty {
        phone_number_id: number.id.clone(),
        number: number.number.clone(),
        name: Some(number.name.clone()),
        call_provider: Some("PSTN".to_owned()),
        ..PhoneNumberParty::default()
    }
}

/// Who the last state showed leaving.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving {
    pub(crate) party: bool,
    pub(crate) system: bool,
}

pub(crate) fn newcomer(
    ids: &CallIds,
    (sequence_number, index): (u64, usize),
    originator: &str,
    kind: ParticipantType,
) -> Participant {
    Participant {
        id: ids.participant(sequence_number, index),
        leg_id: ids.leg(sequence_number, index),
        originator: originator.to_owned(),
        status: Status::Ringing.into(),
        kind,
        recordings: None,
        extra: Extra::new(),
    }
}
