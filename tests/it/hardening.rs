//! What only shows under pressure: many at once, clients that hang up, tokens that age, bytes that nobody types.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::json;

use crate::harness::calls::Channel;
use crate::harness::database::sql;
use crate::harness::{Answer, App, Person, Platform, SCOPES, SOON, Session, eventually, http};

async fn admin(platform: &Platform) -> Session {
    Person::admin(platform).grant(platform, SCOPES).await.session
}

#[tokio::test]
async fn subscriptions_made_at_the_same_time_on_one_channel_all_take_effect() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    for round in 0..40 {
        let channel = Channel::create(&session, "many").await;
        let states = json!({"channelId": channel.id, "accountKeys": [{"id": platform.account()}]});
        let reports = json!({"channelId": channel.id, "accountKeys": [platform.account()]});
        let refresh = json!({"channelType": "WebSockets"});
        tokio::join!(
            async { session.post("/call-events/v1/subscriptions", &states).await.is(207) },
            async { session.post("/call-events-report/v1/subscriptions", &reports).await.is(201) },
            async { session.put(&channel.path, &refresh).await.is(200) },
        );
        for api in ["call-events", "call-events-report"] {
            let path = format!("/{api}/v1/subscriptions?channelId={}", channel.id);
            let keys = session.get(&path).await.is(200).json()["accountKeys"].clone();
            assert_eq!(keys, json!([platform.account()]), "round {round}: {api}");
        }
        session.delete(&channel.path).await.is(204);
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_in_the_middle_of_a_delete_leaves_no_half_channel() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    for _ in 0..20 {
        let channel = Channel::create(&session, "cut").await;
        let host = platform.base.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).expect("the platform listens");
        let request = format!(
            "DELETE {} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n",
            channel.path, session.token
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        drop(stream);
        eventually("list and channel agree", SOON, async || {
            let listed = session.get("/notification-channel/v1/channels").await.is(200).text;
            let read = session.get(&channel.path).await.status;
            (listed.contains(&channel.id) == (read == 200)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn an_expired_access_token_is_told_apart_and_an_ageing_refresh_token_is_replaced() {
    let platform = Platform::start().await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", grant.refresh_token.as_str())];
    assert!(platform.token(&form).await.is(200).json().get("refresh_token").is_none(), "it is young");

    let day_us = 86_400_000_000_i64;
    let aged = 19 * day_us;
    sql(
        &platform,
        &format!(
            "update tokens set created_us = created_us - {aged}, expires_us = expires_us - {aged}
             where kind = 'refresh'"
        ),
    )
    .await;
    let renewed = platform.token(&form).await.is(200);
    let new = renewed.text_of("/refresh_token");
    assert_ne!(new, grant.refresh_token);
    // The old one works until its own end, so that a lost answer is harmless.
    platform.token(&form).await.is(200);
    platform.token(&[("grant_type", "refresh_token"), ("refresh_token", &new)]).await.is(200);

    sql(&platform, "update tokens set expires_us = 1000000 * (created_us / 1000000) where kind = 'access'")
        .await;
    let channels = "/notification-channel/v1/channels";
    grant.session.get(channels).await.error(401, "AUTHN_EXPIRED_TOKEN");
    sql(
        &platform,
        &format!("update tokens set expires_us = expires_us - {} where kind = 'refresh'", 31 * day_us),
    )
    .await;
    let refused = platform.token(&form).await.is(400);
    assert_eq!(refused.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn many_wrong_passwords_at_once_gain_nothing_and_shut_nobody_out() {
    let platform = Platform::start().await;
    let url = platform.authorize_url(crate::harness::REPORTS_REDIRECT, SCOPES, "many");
    let person = Person::new(platform.setting("CALLFEED_USER"), "wrong");
    let page = person.open(url.as_str()).await.page();
    let action = page.url.join("/login").expect("a path");
    let fields = page.form().filled(&[("email", &person.email), ("password", "wrong")], None);
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let request = http().post(action.clone()).form(&fields);
        tries.spawn(async move { Answer::of("a guess", request).await.status });
    }
    let statuses = tries.join_all().await;
    let checked = statuses.iter().filter(|status| **status == 401).count();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!(checked + refused, 40, "{statuses:?}");
    assert!(checked <= 9, "only a few guesses were looked at: {statuses:?}");
}

/// Statuses of so many logins at the same time, as a proxy passes them on for `forwarded`.
async fn logins(
    platform: &Platform,
    password: &str,
    count: usize,
    forwarded: impl Fn(usize) -> String,
) -> Vec<u16> {
    let url = platform.authorize_url(crate::harness::REPORTS_REDIRECT, SCOPES, "proxy");
    let person = Person::admin(platform);
    let page = person.open(url.as_str()).await.page();
    let action = page.url.join("/login").expect("a path");
    let fields = page.form().filled(&[("email", &person.email), ("password", password)], None);
    let mut tries = tokio::task::JoinSet::new();
    for number in 0..count {
        let request = http().post(action.clone()).form(&fields).header("x-forwarded-for", forwarded(number));
        tries.spawn(async move { Answer::of("a login", request).await.status });
    }
    tries.join_all().await
}

#[tokio::test]
async fn guesses_from_one_address_never_refuse_the_right_person_at_another() {
    let platform = Platform::start_with(&["--trusted-proxy", "127.0.0.0/8"]).await;
    let password = platform.setting("CALLFEED_PASSWORD");
    // What the attacker writes into the header itself stands left of what the proxy adds.
    let attacker = |number: usize| format!("198.51.100.{number}, 203.0.113.9");
    let guesses = logins(&platform, "wrong", 40, attacker).await;
    assert!(guesses.contains(&429), "the attacker is slowed as one: {guesses:?}");
    assert_eq!(logins(&platform, password, 1, |_| "192.0.2.5".to_owned()).await, [303]);
    // The platform's own word on whether somebody had to wait, so no clock decides.
    let slowed = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("callfeed_logins_slowed_total"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    let metrics = || platform.with_token("");
    let before = slowed(&metrics().get("/metrics").await.is(200).text);
    assert_eq!(logins(&platform, password, 1, |_| "192.0.2.6".to_owned()).await, [303]);
    assert_eq!(slowed(&metrics().get("/metrics").await.is(200).text), before, "nobody waited");
    drop(platform);

    // Whom nobody trusts can write what it likes.
    let platform = Platform::start().await;
    let guesses = logins(&platform, "wrong", 40, |number| format!("198.51.100.{number}")).await;
    assert!(guesses.contains(&429), "{guesses:?}");
}

#[tokio::test]
async fn a_nul_character_is_a_clear_error_on_every_database() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let channel = "/notification-channel/v1/channels";
    session
        .post(&format!("{channel}/a%00b"), &json!({"channelType": "WebSockets"}))
        .await
        .error(404, "NOT_FOUND");
    let tagged = json!({"channelType": "WebSockets", "applicationTag": "a\u{0}b"});
    session.post(&format!("{channel}/nul"), &tagged).await.error(400, "MALFORMED_REQUEST");
    session.get("/call-events-report/v1/reports/a%00b").await.error(404, "NOT_FOUND");
    session.get("/call-events/v1/conversation-spaces?lineId=a%00b").await.error(400, "BAD_REQUEST");
    let client = format!("{}/oauth/authorize?client_id=a%00b", platform.base);
    assert_eq!(Answer::of("authorize", http().get(client)).await.status, 400);
    let grant = [("grant_type", "authorization_code"), ("code", "a\u{0}b")];
    assert_eq!(platform.token(&grant).await.status, 400);
}

#[tokio::test]
async fn a_second_platform_on_the_same_data_is_refused_and_harms_no_call() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let mut call = platform.call("answered", &["--speed", "5"]);
    let space = crate::harness::calls::first_space(&call).await;
    let data = platform.env_file().parent().expect("a folder").to_string_lossy().into_owned();
    let mut arguments = vec!["serve", "--listen", "127.0.0.1:0", "--data", &data, "--example"];
    let database = platform.database();
    if database.starts_with("postgres") {
        arguments.extend(["--database", &database]);
    }
    let second = App::run(&arguments, &platform.folder("second")).await;
    assert_eq!(second.code, Some(1));
    assert!(second.errors().contains("another platform uses this"), "{}", second.errors());
    assert_eq!(call.exit(SOON).await, Some(0));
    let report = platform.report(&session, &space).await;
    let summary_of = format!("/call-events/v1/conversation-spaces/{space}/events");
    let states = session.get(&summary_of).await.is(200).json()["items"].as_array().map_or(0, Vec::len);
    assert_eq!(report["callStates"].as_array().map(Vec::len), Some(states));
    assert!(report["hangupOriginatorId"].is_string(), "the call ended by itself: {report}");
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_told_with_its_cause_until_it_can_be_again() {
    let platform = Platform::start().await;
    let health = || async { platform.with_token("").get("/healthz").await };
    health().await.is(200);
    sql(&platform, "alter table log rename to log_elsewhere").await;
    let mut call = platform.call("answered", &["--speed", "50"]);
    assert_eq!(call.exit(SOON).await, Some(1));
    let said = call.stderr.all().join("\n");
    // What SQLite or PostgreSQL says, and where to look.
    assert!(said.contains("no such table: log") || said.contains("\"log\" does not exist"), "{said}");
    assert!(said.contains("the event log cannot be written"), "{said}");
    health().await.error(503, "UNAVAILABLE");
    let metrics = platform.with_token("").get("/metrics").await.is(200).text;
    let failures = metrics.lines().find_map(|line| line.strip_prefix("callfeed_log_commit_failures_total "));
    assert!(failures.is_some_and(|count| count != "0"), "{failures:?}");

    // Nobody calls meanwhile: the platform looks for itself.
    sql(&platform, "alter table log_elsewhere rename to log").await;
    eventually("the platform is healthy again", SOON, async || (health().await.status == 200).then_some(()))
        .await;
    let session = admin(&platform).await;
    let space = crate::harness::calls::play(&platform, "answered", &["--speed", "50"]).await;
    platform.report(&session, &space).await;
}

#[tokio::test]
async fn the_rate_limit_is_ten_and_each_api_has_its_own() {
    let platform = Platform::start_with(&["--rate-limit", "10"]).await;
    let session = admin(&platform).await;
    // All paths of one API share its budget; another API has its own.
    let mut statuses = Vec::new();
    let started = std::time::Instant::now();
    for number in 0..16 {
        let path = match number % 2 {
            0 => format!("/call-events/v1/conversation-spaces?accountKey={}", platform.account()),
            _ => "/call-events/v1/subscriptions?channelId=none".to_owned(),
        };
        statuses.push(session.get(&path).await.status);
    }
    let refilled = started.elapsed().as_millis() / 100 + 1;
    let passed = statuses.iter().filter(|status| **status != 429).count() as u128;
    assert!((10..=10 + refilled).contains(&passed), "{passed} of 16 passed in {:?}", started.elapsed());
    if passed < 16 {
        session.get("/call-events-report/v1/reports/none").await.error(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn an_asset_that_is_not_there_is_answered_like_every_unknown_path() {
    let platform = Platform::start().await;
    platform.with_token("").get("/assets/none").await.error(404, "NOT_FOUND");
}
