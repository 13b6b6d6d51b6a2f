//! The developer's console: what a super admin sees of an account, live, and what its buttons do.

use serde_json::{Value, json};

use crate::faults;
use crate::harness::calls::{self, Channel};
use crate::harness::portal::Portal;
use crate::harness::receiver::Receiver;
use crate::harness::rest::Session;
use crate::harness::{Answer, Browser, Person, Platform, SCOPES, SOON, eventually, http};

async fn open_console(browser: &Browser, platform: &Platform) {
    browser.open(&format!("{}/console", platform.base)).await;
    let person = Person::admin(platform);
    browser.type_into("input[name=email]", &person.email).await;
    browser.type_into("input[name=password]", &person.password).await;
    browser.press("Sign in").await;
}

async fn signed_in(platform: &Platform) -> Browser {
    let browser = Browser::start().await;
    open_console(&browser, platform).await;
    browser.sees(&["Console", "Live", "Nothing yet", "No channel yet"]).await;
    browser
}

#[tokio::test]
async fn a_developer_watches_plays_breaks_and_repeats() {
    let platform = Platform::start().await;
    let browser = signed_in(&platform).await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let channel = Channel::create(&grant.session, "watched").await;
    let body = json!({"channelId": channel.id, "accountKeys": [platform.account()]});
    grant.session.post("/call-events-report/v1/subscriptions", &body).await.is(201);
    let mut socket = channel.socket().await;
    browser
        .sees(&["watched", "connected", "call-events-report REPORT_SUMMARY", "POST /oauth/token", "201"])
        .await;

    browser.press("Play").await;
    let report = socket.frame().await.unwrap();
    let space = report["data"]["content"]["conversationSpaceId"].as_str().unwrap().to_owned();
    browser.sees(&["not sent", "no subscription of the channel wants it", "sent"]).await;
    let path = format!("/call-events-report/v1/reports/{space}");
    grant.session.get(&path).await.is(200);
    browser.sees(&[&format!("GET {path}")]).await;

    // The filter leaves this call's report; its body is there, and it goes again with the same id.
    browser.type_into("#filter", &format!("{space} call-events-report report_summary")).await;
    browser
        .page
        .execute("document.querySelector('#journal li:not([hidden]) summary').click()", Vec::new())
        .await
        .unwrap();
    browser.sees(&["1 of ", "conversationSpaceId", "Send again"]).await;
    browser.press("Send again").await;
    assert_eq!(socket.frame().await.unwrap()["data"]["id"], report["data"]["id"]);
    browser.sees(&["Handed to the channel's reader.", "sent again"]).await;

    browser.press("Start").await;
    assert_eq!(socket.close_code().await, None, "the first fault of the list drops sockets");
    browser.sees(&["struck 1", "no reader"]).await;
    browser.press("End").await;
    browser.sees(&["No fault is active"]).await;
    browser.press("Send again").await;
    browser.sees(&["Not sent: The channel has no reader at the moment."]).await;
    browser.type_into("#filter", "nothing-has-this-word").await;
    browser.sees(&["Nothing matches"]).await;
    browser.press("Clear the filter").await;
    browser.sees(&["GET /call-events-report/v1/reports/"]).await;

    let html = browser.page.source().await.unwrap();
    for secret in [&grant.access_token, &grant.refresh_token, &channel.id] {
        assert!(!html.contains(secret.as_str()), "a secret is shown");
    }
    let complaints = browser.complaints(&[&platform.base]).await;
    let unexpected: Vec<&String> = complaints.iter().filter(|one| !one.contains("409")).collect();
    assert_eq!(unexpected, Vec::<&String>::new());
    browser.close().await;
}

#[tokio::test]
async fn a_fault_is_aimed_at_one_channel_seen_and_lifted() {
    let platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let (aimed, other) = (
        Channel::subscribed(&platform, &session, "aimed").await,
        Channel::subscribed(&platform, &session, "other").await,
    );
    let (mut aimed, mut other) = (aimed.socket().await, other.socket().await);
    let browser = Browser::start().await;
    open_console(&browser, &platform).await;
    browser.sees(&["Live", "aimed", "other", "connected"]).await;

    browser.choose("fault-name", "refresh-rotated").await;
    browser
        .sees(&["This one cannot be aimed at a channel.", "Every refresh brings a new refresh token."])
        .await;
    browser.choose("fault-name", "duplicate").await;
    browser.sees(&["A notification comes twice. Seen: after trouble with a connection."]).await;
    browser.choose("parameter-of", "call-events").await;
    browser.choose("fault-channel", "Channel aimed").await;
    browser.press("Start").await;
    browser.sees(&["duplicate", "struck 0"]).await;

    let numbers = |frames: &[Value]| -> Vec<u64> {
        calls::states(frames).iter().map(|state| state["sequenceNumber"].as_u64().unwrap()).collect()
    };
    let space = calls::play(&platform, "answered", &["--speed", "100"]).await;
    let twice = numbers(&aimed.call(&space).await);
    assert_eq!(twice[..6], [1, 1, 2, 2, 3, 3]);
    calls::check_sequence(&calls::states(&other.call(&space).await));
    browser
        .sees(&[&format!("struck {}", twice.len() / 2), "fault: duplicate", "a subscription of the channel"])
        .await;

    browser.press("End").await;
    browser.sees(&["No fault is active"]).await;
    let space = calls::play(&platform, "answered", &["--speed", "100"]).await;
    calls::check_sequence(&calls::states(&aimed.call(&space).await));
    assert_eq!(browser.complaints(&[&platform.base]).await, Vec::<String>::new());
    browser.close().await;
}

#[tokio::test]
async fn a_burst_is_shown_up_to_a_bound() {
    let platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let channel = Channel::subscribed(&platform, &session, "burst").await;
    let _socket = channel.socket().await;
    let browser = signed_in_beside(&platform).await;
    let flags = ["--count", "500", "--speed", "10000"];
    let mut app = platform.call("answered", &flags);
    assert_eq!(app.exit(crate::harness::LATER).await, Some(0));
    browser.sees(&["What happened 1,000 of ", "sent"]).await;
    let rows =
        browser.page.execute("return document.querySelectorAll('#journal > li').length", Vec::new()).await;
    assert_eq!(rows.unwrap(), 1000);
    browser.close().await;
}

/// The same where a channel is there already.
async fn signed_in_beside(platform: &Platform) -> Browser {
    let browser = Browser::start().await;
    open_console(&browser, platform).await;
    browser.sees(&["Live", "burst", "connected"]).await;
    browser
}

#[tokio::test]
async fn the_console_is_for_super_admins_and_its_forms_for_its_own_pages() {
    let platform = Platform::start().await;
    let member = Portal::open(&platform, &Person::member(&platform)).await;
    let refused = member.get("/console").await.is(403);
    assert!(refused.text.contains("super admin"), "{}", refused.text);
    member.get("/console/events").await.is(403);
    let list = member.get("/clients").await.is(200);
    assert!(!list.text.contains("/console"), "nobody is sent where they may not go");
    let admin = Portal::open(&platform, &Person::admin(&platform)).await;
    let page = admin.get("/console").await.is(200);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    for path in ["play", "faults", "faults/clear", "resend"] {
        admin.post(&format!("/console/{path}"), &[("scenario", "answered")]).await.is(403);
    }
    Portal::closed(&platform).get("/console").await.is(302);
}

#[tokio::test]
async fn the_journal_is_read_over_rest_and_has_no_secrets() {
    let platform = Platform::start().await;
    let journal = async |after: u64| {
        let url = format!("{}/simulator/v1/journal?after={after}", platform.base);
        let (id, secret) = (platform.setting("OAUTH_CLIENT_ID"), platform.setting("OAUTH_CLIENT_SECRET"));
        Answer::of("GET journal", http().get(url).basic_auth(id, Some(secret))).await.is(200).json()
    };
    let before = Person::admin(&platform).grant(&platform, SCOPES).await;
    assert_eq!(journal(0).await["items"], json!([]), "nothing is kept before somebody looks");
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let channel = Channel::subscribed(&platform, &grant.session, "journal").await;
    let _socket = channel.socket().await;
    let space = calls::play(&platform, "answered", &["--speed", "100"]).await;
    let told = eventually("the report in the journal", SOON, async || {
        let all = journal(0).await;
        let is_report =
            |one: &&Value| one["what"] == "call-events-report REPORT_SUMMARY" && one["call"] == json!(space);
        all["items"].as_array()?.iter().find(is_report)?;
        Some(all)
    });
    let told = told.await;
    let text = told.to_string();
    for secret in [&grant.access_token, &grant.refresh_token, &before.access_token, &channel.id] {
        assert!(!text.contains(secret.as_str()), "a secret is kept");
    }
    assert!(!text.contains(platform.setting("OAUTH_CLIENT_SECRET")));
    let last = told["items"].as_array().unwrap().last().unwrap()["number"].as_u64().unwrap();
    let later = journal(last).await;
    assert!(later["items"].as_array().unwrap().len() < told["items"].as_array().unwrap().len());
}

/// Rows of the journal with this source and event, beside the call.
fn rows<'a>(journal: &'a Value, what: &str) -> Vec<&'a Value> {
    let items = journal["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter(|one| one["what"] == what).collect()
}

#[tokio::test]
async fn the_journal_tells_what_became_of_each_notification() {
    let platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let journal = async || read_journal(&platform).await;
    journal().await;
    let receiver = Receiver::start(|_| 500.into()).await;
    let hook = json!({"channelType": "Webhook", "webhookChannelData": {"webhook": {"url": receiver.url}}});
    let made = session.post("/notification-channel/v1/channels/hook", &hook).await.is(201);
    let reports = |id: &str| json!({"channelId": id, "accountKeys": [platform.account()]});
    let path = "/call-events-report/v1/subscriptions";
    session.post(path, &reports(&made.text_of("/channelId"))).await.is(201);
    // One channel for each thing that can become of a report.
    let mut sockets = Vec::new();
    for fault in ["", "lose", "delay", "duplicate", "half-open", "unread"] {
        let channel = Channel::create(&session, &format!("c-{fault}")).await;
        session.post(path, &reports(&channel.id)).await.is(201);
        if fault != "unread" {
            let mut socket = channel.socket().await;
            assert_eq!(socket.ping(b"there").await, b"there");
            sockets.push(socket);
        }
        if !matches!(fault, "" | "unread") {
            faults::add(&platform, &json!({"fault": fault, "channelId": channel.id})).await;
        }
    }
    calls::play(&platform, "answered", &["--speed", "100"]).await;
    let became = eventually("what became of the report, and three attempts", SOON, async || {
        let told = journal().await;
        let rows = rows(&told, "call-events-report REPORT_SUMMARY");
        let of = |nickname: &str| -> Vec<(String, String)> {
            let rows = rows.iter().filter(|row| row["nickname"] == nickname);
            let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
            rows.map(|row| (text(&row["status"]), text(&row["why"]))).collect()
        };
        let all = ["c-", "c-lose", "c-delay", "c-duplicate", "c-half-open", "c-unread", "hook"].map(of);
        (all[6].len() == 4 && all[..6].iter().all(|rows| !rows.is_empty())).then_some(all)
    })
    .await;
    let expect = [
        ("sent", "a subscription of the channel wants it"),
        ("lost", "fault: lose"),
        ("held back", "fault: delay"),
        ("sent twice", "fault: duplicate"),
        ("held back", "fault: half-open"),
        ("kept", "nobody reads the channel: it waits for the next reader"),
        ("500", "attempt 1"),
    ];
    for (rows, (status, why)) in became.iter().zip(expect) {
        assert_eq!((rows[0].0.as_str(), rows[0].1.as_str()), (status, why));
    }
    assert_eq!(became[6][2].1, "attempt 3");
    assert_eq!(became[6][3], ("given up".to_owned(), "attempt 3 was the last one".to_owned()));
    faults::clear_all(&platform).await;
    let late = eventually("the late one", SOON, async || {
        let told = journal().await;
        let rows = rows(&told, "call-events-report REPORT_SUMMARY");
        let row = rows.iter().find(|row| row["status"] == "sent late")?;
        Some((row["nickname"].clone(), row["why"].clone()))
    });
    assert_eq!(late.await, (json!("c-delay"), json!("fault: delay")));
}

/// The journal as a program reads it.
async fn read_journal(platform: &Platform) -> Value {
    let url = format!("{}/simulator/v1/journal", platform.base);
    let (id, secret) = (platform.setting("OAUTH_CLIENT_ID"), platform.setting("OAUTH_CLIENT_SECRET"));
    Answer::of("GET journal", http().get(url).basic_auth(id, Some(secret))).await.is(200).json()
}

/// The newest row of a channel for this source and event, once there is one that fits.
async fn row_of(platform: &Platform, nickname: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let name = format!("{what} of {nickname}");
    let row = eventually(&name, SOON, async || {
        let told = read_journal(platform).await;
        let rows = rows(&told, what);
        rows.into_iter().rfind(|row| row["nickname"] == nickname && fits(row)).cloned()
    });
    row.await
}

const REPORT: &str = "call-events-report REPORT_SUMMARY";

async fn webhook(session: &Session, nickname: &str, url: &str) -> String {
    let hook = json!({"channelType": "Webhook", "webhookChannelData": {"webhook": {"url": url}}});
    let path = format!("/notification-channel/v1/channels/{nickname}");
    session.post(&path, &hook).await.is(201).text_of("/channelId")
}

#[tokio::test]
async fn a_channel_that_hears_nothing_is_told_why() {
    let platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    read_journal(&platform).await;
    let receiver = Receiver::start(|_| 204.into()).await;
    let connected = Channel::create(&session, "connected").await;
    let mut socket = connected.socket().await;
    assert_eq!(socket.ping(b"there").await, b"there");
    Channel::create(&session, "unconnected").await;
    webhook(&session, "hook", &receiver.url).await;
    let of_reports = webhook(&session, "hook-of-reports", &receiver.url).await;
    let unread = Channel::create(&session, "unread-of-reports").await;
    for id in [&of_reports, &unread.id] {
        let body = json!({"channelId": id, "accountKeys": [platform.account()]});
        session.post("/call-events-report/v1/subscriptions", &body).await.is(201);
    }
    calls::play(&platform, "answered", &["--speed", "100"]).await;
    let (none, unwanted) = ("the channel has no subscription", "no subscription of the channel wants it");
    for (nickname, why) in [
        ("connected", none),
        ("unconnected", none),
        ("hook", none),
        ("hook-of-reports", unwanted),
        ("unread-of-reports", unwanted),
    ] {
        let row = row_of(&platform, nickname, "call-events STARTING", |_| true).await;
        assert_eq!((&row["status"], &row["why"]), (&json!("not sent"), &json!(why)), "{nickname}");
        assert_eq!(row["again"], false, "{nickname}");
    }
    let told = row_of(&platform, "hook-of-reports", REPORT, |_| true).await;
    assert_eq!(told["status"], 204);
    assert_eq!(row_of(&platform, "unread-of-reports", REPORT, |_| true).await["status"], "kept");
}

#[tokio::test]
async fn a_row_shows_what_a_fault_made_of_it_and_a_webhook_is_told_again() {
    let platform = Platform::start().await;
    let person = Person::admin(&platform);
    let session = person.grant(&platform, SCOPES).await.session;
    read_journal(&platform).await;
    let receiver = Receiver::start(|_| 204.into()).await;
    let hook = webhook(&session, "hook", &receiver.url).await;
    let channel = Channel::create(&session, "socket").await;
    for id in [&hook, &channel.id] {
        let body = json!({"channelId": id, "accountKeys": [platform.account()]});
        session.post("/call-events-report/v1/subscriptions", &body).await.is(201);
    }
    let _socket = channel.socket().await;
    faults::add(&platform, &json!({"fault": "unknown-outcome"})).await;
    let late = json!({"fault": "webhook-late", "channelId": hook, "parameters": {"delayMs": 600_000}});
    faults::add(&platform, &late).await;
    calls::play(&platform, "answered", &["--speed", "100"]).await;
    let held = row_of(&platform, "hook", REPORT, |_| true).await;
    assert_eq!((&held["status"], &held["why"]), (&json!("held back"), &json!("fault: webhook-late")));
    let sent = row_of(&platform, "socket", REPORT, |_| true).await;
    assert_eq!((&sent["status"], &sent["why"]), (&json!("sent"), &json!("fault: unknown-outcome")));
    assert_eq!(
        (&sent["changed"], &sent["body"]["content"]["callerOutcome"]),
        (&json!(true), &json!("UNKNOWN"))
    );
    faults::clear_all(&platform).await;
    let told = row_of(&platform, "hook", REPORT, |row| row["status"] == 204).await;
    assert!(told.get("changed").is_none() && told["body"]["content"]["callerOutcome"] != "UNKNOWN", "{told}");

    let portal = Portal::open(&platform, &person).await;
    let page = portal.get("/console").await.is(200).text;
    let (_, rest) = page.split_once("data-proof=\"").unwrap();
    let (proof, _) = rest.split_once('"').unwrap();
    let number = told["number"].to_string();
    portal.post("/console/resend", &[("number", &number), ("proof", proof)]).await.is(204);
    let asked = |row: &Value| row["why"] == "somebody asked for it in the console";
    let again = row_of(&platform, "hook", REPORT, asked).await;
    assert_eq!((&again["status"], &again["body"]), (&json!(204), &told["body"]));
    let posts = receiver.requests.all().into_iter().filter(|request| request.method == "POST");
    let ids: Vec<String> = posts.map(|request| request.id()).collect();
    assert_eq!(ids, [told["body"]["id"].as_str().unwrap(), told["body"]["id"].as_str().unwrap()]);
}
