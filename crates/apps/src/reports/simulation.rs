//! The collector's store, looks, fetches and outputs against a phone system of trouble, in virtual time: no request, no
//! process, thousands of kills. A failure is a seed.
//!
//! Notifications come, come twice or not at all; summaries and reports come late, incomplete, or with an error; reports
//! change. The program is killed at any wait of any step, also between two transactions. What must hold in the end: the
//! store has the report of every call in its last text, each text went to the output in order, no gap is open, nothing
//! waits.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use jiff::{SignedDuration, Timestamp};
use sdk::pull::{Look, Span};
use sdk::{EndedCall, Error, ErrorKind};
use sqlx::AnyPool;
use tokio::sync::{Notify, watch};

use super::fetch::Fetcher;
use super::pull::{Link, Puller};
use super::service::Service;
use crate::limits;
use crate::store::ledger::{self, GapKind};
use crate::store::{changes, reports as table};

const ACCOUNT: &str = "4827193056281740395";
/// Runs unless `CALLFEED_SIMULATION_RUNS` says otherwise; `CALLFEED_TEST_SEED` is the first one's seed.
const RUNS: u64 = 100;
/// Runs at the same time; each waits for its database most of the time.
const PARTS: u64 = 4;
/// Steps of a run before peace comes.
const STEPS: u32 = 120;
/// Summaries come this long after their call at most: less than each look goes back.
const SUMMARY_LAG_S: i64 = 600;
/// Days before the first start, of which there are calls.
const PAST_DAYS: i64 = 3;

struct Call {
    ended: Timestamp,
    listed: Timestamp,
    /// Until then its report is 404 …
    ready: Timestamp,
    /// … and until then it lacks its last state.
    whole: Timestamp,
    /// How often it was changed.
    edition: u32,
}

impl Call {
    fn report(&self, id: &str, now: Timestamp) -> String {
        let end = if now < self.whole { "ACTIVE" } else { "ENDING" };
        let (ended, edition) = (self.ended, self.edition);
        format!(
            r#"{{"conversationSpaceId": "{id}", "accountKey": "{ACCOUNT}", "callCreated": "{ended}",
            "callEnded": "{ended}", "direction": "INBOUND", "callReason": "{edition}",
            "callStates": [{{"id": "s", "sequenceNumber": 1, "type": "{end}", "timestamp": "{ended}"}}]}}"#
        )
    }
}

struct World {
    now: Timestamp,
    random: fastrand::Rng,
    calls: BTreeMap<String, Call>,
    /// What is to be told, while somebody listens: calls, and whether they have changed.
    notifications: Vec<(String, bool)>,
    /// Every answer is what it should be.
    peace: bool,
}

impl World {
    fn later(&mut self, seconds: std::ops::Range<i64>) -> Timestamp {
        self.now + SignedDuration::from_secs(self.random.i64(seconds))
    }

    fn call_ends(&mut self, ended: Timestamp) {
        let id = format!("call-{:03}", self.calls.len());
        let listed = ended + SignedDuration::from_secs(self.random.i64(0..SUMMARY_LAG_S));
        let ready = self.later(0..120);
        let whole = if self.random.u8(..) < 40 { self.later(0..1800) } else { ready };
        self.calls.insert(id.clone(), Call { ended, listed, ready, whole, edition: 0 });
        self.notifications.push((id, false));
    }

    fn trouble(&mut self) -> Option<Error> {
        let kinds =
            [ErrorKind::Unreachable, ErrorKind::RateLimited, ErrorKind::NotFound, ErrorKind::Forbidden];
        let strikes = !self.peace && self.random.u8(..) < 60;
        strikes.then(|| Error::new(kinds[self.random.usize(..kinds.len())], "trouble"))
    }
}

#[derive(Clone)]
struct Phones(Arc<Mutex<World>>);

impl Phones {
    fn with<R>(&self, work: impl FnOnce(&mut World) -> R) -> R {
        work(&mut self.0.lock().unwrap())
    }
}

impl Service for Phones {
    fn now(&self) -> Timestamp {
        self.with(|world| world.now)
    }

    async fn ended_within(&self, _account_key: &str, span: Span) -> Result<Vec<EndedCall>, Error> {
        tokio::task::yield_now().await;
        self.with(|world| {
            if let Some(error) = world.trouble() {
                return Err(error);
            }
            let now = world.now;
            let within = |call: &Call| (span.from..span.to).contains(&call.ended) && call.listed <= now;
            let found = world.calls.iter().rev().filter(|(_, call)| within(call));
            let ended = |(id, call): (&String, &Call)| EndedCall {
                conversation_space_id: id.clone(),
                ended: Some(call.ended),
            };
            Ok(found.map(ended).collect())
        })
    }

    async fn full_report(&self, id: &str) -> Result<String, Error> {
        tokio::task::yield_now().await;
        self.with(|world| {
            if let Some(error) = world.trouble() {
                return Err(error);
            }
            let call = world.calls.get(id).filter(|call| call.ready <= world.now);
            let call = call.ok_or_else(|| Error::new(ErrorKind::NotFound, "not yet"))?;
            Ok(call.report(id, world.now))
        })
    }

    fn reports_per_s(&self) -> f64 {
        sdk::limits::RATE_MAX
    }
}

/// One life of the program, from a start to a kill.
struct Life {
    phones: Phones,
    pool: AnyPool,
    puller: Puller<Phones>,
    fetcher: Fetcher<Phones>,
    link: watch::Sender<Link>,
}

impl Life {
    async fn start(phones: &Phones, folder: &std::path::Path) -> Self {
        let store = crate::store::testing::open_file(folder).await;
        let wake = Arc::new(Notify::new());
        let account_key = ACCOUNT.to_owned();
        let puller = Puller { client: phones.clone(), store: store.clone(), account_key, wake: wake.clone() };
        let fetcher = Fetcher {
            client: phones.clone(),
            store: store.clone(),
            account_key: ACCOUNT.to_owned(),
            wake,
            stored: watch::Sender::new(()),
            who: String::new(),
        };
        let link = watch::Sender::new(Link::default());
        Self { phones: phones.clone(), pool: store.pool, puller, fetcher, link }
    }

    async fn begin(&self) {
        let now = self.phones.now();
        let since = now - SignedDuration::from_hours(24 * PAST_DAYS);
        self.puller.begin(Some(since), now).await.unwrap();
    }

    /// What happens next, as the collector does it.
    async fn step(&self, what: u8, output: &Mutex<Vec<(String, String)>>) {
        let connected = self.link.borrow().connected;
        match what {
            0 | 1 if connected => self.hear().await,
            2 if connected => {
                self.link.send_modify(|link| link.connected = false);
                let now = self.phones.now();
                ledger::open_gap(&self.pool, ACCOUNT, GapKind::Connection, "", "lost", now).await.unwrap();
            }
            2 => {
                table::hurry(&self.pool, ACCOUNT, self.phones.now()).await.unwrap();
                self.link.send_modify(|link| *link = Link { connected: true, epoch: link.epoch + 1 });
            }
            3 => {
                let link = *self.link.borrow();
                // Errors are what makes it look again.
                let _ = self.puller.look(Look::AfterBreak, link, &self.link.subscribe()).await;
            }
            4 => {
                let _ = self.puller.backfill_step(&mut None).await;
            }
            5 => deliver(&self.pool, output).await,
            _ => {
                let due =
                    table::due(&self.pool, ACCOUNT, self.phones.now(), limits::FETCHES_MAX).await.unwrap();
                for pending in due {
                    self.fetcher.try_once(&pending).await.unwrap();
                }
            }
        }
    }

    /// What is told now; some is lost, some comes twice, in another order.
    async fn hear(&self) {
        let told = self.phones.with(|world| {
            let mut told = std::mem::take(&mut world.notifications);
            if !world.peace {
                let all = told.clone();
                told.retain(|_| world.random.u8(..) < 200);
                told.extend(all.into_iter().filter(|_| world.random.u8(..) < 30));
                world.random.shuffle(&mut told);
            }
            told
        });
        for (id, has_changed) in told {
            let now = self.phones.now();
            match has_changed {
                true => table::announce_again(&self.pool, ACCOUNT, &id, now).await.unwrap(),
                false => drop(table::announce(&self.pool, ACCOUNT, &id, now).await.unwrap()),
            }
        }
    }
}

/// An output of one report at a time, which can be killed between taking it and saying so.
async fn deliver(pool: &AnyPool, output: &Mutex<Vec<(String, String)>>) {
    let place = changes::place(pool, "out", false).await.unwrap();
    for change in changes::after(pool, place.cursor, 3).await.unwrap() {
        let report = &change.report;
        output.lock().unwrap().push((report.conversation_space_id.clone(), report.raw.clone()));
        tokio::task::yield_now().await;
        let place = changes::Place { cursor: change.number, position: String::new() };
        changes::took(pool, "out", &place, 1).await.unwrap();
    }
}

/// Runs a step to its end, or up to one of its waits: `false` when it was killed there.
async fn until_wait(step: impl Future<Output = ()>, waits: Option<u32>) -> bool {
    let mut step = pin!(step);
    let mut left = waits;
    poll_fn(|context| {
        if left == Some(0) {
            return Poll::Ready(false);
        }
        left = left.map(|left| left - 1);
        step.as_mut().poll(context).map(|()| true)
    })
    .await
}

/// Returns how often the program was killed.
async fn run(seed: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    fastrand::seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let now: Timestamp = "2026-02-03T17:00:00Z".parse().unwrap();
    let world =
        World { now, random: random.fork(), calls: BTreeMap::new(), notifications: Vec::new(), peace: false };
    let phones = Phones(Arc::new(Mutex::new(world)));
    for _ in 0..8 {
        let before = SignedDuration::from_secs(random.i64(SUMMARY_LAG_S..PAST_DAYS * 86_400));
        phones.with(|world| world.call_ends(now - before));
    }
    phones.with(|world| world.notifications.clear());
    let output = Mutex::new(Vec::new());
    let mut life = Life::start(&phones, folder.path()).await;
    life.begin().await;
    let mut kills = 0;
    for _ in 0..STEPS {
        phones.with(|world| {
            world.now = world.later(0..90);
            match world.random.u8(..) {
                0..60 => world.call_ends(world.now),
                60..75 => changes_one(world),
                _ => {}
            }
        });
        let waits = (random.u8(..) < 50).then(|| random.u32(1..10));
        if !until_wait(life.step(random.u8(0..10), &output), waits).await {
            kills += 1;
            // What was to be told to the dead is lost.
            phones.with(|world| world.notifications.retain(|(_, has_changed)| *has_changed));
            life.pool.close().await;
            life = Life::start(&phones, folder.path()).await;
            life.begin().await;
        }
    }
    come_to_rest(&life, &output).await;
    check(seed, &life, &output).await;
    kills
}

fn changes_one(world: &mut World) {
    let some = world.calls.len().checked_sub(1).map(|last| world.random.usize(..=last));
    if let Some((id, call)) = some.and_then(|some| world.calls.iter_mut().nth(some)) {
        call.edition += 1;
        let id = id.clone();
        world.notifications.push((id, true));
    }
}

/// Nothing happens any more, everything answers, hours pass.
async fn come_to_rest(life: &Life, output: &Mutex<Vec<(String, String)>>) {
    let stored = table::list(&life.pool, 0, 1_000).await.unwrap();
    let stored: BTreeSet<_> = stored.into_iter().map(|one| one.conversation_space_id).collect();
    life.phones.with(|world| {
        world.peace = true;
        // A look after a break finds what has changed of the calls of the last day. A change of an earlier one of which
        // nobody was told is known to nobody, so it is told again; of a call that is not there, nothing is told.
        let day = world.now - SignedDuration::try_from(limits::REVISION_SPAN).unwrap();
        let is_told =
            |(id, call): &(&String, &Call)| call.edition > 0 && call.ended < day && stored.contains(*id);
        let ids: Vec<String> = world.calls.iter().filter(is_told).map(|(id, _)| id.clone()).collect();
        world.notifications.extend(ids.into_iter().map(|id| (id, true)));
    });
    life.link.send_modify(|link| *link = Link { connected: true, epoch: link.epoch + 1 });
    for hour in 0..24 {
        life.phones.with(|world| world.now += SignedDuration::from_secs(600 * hour));
        for what in [0, 3, 4, 4, 4, 4, 6, 6, 6, 6, 5, 5] {
            life.step(what, output).await;
        }
    }
    while changes::standings(&life.pool).await.unwrap().iter().any(|output| output.waiting > 0) {
        life.step(5, output).await;
    }
}

async fn check(seed: u64, life: &Life, output: &Mutex<Vec<(String, String)>>) {
    let pool = &life.pool;
    let gaps = ledger::gaps(pool, false, 0, 9).await.unwrap();
    assert_eq!(gaps, [], "seed {seed}: open gaps");
    assert_eq!(table::waiting(pool, ACCOUNT).await.unwrap(), 0, "seed {seed}: waiting");
    let stored = table::list(pool, 0, 1_000).await.unwrap();
    let stored: BTreeMap<_, _> = stored.into_iter().map(|one| (one.conversation_space_id, one.raw)).collect();
    let expected: BTreeMap<_, _> = life.phones.with(|world| {
        let now = world.now;
        world.calls.iter().map(|(id, call)| (id.clone(), call.report(id, now))).collect()
    });
    assert_eq!(stored, expected, "seed {seed}: each call once, in its last text");
    let changes = changes::after(pool, 0, 10_000).await.unwrap();
    let texts: Vec<_> = changes
        .iter()
        .map(|one| (one.report.conversation_space_id.clone(), one.report.raw.clone()))
        .collect();
    // A kill between taking and saying so repeats one; nothing is left out or overtaken.
    let mut delivered = output.lock().unwrap().clone();
    delivered.dedup();
    assert_eq!(delivered, texts, "seed {seed}: the output has each text in order");
    let distinct: BTreeSet<_> = texts.iter().collect();
    assert_eq!(distinct.len(), texts.len(), "seed {seed}: no text is a change twice");
}

#[test]
fn whatever_is_killed_each_report_is_there_once_and_no_gap_stays_open() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("CALLFEED_TEST_SEED").unwrap_or_else(|| fastrand::u64(..u64::MAX / 2));
    let runs = number("CALLFEED_SIMULATION_RUNS").unwrap_or(RUNS);
    eprintln!("seed: CALLFEED_TEST_SEED={first}");
    let part = |part: u64| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seeds = (first..first + runs).filter(|seed| seed % PARTS == part);
        seeds.map(|seed| runtime.block_on(run(seed))).sum::<u64>()
    };
    let kills: u64 = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..PARTS).map(|number| scope.spawn(move || part(number))).collect();
        parts.into_iter().map(|part| part.join().expect("a run has failed; its seed is told above")).sum()
    });
    assert!(kills >= runs, "{kills} kills in {runs} runs");
    eprintln!("{runs} runs, {kills} kills");
}

#[tokio::test]
async fn a_backfill_stores_the_newest_calls_first_and_a_call_of_this_moment_before_them() {
    let folder = tempfile::tempdir().unwrap();
    let now: Timestamp = "2026-02-03T17:00:00Z".parse().unwrap();
    let (random, calls) = (fastrand::Rng::with_seed(1), BTreeMap::new());
    let world = World { now, random, calls, notifications: Vec::new(), peace: true };
    let phones = Phones(Arc::new(Mutex::new(world)));
    // Two of each day, told of in no order.
    let hours_ago = [30, 2, 60, 5, 50, 26];
    phones.with(|world| {
        for hours in hours_ago {
            world.call_ends(now - SignedDuration::from_hours(hours));
        }
        world.notifications.clear();
        world.now += SignedDuration::from_secs(120);
    });
    let life = Life::start(&phones, folder.path()).await;
    life.begin().await;
    while life.puller.backfill_step(&mut None).await.unwrap() {}
    phones.with(|world| {
        world.call_ends(world.now);
        world.now += SignedDuration::from_secs(120);
    });
    table::announce(&life.pool, ACCOUNT, "call-006", phones.now()).await.unwrap();
    life.step(6, &Mutex::new(Vec::new())).await;
    let stored = table::list(&life.pool, 0, 9).await.unwrap();
    let stored: Vec<_> = stored.iter().map(|one| one.conversation_space_id.as_str()).collect();
    assert_eq!(stored, ["call-006", "call-001", "call-003", "call-005", "call-000", "call-004", "call-002"]);
}
