//! The developer's console: what a super admin sees of an account, live, and what its buttons do.

use serde_json::{Value, json};

use crate::faults;
use crate::harness::calls::{self, Channel};
use crate::harness::portal::Portal;
use crate::harness::receiver::Receiver;
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
    browser.sees(&["The channel has no reader at the moment."]).await;

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
    let journal = async || {
        let url = format!("{}/simulator/v1/journal", platform.base);
        let (id, secret) = (platform.setting("OAUTH_CLIENT_ID"), platform.setting("OAUTH_CLIENT_SECRET"));
        Answer::of("GET journal", http().get(url).basic_auth(id, Some(secret))).await.is(200).json()
    };
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
        (all[6].len() == 3 && all[..6].iter().all(|rows| !rows.is_empty())).then_some(all)
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
    faults::clear_all(&platform).await;
    let late = eventually("the late one", SOON, async || {
        let told = journal().await;
        rows(&told, "call-events-report REPORT_SUMMARY").iter().find(|row| row["status"] == "sent late")?["nickname"]
            .as_str()
            .map(str::to_owned)
    });
    assert_eq!(late.await, "c-delay");
}
