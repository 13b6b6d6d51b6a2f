//! Phone numbers as people write them, and as the store compares them.
//!
//! A caller's number is any string: E.164, an extension, `Anonymous`, markup. What is no number stays as it is.

use rlibphonenumber::{
    PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat,
    enums::{NumberLengthType, Region},
};

use super::limits::TEXT_CHARS_MAX;

/// Numbers of this region are written its own way, all others with their country code.
const HOME: Region = Region::US;
/// Calling code of `HOME`.
const HOME_CODE: i32 = 1;

/// What stands where a number is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// Empty or `Anonymous`: nobody is known by it.
    Withheld,
    /// A phone number.
    Phone { e164: String, people: String },
    /// Anything else, as it is.
    Text(String),
}

impl Number {
    #[must_use]
    pub fn read(text: &str) -> Self {
        let text = tidy(text);
        if text.is_empty() || text.eq_ignore_ascii_case("anonymous") {
            return Self::Withheld;
        }
        match parse(&text) {
            Some(number) => Self::Phone {
                e164: number.format_as(PhoneNumberFormat::E164).into_owned(),
                people: number.format_as(format_of(&number)).into_owned(),
            },
            None => Self::Text(text),
        }
    }

    /// By what the same caller is known again; none for those who withhold their number.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Withheld => None,
            Self::Phone { e164, .. } => Some(e164),
            Self::Text(text) => Some(text),
        }
    }

    /// For people; none when withheld.
    #[must_use]
    pub fn people(&self) -> Option<&str> {
        match self {
            Self::Withheld => None,
            Self::Phone { people, .. } => Some(people),
            Self::Text(text) => Some(text),
        }
    }
}

/// A name or label as it may stand on a page: no control or direction marks, white space as one blank, bounded.
#[must_use]
pub fn tidy(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let plain: String =
        text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|&c| !steers(c)).collect();
    let words = plain.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

fn parse(text: &str) -> Option<PhoneNumber> {
    // The library reads "1-800-FLOWERS" and numbers inside a text as numbers; here only digits and their marks are.
    if !text.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | ' ' | '(' | ')')) {
        return None;
    }
    let number = PHONE_NUMBER_UTIL.parse(text, Some(HOME)).ok()?;
    let whole = matches!(number.is_possible_with_reason(), Ok(NumberLengthType::IsPossible));
    // Without a country code an extension such as 1001 looks like a number too: only a valid one counts.
    (whole && (text.starts_with('+') || number.is_valid())).then_some(number)
}

fn format_of(number: &PhoneNumber) -> PhoneNumberFormat {
    let home =
        number.country_code == HOME_CODE && number.get_region_code().is_none_or(|region| region == HOME);
    if home { PhoneNumberFormat::National } else { PhoneNumberFormat::International }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, people: &str, key: &str) {
        let number = Number::read(text);
        assert_eq!((number.people(), number.key()), (Some(people), Some(key)), "{text}");
    }

    #[test]
    fn numbers_are_written_for_people() {
        check("+13125550147", "(312) 555-0147", "+13125550147");
        check("3125550147", "(312) 555-0147", "+13125550147");
        check(" (312) 555-0147 ", "(312) 555-0147", "+13125550147");
        check("+442079460123", "+44 20 7946 0123", "+442079460123");
        check("+14165550123", "+1 416-555-0123", "+14165550123");
    }

    #[test]
    fn what_is_no_number_stays_as_it_is() {
        for text in [
            "1001",
            "911",
            "Front gate",
            "<b>bold</b>",
            "+",
            "+1",
            "sip:ada@example.com",
            "1-800-FLOWERS",
            "*67",
        ] {
            check(text, text, text);
        }
    }

    #[test]
    fn withheld() {
        for text in ["", "  ", "Anonymous", "anonymous", "ANONYMOUS "] {
            assert_eq!(Number::read(text), Number::Withheld, "{text:?}");
        }
    }

    #[test]
    fn texts_cannot_steer_the_page() {
        assert_eq!(tidy("a\u{202e}b\n\t c\u{0}"), "ab c");
        assert_eq!(tidy(&"x".repeat(500)).chars().count(), TEXT_CHARS_MAX + 1);
    }
}
