//! Misspelt words of scenario and office files: what was meant is named, so that nobody looks for a wrong letter in a
//! list, and one misspelt word hides no other mistake.

use std::ops::Range;

use serde::de::DeserializeOwned;

use wire::call_events::Status;
use wire::report::CallerOutcome;

use crate::{Expectation, limits};

/// `callerOutcome` of calls that scenarios can play.
const OUTCOMES: [&str; 7] =
    ["NORMAL", "MISSED", "VOICEMAIL", "LEFT_QUEUE", "LEFT_DIAL_PLAN", "LEFT_ON_HOLD", "LEFT_PARKING_SPOT"];

/// Statuses that who starts a call can have.
const STATUSES: [&str; 8] = [
    "RINGING",
    "CONNECTED",
    "IN_INTERACTIVE_VOICE_RESPONSE",
    "IN_DIRECT_TRANSFER",
    "IN_WARM_TRANSFER",
    "ON_HOLD",
    "PARKED",
    "DISCONNECTING",
];

/// The wire types keep words that they do not know, which is right for what comes from a service, and wrong for what a
/// person wrote.
///
/// # Errors
/// The first word that no call can come to, with the one that is meant.
pub(crate) fn check(expected: &Expectation) -> Result<(), String> {
    if let CallerOutcome::Other(word) = &expected.outcome {
        return Err(unknown("outcome", word, &OUTCOMES));
    }
    let other = expected.caller.iter().find_map(|status| match status {
        Status::Other(word) => Some(word),
        _ => None,
    });
    other.map_or(Ok(()), |word| Err(unknown("caller", word, &STATUSES)))
}

fn unknown(member: &str, word: &str, known: &[&str]) -> String {
    let meant = nearest(word, known).map(|meant| format!("did you mean {meant:?}? ")).unwrap_or_default();
    format!("`{member}` of an expect knows no {word:?}: {meant}It knows {}", known.join(", "))
}

/// A message of the reader of a file, with the word that is meant where it names the possible ones.
pub(crate) fn with_meant(message: &str) -> String {
    match misspelt(message).and_then(|(_, meant)| meant) {
        Some(meant) => format!("{}; did you mean `{meant}`?", message.trim_end()),
        None => message.to_owned(),
    }
}

/// The word that a message calls unknown, and the one that is meant.
fn misspelt(message: &str) -> Option<(&str, Option<&str>)> {
    let marks = ["unknown variant ", "unknown field "];
    let (_, told) = marks.iter().find_map(|mark| message.split_once(mark))?;
    // What stands between backticks: the word, then those that are possible.
    let mut words = told.split('`').skip(1).step_by(2);
    let word = words.next()?;
    Some((word, nearest(word, &words.collect::<Vec<_>>())))
}

/// Reads a file on behind its misspelt words: each is a problem, and the file is read as if it had the one that is meant,
/// or as if the line were not there. Returns what could be read, the text that it was read from, whose lines are those of
/// the file, and the problems, each with its line.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> (Option<T>, String, Vec<String>) {
    let (mut text, mut problems) = (text.to_owned(), Vec::new());
    while problems.len() < limits::MISSPELT_WORDS_MAX {
        let error = match toml::from_str(&text) {
            Ok(file) => return (Some(file), text, problems),
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        problems.push(format!("line {}: {}", line_at(&text, span.start), with_meant(error.message())));
        let Some(mended) =
            misspelt(error.message()).and_then(|(word, meant)| mend(&text, &span, word, meant))
        else {
            break;
        };
        text = mended;
    }
    (None, text, problems)
}

/// The text without the misspelt word.
fn mend(text: &str, span: &Range<usize>, word: &str, meant: Option<&str>) -> Option<String> {
    let place = span.start + text.get(span.clone())?.find(word)?;
    if let Some(meant) = meant {
        let mended = format!("{}{meant}{}", &text[..place], &text[place + word.len()..]);
        let twice = toml::from_str::<toml::Table>(&mended).is_err();
        if !twice {
            return Some(mended);
        }
    }
    // A line of its own becomes a comment.
    let begin = text[..place].rfind('\n').map_or(0, |end| end + 1);
    let alone = text[begin..place].trim().is_empty();
    let mended = format!("{}#{}", &text[..begin], &text[begin..]);
    (alone && toml::from_str::<toml::Table>(&mended).is_ok()).then_some(mended)
}

pub(crate) fn line_at(text: &str, place: usize) -> usize {
    text.bytes().take(place).filter(|byte| *byte == b'\n').count() + 1
}

/// The known word that is written most like this one, if it is like it: a third of its letters may differ.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let like = |known: &&'a str| (differing(&word.to_lowercase(), &known.to_lowercase()), *known);
    let (differ, found) = known.iter().map(like).min_by_key(|(differ, _)| *differ)?;
    (differ <= found.chars().count().div_ceil(3)).then_some(found)
}

/// How many letters must be put in, taken out or changed (Levenshtein's distance).
fn differing(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = line + 1;
        for (column, theirs) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != *theirs);
            corner = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(corner + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_is_meant_is_found_and_a_strange_one_is_not() {
        for (word, meant) in [
            ("NORMA", Some("NORMAL")),
            ("missed", Some("MISSED")),
            ("LEFT_HOLD", Some("LEFT_ON_HOLD")),
            ("VOICE_MAIL", Some("VOICEMAIL")),
            ("BANANA", None),
        ] {
            assert_eq!(nearest(word, &OUTCOMES), meant, "{word}");
        }
        assert_eq!(differing("kitten", "sitting"), 3);
    }

    #[test]
    fn the_lists_are_those_of_the_wire_types() {
        for word in OUTCOMES {
            let outcome: CallerOutcome = serde_json::from_value(word.into()).expect("a word");
            assert!(!matches!(outcome, CallerOutcome::Other(_)), "{word}");
        }
        for word in STATUSES {
            let status: Status = serde_json::from_value(word.into()).expect("a word");
            assert!(!matches!(status, Status::Other(_)), "{word}");
        }
    }

    #[test]
    fn a_message_without_a_word_stays_as_it_is() {
        assert_eq!(with_meant("missing field `rows`"), "missing field `rows`");
        let told = with_meant("unknown variant `rang`, expected one of `ring`, `answer`\n");
        assert!(told.ends_with("`answer`; did you mean `ring`?"), "{told}");
    }
}
