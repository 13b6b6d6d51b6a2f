//! How fast the collector may ask for reports, so that who reads the store alone can tell how long a rest takes.

use sqlx::{AnyPool, AssertSqlSafe, Row};

use super::ledger::COLLECTED;

/// Table of the pace of each account; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS fetch_pace (
    account_key text PRIMARY KEY,
    -- reports in a thousand seconds
    reports bigint NOT NULL
);
";

/// Remembers how many reports a second are asked for, at most. Nothing is written where it knows that.
///
/// # Errors
/// When the database refuses.
pub async fn set(pool: &AnyPool, account_key: &str, per_s: f64) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO fetch_pace (account_key, reports) VALUES ($1, $2)
         ON CONFLICT (account_key) DO UPDATE SET reports = excluded.reports
             WHERE fetch_pace.reports <> excluded.reports",
    )
    .bind(account_key)
    .bind((per_s * 1000.0).round().max(1.0) as i64)
    .execute(pool)
    .await?;
    Ok(())
}

/// Reports a second of the slowest account that is collected; `None` in a store that has only met earlier versions.
///
/// # Errors
/// When the database refuses.
pub async fn slowest(pool: &AnyPool) -> sqlx::Result<Option<f64>> {
    let text = format!("SELECT min(reports) FROM fetch_pace WHERE {COLLECTED}");
    let row = sqlx::query(AssertSqlSafe(text)).fetch_one(pool).await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.map(|reports| reports as f64 / 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    #[tokio::test]
    async fn the_pace_is_that_of_the_last_word_and_of_the_slowest() {
        let folder = tempfile::tempdir().unwrap();
        let pool = testing::open(folder.path()).await.pool;
        assert_eq!(slowest(&pool).await.unwrap(), None);
        for (account, per_s) in [("17", 8.0), ("18", 40.0), ("17", 400.0)] {
            set(&pool, account, per_s).await.unwrap();
        }
        assert_eq!(slowest(&pool).await.unwrap(), Some(40.0));
    }
}
