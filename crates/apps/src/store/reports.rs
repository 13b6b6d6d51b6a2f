//! Reports, each exactly once, and those that were announced and are still to be fetched.
//!
//! Instants are microseconds since 1970. A report's text is kept as it came.

use jiff::Timestamp;
use sqlx::{AnyConnection, AnyPool, Row, any::AnyRow};

use super::head::Head;
use super::{changes, erasures, privacy, revisions};

/// Tables of the report app; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS reports (
    conversation_space_id text NOT NULL,
    account_key text NOT NULL,
    call_created text NOT NULL,
    call_ended text NOT NULL,
    stored_us bigint NOT NULL,
    -- of earlier versions; how far the terminal is stands with the other outputs
    printed bigint NOT NULL,
    report text NOT NULL,
    PRIMARY KEY (conversation_space_id, account_key)
);
CREATE TABLE IF NOT EXISTS reports_pending (
    conversation_space_id text NOT NULL,
    announced_us bigint NOT NULL,
    attempts bigint NOT NULL,
    next_try_us bigint NOT NULL,
    -- empty for what an earlier version announced before it knew an account
    account_key text NOT NULL DEFAULT '',
    PRIMARY KEY (conversation_space_id, account_key)
);
CREATE INDEX IF NOT EXISTS reports_pending_by_time ON reports_pending (next_try_us);
";

/// What tells calls apart: ids are unique within an account. Two accounts of one store can have the same one, as when a
/// provider passes a call from one company to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallKey {
    pub conversation_space_id: String,
    pub account_key: String,
}

/// A report as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReport {
    /// Order of storing.
    pub number: i64,
    pub conversation_space_id: String,
    pub account_key: String,
    pub call_created: String,
    pub call_ended: String,
    pub stored: Timestamp,
    /// JSON text as it came.
    pub raw: String,
}

/// A report that was announced and is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub conversation_space_id: String,
    pub announced: Timestamp,
    pub attempts: u32,
}

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
    announce_in(&mut *pool.acquire().await?, account_key, conversation_space_id, now).await
}

async fn announce_in(
    connection: &mut AnyConnection,
    account_key: &str,
    conversation_space_id: &str,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO reports_pending (conversation_space_id, announced_us, attempts, next_try_us, account_key)
         SELECT $1, $2, 0, $2, $3
         WHERE NOT EXISTS (SELECT 1 FROM reports WHERE conversation_space_id = $1 AND account_key = $3)
             AND NOT EXISTS
                 (SELECT 1 FROM erased_calls WHERE conversation_space_id = $1 AND account_key IN ($3, ''))
         ON CONFLICT (conversation_space_id, account_key) DO NOTHING",
    )
    .bind(conversation_space_id)
    .bind(now.as_microsecond())
    .bind(account_key)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The same for many, in one transaction. Returns how many are new.
///
/// # Errors
/// When the database refuses; then none is remembered.
pub async fn announce_all(
    pool: &AnyPool,
    account_key: &str,
    conversation_space_ids: impl Iterator<Item = &str>,
    now: Timestamp,
) -> sqlx::Result<usize> {
    let mut transaction = super::write(pool).await?;
    let mut new = 0;
    for id in conversation_space_ids {
        new += usize::from(announce_in(&mut transaction, account_key, id, now).await?);
    }
    transaction.commit().await?;
    Ok(new)
}

/// Remembers that a report is to be fetched, whether or not it is there: it has changed.
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
        "INSERT INTO reports_pending (conversation_space_id, announced_us, attempts, next_try_us, account_key)
         SELECT $1, $2, 0, $2, $3 WHERE NOT EXISTS
             (SELECT 1 FROM erased_calls WHERE conversation_space_id = $1 AND account_key IN ($3, ''))
         ON CONFLICT (conversation_space_id, account_key) DO UPDATE SET next_try_us = $2",
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
    conversation_space_ids: impl Iterator<Item = &str>,
    most: usize,
    now: Timestamp,
) -> sqlx::Result<usize> {
    let mut transaction = super::write(pool).await?;
    let mut stored = 0;
    for id in conversation_space_ids {
        if stored == most {
            break;
        }
        let done = sqlx::query(
            "INSERT INTO reports_pending (conversation_space_id, announced_us, attempts, next_try_us, account_key)
             SELECT $1, $2, 0, $2, $3
             WHERE EXISTS (SELECT 1 FROM reports WHERE conversation_space_id = $1 AND account_key = $3)
                 AND NOT EXISTS
                     (SELECT 1 FROM reports_redacted WHERE conversation_space_id = $1 AND account_key = $3)
             ON CONFLICT (conversation_space_id, account_key) DO UPDATE SET next_try_us = $2",
        )
        .bind(id)
        .bind(now.as_microsecond())
        .bind(account_key)
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

/// How many reports of an account, or of all that are collected, are known of and not there; those that are there and looked at again are
/// not counted.
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

/// What is to be fetched of an account now, announced last first: the calls of this moment do not wait for those of last month.
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
        "SELECT conversation_space_id, announced_us, attempts FROM reports_pending
         WHERE next_try_us <= $1 AND account_key IN ($3, '') ORDER BY announced_us DESC, conversation_space_id LIMIT $2",
    )
    .bind(now.as_microsecond())
    .bind(i64::try_from(count).unwrap_or(i64::MAX))
    .bind(account_key)
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

/// Puts a report off after a failed try.
///
/// # Errors
/// When the database refuses.
pub async fn postpone(
    pool: &AnyPool,
    account_key: &str,
    conversation_space_id: &str,
    next: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE reports_pending SET attempts = attempts + 1, next_try_us = $2
         WHERE conversation_space_id = $1 AND account_key IN ($3, '')",
    )
    .bind(conversation_space_id)
    .bind(next.as_microsecond())
    .bind(account_key)
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

/// Gives a report up.
///
/// # Errors
/// When the database refuses.
pub async fn give_up(pool: &AnyPool, account_key: &str, conversation_space_id: &str) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM reports_pending WHERE conversation_space_id = $1 AND account_key IN ($2, '')")
        .bind(conversation_space_id)
        .bind(account_key)
        .execute(pool)
        .await?;
    Ok(())
}

/// When the last call of an account ended whose report is there; `None` for one of which none is.
///
/// # Errors
/// When the database refuses.
pub async fn last_seen(pool: &AnyPool, account_key: &str) -> sqlx::Result<Option<Timestamp>> {
    // As text instants of UTC sort only if they have the same number of digits; as numbers they always do.
    let rows =
        sqlx::query("SELECT call_ended FROM reports WHERE account_key = $1 ORDER BY rowid DESC LIMIT 100")
            .bind(account_key)
            .fetch_all(pool)
            .await?;
    let mut last = None;
    for row in &rows {
        last = last.max(row.try_get::<&str, _>(0)?.parse::<Timestamp>().ok());
    }
    Ok(last)
}

/// What became of a fetched report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is new.
    New,
    /// It was there, the same.
    Known,
    /// It was there and differs: the earlier text is kept as a revision. The members that changed, by name.
    Revised(Vec<String>),
    /// It has a number that was erased after the call: nothing of it is kept.
    Erased,
}

/// Stores a fetched report, for the account that it names. `again`: it is incomplete and to be fetched once more then. A gap that stood for it is
/// closed.
///
/// # Errors
/// When the database refuses.
pub async fn save(
    pool: &AnyPool,
    report: &Head,
    raw: &str,
    now: Timestamp,
    again: Option<Timestamp>,
) -> sqlx::Result<Saved> {
    let mut transaction = super::write(pool).await?;
    let (id, account) = (&report.conversation_space_id, &report.account_key);
    let erased = sqlx::query(
        "SELECT 1 FROM erased_calls WHERE conversation_space_id = $1 AND account_key IN ($2, '')",
    )
    .bind(id)
    .bind(account)
    .fetch_optional(&mut *transaction)
    .await?;
    if erased.is_some() {
        return Ok(Saved::Known);
    }
    if erasures::reaches(&mut transaction, report, raw).await? {
        let call = CallKey { conversation_space_id: id.clone(), account_key: account.clone() };
        privacy::erase_in(&mut transaction, &call, now).await?;
        close_gap(&mut transaction, &call, now).await?;
        transaction.commit().await?;
        return Ok(Saved::Erased);
    }
    let before =
        sqlx::query("SELECT report FROM reports WHERE conversation_space_id = $1 AND account_key = $2")
            .bind(id)
            .bind(account)
            .fetch_optional(&mut *transaction)
            .await?;
    let saved = match before {
        None => {
            insert(&mut transaction, report, raw, now).await?;
            changes::add(&mut transaction, account, id, "").await?;
            Saved::New
        }
        Some(row) => revisions::revise(&mut transaction, report, raw, now, row.try_get(0)?).await?,
    };
    if let Saved::Revised(changed) = &saved {
        changes::add(&mut transaction, account, id, &changed.join(" ")).await?;
    }
    let pending = match again {
        Some(_) => {
            "UPDATE reports_pending SET attempts = attempts + 1, next_try_us = $2
             WHERE conversation_space_id = $1 AND account_key IN ($3, '')"
        }
        None => {
            "DELETE FROM reports_pending WHERE conversation_space_id = $1 AND $2 = $2 AND account_key IN ($3, '')"
        }
    };
    sqlx::query(pending)
        .bind(id)
        .bind(again.unwrap_or(now).as_microsecond())
        .bind(account)
        .execute(&mut *transaction)
        .await?;
    let call = CallKey { conversation_space_id: id.clone(), account_key: account.clone() };
    close_gap(&mut transaction, &call, now).await?;
    transaction.commit().await?;
    Ok(saved)
}

/// Nothing is missing any more of a call whose report could not be had.
async fn close_gap(
    transaction: &mut sqlx::Transaction<'_, sqlx::Any>,
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

async fn insert(
    transaction: &mut sqlx::Transaction<'_, sqlx::Any>,
    report: &Head,
    raw: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO reports (conversation_space_id, account_key, call_created, call_ended, stored_us, printed, report)
         VALUES ($1, $2, $3, $4, $5, 1, $6)",
    )
    .bind(&report.conversation_space_id)
    .bind(&report.account_key)
    .bind(&report.call_created)
    .bind(&report.call_ended)
    .bind(now.as_microsecond())
    .bind(raw)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Reports in order of storing, from after the one with number `after` (0 for the first page).
///
/// # Errors
/// When the database refuses.
pub async fn list(pool: &AnyPool, after: i64, count: u32) -> sqlx::Result<Vec<StoredReport>> {
    let rows = sqlx::query(
        "SELECT rowid, conversation_space_id, account_key, call_created, call_ended, stored_us, report FROM reports
         WHERE rowid > $1 ORDER BY rowid LIMIT $2",
    )
    .bind(after)
    .bind(i64::from(count))
    .fetch_all(pool)
    .await?;
    rows.iter().map(stored).collect()
}

pub(super) fn stored(row: &AnyRow) -> sqlx::Result<StoredReport> {
    Ok(StoredReport {
        number: row.try_get(0)?,
        conversation_space_id: row.try_get(1)?,
        account_key: row.try_get(2)?,
        call_created: row.try_get(3)?,
        call_ended: row.try_get(4)?,
        stored: instant(row.try_get(5)?),
        raw: row.try_get(6)?,
    })
}

fn pending(row: &AnyRow) -> sqlx::Result<Pending> {
    Ok(Pending {
        conversation_space_id: row.try_get(0)?,
        announced: instant(row.try_get(1)?),
        attempts: u32::try_from(row.try_get::<i64, _>(2)?).unwrap_or(u32::MAX),
    })
}

pub(super) fn instant(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
#[path = "reports_tests.rs"]
mod tests;
