//! Commands whose reader has seen enough, as in `callfeed log | head -1`: they end at once, without a word.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::harness::{App, LATER, Platform, apps, calls};

/// Runs `callfeed ARGUMENTS`, reads so many lines of its output and goes.
async fn read_and_go(platform: &Platform, arguments: &[&str], lines: usize) {
    let mut command = App::command(arguments, &platform.folder("pipes"));
    command.arg("--env").arg(platform.env_file()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary was built with this test");
    let (stdout, mut stderr) =
        (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
    let mut reader = BufReader::new(stdout).lines();
    for _ in 0..lines {
        let line = tokio::time::timeout(LATER, reader.next_line()).await.expect("a line comes");
        line.expect("it can be read").expect("there is a line");
    }
    drop(reader);
    let ended = tokio::time::timeout(LATER, child.wait()).await.expect("it ends");
    let mut said = String::new();
    stderr.read_to_string(&mut said).await.expect("text");
    let code = ended.expect("our own process").code();
    assert_eq!((code, said.as_str()), (Some(0), ""), "callfeed {arguments:?}");
}

#[tokio::test]
async fn who_reads_the_first_lines_and_goes_disturbs_nothing() {
    let platform = Platform::start().await;
    let many = ["call", "missed", "--speed", "1000", "--count", "50", "--every", "10s"];
    read_and_go(&platform, &many, 1).await;
    // More than a pipe holds.
    let mut call = platform.call("missed", &["--speed", "100000", "--count", "50", "--every", "0ms"]);
    assert_eq!(call.exit(LATER).await, Some(0));
    assert_eq!(calls::spaces(&call).len(), 50);
    read_and_go(&platform, &["log"], 1).await;
    read_and_go(&platform, &["log"], 0).await;
    read_and_go(&platform, &["fault", "list"], 1).await;
    read_and_go(&platform, &["fault", "list"], 0).await;
    // Where nothing is to be mended it says so to whoever reads, and nothing to nobody.
    apps::log_in(&platform, &platform.folder("state")).await;
    let state = platform.folder("state").to_string_lossy().into_owned();
    read_and_go(&platform, &["doctor", "--state", &state], 1).await;
    read_and_go(&platform, &["doctor", "--state", &state], 0).await;
}
