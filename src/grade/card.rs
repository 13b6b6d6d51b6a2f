//! What came out, for people and for programs.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

pub struct Card {
    pub program: Option<String>,
    pub lines: Vec<Line>,
}

pub struct Line {
    pub day: &'static str,
    pub what: &'static str,
    pub calls: usize,
    pub handled: usize,
    pub lost: usize,
    pub twice: usize,
    /// From the end of the last call until all were handled.
    pub after: Option<Duration>,
}

impl Line {
    fn verdict(&self) -> &'static str {
        match (self.lost, self.twice) {
            (0, 0) => "handled",
            (0, _) => "did twice",
            (_, 0) => "lost",
            _ => "lost, did twice",
        }
    }
}

impl Card {
    pub fn json(&self) -> Value {
        let day = |line: &Line| {
            json!({
                "day": line.day,
                "what": line.what,
                "verdict": line.verdict(),
                "calls": line.calls,
                "handled": line.handled,
                "lost": line.lost,
                "twice": line.twice,
                "afterMs": line.after.map(|after| after.as_millis() as u64),
            })
        };
        json!({
            "program": self.program,
            "days": self.lines.iter().map(day).collect::<Vec<_>>(),
            "lost": self.lines.iter().map(|line| line.lost).sum::<usize>(),
            "twice": self.lines.iter().map(|line| line.twice).sum::<usize>(),
        })
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:14}{:>6}{:>9}{:>6}{:>7}{:>9}  verdict",
            "day", "calls", "handled", "lost", "twice", "after"
        )?;
        for line in &self.lines {
            let after =
                line.after.map_or_else(|| "-".to_owned(), |after| format!("{:.1} s", after.as_secs_f64()));
            writeln!(
                f,
                "{:14}{:>6}{:>9}{:>6}{:>7}{:>9}  {}",
                line.day,
                line.calls,
                line.handled,
                line.lost,
                line.twice,
                after,
                line.verdict()
            )?;
        }
        let well = self.lines.iter().filter(|line| line.verdict() == "handled").count();
        writeln!(f, "{well} of {} days handled", self.lines.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_says_what_was_lost_and_done_twice() {
        let line =
            |day, lost, twice| Line { day, what: "", calls: 3, handled: 3 - lost, lost, twice, after: None };
        let card = Card {
            program: None,
            lines: vec![line("usual", 0, 0), line("drop", 3, 0), line("duplicate", 0, 2)],
        };
        let text = card.to_string();
        assert!(text.ends_with("1 of 3 days handled\n"), "{text}");
        let verdicts: Vec<&str> = card.lines.iter().map(Line::verdict).collect();
        assert_eq!(verdicts, ["handled", "lost", "did twice"]);
        assert_eq!((&card.json()["lost"], &card.json()["twice"]), (&json!(3), &json!(2)));
    }
}
