//! `callfeed reports` whose output nobody takes: nothing announced is lost, and Ctrl-C still works.

use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::harness::{LATER, Platform, SOON, apps, calls, eventually};

/// More reports than a pipe holds, and more than all queues of the app together.
const CALLS: usize = 400;

/// Reports that fit into the pipe and the app's own buffer.
const PIPE_LINES_MAX: usize = 40;

/// Starts the app, signed in, with a stdout that is never read.
async fn stalled(platform: &Platform) -> Child {
    let state = platform.folder("state");
    let mut command = Command::new(env!("CARGO_BIN_EXE_callfeed"));
    command.args(["reports", "--json", "--no-browser", "--env"]).arg(platform.env_file());
    command.arg("--state").arg(&state).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("the binary was built with this test")
}

async fn play_all(platform: &Platform) {
    let count = CALLS.to_string();
    let mut call = platform.call("answered", &["--speed", "200", "--count", &count, "--every", "200ms"]);
    assert_eq!(call.exit(LATER).await, Some(0));
    assert_eq!(calls::spaces(&call).len(), CALLS);
}

async fn wait_connected(platform: &Platform) {
    let session =
        crate::harness::Person::admin(platform).grant(platform, crate::harness::SCOPES).await.session;
    eventually("the app is connected", SOON, async || {
        let channels = session.get("/notification-channel/v1/channels").await.is(200).json();
        let connected = channels["items"].as_array()?.iter().any(|c| c["channelData"]["isConnected"] == true);
        connected.then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stalled_output_loses_no_report_and_does_not_stop_ctrl_c() {
    let platform = Platform::start().await;
    let state = platform.folder("state");
    apps::log_in(&platform, &state).await;
    let mut app = stalled(&platform).await;
    wait_connected(&platform).await;
    play_all(&platform).await;
    eventually("every report is stored though none can be printed", LATER, async || {
        (apps::stored(&platform, &state).await.len() == CALLS).then_some(())
    })
    .await;
    let pid = app.id().expect("it runs").to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().await.expect("kill can be started");
    assert!(sent.success());
    let ended = tokio::time::timeout(SOON, app.wait()).await.expect("Ctrl-C ends it in spite of its output");
    assert_eq!(ended.expect("our own process").code(), Some(0));

    // Whoever reads at last gets all of them.
    let app = apps::start(&platform, "reports", &state, &["--json"]);
    // Some lines had gone into the pipe that nobody read; they count as printed.
    let most = |lines: &[String]| (lines.len() >= CALLS - PIPE_LINES_MAX).then_some(());
    app.stdout.wait("what was not printed is printed", LATER, most).await;
    app.stop().await;
}
