//! Who takes part in a call: as asked for, else as the seed draws them from the office.

use fastrand::Rng;
use wire::Party;

use super::format::Reaches;
use super::{Request, ScenarioError};
use crate::office::{CompanyNumber, Line, Office, Route};

/// Once in so many calls, the caller is a stranger or withholds the number.
const STRANGER_ONE_IN: u32 = 12;
/// What takes the number's place when the caller withholds it (spec/call-events.md, participant types).
const WITHHELD: &str = "Anonymous";

/// The outside party of an inbound call: as asked for, else a customer, now and then a stranger.
pub(crate) fn caller(office: &Office, request: &Request, rng: &mut Rng) -> Party {
    let drawn = draw_caller(office, rng);
    let drawn = if request.scenario.file.anonymous { Party::new("", WITHHELD) } else { drawn };
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
    let reaches = request.scenario.file.reaches;
    let lacks = |missing| ScenarioError::OfficeLacks { missing, scenario: request.scenario.name.clone() };
    let usual = usual_number(office, reaches, &request.busy, rng).ok_or_else(|| lacks("number"))?;
    let by_number = match &request.to {
        None => Some(usual),
        Some(to) => office.numbers.iter().find(|number| same_number(number, to)),
    };
    if let Some(number) = by_number {
        let route = if fits(office, reaches, &number.route) {
            number.route.clone()
        } else {
            draw_route(office, reaches, &request.busy, rng).ok_or_else(|| lacks(target_name(reaches)))?
        };
        return Ok((number.clone(), route));
    }
    let asked = request.to.as_deref().unwrap_or_default();
    let route = route_to(office, reaches, asked).ok_or_else(|| ScenarioError::UnknownTo {
        asked: asked.to_owned(),
        possible: possible(office, reaches),
    })?;
    Ok((usual.clone(), route))
}

/// A number whose calls go where the scenario wants them, else any that no dial plan takes.
fn usual_number<'a>(
    office: &'a Office,
    reaches: Reaches,
    busy: &[String],
    rng: &mut Rng,
) -> Option<&'a CompanyNumber> {
    let free = |route: &Route| !matches!(route, Route::Line(id) if busy.contains(id));
    let fits = |number: &&CompanyNumber| fits(office, reaches, &number.route) && free(&number.route);
    let fitting: Vec<_> = office.numbers.iter().filter(fits).collect();
    let plain = office.numbers.iter().find(|number| !matches!(number.route, Route::DialPlan(_)));
    rng.choice(fitting).or(plain).or(office.numbers.first())
}

fn fits(office: &Office, reaches: Reaches, route: &Route) -> bool {
    match reaches {
        Reaches::RingGroup => matches!(route, Route::RingGroup(_)),
        Reaches::DialPlan => matches!(route, Route::DialPlan(id) if queue_behind(office, id).is_none()),
        Reaches::Queue => matches!(route, Route::DialPlan(id) if queue_behind(office, id).is_some()),
        _ => matches!(route, Route::Line(_)),
    }
}

fn queue_behind<'a>(office: &'a Office, plan_id: &str) -> Option<&'a str> {
    match &office.dial_plan(plan_id)?.then {
        Route::Queue(id) => Some(id),
        _ => None,
    }
}

/// Everything that such a scenario can reach, with its extension.
fn reachable(office: &Office, reaches: Reaches) -> Vec<(&str, Route)> {
    let plans = office.dial_plans.iter().map(|p| (p.extension.as_str(), Route::DialPlan(p.id.clone())));
    match reaches {
        Reaches::RingGroup => {
            let groups = office.ring_groups.iter();
            groups.map(|group| (group.extension.as_str(), Route::RingGroup(group.id.clone()))).collect()
        }
        Reaches::DialPlan => plans.filter(|(_, route)| fits(office, Reaches::DialPlan, route)).collect(),
        Reaches::Queue => plans.filter(|(_, route)| fits(office, Reaches::Queue, route)).collect(),
        Reaches::TwoDevices => lines(office.lines.iter().filter(|line| line.devices.len() > 1)),
        Reaches::Line => lines(office.lines.iter()),
    }
}

fn lines<'a>(lines: impl Iterator<Item = &'a Line>) -> Vec<(&'a str, Route)> {
    lines.map(|line| (line.extension.as_str(), Route::Line(line.id.clone()))).collect()
}

fn draw_route(office: &Office, reaches: Reaches, busy: &[String], rng: &mut Rng) -> Option<Route> {
    if reaches == Reaches::Line {
        return draw_line(office, &[], busy, rng).map(|line| Route::Line(line.id.clone()));
    }
    let free = |(_, route): &(&str, Route)| !matches!(route, Route::Line(id) if busy.contains(id));
    let reachable: Vec<_> = reachable(office, reaches).into_iter().filter(free).collect();
    rng.choice(reachable).map(|(_, route)| route)
}

/// Some line that is neither among these nor busy; of those with a single telephone if there are any, so that what a
/// scenario says of legs and rows holds.
pub(crate) fn draw_line<'a>(
    office: &'a Office,
    but: &[String],
    busy: &[String],
    rng: &mut Rng,
) -> Option<&'a Line> {
    let others: Vec<&Line> = office.lines.iter().filter(|line| !but.contains(&line.id)).collect();
    let single: Vec<&Line> = others.iter().copied().filter(|line| line.devices.len() == 1).collect();
    let mut possible = if single.is_empty() { others } else { single };
    possible.retain(|line| !busy.contains(&line.id));
    rng.choice(possible)
}

fn route_to(office: &Office, reaches: Reaches, asked: &str) -> Option<Route> {
    let id = match reaches {
        Reaches::RingGroup => office.ring_group(asked).map(|group| &group.id),
        Reaches::DialPlan | Reaches::Queue => office.dial_plan(asked).map(|plan| &plan.id),
        Reaches::Line | Reaches::TwoDevices => office.line(asked).map(|line| &line.id),
    }?;
    let found = reachable(office, reaches).into_iter().map(|(_, route)| route);
    found.into_iter().find(|route| {
        let (Route::Line(of) | Route::RingGroup(of) | Route::DialPlan(of) | Route::Queue(of)) = route;
        of == id
    })
}

const fn target_name(reaches: Reaches) -> &'static str {
    match reaches {
        Reaches::RingGroup => "ring group",
        Reaches::DialPlan => "dial plan",
        Reaches::Queue => "dial plan that leads to a call queue",
        Reaches::TwoDevices => "line with two telephones",
        Reaches::Line => "line",
    }
}

/// What `to` can be in an inbound call, for people.
fn possible(office: &Office, reaches: Reaches) -> String {
    let numbers = office.numbers.iter().map(|number| number.number.as_str());
    let extensions = reachable(office, reaches).into_iter().map(|(extension, _)| extension);
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

/// The line that places an outbound or internal call: as asked for, else any but the line that is called.
pub(crate) fn calling_line<'a>(
    office: &'a Office,
    request: &Request,
    rng: &mut Rng,
) -> Result<&'a Line, ScenarioError> {
    let scenario = request.scenario.name.clone();
    let called = request.to.as_deref().and_then(|to| office.line(to));
    let free = |line: &&Line| !request.busy.contains(&line.id);
    let others = office.lines.iter().filter(|line| called.is_none_or(|called| called.id != line.id));
    let others = others.filter(free);
    let drawn = rng.choice(others.collect::<Vec<_>>());
    if request.from_name.is_some() {
        return Err(ScenarioError::NameNotShown { scenario });
    }
    match &request.from {
        None => drawn.ok_or(ScenarioError::OfficeLacks { missing: "line", scenario }),
        Some(from) => {
            let line = office.line(from).ok_or_else(|| ScenarioError::UnknownFrom {
                asked: from.clone(),
                possible: office.lines.iter().map(|l| l.extension.as_str()).collect::<Vec<_>>().join(", "),
            })?;
            Some(line).filter(free).ok_or(ScenarioError::OfficeLacks { missing: "free line there", scenario })
        }
    }
}

/// The line or group that an internal call goes to, and the digits dialled.
pub(crate) fn called_extension(
    office: &Office,
    request: &Request,
    from: &Line,
    rng: &mut Rng,
) -> Result<(String, Route), ScenarioError> {
    let drawn = draw_line(office, std::slice::from_ref(&from.id), &request.busy, rng);
    let Some(asked) = &request.to else {
        let line = drawn.ok_or(ScenarioError::OfficeLacks {
            missing: "second line",
            scenario: request.scenario.name.clone(),
        })?;
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
    let others = office.lines.iter().filter(|line| line.id != from.id);
    let possible = others.map(|line| line.extension.as_str()).chain(groups);
    Err(ScenarioError::UnknownTo { asked: asked.clone(), possible: possible.collect::<Vec<_>>().join(", ") })
}
