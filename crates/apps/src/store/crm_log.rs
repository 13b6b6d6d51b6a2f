//! Calls that are to be written into a CRM: one row a call, whose record is made once. A row outlives restarts; what
//! is wanted and what was sent are numbers of texts, so that a note changed meanwhile is sent too. Instants are
//! microseconds since 1970.

use jiff::Timestamp;
use sqlx::{AnyPool, Row, any::AnyRow};

/// Table of the calls; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS crm_calls (
    conversation_space_id text PRIMARY KEY,
    source text NOT NULL,
    contact text NOT NULL,
    document text NOT NULL,
    wanted bigint NOT NULL,
    sent bigint NOT NULL,
    record text,
    attempted bigint NOT NULL,
    tries bigint NOT NULL,
    due_us bigint NOT NULL,
    failure text NOT NULL,
    dead bigint NOT NULL,
    created_us bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS crm_calls_due ON crm_calls (due_us) WHERE wanted > sent AND dead = 0;
CREATE TABLE IF NOT EXISTS crm_open (
    conversation_space_id text PRIMARY KEY,
    since_us bigint NOT NULL
);
";

/// A call and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub call: String,
    /// Name of the source that takes it.
    pub source: String,
    /// Reference of the contact there.
    pub contact: String,
    /// What is to be sent, as JSON.
    pub document: String,
    /// Number of the text that is to be there …
    pub wanted: i64,
    /// … and of the one that is.
    pub sent: i64,
    /// Id of the record there, once it is known.
    pub record: Option<String>,
    /// A request to make the record was sent, whose answer may have been lost.
    pub attempted: bool,
    pub tries: i64,
    /// Why the last try failed, as JSON; empty if it did not.
    pub failure: String,
    /// Nothing more is tried until a person says so.
    pub dead: bool,
}

/// A call is to be in a CRM, with this text. Once a record may exist, source and contact stay what they are, so that
/// there is never a second one. Tells whether anything is to be sent.
///
/// # Errors
/// When the database refuses.
pub async fn want(pool: &AnyPool, new: &Entry, due: Timestamp, now: Timestamp) -> sqlx::Result<bool> {
    let mut transaction = super::write(pool).await?;
    sqlx::query(
        "INSERT INTO crm_calls (conversation_space_id, source, contact, document, wanted, sent, attempted, tries,
             due_us, failure, dead, created_us)
         VALUES ($1, $2, $3, $4, 0, 0, 0, 0, $5, '', 0, $6) ON CONFLICT DO NOTHING",
    )
    .bind(&new.call)
    .bind(&new.source)
    .bind(&new.contact)
    .bind(&new.document)
    .bind(due.as_microsecond())
    .bind(now.as_microsecond())
    .execute(&mut *transaction)
    .await?;
    let changed = sqlx::query(
        "UPDATE crm_calls SET document = $4, wanted = wanted + 1, due_us = $5, tries = 0, dead = 0, failure = '',
             source = CASE attempted WHEN 0 THEN $2 ELSE source END,
             contact = CASE attempted WHEN 0 THEN $3 ELSE contact END
         WHERE conversation_space_id = $1
             AND (wanted = 0 OR document <> $4 OR (attempted = 0 AND (source <> $2 OR contact <> $3)))",
    )
    .bind(&new.call)
    .bind(&new.source)
    .bind(&new.contact)
    .bind(&new.document)
    .bind(due.as_microsecond())
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(changed.rows_affected() > 0)
}

/// Nobody is sure any more who called: a call of which nothing was sent is not written.
///
/// # Errors
/// When the database refuses.
pub async fn withdraw(pool: &AnyPool, call: &str) -> sqlx::Result<bool> {
    let gone = sqlx::query("DELETE FROM crm_calls WHERE conversation_space_id = $1 AND attempted = 0");
    Ok(gone.bind(call).execute(pool).await?.rows_affected() > 0)
}

/// A call is over, and its CRM has not told yet who called: it is asked again, also after a restart.
///
/// # Errors
/// When the database refuses.
pub async fn open(pool: &AnyPool, call: &str, now: Timestamp) -> sqlx::Result<()> {
    let open =
        "INSERT INTO crm_open (conversation_space_id, since_us) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    sqlx::query(open).bind(call).bind(now.as_microsecond()).execute(pool).await.map(|_| ())
}

/// Who called is told, or that nobody is known.
///
/// # Errors
/// When the database refuses.
pub async fn told(pool: &AnyPool, call: &str) -> sqlx::Result<()> {
    let told = "DELETE FROM crm_open WHERE conversation_space_id = $1";
    sqlx::query(told).bind(call).execute(pool).await.map(|_| ())
}

/// Calls of which it is still to be told who called.
///
/// # Errors
/// When the database refuses.
pub async fn all_open(pool: &AnyPool) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("SELECT conversation_space_id FROM crm_open").fetch_all(pool).await
}

/// Calls whose time has come, the longest due first.
///
/// # Errors
/// When the database refuses.
pub async fn due(pool: &AnyPool, now: Timestamp, max: u32) -> sqlx::Result<Vec<Entry>> {
    let rows = sqlx::query(
        "SELECT * FROM crm_calls WHERE wanted > sent AND dead = 0 AND due_us <= $1 ORDER BY due_us LIMIT $2",
    );
    rows.bind(now.as_microsecond()).bind(i64::from(max)).fetch_all(pool).await?.iter().map(entry).collect()
}

/// When the next call is due.
///
/// # Errors
/// When the database refuses.
pub async fn next(pool: &AnyPool) -> sqlx::Result<Option<Timestamp>> {
    let next: Option<i64> =
        sqlx::query_scalar("SELECT min(due_us) FROM crm_calls WHERE wanted > sent AND dead = 0")
            .fetch_one(pool)
            .await?;
    Ok(next.and_then(|at| Timestamp::from_microsecond(at).ok()))
}

/// One call.
///
/// # Errors
/// When the database refuses.
pub async fn of(pool: &AnyPool, call: &str) -> sqlx::Result<Option<Entry>> {
    let row = sqlx::query("SELECT * FROM crm_calls WHERE conversation_space_id = $1");
    row.bind(call).fetch_optional(pool).await?.as_ref().map(entry).transpose()
}

/// A request that makes the record leaves now.
///
/// # Errors
/// When the database refuses.
pub async fn attempt(pool: &AnyPool, call: &str) -> sqlx::Result<()> {
    let noted = sqlx::query("UPDATE crm_calls SET attempted = 1 WHERE conversation_space_id = $1");
    noted.bind(call).execute(pool).await.map(|_| ())
}

/// The record has this id.
///
/// # Errors
/// When the database refuses.
pub async fn found(pool: &AnyPool, call: &str, record: &str) -> sqlx::Result<()> {
    sqlx::query("UPDATE crm_calls SET record = $2, attempted = 1 WHERE conversation_space_id = $1")
        .bind(call)
        .bind(record)
        .execute(pool)
        .await
        .map(|_| ())
}

/// The text with this number is there.
///
/// # Errors
/// When the database refuses.
pub async fn sent(pool: &AnyPool, call: &str, number: i64) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE crm_calls SET sent = $2, tries = 0, failure = '', dead = 0 WHERE conversation_space_id = $1",
    )
    .bind(call)
    .bind(number)
    .execute(pool)
    .await
    .map(|_| ())
}

/// A try failed; without `again` it was the last one.
///
/// # Errors
/// When the database refuses.
pub async fn failed(pool: &AnyPool, call: &str, failure: &str, again: Option<Timestamp>) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE crm_calls SET tries = tries + 1, failure = $2, dead = $3, due_us = CASE WHEN $4 = 0 THEN due_us ELSE $4 END
         WHERE conversation_space_id = $1",
    )
    .bind(call)
    .bind(failure)
    .bind(i64::from(again.is_none()))
    .bind(again.map_or(0, Timestamp::as_microsecond))
    .execute(pool)
    .await
    .map(|_| ())
}

/// A person wants it tried again, now. False if nothing failed.
///
/// # Errors
/// When the database refuses.
pub async fn again(pool: &AnyPool, call: &str, now: Timestamp) -> sqlx::Result<bool> {
    let changed = sqlx::query(
        "UPDATE crm_calls SET dead = 0, tries = 0, due_us = $2
         WHERE conversation_space_id = $1 AND wanted > sent AND failure <> ''",
    );
    let changed = changed.bind(call).bind(now.as_microsecond()).execute(pool).await?;
    Ok(changed.rows_affected() > 0)
}

/// Drops calls that came in before `oldest`; their records stay in the CRM.
///
/// # Errors
/// When the database refuses.
pub async fn forget_old(pool: &AnyPool, oldest: Timestamp) -> sqlx::Result<()> {
    for old in ["DELETE FROM crm_calls WHERE created_us < $1", "DELETE FROM crm_open WHERE since_us < $1"] {
        sqlx::query(old).bind(oldest.as_microsecond()).execute(pool).await?;
    }
    Ok(())
}

fn entry(row: &AnyRow) -> sqlx::Result<Entry> {
    Ok(Entry {
        call: row.try_get("conversation_space_id")?,
        source: row.try_get("source")?,
        contact: row.try_get("contact")?,
        document: row.try_get("document")?,
        wanted: row.try_get("wanted")?,
        sent: row.try_get("sent")?,
        record: row.try_get("record")?,
        attempted: row.try_get::<i64, _>("attempted")? != 0,
        tries: row.try_get("tries")?,
        failure: row.try_get("failure")?,
        dead: row.try_get::<i64, _>("dead")? != 0,
    })
}
