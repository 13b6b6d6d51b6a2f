//! Earlier texts of reports: the service enriches a report after its first version (spec/call-events-report.md,
//! Notification), and what changed when is part of the record.

use jiff::Timestamp;
use sqlx::{AnyPool, Row, any::AnyRow};

use super::head::Head;
use super::reports::{CallKey, Saved, instant};

/// Table of the revisions; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS report_revisions (
    account_key text NOT NULL,
    conversation_space_id text NOT NULL,
    revision bigint NOT NULL,
    replaced_us bigint NOT NULL,
    changed text NOT NULL,
    report text NOT NULL,
    PRIMARY KEY (account_key, conversation_space_id, revision)
);
";

/// An earlier text of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// 1 for the first text.
    pub revision: i64,
    pub replaced: Timestamp,
    /// Members that the next text changed, separated by blanks.
    pub changed: String,
    pub raw: String,
}

/// The earlier texts of a report, first one first.
///
/// # Errors
/// When the database refuses.
pub async fn revisions(pool: &AnyPool, call: &CallKey) -> sqlx::Result<Vec<Revision>> {
    let rows = sqlx::query(
        "SELECT revision, replaced_us, changed, report FROM report_revisions
         WHERE conversation_space_id = $1 AND account_key = $2 ORDER BY revision",
    )
    .bind(&call.conversation_space_id)
    .bind(&call.account_key)
    .fetch_all(pool)
    .await?;
    let revision = |row: &AnyRow| {
        Ok(Revision {
            revision: row.try_get(0)?,
            replaced: instant(row.try_get(1)?),
            changed: row.try_get(2)?,
            raw: row.try_get(3)?,
        })
    };
    rows.iter().map(revision).collect()
}

pub(super) async fn revise(
    transaction: &mut sqlx::Transaction<'_, sqlx::Any>,
    report: &Head,
    raw: &str,
    now: Timestamp,
    before: String,
) -> sqlx::Result<Saved> {
    let changed = changed_members(&before, raw);
    if changed.is_empty() {
        return Ok(Saved::Known);
    }
    let (id, account) = (&report.conversation_space_id, &report.account_key);
    sqlx::query(
        "INSERT INTO report_revisions (account_key, conversation_space_id, revision, replaced_us, changed, report)
         SELECT $1, $2, 1 + count(*), $3, $4, $5 FROM report_revisions
         WHERE account_key = $1 AND conversation_space_id = $2",
    )
    .bind(account)
    .bind(id)
    .bind(now.as_microsecond())
    .bind(changed.join(" "))
    .bind(&before)
    .execute(&mut **transaction)
    .await?;
    // The new text has what was taken out of the one before.
    sqlx::query("DELETE FROM reports_redacted WHERE conversation_space_id = $1 AND account_key = $2")
        .bind(id)
        .bind(account)
        .execute(&mut **transaction)
        .await?;
    sqlx::query(
        "UPDATE reports SET report = $2, call_ended = $3 WHERE conversation_space_id = $1 AND account_key = $4",
    )
    .bind(id)
    .bind(raw)
    .bind(&report.call_ended)
    .bind(account)
    .execute(&mut **transaction)
    .await?;
    Ok(Saved::Revised(changed))
}

/// Names of the members at the top of a report that came, went or changed; order and white space do not count.
fn changed_members(before: &str, after: &str) -> Vec<String> {
    type Members = serde_json::Map<String, serde_json::Value>;
    let parse = |text: &str| serde_json::from_str::<Members>(text).unwrap_or_default();
    let (before, after) = (parse(before), parse(after));
    let differs = |name: &&String| before.get(*name) != after.get(*name);
    let mut names: Vec<String> = before.keys().chain(after.keys()).filter(differs).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}
