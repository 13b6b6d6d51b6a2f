//! What a card tells of a contact beyond the name: tickets, appointments, several sources, sources that are dead; and how long
//! the caller waits.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{inbound, pages::App, ring};
use crate::{
    people::{
        agenda::{Appointment, Tickets},
        contact::Contact,
        number::{Home, Number},
        sources::tests::{Fake, fake},
    },
    store::{contacts::NewContact, kept_contacts},
};

const CREATED: &str = "2026-02-03T17:00:00Z";
const NUMBER: &str = "+13125550147";

async fn keep(app: &App, contact: Contact) {
    let read = Number::read(NUMBER, Home::default());
    let new = NewContact::new(contact, vec![(NUMBER.to_owned(), read)]);
    kept_contacts::add(&app.store.pool, new, Timestamp::now()).await.unwrap();
}

fn crm(fake: &Fake) -> String {
    let base = &fake.base;
    format!(
        "[[source]]\nname = \"CRM\"\nkind = \"http\"\nurl = \"{base}/people\"\nitems = \"$[*]\"\n\
         link = \"https://crm.example/{{id}}\"\n[source.fields]\nid = [\"$.id\"]\nname = [\"$.name\"]\nphone = [\"$.tel\"]\n\
         [source.tickets]\nurl = \"{base}/tickets?of={{id}}\"\nitems = \"$[*]\"\n"
    )
}

#[tokio::test]
async fn open_tickets_and_the_next_appointment_are_a_line_each_with_a_link() {
    let app = App::start().await;
    let at = |at: &str, title: &str, link: &str| Appointment {
        at: at.to_owned(),
        title: title.to_owned(),
        link: link.to_owned(),
    };
    let link = "https://desk.example/7".to_owned();
    let ada = Contact {
        name: "Ada Example".into(),
        tickets: Some(Tickets { open: 3, newest: "Printer <b>on fire".into(), link }),
        appointments: vec![
            at("2999-02-05T15:00:00Z", "Later", ""),
            at("2001-01-05T15:00:00Z", "Long over", ""),
            at("2999-01-05T15:00:00Z", "Demo", "javascript:alert(1)"),
        ],
        other: [("Member", "true"), ("On hold", "false")]
            .map(|(label, text)| (label.into(), text.into()))
            .into(),
        ..Contact::default()
    };
    keep(&app, ada).await;
    let mut events = app.events().await;
    app.desk.take(&ring("a", CREATED, "", NUMBER)).await;
    let card = events.card_with(&["Open tickets", "Next appointment", "Jan 5, 2999, 3:00 PM · Demo"]).await;
    let ticket = "<a href=\"https://desk.example/7\" target=\"_blank\" rel=\"noopener noreferrer\">3 · Printer &#60;b&#62;on fire</a>";
    assert!(card.contains(ticket) && !card.contains("javascript:"), "{card}");
    assert!(!card.contains("Long over") && !card.contains("Later"), "{card}");
    assert!(
        card.contains("<dt>Member</dt><dd>Yes</dd>") && card.contains("<dt>On hold</dt><dd>No</dd>"),
        "{card}"
    );
}

#[tokio::test]
async fn one_person_of_two_sources_is_one_contact() {
    let people = json!([{"id": "7", "name": "EXAMPLE, Ada", "tel": "(312) 555-0147"}]);
    let server =
        fake(vec![("/people", StatusCode::OK, people), ("/tickets", StatusCode::OK, json!([]))]).await;
    let app = App::asking(&crm(&server)).await;
    let link = "https://list.example/ada".to_owned();
    keep(&app, Contact { name: "Ada Example".into(), link, tier: "Gold".into(), ..Contact::default() }).await;
    let mut events = app.events().await;
    app.desk.take(&ring("a", CREATED, "", NUMBER)).await;
    let card = events.card_with(&["Known to: added here, CRM", "Open tickets"]).await;
    for words in [
        "Ada Example is calling",
        "Gold",
        "https://list.example/ada",
        "https://crm.example/7",
        "Open Ada Example in CRM",
    ] {
        assert!(card.contains(words), "{words} is missing: {card}");
    }
    assert!(!card.contains("Who is it?"), "{card}");
}

#[tokio::test]
async fn a_dead_crm_is_a_grey_line_on_a_card_that_is_there() {
    let server = fake(vec![("/people", StatusCode::BAD_GATEWAY, Value::Null)]).await;
    let app = App::asking(&crm(&server)).await;
    keep(&app, Contact { name: "Ada Example".into(), ..Contact::default() }).await;
    let mut events = app.events().await;
    app.desk.take(&ring("a", CREATED, "", NUMBER)).await;
    let first = events.expect("card").await;
    assert!(first["html"].as_str().unwrap().contains("(312) 555-0147"), "the number at once");
    let line = "<p class=\"source-failure\">CRM answers with error 502</p>";
    events.card_with(&["Ada Example is calling", line]).await;
}

#[tokio::test]
async fn dead_tickets_are_a_grey_line_of_their_own() {
    let people = json!([{"id": "7", "name": "Ada Example", "tel": NUMBER}]);
    let broken = StatusCode::BAD_GATEWAY;
    let server = fake(vec![("/people", StatusCode::OK, people), ("/tickets", broken, Value::Null)]).await;
    let app = App::asking(&crm(&server)).await;
    let mut events = app.events().await;
    app.desk.take(&ring("a", CREATED, "", NUMBER)).await;
    events.card_with(&["Ada Example is calling", "CRM (Open tickets) answers with error 502"]).await;
}

#[tokio::test]
async fn how_long_the_caller_waits_runs_until_somebody_answers_and_then_stays() {
    let app = App::start().await;
    let mut events = app.events().await;
    let states = inbound();
    app.desk.take(&states[1]).await;
    let card = events.card_with(&["Ringing"]).await;
    assert!(card.contains("waiting <span data-since=\"") && !card.contains("Waited before answer"), "{card}");
    app.desk.take(&states[3]).await;
    let card = events.card_with(&["Answered", "Waited before answer"]).await;
    assert!(
        !card.contains("waiting <span") && card.contains("<span data-since=\""),
        "the talk is timed: {card}"
    );
}
