//! Texts from outside, made fit for a page and for reading numbers in them: white space, dashes and digits of all
//! scripts, marks that steer the direction, extensions, addresses such as `tel:` and `sip:`.

use super::limits::{EXTENSION_DIGITS_MAX, TEXT_CHARS_MAX};

/// A name or label as it may stand on a page: no control or direction marks, white space as one blank, bounded.
#[must_use]
pub fn tidy(text: &str) -> String {
    let plain: String =
        text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|&c| !steers(c)).collect();
    let words = plain.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// Invisible marks: control characters, directions, zero-width blanks and joiners, soft hyphen.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A number's text with the digits, dashes, blanks, dots and brackets of ASCII.
#[must_use]
pub fn plain(text: &str) -> String {
    let folded = text.chars().filter(|&c| !steers(c)).map(fold).collect::<String>();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn fold(c: char) -> char {
    match c {
        // Hyphens, dashes, minus, the Japanese prolonged sound mark that is typed for a dash.
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ff0d}' | '\u{30fc}' | '\u{fe63}' | '\u{2043}' => '-',
        '\u{ff0b}' | '\u{fe62}' => '+',
        '\u{ff08}' | '\u{fe59}' => '(',
        '\u{ff09}' | '\u{fe5a}' => ')',
        '\u{ff0e}' | '\u{b7}' | '\u{2022}' | '\u{2024}' | '\u{30fb}' => '.',
        '\u{ff0c}' => ',',
        '\u{ff0f}' | '\u{2044}' | '\u{2215}' => '/',
        '\u{ff1b}' => ';',
        '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' => latin(c),
        c if c.is_whitespace() => ' ',
        c => digit(c).unwrap_or(c),
    }
}

/// A full-width letter as a plain one.
fn latin(c: char) -> char {
    char::from_u32(u32::from(c) - 0xff21 + u32::from('A')).unwrap_or(c)
}

/// The zeros of the scripts whose digits are written in phone numbers; nine more follow each.
const ZEROS: [char; 16] = [
    '\u{0660}', '\u{06f0}', '\u{07c0}', '\u{0966}', '\u{09e6}', '\u{0a66}', '\u{0ae6}', '\u{0b66}',
    '\u{0be6}', '\u{0c66}', '\u{0ce6}', '\u{0d66}', '\u{0e50}', '\u{0ed0}', '\u{1040}', '\u{ff10}',
];

fn digit(c: char) -> Option<char> {
    let code = u32::from(c);
    let zero = ZEROS.iter().map(|&zero| u32::from(zero)).find(|zero| (*zero..*zero + 10).contains(&code))?;
    char::from_digit(code - zero, 10)
}

/// The digits of a text, nothing else.
#[must_use]
pub fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// What stands in an address: the number of `tel:`, the user part of `sip:` and of `<sip:…>`; any other text as it is.
#[must_use]
pub fn without_address(text: &str) -> String {
    let inner = match (text.find('<'), text.rfind('>')) {
        (Some(start), Some(end)) if start < end && text[start + 1..end].contains(':') => {
            &text[start + 1..end]
        }
        _ => text,
    };
    let lower = inner.to_ascii_lowercase();
    if let Some(rest) = ["tel:", "callto:", "phone:"].iter().find_map(|scheme| lower.strip_prefix(scheme)) {
        return in_context(rest.trim_start_matches("//"));
    }
    for scheme in ["sips:", "sip:"] {
        if lower.starts_with(scheme) {
            let rest = &inner[scheme.len()..];
            let user = rest.split_once('@').map_or(rest, |(user, _)| user);
            let number = user.split(';').next().unwrap_or_default();
            let is_number = digits(number).len() >= 3
                && number.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | '(' | ')'));
            let anonymous = user.eq_ignore_ascii_case("anonymous");
            return if is_number || anonymous { in_context(user) } else { text.to_owned() };
        }
    }
    text.to_owned()
}

/// RFC 3966 §5.1.5: a local number with `;phone-context=+CC…` is that number behind the context's digits. The extension
/// parameter stays, all others go.
fn in_context(text: &str) -> String {
    let mut parts = text.split(';');
    let number = parts.next().unwrap_or_default();
    let (mut context, mut extension) = ("", String::new());
    for part in parts {
        match part.split_once('=') {
            Some(("phone-context", value)) if value.starts_with('+') => context = value,
            Some(("ext", value)) => extension = format!(";ext={value}"),
            _ => {}
        }
    }
    if number.starts_with('+') {
        format!("{number}{extension}")
    } else {
        format!("{context}{number}{extension}")
    }
}

/// Splits a number's text from its extension: `;ext=12`, `ext. 12`, `x12`, `#12`, `,,12`, `extension 12`, `Durchwahl 12`.
#[must_use]
pub fn split_extension(text: &str) -> (&str, Option<String>) {
    // ASCII lower case keeps every byte in its place.
    let lower = text.to_ascii_lowercase();
    let digits_end = lower.trim_end_matches([' ', ')', ']']);
    let number_end = digits_end.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let extension = &digits_end[number_end..];
    if extension.is_empty() || extension.len() > EXTENSION_DIGITS_MAX {
        return (text, None);
    }
    let before = lower[..number_end].trim_end_matches([' ', ':', '.', '=']);
    const MARKS: [&str; 17] = [
        ";ext",
        "extension",
        "extn",
        "ext",
        "x",
        "#",
        ",,",
        ",",
        ";",
        "durchwahl",
        "dw",
        "poste",
        "interno",
        "int",
        "ramal",
        "anexo",
        "доб",
    ];
    for mark in MARKS {
        let Some(rest) = before.strip_suffix(mark) else { continue };
        // The end of another word is no mark: "fax 12", "Alex 12".
        let word = mark.starts_with(char::is_alphabetic);
        if word && rest.ends_with(char::is_alphabetic) || digits(rest).len() < 3 {
            continue;
        }
        let end = rest.trim_end_matches([' ', ',', ';', '(', '.', '-']).len();
        return (&text[..end], Some(extension.to_owned()));
    }
    (text, None)
}

/// The numbers in one field: people write `+1 312 555 0147 / +1 312 555 0148`, or one a line.
#[must_use]
pub fn split_numbers(text: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split(['\n', '\r', '|', '/', '\u{ff0f}']) {
        // A semicolon or a comma parts numbers unless it begins an extension or stands inside an address.
        let mut rest = part;
        while let Some(at) = rest.find([';', ',']) {
            let behind = &rest[at + 1..];
            let next = behind.trim_start();
            let whole = digits(&plain(next)).len() >= super::limits::SUFFIX_DIGITS
                && digits(&plain(&rest[..at])).len() >= super::limits::SUFFIX_DIGITS;
            if whole
                && !next.starts_with([',', ';'])
                && !next.to_ascii_lowercase().starts_with("ext")
                && !rest[..at].contains(':')
            {
                parts.push(&rest[..at]);
                rest = behind;
            } else {
                break;
            }
        }
        parts.push(rest);
    }
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_steer_the_page() {
        assert_eq!(tidy("a\u{202e}b\n\t c\u{0}"), "ab c");
        assert_eq!(tidy(&"x".repeat(500)).chars().count(), TEXT_CHARS_MAX + 1);
    }

    #[track_caller]
    fn check_extension(text: &str, number: &str, extension: Option<&str>) {
        assert_eq!(split_extension(text), (number, extension.map(str::to_owned)), "{text}");
    }

    #[test]
    fn extensions_are_split_off() {
        for text in
            ["5550147;ext=12", "5550147 ext. 12", "5550147x12", "5550147 X 12", "5550147,,12", "5550147#12"]
        {
            check_extension(text, "5550147", Some("12"));
        }
        check_extension("5550147 (ext 12", "5550147", Some("12"));
        check_extension("030 1234567 Durchwahl 89", "030 1234567", Some("89"));
        check_extension("5550147", "5550147", None);
        check_extension("x12", "x12", None);
        check_extension("5550147 Alex 12", "5550147 Alex 12", None);
        check_extension("5550147x123456789", "5550147x123456789", None);
        check_extension("Ångström 5550147 доб 12", "Ångström 5550147", Some("12"));
    }

    #[test]
    fn addresses_are_opened() {
        assert_eq!(without_address("tel:+1-312-555-0147;ext=5"), "+1-312-555-0147;ext=5");
        assert_eq!(without_address("tel:555-0147;phone-context=+1312"), "+1312555-0147");
        assert_eq!(without_address("\"Ada\" <sip:+13125550147@pbx.example;user=phone>"), "+13125550147");
        assert_eq!(without_address("sip:ada@example.com"), "sip:ada@example.com");
        assert_eq!(without_address("sip:anonymous@anonymous.invalid"), "anonymous");
        assert_eq!(without_address("Ada"), "Ada");
    }

    #[test]
    fn fields_with_several_numbers() {
        let check = |text: &str, expect: &[&str]| assert_eq!(split_numbers(text), expect, "{text}");
        check("+1 312 555 0147 / +1 312 555 0148", &["+1 312 555 0147", "+1 312 555 0148"]);
        check("3125550147; 3125550148,3125550149", &["3125550147", "3125550148", "3125550149"]);
        check("3125550147;ext=12", &["3125550147;ext=12"]);
        check("3125550147,,12", &["3125550147,,12"]);
        check(" ", &[]);
    }
}
