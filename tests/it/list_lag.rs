//! Lists that lag behind what was made and deleted (spec/notification-channel.md, Endpoints; spec/call-events.md,
//! Subscriptions), for programs that must live with it.

use crate::harness::calls::Channel;
use crate::harness::{Person, Platform, SCOPES, SOON, Session, eventually};

const CHANNELS: &str = "/notification-channel/v1/channels";

async fn listed(session: &Session, channel: &Channel) -> bool {
    let page = session.get(CHANNELS).await.is(200).json();
    page["items"].as_array().expect("items").iter().any(|item| item["channelId"] == channel.id.as_str())
}

/// Whether the list of the channel's subscriptions has one.
async fn subscribed(session: &Session, channel: &Channel) -> bool {
    let query = format!("/call-events/v1/subscriptions?channelId={}", channel.id);
    let answer = session.get(&query).await.is(200).json();
    answer["accountKeys"].as_array().is_some_and(|keys| !keys.is_empty())
}

/// The lag is long enough that a busy machine is not taken for it: what is asserted between two events is asked for
/// right after the first.
#[tokio::test]
async fn lists_lag_behind_what_was_made_and_deleted_when_the_operator_says_so() {
    let platform = Platform::start_with(&["--list-lag", "8"]).await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let channel = Channel::subscribed(&platform, &session, "lag").await;
    assert!(!listed(&session, &channel).await, "a fresh channel is not listed yet");
    assert!(!subscribed(&session, &channel).await, "nor is its subscription");
    // Everything but lists knows it at once.
    session.get(&channel.path).await.is(200);
    drop(channel.socket().await);
    eventually("the channel is listed", SOON, async || listed(&session, &channel).await.then_some(())).await;
    eventually("the subscription is listed", SOON, async || {
        subscribed(&session, &channel).await.then_some(())
    })
    .await;

    let query = format!("/call-events/v1/subscriptions?channelId={}", channel.id);
    session.delete(&query).await.is(204);
    assert!(subscribed(&session, &channel).await, "a deleted one is listed for as long");
    session.delete(&query).await.is(404);
    let gone = async || (!subscribed(&session, &channel).await).then_some(());
    eventually("the subscription is gone", SOON, gone).await;
    session.delete(&channel.path).await.is(204);
    assert!(listed(&session, &channel).await, "a deleted one is listed for as long");
    session.get(&channel.path).await.is(404);
    eventually("the channel is gone", SOON, async || (!listed(&session, &channel).await).then_some(())).await;
}
