//! Accounts that the store knows and the collector does not collect any more: what is missing of them is theirs alone, and
//! holds back no other account's watermark, gaps or health.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{AnyPool, Row, any::AnyRow};

use super::reports::instant;

/// Table of those accounts; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS accounts_left (
    account_key text PRIMARY KEY,
    left_us bigint NOT NULL,
    ended bigint NOT NULL
);
";

/// An account that is not collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    pub account_key: String,
    /// Since when.
    pub since: Timestamp,
    /// Somebody said that it is to be so; else it was only left out of the last start.
    pub ended: bool,
    /// Calls that ended later are not known.
    pub through: Timestamp,
}

/// A collector starts with these accounts: those that it does not name are left from now on, those that it names are
/// collected again.
///
/// # Errors
/// When the database refuses.
pub async fn collecting(pool: &AnyPool, accounts: &[&str], now: Timestamp) -> sqlx::Result<()> {
    let mut transaction = super::write(pool).await?;
    let known = sqlx::query("SELECT account_key FROM watermarks").fetch_all(&mut *transaction).await?;
    for row in &known {
        let account: &str = row.try_get(0)?;
        if !accounts.contains(&account) {
            sqlx::query("INSERT INTO accounts_left (account_key, left_us, ended) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING")
                .bind(account)
                .bind(now.as_microsecond())
                .execute(&mut *transaction)
                .await?;
        }
    }
    for account in accounts {
        sqlx::query("DELETE FROM accounts_left WHERE account_key = $1")
            .bind(*account)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}

/// Somebody says that an account is not to be collected any more. `false` when the store does not know it.
///
/// # Errors
/// When the database refuses.
pub async fn end(pool: &AnyPool, account: &str, now: Timestamp) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO accounts_left (account_key, left_us, ended)
         SELECT account_key, $2, 1 FROM watermarks WHERE account_key = $1
         ON CONFLICT (account_key) DO UPDATE SET ended = 1",
    )
    .bind(account)
    .bind(now.as_microsecond())
    .execute(pool)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The accounts that are not collected, by their keys.
///
/// # Errors
/// When the database refuses.
pub async fn all(pool: &AnyPool) -> sqlx::Result<Vec<Left>> {
    let rows = sqlx::query(
        "SELECT account_key, left_us, ended, through_us FROM accounts_left JOIN watermarks USING (account_key)
         ORDER BY account_key",
    )
    .fetch_all(pool)
    .await?;
    let left = |row: &AnyRow| {
        Ok(Left {
            account_key: row.try_get(0)?,
            since: instant(row.try_get(1)?),
            ended: row.try_get::<i64, _>(2)? != 0,
            through: instant(row.try_get(3)?),
        })
    };
    rows.iter().map(left).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ledger::{self, GapKind};
    use crate::store::{reports, testing};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[tokio::test]
    async fn an_account_that_is_left_holds_nothing_back_and_comes_back_with_its_gaps() {
        let folder = tempfile::tempdir().unwrap();
        let pool = testing::open(folder.path()).await.pool;
        collecting(&pool, &["17", "18"], at(1)).await.unwrap();
        for (account, second) in [("17", 100), ("18", 50)] {
            ledger::begin(&pool, account, at(second), &[]).await.unwrap();
            ledger::open_gap(&pool, account, GapKind::Connection, "", "lost", at(second)).await.unwrap();
            reports::announce(&pool, account, &format!("call-{account}"), at(second)).await.unwrap();
        }
        let counted = async || {
            (
                ledger::known_through(&pool).await.unwrap(),
                ledger::open_gaps(&pool).await.unwrap(),
                ledger::gaps(&pool, false, 0, 9).await.unwrap().len(),
                reports::missing(&pool, None).await.unwrap(),
            )
        };
        assert_eq!(counted().await, (Some(at(50)), 2, 2, 2));

        collecting(&pool, &["17"], at(60)).await.unwrap();
        collecting(&pool, &["17"], at(70)).await.unwrap();
        assert_eq!(counted().await, (Some(at(100)), 1, 1, 1));
        let left = Left { account_key: "18".to_owned(), since: at(60), ended: false, through: at(50) };
        assert_eq!(all(&pool).await.unwrap(), std::slice::from_ref(&left));
        assert_eq!(ledger::gaps(&pool, true, 0, 9).await.unwrap().len(), 2, "its gaps are not forgotten");
        assert_eq!(reports::missing(&pool, Some("18")).await.unwrap(), 1, "nor what is to be fetched");

        assert!(end(&pool, "18", at(80)).await.unwrap());
        assert!(!end(&pool, "19", at(80)).await.unwrap(), "nobody knows it");
        assert_eq!(all(&pool).await.unwrap(), [Left { ended: true, ..left }]);
        collecting(&pool, &["17"], at(90)).await.unwrap();
        assert!(all(&pool).await.unwrap()[0].ended, "a further start does not forget that");

        collecting(&pool, &["17", "18"], at(99)).await.unwrap();
        assert_eq!(counted().await, (Some(at(50)), 2, 2, 2));
    }
}
