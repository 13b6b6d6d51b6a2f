//! The screen pop in a real browser: login and consent by mouse and keyboard, the card while it rings, and after.

use fantoccini::Locator;

use crate::harness::calls::{first_space, play};
use crate::harness::{App, Browser, LATER, Person, Platform, SCOPES, SOON, Session, apps, eventually, ports};

const CARD: &str = "[data-call]";

async fn admin(platform: &Platform) -> Session {
    Person::admin(platform).grant(platform, SCOPES).await.session
}

/// Signed in beforehand, on a port of its own; waits until the app hears calls.
async fn signed_in(platform: &Platform, session: &Session) -> (App, String) {
    let state = platform.folder("screen-pop");
    apps::log_in(platform, &state).await;
    let listen = format!("localhost:{}", ports::free());
    let app = apps::start(platform, "screen-pop", &state, &["--listen", &listen]);
    listening(session).await;
    (app, format!("http://{listen}"))
}

async fn listening(session: &Session) {
    eventually("the screen pop listens", SOON, async || {
        let channels = session.get("/notification-channel/v1/channels").await.is(200).json();
        let connected =
            channels["items"].as_array()?.iter().any(|item| item["channelData"]["isConnected"] == true);
        connected.then_some(())
    })
    .await;
}

/// The `data-phase` of the card of a call.
async fn phase(browser: &Browser, space: &str, wanted: &str) {
    let css = format!("[data-call='{space}'][data-phase='{wanted}']");
    let found = browser.page.wait().at_most(SOON).for_element(Locator::Css(&css)).await;
    if found.is_err() {
        panic!("the call does not become {wanted}; the page shows:\n{}", browser.text().await);
    }
}

#[tokio::test]
async fn a_person_signs_in_and_sees_who_calls() {
    let platform = Platform::start().await;
    let _port = ports::reserve(apps::SCREEN_POP_PORT).await;
    let state = platform.folder("screen-pop");
    let app = apps::start(&platform, "screen-pop", &state, &[]);
    let address = apps::login_address(&app).await;
    let browser = Browser::start().await;
    browser.open(&address).await;
    browser.type_into("input[type=email]", platform.setting("CALLFEED_USER")).await;
    browser.type_into("input[type=password]", platform.setting("CALLFEED_PASSWORD")).await;
    browser.press("Sign in").await;
    browser.press("Allow").await;
    browser.sees(&["No calls now"]).await;
    let url = browser.page.current_url().await.unwrap();
    assert_eq!(url.as_str(), "http://localhost:5000/", "the code is gone from the address bar");
    browser.sees(&["Live"]).await;

    let flags = ["--from", "+13125550147", "--from-name", "Ada Example", "--to", "1001"];
    let mut call = platform.call("answered", &flags);
    let space = first_space(&call).await;
    phase(&browser, &space, "ringing").await;
    browser.sees(&["Ringing", "Ada Example", "(312) 555-0147"]).await;
    phase(&browser, &space, "answered").await;
    browser.sees(&["Ada Example", "1001"]).await;
    phase(&browser, &space, "ended").await;
    assert_eq!(call.exit(LATER).await, Some(0));

    let missed = play(&platform, "missed", &["--speed", "4", "--from", "+13125550147"]).await;
    phase(&browser, &missed, "missed").await;
    let cards = browser.page.find_all(Locator::Css(CARD)).await.unwrap();
    assert_eq!(cards[0].attr("data-call").await.unwrap().as_deref(), Some(missed.as_str()), "newest first");
    browser.page.refresh().await.unwrap();
    phase(&browser, &missed, "missed").await;
    phase(&browser, &space, "ended").await;
    assert_eq!(browser.page.find_all(Locator::Css(CARD)).await.unwrap().len(), 2, "a reload keeps the truth");

    let origins = ["http://localhost:5000", &platform.base];
    assert_eq!(browser.complaints(&origins).await, Vec::<String>::new());
    browser.close().await;
    app.stop().await;
    let left = admin(&platform).await.get("/notification-channel/v1/channels").await.is(200).json();
    assert_eq!(left["items"], serde_json::json!([]), "the app took its channel away");
}

#[tokio::test]
async fn markup_in_the_callers_name_is_shown_as_text() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let (app, page) = signed_in(&platform, &session).await;
    let browser = Browser::start().await;
    browser.sign_in_at_desk(&page, &Person::admin(&platform)).await;
    let name = "<img src=x onerror=\"document.title='hacked'\"><b>Bold</b>";
    let space = play(&platform, "missed", &["--speed", "4", "--from-name", name]).await;
    phase(&browser, &space, "missed").await;
    browser.sees(&[name]).await;
    assert_eq!(browser.page.find_all(Locator::Css("main img, main b")).await.unwrap().len(), 0);
    browser.page.refresh().await.unwrap();
    browser.sees(&[name]).await;
    let title = browser.page.title().await.unwrap();
    assert!(!title.contains("hacked"), "{title}");
    assert_eq!(browser.complaints(&[&page, &platform.base]).await, Vec::<String>::new());
    browser.close().await;
    app.stop().await;
}

#[tokio::test]
async fn a_page_follows_a_ring_group_and_a_menu_and_an_anonymous_caller() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let (app, page) = signed_in(&platform, &session).await;
    let browser = Browser::start().await;
    browser.sign_in_at_desk(&page, &Person::admin(&platform)).await;
    for scenario in ["ring-group", "dial-plan"] {
        let space = play(&platform, scenario, &["--speed", "4"]).await;
        phase(&browser, &space, "ended").await;
    }
    let flags = ["--speed", "4", "--from", "Anonymous", "--from-name", ""];
    let space = play(&platform, "missed", &flags).await;
    phase(&browser, &space, "missed").await;
    browser.sees(&["Anonymous"]).await;
    for scenario in ["outbound", "internal"] {
        play(&platform, scenario, &["--speed", "20"]).await;
    }
    let marker = play(&platform, "missed", &["--speed", "20", "--from-name", "The Last Caller"]).await;
    phase(&browser, &marker, "missed").await;
    let cards = browser.page.find_all(Locator::Css(CARD)).await.unwrap();
    assert_eq!(cards.len(), 4, "only inbound calls pop, each once");
    browser.close().await;
    app.stop().await;
}

#[tokio::test]
async fn a_caller_who_calls_again_is_recognised() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let (app, page) = signed_in(&platform, &session).await;
    let browser = Browser::start().await;
    browser.sign_in_at_desk(&page, &Person::admin(&platform)).await;
    let flags = ["--speed", "10", "--from", "+13125550147", "--from-name", "Ada Example"];
    let first = play(&platform, "answered", &flags).await;
    phase(&browser, &first, "ended").await;
    let second = play(&platform, "missed", &flags).await;
    phase(&browser, &second, "missed").await;
    let css = format!("[data-call='{second}']");
    let card = browser.page.find(Locator::Css(&css)).await.unwrap().text().await.unwrap().to_lowercase();
    assert!(card.contains("last call") && card.contains("2nd call today"), "{card}");
    // The store outlives the app, and a call that nobody heard is found.
    app.stop().await;
    let unheard = play(&platform, "missed", &flags).await;
    let listen = page.strip_prefix("http://").unwrap();
    let app = apps::start(&platform, "screen-pop", &platform.folder("screen-pop"), &["--listen", listen]);
    listening(&session).await;
    phase(&browser, &unheard, "missed").await;
    let third = play(&platform, "missed", &flags).await;
    phase(&browser, &third, "missed").await;
    let css = format!("[data-call='{third}']");
    let card = browser.page.find(Locator::Css(&css)).await.unwrap().text().await.unwrap().to_lowercase();
    assert!(card.contains("4th call today"), "{card}");
    browser.close().await;
    app.stop().await;
}

#[tokio::test]
async fn the_page_answers_only_under_names_of_this_machine() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let (app, page) = signed_in(&platform, &session).await;
    let client = crate::harness::http();
    let good = client.get(&page).send().await.unwrap();
    assert_eq!(good.status(), 200);
    let policy = good.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-"), "{policy}");
    let foreign = client.get(&page).header("host", "evil.example").send().await.unwrap();
    assert!(foreign.status().is_client_error(), "{}", foreign.status());
    let forged = client.get(format!("{page}/app/redirect?code=x&state=wrong")).send().await.unwrap();
    assert_eq!(forged.status(), 403);
    app.stop().await;
}
