//! What a card says of a caller while services are silent, have failed, or have not been asked since a restart.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, http::StatusCode};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};

use super::{
    super::board::Board,
    ending,
    pages::{App, Events},
    ring,
};
use crate::{
    people::{
        contact::Contact,
        number::{Home, Number},
        sources::{
            IMPORTED,
            tests::{fake, served},
        },
    },
    store::contacts::{self, NewContact},
};

const CREATED: &str = "2026-02-03T17:00:00Z";
const NUMBER: &str = "+13125550147";

fn source(base: &str) -> String {
    format!(
        "[[source]]\nname = \"CRM\"\nkind = \"http\"\nurl = \"{base}/\"\nitems = \"$[*]\"\ndeadline_ms = 600000\n\
         [source.fields]\nname = [\"$.name\"]\nphone = [\"$.tel\"]\n"
    )
}

/// The page's cards as soon as they hold this text.
async fn until_holds(events: &mut Events, id: &str, words: &str) {
    loop {
        let (name, data) = events.next().await.expect("the events go on");
        let cards = data["cards"].as_array().cloned().unwrap_or_default();
        let cards = cards.into_iter().chain((name == "card").then_some(data));
        let holds = |card: Value| card["id"] == id && card["html"].as_str().unwrap().contains(words);
        if cards.into_iter().any(holds) {
            return;
        }
    }
}

#[tokio::test]
async fn a_caller_can_be_kept_while_a_source_is_away() {
    let broken = fake(vec![("/", StatusCode::BAD_GATEWAY, Value::Null)]).await;
    let app = App::asking(&source(&broken.base)).await;
    let mut events = app.events().await;
    app.desk.take(&ring("a", CREATED, "", NUMBER)).await;
    // Who wants to keep the caller all the same is not held up by a service that is away.
    events.card_with(&["CRM", "502", "New contact for"]).await;
}

#[tokio::test]
async fn a_source_that_is_back_is_asked_again_also_about_calls_that_are_over() {
    let away = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&away);
    let answer = move || async move {
        match is_away.load(Ordering::SeqCst) {
            true => (StatusCode::BAD_GATEWAY, Json(Value::Null)),
            false => (StatusCode::OK, Json(json!([{"name": "Ada Example", "tel": NUMBER}]))),
        }
    };
    let base = served(Router::new().fallback(answer)).await;
    let app = App::asking(&source(&base)).await;
    let mut events = app.events().await;
    app.desk.take(&ring("a", CREATED, "", NUMBER)).await;
    events.card_with(&["CRM", "error 502"]).await;
    app.desk.take(&ending("a", CREATED, 2)).await;
    app.pages.callers.ask_again_once().await;
    assert!(app.text("/").await.contains("error 502"), "it is still away");
    away.store(false, Ordering::SeqCst);
    // The first look-up may still be under way, which is not disturbed.
    let asking = async {
        loop {
            app.pages.callers.ask_again_once().await;
            let page = app.text("/").await;
            if page.contains("Ada Example") {
                return page;
            }
            tokio::task::yield_now().await;
        }
    };
    let page = timeout(Duration::from_secs(60), asking).await.expect("it is asked again");
    assert!(!page.contains("error 502"), "{page}");
}

#[tokio::test]
async fn a_list_that_comes_while_a_service_is_asked_stays_on_the_card() {
    let gate = Arc::new(Semaphore::new(0));
    let opens = Arc::clone(&gate);
    let answer = move || async move {
        let _open = opens.acquire().await;
        Json(json!([]))
    };
    let base = served(Router::new().fallback(answer)).await;
    let app = App::asking(&source(&base)).await;
    let mut events = app.events().await;
    app.desk.take(&ring("a", CREATED, "", NUMBER)).await;
    events.card_with(&["1st call today"]).await;
    let has_heard = |board: &mut Board| {
        board
            .find("a")
            .and_then(|(_, call)| call.known.as_ref())
            .is_some_and(|known| known.has_heard(IMPORTED))
    };
    let asking = async {
        while !app.hub.board(has_heard) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), asking).await.expect("the imported contacts have answered");
    let callers = &app.pages.callers;
    let before = callers.learn_lists(None).await.unwrap();
    let (ada, number) = (Contact { name: "Ada Example".into(), ..Contact::default() }, NUMBER.to_owned());
    let read = Number::read(NUMBER, Home::default());
    let mut writer = contacts::Writer::begin(&app.store.pool, "customers").await.unwrap();
    writer.write(vec![NewContact::new(ada, vec![(number, read)])]).await.unwrap();
    writer.finish().await.unwrap();
    callers.learn_lists(Some(&before)).await.unwrap();
    while !events.expect("snapshot").await.to_string().contains("Ada Example") {}
    gate.add_permits(1);
    assert!(events.expect("card").await["html"].as_str().unwrap().contains("Ada Example is calling"));
}

#[tokio::test]
async fn after_a_restart_the_services_are_asked_again() {
    let app = App::start().await;
    app.desk.take(&ring("over", CREATED, "", NUMBER)).await;
    app.desk.take(&ending("over", CREATED, 2)).await;
    app.desk.take(&ring("live", CREATED, "", NUMBER)).await;
    // Takes connections and never answers.
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let set = |app: &App, base: &str| std::fs::write(app.folder.path().join("sources.toml"), source(base));
    set(&app, &format!("http://{}", silent.local_addr().unwrap())).unwrap();
    let app = app.restart().await;
    let page = app.text("/").await;
    assert!(page.contains("(312) 555-0147"), "{page}");
    assert_eq!(page.matches("New contact for").count(), 1, "the one that is over waits for nobody: {page}");
    let crm = fake(vec![("/", StatusCode::OK, json!([{"name": "Ada Example", "tel": NUMBER}]))]).await;
    set(&app, &crm.base).unwrap();
    let app = app.restart().await;
    for id in ["live", "over"] {
        until_holds(&mut app.events().await, id, "Ada Example").await;
    }
}
