//! From a call's first state to its card on a real browser's screen: the number, and what is known of the caller, with
//! a customer service that answers, takes three seconds, or never answers.
//!
//! The state's own instant is the beginning, which lies before it is written, so that what is measured is no less than
//! what it took. A card counts as painted in the first task after the frame in which it stands.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use apps::env::Settings;
use apps::screen_pop::sight::Person;
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::app::Prepared;
use super::browser::Browser;
use super::crm::{Crm, Mood};
use super::office::{self, call};
use crate::bench::figures::Figure;
use crate::bench::frames::Latencies;
use crate::bench::platform::Platform;
use crate::bench::{Bench, FINISH_MAX};
use crate::simulator;

/// Callers whose facts are in the cache when they call again.
const REGULARS: usize = 20;
/// Calls last some 1.5 s.
const SPEED: f64 = 10.0;
/// Longer than the slow service takes.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(200);

/// Notes when each card is painted with the number alone, and when with a name.
const WATCH: &str = r#"
window.painted = {};
const note = (id, what) => {
  const card = (window.painted[id] ??= {});
  if (what in card) return;
  card[what] = null;
  requestAnimationFrame(() => {
    const next = new MessageChannel();
    next.port1.onmessage = () => { card[what] = performance.timeOrigin + performance.now(); };
    next.port2.postMessage(0);
  });
};
new MutationObserver((changes) => {
  for (const { addedNodes } of changes) {
    for (const card of addedNodes) {
      if (!card.matches?.(".card")) continue;
      const call = card.dataset.call;
      (window.painted[call] ??= { placed: performance.timeOrigin + performance.now() }).created = Number(card.dataset.created);
      note(call, "number");
      if (card.querySelector(".company") && card.textContent.includes("Open tickets")) note(call, "facts");
    }
  }
}).observe(document.getElementById("calls"), { childList: true });
"#;

/// Milliseconds since 1970.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Painted {
    created: f64,
    /// Its place in the page is made, before the browser paints it.
    placed: f64,
    number: Option<f64>,
    facts: Option<f64>,
}

struct Stage {
    settings: Settings,
    browser: Browser,
    crm: Crm,
}

pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    bench.progress("from a call to its card in Chromium");
    let platform = Platform::start().await?;
    let (settings, login) = platform.settings()?;
    let crm = Crm::start().await?;
    let prepared = Prepared::new().await?;
    let admin = Person { id: login.email.clone(), member: true, admin: true, ..Person::default() };
    let cookies = prepared.seat(vec![admin]).await?;
    std::fs::write(prepared.state().join("sources.toml"), crm.sources())?;
    let cookie = prepared.cookie_name();
    let client = prepared.sign_in(&settings, &login).await?;
    let app = prepared.start(&settings, &client).await?;
    let browser = Browser::start().await?;
    browser.open(app.page.join("healthz")?.as_str()).await?;
    browser.set_cookie(&cookie, cookies.first().context("one person was seated")?).await?;
    browser.open(app.page.as_str()).await?;
    browser.run(WATCH).await.context("the page shows no board")?;
    let stage = Stage { settings, browser, crm };
    let figures = tokio::time::timeout(3 * FINISH_MAX, stage.play(bench)).await;
    stage.browser.close().await;
    figures.context("cards got lost on their way")?
}

impl Stage {
    async fn play(&self, bench: &Bench) -> anyhow::Result<Vec<Figure>> {
        self.crm.set(Mood::Quick);
        // Everybody has called once: pages, connections and facts are warm.
        self.calls((0..REGULARS).collect(), 5.0, true).await?;
        let regular = (0..bench.size(10, 200)).map(|call| call % REGULARS).collect();
        let warm = self.calls(regular, 5.0, true).await?;
        let mut figures = figures("warm", "facts known", &warm, Some(150.0));
        // Of people who have not called before, so that the service is asked for each.
        let new = bench.size(3, 60);
        bench.progress("the same with a CRM that takes 3 s");
        self.crm.set(Mood::Slow);
        let slow = self.calls((REGULARS..REGULARS + new).collect(), 2.0, true).await?;
        figures.extend(self::figures("slow_crm", "CRM takes 3 s", &slow, None));
        bench.progress("the same with a CRM that never answers");
        self.crm.set(Mood::Never);
        let never = self.calls((REGULARS + new..REGULARS + 2 * new).collect(), 2.0, false).await?;
        figures.extend(self::figures("dead_crm", "CRM never answers", &never, None));
        Ok(figures)
    }

    /// Plays a call of each of these callers, one after the other, and waits until all are painted, with facts where those
    /// are due.
    async fn calls(&self, callers: Vec<usize>, per_s: f64, facts: bool) -> anyhow::Result<Vec<Painted>> {
        let http = simulator::client()?;
        let mut pace = interval(Duration::from_secs_f64(1.0 / per_s));
        let mut calls = JoinSet::new();
        for caller in callers {
            pace.tick().await;
            let (http, settings) = (http.clone(), self.settings.clone());
            let request = call(office::number(caller), "1001".to_owned(), SPEED);
            calls.spawn(async move {
                let mut started = None;
                simulator::play(&http, &settings, &request, |told| {
                    if let simulator::Told::Started(id) = told {
                        started = Some(id);
                    }
                    Ok(())
                })
                .await?;
                started.context("the platform told of no call")
            });
        }
        let mut ids = Vec::new();
        while let Some(call) = calls.join_next().await {
            ids.push(call??);
        }
        self.painted(&ids, facts).await
    }

    async fn painted(&self, ids: &[String], facts: bool) -> anyhow::Result<Vec<Painted>> {
        let began = Instant::now();
        loop {
            let all: HashMap<String, Painted> =
                serde_json::from_value(self.browser.run("return window.painted").await?)?;
            let done = |card: &&Painted| card.number.is_some() && (card.facts.is_some() || !facts);
            let found: Vec<Painted> = ids.iter().filter_map(|id| all.get(id)).filter(done).copied().collect();
            if found.len() == ids.len() {
                return Ok(found);
            }
            ensure!(began.elapsed() < PATIENCE, "of {} calls {} were painted", ids.len(), found.len());
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Figures of a part; `facts_ms` is the target for facts, if they are to be measured.
fn figures(name: &'static str, what: &str, cards: &[Painted], facts_ms: Option<f64>) -> Vec<Figure> {
    let of = |painted: fn(&Painted) -> Option<f64>| {
        let mut latencies = Latencies::default();
        let ages = cards.iter().filter_map(|card| Some(painted(card)? - card.created));
        ages.for_each(|ms| latencies.push((ms * 1000.0) as i64));
        latencies
    };
    let (mut placed, mut numbers) = (of(|card| Some(card.placed)), of(|card| card.number));
    let say = |thing: &str, part: &str| format!("call to {thing} painted in Chromium, {what}, {part}");
    let [in_page, p50, p95] = match name {
        "warm" => ["card_warm_in_page_p50_ms", "card_warm_p50_ms", "card_warm_p95_ms"],
        "slow_crm" => ["card_slow_crm_in_page_p50_ms", "card_slow_crm_p50_ms", "card_slow_crm_p95_ms"],
        _ => ["card_dead_crm_in_page_p50_ms", "card_dead_crm_p50_ms", "card_dead_crm_p95_ms"],
    };
    let mut figures = vec![
        Figure::new(
            in_page,
            format!("call to card in the page, {what}, p50"),
            placed.percentile_ms(0.5),
            "ms",
        ),
        Figure::new(p50, say("number", "p50"), numbers.percentile_ms(0.5), "ms"),
        Figure::new(p95, say("number", "p95"), numbers.percentile_ms(0.95), "ms").at_most(50.0),
    ];
    if let Some(target) = facts_ms {
        let mut facts = of(|card| card.facts);
        figures.push(Figure::new("facts_warm_p50_ms", say("facts", "p50"), facts.percentile_ms(0.5), "ms"));
        let p95 = Figure::new("facts_warm_p95_ms", say("facts", "p95"), facts.percentile_ms(0.95), "ms");
        figures.push(p95.at_most(target));
    }
    figures
}
