//! Typed calls: what is repeated, what is refused.

use sdk::{ErrorKind, limits};
use serde_json::json;

use crate::fake::{ACCOUNT, Fake};

const REFRESH: &str = "POST /oauth/token grant_type=refresh_token";

fn account() -> Vec<String> {
    vec![ACCOUNT.to_owned()]
}

#[tokio::test]
async fn each_item_of_a_207_must_be_a_success() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    client.subscribe_call_events("c", &account(), None).await.unwrap();
    fake.mood(|mood| mood.item_status = 403);
    let error = client.subscribe_call_events("c", &account(), None).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden);
    assert!(error.to_string().contains(ACCOUNT) && error.to_string().contains("super admin"), "{error}");
    let unmentioned = client.subscribe_call_events("c", &["17".to_owned()], None).await.unwrap_err();
    assert_eq!(unmentioned.kind, ErrorKind::BadAnswer);
}

#[tokio::test]
async fn an_empty_list_of_report_subscriptions_is_a_failure() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    assert_eq!(client.subscribe_reports("c", &account()).await.unwrap().items.len(), 1);
    fake.mood(|mood| mood.report_items = false);
    let error = client.subscribe_reports("c", &account()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden);
    assert!(error.to_string().contains("ACCOUNT_KEY"), "{error}");
}

#[tokio::test]
async fn a_refused_token_is_refreshed_once() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    let channel = client.create_channel("demo").await.unwrap();
    let refused = json!({"errorCode": "AUTHN_INVALID_TOKEN", "message": "invalid"});
    let path = format!("GET /notification-channel/v1/channels/demo/{}", channel.channel_id);
    fake.next(&path, 401, refused.clone());
    client.channel("demo", &channel.channel_id).await.unwrap();
    assert_eq!(fake.count(REFRESH), 1);

    // The refresh has just succeeded, so the sign-in lives: it is tried again later, and not refreshed each time.
    for _ in 0..sdk::limits::TRIES_MAX {
        fake.next(&path, 401, refused.clone());
    }
    let error = client.channel("demo", &channel.channel_id).await.unwrap_err();
    assert_eq!((error.kind, error.status), (ErrorKind::Unreachable, Some(401)));
    assert!(error.is_temporary() && client.is_signed_in(), "{error}");
    assert_eq!(fake.count(REFRESH), 1);
    client.channel("demo", &channel.channel_id).await.unwrap();
}

#[tokio::test]
async fn the_token_of_a_new_sign_in_may_be_refreshed_at_once() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    let channels = "GET /notification-channel/v1/channels";
    let refused = json!({"errorCode": "AUTHN_INVALID_TOKEN", "message": "invalid"});
    for refreshes in 1..=2 {
        // A token of a sign-in, not of a refresh.
        client.exchange("code-2").await.unwrap();
        fake.next(channels, 401, refused.clone());
        fake.next(channels, 200, json!({"items": []}));
        client.channels().await.unwrap();
        assert_eq!(fake.count(REFRESH), refreshes);
    }
}

#[tokio::test]
async fn a_token_that_expires_again_is_refreshed_again_but_not_for_ever() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    let channel = client.create_channel("demo").await.unwrap();
    let expired = json!({"errorCode": "AUTHN_EXPIRED_TOKEN", "message": "expired"});
    let path = format!("GET /notification-channel/v1/channels/demo/{}", channel.channel_id);
    let most = sdk::limits::REFRESHES_MAX as usize;
    for _ in 0..most {
        fake.next(&path, 401, expired.clone());
    }
    client.channel("demo", &channel.channel_id).await.unwrap();
    assert_eq!(fake.count(REFRESH), most);

    // Each refresh succeeds, so the sign-in lives: nobody is asked to sign in, it is tried again later.
    for _ in 0..most + sdk::limits::TRIES_MAX as usize {
        fake.next(&path, 401, expired.clone());
    }
    let error = client.channel("demo", &channel.channel_id).await.unwrap_err();
    assert_eq!((error.kind, error.status), (ErrorKind::Unreachable, Some(401)));
    assert_eq!(fake.count(REFRESH), 2 * most);
    assert!(client.is_signed_in());
}

#[tokio::test]
async fn what_is_safe_is_repeated_and_a_new_channel_is_not() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    let create = "POST /notification-channel/v1/channels/demo";
    fake.next(create, 503, json!({}));
    assert_eq!(client.create_channel("demo").await.unwrap_err().kind, ErrorKind::Unreachable);
    assert_eq!(fake.count(create), 1);

    // A 429 was not carried out, so it may be repeated.
    fake.next(create, 429, json!({}));
    let channel = client.create_channel("demo").await.unwrap();
    assert_eq!(fake.count(create), 3);

    let refresh = format!("PUT /notification-channel/v1/channels/demo/{}", channel.channel_id);
    fake.next(&refresh, 500, json!({}));
    fake.next(&refresh, 502, json!("no json of ours"));
    client.refresh_channel("demo", &channel.channel_id).await.unwrap();
    assert_eq!(fake.count(&refresh), 3);

    client.delete_channel("demo", &channel.channel_id).await.unwrap();
    client.delete_channel("demo", &channel.channel_id).await.unwrap();
    let error = client.refresh_channel("demo", &channel.channel_id).await.unwrap_err();
    assert_eq!((error.kind, error.reference.as_deref()), (ErrorKind::NotFound, Some("r1")));
}

#[tokio::test]
async fn pages_are_followed_until_the_marker_is_empty() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    let path = "GET /notification-channel/v1/channels";
    fake.next(path, 200, json!({"items": [{"channelId": "a"}], "nextPageMarker": "m/1"}));
    fake.next(path, 200, json!({"items": [{"channelId": "b"}], "nextPageMarker": ""}));
    let channels = client.channels().await.unwrap();
    assert_eq!(channels.iter().map(|channel| channel.channel_id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(fake.log().pop().unwrap().contains("pageMarker=m%2F1"));
}

#[tokio::test]
async fn the_text_of_a_report_stays_as_it_came() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    let report = json!({
        "conversationSpaceId": "cs-1", "callCreated": "2026-02-03T17:00:00Z", "callEnded": "2026-02-03T17:00:09Z",
        "direction": "INBOUND", "accountKey": ACCOUNT, "somethingNew": [1.50]
    });
    fake.next("GET /call-events-report/v1/reports/cs-1", 200, report.clone());
    let (typed, raw) = client.report("cs-1").await.unwrap();
    assert_eq!(typed.conversation_space_id, "cs-1");
    assert_eq!(raw, report.to_string());
    assert_eq!(client.report("cs-2").await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn what_does_not_fit_hides_nothing_else_and_is_named_without_its_value() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    let list = "GET /call-events-report/v1/report-summaries";
    let items = json!([
        {"conversationSpaceId": "cs-1", "caller": "Ada +13125550147", "callEnded": 17},
        {"conversationSpaceId": 17},
        {"conversationSpaceId": "cs-2", "callEnded": "2026-02-03T18:00:00Z"}
    ]);
    fake.next(list, 200, json!({"items": items}));
    let (start, end) = ("2026-02-03T17:00:00Z".parse().unwrap(), "2026-02-03T18:00:00Z".parse().unwrap());
    let ended = client.ended_calls(ACCOUNT, start, end).await.unwrap();
    let told: Vec<_> = ended.iter().map(|call| (call.conversation_space_id.as_str(), call.ended)).collect();
    assert_eq!(told, [("cs-1", None), ("cs-2", Some(end))]);
    fake.next(list, 200, json!({"items": items}));
    let error = client.report_summaries(ACCOUNT, start, end).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadAnswer);
    assert!(!error.to_string().contains("Ada"), "{error}");

    let path = "GET /call-events-report/v1/reports/cs-1";
    let report = json!({"conversationSpaceId": "cs-1", "participants": "Ada +13125550147"});
    fake.next(path, 200, report.clone());
    assert_eq!(client.report_text("cs-1").await.unwrap(), report.to_string());
    fake.next(path, 200, report);
    let error = client.report("cs-1").await.unwrap_err();
    let expected = "unreadable answer: invalid type: string, expected a sequence in participants, line 1";
    assert!(error.to_string().contains(expected), "{error}");
    for text in [json!(["Ada"]), json!("Ada")] {
        fake.next(path, 200, text);
        let error = client.report_text("cs-1").await.unwrap_err();
        assert!(error.kind == ErrorKind::BadAnswer && !error.to_string().contains("Ada"), "{error}");
    }
}

#[tokio::test]
async fn a_burst_stays_below_the_rate_limit_and_refusals_are_borne() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    let started = std::time::Instant::now();
    let calls = (0..20).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.report_subscriptions("c").await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    // Less than ten in any second: the twentieth cannot have left within the first two.
    assert!(started.elapsed() >= std::time::Duration::from_secs(2), "{:?}", started.elapsed());

    let path = "GET /call-events-report/v1/subscriptions";
    for _ in 0..3 {
        fake.next(path, 429, json!({}));
    }
    let before = fake.count(path);
    client.report_subscriptions("c").await.unwrap();
    assert_eq!(fake.count(path), before + 4, "three refusals are borne");
}

const CHANNELS: &str = "GET /notification-channel/v1/channels";

/// As from a server whose marker always leads on.
#[tokio::test]
async fn a_list_without_an_end_is_an_error_after_pages_max_pages() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    client.allow_requests_per_s(1e9);
    let more = json!({"items": [], "nextPageMarker": "again"});
    for _ in 0..=limits::PAGES_MAX {
        fake.next(CHANNELS, 200, more.clone());
    }
    let error = client.channels().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadAnswer);
    assert!(error.to_string().contains("no end"), "{error}");
    assert_eq!(fake.count(CHANNELS), limits::PAGES_MAX, "it is not asked for once more");
}

#[tokio::test]
async fn an_answer_of_more_than_answer_bytes_max_bytes_is_not_read() {
    let fake = Fake::start().await;
    let client = fake.signed_in().await;
    let bare = json!({"items": [], "text": ""}).to_string().len();
    let one_more = "x".repeat(limits::ANSWER_BYTES_MAX + 1 - bare);
    fake.next(CHANNELS, 200, json!({"items": [], "text": one_more}));
    let error = client.channels().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadAnswer);
    assert!(error.to_string().contains("too long"), "{error}");
}
