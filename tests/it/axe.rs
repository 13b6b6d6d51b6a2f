//! Every page is looked at by axe-core (npm) in Chromium: no violation of WCAG 2.2 A and AA, light and dark, wide and as
//! narrow as a telephone. `cargo xtask test` installs axe-core below `target/`. With `CALLFEED_TEST_PICTURES=FOLDER` each
//! page is kept as a picture, for people to look at. Without axe-core the story fails and says how to get it.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::desks::Team;
use crate::harness::calls::{first_space, play};
use crate::harness::{App, Browser, Person, REPORTS_REDIRECT, SCOPES};

const WIDE: u32 = 1280;
const NARROW: u32 = 390;
const RULES: &str = "{type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}";
/// What can differ by width and colours alone.
const LOOKS: &str = "{type: 'rule', values: ['color-contrast', 'target-size']}";

/// What can be pressed or filled in and lies beyond the edge of the page, or of its card.
const OUT_OF_REACH: &str = "
    const beyond = (one, edge) => one.getBoundingClientRect().right > edge + 1;
    const wide = document.documentElement.clientWidth;
    const found = [...document.querySelectorAll('button, a, input, select, textarea, summary')].filter((one) =>
        one.checkVisibility() && !one.closest('.tabs, .visually-hidden') && (beyond(one, wide) ||
        (one.closest('.card') && beyond(one, one.closest('.card').getBoundingClientRect().right))));
    const scrolls = document.documentElement.scrollWidth > wide ? ['the page is wider than its window'] : [];
    return scrolls.concat(found.map((one) => one.outerHTML));";

fn source() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(file).expect("axe-core is missing: cargo xtask axe installs it, with npm")
}

struct Look {
    browser: Browser,
    axe: String,
    pictures: Option<PathBuf>,
    violations: Vec<String>,
}

impl Look {
    /// Looks at the page that is open.
    async fn at(&mut self, name: &str) {
        self.browser.page.execute(&self.axe, Vec::new()).await.expect("axe-core can be loaded");
        for (width, scheme, rules) in
            [(WIDE, "light", RULES), (NARROW, "dark", RULES), (WIDE, "dark", LOOKS), (NARROW, "light", LOOKS)]
        {
            self.browser.looks(width, scheme).await;
            let script = format!(
                "const done = arguments[arguments.length - 1];
                 axe.run(document, {{runOnly: {rules}, resultTypes: ['violations']}}).then(
                    (found) => done(found.violations.flatMap((rule) =>
                        rule.nodes.map((node) => `${{rule.id}}: ${{node.html}} ${{node.failureSummary}}`))),
                    (error) => done([String(error)]));"
            );
            let found = self.browser.page.execute_async(&script, Vec::new()).await.expect("axe-core answers");
            let found: Vec<String> = serde_json::from_value(found).expect("a list of texts");
            self.violations.extend(found.iter().map(|text| format!("{name}, {width} px, {scheme}: {text}")));
            let hidden = self.browser.page.execute(OUT_OF_REACH, Vec::new()).await;
            let hidden: Vec<String> =
                serde_json::from_value(hidden.expect("the page can be read")).expect("texts");
            self.violations
                .extend(hidden.iter().map(|text| format!("{name}, {width} px: out of reach: {text}")));
            self.picture(name, width, scheme).await;
        }
    }

    async fn picture(&self, name: &str, width: u32, scheme: &str) {
        let Some(folder) = &self.pictures else { return };
        let taken =
            self.browser.devtools("Page.captureScreenshot", json!({"captureBeyondViewport": true})).await;
        let data = taken["data"].as_str().expect("a picture");
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data).expect("base64");
        std::fs::write(folder.join(format!("{name}-{width}-{scheme}.png")), bytes)
            .expect("the folder is there");
    }

    async fn page(&mut self, name: &str, url: &str) {
        self.browser.open(url).await;
        self.at(name).await;
    }

    async fn show(&self, script: &str) {
        self.browser.page.execute(script, Vec::new()).await.expect("the page can be changed");
    }
}

/// A customer system that knows nobody, and breaks at the caller who is passed on.
async fn broken_source() -> String {
    let answer = |request: axum::extract::Request| async move {
        let breaks = request.uri().to_string().contains("3125550173");
        if breaks { (StatusCode::INTERNAL_SERVER_ERROR, "") } else { (StatusCode::OK, "[]") }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let url = format!("http://{}/people", listener.local_addr().expect("it has an address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    format!(
        "[[source]]\nname = \"Our own\"\nkind = \"http\"\nurl = \"{url}?phone={{digits}}\"\nitems = \"$[*]\"\n\
         [source.fields]\nname = [\"$.name\"]\nphone = [\"$.phone\"]\n"
    )
}

/// Known, one of several, unknown, withheld, again, and passed on: a card each.
async fn calls(team: &Team) -> App {
    let contacts = team.platform.folder("screen-pop").join("contacts.csv");
    let rows = "name,company,phone,tier,notes\n\
        Ada Example,Example Bakery,+13125550147,Gold,Prefers mornings\n\
        Bo Sample,Sample & Sons,+13125550151,,\n\
        Cy Sample,Sample & Sons,+13125550151,,\n";
    std::fs::write(&contacts, rows).expect("the folder can be written");
    let state = team.platform.folder("screen-pop").to_string_lossy().into_owned();
    let file = contacts.to_string_lossy().into_owned();
    let arguments = ["contacts", "import", &file, "--state", &state];
    let ended = App::run(&arguments, &team.platform.folder("apps")).await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors());
    let fast = ["--to", "1001", "--speed", "50"];
    for (scenario, from, name) in [
        ("answered", "+13125550147", "WIRELESS CALLER"),
        ("missed", "+13125550147", "WIRELESS CALLER"),
        ("missed", "+13125550151", ""),
        ("missed", "+13125550162", "Dee Unknown"),
        ("missed", "Anonymous", ""),
        ("blind-transfer", "+13125550173", "Eve Handed On"),
    ] {
        play(&team.platform, scenario, &[&["--from", from, "--from-name", name][..], &fast].concat()).await;
    }
    // Rings until the end of the story.
    let rings =
        ["--from", "+13125550147", "--from-name", "WIRELESS CALLER", "--to", "1002", "--speed", "0.02"];
    let call = team.platform.call("answered", &rings);
    first_space(&call).await;
    call
}

#[tokio::test]
async fn no_page_keeps_anybody_out() {
    let axe = source();
    let team = Team::with_sources(&broken_source().await).await;
    let pictures = std::env::var_os("CALLFEED_TEST_PICTURES").map(PathBuf::from);
    let mut look = Look { browser: Browser::start().await, axe, pictures, violations: Vec::new() };
    let (page, base) = (team.page.clone(), team.platform.base.clone());
    look.page("desk-sign-in", &page).await;
    look.page("desk-refused", &format!("{page}/app/redirect?state=x&error=access_denied")).await;
    let admin = team.person(1);
    // More than the app has been allowed: the page of consent comes.
    let scopes = format!("{SCOPES} users.v1.lines.read");
    let consent = team.platform.authorize_url(REPORTS_REDIRECT, &scopes, "x");
    look.page("login", consent.as_str()).await;
    look.browser.type_into("input[type=email]", &admin.email).await;
    look.browser.type_into("input[type=password]", &admin.password).await;
    look.browser.press("Sign in").await;
    look.browser.sees(&["Allow"]).await;
    look.at("consent").await;

    look.browser.open(&page).await;
    look.browser.press("Sign in").await;
    sign_in(&look.browser, &admin.email, &admin.password).await;
    look.browser.sees(&["Live", "No calls now"]).await;
    look.at("desk-empty").await;
    look.page("contacts-empty", &format!("{page}/contacts")).await;
    look.browser.open(&page).await;
    let _rings = calls(&team).await;
    look.browser.until("all calls are there", "document.querySelectorAll('.card').length === 7").await;
    look.browser.until("it rings", "document.querySelector('[data-phase=ringing]')").await;
    look.browser.until("who may it be", "document.querySelector('.matches')").await;
    look.browser.until("who is it", "document.querySelector('.new-contact')").await;
    let orphan = "localStorage.setItem(
        `callfeed.notes.${document.querySelector('.board').dataset.desk}.gone`, 'The roof leaks')";
    look.show(orphan).await;
    look.browser.open(&page).await;
    desk(&mut look, "en").await;
    for (name, path) in [
        ("desk-no-page", "/nothing"),
        ("wallboard-dead-link", "/wall/nothing"),
        ("desk-foreign-answer", "/app/redirect?state=x&code=x"),
    ] {
        look.page(name, &format!("{page}{path}")).await;
    }
    wallboard(&mut look, &page).await;
    contacts(&mut look, &team, "en", ["refused.xlsx", "friends.csv"]).await;
    kept_contact(&mut look, &page).await;

    look.browser.open(&page).await;
    look.show("document.querySelector('.desk-settings').open = true").await;
    look.browser.press("Português").await;
    look.browser.sees(&["Configurações"]).await;
    look.browser.until("the cards are there", "document.querySelector('[data-phase=ringing]')").await;
    desk(&mut look, "pt").await;
    contacts(&mut look, &team, "pt", ["recusado.xlsx", "amigos.csv"]).await;
    look.page("wallboard-pt", &format!("{page}/wallboard")).await;
    look.browser.press("Tela cheia").await;
    look.browser.until("the wall fills the screen", "document.fullscreenElement").await;
    look.at("wallboard-full").await;

    platform(&mut look, &base, &admin).await;
    look.browser.open(&page).await;
    look.browser.until("the cards are there", "document.querySelector('.card')").await;
    look.show("document.getElementById('operator').hidden = false").await;
    team.app.stop().await;
    look.browser.until("the page has noticed", "!document.getElementById('lost').hidden").await;
    look.at("desk-alone").await;
    assert!(look.violations.is_empty(), "{}", look.violations.join("\n"));
    look.browser.close().await;
}

/// What an admin sees who adds a list of contacts: a file that is refused, one with its columns, what is wrong with them,
/// and the lists in use.
async fn contacts(look: &mut Look, team: &Team, lang: &str, [refused, taken]: [&str; 2]) {
    look.browser.open(&format!("{}/contacts", team.page)).await;
    drop_file(&look.browser, refused, "PK\u{3}\u{4}").await;
    look.browser.until("the file is refused", "!document.getElementById('wrong').hidden").await;
    look.at(&format!("contacts-refused-{lang}")).await;
    let rows = "Customer;Phone;Since when they buy here, and how much;\n\
        Ada Example;+1 312 555 0147;2019;\nBo Sample;front gate;2021;\nCy Sample;+1 312 555 0151;2022\n";
    drop_file(&look.browser, taken, rows).await;
    look.browser.until("the columns are there", "document.getElementById('mapping')").await;
    look.at(&format!("contacts-columns-{lang}")).await;
    let other = "const phone = document.getElementById('column-2'); phone.value = 'nothing'; \
        phone.dispatchEvent(new Event('change', {bubbles: true}))";
    look.show(other).await;
    look.browser.until("no column is a phone", "document.querySelector('#fate .mistake')").await;
    look.at(&format!("contacts-mistake-{lang}")).await;
    look.show("document.getElementById('column-2').value = 'phone'; document.getElementById('save').click()")
        .await;
    look.browser.until("the list is in use", "document.querySelector('.notice.good')").await;
    look.at(&format!("contacts-{lang}")).await;
}

/// The wallboard, the link that an admin makes, and what stands there.
async fn wallboard(look: &mut Look, page: &str) {
    look.page("wallboard", &format!("{page}/wallboard")).await;
    look.show("document.querySelector('details.wall-links').open = true").await;
    look.browser.type_into("#link-name", "Kitchen TV").await;
    look.browser.press("Make a read-only link").await;
    look.browser.sees(&["A new read-only link"]).await;
    look.at("wallboard-link").await;
    let link =
        look.browser.page.execute("return document.querySelector('.wall-link').value", Vec::new()).await;
    let link = link.expect("the link is shown").as_str().expect("a text").to_owned();
    look.page("wallboard-by-link", &link).await;
}

/// A contact that was kept on a card, and what is wrong with it.
async fn kept_contact(look: &mut Look, page: &str) {
    look.browser.open(page).await;
    look.browser.until("nobody knows the caller", "document.querySelector('.new-contact')").await;
    look.show("document.querySelector('.new-contact').open = true").await;
    look.show("document.querySelector('.new-contact button').click()").await;
    look.browser
        .until(
            "the contact is kept",
            "document.querySelector('.new-contact summary').innerText.includes('Amend')",
        )
        .await;
    look.browser.open(&format!("{page}/contacts/kept")).await;
    look.show("document.querySelector('.amend').open = true").await;
    look.at("contacts-kept").await;
    look.show("document.querySelector('.amend [name=number]').value = 'front gate'").await;
    look.browser.press("Keep contact").await;
    look.browser.sees(&["No caller can be known by front gate."]).await;
    look.at("contacts-kept-refused").await;
}

async fn drop_file(browser: &Browser, name: &str, text: &str) {
    let script = "const data = new DataTransfer(); data.items.add(new File([arguments[1]], arguments[0])); \
        document.getElementById('drop').dispatchEvent(new DragEvent('drop', \
            {dataTransfer: data, bubbles: true, cancelable: true}))";
    browser.page.execute(script, vec![name.into(), text.into()]).await.expect("a file can be dropped");
}

/// The platform's own pages.
async fn platform(look: &mut Look, base: &str, admin: &Person) {
    look.browser.open(&format!("{base}/clients")).await;
    look.browser.type_into("input[type=email]", &admin.email).await;
    look.browser.type_into("input[type=password]", &admin.password).await;
    look.browser.press("Sign in").await;
    look.browser.sees(&["Clients"]).await;
    look.at("clients").await;
    for (name, path) in [
        ("client-new", "/clients/new"),
        ("tokens", "/personal-access-tokens"),
        ("console", "/console"),
        ("docs", "/docs"),
        ("docs-api", "/docs/api"),
        ("docs-guide", "/docs/webhooks"),
    ] {
        look.page(name, &format!("{base}{path}")).await;
    }
}

async fn sign_in(browser: &Browser, email: &str, password: &str) {
    browser
        .until(
            "the desk or the login",
            "document.querySelector('#calls, input[type=password], [value=allow]')",
        )
        .await;
    let has = async |css: &str| {
        let script = format!("return Boolean(document.querySelector('{css}'))");
        browser.page.execute(&script, Vec::new()).await.unwrap_or(Value::Null) == true
    };
    if has("input[type=password]").await {
        browser.type_into("input[type=email]", email).await;
        browser.type_into("input[type=password]", password).await;
        browser.press("Sign in").await;
    }
    browser.until("the desk or the consent", "document.querySelector('#calls, [value=allow]')").await;
    if has("[value=allow]").await {
        browser.press("Allow").await;
    }
}

/// Each tab and the settings.
async fn desk(look: &mut Look, lang: &str) {
    look.browser.until("notes have no call", "document.querySelector('#unkept > .notice')").await;
    look.browser.until("a source has failed", "document.querySelector('.source-failure')").await;
    look.show("document.getElementById('sound-hint').hidden = false").await;
    look.at(&format!("desk-{lang}")).await;
    look.show("document.getElementById('keys-open').click()").await;
    look.at(&format!("keys-{lang}")).await;
    look.show("document.getElementById('keys').close()").await;
    look.show("document.querySelector('[data-show=missed]').click()").await;
    look.at(&format!("missed-{lang}")).await;
    look.show("document.querySelector('.desk-settings').open = true").await;
    look.at(&format!("settings-{lang}")).await;
    look.show("document.querySelector('.desk-settings').open = false").await;
    let nothing = "const field = document.getElementById('search'); field.value = 'zzz'; \
        field.dispatchEvent(new Event('input', {bubbles: true}))";
    look.show(nothing).await;
    look.at(&format!("not-found-{lang}")).await;
}
