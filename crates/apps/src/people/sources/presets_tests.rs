//! Presets against servers of this machine that answer in the shapes of the services: who calls, their open tickets, their
//! next appointment. And what further requests keep to: contacts do not wait for them, answers are kept, requests counted.

use std::{path::Path, sync::Arc};

use axum::{Router, http::StatusCode, http::Uri};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};

use super::{
    Answer, Failure, IMPORTED, Lookup, config,
    further::About,
    tests::{Fake, NUMBER, PATIENCE, answers, fake, lookup, phone},
};
use crate::{
    people::{
        agenda::{Appointment, Tickets},
        contact::{Contact, rank},
        number::{Home, Number},
    },
    store::testing,
};

/// The same address at another server.
fn at(base: &str, url: &mut Option<String>) {
    if let Some(url) = url {
        let path = url.splitn(4, '/').nth(3).unwrap();
        *url = format!("{base}/{path}");
    }
}

/// Asks a preset's server, whose addresses lead to the fake's.
async fn ask(preset: &str, fake: &Fake) -> Contact {
    let folder = tempfile::tempdir().unwrap();
    let environment = |name: &str| (name == "CRM_TOKEN").then(|| "t0ken".to_owned());
    let toml = format!(
        "[[source]]\nname = \"crm\"\nkind = \"http\"\npreset = \"{preset}\"\nsite = \"acme\"\nuser = \"me@example.com\"\n\
         token_env = \"CRM_TOKEN\"\n"
    );
    let mut sources = config::read(&toml, folder.path(), environment).unwrap().sources;
    let http = &mut sources[0].http;
    at(&fake.base, &mut http.url);
    for listed in [&mut http.tickets, &mut http.appointments].into_iter().flatten() {
        at(&fake.base, &mut listed.url);
    }
    for also in http.also.iter_mut().flatten() {
        let mut url = Some(also.url.clone());
        at(&fake.base, &mut url);
        also.url = url.unwrap();
    }
    let store = testing::open(folder.path()).await;
    let lookup = Lookup::new(store.pool, &sources, environment).unwrap();
    let answer = answers(&lookup).await.remove("crm").unwrap();
    let asked = fake.asked.lock().unwrap().clone();
    assert_eq!((answer.failure, answer.lacks), (None, Vec::new()), "{asked:?}");
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

fn tickets(open: u64, newest: &str, link: &str) -> Option<Tickets> {
    Some(Tickets { open, newest: newest.to_owned(), link: link.to_owned() })
}

fn appointment(at: &str, title: &str, link: &str) -> Vec<Appointment> {
    vec![Appointment { at: at.to_owned(), title: title.to_owned(), link: link.to_owned() }]
}

const OK: StatusCode = StatusCode::OK;

#[tokio::test]
async fn hubspot() {
    let body = json!({"total": 1, "results": [{"id": "512", "properties": {"firstname": "Ada", "lastname": "Example",
        "company": "Acme", "phone": "+1 312-555-0147", "mobilephone": null, "email": "ada@example.com",
        "lifecyclestage": "customer"}, "archived": false}]});
    let open = json!({"total": 3, "results": [{"id": "77", "properties": {"subject": "Printer on fire",
        "createdate": "2026-02-01T10:00:00Z"}, "archived": false}], "paging": {"next": {"after": "1"}}});
    let meetings = json!({"total": 1, "results": [{"id": "9", "properties": {"hs_meeting_title": "Demo",
        "hs_meeting_start_time": "2026-02-05T15:00:00Z"}, "archived": false}]});
    let fake = fake(vec![
        ("/crm/v3/objects/contacts/search", OK, body),
        ("/crm/v3/objects/tickets/search?\"value\": \"512\"", OK, open),
        ("/crm/v3/objects/meetings/search?\"value\": \"512\"", OK, meetings),
    ])
    .await;
    let contact = ask("hubspot", &fake).await;
    check(&contact, "Ada Example", "Acme", "512");
    assert_eq!(contact.tier, "customer");
    let (ticket, page) = (
        "https://app.hubspot.com/contacts/acme/ticket/77",
        "https://app.hubspot.com/contacts/acme/contact/512",
    );
    assert_eq!(contact.tickets, tickets(3, "Printer on fire", ticket));
    assert_eq!(contact.appointments, appointment("2026-02-05T15:00:00Z", "Demo", page));
    let asked = fake.asked.lock().unwrap().clone();
    let search: Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(search["filterGroups"][0]["filters"][0]["value"], NUMBER);
    for asked in asked {
        assert_eq!(asked.authorization, "Bearer t0ken");
        assert!(serde_json::from_str::<Value>(&asked.body).is_ok(), "{}", asked.body);
    }
}

#[tokio::test]
async fn zendesk() {
    let users = json!({"results": [
        {"id": 35436, "name": "Ada Example", "email": "ada@example.com", "phone": "+13125550147", "tags": ["vip"]},
        {"id": 9, "name": "Another", "phone": "+13125550199"}], "count": 2, "next_page": null});
    let open = json!({"results": [{"id": 40, "subject": "Printer on fire", "status": "open"}], "count": 3});
    let fake = fake(vec![
        ("/api/v2/search.json?phone:13125550147", OK, users),
        ("/api/v2/search.json?requester:35436&", OK, open),
    ])
    .await;
    let contact = ask("zendesk", &fake).await;
    check(&contact, "Ada Example", "", "35436");
    assert_eq!(contact.tier, "vip");
    assert_eq!(contact.tickets, tickets(3, "Printer on fire", "https://acme.zendesk.com/agent/tickets/40"));
    let asked = fake.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 2, "nothing is asked about who does not match: {asked:?}");
    assert!(asked[1].uri.contains("type:ticket%20status%3Csolved"), "{}", asked[1].uri);
    // me@example.com/token:t0ken
    assert_eq!(asked[0].authorization, "Basic bWVAZXhhbXBsZS5jb20vdG9rZW46dDBrZW4=");
}

#[tokio::test]
async fn salesforce() {
    let body = json!({"searchRecords": [{"attributes": {"type": "Contact"}, "Id": "003xx", "Name": "Ada Example",
        "Phone": "(312) 555-0147", "MobilePhone": null, "Title": "CTO", "Account": {"Name": "Acme"}}]});
    let cases = json!({"totalSize": 2, "done": true, "records": [
        {"attributes": {"type": "Case"}, "Id": "500b", "CaseNumber": "00001026", "Subject": "Printer on fire"},
        {"attributes": {"type": "Case"}, "Id": "500a", "CaseNumber": "00001025", "Subject": null}]});
    let events = json!({"totalSize": 1, "done": true, "records": [{"attributes": {"type": "Event"}, "Id": "00U1",
        "Subject": "Demo", "StartDateTime": "2026-02-05T15:00:00.000+0000"}]});
    let fake = fake(vec![
        ("/services/data/v61.0/parameterizedSearch?q=3125550147", OK, body),
        ("/services/data/v61.0/query?Case+WHERE+ContactId=%27003xx%27", OK, cases),
        ("/services/data/v61.0/query?Event+WHERE+WhoId=%27003xx%27", OK, events),
    ])
    .await;
    let contact = ask("salesforce", &fake).await;
    check(&contact, "Ada Example", "Acme", "003xx");
    assert_eq!(contact.other["Title"], "CTO");
    let page =
        |kind: &str, id: &str| format!("https://acme.lightning.force.com/lightning/r/{kind}/{id}/view");
    assert_eq!(contact.tickets, tickets(2, "00001026 Printer on fire", &page("Case", "500b")));
    let at = "2026-02-05T15:00:00.000+0000";
    assert_eq!(contact.appointments, appointment(at, "Demo", &page("Event", "00U1")));
}

#[tokio::test]
async fn pipedrive() {
    let body = json!({"success": true, "data": {"items": [{"result_score": 0.3, "item": {"id": 7, "type": "person",
        "name": "Ada Example", "phones": ["3125550100", "3125550147"], "organization": {"id": 1, "name": "Acme"}}}]}});
    let person = json!({"success": true, "data": {"id": 7, "open_deals_count": 2}});
    let activities = json!({"success": true, "data": [
        {"id": 1, "subject": "Demo", "type": "meeting", "due_date": "2026-02-05", "due_time": "15:00", "done": false}]});
    let fake = fake(vec![
        ("/api/v1/persons/search?term=3125550147", OK, body),
        ("/api/v1/persons/7", OK, person),
        ("/api/v1/persons/7/activities?done=0", OK, activities),
    ])
    .await;
    let contact = ask("pipedrive", &fake).await;
    check(&contact, "Ada Example", "Acme", "7");
    assert_eq!(contact.other["Open deals"], "2");
    let page = "https://acme.pipedrive.com/person/7";
    assert_eq!(contact.appointments, appointment("2026-02-05T15:00:00Z", "Demo", page), "its times are UTC");
    assert_eq!(contact.tickets, None, "it has no tickets");
    assert_eq!(fake.asked.lock().unwrap()[0].authorization, "t0ken");
}

#[tokio::test]
async fn freshdesk() {
    let body = json!({"total": 1, "results": [{"id": 434, "name": "Ada Example", "phone": null, "mobile": "+13125550147"}]});
    let all = json!([{"id": 1, "subject": "Printer on fire", "status": 2}, {"id": 2, "subject": "Old", "status": 5},
        {"id": 3, "subject": "Waits", "status": 7}, {"id": 4, "subject": "Done", "status": 4}]);
    let fake = fake(vec![
        ("/api/v2/search/contacts?13125550147", OK, body),
        ("/api/v2/tickets?requester_id=434&", OK, all),
    ])
    .await;
    let contact = ask("freshdesk", &fake).await;
    check(&contact, "Ada Example", "", "434");
    assert_eq!(contact.tickets, tickets(2, "Printer on fire", "https://acme.freshdesk.com/a/tickets/1"));
}

#[tokio::test]
async fn zoho() {
    let body = json!({"data": [{"id": "3652397", "Full_Name": "Ada Example", "Phone": "+1 312 555 0147",
        "Account_Name": {"name": "Acme", "id": "1"}}], "info": {"count": 1}});
    let cases = json!({"data": [{"id": "8", "Case_Number": "C-8", "Subject": "Printer on fire", "Status": "On Hold"},
        {"id": "7", "Case_Number": "C-7", "Subject": "Old", "Status": "Closed"}], "info": {"count": 2}});
    let events =
        json!({"data": [{"id": "9", "Event_Title": "Demo", "Start_DateTime": "2026-02-05T09:00:00-06:00"}]});
    let fake = fake(vec![
        ("/crm/v6/Contacts/search?phone=13125550147", OK, body),
        ("/crm/v6/Contacts/3652397/Cases", OK, cases),
        ("/crm/v6/Contacts/3652397/Events", OK, events),
    ])
    .await;
    let contact = ask("zoho", &fake).await;
    check(&contact, "Ada Example", "Acme", "3652397");
    assert_eq!(contact.tickets, tickets(1, "C-8 Printer on fire", "https://crm.zoho.com/crm/tab/Cases/8"));
    let page = "https://crm.zoho.com/crm/tab/Events/9";
    assert_eq!(contact.appointments, appointment("2026-02-05T09:00:00-06:00", "Demo", page));
    assert_eq!(fake.asked.lock().unwrap()[0].authorization, "Zoho-oauthtoken t0ken");
}

#[tokio::test]
async fn who_has_neither_is_told_from_who_was_not_asked() {
    let user = json!({"results": [{"id": 5, "name": "Ada Example", "phone": NUMBER}]});
    let none = json!({"results": [], "count": 0});
    let path = "/api/v2/search.json";
    let fake = fake(vec![("/api/v2/search.json?type:user", OK, user), (path, OK, none)]).await;
    assert_eq!(ask("zendesk", &fake).await.tickets, tickets(0, "", ""));
}

/// A source of our own with tickets behind a further request, and appointments in the contact.
fn own(base: &str, more: &str) -> String {
    format!(
        "[[source]]\nname = \"crm\"\nkind = \"http\"\nurl = \"{base}/people\"\nitems = \"$[*]\"\n{more}\n[source.fields]\n\
         id = [\"$.id\"]\nname = [\"$.name\"]\nphone = [\"$.tel\"]\n[source.tickets]\nurl = \"{base}/tickets?of={{id}}\"\n\
         items = \"$[?@.open == true]\"\nid = \"$.id\"\ntitle = [\"$.title\"]\nlink = \"https://crm.example/t/{{item}}\"\n\
         [source.appointments]\nitems = \"$.meetings[*]\"\ntitle = [\"$.about\"]\nat = [\"$.day\", \"$.hour\"]\n"
    )
}

fn people() -> Value {
    json!([{"id": "a b", "name": "Ada", "tel": NUMBER, "meetings": [{"about": "Demo", "day": "2026-02-05", "hour": "14:00"},
        {"about": "When?", "day": "soon"}]}, {"id": "x", "name": "Other", "tel": "+13125550199"}])
}

#[tokio::test]
async fn any_service_by_json_paths() {
    let all = json!([{"id": "1/2", "title": "Printer on fire", "open": true}, {"id": 2, "open": false}]);
    let fake = fake(vec![("/people", OK, people()), ("/tickets?of=a+b", OK, all)]).await;
    let folder = tempfile::tempdir().unwrap();
    let lookup = lookup(folder.path(), &own(&fake.base, "")).await;
    for _ in 0..2 {
        let contact = answers(&lookup).await.remove("crm").unwrap().contacts[0].clone();
        assert_eq!(contact.tickets, tickets(1, "Printer on fire", "https://crm.example/t/1%2F2"));
        assert_eq!(contact.appointments, appointment("2026-02-05 14:00", "Demo", ""));
    }
    let asked = fake.asked.lock().unwrap().len();
    assert_eq!(asked, 2, "who was found and their tickets, once each, and only of who matches");
}

#[tokio::test]
async fn contacts_do_not_wait_for_their_tickets() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (gate, of_server) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let held = Arc::clone(&gate);
    let asked = Arc::clone(&of_server);
    let router = Router::new().fallback(move |uri: Uri| {
        let (held, asked) = (Arc::clone(&held), Arc::clone(&asked));
        async move {
            if uri.path() == "/people" {
                return people().to_string();
            }
            asked.add_permits(1);
            let _turn = held.acquire().await;
            json!([{"id": 1, "title": "Printer on fire", "open": true}]).to_string()
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let folder = tempfile::tempdir().unwrap();
    let lookup = lookup(folder.path(), &own(&base, "deadline_ms = 60000")).await;
    let mut stream = lookup
        .look_up(&phone(), Home::default())
        .filter(|answer| {
            let is_crm = answer.source != IMPORTED;
            async move { is_crm }
        })
        .boxed();
    let first: Answer = timeout(PATIENCE, stream.next()).await.expect("the contact comes").unwrap();
    assert_eq!((first.contacts[0].name.as_str(), &first.contacts[0].tickets), ("Ada", &None));
    assert!(first.stale && first.lacks.is_empty(), "more comes");
    let _ = timeout(PATIENCE, of_server.acquire()).await.expect("the tickets are asked for").unwrap();
    gate.add_permits(1);
    let last: Answer = timeout(PATIENCE, stream.next()).await.expect("the tickets come").unwrap();
    assert_eq!(last.contacts[0].tickets.as_ref().map(|tickets| tickets.open), Some(1));
    assert!(!last.stale && timeout(PATIENCE, stream.next()).await.unwrap().is_none());
}

#[tokio::test]
async fn dead_tickets_leave_the_contact_and_say_so() {
    let fake =
        fake(vec![("/people", OK, people()), ("/tickets", StatusCode::BAD_GATEWAY, Value::Null)]).await;
    let folder = tempfile::tempdir().unwrap();
    let lookup = lookup(folder.path(), &own(&fake.base, "")).await;
    let answer = answers(&lookup).await.remove("crm").unwrap();
    assert_eq!((answer.contacts[0].name.as_str(), answer.failure), ("Ada", None));
    assert_eq!(answer.lacks, [(About::Tickets, Failure::Status(502))]);
}

#[tokio::test]
async fn further_requests_count_towards_the_budget() {
    let fake = fake(vec![("/people", OK, people()), ("/tickets", OK, json!([]))]).await;
    let folder = tempfile::tempdir().unwrap();
    let lookup = lookup(folder.path(), &own(&fake.base, "requests_per_minute = 1")).await;
    let answer = answers(&lookup).await.remove("crm").unwrap();
    assert_eq!(answer.lacks, [(About::Tickets, Failure::Budget)]);
    assert_eq!(answer.contacts[0].name, "Ada");
    assert_eq!(fake.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn old_answers_are_shown_at_once_while_new_ones_come() {
    let fake =
        fake(vec![("/people", OK, people()), ("/tickets", OK, json!([{"id": 1, "open": true}]))]).await;
    let folder = tempfile::tempdir().unwrap();
    let lookup = lookup(folder.path(), &own(&fake.base, "fresh_s = 0")).await;
    answers(&lookup).await;
    let all: Vec<Answer> =
        timeout(PATIENCE, lookup.look_up(&phone(), Home::default()).collect()).await.unwrap();
    let crm: Vec<&Answer> = all.iter().filter(|answer| answer.source == "crm").collect();
    assert!(crm[0].stale && !crm.last().unwrap().stale, "{crm:?}");
    assert!(crm.iter().all(|answer| answer.contacts[0].tickets.is_some()), "the old tickets, too: {crm:?}");
    assert_eq!(fake.asked.lock().unwrap().len(), 4, "asked anew");
}

#[test]
fn what_is_wrong_with_tickets_and_appointments_is_named() {
    let read = |more: &str| {
        let toml = format!(
            "[[source]]\nname = \"crm\"\nkind = \"http\"\nurl = \"https://crm.example/\"\nitems = \"$\"\nfields = {{}}\n{more}"
        );
        config::read(&toml, Path::new("."), |_| None)
    };
    let wrong =
        read("[source.appointments]\nitems = \"x[\"\nurl = \"http://crm.example/\"\nzone = \"Mars\"\n")
            .unwrap_err();
    for word in ["appointments: x[ is no JSON path", "https://", "Mars is not known", "set at"] {
        assert!(wrong.to_string().contains(word), "{word} is missing in:\n{wrong}");
    }
    let preset = "preset = \"hubspot\"\nsite = \"1\"\ntoken_env = \"T\"\nleave_out = [\"tickets\", \"appointments\"]\n";
    let toml = format!("[[source]]\nname = \"crm\"\nkind = \"http\"\n{preset}");
    let sources = config::read(&toml, Path::new("."), |_| Some("t".into())).unwrap().sources;
    assert!(sources[0].http.tickets.is_none() && sources[0].http.appointments.is_none());
    assert_eq!(Number::read(NUMBER, Home::default()), phone());
}
