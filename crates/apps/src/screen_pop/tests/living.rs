//! What makes the page one to live with all day: it goes on where it was, and is cleared at once.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use jiff::Timestamp;
use tower::ServiceExt as _;

use super::{
    doors::{act, front, get},
    ending, inbound,
    pages::{App, Events, text},
    with_id,
};
use crate::screen_pop::routes::router;

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
