//! How surely two numbers are one.
//!
//! | level | what it takes |
//! | --- | --- |
//! | exact | the same E.164 number, and both were written with `+` |
//! | national | the same E.164 number, but a country was guessed: a national number was read as one of the home region, a `+` was left out, a prefix such as `00` stands for it, or letters stand for digits |
//! | maybe | the numbers differ, yet can be the same caller: one is the end of the other (seven digits or more), the country is uncertain, an old and a new form of one number, another direct dial or extension of one company, the same short number |
//!
//! Everything else is no match; a withheld number, an empty one and a text that is no number never match.

use super::{
    limits::SUFFIX_DIGITS,
    number::{Number, Origin, Phone, trunks},
};

/// How sure a match is; the surest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Exact,
    National,
    Maybe,
}

impl Level {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::National => "national",
            Self::Maybe => "maybe",
        }
    }
}

/// Why two numbers match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    SameNumber,
    /// The same company number; the contact is one extension of it.
    SameNumberOneExtension,
    HomeGuessed,
    PlusGuessed,
    Letters,
    OtherExtension,
    CountryUncertain,
    EndOfNumber,
    /// Argentina: the 9 of a mobile number.
    Mobile9,
    /// Brazil: mobile numbers had eight digits before 2016.
    BrazilNinthDigit,
    /// Italy: the zero that belongs to the number was left out.
    ItalianZero,
    SameCompany,
    ShortNumber,
}

impl Reason {
    /// For tables and JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::SameNumber => "same",
            Self::SameNumberOneExtension => "same-extension",
            Self::HomeGuessed => "home",
            Self::PlusGuessed => "plus",
            Self::Letters => "letters",
            Self::OtherExtension => "other-extension",
            Self::CountryUncertain => "country",
            Self::EndOfNumber => "end",
            Self::Mobile9 => "mobile-9",
            Self::BrazilNinthDigit => "brazil-9",
            Self::ItalianZero => "italian-zero",
            Self::SameCompany => "company",
            Self::ShortNumber => "short",
        }
    }

    /// For people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::SameNumber => "same number",
            Self::SameNumberOneExtension => "same number, one extension of it",
            Self::HomeGuessed => "same number, written without country code",
            Self::PlusGuessed => "same number, written without +",
            Self::Letters => "same number, written with letters",
            Self::OtherExtension => "same number, another extension",
            Self::CountryUncertain => "same digits, country not certain",
            Self::EndOfNumber => "same last digits",
            Self::Mobile9 => "same number but for the 9 of mobiles",
            Self::BrazilNinthDigit => "same number but for the ninth digit",
            Self::ItalianZero => "same number but for the leading 0",
            Self::SameCompany => "another direct dial of the same company",
            Self::ShortNumber => "same short number",
        }
    }
}

/// Two numbers that may be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Match {
    pub level: Level,
    pub reason: Reason,
}

impl Match {
    fn maybe(reason: Reason) -> Self {
        Self { level: Level::Maybe, reason }
    }
}

/// Compares the number of a party with one that was written down for a contact; none is no match. The order of the
/// two does not matter.
#[must_use]
pub fn compare(party: &Number, contact: &Number) -> Option<Match> {
    match (party, contact) {
        (Number::Phone(one), Number::Phone(other)) => phones(one, other),
        (Number::Phone(phone), Number::Digits { digits, .. })
        | (Number::Digits { digits, .. }, Number::Phone(phone)) => part(phone, digits).map(Match::maybe),
        (
            Number::Digits { digits: one, extension: a, .. },
            Number::Digits { digits: other, extension: b, .. },
        ) => {
            if one != other {
                return None;
            }
            Some(Match::maybe(match (a, b) {
                (Some(a), Some(b)) if a != b => Reason::OtherExtension,
                _ if one.len() < SUFFIX_DIGITS => Reason::ShortNumber,
                _ => Reason::CountryUncertain,
            }))
        }
        _ => None,
    }
}

/// Digits that are no whole number, held against a whole one.
fn part(phone: &Phone, digits: &str) -> Option<Reason> {
    if ends(&phone.national, digits) {
        return Some(Reason::EndOfNumber);
    }
    let bare = digits.trim_start_matches('0');
    old_form(phone.country_code, &phone.national, bare)
        .or_else(|| old_form(phone.country_code, bare, &phone.national))
}

/// One is the end of the other, by seven digits or more; zeros in front of digits without a country are a prefix.
fn ends(national: &str, digits: &str) -> bool {
    let digits = digits.trim_start_matches('0');
    let national_bare = national.trim_start_matches('0');
    (digits.len() >= SUFFIX_DIGITS && national.ends_with(digits))
        || (national_bare.len() >= SUFFIX_DIGITS && digits.ends_with(national_bare))
}

fn phones(one: &Phone, other: &Phone) -> Option<Match> {
    if one.e164 == other.e164 {
        return Some(same(one, other));
    }
    if let Some(reason) = other_form(one, other).or_else(|| other_form(other, one)) {
        return Some(Match::maybe(reason));
    }
    let certain = one.origin.is_certain() && other.origin.is_certain();
    if !certain && one.country_code != other.country_code && one.national == other.national {
        return Some(Match::maybe(Reason::CountryUncertain));
    }
    None
}

fn same(one: &Phone, other: &Phone) -> Match {
    if let (Some(a), Some(b)) = (&one.extension, &other.extension)
        && a != b
    {
        return Match::maybe(Reason::OtherExtension);
    }
    let origins = [one.origin, other.origin];
    let guessed = [
        (Origin::Letters, Reason::Letters),
        (Origin::NoPlus, Reason::PlusGuessed),
        (Origin::Home, Reason::HomeGuessed),
    ];
    match guessed.into_iter().find(|(origin, _)| origins.contains(origin)) {
        Some((_, reason)) => Match { level: Level::National, reason },
        None if one.extension != other.extension => {
            Match { level: Level::Exact, reason: Reason::SameNumberOneExtension }
        }
        None => Match { level: Level::Exact, reason: Reason::SameNumber },
    }
}

/// `long` can be another form of `short`, by what is known of the country's numbers.
fn other_form(long: &Phone, short: &Phone) -> Option<Reason> {
    if long.country_code != short.country_code {
        return None;
    }
    // The company's number is known of one of the two, and the other begins with it.
    let company = short.trunk.as_deref().is_some_and(|trunk| trunks(long).contains(&trunk));
    let company = company.then_some(Reason::SameCompany);
    company.or_else(|| old_form(long.country_code, &long.national, &short.national))
}

/// National numbers that have a digit more in one form than in another.
fn old_form(country_code: i32, long: &str, short: &str) -> Option<Reason> {
    match country_code {
        54 if long.strip_prefix('9') == Some(short) => Some(Reason::Mobile9),
        55 if long.len() == 11 && short.len() == 10 => {
            let (area, rest) = long.split_at_checked(2)?;
            let same = short.strip_prefix(area)? == rest.strip_prefix('9')?;
            same.then_some(Reason::BrazilNinthDigit)
        }
        39 if long.strip_prefix('0') == Some(short) => Some(Reason::ItalianZero),
        _ => None,
    }
}
