//! The example in the client's documentation (`crates/sdk/src/lib.rs`), run against a platform within the test.

use std::path::Path;

use server::testing::Platform;
use tokio::sync::mpsc;

use crate::harness::{SOON, eventually};

// begin of the example
use sdk::wire::{report::Report, scope};
use sdk::{Client, Config, Error, Feed, FeedConfig, FeedEvent, TokenFile};

fn tell(address: &impl std::fmt::Display) {
    eprintln!("Sign in at {address}");
}

/// Hands over the report of each call when it has ended, until `take` says that it was the last.
async fn each_report(
    config: Config,
    account_key: String,
    tokens: TokenFile,
    mut take: impl FnMut(Report) -> bool,
) -> Result<(), Error> {
    let client = Client::new(config, tokens)?;
    client.sign_in(&scope::TUTORIALS, tell).await?;
    let wanted = FeedConfig {
        nickname: "my-program".to_owned(),
        account_keys: vec![account_key],
        call_events: None,
        reports: true,
        state_file: None, // Some("channel.json".into()) takes the channel over after a restart
    };
    let mut feed = Feed::open(client.clone(), wanted);
    while let Some(event) = feed.next().await {
        match event {
            FeedEvent::Report { conversation_space_id, .. } => {
                let (report, _text) = client.report_when_ready(&conversation_space_id).await?;
                if !take(report) {
                    break;
                }
            }
            FeedEvent::SignInNeeded => client.sign_in(&scope::TUTORIALS, tell).await?,
            FeedEvent::Problem(error) => eprintln!("{error}"),
            _ => {}
        }
    }
    feed.close().await;
    Ok(())
}
// end of the example

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_client_hands_over_each_report() -> Result<(), Box<dyn std::error::Error>> {
    let platform = Platform::start().await?;
    let config = Config {
        client_id: platform.client_id().into(),
        client_secret: platform.client_secret().into(),
        redirect_uri: platform.redirect_uri(),
        hosts: sdk::Hosts::single(platform.url()),
    };
    // Somebody has signed in before.
    let tokens = || TokenFile::new(platform.folder().join("tokens"));
    let client = Client::new(config.clone(), tokens())?;
    let page = client.authorization(&scope::TUTORIALS).await?;
    client.exchange(&platform.allow(&page.login_url).await?).await?;

    let (sender, mut reports) = mpsc::unbounded_channel();
    let take = move |report: Report| {
        let answered = report.conversation_space_id;
        sender.send(answered).is_ok()
    };
    let following = tokio::spawn(each_report(config, platform.account_key().into(), tokens(), take));
    eventually("the example listens", SOON, async || {
        let channels = client.channels().await.ok()?;
        let listens = |data: sdk::wire::channel::ChannelData| data.is_connected == Some(true);
        channels.into_iter().filter_map(|one| one.channel_data).any(listens).then_some(())
    })
    .await;
    let mut played = platform.play("answered").await?;
    played.extend(platform.play("missed").await?);
    for call in played {
        assert_eq!(tokio::time::timeout(SOON, reports.recv()).await?, Some(call));
    }
    // The next one is the last, since nobody takes it.
    drop(reports);
    platform.play("answered").await?;
    tokio::time::timeout(SOON, following).await???;
    assert!(client.channels().await?.is_empty(), "it leaves nothing behind");
    Ok(())
}

#[test]
fn the_example_stands_in_the_documentation() {
    let own = include_str!("sdk_docs.rs");
    let (_, rest) = own.split_once("// begin of the example\n").expect("its begin");
    let (example, _) = rest.split_once("// end of the example\n").expect("its end");
    let commented: String =
        example.lines().map(|line| format!("//! {line}").trim_end().to_owned() + "\n").collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/sdk/src/lib.rs");
    let docs = std::fs::read_to_string(&path).expect("the documentation");
    let begin = "//! ```no_run\n";
    let (before, rest) = docs.split_once(begin).expect("its place");
    let (_, after) = rest.split_once("//! ```\n").expect("its end");
    let made = format!("{before}{begin}{commented}//! ```\n{after}");
    if std::env::var_os("CALLFEED_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).expect("the file can be written");
    }
    assert!(
        made == docs,
        "crates/sdk/src/lib.rs is not up to date: run this test with CALLFEED_UPDATE_DOCS=1"
    );
    assert_eq!(docs.matches("//! ```no_run").count(), 1, "each example of the page is run here");
}
