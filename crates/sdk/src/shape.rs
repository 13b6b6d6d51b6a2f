//! What does not fit the specification is named by kind and place, never by value: values are names and numbers of people,
//! and errors go into logs and stores. serde's own texts quote them.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde_json::error::Category;

use crate::limits;

/// Why a JSON text could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// "missing field `legId`", "invalid type: string, expected u64".
    what: String,
    /// Names of the members around the place, joined by dots; empty at the top.
    path: String,
    line: usize,
    column: usize,
}

impl Misfit {
    /// `text` is what `error` was about.
    pub fn new(text: &[u8], error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let is_data = error.classify() == Category::Data;
        let path = if is_data { path(before(text, line, column)) } else { String::new() };
        Self { what: what(error), path, line, column }
    }

    /// The same for all texts that differ in the same way.
    pub fn kind(&self) -> String {
        match self.path.as_str() {
            "" => self.what.clone(),
            path => format!("{} in {path}", self.what),
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {} column {}", self.kind(), self.line, self.column)
    }
}

/// Shapes that were told, so that each is told once.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<HashSet<String>>);

impl Told {
    /// Whether this was not told before. `false` too when [`limits::NEW_SHAPES_MAX`] were.
    pub fn is_new(&self, shape: String) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.len() < limits::NEW_SHAPES_MAX && told.insert(shape)
    }
}

fn what(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Syntax => "it is not JSON".to_owned(),
        Category::Eof => "it ends too early".to_owned(),
        Category::Io => "it broke off".to_owned(),
        Category::Data => {
            let text = error.to_string();
            let place = format!(" at line {} column {}", error.line(), error.column());
            without_value(text.strip_suffix(&place).unwrap_or(&text))
        }
    }
}

/// serde's texts: names of fields are ours, and so is what stands behind the last "expected".
fn without_value(text: &str) -> String {
    if text.starts_with("missing field `") {
        return text.to_owned();
    }
    let parts = text.split_once(": ").zip(text.rsplit_once(", expected "));
    match parts {
        Some((("invalid type", found), (_, expected))) => {
            // `string "…"`, "integer `5`", "null"
            let found = found.split(['"', '`', ',']).next().unwrap_or_default().trim_end();
            format!("invalid type: {found}, expected {expected}")
        }
        Some((("invalid value", _), (_, expected))) => format!("invalid value, expected {expected}"),
        _ => "a value that does not fit".to_owned(),
    }
}

/// The text up to a place; lines and columns count from 1, columns in bytes.
fn before(text: &[u8], line: usize, column: usize) -> &[u8] {
    let lines = text.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1));
    let start: usize = lines.map(<[u8]>::len).sum();
    &text[..(start + column).min(text.len())]
}

/// Names of the members that are open at the end of a part of a JSON text.
fn path(read: &[u8]) -> String {
    let mut open: Vec<&[u8]> = Vec::new();
    let (mut last, mut at): (&[u8], usize) = (b"", 0);
    while let Some(byte) = read.get(at) {
        at += 1;
        match byte {
            b'"' => {
                let end = at + string_len(&read[at..]);
                last = &read[at..end];
                at = end + 1;
            }
            b'{' | b'[' => open.push(b""),
            b'}' | b']' => drop(open.pop()),
            b':' | b',' => {
                if let Some(name) = open.last_mut() {
                    *name = if *byte == b':' { last } else { b"" };
                }
            }
            _ => {}
        }
    }
    let names = open.into_iter().filter(|name| !name.is_empty()).map(String::from_utf8_lossy);
    names.collect::<Vec<_>>().join(".")
}

/// Bytes up to the quotation mark that ends a string.
fn string_len(text: &[u8]) -> usize {
    let mut is_escaped = false;
    let ends = |byte: &u8| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    };
    text.iter().position(ends).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use wire::report::{Report, Summary};

    use super::*;

    const SUMMARY: &str = r#"{"conversationSpaceId": "cs-1", "accountKey": "17", "callCreated": "2026-02-03T17:00:00Z",
        "callEnded": "2026-02-03T17:00:09Z", "direction": "INBOUND", "callerOutcome": "NORMAL",
        "aiAnalysis": {"summary": "say \"hi\": {"},
        "caller": {"name": "Ada", "number": "+13125550147", "legId": "l", "type": {"value": "NEW"}}}"#;

    fn misfit<T: serde::de::DeserializeOwned>(text: &str) -> Misfit {
        let error = serde_json::from_str::<T>(text).err().expect("it does not fit");
        Misfit::new(text.as_bytes(), &error)
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_path_and_without_its_value() {
        serde_json::from_str::<Summary>(SUMMARY).unwrap();
        let cases = [
            (r#""legId": "l", "#, "", "missing field `legId` in caller"),
            (
                r#""name": "Ada""#,
                r#""name": 3125550147"#,
                "invalid type: integer, expected a string in caller.name",
            ),
            (
                r#""name": "Ada""#,
                r#""name": {"first": "Ada"}"#,
                "invalid type: map, expected a string in caller.name",
            ),
            (
                r#"{"summary": "say \"hi\": {"}"#,
                r#""Ada, expected b""#,
                "invalid type: string, expected struct AiAnalysis in aiAnalysis",
            ),
            (r#""accountKey": "17", "#, "", "missing field `accountKey`"),
        ];
        for (part, instead, expected) in cases {
            assert!(SUMMARY.contains(part), "{part}");
            let misfit = misfit::<Summary>(&SUMMARY.replacen(part, instead, 1));
            assert_eq!(misfit.kind(), expected);
        }
        assert_eq!(misfit::<Summary>(&SUMMARY[..120]).kind(), "it ends too early");
        let misfit = misfit::<Report>("{\"a\":\n Ada}");
        assert_eq!(misfit.to_string(), "it is not JSON, line 2 column 2");
    }

    #[test]
    fn each_shape_is_told_once_and_not_without_end() {
        let told = Told::default();
        assert!(told.is_new("a".to_owned()) && !told.is_new("a".to_owned()));
        let new = (0..2 * limits::NEW_SHAPES_MAX).filter(|number| told.is_new(number.to_string()));
        assert_eq!(new.count(), limits::NEW_SHAPES_MAX - 1);
    }
}
