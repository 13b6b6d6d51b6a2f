//! Every text of every report in the order in which it was stored, and how far each output has come in it.
//!
//! Instants are microseconds since 1970.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{AnyPool, Row, any::AnyRow};

use super::reports::{CallKey, StoredReport, instant};

/// Tables of the outputs; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS report_changes (
    number integer PRIMARY KEY AUTOINCREMENT,
    conversation_space_id text NOT NULL,
    revision bigint NOT NULL,
    changed text NOT NULL,
    account_key text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX IF NOT EXISTS report_changes_by_account ON report_changes
    (conversation_space_id, account_key, revision);
CREATE TABLE IF NOT EXISTS outputs (
    name text PRIMARY KEY,
    begun bigint NOT NULL,
    cursor bigint NOT NULL,
    delivered bigint NOT NULL,
    position text NOT NULL,
    failing_since_us bigint,
    failure text NOT NULL
);
CREATE TABLE IF NOT EXISTS outputs_in_use (
    name text PRIMARY KEY
);
CREATE TABLE IF NOT EXISTS dead_letters (
    output text NOT NULL,
    number bigint NOT NULL,
    attempts bigint NOT NULL,
    reason text NOT NULL,
    died_us bigint NOT NULL,
    replay bigint NOT NULL,
    PRIMARY KEY (output, number)
);
";

/// The output of stores of earlier versions, which marked what was printed in the report itself.
pub const TERMINAL: &str = "terminal";

/// A text of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Order of storing; never used twice.
    pub number: i64,
    /// 1 for the first text.
    pub revision: i64,
    /// Members that differ from the text before, separated by blanks; empty for the first.
    pub changed: String,
    pub report: StoredReport,
}

/// Where an output is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Number of the last change that it took.
    pub cursor: i64,
    /// The output's own words for how far it has written.
    pub position: String,
}

/// An output as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    pub name: String,
    /// Whether the collector that started last gives it reports. So says every one of a store that has only met versions
    /// which kept no list.
    pub used: bool,
    pub delivered: i64,
    /// Changes that it has not taken yet.
    pub waiting: i64,
    /// What was put aside.
    pub dead: i64,
    /// Since when it takes nothing, and why.
    pub failing_since: Option<Timestamp>,
    pub failure: String,
}

/// A change that an output refused too often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    pub output: String,
    pub number: i64,
    pub conversation_space_id: String,
    pub account_key: String,
    pub attempts: i64,
    pub reason: String,
    pub died: Timestamp,
    /// It is to be delivered again.
    pub replay: bool,
}

/// A report has a new text, in the transaction that stores it.
pub(super) async fn add(
    transaction: &mut sqlx::Transaction<'_, sqlx::Any>,
    account_key: &str,
    conversation_space_id: &str,
    changed: &str,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO report_changes (conversation_space_id, account_key, revision, changed)
         SELECT $1, $3, 1 + coalesce(max(revision), 0), $2 FROM report_changes
         WHERE conversation_space_id = $1 AND account_key = $3",
    )
    .bind(conversation_space_id)
    .bind(changed)
    .bind(account_key)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

const CHANGE: &str = "SELECT report.rowid, report.conversation_space_id, report.account_key, report.call_created,
        report.call_ended, report.stored_us, coalesce(earlier.report, report.report), change.number, change.revision,
        change.changed
    FROM report_changes AS change
    JOIN reports AS report ON report.conversation_space_id = change.conversation_space_id
        AND report.account_key = change.account_key
    LEFT JOIN report_revisions AS earlier ON earlier.account_key = report.account_key
        AND earlier.conversation_space_id = change.conversation_space_id AND earlier.revision = change.revision";

/// Changes after a number, in order, each with the text that it had.
///
/// # Errors
/// When the database refuses.
pub async fn after(pool: &AnyPool, number: i64, count: u32) -> sqlx::Result<Vec<Change>> {
    let text = format!("{CHANGE} WHERE change.number > $1 ORDER BY change.number LIMIT $2");
    let rows =
        sqlx::query(sqlx::AssertSqlSafe(text)).bind(number).bind(i64::from(count)).fetch_all(pool).await?;
    rows.iter().map(change).collect()
}

/// The newest text of a call.
///
/// # Errors
/// When the database refuses.
pub async fn last_of(pool: &AnyPool, call: &CallKey) -> sqlx::Result<Option<Change>> {
    let text = format!(
        "{CHANGE} WHERE change.conversation_space_id = $1 AND change.account_key = $2
         ORDER BY change.number DESC LIMIT 1"
    );
    let query =
        sqlx::query(sqlx::AssertSqlSafe(text)).bind(&call.conversation_space_id).bind(&call.account_key);
    let row = query.fetch_optional(pool).await?;
    row.as_ref().map(change).transpose()
}

/// What a person wants an output to get again.
///
/// # Errors
/// When the database refuses.
pub async fn replays(pool: &AnyPool, output: &str, count: u32) -> sqlx::Result<Vec<Change>> {
    let text = format!(
        "{CHANGE} JOIN dead_letters AS dead ON dead.number = change.number
         WHERE dead.output = $1 AND dead.replay = 1 ORDER BY change.number LIMIT $2"
    );
    let rows =
        sqlx::query(sqlx::AssertSqlSafe(text)).bind(output).bind(i64::from(count)).fetch_all(pool).await?;
    rows.iter().map(change).collect()
}

/// The place of an output; one that is new begins with the first change, or with `now` after the last.
///
/// # Errors
/// When the database refuses.
pub async fn place(pool: &AnyPool, output: &str, now: bool) -> sqlx::Result<Place> {
    sqlx::query(
        "INSERT INTO outputs (name, begun, cursor, delivered, position, failure)
         SELECT $1, start, start, 0, '', ''
         FROM (SELECT CASE WHEN $2 THEN coalesce(max(number), 0) ELSE 0 END AS start FROM report_changes) AS first WHERE true
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(output)
    .bind(now)
    .execute(pool)
    .await?;
    let row = sqlx::query("SELECT cursor, position FROM outputs WHERE name = $1")
        .bind(output)
        .fetch_one(pool)
        .await?;
    Ok(Place { cursor: row.try_get(0)?, position: row.try_get(1)? })
}

/// The output took `count` changes and stands at `place`. It is not failing any more.
///
/// # Errors
/// When the database refuses.
pub async fn took(pool: &AnyPool, output: &str, place: &Place, count: usize) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE outputs SET cursor = CASE WHEN cursor < $2 THEN $2 ELSE cursor END, position = $3, delivered = delivered + $4,
             failing_since_us = NULL, failure = '' WHERE name = $1",
    )
    .bind(output)
    .bind(place.cursor)
    .bind(&place.position)
    .bind(i64::try_from(count).unwrap_or(i64::MAX))
    .execute(pool)
    .await?;
    Ok(())
}

/// The output took what was to be delivered again.
///
/// # Errors
/// When the database refuses.
pub async fn replayed(pool: &AnyPool, output: &str, number: i64) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM dead_letters WHERE output = $1 AND number = $2")
        .bind(output)
        .bind(number)
        .execute(pool)
        .await?;
    Ok(())
}

/// The output takes nothing at present.
///
/// # Errors
/// When the database refuses.
pub async fn fails(pool: &AnyPool, output: &str, why: &str, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE outputs SET failing_since_us = coalesce(failing_since_us, $3), failure = $2 WHERE name = $1",
    )
    .bind(output)
    .bind(why)
    .bind(now.as_microsecond())
    .execute(pool)
    .await?;
    Ok(())
}

/// Puts a change aside that the output refused too often, and goes on behind it.
///
/// # Errors
/// When the database refuses.
pub async fn put_aside(
    pool: &AnyPool,
    output: &str,
    number: i64,
    attempts: u32,
    reason: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    let mut transaction = super::write(pool).await?;
    sqlx::query(
        "INSERT INTO dead_letters (output, number, attempts, reason, died_us, replay) VALUES ($1, $2, $3, $4, $5, 0)
         ON CONFLICT (output, number) DO UPDATE SET attempts = dead_letters.attempts + excluded.attempts,
             reason = excluded.reason, died_us = excluded.died_us, replay = 0",
    )
    .bind(output)
    .bind(number)
    .bind(i64::from(attempts))
    .bind(reason)
    .bind(now.as_microsecond())
    .execute(&mut *transaction)
    .await?;
    sqlx::query("UPDATE outputs SET cursor = $2 WHERE name = $1 AND cursor < $2")
        .bind(output)
        .bind(number)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// All outputs that ever ran on the store.
///
/// # Errors
/// When the database refuses.
pub async fn standings(pool: &AnyPool) -> sqlx::Result<Vec<Standing>> {
    let rows = sqlx::query(
        "SELECT name, delivered, (SELECT count(*) FROM report_changes WHERE number > cursor),
             (SELECT count(*) FROM dead_letters WHERE output = name), failing_since_us, failure,
             CASE WHEN EXISTS (SELECT 1 FROM outputs_in_use AS used WHERE used.name = outputs.name)
                 OR NOT EXISTS (SELECT 1 FROM outputs_in_use) THEN 1 ELSE 0 END
         FROM outputs ORDER BY name",
    )
    .fetch_all(pool)
    .await?;
    let standing = |row: &AnyRow| {
        Ok(Standing {
            name: row.try_get(0)?,
            delivered: row.try_get(1)?,
            waiting: row.try_get(2)?,
            dead: row.try_get(3)?,
            failing_since: row.try_get::<Option<i64>, _>(4)?.map(instant),
            failure: row.try_get(5)?,
            used: row.try_get::<i64, _>(6)? != 0,
        })
    };
    rows.iter().map(standing).collect()
}

/// What is put aside, in order; of one output or of all. A keyset page after the number `after` of an output.
///
/// # Errors
/// When the database refuses.
pub async fn dead_letters(
    pool: &AnyPool,
    output: Option<&str>,
    after: (&str, i64),
    count: u32,
) -> sqlx::Result<Vec<DeadLetter>> {
    let rows = sqlx::query(
        "SELECT output, dead.number, conversation_space_id, account_key, attempts, reason, died_us, replay
         FROM dead_letters AS dead JOIN report_changes AS change ON change.number = dead.number
         WHERE ($1 IS NULL OR output = $1) AND (output, dead.number) > ($2, $3)
         ORDER BY output, dead.number LIMIT $4",
    )
    .bind(output)
    .bind(after.0)
    .bind(after.1)
    .bind(i64::from(count))
    .fetch_all(pool)
    .await?;
    let letter = |row: &AnyRow| {
        Ok(DeadLetter {
            output: row.try_get(0)?,
            number: row.try_get(1)?,
            conversation_space_id: row.try_get(2)?,
            account_key: row.try_get(3)?,
            attempts: row.try_get(4)?,
            reason: row.try_get(5)?,
            died: instant(row.try_get(6)?),
            replay: row.try_get::<i64, _>(7)? != 0,
        })
    };
    rows.iter().map(letter).collect()
}

/// Wants what is put aside delivered again: of one call, whatever its account, or all. Returns how many.
///
/// # Errors
/// When the database refuses.
pub async fn replay(pool: &AnyPool, output: &str, call: Option<&str>) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "UPDATE dead_letters SET replay = 1 WHERE output = $1 AND ($2 IS NULL OR number IN
             (SELECT number FROM report_changes WHERE conversation_space_id = $2))",
    )
    .bind(output)
    .bind(call)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// The outputs of the collector that starts. What it says counts for as long as that one runs.
///
/// # Errors
/// When the database refuses.
pub async fn use_outputs(pool: &AnyPool, names: &[String]) -> sqlx::Result<()> {
    let mut transaction = super::write(pool).await?;
    sqlx::query("DELETE FROM outputs_in_use").execute(&mut *transaction).await?;
    for name in names {
        let insert = sqlx::query("INSERT INTO outputs_in_use (name) VALUES ($1) ON CONFLICT DO NOTHING");
        insert.bind(name).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// Whether the collector that started last uses an output.
///
/// # Errors
/// When the database refuses.
pub async fn is_used(pool: &AnyPool, output: &str) -> sqlx::Result<bool> {
    let found = sqlx::query("SELECT 1 FROM outputs_in_use WHERE name = $1");
    Ok(found.bind(output).fetch_optional(pool).await?.is_some())
}

/// Forgets an output that is not used any more, with what it had put aside. `false` when there is none of the name.
///
/// # Errors
/// When the database refuses.
pub async fn forget(pool: &AnyPool, output: &str) -> sqlx::Result<bool> {
    let mut transaction = super::write(pool).await?;
    sqlx::query("DELETE FROM dead_letters WHERE output = $1").bind(output).execute(&mut *transaction).await?;
    let done =
        sqlx::query("DELETE FROM outputs WHERE name = $1").bind(output).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(done.rows_affected() > 0)
}

fn change(row: &AnyRow) -> sqlx::Result<Change> {
    Ok(Change {
        report: super::reports::stored(row)?,
        number: row.try_get(7)?,
        revision: row.try_get(8)?,
        changed: row.try_get(9)?,
    })
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
