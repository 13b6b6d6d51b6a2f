//! A company at work: 500 signed-in desks and 50 calls a second, each at one line. Every pop must come, and only at the
//! desk whose phone rings.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use apps::screen_pop::sight::Person;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use wire::directory::User;

use super::app::Prepared;
use super::listener::{self, Heard};
use super::office::{self, call};
use crate::bench::figures::Figure;
use crate::bench::frames::Latencies;
use crate::bench::platform::cpu_since;
use crate::bench::{Bench, process};
use crate::simulator::{self, Told};

const DESKS: usize = 500;
const CALLS_PER_S: f64 = 50.0;
/// Calls last some 3 s, so that a line is free again when its turn comes, after 10 s.
const SPEED: f64 = 5.0;
/// After the last call has ended everything is on its way or lost.
const LAST_CARDS: Duration = Duration::from_secs(2);

pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let desks = bench.size(20, DESKS);
    bench.progress(&format!("{desks} desks: an office and its people"));
    let http = simulator::client()?;
    let prepared = Prepared::new().await?;
    let (platform, settings, login) = office::open(desks, &prepared.redirect_uri()?).await?;
    let client = prepared.sign_in(&settings, &login).await?;
    let users = client.account_users(&settings.account_key).await?;
    let cookies = prepared.seat(people(&users, desks)?).await?;
    let name = prepared.cookie_name();
    let app = prepared.start(&settings, &client).await?;
    let stop = CancellationToken::new();
    let mut listeners = JoinSet::new();
    for (desk, cookie) in cookies.iter().enumerate() {
        let events = listener::open(&http, &app.page, &format!("{name}={cookie}")).await?;
        let stop = stop.clone();
        listeners.spawn(async move { (desk, listener::listen(events, stop).await) });
    }
    let seconds = bench.size(2, 60);
    bench.progress(&format!("{desks} desks, {CALLS_PER_S} calls a second for {seconds} s"));
    let before = (process::cpu(app.pid), platform.cpu_s());
    let started = std::time::Instant::now();
    let played = play(&http, &settings, desks, (CALLS_PER_S * seconds as f64) as usize).await?;
    let took_s = started.elapsed().as_secs_f64();
    sleep(LAST_CARDS).await;
    let memory = process::rss_bytes(app.pid);
    let seconds_of = |cpu: Option<Duration>| cpu.map(|cpu| cpu.as_secs_f64());
    let used = cpu_since(seconds_of(before.0), seconds_of(process::cpu(app.pid)));
    let platform_used = cpu_since(before.1, platform.cpu_s());
    stop.cancel();
    let mut heard = HashMap::new();
    while let Some(desk) = listeners.join_next().await {
        let (desk, of_desk) = desk?;
        ensure!(of_desk.ended.is_none(), "desk {desk} was cut off: {}", of_desk.ended.unwrap_or_default());
        heard.insert(desk, of_desk);
    }
    let mut figures = judge(&played, &heard);
    figures.extend([
        Figure::new(
            "desks_rss_mib",
            say(desks, "memory of the screen pop"),
            memory.map(|bytes| bytes / 1_048_576.0),
            "MiB",
        )
        .at_most(150.0),
        Figure::new("desks_cpu", say(desks, "CPU of the screen pop"), used.map(|cpu| cpu / took_s), "cores"),
        Figure::new(
            "desks_platform_cpu",
            say(desks, "CPU of the platform"),
            platform_used.map(|cpu| cpu / took_s),
            "cores",
        ),
    ]);
    Ok(figures)
}

/// The agents as their sign-in would name them, in the order of their extensions.
fn people(users: &[User], count: usize) -> anyhow::Result<Vec<Person>> {
    let of = |desk: usize| {
        let extension = office::extension(desk);
        let mut lines = users.iter().flat_map(|user| user.lines.iter().map(move |line| (user, line)));
        let (user, line) = lines.find(|(_, line)| line.number == extension)?;
        let (id, user_key) = (office::email(desk), Some(user.user_key.clone()));
        Some(Person { id, user_key, lines: vec![line.id.clone()], member: true, admin: false })
    };
    (0..count).map(|desk| of(desk).context("a line of the office is not listed")).collect()
}

/// Plays the calls, each at the next desk's line; which call is whose.
async fn play(
    http: &reqwest::Client,
    settings: &apps::env::Settings,
    desks: usize,
    count: usize,
) -> anyhow::Result<HashMap<String, usize>> {
    let mut pace = interval(Duration::from_secs_f64(1.0 / CALLS_PER_S));
    // On a machine that is too slow fewer calls come in, and the figure tells.
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut calls = JoinSet::new();
    for number in 0..count {
        pace.tick().await;
        let desk = number % desks;
        let request = call(office::number(number), office::extension(desk), SPEED);
        let (http, settings) = (http.clone(), settings.clone());
        calls.spawn(async move {
            let mut id = None;
            simulator::play(&http, &settings, &request, |told| {
                if let Told::Started(started) = told {
                    id = Some(started);
                }
                Ok(())
            })
            .await?;
            anyhow::Ok((id.context("the platform told of no call")?, desk))
        });
    }
    let mut played = HashMap::new();
    while let Some(call) = calls.join_next().await {
        let (id, desk) = call??;
        played.insert(id, desk);
    }
    Ok(played)
}

fn judge(played: &HashMap<String, usize>, heard: &HashMap<usize, Heard>) -> Vec<Figure> {
    let (mut lost, mut latencies) = (0, Latencies::default());
    for (id, desk) in played {
        match heard.get(desk).and_then(|heard| heard.calls.get(id)) {
            Some(first) if first.alert => latencies.push(first.age_us),
            _ => lost += 1,
        }
    }
    let is_foreign = |desk: usize, id: &String| played.get(id) != Some(&desk);
    let foreign: usize =
        heard.iter().map(|(desk, heard)| heard.calls.keys().filter(|id| is_foreign(*desk, id)).count()).sum();
    let desks = heard.len();
    vec![
        Figure::new("desks_calls", say(desks, "calls played"), played.len() as f64, "calls"),
        Figure::new("desks_lost", say(desks, "pops lost"), f64::from(lost), "pops").at_most(0.0),
        Figure::new("desks_foreign", say(desks, "pops on a wrong desk"), foreign as f64, "pops").at_most(0.0),
        Figure::new(
            "desks_p50_ms",
            say(desks, "call's begin to the card at its desk, p50 (its phone rings after 96 to 144 ms)"),
            latencies.percentile_ms(0.5),
            "ms",
        ),
        Figure::new(
            "desks_p99_ms",
            say(desks, "call's begin to the card at its desk, p99"),
            latencies.percentile_ms(0.99),
            "ms",
        ),
    ]
}

fn say(desks: usize, what: &str) -> String {
    format!("{desks} desks, {CALLS_PER_S} calls/s: {what}")
}
