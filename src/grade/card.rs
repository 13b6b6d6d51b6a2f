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

/// A program and the plain behaviour, through the same days.
pub struct Beside {
    pub program: Card,
    pub plain: Card,
}

impl Beside {
    pub fn json(&self) -> Value {
        json!({"program": self.program.json(), "plain": self.plain.json()})
    }

    fn pairs(&self) -> impl Iterator<Item = (&Line, Option<&Line>)> {
        let of = |day| self.plain.lines.iter().find(move |line| line.day == day);
        self.program.lines.iter().map(move |line| (line, of(line.day)))
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:14}{:>6}{:>18}{:>22}", "", "", "the program", "plain behaviour")?;
        let heads = ["calls", "lost", "twice", "lost", "twice"];
        let [calls, lost, twice, plain_lost, plain_twice] = heads;
        writeln!(f, "{:14}{calls:>6}{lost:>10}{twice:>8}{plain_lost:>14}{plain_twice:>8}", "day")?;
        let mut sums = [0; 5];
        for (line, plain) in self.pairs() {
            let (plain_lost, plain_twice) = plain.map_or((0, 0), |plain| (plain.lost, plain.twice));
            let row = [line.calls, line.lost, line.twice, plain_lost, plain_twice];
            sums.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
            Self::row(f, line.day, row)?;
        }
        Self::row(f, "all", sums)
    }
}

impl Beside {
    fn row(f: &mut fmt::Formatter<'_>, day: &str, row: [usize; 5]) -> fmt::Result {
        let [calls, lost, twice, plain_lost, plain_twice] = row;
        writeln!(f, "{day:14}{calls:>6}{lost:>10}{twice:>8}{plain_lost:>14}{plain_twice:>8}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_programs_stand_side_by_side() {
        let line =
            |day, lost, twice| Line { day, what: "", calls: 3, handled: 3 - lost, lost, twice, after: None };
        let card = |lines| Card { program: None, lines };
        let program = card(vec![line("usual", 0, 0), line("drop", 0, 1)]);
        let plain = card(vec![line("usual", 0, 0), line("drop", 3, 0)]);
        let both = Beside { program, plain };
        let text = both.to_string();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let rows: Vec<_> = text.lines().skip(2).map(words).collect();
        assert_eq!(rows[1], ["drop", "3", "0", "1", "3", "0"], "{text}");
        assert_eq!(rows[2], ["all", "6", "0", "1", "3", "0"], "{text}");
        assert_eq!(both.json()["plain"]["lost"], 3);
    }

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
