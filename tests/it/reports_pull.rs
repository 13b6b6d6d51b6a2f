//! Push plus pull: what no notification told of is found all the same, and the ledger says so.

use std::path::Path;

use serde_json::Value;

use crate::harness::calls::play;
use crate::harness::{App, LATER, Person, Platform, SCOPES, SOON, Session, apps, eventually};

/// `callfeed gaps --json`, with those that are closed.
async fn gaps(platform: &Platform, state: &Path) -> Vec<Value> {
    let state = state.to_string_lossy().into_owned();
    let ended = App::run(&["gaps", "--all", "--json", "--state", &state], &platform.folder("apps")).await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors());
    ended.stdout.iter().map(|line| serde_json::from_str(line).expect("a gap a line")).collect()
}

/// Waits until there is a gap of this kind, and none is open, or this one is.
async fn gap(platform: &Platform, state: &Path, kind: &str, open: bool) -> Value {
    eventually(&format!("a gap of {kind}, open: {open}"), LATER, async || {
        let gaps = gaps(platform, state).await;
        let found = gaps.iter().rfind(|gap| gap["kind"] == kind && gap["closed"].is_null() == open)?;
        let others_closed = gaps.iter().all(|gap| !gap["closed"].is_null());
        (open || others_closed).then(|| found.clone())
    })
    .await
}

async fn listening(session: &Session) {
    eventually("the app listens", SOON, async || {
        let channels = session.get("/notification-channel/v1/channels").await.is(200).json();
        let items = channels["items"].as_array()?;
        items.iter().any(|item| item["channelData"]["isConnected"] == true).then_some(())
    })
    .await;
}

async fn sorted_store(platform: &Platform, state: &Path) -> Vec<String> {
    let mut spaces = apps::spaces_of(&apps::stored(platform, state).await);
    spaces.sort_unstable();
    spaces
}

#[tokio::test]
async fn the_first_start_fetches_earlier_calls_unless_told_otherwise() {
    let platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let mut earlier = Vec::new();
    for scenario in ["answered", "missed", "outbound"] {
        let space = play(&platform, scenario, &["--speed", "50"]).await;
        platform.report(&session, &space).await;
        earlier.push(space);
    }
    earlier.sort_unstable();
    let (state, other) = (platform.folder("state"), platform.folder("other"));
    apps::log_in(&platform, &state).await;
    let app = apps::start(&platform, "reports", &state, &["--json"]);
    for space in &earlier {
        apps::printed(&app, space).await;
    }
    let backfill = gap(&platform, &state, "backfill", false).await;
    assert_eq!(backfill["reports"], 3);
    app.stop().await;
    assert_eq!(sorted_store(&platform, &state).await, earlier);

    apps::log_in(&platform, &other).await;
    let app = apps::start(&platform, "reports", &other, &["--json", "--since", "0"]);
    listening(&session).await;
    let space = play(&platform, "answered", &["--speed", "50"]).await;
    apps::printed(&app, &space).await;
    app.stop().await;
    assert_eq!(sorted_store(&platform, &other).await, [space]);
}

#[tokio::test]
async fn a_gap_opens_and_closes_with_everything_in_it_found() {
    let mut platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let state = platform.folder("state");
    apps::log_in(&platform, &state).await;
    let mut app = apps::start(&platform, "reports", &state, &["--json"]);
    listening(&session).await;
    let first = play(&platform, "answered", &["--speed", "50"]).await;
    apps::printed(&app, &first).await;

    // The app is killed; calls go on.
    app.kill9().await;
    let second = play(&platform, "missed", &["--speed", "50"]).await;
    platform.report(&session, &second).await;
    let app = apps::start(&platform, "reports", &state, &["--json"]);
    apps::printed(&app, &second).await;
    gap(&platform, &state, "downtime", false).await;

    // The platform is killed and comes back.
    platform.kill9().await;
    gap(&platform, &state, "connection", true).await;
    platform.restart().await;
    let third = play(&platform, "outbound", &["--speed", "50"]).await;
    apps::printed(&app, &third).await;
    let closed = gap(&platform, &state, "connection", false).await;
    assert!(closed["from"].as_str() < closed["to"].as_str(), "{closed}");
    let folder = state.to_string_lossy().into_owned();
    let said =
        async || App::run(&["gaps", "--state", &folder], &platform.folder("apps")).await.stdout.join("\n");
    eventually("nothing is missing", SOON, async || said().await.contains("No gap is open").then_some(()))
        .await;
    app.stop().await;
    let stopped = said().await;
    assert!(stopped.contains("not running: calls that ended since 20"), "{stopped}");
    let mut expected = [first, second, third];
    expected.sort_unstable();
    assert_eq!(sorted_store(&platform, &state).await, expected, "each exactly once");
}
