//! Where a virtual clock stood, on the database that CALLFEED_TEST_DATABASE names.

use engine::Request;

use super::tests::{Fresh, fresh, scenario};
use super::tests_reads::played;
use super::*;

#[tokio::test]
async fn a_virtual_clock_is_remembered_and_stands_behind_nothing_in_the_log() {
    let Fresh { store, office, _folder } = fresh().await;
    assert_eq!(store.virtual_clock().await.expect("a query"), None, "no clock of ours");
    assert_eq!(store.entries_ever().await.expect("a query"), 0);
    for now_us in [5, 9] {
        store.put_virtual_clock(now_us).await.expect("written");
        assert_eq!(store.virtual_clock().await.expect("a query"), Some(now_us));
    }
    let (log, _writer) = LogWriter::start(store.clone(), |_| {});
    log.append(played(&office, &Request::new(scenario("missed"), 1), 1, 0)).await.expect("appended");
    let newest = store.virtual_clock().await.expect("a query").expect("it stood somewhere");
    assert!(newest > 9, "what was written later is later");
    assert_eq!(
        store.entries_ever().await.expect("a query"),
        store.log_head(&office.account_key).await.expect("a head")
    );
    store.close().await;
}
