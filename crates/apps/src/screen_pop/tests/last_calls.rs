//! What a card tells of earlier calls: in either direction, on every number of the contact.

use jiff::Timestamp;

use super::{at, ending, example, inbound, pages::App, ring, with_id};
use crate::{
    people::{
        contact::Contact,
        number::{Home, Number},
    },
    screen_pop::{board::Board, call::Outcome},
    store::{contacts::NewContact, kept_contacts, privacy},
};

const NUMBER: &str = "+13125550147";
/// Whom the example of an outbound call calls.
const OTHER: &str = "+14155550188";

async fn keep(app: &App, name: &str, numbers: &[&str]) {
    let numbers =
        numbers.iter().map(|text| ((*text).to_owned(), Number::read(text, Home::default()))).collect();
    let new = NewContact::new(Contact { name: name.to_owned(), ..Contact::default() }, numbers);
    kept_contacts::add(&app.store.pool, new, Timestamp::now()).await.unwrap();
}

async fn missed(app: &App, id: &str, created: &str, number: &str) {
    app.desk.take(&ring(id, created, "", number)).await;
    app.desk.take(&ending(id, created, 2)).await;
}

#[tokio::test]
async fn the_last_calls_are_those_of_all_numbers_of_the_contact_in_both_directions() {
    let app = App::start().await;
    keep(&app, "Ada Example", &[NUMBER, OTHER]).await;
    missed(&app, "1", "2026-02-03T09:05:00Z", NUMBER).await;
    missed(&app, "x", "2026-02-03T09:06:00Z", "+13125550199").await;
    for state in example("ws-call-events-outbound") {
        app.desk.take(&state).await;
    }
    // What was seen is in the store when the app has stopped.
    let app = app.restart().await;
    let mut events = app.events().await;
    app.desk.take(&ring("2", "2026-02-03T19:00:00Z", "", NUMBER)).await;
    let card = events.card_with(&["Ada Example is calling", "called by Sample Agent, talked 0:43"]).await;
    let (called, came) =
        (card.find("called by Sample Agent").unwrap(), card.find("9:05 AM, missed").unwrap());
    assert!(called < came && card.contains("2nd call today"), "the newest first: {card}");
    assert!(!card.contains("9:06 AM"), "somebody else's call: {card}");
    // What is erased is told no more.
    privacy::erase_caller(&app.store.pool, OTHER).await.unwrap();
    app.desk.take(&ring("3", "2026-02-03T19:01:00Z", "", NUMBER)).await;
    let card = events.card_with(&["data-call=\"3\"", "Last calls"]).await;
    assert!(!card.contains("called by Sample Agent"), "{card}");
}

#[tokio::test]
async fn an_answered_call_tells_who_had_it_and_for_how_long_and_no_more_than_three_are_told() {
    let app = App::start().await;
    for minute in 1..=3 {
        missed(&app, &minute.to_string(), &format!("2026-02-03T09:0{minute}:00Z"), NUMBER).await;
    }
    for state in with_id(inbound(), "talk") {
        app.desk.take(&state).await;
    }
    let app = app.restart().await;
    let mut events = app.events().await;
    app.desk.take(&ring("now", "2026-02-03T23:00:00Z", "", NUMBER)).await;
    let card = events.card_with(&["5th call today", "answered by Front Desk, talked "]).await;
    assert!(card.contains("9:03 AM, missed") && card.contains("9:02 AM, missed"), "{card}");
    assert!(!card.contains("9:01 AM"), "the fourth: {card}");
}

#[tokio::test]
async fn a_card_that_tells_of_a_call_under_way_learns_its_end() {
    let app = App::start().await;
    app.desk.take(&ring("1", "2026-02-03T09:05:00Z", "", NUMBER)).await;
    // Stored when the app has stopped.
    let app = app.restart().await;
    let mut events = app.events().await;
    app.desk.take(&ring("2", "2026-02-03T09:06:00Z", "", NUMBER)).await;
    events.card_with(&["data-call=\"2\"", "9:05 AM, was still going on"]).await;
    app.desk.take(&ending("1", "2026-02-03T09:05:00Z", 2)).await;
    events.card_with(&["data-call=\"2\"", "9:05 AM, missed"]).await;
}

#[tokio::test]
async fn who_may_be_another_lends_no_history() {
    let app = App::start().await;
    keep(&app, "Ada Example", &[NUMBER, OTHER]).await;
    keep(&app, "Bo Sample", &[NUMBER]).await;
    missed(&app, "1", "2026-02-03T09:05:00Z", OTHER).await;
    let app = app.restart().await;
    let mut events = app.events().await;
    app.desk.take(&ring("2", "2026-02-03T19:00:00Z", "", NUMBER)).await;
    let card = events.card_with(&["Who is it?", "None on record"]).await;
    assert!(card.contains("1st call today") && !card.contains("9:05 AM"), "{card}");
}

#[test]
fn calls_to_the_outside_are_handed_out_once_when_they_are_over() {
    let states = example("ws-call-events-outbound");
    let mut board = Board::default();
    let now = at("2026-02-03T18:11:05Z");
    let mut over = Vec::new();
    for state in states.iter().chain(&states[6..]) {
        board.apply(now, state);
        over.extend(board.elsewhere.take_over());
    }
    let [call] = over.as_slice() else { panic!("{over:?}") };
    assert_eq!((call.number.as_str(), call.outcome), (OTHER, Some(Outcome::Answered)));
    assert_eq!(call.line.as_ref().unwrap().name, "Sample Agent");
    assert_eq!(call.created, at("2026-02-03T18:10:12.004Z"));

    // Nobody answered, and an end that was not seen.
    let mut board = Board::default();
    for state in [&states[1], &states[6]] {
        board.apply(now, state);
    }
    board.apply(now, &states[1]);
    board.close(now, &states[1].metadata.conversation_space_id);
    let outcomes: Vec<_> =
        board.elsewhere.take_over().into_iter().map(|call| call.outcome.unwrap()).collect();
    assert_eq!(outcomes, [Outcome::Missed, Outcome::Unknown]);

    let mut board = Board::default();
    for state in example("ws-call-events-internal") {
        board.apply(now, &state);
    }
    assert!(board.elsewhere.take_over().is_empty(), "nobody outside");
}
