//! The calls that can be played, what may be asked of them, and who takes part in one.

use std::fmt;
use std::str::FromStr;

use fastrand::Rng;
use wire::Party;

use crate::office::{CompanyNumber, Line, Office, Route};

/// A course that a call can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scenario {
    /// An outside caller reaches a line, and they talk.
    Answered,
    /// An outside caller gives up while a line rings.
    Missed,
    /// A line calls an outside number, and they talk.
    Outbound,
    /// A line calls another line, and they talk.
    Internal,
    /// An outside caller rings all lines of a group; one takes the call.
    RingGroup,
    /// An outside caller passes a dial plan, then as with a ring group.
    DialPlan,
}

impl Scenario {
    /// All of them, in the order in which they are listed for people.
    pub const ALL: [Self; 6] =
        [Self::Answered, Self::Missed, Self::Outbound, Self::Internal, Self::RingGroup, Self::DialPlan];

    /// The name on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Missed => "missed",
            Self::Outbound => "outbound",
            Self::Internal => "internal",
            Self::RingGroup => "ring-group",
            Self::DialPlan => "dial-plan",
        }
    }

    /// True when the call comes from outside.
    #[must_use]
    pub const fn is_inbound(self) -> bool {
        !matches!(self, Self::Outbound | Self::Internal)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Scenario {
    type Err = ScenarioError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.as_str() == name)
            .ok_or_else(|| ScenarioError::UnknownScenario { name: name.to_owned() })
    }
}

/// A call that somebody wants played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub scenario: Scenario,
    /// Inbound: any string, shown as the caller's number. Otherwise the extension or id of the calling line.
    pub from: Option<String>,
    /// Inbound only: any string, shown as the caller's name.
    pub from_name: Option<String>,
    /// Inbound: one of the company's numbers, or the extension to be reached through one. Outbound: the number
    /// to dial. Internal: an extension.
    pub to: Option<String>,
    /// Decides all that is left open.
    pub seed: u64,
    /// The line that talks is recorded, from half a second after the answer on.
    pub record: bool,
}

impl Request {
    /// The scenario with everything left to the seed.
    #[must_use]
    pub const fn new(scenario: Scenario, seed: u64) -> Self {
        Self { scenario, from: None, from_name: None, to: None, seed, record: false }
    }
}

/// Why a call cannot be played; the message names what can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    #[error("there is no scenario {name:?}: choose one of {}", names())]
    UnknownScenario { name: String },
    #[error("no line {asked:?} to call from: choose an extension of {possible}")]
    UnknownFrom { asked: String, possible: String },
    #[error("nothing to call at {asked:?}: choose one of {possible}")]
    UnknownTo { asked: String, possible: String },
    #[error("{asked:?} is no number to dial: it needs digits, such as +14155550188")]
    NotDiallable { asked: String },
    #[error("a line cannot call itself: choose another extension than {extension}")]
    CallsItself { extension: String },
    #[error(
        "a caller name fits inbound calls only: leave it out, or choose another scenario than {scenario}"
    )]
    NameNotShown { scenario: Scenario },
    #[error("this office has no {missing}, which scenario {scenario} needs: choose another scenario")]
    OfficeLacks { missing: &'static str, scenario: Scenario },
}

fn names() -> String {
    Scenario::ALL.map(Scenario::as_str).join(", ")
}

/// Once in so many calls, the caller is a stranger or withholds the number.
const STRANGER_ONE_IN: u32 = 12;
/// What takes the number's place when the caller withholds it (spec/call-events.md, participant types).
const WITHHELD: &str = "Anonymous";

/// The outside party of an inbound call: as asked for, else a customer, now and then a stranger.
pub(crate) fn caller(office: &Office, request: &Request, rng: &mut Rng) -> Party {
    let drawn = draw_caller(office, rng);
    let party = match &request.from {
        None => drawn,
        Some(number) => {
            let known = office.customers.iter().find(|customer| customer.number == *number);
            Party::new(known.map(|customer| customer.name.as_str()).unwrap_or_default(), number.as_str())
        }
    };
    match &request.from_name {
        None => party,
        Some(name) => Party::new(name.as_str(), party.number),
    }
}

fn draw_caller(office: &Office, rng: &mut Rng) -> Party {
    let stranger = rng.u32(..STRANGER_ONE_IN) == 0;
    match rng.choice(&office.customers) {
        Some(customer) if !stranger => Party::new(customer.name.as_str(), customer.number.as_str()),
        _ if rng.bool() => Party::new("", WITHHELD),
        _ => {
            let area_code = rng.choice(["202", "303", "305", "503", "702", "919"]).unwrap_or("202");
            Party::new("", format!("+1{area_code}55501{:02}", rng.u32(..100)))
        }
    }
}

/// Through which of the company's numbers an inbound call comes, and whom it reaches.
pub(crate) fn arrival(
    office: &Office,
    request: &Request,
    rng: &mut Rng,
) -> Result<(CompanyNumber, Route), ScenarioError> {
    let scenario = request.scenario;
    let lacks = |missing| ScenarioError::OfficeLacks { missing, scenario };
    let usual = usual_number(office, scenario, rng).ok_or_else(|| lacks("number"))?;
    let by_number = match &request.to {
        None => Some(usual),
        Some(to) => office.numbers.iter().find(|number| same_number(number, to)),
    };
    if let Some(number) = by_number {
        let route = if fits(scenario, &number.route) {
            number.route.clone()
        } else {
            draw_route(office, scenario, rng).ok_or_else(|| lacks(target_name(scenario)))?
        };
        return Ok((number.clone(), route));
    }
    let asked = request.to.as_deref().unwrap_or_default();
    let route = route_to(office, scenario, asked).ok_or_else(|| ScenarioError::UnknownTo {
        asked: asked.to_owned(),
        possible: possible(office, scenario),
    })?;
    Ok((usual.clone(), route))
}

/// A number whose calls go where the scenario wants them, else any that no dial plan takes.
fn usual_number<'a>(office: &'a Office, scenario: Scenario, rng: &mut Rng) -> Option<&'a CompanyNumber> {
    let fitting: Vec<_> = office.numbers.iter().filter(|number| fits(scenario, &number.route)).collect();
    let plain = office.numbers.iter().find(|number| !matches!(number.route, Route::DialPlan(_)));
    rng.choice(fitting).or(plain).or(office.numbers.first())
}

fn fits(scenario: Scenario, route: &Route) -> bool {
    match scenario {
        Scenario::RingGroup => matches!(route, Route::RingGroup(_)),
        Scenario::DialPlan => matches!(route, Route::DialPlan(_)),
        _ => matches!(route, Route::Line(_)),
    }
}

fn draw_route(office: &Office, scenario: Scenario, rng: &mut Rng) -> Option<Route> {
    match scenario {
        Scenario::RingGroup => {
            rng.choice(&office.ring_groups).map(|group| Route::RingGroup(group.id.clone()))
        }
        Scenario::DialPlan => rng.choice(&office.dial_plans).map(|plan| Route::DialPlan(plan.id.clone())),
        _ => rng.choice(&office.lines).map(|line| Route::Line(line.id.clone())),
    }
}

fn route_to(office: &Office, scenario: Scenario, asked: &str) -> Option<Route> {
    match scenario {
        Scenario::RingGroup => office.ring_group(asked).map(|group| Route::RingGroup(group.id.clone())),
        Scenario::DialPlan => office.dial_plan(asked).map(|plan| Route::DialPlan(plan.id.clone())),
        _ => office.line(asked).map(|line| Route::Line(line.id.clone())),
    }
}

const fn target_name(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::RingGroup => "ring group",
        Scenario::DialPlan => "dial plan",
        _ => "line",
    }
}

/// What `to` can be in an inbound call, for people.
fn possible(office: &Office, scenario: Scenario) -> String {
    let numbers = office.numbers.iter().map(|number| number.number.as_str());
    let extensions: Vec<&str> = match scenario {
        Scenario::RingGroup => office.ring_groups.iter().map(|group| group.extension.as_str()).collect(),
        Scenario::DialPlan => office.dial_plans.iter().map(|plan| plan.extension.as_str()).collect(),
        _ => office.lines.iter().map(|line| line.extension.as_str()).collect(),
    };
    numbers.chain(extensions).collect::<Vec<_>>().join(", ")
}

/// The same digits however they are written, with or without the country code 1; or the number's name.
fn same_number(number: &CompanyNumber, asked: &str) -> bool {
    let ours = digits(&number.number);
    let theirs = digits(asked);
    let national = ours.strip_prefix('1').unwrap_or(&ours);
    number.name == asked || (!theirs.is_empty() && (theirs == ours || theirs == national))
}

pub(crate) fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The line that places an outbound or internal call.
pub(crate) fn calling_line<'a>(
    office: &'a Office,
    request: &Request,
    rng: &mut Rng,
) -> Result<&'a Line, ScenarioError> {
    let scenario = request.scenario;
    let drawn = rng.choice(&office.lines);
    if request.from_name.is_some() {
        return Err(ScenarioError::NameNotShown { scenario });
    }
    match &request.from {
        None => drawn.ok_or(ScenarioError::OfficeLacks { missing: "line", scenario }),
        Some(from) => office.line(from).ok_or_else(|| ScenarioError::UnknownFrom {
            asked: from.clone(),
            possible: office.lines.iter().map(|l| l.extension.as_str()).collect::<Vec<_>>().join(", "),
        }),
    }
}

/// The line or group that an internal call goes to, and the digits dialled.
pub(crate) fn called_extension(
    office: &Office,
    request: &Request,
    from: &Line,
    rng: &mut Rng,
) -> Result<(String, Route), ScenarioError> {
    let others: Vec<&Line> = office.lines.iter().filter(|line| line.id != from.id).collect();
    let drawn = rng.choice(&others);
    let Some(asked) = &request.to else {
        let line =
            drawn.ok_or(ScenarioError::OfficeLacks { missing: "second line", scenario: request.scenario })?;
        return Ok((line.extension.clone(), Route::Line(line.id.clone())));
    };
    if let Some(line) = office.line(asked) {
        if line.id == from.id {
            return Err(ScenarioError::CallsItself { extension: line.extension.clone() });
        }
        return Ok((line.extension.clone(), Route::Line(line.id.clone())));
    }
    if let Some(group) = office.ring_group(asked) {
        return Ok((group.extension.clone(), Route::RingGroup(group.id.clone())));
    }
    let groups = office.ring_groups.iter().map(|group| group.extension.as_str());
    let possible = others.iter().map(|line| line.extension.as_str()).chain(groups);
    Err(ScenarioError::UnknownTo { asked: asked.clone(), possible: possible.collect::<Vec<_>>().join(", ") })
}
