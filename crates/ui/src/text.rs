//! One text of a language: names in braces are filled in, and a number decides which form is taken.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::lang::Form;

/// A text; what stands in braces is filled in by [`Text::with`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(String);

/// A text beside a number, in the forms that languages have for counting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cardinal {
    one: Text,
    other: Text,
}

/// The same for an order; a language that knows fewer forms leaves them out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ordinal {
    one: Option<Text>,
    two: Option<Text>,
    few: Option<Text>,
    other: Text,
}

/// A page that says one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    pub title: Text,
    pub text: Text,
}

impl Text {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With one name filled in.
    #[must_use]
    pub fn with(&self, name: &str, value: impl fmt::Display) -> String {
        self.fill(&[(name, &value)])
    }

    /// With names filled in, all at once: what is filled in stays as it is, whatever a caller is called.
    #[must_use]
    pub fn fill(&self, values: &[(&str, &dyn fmt::Display)]) -> String {
        let mut parts = self.0.split('{');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let named = part.split_once('}').and_then(|(name, rest)| {
                let (_, value) = values.iter().find(|(known, _)| *known == name)?;
                Some((value, rest))
            });
            match named {
                Some((value, rest)) => filled.push_str(&format!("{value}{rest}")),
                None => filled.push_str(&format!("{{{part}")),
            }
        }
        filled
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&Text> for String {
    fn from(text: &Text) -> Self {
        text.0.clone()
    }
}

impl Cardinal {
    pub(crate) fn of(&self, form: Form) -> &Text {
        match form {
            Form::One => &self.one,
            Form::Two | Form::Few | Form::Other => &self.other,
        }
    }
}

impl Ordinal {
    pub(crate) fn of(&self, form: Form) -> &Text {
        let named = match form {
            Form::One => &self.one,
            Form::Two => &self.two,
            Form::Few => &self.few,
            Form::Other => &None,
        };
        named.as_ref().unwrap_or(&self.other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_stays_as_it_is() {
        let text = Text("{who} is {word}, {unknown} {".to_owned());
        assert_eq!(text.fill(&[("who", &"{word}"), ("word", &"{")]), "{word} is {, {unknown} {");
        assert_eq!(Text::default().with("who", "x"), "");
    }
}
