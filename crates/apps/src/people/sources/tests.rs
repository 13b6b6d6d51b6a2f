//! Sources against servers of this machine that answer in the shapes of the real ones, and against dead ones.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, Uri},
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};

use super::{Answer, Failure, IMPORTED, Lookup, config};
use crate::{
    people::{
        limits::{OUTCOME_CHARS_MAX, OUTCOMES_MAX},
        number::{Home, Number},
    },
    store::testing,
};

pub(super) const NUMBER: &str = "+13125550147";
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What a server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub uri: String,
    pub authorization: String,
    pub body: String,
}

/// A server that answers by path; paths that it does not know get 404.
pub(crate) struct Fake {
    pub base: String,
    pub asked: Arc<Mutex<Vec<Asked>>>,
}

/// A little server on a free port of this machine; its address.
pub(crate) async fn served(router: Router) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

pub(crate) async fn fake(answers: Vec<(&'static str, StatusCode, Value)>) -> Fake {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (log, answers) = (Arc::clone(&asked), Arc::new(answers));
    let router = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let authorization = text("authorization").or_else(|| text("x-api-token")).unwrap_or_default();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let sent = body.clone();
        log.lock().unwrap().push(Asked { uri: uri.to_string(), authorization, body });
        // What stands behind a question mark is a part of the query or of the body.
        let is = |wanted: &str| {
            let (path, part) = wanted.split_once('?').unwrap_or((wanted, ""));
            uri.path() == path && (uri.to_string().contains(part) || sent.contains(part))
        };
        let known = answers.iter().find(|(wanted, ..)| is(wanted));
        let (status, body) =
            known.map_or((StatusCode::NOT_FOUND, Value::Null), |(_, status, body)| (*status, body.clone()));
        async move { (status, body.to_string()) }
    });
    Fake { base: served(router).await, asked }
}

pub(super) fn phone() -> Number {
    Number::read(NUMBER, Home::default())
}

/// A look-up with one source, whose preset's addresses lead to a server of this machine.
pub(super) async fn lookup(folder: &Path, toml: &str) -> Lookup {
    let environment = |name: &str| (name == "CRM_TOKEN").then(|| "t0ken".to_owned());
    let sources = config::read(toml, folder, environment).unwrap().sources;
    let store = testing::open(folder).await;
    Lookup::new(store.pool, &sources, environment).unwrap()
}

/// The last answer of each source.
pub(super) async fn answers(lookup: &Lookup) -> HashMap<String, Answer> {
    let stream = lookup.look_up(&phone(), Home::default());
    let all: Vec<Answer> = timeout(PATIENCE, stream.collect()).await.expect("the look-up ends");
    all.into_iter().map(|answer| (answer.source.clone(), answer)).collect()
}

#[tokio::test]
async fn a_dead_source_is_a_line_and_holds_up_nothing() {
    // Takes connections and never answers.
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let refused = fake(vec![("/", StatusCode::UNAUTHORIZED, Value::Null)]).await;
    let garbled = fake(vec![("/", StatusCode::OK, json!("x".repeat(2 << 20)))]).await;
    let broken = fake(vec![("/", StatusCode::BAD_GATEWAY, Value::Null)]).await;
    let source = |name: &str, url: &str, deadline_ms: u64| {
        format!(
            "[[source]]\nname = \"{name}\"\nkind = \"http\"\nurl = \"{url}/\"\nitems = \"$[*]\"\ndeadline_ms = {deadline_ms}\n[source.fields]\nname = [\"$.name\"]\n"
        )
    };
    let toml = [
        source("silent", &format!("http://{}", silent.local_addr().unwrap()), 2_000),
        source("refused", &refused.base, 10_000),
        source("garbled", &garbled.base, 10_000),
        source("broken", &broken.base, 10_000),
    ];
    let folder = tempfile::tempdir().unwrap();
    let lookup = lookup(folder.path(), &toml.concat()).await;
    let mut stream = lookup.look_up(&phone(), Home::default());
    let mut order = Vec::new();
    let mut failures = HashMap::new();
    while let Some(answer) = timeout(PATIENCE, stream.next()).await.expect("the look-up ends") {
        order.push(answer.source.clone());
        failures.insert(answer.source, answer.failure);
    }
    assert_eq!(
        order.last().map(String::as_str),
        Some("silent"),
        "nobody waits for the silent one: {order:?}"
    );
    assert_eq!(failures[IMPORTED], None);
    assert_eq!(failures["silent"], Some(Failure::Slow));
    assert_eq!(failures["refused"], Some(Failure::Refused));
    assert_eq!(failures["garbled"], Some(Failure::Unreadable));
    assert_eq!(failures["broken"], Some(Failure::Status(502)));
}

#[tokio::test]
async fn an_answer_is_kept_and_withheld_numbers_are_asked_nowhere() {
    let server = fake(vec![("/", StatusCode::OK, json!([{"name": "Ada", "tel": NUMBER}]))]).await;
    let toml = format!(
        "[[source]]\nname = \"crm\"\nkind = \"http\"\nurl = \"{}/\"\nitems = \"$[*]\"\n[source.fields]\nname = [\"$.name\"]\nphone = [\"$.tel\"]\n",
        server.base
    );
    let folder = tempfile::tempdir().unwrap();
    let lookup = lookup(folder.path(), &toml).await;
    for _ in 0..3 {
        assert_eq!(answers(&lookup).await["crm"].contacts[0].name, "Ada");
    }
    assert_eq!(server.asked.lock().unwrap().len(), 1);
    for text in ["Anonymous", "", "front gate"] {
        let nothing: Vec<Answer> =
            lookup.look_up(&Number::read(text, Home::default()), Home::default()).collect().await;
        assert!(nothing.is_empty(), "{text}: {nothing:?}");
    }
    assert_eq!(server.asked.lock().unwrap().len(), 1);
}

#[test]
fn all_that_is_wrong_with_a_file_is_named_at_once() {
    let toml = "region = \"XX\"\n[[source]]\nname = \"a\"\nkind = \"http\"\npreset = \"nothing\"\n\
        [[source]]\nname = \"b\"\nkind = \"http\"\npreset = \"zendesk\"\ntoken_env = \"NOT_SET\"\n\
        [[source]]\nname = \"c\"\nkind = \"csv\"\n\
        [[source]]\nname = \"d\"\nkind = \"http\"\nurl = \"http://crm.example/\"\nitems = \"nonsense[\"\nfields = {}\n";
    let problems = config::read(toml, Path::new("."), |_| None).unwrap_err().to_string();
    let words = [
        "XX is no region",
        "no preset nothing",
        "hubspot",
        "set site",
        "NOT_SET is not set",
        "c: set file",
        "https://",
        "no JSON path",
    ];
    for word in words {
        assert!(problems.contains(word), "{word} is missing in:\n{problems}");
    }
    assert!(config::read("[[source]]\nname = 1\n", Path::new("."), |_| None).is_err());
    assert!(
        config::read(
            "[[source]]\nname = \"a\"\nkind = \"csv\"\nfile = \"x\"\nfiel = 1\n",
            Path::new("."),
            |_| None
        )
        .is_err(),
        "a misspelt key is named"
    );
}

#[test]
fn every_preset_is_whole() {
    for preset in ["hubspot", "zendesk", "salesforce", "pipedrive", "freshdesk", "zoho"] {
        let toml = format!(
            "[[source]]\nname = \"crm\"\nkind = \"http\"\npreset = \"{preset}\"\nsite = \"acme\"\nuser = \"me\"\ntoken_env = \"T\"\n"
        );
        let sources = config::read(&toml, Path::new("."), |_| Some("t".into())).unwrap().sources;
        assert!(sources[0].http.url.as_ref().unwrap().starts_with("https://"), "{preset}");
    }
}

#[test]
fn outcomes_are_a_short_list_of_words() {
    let read = |toml: &str| config::read(toml, Path::new("."), |_| None);
    assert_eq!(read("outcomes = [\"Sold\", \"Call back\"]").unwrap().outcomes, ["Sold", "Call back"]);
    for wrong in ["[\"\"]", "[\"A\", \"A\"]", "[\" A\"]"] {
        let problems = read(&format!("outcomes = {wrong}")).unwrap_err().to_string();
        assert!(problems.starts_with("outcomes: "), "{problems}");
    }
    let list = |count: usize, chars: usize| {
        let words: Vec<String> = (0..count).map(|n| format!("{n:0chars$}")).collect();
        read(&format!("outcomes = {words:?}"))
    };
    assert_eq!(list(OUTCOMES_MAX, OUTCOME_CHARS_MAX).unwrap().outcomes.len(), OUTCOMES_MAX);
    let many = list(OUTCOMES_MAX + 1, 2).unwrap_err().to_string();
    assert_eq!(many, "outcomes: 41 are too many, list at most 40");
    let long = list(1, OUTCOME_CHARS_MAX + 1).unwrap_err().to_string();
    assert!(long.ends_with("as a few words, at most 40 characters"), "{long}");
}

#[tokio::test]
async fn calls_that_are_written_count_as_requests() {
    let created = (StatusCode::CREATED, json!({"id": "7"}));
    let server = fake(vec![("/", StatusCode::OK, json!([])), ("/calls", created.0, created.1)]).await;
    let toml = format!(
        "[[source]]\nname = \"crm\"\nkind = \"http\"\nurl = \"{0}/\"\nitems = \"$[*]\"\nrequests_per_minute = 2\n\
         log_calls = \"all\"\n[source.fields]\nname = [\"$.name\"]\n[source.write]\n\
         create = {{ method = \"POST\", url = \"{0}/calls\", body = '{{}}', id = \"$.id\" }}\n\
         update = {{ method = \"PATCH\", url = \"{0}/calls/{{record}}\", body = '{{}}' }}\n\
         find = {{ method = \"GET\", url = \"{0}/find?call={{call}}\", id = \"$.id\" }}\n",
        server.base
    );
    let folder = tempfile::tempdir().unwrap();
    let lookup = lookup(folder.path(), &toml).await;
    let sources = config::read(&toml, folder.path(), |_| None).unwrap().sources;
    let writer = lookup.writers(&sources, |_| None).unwrap().remove(0);
    assert_eq!(answers(&lookup).await["crm"].failure, None);
    let values = [("call".to_owned(), "a".to_owned())].into();
    assert_eq!(writer.create("512", &values).await.as_deref(), Ok("7"));
    let refused = writer.update("7", "512", &values).await.unwrap_err();
    assert_eq!((refused.failure, refused.is_final), (Failure::Budget, false));
    assert_eq!(server.asked.lock().unwrap().len(), 2);
}
