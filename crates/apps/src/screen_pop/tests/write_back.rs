//! Calls that go back to a CRM: one record each, whatever is lost on the way. The CRM is a server of this machine that
//! keeps records in memory, and answers in the shape of the preset that is tested.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::{Method, StatusCode, Uri},
};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{ending, ring};
use crate::{
    people::{
        contact::Contact,
        number::{Home, Number},
        sources::{
            Answer, Failure, Lookup,
            config::{self, Source},
            tests::served,
        },
    },
    screen_pop::{
        call::Logged,
        callers::{Callers, Known},
        desk::Desk,
        hub::Hub,
        write_back::{Pace, WriteBack},
    },
    store::{
        Store, crm_log,
        desks::{self, Mark},
        testing,
    },
};

const NUMBER: &str = "+13125550147";
const CREATED: &str = "2026-02-03T17:00:00Z";
const PATIENCE: Duration = Duration::from_secs(20);

/// What the CRM does with a request to make a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Takes,
    /// Makes the record, and breaks before it says so.
    LosesAnswer,
    /// Makes none.
    Answers(StatusCode),
}

pub(super) struct Crm {
    base: String,
    state: Arc<Mutex<State>>,
}

struct State {
    mood: Mood,
    /// Bodies of the records that were made.
    made: Vec<String>,
    /// Path and body of what changed them.
    changes: Vec<(String, String)>,
    looks: usize,
}

/// Ids in the answers of the presets: `made` after making, `found` after looking.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    create: &'static str,
    find: &'static str,
    made: fn(&str) -> Value,
    found: fn(&str, &str) -> Value,
}

pub(super) async fn crm(shape: Shape) -> Crm {
    let (changes, made) = Default::default();
    let state = Arc::new(Mutex::new(State { mood: Mood::Takes, made, changes, looks: 0 }));
    let of_server = Arc::clone(&state);
    let router = Router::new().fallback(move |method: Method, uri: Uri, body: Bytes| {
        let body = String::from_utf8(body.to_vec()).unwrap();
        let answer = respond(&shape, &mut of_server.lock().unwrap(), &method, &uri, body);
        async move { answer }
    });
    Crm { base: served(router).await, state }
}

fn respond(
    shape: &Shape,
    state: &mut State,
    method: &Method,
    uri: &Uri,
    body: String,
) -> (StatusCode, String) {
    let path = uri.path().to_owned();
    if let Mood::Answers(status) = state.mood {
        return (status, "{}".to_owned());
    }
    if path == shape.find && !(path == shape.create && method == Method::POST) {
        state.looks += 1;
        return match state.made.last() {
            Some(made) => (StatusCode::OK, (shape.found)("77", made).to_string()),
            None => (StatusCode::OK, "{}".to_owned()),
        };
    }
    if path != shape.create {
        state.changes.push((path, body));
        return (StatusCode::OK, "{}".to_owned());
    }
    state.made.push(body);
    let lost = state.mood == Mood::LosesAnswer;
    let status = if lost { StatusCode::BAD_GATEWAY } else { StatusCode::CREATED };
    (status, (shape.made)("77").to_string())
}

impl Crm {
    fn set(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    fn made(&self) -> Vec<String> {
        self.state.lock().unwrap().made.clone()
    }

    fn changes(&self) -> Vec<(String, String)> {
        self.state.lock().unwrap().changes.clone()
    }

    async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let wait = async {
            while !holds(&self.state.lock().unwrap()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}: {:?}", self.changes()));
    }
}

pub(super) const OWN: Shape = Shape {
    create: "/calls",
    find: "/find",
    made: |id| json!({"id": id}),
    found: |id, _| json!({"calls": [{"id": id}]}),
};

pub(super) fn own(crm: &Crm, log_calls: &str) -> String {
    let base = &crm.base;
    format!(
        r#"
[[source]]
name = "CRM"
kind = "http"
url = "{base}/people"
items = "$[*]"
fields = {{ name = ["$.name"] }}
log_calls = "{log_calls}"
[source.write]
create = {{ method = "POST", url = "{base}/calls", body = '{{"who": "{{id}}", "text": "{{text}}"}}', id = "$.id" }}
update = {{ method = "PATCH", url = "{base}/calls/{{record}}", body = '{{"text": "{{text}}"}}' }}
find = {{ method = "GET", url = "{base}/find?call={{call}}", id = "$.calls[0].id" }}
"#
    )
}

fn environment(name: &str) -> Option<String> {
    (name == "CRM_TOKEN").then(|| "t0ken".to_owned())
}

pub(super) fn sources_of(toml: &str, folder: &std::path::Path) -> Vec<Source> {
    config::read(toml, folder, environment).unwrap().sources
}

/// A desk whose calls go to the CRM of `toml`, on a store that lasts.
pub(super) struct Office {
    pub(super) desk: Desk,
    pub(super) hub: Arc<Hub>,
    pub(super) callers: Arc<Callers>,
    pub(super) store: Store,
    stop: CancellationToken,
    writing: tokio::task::JoinHandle<()>,
}

impl Office {
    pub(super) async fn open(folder: &std::path::Path, toml: &str) -> Self {
        Self::with(folder, (sources_of(toml, folder), &[]), Duration::from_millis(5)).await
    }

    /// With this wait before each further try; `asked` are asked who calls.
    pub(super) async fn with(
        folder: &std::path::Path,
        (sources, asked): (Vec<Source>, &[Source]),
        retry: Duration,
    ) -> Self {
        let store = testing::open(folder).await;
        let lookup = Lookup::new(store.pool.clone(), asked, environment).unwrap();
        let writers = lookup.writers(&sources, environment).unwrap();
        let hub = Hub::new(TimeZone::UTC);
        let pace = Pace { settles: Duration::ZERO, retry_first: retry, retry_max: retry, tries_max: 5 };
        let write_back = WriteBack::at_pace(Arc::clone(&hub), store.pool.clone(), writers, pace);
        let callers = Callers::writing(
            Arc::clone(&hub),
            store.pool.clone(),
            lookup,
            None,
            Some(Arc::clone(&write_back)),
        );
        let (pool, page) = (store.pool.clone(), "http://localhost:5000/".to_owned());
        let desk = Desk::open(Arc::clone(&hub), pool, Arc::clone(&callers), None, page).await.unwrap();
        let stop = CancellationToken::new();
        let writing = tokio::spawn(write_back.run(stop.clone()));
        Self { desk, hub, callers, store, stop, writing }
    }

    /// A missed call whose caller is surely, or maybe, known to the CRM as contact 512, and to a list.
    pub(super) async fn call(&self, id: &str, written: &str) {
        self.desk.take(&ring(id, CREATED, "", NUMBER)).await;
        self.settled(id).await;
        self.know(id, written);
        self.desk.take(&ending(id, CREATED, 2)).await;
        self.callers.log(id).await;
    }

    /// The look-ups of a new call are over.
    pub(super) async fn settled(&self, id: &str) {
        let done = || {
            self.hub
                .board(|board| board.find(id).and_then(|(_, call)| call.known.clone()))
                .is_some_and(|known| known.done)
        };
        let wait = async {
            while !done() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the look-up ends");
    }

    fn know(&self, id: &str, written: &str) {
        let ada = Contact {
            source: "CRM".into(),
            reference: "512".into(),
            name: "Ada Example".into(),
            numbers: vec![written.into()],
            ..Contact::default()
        };
        let contacts = vec![Contact { source: "A list".into(), ..ada.clone() }, ada];
        let answer = Answer { source: "CRM".into(), contacts, failure: None, stale: false, lacks: vec![] };
        let known = Known::of(answer, &Number::read(NUMBER, Home::default()), Home::default());
        self.hub.board(|board| board.set_known(id, known));
    }

    pub(super) async fn note(&self, id: &str, notes: &str) {
        let mark = Mark { notes: notes.to_owned(), ..Mark::default() };
        desks::mark(&self.store.pool, "ada@example.com", id, &mark, Timestamp::now()).await.unwrap();
        self.callers.log(id).await;
    }

    fn logged(&self, id: &str) -> Option<Logged> {
        self.hub.board(|board| board.find(id).and_then(|(_, call)| call.logged.clone()))
    }

    async fn shows(&self, id: &str, what: &str, wanted: impl Fn(&Logged) -> bool) {
        let wait = async {
            while !self.logged(id).is_some_and(|logged| wanted(&logged)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .unwrap_or_else(|_| panic!("{what}: {:?}", self.logged(id)));
    }

    pub(super) async fn close(self) {
        self.stop.cancel();
        self.writing.await.unwrap();
        self.desk.close().await;
    }
}

fn is_there(logged: &Logged) -> bool {
    matches!(logged, Logged::There(_))
}

#[tokio::test]
async fn a_call_is_one_record_which_its_notes_change() {
    let (folder, crm) = (tempfile::tempdir().unwrap(), crm(OWN).await);
    let office = Office::open(folder.path(), &own(&crm, "all")).await;
    office.call("a", NUMBER).await;
    office.shows("a", "the call is there", is_there).await;
    office.note("a", "Wants a \"quote\"\nby Friday").await;
    crm.until("the note is there", |state| !state.changes.is_empty()).await;
    let made: Value = serde_json::from_str(&crm.made()[0]).unwrap();
    assert_eq!(made["who"], "512");
    assert!(
        made["text"].as_str().unwrap().contains("Missed")
            && made["text"].as_str().unwrap().ends_with("Callfeed call a")
    );
    let (path, body) = crm.changes().remove(0);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(path, "/calls/77");
    assert!(body["text"].as_str().unwrap().contains("Wants a \"quote\"\nby Friday"), "{body}");
    // Nothing new: nothing is sent.
    office.callers.log("a").await;
    let entry = crm_log::of(&office.store.pool, "a").await.unwrap().unwrap();
    assert_eq!((crm.made().len(), entry.wanted), (1, 2));
    office.close().await;
}

#[tokio::test]
async fn a_lost_answer_and_a_restart_make_no_second_record() {
    let (folder, crm) = (tempfile::tempdir().unwrap(), crm(OWN).await);
    crm.set(Mood::LosesAnswer);
    let toml = own(&crm, "all");
    // Nothing is tried again before the restart.
    let sources = sources_of(&toml, folder.path());
    let office = Office::with(folder.path(), (sources, &[]), Duration::from_secs(3_600)).await;
    office.call("a", NUMBER).await;
    office
        .shows("a", "the answer was lost", |logged| matches!(logged, Logged::Failed { again: true, .. }))
        .await;
    assert_eq!(crm.made().len(), 1);
    office.close().await;
    let office = Office::open(folder.path(), &toml).await;
    assert!(office.callers.log_again("a").await.unwrap());
    office.shows("a", "the record was found", is_there).await;
    let entry = crm_log::of(&office.store.pool, "a").await.unwrap().unwrap();
    assert_eq!((crm.made().len(), entry.record.as_deref()), (1, Some("77")));
    office.close().await;
}

#[tokio::test]
async fn what_the_crm_refuses_is_told_and_tried_again_by_a_person() {
    let (folder, crm) = (tempfile::tempdir().unwrap(), crm(OWN).await);
    crm.set(Mood::Answers(StatusCode::UNPROCESSABLE_ENTITY));
    let office = Office::open(folder.path(), &own(&crm, "all")).await;
    office.call("a", NUMBER).await;
    let refused = |logged: &Logged| {
        matches!(logged, Logged::Failed { why: Some(Failure::Status(422)), again: false, .. })
    };
    office.shows("a", "no further try", refused).await;
    crm.set(Mood::Takes);
    assert!(office.callers.log_again("a").await.unwrap());
    office.shows("a", "the call is there", is_there).await;
    assert_eq!(crm.made().len(), 1);
    // A CRM that is down is tried so often, and then no more.
    crm.set(Mood::Answers(StatusCode::SERVICE_UNAVAILABLE));
    office.call("b", NUMBER).await;
    let given_up = |logged: &Logged| matches!(logged, Logged::Failed { again: false, .. });
    office.shows("b", "given up", given_up).await;
    assert_eq!(crm_log::of(&office.store.pool, "b").await.unwrap().unwrap().tries, 5);
    office.close().await;
}

#[tokio::test]
async fn nothing_is_written_of_doubtful_callers_and_of_calls_that_are_not_wanted() {
    let (folder, crm) = (tempfile::tempdir().unwrap(), crm(OWN).await);
    let office = Office::open(folder.path(), &own(&crm, "all")).await;
    // The same last digits: maybe.
    office.call("a", "555 0147").await;
    assert_eq!(crm_log::of(&office.store.pool, "a").await.unwrap(), None);
    office.close().await;
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), &own(&crm, "answered")).await;
    office.call("b", NUMBER).await;
    assert_eq!(crm_log::of(&office.store.pool, "b").await.unwrap(), None, "it was missed");
    assert_eq!(crm.made().len(), 0);
    office.close().await;
}

/// A preset's own requests, its hosts replaced by the fake's.
async fn preset(name: &str, shape: Shape) -> (Vec<String>, Vec<(String, String)>) {
    let (folder, crm) = (tempfile::tempdir().unwrap(), crm(shape).await);
    let toml = format!(
        "[[source]]\nname = \"CRM\"\nkind = \"http\"\npreset = \"{name}\"\nsite = \"acme\"\nuser = \"me@example.com\"\n\
         token_env = \"CRM_TOKEN\"\nlog_calls = \"all\"\n"
    );
    let mut sources = sources_of(&toml, folder.path());
    let write = sources[0].http.write.as_mut().unwrap();
    let requests = [Some(&mut write.create), Some(&mut write.update), write.find.as_mut()];
    for request in requests.into_iter().flatten() {
        let path = request.url.splitn(4, '/').nth(3).unwrap();
        request.url = format!("{}/{path}", crm.base);
    }
    crm.set(Mood::LosesAnswer);
    let office = Office::with(folder.path(), (sources, &[]), Duration::from_millis(5)).await;
    office.call("c-1", NUMBER).await;
    office.shows("c-1", name, is_there).await;
    office.close().await;
    let looks = crm.state.lock().unwrap().looks;
    assert_eq!((crm.made().len(), looks), (1, 1), "{name}: made once, found after the lost answer");
    (crm.made(), crm.changes())
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn hubspot_and_zendesk_take_calls() {
    let (made, changes) = preset(
        "hubspot",
        Shape {
            create: "/crm/v3/objects/calls",
            find: "/crm/v3/objects/calls/search",
            made: |id| json!({"id": id, "properties": {}}),
            found: |id, _| json!({"total": 1, "results": [{"id": id}]}),
        },
    )
    .await;
    let body = json_of(&made[0]);
    assert_eq!(body["associations"][0]["to"]["id"], "512");
    assert_eq!(body["properties"]["hs_timestamp"], "1770138000000");
    assert_eq!(body["properties"]["hs_call_title"], "Missed call from Ada Example");
    assert_eq!(changes[0].0, "/crm/v3/objects/calls/77");
    let (made, changes) = preset(
        "zendesk",
        Shape {
            create: "/api/v2/tickets.json",
            find: "/api/v2/tickets.json",
            made: |id| json!({"ticket": {"id": id.parse::<u64>().unwrap()}}),
            found: |id, _| json!({"tickets": [{"id": id.parse::<u64>().unwrap()}]}),
        },
    )
    .await;
    let ticket = &json_of(&made[0])["ticket"];
    assert_eq!((&ticket["requester_id"], &ticket["external_id"]), (&json!(512), &json!("c-1")));
    assert_eq!(ticket["comment"]["public"], false);
    assert_eq!(changes[0].0, "/api/v2/tickets/77.json");
}

#[tokio::test]
async fn salesforce_and_pipedrive_take_calls() {
    let (made, changes) = preset(
        "salesforce",
        Shape {
            create: "/services/data/v61.0/sobjects/Task",
            find: "/services/data/v61.0/query",
            made: |id| json!({"id": id, "success": true, "errors": []}),
            found: |id, _| json!({"totalSize": 1, "done": true, "records": [{"Id": id}]}),
        },
    )
    .await;
    let task = json_of(&made[0]);
    assert_eq!((&task["WhoId"], &task["CallObject"]), (&json!("512"), &json!("c-1")));
    assert_eq!((&task["ActivityDate"], &task["CallDurationInSeconds"]), (&json!("2026-02-03"), &json!(0)));
    assert_eq!(changes[0].0, "/services/data/v61.0/sobjects/Task/77");
    let (made, changes) = preset(
        "pipedrive",
        Shape {
            create: "/api/v1/activities",
            find: "/api/v1/persons/512/activities",
            made: |id| json!({"success": true, "data": {"id": id.parse::<u64>().unwrap()}}),
            found: |id, made| {
                json!({"data": [{"id": 3, "note": "another"},
                    {"id": id.parse::<u64>().unwrap(), "note": serde_json::from_str::<Value>(made).unwrap()["note"]}]})
            },
        },
    )
    .await;
    assert!(json_of(&made[0])["note"].as_str().unwrap().contains("Callfeed call c-1"));
    assert_eq!(changes[0].0, "/api/v1/activities/77");
}

#[tokio::test]
async fn freshdesk_and_zoho_take_calls() {
    let (made, changes) = preset(
        "freshdesk",
        Shape {
            create: "/api/v2/tickets",
            find: "/api/v2/tickets",
            made: |id| json!({"id": id.parse::<u64>().unwrap()}),
            found: |id, made| {
                json!([{"id": 3, "description_text": "another"}, {"id": id.parse::<u64>().unwrap(),
                    "description_text": serde_json::from_str::<Value>(made).unwrap()["description"]}])
            },
        },
    )
    .await;
    assert_eq!(json_of(&made[0])["requester_id"], 512);
    assert_eq!(changes[0].0, "/api/v2/tickets/77/notes");
    let (made, changes) = preset(
        "zoho",
        Shape {
            create: "/crm/v6/Calls",
            find: "/crm/v6/Contacts/512/Calls",
            made: |id| json!({"data": [{"code": "SUCCESS", "details": {"id": id}, "status": "success"}]}),
            found: |id, made| {
                json!({"data": [{"id": id, "Description": serde_json::from_str::<Value>(made).unwrap()["data"][0]["Description"]}]})
            },
        },
    )
    .await;
    assert_eq!(json_of(&made[0])["data"][0]["Call_Start_Time"], "2026-02-03T17:00:00+00:00");
    assert_eq!(changes[0].0, "/crm/v6/Calls/77");
}
