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
    let added = store
        .add_webhook(&channel("one", "a"), &webhook("one", "a"), &ChannelMaker::default())
        .await
        .expect("stored");
    assert!(added);
    let again = store
        .add_webhook(&channel("two", "a"), &webhook("two", "a"), &ChannelMaker::default())
        .await
        .expect("a query");
    assert!(!again, "the same nickname and URL is the same channel");
    assert!(
        store
            .add_webhook(&channel("two", "b"), &webhook("two", "b"), &ChannelMaker::default())
            .await
            .expect("stored")
    );
    assert_eq!(store.all_channels().await.expect("a query").len(), 2);

    store.set_webhook_unreachable("one", 7).await.expect("stored");
    let mut rows = store.all_webhooks().await.expect("a query");
    rows.sort_by(|a, b| a.channel_id.cmp(&b.channel_id));
    let marked = WebhookRow { unreachable_us: 7, ..webhook("one", "a") };
    assert!(rows == [marked, webhook("two", "b")]);

    assert!(store.delete_channel("one").await.expect("deleted"));
    assert_eq!(store.all_webhooks().await.expect("a query").len(), 1);
}

/// Notifications of two calls, as the log has them.
async fn in_the_log(store: &Store, account: &str) -> Vec<Entry> {
    for (position, call) in [(1_i64, "a"), (2, "a"), (3, "b")] {
        sqlx::query(
            "insert into log (account_key, position, conversation_space_id, kind, sequence_number,
                notification_id, at_us, content) values ($1, $2, $3, 'state', $2, $4, $2, '{}')",
        )
        .bind(account)
        .bind(position)
        .bind(call)
        .bind(format!("n{position}"))
        .execute(&store.write)
        .await
        .expect("stored");
    }
    store.log_after(account, 0, 10).await.expect("a query")
}

fn tried(id: &str, number: i64, state: DeliveryState, next_us: i64) -> TriedDelivery {
    TriedDelivery {
        notification_id: id.into(),
        number,
        at_us: 1_000 + number,
        duration_ms: 5,
        status: 503,
        error: String::new(),
        state,
        tries: number,
        next_us,
    }
}

async fn due(store: &Store, now_us: i64) -> Vec<(String, i64)> {
    let due = store.due_deliveries("one", now_us, 10).await.expect("a query");
    due.into_iter().map(|due| (due.entry.notification_id, due.tries)).collect()
}

#[tokio::test]
async fn deliveries_are_due_one_of_each_call_and_wait_their_time() {
    let Fresh { store, _folder, .. } = fresh().await;
    let entries = in_the_log(&store, "account").await;
    super::tests::put_channel(&store, "one").await;
    for _ in 0..2 {
        // Adding again changes nothing.
        store.add_deliveries("one", &entries, 100).await.expect("stored");
    }
    assert_eq!(due(&store, 99).await, []);
    assert_eq!(store.next_delivery_us("one").await.expect("a query"), Some(100));
    assert_eq!(due(&store, 100).await, [("n1".to_owned(), 0), ("n3".to_owned(), 0)]);
    let first = [tried("n1", 1, DeliveryState::Pending, 500), tried("n3", 1, DeliveryState::Delivered, 0)];
    store.record_attempts("one", &first).await.expect("stored");
    assert_eq!(due(&store, 499).await, [], "the second of the call waits behind the first");
    assert_eq!(store.next_delivery_us("one").await.expect("a query"), Some(500));
    assert_eq!(due(&store, 500).await, [("n1".to_owned(), 1)]);
    store.record_attempts("one", &[tried("n1", 2, DeliveryState::Failed, 0)]).await.expect("stored");
    assert_eq!(due(&store, 500).await, [("n2".to_owned(), 0)], "what is given up makes way");

    assert!(!store.resend_delivery("one", "unknown", 600).await.expect("a query"));
    assert!(store.resend_delivery("one", "n3", 600).await.expect("stored"));
    assert_eq!(store.recover_deliveries("one", 2, false, 700).await.expect("stored"), 2);
    assert_eq!(store.recover_deliveries("one", 0, true, 700).await.expect("stored"), 3);
    assert_eq!(due(&store, 700).await, [("n1".to_owned(), 0), ("n3".to_owned(), 0)]);

    store.delete_channel("one").await.expect("deleted");
    store.add_deliveries("one", &entries, 100).await.expect("a query");
    assert_eq!(due(&store, 700).await, [], "nobody would take them away again");
}

#[tokio::test]
async fn the_log_of_attempts_comes_newest_first_page_by_page_and_is_swept() {
    let Fresh { store, _folder, .. } = fresh().await;
    let entries = in_the_log(&store, "account").await;
    super::tests::put_channel(&store, "one").await;
    store.add_deliveries("one", &entries, 100).await.expect("stored");
    let states = [tried("n1", 1, DeliveryState::Pending, 5), tried("n1", 2, DeliveryState::Failed, 0)];
    store.record_attempts("one", &states).await.expect("stored");
    store.record_attempts("one", &[tried("n3", 1, DeliveryState::Delivered, 0)]).await.expect("stored");
    let numbers = |rows: &[AttemptRow]| -> Vec<(String, i64, String)> {
        rows.iter().map(|row| (row.notification_id.clone(), row.number, row.state.clone())).collect()
    };
    let row = |id: &str, number, state: &str| (id.to_owned(), number, state.to_owned());
    let page = store.attempts("one", None, None, 2).await.expect("a query");
    assert_eq!(numbers(&page), [row("n1", 2, "failed"), row("n3", 1, "delivered")]);
    let rest = store.attempts("one", None, Some((page[1].at_us, "n3")), 2).await.expect("a query");
    assert_eq!(numbers(&rest), [row("n1", 1, "failed")]);
    let of_one = store.attempts("one", Some("n3"), None, 9).await.expect("a query");
    assert_eq!(numbers(&of_one), [row("n3", 1, "delivered")]);

    assert!(store.next_delivery_us("one").await.expect("a query").is_some());
    sqlx::query("delete from log").execute(&store.write).await.expect("forgotten");
    store.sweep_deliveries("one", 0).await.expect("deleted");
    assert_eq!(store.next_delivery_us("one").await.expect("a query"), None, "the log has forgotten it");

    store.set_webhook_signing("one", "{}").await.expect("a query");
    store.sweep_deliveries("one", 2_000).await.expect("deleted");
    assert!(store.attempts("one", None, None, 9).await.expect("a query").is_empty());
}

/// On PostgreSQL two changes of the same rows in different orders end in a deadlock, one of them refused.
#[tokio::test(flavor = "multi_thread")]
async fn attempts_recovery_and_the_sweep_of_a_channel_do_not_meet() {
    let Fresh { store, office, _folder } = fresh().await;
    let (channel, webhook) = (channel("one", "a"), webhook("one", "a"));
    store.add_webhook(&channel, &webhook, &ChannelMaker::default()).await.expect("stored");
    let entries = in_the_log(&store, &office.account_key).await;
    store.add_deliveries("one", &entries, 100).await.expect("stored");
    let backwards = async || {
        for number in 1..150 {
            let tried = ["n3", "n2", "n1"].map(|id| tried(id, number, DeliveryState::Failed, 0));
            store.record_attempts("one", &tried).await.expect("no deadlock");
        }
    };
    let recovering = async || {
        for _ in 1..150 {
            store.recover_deliveries("one", 0, true, 1).await.expect("no deadlock");
        }
    };
    let sweeping = async || {
        for _ in 1..50 {
            store.sweep_deliveries("one", 0).await.expect("no deadlock");
        }
    };
    tokio::join!(backwards(), recovering(), sweeping());
}
