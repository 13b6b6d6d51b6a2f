//! Signing in against a phone system that changes its mind: who belongs to the account, and who is its admin.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::{SignedDuration, Timestamp};
use sdk::{Client, Config, Hosts, TokenFile};
use serde_json::json;
use url::Url;

use super::{
    doors::{self, front},
    pages::{App, Events, text},
    ring,
};
use crate::{
    screen_pop::{
        door::{Access, Door},
        hub::Problem,
        limits::{DIRECTORY_EVERY, RIGHT_UNASKED_MAX, SESSION_LIFE},
        rights::recheck,
        sight::Person,
    },
    store::testing,
};

const ACCOUNT: &str = "4827193056281740395";

/// What the phone system says of whoever asks.
struct Says {
    account: &'static str,
    entitlements: Vec<&'static str>,
    status: StatusCode,
}

type Shared = Arc<Mutex<Says>>;

async fn record(State(says): State<Shared>) -> Response {
    let says = says.lock().unwrap();
    let account = json!({"value": says.account, "display": "Example", "entitlements": says.entitlements});
    let body = json!({"id": "1", "userName": "Admin@Example.com",
        "urn:scim:schemas:extension:getgo:1.0": {"accounts": [account]}});
    (says.status, Json(body)).into_response()
}

async fn start() -> (Url, Shared) {
    let says = Says { account: ACCOUNT, entitlements: vec!["acctadmin"], status: StatusCode::OK };
    let says = Arc::new(Mutex::new(says));
    let login = |RawQuery(query): RawQuery| async move {
        (StatusCode::FOUND, [(header::LOCATION, format!("/login?{}", query.unwrap_or_default()))])
    };
    let tokens =
        || async { Json(json!({"access_token": "a", "expires_in": 3600, "scope": "identity:scim.me"})) };
    let refused = || async { StatusCode::FORBIDDEN };
    let router = Router::new()
        .route("/oauth/authorize", get(login))
        .route("/oauth/token", post(tokens))
        .route("/identity/v1/Users/me", get(record))
        .route("/users/v1/me", get(refused))
        .with_state(Arc::clone(&says));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, says)
}

struct House {
    door: Door,
    _folder: tempfile::TempDir,
}

async fn house(base: &Url) -> House {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await;
    let page: Url = "http://localhost:5000/".parse().unwrap();
    let config = Config {
        client_id: "client".into(),
        client_secret: "secret".into(),
        redirect_uri: page.join("app/redirect").unwrap(),
        hosts: Hosts::single(base.clone()),
    };
    let client = Client::new(config, TokenFile::new(folder.path().join("tokens.json"))).unwrap();
    let (access, pool) = (Access::SignedIn, store.pool.clone());
    let door = Door::open(Some(client), ACCOUNT.to_owned(), access, pool, &page).await.unwrap();
    House { door, _folder: folder }
}

impl House {
    /// Signs in; the headers of that browser from then on.
    async fn sign_in(&self) -> Result<HeaderMap, sdk::Error> {
        let (login, browser) = self.door.begin(std::net::Ipv4Addr::LOCALHOST.into()).await?;
        let state = login.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        assert!(self.door.expects(&headers(&browser.to_string()), &state));
        let (_, cookie) = self.door.finish(&state, "code").await?;
        Ok(headers(&cookie.to_string()))
    }

    fn is_admin(&self, browser: &HeaderMap) -> bool {
        self.door.visitor(browser).expect("the session holds").person.admin
    }
}

fn headers(cookie: &str) -> HeaderMap {
    let pair = cookie.split(';').next().unwrap_or_default();
    HeaderMap::from_iter([(header::COOKIE, pair.parse().unwrap())])
}

#[tokio::test]
async fn who_is_no_admin_any_more_sees_only_their_own_calls_from_then_on() {
    let (base, says) = start().await;
    let house = house(&base).await;
    let (first, second) = (house.sign_in().await.unwrap(), house.sign_in().await.unwrap());
    assert!(house.is_admin(&first) && house.is_admin(&second));
    assert!(house.door.recheck().await.is_empty(), "still an admin");
    says.lock().unwrap().status = StatusCode::SERVICE_UNAVAILABLE;
    assert!(house.door.recheck().await.is_empty(), "no answer takes nothing away");
    assert!(house.is_admin(&first));

    *says.lock().unwrap() = Says { account: ACCOUNT, entitlements: vec!["other"], status: StatusCode::OK };
    let lost = house.door.recheck().await;
    assert_eq!(lost.iter().map(|person| person.id.as_str()).collect::<Vec<_>>(), ["admin@example.com"]);
    assert!(!house.is_admin(&first) && !house.is_admin(&second), "in every browser");
    assert!(house.door.recheck().await.is_empty(), "told once");
    let stored = crate::store::desks::sessions(&house.door.pool, jiff::Timestamp::now()).await.unwrap();
    assert!(stored.len() == 2 && stored.values().all(|session| !session.person.admin), "kept over a restart");
}

#[tokio::test]
async fn who_belongs_to_another_account_gets_no_session() {
    let (base, says) = start().await;
    let house = house(&base).await;
    says.lock().unwrap().account = "1111111111111111111";
    let refused = house.sign_in().await.unwrap_err();
    assert!(refused.to_string().contains("do not belong to the account"), "{refused}");
    let stored = crate::store::desks::sessions(&house.door.pool, jiff::Timestamp::now()).await.unwrap();
    assert!(stored.is_empty());
}

/// A right that has ended: whoever had it is asked about as often as people are read, and the next asking repaints.
#[tokio::test]
async fn the_open_page_of_who_is_no_admin_any_more_shows_their_own_calls_alone() {
    assert!(DIRECTORY_EVERY <= Duration::from_secs(120), "docs/screen-pop.md promises two minutes");
    let ago = SignedDuration::try_from(RIGHT_UNASKED_MAX).unwrap();
    let life = SignedDuration::try_from(SESSION_LIFE).unwrap();
    let ends = Timestamp::now().checked_sub(ago).unwrap().checked_add(life).unwrap();
    let admin = Person { admin: true, ..front() };
    let app = App::closed_until(std::slice::from_ref(&admin), ends).await;
    let mut open = Events::of(doors::get(&app, "/events", &admin).await);
    // At no line of theirs: seen by right alone.
    app.desk.take(&ring("a", "2026-02-03T17:00:00Z", "", "+13125550147")).await;
    open.card_with(&["data-call=\"a\""]).await;
    recheck(&app.pages.door, &app.hub).await;
    while open.next().await.is_some() {}
    // The browser comes back by itself.
    let mut again = Events::of(doors::get(&app, "/events", &admin).await);
    assert_eq!(again.expect("snapshot").await["cards"], json!([]));
}

#[tokio::test]
async fn what_was_refused_is_told_to_whoever_can_mend_it_until_somebody_else_signs_in() {
    const REFUSED: &str = "subscribing failed: Forbidden";
    let admin = Person { id: "admin@example.com".into(), admin: true, member: true, ..Person::default() };
    let app = App::closed(&[front(), admin.clone()]).await;
    let mut theirs = Events::of(doors::get(&app, "/events", &admin).await);
    let mut mine = Events::of(doors::get(&app, "/events", &front()).await);
    for page in [&mut theirs, &mut mine] {
        assert_eq!(page.expect("link").await["problem"], json!(null));
    }
    app.hub.set_problem(Some(Problem::Refused(REFUSED.to_owned())));
    let told = theirs.expect("link").await;
    assert!(told["problem"].as_str().unwrap().contains(REFUSED), "{told}");
    assert_eq!(mine.expect("link").await["problem"], json!(null));
    for (person, is_told) in [(&admin, true), (&front(), false)] {
        let page = text(doors::get(&app, "/", person).await).await;
        assert_eq!(page.contains(REFUSED), is_told);
    }
    app.hub.signed_in();
    assert_eq!(theirs.expect("link").await["problem"], json!(null), "it was refused to somebody else");
    app.hub.set_problem(Some(Problem::Unreachable));
    let told = theirs.expect("link").await;
    app.hub.signed_in();
    assert_eq!(theirs.expect("link").await, told, "a sign-in does not mend that");
}
