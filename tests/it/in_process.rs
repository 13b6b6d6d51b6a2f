//! A platform within a test: the example of docs/time.md, and what it promises.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use server::CallRequest;

// begin of the example
use sdk::{Client, Config, Feed, FeedConfig, FeedEvent, Hosts, TokenFile};
use server::testing::Platform;

#[tokio::test(flavor = "multi_thread")]
async fn my_program_follows_a_transferred_call() -> Result<(), Box<dyn std::error::Error>> {
    let platform = Platform::start().await?;
    let (client_id, client_secret) = (platform.client_id().into(), platform.client_secret().into());
    let (redirect_uri, hosts) = (platform.redirect_uri(), Hosts::single(platform.url()));
    let config = Config { client_id, client_secret, redirect_uri, hosts };
    let client = Client::new(config, TokenFile::new(platform.folder().join("tokens")))?;
    let page = client.authorization(&["call-events.v1.notifications.manage"]).await?;
    client.exchange(&platform.allow(&page.login_url).await?).await?;
    let account_keys = vec![platform.account_key().into()];
    let (nickname, call_events) = ("my-test".into(), Some(vec![]));
    let wanted = FeedConfig { nickname, account_keys, call_events, reports: false, state_file: None };
    let mut feed = Feed::open(client, wanted);
    while !matches!(feed.next().await, Some(FeedEvent::Connected { .. })) {}

    let calls = platform.play("blind-transfer").await?;
    let mut seen = String::new();
    while !seen.contains("Ending") {
        if let Some(FeedEvent::CallEvent(event, _)) = feed.next().await {
            seen += &format!("{} {:?}\n", event.metadata.conversation_space_id, event.state);
        }
    }
    assert!(seen.contains(&calls[0]) && seen.contains("InDirectTransfer"));
    Ok(())
}
// end of the example

#[test]
fn the_example_stands_in_the_docs_and_is_short() {
    let own = include_str!("in_process.rs");
    let (_, rest) = own.split_once("// begin of the example\n").expect("its begin");
    let (example, _) = rest.split_once("// end of the example\n").expect("its end");
    let lines = example.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines < 30, "{lines} lines");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/time.md");
    let docs = std::fs::read_to_string(&path).expect("the page");
    let (before, rest) =
        docs.split_once("<!-- the example of tests/it/in_process.rs -->\n```rust\n").expect("its place");
    let (_, after) = rest.split_once("```\n").expect("its end");
    let made =
        format!("{before}<!-- the example of tests/it/in_process.rs -->\n```rust\n{example}```\n{after}");
    if std::env::var_os("CALLFEED_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).expect("the page can be written");
    }
    assert!(made == docs, "docs/time.md is not up to date: run this test with CALLFEED_UPDATE_DOCS=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_passes_in_calls_and_on_request_alone() -> Result<(), Box<dyn Error>> {
    let platform = Platform::start().await?;
    assert_eq!(platform.now().to_string(), "2026-01-05T00:00:00Z");
    let calls = platform.play("three-hours").await?;
    assert_eq!(calls.len(), 1);
    let after = platform.now();
    assert!(after.to_string().starts_with("2026-01-05T03:0"), "{after}");
    platform.advance(Duration::from_secs(86_400)).await?;
    assert_eq!(platform.now().duration_since(after), jiff::SignedDuration::from_hours(24));
    let consulted = platform.play("attended-transfer").await?;
    assert_eq!(consulted.len(), 2, "the consultation is a call of its own");
    assert!(platform.play("no-such-call").await.is_err());
    let folder = platform.folder().to_owned();
    platform.stop().await?;
    assert!(!folder.exists(), "nothing is left behind");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_calls_have_the_same_ids_on_any_platform() -> Result<(), Box<dyn Error>> {
    let (one, other) = (Platform::start().await?, Platform::start().await?);
    for scenario in ["blind-transfer", "voicemail", "blind-transfer"] {
        assert_eq!(one.play(scenario).await?, other.play(scenario).await?);
    }
    let seeded = |seed| CallRequest { seed: Some(seed), ..CallRequest::new("answered") };
    assert_ne!(one.play_as(seeded(1)).await?, other.play_as(seeded(2)).await?);
    assert_eq!(one.account_key(), other.account_key());
    assert_ne!(one.client_secret(), other.client_secret());
    Ok(())
}
