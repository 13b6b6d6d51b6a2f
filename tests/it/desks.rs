//! A team at one screen pop: everybody signs in, and sees the calls of their own lines.

use fantoccini::Locator;
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::harness::calls::{first_space, play};
use crate::harness::{Answer, App, Browser, LATER, Log, Person, Platform, SOON, apps, eventually, ports};

/// A platform with a screen pop that hears its calls.
pub struct Team {
    pub platform: Platform,
    pub app: App,
    pub page: String,
}

impl Team {
    pub async fn start() -> Self {
        Self::with_sources("").await
    }

    /// The same with this `sources.toml`.
    pub async fn with_sources(sources: &str) -> Self {
        let platform = Platform::start().await;
        if !sources.is_empty() {
            let file = platform.folder("screen-pop").join("sources.toml");
            std::fs::write(file, sources).expect("the folder can be written");
        }
        let listen = format!("localhost:{}", ports::free());
        let app =
            apps::start(&platform, "screen-pop", &platform.folder("screen-pop"), &["--listen", &listen]);
        apps::sign_in(&platform, &app).await;
        let team = Self { platform, app, page: format!("http://{listen}") };
        let admin = team.desk(1).await;
        admin.hears("link", "the screen pop hears calls", |link| link["key"] == "live").await;
        team
    }

    /// The person with this number in `example.env`: 1 is the admin, 2 to 6 have the lines 1001 to 1005.
    pub fn person(&self, number: usize) -> Person {
        let suffix = if number == 1 { String::new() } else { format!("_{number}") };
        let setting = |name: &str| self.platform.setting(&format!("{name}{suffix}"));
        Person::new(setting("CALLFEED_USER"), setting("CALLFEED_PASSWORD"))
    }

    /// A browser without JavaScript that is signed in and listens.
    pub async fn desk(&self, number: usize) -> Desk {
        let person = self.person(number);
        person.sign_in_at_desk(&self.page).await;
        let answer = person.requests().get(format!("{}/events", self.page));
        let answer = answer.timeout(LATER).send().await.expect("the screen pop answers");
        assert_eq!(answer.status(), 200);
        let events = Log::new();
        tokio::spawn(follow(answer, events.clone()));
        Desk { person, page: self.page.clone(), events }
    }
}

async fn follow(answer: reqwest::Response, log: Log<(String, Value)>) {
    let mut chunks = answer.bytes_stream();
    let mut text = String::new();
    while let Some(Ok(chunk)) = chunks.next().await {
        text.push_str(&String::from_utf8_lossy(&chunk));
        while let Some((block, rest)) = text.split_once("\n\n") {
            let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let (Some(event), Some(data)) = (line("event: "), line("data: ")) {
                log.push((event, serde_json::from_str(&data).expect("data is JSON")));
            }
            text = rest.to_owned();
        }
    }
    log.close();
}

pub struct Desk {
    person: Person,
    page: String,
    events: Log<(String, Value)>,
}

impl Desk {
    pub async fn hears(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let find = |list: &[(String, Value)]| {
            let mut data = list.iter().filter(|(event, _)| event == name).map(|(_, data)| data);
            data.find(|data| wanted(data)).cloned()
        };
        self.events.wait(what, SOON, find).await
    }

    /// Waits for the card of a call with these words on it.
    pub async fn card(&self, space: &str, words: &str) -> Value {
        let has = |card: &Value| {
            card["id"] == space && card["html"].as_str().is_some_and(|html| html.contains(words))
        };
        self.hears("card", &format!("{} sees {words:?}", self.person.email), has).await
    }

    /// Whether anything was heard of a call so far.
    fn heard_of(&self, space: &str) -> bool {
        self.events.all().iter().any(|(_, data)| data.to_string().contains(space))
    }

    async fn get(&self, path: &str) -> Answer {
        self.person.read(&format!("{}{path}", self.page)).await
    }

    /// Proof of the session, as the page has it.
    async fn proof(&self) -> String {
        let html = self.get("/").await.text;
        let (_, rest) = html.split_once("data-proof=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// Closes the card of a call.
    pub async fn dismiss(&self, space: &str) {
        let status = self.post(&format!("/calls/{space}/close"), &self.page, &self.proof().await).await;
        assert_eq!(status, 204);
    }

    async fn post(&self, path: &str, origin: &str, proof: &str) -> u16 {
        let request = self.person.requests().post(format!("{}{path}", self.page)).form(&[("pinned", "true")]);
        Answer::of(path, request.header("origin", origin).header("x-callfeed-proof", proof)).await.status
    }
}

pub const CALLER: [&str; 4] = ["--from", "+13125550147", "--from-name", "Ada Example"];

#[tokio::test]
async fn a_ring_group_of_three_pops_on_three_of_eight_desks() {
    let team = Team::start().await;
    let mut desks = Vec::new();
    // Two people have a second browser.
    for number in [1, 2, 3, 4, 5, 6, 2, 5] {
        desks.push(team.desk(number).await);
    }
    let space = play(&team.platform, "ring-group", &[&CALLER[..], &["--speed", "4"]].concat()).await;
    let mut answered = 0;
    for desk in [&desks[1], &desks[2], &desks[3], &desks[6]] {
        let card = desk.card(&space, "Ringing").await;
        assert_eq!(card["alert"], true);
        assert!(card["html"].as_str().unwrap().contains("(312) 555-0147"));
        // One of the three took it; the others are told who.
        let over = |card: &Value| {
            let html = card["html"].as_str().unwrap_or_default();
            card["id"] == space.as_str() && (html.contains("Taken by") || html.contains(">Answered<"))
        };
        let over = desk.hears("card", "the call is answered", over).await;
        answered += usize::from(over["html"].as_str().unwrap().contains(">Answered<"));
    }
    assert!((1..=2).contains(&answered), "one person, of whom one has two browsers: {answered}");
    let watched = desks[0].card(&space, "Ended").await;
    assert_eq!(watched["alert"], false, "the admin sees it, and does not ring");
    // What comes later is heard, so the others would have heard of the first by now.
    for (number, line) in [(4, "1004"), (5, "1005"), (7, "1004")] {
        let call = play(&team.platform, "missed", &["--to", line, "--speed", "20"]).await;
        desks[number].card(&call, "Ringing").await;
        assert!(!desks[number].heard_of(&space), "{line} did not ring");
    }
    team.app.stop().await;
}

#[tokio::test]
async fn a_call_goes_from_desk_to_desk_when_it_is_transferred_or_parked() {
    let team = Team::start().await;
    let mut desks = Vec::new();
    for number in 2..=6 {
        desks.push(team.desk(number).await);
    }
    for (scenario, left) in [("blind-transfer", "Passed on to"), ("park-and-pickup", "Parked")] {
        let flags = [&CALLER[..], &["--to", "1001", "--speed", "10"]].concat();
        let space = play(&team.platform, scenario, &flags).await;
        desks[0].card(&space, "Ringing").await;
        desks[0].card(&space, left).await;
        desks[0].card(&space, "Passed on to").await;
        let colleagues = || desks[1..].iter().filter(|desk| desk.heard_of(&space)).count();
        eventually("one colleague has it", SOON, async || (colleagues() == 1).then_some(())).await;
    }
    team.app.stop().await;
}

#[tokio::test]
async fn nobody_gets_at_the_calls_of_others() {
    let team = Team::start().await;
    let client = crate::harness::http();
    let (mine, other) = (team.desk(2).await, team.desk(3).await);
    let mut call = team.platform.call("answered", &[&CALLER[..], &["--to", "1001"]].concat());
    let space = first_space(&call).await;
    mine.card(&space, "Ringing").await;

    let path = format!("/calls/{space}");
    assert!(mine.get(&path).await.is(200).text.contains("Ada Example"));
    other.get(&path).await.is(404);
    assert!(!other.get("/").await.is(200).text.contains("Ada Example"));
    let page = client.get(&team.page).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Sign in to see calls") && !page.contains("Ada Example"), "{page}");
    for path in [&path, "/events"] {
        let answer = client.get(format!("{}{path}", team.page)).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
    }

    let proof = mine.proof().await;
    let proof = proof.as_str();
    let pin = format!("{path}/pin");
    assert_eq!(mine.post(&pin, "https://evil.example", proof).await, 403, "forged origin");
    assert_eq!(mine.post(&pin, &team.page, "guessed").await, 403, "no proof");
    assert_eq!(other.post(&pin, &team.page, proof).await, 403, "the proof of another session");
    assert_eq!(mine.post(&pin, &team.page, proof).await, 204);
    // A code of somebody else's sign-in, slipped into this browser.
    let login = other.person.open(&format!("{}/sign-in", team.page)).await.elsewhere();
    let landed = other.person.sign_in(login.as_str()).await;
    mine.person.deliver(&landed).await.is(403);
    assert_eq!(call.exit(LATER).await, Some(0));
    team.app.stop().await;
}

/// How many open pages of a browser satisfy an expression of JavaScript.
async fn count(browser: &Browser, expression: &str) -> usize {
    let mut count = 0;
    for window in browser.page.windows().await.unwrap() {
        browser.page.switch_to_window(window).await.unwrap();
        let found = browser.page.execute(&format!("return Boolean({expression})"), Vec::new()).await.unwrap();
        count += usize::from(found == true);
    }
    count
}

#[tokio::test]
async fn five_pages_and_two_browsers_ring_once_and_are_one_desk() {
    let team = Team::start().await;
    let (first, second) = (Browser::start().await, Browser::start().await);
    for browser in [&first, &second] {
        browser.may_notify().await;
        browser.sign_in_at_desk(&team.page, &team.person(2)).await;
    }
    let mut desks = Vec::new();
    for _ in 0..3 {
        desks.push(team.desk(2).await);
    }
    let flags = [&CALLER[..], &["--to", "1001", "--speed", "2"]].concat();
    let space = play(&team.platform, "answered", &flags).await;
    let shows = format!("document.querySelector(\"[data-call='{space}']\")");
    let ended = format!("{shows}?.dataset.phase === 'ended'");
    eventually("all pages show the call", SOON, async || {
        (count(&first, &ended).await == 1 && count(&second, &ended).await == 1).then_some(())
    })
    .await;
    let rang = format!("document.querySelector('.board').dataset.rang === '{space}'");
    assert_eq!(count(&first, &rang).await + count(&second, &rang).await, 1, "one page rings");

    second.type_into("[data-notes]", "Wants a Tuesday").await;
    second.sees(&["Saved"]).await;
    eventually("the notes are on every page", SOON, async || {
        let noted = format!("{shows}?.querySelector('[data-notes]').value === 'Wants a Tuesday'");
        (count(&first, &noted).await == 1).then_some(())
    })
    .await;
    first.page.refresh().await.unwrap();
    first.page.wait().at_most(SOON).for_element(Locator::Css("[data-dismiss]")).await.unwrap();
    let notes = first.page.find(Locator::Css("[data-notes]")).await.unwrap().prop("value").await.unwrap();
    assert_eq!(notes.as_deref(), Some("Wants a Tuesday"), "a reload keeps the notes");

    first.page.find(Locator::Css("[data-dismiss]")).await.unwrap().click().await.unwrap();
    let closed = format!("{shows}?.matches('[hidden][data-closed]')");
    eventually("closed in one is closed in all", SOON, async || {
        (count(&first, &closed).await + count(&second, &closed).await == 2).then_some(())
    })
    .await;
    for desk in &desks {
        desk.card(&space, "data-closed").await;
    }
    assert_eq!(second.complaints(&[&team.page, &team.platform.base]).await, Vec::<String>::new());
    second.open(&format!("{}/wallboard", team.page)).await;
    second.sees(&["Waiting now", "Answered today", "Free", "Live"]).await;
    assert_eq!(second.complaints(&[&team.page, &team.platform.base]).await, Vec::<String>::new());
    // A page that stays open learns of the sign-out, and shows no call any more.
    second.open(&team.page).await;
    let stays = second.page.window().await.unwrap();
    let new = second.page.new_window(true).await.unwrap();
    second.page.switch_to_window(new.handle).await.unwrap();
    second.open(&team.page).await;
    second.press("Sign out").await;
    second.sees(&["Sign in to see calls"]).await;
    second.page.switch_to_window(stays).await.unwrap();
    second.sees(&["Sign in to see calls"]).await;
    first.close().await;
    second.close().await;
    team.app.stop().await;
}
