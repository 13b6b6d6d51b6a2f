//! The first start of a collector on a phone system with a past: every earlier call is fetched once, below the service's
//! limit however it is refused, across a kill, in little memory.
//!
//! `CALLFEED_BACKFILL_CALLS`, `CALLFEED_BACKFILL_LIMIT` and `CALLFEED_TEST_SEED` set how many calls, how many requests a
//! second and which refusals; the long form has the calls of 90 days. The limit is higher than GoTo Connect's unless asked
//! for, and the collector's pace with it, so that nobody waits for hours: the client's arithmetic of turns is the same at
//! any limit.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::accounts::{settings, signed_in};
use crate::faults::{add, clear_all};
use crate::harness::{Answer, App, LATER, Person, Platform, SCOPES, SOON, apps, eventually, http, seed};

/// Calls of the short form.
const CALLS: usize = 250;
/// Days of the short form and of the long one.
const DAYS: (u32, u32) = (3, 90);
/// Requests a second that the platform allows to each client and API, and that the collector is told of.
const LIMIT: u64 = 100;
/// The same in the long form.
const LONG_LIMIT: u64 = 500;
/// Requests for each call, refused ones and pages of summaries included, that the deadlines allow.
const REQUESTS: u64 = 5;
/// The collector's memory at its peak; binaries without optimisation take more.
const MEMORY_KIB_MAX: u64 = if cfg!(debug_assertions) { 90 * 1024 } else { 60 * 1024 };

async fn simulator(platform: &Platform, path: &str, body: &Value) -> Value {
    let (id, secret) = (platform.setting("OAUTH_CLIENT_ID"), platform.setting("OAUTH_CLIENT_SECRET"));
    let request = http().post(format!("{}/simulator/v1/{path}", platform.base)).basic_auth(id, Some(secret));
    let answer = Answer::of(path, request.json(body).timeout(LATER)).await;
    assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.text);
    answer.json()
}

/// Days of the office until now, with at least so many calls.
async fn past(platform: &Platform, days: u32, calls: usize) {
    let mut laid_out = 0;
    for seed in 1.. {
        let told = simulator(platform, "office", &json!({"days": days, "seed": seed})).await;
        laid_out += usize::try_from(told["calls"].as_u64().unwrap()).unwrap();
        if laid_out >= calls {
            break;
        }
    }
    for _ in 0..days {
        simulator(platform, "clock", &json!({"advance": "1d"})).await;
    }
}

/// Refusals of the report API: by faults, and by the limit itself.
async fn refusals(platform: &Platform) -> (u64, u64) {
    let text = http().get(format!("{}/metrics", platform.base)).send().await.unwrap().text().await.unwrap();
    let requests = text.lines().filter(|line| line.starts_with("callfeed_http_requests_total"));
    let refused = requests.filter(|line| line.contains(r#"status="429""#));
    let all: u64 = refused.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    let (id, secret) = (platform.setting("OAUTH_CLIENT_ID"), platform.setting("OAUTH_CLIENT_SECRET"));
    let request = http().get(format!("{}/simulator/v1/faults", platform.base)).basic_auth(id, Some(secret));
    let faults = Answer::of("faults", request).await.is(200).json();
    let ended = ["active", "ended"].iter().flat_map(|list| faults[*list].as_array().unwrap());
    let by_faults = ended.map(|fault| fault["struck"].as_u64().unwrap()).sum();
    (by_faults, all - by_faults)
}

/// Calls of which the platform has a report, in spans that one request may have.
async fn truth(platform: &Platform, days: u32) -> BTreeSet<String> {
    let session = Person::admin(platform).grant(platform, SCOPES).await.session;
    let now = jiff::Timestamp::now();
    let mut spaces = BTreeSet::new();
    for day in 0..=i64::from(days) + 1 {
        let at = |day| now.checked_sub(jiff::SignedDuration::from_hours(24 * day)).unwrap();
        let first = format!(
            "/call-events-report/v1/report-summaries?accountKey={}&startTime={:.0}&endTime={:.0}&pageSize=1000",
            platform.account(),
            at(day),
            at(day - 1)
        );
        let mut path = first.clone();
        loop {
            let page = session.get(&path).await.is(200).json();
            let items = page["items"].as_array().unwrap();
            spaces.extend(items.iter().map(|item| item["conversationSpaceId"].as_str().unwrap().to_owned()));
            let Some(marker) = page["nextPageMarker"].as_str() else { break };
            path = format!("{first}&pageMarker={marker}");
        }
    }
    spaces
}

#[tokio::test]
async fn a_backfill_loses_nothing_stays_below_the_limit_and_takes_little_memory() {
    let wanted = std::env::var("CALLFEED_BACKFILL_CALLS").ok();
    let wanted = wanted.map_or(CALLS, |text| text.parse().expect("CALLFEED_BACKFILL_CALLS is a number"));
    let long = wanted > CALLS;
    let days = if long { DAYS.1 } else { DAYS.0 };
    let limit = std::env::var("CALLFEED_BACKFILL_LIMIT").ok();
    let usual = if long { LONG_LIMIT } else { LIMIT };
    let limit = limit.map_or(usual, |text| text.parse().expect("CALLFEED_BACKFILL_LIMIT is a number"));
    let limited = format!("--rate-limit={limit}");
    let until_fetched = LATER + Duration::from_secs(REQUESTS * wanted as u64 / limit);
    let mut random = fastrand::Rng::with_seed(seed());

    let hours = jiff::SignedDuration::from_hours(24 * i64::from(days) + 1);
    let start = jiff::Timestamp::now().checked_sub(hours).unwrap().to_string();
    let flags = ["--clock", "virtual", "--clock-start", &start, &limited];
    let mut platform = Platform::start_with(&flags).await;
    past(&platform, days, wanted).await;

    let env = settings(&platform, "limited", &[("GOTO_RATE_LIMIT", Some(&limit.to_string()))]);
    let (env, state) = (env.to_string_lossy().into_owned(), platform.folder("state"));
    let folder = state.to_string_lossy().into_owned();
    let mut login =
        signed_in(&platform, &Person::admin(&platform), "login", &["--env", &env, "--state", &folder]).await;
    assert_eq!(login.exit(SOON).await, Some(0));
    let since = (days + 2).to_string();
    let collector = || {
        let arguments =
            ["reports", "--env", &env, "--state", &folder, "--no-browser", "--json", "--since", &since];
        App::start(&arguments, &platform.folder("apps"))
    };
    let mut app = collector();
    let mut peak = 0;
    for (part, kills) in [(4, false), (2, true)] {
        for _ in 0..random.u32(1..4) {
            let parameters = json!({"endpoint": "/call-events-report/v1", "retryAfterS": random.u32(0..2)});
            let fault = json!({"fault": "rate-limited", "times": random.u32(1..6), "parameters": parameters});
            add(&platform, &fault).await;
        }
        let printed = |lines: &[String]| (lines.len() >= wanted / part).then_some(());
        app.stdout.wait("a part of the past", until_fetched, printed).await;
        peak = peak.max(app.memory_peak_kib());
        if kills {
            app.kill9().await;
            app = collector();
        }
    }
    eventually("no gap is open and nothing waits", until_fetched, async || {
        let said = App::run(&["gaps", "--state", &folder], &platform.folder("apps")).await.stdout.join("\n");
        said.contains("No gap is open").then_some(())
    })
    .await;
    peak = peak.max(app.memory_peak_kib());
    let (by_faults, by_the_limit) = refusals(&platform).await;
    assert!(by_faults > 0 && by_the_limit == 0, "refused by faults {by_faults}, by the limit {by_the_limit}");
    app.stop().await;

    clear_all(&platform).await;
    platform.restart_without(&limited).await;
    let truth = truth(&platform, days).await;
    let mut stored = apps::spaces_of(&apps::stored(&platform, &state).await);
    stored.sort();
    assert!(truth.len() >= wanted * 9 / 10, "calls were played: {}", truth.len());
    assert_eq!(stored.len(), truth.len());
    assert!(stored.iter().eq(truth.iter()), "exactly what the platform has, each once");
    eprintln!(
        "{} calls of {days} days, each fetched once; {by_faults} refusals, all by faults; {} MiB at most",
        truth.len(),
        peak / 1024
    );
    assert!(peak < MEMORY_KIB_MAX, "the collector took {peak} KiB");
}
