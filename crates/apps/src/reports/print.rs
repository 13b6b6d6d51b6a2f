//! Writes reports out: one bare JSON document a line, or a line for people.

use std::io;

use jiff::tz::TimeZone;

use super::{Lines, Out, StoredReport, people};
use crate::store::changes::Change;

pub(super) struct Printer {
    out: Lines,
    json: bool,
}

impl Printer {
    pub fn new(out: Out, json: bool) -> Self {
        Self { out: Lines::new(out), json }
    }

    /// Prints one report and makes sure that it is out. `false` when nobody reads any more (a closed pipe).
    pub async fn print(&mut self, report: &StoredReport) -> io::Result<bool> {
        let line = if self.json { one_line(&report.raw) } else { people::line(report, &TimeZone::system()) };
        self.out.line(&line).await
    }

    /// The same with what is new about it.
    pub async fn print_change(&mut self, change: &Change) -> io::Result<bool> {
        if self.json || change.changed.is_empty() {
            return self.print(&change.report).await;
        }
        let line = people::line(&change.report, &TimeZone::system());
        self.out.line(&format!("{line}  (changed: {})", change.changed)).await
    }
}

/// A number with its thing: `1 call`, `2 calls`.
pub fn counted<N: std::fmt::Display + PartialEq + From<u8>>(number: N, one: &str, many: &str) -> String {
    let thing = if number == N::from(1) { one } else { many };
    format!("{number} {thing}")
}

/// The same JSON without white space between its parts; strings, numbers and the order of members stay letter
/// for letter, which a parser would not promise.
pub(super) fn one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let mut in_string = false;
    let mut escaped = false;
    for letter in json.chars() {
        if in_string {
            in_string = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
        } else if letter == '"' {
            in_string = true;
        } else if letter.is_ascii_whitespace() {
            continue;
        }
        line.push(letter);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_becomes_one_line_and_nothing_else_changes() {
        let text = "{\n  \"b\": \"a \\\" \\\\\",\n \"a\": [ 1.50 ,\t2 ],\r\n \"c\": \"\\\\\" }\n";
        assert_eq!(one_line(text), r#"{"b":"a \" \\","a":[1.50,2],"c":"\\"}"#);
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_is_no_error() {
        let stored = StoredReport {
            number: 1,
            conversation_space_id: "a".to_owned(),
            account_key: "17".to_owned(),
            call_created: String::new(),
            call_ended: String::new(),
            stored: jiff::Timestamp::UNIX_EPOCH,
            raw: "{ }".to_owned(),
        };
        let (writer, reader) = tokio::io::duplex(64);
        let mut printer = Printer::new(Box::new(writer), true);
        assert!(printer.print(&stored).await.unwrap());
        drop(reader);
        assert!(!printer.print(&stored).await.unwrap());
    }
}
