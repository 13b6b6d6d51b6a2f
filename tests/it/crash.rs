//! The power cut: `kill -9` of the platform at random moments during 200 calls. Whatever anybody was told is
//! still true afterwards, cut-off calls end, and the apps come back without a person.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::harness::calls::{self, Channel, play};
use crate::harness::socket::{follow, space_of};
use crate::harness::{
    App, LATER, Log, Person, Platform, SCOPES, SOON, Session, apps, eventually, ports, seed,
};

/// Scenarios of one round with their share: 200 calls, all started within a few seconds.
const ROUND: [(&str, &str); 4] =
    [("answered", "80"), ("ring-group", "40"), ("dial-plan", "40"), ("missed", "40")];
const ROUNDS: usize = 2;
/// The cut comes this long after the first calls, at most.
const CUT_MS_MAX: u64 = 4_000;
/// A second cut hits the start after the first one this early, at most.
const SECOND_CUT_MS_MAX: u64 = 400;

/// What clients were told: per call its states by sequence number, and its report's summary.
#[derive(Default)]
struct Told {
    states: BTreeMap<String, BTreeMap<u64, Value>>,
    summaries: BTreeMap<String, Value>,
}

impl Told {
    fn of(frames: &[Value]) -> Self {
        let mut told = Self::default();
        for frame in frames {
            let Some(space) = space_of(frame).map(str::to_owned) else { continue };
            let content = &frame["data"]["content"];
            if frame["data"]["source"] == "call-events-report" {
                let before = told.summaries.insert(space.clone(), content.clone());
                assert!(before.is_none_or(|before| before == *content), "two reports of {space} differ");
                continue;
            }
            let state = &content["state"];
            let number = state["sequenceNumber"].as_u64().expect("a state has a number");
            let before = told.states.entry(space.clone()).or_default().insert(number, state.clone());
            assert!(
                before.is_none_or(|before| before == *state),
                "state {number} of {space} was told in two ways"
            );
        }
        told
    }
}

/// Not a wait for anything: the moment of a cut is the random choice that these tests are about.
async fn moment(random: &mut fastrand::Rng, max_ms: u64) {
    tokio::time::sleep(Duration::from_millis(random.u64(0..max_ms))).await;
}

/// Starts one round of calls and kills the platform while they run.
async fn calls_until_the_power_cut(platform: &mut Platform, random: &mut fastrand::Rng) -> BTreeSet<String> {
    let seed = random.u32(..).to_string();
    let mut running: Vec<App> = ROUND
        .iter()
        .map(|(scenario, count)| {
            let flags = ["--count", count, "--every", "1s", "--speed", "20", "--seed", &seed];
            platform.call(scenario, &flags)
        })
        .collect();
    for app in &running {
        calls::first_space(app).await;
    }
    moment(random, CUT_MS_MAX).await;
    platform.kill9().await;
    let mut printed = BTreeSet::new();
    for app in &mut running {
        let code = app.exit(LATER).await;
        let all = calls::spaces(app);
        assert!(
            code == Some(1) || code == Some(0),
            "callfeed call notices that the platform is gone: {code:?}"
        );
        printed.extend(all);
    }
    printed
}

/// Every call that somebody was told of has a report and an ENDING state.
async fn finished(
    platform: &Platform,
    session: &Session,
    spaces: &BTreeSet<String>,
) -> BTreeMap<String, Value> {
    let mut reports = BTreeMap::new();
    for space in spaces {
        let report = platform.report(session, space).await;
        calls::check_sequence(report["callStates"].as_array().expect("a report has its states"));
        reports.insert(space.clone(), report);
    }
    reports
}

/// The states over REST: all of a call, page by page.
async fn served(session: &Session, space: &str) -> Vec<Value> {
    let mut states = Vec::new();
    let events = format!("/call-events/v1/conversation-spaces/{space}/events");
    let mut path = events.clone();
    loop {
        let page = session.get(&path).await.is(200).json();
        let items = page["items"].as_array().expect("a page has items").clone();
        states.extend(items.into_iter().map(|item| item["state"].clone()));
        match page["nextPageMarker"].as_str() {
            Some(marker) => path = format!("{events}?pageMarker={marker}"),
            None => return states,
        }
    }
}

async fn check_nothing_told_is_missing(
    session: &Session,
    told: &Told,
    reports: &BTreeMap<String, Value>,
) -> usize {
    let mut truncated = 0;
    for (space, heard) in &told.states {
        let served = served(session, space).await;
        for (number, state) in heard {
            let index = usize::try_from(*number - 1).expect("a small number");
            assert_eq!(
                served.get(index),
                Some(state),
                "state {number} of {space} was told and is not served"
            );
        }
        assert_eq!(
            served.len(),
            heard.len(),
            "what was missed during the cut is delivered afterwards: {space}"
        );
        assert_eq!(served.last().map(|state| &state["type"]), Some(&Value::from("ENDING")), "{space} ended");
        assert_eq!(reports[space]["callStates"], Value::from(served), "the report of {space} has all states");
    }
    for (space, summary) in &told.summaries {
        assert_eq!(summary["callEnded"], reports[space]["callEnded"], "{space}");
        truncated += usize::from(summary["callerOutcome"] == "TRUNCATED");
    }
    truncated
}

/// A client with a socket of its own that remembers everything it was told.
struct Witness {
    session: Session,
    frames: Log<Value>,
    follower: tokio::task::JoinHandle<()>,
    /// Every call that anybody was told of.
    spaces: BTreeSet<String>,
}

impl Witness {
    async fn new(platform: &Platform) -> Self {
        Self::new_beside(platform, 1).await
    }

    /// The same when all these sockets, ours included, must be connected before anything starts.
    async fn new_beside(platform: &Platform, sockets: usize) -> Self {
        let session = Person::admin(platform).grant(platform, SCOPES).await.session;
        let channel = Channel::subscribed(platform, &session, "witness").await;
        let (frames, follower) = follow(&channel.url);
        let witness = Self { session, frames, follower, spaces: BTreeSet::new() };
        witness.listening(sockets).await;
        witness
    }

    /// Waits until so many sockets of the admin are connected.
    async fn listening(&self, sockets: usize) {
        eventually("everybody listens", SOON, async || {
            let channels = self.session.get("/notification-channel/v1/channels").await.is(200).json();
            let items = channels["items"].as_array()?;
            let connected = items.iter().filter(|item| item["channelData"]["isConnected"] == true).count();
            (connected == sockets).then_some(())
        })
        .await;
    }

    /// After a restart: every call ends, every report comes, and all that was told is served as it was told.
    async fn check(&mut self, platform: &Platform) {
        self.spaces.extend(Told::of(&self.frames.all()).states.into_keys());
        let spaces = &self.spaces;
        let all = |frames: &[Value]| {
            let told = Told::of(frames);
            spaces.iter().all(|space| told.summaries.contains_key(space)).then_some(())
        };
        self.frames.wait("the report of every call", LATER, all).await;
        let told = Told::of(&self.frames.all());
        self.spaces.extend(told.states.keys().cloned());
        let reports = finished(platform, &self.session, &self.spaces).await;
        let truncated = check_nothing_told_is_missing(&self.session, &told, &reports).await;
        eprintln!("{} calls so far, {truncated} of them cut off", self.spaces.len());
        assert!(truncated > 0, "the cut came while calls were under way");
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

async fn stored_exactly(platform: &Platform, state: &Path, spaces: &BTreeSet<String>) {
    let expected: Vec<String> = spaces.iter().cloned().collect();
    eventually("the reports app stores every finished call", LATER, async || {
        let mut stored = apps::spaces_of(&apps::stored(platform, state).await);
        stored.sort();
        let once = stored.windows(2).all(|pair| pair[0] != pair[1]);
        assert!(once, "a report is stored twice: {stored:?}");
        (stored == expected).then_some(())
    })
    .await;
}

/// A fresh call pops on the page again, and no card rings for ever.
async fn screen_pop_is_back(platform: &Platform, agent: &Person, page: &str, round: usize) -> String {
    let name = format!("After Cut {round}");
    // The page may still be reconnecting when the call starts; what it missed is delivered afterwards.
    let space = play(platform, "missed", &["--speed", "20", "--from-name", &name]).await;
    eventually("the screen pop shows a call after the cut", LATER, async || {
        let html = agent.read(page).await.text;
        let live = ["ringing", "waiting", "answered"]
            .iter()
            .any(|phase| html.contains(&format!("data-phase=\"{phase}\"")));
        (html.contains(&name) && !live).then_some(())
    })
    .await;
    space
}

#[tokio::test]
async fn nothing_that_was_told_is_lost_when_the_platform_is_killed() {
    let mut random = fastrand::Rng::with_seed(seed());
    let mut platform = Platform::start().await;
    let mut witness = Witness::new(&platform).await;
    for _ in 0..ROUNDS {
        witness.spaces.extend(calls_until_the_power_cut(&mut platform, &mut random).await);
        // The power fails again while the platform ends what the first cut left open.
        platform.start_again();
        moment(&mut random, SECOND_CUT_MS_MAX).await;
        platform.kill9().await;
        platform.restart().await;
        witness.check(&platform).await;
    }
}

#[tokio::test]
async fn the_apps_come_back_without_a_person_when_the_platform_was_killed() {
    let mut random = fastrand::Rng::with_seed(seed());
    let mut platform = Platform::start().await;
    let state = platform.folder("state");
    apps::log_in(&platform, &state).await;
    let mut reports_app = apps::start(&platform, "reports", &state, &["--json"]);
    let pop_state = platform.folder("pop-state");
    apps::log_in(&platform, &pop_state).await;
    let listen = format!("localhost:{}", ports::free());
    let mut pop_app = apps::start(&platform, "screen-pop", &pop_state, &["--listen", &listen]);
    let mut witness = Witness::new_beside(&platform, 3).await;
    let agent = Person::admin(&platform);
    agent.sign_in_at_desk(&format!("http://{listen}")).await;
    for round in 1..=ROUNDS {
        witness.spaces.extend(calls_until_the_power_cut(&mut platform, &mut random).await);
        platform.restart().await;
        witness
            .spaces
            .insert(screen_pop_is_back(&platform, &agent, &format!("http://{listen}/"), round).await);
        witness.check(&platform).await;
        stored_exactly(&platform, &state, &witness.spaces).await;
    }
    assert!(!reports_app.ended() && !pop_app.ended(), "both apps lived through it");
    let printed: Vec<String> = reports_app.stdout.all();
    assert_eq!(printed.len(), witness.spaces.len(), "each report is printed once");
    reports_app.stop().await;
    pop_app.stop().await;
}
