//! Misspelt words of a scenario file: what was meant is named, so that nobody looks for a wrong letter in a list.

use wire::call_events::Status;
use wire::report::CallerOutcome;

use super::Expectation;

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
pub(super) fn check(expected: &Expectation) -> Result<(), String> {
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

/// A message of the reader of the file, with the word that is meant where it names the possible ones.
pub(super) fn with_meant(message: String) -> String {
    let Some((_, told)) =
        ["unknown variant ", "unknown field "].iter().find_map(|mark| message.split_once(mark))
    else {
        return message;
    };
    // What stands between backticks: the word, then those that are possible.
    let mut words = told.split('`').skip(1).step_by(2);
    let Some(word) = words.next() else { return message };
    match nearest(word, &words.collect::<Vec<_>>()) {
        Some(meant) => format!("{}\ndid you mean `{meant}`?", message.trim_end()),
        None => message,
    }
}

/// The known word that is written most like this one, if it is like it: a third of its letters may differ.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
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
        assert_eq!(with_meant("missing field `rows`".to_owned()), "missing field `rows`");
        let told = with_meant("unknown variant `rang`, expected one of `ring`, `answer`".to_owned());
        assert!(told.ends_with("\ndid you mean `ring`?"), "{told}");
    }
}
