//! Times of day and dates in the form of a language: "Yesterday, 2:05 PM", "Ontem, 14:05".

use jiff::{Timestamp, Zoned, civil::Date, tz::TimeZone};
use ui::Texts;

use super::{
    call::{LastCall, Outcome, Way},
    view::short_name,
};
use crate::people::agenda::Due;

/// "0:07", "12:30", "1:02:03"
pub(super) fn clock(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

/// When something was, as short as can be: without the day if it was today.
pub(super) fn short(at: &Zoned, now: Timestamp, texts: &Texts) -> String {
    let today = now.to_zoned(at.time_zone().clone()).date();
    match day(at.date(), today) {
        Day::Today => time_of_day(at, texts),
        Day::Yesterday => texts.time.yesterday.with("time", time_of_day(at, texts)),
        Day::Earlier => dated(&texts.time.this_year, at, texts),
        Day::OtherYear => full(at, texts),
    }
}

/// With day and year.
pub(super) fn full(at: &Zoned, texts: &Texts) -> String {
    dated(&texts.time.other_year, at, texts)
}

/// "Yesterday, 2:05 PM, answered by Front Desk, talked 3:12"
pub(super) fn last_call(last: &LastCall, now: Timestamp, zone: &TimeZone, texts: &Texts) -> String {
    let created = last.created.to_zoned(zone.clone());
    let when = short(&created, now, texts);
    let is_today = created.date() == now.to_zoned(zone.clone()).date();
    let when = if is_today { texts.time.today.with("time", when) } else { when };
    let words = &texts.last;
    let name = last.line.as_ref().map(|line| short_name(line, texts));
    let told = match (last.way, last.outcome, &name) {
        (Way::Outbound, outcome, name) => {
            let called = match name {
                Some(name) => words.called_by.fill(&[("when", &when), ("name", name)]),
                None => words.called.with("when", when),
            };
            match outcome {
                Some(Outcome::Missed) => words.not_reached.with("call", called),
                _ => called,
            }
        }
        (_, None, _) => words.going_on.with("when", when),
        (_, Some(Outcome::Answered), Some(name)) => {
            words.answered_by.fill(&[("when", &when), ("name", name)])
        }
        (_, Some(Outcome::Answered), None) => words.answered.with("when", when),
        (_, Some(Outcome::Missed), _) => words.missed.with("when", when),
        (_, Some(Outcome::Unknown), _) => when,
    };
    match last.talked_s {
        Some(seconds) if last.outcome == Some(Outcome::Answered) => {
            words.talked.fill(&[("call", &told), ("time", &clock(seconds))])
        }
        _ => told,
    }
}

/// "Tomorrow, 2:05 PM", "Feb 5"
pub(super) fn coming(due: Due, now: Timestamp, zone: &TimeZone, texts: &Texts) -> String {
    let words = &texts.time;
    let today = now.to_zoned(zone.clone()).date();
    let (date, time) = match due {
        Due::Day(date) => (date, None),
        Due::At(at) => {
            let at = at.to_zoned(zone.clone());
            (at.date(), Some(time_of_day(&at, texts)))
        }
    };
    let day: String = match date {
        _ if date == today => (&words.this_day).into(),
        _ if today.tomorrow().is_ok_and(|tomorrow| date == tomorrow) => (&words.tomorrow).into(),
        _ if date.year() == today.year() => {
            words.day.fill(&[("month", &month(date, texts)), ("day", &date.day())])
        }
        _ => words.day_of_year.fill(&[
            ("month", &month(date, texts)),
            ("day", &date.day()),
            ("year", &date.year()),
        ]),
    };
    time.map_or_else(|| day.clone(), |time| words.day_time.fill(&[("day", &day), ("time", &time)]))
}

fn time_of_day(at: &Zoned, texts: &Texts) -> String {
    at.strftime(texts.time.clock.as_str()).to_string()
}

fn dated(form: &ui::Text, at: &Zoned, texts: &Texts) -> String {
    let month = month(at.date(), texts);
    let time = time_of_day(at, texts);
    form.fill(&[("month", &month), ("day", &at.day()), ("year", &at.year()), ("time", &time)])
}

fn month(date: Date, texts: &Texts) -> String {
    let month = usize::try_from(date.month() - 1).ok().and_then(|month| texts.time.months.get(month));
    month.map(String::from).unwrap_or_default()
}

enum Day {
    Today,
    Yesterday,
    Earlier,
    OtherYear,
}

fn day(date: Date, today: Date) -> Day {
    match date {
        _ if date == today => Day::Today,
        _ if today.yesterday().is_ok_and(|yesterday| date == yesterday) => Day::Yesterday,
        _ if date.year() == today.year() => Day::Earlier,
        _ => Day::OtherYear,
    }
}

#[cfg(test)]
mod tests {
    use ui::Lang;

    use super::*;

    #[test]
    fn clocks() {
        assert_eq!([clock(-5), clock(7), clock(750), clock(3723)], ["0:00", "0:07", "12:30", "1:02:03"]);
    }

    #[test]
    fn days_are_those_of_the_zone_and_written_as_the_language_has_it() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let now: Timestamp = "2026-03-02T03:30:00Z".parse().unwrap();
        let check = |at: &str, english: &str, portuguese: &str| {
            let last = LastCall {
                id: String::new(),
                created: at.parse().unwrap(),
                way: Way::Inbound,
                outcome: Some(Outcome::Missed),
                line: None,
                talked_s: None,
            };
            for (lang, expected) in [(Lang::English, english), (Lang::Portuguese, portuguese)] {
                assert_eq!(last_call(&last, now, &zone, &Texts::of(lang)), expected);
            }
        };
        check("2026-03-02T01:05:00Z", "Today, 8:05 PM, missed", "Hoje, 20:05, perdida");
        check("2026-03-01T04:59:00Z", "Yesterday, 11:59 PM, missed", "Ontem, 23:59, perdida");
        check("2026-01-15T15:00:00Z", "Jan 15, 10:00 AM, missed", "15 de jan., 10:00, perdida");
        let year = "31 de dez. de 2025, 10:00, perdida";
        check("2025-12-31T15:00:00Z", "Dec 31, 2025, 10:00 AM, missed", year);
    }
}
