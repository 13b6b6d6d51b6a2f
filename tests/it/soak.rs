//! The soak: many calls while the platform is killed again and again and everything happens to its readers that
//! happens to connections. What the platform serves afterwards is the truth; every reader must have been told all of
//! it, each call in order, and nothing in two ways.
//!
//! `CALLFEED_SOAK_CALLS` and `CALLFEED_TEST_SEED` set how long and which (`cargo xtask soak` does). The same seed
//! takes the same decisions; what they meet depends on the machine's time.

use std::collections::{BTreeSet, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::calls::{self, Channel};
use crate::harness::ledger::{Calls, Figures, Known, Ledger, hash};
use crate::harness::reader::{Door, Reader};
use crate::harness::receiver::{Received, Receiver, Reply};
use crate::harness::{LATER, Person, Platform, SCOPES, SOON, Session, eventually, seed};

/// Calls of the short form.
const CALLS: usize = 240;
/// From here on there is time for what takes long.
const CALLS_LONG: usize = 2_000;
/// Scenarios of one round and their calls.
const ROUND: [(&str, usize); 4] = [("answered", 40), ("ring-group", 25), ("dial-plan", 20), ("missed", 15)];
/// The kill comes so long after the round's first calls.
const CUT_MS: std::ops::Range<u64> = 100..3_500;
/// A second kill hits the start after the first one this early, at most.
const SECOND_CUT_MS_MAX: u64 = 400;
/// One round of so many has no kill.
const NO_CUT_ONE_IN: u32 = 5;
/// One kill of so many is followed by a second one during the start.
const SECOND_CUT_ONE_IN: u32 = 3;
/// Of so many notifications one is refused by the webhook's receiver when it comes first.
const REFUSED_ONE_IN: u64 = 150;
/// Requests of the last check at the same time.
const CHECKS: usize = 8;

fn calls_wanted() -> usize {
    let given = std::env::var("CALLFEED_SOAK_CALLS").ok();
    given.map_or(CALLS, |text| text.parse().expect("CALLFEED_SOAK_CALLS is a number"))
}

/// A subscribed channel that outlives the soak, and the path of its address.
async fn channel(platform: &Platform, session: &Session, name: &str) -> (Channel, String) {
    let channel = Channel::subscribed(platform, session, name).await;
    let lifetime = json!({"channelLifetime": 86_400});
    session.put(&format!("{}/channel-lifetime", channel.path), &lifetime).await.is(200);
    let url = url::Url::parse(&channel.url).expect("a URL");
    let path = url.path().to_owned();
    (channel, path)
}

/// A receiver that refuses some notifications once, and a durable webhook to it.
async fn webhook(platform: &Platform, session: &Session, seed: u64) -> (Receiver, Ledger) {
    let ledger = Ledger::new("Webhook", false);
    let sink = ledger.clone();
    let decisions = Mutex::new((fastrand::Rng::with_seed(seed), HashSet::new()));
    let receiver = Receiver::start_forgetful(move |request: &Received| {
        if request.method == "OPTIONS" {
            return 204.into();
        }
        let body = request.json();
        let (random, seen) = &mut *decisions.lock().unwrap();
        if seen.insert(request.id()) && random.u64(..REFUSED_ONE_IN) == 0 {
            // Half of them hold everything up, the others only their own call.
            return Reply { retry_after_s: random.bool().then_some(1), ..503.into() };
        }
        // Every request is a connection of its own as far as order is concerned: a repetition may come late.
        sink.connected();
        sink.take(&body);
        204.into()
    })
    .await;
    let data = json!({"webhook": {"url": receiver.url}, "delivery": "durable"});
    let body = json!({"channelType": "Webhook", "webhookChannelData": data});
    let made = session.post("/notification-channel/v1/channels/soak-webhook", &body).await.is(201);
    Channel::subscribe(platform, session, &made.text_of("/channelId")).await;
    (receiver, ledger)
}

/// Everybody who listens.
struct Audience {
    ledgers: Vec<Ledger>,
    tasks: Vec<JoinHandle<()>>,
    quiet: watch::Sender<bool>,
    _receiver: Receiver,
}

impl Audience {
    async fn gather(platform: &Platform, session: &Session, seed: u64, patient: bool) -> Self {
        let address = platform.base.trim_start_matches("http://").parse().expect("an address");
        let quiet = watch::Sender::new(false);
        let (mut ledgers, mut tasks) = (Vec::new(), Vec::new());
        for (number, door) in [Door::Socket, Door::SocketAfter, Door::Events].into_iter().enumerate() {
            let (channel, socket_path) = channel(platform, session, &format!("soak-{number}")).await;
            let path = if door == Door::Events { format!("{}/sse", channel.path) } else { socket_path };
            let seed = seed.wrapping_add(1 + number as u64);
            let reader = Reader::new(door, path, address, seed, patient);
            ledgers.push(reader.ledger.clone());
            tasks.push(tokio::spawn(reader.run(quiet.subscribe())));
        }
        let (receiver, ledger) = webhook(platform, session, seed).await;
        ledgers.push(ledger);
        Self { ledgers, tasks, quiet, _receiver: receiver }
    }

    fn check_so_far(&self) {
        let wrong: Vec<String> = self.ledgers.iter().flat_map(Ledger::wrong).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(self.tasks.iter().all(|task| !task.is_finished()), "a reader has ended");
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Not a wait for anything: the moment of a kill is the random choice that this test is about.
async fn moment(random: &mut fastrand::Rng, range: std::ops::Range<u64>) {
    tokio::time::sleep(Duration::from_millis(random.u64(range))).await;
}

/// Plays one round of at most `count` calls, with or without a kill; returns the calls that were started.
async fn round(
    platform: &mut Platform,
    random: &mut fastrand::Rng,
    count: usize,
    kills: &mut usize,
) -> BTreeSet<String> {
    let share = |part: usize| (part * count).div_ceil(100).to_string();
    let speed = random.u32(10..40).to_string();
    let seed = random.u32(..).to_string();
    let mut running = Vec::new();
    for (scenario, part) in ROUND {
        let count = share(part);
        let flags = ["--count", &count, "--every", "1s", "--speed", &speed, "--seed", &seed];
        running.push(platform.call(scenario, &flags));
    }
    for app in &running {
        calls::first_space(app).await;
    }
    let cut = random.u32(..NO_CUT_ONE_IN) > 0;
    let twice = random.u32(..SECOND_CUT_ONE_IN) == 0;
    if cut {
        moment(random, CUT_MS).await;
        platform.kill9().await;
        *kills += 1;
    }
    let mut started = BTreeSet::new();
    for app in &mut running {
        let code = app.exit(LATER).await;
        assert!(code == Some(0) || cut, "callfeed call plays to the end: {code:?}");
        started.extend(calls::spaces(app));
    }
    if cut && twice {
        platform.start_again();
        moment(random, 0..SECOND_CUT_MS_MAX).await;
        platform.kill9().await;
        *kills += 1;
    }
    if cut {
        platform.restart().await;
    }
    started
}

/// What the platform serves of all calls: the truth that readers are measured by. All calls have ended, and the
/// events, the summary and the report of each agree.
async fn truth(platform: &Platform, session: &Session) -> Calls {
    let account = platform.account();
    let spaces = format!("/call-events/v1/conversation-spaces?accountKey={account}");
    let under_way = session.get(&spaces).await.is(200).json();
    assert_eq!(under_way["items"], json!([]), "every call has ended");
    let now = jiff::Timestamp::now();
    let hour = jiff::SignedDuration::from_hours(1);
    let window = format!("accountKey={account}&startTime={}&endTime={}", now - hour * 24, now + hour);
    let path = format!("/call-events-report/v1/report-summaries?pageSize=1000&{window}");
    let summaries = pages(session, &path).await;
    let known = futures_util::stream::iter(summaries).map(async |summary| {
        let space = summary["conversationSpaceId"].as_str().expect("a summary has its call").to_owned();
        let known = one(session, &space, &summary).await;
        (space, known)
    });
    known.buffer_unordered(CHECKS).collect().await
}

async fn one(session: &Session, space: &str, summary: &Value) -> Known {
    let events = format!("/call-events/v1/conversation-spaces/{space}/events?pageSize=1000");
    let events = pages(session, &events).await;
    let states: Vec<Value> = events.iter().map(|event| event["state"].clone()).collect();
    calls::check_sequence(&states);
    let report = session.get(&format!("/call-events-report/v1/reports/{space}")).await.is(200).json();
    assert_eq!(report["callStates"], Value::from(states), "the report of {space} has all states");
    assert_eq!(report["callEnded"], summary["callEnded"], "{space}");
    Known { states: events.iter().map(hash).collect(), ended: true, summary: Some(hash(summary)) }
}

/// All items of a list, page by page.
async fn pages(session: &Session, first: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut path = first.to_owned();
    loop {
        let page = session.get(&path).await.is(200).json();
        items.extend(page["items"].as_array().expect("a page has items").iter().cloned());
        match page["nextPageMarker"].as_str() {
            Some(marker) => path = format!("{first}&pageMarker={marker}"),
            None => return items,
        }
    }
}

async fn told_to_all(audience: &Audience, truth: &Calls, begun: Instant) {
    for ledger in &audience.ledgers {
        eventually(&format!("{} hears of all {} calls", ledger.name, truth.len()), LATER, async || {
            audience.check_so_far();
            (ledger.reports() == truth.len()).then_some(())
        })
        .await;
        eprintln!("{} has heard all: {:.0?}", ledger.name, begun.elapsed());
        let differences = ledger.differences(truth);
        assert!(differences.is_empty(), "{} calls differ: {differences:#?}", differences.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_soak_with_kills_and_broken_connections_loses_nothing_and_mixes_up_nothing() {
    let (seed, wanted) = (seed(), calls_wanted());
    let mut random = fastrand::Rng::with_seed(seed);
    let begun = Instant::now();
    let mut platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let audience = Audience::gather(&platform, &session, seed, wanted >= CALLS_LONG).await;
    let (mut started, mut kills, mut rounds) = (BTreeSet::new(), 0, 0);
    while started.len() < wanted {
        let count = random.usize(50..120).min(wanted - started.len()).max(4);
        started.extend(round(&mut platform, &mut random, count, &mut kills).await);
        rounds += 1;
        audience.check_so_far();
        eprintln!("round {rounds}: {} calls, {kills} kills, {:.0?}", started.len(), begun.elapsed());
    }
    audience.quiet.send_replace(true);
    let under_way = format!("/call-events/v1/conversation-spaces?accountKey={}", platform.account());
    eventually("the last call ends", SOON, async || {
        (session.get(&under_way).await.is(200).json()["items"] == json!([])).then_some(())
    })
    .await;
    let truth = truth(&platform, &session).await;
    eprintln!("what is served agrees with itself: {:.0?}", begun.elapsed());
    let lost: Vec<&String> = started.iter().filter(|space| !truth.contains_key(*space)).collect();
    assert!(lost.is_empty(), "calls whose first state was durable have no report: {lost:#?}");
    told_to_all(&audience, &truth, begun).await;
    audience.check_so_far();
    eprintln!(
        "{} calls with {} states, {kills} kills in {rounds} rounds, {:.0?}: 0 lost, 0 out of order",
        truth.len(),
        truth.values().map(|call| call.states.len()).sum::<usize>(),
        begun.elapsed()
    );
    for ledger in &audience.ledgers {
        let Figures { notifications, repeated, connections } = ledger.figures();
        let name = &ledger.name;
        eprintln!(
            "  {name:<12} {notifications} notifications, {repeated} repeated, {connections} connections"
        );
    }
}
