//! The page of contacts: a file is dropped, its columns are chosen, and callers have names.

use axum::{
    body::Body,
    http::{Request, Response},
};
use jiff::Timestamp;
use tower::ServiceExt as _;

use super::pages::{App, text};
use crate::{
    people::number::{Home, Number},
    screen_pop::{
        limits::{CONTACT_LISTS_MAX, UPLOAD_BYTES_MAX},
        routes::router,
        secrets::digest,
        sight::Person,
    },
    store::{
        contact_files::{self, ContactFile},
        contacts,
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
    let request = Request::get("/contacts").header("host", "localhost:5000").header("cookie", cookie);
    let answer = router(closed.pages.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 403);
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
    for path in ["/contacts", "/contacts/remove"] {
        // The proof of a form stands in the form.
        assert_eq!(ask("POST", path, "null", &proof, "name=a&proof=guessed").await, 403, "{path}");
    }
    let form = format!("name=a&proof={proof}");
    assert_eq!(ask("POST", "/contacts/remove", "null", "", &form).await, 303);
}
