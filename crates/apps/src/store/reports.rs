//! Reports, each exactly once; those that are still to be fetched: [`super::pending`].
//!
//! Instants are microseconds since 1970. A report's text is kept as it came.

use jiff::Timestamp;
use sqlx::{AnyPool, Row, any::AnyRow};

use super::head::Head;
use super::pending::{close_gap, fetched};
use super::{changes, erasures, privacy, revisions};

pub use super::pending::*;

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

/// Stores a fetched report, for the call and account that it names. `again`: it is incomplete and to be fetched once more then.
/// A gap that stood for it is closed. What was `asked` for, of `asker`, is not waited for any more where that is its answer;
/// one that was announced again since the fetch began stays due.
///
/// # Errors
/// When the database refuses; then nothing has changed.
pub async fn save_fetched(
    pool: &AnyPool,
    asker: &str,
    asked: &Pending,
    report: &Head,
    raw: &str,
    now: Timestamp,
    again: Option<Timestamp>,
) -> sqlx::Result<Saved> {
    let mut transaction = super::write(pool).await?;
    let (id, account) = (&report.conversation_space_id, &report.account_key);
    let call = CallKey { conversation_space_id: id.clone(), account_key: account.clone() };
    let asked_for =
        CallKey { conversation_space_id: asked.conversation_space_id.clone(), account_key: asker.to_owned() };
    if asked_for == call {
        fetched(&mut transaction, &asked_for, asked.generation, again).await?;
    }
    let erased = sqlx::query(
        "SELECT 1 FROM erased_calls WHERE conversation_space_id = $1 AND account_key IN ($2, '')",
    )
    .bind(id)
    .bind(account)
    .fetch_optional(&mut *transaction)
    .await?;
    if erased.is_some() {
        transaction.commit().await?;
        return Ok(Saved::Known);
    }
    if erasures::reaches(&mut transaction, report, raw).await? {
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
    close_gap(&mut transaction, &call, now).await?;
    transaction.commit().await?;
    Ok(saved)
}

/// As the fetcher stores the first answer to an announcement.
#[cfg(test)]
pub async fn save(
    pool: &AnyPool,
    report: &Head,
    raw: &str,
    now: Timestamp,
    again: Option<Timestamp>,
) -> sqlx::Result<Saved> {
    let asked = super::testing::asked(&report.conversation_space_id);
    save_fetched(pool, &report.account_key, &asked, report, raw, now, again).await
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

/// A place in the order of the ends of calls: up to its second, then by the number of the report.
pub type End = (String, i64);

/// The place from after which calls come that ended since an instant, and not more than the last so many; the beginning
/// without either.
///
/// # Errors
/// When the database refuses.
pub async fn end_before(pool: &AnyPool, since: Option<Timestamp>, last: Option<u32>) -> sqlx::Result<End> {
    let since = since.map(|since| (super::retention::second(since), 0));
    let Some(last) = last else { return Ok(since.unwrap_or_default()) };
    let row = sqlx::query(
        "SELECT substr(call_ended, 1, 19), rowid FROM reports ORDER BY substr(call_ended, 1, 19) DESC, rowid DESC
         LIMIT 1 OFFSET $1",
    )
    .bind(i64::from(last))
    .fetch_optional(pool)
    .await?;
    let before = match row {
        Some(row) => Some((row.try_get(0)?, row.try_get(1)?)),
        None => None,
    };
    Ok(before.max(since).unwrap_or_default())
}

/// SQLite seeks no pair with an expression in it: the first condition alone finds the place in the index.
const LIST_BY_END: &str =
    "SELECT rowid, conversation_space_id, account_key, call_created, call_ended, stored_us, report,
         substr(call_ended, 1, 19) FROM reports
     WHERE substr(call_ended, 1, 19) >= $1 AND (substr(call_ended, 1, 19), rowid) > ($1, $2)
     ORDER BY substr(call_ended, 1, 19), rowid LIMIT $3";

/// Reports in order of the ends of their calls, from after a place, and the place of the last one.
///
/// # Errors
/// When the database refuses.
pub async fn list_by_end(pool: &AnyPool, after: &End, count: u32) -> sqlx::Result<(Vec<StoredReport>, End)> {
    let rows =
        sqlx::query(LIST_BY_END).bind(&after.0).bind(after.1).bind(i64::from(count)).fetch_all(pool).await?;
    let last = match rows.last() {
        Some(row) => (row.try_get(7)?, row.try_get(0)?),
        None => after.clone(),
    };
    Ok((rows.iter().map(stored).collect::<sqlx::Result<_>>()?, last))
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

pub(super) fn instant(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
#[path = "reports_tests.rs"]
mod tests;
