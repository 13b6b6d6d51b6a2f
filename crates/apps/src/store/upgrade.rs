//! Makes the tables, and brings a store of an earlier version forward, once: each step has a number, which the store
//! keeps.

use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, Row, Transaction};

use super::changes::TERMINAL;
use super::database::make_tables;

/// The version that this program brings a store to.
const CURRENT: i64 = 5;

/// Table of the version on PostgreSQL; SQLite has a place for it in the file. Run at each start.
const POSTGRES: &str = "CREATE TABLE IF NOT EXISTS store_version (version bigint NOT NULL)";

/// Makes what is not there, and runs the steps that the store has not seen, in one transaction: a start that is cut off,
/// or finds no room, leaves the store as it was.
pub(super) async fn prepare(pool: &AnyPool, schemas: &[&'static str]) -> sqlx::Result<()> {
    let is_file = super::is_sqlite(pool);
    if is_file {
        let mut connection = pool.acquire().await?;
        if file_version(&mut connection).await? >= CURRENT {
            // Without taking the turn of writers: nothing is written where all is there.
            return make_tables(&mut connection, is_file, schemas).await;
        }
    }
    let mut transaction = super::write(pool).await?;
    // Read in the turn of writers: another program may have done it meanwhile.
    let version = version(&mut transaction, is_file).await?;
    if version >= CURRENT {
        make_tables(&mut transaction, is_file, schemas).await?;
        return transaction.commit().await;
    }
    let is_new = !exists(&mut transaction, is_file, "reports").await?;
    let by_id_alone = !is_new && version < 3;
    if by_id_alone {
        tracing::info!(
            "the store is of an earlier version and is brought forward; with many reports this takes minutes"
        );
        set_aside(&mut transaction, is_file).await?;
    } else if !is_new && version < 4 {
        pending_reports_have_ends(&mut transaction).await?;
    }
    if !is_new && exists(&mut transaction, is_file, "desk_wall_links").await? {
        wall_links_have_names(&mut transaction).await?;
    }
    make_tables(&mut transaction, is_file, schemas).await?;
    if by_id_alone {
        take_back(&mut transaction, is_file).await?;
    }
    if is_file && version < 1 {
        reports_become_changes(&mut transaction).await?;
    }
    if is_file && version < 2 {
        pending_reports_have_accounts(&mut transaction).await?;
    }
    set_version(&mut transaction, is_file).await?;
    transaction.commit().await
}

async fn file_version(connection: &mut AnyConnection) -> sqlx::Result<i64> {
    sqlx::query("PRAGMA user_version").fetch_one(connection).await?.try_get(0)
}

/// 0 where nothing has a version yet.
async fn version(transaction: &mut Transaction<'_, Any>, is_file: bool) -> sqlx::Result<i64> {
    if is_file {
        return file_version(&mut *transaction).await;
    }
    sqlx::query(POSTGRES).execute(&mut **transaction).await?;
    let row = sqlx::query("SELECT coalesce(max(version), 0) FROM store_version");
    row.fetch_one(&mut **transaction).await?.try_get(0)
}

async fn set_version(transaction: &mut Transaction<'_, Any>, is_file: bool) -> sqlx::Result<()> {
    if is_file {
        let now = format!("PRAGMA user_version = {CURRENT}");
        sqlx::query(AssertSqlSafe(now)).execute(&mut **transaction).await?;
        return Ok(());
    }
    sqlx::query("DELETE FROM store_version").execute(&mut **transaction).await?;
    let insert = sqlx::query("INSERT INTO store_version (version) VALUES ($1)");
    insert.bind(CURRENT).execute(&mut **transaction).await.map(|_| ())
}

async fn exists(transaction: &mut Transaction<'_, Any>, is_file: bool, table: &str) -> sqlx::Result<bool> {
    let text = match is_file {
        true => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1",
        false => {
            "SELECT 1 FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = $1"
        }
    };
    Ok(sqlx::query(text).bind(table).fetch_optional(&mut **transaction).await?.is_some())
}

async fn all(transaction: &mut Transaction<'_, Any>, statements: &[&'static str]) -> sqlx::Result<()> {
    for statement in statements {
        sqlx::query(*statement).execute(&mut **transaction).await?;
    }
    Ok(())
}

/// Up to version 2 a call was known by its id alone: makes room for the tables that know it by its account too.
async fn set_aside(transaction: &mut Transaction<'_, Any>, is_file: bool) -> sqlx::Result<()> {
    if is_file {
        let column = "SELECT 1 FROM pragma_table_info('reports_pending') WHERE name = 'account_key'";
        if sqlx::query(column).fetch_optional(&mut **transaction).await?.is_none() {
            all(
                transaction,
                &["ALTER TABLE reports_pending ADD COLUMN account_key text NOT NULL DEFAULT ''"],
            )
            .await?;
        }
    }
    if exists(transaction, is_file, "report_changes").await? {
        all(
            transaction,
            &[
                "ALTER TABLE report_changes ADD COLUMN account_key text NOT NULL DEFAULT ''",
                "UPDATE report_changes SET account_key = coalesce((SELECT account_key FROM reports
                     WHERE reports.conversation_space_id = report_changes.conversation_space_id), '')",
                "DROP INDEX IF EXISTS report_changes_by_call",
            ],
        )
        .await?;
    }
    for (table, rename) in [
        ("reports_redacted", "ALTER TABLE reports_redacted RENAME TO reports_redacted_before"),
        ("erased_calls", "ALTER TABLE erased_calls RENAME TO erased_calls_before"),
    ] {
        if exists(transaction, is_file, table).await? {
            all(transaction, &[rename]).await?;
        }
    }
    all(
        transaction,
        &[
            "DROP INDEX IF EXISTS reports_pending_by_time",
            "ALTER TABLE reports_pending RENAME TO reports_pending_before",
        ],
    )
    .await?;
    // SQLite changes no primary key; PostgreSQL does without writing the rows anew.
    let reports: &[&str] = match is_file {
        true => &["DROP INDEX IF EXISTS reports_by_end", "ALTER TABLE reports RENAME TO reports_before"],
        false => &["ALTER TABLE reports DROP CONSTRAINT reports_pkey,
                 ADD PRIMARY KEY (conversation_space_id, account_key)"],
    };
    all(transaction, reports).await
}

/// What was set aside goes into its new tables, with the numbers that it had.
async fn take_back(transaction: &mut Transaction<'_, Any>, is_file: bool) -> sqlx::Result<()> {
    if is_file {
        all(
            transaction,
            &[
                "INSERT INTO reports (rowid, conversation_space_id, account_key, call_created, call_ended, stored_us,
                     printed, report)
                 SELECT rowid, conversation_space_id, account_key, call_created, call_ended, stored_us, printed, report
                 FROM reports_before ORDER BY rowid",
                "DROP TABLE reports_before",
            ],
        )
        .await?;
    }
    all(
        transaction,
        &[
            "INSERT INTO reports_pending (conversation_space_id, announced_us, attempts, next_try_us, account_key, call_us)
             SELECT conversation_space_id, announced_us, attempts, next_try_us, account_key, announced_us
             FROM reports_pending_before",
            "DROP TABLE reports_pending_before",
        ],
    )
    .await?;
    if exists(transaction, is_file, "reports_redacted_before").await? {
        all(
            transaction,
            &[
                "INSERT INTO reports_redacted (conversation_space_id, account_key, field)
                 SELECT conversation_space_id, account_key, field
                 FROM reports_redacted_before JOIN reports USING (conversation_space_id)",
                "DROP TABLE reports_redacted_before",
            ],
        )
        .await?;
    }
    if exists(transaction, is_file, "erased_calls_before").await? {
        all(
            transaction,
            &[
                "INSERT INTO erased_calls (conversation_space_id, account_key, erased_us)
                 SELECT conversation_space_id, '', erased_us FROM erased_calls_before",
                "DROP TABLE erased_calls_before",
            ],
        )
        .await?;
    }
    Ok(())
}

/// What it printed is printed.
async fn reports_become_changes(transaction: &mut Transaction<'_, Any>) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO report_changes (conversation_space_id, account_key, revision, changed)
         SELECT conversation_space_id, account_key, 1 + (SELECT count(*) FROM report_revisions AS earlier
                WHERE earlier.conversation_space_id = reports.conversation_space_id), ''
         FROM reports WHERE true ORDER BY rowid ON CONFLICT DO NOTHING",
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query(
        "INSERT INTO outputs (name, begun, cursor, delivered, position, failure)
         SELECT $1, 0, coalesce(max(number), 0), count(*), '', ''
         FROM report_changes JOIN reports USING (conversation_space_id) WHERE printed = 1
         HAVING count(*) > 0 ON CONFLICT DO NOTHING",
    )
    .bind(TERMINAL)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Earlier versions collected one account.
async fn pending_reports_have_accounts(transaction: &mut Transaction<'_, Any>) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE reports_pending SET account_key = coalesce((SELECT account_key FROM watermarks), '')
         WHERE account_key = ''",
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Version 3 fetched what was announced last first, whenever the call was.
async fn pending_reports_have_ends(transaction: &mut Transaction<'_, Any>) -> sqlx::Result<()> {
    all(
        transaction,
        &[
            "ALTER TABLE reports_pending ADD COLUMN call_us bigint NOT NULL DEFAULT 0",
            "ALTER TABLE reports_pending ADD COLUMN generation bigint NOT NULL DEFAULT 0",
            "UPDATE reports_pending SET call_us = announced_us",
        ],
    )
    .await
}

/// Those of before have none.
async fn wall_links_have_names(transaction: &mut Transaction<'_, Any>) -> sqlx::Result<()> {
    all(transaction, &["ALTER TABLE desk_wall_links ADD COLUMN name text NOT NULL DEFAULT ''"]).await
}

#[cfg(test)]
#[path = "upgrade_tests.rs"]
mod tests;
