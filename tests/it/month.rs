//! A program that listens through a whole month of a virtual clock: its token and its channel expire again and again, its
//! refresh token is replaced, its channel is taken away, it is away itself for two days; and it is told of each report once.

use std::error::Error;
use std::time::Duration;

use sdk::{Client, Config, Feed, FeedConfig, FeedEvent, Hosts, TokenFile};
use server::CallRequest;
use server::testing::Platform;

use crate::harness::LATER;

const HOUR: Duration = Duration::from_secs(3600);
const DAYS: u64 = 32;
/// Somebody deletes the channel on this day.
const DELETED_DAY: u64 = 9;
/// The program ends on this day, and starts again two days later, when its channel has expired.
const AWAY_DAY: u64 = 20;
const NICKNAME: &str = "month";

/// What the program was told so far.
#[derive(Default)]
struct Heard {
    reports: Vec<String>,
    refreshed: u32,
    /// Whether the latest connection is of the same channel as the one before.
    resumed: bool,
}

impl Heard {
    /// Reads on until this is so.
    async fn until(&mut self, feed: &mut Feed, what: &str, so: impl Fn(&FeedEvent) -> bool) {
        let reading = async {
            loop {
                let event = feed.next().await.unwrap_or_else(|| panic!("the feed ended before {what}"));
                match &event {
                    FeedEvent::Report { conversation_space_id, .. } => {
                        self.reports.push(conversation_space_id.clone());
                    }
                    FeedEvent::Refreshed => self.refreshed += 1,
                    FeedEvent::Connected { resumed } => self.resumed = *resumed,
                    FeedEvent::SignInNeeded => panic!("nobody should have to sign in again"),
                    _ => {}
                }
                if so(&event) {
                    return;
                }
            }
        };
        tokio::time::timeout(LATER, reading).await.unwrap_or_else(|_| panic!("{what} did not come"));
    }

    async fn connected(&mut self, feed: &mut Feed) {
        self.until(feed, "the connection", |event| matches!(event, FeedEvent::Connected { .. })).await;
    }

    async fn report(&mut self, feed: &mut Feed, id: &str) {
        let this = |event: &FeedEvent| matches!(event, FeedEvent::Report { conversation_space_id, .. } if conversation_space_id == id);
        self.until(feed, "the report", this).await;
    }
}

async fn sign_in(platform: &Platform) -> Result<Client, Box<dyn Error>> {
    let config = Config {
        client_id: platform.client_id().into(),
        client_secret: platform.client_secret().into(),
        redirect_uri: platform.redirect_uri(),
        hosts: Hosts::single(platform.url()),
    };
    let client = Client::new(config, TokenFile::new(platform.folder().join("tokens")))?;
    let page = client.authorization(&["call-events.v1.notifications.manage", "cr.v1.read"]).await?;
    client.exchange(&platform.allow(&page.login_url).await?).await?;
    Ok(client)
}

fn open(platform: &Platform, client: &Client) -> Feed {
    let wanted = FeedConfig {
        nickname: NICKNAME.into(),
        account_keys: vec![platform.account_key().into()],
        call_events: None,
        reports: true,
        state_file: Some(platform.folder().join("feed")),
    };
    Feed::open(client.clone(), wanted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_listens_for_a_month_is_told_of_each_report_once() -> Result<(), Box<dyn Error>> {
    // The longest life: the client's pace lets it refresh some eight times a second of real time.
    let platform = Platform::start_with(|config| config.channel_lifetime_s = 86_400).await?;
    let client = sign_in(&platform).await?;
    let mut feed = open(&platform, &client);
    let (mut heard, mut played) = (Heard::default(), Vec::new());
    heard.connected(&mut feed).await;
    for day in 0..DAYS {
        match day {
            DELETED_DAY => {
                for channel in client.channels().await? {
                    client.delete_channel(NICKNAME, &channel.channel_id).await?;
                }
                heard.connected(&mut feed).await;
                assert!(!heard.resumed, "the channel was deleted");
            }
            AWAY_DAY => {
                drop(feed);
                platform.advance(HOUR * 48).await?;
                feed = open(&platform, &client);
                heard.connected(&mut feed).await;
                assert!(!heard.resumed, "the channel has expired");
            }
            _ => {}
        }
        let calls = platform.play_as(CallRequest { seed: Some(day), ..CallRequest::new("missed") }).await?;
        heard.report(&mut feed, &calls[0]).await;
        played.extend(calls);
        platform.advance(HOUR * 24).await?;
    }
    let last = platform.play("answered").await?;
    heard.report(&mut feed, &last[0]).await;
    played.extend(last.clone());
    assert_eq!(heard.reports, played, "each report once, in order");
    assert!(u64::from(heard.refreshed) >= DAYS, "the channel lived on {} times", heard.refreshed);
    assert!(platform.now().to_string().as_str() > "2026-02-08", "{}", platform.now());
    client.report(&last[0]).await?;
    feed.close().await;
    Ok(())
}
