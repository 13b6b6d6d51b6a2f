//! Reads what stands where a number is expected: E.164, a national number, an extension, `Anonymous`, markup.
//!
//! What is no number stays as it is. A number remembers whether its country was written or guessed, since that
//! decides how surely it can be matched ([`super::compare`]).

use rlibphonenumber::{
    CountryCodeSource, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat,
    enums::{NumberLengthType, Region},
};

use super::{
    limits::{DIRECT_DIAL_DIGITS_MAX, NUMBER_CHARS_MAX, SHORT_DIGITS_MIN, SUFFIX_DIGITS, TRUNK_DIGITS_MIN},
    text::{digits, plain, split_extension, tidy, without_address},
};

/// The region whose numbers are read and written its own way; `US` unless told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home(Region);

/// No region has these two letters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no region: give the two letters of the country, such as US or DE")]
pub struct NoRegion(String);

impl Default for Home {
    fn default() -> Self {
        Self(Region::US)
    }
}

impl std::str::FromStr for Home {
    type Err = NoRegion;

    fn from_str(text: &str) -> Result<Self, NoRegion> {
        let region = Region::from_code(text.trim()).ok();
        let known = region.filter(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(*region).is_some());
        known.map(Self).ok_or_else(|| NoRegion(tidy(text)))
    }
}

impl std::fmt::Display for Home {
    /// The two letters that [`FromStr`](std::str::FromStr) reads.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0.as_region_str().as_str())
    }
}

impl Home {
    /// The region of a number of the account's own, if that is E.164.
    #[must_use]
    pub fn of(own_number: &str) -> Option<Self> {
        let number = PHONE_NUMBER_UTIL.parse(plain(own_number), None).ok()?;
        let region = number.get_region_code();
        region.or_else(|| PHONE_NUMBER_UTIL.get_region_for_country_code(number.country_code)).map(Self)
    }
}

/// What stands where a number is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// Empty, `Anonymous` and the like: nobody is known by it.
    Withheld,
    /// A whole phone number.
    Phone(Phone),
    /// Digits that are no whole number here: an extension, a service code, a number without its area code.
    Digits { digits: String, written: String, extension: Option<String> },
    /// Anything else, as it is.
    Text(String),
}

/// A whole phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// `+` and digits, without the extension.
    pub e164: String,
    /// National (significant) number: digits without country code and trunk prefix, an Italian zero kept.
    pub national: String,
    pub country_code: i32,
    /// As people of the home region write it.
    pub people: String,
    pub extension: Option<String>,
    pub origin: Origin,
    /// Germany and Austria: the digits of the company's number in front of the direct dial, with country code.
    pub trunk: Option<String>,
}

/// How the country of a number became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It begins with `+`.
    Written,
    /// A national number, taken for one of the home region.
    Home,
    /// Read as an international number: behind a prefix such as `00` or `011`, or with the `+` left out.
    NoPlus,
    /// Letters stand for digits.
    Letters,
}

impl Origin {
    /// Nothing was guessed.
    #[must_use]
    pub fn is_certain(self) -> bool {
        self == Self::Written
    }
}

/// What phone systems write in place of a number that is withheld or not known.
const WITHHELD: [&str; 26] = [
    "anonymous",
    "anonymous caller",
    "anonymous.invalid",
    "anon",
    "restricted",
    "restricted number",
    "unavailable",
    "not available",
    "number unavailable",
    "unknown",
    "unknown number",
    "unknown caller",
    "private",
    "private number",
    "private caller",
    "withheld",
    "number withheld",
    "blocked",
    "blocked number",
    "no caller id",
    "no number",
    "caller id blocked",
    "id withheld",
    "out of area",
    "n/a",
    "none",
];

/// "ANONYMOUS" on a keypad, as some carriers send it.
const ANONYMOUS_DIGITS: &str = "266696687";

impl Number {
    /// Reads a text; numbers without a country are taken for those of `home`.
    #[must_use]
    pub fn read(text: &str, home: Home) -> Self {
        let written = tidy(text);
        let plain = plain(&without_address(text.trim()));
        let bare =
            plain.trim_matches(|c: char| matches!(c, '"' | '\'' | '<' | '>' | '(' | ')' | '[' | ']' | ' '));
        if bare.is_empty() || is_withheld(bare) {
            return Self::Withheld;
        }
        if plain.chars().count() > NUMBER_CHARS_MAX {
            return Self::Text(written);
        }
        let (number, extension) = split_extension(&plain);
        let (number, letters) = match spelled(number, home) {
            Some(Spelled::Digits(number)) => (number, true),
            Some(Spelled::Note(number)) => (number.to_owned(), false),
            None => (number.to_owned(), false),
        };
        if !is_number_text(&number) {
            return Self::Text(written);
        }
        if let Some((parsed, origin)) = parse(&number, home) {
            let origin = if letters { Origin::Letters } else { origin };
            return Self::Phone(phone(&parsed, &number, extension, origin, home));
        }
        let all = digits(&number);
        if letters || all.len() < SHORT_DIGITS_MIN || number.starts_with('+') && all.len() < SUFFIX_DIGITS {
            return Self::Text(written);
        }
        Self::Digits { digits: all, written, extension }
    }

    /// By what the same caller is known again; none for those who withhold their number.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Withheld => None,
            Self::Phone(phone) => Some(&phone.e164),
            Self::Digits { written, .. } => Some(written),
            Self::Text(text) => Some(text),
        }
    }

    /// For people; none when withheld.
    #[must_use]
    pub fn people(&self) -> Option<&str> {
        match self {
            Self::Phone(phone) => Some(&phone.people),
            other => other.key(),
        }
    }

    /// What is split off.
    #[must_use]
    pub fn extension(&self) -> Option<&str> {
        match self {
            Self::Phone(Phone { extension, .. }) | Self::Digits { extension, .. } => extension.as_deref(),
            Self::Withheld | Self::Text(_) => None,
        }
    }
}

fn is_withheld(text: &str) -> bool {
    let lower = text.to_lowercase();
    let lower = lower.trim_end_matches(['.', '!']);
    let spelled = digits(lower);
    WITHHELD.contains(&lower)
        || spelled == ANONYMOUS_DIGITS && is_number_text(lower)
        // "0000000000": a carrier that had to write something.
        || !spelled.is_empty() && is_number_text(lower) && spelled.trim_matches('0').is_empty()
}

fn is_number_text(text: &str) -> bool {
    let mark = |c: char| matches!(c, '+' | '-' | '.' | ' ' | '(' | ')' | '/');
    text.chars().all(|c| c.is_ascii_digit() || mark(c))
        && text.find('+').is_none_or(|at| digits(&text[..at]).is_empty() && !text[at + 1..].contains('+'))
}

enum Spelled<'a> {
    /// Letters were turned into digits.
    Digits(String),
    /// The letters are a note behind a whole number: "3125550147 (mobile)".
    Note(&'a str),
}

/// Letters in a number: a vanity number (`1-800-FLOWERS`), or a note behind a number.
fn spelled(text: &str, home: Home) -> Option<Spelled<'_>> {
    let first = text.find(|c: char| c.is_alphabetic())?;
    let before = text[..first].trim_end_matches(['(', ' ', '-', '.', '/']);
    if is_number_text(before) && parse(before, home).is_some() {
        return Some(Spelled::Note(before));
    }
    if digits(before).len() < SHORT_DIGITS_MIN {
        return None;
    }
    let dialled: Option<String> =
        text.chars().map(|c| if c.is_alphabetic() { keypad(c) } else { Some(c) }).collect();
    let dialled = dialled?;
    // Letters that do not make a number in force are words.
    let valid =
        is_number_text(&dialled) && parse(&dialled, home).is_some_and(|(number, _)| number.is_valid());
    valid.then_some(Spelled::Digits(dialled))
}

/// ITU-T E.161: the letters on the keys.
fn keypad(c: char) -> Option<char> {
    Some(match c.to_ascii_uppercase() {
        'A'..='C' => '2',
        'D'..='F' => '3',
        'G'..='I' => '4',
        'J'..='L' => '5',
        'M'..='O' => '6',
        'P'..='S' => '7',
        'T'..='V' => '8',
        'W'..='Z' => '9',
        _ => return None,
    })
}

fn parse(text: &str, home: Home) -> Option<(PhoneNumber, Origin)> {
    let text = text.trim();
    let read = |text: &str| PHONE_NUMBER_UTIL.parse_and_keep_raw_input(text, Some(home.0)).ok();
    let whole =
        |number: &PhoneNumber| matches!(number.is_possible_with_reason(), Ok(NumberLengthType::IsPossible));
    let number = read(text).filter(whole);
    let source = number.as_ref().map(PhoneNumber::country_code_source);
    if let (Some(number), Some(CountryCodeSource::FromNumberWithPlusSign)) = (&number, source) {
        return Some((number.clone(), Origin::Written));
    }
    let abroad = source == Some(CountryCodeSource::FromNumberWithIdd);
    let foreign = foreign(text).and_then(|text| read(&text)).filter(whole);
    let in_force = foreign.clone().filter(PhoneNumber::is_valid);
    if let Some(number) = number {
        // An international prefix is that of one region, and some can be read in two ways: it makes nothing certain.
        if abroad && (number.is_valid() || in_force.is_none()) {
            return Some((number, Origin::NoPlus));
        }
        // Without a country an extension such as 1001 looks like a number too: only a number in force counts.
        if number.is_valid() {
            return Some((number, Origin::Home));
        }
        // Numbers kept for fiction and tests are in force nowhere; behind a trunk prefix they still are whole.
        let national = number.get_national_significant_number().len();
        if in_force.is_none() && national > SUFFIX_DIGITS && digits(text).len() > national {
            return Some((number, Origin::Home));
        }
    }
    let prefixed = digits(text).starts_with("00");
    in_force.or_else(|| foreign.filter(|_| prefixed)).map(|number| (number, Origin::NoPlus))
}

/// "0044 …" where the international prefix is another one, "44 …" where the plus was left out: the text with a plus.
fn foreign(text: &str) -> Option<String> {
    let all = digits(text);
    let bare = ["0011", "00", "011"].iter().find_map(|prefix| all.strip_prefix(prefix)).unwrap_or(&all);
    let long_enough = bare.len() > SUFFIX_DIGITS + 2 && !bare.starts_with('0');
    (long_enough && !text.starts_with('+')).then(|| format!("+{bare}"))
}

fn phone(number: &PhoneNumber, text: &str, extension: Option<String>, origin: Origin, home: Home) -> Phone {
    let e164 = number.format_as(PhoneNumberFormat::E164).into_owned();
    let own = PHONE_NUMBER_UTIL.get_country_code_for_region(home.0) == Some(number.country_code)
        && number.get_region_code().is_none_or(|region| region == home.0);
    let format = if own { PhoneNumberFormat::National } else { PhoneNumberFormat::International };
    Phone {
        trunk: trunk(&e164, number.country_code, text),
        national: number.get_national_significant_number(),
        country_code: number.country_code,
        people: number.format_as(format).into_owned(),
        e164,
        extension,
        origin,
    }
}

/// Calling codes of the countries where a company's direct dials follow its number, DIN 5008: `+49 30 234567-89`.
const DIRECT_DIAL_COUNTRIES: [i32; 2] = [49, 43];

fn trunk(e164: &str, country_code: i32, text: &str) -> Option<String> {
    if !DIRECT_DIAL_COUNTRIES.contains(&country_code) {
        return None;
    }
    // Where dashes part all groups, the last one tells nothing.
    let (before, direct) = text.trim_end().rsplit_once('-')?;
    let direct_only = !direct.is_empty() && direct.bytes().all(|byte| byte.is_ascii_digit());
    let trunk = e164.strip_suffix(direct)?.trim_start_matches('+');
    let country_digits = 2;
    (direct_only
        && !before.contains('-')
        && direct.len() <= DIRECT_DIAL_DIGITS_MAX
        && trunk.len() >= TRUNK_DIGITS_MIN + country_digits)
        .then(|| trunk.to_owned())
}

/// The company's numbers that a number may be a direct dial of, with country code; empty elsewhere than in Germany and
/// Austria.
#[must_use]
pub fn trunks(phone: &Phone) -> Vec<&str> {
    if !DIRECT_DIAL_COUNTRIES.contains(&phone.country_code) {
        return Vec::new();
    }
    let all = phone.e164.trim_start_matches('+');
    let country_digits = 2;
    (0..=DIRECT_DIAL_DIGITS_MAX)
        .filter_map(|direct| all.len().checked_sub(direct))
        .filter(|end| *end >= TRUNK_DIGITS_MIN + country_digits)
        .map(|end| &all[..end])
        .collect()
}
