//! What a person chooses on the page: kept by the app, and the same on all their pages at once.

use axum::{
    body::Body,
    extract::{Form, State},
    http::{HeaderMap, Response, StatusCode},
    response::IntoResponse,
};
use jiff::civil::Weekday;
use serde::Serialize;

use super::{
    choice::{Choice, Hours, clock_text},
    routes::{Pages, acting, done},
    seat::Seat,
    sight::Directory,
};
use crate::store::desks as store;

/// Days of a week, the first one first.
const DAYS: [(Weekday, &str); 7] = [
    (Weekday::Monday, "Mon"),
    (Weekday::Tuesday, "Tue"),
    (Weekday::Wednesday, "Wed"),
    (Weekday::Thursday, "Thu"),
    (Weekday::Friday, "Fri"),
    (Weekday::Saturday, "Sat"),
    (Weekday::Sunday, "Sun"),
];

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
        ("team", choice.team),
        ("do_not_disturb", choice.do_not_disturb),
        ("sound", choice.sound),
        ("hours", choice.hours.is_some()),
    ];
    ticks.extend(simple.into_iter().filter(|(_, set)| *set).map(|(name, _)| format!("{name}=on")));
    let lines = lines(seat, directory);
    ticks.extend(lines.into_iter().filter(|line| line.wanted).map(|line| format!("line={}", line.id)));
    let hours = hours(choice);
    ticks.extend(hours.days.into_iter().filter(|day| day.set).map(|day| format!("day={}", day.number)));
    SettingsFrame { ticks, from: hours.from, to: hours.to }
}

/// The lines of a person, and whether each is to pop.
pub fn lines(seat: &Seat, directory: &Directory) -> Vec<ui::DeskLine> {
    let line = |(id, name): (String, String)| {
        let wanted = !seat.choice.muted.contains(&id);
        ui::DeskLine { id, name, wanted }
    };
    directory.lines_by_name(&seat.person).into_iter().map(line).collect()
}

/// The hours of a person; usual ones to begin with where none are set.
pub fn hours(choice: &Choice) -> ui::DeskHours {
    let hours = choice.hours.unwrap_or(Hours::USUAL);
    let day = |(number, (day, name)): (usize, (Weekday, &'static str))| ui::DeskDay {
        number: number + 1,
        name,
        set: hours.has_day(day),
    };
    ui::DeskHours {
        set: choice.hours.is_some(),
        from: clock_text(hours.from_min),
        to: clock_text(hours.to_min),
        days: DAYS.into_iter().enumerate().map(day).collect(),
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
        Err(wrong) => return (StatusCode::BAD_REQUEST, wrong).into_response(),
    };
    let kept = store::choose(&pages.store.pool, &visitor.person.id, &choice).await;
    pages.hub.choose(&visitor.person, choice);
    done(kept)
}
