//! Webhooks beyond GoTo Connect, for those who ask: signatures of Standard Webhooks, tries over days, a log of
//! attempts, resending and recovering.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::calls::{self, Channel, play};
use crate::harness::receiver::{Received, Receiver, Reply};
use crate::harness::{LATER, Person, Platform, SCOPES, SOON, Session, eventually};

const CHANNELS: &str = "/notification-channel/v1/channels";
const FAST: &[&str] = &["--speed", "50"];

async fn admin(platform: &Platform) -> Session {
    Person::admin(platform).grant(platform, SCOPES).await.session
}

fn body(url: &str, extras: &Value) -> Value {
    let mut data = json!({"webhook": {"url": url}});
    for (name, value) in extras.as_object().unwrap() {
        data[name] = value.clone();
    }
    json!({"channelType": "Webhook", "webhookChannelData": data})
}

/// A subscribed webhook channel: its REST path, and the answer that made it.
async fn subscribed(platform: &Platform, session: &Session, url: &str, extras: &Value) -> (String, Value) {
    let answer = session.post(&format!("{CHANNELS}/extras"), &body(url, extras)).await.is(201);
    let id = answer.text_of("/channelId");
    Channel::subscribe(platform, session, &id).await;
    (format!("{CHANNELS}/extras/{id}"), answer.json())
}

fn verifies(secret: &str, request: &Received) -> bool {
    let receiver = standardwebhooks::Webhook::new(secret).expect("a secret of Standard Webhooks");
    receiver.verify(request.body.as_bytes(), &request.headers).is_ok()
}

/// The states among notifications of one call by number, each once.
fn states(requests: &[Received]) -> Vec<Value> {
    let mut numbered: BTreeMap<u64, Value> = BTreeMap::new();
    for body in requests.iter().map(Received::json).filter(|body| body["source"] == "call-events") {
        let state = body["content"]["state"].clone();
        numbered.insert(state["sequenceNumber"].as_u64().unwrap(), state);
    }
    numbered.into_values().collect()
}

#[tokio::test]
async fn a_signed_webhook_verifies_and_its_key_is_rotated_with_overlap() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let receiver = Receiver::start(|_| 204.into()).await;
    let extras = json!({"signature": {"algorithm": "hmac-sha256"}});
    let (path, made) = subscribed(&platform, &session, &receiver.url, &extras).await;
    let secret = made["webhookChannelData"]["signature"]["secret"].as_str().expect("shown").to_owned();
    let read = session.get(&path).await.is(200).json();
    assert_eq!(read["webhookChannelData"]["signature"], json!({"algorithm": "hmac-sha256"}), "shown once");
    let again =
        session.post(&format!("{CHANNELS}/extras"), &body(&receiver.url, &extras)).await.is(201).json();
    assert_eq!(again, read, "made once");

    let space = play(&platform, "answered", FAST).await;
    for request in receiver.call(&space).await {
        assert!(verifies(&secret, &request), "{:?}", request.headers);
        assert_eq!(request.header("webhook-id"), request.id());
        assert_eq!(request.header("webhook-signature").split(' ').count(), 1);
    }

    let rotated = session.post(&format!("{path}/signature/rotate"), &json!({})).await.is(200);
    let new = rotated.text_of("/secret");
    assert_ne!(new, secret);
    let space = play(&platform, "answered", FAST).await;
    for request in receiver.call(&space).await {
        assert!(verifies(&secret, &request) && verifies(&new, &request), "{:?}", request.headers);
    }
    session.post(&format!("{path}/signature/rotate"), &json!({"overlap": 0})).await.is(200);
    let space = play(&platform, "answered", FAST).await;
    for request in receiver.call(&space).await {
        assert!(!verifies(&secret, &request) && !verifies(&new, &request), "old keys have ended");
    }
}

#[tokio::test]
async fn an_ed25519_webhook_shows_its_public_key() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let receiver = Receiver::start(|_| 204.into()).await;
    let extras = json!({"signature": {"algorithm": "ed25519"}});
    let (path, made) = subscribed(&platform, &session, &receiver.url, &extras).await;
    let signature = &made["webhookChannelData"]["signature"];
    assert!(signature["publicKey"].as_str().is_some_and(|key| key.starts_with("whpk_")), "{signature}");
    assert_eq!(session.get(&path).await.is(200).json(), made, "a public key is no secret");
    let space = play(&platform, "answered", FAST).await;
    for request in receiver.call(&space).await {
        assert!(request.header("webhook-signature").starts_with("v1a,"), "{:?}", request.headers);
    }
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_refused() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let receiver = Receiver::start(|_| 204.into()).await;
    let path = format!("{CHANNELS}/extras");
    for extras in [json!({"delivery": "eventually"}), json!({"signature": {"algorithm": "rot13"}})] {
        session.post(&path, &body(&receiver.url, &extras)).await.error(400, "BAD_REQUEST");
    }
    let (plain, _) = subscribed(&platform, &session, &receiver.url, &json!({})).await;
    let durable = body(&receiver.url, &json!({"delivery": "durable"}));
    session.post(&path, &durable).await.error(409, "CONFLICT");
    session.get(&format!("{plain}/attempts")).await.error(409, "CONFLICT");
    session.post(&format!("{plain}/signature/rotate"), &json!({})).await.error(409, "CONFLICT");
    session.delete(&plain).await.is(204);
    let (path, made) = subscribed(&platform, &session, &receiver.url, &json!({"delivery": "durable"})).await;
    assert_eq!(made["webhookChannelData"]["delivery"], "durable");
    session.post(&format!("{path}/recover"), &json!({})).await.error(400, "BAD_REQUEST");
    session.post(&format!("{path}/recover"), &json!({"since": "lately"})).await.error(400, "BAD_REQUEST");
    session.post(&format!("{path}/attempts/nothing/resend"), &json!({})).await.error(404, "NOT_FOUND");
    let member = Person::member(&platform).grant(&platform, SCOPES).await.session;
    for own in ["attempts", "attempts?notificationId=x"] {
        member.get(&format!("{path}/{own}")).await.error(404, "RTC-NOTIFICATION-CHANNEL-NOT-FOUND");
    }
}

#[tokio::test]
async fn a_durable_webhook_tries_again_when_the_receiver_says_and_keeps_a_log() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let count = AtomicUsize::new(0);
    let receiver = Receiver::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Reply { retry_after_s: Some(7), ..429.into() },
        _ => 204.into(),
    })
    .await;
    let (path, _) = subscribed(&platform, &session, &receiver.url, &json!({"delivery": "durable"})).await;
    let space = play(&platform, "answered", FAST).await;
    let requests = receiver.call(&space).await;
    calls::check_sequence(&states(&requests));
    let first = requests[0].id();
    assert_eq!(requests.iter().filter(|request| request.id() == first).count(), 2);
    assert_eq!(requests[1].id(), first, "the rest of the call waits");

    let log = eventually("the log of all attempts", SOON, async || {
        let items = session.get(&format!("{path}/attempts")).await.is(200).json()["items"].clone();
        (items.as_array().unwrap().len() == requests.len()).then_some(items)
    })
    .await;
    assert!(log.as_array().unwrap().iter().all(|item| item["state"] == "delivered"), "{log}");
    let of_first = session.get(&format!("{path}/attempts?notificationId={first}")).await.is(200).json();
    let of_first = of_first["items"].as_array().unwrap();
    let numbers: Vec<&Value> = of_first.iter().map(|item| &item["attempt"]).collect();
    assert_eq!(numbers, [2, 1], "newest first");
    assert_eq!((&of_first[0]["statusCode"], &of_first[1]["statusCode"]), (&json!(204), &json!(429)));
    let at = |item: &Value| item["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let waited = at(&of_first[0]).duration_since(at(&of_first[1]));
    assert!(waited.as_secs() >= 7, "Retry-After is honoured: {waited}");

    let page = session.get(&format!("{path}/attempts?pageSize=2")).await.is(200).json();
    let marker = page["nextPageMarker"].as_str().expect("there is more");
    let next = session.get(&format!("{path}/attempts?pageSize=2&pageMarker={marker}")).await.is(200).json();
    assert_eq!(next["items"][0], log[2]);

    session.post(&format!("{path}/attempts/{first}/resend"), &json!({})).await.is(202);
    let thrice = |requests: &[Received]| {
        let again = requests.iter().filter(|request| request.method == "POST" && request.id() == first);
        (again.count() == 3).then_some(())
    };
    receiver.requests.wait("the first notification once more", SOON, thrice).await;
}

#[tokio::test]
async fn after_an_outage_and_a_crash_everything_is_recovered() {
    let mut platform = Platform::start().await;
    let session = admin(&platform).await;
    let status = Arc::new(AtomicU16::new(503));
    let said = Arc::clone(&status);
    let receiver = Receiver::start(move |_| said.load(Ordering::SeqCst).into()).await;
    let since = jiff::Timestamp::now().to_string();
    let (path, _) = subscribed(&platform, &session, &receiver.url, &json!({"delivery": "durable"})).await;
    let spaces = calls::play_many(&platform, 30).await;
    // After some failures in a row the receiver is left alone, whatever waits.
    let five =
        |requests: &[Received]| (requests.iter().filter(|r| r.method == "POST").count() >= 5).then_some(());
    receiver.requests.wait("five requests", SOON, five).await;
    platform.kill9().await;
    let asked = receiver.posts().len();
    assert!(asked < 30, "the breaker opens: {asked} requests");
    platform.restart().await;
    status.store(204, Ordering::SeqCst);
    let request = json!({"since": since});
    let recovered = session.post(&format!("{path}/recover"), &request).await.is(202).json();
    assert!(recovered["notifications"].as_u64().is_some_and(|count| count > 0), "{recovered}");
    let reports = |requests: &[Received]| {
        let posts = requests.iter().filter(|request| request.method == "POST");
        let reports = posts.filter(|request| request.json()["source"] == "call-events-report");
        let ended: HashSet<String> = reports.filter_map(Received::space).collect();
        (ended.len() == spaces.len()).then_some(())
    };
    receiver.requests.wait("the reports of all calls", LATER, reports).await;
    for space in &spaces {
        calls::check_sequence(&states(&receiver.call(space).await));
    }
    // Delivered ones come again only if that is said.
    let none = eventually("everything is recorded", SOON, async || {
        let recovered = session.post(&format!("{path}/recover"), &request).await.is(202).json();
        (recovered["notifications"] == 0).then_some(())
    });
    none.await;
    let all = json!({"since": since, "includeDelivered": true});
    let recovered = session.post(&format!("{path}/recover"), &all).await.is(202).json();
    let told: HashSet<String> = receiver.posts().iter().map(Received::id).collect();
    assert_eq!(recovered["notifications"], told.len(), "{recovered}");
}
