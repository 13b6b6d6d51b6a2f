//! What is due with a contact: tickets that are open, appointments that come.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use super::{contact::Contact, limits::APPOINTMENTS_KEPT_MAX, text::tidy};

/// Tickets of a contact that are open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tickets {
    pub open: u64,
    /// Title of the newest; can be empty.
    pub newest: String,
    /// Address of the newest; can be empty.
    pub link: String,
}

/// An appointment with a contact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appointment {
    /// As [`due`] reads it.
    pub at: String,
    /// Can be empty.
    pub title: String,
    /// Can be empty.
    pub link: String,
}

/// When something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    At(Timestamp),
    /// All day.
    Day(Date),
}

impl Due {
    fn is_past(self, now: Timestamp, zone: &TimeZone) -> bool {
        match self {
            Self::At(at) => at < now,
            Self::Day(day) => day < now.to_zoned(zone.clone()).date(),
        }
    }

    /// A day comes before what is on it.
    fn begins(self, zone: &TimeZone) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Day(day) => day.to_zoned(zone.clone()).map_or(Timestamp::MAX, |day| day.timestamp()),
        }
    }
}

/// Reads an instant (RFC 3339, or seconds or milliseconds since 1970), a time of the zone `zone` (`2026-02-05 14:00`), or
/// a day (`2026-02-05`).
#[must_use]
pub fn due(text: &str, zone: &TimeZone) -> Option<Due> {
    let text = text.trim();
    let count = || text.parse::<i64>().ok();
    let instant = match text.len() {
        10 if count().is_some() => Timestamp::from_second(count()?).ok(),
        13 if count().is_some() => Timestamp::from_millisecond(count()?).ok(),
        _ => text.parse::<Timestamp>().ok(),
    };
    if let Some(at) = instant {
        return Some(Due::At(at));
    }
    if !text.contains(':') {
        return text.parse::<Date>().ok().map(Due::Day);
    }
    let civil = text.parse::<DateTime>().ok()?;
    civil.to_zoned(zone.clone()).ok().map(|at| Due::At(at.timestamp()))
}

/// The same text, its zone written down where it is known; none if it tells no time.
#[must_use]
pub fn fixed(text: &str, zone: Option<&TimeZone>) -> Option<String> {
    match (due(text, zone.unwrap_or(&TimeZone::UTC))?, zone) {
        (Due::At(at), Some(_)) => Some(at.to_string()),
        _ => Some(tidy(text)),
    }
}

impl Contact {
    /// The first appointment that is not over.
    #[must_use]
    pub fn next_appointment(&self, now: Timestamp, zone: &TimeZone) -> Option<(Due, &Appointment)> {
        let known = self.appointments.iter().filter_map(|one| Some((due(&one.at, zone)?, one)));
        known.filter(|(due, _)| !due.is_past(now, zone)).min_by_key(|(due, _)| due.begins(zone))
    }

    /// Takes a column of a table that tells of tickets or an appointment, by its heading; false if it is none, or cannot be
    /// read as one.
    pub fn take_column(&mut self, heading: &str, value: &str) -> bool {
        let bare: String =
            heading.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        let (text, tickets) = (tidy(value), self.tickets.clone().unwrap_or_default());
        let mut appointment = self.appointments.pop().unwrap_or_default();
        let mut taken = true;
        match bare.as_str() {
            "tickets" | "opentickets" => match value.trim().parse() {
                Ok(open) => self.tickets = Some(Tickets { open, ..tickets }),
                Err(_) => taken = false,
            },
            "ticket" => self.tickets = Some(Tickets { newest: text, open: tickets.open.max(1), ..tickets }),
            "ticketlink" => self.tickets = Some(Tickets { link: text, ..tickets }),
            "appointment" | "nextappointment" => match fixed(value, None) {
                Some(at) => appointment.at = at,
                None => taken = false,
            },
            "appointmenttitle" => appointment.title = text,
            "appointmentlink" => appointment.link = text,
            _ => taken = false,
        }
        if appointment != Appointment::default() {
            self.appointments.push(appointment);
        }
        taken
    }

    /// What another source says is due besides: the tickets of the first that has some, all appointments.
    pub(super) fn add_agenda(&mut self, tickets: Option<&Tickets>, appointments: &[Appointment]) {
        if self.tickets.is_none() {
            self.tickets = tickets.cloned();
        }
        let new: Vec<Appointment> =
            appointments.iter().filter(|one| !self.appointments.contains(one)).cloned().collect();
        self.appointments.extend(new);
        self.appointments.truncate(APPOINTMENTS_KEPT_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-02-03T17:00:00Z";

    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        let zone = TimeZone::get("America/Chicago").unwrap();
        let found = due(text, &zone).map(|due| match due {
            Due::At(at) => at.to_string(),
            Due::Day(day) => day.to_string(),
        });
        assert_eq!(found.as_deref(), expect, "{text}");
    }

    #[test]
    fn times_are_read_as_services_write_them() {
        check("2026-02-05T15:00:00Z", Some("2026-02-05T15:00:00Z"));
        check("2026-02-05T15:00:00.000+0000", Some("2026-02-05T15:00:00Z"));
        check("2026-02-05T09:00:00-06:00", Some("2026-02-05T15:00:00Z"));
        check("1770303600000", Some("2026-02-05T15:00:00Z"));
        check("1770303600", Some("2026-02-05T15:00:00Z"));
        check("2026-02-05 09:00", Some("2026-02-05T15:00:00Z"));
        check("2026-02-05T09:00:00", Some("2026-02-05T15:00:00Z"));
        check(" 2026-02-05 ", Some("2026-02-05"));
        for nothing in ["", "soon", "05/02/2026", "3", "2026-02-30", "2026-02-05 25:00"] {
            check(nothing, None);
        }
        let utc = Some(&TimeZone::UTC);
        assert_eq!(fixed("2026-02-05 14:00:00", utc).as_deref(), Some("2026-02-05T14:00:00Z"));
        assert_eq!(fixed("2026-02-05", utc).as_deref(), Some("2026-02-05"));
        assert_eq!(fixed("2026-02-05 14:00", None).as_deref(), Some("2026-02-05 14:00"));
    }

    #[test]
    fn the_next_appointment_is_the_first_that_is_not_over() {
        let of = |times: &[&str]| {
            let one = |at: &&str| Appointment { at: (*at).to_owned(), ..Appointment::default() };
            let contact = Contact { appointments: times.iter().map(one).collect(), ..Contact::default() };
            let next = contact.next_appointment(NOW.parse().unwrap(), &TimeZone::UTC);
            next.map(|(_, appointment)| appointment.at.clone())
        };
        let check =
            |times: &[&str], expect: Option<&str>| assert_eq!(of(times).as_deref(), expect, "{times:?}");
        check(&["2026-02-03T16:59:59Z", "2026-02-09", "2026-02-05T15:00:00Z"], Some("2026-02-05T15:00:00Z"));
        check(&["2026-02-03", "2026-02-03T18:00:00Z"], Some("2026-02-03"));
        check(&["2026-02-02", "soon"], None);
        check(&[], None);
    }

    #[test]
    fn columns_of_a_table() {
        let mut contact = Contact::default();
        for (name, value) in [
            ("Open tickets", "3"),
            ("ticket", "Printer on fire"),
            ("ticket_link", "https://desk.example/7"),
            ("appointment_title", "Demo"),
            ("Next appointment", "2026-02-05 14:00"),
        ] {
            assert!(contact.take_column(name, value), "{name}");
        }
        assert!(!contact.take_column("tickets", "many") && !contact.take_column("appointment", "soon"));
        assert!(!contact.take_column("balance", "3"));
        let tickets =
            Tickets { open: 3, newest: "Printer on fire".into(), link: "https://desk.example/7".into() };
        assert_eq!(contact.tickets, Some(tickets));
        let at = "2026-02-05 14:00".to_owned();
        assert_eq!(contact.appointments, [Appointment { at, title: "Demo".into(), link: String::new() }]);
    }
}
