//! A day at the page, in a browser: how a ring is told, what keys do, notes that wait, contacts without a mouse.

use fantoccini::Locator;
use serde_json::{Value, json};

use crate::desks::{CALLER, Team};
use crate::harness::calls::{first_space, play};
use crate::harness::{App, Browser, LATER, Person, eventually};

pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
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

pub async fn read(browser: &Browser, expression: &str) -> Value {
    let script = format!("return {expression}");
    browser.page.execute(&script, Vec::new()).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
}

pub async fn click(browser: &Browser, css: &str) {
    let button = browser.page.find(Locator::Css(css)).await;
    let button = button.unwrap_or_else(|error| panic!("no {css}: {error}"));
    button.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
}

/// Presses keys wherever the focus is.
pub async fn keys(browser: &Browser, keys: &str) {
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
    assert_eq!(read(&browser, "document.querySelectorAll('.card[data-closed]').length").await, 0);
    keys_are_told(&browser).await;
    keys(&browser, "3").await;
    // Of the two calls of one caller there is one card.
    browser
        .until("missed calls are grouped", &format!("{shown}[0].innerText.includes('2 missed calls')"))
        .await;
    assert_eq!(read(&browser, "document.querySelector('[data-count=missed]').textContent").await, "53");
    let back = read(&browser, &format!("{shown}[0].querySelector('[data-call-back]').href")).await;
    assert_eq!(back, "tel:+13125550147");
    a_faster_colleague_is_named(&browser).await;
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
    // Both calls of this caller are seen to, and none is lost.
    let counted = |tab: &str, number: &str| {
        format!("document.querySelector('[data-count={tab}]').textContent === '{number}'")
    };
    browser.until("it is found among the recent ones", &counted("recent", "2")).await;
    browser.until("and is missed no more", &counted("missed", "52")).await;
    keys(&browser, "1").await;
    let others = format!("{shown}.length === 50 && {shown}.every((card) => !card.dataset.caller)");
    browser.until("nor among the active ones", &others).await;
    keys(&browser, "2").await;
    let noted =
        format!("{shown}.some((card) => card.querySelector('[data-notes]').value === 'Ring before noon')");
    browser.until("with its notes", &format!("{shown}.length === 2 && {noted}")).await;
    browser.press("Close finished").await;
    browser
        .until("the others are closed", "document.querySelectorAll('.card[data-closed]').length === 54")
        .await;
    browser.until("and missed still", &counted("missed", "52")).await;
    contacts_without_a_mouse(&browser, &team).await;
    browser.close().await;
    team.app.stop().await;
}

/// The dialog of the keys: named, with the focus in it, gone with Escape, which does nothing else then.
async fn keys_are_told(browser: &Browser) {
    keys(browser, "?").await;
    browser.sees(&["close this card", "Active, Recent, Missed"]).await;
    let inside = "document.activeElement.closest('dialog[aria-labelledby=keys-title]')?.open ?? false";
    assert_eq!(read(browser, inside).await, true);
    keys(browser, "3").await;
    keys(browser, ESCAPE).await;
    browser.until("Escape closes it", "!document.querySelector('dialog[open]')").await;
    assert_eq!(read(browser, "document.getElementById('calls').dataset.tab").await, "active");
    click(browser, "#keys-open").await;
    browser.sees(&["write notes"]).await;
    browser.press("Done").await;
    browser.until("it is closed", "!document.querySelector('dialog[open]')").await;
    // Who switches them off is left alone by them; Escape stays.
    let tab = "document.getElementById('calls').dataset.tab";
    for (is_on, shows) in [(false, "active"), (true, "missed")] {
        click(browser, ".desk-settings summary").await;
        click(browser, "[name=keys]").await;
        let heeded = "document.querySelector('.board').hasAttribute('data-keys')";
        assert_eq!(read(browser, heeded).await, is_on);
        click(browser, ".desk-settings summary").await;
        read(browser, "void document.activeElement.blur()").await;
        keys(browser, "3").await;
        assert_eq!(read(browser, tab).await, shows);
    }
    keys(browser, "1").await;
}

/// The app says who takes the call that a person wanted.
async fn a_faster_colleague_is_named(browser: &Browser) {
    let faster = "void (() => {
        const ask = window.fetch;
        window.fetch = async (path, ...rest) => {
            if (!path.endsWith('/claim')) return ask(path, ...rest);
            window.fetch = ask;
            return new Response('Bo Sample takes this\\n', { status: 409 });
        };
    })()";
    read(browser, faster).await;
    keys(browser, "t").await;
    let said = "document.getElementById('say').textContent.includes('Bo Sample takes this')";
    browser.until("it is said who was faster", said).await;
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
    let text = format!("JSON.parse({kept}[0][1]).notes");
    assert_eq!(read(&browser, &text).await, "Wants a Tuesday", "each key is kept");
    // The page that comes back sends what the former one could not.
    browser.page.refresh().await.expect("the page can be loaded anew");
    browser
        .until("it is sent", &format!("document.querySelector('[data-notes]') && {kept}.length === 0"))
        .await;
    let card = team.person(2);
    card.sign_in_at_desk(&team.page).await;
    let stored = card.read(&format!("{}/calls/{space}", team.page)).await.is(200).text;
    assert!(stored.contains("Wants a Tuesday"), "{stored}");
    of_two_pages_no_word_is_lost(&browser, &card, &team.page, &space).await;
    a_page_that_is_left_sends_its_last_letters(&browser, &card, &team.page, &space).await;
    written_anew_while_the_app_is_away(&browser, &card, &team.page, &space).await;
    // A card is closed while its last letters are on their way: they are kept all the same.
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
    browser.until("the card is closed", "sent.includes('close 204')").await;
    read(&browser, "void open_gate()").await;
    browser.until("the notes are kept", &format!("sent.includes('notes 204') && {kept}.length === 0")).await;
    let stored = card.read(&format!("{}/calls/{space}", team.page)).await.is(200).text;
    assert!(stored.contains(" at ten") && stored.contains("data-closed"), "{stored}");
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

/// Though no other page is opened.
async fn a_page_that_is_left_sends_its_last_letters(
    browser: &Browser,
    other: &Person,
    page: &str,
    space: &str,
) {
    let leave = "void (() => {
        const field = document.querySelector('[data-notes]');
        for (const letter of ', before noon') {
            field.value += letter;
            field.dispatchEvent(new InputEvent('input', { bubbles: true }));
        }
        location.href = 'about:blank';
    })()";
    read(browser, leave).await;
    eventually("all letters are kept", LATER, async || {
        let stored = other.read(&format!("{page}/calls/{space}")).await.is(200).text;
        stored.contains(", before noon</textarea>").then_some(())
    })
    .await;
    browser.page.goto(page).await.expect("the page can be opened");
    let kept = "Object.keys(localStorage).some((key) => key.startsWith('callfeed.notes.'))";
    browser.until("nothing waits", &format!("document.querySelector('[data-notes]') && !{kept}")).await;
}

/// All is written anew, and another page of this browser could not send what it has of the call either.
async fn written_anew_while_the_app_is_away(browser: &Browser, other: &Person, page: &str, space: &str) {
    let write = format!(
        "void (() => {{
            window.fetch = async () => {{ throw new TypeError('away'); }};
            const field = document.querySelector('[data-notes]');
            for (const text of ['W', '', 'C', 'Call at nine']) {{
                field.value = text;
                field.dispatchEvent(new InputEvent('input', {{ bubbles: true }}));
            }}
            const desk = document.querySelector('.board').dataset.desk;
            const save = {{ page: 'other', save: 3, base: '', notes: 'Order 4711' }};
            localStorage.setItem(`callfeed.notes.${{desk}}.other.{space}`, JSON.stringify(save));
        }})()"
    );
    read(browser, &write).await;
    browser.sees(&["Not saved yet"]).await;
    browser.page.refresh().await.expect("the page can be loaded anew");
    let kept = "Object.keys(localStorage).some((key) => key.startsWith('callfeed.notes.'))";
    browser.until("it is sent", &format!("document.querySelector('[data-notes]') && !{kept}")).await;
    let stored = other.read(&format!("{page}/calls/{space}")).await.is(200).text;
    let orders = ["Call at nine\n---\nOrder 4711</textarea>", "Order 4711\n---\nCall at nine</textarea>"];
    // What was there is gone only where this page was first, which alone had read it.
    assert!(orders.iter().any(|both| stored.contains(both)), "{stored}");
}

/// The same person writes at another browser: a field that was not written in takes the text over though somebody is in it,
/// and of two texts that were written at once both are kept.
async fn of_two_pages_no_word_is_lost(browser: &Browser, other: &Person, page: &str, space: &str) {
    let proof = other.read(page).await.is(200).text;
    let (_, proof) = proof.split_once("data-proof=\"").expect("the page has a proof");
    let proof = proof.split('"').next().unwrap_or_default().to_owned();
    let write = async |base: &str, notes: &str| {
        let request = other.requests().post(format!("{page}/calls/{space}/notes"));
        let request = request.header("origin", page).header("x-callfeed-proof", &proof);
        let answer = request.form(&[("base", base), ("notes", notes)]).send().await;
        assert_eq!(answer.expect("the screen pop answers").status(), 204);
    };
    let field = "document.querySelector('[data-notes]')";
    click(browser, "[data-notes]").await;
    read(browser, &format!("void {field}.setSelectionRange(5, 5)")).await;
    write("Wants a Tuesday", "Wants a Tuesday, rang twice").await;
    let newer = format!("{field}.value === 'Wants a Tuesday, rang twice'");
    browser.until("the newer text is in the field", &newer).await;
    assert_eq!(
        read(browser, &format!("[document.activeElement === {field}, {field}.selectionStart]")).await,
        json!([true, 5])
    );
    // Held back on its way, so that the other browser is first.
    let hold = "void (() => {
        const [ask, gate] = [window.fetch, new Promise((open) => { window.let_go = open; })];
        window.fetch = async (path, ...rest) => {
            if (path.endsWith('/notes')) await gate;
            return ask(path, ...rest);
        };
    })()";
    read(browser, hold).await;
    keys(browser, "!").await;
    write("Wants a Tuesday, rang twice", "Wants a Monday").await;
    keys(browser, "!").await;
    read(browser, "void let_go()").await;
    browser.sees(&["both texts are kept"]).await;
    let both = "Wants a Monday\\n---\\nWants!! a Tuesday, rang twice";
    browser.until("both are there", &format!("{field}.value === '{both}'")).await;
    // The app has it, but its answer is lost; before it is sent again the other browser goes on.
    let lose = "void (() => {
        const [ask, gate] = [window.fetch, new Promise((open) => { window.lose = open; })];
        window.fetch = async (path, ...rest) => {
            const answer = await ask(path, ...rest);
            if (!path.endsWith('/notes') || window.was_lost) return answer;
            window.was_lost = true;
            await gate;
            throw new TypeError('lost');
        };
    })()";
    read(browser, lose).await;
    keys(browser, "?").await;
    browser.until("it is kept", "window.was_lost").await;
    let sent = read(browser, &format!("{field}.value")).await;
    let sent = sent.as_str().expect("a text").to_owned();
    write(&sent, &format!("{sent} at nine")).await;
    read(browser, "void lose()").await;
    let once = format!("{field}.value === {}", json!(format!("{sent} at nine")));
    browser.until("it is there once", &once).await;
    write(&format!("{sent} at nine"), &both.replace("\\n", "\n")).await;
    browser.until("as before", &format!("{field}.value === '{both}'")).await;
    let stored = async || other.read(&format!("{page}/calls/{space}")).await.is(200).text;
    let both = both.replace("\\n", "\n");
    eventually("both are kept", LATER, async || stored().await.contains(&both).then_some(())).await;
}
