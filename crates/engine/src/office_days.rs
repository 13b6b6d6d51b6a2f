//! The calls of an office's days: who calls when, hour by hour, with lunch, evenings and weekends. A pure function of
//! the days, the time zone and the seed.

use fastrand::Rng;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::{Request, Scenario};

/// A call that comes in, or goes out, at its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// No two calls of a thousand in a row begin in the same microsecond of a millisecond, so no two steps of theirs
    /// ever fall together, and which comes first never depends on anything else.
    pub at: Timestamp,
    pub request: Request,
    /// How many times faster than the scenario says; below 1 it is slower.
    pub speed: f64,
}

/// How often something happens, among others.
type Share = (&'static str, u32);

/// Somebody is there for every telephone.
const OPEN: &[Share] = &[
    ("answered", 28),
    ("outbound", 14),
    ("ring-group", 10),
    ("dial-plan", 8),
    ("internal", 8),
    ("queue-retry", 5),
    ("missed", 4),
    ("voicemail", 4),
    ("hold", 3),
    ("outbound-unanswered", 3),
    ("queue-abandoned", 3),
    ("blind-transfer", 3),
    ("attended-transfer", 2),
    ("two-devices", 2),
    ("hunt-overflow", 1),
    ("park-and-pickup", 1),
    ("cancelled-transfer", 1),
    ("conference", 1),
    ("anonymous", 1),
    ("recording-revision", 1),
    ("late-transcript", 1),
    ("answered-then-voicemail", 1),
    ("five-seconds", 1),
];

/// Few are there, and callers wait.
const LUNCH: &[Share] = &[
    ("missed", 20),
    ("voicemail", 20),
    ("answered", 20),
    ("queue-abandoned", 12),
    ("queue-retry", 6),
    ("ring-group", 6),
    ("outbound", 4),
    ("voicemail-failed", 4),
    ("hunt-overflow", 4),
    ("menu-hangup", 4),
];

/// Nobody is there.
const CLOSED: &[Share] =
    &[("voicemail", 45), ("missed", 22), ("menu-hangup", 18), ("voicemail-failed", 10), ("anonymous", 5)];

/// Calls in an hour on a working day, from midnight on.
const WORKING_DAY: [f64; 24] = [
    0.1, 0.05, 0.05, 0.05, 0.1, 0.2, 0.5, 1.5, 8.0, 14.0, 15.0, 13.0, 6.0, 10.0, 13.0, 12.0, 9.0, 5.0, 1.5,
    0.8, 0.5, 0.3, 0.2, 0.1,
];
/// On a Saturday the office is open from nine to one.
const SATURDAY: [f64; 24] = [
    0.1, 0.05, 0.05, 0.05, 0.05, 0.1, 0.2, 0.5, 1.0, 4.0, 5.0, 4.0, 2.5, 0.6, 0.4, 0.3, 0.3, 0.2, 0.2, 0.2,
    0.2, 0.1, 0.1, 0.1,
];
const SUNDAY: [f64; 24] = [
    0.05, 0.05, 0.0, 0.0, 0.0, 0.05, 0.1, 0.1, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.2, 0.2, 0.2, 0.2,
    0.2, 0.1, 0.1, 0.1,
];

/// Calls of so many days from `from` on, soonest first. `zone` is where the office stands.
///
/// # Panics
/// Never: a test plays each scenario that is named here.
#[must_use]
pub fn office_days(from: Timestamp, days: u32, zone: &TimeZone, seed: u64) -> Vec<Arrival> {
    let mut rng = Rng::with_seed(seed);
    let mut arrivals = Vec::new();
    let end =
        from.checked_add(jiff::SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX);
    let first = from.to_zoned(zone.clone()).date();
    // A day on each side: days of the office are not those of the clock.
    for day in 0..=i64::from(days) {
        let Ok(date) = first.checked_add(day.days()) else { break };
        for hour in 0..24_i8 {
            draw_hour(date, hour, zone, &mut rng, &mut arrivals);
        }
    }
    arrivals.retain(|arrival| (from..end).contains(&arrival.at));
    arrivals.sort_by_key(|arrival| arrival.at);
    for (number, arrival) in (0_i64..).zip(&mut arrivals) {
        arrival.at += jiff::SignedDuration::from_micros(number % 1000);
    }
    arrivals
}

/// What comes in an hour, and how busy it is.
fn hour_of(weekday: Weekday, hour: i8) -> (&'static [Share], f64) {
    let place = usize::try_from(hour).unwrap_or_default();
    match weekday {
        Weekday::Sunday => (CLOSED, SUNDAY[place]),
        Weekday::Saturday if (9..13).contains(&hour) => (OPEN, SATURDAY[place]),
        Weekday::Saturday => (CLOSED, SATURDAY[place]),
        _ if hour == 12 => (LUNCH, WORKING_DAY[place]),
        _ if (8..18).contains(&hour) => (OPEN, WORKING_DAY[place]),
        _ => (CLOSED, WORKING_DAY[place]),
    }
}

fn draw_hour(date: Date, hour: i8, zone: &TimeZone, rng: &mut Rng, arrivals: &mut Vec<Arrival>) {
    let (shares, rate) = hour_of(date.weekday(), hour);
    // No two days are alike: a third more or less.
    let wanted = rate * (0.67 + 0.66 * rng.f64());
    let calls = wanted.floor() as u64 + u64::from(rng.f64() < wanted.fract());
    for _ in 0..calls {
        let ms = rng.i64(0..3_600_000);
        let name = choose(shares, rng);
        let seed = rng.u64(..);
        let speed = rng.choice([1.0, 0.5, 0.25]).unwrap_or(1.0);
        // An hour that the clocks leave out is the one after it; of one that they repeat, the first.
        let Ok(begins) = date.at(hour, 0, 0, 0).to_zoned(zone.clone()) else { continue };
        let at = begins.timestamp() + jiff::SignedDuration::from_millis(ms);
        let scenario: Scenario = name.parse().expect("a test plays each scenario that is named here");
        arrivals.push(Arrival { at, request: Request::new(scenario, seed), speed });
    }
}

fn choose(shares: &[Share], rng: &mut Rng) -> &'static str {
    let all: u32 = shares.iter().map(|(_, share)| share).sum();
    let mut drawn = rng.u32(..all);
    for (name, share) in shares {
        if drawn < *share {
            return name;
        }
        drawn -= share;
    }
    shares[0].0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Office;

    fn monday() -> Timestamp {
        "2026-01-05T00:00:00Z".parse().expect("an instant")
    }

    #[test]
    fn the_same_seed_gives_the_same_days() {
        let zone = TimeZone::UTC;
        let days = office_days(monday(), 7, &zone, 7);
        assert_eq!(days, office_days(monday(), 7, &zone, 7));
        assert_ne!(days, office_days(monday(), 7, &zone, 8));
        assert!(days.is_sorted_by(|a, b| a.at < b.at), "no two at once");
    }

    #[test]
    fn a_week_has_working_hours_a_lunch_and_a_weekend() {
        let days = office_days(monday(), 28, &TimeZone::UTC, 1);
        let count = |wanted: &dyn Fn(i8, Weekday) -> bool| {
            let hour = |arrival: &&Arrival| {
                let at = arrival.at.to_zoned(TimeZone::UTC);
                wanted(at.hour(), at.weekday())
            };
            days.iter().filter(hour).count()
        };
        let working = |day: Weekday| !matches!(day, Weekday::Saturday | Weekday::Sunday);
        let morning = count(&|hour, day| working(day) && hour == 10);
        let lunch = count(&|hour, day| working(day) && hour == 12);
        let night = count(&|hour, day| working(day) && hour == 3);
        assert!(morning > 2 * lunch && lunch > 20 * night.max(1), "{morning}, {lunch}, {night}");
        assert!(count(&|_, day| day == Weekday::Sunday) * 5 < count(&|_, day| day == Weekday::Saturday) * 3);
        let missed = |hour: i8| {
            let of = days.iter().filter(|arrival| arrival.at.to_zoned(TimeZone::UTC).hour() == hour);
            let (all, missed) = of
                .fold((0, 0), |(all, m), a| (all + 1, m + u32::from(a.request.scenario.name() == "missed")));
            f64::from(missed) / f64::from(all)
        };
        assert!(missed(12) > missed(10), "at lunch more is missed");
    }

    #[test]
    fn the_example_office_can_play_whatever_comes() {
        let office = Office::example(1);
        for (name, _) in OPEN.iter().chain(LUNCH).chain(CLOSED) {
            let scenario: Scenario = name.parse().expect("it is in the library");
            crate::script(&office, &Request::new(scenario, 3)).expect("it can be played");
        }
    }
}
