//! What a web service tells of a contact behind further requests: open tickets, appointments, other facts. Each request
//! has its own deadline, cache and circuit, so that a slow one keeps back what it tells alone.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Failure,
    config::{Also, Listed},
    http::{Service, encoded, facts, fill, nodes, text},
};
use crate::people::{
    agenda::{Appointment, Tickets, fixed},
    contact::Contact,
    limits::APPOINTMENTS_KEPT_MAX,
    number::Number,
    text::tidy,
};

/// What a further request is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum About {
    Tickets,
    Appointments,
    /// Label of a fact.
    Fact(String),
}

/// What one further request tells of a contact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct More {
    tickets: Option<Tickets>,
    appointments: Vec<Appointment>,
    other: BTreeMap<String, String>,
}

impl More {
    /// Puts it to what is known of the contact.
    pub fn add_to(&self, contact: &mut Contact) {
        contact.add_agenda(self.tickets.as_ref(), &self.appointments);
        contact.other.extend(self.other.clone());
    }
}

impl Service {
    /// What its further requests are about, in their order.
    pub fn further(&self) -> Vec<About> {
        let http = &self.source.http;
        let has_url = |listed: &&Listed| listed.url.is_some();
        let tickets = http.tickets.as_ref().filter(has_url).map(|_| About::Tickets);
        let appointments = http.appointments.as_ref().filter(has_url).map(|_| About::Appointments);
        let label = |also: &Also| About::Fact(also.facts.keys().next().cloned().unwrap_or_default());
        tickets.into_iter().chain(appointments).chain(http.also.iter().flatten().map(label)).collect()
    }

    /// Makes a further request about the contact `id`.
    ///
    /// # Errors
    /// [`Failure`] in words for a card.
    pub async fn more(&self, about: &About, number: &Number, id: &str) -> Result<More, Failure> {
        let http = &self.source.http;
        let mut more = More::default();
        match about {
            About::Tickets => {
                let answer = self.listed(http.tickets.as_ref(), number, id).await?;
                more.tickets = self.tickets_in(&answer, id);
            }
            About::Appointments => {
                let answer = self.listed(http.appointments.as_ref(), number, id).await?;
                more.appointments = self.appointments_in(&answer, id);
            }
            About::Fact(label) => {
                let also = http.also.iter().flatten().find(|also| also.facts.contains_key(label));
                let Some(also) = also else { return Ok(more) };
                let answer = self.ask(&also.url, None, None, number, id).await?;
                more.other = answer.map(|answer| facts(&answer, &also.facts)).unwrap_or_default();
            }
        }
        Ok(more)
    }

    /// Null stands for an answer without anything in it.
    async fn listed(&self, listed: Option<&Listed>, number: &Number, id: &str) -> Result<Value, Failure> {
        let Some((listed, url)) = listed.and_then(|listed| Some((listed, listed.url.as_ref()?))) else {
            return Ok(Value::Null);
        };
        let answer = self.ask(url, listed.method.as_deref(), listed.body.as_deref(), number, id).await?;
        Ok(answer.unwrap_or_default())
    }

    pub(super) fn tickets_in(&self, json: &Value, id: &str) -> Option<Tickets> {
        let listed = self.source.http.tickets.as_ref()?;
        let items = nodes(json, &listed.items);
        let told = listed.count.as_ref().and_then(|path| nodes(json, path).first()?.as_u64());
        let newest = items.first();
        Some(Tickets {
            open: told.unwrap_or(items.len() as u64),
            newest: newest.map(|item| joined(item, listed.title.as_ref())).unwrap_or_default(),
            link: newest.map(|item| self.address(listed, item, id)).unwrap_or_default(),
        })
    }

    pub(super) fn appointments_in(&self, json: &Value, id: &str) -> Vec<Appointment> {
        let Some(listed) = &self.source.http.appointments else { return Vec::new() };
        let zone = listed.zone.as_ref().and_then(|zone| TimeZone::get(zone).ok());
        let appointment = |item: &Value| {
            let at = fixed(&joined(item, listed.at.as_ref()), zone.as_ref())?;
            let title = joined(item, listed.title.as_ref());
            Some(Appointment { at, title, link: self.address(listed, item, id) })
        };
        let mut all: Vec<Appointment> =
            nodes(json, &listed.items).into_iter().filter_map(appointment).collect();
        all.truncate(APPOINTMENTS_KEPT_MAX);
        all
    }

    fn address(&self, listed: &Listed, item: &Value, id: &str) -> String {
        let Some(link) = &listed.link else { return String::new() };
        let paths = listed.id.iter();
        let item = paths.flat_map(|path| nodes(item, path)).find_map(text).unwrap_or_default();
        let mut values = self.values(&Number::Withheld, id).to_vec();
        values.push(("{item}", item));
        fill(link, &values, encoded)
    }
}

fn joined(item: &Value, paths: Option<&Vec<String>>) -> String {
    let texts = paths.into_iter().flatten().filter_map(|path| nodes(item, path).into_iter().find_map(text));
    tidy(&texts.collect::<Vec<_>>().join(" "))
}
