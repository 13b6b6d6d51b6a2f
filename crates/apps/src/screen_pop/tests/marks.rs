//! What people do to cards: closing ends one ring and loses no call, what is written last is what is kept, and notes
//! have room in every script.

use axum::http::StatusCode;
use futures_util::future::join_all;
use wire::call_events::CallEvent;

use super::{
    doors::{act, answer, front, get},
    ending, inbound,
    pages::{App, Events, text},
    with_id,
    write_back::{OWN, Office, crm, own},
};
use crate::{
    screen_pop::limits::{NOTES_CHARS_MAX, PAGE_NAME_BYTES_MAX},
    store::{crm_log, desks},
};

const CREATED: &str = "2026-02-03T17:00:00Z";

/// The state of a call at this place of the example, as number `sequence`.
fn state(at: usize, sequence: u64) -> CallEvent {
    let mut event = with_id(inbound(), "a").swap_remove(at);
    event.state.sequence_number = sequence;
    event
}

/// The call's card stands in this tab.
async fn stands(app: &App, tab: &str) {
    let card = text(get(app, "/calls/a", &front()).await).await;
    assert!(card.contains(&format!("data-tab=\"{tab}\"")), "not in {tab}: {card}");
}

#[tokio::test]
async fn a_call_closed_while_it_rings_is_among_the_missed_ones_when_it_is_missed() {
    let app = App::closed(&[front()]).await;
    app.desk.take(&state(0, 1)).await;
    app.desk.take(&state(1, 2)).await;
    let mut page = Events::of(get(&app, "/events", &front()).await);
    assert_eq!(act(&app, "/calls/a/close", "", &front()).await, StatusCode::NO_CONTENT);
    // The pop has ended.
    page.card_with(&["data-closed", "data-tab=\"recent\""]).await;
    assert_eq!(act(&app, "/alerts", "call=a", &front()).await, StatusCode::OK, "and does not ring");
    stands(&app, "recent").await;
    let app = app.restart_closed().await;
    // Which lines ring is told by the next state.
    app.desk.take(&state(1, 3)).await;
    let mut page = Events::of(get(&app, "/events", &front()).await);
    app.desk.take(&ending("a", CREATED, 9)).await;
    assert_eq!(page.expect("card").await["alert"], false);
    stands(&app, "missed").await;
    assert_eq!(act(&app, "/calls/a/notes", "notes=Wants+a+Tuesday", &front()).await, StatusCode::NO_CONTENT);
    assert_eq!(act(&app, "/calls/a/close", "", &front()).await, StatusCode::NO_CONTENT);
    stands(&app, "missed").await;
    assert_eq!(act(&app, "/calls/a/close", "seen_to=true", &front()).await, StatusCode::NO_CONTENT);
    stands(&app, "recent").await;
    let app = app.restart_closed().await;
    let card = text(get(&app, "/calls/a", &front()).await).await;
    assert!(card.contains("Wants a Tuesday"), "and keeps its notes: {card}");
    stands(&app, "recent").await;
    // A browser drops the first line break of a field, so it is given one more.
    let begun = "notes=%0AOn+a+new+line&base=Wants+a+Tuesday";
    assert_eq!(act(&app, "/calls/a/notes", begun, &front()).await, StatusCode::NO_CONTENT);
    let card = text(get(&app, "/calls/a", &front()).await).await;
    assert!(card.contains(">\n\nOn a new line</textarea>"), "{card}");
}

#[tokio::test]
async fn a_call_that_comes_back_pops_and_rings_again() {
    let app = App::closed(&[front()]).await;
    let mut page = Events::of(get(&app, "/events", &front()).await);
    let rings = async || act(&app, "/alerts", "call=a", &front()).await == StatusCode::NO_CONTENT;
    app.desk.take(&state(0, 1)).await;
    app.desk.take(&state(1, 2)).await;
    assert!(rings().await && !rings().await, "one page rings");
    app.desk.take(&state(1, 3)).await;
    assert!(!rings().await, "it is still the same ring");
    // The queue tries again.
    app.desk.take(&state(0, 4)).await;
    app.desk.take(&state(1, 5)).await;
    assert!(rings().await && !rings().await);
    assert_eq!(act(&app, "/calls/a/close", "", &front()).await, StatusCode::NO_CONTENT);
    app.desk.take(&state(0, 6)).await;
    stands(&app, "recent").await;
    assert!(!rings().await, "what is closed does not ring");
    app.desk.take(&state(1, 7)).await;
    stands(&app, "active").await;
    while page.expect("card").await["alert"] != true {}
    assert!(rings().await && !rings().await);
}

#[tokio::test]
async fn what_is_written_last_is_what_is_kept() {
    let app = App::closed(&[front()]).await;
    app.desk.take(&state(0, 1)).await;
    app.desk.take(&state(1, 2)).await;
    for round in 0..5 {
        let acts = (0..45).map(|n| {
            let (path, form) = match n % 3 {
                0 => ("/calls/a/notes", format!("notes={round}+{n}")),
                1 => ("/calls/a/pin", format!("pinned={}", n % 2 == 0)),
                _ => ("/calls/a/code", format!("code={}", if n % 2 == 0 { "Sold" } else { "" })),
            };
            let app = &app;
            async move { act(app, path, &form, &front()).await }
        });
        assert!(join_all(acts).await.iter().all(|status| *status == StatusCode::NO_CONTENT));
        let shown = app.hub.mark(&front(), "a", |_, _| ()).unwrap().mark;
        let kept = desks::marks(&app.store.pool, &front().id, 10).await.unwrap();
        assert_eq!(kept["a"], shown, "round {round}");
        assert!(!shown.notes.is_empty());
    }
}

#[tokio::test]
async fn notes_that_were_begun_from_an_older_text_are_kept_beside_the_newer_one() {
    let app = App::closed(&[front()]).await;
    app.desk.take(&state(0, 1)).await;
    app.desk.take(&state(1, 2)).await;
    let mut page = Events::of(get(&app, "/events", &front()).await);
    let mut version = 0;
    for (form, status, kept) in [
        ("base=&notes=Wants", StatusCode::NO_CONTENT, "Wants"),
        ("base=Wants&notes=Wants+a+roof", StatusCode::NO_CONTENT, "Wants a roof"),
        ("base=Wants&notes=Wants+rain", StatusCode::OK, "Wants a roof\n---\nWants rain"),
    ] {
        assert_eq!(act(&app, "/calls/a/notes", form, &front()).await, status, "{form}");
        let told = page.expect("notes").await;
        assert_eq!(told["notes"], kept);
        assert!(told["version"].as_i64().unwrap() > version, "{told}");
        version = told["version"].as_i64().unwrap();
    }
    let is_kept = async || {
        let card = text(get(&app, "/calls/a", &front()).await).await;
        card.contains(&format!("data-version=\"{version}\""))
            && card.contains("Wants a roof\n---\nWants rain")
    };
    assert!(is_kept().await);
    // Together they have no room: what is there stays, and the page is told.
    let long = format!("base=&notes={}", "x".repeat(NOTES_CHARS_MAX));
    assert_eq!(act(&app, "/calls/a/notes", &long, &front()).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(is_kept().await);
}

#[tokio::test]
async fn notes_that_are_sent_again_because_their_answer_was_lost_are_there_once() {
    let app = App::closed(&[front()]).await;
    app.desk.take(&state(0, 1)).await;
    app.desk.take(&state(1, 2)).await;
    let save = async |form: &str, kept: &str| {
        let answer = answer(&app, "/calls/a/notes", form, &front()).await;
        let status = answer.status();
        let told = text(answer).await;
        let shown = app.hub.mark(&front(), "a", |_, _| ()).unwrap().mark.notes;
        assert_eq!(shown, kept, "{form}");
        if status == StatusCode::OK {
            assert_eq!(told, kept, "{form}");
        }
        status
    };
    let first = "page=p&save=1&base=&notes=Wants";
    assert_eq!(save(first, "Wants").await, StatusCode::NO_CONTENT);
    // Another page goes on, before the first one asks again.
    assert_eq!(
        save("page=q&save=1&base=Wants&notes=Wants+a+roof", "Wants a roof").await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(save(first, "Wants a roof").await, StatusCode::OK);
    // The same text, begun anew, is another save.
    let both = "Wants a roof\n---\nWants";
    assert_eq!(save("page=p&save=2&base=&notes=Wants", both).await, StatusCode::OK);
    assert_eq!(save("page=p&save=2&base=&notes=Wants", both).await, StatusCode::OK);
    // Nothing was done with what had no room.
    let long = format!("page=p&save=3&base=&notes={}", "x".repeat(NOTES_CHARS_MAX));
    for _ in 0..2 {
        assert_eq!(save(&long, both).await, StatusCode::PAYLOAD_TOO_LARGE);
    }
    let long = format!("page={}&save=1&base=&notes=Rain", "x".repeat(PAGE_NAME_BYTES_MAX + 1));
    let all = format!("{both}\n---\nRain");
    assert_eq!(save(&long, &all).await, StatusCode::OK);
    assert_eq!(save(&long, &all).await, StatusCode::OK, "it is there, whoever wrote it");
}

#[tokio::test]
async fn a_page_that_is_closed_sends_what_is_newest_and_what_was_on_its_way_before_changes_nothing() {
    let app = App::closed(&[front()]).await;
    app.desk.take(&state(0, 1)).await;
    app.desk.take(&state(1, 2)).await;
    let save = async |form: &str| {
        answer(&app, "/calls/a/notes", form, &front()).await;
        app.hub.mark(&front(), "a", |_, _| ()).unwrap().mark.notes
    };
    assert_eq!(save("page=p&save=1&base=&notes=Monday").await, "Monday");
    // From the same base, in either order.
    assert_eq!(save("page=p&save=2&base=Monday&notes=T").await, "T");
    assert_eq!(save("page=p&save=8&base=Monday&notes=Tuesday").await, "Tuesday");
    assert_eq!(save("page=q&save=8&base=Tuesday&notes=Friday").await, "Friday");
    assert_eq!(save("page=q&save=2&base=Tuesday&notes=F").await, "Friday");
    // Beside the text of another page, whose answer the page has not had.
    assert_eq!(save("page=r&save=1&base=&notes=R").await, "Friday\n---\nR");
    assert_eq!(save("page=r&save=9&base=&notes=Roof").await, "Friday\n---\nRoof");
    assert_eq!(save("page=r&save=10&base=&notes=").await, "Friday");
}

#[tokio::test]
async fn the_crm_is_told_the_note_that_is_kept() {
    let (folder, crm) = (tempfile::tempdir().unwrap(), crm(OWN).await);
    let office = Office::open(folder.path(), &own(&crm, "all")).await;
    office.call("a", "+13125550147").await;
    for round in 0..5 {
        let texts: Vec<String> = (0..20).map(|n| format!("note {round}-{n}.")).collect();
        join_all(texts.iter().map(|text| office.note("a", text))).await;
        let written = desks::written(&office.store.pool, "a").await.unwrap();
        let entry = crm_log::of(&office.store.pool, "a").await.unwrap().unwrap();
        assert!(entry.document.contains(&written[0].1), "{} is not in {}", written[0].1, entry.document);
    }
    office.close().await;
}

#[tokio::test]
async fn notes_have_as_much_room_in_every_script() {
    let app = App::closed(&[front()]).await;
    app.desk.take(&state(0, 1)).await;
    app.desk.take(&state(1, 2)).await;
    for (more, status) in [(0, StatusCode::NO_CONTENT), (1, StatusCode::PAYLOAD_TOO_LARGE)] {
        let notes = "\u{1D518}".repeat(NOTES_CHARS_MAX + more);
        let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("notes", &notes).finish();
        assert_eq!(act(&app, "/calls/a/notes", &form, &front()).await, status);
    }
    let large = format!("pinned=true&more={}", "x".repeat(20_000));
    assert_eq!(act(&app, "/calls/a/pin", &large, &front()).await, StatusCode::PAYLOAD_TOO_LARGE);
}
