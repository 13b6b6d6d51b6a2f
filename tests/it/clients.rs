//! The client portal (spec/oauth.md, OAuth client portal): make, change, new secrets, delete; for the owner alone.

use crate::harness::person::query;
use crate::harness::portal::{CLIENTS, Client, Portal, TOKENS, fact, form_for};
use crate::harness::{Answer, Browser, Person, Platform, REPORTS_REDIRECT, SCOPES, html};

const CODE: [&str; 2] = ["authorization_code", "refresh_token"];

fn authorize_url(platform: &Platform, client: &Client, scope: &str) -> String {
    let url = platform.authorize_url(REPORTS_REDIRECT, scope, "s").to_string();
    url.replace(platform.setting("OAUTH_CLIENT_ID"), &client.id)
}

/// The whole code flow of this client.
async fn tokens(platform: &Platform, person: &Person, client: &Client, scope: &str) -> Answer {
    let landed = person.elsewhere().sign_in(&authorize_url(platform, client, scope)).await;
    let code = query(&landed, "code").unwrap_or_else(|| panic!("no code: {landed}"));
    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REPORTS_REDIRECT)];
    platform.token_as(&client.id, Some(&client.secret), &form).await
}

#[tokio::test]
async fn a_client_is_made_shown_once_and_works() {
    let platform = Platform::start().await;
    let person = Person::member(&platform);
    let portal = Portal::open(&platform, &person).await;
    assert!(html::text(&portal.get(CLIENTS).await.is(200).text).contains("No client yet"));
    let client = portal.new_client(SCOPES, &CODE).await;
    assert!(client.id.parse::<uuid::Uuid>().is_ok(), "{}", client.id);
    for path in [CLIENTS.to_owned(), format!("/clients/{}", client.id)] {
        let page = portal.get(&path).await.is(200);
        assert!(page.text.contains(&client.id), "the ID can always be seen");
        assert!(!page.text.contains(&client.secret), "the secret is shown once");
    }
    tokens(&platform, &person, &client, SCOPES).await.is(200);
}

#[tokio::test]
async fn a_form_that_is_sent_twice_makes_one_client() {
    let platform = Platform::start().await;
    let portal = Portal::open(&platform, &Person::member(&platform)).await;
    let form = form_for(&portal.get("/clients/new").await.is(200), CLIENTS);
    let hidden = form.controls.iter().filter(|control| control.kind == "hidden");
    let mut fields: Vec<(&str, &str)> =
        hidden.map(|control| (control.name.as_str(), control.value.as_str())).collect();
    fields.extend([("name", "Twice"), ("redirect_uris", REPORTS_REDIRECT)]);
    fields.extend([("product", "Calls"), ("grant", "authorization_code")]);
    let first = portal.post(CLIENTS, &fields).await.is(200);
    let id = fact(&first, "Client ID");
    let again = portal.post(CLIENTS, &fields).await.is(303);
    assert_eq!(again.header("location"), format!("/clients/{id}"));
    assert_eq!(portal.get(CLIENTS).await.text.matches("href=\"/clients/").count(), 2, "this one, and New");
}

#[tokio::test]
async fn mistakes_stand_beside_their_fields_and_nothing_typed_is_lost() {
    let platform = Platform::start().await;
    let portal = Portal::open(&platform, &Person::member(&platform)).await;
    let fields = [
        ("name", ""),
        ("description", "Shows <calls> & more"),
        ("redirect_uris", "https://example.com/a\r\nhttp://example.com/b"),
        ("scope", "cr.v1.read"),
        ("grant", "refresh_token"),
    ];
    let page = portal.send("/clients/new", CLIENTS, &fields).await.is(400);
    for mistake in ["name-error", "uris-error", "grants-error"] {
        assert!(page.text.contains(&format!("id=\"{mistake}\"")), "{mistake}: {}", page.text);
    }
    assert!(!page.text.contains("scopes-error") && !page.text.contains("description-error"));
    assert!(html::text(&page.text).contains("http is for 127.0.0.1, [::1] and localhost only"));
    assert!(html::text(&page.text).contains("https://example.com/a\nhttp://example.com/b"));
    let form = form_for(&page, CLIENTS);
    assert!(form.controls.iter().any(|control| control.value == "Shows <calls> & more"));
    assert!(
        page.text.contains(r#"value="cr.v1.read" checked"#)
            && page.text.contains(r#"value="refresh_token" checked"#)
    );
    // Mended, the same page makes the client.
    let proof = form.controls.iter().find(|control| control.name == "proof").unwrap().value.clone();
    let id = form.controls.iter().find(|control| control.name == "id").unwrap().value.clone();
    let mended = [
        ("proof", proof.as_str()),
        ("id", &id),
        ("name", "Mended"),
        ("redirect_uris", "https://example.com/a"),
        ("scope", "cr.v1.read"),
        ("grant", "authorization_code"),
    ];
    assert_eq!(fact(&portal.post(CLIENTS, &mended).await.is(200), "Client ID"), id);
}

#[tokio::test]
async fn changes_hold_at_once_and_wider_scopes_ask_for_consent_again() {
    let platform = Platform::start().await;
    let person = Person::member(&platform);
    let portal = Portal::open(&platform, &person).await;
    let client = portal.new_client("cr.v1.read", &CODE).await;
    let narrow = tokens(&platform, &person, &client, SCOPES).await.is(200);
    assert_eq!(narrow.text_of("/scope"), "cr.v1.read", "what the client lacks is not granted");

    let page = format!("/clients/{}", client.id);
    let mut fields = vec![("name", "Wider"), ("redirect_uris", REPORTS_REDIRECT)];
    fields.extend(SCOPES.split(' ').map(|scope| ("scope", scope)));
    fields.extend(CODE.map(|grant| ("grant", grant)));
    let saved = portal.send(&page, &page, &fields).await.is(303);
    assert!(portal.get(saved.header("location")).await.is(200).text.contains("Saved."));
    let person = person.elsewhere();
    let login = person.open(&authorize_url(&platform, &client, SCOPES)).await.page();
    let consent = person.log_in(&login).await.page();
    assert!(consent.text().contains("Allow Wider?"), "{}", consent.text());
    person.submit(&consent, &[], Some("Allow")).await.elsewhere();

    // Taken away again, a refresh brings the scope no more.
    let wide = tokens(&platform, &person, &client, SCOPES).await.is(200).text_of("/refresh_token");
    let mut fields = vec![("name", "Narrow"), ("redirect_uris", REPORTS_REDIRECT), ("scope", "cr.v1.read")];
    fields.extend(CODE.map(|grant| ("grant", grant)));
    portal.send(&page, &page, &fields).await.is(303);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", wide.as_str())];
    let answer = platform.token_as(&client.id, Some(&client.secret), &refresh).await.is(200);
    assert_eq!(answer.text_of("/scope"), "cr.v1.read");
}

#[tokio::test]
async fn a_replaced_secret_works_until_it_is_ended() {
    let platform = Platform::start().await;
    let person = Person::member(&platform);
    let portal = Portal::open(&platform, &person).await;
    let client = portal.new_client(SCOPES, &CODE).await;
    let page = format!("/clients/{}", client.id);
    let rotated = portal.send(&page, &format!("{page}/secret"), &[]).await.is(200);
    let secret = fact(&rotated, "Client secret");
    assert_ne!(secret, client.secret);
    let newer = Client { id: client.id.clone(), secret };
    for client in [&client, &newer] {
        tokens(&platform, &person, client, SCOPES).await.is(200);
    }
    let shown = portal.get(&page).await.is(200);
    assert!(!shown.text.contains(&newer.secret) && html::text(&shown.text).contains("still works until"));

    let ended = portal.send(&page, &format!("{page}/old-secrets"), &[]).await.is(303);
    assert!(!portal.get(ended.header("location")).await.is(200).text.contains("still works until"));
    let refused = tokens(&platform, &person, &client, SCOPES).await.is(401);
    assert_eq!(refused.text_of("/error"), "invalid_client");
    tokens(&platform, &person, &newer, SCOPES).await.is(200);
}

#[tokio::test]
async fn a_deleted_client_takes_its_tokens_with_it() {
    let platform = Platform::start().await;
    let person = Person::member(&platform);
    let portal = Portal::open(&platform, &person).await;
    let client = portal.new_client(SCOPES, &CODE).await;
    let token = tokens(&platform, &person, &client, SCOPES).await.is(200).text_of("/access_token");
    let page = format!("/clients/{}/delete", client.id);
    assert!(html::text(&portal.get(&page).await.is(200).text).contains("cannot be undone"));
    portal.send(&page, &page, &[]).await.is(303);
    platform
        .with_token(&token)
        .get("/notification-channel/v1/channels")
        .await
        .error(401, "AUTHN_INVALID_TOKEN");
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    platform.token_as(&client.id, Some(&client.secret), &form).await.is(401);
    portal.get(&format!("/clients/{}", client.id)).await.is(404);
}

#[tokio::test]
async fn only_the_owner_sees_and_manages_a_client() {
    let platform = Platform::start().await;
    let portal = Portal::open(&platform, &Person::member(&platform)).await;
    let client = portal.new_client(SCOPES, &CODE).await;
    let own_page = format!("/clients/{}", client.id);
    // Not even the super admin.
    let other = Portal::open(&platform, &Person::admin(&platform)).await;
    let list = other.get(CLIENTS).await.is(200);
    assert!(!list.text.contains(&client.id) && list.text.contains(platform.setting("OAUTH_CLIENT_ID")));
    let proof = form_for(&other.get(CLIENTS).await, "/clients/sign-out").controls[0].value.clone();
    for path in ["", "/delete"].map(|end| format!("{own_page}{end}")) {
        other.get(&path).await.is(404);
    }
    for path in ["", "/secret", "/old-secrets", "/delete"].map(|end| format!("{own_page}{end}")) {
        other.post(&path, &[("proof", &proof), ("name", "Mine now")]).await.is(404);
    }
    portal.get(&own_page).await.is(200);
    Portal::closed(&platform).get(&own_page).await.is(302);
}

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_login_and_back() {
    let platform = Platform::start().await;
    let person = Person::member(&platform);
    for page in [CLIENTS, "/clients/new", TOKENS] {
        let portal = Portal::closed(&platform);
        let answer = portal.get(page).await.is(302);
        let login = answer.header("location").to_owned();
        assert!(login.starts_with("/login?service="), "{login}");
        assert!(portal.get(&login).await.is(200).text.contains("developer portal"));
        assert_eq!(portal.log_in(&person, page, &[]).await.is(303).header("location"), page);
        portal.get(page).await.is(200);
        portal.send(page, "/clients/sign-out", &[]).await.is(303);
        portal.get(page).await.is(302);
    }
    let portal = Portal::closed(&platform);
    portal.post(CLIENTS, &[("name", "x")]).await.is(302);
    let wrong = Person::new(&person.email, "wrong");
    let again = portal.log_in(&wrong, CLIENTS, &[]).await.is(401);
    assert!(html::text(&again.text).contains("do not belong together"));
}

#[tokio::test]
async fn a_personal_access_token_is_shown_once_exchanged_and_revoked() {
    let platform = Platform::start().await;
    let person = Person::member(&platform);
    let portal = Portal::open(&platform, &person).await;
    let pat = portal.new_token("Nightly report", SCOPES).await;
    let list = portal.get(TOKENS).await.is(200);
    assert!(list.text.contains("Nightly report") && !list.text.contains(&pat));
    assert!(html::text(&list.text).contains("never used"));

    let form = [("grant_type", "personal_access_token"), ("pat", pat.as_str())];
    let answer = platform.token(&form).await.is(200);
    let token = answer.json();
    let mut members: Vec<&str> = token.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["access_token", "expires_in", "loa", "principal", "scope", "token_type"]);
    assert_eq!((&token["loa"], &token["principal"]), (&3.into(), &person.email.as_str().into()));
    let session = platform.with_token(token["access_token"].as_str().unwrap());
    session.get("/notification-channel/v1/channels").await.is(200);
    // It is exchanged, never sent to the APIs directly.
    platform
        .with_token(&pat)
        .get("/notification-channel/v1/channels")
        .await
        .error(401, "AUTHN_INVALID_TOKEN");

    let page = portal.get(TOKENS).await.is(200);
    assert!(html::text(&page.text).contains("last used"));
    let revoke = html::forms(&page.text).into_iter().find(|form| form.action.ends_with("/revoke")).unwrap();
    portal.send(TOKENS, &revoke.action, &[]).await.is(303);
    assert_eq!(platform.token(&form).await.is(400).text_of("/error"), "invalid_grant");
    session.get("/notification-channel/v1/channels").await.error(401, "AUTHN_INVALID_TOKEN");
}

#[tokio::test]
async fn a_token_from_a_personal_access_token_cannot_call_the_admin_api() {
    let platform = Platform::start().await;
    let person = Person::admin(&platform);
    let pat = Portal::open(&platform, &person).await.new_token("Everything", "identity:").await;
    let form = [("grant_type", "personal_access_token"), ("pat", pat.as_str())];
    let token = platform.token(&form).await.is(200).text_of("/access_token");
    platform.with_token(&token).get("/admin/rest/v1/me").await.error(401, "not.authenticated");
    person.grant(&platform, "identity:").await.session.get("/admin/rest/v1/me").await.is(200);
}

#[tokio::test]
async fn a_personal_access_token_reaches_no_further_than_its_client_and_its_scopes() {
    let platform = Platform::start().await;
    let person = Person::member(&platform);
    let portal = Portal::open(&platform, &person).await;
    let pat = portal.new_token("One scope", "cr.v1.read users.v1.read").await;
    let narrow = portal.new_client("cr.v1.read", &["personal_access_token"]).await;
    let form = [("grant_type", "personal_access_token"), ("pat", pat.as_str())];
    let answer = platform.token_as(&narrow.id, Some(&narrow.secret), &form).await.is(200);
    assert_eq!(answer.text_of("/scope"), "cr.v1.read");
    let none = portal.new_client("fax.v1.read", &["personal_access_token"]).await;
    let answer = platform.token_as(&none.id, Some(&none.secret), &form).await.is(400);
    assert_eq!(answer.text_of("/error"), "invalid_scope");
    assert_eq!(platform.token(&[form[0]]).await.is(400).text_of("/error"), "invalid_request");
    // Another person cannot revoke it.
    let list = portal.get(TOKENS).await.is(200);
    let revoke = html::forms(&list.text).into_iter().find(|form| form.action.ends_with("/revoke")).unwrap();
    let other = Portal::open(&platform, &Person::admin(&platform)).await;
    let proof = form_for(&other.get(TOKENS).await, "/clients/sign-out").controls[0].value.clone();
    other.post(&revoke.action, &[("proof", &proof)]).await.is(404);
    platform.token(&form).await.is(200);
}

#[tokio::test]
async fn a_grant_that_the_client_lacks_is_unauthorized() {
    let platform = Platform::start().await;
    let person = Person::member(&platform);
    let portal = Portal::open(&platform, &person).await;
    let only_code = portal.new_client(SCOPES, &["authorization_code"]).await;
    let granted = tokens(&platform, &person, &only_code, SCOPES).await.is(200).json();
    assert_eq!(granted.get("refresh_token"), None, "{granted}");
    let only_pat = portal.new_client(SCOPES, &["personal_access_token"]).await;
    let cases = [
        (&only_code, "refresh_token"),
        (&only_code, "personal_access_token"),
        (&only_pat, "authorization_code"),
    ];
    for (client, grant_type) in cases {
        let answer = platform.token_as(&client.id, Some(&client.secret), &[("grant_type", grant_type)]).await;
        let error = answer.is(401).json();
        assert_eq!(error["error"], "unauthorized_client", "{grant_type}");
        assert_eq!(error["error_description"], "Unauthorized grant type", "{grant_type}");
    }
    let url = authorize_url(&platform, &only_pat, SCOPES);
    let landed = person.elsewhere().sign_in(&url).await;
    assert_eq!(query(&landed, "error").as_deref(), Some("unauthorized_client"));
}

#[tokio::test]
async fn the_implicit_flow_answers_in_the_fragment_of_a_client_that_may_use_it() {
    let platform = Platform::start().await;
    let person = Person::member(&platform);
    let portal = Portal::open(&platform, &person).await;
    let client = portal.new_client("cr.v1.read", &["implicit"]).await;
    let url = authorize_url(&platform, &client, "cr.v1.read").replace("=code", "=token");
    let landed = person.elsewhere().sign_in(&url).await;
    assert_eq!(landed.query(), None, "{landed}");
    let fragment = url::Url::parse(&format!("x:/?{}", landed.fragment().unwrap())).unwrap();
    let names: Vec<String> = fragment.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["access_token", "token_type", "expires_in", "principal", "scope", "state"]);
    assert_eq!(query(&fragment, "principal").as_deref(), Some(person.email.as_str()));
    let token = query(&fragment, "access_token").unwrap();
    platform.with_token(&token).get("/notification-channel/v1/channels").await.is(200);
    // A declined consent stands in the fragment too.
    let admin = Person::admin(&platform);
    let login = admin.open(&url).await.page();
    let consent = admin.log_in(&login).await.page();
    let landed = admin.submit(&consent, &[], Some("Deny")).await.elsewhere();
    assert!(landed.fragment().is_some_and(|text| text.contains("error=access_denied")), "{landed}");
}

/// In a real browser, under the pages' own Content-Security-Policy.
#[tokio::test]
async fn a_person_makes_a_client_in_a_browser() {
    let platform = Platform::start().await;
    let person = Person::member(&platform);
    let browser = Browser::start().await;
    browser.open(&format!("{}{CLIENTS}", platform.base)).await;
    browser.type_into("#email", &person.email).await;
    browser.type_into("#password", &person.password).await;
    browser.press("Sign in").await;
    browser.sees(&["No client yet"]).await;
    browser.press("New client").await;
    browser.type_into("#name", "Reception board").await;
    browser.press("Make the client").await;
    browser.sees(&["Nothing was saved yet", "Choose at least one"]).await;
    browser.type_into("#redirect_uris", REPORTS_REDIRECT).await;
    for css in ["details summary", "input[name=product]"] {
        let element = browser.page.find(fantoccini::Locator::Css(css)).await.expect("the first product");
        element.click().await.expect("it can be pressed");
    }
    browser.press("Make the client").await;
    browser.sees(&["Your client is ready", "shown this once"]).await;
    // Without the tick the browser stays.
    browser.press("Done").await;
    browser.sees(&["Your client is ready"]).await;
    let tick = browser.page.find(fantoccini::Locator::Css("input[type=checkbox]")).await.expect("the tick");
    tick.click().await.expect("it can be pressed");
    browser.press("Done").await;
    browser.sees(&["Reception board", "Make a new secret", "12 of 12"]).await;
    browser.press("Delete this client").await;
    browser.press("Delete").await;
    browser.sees(&["The client is deleted", "No client yet"]).await;
    browser.press("Sign out").await;
    browser.sees(&["to continue to the developer portal"]).await;
    let complaints = browser.complaints(&[&platform.base]).await;
    // The browser itself says so of the form that was refused with 400.
    let severe = complaints.iter().filter(|text| !text.contains("status of 400"));
    assert_eq!(severe.collect::<Vec<_>>(), Vec::<&String>::new());
    browser.close().await;
}
