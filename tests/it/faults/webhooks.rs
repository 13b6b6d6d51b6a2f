//! Faults of webhooks: each shows at the receiver, and ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{add, clear, end_of, office, play, struck};
use crate::harness::calls::Channel;
use crate::harness::receiver::{Received, Receiver, Reply};
use crate::harness::{Answer, Platform, SOON, Session, eventually};

const CHANNELS: &str = "/notification-channel/v1/channels";

fn body(url: &str) -> Value {
    let data = json!({"webhook": {"url": url}, "signature": {"algorithm": "hmac-sha256"}});
    json!({"channelType": "Webhook", "webhookChannelData": data})
}

/// A webhook channel with all of the account: the answer that made it.
async fn hook(platform: &Platform, session: &Session, name: &str, url: &str) -> Value {
    let made = session.post(&format!("{CHANNELS}/{name}"), &body(url)).await.is(201).json();
    Channel::subscribe(platform, session, made["channelId"].as_str().unwrap()).await;
    made
}

/// The numbers of the states, in the order in which they came.
fn numbers(requests: &[Received]) -> Vec<u64> {
    let states = requests.iter().map(Received::json);
    states.filter_map(|body| body["content"]["state"]["sequenceNumber"].as_u64()).collect()
}

/// Waits until this many states of a call have come.
async fn come(receiver: &Receiver, space: &str, count: usize) -> Vec<u64> {
    let of_call = |requests: &[Received]| {
        let posts =
            requests.iter().filter(|one| one.method == "POST" && one.space().as_deref() == Some(space));
        let numbers = numbers(&posts.cloned().collect::<Vec<_>>());
        (numbers.len() >= count).then_some(numbers)
    };
    receiver.requests.wait("the states of the call", SOON, of_call).await
}

/// All is well: a call comes whole and in order.
async fn is_well(platform: &Platform, receiver: &Receiver) {
    let space = play(platform, "missed").await;
    let numbers = numbers(&receiver.call(&space).await);
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_receiver_is_told_twice_late_in_another_order_or_not_at_all_and_then_as_usual() {
    let (platform, session) = office().await;
    let receiver = Receiver::start(|_| 204.into()).await;
    let id = hook(&platform, &session, "bent", &receiver.url).await["channelId"].clone();
    let other = Receiver::start(|_| 204.into()).await;
    hook(&platform, &session, "straight", &other.url).await;

    let fault = add(&platform, &json!({"fault": "webhook-twice", "channelId": id, "times": 2})).await;
    let space = play(&platform, "missed").await;
    let told = receiver.call(&space).await;
    assert_eq!(numbers(&told)[..5], [1, 1, 2, 2, 3], "the first two come twice");
    assert_eq!((told[0].id(), &told[0].body), (told[1].id(), &told[1].body));
    assert_eq!(end_of(&platform, &fault).await, ("times".to_owned(), 2));
    assert!(numbers(&other.call(&space).await).windows(2).all(|pair| pair[0] < pair[1]), "another channel");

    let fault = add(&platform, &json!({"fault": "webhook-reorder", "channelId": id, "times": 1})).await;
    let told = receiver.call(&play(&platform, "missed").await).await;
    assert_eq!(numbers(&told)[..3], [2, 1, 3]);
    assert_eq!(end_of(&platform, &fault).await, ("times".to_owned(), 1));

    // Late, in order, and at once when the fault is lifted.
    let late = json!({"fault": "webhook-late", "channelId": id, "parameters": {"delayMs": 600_000}});
    let fault = add(&platform, &late).await;
    let space = play(&platform, "missed").await;
    let whole = numbers(&other.call(&space).await);
    let posts = receiver.posts();
    assert!(posts.iter().all(|one| one.space().as_deref() != Some(space.as_str())), "nothing has come yet");
    clear(&platform, &fault).await;
    assert_eq!(come(&receiver, &space, whole.len()).await, whole);

    let fault = add(&platform, &json!({"fault": "webhook-lost", "channelId": id})).await;
    let told = receiver.call(&play(&platform, "missed").await).await;
    assert_eq!(numbers(&told)[0], 2, "the first never came");
    assert_eq!(end_of(&platform, &fault).await, ("times".to_owned(), 1));
    is_well(&platform, &receiver).await;
}

#[tokio::test]
async fn a_signature_fits_no_more_and_then_again() {
    let (platform, session) = office().await;
    let receiver = Receiver::start(|_| 204.into()).await;
    let made = hook(&platform, &session, "forged", &receiver.url).await;
    let secret = made["webhookChannelData"]["signature"]["secret"].as_str().expect("a secret");
    let checker = standardwebhooks::Webhook::new(secret).expect("a secret of Standard Webhooks");
    let fits = |request: &Received| checker.verify(request.body.as_bytes(), &request.headers).is_ok();
    let fault = add(&platform, &json!({"fault": "webhook-wrong-signature", "times": 1})).await;
    let told = receiver.call(&play(&platform, "missed").await).await;
    assert!(!fits(&told[0]) && told[1..].iter().all(fits));
    assert_eq!(end_of(&platform, &fault).await, ("times".to_owned(), 1));

    // Where nothing is signed nothing was changed, and no strike tells otherwise.
    let plain = Receiver::start(|_| 204.into()).await;
    let data = json!({"channelType": "Webhook", "webhookChannelData": {"webhook": {"url": plain.url}}});
    let made = session.post(&format!("{CHANNELS}/unsigned"), &data).await.is(201);
    let channel = made.text_of("/channelId");
    Channel::subscribe(&platform, &session, &channel).await;
    let fault =
        add(&platform, &json!({"fault": "webhook-wrong-signature", "channelId": channel, "times": 1})).await;
    plain.call(&play(&platform, "missed").await).await;
    clear(&platform, &fault).await;
    assert_eq!(end_of(&platform, &fault).await.1, 0);
}

#[tokio::test]
async fn an_address_fails_its_proof_or_is_not_asked_for_it() {
    let (platform, session) = office().await;
    let receiver = Receiver::start_with(|one| if one.method == "OPTIONS" { 404 } else { 204 }.into()).await;
    let create = async |name: &str| session.post(&format!("{CHANNELS}/{name}"), &body(&receiver.url)).await;
    let fault = add(&platform, &json!({"fault": "webhook-unasked", "times": 1})).await;
    create("unasked").await.is(201);
    assert_eq!(receiver.requests.all().len(), 0, "no OPTIONS came");
    assert_eq!(end_of(&platform, &fault).await, ("times".to_owned(), 1));
    let refused = create("asked").await;
    assert_eq!(struck(&refused), "");
    refused.error(400, "BAD_REQUEST");

    let proves = Receiver::start(|_| 204.into()).await;
    let create = async |name: &str| -> Answer {
        session.post(&format!("{CHANNELS}/{name}"), &body(&proves.url)).await
    };
    let set = json!({"status": "422"});
    let fault = add(&platform, &json!({"fault": "webhook-unproven", "parameters": set})).await;
    let refused = create("unproven").await.is(422);
    assert_eq!(struck(&refused), "webhook-unproven");
    let constraint = &refused.json()["constraintViolations"][0];
    assert_eq!(constraint["field"], "webhookChannelData.webhook.url", "{}", refused.text);
    assert_eq!(end_of(&platform, &fault).await, ("times".to_owned(), 1));
    create("unproven").await.is(201);
}

#[tokio::test]
async fn a_receiver_that_is_gone_takes_its_channel_with_it_while_the_mode_lasts() {
    let (platform, session) = office().await;
    let receiver = Receiver::start(|_| 404.into()).await;
    let made = hook(&platform, &session, "gone", &receiver.url).await;
    let path = format!("{CHANNELS}/gone/{}", made["channelId"].as_str().unwrap());
    let marked = async |path: &str| {
        eventually("the mark", SOON, async || {
            let channel = session.get(path).await.is(200).json();
            channel["webhookChannelData"]["unreachableTimestamp"].is_string().then_some(())
        })
        .await;
    };
    play(&platform, "missed").await;
    marked(&path).await;
    let fault = add(&platform, &json!({"fault": "webhook-404-removes"})).await;
    play(&platform, "missed").await;
    eventually("the end of the channel", SOON, async || {
        (session.get(&path).await.status == 404).then_some(())
    })
    .await;
    clear(&platform, &fault).await;
    let again = hook(&platform, &session, "gone", &receiver.url).await;
    play(&platform, "missed").await;
    marked(&format!("{CHANNELS}/gone/{}", again["channelId"].as_str().unwrap())).await;
}

/// How often a state of a call has come.
fn told(receiver: &Receiver, space: &str, number: u64) -> usize {
    let posts = receiver.posts();
    let of_call = posts.iter().filter(|one| one.space().as_deref() == Some(space)).cloned();
    numbers(&of_call.collect::<Vec<_>>()).into_iter().filter(|one| *one == number).count()
}

#[tokio::test]
async fn another_4xx_and_a_slow_answer_are_failures_while_the_modes_last() {
    let (platform, session) = office().await;
    let status = Arc::new(AtomicU16::new(429));
    let says = Arc::clone(&status);
    let thinks = Duration::from_millis(300);
    let receiver =
        Receiver::start(move |_| Reply { delay: thinks, ..says.load(Ordering::SeqCst).into() }).await;
    hook(&platform, &session, "failing", &receiver.url).await;
    let ends = async |mode: &str, set: Value| {
        let fault = add(&platform, &json!({"fault": mode, "parameters": set})).await;
        let space = play(&platform, "missed").await;
        let again = eventually("two more tries", SOON, async || {
            (told(&receiver, &space, 1) == 3).then_some(space.clone())
        });
        again.await;
        clear(&platform, &fault).await;
    };
    ends("webhook-4xx-retried", json!({})).await;
    // What was under way while the mode ended may be tried again.
    let space = play(&platform, "missed").await;
    let _ = receiver.call(&space).await;
    let space = play(&platform, "missed").await;
    let _ = receiver.call(&space).await;
    assert_eq!(told(&receiver, &space, 1), 1, "as usual, another 4xx is final");

    status.store(204, Ordering::SeqCst);
    ends("webhook-impatient", json!({"timeoutMs": 50})).await;
    let space = play(&platform, "missed").await;
    let _ = receiver.call(&space).await;
    is_well(&platform, &receiver).await;
}

#[tokio::test]
async fn modes_of_notifications_shape_the_bodies_of_webhooks_too() {
    let (platform, session) = office().await;
    let receiver = Receiver::start(|_| 204.into()).await;
    let id = hook(&platform, &session, "shaped", &receiver.url).await["channelId"].clone();
    let one = add(&platform, &json!({"fault": "short-envelope", "channelId": id})).await;
    let two = add(&platform, &json!({"fault": "answer-in-one-state"})).await;
    let told = receiver.call(&play(&platform, "answered").await).await;
    assert!(told.iter().all(|one| one.json().get("ttl").is_none()), "{:?}", told[0]);
    assert!(told.iter().all(|one| one.json().as_object().unwrap().values().all(|member| !member.is_null())));
    assert_eq!(numbers(&told), [1, 2, 3, 4, 5, 6, 7], "one state less, and no hole");
    clear(&platform, &one).await;
    clear(&platform, &two).await;
    let told = receiver.call(&play(&platform, "answered").await).await;
    assert!(told.iter().all(|one| one.json()["ttl"].is_u64()), "{:?}", told[0]);
    assert_eq!(numbers(&told), [1, 2, 3, 4, 5, 6, 7, 8]);
}
