//! The page of contacts: a file is dropped, its columns are chosen, and callers have names.

use axum::{
    body::Body,
    http::{Request, Response},
};
use jiff::Timestamp;
use tower::ServiceExt as _;

use super::{
    pages::{App, text},
    ring,
};
use crate::{
    people::{
        contact::Contact,
        number::{Home, Number},
    },
    screen_pop::{
        limits::{CONTACT_LISTS_MAX, KEPT_CONTACTS_SHOWN_MAX, UPLOAD_BYTES_MAX},
        routes::router,
        secrets::digest,
        sight::Person,
        written::Written,
    },
    store::{
        contact_files::{self, ContactFile},
        contacts, kept_contacts,
    },
};

const FILE: &str = "Who;Ring me;City\nAda Example;+1 312 555 0147;Chicago\nBo Sample;front gate;Boston\n";

async fn send(app: &App, method: &str, path: &str, body: impl Into<Body>) -> Response<Body> {
    send_in(app, "en", method, path, body).await
}

async fn send_in(app: &App, lang: &str, method: &str, path: &str, body: impl Into<Body>) -> Response<Body> {
    let form = "application/x-www-form-urlencoded";
    // A browser's form has no origin under our referrer policy.
    let origin = if method == "PUT" { "http://localhost:5000" } else { "null" };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:5000")
        .header("origin", origin)
        .header("accept-language", lang)
        .header("content-type", form);
    router(app.pages.clone()).oneshot(request.body(body.into()).unwrap()).await.unwrap()
}

async fn found(app: &App, number: &str) -> Vec<String> {
    let number = Number::read(number, Home::default());
    let found = contacts::candidates(&app.store.pool, &number).await.unwrap();
    found.into_iter().map(|contact| format!("{} {:?}", contact.name, contact.other)).collect()
}

#[tokio::test]
async fn a_file_is_dropped_mapped_saved_changed_and_taken_away() {
    let app = App::start().await;
    assert_eq!(send(&app, "PUT", "/contacts/file", FILE).await.status(), 204);
    let page = text(send(&app, "GET", "/contacts?file=new&name=friends", Body::empty()).await).await;
    for words in ["Ring me", "+1 312 555 0147", "No column is a phone number yet", "value=\"friends\""] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let columns = "file=new&name=friends&column=name&column=phone&column=";
    let page = text(send(&app, "POST", "/contacts", format!("{columns}&do=check")).await).await;
    for words in ["1 of 2 rows become contacts.", "could be known: 1, in line 3"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(found(&app, "+13125550147").await.is_empty(), "nothing is saved yet");
    let saved = send(&app, "POST", "/contacts", format!("{columns}&do=save")).await;
    assert_eq!(saved.headers()["location"], "/contacts?name=friends&done=true");
    assert_eq!(found(&app, "+13125550147").await, ["Ada Example {\"City\": \"Chicago\"}"]);
    // The choice is kept with the file.
    let page = text(send(&app, "GET", "/contacts?file=saved&name=friends", Body::empty()).await).await;
    assert!(page.contains("<option value=\"phone\" selected>"), "{page}");
    let changed = "file=saved&name=friends&column=name&column=phone&column=nothing&do=save";
    assert_eq!(send(&app, "POST", "/contacts", changed).await.status(), 303);
    assert_eq!(found(&app, "+13125550147").await, ["Ada Example {}"]);
    assert_eq!(send(&app, "POST", "/contacts/remove", "name=friends").await.status(), 303);
    assert!(found(&app, "+13125550147").await.is_empty());
    let page = text(send(&app, "GET", "/contacts", Body::empty()).await).await;
    assert!(page.contains("No contacts yet"), "{page}");
}

#[tokio::test]
async fn a_good_list_is_not_replaced_by_a_wrong_file_unless_an_admin_wants_that() {
    let app = App::start().await;
    let page = async |file: &str, form: &str| {
        assert_eq!(send(&app, "PUT", "/contacts/file", file.to_owned()).await.status(), 204);
        let form = format!("file=new&name=friends&column=name&column=phone&{form}");
        text(send(&app, "POST", "/contacts", form).await).await
    };
    let rows = |count: usize| -> String {
        let row = |n: usize| format!("Ada {n},+1 312 555 01{n:02}\n");
        "Who,Ring me\n".to_owned() + &(0..count).map(row).collect::<String>()
    };
    page(&rows(9), "do=save").await;
    let wrong = page("Who,Ring me\nAda,front gate\n", "do=save").await;
    assert!(wrong.contains("None of the 1 rows can be used, so nothing was changed."), "{wrong}");
    assert!(!wrong.contains("name=\"replace\""), "{wrong}");
    let loses = page(&rows(2), "do=save").await;
    assert!(loses.contains("friends has 9 contacts, and this file only 2"), "{loses}");
    assert!(loses.contains("name=\"replace\" value=\"all\""), "{loses}");
    assert_eq!(contacts::count(&app.store.pool, "friends").await.unwrap(), 9);
    page(&rows(2), "replace=all").await;
    assert_eq!(contacts::count(&app.store.pool, "friends").await.unwrap(), 2);
}

#[tokio::test]
async fn a_list_of_the_command_is_taken_away_on_the_page_and_what_is_set_up_elsewhere_is_not() {
    let app = App::start().await;
    for name in ["customers", "HubSpot"] {
        contacts::Writer::begin(&app.store.pool, name).await.unwrap().finish().await.unwrap();
    }
    let page = text(send(&app, "GET", "/contacts", Body::empty()).await).await;
    assert!(page.contains("Take away customers") && !page.contains("Take away HubSpot"), "{page}");
    for name in ["customers", "HubSpot"] {
        let form = format!("name={name}");
        assert_eq!(send(&app, "POST", "/contacts/remove", form).await.status(), 303);
    }
    let left = contacts::imports(&app.store.pool).await.unwrap();
    assert_eq!(left.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), ["HubSpot"]);
}

#[tokio::test]
async fn the_page_and_what_it_refuses_speak_the_language_of_the_admin() {
    let app = App::start().await;
    let pt = async |method: &str, path: &str, body: &str| {
        text(send_in(&app, "pt-BR", method, path, body.to_owned()).await).await
    };
    let page = pt("GET", "/contacts", "").await;
    for words in ["<html lang=\"pt-BR\">", "Solte aqui um arquivo CSV", "Até 128 MiB", "Nenhum contato ainda"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(pt("PUT", "/contacts/file", "PK\u{3}\u{4}xl/").await.contains("Salve-a como CSV"));
    let mut rows = "Who;Ring me;\n".to_owned();
    (0..1200).for_each(|n| rows.push_str(&format!("Ada {n};+1 312 555 01{:02};x\n", n % 100)));
    rows.push_str("Bo;front gate;x\nCy;x;x\n");
    assert_eq!(send_in(&app, "pt-BR", "PUT", "/contacts/file", rows).await.status(), 204);
    let page = pt("GET", "/contacts?file=new&name=amigos", "").await;
    for words in [
        "Coluna 3",
        "Número de telefone",
        "1.200 de 1.202 linhas viram contatos.",
        "2, a partir da linha 1.202",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let columns = "file=new&column=name&column=&column=";
    assert!(pt("POST", "/contacts", columns).await.contains("Nenhuma coluna é um número de telefone ainda"));
    let columns = "file=new&name=amigos&column=name&column=phone&column=&do=save";
    assert_eq!(send_in(&app, "pt", "POST", "/contacts", columns).await.status(), 303);
    let page = pt("GET", "/contacts?name=amigos&done=true", "").await;
    for words in ["amigos está em uso.", "1.200 contatos, adicionados em ", "Remover amigos?"] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[tokio::test]
async fn wrong_files_names_and_people_are_refused() {
    let app = App::start().await;
    let refused = send(&app, "PUT", "/contacts/file", "PK\u{3}\u{4}xl/").await;
    assert_eq!(refused.status(), 415);
    assert!(text(refused).await.contains("Save it as CSV"));
    let page = text(send(&app, "GET", "/contacts?file=new&name=a", Body::empty()).await).await;
    assert!(page.contains("Drop it again"), "{page}");
    let long = "x".repeat(UPLOAD_BYTES_MAX + 1);
    assert_eq!(send(&app, "PUT", "/contacts/file", long).await.status(), 413);
    assert_eq!(send(&app, "PUT", "/contacts/file", FILE).await.status(), 204);
    for (name, words) in
        [("HubSpot", "another source"), ("", "Give the list a name"), ("by%20hand", "another source")]
    {
        let form = format!("file=new&name={name}&column=name&column=phone&column=&do=save");
        let answer = send(&app, "POST", "/contacts", form).await;
        assert_eq!(answer.status(), 422);
        assert!(text(answer).await.contains(words), "{name}");
    }
    let agent = Person { id: "agent@example.com".into(), member: true, ..Person::default() };
    let closed = App::closed(std::slice::from_ref(&agent)).await;
    assert_eq!(send(&closed, "PUT", "/contacts/file", FILE).await.status(), 401);
    let cookie = format!("callfeed_session_5000={}", agent.id);
    for (method, path) in [
        ("GET", "/contacts"),
        ("GET", "/contacts/kept"),
        ("POST", "/contacts/kept"),
        ("POST", "/contacts/kept/remove"),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost:5000")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", &cookie);
        let form = format!("contact=1001&proof={}", digest("proof", &agent.id));
        let body = Body::from(if method == "POST" { form } else { String::new() });
        let answer = router(closed.pages.clone()).oneshot(request.body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 403, "{method} {path}");
    }
}

#[tokio::test]
async fn with_as_many_lists_as_there_may_be_one_has_to_be_taken_away_first() {
    let app = App::start().await;
    let list = |n: usize| ContactFile { name: format!("list {n}"), columns: Vec::new() };
    for n in 0..CONTACT_LISTS_MAX {
        contact_files::save(&app.store.pool, &list(n), "", Timestamp::now()).await.unwrap();
    }
    let save = async |name: &str| {
        assert_eq!(send(&app, "PUT", "/contacts/file", FILE).await.status(), 204);
        let form = format!("file=new&name={name}&column=name&column=phone&column=&do=save");
        send(&app, "POST", "/contacts", form).await
    };
    let refused = save("friends").await;
    assert_eq!(refused.status(), 422);
    let words = format!("There are {CONTACT_LISTS_MAX} lists already. Take one away first.");
    assert!(text(refused).await.contains(&words));
    assert!(found(&app, "+13125550147").await.is_empty());
    assert_eq!(save("list%200").await.status(), 303, "one that is there is replaced");
    assert_eq!(send(&app, "POST", "/contacts/remove", "name=list+1").await.status(), 303);
    assert_eq!(save("friends").await.status(), 303);
}

#[tokio::test]
async fn contacts_are_changed_from_this_page_alone() {
    let admin = Person { id: "admin@example.com".into(), admin: true, member: true, ..Person::default() };
    let app = App::closed(std::slice::from_ref(&admin)).await;
    let proof = digest("proof", &admin.id);
    let ask = async |method: &str, path: &str, origin: &str, proof: &str, body: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost:5000")
            .header("origin", origin)
            .header("x-callfeed-proof", proof)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", format!("callfeed_session_5000={}", admin.id));
        let request = request.body(Body::from(body.to_owned())).unwrap();
        router(app.pages.clone()).oneshot(request).await.unwrap().status().as_u16()
    };
    let own = "http://localhost:5000";
    assert_eq!(ask("PUT", "/contacts/file", "http://evil.example", &proof, FILE).await, 403, "forged origin");
    assert_eq!(ask("PUT", "/contacts/file", own, "guessed", FILE).await, 403, "no proof");
    assert_eq!(ask("PUT", "/contacts/file", own, &proof, FILE).await, 204);
    for path in ["/contacts", "/contacts/remove", "/contacts/kept", "/contacts/kept/remove"] {
        // The proof of a form stands in the form.
        assert_eq!(ask("POST", path, "null", &proof, "name=a&proof=guessed").await, 403, "{path}");
    }
    let form = format!("name=a&proof={proof}");
    assert_eq!(ask("POST", "/contacts/remove", "null", "", &form).await, 303);
}

async fn keep(app: &App, call: &str, number: &str, name: &str) {
    app.desk.take(&ring(call, "2026-02-03T17:00:00Z", "", number)).await;
    let written = Written { name: name.into(), ..Written::default() };
    app.pages.callers.add(call, &written).await.unwrap();
}

#[tokio::test]
async fn a_contact_that_was_kept_on_a_card_is_amended_and_taken_away() {
    let app = App::start().await;
    assert!(app.text("/contacts/kept").await.contains("No contacts kept yet"));
    keep(&app, "a", "+13125550147", "Ada Exampel").await;
    keep(&app, "b", "+13125550148", "Bo Sample").await;
    assert!(app.text("/contacts").await.contains("href=\"/contacts/kept\""));
    let page = app.text("/contacts/kept").await;
    assert!(page.find("Bo Sample") < page.find("Ada Exampel"), "the newest first: {page}");
    for (words, there) in [("exampel", true), ("(312) 555-0147", true), ("sample", false), ("0148", false)] {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", words).finish();
        let page = app.text(&format!("/contacts/kept?{query}")).await;
        assert_eq!(page.contains("Ada Exampel"), there, "{words}: {page}");
    }
    let amend = async |form: &str| {
        let answer =
            send(&app, "POST", "/contacts/kept", format!("contact=%2B13125550147&q=ada&{form}")).await;
        (answer.status().as_u16(), answer.headers().get("location").cloned(), text(answer).await)
    };
    for (form, words) in [
        ("name=+&number=%2B13125550147", "Write a name."),
        ("name=Ada&number=front+gate", "No caller can be known by front gate."),
        ("name=Ada&number=", "No caller can be known by"),
        ("name=Ada+Exam&number=%2B13125550148", "Another contact is kept with the number"),
    ] {
        let (status, _, page) = amend(form).await;
        assert!(
            status == 422 && page.contains(words) && page.contains("<details class=\"amend\" open>"),
            "{page}"
        );
    }
    let (status, location, _) = amend("name=Ada+Example&company=Acme&notes=&number=312+555+0147").await;
    assert_eq!((status, location.unwrap().to_str().unwrap()), (303, "/contacts/kept?q=ada&done=kept"));
    assert_eq!(found(&app, "+13125550147").await, ["Ada Example {}"]);
    assert!(app.text("/").await.contains("Ada Example is calling"), "on the card too");
    // With another number she is known by that, and nobody by the former.
    assert_eq!(amend("name=Ada+Example&number=%2B13125550149").await.0, 303);
    assert!(found(&app, "+13125550147").await.is_empty());
    assert_eq!(found(&app, "+13125550149").await, ["Ada Example {}"]);
    let former = Number::read("+13125550147", Home::default());
    assert_eq!(contacts::picked(&app.store.pool, &former).await.unwrap(), None);
    assert!(!app.text("/").await.contains("Ada Example is calling"));
    assert!(amend("name=Ada&number=1001").await.2.contains("not there any more"));
    for contact in ["%2B13125550149", "%2B13125550148"] {
        let form = format!("contact={contact}");
        assert_eq!(send(&app, "POST", "/contacts/kept/remove", form).await.status(), 303);
    }
    assert!(found(&app, "+13125550149").await.is_empty());
    assert!(app.text("/").await.contains("New contact for"));
    assert!(app.text("/contacts").await.contains("No contacts yet"), "an empty list is none");
}

#[tokio::test]
async fn what_somebody_amended_meanwhile_is_told_before_it_is_written_over() {
    let app = App::start().await;
    keep(&app, "a", "+13125550147", "Ada Example").await;
    let was = |page: &str| {
        let (_, rest) = page.split_once("name=\"was\" value=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let amend = async |was: &str, form: &str| {
        let form = format!("contact=%2B13125550147&q=ada&number=%2B13125550147&was={was}&{form}");
        let answer = send(&app, "POST", "/contacts/kept", form).await;
        (answer.status().as_u16(), text(answer).await)
    };
    let first = was(&app.text("/contacts/kept?q=ada").await);
    assert_eq!(amend(&first, "name=Eve+Example&company=Acme").await.0, 303);
    // The same page in another tab, which does not know of the company and the name yet.
    let (status, page) = amend(&first, "name=Ada+Example&notes=Prefers+mornings").await;
    assert!(status == 422 && page.contains("This contact was amended meanwhile"), "{page}");
    assert!(page.contains("<bdi>Acme · (312) 555-0147</bdi>"), "as it is now: {page}");
    assert!(page.contains("<details class=\"amend\" open>"), "{page}");
    assert!(page.contains("name=\"notes\" value=\"Prefers mornings\""), "what was written: {page}");
    assert_eq!(found(&app, "+13125550147").await, ["Eve Example {}"]);
    assert_eq!(amend(&was(&page), "name=Ada+Example&notes=Prefers+mornings").await.0, 303);
    let page = app.text("/contacts/kept?q=mornings").await;
    assert!(page.contains("<bdi>(312) 555-0147 · Prefers mornings</bdi>"), "found by notes: {page}");
}

#[tokio::test]
async fn of_many_contacts_that_were_kept_the_newest_are_shown_and_a_search_finds_the_others() {
    let app = App::start().await;
    for n in 0..=KEPT_CONTACTS_SHOWN_MAX {
        let number = Number::read(&format!("+1312555{:04}", 100 + n), Home::default());
        let key = number.key().unwrap().to_owned();
        let contact = Contact { reference: key.clone(), name: format!("Ada {n}."), ..Contact::default() };
        let new = contacts::NewContact::new(contact, vec![(key, number)]);
        kept_contacts::add(&app.store.pool, new, Timestamp::now()).await.unwrap();
    }
    let (all, page) = (
        |page: &str| page.matches("<details class=\"amend\"").count(),
        async |query: &str| {
            text(send(&app, "GET", &format!("/contacts/kept{query}"), Body::empty()).await).await
        },
    );
    let first = page("").await;
    assert_eq!(all(&first), KEPT_CONTACTS_SHOWN_MAX);
    assert!(first.contains("These are the newest 100.") && !first.contains("Ada 0."), "{first}");
    let oldest = page("?q=Ada+0.").await;
    assert!(all(&oldest) == 1 && oldest.contains("Ada 0.") && !oldest.contains("the newest 100"), "{oldest}");
}
