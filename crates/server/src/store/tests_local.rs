//! The event log's own connection beside all others, on the database that CALLFEED_TEST_DATABASE names.

use engine::Request;

use super::tests::{Fresh, fresh, scenario};
use super::tests_reads::played;
use super::*;

#[tokio::test]
async fn the_log_and_all_other_writers_take_turns() {
    const EACH: u128 = 40;
    let Fresh { store, office, _folder } = fresh().await;
    let (log, writer) = LogWriter::start(store.clone(), |_| {});
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..EACH {
        let append = played(&office, &Request::new(scenario("answered"), 1), number, 0);
        let (log, store) = (log.clone(), store.clone());
        tasks.spawn(async move { log.append(append).await });
        tasks.spawn(async move { store.put_sign_in(&number.to_string(), "user", 100).await });
    }
    for done in tasks.join_all().await {
        done.expect("nobody finds the database locked");
    }
    for number in 0..EACH {
        let user = store.sign_in(&number.to_string(), 99).await.expect("a query");
        assert_eq!(user.as_deref(), Some("user"));
    }
    drop(log);
    writer.await.expect("the writer ends with its last handle");
    store.close().await;
    let closed = store.log_head(&office.account_key).await;
    assert!(matches!(closed, Err(StoreError::Sql(sqlx::Error::PoolClosed))), "{closed:?}");
}
