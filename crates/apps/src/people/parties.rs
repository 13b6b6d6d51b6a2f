//! Who is in a call: the outside party, our number, line and queue, the people, the direction. One pure function,
//! [`parties`], for every app.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use wire::{
    Direction,
    call_events::{CallEvent, LineParty, Participant, PhoneNumberParty, State, Status, SystemType},
};

use super::{
    limits::LINES_KEPT_MAX,
    number::{Home, Number},
    text::tidy,
};

/// What is known of the account: its region, its numbers and its lines. All of it may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Region of numbers without a country. None: that of the number the call came in on.
    pub home: Option<Home>,
    /// Labels of the account's numbers, by E.164.
    pub numbers: HashMap<String, String>,
    /// Names of the account's lines, by line id.
    pub lines: HashMap<String, String>,
}

/// Which way a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Inbound,
    Outbound,
    /// Between lines of the account, which GoTo Connect calls `OUTBOUND`.
    Internal,
}

/// Who is in a call, as far as its states tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parties {
    pub way: Way,
    /// None in an internal call, and while no state has told.
    pub outside: Option<Outside>,
    /// The number of ours that was dialled or is shown.
    pub ours: Option<Ours>,
    /// Name of the queue that took the call last; can be empty.
    pub queue: Option<String>,
    /// Lines in the order in which they appeared.
    pub people: Vec<Person>,
}

/// The party outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    pub number: Number,
    /// What the network says of the caller: a label, never a customer's name. Empty if it only repeats the number.
    pub label: String,
}

/// A number of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    pub number: Number,
    /// Can be empty.
    pub label: String,
}

/// A line of the account in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub line: Line,
    /// A line of the agent's.
    pub is_agent: bool,
    /// Talks, or has talked.
    pub talked: bool,
    /// Is in the call by the last state.
    pub present: bool,
}

/// A line, known by its id; the same line on two devices is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub id: String,
    pub name: String,
    pub extension: String,
}

impl Line {
    #[must_use]
    pub fn of(line: &LineParty) -> Self {
        Self { id: line.line_id.clone(), name: tidy(&line.name), extension: tidy(&line.extension_number) }
    }

    /// "Front Desk"
    #[must_use]
    pub fn short(&self) -> String {
        if self.name.is_empty() { self.people() } else { self.name.clone() }
    }

    /// "Front Desk · 1001"
    #[must_use]
    pub fn people(&self) -> String {
        match (self.name.as_str(), self.extension.as_str()) {
            ("", "") => "A line without a name".to_owned(),
            ("", extension) => format!("Extension {extension}"),
            (name, "") => name.to_owned(),
            (name, extension) => format!("{name} · {extension}"),
        }
    }
}

/// Finds who is in a call from its states so far, in the order of their sequence numbers. `agent_lines` are the ids of
/// the lines of the person who asks; they may be none. None without a state.
#[must_use]
pub fn parties(states: &[&CallEvent], account: &Account, agent_lines: &[String]) -> Option<Parties> {
    let last = states.last()?;
    let all = || states.iter().flat_map(|event| &event.state.participants);
    let inbound = last.metadata.direction == Direction::Inbound;
    let outer = all().find_map(|party| if inbound { caller(party) } else { callee(party) });
    let home = account.home.or_else(|| Home::of(&outer?.number)).unwrap_or_default();
    let way = match (inbound, outer) {
        (true, _) => Way::Inbound,
        (false, Some(_)) => Way::Outbound,
        (false, None) if dialled_outside(last, home) => Way::Outbound,
        (false, None) => Way::Internal,
    };
    let person = |line: Line| Person {
        is_agent: agent_lines.contains(&line.id),
        talked: states.iter().any(|event| has(&event.state, &line.id, in_talk)),
        present: has(&last.state, &line.id, |_| true),
        line: named(line, account),
    };
    let queue = states.iter().rev().flat_map(|event| event.state.systems().iter().rev()).find_map(|system| {
        if let SystemType::CallQueue(queue) = &system.kind { Some(tidy(&queue.queue_name)) } else { None }
    });
    Some(Parties {
        way,
        outside: outer.map(|party| outside(party, inbound, home)),
        ours: outer.map(|party| ours(party, account, home)),
        queue,
        people: lines(all()).into_iter().map(person).collect(),
    })
}

/// The network's party of an inbound call.
#[must_use]
pub fn caller(party: &Participant) -> Option<&PhoneNumberParty> {
    party.kind.as_phone_number().filter(|number| number.caller.is_some())
}

/// The network's party of an outbound call.
#[must_use]
pub fn callee(party: &Participant) -> Option<&PhoneNumberParty> {
    party.kind.as_phone_number().filter(|number| number.callee.is_some())
}

/// The status of someone who talks, or is kept waiting in a talk.
#[must_use]
pub fn in_talk(status: &Status) -> bool {
    matches!(
        status,
        Status::Connected
            | Status::OnHold
            | Status::Parked
            | Status::InDirectTransfer
            | Status::InWarmTransfer
    )
}

/// The lines among participants, each once.
pub fn lines<'a>(participants: impl Iterator<Item = &'a Participant>) -> Vec<Line> {
    let mut found = Vec::new();
    for line in participants.filter_map(|party| party.kind.as_line()) {
        remember(&mut found, &Line::of(line));
    }
    found
}

/// Adds a line that is not there yet, up to the limit.
pub fn remember(lines: &mut Vec<Line>, line: &Line) {
    if lines.len() < LINES_KEPT_MAX && !lines.iter().any(|known| known.id == line.id) {
        lines.push(line.clone());
    }
}

fn has(state: &State, line_id: &str, wanted: impl Fn(&Status) -> bool) -> bool {
    state.participants.iter().any(|party| {
        party.kind.as_line().is_some_and(|line| line.line_id == line_id) && wanted(&party.status.value)
    })
}

/// Before the network's leg appears, the digits dialled tell an outside call from an internal one.
fn dialled_outside(event: &CallEvent, home: Home) -> bool {
    let dialled = event.metadata.dial_string.as_deref().unwrap_or_default();
    matches!(Number::read(dialled, home), Number::Phone(_))
}

fn named(mut line: Line, account: &Account) -> Line {
    if line.name.is_empty()
        && let Some(name) = account.lines.get(&line.id)
    {
        line.name = tidy(name);
    }
    line
}

fn outside(party: &PhoneNumberParty, inbound: bool, home: Home) -> Outside {
    let other = if inbound { &party.caller } else { &party.callee }.clone().unwrap_or_default();
    let number = Number::read(&other.number, home);
    let label = tidy(&other.name);
    // Networks without a name for the caller repeat the number, or say that they have none.
    let says_nothing = matches!(Number::read(&label, home), Number::Withheld)
        || Number::read(&label, home).key() == number.key();
    Outside { number, label: if says_nothing { String::new() } else { label } }
}

fn ours(party: &PhoneNumberParty, account: &Account, home: Home) -> Ours {
    let number = Number::read(&party.number, home);
    let told = tidy(party.name.as_deref().unwrap_or_default());
    let known = || number.key().and_then(|key| account.numbers.get(key)).map(|label| tidy(label));
    Ours { label: if told.is_empty() { known().unwrap_or_default() } else { told }, number }
}
