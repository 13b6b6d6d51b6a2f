//! Stores of earlier versions: nothing of them is lost, and calls of two accounts with one id are kept from then on.

use jiff::Timestamp;

use super::*;
use crate::store::reports::{self, CallKey, Saved};
use crate::store::revisions::revisions;
use crate::store::{changes, database, ledger, testing, trace, wall_links};

/// The tables of version 2 that knew a call by its id alone, in the place of the present ones.
const VERSION_2: &str = "
DROP TABLE reports;
DROP TABLE reports_pending;
DROP TABLE report_changes;
DROP TABLE reports_redacted;
DROP TABLE erased_calls;
ALTER TABLE desk_wall_links DROP COLUMN name;
CREATE TABLE IF NOT EXISTS reports (
    conversation_space_id text PRIMARY KEY,
    account_key text NOT NULL,
    call_created text NOT NULL,
    call_ended text NOT NULL,
    stored_us bigint NOT NULL,
    printed bigint NOT NULL,
    report text NOT NULL
);
CREATE TABLE reports_pending (
    conversation_space_id text PRIMARY KEY,
    announced_us bigint NOT NULL,
    attempts bigint NOT NULL,
    next_try_us bigint NOT NULL,
    account_key text NOT NULL DEFAULT ''
);
CREATE INDEX reports_pending_by_time ON reports_pending (next_try_us);
CREATE TABLE report_changes (
    number integer PRIMARY KEY AUTOINCREMENT,
    conversation_space_id text NOT NULL,
    revision bigint NOT NULL,
    changed text NOT NULL
);
CREATE UNIQUE INDEX report_changes_by_call ON report_changes (conversation_space_id, revision);
CREATE TABLE reports_redacted (
    conversation_space_id text NOT NULL,
    field text NOT NULL,
    PRIMARY KEY (conversation_space_id, field)
);
CREATE INDEX reports_by_end ON reports (substr(call_ended, 1, 19));
CREATE TABLE erased_calls (
    conversation_space_id text PRIMARY KEY,
    erased_us bigint NOT NULL
);
";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn key(id: &str, account: &str) -> CallKey {
    CallKey { conversation_space_id: id.to_owned(), account_key: account.to_owned() }
}

fn raw(id: &str, account: &str, reason: &str) -> String {
    format!(
        r#"{{"conversationSpaceId": "{id}", "callCreated": "2026-02-03T17:00:00Z", "accountKey": "{account}",
            "callEnded": "2026-02-03T17:02:41Z", "direction": "INBOUND", "callReason": "{reason}"}}"#
    )
}

async fn save(pool: &AnyPool, raw: &str) -> Saved {
    reports::save(pool, &serde_json::from_str(raw).unwrap(), raw, at(30), None).await.unwrap()
}

/// A store as version 2 left it: calls 3 and 5 stored, one of them revised, one waiting, one erased, an output in the
/// middle with one report put aside.
async fn make_version_2(pool: &AnyPool) {
    let is_file = crate::store::is_sqlite(pool);
    let tables = if is_file { VERSION_2.to_owned() } else { database::for_postgres(VERSION_2) };
    sqlx::raw_sql(AssertSqlSafe(tables)).execute(pool).await.unwrap();
    for (number, id) in [(3_i64, "a"), (5, "b")] {
        sqlx::query(
            "INSERT INTO reports (rowid, conversation_space_id, account_key, call_created, call_ended, stored_us, printed,
                 report) VALUES ($1, $2, '17', '2026-02-03T17:00:00Z', '2026-02-03T17:02:41Z', 1, 1, $3)",
        )
        .bind(number)
        .bind(id)
        .bind(raw(id, "17", "order"))
        .execute(pool)
        .await
        .unwrap();
    }
    if !is_file {
        // As if the numbers before had been given out.
        let numbers = "SELECT setval(pg_get_serial_sequence('reports', 'rowid'), 5) > 0,
                              setval(pg_get_serial_sequence('report_changes', 'number'), 6) > 0";
        sqlx::query(numbers).execute(pool).await.unwrap();
    }
    for statement in [
        "INSERT INTO report_revisions VALUES ('17', 'a', 1, 2, 'callReason', '{}')",
        "INSERT INTO report_changes (number, conversation_space_id, revision, changed) VALUES
             (2, 'a', 1, ''), (4, 'b', 1, ''), (6, 'a', 2, 'callReason')",
        "INSERT INTO reports_pending VALUES ('w', 1, 2, 20000000, '17')",
        "INSERT INTO reports_redacted VALUES ('b', 'names')",
        "INSERT INTO erased_calls VALUES ('e', 1)",
        "INSERT INTO outputs (name, begun, cursor, delivered, position, failure) VALUES ('webhook', 0, 4, 1, '', '')",
        "INSERT INTO dead_letters VALUES ('webhook', 2, 6, 'status 400', 1, 0)",
    ] {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    let version = if is_file { "PRAGMA user_version = 2" } else { "UPDATE store_version SET version = 2" };
    sqlx::query(version).execute(pool).await.unwrap();
}

#[tokio::test]
async fn a_store_that_knew_calls_by_their_ids_alone_keeps_all_and_takes_a_second_account() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    make_version_2(&pool).await;
    pool.close().await;

    let pool = testing::open(folder.path()).await.pool;
    let listed: Vec<_> =
        reports::list(&pool, 0, 9).await.unwrap().into_iter().map(|one| (one.number, one.raw)).collect();
    assert_eq!(listed, [(3, raw("a", "17", "order")), (5, raw("b", "17", "order"))]);
    let place = changes::place(&pool, "webhook", true).await.unwrap();
    let left = changes::after(&pool, place.cursor, 9).await.unwrap();
    let told: Vec<_> = left.iter().map(|one| (one.number, one.revision, one.changed.as_str())).collect();
    assert_eq!(told, [(6, 2, "callReason")], "the output goes on where it was");
    let dead = changes::dead_letters(&pool, None, ("", 0), 9).await.unwrap();
    assert_eq!((dead[0].number, dead[0].account_key.as_str()), (2, "17"));
    assert_eq!(revisions(&pool, &key("a", "17")).await.unwrap().len(), 1);
    assert_eq!(reports::next_try(&pool, "17", at(0)).await.unwrap(), Some(at(20)));
    let old = crate::store::retention::with_field(&pool, "names", Timestamp::now(), 9).await.unwrap();
    assert_eq!(old.iter().map(|old| old.call.conversation_space_id.as_str()).collect::<Vec<_>>(), ["a"]);

    for account in ["17", "18"] {
        assert!(
            !reports::announce(&pool, account, "e", at(30)).await.unwrap(),
            "erased, whatever the account"
        );
    }
    assert!(!reports::announce(&pool, "17", "a", at(30)).await.unwrap(), "it is there");
    assert!(reports::announce(&pool, "18", "a", at(30)).await.unwrap(), "that of the other account is not");
    assert_eq!(save(&pool, &raw("a", "18", "")).await, Saved::New);
    assert_eq!(reports::list(&pool, 5, 9).await.unwrap()[0].account_key, "18");
    let last = changes::after(&pool, 6, 9).await.unwrap();
    assert_eq!((last.len(), last[0].revision, last[0].report.account_key.as_str()), (1, 1, "18"));
    assert_eq!(trace::accounts(&pool, "a").await.unwrap(), ["17", "18"]);
    pool.close().await;
    // Once is enough.
    let pool = testing::open(folder.path()).await.pool;
    assert_eq!(reports::list(&pool, 0, 9).await.unwrap().len(), 3);
}

#[tokio::test]
async fn what_waited_in_a_store_of_one_account_is_that_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open_file(folder.path()).await.pool;
    let now = at(10);
    ledger::begin(&pool, "17", now, &[]).await.unwrap();
    make_version_2(&pool).await;
    for step in [
        "ALTER TABLE reports_pending DROP COLUMN account_key",
        "INSERT INTO reports_pending (conversation_space_id, announced_us, attempts, next_try_us) VALUES ('a', 10, 0, 10)",
        "PRAGMA user_version = 1",
    ] {
        sqlx::query(step).execute(&pool).await.unwrap();
    }
    pool.close().await;
    let pool = testing::open_file(folder.path()).await.pool;
    assert_eq!(reports::due(&pool, "17", now, 9).await.unwrap().len(), 1);
    assert_eq!(reports::due(&pool, "18", now, 9).await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_an_earlier_version_printed_is_not_printed_again() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open_file(folder.path()).await.pool;
    make_version_2(&pool).await;
    for step in [
        "DELETE FROM outputs",
        "DROP TABLE report_changes",
        "UPDATE reports SET printed = conversation_space_id <> 'b'",
        "PRAGMA user_version = 0",
    ] {
        sqlx::query(step).execute(&pool).await.unwrap();
    }
    pool.close().await;
    let pool = testing::open_file(folder.path()).await.pool;
    let terminal = changes::place(&pool, TERMINAL, false).await.unwrap();
    let ids = async |after| -> Vec<String> {
        let changes = changes::after(&pool, after, 9).await.unwrap();
        changes.into_iter().map(|change| change.report.conversation_space_id).collect()
    };
    assert_eq!(ids(terminal.cursor).await, ["b"]);
    assert_eq!(ids(0).await, ["a", "b"]);
}

#[tokio::test]
async fn what_waited_in_version_3_is_fetched_in_the_order_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let pool = testing::open(folder.path()).await.pool;
    assert_eq!(save(&pool, &raw("a", "17", "order")).await, Saved::New);
    let before = reports::list(&pool, 0, 9).await.unwrap();
    for (id, second) in [("x", 10), ("y", 20)] {
        assert!(reports::announce(&pool, "17", id, at(second)).await.unwrap());
    }
    let is_file = crate::store::is_sqlite(&pool);
    let version = if is_file { "PRAGMA user_version = 3" } else { "UPDATE store_version SET version = 3" };
    for step in [
        "ALTER TABLE reports_pending DROP COLUMN call_us",
        "ALTER TABLE reports_pending DROP COLUMN generation",
        "ALTER TABLE desk_wall_links DROP COLUMN name",
        "INSERT INTO desk_wall_links (digest, person, made_us) VALUES ('d', 'ada@example.com', 1)",
        version,
    ] {
        sqlx::query(step).execute(&pool).await.unwrap();
    }
    pool.close().await;
    // Once is enough.
    for _ in 0..2 {
        let pool = testing::open(folder.path()).await.pool;
        let due = reports::due(&pool, "17", at(30), 9).await.unwrap();
        let due: Vec<_> = due.iter().map(|due| due.conversation_space_id.as_str()).collect();
        assert_eq!(due, ["y", "x"]);
        assert_eq!(reports::list(&pool, 0, 9).await.unwrap(), before, "nothing else is touched");
        let links = wall_links::all(&pool).await.unwrap();
        assert_eq!((links.len(), links[0].digest.as_str(), links[0].name.as_str()), (1, "d", ""));
        pool.close().await;
    }
}
