//! What a card tells of a caller, and what people tell of one.

use axum::{
    body::Body,
    http::{Request, Response, StatusCode},
};
use jiff::Timestamp;
use tower::ServiceExt as _;

use super::{
    pages::{App, text},
    ring,
};
use crate::{
    people::{
        contact::Contact,
        limits::CANDIDATES_MAX,
        number::{Home, Number},
    },
    screen_pop::routes::router,
    store::{
        contacts::{self, NewContact},
        kept_contacts,
    },
};

const CREATED: &str = "2026-02-03T17:00:00Z";
const NUMBER: &str = "+13125550147";

async fn keep(app: &App, contact: Contact, number: &str) {
    let read = Number::read(number, Home::default());
    let new = NewContact::new(contact, vec![(number.to_owned(), read)]);
    kept_contacts::add(&app.store.pool, new, Timestamp::now()).await.unwrap();
}

fn named(name: &str) -> Contact {
    Contact { name: name.to_owned(), ..Contact::default() }
}

async fn send(app: &App, path: &str, form: &str, origin: Option<&str>) -> Response<Body> {
    let mut request = Request::post(path)
        .header("host", "localhost:5000")
        .header("content-type", "application/x-www-form-urlencoded");
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    router(app.pages.clone()).oneshot(request.body(Body::from(form.to_owned())).unwrap()).await.unwrap()
}

const OWN: Option<&str> = Some("http://localhost:5000");

#[tokio::test]
async fn a_known_caller_is_named_with_what_is_known() {
    let app = App::start().await;
    let mut ada = named("Ada Example");
    ada.company = "Acme".into();
    ada.tier = "Gold".into();
    ada.notes = "Prefers mornings".into();
    ada.link = "https://crm.example/1".into();
    ada.other.insert("Open tickets".into(), "3".into());
    keep(&app, ada, "+1 (312) 555-0147").await;
    let mut events = app.events().await;
    app.desk.take(&ring("a", CREATED, "WIRELESS CALLER", NUMBER)).await;
    let first = events.expect("card").await;
    assert!(first["html"].as_str().unwrap().contains("(312) 555-0147"), "the number at once");
    let words =
        ["Ada Example", "Acme", "Gold", "Prefers mornings", "Open tickets", "Caller ID: WIRELESS CALLER"];
    let card = events.card_with(&words).await;
    assert!(card.contains("href=\"https://crm.example/1\"") && !card.contains("Who is it?"), "{card}");
    assert!(card.contains("Ada Example is calling"), "{card}");
}

#[tokio::test]
async fn several_are_offered_and_a_pick_is_remembered() {
    let app = App::start().await;
    keep(&app, named("Ada Example"), NUMBER).await;
    keep(&app, named("Bo Sample"), "+1 312 555 0147 x12").await;
    let mut events = app.events().await;
    app.desk.take(&ring("a", CREATED, "", NUMBER)).await;
    let card = events.card_with(&["Who is it?", "Ada Example", "Bo Sample", "one extension of it"]).await;
    assert!(card.contains("(312) 555-0147 is calling"), "nobody is named who may be another: {card}");
    let key =
        card.split("value=\"").find(|part| part.contains("Bo Sample")).unwrap().split('"').next().unwrap();
    let key = key.replace("&#34;", "\"");
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("call", "a")
        .append_pair("contact", &key)
        .finish();

    for origin in [None, Some("http://evil.example"), Some("null")] {
        let forged = send(&app, "/callers/pick", &form, origin).await;
        assert_eq!(forged.status(), StatusCode::FORBIDDEN, "{origin:?}");
    }
    let wrong = send(&app, "/callers/pick", "call=a&contact=nobody", OWN).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST, "only what was offered");
    let picked = send(&app, "/callers/pick", &form, OWN).await;
    assert_eq!(picked.status(), StatusCode::SEE_OTHER);
    events.card_with(&["Bo Sample is calling"]).await;
    app.desk.take(&ring("b", CREATED, "", NUMBER)).await;
    let card = events.card_with(&["data-call=\"b\"", "Bo Sample is calling"]).await;
    // The other one can call the next time: one click says so, or that it is asked at each call.
    assert!(card.contains("Somebody else?") && card.contains("Ada Example"), "{card}");
    let forget = "call=b&contact=";
    assert_eq!(send(&app, "/callers/pick", forget, OWN).await.status(), StatusCode::SEE_OTHER);
    events.card_with(&["data-call=\"b\"", "Who is it?", "Ada Example", "Bo Sample"]).await;
    app.desk.take(&ring("c", CREATED, "", NUMBER)).await;
    events.card_with(&["data-call=\"c\"", "Who is it?"]).await;
}

#[tokio::test]
async fn of_the_contacts_with_one_number_so_many_are_looked_at() {
    let app = App::start().await;
    let number = Number::read(NUMBER, Home::default());
    let most = usize::try_from(CANDIDATES_MAX).unwrap();
    let mut writer = contacts::Writer::begin(&app.store.pool, "customers").await.unwrap();
    let contact = |n: usize| Contact { reference: n.to_string(), ..named("Ada") };
    let new = |n: usize| NewContact::new(contact(n), vec![(NUMBER.to_owned(), number.clone())]);
    writer.write((0..most + 3).map(new).collect()).await.unwrap();
    writer.finish().await.unwrap();
    let found = contacts::candidates(&app.store.pool, &number).await.unwrap();
    let different: std::collections::BTreeSet<&str> =
        found.iter().map(|contact| contact.reference.as_str()).collect();
    assert_eq!((found.len(), different.len()), (most, most));
}

#[tokio::test]
async fn an_unknown_caller_becomes_a_contact() {
    let app = App::start().await;
    let mut events = app.events().await;
    app.desk.take(&ring("a", CREATED, "ACME LTD", "+442079460123")).await;
    let card = events.card_with(&["New contact for"]).await;
    assert!(card.contains("value=\"ACME LTD\""), "the form is filled in: {card}");
    let form = "call=a&name=Cy+%3Cb%3EBold&company=Acme&notes=";
    assert_eq!(send(&app, "/callers/new", form, None).await.status(), StatusCode::FORBIDDEN);
    let nameless = send(&app, "/callers/new", "call=a&name=+", OWN).await;
    assert_eq!(nameless.status(), StatusCode::BAD_REQUEST);
    assert!(text(nameless).await.contains("The name is missing"));
    assert_eq!(send(&app, "/callers/new", "call=x&name=Cy", OWN).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(send(&app, "/callers/new", form, OWN).await.status(), StatusCode::SEE_OTHER);
    let card = events.card_with(&["Cy &#60;b&#62;Bold is calling", "Acme"]).await;
    assert!(!card.contains("New contact for") && !card.contains("<b>"), "{card}");
    // Who was kept can be amended on the card, and stays one contact.
    let page = app.text("/").await;
    assert!(page.contains("Amend Cy") && page.contains("name=\"company\" value=\"Acme\""), "{page}");
    assert_eq!(send(&app, "/callers/new", "call=a&name=Cy+Bold", OWN).await.status(), StatusCode::SEE_OTHER);
    events.card_with(&["Cy Bold is calling", "Amend Cy Bold"]).await;
    assert_eq!(contacts::count(&app.store.pool, contacts::BY_HAND).await.unwrap(), 1);
    let large = format!("call=a&name={}", "x".repeat(20_000));
    assert_eq!(send(&app, "/callers/new", &large, OWN).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn an_anonymous_caller_is_nobody() {
    let app = App::start().await;
    keep(&app, named("Nemo"), "0000000000").await;
    let mut events = app.events().await;
    app.desk.take(&ring("a", CREATED, "", "Anonymous")).await;
    app.desk.take(&ring("b", CREATED, "", NUMBER)).await;
    events.card_with(&["data-call=\"b\"", "New contact for"]).await;
    let page = app.text("/").await;
    let (_, anonymous) = page.split_once("data-call=\"a\"").unwrap();
    assert!(anonymous.contains("Anonymous caller") && !anonymous.contains("New contact"), "{anonymous}");
    assert!(!page.contains("Nemo"));
    assert_eq!(send(&app, "/callers/new", "call=a&name=Cy", OWN).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn markup_in_what_sources_say_stays_text() {
    let app = App::start().await;
    let evil = "<img src=x onerror=alert(1)>\"'";
    let mut contact = named(evil);
    contact.company = evil.into();
    contact.tier = evil.into();
    contact.notes = evil.into();
    contact.link = "javascript:alert(1)".into();
    contact.other.insert(evil.into(), evil.into());
    keep(&app, contact, NUMBER).await;
    let mut events = app.events().await;
    app.desk.take(&ring("a", CREATED, evil, NUMBER)).await;
    let card = events.card_with(&["Contact notes"]).await;
    assert!(card.contains("&#60;img"), "what the source says is on the card: {card}");
    assert!(
        !card.contains("<img") && !card.contains("javascript:") && !card.contains("onerror=alert(1)>\""),
        "{card}"
    );
    keep(&app, Contact { reference: evil.into(), ..named(evil) }, "+13125550147 x9").await;
    app.desk.take(&ring("b", CREATED, evil, NUMBER)).await;
    let card = events.card_with(&["data-call=\"b\"", "Who is it?"]).await;
    assert!(!card.contains("<img"), "{card}");
    let page = text(send(&app, "/callers/pick", "call=%3Cimg%3E&contact=x", OWN).await).await;
    assert!(!page.contains("<img>"), "{page}");
}

#[tokio::test]
async fn cards_learn_of_lists_that_are_imported_and_taken_away() {
    let app = App::start().await;
    let callers = &app.pages.callers;
    let mut events = app.events().await;
    app.desk.take(&ring("a", CREATED, "", NUMBER)).await;
    // Nobody knows the caller: all have been asked.
    events.card_with(&["New contact for"]).await;
    let before = callers.learn_lists(None).await.unwrap();
    let number = Number::read(NUMBER, Home::default());
    let contact = Contact { source: "customers".into(), ..named("Ada Example") };
    let mut writer = contacts::Writer::begin(&app.store.pool, "customers").await.unwrap();
    writer.write(vec![NewContact::new(contact, vec![(NUMBER.to_owned(), number)])]).await.unwrap();
    writer.finish().await.unwrap();
    let imported = callers.learn_lists(Some(&before)).await.unwrap();
    let named = |snapshot: &serde_json::Value| snapshot.to_string().contains("Ada Example");
    while !named(&events.expect("snapshot").await) {}
    contacts::remove(&app.store.pool, "customers").await.unwrap();
    callers.learn_lists(Some(&imported)).await.unwrap();
    while named(&events.expect("snapshot").await) {}
}
