//! Webhook channels as GoTo Connect has them (spec/notification-channel.md, Webhook channels).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::calls::{self, Channel, play};
use crate::harness::receiver::{Received, Receiver, Reply};
use crate::harness::{Person, Platform, SCOPES, SOON, Session, eventually};

const CHANNELS: &str = "/notification-channel/v1/channels";
const URL_FIELD: &str = "webhookChannelData.webhook.url";
const FAST: &[&str] = &["--speed", "50"];

async fn admin(platform: &Platform) -> Session {
    Person::admin(platform).grant(platform, SCOPES).await.session
}

fn body(url: &str) -> Value {
    json!({"channelType": "Webhook", "webhookChannelData": {"webhook": {"url": url}}})
}

/// A webhook channel with live states and reports of the whole account; returns its REST path.
async fn subscribed(platform: &Platform, session: &Session, nickname: &str, url: &str) -> String {
    let answer = session.post(&format!("{CHANNELS}/{nickname}"), &body(url)).await.is(201);
    let id = answer.text_of("/channelId");
    Channel::subscribe(platform, session, &id).await;
    format!("{CHANNELS}/{nickname}/{id}")
}

/// The states among notifications of one call, in order of arrival.
fn states(requests: &[Received]) -> Vec<Value> {
    let bodies = requests.iter().map(Received::json).filter(|body| body["source"] == "call-events");
    bodies.map(|body| body["content"]["state"].clone()).collect()
}

#[tokio::test]
async fn a_webhook_channel_is_made_listed_read_and_deleted() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let receiver = Receiver::start(|_| 204.into()).await;
    let answer = session.post(&format!("{CHANNELS}/integrations"), &body(&receiver.url)).await.is(201).json();
    let proof = receiver.requests.all();
    assert_eq!(
        (proof.len(), proof[0].method.as_str(), proof[0].path.as_str()),
        (1, "OPTIONS", "/goto/7b1e0c")
    );

    let id = answer["channelId"].as_str().unwrap();
    let uuid = id.strip_prefix("Webhook.").expect("the id begins with Webhook.");
    uuid::Uuid::parse_str(uuid).expect("and goes on with a UUID");
    let path = format!("{CHANNELS}/integrations/{id}");
    // Exactly the example's members (spec/examples/channel-create-webhook-response.json).
    let expected = json!({
        "channelId": id,
        "channelNickname": "integrations",
        "webhookChannelData": {"webhook": {"url": receiver.url}, "channelType": "Webhook"},
        "channelLifetime": 2_147_483_647,
        "resourceURL": format!("{}{path}", platform.base),
        "doNotDisturbAware": false,
    });
    assert_eq!(answer, expected);
    assert_eq!(session.get(&path).await.is(200).json(), expected);
    assert_eq!(session.get(CHANNELS).await.is(200).json()["items"], json!([expected]));
    let lifetime = json!({"channelLifetime": 2_147_483_647});
    assert_eq!(session.get(&format!("{path}/channel-lifetime")).await.is(200).json(), lifetime);
    session.put(&path, &body(&receiver.url)).await.is(200);
    session
        .get(&format!("{CHANNELS}/{id}/channelId/ws"))
        .await
        .error(404, "RTC-NOTIFICATION-CHANNEL-NOT-FOUND");

    let again = session.post(&format!("{CHANNELS}/integrations"), &body(&receiver.url)).await.is(201).json();
    assert_eq!(again["channelId"], id, "the same nickname and URL is the same channel");
    let other = session.post(&format!("{CHANNELS}/others"), &body(&receiver.url)).await.is(201).json();
    assert_ne!(other["channelId"], id);
    let older = json!({"channelLifetime": 60, "webhookChannelData":
        {"channelType": "Webhook", "webhook": {"url": format!("{}/older", receiver.url)},
         "signature": {"sharedSecret": "an older client's"}}});
    let older = session.post(&format!("{CHANNELS}/integrations"), &older).await.is(201).json();
    assert_eq!(older["channelLifetime"], 60);

    session.delete(&path).await.is(204);
    session.delete(&path).await.error(404, "RTC-NOTIFICATION-CHANNEL-NOT-FOUND");
    let anew = session.post(&format!("{CHANNELS}/integrations"), &body(&receiver.url)).await.is(201).json();
    assert_ne!(anew["channelId"], id);
}

#[tokio::test]
async fn an_address_that_does_not_prove_itself_gets_no_channel() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let path = format!("{CHANNELS}/refused");
    let refuses = Receiver::start_with(|_| 405.into()).await;
    let nobody = "http://127.0.0.1:1/hook";
    for url in [&refuses.url, nobody, "not a URL", "ftp://127.0.0.1/x"] {
        let error = session.post(&path, &body(url)).await.error(400, "BAD_REQUEST");
        assert_eq!(error["constraintViolations"][0]["field"], URL_FIELD, "{error}");
    }
    let redirects = Receiver::start_with(|_| 302.into()).await;
    session.post(&path, &body(&redirects.url)).await.error(400, "BAD_REQUEST");
    let without = json!({"channelType": "Webhook", "webhookChannelData": {}});
    session.post(&path, &without).await.error(400, "BAD_REQUEST");
    assert_eq!(session.get(CHANNELS).await.is(200).json()["items"], json!([]));
}

#[tokio::test]
async fn states_and_the_report_come_flat_and_in_order() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let receiver = Receiver::start(|_| 204.into()).await;
    subscribed(&platform, &session, "flat", &receiver.url).await;
    let channel = Channel::subscribed(&platform, &session, "beside").await;
    let mut socket = channel.socket().await;
    let space = play(&platform, "ring-group", FAST).await;
    let requests = receiver.call(&space).await;
    calls::check_sequence(&states(&requests));
    let mut frames: HashMap<String, Value> = HashMap::new();
    for frame in socket.call(&space).await {
        frames.insert(frame["data"]["id"].as_str().unwrap().to_owned(), frame["data"].clone());
    }
    assert_eq!(requests.len(), frames.len());
    for request in &requests {
        assert_eq!(request.header("content-type"), "application/json");
        assert!(request.headers.keys().all(|name| !name.as_str().starts_with("webhook-")), "no signature");
        let body = request.json();
        let mut members: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        let known = ["bypassDoNotDisturb", "content", "id", "source", "timestamp", "ttl", "type"];
        assert_eq!(members, known);
        // The same notification as on the socket, under the same id.
        let frame = &frames[&request.id()];
        assert!(known.iter().all(|name| body[name] == frame[name]), "{body} {frame}");
        let typed: wire::notification::WebhookBody = serde_json::from_str(&request.body).unwrap();
        assert_eq!(serde_json::to_value(typed).unwrap(), body);
    }
}

#[tokio::test]
async fn a_failing_receiver_is_asked_up_to_three_times() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    // Each notification of odd sequence number succeeds at the third request; those of even number never.
    let tries: Mutex<HashMap<String, usize>> = Mutex::default();
    let receiver = Receiver::start(move |request| {
        let mut tries = tries.lock().unwrap();
        let count = tries.entry(request.id()).or_default();
        *count += 1;
        let number = request.json()["content"]["state"]["sequenceNumber"].as_u64().unwrap_or(1);
        if *count == 3 && number % 2 == 1 { 204.into() } else { 503.into() }
    })
    .await;
    subscribed(&platform, &session, "failing", &receiver.url).await;
    let space = play(&platform, "answered", FAST).await;
    let report = |requests: &[Received]| {
        let reports =
            requests.iter().filter(|r| r.method == "POST" && r.json()["source"] == "call-events-report");
        (reports.count() == 3).then_some(())
    };
    receiver.requests.wait("three requests for the report", SOON, report).await;
    let mut tries: BTreeMap<String, usize> = BTreeMap::new();
    for request in receiver.posts() {
        assert_eq!(request.space().as_deref(), Some(space.as_str()));
        *tries.entry(request.id()).or_default() += 1;
    }
    assert!(tries.values().all(|count| *count == 3), "{tries:?}");
    let mut ordered = states(&receiver.posts());
    ordered.dedup();
    calls::check_sequence(&ordered);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_marked_until_it_is_back() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let status = Arc::new(AtomicU16::new(410));
    let said = Arc::clone(&status);
    let receiver = Receiver::start(move |_| said.load(Ordering::SeqCst).into()).await;
    let path = subscribed(&platform, &session, "gone", &receiver.url).await;
    let space = play(&platform, "answered", FAST).await;
    let requests = receiver.call(&space).await;
    let ids: HashSet<String> = requests.iter().map(Received::id).collect();
    assert_eq!(ids.len(), requests.len(), "410 is not asked again, and notifications go on");
    eventually("the mark", SOON, async || {
        let channel = session.get(&path).await.is(200).json();
        let mark = channel["webhookChannelData"]["unreachableTimestamp"].as_str()?.to_owned();
        mark.ends_with('Z').then_some(())
    })
    .await;
    status.store(204, Ordering::SeqCst);
    let space = play(&platform, "answered", FAST).await;
    receiver.call(&space).await;
    eventually("no mark", SOON, async || {
        let channel = session.get(&path).await.is(200).json();
        channel["webhookChannelData"].get("unreachableTimestamp").is_none().then_some(())
    })
    .await;

    // Another status is final: one request, no mark.
    status.store(400, Ordering::SeqCst);
    let space = play(&platform, "answered", FAST).await;
    let requests = receiver.call(&space).await;
    calls::check_sequence(&states(&requests));
    let channel = session.get(&path).await.is(200).json();
    assert_eq!(channel["webhookChannelData"].get("unreachableTimestamp"), None);
}

#[tokio::test]
async fn a_slow_receiver_keeps_nobody_waiting_but_itself() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let slow = Receiver::start(|_| Reply { delay: SOON, ..204.into() }).await;
    let quick = Receiver::start(|_| 204.into()).await;
    subscribed(&platform, &session, "slow", &slow.url).await;
    subscribed(&platform, &session, "quick", &quick.url).await;
    let calls = calls::play_many(&platform, 20).await;
    for space in &calls {
        calls::check_sequence(&states(&quick.call(space).await));
    }
    let under_way = slow.posts();
    assert!((1..=24).contains(&under_way.len()), "{} requests to the slow one", under_way.len());
}

#[tokio::test]
async fn a_crash_repeats_with_the_same_ids_and_loses_nothing() {
    let mut platform = Platform::start().await;
    let session = admin(&platform).await;
    // The receiver holds its answers until the platform is dead.
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let receiver = Receiver::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Reply { delay: Duration::from_secs(5), ..204.into() },
        _ => 204.into(),
    })
    .await;
    subscribed(&platform, &session, "crash", &receiver.url).await;
    let space = play(&platform, "answered", FAST).await;
    platform.kill9().await;
    platform.restart().await;
    let requests = receiver.call(&space).await;
    let mut ids: HashMap<String, String> = HashMap::new();
    for request in &requests {
        let before = ids.insert(request.id(), request.body.clone());
        assert!(before.is_none_or(|before| before == request.body), "repeated letter for letter");
    }
    let mut numbered: BTreeMap<u64, Value> = BTreeMap::new();
    for state in states(&requests) {
        numbered.insert(state["sequenceNumber"].as_u64().unwrap(), state);
    }
    calls::check_sequence(&numbered.into_values().collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_leaves_for_private_addresses_without_the_operators_word() {
    let mut platform = Platform::start().await;
    let session = admin(&platform).await;
    let receiver = Receiver::start(|_| 204.into()).await;
    let path = subscribed(&platform, &session, "private", &receiver.url).await;
    let socket = Channel::subscribed(&platform, &session, "beside").await;
    let port = receiver.url.rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    platform.restart_without("--example").await;

    for host in
        ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "100.64.0.1"]
    {
        for url in
            [format!("https://{host}/"), format!("http://{host}:{port}/"), format!("https://{host}:{port}/")]
        {
            let answer = eventually("an answer within the rate limit", SOON, async || {
                let answer = session.post(&format!("{CHANNELS}/private"), &body(&url)).await;
                (answer.status != 429).then_some(answer)
            });
            let error = answer.await.error(400, "BAD_REQUEST");
            assert_eq!(error["constraintViolations"][0]["field"], URL_FIELD, "{url}: {error}");
        }
    }
    // A channel from the time when it was allowed hears nothing either.
    let mut socket = socket.socket().await;
    let space = play(&platform, "answered", FAST).await;
    socket.call(&space).await;
    session.get(&path).await.is(200);
    assert_eq!(receiver.posts().len(), 0);
    assert_eq!(receiver.requests.len(), 1, "only the proof, before");
}

#[tokio::test]
async fn the_example_office_of_a_public_platform_has_no_open_door() {
    let mut platform = Platform::start().await;
    let session = admin(&platform).await;
    platform.restart_with(&["--public-url", "https://calls.example.com"]).await;
    let answer = session.post(&format!("{CHANNELS}/private"), &body("http://127.0.0.1:1/")).await;
    assert_eq!(answer.error(400, "BAD_REQUEST")["constraintViolations"][0]["field"], URL_FIELD);
}
