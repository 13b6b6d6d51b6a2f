//! Who sees which call, and as what: a pop is a call and a person. Pure: board, people and lines are arguments.

use std::collections::{HashMap, HashSet};

use wire::directory::User;

use super::call::{Call, Line, Outcome, Stage};
pub use super::choice::Choice;
use crate::people::{number::Home, parties::Account, text::tidy};

/// Somebody who signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// E-mail address in lower case. Empty on an open board, where whoever comes is this one person.
    pub id: String,
    /// `userKey` of the APIs, if the phone system told.
    pub user_key: Option<String>,
    /// Ids of the person's lines, as of the sign-in.
    pub lines: Vec<String>,
    /// The phone system says that they belong to the account.
    pub member: bool,
    /// May see every call.
    pub admin: bool,
}

/// Whose lines are whose, as the phone system tells its admin. Empty while that is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    lines_of: HashMap<String, Vec<String>>,
    owned: HashSet<String>,
    /// All lines, by extension.
    agents: Vec<Line>,
    /// Names of people who have signed in, by [`Person::id`].
    names: HashMap<String, String>,
    pub account: Account,
}

/// What a call is to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A line of theirs rings.
    Rings,
    /// They talk, or talked last.
    Talks,
    /// Rang at their line; somebody else talks.
    Taken(Vec<Line>),
    /// They talked; the call went on to somebody else.
    HandedOn(Vec<Line>),
    /// Rang at their line, and does so no more.
    Moved,
    /// Seen by right, not by line.
    Watched,
}

/// Where on the page a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Active,
    Recent,
    Missed,
}

/// A call as one person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    pub part: Part,
    pub tab: Tab,
    /// The phone of this person rings: they are to be told.
    pub alerts: bool,
    /// Sequence number of the state with which a line of theirs began to ring last; 0 if none has.
    pub ring: u64,
    /// The person has closed the card: it is none of the active ones.
    pub closed: bool,
}

impl Directory {
    #[must_use]
    pub fn new(users: &[User]) -> Self {
        let mut directory = Self::default();
        for user in users {
            let ids: Vec<String> = user.lines.iter().map(|line| line.id.clone()).collect();
            directory.owned.extend(ids.iter().cloned());
            directory.lines_of.insert(user.user_key.clone(), ids);
            for line in &user.lines {
                let (id, name, extension) = (line.id.clone(), tidy(&line.name), tidy(&line.number));
                directory.agents.push(Line { id, name, extension });
                directory.account.lines.insert(line.id.clone(), line.name.clone());
                let region = line.region.as_deref().and_then(|region| region.parse::<Home>().ok());
                directory.account.home = directory.account.home.or(region);
            }
        }
        directory.agents.sort_by(|one, other| {
            (one.extension.len(), &one.extension, &one.name).cmp(&(
                other.extension.len(),
                &other.extension,
                &other.name,
            ))
        });
        directory.agents.dedup_by(|one, other| one.id == other.id);
        directory
    }

    /// The lines of the account's people.
    #[must_use]
    pub fn agents(&self) -> &[Line] {
        &self.agents
    }

    /// Learns what a person is called: as their first line, by which the cards call whoever talks.
    pub fn learn(&mut self, person: &Person) {
        let lines = self.lines(person);
        let line = lines.iter().find_map(|id| self.agents.iter().find(|line| line.id == *id));
        if let Some(name) = line.map(|line| line.name.clone()).filter(|name| !name.is_empty()) {
            self.names.insert(person.id.clone(), name);
        }
    }

    /// What the person with this address is called; the address itself where no line tells.
    #[must_use]
    pub fn name<'a>(&'a self, address: &'a str) -> &'a str {
        self.names.get(address).map_or(address, String::as_str)
    }

    /// The phone system knows others, but nobody with this key any more.
    #[must_use]
    pub fn lacks(&self, user_key: &str) -> bool {
        self.is_known() && !self.lines_of.contains_key(user_key)
    }

    /// Whether it has this person.
    #[must_use]
    pub fn has(&self, user_key: &str) -> bool {
        self.lines_of.contains_key(user_key)
    }

    fn is_known(&self) -> bool {
        !self.lines_of.is_empty()
    }

    /// The person's lines of today; those of the sign-in while nothing else is known.
    pub fn lines<'a>(&'a self, person: &'a Person) -> &'a [String] {
        let today = person.user_key.as_ref().and_then(|key| self.lines_of.get(key));
        today.unwrap_or(&person.lines)
    }

    /// The call came to a line that nobody owns.
    fn is_unowned(&self, call: &Call) -> bool {
        let nobodys = |line: &Line| !self.owned.contains(&line.id);
        self.is_known() && call.rang.iter().chain(&call.talked).any(nobodys)
    }

    /// Whether a member of the account sees the call, though it is not theirs.
    fn is_of_team(&self, choice: &Choice, call: &Call) -> bool {
        let at_no_line = call.rang.is_empty() && call.talked.is_empty();
        (choice.team && at_no_line) || ((choice.team || choice.unowned) && self.is_unowned(call))
    }
}

/// Whether a person may see every call: an admin of the account, or the one with whose sign-in the calls come, to whom
/// the phone system itself shows them all.
#[must_use]
pub fn is_admin(person: &Person, operator: Option<&str>) -> bool {
    person.admin || (!person.id.is_empty() && operator == Some(&person.id))
}

/// What a call is to a person; none if they may not see it, or chose not to.
#[must_use]
pub fn sight(
    person: &Person,
    admin: bool,
    choice: &Choice,
    call: &Call,
    directory: &Directory,
) -> Option<Sight> {
    let lines = directory.lines(person);
    let has = |list: &[Line]| list.iter().any(|line| lines.contains(&line.id));
    let pops =
        |list: &[Line]| list.iter().any(|line| lines.contains(&line.id) && !choice.muted.contains(&line.id));
    let by_right =
        (admin && choice.everybody) || ((person.member || admin) && directory.is_of_team(choice, call));
    // Telephones stop one moment before it is told why.
    let gap = call.stage == Stage::Ringing && call.ringing.is_empty() && pops(&call.rang);
    let part = if pops(&call.ringing) || gap {
        Part::Rings
    } else if has(&call.answered_by) {
        Part::Talks
    } else if by_right {
        Part::Watched
    } else if has(&call.talked) {
        Part::HandedOn(call.answered_by.clone())
    } else if !pops(&call.rang) {
        return None;
    } else if call.answered_at.is_some() {
        Part::Taken(call.answered_by.clone())
    } else {
        Part::Moved
    };
    let concerns = matches!(part, Part::Rings | Part::Talks | Part::Watched);
    let tab = match call.stage {
        Stage::Ended(Outcome::Missed) if !call.settled => Tab::Missed,
        Stage::Ended(_) => Tab::Recent,
        _ if concerns => Tab::Active,
        _ => Tab::Recent,
    };
    let waits = matches!(call.stage, Stage::Ringing | Stage::Waiting(_));
    // On an open board nobody has a line: whoever watches is told. A call that somebody has answered rings again when it is
    // transferred, or comes back.
    let told = part == Part::Rings || (part == Part::Watched && person.id.is_empty() && waits);
    let ring = |line: &String| call.rings.get(line).filter(|_| !choice.muted.contains(line)).copied();
    let ring = lines.iter().filter_map(ring).max().unwrap_or_default();
    // What the store remembers rings when the phone system says that it still does.
    let told = told && !call.is_from_store();
    Some(Sight { alerts: told && !choice.do_not_disturb, part, tab, ring, closed: false })
}
