//! The feed: connected, disturbed, connected again.

use sdk::wire::notification::{REFRESH_REQUIRED, SYSTEM_SOURCE, TO_BE_CLOSED};
use sdk::{Client, ErrorKind, Feed, FeedConfig, FeedEvent};
use serde_json::json;

use crate::fake::{ACCOUNT, Fake, Order};

fn config(fake: &Fake) -> FeedConfig {
    FeedConfig {
        nickname: "demo".to_owned(),
        account_keys: vec![ACCOUNT.to_owned()],
        call_events: Some(vec![]),
        reports: true,
        state_file: Some(fake.folder.path().join("channel.json")),
    }
}

async fn next(feed: &mut Feed) -> FeedEvent {
    tokio::time::timeout(crate::PATIENCE, feed.next())
        .await
        .expect("an event in time")
        .expect("a living feed")
}

/// A feed that is connected.
async fn connected(fake: &Fake, client: Client) -> Feed {
    let mut feed = Feed::open(client, config(fake));
    let event = next(&mut feed).await;
    assert!(matches!(event, FeedEvent::Connected { .. }), "{event:?}");
    feed
}

fn announce(fake: &Fake, id: &str, call: &str) {
    fake.send(id, "call-events-report", "REPORT_SUMMARY", json!({"conversationSpaceId": call}));
}

async fn expect_report(feed: &mut Feed, call: &str) {
    match next(feed).await {
        FeedEvent::Report { conversation_space_id, .. } => assert_eq!(conversation_space_id, call),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn notifications_come_once_and_a_close_leaves_nothing() {
    let fake = Fake::start().await;
    let mut feed = connected(&fake, fake.signed_in().await).await;
    announce(&fake, "n1", "call-1");
    announce(&fake, "n1", "call-1");
    fake.send("n2", "messaging", "message", json!({}));
    announce(&fake, "n3", "call-2");
    expect_report(&mut feed, "call-1").await;
    assert!(matches!(next(&mut feed).await, FeedEvent::Other(data) if data.source == "messaging"));
    expect_report(&mut feed, "call-2").await;

    feed.close().await;
    assert!(fake.channels().is_empty());
    assert_eq!(fake.count("DELETE /call-events/v1/subscriptions?channelId="), 1);
    assert_eq!(fake.count("DELETE /call-events-report/v1/subscriptions?channelId="), 1);
    assert!(!fake.folder.path().join("channel.json").exists());
}

#[tokio::test]
async fn a_lost_socket_is_opened_again_on_the_same_channel() {
    let fake = Fake::start().await;
    let mut feed = connected(&fake, fake.signed_in().await).await;
    fake.order(Order::Drop);
    assert!(matches!(next(&mut feed).await, FeedEvent::Disconnected { .. }));
    assert!(matches!(next(&mut feed).await, FeedEvent::Connected { resumed: true }));
    announce(&fake, "n1", "call-1");
    expect_report(&mut feed, "call-1").await;
    assert_eq!(fake.count("POST /notification-channel"), 1);
    feed.close().await;
}

#[tokio::test]
async fn a_channel_that_is_gone_is_made_anew() {
    let fake = Fake::start().await;
    let mut feed = connected(&fake, fake.signed_in().await).await;
    fake.shared.channels.lock().unwrap().clear();
    fake.order(Order::Drop);
    assert!(matches!(next(&mut feed).await, FeedEvent::Disconnected { .. }));
    assert!(matches!(next(&mut feed).await, FeedEvent::Recreated { .. }));
    assert!(matches!(next(&mut feed).await, FeedEvent::Connected { resumed: false }));
    feed.close().await;
    assert!(fake.channels().is_empty());
}

#[tokio::test]
async fn a_channel_to_be_closed_is_replaced_without_a_gap() {
    let fake = Fake::start().await;
    let mut feed = connected(&fake, fake.signed_in().await).await;
    let old = fake.channels();
    fake.send("s1", SYSTEM_SOURCE, TO_BE_CLOSED, json!({}));
    let event = next(&mut feed).await;
    assert!(matches!(event, FeedEvent::Recreated { .. }), "no word of a disconnect: {event:?}");
    fake.wait_for("DELETE /notification-channel", 1).await;
    assert_eq!(fake.channels().len(), 1);
    assert_ne!(fake.channels(), old);
    announce(&fake, "n1", "call-1");
    expect_report(&mut feed, "call-1").await;
    feed.close().await;
    assert!(fake.channels().is_empty());
}

#[tokio::test]
async fn a_channel_is_refreshed_when_asked_and_by_itself() {
    let fake = Fake::start().await;
    let mut feed = connected(&fake, fake.signed_in().await).await;
    fake.mood(|mood| mood.channel_lifetime = 2);
    fake.send("s1", SYSTEM_SOURCE, REFRESH_REQUIRED, json!({"remainingLifetime": 600}));
    for _ in 0..3 {
        assert!(matches!(next(&mut feed).await, FeedEvent::Refreshed));
    }
    feed.close().await;
}

#[tokio::test]
async fn a_restart_takes_over_the_channel() {
    let fake = Fake::start().await;
    let feed = connected(&fake, fake.signed_in().await).await;
    let before = fake.channels();
    drop(feed);
    let mut feed = Feed::open(fake.client(), config(&fake));
    assert!(matches!(next(&mut feed).await, FeedEvent::Connected { resumed: true }));
    assert_eq!(fake.channels(), before);
    drop(feed);

    fake.shared.channels.lock().unwrap().clear();
    let mut feed = Feed::open(fake.client(), config(&fake));
    assert!(matches!(next(&mut feed).await, FeedEvent::Connected { resumed: false }));
    feed.close().await;
    assert!(fake.channels().is_empty());
}

#[tokio::test]
async fn trouble_after_a_take_over_is_told() {
    let fake = Fake::start().await;
    drop(connected(&fake, fake.signed_in().await).await);
    let mut feed = connected(&fake, fake.client()).await;
    fake.mood(|mood| mood.item_status = 403);
    fake.shared.channels.lock().unwrap().clear();
    fake.order(Order::Drop);
    assert!(matches!(next(&mut feed).await, FeedEvent::Disconnected { .. }));
    assert!(matches!(next(&mut feed).await, FeedEvent::Problem(error) if error.kind == ErrorKind::Forbidden));
    feed.close().await;
}

#[tokio::test]
async fn a_refused_subscription_is_told_and_leaves_no_channel() {
    let fake = Fake::start().await;
    fake.mood(|mood| mood.item_status = 403);
    let mut feed = Feed::open(fake.signed_in().await, config(&fake));
    match next(&mut feed).await {
        FeedEvent::Problem(error) => assert_eq!(error.kind, ErrorKind::Forbidden),
        other => panic!("{other:?}"),
    }
    assert!(fake.channels().is_empty());
    fake.mood(|mood| mood.item_status = 200);
    loop {
        match next(&mut feed).await {
            FeedEvent::Problem(_) => {}
            FeedEvent::Connected { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    feed.close().await;
}

#[tokio::test]
async fn without_a_sign_in_it_waits_for_one() {
    let fake = Fake::start().await;
    let client = fake.client();
    let mut feed = Feed::open(client.clone(), config(&fake));
    assert!(matches!(next(&mut feed).await, FeedEvent::SignInNeeded));
    client.exchange("code-1").await.unwrap();
    assert!(matches!(next(&mut feed).await, FeedEvent::SignedIn));
    assert!(matches!(next(&mut feed).await, FeedEvent::Connected { .. }));
    feed.close().await;
}

#[tokio::test]
async fn a_new_sign_in_is_told_though_nobody_waited_for_one() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    let mut feed = connected(&fake, client.clone()).await;
    client.exchange("code-2").await.unwrap();
    assert!(matches!(next(&mut feed).await, FeedEvent::SignedIn));
    // Another program's, found in the file.
    fake.client().exchange("code-3").await.unwrap();
    assert!(matches!(next(&mut feed).await, FeedEvent::SignedIn));
    feed.close().await;
}

#[tokio::test]
async fn tokens_that_are_refused_for_a_while_stop_no_feed() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    let refused = json!({"errorCode": "AUTHN_INVALID_TOKEN", "message": "invalid"});
    for _ in 0..4 {
        fake.next("POST /notification-channel/v1/channels/demo", 401, refused.clone());
    }
    let mut feed = Feed::open(client.clone(), config(&fake));
    loop {
        match next(&mut feed).await {
            FeedEvent::Problem(error) => assert_eq!(error.status, Some(401)),
            FeedEvent::Connected { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fake.count("POST /oauth/token grant_type=refresh_token"), 1);
    feed.close().await;
}

/// An answer of the fake to "which accounts are subscribed".
fn keys(keys: &[&str]) -> serde_json::Value {
    json!({"accountKeys": keys})
}

#[tokio::test]
async fn a_take_over_makes_the_subscriptions_those_that_are_wanted() {
    let fake = Fake::start().await;
    drop(connected(&fake, fake.signed_in().await).await);
    let (calls, reports) = ("/call-events/v1/subscriptions", "/call-events-report/v1/subscriptions");
    subscribed_at(&fake, 0);
    fake.next(&format!("GET {calls}"), 200, keys(&["17", ACCOUNT]));
    fake.next(&format!("GET {reports}"), 200, keys(&[]));
    let conflict = json!({"errorCode": "CONFLICT", "message": "Subscription already exists"});
    fake.next(&format!("POST {reports}"), 409, conflict);
    let mut feed = Feed::open(fake.client(), config(&fake));
    assert!(matches!(next(&mut feed).await, FeedEvent::Connected { resumed: true }));
    assert_eq!(fake.count("POST /notification-channel"), 1, "it is the channel of before");
    let log = fake.log();
    assert!(
        log.iter().any(|line| line.starts_with(&format!("DELETE {calls}")) && line.contains("accountKey=17"))
    );
    assert_eq!(
        fake.count(&format!("POST {reports}")),
        2,
        "the one that the list lacked, and 409 is no failure"
    );
    drop(feed);

    // Other types of states: only a new subscription has them (spec/call-events.md, Create).
    let mut other = config(&fake);
    other.call_events = Some(vec![sdk::wire::call_events::StateType::Ending]);
    let (deleted, made) = (fake.count(&format!("DELETE {calls}")), fake.count(&format!("POST {calls}")));
    let mut feed = Feed::open(fake.client(), other);
    assert!(matches!(next(&mut feed).await, FeedEvent::Connected { resumed: true }));
    assert_eq!(fake.count(&format!("DELETE {calls}")), deleted + 1);
    assert_eq!(fake.count(&format!("POST {calls}")), made + 1);
    assert!(
        fake.log().iter().any(|line| line.starts_with(&format!("POST {calls}")) && line.contains("ENDING"))
    );
    feed.close().await;
}

/// Changes when the remembered channel was subscribed, in milliseconds since 1970.
fn subscribed_at(fake: &Fake, ms: i64) {
    let path = fake.folder.path().join("channel.json");
    let mut saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    saved["subscribed_ms"] = ms.into();
    std::fs::write(&path, saved.to_string()).unwrap();
}

#[tokio::test]
async fn a_list_that_lags_behind_makes_no_second_subscription() {
    let fake = Fake::start().await;
    drop(connected(&fake, fake.signed_in().await).await);
    // Later than now: however slow this machine is, it was a moment ago.
    subscribed_at(&fake, i64::MAX);
    let (calls, reports) = ("/call-events/v1/subscriptions", "/call-events-report/v1/subscriptions");
    for path in [calls, calls, reports] {
        fake.next(&format!("GET {path}"), 200, keys(&[]));
    }
    let mut feed = Feed::open(fake.client(), config(&fake));
    let event = next(&mut feed).await;
    assert!(matches!(event, FeedEvent::Connected { resumed: true }), "no failure either: {event:?}");
    assert_eq!(fake.count(&format!("POST {calls}")), 1, "{:#?}", fake.log());
    assert_eq!(fake.count(&format!("POST {reports}")), 1, "{:#?}", fake.log());
    assert_eq!(fake.count(&format!("DELETE {reports}")), 0);
    feed.close().await;
}

#[tokio::test]
async fn a_report_subscription_of_other_types_is_made_anew_where_the_service_tells() {
    let fake = Fake::start().await;
    drop(connected(&fake, fake.signed_in().await).await);
    let path = "/call-events-report/v1/subscriptions";
    // The account is subscribed, but not for this type.
    for listed in [keys(&[ACCOUNT]), keys(&[])] {
        fake.next(&format!("GET {path}"), 200, listed);
    }
    subscribed_at(&fake, 0);
    drop(connected(&fake, fake.client()).await);
    assert_eq!((fake.count(&format!("DELETE {path}")), fake.count(&format!("POST {path}"))), (1, 2));
    let asked =
        |line: &String| line.starts_with(&format!("GET {path}")) && line.contains("eventType=REPORT_SUMMARY");
    assert!(fake.log().iter().any(asked));

    // A service that does not know the filter: what is there stays.
    let unknown = json!({"errorCode": "BAD_REQUEST", "message": "eventType"});
    fake.next(&format!("GET {path}"), 200, keys(&[ACCOUNT]));
    fake.next(&format!("GET {path}"), 400, unknown);
    let feed = connected(&fake, fake.client()).await;
    assert_eq!((fake.count(&format!("DELETE {path}")), fake.count(&format!("POST {path}"))), (1, 2));
    feed.close().await;
}

#[tokio::test]
async fn a_207_that_says_not_now_is_asked_again_on_the_same_channel() {
    let fake = Fake::start().await;
    let item = json!({"id": ACCOUNT, "status": 503, "message": "busy"});
    fake.next("POST /call-events/v1/subscriptions", 207, json!({"accountKeys": [item]}));
    let feed = connected(&fake, fake.signed_in().await).await;
    assert_eq!(fake.count("POST /call-events/v1/subscriptions"), 2);
    assert_eq!(fake.count("POST /notification-channel"), 1);
    feed.close().await;
}

#[tokio::test]
async fn a_socket_that_opens_again_names_the_last_notification_and_hears_when_that_is_not_enough() {
    let fake = Fake::start().await;
    let mut feed = connected(&fake, fake.signed_in().await).await;
    announce(&fake, "n-17", "call-1");
    expect_report(&mut feed, "call-1").await;
    fake.order(Order::Drop);
    assert!(matches!(next(&mut feed).await, FeedEvent::Disconnected { .. }));
    assert!(matches!(next(&mut feed).await, FeedEvent::Connected { resumed: true }));
    let resumed = |line: &&String| line.starts_with("GET /socket/") && line.contains("?after=n-17");
    assert_eq!(fake.log().iter().filter(resumed).count(), 1);
    fake.send("r1", "callfeed", "RESUME", json!({"recovered": false}));
    assert!(matches!(next(&mut feed).await, FeedEvent::MayHaveMissed { .. }));
    feed.close().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_told_without_what_it_says() {
    let fake = Fake::start().await;
    let mut feed = connected(&fake, fake.signed_in().await).await;
    let event = |content: &str| {
        format!(
            r#"{{"event":"Notification","data":{{"id":"n1","source":"call-events","type":"x","content":{content}}}}}"#
        )
    };
    let cases = [
        (
            event(r#"{"metadata":"Ada +13125550147"}"#),
            "unreadable call event n1: invalid type: string, expected",
        ),
        (
            r#"{"event":"Notification","data":"Ada +13125550147"}"#.to_owned(),
            "on the socket: invalid type: string",
        ),
        (r#"{"event": Ada +13125550147"#.to_owned(), "unreadable frame on the socket: it is not JSON"),
    ];
    for (frame, expected) in cases {
        fake.order(Order::Send(frame));
        match next(&mut feed).await {
            FeedEvent::Problem(error) => {
                let text = error.to_string();
                assert!(text.contains(expected), "{text}");
                assert!(!text.contains("Ada") && !text.contains("5550147"), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
    feed.close().await;
}

#[tokio::test]
async fn the_content_of_a_notification_stays_as_it_came() {
    let fake = Fake::start().await;
    let mut feed = connected(&fake, fake.signed_in().await).await;
    let raw = r#"{ "conversationSpaceId":"call-1",  "new": [1.50], "a": "\u00e9" }"#;
    let data = format!(
        r#"{{"id":"n1","source":"call-events-report","type":"REPORT_SUMMARY_REVISION","content":{raw}}}"#
    );
    fake.order(Order::Send(format!(r#"{{"event":"Notification","data":{data}}}"#)));
    match next(&mut feed).await {
        FeedEvent::Report { conversation_space_id, notification } => {
            assert_eq!(conversation_space_id, "call-1");
            assert_eq!(
                (notification.id.as_str(), notification.kind.as_str()),
                ("n1", "REPORT_SUMMARY_REVISION")
            );
            assert_eq!(&*notification.raw, raw);
        }
        other => panic!("{other:?}"),
    }
    feed.close().await;
}

#[tokio::test]
async fn a_dead_sign_in_is_told_as_soon_as_it_is_known_and_a_new_one_is_taken_up() {
    let fake = Fake::start().await;
    fake.mood(|mood| mood.expires_in = 3);
    let client = fake.signed_in().await;
    let mut feed = connected(&fake, client.clone()).await;
    fake.next("POST /oauth/token", 400, json!({"error": "invalid_grant"}));
    loop {
        match next(&mut feed).await {
            FeedEvent::SignInNeeded => break,
            FeedEvent::Refreshed => {}
            other => panic!("{other:?}"),
        }
    }
    // The socket needs no token: what it brings still counts.
    announce(&fake, "n1", "call-1");
    expect_report(&mut feed, "call-1").await;
    fake.mood(|mood| mood.expires_in = 3600);
    client.exchange("code-2").await.unwrap();
    client.ready().await.unwrap();
    feed.close().await;
    assert!(fake.channels().is_empty());
}

#[tokio::test]
async fn a_slow_reader_loses_nothing() {
    let fake = Fake::start().await;
    let mut feed = connected(&fake, fake.signed_in().await).await;
    let count = sdk::limits::FEED_QUEUE + sdk::limits::SOCKET_QUEUE + 100;
    let sender = async {
        for n in 0..count {
            announce(&fake, &format!("n{n}"), &format!("call-{n}"));
            tokio::task::yield_now().await;
        }
    };
    let reader = async {
        for n in 0..count {
            expect_report(&mut feed, &format!("call-{n}")).await;
        }
    };
    sender.await;
    reader.await;
    feed.close().await;
}
