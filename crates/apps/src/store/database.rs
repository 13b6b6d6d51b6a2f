//! The database behind the apps' store: a SQLite file in the state folder, or a PostgreSQL of somebody's own. One set of
//! statements serves both; what differs stands here.

use std::path::Path;
use std::str::FromStr as _;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, Connection as _, Executor as _, Transaction};

use crate::limits;

/// The schema of PostgreSQL in which all tables stand: a database can be shared with a platform, and with other programs.
const SCHEMA: &str = "callfeed_apps";

/// What a lock of the database is for.
const WRITERS: &str = "callfeed_apps writers";

/// A transaction that writes. It takes its turn at the start, on both databases.
///
/// SQLite refuses one that reads first and finds at its first write that another has written meanwhile ("database is
/// locked"), however long it would wait. On PostgreSQL the numbers of changes must become visible in their order, or an
/// output would pass one over whose commit came late.
pub(crate) async fn write(pool: &AnyPool) -> sqlx::Result<Transaction<'static, Any>> {
    if is_sqlite(pool) {
        return pool.begin_with("BEGIN IMMEDIATE").await;
    }
    let mut transaction = pool.begin().await?;
    sqlx::query("SELECT CASE WHEN pg_advisory_xact_lock(hashtextextended($1, 0)) IS NULL THEN 0 ELSE 1 END")
        .bind(WRITERS)
        .execute(&mut *transaction)
        .await?;
    Ok(transaction)
}

/// Whether the store is a SQLite file.
pub(crate) fn is_sqlite(pool: &AnyPool) -> bool {
    pool.connect_options().database_url.scheme() == "sqlite"
}

/// Opens a SQLite file, which is made if need be. `safe`: what was committed survives a power cut.
pub(super) async fn open_file(path: &Path, safe: bool) -> sqlx::Result<AnyPool> {
    let failed = |_| sqlx::Error::Configuration("its path cannot be written as an address".into());
    let path = std::path::absolute(path).map_err(sqlx::Error::Io)?;
    let url = url::Url::from_file_path(path).map_err(failed)?;
    let url = url.as_str().replacen("file://", "sqlite://", 1) + "?mode=rwc";
    let busy_ms = limits::DATABASE_BUSY_TIMEOUT.as_millis();
    let synchronous = if safe { "full" } else { "off" };
    // What is erased is overwritten.
    let begin = format!(
        "pragma busy_timeout = {busy_ms}; pragma journal_mode = wal; pragma synchronous = {synchronous};
         pragma secure_delete = on;"
    );
    pool(&url, begin).await
}

/// Opens a PostgreSQL database, in which a schema is made if need be.
pub(super) async fn open_server(url: &str) -> sqlx::Result<AnyPool> {
    let mut connection = session(url).await?;
    let text = format!("create schema if not exists {SCHEMA}");
    // Two programs that make it at once: one of them is refused, and it is there.
    let made = connection.execute(AssertSqlSafe(text)).await;
    connection.close().await?;
    match made {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {}
        made => {
            made?;
        }
    }
    pool(url, format!("set search_path = {SCHEMA}")).await
}

/// A connection of one's own to a PostgreSQL database.
pub(super) async fn session(url: &str) -> sqlx::Result<AnyConnection> {
    install_default_drivers();
    let connecting = AnyConnection::connect(url);
    tokio::time::timeout(limits::DATABASE_CONNECT_TIMEOUT, connecting)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

async fn pool(url: &str, begin: String) -> sqlx::Result<AnyPool> {
    install_default_drivers();
    let options = AnyConnectOptions::from_str(url)?;
    let is_file = options.database_url.scheme() == "sqlite";
    if is_file {
        // A pool would try for its whole time-out, and then not say what is wrong with the file.
        let mut first = AnyConnection::connect(url).await?;
        first.execute(AssertSqlSafe(begin.clone())).await?;
        first.close().await?;
    }
    AnyPoolOptions::new()
        .max_connections(limits::DATABASE_CONNECTIONS)
        .acquire_timeout(limits::DATABASE_CONNECT_TIMEOUT)
        .test_before_acquire(!is_file)
        .after_connect(move |connection, _| {
            let begin = begin.clone();
            Box::pin(async move {
                // The text holds nothing but the words above and numbers.
                connection.execute(AssertSqlSafe(begin)).await.map(|_| ())
            })
        })
        .after_release(move |connection, _| {
            Box::pin(async move { Ok(!is_file || is_at_rest(connection).await?) })
        })
        .connect_with(options)
        .await
}

/// Whether the next transaction of this connection would be one. Where SQLite ends a transaction by itself, as it does
/// when the disk is full, sqlx takes it for open still: what is written then is seen by this connection alone, and no
/// other may write. A connection that is not at rest is closed.
async fn is_at_rest(connection: &mut AnyConnection) -> sqlx::Result<bool> {
    // A rollback may still wait for its turn.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Makes the tables that are not there yet.
pub(super) async fn make_tables(
    connection: &mut AnyConnection,
    is_file: bool,
    schemas: &[&'static str],
) -> sqlx::Result<()> {
    for schema in schemas {
        let text = if is_file { (*schema).to_owned() } else { for_postgres(schema) };
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The tables as PostgreSQL makes them. SQLite numbers the rows of each table by itself; there the column is named.
pub(super) fn for_postgres(schema: &str) -> String {
    schema
        .replace("integer PRIMARY KEY AUTOINCREMENT", "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY")
        .replace("integer PRIMARY KEY", "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY")
        .replace(") WITHOUT ROWID", ")")
        .replace(
            "CREATE TABLE IF NOT EXISTS reports (",
            "CREATE TABLE IF NOT EXISTS reports (\n    rowid bigint GENERATED BY DEFAULT AS IDENTITY UNIQUE,",
        )
}
