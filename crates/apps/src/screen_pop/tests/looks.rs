//! Looks for calls that ended unheard, against a phone system that fails midway, or has more to tell than is taken.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::{SignedDuration, Timestamp};
use sdk::{Client, Config, Hosts, TokenFile, pull::Span};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;

use crate::{
    screen_pop::{
        limits::{LOOK_BACK, LOOKED_AT_MAX, PAST_CALLS_MAX},
        past::{LookError, Looks, Past},
    },
    store::{looked, testing},
};

const ACCOUNT: &str = "4827193056281740395";

/// What the phone system has, and what it was asked for.
#[derive(Default)]
struct House {
    /// Ids of the calls that ended, newest first.
    ended: Vec<String>,
    /// Whose report is refused.
    refuses: Option<&'static str>,
    spans: Vec<(Timestamp, Timestamp)>,
    reports: Vec<String>,
}

type Shared = Arc<Mutex<House>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    start_time: Timestamp,
    end_time: Timestamp,
}

async fn summaries(State(house): State<Shared>, Query(asked): Query<Asked>) -> Json<Value> {
    let mut house = house.lock().unwrap();
    let is_newest = house.spans.iter().all(|(_, end)| *end <= asked.end_time);
    house.spans.push((asked.start_time, asked.end_time));
    let ended = if is_newest { house.ended.as_slice() } else { &[] };
    let items: Vec<Value> = ended.iter().map(|id| json!({"conversationSpaceId": id})).collect();
    Json(json!({"items": items}))
}

async fn report(State(house): State<Shared>, Path(id): Path<String>) -> Response {
    let mut house = house.lock().unwrap();
    house.reports.push(id.clone());
    if house.refuses == Some(id.as_str()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let text = include_str!("../../../../wire/tests/examples/report-inbound-call.json");
    let mut report: Value = serde_json::from_str(text).unwrap();
    report["conversationSpaceId"] = json!(id);
    Json(report).into_response()
}

/// Signed in, with all calls known until `known`.
async fn looks(house: &Shared, known: Timestamp) -> (Looks, mpsc::Receiver<Past>, tempfile::TempDir) {
    let tokens = || async { Json(json!({"access_token": "a", "expires_in": 3600})) };
    let router = Router::new()
        .route("/oauth/token", post(tokens))
        .route("/call-events-report/v1/report-summaries", get(summaries))
        .route("/call-events-report/v1/reports/{id}", get(report))
        .with_state(Arc::clone(house));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        client_id: "client".into(),
        client_secret: "secret".into(),
        redirect_uri: base.join("back").unwrap(),
        hosts: Hosts::single(base),
    };
    let client = Client::new(config, TokenFile::new(folder.path().join("tokens.json"))).unwrap();
    client.exchange("code").await.unwrap();
    let pool = testing::open(folder.path()).await.pool;
    looked::known(&pool, ACCOUNT, known).await.unwrap();
    let (found, past) = mpsc::channel(10);
    let (account_key, looked_at) = (ACCOUNT.to_owned(), HashSet::new());
    (Looks { client, pool, account_key, found, looked_at }, past, folder)
}

fn ids(past: &Past) -> Vec<&str> {
    past.iter().map(|events| events[0].metadata.conversation_space_id.as_str()).collect()
}

fn ended(ids: &[&str]) -> Shared {
    let ended = ids.iter().map(|&id| id.to_owned()).collect();
    Arc::new(Mutex::new(House { ended, ..House::default() }))
}

#[tokio::test]
async fn a_look_that_fails_midway_hands_on_what_it_has_found() {
    let house = ended(&["newest", "refused", "oldest"]);
    house.lock().unwrap().refuses = Some("refused");
    let before = Timestamp::now() - SignedDuration::from_hours(5);
    let (mut looks, mut past, _folder) = looks(&house, before).await;
    assert!(matches!(looks.look().await, Err(LookError::Sdk(_))));
    assert_eq!(ids(&past.try_recv().expect("it is handed on")), ["newest"]);
    let known = looked::known(&looks.pool, ACCOUNT, before).await.unwrap();
    assert!(known.watermark.through() <= before, "the time is not done with");

    house.lock().unwrap().refuses = None;
    looks.look().await.unwrap();
    assert_eq!(ids(&past.try_recv().unwrap()), ["refused", "oldest"]);
    assert!(past.try_recv().is_err(), "each call is handed on once");
    let asked = std::mem::take(&mut house.lock().unwrap().reports);
    assert_eq!(asked, ["newest", "refused", "refused", "oldest"], "and asked for no more");
}

#[tokio::test]
async fn a_look_goes_back_a_week_and_no_further() {
    let house = ended(&[]);
    let long_ago = Timestamp::now() - SignedDuration::from_hours(30 * 24);
    let (mut looks, _past, _folder) = looks(&house, long_ago).await;
    looks.look().await.unwrap();
    let spans = std::mem::take(&mut house.lock().unwrap().spans);
    let from = spans.iter().map(|(from, _)| *from).min().unwrap();
    let to = spans.iter().map(|(_, to)| *to).max().unwrap();
    let span = to.duration_since(from).unsigned_abs();
    // It ends a little after now, for clocks that are ahead.
    assert!((LOOK_BACK..LOOK_BACK + LOOK_BACK / 100).contains(&span), "{span:?}");
    let through = looked::known(&looks.pool, ACCOUNT, long_ago).await.unwrap().watermark.through();
    assert!(through > from, "what is older is given up");
}

#[tokio::test]
async fn of_many_calls_a_look_takes_the_newest() {
    let names: Vec<String> = (0..PAST_CALLS_MAX + 3).map(|n| format!("call {n}")).collect();
    let house = ended(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let now = Timestamp::now();
    let (mut looks, _past, _folder) = looks(&house, now).await;
    let span = Span { from: now - SignedDuration::from_hours(72), to: now };
    assert_eq!(looks.unseen(span).await.unwrap(), names[..PAST_CALLS_MAX], "newest first");
    assert_eq!(house.lock().unwrap().spans.len(), 1, "older ones are not asked for");
    house.lock().unwrap().ended.truncate(PAST_CALLS_MAX);
    assert_eq!(looks.unseen(span).await.unwrap().len(), PAST_CALLS_MAX);
}

#[tokio::test]
async fn calls_that_were_looked_at_are_forgotten_all_at_once_when_they_are_too_many() {
    let house = ended(&["0", "new"]);
    let now = Timestamp::now();
    let (mut looks, _past, _folder) = looks(&house, now).await;
    let span = Span { from: now - SignedDuration::from_hours(1), to: now };
    looks.looked_at = (0..LOOKED_AT_MAX).map(|n| n.to_string()).collect();
    assert_eq!(looks.unseen(span).await.unwrap(), ["new"]);
    looks.looked_at.insert("one more".to_owned());
    assert_eq!(looks.unseen(span).await.unwrap(), ["0", "new"], "looked at once more");
    assert!(looks.looked_at.is_empty());
}
