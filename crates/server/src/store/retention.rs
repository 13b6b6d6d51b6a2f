//! Forgetting finished calls that are older than the operator keeps them.

use super::{Store, StoreResult};

/// Everything that belongs to a call; `calls` itself goes last, because it tells which calls are meant.
const TABLES: [&str; 7] =
    ["log", "webhook_deliveries", "call_history", "report_parties", "recordings", "reports", "calls"];

impl Store {
    /// Removes up to `limit` calls that ended before `before_us`, oldest first, with their states, reports and
    /// history, in one commit. Returns how many; fewer than `limit` means that no more are that old.
    ///
    /// Positions of other entries and cursors stay as they are: a reader passes over what is gone.
    pub async fn forget_calls(&self, before_us: i64, limit: i64) -> StoreResult<u64> {
        let mut tx = self.write.begin().await?;
        let mut forgotten = 0;
        for table in TABLES {
            // The same calls each time: nothing ends in the past while this runs.
            let delete = format!(
                "delete from {table} where conversation_space_id in (
                    select conversation_space_id from calls where ended_us > 0 and ended_us < $1
                    order by ended_us, conversation_space_id limit $2)"
            );
            let query = sqlx::query(sqlx::AssertSqlSafe(delete)).bind(before_us).bind(limit);
            forgotten = query.execute(&mut *tx).await?.rows_affected();
        }
        tx.commit().await?;
        if forgotten > 0 {
            self.recent.forget();
        }
        Ok(forgotten)
    }
}
