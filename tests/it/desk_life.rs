//! A day at the page, in a browser: how a ring is told, what keys do, notes that wait, contacts without a mouse.

use fantoccini::Locator;
use serde_json::{Value, json};

use crate::desks::{CALLER, Team};
use crate::harness::calls::{first_space, play};
use crate::harness::{App, Browser, LATER};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

/// Stands in for what a desktop does, and writes down what it was asked for.
const DESKTOP: &str = "
    window.told = [];
    window.sounds = 0;
    window.stolen = 0;
    window.asked = 0;
    window.pressed = false;
    const ask = window.fetch;
    window.fetch = (path, ...rest) => {
        window.asked += Number(path === '/alerts');
        return ask(path, ...rest);
    };
    window.focus = () => { window.stolen += 1; };
    document.hasFocus = () => Boolean(window.looked);
    window.Notification = class {
        static permission = 'default';
        static async requestPermission() { return (window.Notification.permission = 'granted'); }
        constructor(title, { body, tag, silent }) { window.told.push([title, body, tag, silent]); }
        close() { window.told.push('closed'); }
    };
    const tone = () => ({ frequency: {}, connect: (next) => next, start() { window.sounds += 1; }, stop() {} });
    const gain = () => ({ gain: { setValueAtTime() {}, exponentialRampToValueAtTime() {} }, connect: (next) => next });
    window.AudioContext = class {
        get state() { return window.pressed ? 'running' : 'suspended'; }
        async resume() { window.pressed = true; }
        createOscillator() { return tone(); }
        createGain() { return gain(); }
        async close() {}
    };";

async fn read(browser: &Browser, expression: &str) -> Value {
    let script = format!("return {expression}");
    browser.page.execute(&script, Vec::new()).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
}

async fn click(browser: &Browser, css: &str) {
    let button = browser.page.find(Locator::Css(css)).await;
    let button = button.unwrap_or_else(|error| panic!("no {css}: {error}"));
    button.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
}

/// Presses keys wherever the focus is.
async fn keys(browser: &Browser, keys: &str) {
    let at = browser.page.active_element().await.expect("the page can be asked");
    at.send_keys(keys).await.unwrap_or_else(|error| panic!("{keys:?}: {error}"));
}

#[tokio::test]
async fn a_ring_is_told_by_name_and_number_with_a_sound_and_takes_no_focus() {
    let team = Team::start().await;
    let browser = Browser::start().await;
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": DESKTOP})).await;
    browser.sign_in_at_desk(&team.page, &team.person(2)).await;
    let unheard = play(&team.platform, "missed", &["--to", "1001", "--speed", "50"]).await;
    browser.until("the card is there", &format!("document.querySelector(\"[data-call='{unheard}']\")")).await;
    assert_eq!(read(&browser, "asked").await, 0, "a page that can do nothing leaves the ring to others");
    click(&browser, ".desk-settings summary").await;
    browser.sees(&["Notifications are not allowed yet"]).await;
    click(&browser, "#notification-test").await;
    browser.sees(&["Notifications are allowed."]).await;
    browser.until("the test is told", "told.length === 1 && sounds === 2").await;
    click(&browser, "[name=sound]").await;
    browser.sees(&["Sound needs one click on this page."]).await;
    click(&browser, "#search").await;
    browser.until("that was the click", "document.getElementById('sound-hint').hidden").await;
    let mut call = team.platform.call("missed", &[&CALLER[..], &["--to", "1001", "--speed", "4"]].concat());
    let space = first_space(&call).await;
    browser.until("a notification came", "told.length === 2").await;
    let told = read(&browser, "told[1]").await;
    assert_eq!(told[0], "(312) 555-0147 is calling");
    assert_eq!(told[2], space.as_str());
    browser.until("and the sound", "sounds === 4").await;
    assert_eq!(read(&browser, "[stolen, document.activeElement.id]").await, json!([0, "search"]));
    let said = read(&browser, "document.getElementById('say').textContent").await;
    assert!(
        said.as_str().is_some_and(|said| said.contains("(312) 555-0147")),
        "screen readers hear it: {said}"
    );
    browser.until("what is over is told no more", "told[2] === 'closed'").await;
    assert_eq!(call.exit(LATER).await, Some(0));
    let _rings = named_while_it_rings(&browser, &team).await;
    // Who looks at the page sees it; who does not want to be disturbed is not.
    read(&browser, "window.looked = true").await;
    let seen = play(&team.platform, "missed", &["--to", "1001", "--speed", "20"]).await;
    browser
        .until("it rang here", &format!("document.querySelector('.board').dataset.rang === '{seen}'"))
        .await;
    assert_eq!(read(&browser, "[told.length, sounds]").await, json!([5, 8]), "a sound, and no notification");
    let other = team.desk(2).await;
    click(&browser, "[name=do_not_disturb]").await;
    let quiet = |settings: &Value| settings["ticks"].to_string().contains("do_not_disturb=on");
    other.hears("settings", "the choice is kept", quiet).await;
    let silent = play(&team.platform, "missed", &["--to", "1001", "--speed", "20"]).await;
    browser.until("the card is there", &format!("document.querySelector(\"[data-call='{silent}']\")")).await;
    assert_eq!(read(&browser, "[told.length, sounds]").await, json!([5, 8]), "in silence");
    browser.close().await;
    team.app.stop().await;
}

/// The name of a caller comes while the phone rings: the notification says it, in silence. The call rings on.
async fn named_while_it_rings(browser: &Browser, team: &Team) -> App {
    let rings = team.platform.call("answered", &[&CALLER[..], &["--to", "1001", "--speed", "0.02"]].concat());
    let space = first_space(&rings).await;
    browser.until("it is told by its number", "told.length === 4 && sounds === 6").await;
    let add = format!(
        "void fetch('/callers/new', {{
            method: 'POST', redirect: 'manual',
            headers: {{'x-callfeed-proof': document.querySelector('.board').dataset.proof}},
            body: new URLSearchParams({{call: '{space}', name: 'Ada Example'}}),
        }})"
    );
    read(browser, &add).await;
    browser.until("it is told by its name", "told.length === 5").await;
    assert_eq!(
        read(browser, "[told[4], sounds]").await,
        json!([["Ada Example is calling", "(312) 555-0147", space, true], 6])
    );
    rings
}

#[tokio::test]
async fn the_page_is_used_by_keys_alone() {
    let team = Team::start().await;
    let browser = Browser::start().await;
    browser.sign_in_at_desk(&team.page, &team.person(1)).await;
    let many = ["--to", "1001", "--speed", "100000", "--count", "52", "--every", "0ms", "--at-once", "52"];
    let mut calls = team.platform.call("missed", &[&["--from", "Anonymous"][..], &many].concat());
    assert_eq!(calls.exit(LATER).await, Some(0));
    for _ in 0..2 {
        play(&team.platform, "missed", &[&CALLER[..], &["--to", "1001", "--speed", "100"]].concat()).await;
    }
    let shown = "[...document.querySelectorAll('.card')].filter((card) => !card.hidden)";
    browser.until("all are there", "document.querySelectorAll('.card').length === 54").await;
    browser.until("the last one is over", "!document.querySelector('.card.live')").await;
    assert_eq!(read(&browser, &format!("{shown}.length")).await, 50);
    assert_eq!(read(&browser, "document.getElementById('more').textContent").await, "4 more");
    // Nobody is on a card, so nothing closes.
    keys(&browser, ESCAPE).await;
    keys(&browser, "x").await;
    assert_eq!(read(&browser, "document.querySelectorAll('.card').length").await, 54);
    keys(&browser, "3").await;
    // Of the two calls of one caller there is one card.
    browser
        .until("missed calls are grouped", &format!("{shown}[0].innerText.includes('2 missed calls')"))
        .await;
    assert_eq!(read(&browser, "document.querySelector('[data-count=missed]').textContent").await, "53");
    let back = read(&browser, &format!("{shown}[0].querySelector('[data-call-back]').href")).await;
    assert_eq!(back, "tel:+13125550147");
    keys(&browser, "t").await;
    browser.until("it is taken", &format!("{shown}[0].innerText.includes('You take this')")).await;
    keys(&browser, "/").await;
    // As a machine writes it.
    keys(&browser, "+13125550147").await;
    browser.until("the search finds it", &format!("{shown}.length === 1")).await;
    keys(&browser, ESCAPE).await;
    keys(&browser, "j").await;
    let focused = "document.activeElement.classList.contains('card')";
    assert_eq!(read(&browser, focused).await, true);
    keys(&browser, "n").await;
    keys(&browser, "Ring before noon").await;
    browser.sees(&["Saved"]).await;
    keys(&browser, ESCAPE).await;
    assert_eq!(read(&browser, focused).await, true, "back on the card");
    keys(&browser, "p").await;
    browser.until("it is pinned", "document.activeElement.matches('[data-pinned]')").await;
    keys(&browser, "x").await;
    // Both calls of this caller.
    browser.until("it is closed", "document.querySelectorAll('.card').length === 52").await;
    keys(&browser, "2").await;
    browser.sees(&["No recent calls"]).await;
    contacts_without_a_mouse(&browser, &team).await;
    browser.close().await;
    team.app.stop().await;
}

async fn contacts_without_a_mouse(browser: &Browser, team: &Team) {
    let file = team.platform.folder("apps").join("friends.csv");
    std::fs::write(&file, "Who;Phone\nAda Example;+1 312 555 0147\n").expect("the folder can be written");
    browser.open(&format!("{}/contacts", team.page)).await;
    keys(browser, TAB).await;
    keys(browser, TAB).await;
    assert_eq!(read(browser, "document.activeElement.id").await, "file", "the second stop of the page");
    let look = "getComputedStyle(document.querySelector('label[for=file]')).outlineStyle";
    assert_eq!(read(browser, look).await, "solid", "and it shows");
    browser.type_into("#file", &file.to_string_lossy()).await;
    browser.until("the columns are there", "document.getElementById('mapping')").await;
    keys(browser, ESCAPE).await;
    browser.until("Escape cancels", "document.getElementById('drop')").await;
    browser.type_into("#file", &file.to_string_lossy()).await;
    browser.until("the columns are there", "document.getElementById('mapping')").await;
    // Back to the calls, the name, two columns, Cancel, Save.
    let mut stops = Vec::new();
    for _ in 0..6 {
        keys(browser, TAB).await;
        stops.push(read(browser, "document.activeElement.id").await);
    }
    assert_eq!(stops[1..], ["list-name", "column-1", "column-2", "cancel", "save"]);
    keys(browser, ENTER).await;
    browser.sees(&["friends is in use.", "1 contact, added"]).await;
}

#[tokio::test]
async fn notes_wait_in_the_browser_while_the_app_is_away() {
    let team = Team::start().await;
    let browser = Browser::start().await;
    browser.sign_in_at_desk(&team.page, &team.person(2)).await;
    let space =
        play(&team.platform, "missed", &[&CALLER[..], &["--to", "1001", "--speed", "20"]].concat()).await;
    browser.until("the card is there", &format!("document.querySelector(\"[data-call='{space}']\")")).await;
    let away = "window.fetch = async () => { throw new TypeError('away'); }";
    read(&browser, &format!("void ({away})")).await;
    browser.type_into("[data-notes]", "Wants a Tuesday").await;
    browser.sees(&["Not saved yet"]).await;
    let kept = "Object.entries(localStorage).filter(([key]) => key.startsWith('callfeed.notes.'))";
    assert_eq!(read(&browser, &format!("{kept}[0][1]")).await, "Wants a Tuesday", "each key is kept");
    // The page that comes back sends what the former one could not.
    browser.page.refresh().await.expect("the page can be loaded anew");
    browser
        .until("it is sent", &format!("document.querySelector('[data-notes]') && {kept}.length === 0"))
        .await;
    let card = team.person(2);
    card.sign_in_at_desk(&team.page).await;
    let stored = card.read(&format!("{}/calls/{space}", team.page)).await.is(200).text;
    assert!(stored.contains("Wants a Tuesday"), "{stored}");
    // A card that is closed while its last letters are on their way waits for them.
    let slow = "void (() => {
        const [ask, gate] = [window.fetch, new Promise((open) => { window.open_gate = open; })];
        window.sent = [];
        window.fetch = async (path, ...rest) => {
            if (path.endsWith('/notes')) await gate;
            const answer = await ask(path, ...rest);
            window.sent.push(path.split('/').at(-1) + ' ' + answer.status);
            return answer;
        };
    })()";
    read(&browser, slow).await;
    browser.type_into("[data-notes]", " at ten").await;
    click(&browser, "[data-dismiss]").await;
    browser.sees(&["Saving"]).await;
    read(&browser, "void open_gate()").await;
    browser.until("the card is closed", "sent.some((what) => what.startsWith('close'))").await;
    let sent = read(&browser, "sent.filter((what, at) => what !== sent[at - 1])").await;
    assert_eq!(sent, json!(["notes 204", "close 204"]));
    assert_eq!(read(&browser, &format!("{kept}.length")).await, 0);
    // What can never be kept is said once, to be copied.
    let orphan = "localStorage.setItem(
        `callfeed.notes.${document.querySelector('.board').dataset.desk}.gone`, 'The roof leaks')";
    read(&browser, &format!("void ({orphan})")).await;
    browser.page.refresh().await.expect("the page can be loaded anew");
    browser.sees(&["their call is not there any more"]).await;
    assert_eq!(read(&browser, "document.querySelector('#unkept textarea').value").await, "The roof leaks");
    click(&browser, "#unkept button").await;
    assert_eq!(
        read(&browser, &format!("[{kept}.length, document.getElementById('unkept').innerText]")).await,
        json!([0, ""])
    );
    browser.close().await;
    team.app.stop().await;
}
