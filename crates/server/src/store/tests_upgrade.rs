//! A database of the first schema, brought forward: nothing of it is lost, and what newer versions keep beside it is
//! made from it.

use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::{Connection as _, Row as _};
use tempfile::TempDir;

use super::tests::new_postgres_database;
use super::*;
use crate::secrets;

const FIRST_MIGRATION: &str = include_str!("../../migrations/0001_platform.sql");
const CONTENT: &str = include_str!("fixtures/first_schema.sql");

/// Conversation spaces of the fixture: an answered call, one that a crash cut off.
const ANSWERED: &str = "c5ed6476-2768-37f9-a8dc-f01432d0f0f6";
const CUT_OFF: &str = "1bb614d2-c840-3069-95cd-5808a647e714";

/// A database with the first migration alone, and its content.
async fn first_schema(folder: &Path) -> Option<String> {
    sqlx::any::install_default_drivers();
    let database = match std::env::var("CALLFEED_TEST_DATABASE").as_deref() {
        Ok("postgres") => Some(new_postgres_database().await),
        _ => None,
    };
    let migrations = TempDir::new().expect("a temporary folder");
    std::fs::write(migrations.path().join("0001_platform.sql"), FIRST_MIGRATION).expect("a file");
    let file = format!("sqlite://{}?mode=rwc", folder.join("callfeed.db").display());
    let url = database.clone().unwrap_or(file);
    let mut connection = sqlx::AnyConnection::connect(&url).await.expect("a database");
    let first = Migrator::new(migrations.path()).await.expect("one migration");
    first.run(&mut connection).await.expect("the first schema");
    let content = CONTENT.replace("__NOW_US__", &jiff::Timestamp::now().as_microsecond().to_string());
    sqlx::raw_sql(sqlx::AssertSqlSafe(content)).execute(&mut connection).await.expect("the content fits");
    connection.close().await.expect("written");
    database
}

async fn count(store: &Store, table: &str) -> i64 {
    let text = sqlx::AssertSqlSafe(format!("select count(*) as n from {table}"));
    let row = sqlx::query(text).fetch_one(&store.read).await.expect("a table");
    row.try_get("n").expect("a number")
}

#[tokio::test]
async fn a_database_of_the_first_schema_is_brought_forward_with_everything_in_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = first_schema(folder.path()).await;
    let store = Store::open(folder.path(), database.as_deref()).await.expect("the migrations run");
    for (table, rows) in
        [("accounts", 1), ("users", 6), ("clients", 1), ("tokens", 2), ("channels", 1), ("subscriptions", 2)]
    {
        assert_eq!(count(&store, table).await, rows, "{table}");
    }
    assert_eq!((count(&store, "log").await, count(&store, "reports").await), (24, 3));
    let account = store.accounts().await.expect("accounts").remove(0);
    assert_eq!(account.office.lines.len(), 5);
    let admin = store.user_by_email("margaret@maplestreet.example").await.expect("a query").expect("a user");
    assert!(admin.super_admin);
    let token =
        store.token(TokenKind::Refresh, &secrets::hash("cfr_fixture-refresh-token")).await.expect("a query");
    assert_eq!(token.expect("a token").user_key, admin.user_key);
    let channels = store.all_channels().await.expect("channels");
    assert_eq!(channels[0].1[&account.account_key], 4, "the reader's place");
    assert_eq!(
        store.calls_without_end().await.expect("calls"),
        [(account.account_key.clone(), CUT_OFF.into())]
    );
    assert!(store.report(ANSWERED).await.expect("a query").is_some());

    // What the first schema did not have is made from what it had.
    let talker = account.office.users.iter().find(|user| user.last_name == "Herrera").expect("a user");
    let wanted = SummaryQuery {
        account_key: &account.account_key,
        ended_us: (0, i64::MAX),
        parties: Some((KeyKind::User, vec![&talker.key])),
        outcome: None,
        internal: None,
        after: None,
    };
    let of_user = store.summaries(&wanted, 10).await.expect("summaries").len();
    assert_eq!(of_user, 1, "old calls are found by person");
    let histories = count(&store, "call_history").await;
    assert_eq!(histories, 3, "old calls are in call history");
    store.close().await;

    let store = Store::open(folder.path(), database.as_deref()).await.expect("the second start");
    assert_eq!(count(&store, "call_history").await, histories, "done once");
    assert_eq!(store.summaries(&wanted, 10).await.expect("summaries").len(), of_user);
}
