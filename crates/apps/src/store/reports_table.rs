//! Reports in somebody's own PostgreSQL, for those who ask with SQL: one row a call, always its newest text.

use std::str::FromStr as _;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{PgPool, Row as _};

use super::changes::Change;
use super::privacy::Candidate;
use super::reports::CallKey;
use crate::limits;

/// `json` and not `jsonb`: a report is kept letter for letter, and one with the escape `\u0000` is taken too.
const TABLE: &str = "
CREATE TABLE IF NOT EXISTS callfeed_reports (
    account_key text NOT NULL,
    conversation_space_id text NOT NULL,
    revision bigint NOT NULL,
    call_created timestamptz,
    call_ended timestamptz,
    stored timestamptz NOT NULL,
    report json NOT NULL,
    PRIMARY KEY (account_key, conversation_space_id)
);
CREATE INDEX IF NOT EXISTS callfeed_reports_by_end ON callfeed_reports (account_key, call_ended);
";

/// The table `callfeed_reports`; it is made at the first use.
#[derive(Clone, Debug)]
pub struct ReportsTable {
    pool: PgPool,
    made: bool,
}

impl ReportsTable {
    /// Connects when something is written.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn new(url: &str) -> sqlx::Result<Self> {
        let options = PgConnectOptions::from_str(url)?;
        let pool = PgPoolOptions::new()
            .max_connections(limits::OUTPUT_CONNECTIONS)
            .acquire_timeout(limits::OUTPUT_CONNECT_TIMEOUT)
            .connect_lazy_with(options);
        Ok(Self { pool, made: false })
    }

    /// Writes texts over earlier ones; writing one twice changes nothing.
    ///
    /// # Errors
    /// When the database cannot be reached or refuses; then none is written.
    pub async fn write(&mut self, changes: &[Change]) -> sqlx::Result<()> {
        self.make().await?;
        let mut transaction = self.pool.begin().await?;
        for change in changes {
            let report = &change.report;
            sqlx::query(
                "INSERT INTO callfeed_reports (account_key, conversation_space_id, revision, call_created, call_ended,
                     stored, report)
                 VALUES ($1, $2, $3, $4::text::timestamptz, $5::text::timestamptz, $6::text::timestamptz, $7::text::json)
                 ON CONFLICT (account_key, conversation_space_id) DO UPDATE SET revision = excluded.revision,
                     call_created = excluded.call_created, call_ended = excluded.call_ended,
                     stored = excluded.stored, report = excluded.report
                 WHERE callfeed_reports.revision <= excluded.revision",
            )
            .bind(&report.account_key)
            .bind(&report.conversation_space_id)
            .bind(change.revision)
            .bind(time(&report.call_created))
            .bind(time(&report.call_ended))
            .bind(report.stored.to_string())
            .bind(&report.raw)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await
    }

    /// Takes calls out that ended before an instant, whatever their account.
    ///
    /// # Errors
    /// When the database cannot be reached or refuses.
    pub async fn forget(&mut self, before: jiff::Timestamp) -> sqlx::Result<u64> {
        self.make().await?;
        let done = sqlx::query("DELETE FROM callfeed_reports WHERE call_ended < $1::text::timestamptz")
            .bind(before.to_string())
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }

    /// Texts that contain some digits, each with its call.
    ///
    /// # Errors
    /// When the database cannot be reached or refuses.
    pub async fn candidates(&mut self, digits: &str) -> sqlx::Result<Vec<Candidate>> {
        self.make().await?;
        let rows = sqlx::query(
            "SELECT conversation_space_id, account_key, report::text FROM callfeed_reports
             WHERE position($1 in report::text) > 0 ORDER BY 1, 2",
        )
        .bind(digits)
        .fetch_all(&self.pool)
        .await?;
        let candidate = |row: &PgRow| {
            let call = CallKey { conversation_space_id: row.try_get(0)?, account_key: row.try_get(1)? };
            Ok(Candidate { call, raw: row.try_get(2)? })
        };
        rows.iter().map(candidate).collect()
    }

    /// Takes a call out. Returns whether it was there.
    ///
    /// # Errors
    /// When the database cannot be reached or refuses.
    pub async fn erase(&mut self, call: &CallKey) -> sqlx::Result<bool> {
        self.make().await?;
        let done =
            sqlx::query("DELETE FROM callfeed_reports WHERE account_key = $1 AND conversation_space_id = $2")
                .bind(&call.account_key)
                .bind(&call.conversation_space_id)
                .execute(&self.pool)
                .await?;
        Ok(done.rows_affected() > 0)
    }

    async fn make(&mut self) -> sqlx::Result<()> {
        if !self.made {
            sqlx::raw_sql(TABLE).execute(&self.pool).await?;
            self.made = true;
        }
        Ok(())
    }
}

/// What is no instant is left out rather than refused: the report has it all the same.
fn time(text: &str) -> Option<String> {
    text.parse::<jiff::Timestamp>().ok().map(|at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{changes, reports as table, testing};

    /// On the PostgreSQL of the tests; without one there is nothing to ask.
    #[tokio::test]
    async fn the_newest_text_of_a_call_is_one_row() {
        let Ok(url) = std::env::var("CALLFEED_TEST_POSTGRES") else { return };
        let folder = tempfile::tempdir().unwrap();
        let pool = testing::open(folder.path()).await.pool;
        let account = format!("test-{}", fastrand::u64(..));
        for reason in ["", "order\\u0000"] {
            let raw = format!(
                r#"{{"conversationSpaceId": "a", "callCreated": "2026-02-03T17:00:00Z", "accountKey": "{account}",
                    "callEnded": "never", "direction": "INBOUND", "callReason": "{reason}"}}"#
            );
            table::save(&pool, &serde_json::from_str(&raw).unwrap(), &raw, jiff::Timestamp::now(), None)
                .await
                .unwrap();
        }
        let all = changes::after(&pool, 0, 9).await.unwrap();
        let mut output = ReportsTable::new(&url).unwrap();
        for some in [&all[..], &all[..1], &all[1..]] {
            output.write(some).await.unwrap();
        }
        let row: (i64, String, String, bool) = sqlx::query_as(
            "SELECT revision, report::text, to_char(call_created AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
                 call_ended IS NULL
             FROM callfeed_reports WHERE account_key = $1",
        )
        .bind(&account)
        .fetch_one(&output.pool)
        .await
        .unwrap();
        assert_eq!(row, (2, all[1].report.raw.clone(), "2026-02-03 17:00".to_owned(), true));
    }
}
