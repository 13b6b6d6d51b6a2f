//! What a person has chosen: which calls and lines pop on their pages, when they come in silence. Pure.

use std::collections::BTreeSet;

use jiff::civil::{DateTime, Weekday};
use serde::{Deserialize, Serialize};

use super::limits::LINES_CHOSEN_MAX;

/// What a person has chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Every call; only admins may.
    pub everybody: bool,
    /// Calls that ring at lines of nobody: on the pages of all of the account, without a sound.
    pub unowned: bool,
    /// These, and calls that ring at no line yet.
    pub team: bool,
    /// Cards come in silence.
    pub do_not_disturb: bool,
    pub sound: bool,
    /// Single letters, digits and signs are commands (WCAG 2.1.4).
    pub keys: bool,
    /// Ids of lines of theirs whose calls make no card, unless they answer them.
    pub muted: BTreeSet<String>,
    /// Outside these cards come in silence, if they are `on`.
    pub hours: Hours,
}

impl Default for Choice {
    fn default() -> Self {
        let (muted, hours) = Default::default();
        Self {
            everybody: true,
            unowned: true,
            team: false,
            do_not_disturb: false,
            sound: false,
            keys: true,
            muted,
            hours,
        }
    }
}

/// Why a form is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// More lines than [`LINES_CHOSEN_MAX`] are not ticked.
    ManyLines,
    /// Hours that are no time of day.
    Hours,
}

/// Hours of some days of the week. Those that are not `on` wait until they are again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// Older versions kept hours only while they were.
    #[serde(default = "on")]
    pub on: bool,
    /// Minutes since midnight. When `to` is not later than `from` the hours end on the next day.
    pub from_min: u16,
    pub to_min: u16,
    /// Monday is the lowest bit. Hours that end on the next day count to the day on which they begin.
    pub days: u8,
}

fn on() -> bool {
    true
}

impl Default for Hours {
    /// Monday to Friday, nine to five, once they are on.
    fn default() -> Self {
        Self { on: false, ..Self::USUAL }
    }
}

impl Hours {
    /// Monday to Friday, nine to five.
    const USUAL: Self = Self { on: true, from_min: 9 * 60, to_min: 17 * 60, days: 0b1_1111 };

    #[must_use]
    pub fn has_day(self, day: Weekday) -> bool {
        self.days & (1 << day.to_monday_zero_offset()) != 0
    }

    #[must_use]
    pub fn hold(self, at: DateTime) -> bool {
        let minute = i32::from(at.hour()) * 60 + i32::from(at.minute());
        let (from, to) = (i32::from(self.from_min), i32::from(self.to_min));
        let (today, yesterday) = (at.weekday(), at.weekday().previous());
        if from < to {
            return self.has_day(today) && (from..to).contains(&minute);
        }
        (self.has_day(today) && minute >= from) || (self.has_day(yesterday) && minute < to)
    }
}

impl Choice {
    /// Cards come in silence at this time of the app's clock.
    #[must_use]
    pub fn is_quiet(&self, at: DateTime) -> bool {
        self.do_not_disturb || (self.hours.on && !self.hours.hold(at))
    }

    /// Reads a form. `line` is a line that is to pop, `shown` one that the form has a tick for; `day` is 1 for Monday.
    ///
    /// # Errors
    /// What is wrong; nothing is chosen then.
    pub fn read(form: &[(String, String)]) -> Result<Self, Wrong> {
        let value = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let values =
            |name: &'static str| form.iter().filter(move |(key, _)| key == name).map(|(_, value)| value);
        let wanted: BTreeSet<&String> = values("line").collect();
        let muted: BTreeSet<String> =
            values("shown").filter(|line| !wanted.contains(line)).cloned().collect();
        if muted.len() > LINES_CHOSEN_MAX {
            return Err(Wrong::ManyLines);
        }
        let is = |name: &str| value(name).is_some();
        let day = |value: &String| value.parse().ok().filter(|day| (1..=7).contains(day));
        let days = values("day").filter_map(day).fold(0, |days: u8, day: u8| days | 1 << (day - 1));
        let minute = |name| value(name).and_then(minutes);
        let hours = match (is("hours"), minute("from"), minute("to")) {
            (on, Some(from_min), Some(to_min)) => Hours { on, from_min, to_min, days },
            (true, ..) => return Err(Wrong::Hours),
            (false, ..) => Hours::default(),
        };
        Ok(Self {
            everybody: is("everybody"),
            unowned: is("unowned"),
            team: is("team"),
            do_not_disturb: is("do_not_disturb"),
            sound: is("sound"),
            keys: is("keys"),
            muted,
            hours,
        })
    }
}

/// "09:30" as minutes since midnight.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.get(..2)?.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// Minutes since midnight as a field of a form has them: "09:30".
#[must_use]
pub fn clock_text(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hours: Hours, at: &str, hold: bool) {
        assert_eq!(hours.hold(at.parse().unwrap()), hold, "{hours:?} at {at}");
    }

    #[test]
    fn hours_of_a_week() {
        // 2026-02-02 is a Monday.
        for (at, hold) in [
            ("2026-02-02T09:00", true),
            ("2026-02-02T08:59", false),
            ("2026-02-02T16:59", true),
            ("2026-02-02T17:00", false),
            ("2026-02-07T12:00", false),
            ("2026-02-06T12:00", true),
        ] {
            check(Hours::USUAL, at, hold);
        }
        let night = Hours { on: true, from_min: 22 * 60, to_min: 6 * 60, days: 0b1 };
        for (at, hold) in [
            ("2026-02-02T21:59", false),
            ("2026-02-02T22:00", true),
            ("2026-02-03T05:59", true),
            ("2026-02-03T06:00", false),
            ("2026-02-03T23:00", false),
            ("2026-02-02T03:00", false),
        ] {
            check(night, at, hold);
        }
    }

    #[test]
    fn forms_are_read_whole_or_not_at_all() {
        let form = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> =
                pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
            Choice::read(&pairs)
        };
        let read = form(&[
            ("shown", "a"),
            ("shown", "b"),
            ("line", "b"),
            ("hours", "on"),
            ("from", "09:00"),
            ("to", "17:00"),
            ("day", "1"),
            ("day", "5"),
            ("day", "9"),
            ("team", "on"),
        ]);
        let read = read.unwrap();
        assert_eq!(read.muted.iter().collect::<Vec<_>>(), ["a"]);
        assert_eq!(read.hours, Hours { on: true, from_min: 540, to_min: 1020, days: 0b1_0001 });
        assert!(read.team && !read.everybody && !read.unowned && !read.sound);
        assert!(form(&[("hours", "on"), ("from", "25:00"), ("to", "9")]).is_err());
        assert_eq!(form(&[]).unwrap().hours, Hours::default());
        let older = r#"{"from_min": 540, "to_min": 1020, "days": 31}"#;
        assert_eq!(serde_json::from_str::<Hours>(older).unwrap(), Hours::USUAL);
    }
}
