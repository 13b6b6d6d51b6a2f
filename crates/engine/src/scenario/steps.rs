//! The steps of one call's file as commands. The engine itself is run along, so a step that does not fit is named
//! when the script is written, and what follows by itself (who leaves is gone) need not be in the file.

use std::collections::HashMap;

use fastrand::Rng;
use jiff::Timestamp;
use wire::call_events::{LineParty, StateType, Status};

use super::cast::draw_line;
use super::format::{Role, StepLine, Verb, Which};
use super::parties::{Cast, lacks};
use super::script::draw;
use super::{Playback, Request, ScenarioError, Step};
use crate::command::{Command, Consultation, PlanExit, PlanNode, Target, Who};
use crate::office::{DialPlan, Office, Route};
use crate::transitions::NODE_COMPLETED;
use crate::{CommandError, Nonce};

/// Milliseconds at speed 1 of what follows by itself.
mod pace {
    use std::ops::RangeInclusive;

    /// Between one party leaving a call that goes on and its being gone.
    pub(super) const SETTLE_MS: u64 = 200;
    /// From the answer until the recording begins.
    pub(super) const RECORD_MS: u64 = 560;
    /// Between the end of a system and the party that hangs up; between a node's result and the next node.
    pub(super) const SYSTEM_END_MS: u64 = 40;
    /// Between the party that hangs up and the other.
    pub(super) const FOLLOW_MS: RangeInclusive<u64> = 40..=180;
    /// Between the last party and the end.
    pub(super) const END_MS: RangeInclusive<u64> = 40..=60;
    /// Of an attended transfer: until the line has left the consultation, until that ends, until the other one is in
    /// the caller's call (as in the example of the specification).
    pub(super) const HAND_OVER_MS: [u64; 3] = [20, 140, 30];
}

/// Until when a line has a part in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InCall {
    pub line_id: String,
    /// Milliseconds at speed 1 from the beginning.
    pub until_ms: u64,
}

/// Writes the steps of one call, and of its consultation if there is one.
pub(super) struct Writer<'a> {
    office: &'a Office,
    request: &'a Request,
    cast: Cast,
    rng: &'a mut Rng,
    /// Number of the script's call that this one is; the consultation has the next one.
    first: usize,
    steps: Vec<Step>,
    playback: Playback,
    now: Timestamp,
    /// Milliseconds from the call's first step to the latest one.
    written_ms: u64,
    in_call: Vec<InCall>,
    /// Who took the call, by role.
    answered: HashMap<Role, Who>,
    colleagues: HashMap<Role, Vec<LineParty>>,
    /// The latest one to answer.
    talker: Option<Who>,
    /// Lines whose dial plan has been passed up to here.
    nodes_passed: usize,
    /// Milliseconds that the next step of the file begins earlier, since the recording took them.
    borrowed_ms: u64,
    recorded: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        office: &'a Office,
        request: &'a Request,
        cast: Cast,
        rng: &'a mut Rng,
        first: usize,
    ) -> Self {
        Self {
            office,
            request,
            cast,
            rng,
            first,
            steps: Vec::new(),
            playback: Playback::new(Nonce(0), ""),
            now: Timestamp::UNIX_EPOCH,
            written_ms: 0,
            in_call: Vec::new(),
            answered: HashMap::new(),
            colleagues: HashMap::new(),
            talker: None,
            nodes_passed: 0,
            borrowed_ms: 0,
            recorded: false,
        }
    }

    /// The steps of these lines of a file, and which telephones they keep busy.
    pub(super) fn write(mut self, lines: &[StepLine]) -> Result<(Vec<Step>, Vec<InCall>), ScenarioError> {
        let start = Step { after_ms: 0, call: 0, command: self.cast.start.clone(), linked: None };
        self.do_step(start).map_err(|error: CommandError| self.misfit(0, &error.to_string()))?;
        for (place, line) in lines.iter().enumerate() {
            self.line(line).map_err(|why| match why {
                Refusal::Office(error) => error,
                Refusal::Step(why) => self.misfit(place + 1, &why),
            })?;
        }
        if !self.playback.is_ended() {
            return Err(ScenarioError::NoEnd { scenario: self.request.scenario.name().to_owned() });
        }
        let first = self.first;
        let moved = self.steps.into_iter().map(|step| Step {
            call: step.call + first,
            linked: step.linked.map(|call| call + first),
            ..step
        });
        Ok((moved.collect(), self.in_call))
    }

    fn misfit(&self, step: usize, why: &str) -> ScenarioError {
        let scenario = self.request.scenario.name().to_owned();
        ScenarioError::StepDoesNotFit { scenario, step, why: why.to_owned() }
    }

    fn line(&mut self, line: &StepLine) -> Result<(), Refusal> {
        let after_ms = draw(line.after, self.rng).saturating_sub(std::mem::take(&mut self.borrowed_ms));
        let call = usize::from(line.call == Which::Consultation);
        match line.verb {
            Verb::Ring => {
                let targets = self.targets(line.who.unwrap_or(Role::Called))?;
                self.push(after_ms, call, Command::Ring { targets })
            }
            Verb::StopRinging => self.push(after_ms, call, Command::StopRinging),
            Verb::Answer => self.answer(after_ms, call, line.who.unwrap_or(Role::Called)),
            Verb::Plan => self.pass_plan(after_ms, line.until.as_deref()),
            Verb::Queue => self.queue(after_ms),
            Verb::Voicemail => self.voicemail(after_ms, line.who.unwrap_or(Role::Called)),
            Verb::LeaveMessage => {
                let message = line.message.ok_or("say how long the `message` is, such as 20s")?;
                let message_ms = Some(draw(message, self.rng));
                self.push(after_ms, call, Command::EndVoicemail { message_ms })
            }
            Verb::LeaveNoMessage => self.push(after_ms, call, Command::EndVoicemail { message_ms: None }),
            Verb::Hold => {
                let who = self.other(line.who)?;
                self.push(after_ms, call, Command::Hold { who })
            }
            Verb::Resume => {
                let who = self.other(line.who)?;
                self.push(after_ms, call, Command::Resume { who })
            }
            Verb::Park => {
                let by = self.who(line.who.unwrap_or(Role::Called))?;
                self.push(after_ms, call, Command::Park { by, spot: PARKING_SPOT.to_owned() })?;
                self.follow(call)
            }
            Verb::PickUp => {
                let role = line.who.unwrap_or(Role::Colleague);
                let leg = self.legs(role)?.remove(0);
                self.took(role, Who::Device(leg.device_id.clone()));
                self.push(after_ms, call, Command::TakeOver { line: leg })
            }
            Verb::Transfer => {
                let by = self.who(line.who.unwrap_or(Role::Called))?;
                let destination = self.legs(line.to.unwrap_or(Role::Colleague))?.remove(0).extension_number;
                self.push(after_ms, call, Command::Transfer { by, destination })
            }
            Verb::Invite => {
                let by = self.who(line.who.unwrap_or(Role::Called))?;
                let targets = self.targets(line.to.unwrap_or(Role::Colleague))?;
                self.push(after_ms, call, Command::Invite { by, targets })
            }
            Verb::Consult => self.consult(after_ms, line),
            Verb::CompleteTransfer => self.complete_transfer(after_ms, line),
            Verb::HangUp => self.hang_up(after_ms, call, line.who.unwrap_or(Role::Either)),
        }
    }
}

/// [inferred] How a parking spot is named.
const PARKING_SPOT: &str = "701";

/// Why a line of the file does not fit.
enum Refusal {
    Office(ScenarioError),
    Step(String),
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        Self::Step(why.to_owned())
    }
}

/// What each step does to the script.
impl Writer<'_> {
    fn push(&mut self, after_ms: u64, call: usize, command: Command) -> Result<(), Refusal> {
        self.push_linked(after_ms, call, command, None)
    }

    fn push_linked(
        &mut self,
        after_ms: u64,
        call: usize,
        command: Command,
        linked: Option<usize>,
    ) -> Result<(), Refusal> {
        let step = Step { after_ms, call, command, linked };
        self.do_step(step).map_err(|error| Refusal::Step(error.to_string()))
    }

    fn do_step(&mut self, step: Step) -> Result<(), CommandError> {
        let states = self.playback.apply(self.now, &step)?;
        self.written_ms += step.after_ms;
        for participant in states.iter().flat_map(|event| &event.state.participants) {
            let Some(line) = participant.kind.as_line() else { continue };
            match self.in_call.iter_mut().find(|known| known.line_id == line.line_id) {
                Some(known) => known.until_ms = self.written_ms,
                None => {
                    let line_id = line.line_id.clone();
                    self.in_call.push(InCall { line_id, until_ms: self.written_ms });
                }
            }
        }
        self.steps.push(step);
        Ok(())
    }

    /// True when the call can take this command now.
    fn would_fit(&self, call: usize, command: Command) -> bool {
        let step = Step { after_ms: 0, call, command, linked: None };
        self.playback.clone().apply(self.now, &step).is_ok()
    }

    fn dies(&self, call: usize) -> bool {
        let step = Step { after_ms: 0, call, command: Command::Proceed, linked: None };
        let next = self.playback.clone().apply(self.now, &step).unwrap_or_default();
        next.iter().any(|event| {
            event.state.kind == StateType::Ending
                || event.state.participants.iter().any(|p| p.status.value == Status::Disconnecting)
        })
    }

    /// What follows by itself: who leaves is gone; a call that cannot go on ends.
    fn follow(&mut self, call: usize) -> Result<(), Refusal> {
        if !self.dies(call) {
            if self.would_fit(call, Command::Proceed) {
                self.push(pace::SETTLE_MS, call, Command::Proceed)?;
            }
            return Ok(());
        }
        while self.would_fit(call, Command::Proceed) {
            let last = !self.playback.clone().call(call).is_some_and(more_than_leavers);
            let range = if last { pace::END_MS } else { pace::FOLLOW_MS };
            let after_ms = self.rng.u64(range);
            self.push(after_ms, call, Command::Proceed)?;
        }
        Ok(())
    }

    fn answer(&mut self, after_ms: u64, call: usize, role: Role) -> Result<(), Refusal> {
        let who = if role == Role::Called && self.cast.number.is_some() {
            Who::Callee
        } else {
            let legs = self.legs(role)?;
            let leg = self.rng.choice(legs).ok_or("nobody rings there")?;
            Who::Device(leg.device_id)
        };
        self.took(role, who.clone());
        self.push(after_ms, call, Command::Answer { who: who.clone() })?;
        self.follow(call)?;
        let wanted = self.request.record || self.request.scenario.is_recorded();
        if wanted && !self.recorded && call == 0 {
            self.recorded = true;
            let who = if self.cast.number.is_some() { Who::Caller } else { who };
            self.push(pace::RECORD_MS, call, Command::Record { who })?;
            self.borrowed_ms = pace::RECORD_MS;
        }
        Ok(())
    }

    fn took(&mut self, role: Role, who: Who) {
        self.answered.insert(role, who.clone());
        if matches!(role, Role::First | Role::Second) {
            self.answered.insert(Role::Called, who.clone());
        }
        self.talker = Some(who);
    }

    /// The caller passes the nodes of the plan, each as long as the office says, up to one of this kind. The queue's
    /// own node begins when the caller joins the queue.
    fn pass_plan(&mut self, mut after_ms: u64, until: Option<&str>) -> Result<(), Refusal> {
        let plan = self.plan().ok_or("this call meets no dial plan")?;
        let before_queue = plan.nodes.len() - usize::from(matches!(plan.then, Route::Queue(_)));
        for (place, node) in plan.nodes[..before_queue].iter().enumerate() {
            let entered = PlanNode { id: node.id.clone(), kind: node.kind.clone() };
            let command = match place.checked_sub(1).map(|before| &plan.nodes[before]) {
                None => Command::EnterPlan {
                    dial_plan_id: plan.id.clone(),
                    start_node_id: plan.start_node_id.clone(),
                    node: entered,
                },
                Some(left) => Command::NextNode { connector: left.connector.clone(), node: entered },
            };
            self.push(after_ms, 0, command)?;
            self.nodes_passed = place + 1;
            if until == Some(node.kind.as_str()) {
                return Ok(());
            }
            after_ms = self.vary(node.after_ms);
            if let Some(result) = &node.result {
                self.push(after_ms, 0, Command::NodeResult { result: result.clone() })?;
                after_ms = pace::SYSTEM_END_MS;
            }
        }
        match until {
            Some(kind) => Err(Refusal::Step(format!("the dial plan has no node of type {kind}"))),
            None => Ok(()),
        }
    }

    fn plan(&self) -> Option<DialPlan> {
        match &self.cast.route {
            Some(Route::DialPlan(id)) => {
                self.office.dial_plan(id).filter(|plan| !plan.nodes.is_empty()).cloned()
            }
            _ => None,
        }
    }

    fn queue(&mut self, after_ms: u64) -> Result<(), Refusal> {
        let plan = self.plan().ok_or("this call meets no dial plan that leads to a queue")?;
        let Route::Queue(id) = &plan.then else { return Err("the dial plan leads to no queue".into()) };
        let queue = self.office.queue(id).ok_or("the dial plan's queue is not there")?.as_wire();
        let exit = self.nodes_passed.checked_sub(1).and_then(|last| {
            let next = plan.nodes.get(self.nodes_passed)?;
            let node = PlanNode { id: next.id.clone(), kind: next.kind.clone() };
            Some(PlanExit { connector: plan.nodes[last].connector.clone(), node })
        });
        self.push(after_ms, 0, Command::EnterQueue { queue, exit })
    }

    fn voicemail(&mut self, after_ms: u64, role: Role) -> Result<(), Refusal> {
        let leg = self.legs(role)?.remove(0);
        let line = self.office.line(&leg.line_id).ok_or("voicemail is of a line")?;
        let (mailbox_id, extension) = (line.voicemail_box_id(), line.extension.clone());
        self.push(after_ms, 0, Command::EnterVoicemail { mailbox_id, extension })
    }

    /// The line calls somebody else: the consultation is the script's second call.
    fn consult(&mut self, after_ms: u64, line: &StepLine) -> Result<(), Refusal> {
        let by = self.who(line.who.unwrap_or(Role::Called))?;
        let leg = self.leg_of(&by)?;
        let dial_string = self.legs(line.to.unwrap_or(Role::Colleague))?.remove(0).extension_number;
        self.push(after_ms, 1, Command::StartOutbound { line: leg, dial_string })
    }

    fn complete_transfer(&mut self, after_ms: u64, line: &StepLine) -> Result<(), Refusal> {
        let by = self.who(line.who.unwrap_or(Role::Called))?;
        let role = line.to.unwrap_or(Role::Colleague);
        let destination = self.who(role)?;
        let leg = self.leg_of(&destination)?;
        let consultation = Consultation::default();
        self.push_linked(after_ms, 0, Command::WarmTransfer { by: by.clone(), consultation }, Some(1))?;
        let [leave_ms, end_ms, join_ms] = pace::HAND_OVER_MS;
        self.push_linked(leave_ms, 1, Command::HandOver { by, into: String::new() }, Some(0))?;
        self.push(end_ms, 1, Command::MoveAway)?;
        self.took(role, destination);
        self.push(join_ms, 0, Command::TakeOver { line: leg })
    }

    /// A system that has the caller ends a moment before the party who ends the call.
    fn hang_up(&mut self, mut after_ms: u64, call: usize, role: Role) -> Result<(), Refusal> {
        let role = match role {
            Role::Either if self.rng.bool() => Role::Caller,
            Role::Either => Role::Called,
            role => role,
        };
        let who = match role {
            Role::Called => self.talker.clone().ok_or("nobody has answered")?,
            role => self.who(role)?,
        };
        let mut probe = self.playback.clone();
        let leave = Step { after_ms: 0, call, command: Command::HangUp { who: who.clone() }, linked: None };
        let states = probe.apply(self.now, &leave).map_err(|error| Refusal::Step(error.to_string()))?;
        if states.len() > 1 {
            let queue = self.would_fit(call, Command::LeaveQueue);
            let end = Command::EndPlan { result: NODE_COMPLETED.to_owned() };
            if queue {
                self.push(after_ms, call, Command::LeaveQueue)?;
                after_ms = pace::SYSTEM_END_MS;
            } else if self.would_fit(call, end.clone()) {
                self.push(after_ms, call, end)?;
                after_ms = pace::SYSTEM_END_MS;
            }
        }
        self.push(after_ms, call, Command::HangUp { who })?;
        self.follow(call)
    }

    fn targets(&mut self, role: Role) -> Result<Vec<Target>, Refusal> {
        if let Some(number) = self.cast.number.clone().filter(|_| role == Role::Called) {
            return Ok(vec![number]);
        }
        Ok(self.legs(role)?.into_iter().map(Target::Line).collect())
    }

    /// The legs of a role: at least one.
    fn legs(&mut self, role: Role) -> Result<Vec<LineParty>, Refusal> {
        let nobody = || Refusal::Office(lacks("telephone there", self.request));
        let legs = match role {
            Role::Called => self.cast.members.concat(),
            Role::First => self.cast.members.first().cloned().ok_or_else(nobody)?,
            Role::Second => self.cast.members.get(1).cloned().ok_or_else(nobody)?,
            Role::Colleague | Role::AnotherColleague => self.colleague(role)?,
            Role::Caller | Role::Either => return Err("name a line: called, first, second, colleague".into()),
        };
        if legs.is_empty() { Err(nobody()) } else { Ok(legs) }
    }

    fn colleague(&mut self, role: Role) -> Result<Vec<LineParty>, Refusal> {
        if let Some(known) = self.colleagues.get(&role) {
            return Ok(known.clone());
        }
        let line = draw_line(self.office, &self.cast.lines, &self.request.busy, self.rng)
            .ok_or_else(|| Refusal::Office(lacks("further line", self.request)))?;
        self.cast.lines.push(line.id.clone());
        self.colleagues.insert(role, line.legs());
        Ok(line.legs())
    }

    fn who(&mut self, role: Role) -> Result<Who, Refusal> {
        match role {
            Role::Caller => Ok(Who::Caller),
            Role::Either => Err("only `hang-up` knows who = \"either\"".into()),
            role => match self.answered.get(&role) {
                Some(who) => Ok(who.clone()),
                None => Ok(Who::Device(self.legs(role)?.remove(0).device_id)),
            },
        }
    }

    /// Who hears the music when this one holds.
    fn other(&mut self, role: Option<Role>) -> Result<Who, Refusal> {
        match role.unwrap_or(Role::Called) {
            Role::Caller => self.talker.clone().ok_or_else(|| "nobody has answered".into()),
            _ => Ok(Who::Caller),
        }
    }

    fn leg_of(&self, who: &Who) -> Result<LineParty, Refusal> {
        let Who::Device(id) = who else { return Err("only a line can do this".into()) };
        let legs = self.office.lines.iter().flat_map(crate::Line::legs);
        legs.into_iter().find(|leg| leg.device_id == *id).ok_or_else(|| "no such telephone".into())
    }

    /// A fifth more or less.
    fn vary(&mut self, usual_ms: u64) -> u64 {
        let fifth_ms = usual_ms / 5;
        self.rng.u64(usual_ms - fifth_ms..=usual_ms.saturating_add(fifth_ms))
    }
}

fn more_than_leavers(call: &crate::Call) -> bool {
    let last = call.last().map(|last| last.state.participants.as_slice()).unwrap_or_default();
    last.iter().any(|p| p.status.value != Status::Disconnecting)
}
