//! What the store holds of one person's number, to be handed over or erased.
//!
//! An erased call leaves its id behind, so that a later look does not fetch it again.

use jiff::Timestamp;
use sqlx::{Any, AnyPool, Row, Transaction, any::AnyRow};

use super::reports::CallKey;

/// Table of the calls that were erased; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS erased_calls (
    conversation_space_id text NOT NULL,
    -- empty for what an earlier version erased: whatever the account
    account_key text NOT NULL,
    erased_us bigint NOT NULL,
    PRIMARY KEY (conversation_space_id, account_key)
);
";

/// A text of a report that may have the number in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub call: CallKey,
    /// JSON text as it came.
    pub raw: String,
}

/// Present and earlier texts of reports that contain some digits, in order of the call's id. A keyset page after an id;
/// calls of several accounts with the same id are in one page.
///
/// # Errors
/// When the database refuses.
pub async fn candidates(
    pool: &AnyPool,
    digits: &str,
    after: &str,
    calls: u32,
) -> sqlx::Result<Vec<Candidate>> {
    let rows = sqlx::query(
        "WITH texts AS (
             SELECT conversation_space_id, account_key, report FROM reports
             UNION ALL SELECT conversation_space_id, account_key, report FROM report_revisions),
         calls AS (
             SELECT DISTINCT conversation_space_id FROM texts
             WHERE conversation_space_id > $2 AND report LIKE '%' || $1 || '%' ORDER BY 1 LIMIT $3)
         SELECT conversation_space_id, account_key, report FROM texts JOIN calls USING (conversation_space_id)
         ORDER BY conversation_space_id",
    )
    .bind(digits)
    .bind(after)
    .bind(i64::from(calls))
    .fetch_all(pool)
    .await?;
    let candidate = |row: &AnyRow| {
        let call = CallKey { conversation_space_id: row.try_get(0)?, account_key: row.try_get(1)? };
        Ok(Candidate { call, raw: row.try_get(2)? })
    };
    rows.iter().map(candidate).collect()
}

/// Erases calls, all or none: their reports with all texts, what outputs had put aside of them, and what the screen pop,
/// which has one account, saw under their ids.
///
/// # Errors
/// When the database refuses; then nothing is erased.
pub async fn erase_calls(
    pool: &AnyPool,
    calls: impl IntoIterator<Item = &CallKey>,
    now: Timestamp,
) -> sqlx::Result<()> {
    let mut transaction = super::write(pool).await?;
    for call in calls {
        erase_in(&mut transaction, call, now).await?;
    }
    transaction.commit().await
}

/// The same within a transaction.
pub(super) async fn erase_in(
    transaction: &mut Transaction<'_, Any>,
    call: &CallKey,
    now: Timestamp,
) -> sqlx::Result<()> {
    let (id, account) = (&call.conversation_space_id, &call.account_key);
    sqlx::query(
        "INSERT INTO erased_calls (conversation_space_id, account_key, erased_us) VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(account)
    .bind(now.as_microsecond())
    .execute(&mut **transaction)
    .await?;
    for statement in [
        "DELETE FROM dead_letters WHERE number IN
             (SELECT number FROM report_changes WHERE conversation_space_id = $1 AND account_key = $2)",
        "DELETE FROM report_changes WHERE conversation_space_id = $1 AND account_key = $2",
        "DELETE FROM report_revisions WHERE conversation_space_id = $1 AND account_key = $2",
        "DELETE FROM reports WHERE conversation_space_id = $1 AND account_key = $2",
        "DELETE FROM reports_redacted WHERE conversation_space_id = $1 AND account_key = $2",
        "DELETE FROM reports_pending WHERE conversation_space_id = $1 AND account_key IN ($2, '')",
    ] {
        sqlx::query(statement).bind(id).bind(account).execute(&mut **transaction).await?;
    }
    for statement in [
        "DELETE FROM screen_pop_calls WHERE conversation_space_id = $1",
        "DELETE FROM screen_pop_talked WHERE conversation_space_id = $1",
        "DELETE FROM screen_pop_dialled WHERE conversation_space_id = $1",
        "DELETE FROM desk_marks WHERE conversation_space_id = $1",
        "DELETE FROM crm_calls WHERE conversation_space_id = $1",
    ] {
        sqlx::query(statement).bind(id).execute(&mut **transaction).await?;
    }
    Ok(())
}

/// Erases what the screen pop saw of a caller. Returns how many calls.
///
/// # Errors
/// When the database refuses.
pub async fn erase_caller(pool: &AnyPool, caller_key: &str) -> sqlx::Result<u64> {
    for statement in [
        "DELETE FROM desk_marks WHERE conversation_space_id IN
             (SELECT conversation_space_id FROM screen_pop_calls WHERE caller_key = $1 OR dialled_number = $1)",
        "DELETE FROM crm_calls WHERE conversation_space_id IN
             (SELECT conversation_space_id FROM screen_pop_calls WHERE caller_key = $1 OR dialled_number = $1)",
        "DELETE FROM desk_reached WHERE number = $1",
        "DELETE FROM screen_pop_dialled WHERE number = $1",
    ] {
        sqlx::query(statement).bind(caller_key).execute(pool).await?;
    }
    let done = sqlx::query("DELETE FROM screen_pop_calls WHERE caller_key = $1 OR dialled_number = $1")
        .bind(caller_key)
        .execute(pool)
        .await?;
    Ok(done.rows_affected())
}

/// Takes what was deleted out of SQLite's files, too: out of the write-ahead log into the pages, which are overwritten.
/// PostgreSQL does so in its own time (VACUUM).
///
/// # Errors
/// When the database refuses.
pub async fn sweep(pool: &AnyPool) -> sqlx::Result<()> {
    if super::is_sqlite(pool) {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(pool).await?;
    }
    Ok(())
}
