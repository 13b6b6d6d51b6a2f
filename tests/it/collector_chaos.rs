//! The collector among kills and faults: whatever is killed and whatever is refused, it has exactly the reports that the
//! platform has, its files too, and in the end no gap is open and nothing waits.
//!
//! `CALLFEED_CHAOS_CALLS` and `CALLFEED_TEST_SEED` set how long and which. The same seed takes the same decisions; what
//! they meet depends on the machine's time.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::faults::{add, clear_all};
use crate::harness::{App, LATER, Person, Platform, SCOPES, Session, apps, eventually, seed};

/// Calls of the short form.
const CALLS: usize = 60;
/// Calls between two decisions.
const ROUND: usize = 20;
/// A kill comes so long after the round's first call.
const CUT_MS: std::ops::Range<u64> = 50..1_500;
/// What a round may suffer from besides a kill.
const FAULTS: [&str; 9] = [
    "drop-socket",
    "duplicate",
    "reorder",
    "lose",
    "no-replay",
    "not-found",
    "unauthorized",
    "server-error",
    "rate-limited",
];

/// Two sockets of one collector may live side by side while one takes over from the other, which takes as long as a socket
/// may take to open, and no longer.
const OVERLAP_MAX: Duration = sdk::limits::SOCKET_OPEN_TIMEOUT;
/// Between two looks at the platform's channels.
const LOOK: Duration = Duration::from_millis(200);
/// After a longer pause two looks are not taken for one observation: the machine was busy.
const LOOK_GAP_MAX: Duration = Duration::from_secs(3);

/// Looks at the platform's channels all the while, and keeps the longest time for which two of them were connected.
struct Overlap {
    longest: watch::Receiver<Duration>,
    task: tokio::task::JoinHandle<()>,
}

impl Overlap {
    fn watch(session: &Session) -> Self {
        let (seen, longest) = watch::channel(Duration::ZERO);
        let session = session.clone();
        let task = tokio::spawn(async move {
            let (mut since, mut last) = (None, Instant::now());
            loop {
                // Between two looks that lie far apart anything may have been.
                since = since.filter(|_| last.elapsed() < LOOK_GAP_MAX);
                last = Instant::now();
                since = match connected(&session).await {
                    Some(sockets) if sockets > 1 => {
                        let since = since.unwrap_or_else(Instant::now);
                        seen.send_if_modified(|longest| {
                            let longer = since.elapsed() > *longest;
                            *longest = (*longest).max(since.elapsed());
                            longer
                        });
                        Some(since)
                    }
                    // A platform that is away has no sockets.
                    _ => None,
                };
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { longest, task }
    }

    fn ends(self) -> Duration {
        self.task.abort();
        *self.longest.borrow()
    }
}

/// How many sockets live; nothing while the platform does not answer.
async fn connected(session: &Session) -> Option<usize> {
    let answer = session.request(http::Method::GET, "/notification-channel/v1/channels").send().await.ok()?;
    let channels: Value = answer.json().await.ok()?;
    let live = |channel: &&Value| channel["channelData"]["isConnected"] == true;
    Some(channels["items"].as_array()?.iter().filter(live).count())
}

struct Stage {
    platform: Platform,
    app: App,
    random: fastrand::Rng,
}

impl Stage {
    async fn open(random: fastrand::Rng) -> Self {
        let platform = Platform::start().await;
        apps::log_in(&platform, &platform.folder("state")).await;
        let app = collector(&platform);
        Self { platform, app, random }
    }

    /// Plays some calls; meanwhile faults strike and somebody is killed.
    async fn round(&mut self) {
        for _ in 0..2 {
            let fault = FAULTS[self.random.usize(..FAULTS.len())];
            let mut wanted = json!({"fault": fault, "times": self.random.u64(1..6)});
            if ["not-found", "unauthorized", "server-error", "rate-limited"].contains(&fault) {
                wanted["parameters"] = json!({"endpoint": "GET /call-events-report/v1/reports"});
            }
            add(&self.platform, &wanted).await;
        }
        let count = ROUND.to_string();
        let mut calls =
            self.platform.call("answered", &["--speed", "100", "--count", &count, "--every", "20ms"]);
        let victim = self.random.u8(0..4);
        tokio::time::sleep(Duration::from_millis(self.random.u64(CUT_MS))).await;
        match victim {
            0 => {
                self.platform.kill9().await;
                self.platform.restart().await;
            }
            1 | 2 => {
                self.app.kill9().await;
                self.app = collector(&self.platform);
            }
            _ => {}
        }
        // Where the platform was killed it ends with an error, and the calls are truncated.
        calls.exit(LATER).await;
    }
}

fn collector(platform: &Platform) -> App {
    apps::start(platform, "reports", &platform.folder("state"), &["--json", "--jsonl", "out"])
}

/// Calls of which the platform has a report.
async fn truth(platform: &Platform, session: &Session) -> BTreeSet<String> {
    let now = jiff::Timestamp::now();
    let hours = |hours| now.checked_add(jiff::SignedDuration::from_hours(hours)).unwrap();
    let first = format!(
        "/call-events-report/v1/report-summaries?accountKey={}&startTime={:.0}&endTime={:.0}&pageSize=100",
        platform.account(),
        hours(-24),
        hours(1)
    );
    let (mut spaces, mut path) = (BTreeSet::new(), first.clone());
    loop {
        let page = session.get(&path).await.is(200).json();
        let items = page["items"].as_array().unwrap();
        spaces.extend(items.iter().map(|item| item["conversationSpaceId"].as_str().unwrap().to_owned()));
        let Some(marker) = page["nextPageMarker"].as_str() else { return spaces };
        path = format!("{first}&pageMarker={marker}");
    }
}

fn lines(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let text: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn kills_and_faults_lose_no_report_and_repeat_none() {
    let wanted = std::env::var("CALLFEED_CHAOS_CALLS").ok();
    let wanted = wanted.map_or(CALLS, |text| text.parse().expect("CALLFEED_CHAOS_CALLS is a number"));
    let mut stage = Stage::open(fastrand::Rng::with_seed(seed())).await;
    let session = Person::admin(&stage.platform).grant(&stage.platform, SCOPES).await.session;
    let overlap = Overlap::watch(&session);
    for _ in 0..wanted.div_ceil(ROUND) {
        stage.round().await;
    }
    clear_all(&stage.platform).await;
    // What no notification told of is found by the look of the next start, or by one within minutes.
    stage.app.kill9().await;
    stage.app = collector(&stage.platform);
    let Stage { platform, app, .. } = stage;
    let state = platform.folder("state");
    let folder = state.to_string_lossy().into_owned();
    let deadline = LATER + Duration::from_secs(wanted as u64 / 4);
    eventually("no gap is open and nothing waits", deadline, async || {
        let said = App::run(&["gaps", "--state", &folder], &platform.folder("apps")).await.stdout.join("\n");
        said.contains("No gap is open").then_some(())
    })
    .await;
    let truth = truth(&platform, &session).await;
    assert!(truth.len() >= wanted / 2, "calls were played: {}", truth.len());
    let mut stored = apps::spaces_of(&apps::stored(&platform, &state).await);
    stored.sort();
    assert_eq!(stored, truth.iter().cloned().collect::<Vec<_>>(), "exactly what the platform has");
    let out = platform.folder("apps").join("out");
    let written = eventually("the files have all", LATER, async || {
        let written = lines(&out);
        let spaces: BTreeSet<String> = written.iter().map(|line| space(line)).collect();
        (spaces == truth).then_some(written)
    })
    .await;
    let distinct: BTreeSet<&String> = written.iter().collect();
    assert_eq!(distinct.len(), written.len(), "no text is in the files twice");
    let overlap = overlap.ends();
    assert!(overlap <= OVERLAP_MAX, "two sockets lived side by side for {overlap:?}");
    eprintln!("{} calls, each collected exactly once; two sockets for {overlap:?} at most", truth.len());
    app.stop().await;
}

fn space(line: &str) -> String {
    let report: Value = serde_json::from_str(line).expect("a whole line");
    report["conversationSpaceId"].as_str().unwrap().to_owned()
}
