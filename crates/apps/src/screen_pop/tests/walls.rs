//! The wallboard, claims of missed calls, and people who leave: what is seen by all at once, and by whom.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use wire::directory::User;

use super::{
    doors::{FRONT_DESK, act, front, get, other},
    ending, example, inbound,
    pages::{App, Events, text},
    ring,
};
use crate::screen_pop::{
    board::{Board, Change},
    limits::{WALL_LINK_NAME_CHARS_MAX, WALL_LINKS_MAX},
    routes::router,
    secrets::digest,
    sight::{Directory, Person},
    wall::{Doing, Tally, figures},
};
use crate::store::wall_links;

fn admin() -> Person {
    Person { id: "admin@example.com".into(), admin: true, member: true, ..Person::default() }
}

fn user(key: &str, lines: &[(&str, &str, &str)]) -> User {
    let line = |(id, name, number): &(&str, &str, &str)| {
        json!({"id": id, "name": name, "number": number, "accountKey": "1",
            "organization": {"id": "o", "name": "Example"}})
    };
    let lines: Vec<Value> = lines.iter().map(line).collect();
    serde_json::from_value(json!({"userKey": key, "userId": key, "lines": lines})).unwrap()
}

/// A form as a browser sends it: without an origin, by our referrer policy.
async fn form(app: &App, person: &Person, form: &str) -> (StatusCode, String) {
    let request = Request::post("/wallboard/links")
        .header("host", "localhost:5000")
        .header("origin", "null")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", format!("callfeed_session_5000={}", person.id));
    let answer = router(app.pages.clone()).oneshot(request.body(Body::from(form.to_owned())).unwrap()).await;
    let answer = answer.unwrap();
    (answer.status(), text(answer).await)
}

#[tokio::test]
async fn the_wall_shows_figures_and_lines_and_nothing_of_a_caller() {
    let app = App::closed(&[front(), admin()]).await;
    app.hub.set_directory(Directory::new(&[user(
        "1",
        &[("l2", "Back Office", "1002"), ("l1", "Front", "101")],
    )]));
    let mut wall = Events::of(get(&app, "/wallboard/events", &front()).await);
    let first = wall.expect("wall").await["html"].as_str().unwrap().to_owned();
    let at = |name: &str| first.find(name).unwrap_or_else(|| panic!("{name} is not on {first}"));
    assert!(at("Front · 101") < at("Back Office · 1002"), "by extension: {first}");
    let now = Timestamp::now().to_string();
    app.desk.take(&ring("1", &now, "Ada Example", "+13125550147")).await;
    let mut heard = vec![wall.expect("wall").await.to_string()];
    assert!(heard[0].contains("<dt>Waiting now</dt><dd>1</dd>"), "{heard:?}");
    app.desk.take(&ending("1", &now, 2)).await;
    heard.push(wall.expect("wall").await.to_string());
    assert!(heard[1].contains("<dt>Waiting now</dt><dd>0</dd>"), "{heard:?}");
    assert!(heard[1].contains("<dt>Missed today</dt><dd>1</dd>"), "{heard:?}");
    heard.push(text(get(&app, "/wallboard", &front()).await).await);
    for said in heard {
        assert!(!said.contains("Ada") && !said.contains("555"), "{said}");
    }
    // What was counted survives a restart.
    let app = app.restart_closed().await;
    let page = text(get(&app, "/wallboard", &front()).await).await;
    assert!(page.contains("<dt>Missed today</dt><dd>1</dd>"), "{page}");
}

#[tokio::test]
async fn a_read_only_link_shows_the_wall_until_it_is_taken_away() {
    let app = App::closed(&[front(), admin()]).await;
    let proof = |person: &Person| format!("proof={}", digest("proof", &person.id));
    assert_eq!(form(&app, &front(), &proof(&front())).await.0, StatusCode::FORBIDDEN, "admins alone");
    assert_eq!(form(&app, &admin(), "proof=guessed").await.0, StatusCode::FORBIDDEN);
    for name in ["", "&name=+", &format!("&name={}", "x".repeat(WALL_LINK_NAME_CHARS_MAX + 1))] {
        let (status, page) = form(&app, &admin(), &format!("{}{name}", proof(&admin()))).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        assert!(page.contains("Give it a short name") && page.contains("href=\"/wallboard\""), "{page}");
    }
    let new = format!("{}&name=Kitchen+TV", proof(&admin()));
    assert_eq!(form(&app, &admin(), &new).await.0, StatusCode::SEE_OTHER, "so that a reload makes no other");
    assert!(!text(get(&app, "/wallboard", &front()).await).await.contains("/wall/"), "it is the admin's");
    let page = text(get(&app, "/wallboard", &admin()).await).await;
    assert!(page.contains("Kitchen TV"), "{page}");
    let again = text(get(&app, "/wallboard", &admin()).await).await;
    assert!(!again.contains("localhost:5000/wall/") && again.contains("Kitchen TV"), "shown once: {again}");
    let start = page.find("http://localhost:5000/wall/").expect("the new link is shown");
    let link = page[start + "http://localhost:5000".len()..].split('"').next().unwrap().to_owned();
    let token = link.strip_prefix("/wall/").unwrap();
    assert!(token.len() >= 43, "256 bits: {token}");
    let stored = wall_links::all(&app.store.pool).await.unwrap();
    assert_eq!(stored.len(), 1);
    assert!(!stored[0].digest.contains(token), "the store has a digest");

    let nobody = Person { id: "nobody".into(), ..Person::default() };
    let seen = text(get(&app, &link, &nobody).await).await;
    assert!(seen.contains("Waiting now") && !seen.contains("Read-only links"), "{seen}");
    let mut wall = Events::of(get(&app, &format!("{link}/events"), &nobody).await);
    wall.expect("wall").await;
    for path in ["/wall/guessed", "/wall/guessed/events", "/wall/%00%ff", "/wall/%ff/events"] {
        let unknown = get(&app, path, &nobody).await;
        assert_eq!(unknown.status(), StatusCode::NOT_FOUND, "{path}");
        let page = text(unknown).await;
        assert!(page.contains("This link leads nowhere") && !page.contains("Back to the calls"), "{path}");
    }
    assert_eq!(get(&app, "/wallboard/events", &nobody).await.status(), StatusCode::UNAUTHORIZED);
    let end = format!("{}&end={}", proof(&admin()), digest("wall", token));
    assert_eq!(form(&app, &admin(), &end).await.0, StatusCode::SEE_OTHER);
    while wall.next().await.is_some() {}
    assert_eq!(get(&app, &link, &nobody).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn with_as_many_links_as_there_may_be_one_has_to_be_taken_away_first() {
    let app = App::closed(&[admin()]).await;
    let proof = format!("proof={}&name=Kitchen+TV", digest("proof", &admin().id));
    for _ in 0..WALL_LINKS_MAX {
        assert_eq!(form(&app, &admin(), &proof).await.0, StatusCode::SEE_OTHER);
    }
    let (status, page) = form(&app, &admin(), &proof).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(page.contains("Take one away first.") && page.contains("href=\"/wallboard\""), "{page}");
    let links = wall_links::all(&app.store.pool).await.unwrap();
    assert_eq!(links.len(), usize::try_from(WALL_LINKS_MAX).unwrap());
    let end = format!("{proof}&end={}", links[0].digest);
    assert_eq!(form(&app, &admin(), &end).await.0, StatusCode::SEE_OTHER);
    assert_eq!(form(&app, &admin(), &proof).await.0, StatusCode::SEE_OTHER);
}

#[test]
fn who_calls_out_is_on_the_phone_too() {
    let mut board = Board::default();
    let now: Timestamp = "2026-02-03T17:00:00Z".parse().unwrap();
    let states = example("ws-call-events-outbound");
    let line =
        states.iter().flat_map(|event| &event.state.participants).find_map(|party| party.kind.as_line());
    let id = line.expect("a line calls").line_id.clone();
    let directory = Directory::new(&[user("1", &[(&id, "Front", "1001")])]);
    let mut seen = Vec::new();
    for state in &states {
        board.apply(now, state);
        seen.push(figures(&board, directory.agents(), Tally::default()).agents[0].doing);
    }
    seen.dedup();
    assert!(seen.contains(&Doing::Talks(now)), "{seen:?}");
    assert_eq!(seen.last(), Some(&Doing::Free));
    // An end that was not seen: the list of calls decides.
    let talking = states.iter().position(|state| {
        let mut board = Board::default();
        board.apply(now, state);
        board.elsewhere.talks().next().is_some()
    });
    let mut board = Board::default();
    board.apply(now, &states[talking.expect("they talk")]);
    let (_, missing) = board.reconcile(now, &board.live_ids(), &[]);
    assert_eq!(missing.len(), 1);
    board.close(now, &missing[0]);
    assert_eq!(board.elsewhere.talks().count(), 0);
}

#[test]
fn a_day_is_counted_by_itself() {
    let day = |text: &str| text.parse::<Timestamp>().unwrap().to_zoned(TimeZone::UTC).date();
    let (monday, tuesday) = (day("2026-02-02T10:00:00Z"), day("2026-02-03T10:00:00Z"));
    let answered = Change { answered: true, ..Change::of_card("1") };
    let missed = Change { missed: true, ..Change::of_card("2") };
    let mut tally = Tally::of(monday, 3, 1);
    tally.count(monday, monday, &answered);
    assert_eq!((tally.answered, tally.missed), (4, 1));
    assert_eq!(tally.on(tuesday), Tally::of(tuesday, 0, 0));
    tally.count(monday, tuesday, &missed);
    tally.count(tuesday, tuesday, &missed);
    assert_eq!(tally, Tally::of(tuesday, 0, 1), "a call of yesterday is not of today");
}

#[tokio::test]
async fn a_missed_call_comes_back_however_many_came_since() {
    let app = App::closed(&[front()]).await;
    app.desk.take(&ring("missed", "2026-02-03T09:00:00Z", "Ada", "+13125550162")).await;
    app.desk.take(&ending("missed", "2026-02-03T09:00:00Z", 2)).await;
    let answered = inbound();
    for state in &answered {
        app.desk.take(state).await;
    }
    let app = app.restart_closed().await;
    let back = crate::store::screen_pop::recent(&app.store.pool, jiff::Timestamp::now(), 1, 1).await.unwrap();
    let back: Vec<&str> = back.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(back, [answered[0].metadata.conversation_space_id.as_str(), "missed"]);
}

#[tokio::test]
async fn a_later_call_of_a_caller_whom_a_colleague_takes_is_the_colleagues() {
    let app = App::closed(&[front(), admin()]).await;
    let miss = async |app: &App, id: &str| {
        app.desk.take(&ring(id, "2026-02-03T17:00:00Z", "Ada", "+13125550147")).await;
        app.desk.take(&ending(id, "2026-02-03T17:00:00Z", 2)).await;
    };
    miss(&app, "first").await;
    assert_eq!(act(&app, "/settings", "team=on", &front()).await, StatusCode::NO_CONTENT);
    assert_eq!(act(&app, "/calls/first/claim", "claim=true", &front()).await, StatusCode::NO_CONTENT);
    miss(&app, "later").await;
    let page = text(get(&app, "/", &front()).await).await;
    assert_eq!(page.matches("You take this").count(), 2, "{page}");
    let app = app.restart_closed().await;
    let page = text(get(&app, "/", &front()).await).await;
    assert_eq!(page.matches("You take this").count(), 2, "{page}");
    assert_eq!(act(&app, "/calls/later/claim", "claim=true", &admin()).await, StatusCode::CONFLICT);
    assert_eq!(act(&app, "/calls/later/claim", "claim=true", &front()).await, StatusCode::NO_CONTENT);
    assert_eq!(act(&app, "/calls/later/claim", "claim=false", &admin()).await, StatusCode::NO_CONTENT);
    assert_eq!(act(&app, "/calls/first/claim", "claim=true", &admin()).await, StatusCode::NO_CONTENT);
    // Not an admin's, so not to be given back by others.
    assert_eq!(act(&app, "/calls/later/claim", "claim=false", &front()).await, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_missed_call_is_taken_by_one_seen_by_all_and_kept() {
    let app = App::closed(&[front(), admin(), other()]).await;
    let people = [user("1", &[(FRONT_DESK, "Front Desk", "101")])];
    app.hub.set_directory(Directory::new(&people));
    for id in ["first", "second"] {
        app.desk.take(&ring(id, "2026-02-03T17:00:00Z", "Ada", "+13125550147")).await;
        app.desk.take(&ending(id, "2026-02-03T17:00:00Z", 2)).await;
    }
    let mut watch = Events::of(get(&app, "/events", &admin()).await);
    assert_eq!(watch.expect("snapshot").await["cards"].as_array().unwrap().len(), 2);
    assert_eq!(act(&app, "/calls/first/claim", "claim=true", &other()).await, StatusCode::NOT_FOUND);
    // Somebody of the team, who sees what rings at nobody's line.
    assert_eq!(act(&app, "/settings", "team=on", &front()).await, StatusCode::NO_CONTENT);
    assert_eq!(act(&app, "/calls/first/claim", "claim=true", &front()).await, StatusCode::NO_CONTENT);
    for _ in 0..2 {
        let card = watch.card_with(&["Front Desk takes this"]).await;
        assert!(card.contains("data-claim=\"false\" data-theirs"), "an admin can give it back: {card}");
    }
    assert_eq!(act(&app, "/calls/second/claim", "claim=true", &admin()).await, StatusCode::CONFLICT);
    let app = app.restart_closed().await;
    let page = text(get(&app, "/", &front()).await).await;
    assert_eq!(page.matches("You take this").count(), 2, "{page}");
    assert!(!page.contains("data-theirs"), "{page}");
    assert_eq!(page.matches("tel:+13125550147").count(), 2, "{page}");
    // An admin may give it back for somebody who went home; then it is anybody's.
    assert_eq!(act(&app, "/calls/first/claim", "claim=false", &admin()).await, StatusCode::NO_CONTENT);
    assert_eq!(act(&app, "/calls/first/claim", "claim=true", &admin()).await, StatusCode::NO_CONTENT);
    assert_eq!(act(&app, "/calls/first/claim", "claim=false", &front()).await, StatusCode::CONFLICT);
    // The caller rings again and is answered: nothing is missed any more.
    let mut answered = inbound();
    for state in &mut answered {
        state.metadata.call_created = "2026-02-03T18:00:00Z".into();
    }
    for state in &answered[..4] {
        app.desk.take(state).await;
    }
    assert_eq!(act(&app, "/calls/first/claim", "claim=false", &admin()).await, StatusCode::NOT_FOUND);
    let page = text(get(&app, "/", &admin()).await).await;
    assert_eq!(page.matches(">Missed, talked since<").count(), 2, "{page}");
    assert!(!page.contains("class=\"claim\""), "{page}");
}

#[tokio::test]
async fn who_leaves_the_phone_system_loses_the_session() {
    let stays = Person { user_key: Some("1".into()), ..front() };
    let leaves = Person { user_key: Some("2".into()), ..other() };
    let unknown = admin();
    let app = App::closed(&[stays.clone(), leaves.clone(), unknown.clone()]).await;
    let mut page = Events::of(get(&app, "/events", &leaves).await);
    assert!(app.pages.door.dismiss(&Directory::default()).await.is_empty(), "nothing is known yet");
    let directory = Directory::new(&[user("1", &[("l", "Front", "1001")])]);
    for (session, person) in app.pages.door.dismiss(&directory).await {
        assert_eq!(person.id, leaves.id);
        app.hub.close_session(&person, &session);
    }
    while page.next().await.is_some() {}
    for (person, status) in
        [(&leaves, StatusCode::UNAUTHORIZED), (&stays, StatusCode::OK), (&unknown, StatusCode::OK)]
    {
        assert_eq!(get(&app, "/events", person).await.status(), status, "{}", person.id);
    }
    let app = app.restart_closed().await;
    assert_eq!(get(&app, "/events", &leaves).await.status(), StatusCode::UNAUTHORIZED, "and stays out");
}
