//! Reports by id and introspections of a token, as many as a platform answers; and what a bare server of the same
//! documents answers in the same run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::task::JoinSet;

use super::figures::Figure;
use super::http::{Connection, Request};
use super::load::{self, Pace};
use super::platform::{Access, Platform, cpu_since};
use super::store::reference;
use super::{Bench, process};

/// Connections that ask, each one thing after the other.
const CONNECTIONS: usize = 32;
/// Documents that are asked for in turn.
const DOCUMENTS: usize = 500;

pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    bench.progress("reports by id");
    let platform = Platform::start().await?;
    let access = platform.sign_in().await?;
    let mut ids = Vec::new();
    load::play(&access, bench.size(20, DOCUMENTS), Pace::AtOnce(16), |id| ids.push(id)).await?;
    let reports: Vec<Vec<u8>> = ids.iter().map(|id| get_report(&access, id)).collect();
    let documents = bodies(access.address, &reports).await?;
    let reports = Arc::new(reports);
    let ours = ask(bench, platform.address, platform.pid, &reports).await?;
    bench.progress("the same from a bare server");
    let bare = reference::Server::start(&documents).await?;
    let requests = Arc::new((0..documents.len()).map(|number| bare.get(number)).collect::<Vec<_>>());
    let theirs = ask(bench, bare.address, bare.pid, &requests).await?;
    bench.progress("older reports by id");
    // What a platform that was started again has, it has from the database.
    let platform = platform.restart().await?;
    let older = ask(bench, platform.address, platform.pid, &reports).await?;
    bench.progress("introspections");
    let form = format!("token={}", access.token);
    let introspect = Request {
        method: "POST",
        path: "/oauth/introspect",
        authorization: &access.basic,
        body: Some(("application/x-www-form-urlencoded", &form)),
    };
    let introspections =
        ask(bench, platform.address, platform.pid, &Arc::new(vec![introspect.encode()])).await?;
    let ratio = |rate: &Rate| rate.per_cpu_s.zip(theirs.per_cpu_s).map(|(ours, theirs)| ours / theirs);
    Ok(vec![
        Figure::new("report_gets_per_s", "reports by id, stored a moment ago", ours.per_s, "GETs/s"),
        Figure::new("report_gets_per_cpu_s", "  for each CPU second of the platform", ours.per_cpu_s, "GETs"),
        Figure::new("older_gets_per_s", "reports by id, older ones", older.per_s, "GETs/s"),
        Figure::new("older_gets_per_cpu_s", "  for each CPU second of the platform", older.per_cpu_s, "GETs"),
        Figure::new(
            "bare_gets_per_cpu_s",
            "  the same documents from bare axum and SQLite",
            theirs.per_cpu_s,
            "GETs",
        ),
        Figure::new("report_gets_ratio", "  platform to bare server, stored a moment ago", ratio(&ours), "x")
            .at_least(0.9),
        Figure::new("older_gets_ratio", "  platform to bare server, older ones", ratio(&older), "x")
            .at_least(0.9),
        Figure::new("introspections_per_s", "introspections of a token", introspections.per_s, "/s"),
        Figure::new(
            "introspections_per_cpu_s",
            "  for each CPU second of the platform",
            introspections.per_cpu_s,
            "",
        ),
    ])
}

fn get_report(access: &Access, id: &str) -> Vec<u8> {
    let path = format!("/call-events-report/v1/reports/{id}");
    Request { method: "GET", path: &path, authorization: &access.bearer, body: None }.encode()
}

async fn bodies(address: SocketAddr, requests: &[Vec<u8>]) -> anyhow::Result<Vec<String>> {
    let mut connection = Connection::open(address).await?;
    let mut bodies = Vec::new();
    for request in requests {
        let answer = connection.send(request).await?;
        ensure!(answer.status == 200, "a report of an ended call is not there: {}", answer.status);
        bodies.push(String::from_utf8(answer.body.to_vec()).context("a report is text")?);
    }
    Ok(bodies)
}

struct Rate {
    per_s: f64,
    per_cpu_s: Option<f64>,
}

/// Asks for some seconds, over all connections at once.
async fn ask(
    bench: &Bench,
    address: SocketAddr,
    pid: u32,
    requests: &Arc<Vec<Vec<u8>>>,
) -> anyhow::Result<Rate> {
    let duration = Duration::from_millis(if bench.quick { 300 } else { 3_000 });
    let cpu_s = || process::cpu(pid).map(|cpu| cpu.as_secs_f64());
    let (cpu, started) = (cpu_s(), Instant::now());
    let mut askers = JoinSet::new();
    for first in 0..CONNECTIONS {
        let requests = Arc::clone(requests);
        askers.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut answers = 0_usize;
            while started.elapsed() < duration {
                let request = &requests[(first * 17 + answers) % requests.len()];
                let status = connection.send(request).await?.status;
                ensure!(status == 200, "a request was answered {status}");
                answers += 1;
            }
            Ok(answers)
        });
    }
    let mut answers = 0;
    while let Some(asker) = askers.join_next().await {
        answers += asker??;
    }
    let took = started.elapsed();
    let cpu = cpu_since(cpu, cpu_s());
    let answers = answers as f64;
    Ok(Rate { per_s: answers / took.as_secs_f64(), per_cpu_s: cpu.map(|cpu| answers / cpu) })
}
