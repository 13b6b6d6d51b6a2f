//! What happens at each bound of the desk: the oldest goes or a further one is refused, and nothing else is lost.

use std::{collections::HashMap, sync::Arc};

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    at,
    doors::{act, front, get, other},
    ending,
    pages::{App, Events, text},
    ring,
};
use crate::{
    people::{
        contact::Contact,
        number::{Home, Number},
        sources::Answer,
    },
    screen_pop::{
        board::{Applied, Board},
        call::{Call, Line},
        callers::Known,
        door::lock,
        hub::Hub,
        limits::{
            AGENTS_SHOWN_MAX, FACTS_SHOWN_MAX, FORGOTTEN_IDS_MAX, LINES_SHOWN_MAX, MARKS_RESTORED_MAX,
            MATCHES_SHOWN_MAX, PAGES_MAX, PAGES_OF_ONE_MAX, SESSIONS_MAX, WALLS_MAX, WANTED_MAX,
        },
        secrets::digest,
        sight::{Choice, Part, Person, Sight, Tab},
        view,
        wall::{Doing, Tally, figures},
    },
    store::{
        desks::{self, Mark, Session},
        screen_pop, testing, write,
    },
};

const NOW: &str = "2026-02-03T17:00:00Z";
const NUMBER: &str = "+13125550147";

fn person(n: usize) -> Person {
    Person { id: format!("person{n}@example.com"), member: true, ..Person::default() }
}

fn line(n: usize) -> Line {
    Line { id: format!("line {n}"), name: format!("Desk {n}"), extension: String::new() }
}

/// A call that rings.
fn ringing(id: &str) -> Call {
    let mut board = Board::default();
    board.apply(at(NOW), &ring(id, NOW, "", NUMBER));
    board.calls()[0].clone()
}

fn card_of(call: &Call) -> ui::Card {
    let watched = Sight { part: Part::Watched, tab: Tab::Active, alerts: false, ring: 0, closed: false };
    let texts = Arc::new(ui::Texts::of(ui::Lang::English));
    view::card(call, &watched, &Mark::default(), at(NOW), &TimeZone::UTC, &texts)
}

/// The same call, with these contacts who have its number.
fn known(contacts: Vec<Contact>) -> Call {
    let contacts = contacts.into_iter().map(|contact| Contact { numbers: vec![NUMBER.into()], ..contact });
    let (contacts, source) = (contacts.collect(), "CRM".to_owned());
    let answer = Answer { source, contacts, failure: None, stale: false, lacks: Vec::new() };
    let known = Known::of(answer, &Number::read(NUMBER, Home::default()), Home::default());
    Call { known: Some(known), ..ringing("a") }
}

#[test]
fn a_card_shows_so_many_lines_and_counts_the_others() {
    let call = |lines: usize| Call { ringing: (0..lines).map(line).collect(), ..ringing("a") };
    let all = card_of(&call(LINES_SHOWN_MAX)).lines;
    assert_eq!((all.len(), all.last().map(String::as_str)), (LINES_SHOWN_MAX, Some("Desk 11")));
    let more = card_of(&call(LINES_SHOWN_MAX + 3)).lines;
    assert_eq!(more[..LINES_SHOWN_MAX], all[..], "the first ones");
    assert_eq!(more[LINES_SHOWN_MAX..], ["and 3 more"]);
}

#[test]
fn a_card_offers_so_many_contacts_the_likeliest_first() {
    let named =
        |n: usize| Contact { name: format!("Ada {n}"), reference: n.to_string(), ..Contact::default() };
    let card = card_of(&known((0..MATCHES_SHOWN_MAX + 2).rev().map(named).collect()));
    let offered: Vec<String> = card.matches.into_iter().map(|offered| offered.title).collect();
    assert_eq!(offered, ["Ada 0", "Ada 1", "Ada 2", "Ada 3", "Ada 4"]);
}

#[test]
fn a_card_tells_so_many_facts_and_the_contacts_own_come_first() {
    let other = (0..FACTS_SHOWN_MAX + 3).map(|n| (format!("Fact {n}"), n.to_string())).collect();
    let ada = Contact { name: "Ada".into(), notes: "Mornings".into(), other, ..Contact::default() };
    let facts: Vec<String> = card_of(&known(vec![ada])).facts.into_iter().map(|fact| fact.text).collect();
    assert_eq!(facts, ["Mornings", "0", "1", "2", "3", "4"]);
    assert_eq!(facts.len(), FACTS_SHOWN_MAX);
}

#[test]
fn a_wallboard_has_so_many_lines_and_counts_all_calls() {
    let lines: Vec<Line> = (0..AGENTS_SHOWN_MAX + 5).map(line).collect();
    let mut board = Board::default();
    board.restore(Call { ringing: vec![lines[AGENTS_SHOWN_MAX].clone()], ..ringing("a") });
    let figures = figures(&board, &lines, Tally::default());
    let shown: Vec<&Line> = figures.agents.iter().map(|agent| &agent.line).collect();
    assert_eq!(shown, lines[..AGENTS_SHOWN_MAX].iter().collect::<Vec<_>>());
    assert!(figures.agents.iter().all(|agent| agent.doing == Doing::Free));
    assert_eq!(figures.waiting, 1, "a call at a line that is not shown");
}

#[test]
fn a_further_call_whose_history_is_wanted_waits_until_there_is_room() {
    let mut board = Board::default();
    let mut end = |id: &str| board.apply(at(NOW), &ending(id, NOW, 7));
    for n in 0..WANTED_MAX {
        let id = format!("call {n}");
        assert_eq!(end(&id), Applied::NeedsHistory(id));
    }
    assert_eq!(end("further"), Applied::Nothing);
    board.replay(at(NOW), "call 0", &[]);
    assert_eq!(board.apply(at(NOW), &ending("further", NOW, 8)), Applied::NeedsHistory("further".into()));
}

#[test]
fn of_the_calls_that_have_left_the_oldest_is_forgotten() {
    let mut board = Board::default();
    for n in 0..=FORGOTTEN_IDS_MAX {
        // Nobody knows it, so it is not asked for again.
        board.replay(at(NOW), &format!("call {n}"), &[]);
    }
    let mut comes = |n: usize| board.apply(at(NOW), &ring(&format!("call {n}"), NOW, "", NUMBER));
    assert_eq!(comes(1), Applied::Nothing);
    assert_eq!(comes(FORGOTTEN_IDS_MAX), Applied::Nothing);
    assert!(matches!(comes(0), Applied::Changed(change) if change.new), "as a call never heard of");
}

#[tokio::test]
async fn with_too_many_sessions_the_first_one_to_sign_in_is_signed_out() {
    let soon = Timestamp::now() + SignedDuration::from_hours(1);
    let app = App::closed_until(&[front()], soon).await;
    let session = |n: usize, after: i64| {
        let ends = soon + SignedDuration::from_secs(after);
        (format!("digest {n}"), Session { person: person(n), ends })
    };
    lock(&app.pages.door.sessions).extend((1..SESSIONS_MAX).map(|n| session(n, 60)));
    assert_eq!(get(&app, "/events", &front()).await.status(), StatusCode::OK, "as many as there may be");
    let (key, last) = session(0, 120);
    app.pages.door.remember(key, last).await;
    assert_eq!(get(&app, "/events", &front()).await.status(), StatusCode::UNAUTHORIZED);
    let sessions: Vec<String> = lock(&app.pages.door.sessions).keys().cloned().collect();
    assert_eq!(sessions.len(), SESSIONS_MAX);
    assert!(!sessions.contains(&digest("session", &front().id)) && sessions.contains(&"digest 0".to_owned()));
    let stored = desks::sessions(&app.store.pool, Timestamp::now()).await.unwrap();
    assert!(stored.is_empty(), "a restart does not bring it back");
}

#[test]
fn pages_of_all_people_are_counted_together() {
    let hub = Hub::new(TimeZone::UTC);
    let subscribe = |person: &Person| hub.subscribe(person, "session", None, ui::Lang::English);
    let mut open = Vec::new();
    for n in 0..PAGES_MAX.div_ceil(PAGES_OF_ONE_MAX) + 1 {
        hub.seat(&person(n), Choice::default(), HashMap::new(), None);
        open.extend(std::iter::repeat_with(|| subscribe(&person(n))).map_while(|page| page));
    }
    assert_eq!(open.len(), PAGES_MAX);
    assert!(subscribe(&person(0)).is_none());
    open.pop();
    assert!(subscribe(&person(PAGES_MAX)).is_none(), "without a seat");
    assert!(subscribe(&person(PAGES_MAX / PAGES_OF_ONE_MAX)).is_some(), "there is room for one again");
}

#[tokio::test]
async fn a_further_wallboard_is_refused_until_one_is_closed() {
    let app = App::closed(&[front()]).await;
    let mut open = Vec::new();
    for _ in 0..WALLS_MAX {
        open.push(Events::of(get(&app, "/wallboard/events", &front()).await));
    }
    let refused = get(&app, "/wallboard/events", &front()).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(refused).await.contains("Close some and try again"));
    open[0].expect("wall").await;
    open.pop();
    assert_eq!(get(&app, "/wallboard/events", &front()).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn marks_beyond_the_newest_stay_in_the_store_and_come_back_with_their_call() {
    let app = App::closed(&[front(), other()]).await;
    let noted = |name: &str, count: usize| -> Vec<(String, Mark)> {
        let mark = Mark { notes: "Wants a roof".into(), ..Mark::default() };
        (0..count).map(|n| (format!("{name} {n}"), mark.clone())).collect()
    };
    let newest = usize::try_from(MARKS_RESTORED_MAX).unwrap();
    for (marks, when) in [(noted("old", 2), "2026-02-03T16:00:00Z"), (noted("new", newest), NOW)] {
        desks::mark_all(&app.store.pool, &front().id, &marks, at(when)).await.unwrap();
    }
    // One of the old ones is on the board still.
    app.hub.board(|board| board.restore(ringing("old 0")));
    get(&app, "/", &front()).await;
    let kept: Vec<bool> = {
        let inner = app.hub.lock();
        let seat = &inner.seats[&front().id];
        ["new 0", "old 0", "old 1"].iter().map(|id| !seat.mark_of(id).notes.is_empty()).collect()
    };
    assert_eq!(kept, [true, true, false]);
    assert_eq!(desks::written(&app.store.pool, "old 1").await.unwrap().len(), 1, "it is stored still");
    assert_eq!(act(&app, "/calls/old%201/notes", "notes=x", &front()).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn so_many_calls_come_back_after_a_restart_and_so_many_missed_ones_besides() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    let mut transaction = write(&pool).await.unwrap();
    for n in 0..12_i64 {
        let created = at(NOW) + SignedDuration::from_secs(n);
        let mut board = Board::default();
        let id = format!("call {n:02}");
        board.apply(created, &ring(&id, &created.to_string(), "", NUMBER));
        // The older half was missed.
        if n < 6 {
            board.apply(created, &ending(&id, &created.to_string(), 2));
        }
        screen_pop::save(&mut transaction, &board.calls()[0]).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let back = async |max, missed| -> Vec<String> {
        let back = screen_pop::recent(&pool, at(NOW), max, missed).await.unwrap();
        back.into_iter().map(|call| call.id).collect()
    };
    assert_eq!(back(2, 3).await, ["call 11", "call 10", "call 05", "call 04", "call 03"]);
    assert_eq!(back(8, 1).await.len(), 8, "what is missed and new comes once");
}
