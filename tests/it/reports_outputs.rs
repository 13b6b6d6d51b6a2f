//! Where the collector's reports go besides the terminal: each output has its own place, is caught up after hours, and
//! what one refuses is put aside.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;

use crate::harness::calls::play;
use crate::harness::{App, LATER, Platform, apps, eventually};

/// A receiver of webhooks that answers what it is told to.
struct Hook {
    url: String,
    status: Arc<AtomicU16>,
    got: crate::harness::Log<(http::HeaderMap, String)>,
    task: tokio::task::JoinHandle<()>,
}

impl Hook {
    async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (status, got) = (Arc::new(AtomicU16::new(200)), crate::harness::Log::new());
        let (answer, log) = (status.clone(), got.clone());
        let take = async move |headers: http::HeaderMap, body: String| {
            let status = answer.load(Ordering::SeqCst);
            if status == 200 {
                log.push((headers, body));
            }
            http::StatusCode::from_u16(status).unwrap()
        };
        let router = axum::Router::new().route("/hook", axum::routing::post(take));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, status, got, task }
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn outputs(platform: &Platform, state: &Path, arguments: &[&str]) -> Vec<String> {
    let state = state.to_string_lossy().into_owned();
    let arguments = [&["outputs", "--state", &state], arguments].concat();
    let ended = App::run(&arguments, &platform.folder("apps")).await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors());
    ended.stdout
}

async fn standing(platform: &Platform, state: &Path, name: &str) -> Value {
    let lines = outputs(platform, state, &["--json"]).await;
    let all = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.into_iter().find(|standing| standing["name"] == name).unwrap_or_default()
}

/// The lines of the files of a folder, which the day's change can make two.
fn lines(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "{}", file.display());
        lines.extend(std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned));
    }
    lines
}

fn space_of(text: &str) -> String {
    let report: Value = serde_json::from_str(text).unwrap();
    report["conversationSpaceId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_output_that_was_down_catches_up_in_order_and_what_it_refuses_can_be_had_again() {
    let platform = Platform::start().await;
    let (state, out) = (platform.folder("state"), platform.folder("apps").join("out"));
    let hook = Hook::open().await;
    hook.status.store(503, Ordering::SeqCst);
    apps::log_in(&platform, &state).await;
    let table = platform.folder("apps").join("table");
    std::fs::write(
        state.join("reports.toml"),
        format!("[[output]]\nname = \"table\"\nkind = \"csv\"\nfolder = \"{}\"\n", table.display()),
    )
    .unwrap();
    let flags = ["--json", "--jsonl", "out", "--webhook", &hook.url, "--exec", "cat >> got; echo >> got"];
    let mut app = apps::start(&platform, "reports", &state, &flags);
    let mut spaces = Vec::new();
    for _ in 0..3 {
        let space = play(&platform, "answered", &["--speed", "50"]).await;
        apps::printed(&app, &space).await;
        spaces.push(space);
    }
    let all = |found: Vec<String>| (found.len() == 3).then_some(found);
    let written = eventually("the files have all", LATER, async || all(lines(&out))).await;
    let printed: Vec<String> = app.stdout.all();
    assert_eq!(written, printed, "line for line what the terminal got");
    eventually("the table has all", LATER, async || (lines(&table).len() == 4).then_some(())).await;
    let got = platform.folder("apps").join("got");
    let ran = || all(std::fs::read_to_string(&got).unwrap_or_default().lines().map(str::to_owned).collect());
    eventually("the command has all", LATER, async || ran()).await;
    assert_eq!(hook.got.len(), 0);
    let down = standing(&platform, &state, "webhook").await;
    assert_eq!((&down["waiting"], &down["failure"]), (&3.into(), &"status 503".into()), "{down}");

    // A kill while an output is down; afterwards it gets everything, in order, signed.
    app.kill9().await;
    hook.status.store(200, Ordering::SeqCst);
    let app = apps::start(&platform, "reports", &state, &flags);
    hook.got.wait("all are posted", LATER, |got| (got.len() >= 3).then_some(())).await;
    let secret = std::fs::read_to_string(state.join("webhook.secret")).unwrap();
    let receiver = standardwebhooks::Webhook::new(secret.trim()).unwrap();
    let mut posted = Vec::new();
    for (headers, body) in hook.got.all() {
        receiver.verify(body.as_bytes(), &headers).expect("it is signed");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["type"], "report.created");
        posted.push(space_of(&body["data"].to_string()));
    }
    posted.dedup();
    assert_eq!(posted, printed.iter().map(|line| space_of(line)).collect::<Vec<_>>());

    // What it refuses is put aside and does not hold up the rest.
    hook.status.store(400, Ordering::SeqCst);
    let refused = play(&platform, "missed", &["--speed", "50"]).await;
    eventually("it is put aside", LATER, async || {
        (standing(&platform, &state, "webhook").await["dead"] == 1).then_some(())
    })
    .await;
    let dead = outputs(&platform, &state, &["dead", "webhook"]).await.join("\n");
    assert!(dead.contains(&refused) && dead.contains("status 400"), "{dead}");
    hook.status.store(200, Ordering::SeqCst);
    let said = outputs(&platform, &state, &["replay", "webhook"]).await.join("\n");
    assert!(said.starts_with("1 report is"), "{said}");
    hook.got.wait("it is delivered again", LATER, |got| got.last()?.1.contains(&refused).then_some(())).await;
    let folder = state.to_string_lossy().into_owned();
    let forget = ["outputs", "forget", "webhook", "--state", &folder];
    let kept = App::run(&forget, &platform.folder("apps")).await;
    assert!(kept.code == Some(1) && kept.errors().contains("running collector"), "{kept:?}");
    app.stop().await;
    outputs(&platform, &state, &["forget", "webhook"]).await;
    let written = lines(&out);
    assert_eq!(written.len(), 4, "each report is in the files exactly once: {written:?}");
}

#[tokio::test]
async fn a_wrong_file_of_outputs_is_named_with_its_line() {
    let platform = Platform::start().await;
    let state = platform.folder("state");
    std::fs::write(state.join("reports.toml"), "\n[[output]]\nname = \"x\"\nkind = \"fax\"\n").unwrap();
    let mut app = apps::start(&platform, "reports", &state, &[]);
    assert_eq!(app.exit(LATER).await, Some(1));
    let said = app.stderr.all().join("\n");
    assert!(said.contains("reports.toml, line 4") && said.contains("fax"), "{said}");
}

#[tokio::test]
async fn an_output_that_was_forgotten_writes_no_report_twice_into_its_earlier_files() {
    let platform = Platform::start().await;
    let (state, out) = (platform.folder("state"), platform.folder("apps").join("out"));
    apps::log_in(&platform, &state).await;
    let flags = ["--json", "--jsonl", "out"];
    let app = apps::start(&platform, "reports", &state, &flags);
    let space = play(&platform, "missed", &["--speed", "50"]).await;
    apps::printed(&app, &space).await;
    eventually("the file has it", LATER, async || (lines(&out).len() == 1).then_some(())).await;
    app.stop().await;
    let said = outputs(&platform, &state, &["forget", "jsonl"]).await.join("\n");
    assert!(said.contains("move its files elsewhere first"), "{said}");

    let app = apps::start(&platform, "reports", &state, &flags);
    let line = app.stderr.line_with("takes no reports", LATER).await;
    assert!(line.contains("is of an earlier time") && line.contains("name another folder"), "{line}");
    assert_eq!(lines(&out).len(), 1);
    std::fs::rename(&out, out.with_file_name("before")).unwrap();
    eventually("it begins anew", LATER, async || (lines(&out).len() == 1).then_some(())).await;
    app.stop().await;
}
