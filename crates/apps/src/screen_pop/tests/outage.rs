//! A CRM that is away when a call ends: the call is written once, also if the app was started anew meanwhile.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{Method, StatusCode, Uri},
};

use super::{
    super::limits::CATCH_UP_EVERY,
    ending, ring,
    write_back::{Office, sources_of},
};
use crate::{people::sources::tests::served, store::crm_log};

const CREATED: &str = "2026-02-03T17:00:00Z";

/// A CRM that knows one person, and how many records it was told to make.
async fn crm(away: &Arc<AtomicBool>, made: &Arc<AtomicUsize>) -> String {
    let (away, made) = (Arc::clone(away), Arc::clone(made));
    let answer = move |method: Method, uri: Uri| {
        let body = match (away.load(Ordering::SeqCst), method) {
            (true, _) => (StatusCode::BAD_GATEWAY, "{}"),
            (false, Method::GET) if uri.path() == "/people" => {
                (StatusCode::OK, r#"[{"id": "512", "name": "Ada Example", "tel": "+13125550147"}]"#)
            }
            (false, Method::POST) => {
                made.fetch_add(1, Ordering::SeqCst);
                (StatusCode::CREATED, r#"{"id": "77"}"#)
            }
            _ => (StatusCode::OK, "{}"),
        };
        async move { body }
    };
    let base = served(Router::new().fallback(answer)).await;
    format!(
        r#"
[[source]]
name = "CRM"
kind = "http"
url = "{base}/people"
items = "$[*]"
fields = {{ id = ["$.id"], name = ["$.name"], phone = ["$.tel"] }}
log_calls = "all"
[source.write]
create = {{ method = "POST", url = "{base}/calls", body = '{{"who": "{{id}}"}}', id = "$.id" }}
update = {{ method = "PATCH", url = "{base}/calls/{{record}}", body = '{{"text": "{{text}}"}}' }}
find = {{ method = "GET", url = "{base}/find?call={{call}}", id = "$.calls[0].id" }}
"#
    )
}

impl Office {
    /// The CRM is asked who calls, and gets the calls.
    async fn asking(folder: &Path, toml: &str) -> Self {
        let sources = sources_of(toml, folder);
        Self::with(folder, (sources.clone(), &sources), Duration::from_millis(5)).await
    }

    /// The call is missed, with what the sources say of it.
    async fn missed(&self, id: &str) {
        self.desk.take(&ring(id, CREATED, "", "+13125550147")).await;
        self.settled(id).await;
        self.desk.take(&ending(id, CREATED, 2)).await;
        self.callers.log(id).await;
    }

    fn is_asked(&self, id: &str) -> bool {
        let call = self.hub.board(|board| board.find(id).map(|(_, call)| call.clone()));
        call.and_then(|call| call.known).is_some_and(|known| known.done && known.is_asked())
    }
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn a_call_that_ended_while_the_crm_was_away_is_written_once_after_a_restart() {
    let (away, made) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (toml, folder) = (crm(&away, &made).await, tempfile::tempdir().unwrap());
    let office = Office::asking(folder.path(), &toml).await;
    office.missed("a").await;
    let pool = office.store.pool.clone();
    assert_eq!(crm_log::of(&pool, "a").await.unwrap(), None, "nobody can tell who called");
    assert_eq!(crm_log::all_open(&pool).await.unwrap(), ["a"]);
    office.close().await;
    // It is still away at the first start, and back at the second; then there is nothing more to do.
    for (is_away, records) in [(true, 0), (false, 1), (false, 1)] {
        away.store(is_away, Ordering::SeqCst);
        let office = Office::asking(folder.path(), &toml).await;
        let pool = office.store.pool.clone();
        until("the CRM was asked", async || office.is_asked("a")).await;
        if !is_away {
            until("the call is open no more", async || crm_log::all_open(&pool).await.unwrap().is_empty())
                .await;
            until("it is written", async || {
                crm_log::of(&pool, "a").await.unwrap().is_some_and(|entry| entry.sent == entry.wanted)
            })
            .await;
        }
        assert_eq!(made.load(Ordering::SeqCst), records);
        office.close().await;
    }
}

#[tokio::test]
async fn calls_of_before_are_not_written_because_the_app_is_started() {
    let (away, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (toml, folder) = (crm(&away, &made).await, tempfile::tempdir().unwrap());
    // Nothing was to be written then.
    let silent = toml.replace("log_calls = \"all\"\n", "");
    let silent = silent.split("[source.write]").next().unwrap().to_owned();
    let office = Office::asking(folder.path(), &silent).await;
    office.missed("a").await;
    office.close().await;
    let office = Office::asking(folder.path(), &toml).await;
    until("the CRM was asked", async || office.is_asked("a")).await;
    // What catches up pauses after it has asked, before it goes on with the call.
    tokio::time::sleep(CATCH_UP_EVERY + Duration::from_millis(200)).await;
    assert_eq!(crm_log::of(&office.store.pool, "a").await.unwrap(), None);
    assert_eq!(made.load(Ordering::SeqCst), 0);
    office.close().await;
}
