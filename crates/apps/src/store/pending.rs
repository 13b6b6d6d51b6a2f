//! Reports that were announced and are still to be fetched: the newest calls first, so that those of this moment do not wait
//! for those of last month.
//!
//! Instants are microseconds since 1970.

use jiff::Timestamp;
use sqlx::{Any, AnyConnection, AnyPool, Row, Transaction, any::AnyRow};

use super::reports::{CallKey, instant};
use crate::limits;

/// Table of what is to be fetched; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS reports_pending (
    conversation_space_id text NOT NULL,
    announced_us bigint NOT NULL,
    attempts bigint NOT NULL,
    next_try_us bigint NOT NULL,
    -- empty for what an earlier version announced before it knew an account
    account_key text NOT NULL DEFAULT '',
    -- the end of the call; when it was announced, where that is not known
    call_us bigint NOT NULL DEFAULT 0,
    -- how often it was announced again
    generation bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (conversation_space_id, account_key)
);
CREATE INDEX IF NOT EXISTS reports_pending_by_time ON reports_pending (next_try_us);
";

/// A report that was announced and is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub conversation_space_id: String,
    pub announced: Timestamp,
    pub attempts: u32,
    /// How often it was announced again.
    pub generation: i64,
}

/// A finished call: its conversation space id, and when it ended, if that is known.
pub type Ended<'a> = (&'a str, Option<Timestamp>);

/// Remembers that a report is to be fetched. `false` when it is there, or known to be fetched; then nothing changes.
///
/// # Errors
/// When the database refuses.
pub async fn announce(
    pool: &AnyPool,
    account_key: &str,
    conversation_space_id: &str,
    now: Timestamp,
) -> sqlx::Result<bool> {
    announce_in(&mut *pool.acquire().await?, account_key, (conversation_space_id, None), now).await
}

async fn announce_in(
    connection: &mut AnyConnection,
    account_key: &str,
    (conversation_space_id, ended): Ended<'_>,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO reports_pending (conversation_space_id, announced_us, attempts, next_try_us, account_key, call_us)
         SELECT $1, $2, 0, $2, $3, $4
         WHERE NOT EXISTS (SELECT 1 FROM reports WHERE conversation_space_id = $1 AND account_key = $3)
             AND NOT EXISTS
                 (SELECT 1 FROM erased_calls WHERE conversation_space_id = $1 AND account_key IN ($3, ''))
         ON CONFLICT (conversation_space_id, account_key) DO NOTHING",
    )
    .bind(conversation_space_id)
    .bind(now.as_microsecond())
    .bind(account_key)
    .bind(ended.unwrap_or(now).as_microsecond())
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The same for many finished calls, in one transaction. Returns how many are new.
///
/// # Errors
/// When the database refuses; then none is remembered.
pub async fn announce_all(
    pool: &AnyPool,
    account_key: &str,
    calls: impl Iterator<Item = Ended<'_>>,
    now: Timestamp,
) -> sqlx::Result<usize> {
    let mut transaction = super::write(pool).await?;
    let mut new = 0;
    for call in calls {
        new += usize::from(announce_in(&mut transaction, account_key, call, now).await?);
    }
    transaction.commit().await?;
    Ok(new)
}

/// Remembers that a report is to be fetched, whether or not it is there: it has changed. A fetch that is under way counts no
/// more. One of which something was taken out is left alone, since a fetch would bring that back.
///
/// # Errors
/// When the database refuses.
pub async fn announce_again(
    pool: &AnyPool,
    account_key: &str,
    conversation_space_id: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO reports_pending (conversation_space_id, announced_us, attempts, next_try_us, account_key, call_us)
         SELECT $1, $2, 0, $2, $3, $2 WHERE NOT EXISTS
             (SELECT 1 FROM erased_calls WHERE conversation_space_id = $1 AND account_key IN ($3, ''))
         AND NOT EXISTS
             (SELECT 1 FROM reports_redacted WHERE conversation_space_id = $1 AND account_key = $3)
         ON CONFLICT (conversation_space_id, account_key) DO UPDATE
             SET next_try_us = $2, generation = reports_pending.generation + 1",
    )
    .bind(conversation_space_id)
    .bind(now.as_microsecond())
    .bind(account_key)
    .execute(pool)
    .await?;
    Ok(())
}

/// Remembers that those of these reports which are there are to be fetched once more: they may have changed. One of which
/// something was taken out is left alone, since a fetch would bring that back. Stops after `most`; returns how many.
///
/// # Errors
/// When the database refuses; then none is remembered.
pub async fn announce_stored(
    pool: &AnyPool,
    account_key: &str,
    calls: impl Iterator<Item = Ended<'_>>,
    most: usize,
    now: Timestamp,
) -> sqlx::Result<usize> {
    let mut transaction = super::write(pool).await?;
    let mut stored = 0;
    for (id, ended) in calls {
        if stored == most {
            break;
        }
        let done = sqlx::query(
            "INSERT INTO reports_pending (conversation_space_id, announced_us, attempts, next_try_us, account_key, call_us)
             SELECT $1, $2, 0, $2, $3, $4
             WHERE EXISTS (SELECT 1 FROM reports WHERE conversation_space_id = $1 AND account_key = $3)
                 AND NOT EXISTS
                     (SELECT 1 FROM reports_redacted WHERE conversation_space_id = $1 AND account_key = $3)
             ON CONFLICT (conversation_space_id, account_key) DO UPDATE
             SET next_try_us = $2, generation = reports_pending.generation + 1",
        )
        .bind(id)
        .bind(now.as_microsecond())
        .bind(account_key)
        .bind(ended.unwrap_or(now).as_microsecond())
        .execute(&mut *transaction)
        .await?;
        stored += usize::from(done.rows_affected() > 0);
    }
    transaction.commit().await?;
    Ok(stored)
}

/// How many reports of an account wait to be fetched.
///
/// # Errors
/// When the database refuses.
pub async fn waiting(pool: &AnyPool, account_key: &str) -> sqlx::Result<u64> {
    let row = sqlx::query("SELECT count(*) FROM reports_pending WHERE account_key IN ($1, '')")
        .bind(account_key)
        .fetch_one(pool)
        .await?;
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

/// How many reports of an account are to be fetched before a time.
///
/// # Errors
/// When the database refuses.
pub async fn waiting_until(pool: &AnyPool, account_key: &str, until: Timestamp) -> sqlx::Result<u64> {
    let text = "SELECT count(*) FROM reports_pending WHERE account_key IN ($1, '') AND next_try_us <= $2";
    let row = sqlx::query(text).bind(account_key).bind(until.as_microsecond()).fetch_one(pool).await?;
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

/// How many reports of an account, or of all that are collected, are known of and not there; those that are there and looked
/// at again are not counted.
///
/// # Errors
/// When the database refuses.
pub async fn missing(pool: &AnyPool, account_key: Option<&str>) -> sqlx::Result<u64> {
    let row = sqlx::query(
        "SELECT count(*) FROM reports_pending AS pending WHERE CASE WHEN $1 IS NULL THEN account_key NOT IN (SELECT account_key FROM accounts_left)
                 ELSE account_key IN ($1, '') END AND NOT EXISTS
             (SELECT 1 FROM reports WHERE reports.conversation_space_id = pending.conversation_space_id
                  AND (reports.account_key = pending.account_key OR pending.account_key = ''))",
    )
    .bind(account_key)
    .fetch_one(pool)
    .await?;
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

/// What is to be fetched of an account now, the calls that ended last first: those of this moment do not wait for those of
/// last month. Each failed try makes a call older ([`limits::FETCH_AGED_BY`]), so that those which cannot be had do not keep
/// back those which can.
///
/// # Errors
/// When the database refuses.
pub async fn due(
    pool: &AnyPool,
    account_key: &str,
    now: Timestamp,
    count: usize,
) -> sqlx::Result<Vec<Pending>> {
    let rows = sqlx::query(
        "SELECT conversation_space_id, announced_us, attempts, generation FROM reports_pending
         WHERE next_try_us <= $1 AND account_key IN ($3, '')
         ORDER BY call_us - attempts * attempts * $4 DESC, conversation_space_id LIMIT $2",
    )
    .bind(now.as_microsecond())
    .bind(i64::try_from(count).unwrap_or(i64::MAX))
    .bind(account_key)
    .bind(i64::try_from(limits::FETCH_AGED_BY.as_micros()).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await?;
    rows.iter().map(pending).collect()
}

/// When the next report of an account that is not due yet will be.
///
/// # Errors
/// When the database refuses.
pub async fn next_try(pool: &AnyPool, account_key: &str, now: Timestamp) -> sqlx::Result<Option<Timestamp>> {
    let row = sqlx::query(
        "SELECT min(next_try_us) FROM reports_pending WHERE next_try_us > $1 AND account_key IN ($2, '')",
    )
    .bind(now.as_microsecond())
    .bind(account_key)
    .fetch_one(pool)
    .await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.map(instant))
}

/// Puts a report off after a failed try. One that was announced again since the try began stays due.
///
/// # Errors
/// When the database refuses.
pub async fn postpone(
    pool: &AnyPool,
    account_key: &str,
    pending: &Pending,
    next: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE reports_pending SET attempts = attempts + 1, next_try_us = $2
         WHERE conversation_space_id = $1 AND account_key IN ($3, '') AND generation = $4",
    )
    .bind(&pending.conversation_space_id)
    .bind(next.as_microsecond())
    .bind(account_key)
    .bind(pending.generation)
    .execute(pool)
    .await?;
    Ok(())
}

/// Makes everything of an account that waits due now: the platform is back.
///
/// # Errors
/// When the database refuses.
pub async fn hurry(pool: &AnyPool, account_key: &str, now: Timestamp) -> sqlx::Result<()> {
    // Many rows: in its turn, so that it and a commit never wait for each other.
    let mut transaction = super::write(pool).await?;
    sqlx::query(
        "UPDATE reports_pending SET next_try_us = $1 WHERE next_try_us > $1 AND account_key IN ($2, '')",
    )
    .bind(now.as_microsecond())
    .bind(account_key)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

/// What a call had to be fetched is done, unless it was announced again meanwhile; `again`: to be done once more then.
pub(super) async fn fetched(
    transaction: &mut Transaction<'_, Any>,
    call: &CallKey,
    generation: i64,
    again: Option<Timestamp>,
) -> sqlx::Result<()> {
    let text = match again {
        Some(_) => {
            "UPDATE reports_pending SET attempts = attempts + 1, next_try_us = $4
             WHERE conversation_space_id = $1 AND account_key IN ($2, '') AND generation = $3"
        }
        None => {
            "DELETE FROM reports_pending WHERE conversation_space_id = $1 AND account_key IN ($2, '')
                 AND generation = $3 AND $4 = $4"
        }
    };
    sqlx::query(text)
        .bind(&call.conversation_space_id)
        .bind(&call.account_key)
        .bind(generation)
        .bind(again.map_or(0, Timestamp::as_microsecond))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Whether a report is there.
///
/// # Errors
/// When the database refuses.
pub async fn is_stored(pool: &AnyPool, account_key: &str, conversation_space_id: &str) -> sqlx::Result<bool> {
    let found = sqlx::query("SELECT 1 FROM reports WHERE conversation_space_id = $1 AND account_key = $2")
        .bind(conversation_space_id)
        .bind(account_key)
        .fetch_optional(pool)
        .await?;
    Ok(found.is_some())
}

/// Whether a report is still to be fetched: what was erased meanwhile is not.
///
/// # Errors
/// When the database refuses.
pub async fn is_pending(
    pool: &AnyPool,
    account_key: &str,
    conversation_space_id: &str,
) -> sqlx::Result<bool> {
    let text = "SELECT 1 FROM reports_pending WHERE conversation_space_id = $1 AND account_key IN ($2, '')";
    let found = sqlx::query(text).bind(conversation_space_id).bind(account_key).fetch_optional(pool).await?;
    Ok(found.is_some())
}

/// A report that is there was asked for again and cannot be had: it is left as it is, and nothing is missing.
///
/// # Errors
/// When the database refuses.
pub async fn leave(pool: &AnyPool, account_key: &str, pending: &Pending, now: Timestamp) -> sqlx::Result<()> {
    let call = CallKey {
        conversation_space_id: pending.conversation_space_id.clone(),
        account_key: account_key.to_owned(),
    };
    let mut transaction = super::write(pool).await?;
    fetched(&mut transaction, &call, pending.generation, None).await?;
    close_gap(&mut transaction, &call, now).await?;
    transaction.commit().await
}

/// Nothing is missing any more of a call whose report could not be had.
pub(super) async fn close_gap(
    transaction: &mut Transaction<'_, Any>,
    call: &CallKey,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE gaps SET closed_us = $2, to_us = $2, reports = 1
         WHERE kind = 'report' AND subject = $1 AND closed_us IS NULL AND account_key = $3",
    )
    .bind(&call.conversation_space_id)
    .bind(now.as_microsecond())
    .bind(&call.account_key)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

fn pending(row: &AnyRow) -> sqlx::Result<Pending> {
    Ok(Pending {
        conversation_space_id: row.try_get(0)?,
        announced: instant(row.try_get(1)?),
        attempts: u32::try_from(row.try_get::<i64, _>(2)?).unwrap_or(u32::MAX),
        generation: row.try_get(3)?,
    })
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
