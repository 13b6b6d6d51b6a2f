//! What a browser gets: the page, its events, the way back from the sign-in.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, BodyDataStream, to_bytes},
    http::{Request, Response, StatusCode},
};
use futures_util::StreamExt;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;
use tokio::{sync::mpsc, time::timeout};
use tower::ServiceExt;
use ui::Link;

use super::{ending, inbound, ring, with_id};
use crate::{
    people::{
        number::Home,
        sources::{
            Lookup,
            config::{self, Setup},
        },
    },
    screen_pop::{
        ContactFiles,
        board::Board,
        callers::Callers,
        desk::{Desk, Pop},
        door::{Access, Door},
        hub::{Hub, SignIn},
        limits::{PAGE_QUEUE_MAX, PAGES_OF_ONE_MAX},
        routes::{Code, Pages, router},
        secrets,
        sight::Person,
    },
    store::{
        Store,
        desks::{self, Session},
        testing,
    },
};

const CREATED: &str = "2026-02-03T17:00:00Z";
const PATIENCE: Duration = Duration::from_secs(10);

pub(in crate::screen_pop) struct App {
    pub hub: Arc<Hub>,
    pub desk: Desk,
    pub pages: Pages,
    pub store: Store,
    codes: mpsc::Receiver<Code>,
    pops: mpsc::Receiver<Pop>,
    pub folder: tempfile::TempDir,
}

impl App {
    pub async fn start() -> Self {
        Self::asking("").await
    }

    /// A board that asks these sources.
    pub async fn asking(toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sources.toml"), toml).unwrap();
        Self::start_in(folder, Access::Anyone).await
    }

    /// A board that asks who comes; these people have signed in at one browser each ([`cookie`]).
    pub async fn closed(people: &[Person]) -> Self {
        Self::closed_until(people, "2999-01-01T00:00:00Z".parse().unwrap()).await
    }

    /// The same; their sessions end then.
    pub async fn closed_until(people: &[Person], ends: Timestamp) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = testing::open(folder.path()).await;
        for person in people {
            let session = Session { person: person.clone(), ends };
            let digest = secrets::digest("session", &person.id);
            desks::add_session(&store.pool, &digest, &session).await.unwrap();
        }
        Self::start_in(folder, Access::SignedIn).await
    }

    async fn start_in(folder: tempfile::TempDir, access: Access) -> Self {
        let hub = Hub::with_outcomes(TimeZone::UTC, vec!["Sold".to_owned()]);
        let (pop_sender, pops) = mpsc::channel(1000);
        let screen = "http://localhost:5000/".to_owned();
        let store = testing::open(folder.path()).await;
        let file = folder.path().join("sources.toml");
        let setup = if file.is_file() { config::load(&file, |_| None).unwrap() } else { Setup::default() };
        let lookup = Lookup::new(store.pool.clone(), &setup.sources, |_| None).unwrap();
        let callers = Callers::new(Arc::clone(&hub), store.pool.clone(), lookup, None);
        let pool = store.pool.clone();
        let desk =
            Desk::open(Arc::clone(&hub), pool, Arc::clone(&callers), Some(pop_sender), screen).await.unwrap();
        let (code_sender, codes) = mpsc::channel(1);
        let address = "http://localhost:5000/".parse().unwrap();
        let account = "4827193056281740395".to_owned();
        let door = Door::open(None, account, access, store.pool.clone(), &address).await.unwrap();
        let pages = Pages {
            hub: Arc::clone(&hub),
            callers,
            door: Arc::new(door),
            store: store.clone(),
            contacts: ContactFiles {
                state_dir: folder.path().to_owned(),
                home: Home::default(),
                taken: vec!["HubSpot".to_owned()],
            },
            codes: code_sender,
            host: "localhost".into(),
            public: None,
            page: "http://localhost:5000/".parse().unwrap(),
        };
        Self { hub, desk, pages, store, codes, pops, folder }
    }

    pub async fn restart(self) -> Self {
        self.desk.close().await;
        Self::start_in(self.folder, Access::Anyone).await
    }

    /// Stopped and started again, with the same people.
    pub async fn restart_closed(self) -> Self {
        self.desk.close().await;
        Self::start_in(self.folder, Access::SignedIn).await
    }

    async fn get(&self, path: &str) -> Response<Body> {
        get(&self.pages, path, "localhost:5000").await
    }

    pub async fn text(&self, path: &str) -> String {
        text(self.get(path).await).await
    }

    pub async fn events(&self) -> Events {
        Events::of(self.get("/events").await)
    }
}

async fn get(pages: &Pages, path: &str, host: &str) -> Response<Body> {
    let request = Request::get(path).header("host", host).body(Body::empty()).unwrap();
    router(pages.clone()).oneshot(request).await.unwrap()
}

pub(super) async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

pub(in crate::screen_pop) struct Events {
    stream: BodyDataStream,
    text: String,
    /// Id of the last event.
    pub last_id: String,
}

impl Events {
    pub fn of(response: Response<Body>) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let (text, last_id) = Default::default();
        Self { stream: response.into_body().into_data_stream(), text, last_id }
    }

    /// The next event and its data; none at the end.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let Some(block) = block.strip_prefix("event: ") else { continue };
                let (name, data) = block.split_once("\ndata: ").unwrap();
                let (name, id) = name.split_once("\nid: ").unwrap_or((name, ""));
                id.clone_into(&mut self.last_id);
                return Some((name.to_owned(), serde_json::from_str(data).unwrap()));
            }
            let chunk = timeout(PATIENCE, self.stream.next()).await.expect("no event came")?.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    pub async fn expect(&mut self, name: &str) -> Value {
        loop {
            let (event, data) = self.next().await.expect("the events ended");
            if event == name {
                return data;
            }
        }
    }

    /// The card as soon as it has these words: what is known of a caller comes piece by piece.
    pub async fn card_with(&mut self, words: &[&str]) -> String {
        loop {
            let card = self.expect("card").await;
            let html = card["html"].as_str().unwrap();
            if words.iter().all(|word| html.contains(word)) {
                return html.to_owned();
            }
        }
    }
}

#[tokio::test]
async fn the_page_shows_what_is_and_then_hears_what_changes() {
    let mut app = App::start().await;
    assert!(app.text("/").await.contains("No calls now"));
    let mut events = app.events().await;
    assert_eq!(events.expect("snapshot").await["cards"], Value::Array(Vec::new()));
    assert_eq!(events.expect("link").await["key"], "connecting");

    let states = inbound();
    let id = states[0].metadata.conversation_space_id.clone();
    assert_eq!(app.desk.take(&states[0]).await, None);
    let card = events.expect("card").await;
    assert_eq!((&card["id"], &card["alert"]), (&Value::from(id.clone()), &Value::from(true)));
    let html = card["html"].as_str().unwrap();
    for words in ["EXAMPLE CALLER", "(312) 555-0147", "Ringing", "Main Number", "(202) 555-0123"] {
        assert!(html.contains(words), "{words} is missing in the first card: {html}");
    }
    events.card_with(&["1st call today"]).await;
    app.desk.take(&states[1]).await;
    events.card_with(&["Front Desk · 1001"]).await;
    assert!(app.text("/").await.contains("EXAMPLE CALLER"));
    assert_eq!(app.events().await.expect("snapshot").await["cards"][0]["id"], id.as_str());

    let pop = app.pops.recv().await.unwrap();
    assert_eq!((pop.conversation_space_id, pop.who), (id, "(312) 555-0147".into()));
    assert!(app.pops.try_recv().is_err(), "a call pops once");
}

#[tokio::test]
async fn markup_in_a_name_stays_text() {
    let app = App::start().await;
    app.desk.take(&ring("\"><script>", CREATED, "<img src=x onerror=alert(1)>", "<b>\"'")).await;
    let page = app.text("/").await;
    assert!(!page.contains("<img src=x") && !page.contains("<b>") && !page.contains("><script>"), "{page}");
    assert!(page.contains("&#60;img src=x"), "{page}");
}

#[tokio::test]
async fn earlier_calls_are_told_and_survive_a_restart() {
    let app = App::start().await;
    for (id, created, number) in [
        ("1", "2026-02-02T09:05:00Z", "+13125550147"),
        ("2", "2026-02-03T09:05:00Z", "(312) 555-0147"),
        ("x", "2026-02-03T09:30:00Z", "+13125550148"),
    ] {
        app.desk.take(&ring(id, created, "Ada", number)).await;
        app.desk.take(&ending(id, created, 2)).await;
    }
    app.desk.take(&ring("a1", "2026-02-03T09:40:00Z", "", "Anonymous")).await;
    let mut app = app.restart().await;
    assert!(app.text("/").await.contains("Missed"), "the last calls are back");
    let mut live = app.events().await;
    app.desk.take(&ring("3", "2026-02-03T17:00:00Z", "Ada", "+13125550147")).await;
    let page = live.card_with(&["2nd call today"]).await;
    assert!(page.contains("Feb 3, 9:05 AM, missed") || page.contains("9:05 AM, missed"), "{page}");
    app.desk.take(&ring("a2", "2026-02-03T17:01:00Z", "", "Anonymous")).await;
    let mut events = app.events().await;
    let cards = events.expect("snapshot").await;
    let anonymous = cards["cards"][0]["html"].as_str().unwrap();
    assert!(anonymous.contains("Anonymous caller") && !anonymous.contains("Last call"), "{anonymous}");

    // Unfinished before the restart, and gone since: it does not ring for ever.
    assert!(app.hub.board(|board| board.live_ids()).contains(&"a1".to_owned()));
    let (missing, _) = app.desk.reconcile(&["a1".to_owned()], &[]).await;
    assert_eq!(missing, ["a1"]);
    app.desk.gone("a1", &[]).await;
    assert!(!app.hub.board(|board| board.live_ids()).contains(&"a1".to_owned()));
    assert_eq!(app.pops.recv().await.unwrap().conversation_space_id, "3", "restored calls do not pop again");
}

#[tokio::test]
async fn a_page_that_does_not_keep_up_is_closed_and_starts_afresh() {
    let app = App::start().await;
    let mut slow = app.events().await;
    let calls = PAGE_QUEUE_MAX + 10;
    for n in 0..calls {
        app.desk.take(&ring(&format!("call {n}"), CREATED, "Ada", "+13125550147")).await;
    }
    let mut heard = 0;
    while slow.next().await.is_some() {
        heard += 1;
    }
    assert!(heard <= PAGE_QUEUE_MAX, "{heard}");
    let fresh = app.events().await.expect("snapshot").await;
    assert_eq!(fresh["cards"].as_array().unwrap().len(), calls);
}

#[tokio::test]
async fn a_card_is_sent_when_it_has_changed_and_to_a_page_that_opened_since() {
    let app = App::start().await;
    let mut first = app.events().await;
    app.desk.take(&ring("a", CREATED, "Ada", "+13125550147")).await;
    first.card_with(&["1st call today"]).await;
    let is_known = |board: &mut Board| {
        board.find("a").and_then(|(_, call)| call.known.as_ref()).is_some_and(|known| known.done)
    };
    let asking = async {
        while !app.hub.board(is_known) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, asking).await.expect("nothing more is to come");
    // How many cards come until the pages hear of the link.
    let cards = async |events: &mut Events, link| {
        app.hub.set_link(link);
        let mut cards = 0;
        loop {
            match events.next().await.expect("the events ended") {
                (name, data) if name == "link" && data["key"] == link.key() => return cards,
                (name, _) => cards += usize::from(name == "card"),
            }
        }
    };
    cards(&mut first, Link::Live).await;
    app.hub.publish_card("a");
    app.hub.publish_card("a");
    assert_eq!(cards(&mut first, Link::Lost).await, 0, "it is what the page has");
    let mut second = app.events().await;
    app.hub.publish_card("a");
    assert_eq!((cards(&mut first, Link::Live).await, cards(&mut second, Link::Live).await), (1, 1));
    app.desk.take(&ending("a", CREATED, 2)).await;
    assert!(cards(&mut first, Link::Lost).await > 0);
}

#[tokio::test]
async fn pages_are_counted() {
    let app = App::start().await;
    let mut open = Vec::new();
    for _ in 0..PAGES_OF_ONE_MAX {
        open.push(app.events().await);
    }
    assert_eq!(app.get("/events").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    open.pop();
    assert_eq!(app.get("/events").await.status(), StatusCode::OK);
    app.hub.close();
    while open[0].next().await.is_some() {}
    assert_eq!(app.get("/events").await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_sign_in_comes_back_with_its_state_only() {
    let mut app = App::closed(&[]).await;
    let sign_in = SignIn { login_url: "https://login.example/?a=1&b=2".into(), state: "right".into() };
    assert!(app.text("/").await.contains("You will see the calls that ring at your lines."));
    app.hub.invite(sign_in);
    let page = app.text("/").await;
    assert!(page.contains("an administrator has to sign in here first"), "{page}");
    assert!(page.contains(r#"href="https://login.example/?a=1&#38;b=2""#), "{page}");

    for path in
        ["/app/redirect?code=c&state=wrong", "/app/redirect?code=c", "/app/redirect?code=&state=right"]
    {
        assert_eq!(app.get(path).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let refused = app.get("/app/redirect?state=right&error=access_denied").await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert!(app.codes.try_recv().is_err());

    let pages = app.pages.clone();
    let hub = Arc::clone(&app.hub);
    let exchange = tokio::spawn(async move {
        let code = app.codes.recv().await.unwrap();
        assert_eq!(code.code, "good");
        hub.signed_in();
        code.done.send(Ok(())).unwrap();
    });
    // The code is taken; who it was cannot be asked here.
    let response = get(&pages, "/app/redirect?code=good&state=right", "localhost:5000").await;
    assert!(!response.headers().contains_key("set-cookie"));
    exchange.await.unwrap();
    // The browser's back button after a sign-in.
    let again = get(&pages, "/app/redirect?code=good&state=right", "localhost:5000").await;
    assert_eq!(again.status(), StatusCode::SEE_OTHER);
    let forged = get(&pages, "/app/redirect?code=good&state=other", "localhost:5000").await;
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn other_names_are_refused_and_headers_are_strict() {
    let app = App::start().await;
    for path in ["/", "/events", "/healthz", "/assets/callfeed.css"] {
        let response = get(&app.pages, path, "evil.example:5000").await;
        assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST, "{path}");
    }
    let page = app.get("/").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(app.get("/healthz").await.status(), StatusCode::OK);
    let nothing = app.get("/nothing").await;
    assert_eq!(nothing.status(), StatusCode::NOT_FOUND);
    assert!(text(nothing).await.contains("href=\"/\">Back to the calls"), "no page is a dead end");
}

#[tokio::test]
async fn a_call_that_passed_during_a_break_is_on_the_board() {
    let mut app = App::start().await;
    let states = with_id(inbound(), "passed");
    assert_eq!(app.desk.take(&states[7]).await, Some("passed".into()));
    app.desk.replay("passed", &states).await;
    assert!(app.text("/").await.contains("Ended"));
    assert_eq!(app.pops.recv().await.unwrap().conversation_space_id, "passed");
}
