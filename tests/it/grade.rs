//! `callfeed grade`: two programs, two cards.

use serde_json::Value;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::harness::{App, LATER};

/// The cards of the collector and of the plain behaviour.
async fn card() -> Value {
    let folder = tempfile::TempDir::new().expect("the temporary folder can be written");
    let ended =
        App::run(&["grade", "--json", "--plain", "--calls", "2", "--patience", "25"], folder.path()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors());
    serde_json::from_str(&ended.stdout.join("\n")).expect("a card is JSON")
}

fn verdict<'a>(card: &'a Value, day: &str) -> &'a str {
    let days = card["days"].as_array().expect("a card has days");
    let line = days.iter().find(|line| line["day"] == day).unwrap_or_else(|| panic!("no {day} in {card}"));
    line["verdict"].as_str().expect("a day has a verdict")
}

#[tokio::test]
async fn the_collector_handles_what_a_plain_client_loses_or_does_twice() {
    let both = card().await;
    let (ours, plain) = (&both["program"], &both["plain"]);
    assert_eq!(verdict(plain, "usual"), "handled", "{plain:#}");
    assert_eq!(verdict(plain, "drop"), "lost", "{plain:#}");
    assert_eq!(verdict(plain, "duplicate"), "did twice", "{plain:#}");
    assert_eq!(verdict(plain, "404-then-200"), "lost", "{plain:#}");
    assert_eq!(verdict(plain, "kill"), "lost", "{plain:#}");
    for day in ["usual", "drop", "duplicate", "reorder", "close", "401", "404-then-200", "kill"] {
        assert_eq!(verdict(ours, day), "handled", "{day}: {ours:#}");
    }
}

#[tokio::test]
async fn a_program_that_prints_its_authorize_address_is_signed_in() {
    let folder = tempfile::TempDir::new().expect("the temporary folder can be written");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let command = format!(
        "ls -A \"$GRADE_FOLDER\"; echo \"Open $GOTO_AUTH_URL/oauth/authorize?response_type=code&client_id=$OAUTH_CLIENT_ID\
         &redirect_uri=http://127.0.0.1:{port}/app/redirect&scope=cr.v1.read&state=mine\" && sleep 600"
    );
    let mut app = App::start(&["grade", "--show-output", "--command", &command], folder.path());
    let (mut program, _) =
        tokio::time::timeout(LATER, listener.accept()).await.expect("it comes").expect("it connects");
    let mut request = vec![0; 4096];
    let read = program.read(&mut request).await.expect("it asks");
    let request = String::from_utf8_lossy(&request[..read]).into_owned();
    assert!(request.starts_with("GET /app/redirect?") && request.contains("code="), "{request}");
    assert!(request.contains("state=mine"), "{request}");
    let written = app.stderr.all();
    let first = written.iter().find(|line| line.starts_with("| ")).expect("its output is shown");
    assert!(first.starts_with("| Open "), "its folder is empty: {written:?}");
    drop(program);
    app.interrupt().await;
    assert_eq!(app.exit(LATER).await, Some(1), "the card is not whole");
}

#[tokio::test]
async fn a_command_of_a_shell_is_started_and_leaves_no_process_and_no_secret() {
    let folder = tempfile::TempDir::new().expect("the temporary folder can be written");
    std::fs::create_dir(folder.path().join("app")).expect("the temporary folder can be written");
    // A child with a child, which outlives both unless somebody ends it.
    let command = "cd app && A=1 sh -c 'sleep 600 & echo $A $! > child; echo $OAUTH_CLIENT_SECRET; exit 3'";
    let ended = App::run(&["grade", "--command", command], folder.path()).await;
    assert_eq!(ended.code, Some(1), "{}", ended.errors());
    assert!(ended.errors().contains("the program ended (exit status: 3)"), "{}", ended.errors());
    assert!(!ended.errors().contains("cfs_") && ended.stdout.is_empty(), "{}", ended.errors());
    let child = std::fs::read_to_string(folder.path().join("app/child")).expect("the command was started");
    let number = child.strip_prefix("1 ").expect("the setting before the command counts").trim();
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "it still runs: {stat}");
    let few = App::run(&["grade", "--plain", "--calls", "1"], folder.path()).await;
    assert!(few.errors().contains("give a number from 2 to 100"), "{}", few.errors());
}
