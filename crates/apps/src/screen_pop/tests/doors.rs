//! What the routes give to whom: nothing without a session, and no one else's calls with one.

use axum::{
    body::Body,
    http::{Request, Response, StatusCode},
};
use tower::ServiceExt as _;

use super::{
    inbound,
    pages::{App, Events, text},
};
use crate::{
    screen_pop::{routes::router, secrets::digest, sight::Person},
    store::{desks, testing},
};

pub(super) const FRONT_DESK: &str = "a97782c9-1b9b-4567-83f6-0050a2a2ef4a";
const OWN: &str = "http://localhost:5000";

pub(super) fn front() -> Person {
    Person {
        id: "front@example.com".into(),
        lines: vec![FRONT_DESK.into()],
        member: true,
        ..Person::default()
    }
}

pub(super) fn other() -> Person {
    Person {
        id: "other@example.com".into(),
        lines: vec!["another".into()],
        member: true,
        ..Person::default()
    }
}

pub(super) async fn get(app: &App, path: &str, person: &Person) -> Response<Body> {
    let request = Request::get(path).header("host", "localhost:5000");
    let request = request.header("cookie", format!("callfeed_session_5000={}", person.id));
    router(app.pages.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn post(app: &App, path: &str, form: &str, person: &Person, origin: &str, proof: &str) -> StatusCode {
    send(app, path, form, person, origin, proof).await.status()
}

async fn send(
    app: &App,
    path: &str,
    form: &str,
    person: &Person,
    origin: &str,
    proof: &str,
) -> Response<Body> {
    let request = Request::post(path)
        .header("host", "localhost:5000")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", origin)
        .header("x-callfeed-proof", proof)
        .header("cookie", format!("callfeed_session_5000={}", person.id));
    router(app.pages.clone()).oneshot(request.body(Body::from(form.to_owned())).unwrap()).await.unwrap()
}

/// The whole answer to what a person does.
pub(super) async fn answer(app: &App, path: &str, form: &str, person: &Person) -> Response<Body> {
    send(app, path, form, person, OWN, &digest("proof", &person.id)).await
}

pub(super) async fn act(app: &App, path: &str, form: &str, person: &Person) -> StatusCode {
    answer(app, path, form, person).await.status()
}

/// A board on which the front desk rings, and the id of that call.
async fn ringing() -> (App, String) {
    let app = App::closed(&[front(), other()]).await;
    for state in &inbound()[..2] {
        app.desk.take(state).await;
    }
    (app, inbound()[0].metadata.conversation_space_id.clone())
}

#[tokio::test]
async fn without_a_session_there_is_a_sign_in_page_and_nothing_else() {
    let (app, id) = ringing().await;
    let page = app.text("/").await;
    assert!(page.contains("Sign in to see calls") && !page.contains("EXAMPLE CALLER"), "{page}");
    let nobody = Person { id: "guessed".into(), ..Person::default() };
    for path in ["/events", &format!("/calls/{id}")] {
        assert_eq!(get(&app, path, &nobody).await.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in [format!("/calls/{id}/close"), format!("/calls/{id}/pin"), "/calls/close-finished".into()] {
        assert_eq!(act(&app, &path, "pinned=true", &nobody).await, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn the_call_of_another_person_is_not_there() {
    let (app, id) = ringing().await;
    let page = text(get(&app, "/", &front()).await).await;
    assert!(page.contains("EXAMPLE CALLER"), "{page}");
    assert_eq!(get(&app, &format!("/calls/{id}"), &front()).await.status(), StatusCode::OK);

    let page = text(get(&app, "/", &other()).await).await;
    assert!(!page.contains("EXAMPLE CALLER") && !page.contains(&id), "{page}");
    assert_eq!(get(&app, &format!("/calls/{id}"), &other()).await.status(), StatusCode::NOT_FOUND);
    let call = format!("/calls/{id}");
    for (path, form) in [("close", ""), ("pin", "pinned=true"), ("notes", "notes=x")] {
        let status = act(&app, &format!("{call}/{path}"), form, &other()).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/callers/pick", "/callers/new"] {
        let form = format!("call={id}&contact=x&name=x");
        assert_eq!(act(&app, path, &form, &other()).await, StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(act(&app, "/alerts", &format!("call={id}"), &other()).await, StatusCode::OK, "does not ring");
    // Only admins may ask for everybody's calls.
    assert_eq!(act(&app, "/settings", "everybody=on", &other()).await, StatusCode::NO_CONTENT);
    let snapshot = Events::of(get(&app, "/events", &other()).await).expect("snapshot").await;
    assert_eq!(snapshot["cards"], serde_json::json!([]));
}

#[tokio::test]
async fn events_reach_the_desk_that_rings_and_no_other() {
    let app = App::closed(&[front(), other()]).await;
    let mut mine = Events::of(get(&app, "/events", &front()).await);
    let mut theirs = Events::of(get(&app, "/events", &other()).await);
    for state in inbound() {
        app.desk.take(&state).await;
    }
    assert!(mine.card_with(&["Ringing", "Front Desk"]).await.contains("EXAMPLE CALLER"));
    app.hub.close();
    while let Some((name, data)) = theirs.next().await {
        assert!(name != "card" && !data.to_string().contains("555"), "{name} {data}");
    }
}

#[tokio::test]
async fn forms_of_other_sites_and_without_proof_change_nothing() {
    let (app, id) = ringing().await;
    let path = format!("/calls/{id}/close");
    let proof = digest("proof", &front().id);
    for (origin, proof) in
        [("http://evil.example", proof.as_str()), (OWN, ""), (OWN, "wrong"), ("null", &proof)]
    {
        assert_eq!(
            post(&app, &path, "", &front(), origin, proof).await,
            StatusCode::FORBIDDEN,
            "{origin} {proof}"
        );
    }
    assert_eq!(
        get(&app, &format!("/calls/{id}"), &front()).await.status(),
        StatusCode::OK,
        "it is still there"
    );
}

#[tokio::test]
async fn pages_of_one_person_are_one_desk() {
    let (app, id) = ringing().await;
    let mut pages = Vec::new();
    for _ in 0..5 {
        let mut page = Events::of(get(&app, "/events", &front()).await);
        assert_eq!(page.expect("snapshot").await["cards"][0]["alert"], true);
        pages.push(page);
    }
    let form = format!("call={id}");
    assert_eq!(act(&app, "/alerts", &form, &front()).await, StatusCode::NO_CONTENT, "the first page rings");
    for _ in 0..4 {
        assert_eq!(act(&app, "/alerts", &form, &front()).await, StatusCode::OK, "the others do not");
    }
    assert_eq!(
        act(&app, &format!("/calls/{id}/notes"), "notes=calls+again", &front()).await,
        StatusCode::NO_CONTENT
    );
    for page in &mut pages {
        assert_eq!(page.expect("notes").await["notes"], "calls again");
    }
    assert_eq!(act(&app, &format!("/calls/{id}/close"), "", &front()).await, StatusCode::NO_CONTENT);
    for page in &mut pages {
        // Closed in one is closed in all.
        page.card_with(&["data-closed"]).await;
    }
    let fresh = Events::of(get(&app, "/events", &front()).await).expect("snapshot").await;
    assert!(fresh["cards"][0]["html"].as_str().unwrap().contains("data-closed"), "{fresh}");
}

#[tokio::test]
async fn what_is_chosen_in_one_page_is_in_all_and_kept() {
    let (app, id) = ringing().await;
    let mut page = Events::of(get(&app, "/events", &front()).await);
    let path = format!("/calls/{id}/code");
    assert_eq!(act(&app, &path, "code=Unheard+of", &front()).await, StatusCode::BAD_REQUEST);
    assert_eq!(act(&app, &path, "code=Sold", &other()).await, StatusCode::NOT_FOUND);
    assert_eq!(act(&app, &path, "code=Sold", &front()).await, StatusCode::NO_CONTENT);
    page.card_with(&["<option selected>Sold</option>"]).await;
    let form = "hours=on&from=09:00&to=9x&day=1";
    assert_eq!(act(&app, "/settings", form, &front()).await, StatusCode::BAD_REQUEST);
    // No day of the week: quiet always.
    let form = "hours=on&from=09:00&to=17:30&sound=on&keys=on";
    assert_eq!(act(&app, "/settings", form, &front()).await, StatusCode::NO_CONTENT);
    let settings = page.expect("settings").await;
    assert_eq!((&settings["from"], &settings["to"]), (&"09:00".into(), &"17:30".into()));
    let line = format!("line={FRONT_DESK}");
    assert_eq!(settings["ticks"], serde_json::json!(["sound=on", "keys=on", "hours=on", line]));
    assert_eq!(act(&app, "/alerts", &format!("call={id}"), &front()).await, StatusCode::OK, "in silence");
    // Not in force, they are kept for when they are again.
    let form = "from=09:00&to=17:30&day=6&sound=on";
    assert_eq!(act(&app, "/settings", form, &front()).await, StatusCode::NO_CONTENT);
    let settings = page.expect("settings").await;
    assert_eq!((&settings["from"], &settings["to"]), (&"09:00".into(), &"17:30".into()));
    assert_eq!(settings["ticks"], serde_json::json!(["sound=on", line, "day=6"]));
    let kept = desks::choice(&app.store.pool, &front().id).await.unwrap().hours;
    assert_eq!((kept.on, kept.from_min, kept.to_min, kept.days), (false, 540, 1050, 0b10_0000));
    // The same line, not ticked: its call leaves the page, and stays away after a restart.
    let form = format!("shown={FRONT_DESK}");
    assert_eq!(act(&app, "/settings", &form, &front()).await, StatusCode::NO_CONTENT);
    assert_eq!(get(&app, &format!("/calls/{id}"), &front()).await.status(), StatusCode::NOT_FOUND);
    let app = app.restart_closed().await;
    // Which lines ring is told by the next state.
    app.desk.take(&inbound()[1]).await;
    assert_eq!(get(&app, &format!("/calls/{id}"), &front()).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(act(&app, "/settings", "", &front()).await, StatusCode::NO_CONTENT);
    let card = text(get(&app, &format!("/calls/{id}"), &front()).await).await;
    assert!(card.contains("<option selected>Sold</option>"), "{card}");
}

#[tokio::test]
async fn who_signs_out_hears_nothing_more() {
    let (app, _) = ringing().await;
    let mut page = Events::of(get(&app, "/events", &front()).await);
    let proof = digest("proof", &front().id);
    let status = act(&app, "/sign-out", &format!("proof={proof}"), &front()).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let mut last = String::new();
    while let Some((name, _)) = page.next().await {
        last = name;
    }
    assert_eq!(last, "signed-out", "the page is told at once");
    assert_eq!(get(&app, "/events", &front()).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_a_person_sees_of_the_team_is_kept() {
    let app = App::closed(&[front()]).await;
    let kept = desks::choice(&app.store.pool, &front().id).await.unwrap();
    assert!(kept.unowned && !kept.team, "without a choice");
    for form in ["unowned=on", "team=on", "unowned=on&team=on", "sound=on"] {
        assert_eq!(act(&app, "/settings", form, &front()).await, StatusCode::NO_CONTENT);
        let kept = desks::choice(&app.store.pool, &front().id).await.unwrap();
        let chosen = (form.contains("unowned"), form.contains("team"));
        assert_eq!((kept.unowned, kept.team), chosen, "{form}");
    }
}

#[tokio::test]
async fn what_cannot_be_kept_does_not_hold() {
    let app = App::closed(&[front()]).await;
    let page = text(get(&app, "/", &front()).await).await;
    assert!(page.contains("name=\"do_not_disturb\">"), "{page}");
    testing::lose(&app.store.pool, "desk_choices").await;
    let status = act(&app, "/settings", "do_not_disturb=on", &front()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!app.hub.choice(&front()).unwrap().do_not_disturb);
}

#[tokio::test]
async fn keys_are_commands_until_a_person_switches_them_off() {
    let app = App::closed(&[front(), other()]).await;
    let pages = async |app: &App, person: &Person| {
        let (calls, wall) = (get(app, "/", person).await, get(app, "/wallboard", person).await);
        [text(calls).await, text(wall).await].map(|page| page.contains(" data-keys"))
    };
    assert_eq!(pages(&app, &front()).await, [true, true], "without a choice");
    let mut page = Events::of(get(&app, "/events", &front()).await);
    assert_eq!(act(&app, "/settings", "unowned=on", &front()).await, StatusCode::NO_CONTENT);
    let settings = page.expect("settings").await;
    assert!(!settings["ticks"].to_string().contains("keys=on"), "{settings}");
    let app = app.restart_closed().await;
    assert_eq!(pages(&app, &front()).await, [false, false], "kept");
    assert_eq!(pages(&app, &other()).await, [true, true], "each for themselves");
    assert_eq!(act(&app, "/settings", "keys=on", &front()).await, StatusCode::NO_CONTENT);
    assert_eq!(pages(&app, &front()).await, [true, true]);
}
