//! A scenario written out: commands with the time between them. A pure function of office and request.

use fastrand::Rng;
use wire::Party;
use wire::call_events::LineParty;

use crate::command::{Command, PlanNode, Target, Who};
use crate::office::{CompanyNumber, DialPlan, Node, Office, Route};
use crate::scenario::{
    Request, Scenario, ScenarioError, arrival, called_extension, caller, calling_line, digits,
};
use crate::transitions::NODE_COMPLETED;

/// Milliseconds at speed 1; the seed varies those of people by a fifth either way.
mod pace {
    /// From the first state until somebody rings.
    pub(super) const ROUTE_MS: u64 = 600;
    /// How long a phone rings before it is answered.
    pub(super) const RING_MS: u64 = 4_000;
    /// How long a caller waits in vain.
    pub(super) const PATIENCE_MS: u64 = 6_000;
    pub(super) const TALK_MS: u64 = 10_000;
    /// Between one phone of a group answering and the others being gone.
    pub(super) const SETTLE_MS: u64 = 200;
    /// From the answer until the recording begins.
    pub(super) const RECORD_MS: u64 = 560;
    /// Between the end of the dial plan and the party that hangs up.
    pub(super) const PLAN_END_MS: u64 = 40;
    /// Between the party that hangs up and the other.
    pub(super) const FOLLOW_MS: std::ops::RangeInclusive<u64> = 40..=180;
    /// Between the last party and the end.
    pub(super) const END_MS: u64 = 50;
}

/// A call to be played.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    pub scenario: Scenario,
    /// In order; the last one ends the call.
    pub steps: Vec<Step>,
}

/// One command, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Milliseconds at speed 1 since the previous step, or since the beginning.
    pub after_ms: u64,
    pub command: Command,
}

impl Script {
    /// Milliseconds at speed 1 from the first step to the last.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.steps.iter().map(|step| step.after_ms).sum()
    }
}

/// Writes out the call that the request asks for. The same office and request give the same script.
///
/// # Errors
/// When `from` or `to` fits nothing in the office; the error lists what would.
pub fn script(office: &Office, request: &Request) -> Result<Script, ScenarioError> {
    let mut writer = Writer { rng: Rng::with_seed(request.seed), steps: Vec::new() };
    match request.scenario {
        Scenario::Outbound => writer.outbound(office, request)?,
        Scenario::Internal => writer.internal(office, request)?,
        _ => writer.inbound(office, request)?,
    }
    if request.record {
        writer.record(request.scenario);
    }
    Ok(Script { scenario: request.scenario, steps: writer.steps })
}

struct Writer {
    rng: Rng,
    steps: Vec<Step>,
}

impl Writer {
    fn inbound(&mut self, office: &Office, request: &Request) -> Result<(), ScenarioError> {
        let scenario = request.scenario;
        let caller = caller(office, request, &mut self.rng);
        let (number, route) = arrival(office, request, &mut self.rng)?;
        let legs = office.ringing(&route);
        self.then(0, Command::StartInbound { number, caller });
        let plan = match &route {
            Route::DialPlan(id) => office.dial_plan(id).filter(|plan| !plan.nodes.is_empty()),
            _ => None,
        };
        let ring_after_ms = match plan {
            Some(plan) => self.pass(plan),
            None => self.vary(pace::ROUTE_MS),
        };
        let answering = self.ring(scenario, ring_after_ms, &legs)?;
        if scenario == Scenario::Missed {
            let patience_ms = self.vary(pace::PATIENCE_MS);
            self.then(patience_ms, Command::HangUp { who: Who::Caller });
            self.tear_down();
            return Ok(());
        }
        self.answer(answering.clone(), legs.len());
        self.hang_up(answering, plan.is_some());
        Ok(())
    }

    fn outbound(&mut self, office: &Office, request: &Request) -> Result<(), ScenarioError> {
        let lacks = |missing| ScenarioError::OfficeLacks { missing, scenario: request.scenario };
        let line = calling_line(office, request, &mut self.rng)?;
        let leg = line.legs().into_iter().next().ok_or_else(|| lacks("telephone on that line"))?;
        let number: CompanyNumber = office.numbers.first().cloned().ok_or_else(|| lacks("number"))?;
        let drawn = self.rng.choice(&office.customers).map(|customer| customer.number.clone());
        let (dial_string, e164) = match (&request.to, drawn) {
            (Some(asked), _) => dialled(asked)?,
            (None, Some(customer)) => dialled(customer.strip_prefix("+1").unwrap_or(&customer))?,
            (None, None) => return Err(lacks("customer to call")),
        };
        self.then(0, Command::StartOutbound { line: leg, dial_string });
        let route_ms = self.vary(pace::ROUTE_MS);
        let callee = Party::new("", e164);
        self.then(route_ms, Command::Ring { targets: vec![Target::Number { number, callee }] });
        self.answer(Who::Callee, 1);
        self.hang_up(Who::Callee, false);
        Ok(())
    }

    fn internal(&mut self, office: &Office, request: &Request) -> Result<(), ScenarioError> {
        let lacks = |missing| ScenarioError::OfficeLacks { missing, scenario: request.scenario };
        let line = calling_line(office, request, &mut self.rng)?;
        let leg = line.legs().into_iter().next().ok_or_else(|| lacks("telephone on that line"))?;
        let (dial_string, route) = called_extension(office, request, line, &mut self.rng)?;
        // Who calls a group and belongs to it does not ring.
        let legs: Vec<LineParty> =
            office.ringing(&route).into_iter().filter(|other| other.line_id != leg.line_id).collect();
        self.then(0, Command::StartOutbound { line: leg, dial_string });
        let route_ms = self.vary(pace::ROUTE_MS);
        let answering = self.ring(request.scenario, route_ms, &legs)?;
        self.answer(answering.clone(), legs.len());
        self.hang_up(answering, false);
        Ok(())
    }

    /// The caller passes the nodes of the plan; returns how long the last one takes before anybody rings.
    fn pass(&mut self, plan: &DialPlan) -> u64 {
        let mut after_ms = self.vary(pace::ROUTE_MS);
        let mut previous: Option<&Node> = None;
        for node in &plan.nodes {
            let entered = PlanNode { id: node.id.clone(), kind: node.kind.clone() };
            let command = match previous {
                None => Command::EnterPlan {
                    dial_plan_id: plan.id.clone(),
                    start_node_id: plan.start_node_id.clone(),
                    node: entered,
                },
                Some(left) => Command::NextNode { connector: left.connector.clone(), node: entered },
            };
            self.then(after_ms, command);
            after_ms = self.vary(node.after_ms);
            if let Some(result) = &node.result {
                self.then(after_ms, Command::NodeResult { result: result.clone() });
                after_ms = self.vary(pace::PLAN_END_MS);
            }
            previous = Some(node);
        }
        after_ms
    }

    /// All legs ring; returns the one that will answer.
    fn ring(&mut self, scenario: Scenario, after_ms: u64, legs: &[LineParty]) -> Result<Who, ScenarioError> {
        let answering = self.rng.choice(legs).map(|leg| Who::Device(leg.device_id.clone()));
        let lacks = ScenarioError::OfficeLacks { missing: "telephone there", scenario };
        let targets = legs.iter().cloned().map(Target::Line).collect();
        self.then(after_ms, Command::Ring { targets });
        answering.ok_or(lacks)
    }

    fn answer(&mut self, who: Who, ringing: usize) {
        let ring_ms = self.vary(pace::RING_MS);
        self.then(ring_ms, Command::Answer { who });
        if ringing > 1 {
            self.then(pace::SETTLE_MS, Command::Proceed);
        }
    }

    /// After the talk, either side hangs up, as the seed decides.
    fn hang_up(&mut self, answering: Who, in_plan: bool) {
        let mut after_ms = self.vary(pace::TALK_MS);
        let who = if self.rng.bool() { Who::Caller } else { answering };
        if in_plan {
            self.then(after_ms, Command::EndPlan { result: NODE_COMPLETED.to_owned() });
            after_ms = pace::PLAN_END_MS;
        }
        self.then(after_ms, Command::HangUp { who });
        self.tear_down();
    }

    /// The line that talks is recorded soon after the answer; everything else keeps its time.
    fn record(&mut self, scenario: Scenario) {
        let answer = self.steps.iter().enumerate().find_map(|(place, step)| match &step.command {
            Command::Answer { who } => Some((place, who.clone())),
            _ => None,
        });
        let Some((mut place, answering)) = answer else { return };
        place += 1;
        while self.steps.get(place).is_some_and(|step| step.command == Command::Proceed) {
            place += 1;
        }
        let who = if scenario == Scenario::Outbound { Who::Caller } else { answering };
        if let Some(next) = self.steps.get_mut(place) {
            next.after_ms = next.after_ms.saturating_sub(pace::RECORD_MS);
        }
        self.steps.insert(place, Step { after_ms: pace::RECORD_MS, command: Command::Record { who } });
    }

    fn tear_down(&mut self) {
        let follow_ms = self.rng.u64(pace::FOLLOW_MS);
        self.then(follow_ms, Command::Proceed);
        let end_ms = self.vary(pace::END_MS);
        self.then(end_ms, Command::Proceed);
    }

    fn then(&mut self, after_ms: u64, command: Command) {
        self.steps.push(Step { after_ms, command });
    }

    /// A fifth more or less.
    fn vary(&mut self, usual_ms: u64) -> u64 {
        let fifth_ms = usual_ms / 5;
        self.rng.u64(usual_ms - fifth_ms..=usual_ms.saturating_add(fifth_ms))
    }
}

/// The digits as dialled and the number in E.164, as far as the plain forms tell: with a plus sign, or North
/// American with or without the 1. Anything else is shown as dialled.
fn dialled(asked: &str) -> Result<(String, String), ScenarioError> {
    let digits = digits(asked);
    if digits.is_empty() {
        return Err(ScenarioError::NotDiallable { asked: asked.to_owned() });
    }
    let international = asked.trim_start().starts_with('+');
    let e164 = match digits.len() {
        _ if international => format!("+{digits}"),
        10 => format!("+1{digits}"),
        11 if digits.starts_with('1') => format!("+{digits}"),
        _ => digits.clone(),
    };
    let dial_string = if international { format!("+{digits}") } else { digits };
    Ok((dial_string, e164))
}
