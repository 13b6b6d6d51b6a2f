//! The desk in another language: who gets which, and that a card says nothing but texts of the language and what is known
//! of the call.

use std::{path::Path, sync::Arc};

use axum::{
    body::Body,
    http::{Request, Response, StatusCode},
};
use jiff::tz::TimeZone;
use serde_json::Value;
use tower::ServiceExt as _;
use ui::{Lang, Texts};
use wire::call_events::CallEvent;

use super::{
    at,
    doors::{front, other},
    ending, inbound,
    pages::{App, Events, text},
    ring,
};
use crate::screen_pop::{
    board::Board,
    call::{History, LastCall, Line, Outcome, Place, Stage, Way},
    choice::Choice,
    limits::LINES_CHOSEN_MAX,
    routes::router,
    secrets::digest,
    sight::{Part, Sight, Tab},
    view::card,
};
use crate::store::desks::{self, Mark};

const NOW: &str = "2026-02-03T17:00:00Z";

/// A request of a browser that wants Portuguese.
async fn get(app: &App, path: &str, person: &str, cookies: &str) -> Response<Body> {
    let request = Request::get(path)
        .header("host", "localhost:5000")
        .header("accept-language", "pt-BR,pt;q=0.9,en;q=0.5")
        .header("cookie", format!("callfeed_session_5000={person}; {cookies}"));
    router(app.pages.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// The choice of a language; the status, where to, and the cookie.
async fn choose(app: &App, person: &str, form: &str) -> (StatusCode, String, String) {
    let request = Request::post("/language")
        .header("host", "localhost:5000")
        .header("origin", "null")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", format!("callfeed_session_5000={person}"));
    let answer = router(app.pages.clone()).oneshot(request.body(Body::from(form.to_owned())).unwrap()).await;
    let answer = answer.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    (answer.status(), header("location").unwrap_or_default(), header("set-cookie").unwrap_or_default())
}

#[tokio::test]
async fn what_the_settings_refuse_is_said_in_the_language_of_the_page() {
    let app = App::closed(&[front()]).await;
    let shown: String = (0..=LINES_CHOSEN_MAX).map(|n| format!("&shown={n}")).collect();
    for (form, portuguese, english) in [
        ("&hours=on&from=9&to=17:00", "Escreva os horários como 09:00.", "Write the hours as 09:00."),
        (&shown, "Há linhas demais sem marcação.", "There are too many lines"),
    ] {
        for (lang, words) in [("pt-BR", portuguese), ("en", english)] {
            let request = Request::post("/settings")
                .header("host", "localhost:5000")
                .header("origin", "http://localhost:5000")
                .header("accept-language", lang)
                .header("content-type", "application/x-www-form-urlencoded")
                .header("cookie", format!("callfeed_session_5000={}", front().id));
            let body = Body::from(format!("proof={}{form}", digest("proof", &front().id)));
            let answer = router(app.pages.clone()).oneshot(request.body(body).unwrap()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
            let page = text(answer).await;
            assert!(page.contains(&format!("<html lang=\"{lang}\">")) && page.contains(words), "{page}");
        }
    }
    let kept = desks::choice(&app.store.pool, &front().id).await.unwrap();
    assert_eq!(kept, Choice::default(), "nothing is chosen by a form that is refused");
}

#[tokio::test]
async fn a_browser_gets_its_language_and_who_has_not_signed_in_may_choose() {
    let app = App::closed(&[front()]).await;
    let page = text(get(&app, "/", "nobody", "").await).await;
    assert!(page.contains("<html lang=\"pt-BR\">") && page.contains("Entre para ver as chamadas"), "{page}");
    let page = text(get(&app, "/nothing", "nobody", "").await).await;
    assert!(page.contains("<html lang=\"pt-BR\">") && page.contains("Esta página não existe"), "{page}");

    assert_eq!(choose(&app, "nobody", "language=xx&here=/").await.0, StatusCode::BAD_REQUEST);
    let (status, to, cookie) = choose(&app, "nobody", "language=en&here=/wallboard").await;
    assert_eq!((status, to.as_str()), (StatusCode::SEE_OTHER, "/wallboard"));
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let page = text(get(&app, "/", "nobody", cookie.split(';').next().unwrap()).await).await;
    assert!(page.contains("<html lang=\"en\">") && page.contains("Sign in to see calls"), "{page}");
    for elsewhere in [
        "https://evil.example/",
        "//evil.example/x",
        "javascript:alert(1)",
        "\\\\evil.example",
        "/.//evil.example",
        "/..//evil.example",
        "/%252e//evil.example",
        "/./\\\\evil.example",
        "/x/..//evil.example",
        "/.///evil.example",
    ] {
        let (_, to, _) = choose(&app, "nobody", &format!("language=en&here={elsewhere}")).await;
        assert!(
            to.starts_with('/') && !to.starts_with("//") && !to.contains("\\"),
            "{elsewhere} leads to {to}"
        );
    }
}

#[tokio::test]
async fn each_page_speaks_its_language_until_the_person_chooses_one() {
    let app = App::closed(&[front(), other()]).await;
    let mut english = Events::of(super::doors::get(&app, "/events", &front()).await);
    let mut portuguese = Events::of(get(&app, "/events", &front().id, "").await);
    for state in &inbound()[..2] {
        app.desk.take(state).await;
    }
    english.card_with(&["Ringing", "EXAMPLE CALLER"]).await;
    portuguese.card_with(&["Tocando", "EXAMPLE CALLER"]).await;

    assert_eq!(choose(&app, &front().id, "language=pt&proof=guessed").await.0, StatusCode::FORBIDDEN);
    let form = format!("language=pt&here=/&proof={}", digest("proof", &front().id));
    assert_eq!(choose(&app, &front().id, &form).await.0, StatusCode::SEE_OTHER);
    assert_eq!(english.expect("language").await["tag"], "pt-BR");
    app.desk.take(&inbound()[3]).await;
    english.card_with(&["Atendida"]).await;
    portuguese.card_with(&["Atendida"]).await;
    // Kept with the person, whatever the browser asks for; nobody else is concerned.
    let app = app.restart_closed().await;
    let page = text(super::doors::get(&app, "/", &front()).await).await;
    assert!(page.contains("<html lang=\"pt-BR\">") && page.contains("Configurações"), "{page}");
    let page = text(super::doors::get(&app, "/", &other()).await).await;
    assert!(page.contains("<html lang=\"en\">"), "{page}");
}

/// English with marks around each text.
fn marked() -> Arc<Texts> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/texts/en.toml");
    let mut marked = String::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let line = line.replace("%-I:%M %p", "%H:%M");
        let is_text = !line.starts_with('#') && !line.starts_with("clock") && !line.starts_with("thousands");
        for (at, part) in line.split('"').enumerate() {
            match (at, is_text) {
                (0, _) => marked.push_str(part),
                (at, true) if at % 2 == 1 => marked.push_str(&format!("\"⟦{part}")),
                (_, true) => marked.push_str(&format!("⟧\"{part}")),
                _ => marked.push_str(&format!("\"{part}")),
            }
        }
        marked.push('\n');
    }
    Arc::new(Texts::read(Lang::English, &marked).unwrap())
}

/// Letters that a person can read or hear and that stand between no marks.
fn unmarked(html: &str) -> String {
    let mut visible = String::new();
    for part in html.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        visible.push_str(text);
        for attribute in ["aria-label=\"", "placeholder=\"", "data-say=\"", "data-who=\"", "title=\""] {
            visible.extend(tag.split(attribute).skip(1).map(|value| value.split('"').next().unwrap()));
        }
    }
    let mut depth = 0;
    let outside = |letter: &char| {
        depth += i32::from(*letter == '⟦') - i32::from(*letter == '⟧');
        depth == 0 && letter.is_alphabetic()
    };
    visible.chars().filter(outside).collect()
}

/// The example with digits for names.
fn nameless() -> Vec<CallEvent> {
    fn clear(value: &mut Value) {
        match value {
            Value::Object(members) => members.iter_mut().for_each(|(key, value)| match value {
                Value::String(name) if key == "name" || key == "queueName" => "77".clone_into(name),
                other => clear(other),
            }),
            Value::Array(items) => items.iter_mut().for_each(clear),
            _ => {}
        }
    }
    let mut states = serde_json::to_value(inbound()).unwrap();
    clear(&mut states);
    serde_json::from_value(states).unwrap()
}

#[test]
fn a_card_says_nothing_that_is_not_in_the_file_of_texts() {
    assert_eq!(unmarked("<p data-say=\"⟦x ⟦y⟧⟧ z\">⟦a⟧ b</p>"), "bz");
    let texts = marked();
    let now = at("2026-02-04T17:00:00Z");
    let line =
        |name: &str, extension: &str| Line { id: "l".into(), name: name.into(), extension: extension.into() };
    let mut seen = 0;
    let mut check = |call: &crate::screen_pop::call::Call, part: Part, tab: Tab| {
        let sight = Sight { part, tab, alerts: false, ring: 0, closed: false };
        let card = card(call, &sight, &Mark::default(), now, &TimeZone::UTC, &texts);
        let html = ui::fragment(&card);
        assert_eq!(unmarked(&html), "", "{html}");
        assert!(html.contains('⟦'), "{html}");
        seen += 1;
    };
    let mut board = Board::default();
    for state in nameless() {
        board.apply(at(NOW), &state);
        let (_, call) = board.find(&state.metadata.conversation_space_id).unwrap();
        for part in [Part::Rings, Part::Talks, Part::Watched, Part::Moved] {
            check(call, part, Tab::Active);
        }
        for lines in [vec![], vec![line("", "")], vec![line("", "77")], vec![line("77", "78")]] {
            check(call, Part::Taken(lines.clone()), Tab::Recent);
            check(call, Part::HandedOn(lines), Tab::Recent);
        }
        let mut call = call.clone();
        for outcome in [None, Some(Outcome::Answered), Some(Outcome::Missed), Some(Outcome::Unknown)] {
            let names = [None, Some(line("77", "")), Some(line("", ""))];
            let ways = [Way::Inbound, Way::Outbound]
                .into_iter()
                .flat_map(|way| names.clone().map(|line| (way, line)));
            let last = |(way, line)| LastCall {
                id: String::new(),
                created: at(NOW),
                way,
                outcome,
                line,
                talked_s: Some(77),
            };
            call.history = Some(History { numbers: Vec::new(), calls: ways.map(last).collect(), today: 3 });
            check(&call, Part::Watched, Tab::Missed);
        }
        call.history = Some(History::default());
        call.claimed = Some("77".into());
        for place in [Place::Menu, Place::Queue(String::new()), Place::Queue("77".into()), Place::Voicemail] {
            call.stage = Stage::Waiting(place);
            check(&call, Part::Rings, Tab::Active);
        }
        for (parked, settled, voicemail, cut_off) in
            [(true, true, false, false), (false, false, true, false), (false, false, false, true)]
        {
            (call.parked, call.settled, call.voicemail, call.cut_off) = (parked, settled, voicemail, cut_off);
            for stage in [Stage::Answered, Stage::Ended(Outcome::Missed), Stage::Ended(Outcome::Unknown)] {
                call.stage = stage;
                check(&call, Part::Watched, Tab::Missed);
            }
        }
        call.rang = (0..20).map(|_| line("", "")).collect();
        call.answered_at = None;
        check(&call, Part::Watched, Tab::Missed);
    }
    board.apply(at(NOW), &ring("anonymous", NOW, "77", "Anonymous"));
    board.apply(at(NOW), &ending("anonymous", NOW, 2));
    let mut anonymous = board.find("anonymous").unwrap().1.clone();
    anonymous.dialled_label = String::new();
    check(&anonymous, Part::Watched, Tab::Missed);
    assert!(seen > 200, "{seen}");
}
