//! A virtual clock (docs/time.md): it stands still, moves on request, and everything that clients see
//! of time follows it.

use serde_json::{Value, json};

use crate::harness::calls::{self, Channel, advance};
use crate::harness::receiver::Receiver;
use crate::harness::{Answer, App, LATER, Person, Platform, SCOPES, SOON, apps, eventually, http};

const CLOCK: &str = "/simulator/v1/clock";

async fn virtual_platform(flags: &[&str]) -> Platform {
    Platform::start_with(&[&["--clock", "virtual"], flags].concat()).await
}

async fn ask(platform: &Platform, method: reqwest::Method, path: &str, body: &Value) -> Answer {
    let (id, secret) = (platform.setting("OAUTH_CLIENT_ID"), platform.setting("OAUTH_CLIENT_SECRET"));
    let request = http().request(method, format!("{}{path}", platform.base)).basic_auth(id, Some(secret));
    let request = if body.is_null() { request } else { request.json(body) };
    Answer::of(path, request.timeout(LATER)).await
}

async fn command(platform: &Platform, arguments: &[&str]) -> crate::harness::app::Ended {
    let env = platform.env_file().to_string_lossy().into_owned();
    App::run(&[arguments, &["--env", &env]].concat(), &platform.folder("commands")).await
}

#[tokio::test]
async fn the_clock_stands_still_until_it_is_advanced_and_calls_wait_for_it() {
    let platform = virtual_platform(&["--clock-start", "2026-03-02T08:00:00Z"]).await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let channel = Channel::subscribed(&platform, &session, "clock").await;
    let mut socket = channel.socket().await;
    let told = command(&platform, &["clock"]).await;
    let told: Value = serde_json::from_str(&told.stdout[0]).unwrap();
    assert_eq!((&told["clock"], &told["now"]), (&json!("virtual"), &json!("2026-03-02T08:00:00.000Z")));

    let mut call = platform.call("answered", &[]);
    let space = calls::first_space(&call).await;
    let first = socket.frame().await.expect("the first state comes at once");
    assert_eq!(first["data"]["content"]["state"]["timestamp"], "2026-03-02T08:00:00Z");
    assert_eq!(first["data"]["timestamp"], "2026-03-02T08:00:00.000000000Z");
    let report = format!("/call-events-report/v1/reports/{space}");
    session.get(&report).await.is(404);

    let told = command(&platform, &["clock", "advance", "2m"]).await;
    let told: Value = serde_json::from_str(&told.stdout[0]).unwrap_or_else(|_| panic!("{told:?}"));
    assert_eq!(told["now"], "2026-03-02T08:02:00.000Z");
    assert_eq!(call.exit(LATER).await, Some(0));
    let report = session.get(&report).await.is(200).json();
    let ended = report["callEnded"].as_str().unwrap();
    assert!(("2026-03-02T08:00:05Z".."2026-03-02T08:01:00Z").contains(&ended), "{ended}");
    socket.until("the report", |frame| frame["data"]["source"] == "call-events-report").await;
    calls::check_sequence(&calls::states(&socket.frames));
    let times: Vec<&str> = socket.frames.iter().filter_map(|frame| frame["timestamp"].as_str()).collect();
    assert!(times.is_sorted() && times.first() < times.last(), "{times:?}");

    let refused = command(&platform, &["clock", "advance", "soon"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.errors().contains("Give a time such as 90s"), "{}", refused.errors());
}

#[tokio::test]
async fn tokens_and_channels_live_and_end_to_the_second_by_the_clock() {
    let platform = virtual_platform(&[]).await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let channel = Channel::subscribed(&platform, &session, "life").await;
    let mut socket = channel.socket().await;
    advance(&platform, "9m 59s").await;
    tokio::time::timeout(SOON, socket.ping(b"?")).await.expect("the socket lives");
    assert_eq!(socket.frames.len(), 0, "{:#?}", socket.frames);
    // The clock waits for the client to refresh.
    let moved = tokio::spawn({
        let (base, env) = (platform.base.clone(), platform.env.clone());
        async move {
            let request = http().post(format!("{base}{CLOCK}")).timeout(LATER);
            let request = request.basic_auth(&env["OAUTH_CLIENT_ID"], Some(&env["OAUTH_CLIENT_SECRET"]));
            Answer::of("advance", request.json(&json!({"advance": "1s"}))).await.is(200).json()
        }
    });
    let asks = |frame: &Value| frame["data"]["type"] == "WEBSOCKET_REFRESH_REQUIRED";
    let asked = socket.until("REFRESH_REQUIRED", asks).await;
    assert_eq!(asked["timestamp"], "2026-01-05T00:10:00.000000000Z");
    assert_eq!(asked["data"]["content"]["remainingLifetime"], 600);
    session.put(&channel.path, &json!({"channelType": "WebSockets"})).await.is(200);
    assert_eq!(moved.await.unwrap()["now"], "2026-01-05T00:10:00.000Z");
    // Half past is the end of the life that began at ten past, if nobody is there to refresh it.
    drop(socket);
    advance(&platform, "19m 59s").await;
    session.get(&channel.path).await.is(200);
    advance(&platform, "1s").await;
    session.get(&channel.path).await.is(404);
    advance(&platform, "29m 59s").await;
    session.get("/notification-channel/v1/channels").await.is(200);
    advance(&platform, "1s").await;
    session.get("/notification-channel/v1/channels").await.error(401, "AUTHN_EXPIRED_TOKEN");
}

#[tokio::test]
async fn two_days_of_the_office_are_the_same_twice() {
    let logs = [two_days().await, two_days().await];
    assert!(logs[0].len() > 1000, "{} entries", logs[0].len());
    assert!(logs[0] == logs[1], "the logs differ");
    let times: Vec<String> = logs[0]
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["timestamp"].as_str().unwrap().to_owned())
        .collect();
    assert!(times.is_sorted());
    assert!(times.last().unwrap().as_str() > "2026-01-06T18");
}

async fn two_days() -> Vec<String> {
    let platform = virtual_platform(&[]).await;
    let played = command(&platform, &["office", "--days", "2", "--seed", "7"]).await;
    assert_eq!(played.code, Some(0), "{}", played.errors());
    let log = command(&platform, &["log"]).await;
    assert_eq!(log.code, Some(0));
    log.stdout
}

/// Hours pass between two requests of a program then; it must find its way all the same.
#[tokio::test]
async fn a_collector_gets_all_reports_of_days_that_pass_in_seconds() {
    let platform = virtual_platform(&[]).await;
    let env = platform.env_file();
    let settings = std::fs::read_to_string(&env).expect("the platform wrote it");
    std::fs::write(&env, format!("{settings}GOTO_RATE_LIMIT=1000\n")).expect("it is ours");
    let state = platform.folder("state");
    let app = apps::reports_signed_in(&platform, &state, &["--json", "--since", "0"]).await;
    let connected = |lines: &[String]| lines.iter().any(|line| line.contains("connected")).then_some(());
    app.stderr.wait("the connection", LATER, connected).await;
    let played = command(&platform, &["office", "--days", "2", "--seed", "7"]).await;
    assert_eq!(played.code, Some(0), "{}", played.errors());
    let ended = reported(&platform).await;
    assert!(ended.len() > 150, "{}", ended.len());
    eventually("a report of each call", LATER, async || {
        (app.stdout.all().len() >= ended.len()).then_some(())
    })
    .await;
    assert!(!app.stderr.all().iter().any(|line| line.contains("sign in again")), "{:?}", app.stderr.all());
    app.stop().await;
    let mut stored = apps::spaces_of(&apps::stored(&platform, &state).await);
    stored.sort();
    assert_eq!(stored, ended, "each call once");
}

/// Calls of the first days of the virtual clock that have a report.
async fn reported(platform: &Platform) -> Vec<String> {
    let session = Person::admin(platform).grant(platform, SCOPES).await.session;
    let path = format!(
        "/call-events-report/v1/report-summaries?accountKey={}&startTime=2026-01-04T00:00:00Z\
         &endTime=2026-01-09T00:00:00Z&pageSize=1000",
        platform.account()
    );
    let page = session.get(&path).await.is(200).json();
    let items = page["items"].as_array().expect("a page of summaries");
    let mut spaces: Vec<String> =
        items.iter().map(|item| item["conversationSpaceId"].as_str().expect("an id").to_owned()).collect();
    spaces.sort();
    spaces
}

#[tokio::test]
async fn time_does_not_go_back_at_a_restart() {
    let mut platform = virtual_platform(&[]).await;
    advance(&platform, "3h").await;
    let first = calls_of(&platform).await;
    platform.kill9().await;
    platform.restart().await;
    let told = ask(&platform, reqwest::Method::GET, CLOCK, &Value::Null).await.is(200).json();
    assert!(told["now"].as_str().unwrap() >= "2026-01-05T03:01:00", "{told}");
    let second = calls_of(&platform).await;
    assert_ne!(first, second, "no id is given twice");
}

async fn calls_of(platform: &Platform) -> String {
    let mut call = platform.call("missed", &["--seed", "1"]);
    let space = calls::first_space(&call).await;
    advance(platform, "1m").await;
    assert_eq!(call.exit(LATER).await, Some(0));
    space
}

#[tokio::test]
async fn a_webhook_is_tried_again_by_the_clock() {
    let platform = virtual_platform(&[]).await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let receiver = Receiver::start(|_| 503.into()).await;
    let body = json!({"channelType": "Webhook", "webhookChannelData": {"webhook": {"url": receiver.url}}});
    let made = session.post("/notification-channel/v1/channels/hook", &body).await.is(201);
    Channel::subscribe(&platform, &session, &made.text_of("/channelId")).await;
    let call = platform.call("missed", &["--seed", "1"]);
    calls::first_space(&call).await;
    advance(&platform, "100ms").await;
    let tries = |receiver: &Receiver| {
        let posts = receiver.posts();
        posts.iter().filter(|post| post.id() == posts[0].id()).count()
    };
    assert_eq!(tries(&receiver), 1, "nothing is tried again while time stands still");
    advance(&platform, "10m").await;
    assert_eq!(tries(&receiver), 3, "two quick retries");
}

#[tokio::test]
async fn the_machines_clock_cannot_be_advanced() {
    let platform = Platform::start().await;
    let told = ask(&platform, reqwest::Method::GET, CLOCK, &Value::Null).await.is(200).json();
    assert_eq!(told["clock"], "system");
    let body = json!({"advance": "1h"});
    ask(&platform, reqwest::Method::POST, CLOCK, &body).await.is(409);
    let refused = command(&platform, &["office", "--days", "1"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.errors().contains("--clock virtual"), "{}", refused.errors());
}
