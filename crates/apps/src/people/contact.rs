//! Somebody who may call: what is kept of them, and which of several comes first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    agenda::{Appointment, Tickets},
    compare::{Level, Match, compare},
    number::{Home, Number},
    same::people,
};

/// A contact as it is kept and shown. Texts can be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Where it comes from: the name of an import or of a source.
    pub source: String,
    /// What it is known by there; stays the same from one import to the next.
    pub reference: String,
    pub name: String,
    pub company: String,
    pub tier: String,
    pub email: String,
    pub notes: String,
    /// Address of its page, of `http` or `https`.
    pub link: String,
    /// Numbers as written.
    pub numbers: Vec<String>,
    /// None where the source does not tell of tickets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tickets: Option<Tickets>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub appointments: Vec<Appointment>,
    /// Anything else, by the name of its column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<String, String>,
}

impl Contact {
    /// By what a pick remembers it.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.source, self.reference)
    }

    /// Takes from another what is missing here.
    fn fill(&mut self, other: &Self) {
        let texts = [
            (&mut self.name, &other.name),
            (&mut self.company, &other.company),
            (&mut self.tier, &other.tier),
            (&mut self.email, &other.email),
            (&mut self.notes, &other.notes),
            (&mut self.link, &other.link),
        ];
        for (mine, theirs) in texts {
            if mine.is_empty() {
                mine.clone_from(theirs);
            }
        }
        let new: Vec<String> =
            other.numbers.iter().filter(|number| !self.numbers.contains(number)).cloned().collect();
        self.numbers.extend(new);
        self.add_agenda(other.tickets.as_ref(), &other.appointments);
        for (label, text) in &other.other {
            self.other.entry(label.clone()).or_insert_with(|| text.clone());
        }
    }

    /// Name, else company, else the first number.
    #[must_use]
    pub fn title(&self) -> &str {
        let texts = [&self.name, &self.company, &self.email];
        let known = texts.into_iter().find(|text| !text.is_empty());
        known.or(self.numbers.first()).map_or("Contact without a name", String::as_str)
    }
}

/// A contact that a number may belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What all its sources say; where they differ, what the first one does.
    pub contact: Contact,
    /// The person as each source has them: one, or several of different sources ([`super::same`]).
    pub parts: Vec<Contact>,
    pub matched: Match,
    /// A person chose it for this number before.
    pub picked: bool,
}

/// Those of `contacts` whose numbers match `party`, the likeliest first: the one that was picked, then by level, then
/// by reason, then by name. One person of several sources comes once. `picked` is the [`Contact::key`] that was chosen for this number.
#[must_use]
pub fn rank(party: &Number, contacts: Vec<Contact>, picked: Option<&str>, home: Home) -> Vec<Candidate> {
    let candidate = |contact: Contact| {
        let best =
            contact.numbers.iter().filter_map(|text| compare(party, &Number::read(text, home))).min()?;
        let picked = picked == Some(contact.key().as_str());
        Some(Candidate { picked, matched: best, parts: vec![contact.clone()], contact })
    };
    let mut found: Vec<Candidate> = contacts.into_iter().filter_map(candidate).collect();
    found.sort_by(|a, b| {
        (!a.picked, a.matched, &a.contact.name).cmp(&(!b.picked, b.matched, &b.contact.name))
    });
    people(found)
}

impl Candidate {
    /// The same person, as another source has them.
    pub(super) fn add(&mut self, other: Self) {
        self.contact.fill(&other.contact);
        self.parts.extend(other.parts);
    }

    /// Whether one of its sources knows it by this [`Contact::key`].
    #[must_use]
    pub fn has_key(&self, key: &str) -> bool {
        self.parts.iter().any(|part| part.key() == key)
    }
}

/// The one that is surely meant: picked, or alone at the best level that is better than maybe.
#[must_use]
pub fn certain(candidates: &[Candidate]) -> Option<&Candidate> {
    let first = candidates.first()?;
    let rival = candidates.get(1).is_some_and(|second| second.matched.level == first.matched.level);
    (first.picked || first.matched.level != Level::Maybe && !rival).then_some(first)
}
