//! Whether two contacts of different sources are one person, whom a card shows once.
//!
//! | what the two sources say | shown as |
//! | --- | --- |
//! | the caller's number is surely that of both, and the names are the same | one |
//! | the same e-mail address besides, and one name is missing or part of the other ("Ada", "Ada Example") | one |
//! | no names at all, and the same company | one |
//! | different names, whatever else is the same | several |
//! | a number that is doubtful on either side | several |
//! | the same source has two who could be it, or it is clear for some pairs only | several |
//!
//! Names are compared without capitals, accents, punctuation and blanks between words; "Example, Ada" is "Ada Example".

use std::collections::BTreeSet;

use super::{
    compare::Level,
    contact::{Candidate, Contact},
};

/// What of a candidate is compared.
struct Known {
    sure: bool,
    name: Vec<String>,
    company: Vec<String>,
    email: Option<String>,
}

impl Known {
    fn of(candidate: &Candidate) -> Self {
        let Contact { name, company, email, .. } = &candidate.contact;
        let email = email.trim().to_lowercase();
        Self {
            sure: candidate.matched.level != Level::Maybe,
            name: words(name),
            company: words(company),
            email: Some(email).filter(|email| email.contains('@')),
        }
    }

    /// Whether a person would say that these two are the same.
    fn is(&self, other: &Self) -> bool {
        let same_email = self.email.is_some() && self.email == other.email;
        let has = |long: &Self, short: &Self| short.name.iter().all(|word| long.name.contains(word));
        let alike = match (self.name.is_empty(), other.name.is_empty()) {
            (true, true) => same_email || (!self.company.is_empty() && self.company == other.company),
            _ => self.name == other.name || same_email && (has(self, other) || has(other, self)),
        };
        self.sure && other.sure && alike
    }
}

/// The same candidates, in their order, those who are one person as one. Where it is not clear who is whom, all stay.
#[must_use]
pub fn people(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let known: Vec<Known> = candidates.iter().map(Known::of).collect();
    // Each is in the group of the first one who is, by a chain of others, the same.
    let mut group: Vec<usize> = (0..known.len()).collect();
    for one in 0..known.len() {
        for other in 0..one {
            if group[one] != group[other] && known[one].is(&known[other]) {
                let (from, to) = (group[one].max(group[other]), group[one].min(group[other]));
                group.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
            }
        }
    }
    let members = |wanted: usize| (0..known.len()).filter(|at| group[*at] == wanted).collect::<Vec<_>>();
    let clear: Vec<bool> =
        (0..known.len()).map(|first| is_clear(&members(first), &known, &candidates)).collect();
    let mut people: Vec<(usize, Candidate)> = Vec::new();
    for (candidate, group) in candidates.into_iter().zip(group) {
        match people.iter_mut().find(|(first, _)| *first == group && clear[group]) {
            Some((_, person)) => person.add(candidate),
            None => people.push((group, candidate)),
        }
    }
    people.into_iter().map(|(_, person)| person).collect()
}

/// Each is the same as each, and no source has two of them.
fn is_clear(members: &[usize], known: &[Known], candidates: &[Candidate]) -> bool {
    let all_one =
        members.iter().all(|one| members.iter().all(|other| one == other || known[*one].is(&known[*other])));
    let sources: BTreeSet<&str> = members.iter().map(|at| candidates[*at].contact.source.as_str()).collect();
    all_one && sources.len() == members.len()
}

/// The words of a name in plain letters, the family name last.
fn words(name: &str) -> Vec<String> {
    let turned = match name.split_once(',') {
        Some((family, given)) if !given.contains(',') => format!("{given} {family}"),
        _ => name.to_owned(),
    };
    let letters = turned.to_lowercase();
    let plain = letters.chars().filter(|c| !is_accent(*c)).map(|c| match c {
        // Within a name they part nothing: O'Neil, J.R.
        '\'' | '\u{2019}' | '.' => '\0',
        c if c.is_alphanumeric() => bare(c),
        _ => ' ',
    });
    let plain: String = plain.filter(|c| *c != '\0').collect();
    plain.split_whitespace().map(str::to_owned).collect()
}

/// An accent that stands behind its letter.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// A small letter of Latin script without its accent; any other as it is.
fn bare(c: char) -> char {
    match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => 'c',
        'ď' | 'đ' => 'd',
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => 'e',
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => 'g',
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => 'i',
        'ĺ' | 'ļ' | 'ľ' | 'ł' => 'l',
        'ñ' | 'ń' | 'ņ' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' => 'o',
        'ŕ' | 'ŗ' | 'ř' => 'r',
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => 's',
        'ţ' | 'ť' | 'ț' => 't',
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => 'u',
        'ý' | 'ÿ' | 'ŷ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        c => c,
    }
}
