//! The store's functions for webhook channels, on the database that CALLFEED_TEST_DATABASE names.

use super::tests::{Fresh, fresh};
use super::*;

fn channel(id: &str, nickname: &str) -> ChannelRow {
    ChannelRow {
        channel_id: id.into(),
        nickname: nickname.into(),
        user_key: "user".into(),
        application_tag: String::new(),
        lifetime_s: 60,
        created_us: 1,
        expires_us: i64::MAX,
    }
}

fn webhook(id: &str, nickname: &str) -> WebhookRow {
    WebhookRow {
        channel_id: id.into(),
        user_key: "user".into(),
        nickname: nickname.into(),
        url: "https://hooks.example.com/goto/7b1e0c".into(),
        unreachable_us: 0,
        durable: true,
        signing: "{}".into(),
    }
}

#[tokio::test]
async fn a_webhook_comes_back_with_its_mark_and_goes_with_its_channel() {
    let Fresh { store, _folder, .. } = fresh().await;
    let added = store.add_webhook(&channel("one", "a"), &webhook("one", "a")).await.expect("stored");
    assert!(added);
    let again = store.add_webhook(&channel("two", "a"), &webhook("two", "a")).await.expect("a query");
    assert!(!again, "the same nickname and URL is the same channel");
    assert!(store.add_webhook(&channel("two", "b"), &webhook("two", "b")).await.expect("stored"));
    assert_eq!(store.all_channels().await.expect("a query").len(), 2);

    store.set_webhook_unreachable("one", 7).await.expect("stored");
    let mut rows = store.all_webhooks().await.expect("a query");
    rows.sort_by(|a, b| a.channel_id.cmp(&b.channel_id));
    let marked = WebhookRow { unreachable_us: 7, ..webhook("one", "a") };
    assert!(rows == [marked, webhook("two", "b")]);

    assert!(store.delete_channel("one").await.expect("deleted"));
    assert_eq!(store.all_webhooks().await.expect("a query").len(), 1);
}
