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

use crate::faults::{add, clear_all, overview};
use crate::harness::{App, LATER, Person, Platform, SCOPES, apps, eventually, http, seed};

/// Calls of the short form.
const CALLS: usize = 60;
/// Calls between two decisions.
const ROUND: usize = 20;
/// Faults at a time.
const FAULTS: usize = 3;
/// A kill comes so long after the round's first call.
const CUT_MS: std::ops::Range<u64> = 50..1_500;
/// All else of the catalogue may strike in a round, several at a time.
const LEFT_OUT: [(&str, &str); 4] = [
    ("refresh-refused", "the sign-in has ended and a person is asked, as another story tells"),
    ("old-refresh-ends", "a kill between the answer and the file ends the sign-in"),
    (
        "body-credentials-refused",
        "so does a platform that takes the client's secret in another place for a while",
    ),
    ("opaque-ids", "a call of that time has another id afterwards"),
];
/// A fault that is not used up ends after so many seconds.
const FAULT_S: std::ops::RangeInclusive<u64> = 1..=5;

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
    fn watch(metrics: String) -> Self {
        let (seen, longest) = watch::channel(Duration::ZERO);
        let task = tokio::spawn(async move {
            let (mut since, mut last) = (None, Instant::now());
            loop {
                // Between two looks that lie far apart anything may have been.
                since = since.filter(|_| last.elapsed() < LOOK_GAP_MAX);
                last = Instant::now();
                since = match open_sockets(&metrics).await {
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

/// How many sockets are open; nothing while the platform does not answer.
async fn open_sockets(metrics: &str) -> Option<usize> {
    let text = http().get(metrics).send().await.ok()?.text().await.ok()?;
    text.lines().find_map(|line| line.strip_prefix("callfeed_sockets_open ")?.parse().ok())
}

struct Stage {
    platform: Platform,
    app: App,
    random: fastrand::Rng,
    /// What can go wrong, as the platform's catalogue has it.
    kinds: Vec<Value>,
}

impl Stage {
    async fn open(random: fastrand::Rng) -> Self {
        let platform = Platform::start().await;
        apps::log_in(&platform, &platform.folder("state")).await;
        let app = collector(&platform);
        let mut kinds = overview(&platform).await["catalogue"].as_array().unwrap().clone();
        let all = kinds.len();
        kinds.retain(|kind| LEFT_OUT.iter().all(|(left_out, _)| kind["fault"] != *left_out));
        assert_eq!(kinds.len() + LEFT_OUT.len(), all, "each fault that is left out is one of the catalogue");
        Self { platform, app, random, kinds }
    }

    /// A fault of the catalogue, with choices where it leaves some.
    fn fault(&mut self) -> Value {
        let kind = &self.kinds[self.random.usize(..self.kinds.len())];
        let mut parameters = serde_json::Map::new();
        for parameter in kind["parameters"].as_array().unwrap() {
            if let Some(values) = parameter["values"].as_array() {
                let value = values[self.random.usize(..values.len())].clone();
                parameters.insert(parameter["name"].as_str().unwrap().to_owned(), value);
            }
        }
        let mut wanted =
            json!({"fault": kind["fault"], "parameters": parameters, "forS": self.random.u64(FAULT_S)});
        if kind["times"].is_number() {
            wanted["times"] = self.random.u64(1..6).into();
        }
        wanted
    }

    /// Plays some calls; meanwhile faults strike and somebody is killed.
    async fn round(&mut self) {
        for _ in 0..FAULTS {
            let wanted = self.fault();
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
async fn truth(platform: &Platform) -> BTreeSet<String> {
    let session = Person::admin(platform).grant(platform, SCOPES).await.session;
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
    let overlap = Overlap::watch(format!("{}/metrics", stage.platform.base));
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
    let truth = truth(&platform).await;
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
