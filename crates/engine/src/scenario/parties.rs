//! The parties of one call, drawn and put into place: who calls, and which telephones ring.

use fastrand::Rng;
use wire::Party;
use wire::call_events::LineParty;

use super::cast::{arrival, called_extension, caller, calling_line, digits};
use super::format::Direction;
use super::{Request, ScenarioError};
use crate::command::{Command, Target};
use crate::office::{Office, Route};

/// Who takes part, and how the first call starts.
pub(super) struct Cast {
    pub(super) start: Command,
    pub(super) route: Option<Route>,
    /// The legs of what is called, line by line.
    pub(super) members: Vec<Vec<LineParty>>,
    /// The outside number that rings.
    pub(super) number: Option<Target>,
    /// Lines that are taken.
    pub(super) lines: Vec<String>,
}

impl Cast {
    pub(super) fn draw(office: &Office, request: &Request, rng: &mut Rng) -> Result<Self, ScenarioError> {
        let busy = request.busy.as_slice();
        match request.scenario.direction() {
            Direction::Inbound => {
                let caller = caller(office, request, rng);
                let (number, route) = arrival(office, request, rng)?;
                Ok(Self::new(Command::StartInbound { number, caller }, office, busy, Some(route), None))
            }
            Direction::Outbound => Self::outbound(office, request, rng),
            Direction::Internal => {
                let line = calling_line(office, request, rng)?;
                let leg =
                    line.legs().into_iter().next().ok_or_else(|| lacks("telephone on that line", request))?;
                let (dial_string, route) = called_extension(office, request, line, rng)?;
                let start = Command::StartOutbound { line: leg, dial_string };
                Ok(Self::new(start, office, busy, Some(route), None))
            }
        }
    }

    fn outbound(office: &Office, request: &Request, rng: &mut Rng) -> Result<Self, ScenarioError> {
        let line = calling_line(office, request, rng)?;
        let leg = line.legs().into_iter().next().ok_or_else(|| lacks("telephone on that line", request))?;
        let number = office.numbers.first().cloned().ok_or_else(|| lacks("number", request))?;
        let drawn = rng.choice(&office.customers).map(|customer| customer.number.clone());
        let (dial_string, e164) = match (&request.to, drawn) {
            (Some(asked), _) => dialled(asked)?,
            (None, Some(customer)) => dialled(customer.strip_prefix("+1").unwrap_or(&customer))?,
            (None, None) => return Err(lacks("customer to call", request)),
        };
        let rings = Target::Number { number, callee: Party::new("", e164) };
        let start = Command::StartOutbound { line: leg, dial_string };
        Ok(Self::new(start, office, &request.busy, None, Some(rings)))
    }

    fn new(
        start: Command,
        office: &Office,
        busy: &[String],
        route: Option<Route>,
        number: Option<Target>,
    ) -> Self {
        let own = match &start {
            Command::StartOutbound { line, .. } => Some(line.line_id.clone()),
            _ => None,
        };
        // Who calls a group and belongs to it does not ring, nor does who talks already.
        let legs = route.iter().flat_map(|route| office.ringing(route));
        let legs = legs.filter(|leg| Some(&leg.line_id) != own.as_ref() && !busy.contains(&leg.line_id));
        let mut members: Vec<Vec<LineParty>> = Vec::new();
        for leg in legs {
            match members.last_mut().filter(|line| line[0].line_id == leg.line_id) {
                Some(line) => line.push(leg),
                None => members.push(vec![leg]),
            }
        }
        let lines = members.iter().map(|line| line[0].line_id.clone()).chain(own).collect();
        Self { start, route, members, number, lines }
    }

    /// Extension of the line that is reached, if it is one line.
    pub(super) fn reached_extension(&self) -> Option<String> {
        let [line] = self.members.as_slice() else { return None };
        line.first().map(|leg| leg.extension_number.clone())
    }
}

pub(super) fn lacks(missing: &'static str, request: &Request) -> ScenarioError {
    ScenarioError::OfficeLacks { missing, scenario: request.scenario.name().to_owned() }
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
