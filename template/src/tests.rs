//! The integration against a platform within the test: no account, no phone, no waiting.
use std::error::Error;

use sdk::wire::scope::TUTORIALS as SCOPES;
use sdk::{Client, Config, Feed, FeedConfig, FeedEvent, Hosts, TokenFile};
use server::testing::Platform;
use tokio::sync::mpsc;

#[tokio::test(flavor = "multi_thread")]
async fn each_call_that_ends_comes_once() -> Result<(), Box<dyn Error>> {
    let platform = Platform::start().await?;
    let config = Config {
        client_id: platform.client_id().into(),
        client_secret: platform.client_secret().into(),
        redirect_uri: platform.redirect_uri(),
        hosts: Hosts::single(platform.url()),
    };
    let client = Client::new(config, TokenFile::new(platform.folder().join("tokens")))?;
    let page = client.authorization(&SCOPES).await?;
    client.exchange(&platform.allow(&page.login_url).await?).await?;
    let wanted = FeedConfig { state_file: None, ..crate::wanted(platform.account_key().into()) };
    let mut feed = Feed::open(client.clone(), wanted);
    while !matches!(feed.next().await, Some(FeedEvent::Connected { .. })) {}
    let (sender, mut reports) = mpsc::unbounded_channel();
    let following = tokio::spawn(crate::follow(client, feed, move |report| {
        let _ = sender.send(report.conversation_space_id.clone());
    }));
    let mut played = platform.play("answered").await?;
    played.extend(platform.play("missed").await?);
    for call in played {
        assert_eq!(reports.recv().await, Some(call));
    }
    following.abort();
    Ok(())
}
