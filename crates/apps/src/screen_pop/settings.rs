//! What a person chooses on the page: kept by the app, and the same on all their pages at once.

use axum::{
    body::Body,
    extract::{Form, State},
    http::{HeaderMap, Response, StatusCode},
    response::IntoResponse,
};
use jiff::civil::Weekday;
use serde::Serialize;
use ui::Texts;

use super::{
    choice::{Choice, Wrong, clock_text},
    language,
    routes::{Pages, acting},
    seat::Seat,
    sight::Directory,
    view,
};
use crate::store::desks as store;

/// What another page of the person puts into its form.
#[derive(Serialize)]
pub struct SettingsFrame {
    /// `name=value` of each tick that is set.
    ticks: Vec<String>,
    from: String,
    to: String,
}

pub fn frame(seat: &Seat, directory: &Directory) -> SettingsFrame {
    let choice = &seat.choice;
    let mut ticks = Vec::new();
    let simple = [
        ("everybody", choice.everybody),
        ("unowned", choice.unowned),
        ("team", choice.team),
        ("do_not_disturb", choice.do_not_disturb),
        ("sound", choice.sound),
        ("keys", choice.keys),
        ("hours", choice.hours.on),
    ];
    ticks.extend(simple.into_iter().filter(|(_, set)| *set).map(|(name, _)| format!("{name}=on")));
    let wanted = |id: &&String| !choice.muted.contains(*id);
    ticks.extend(directory.lines(&seat.person).iter().filter(wanted).map(|id| format!("line={id}")));
    let hours = choice.hours;
    let days = days().filter(|(_, day)| hours.has_day(*day));
    ticks.extend(days.map(|(number, _)| format!("day={number}")));
    SettingsFrame { ticks, from: clock_text(hours.from_min), to: clock_text(hours.to_min) }
}

/// Days of a week, Monday is 1.
fn days() -> impl Iterator<Item = (usize, Weekday)> {
    (1..=7).zip(Weekday::Monday.cycle_forward())
}

/// The lines of a person by the names that people know them by, and whether each is to pop.
pub fn lines(seat: &Seat, directory: &Directory, texts: &Texts) -> Vec<ui::DeskLine> {
    let line = |(at, id): (usize, &String)| {
        let known = directory.agents().iter().find(|line| line.id == *id);
        let name = known.map(|line| view::named(line, texts));
        let name = name.unwrap_or_else(|| texts.settings.line.with("n", at + 1));
        ui::DeskLine { id: id.clone(), name, wanted: !seat.choice.muted.contains(id) }
    };
    directory.lines(&seat.person).iter().enumerate().map(line).collect()
}

/// The hours of a person.
pub fn hours(choice: &Choice, texts: &Texts) -> ui::DeskHours {
    let hours = choice.hours;
    let day = |((number, day), name): ((usize, Weekday), &ui::Text)| ui::DeskDay {
        number,
        name: name.into(),
        set: hours.has_day(day),
    };
    ui::DeskHours {
        set: hours.on,
        from: clock_text(hours.from_min),
        to: clock_text(hours.to_min),
        days: days().zip(&texts.settings.days).map(day).collect(),
    }
}

/// `POST /settings`
pub async fn settings(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> Response<Body> {
    let proof = form.iter().find(|(name, _)| name == "proof").map(|(_, value)| value.as_str());
    let visitor = match acting(&pages, &headers, proof).await {
        Ok(visitor) => visitor,
        Err(refused) => return refused,
    };
    let choice = match Choice::read(&form) {
        Ok(choice) => choice,
        Err(wrong) => {
            return language::page(&pages, &headers, StatusCode::BAD_REQUEST, |texts| match wrong {
                Wrong::ManyLines => &texts.errors.many_lines,
                Wrong::Hours => &texts.errors.wrong_hours,
            });
        }
    };
    // What is not kept does not hold either: the page puts it back.
    if let Err(error) = store::choose(&pages.store.pool, &visitor.person.id, &choice).await {
        tracing::error!(%error, "what a person chose could not be kept");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return language::page(&pages, &headers, status, |texts| &texts.errors.store);
    }
    pages.hub.choose(&visitor.person, choice);
    StatusCode::NO_CONTENT.into_response()
}
