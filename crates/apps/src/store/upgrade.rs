//! Brings a store of an earlier version forward, once: each step has a number, which the file keeps.

use sqlx::{Any, AnyPool, Row, Transaction};

use super::changes::TERMINAL;

/// The version that this program brings a store to.
const CURRENT: i64 = 2;

/// Table of the version on PostgreSQL; SQLite has a place for it in the file. Run at each start.
const POSTGRES: &str = "CREATE TABLE IF NOT EXISTS store_version (version bigint NOT NULL)";

/// Runs the steps that the store has not seen, after the tables are made.
pub(super) async fn upgrade(pool: &AnyPool) -> sqlx::Result<()> {
    let is_file = super::is_sqlite(pool);
    if is_file && version(pool).await? >= CURRENT {
        return Ok(());
    }
    let mut transaction = super::write(pool).await?;
    if is_file {
        // Read again: another program may have done it meanwhile.
        let row = sqlx::query("PRAGMA user_version").fetch_one(&mut *transaction).await?;
        let version: i64 = row.try_get(0)?;
        if version < 1 {
            reports_become_changes(&mut transaction).await?;
        }
        if version < 2 {
            pending_reports_have_accounts(&mut transaction).await?;
        }
        let now = format!("PRAGMA user_version = {CURRENT}");
        sqlx::query(sqlx::AssertSqlSafe(now)).execute(&mut *transaction).await?;
    } else {
        // No store of an earlier version was there.
        sqlx::query(POSTGRES).execute(&mut *transaction).await?;
        sqlx::query(
            "INSERT INTO store_version (version) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM store_version)",
        )
        .bind(CURRENT)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}

async fn version(pool: &AnyPool) -> sqlx::Result<i64> {
    sqlx::query("PRAGMA user_version").fetch_one(pool).await?.try_get(0)
}

/// What it printed is printed.
async fn reports_become_changes(transaction: &mut Transaction<'_, Any>) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO report_changes (conversation_space_id, revision, changed)
         SELECT conversation_space_id, 1 + (SELECT count(*) FROM report_revisions AS earlier
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
    let columns = "SELECT 1 FROM pragma_table_info('reports_pending') WHERE name = 'account_key'";
    if sqlx::query(columns).fetch_optional(&mut **transaction).await?.is_none() {
        let column = "ALTER TABLE reports_pending ADD COLUMN account_key text NOT NULL DEFAULT ''";
        sqlx::query(column).execute(&mut **transaction).await?;
    }
    sqlx::query(
        "UPDATE reports_pending SET account_key = coalesce((SELECT account_key FROM watermarks), '')
         WHERE account_key = ''",
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::store::{ledger, reports, testing};

    #[tokio::test]
    async fn what_waited_in_a_store_of_one_account_is_that_accounts() {
        let folder = tempfile::tempdir().unwrap();
        let pool = testing::open_file(folder.path()).await.pool;
        let now = Timestamp::from_second(10).unwrap();
        ledger::begin(&pool, "17", now, &[]).await.unwrap();
        reports::announce(&pool, "", "a", now).await.unwrap();
        for step in ["ALTER TABLE reports_pending DROP COLUMN account_key", "PRAGMA user_version = 1"] {
            sqlx::query(step).execute(&pool).await.unwrap();
        }
        pool.close().await;
        let pool = testing::open_file(folder.path()).await.pool;
        assert_eq!(reports::due(&pool, "17", now, 9).await.unwrap().len(), 1);
        assert_eq!(reports::due(&pool, "18", now, 9).await.unwrap().len(), 0);
    }
}
