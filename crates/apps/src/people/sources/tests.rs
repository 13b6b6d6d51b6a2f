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
        contact::{Contact, rank},
        number::{Home, Number},
    },
    store::testing,
};

const NUMBER: &str = "+13125550147";
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server was asked.
#[derive(Clone, Debug)]
struct Asked {
    uri: String,
    authorization: String,
    body: String,
}

/// A server that answers by path; paths that it does not know get 404.
struct Fake {
    base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

async fn fake(answers: Vec<(&'static str, StatusCode, Value)>) -> Fake {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (log, answers) = (Arc::clone(&asked), Arc::new(answers));
    let router = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let authorization = text("authorization").or_else(|| text("x-api-token")).unwrap_or_default();
        let body = String::from_utf8(body.to_vec()).unwrap();
        log.lock().unwrap().push(Asked { uri: uri.to_string(), authorization, body });
        let known = answers.iter().find(|(path, ..)| uri.path() == *path);
        let (status, body) =
            known.map_or((StatusCode::NOT_FOUND, Value::Null), |(_, status, body)| (*status, body.clone()));
        async move { (status, body.to_string()) }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    Fake { base, asked }
}

fn phone() -> Number {
    Number::read(NUMBER, Home::default())
}

/// A look-up with one source, whose preset's addresses lead to a server of this machine.
async fn lookup(folder: &Path, toml: &str) -> Lookup {
    let environment = |name: &str| (name == "CRM_TOKEN").then(|| "t0ken".to_owned());
    let sources = config::read(toml, folder, environment).unwrap().sources;
    let store = testing::open(folder).await;
    Lookup::new(store.pool, &sources, environment).unwrap()
}

/// The last answer of each source.
async fn answers(lookup: &Lookup) -> HashMap<String, Answer> {
    let stream = lookup.look_up(&phone());
    let all: Vec<Answer> = timeout(PATIENCE, stream.collect()).await.expect("the look-up ends");
    all.into_iter().map(|answer| (answer.source.clone(), answer)).collect()
}

/// Asks a preset's server, whose hosts are replaced by the fake's.
async fn ask(preset: &str, url: &str, also: &str, fake: &Fake) -> Contact {
    let folder = tempfile::tempdir().unwrap();
    let (base, mut further) = (&fake.base, String::new());
    if let Some((path, facts)) = also.split_once(' ') {
        further = format!("also = [{{ url = \"{base}{path}\", facts = {facts} }}]\n");
    }
    let toml = format!(
        "[[source]]\nname = \"crm\"\nkind = \"http\"\npreset = \"{preset}\"\nsite = \"acme\"\nuser = \"me@example.com\"\n\
         token_env = \"CRM_TOKEN\"\nurl = \"{base}{url}\"\n{further}"
    );
    let lookup = lookup(folder.path(), &toml).await;
    let answer = answers(&lookup).await.remove("crm").unwrap();
    assert_eq!(answer.failure, None, "{:?}", fake.asked.lock().unwrap());
    let ranked = rank(&phone(), answer.contacts, None, Home::default());
    assert_eq!(ranked.len(), 1, "only numbers that match count: {ranked:?}");
    ranked[0].contact.clone()
}

#[track_caller]
fn check(contact: &Contact, name: &str, company: &str, reference: &str) {
    assert_eq!((contact.name.as_str(), contact.company.as_str()), (name, company));
    assert_eq!(contact.reference, reference);
    assert!(contact.link.starts_with("https://") && contact.link.contains(reference), "{}", contact.link);
}

#[tokio::test]
async fn hubspot() {
    let body = json!({"total": 1, "results": [{"id": "512", "properties": {"firstname": "Ada", "lastname": "Example",
        "company": "Acme", "phone": "+1 312-555-0147", "mobilephone": null, "email": "ada@example.com",
        "lifecyclestage": "customer"}, "archived": false}]});
    let fake = fake(vec![("/crm/v3/objects/contacts/search", StatusCode::OK, body)]).await;
    let contact = ask("hubspot", "/crm/v3/objects/contacts/search", "", &fake).await;
    check(&contact, "Ada Example", "Acme", "512");
    assert_eq!(contact.tier, "customer");
    let asked = fake.asked.lock().unwrap()[0].clone();
    assert_eq!(asked.authorization, "Bearer t0ken");
    let search: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(search["filterGroups"][0]["filters"][0]["value"], NUMBER);
}

#[tokio::test]
async fn zendesk_with_its_open_tickets() {
    let users = json!({"results": [
        {"id": 35436, "name": "Ada Example", "email": "ada@example.com", "phone": "+13125550147", "tags": ["vip"]},
        {"id": 9, "name": "Another", "phone": "+13125550199"}], "count": 2, "next_page": null});
    let fake = fake(vec![
        ("/api/v2/search.json", StatusCode::OK, users),
        ("/api/v2/search/count.json", StatusCode::OK, json!({"count": 3})),
    ])
    .await;
    let also = "/api/v2/search/count.json?query=requester:{id} { \"Open tickets\" = \"$.count\" }";
    let contact = ask("zendesk", "/api/v2/search.json?query=phone:{digits}", also, &fake).await;
    check(&contact, "Ada Example", "", "35436");
    assert_eq!((contact.tier.as_str(), contact.other["Open tickets"].as_str()), ("vip", "3"));
    let asked = fake.asked.lock().unwrap()[0].clone();
    assert!(asked.uri.ends_with("phone:13125550147"), "{}", asked.uri);
    // me@example.com/token:t0ken
    assert_eq!(asked.authorization, "Basic bWVAZXhhbXBsZS5jb20vdG9rZW46dDBrZW4=");
}

#[tokio::test]
async fn salesforce_pipedrive_freshdesk_and_zoho() {
    let body = json!({"searchRecords": [{"attributes": {"type": "Contact"}, "Id": "003xx", "Name": "Ada Example",
        "Phone": "(312) 555-0147", "MobilePhone": null, "Title": "CTO", "Account": {"Name": "Acme"}}]});
    let server = fake(vec![("/search", StatusCode::OK, body)]).await;
    let contact = ask("salesforce", "/search?q={national}", "", &server).await;
    check(&contact, "Ada Example", "Acme", "003xx");
    assert_eq!(contact.other["Title"], "CTO");
    assert_eq!(server.asked.lock().unwrap()[0].uri, "/search?q=3125550147");

    let body = json!({"success": true, "data": {"items": [{"result_score": 0.3, "item": {"id": 7, "type": "person",
        "name": "Ada Example", "phones": ["3125550100", "3125550147"], "organization": {"id": 1, "name": "Acme"}}}]}});
    let person = json!({"success": true, "data": {"id": 7, "open_deals_count": 2}});
    let server = fake(vec![("/search", StatusCode::OK, body), ("/persons/7", StatusCode::OK, person)]).await;
    let also = "/persons/{id} { \"Open deals\" = \"$.data.open_deals_count\" }";
    let contact = ask("pipedrive", "/search", also, &server).await;
    check(&contact, "Ada Example", "Acme", "7");
    assert_eq!(contact.other["Open deals"], "2");
    assert_eq!(server.asked.lock().unwrap()[0].authorization, "t0ken");

    let body = json!({"total": 1, "results": [{"id": 434, "name": "Ada Example", "phone": null, "mobile": "+13125550147"}]});
    let tickets = json!([{"id": 1, "status": 2}, {"id": 2, "status": 5}, {"id": 3, "status": 3}]);
    let server = fake(vec![("/search", StatusCode::OK, body), ("/tickets", StatusCode::OK, tickets)]).await;
    let also = "/tickets?requester_id={id} { \"Open tickets\" = \"count $[?@.status < 4]\" }";
    let contact = ask("freshdesk", "/search", also, &server).await;
    check(&contact, "Ada Example", "", "434");
    assert_eq!(contact.other["Open tickets"], "2");

    let body = json!({"data": [{"id": "3652397", "Full_Name": "Ada Example", "Phone": "+1 312 555 0147",
        "Account_Name": {"name": "Acme", "id": "1"}}], "info": {"count": 1}});
    let server = fake(vec![("/search", StatusCode::OK, body)]).await;
    check(&ask("zoho", "/search?phone={digits}", "", &server).await, "Ada Example", "Acme", "3652397");
    assert_eq!(server.asked.lock().unwrap()[0].authorization, "Zoho-oauthtoken t0ken");
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
    let mut stream = lookup.look_up(&phone());
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
        let nothing: Vec<Answer> = lookup.look_up(&Number::read(text, Home::default())).collect().await;
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
}
