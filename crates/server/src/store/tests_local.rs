//! The event log's own connection beside all others, on the database that CALLFEED_TEST_DATABASE names.

use engine::Request;
use sqlx::Row as _;

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

#[tokio::test]
async fn a_new_password_waits_while_another_program_writes() {
    let Fresh { store, office, _folder } = fresh().await;
    let Some(local) = &store.local else { return };
    let person = &office.users.first().expect("the example office has people").email;
    let platform = local.writer().expect("a connection");
    for round in 0..5 {
        let hash = format!("phc {round}");
        local::begin(&platform).expect("its turn");
        platform.execute("update accounts set log_head = log_head + 1", []).expect("written");
        let (program, email, new) = (store.clone(), person.clone(), hash.clone());
        let change = tokio::spawn(async move { program.set_password(&email, &new).await });
        // Only so that it has begun: it must succeed however long this is.
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        local::end(&platform, Ok(())).expect("committed");
        assert_eq!(change.await.expect("it ends").expect("its turn came"), PasswordChange::Done);
        let user = store.user(&office.users[0].key).await.expect("a query").expect("the person");
        assert_eq!(user.password_hash, hash);
    }
}

#[tokio::test]
async fn a_transaction_that_a_full_disk_ended_leaves_the_connection_as_it_was() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path(), None).await.expect("a database");
    let mut tx = store.write.begin().await.expect("a transaction");
    // A file may not be smaller than it is: this makes it full.
    sqlx::query("pragma max_page_count = 1").execute(&mut *tx).await.expect("a bound");
    let large = "insert into backup_files values ('large', hex(zeroblob(1000000)))";
    let full = sqlx::query(large).execute(&mut *tx).await.expect_err("no room");
    assert!(full.to_string().contains("full"), "{full}");
    drop(tx);
    drop(store.write.begin().await.expect("one that is given up"));
    let mut tx = store.write.begin().await.expect("one that is kept");
    sqlx::query("insert into backup_files values ('small', '')").execute(&mut *tx).await.expect("room again");
    tx.commit().await.expect("kept");
    let count = sqlx::query("select count(*) as n from backup_files");
    let seen: i64 = count.fetch_one(&store.read).await.expect("a count").try_get("n").expect("a number");
    assert_eq!(seen, 1, "others see what was committed");
}

#[tokio::test]
async fn a_log_that_cannot_be_written_gives_up_when_it_is_told_to() {
    let Fresh { store, office, _folder } = fresh().await;
    let (log, writer) = LogWriter::start(store.clone(), |_| {});
    sqlx::query("alter table log rename to hidden").execute(&store.write).await.expect("the table is there");
    let append = played(&office, &Request::new(scenario("answered"), 1), 1, 0);
    let waiting = log.clone();
    let appended = tokio::spawn(async move { waiting.append(append).await });
    while !log.is_failing() {
        tokio::task::yield_now().await;
    }
    log.look_again(&store).await;
    assert!(log.is_failing(), "it still cannot");
    log.last_try().cancel();
    assert!(appended.await.expect("no panic").is_err(), "it says that nothing was written");
    sqlx::query("alter table hidden rename to log").execute(&store.write).await.expect("it is there");
    log.look_again(&store).await;
    assert!(!log.is_failing());
    drop(log);
    writer.await.expect("it ends without a panic");
}
