//! What makes the page one to live with all day: it goes on where it was, and is cleared at once.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use jiff::Timestamp;
use tower::ServiceExt as _;
use wire::call_events::CallEvent;

use super::{
    doors::{act, front, get, other},
    ending, inbound,
    pages::{App, Events, text},
    with_id,
};
use crate::screen_pop::{routes::router, sight::Person};

async fn events_after(app: &App, last: &str) -> Events {
    let request = Request::get("/events").header("host", "localhost:5000").header("last-event-id", last);
    let request = request.header("cookie", format!("callfeed_session_5000={}", front().id));
    Events::of(router(app.pages.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap())
}

#[tokio::test]
async fn a_page_that_heard_everything_goes_on_and_any_other_starts_afresh() {
    let app = App::closed(&[front()]).await;
    let mut page = Events::of(get(&app, "/events", &front()).await);
    page.expect("link").await;
    let heard = page.last_id.clone();
    assert_eq!(events_after(&app, &heard).await.next().await.unwrap().0, "link", "nothing was missed");
    for state in &inbound()[..2] {
        app.desk.take(state).await;
    }
    page.card_with(&["Front Desk"]).await;
    let (name, snapshot) = events_after(&app, &heard).await.next().await.unwrap();
    assert_eq!(name, "snapshot", "a call was missed");
    assert!(snapshot["cards"][0]["html"].as_str().unwrap().contains("Front Desk"));
    let heard = page.last_id.clone();
    let other_run = heard.replacen(|digit: char| digit.is_ascii_digit(), "0", 1);
    assert_eq!(events_after(&app, &other_run).await.next().await.unwrap().0, "snapshot");
}

#[tokio::test]
async fn close_finished_tidies_the_active_calls_and_loses_none() {
    let app = App::closed(&[front()]).await;
    for id in ["over", "pinned"] {
        for mut state in with_id(inbound(), id) {
            // A call that is just over stands among the active ones.
            state.state.timestamp = Timestamp::now().to_string();
            app.desk.take(&state).await;
        }
    }
    for id in ["missed", "rings"] {
        for state in with_id(inbound()[..2].to_vec(), id) {
            app.desk.take(&state).await;
        }
    }
    app.desk.take(&ending("missed", &Timestamp::now().to_string(), 9)).await;
    let status = act(&app, "/calls/pinned/pin", "pinned=true", &front()).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let mut page = Events::of(get(&app, "/events", &front()).await);
    assert_eq!(act(&app, "/calls/close-finished", "", &front()).await, StatusCode::NO_CONTENT);
    page.expect("snapshot").await;
    assert_eq!(page.expect("snapshot").await["cards"].as_array().unwrap().len(), 4, "no card is lost");
    let stands = [("over", "recent", true), ("pinned", "recent", false), ("missed", "missed", true)];
    let live = ("rings", "active", false);
    let app = shown(app, &[&stands[..], &[live]].concat()).await.restart_closed().await;
    // The store has it that the caller was talked with, in the other calls.
    shown(app, &stands[..2]).await;
}

/// Calls stand in these tabs, and are among the active ones no more where it says so.
async fn shown(app: App, calls: &[(&str, &str, bool)]) -> App {
    for (id, tab, closed) in calls {
        let card = text(get(&app, &format!("/calls/{id}"), &front()).await).await;
        assert!(card.contains(&format!("data-tab=\"{tab}\"")), "{id}: {card}");
        assert_eq!(card.contains("data-closed"), *closed, "{id}: {card}");
        assert!(!(*closed && card.contains("data-until")), "{id}: {card}");
    }
    app
}

/// The states of the example, in which the telephone of [`other`] rings beside that of [`front`].
fn ring_of_two() -> Vec<CallEvent> {
    let mut states = with_id(inbound(), "a");
    let line = states[1].state.participants.iter().find(|party| party.kind.as_line().is_some());
    let mut line = serde_json::to_value(line.unwrap()).unwrap();
    (line["id"], line["legId"], line["type"]["lineId"]) =
        ("second".into(), "second".into(), "another".into());
    states[1].state.participants.push(serde_json::from_value(line).unwrap());
    states
}

async fn card(app: &App, person: &Person) -> String {
    text(get(app, "/calls/a", person).await).await
}

#[tokio::test]
async fn after_a_restart_everybody_whose_line_rang_has_the_card_and_their_notes() {
    let states = ring_of_two();
    let app = App::closed(&[front(), other()]).await;
    app.desk.take(&states[0]).await;
    app.desk.take(&states[1]).await;
    for (person, notes) in [(front(), "notes=Asks+for+Ada"), (other(), "notes=Wants+a+Tuesday")] {
        assert_eq!(act(&app, "/calls/a/notes", notes, &person).await, StatusCode::NO_CONTENT);
    }
    let app = app.restart_closed().await;
    assert!(card(&app, &other()).await.contains("Wants a Tuesday"), "before anything is heard");
    for person in [front(), other()] {
        let mut page = Events::of(get(&app, "/events", &person).await);
        assert_eq!(page.expect("snapshot").await["cards"][0]["alert"], false, "nor does it ring");
    }
    // Answered meanwhile.
    app.desk.take(&states[3]).await;
    assert!(card(&app, &front()).await.contains("Asks for Ada"));
    let told = card(&app, &other()).await;
    assert!(told.contains("Taken by Front Desk") && told.contains("Wants a Tuesday"), "{told}");
    for state in &states[4..] {
        app.desk.take(state).await;
    }
    let app = app.restart_closed().await;
    let told = card(&app, &other()).await;
    assert!(told.contains("data-tab=\"recent\"") && told.contains("Wants a Tuesday"), "{told}");
}

#[tokio::test]
async fn whose_line_rang_while_the_app_was_away_is_learnt_from_what_the_call_was_before() {
    let states = ring_of_two();
    let app = App::closed(&[front(), other()]).await;
    app.desk.take(&states[0]).await;
    let app = app.restart_closed().await;
    assert_eq!(app.desk.take(&states[3]).await, Some("a".into()), "what was before is asked for");
    assert_eq!(get(&app, "/calls/a", &other()).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(app.desk.take(&states[4]).await, None, "once");
    app.desk.replay("a", &states[..4]).await;
    assert!(card(&app, &other()).await.contains("Taken by Front Desk"));
    assert!(card(&app, &front()).await.contains("data-tab=\"active\""), "and it goes on as it was");
    let app = app.restart_closed().await;
    assert!(card(&app, &other()).await.contains("Taken by Front Desk"), "kept");
}

#[tokio::test]
async fn a_call_that_still_rings_after_a_restart_alerts_when_that_is_heard() {
    let states = ring_of_two();
    let app = App::closed(&[front()]).await;
    app.desk.take(&states[0]).await;
    app.desk.take(&states[1]).await;
    let app = app.restart_closed().await;
    assert_eq!(act(&app, "/alerts", "call=a", &front()).await, StatusCode::OK, "it may be over");
    app.desk.reconcile(&["a".to_owned()], &states[1..2]).await;
    assert_eq!(act(&app, "/alerts", "call=a", &front()).await, StatusCode::NO_CONTENT);
}
