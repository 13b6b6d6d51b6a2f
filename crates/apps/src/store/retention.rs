//! What is kept for a limited time: which calls are old enough for a rule and have not been through it.
//!
//! The text of an instant is compared up to its seconds: all are UTC and begin alike (spec/errors-and-limits.md, Formats).

use jiff::Timestamp;
use sqlx::{Any, AnyPool, Row, Transaction, any::AnyRow};

use super::reports::CallKey;
use super::reports_table::ReportsTable;
use super::{changes, privacy, revisions};

/// Table of what was taken out of which call; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS reports_redacted (
    conversation_space_id text NOT NULL,
    account_key text NOT NULL,
    field text NOT NULL,
    PRIMARY KEY (conversation_space_id, account_key, field)
);
CREATE INDEX IF NOT EXISTS reports_by_end ON reports (substr(call_ended, 1, 19));
";

/// A call whose texts are to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Old {
    pub call: CallKey,
    /// The present text.
    pub raw: String,
    /// Earlier texts with their numbers.
    pub earlier: Vec<(i64, String)>,
}

/// As instants begin in the reports: "2026-02-03T17:00:00".
pub(super) fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Calls that ended before `before` and still have a field.
///
/// # Errors
/// When the database refuses.
pub async fn with_field(
    pool: &AnyPool,
    field: &str,
    before: Timestamp,
    count: u32,
) -> sqlx::Result<Vec<Old>> {
    let rows = sqlx::query(
        "SELECT conversation_space_id, account_key, report FROM reports WHERE substr(call_ended, 1, 19) < $1
             AND NOT EXISTS (SELECT 1 FROM reports_redacted AS done
                 WHERE done.conversation_space_id = reports.conversation_space_id
                     AND done.account_key = reports.account_key AND done.field = $2)
         ORDER BY substr(call_ended, 1, 19) LIMIT $3",
    )
    .bind(second(before))
    .bind(field)
    .bind(i64::from(count))
    .fetch_all(pool)
    .await?;
    let mut all = Vec::new();
    for row in rows {
        let call = CallKey { conversation_space_id: row.try_get(0)?, account_key: row.try_get(1)? };
        let earlier = revisions::revisions(pool, &call).await?;
        let earlier = earlier.into_iter().map(|text| (text.revision, text.raw)).collect();
        all.push(Old { call, raw: row.try_get(2)?, earlier });
    }
    Ok(all)
}

/// Puts texts without a field in the place of those with it, of a page of calls, each before and after. No output is told:
/// nothing has happened to the calls. A call that has changed meanwhile stays as it is, for the next time.
///
/// # Errors
/// When the database refuses; then nothing is changed.
pub async fn redact(pool: &AnyPool, field: &str, page: &[(Old, Old)]) -> sqlx::Result<()> {
    let mut transaction = super::write(pool).await?;
    for (before, after) in page {
        redact_one(&mut transaction, field, before, after).await?;
    }
    transaction.commit().await
}

async fn redact_one(
    transaction: &mut Transaction<'_, Any>,
    field: &str,
    before: &Old,
    after: &Old,
) -> sqlx::Result<()> {
    let (id, account) = (&before.call.conversation_space_id, &before.call.account_key);
    let done = sqlx::query(
        "UPDATE reports SET report = $2 WHERE conversation_space_id = $1 AND account_key = $4 AND report = $3",
    )
    .bind(id)
    .bind(&after.raw)
    .bind(&before.raw)
    .bind(account)
    .execute(&mut **transaction)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(());
    }
    for (revision, raw) in &after.earlier {
        sqlx::query(
            "UPDATE report_revisions SET report = $3
             WHERE conversation_space_id = $1 AND account_key = $4 AND revision = $2",
        )
        .bind(id)
        .bind(revision)
        .bind(raw)
        .bind(account)
        .execute(&mut **transaction)
        .await?;
    }
    sqlx::query(
        "INSERT INTO reports_redacted (conversation_space_id, account_key, field) VALUES ($1, $2, $3)",
    )
    .bind(id)
    .bind(account)
    .bind(field)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Erases calls that ended before `before` for good, a page of them. Returns how many.
///
/// # Errors
/// When the database refuses.
pub async fn forget(pool: &AnyPool, before: Timestamp, now: Timestamp, count: u32) -> sqlx::Result<usize> {
    let rows = sqlx::query(
        "SELECT conversation_space_id, account_key FROM reports WHERE substr(call_ended, 1, 19) < $1
         ORDER BY substr(call_ended, 1, 19) LIMIT $2",
    )
    .bind(second(before))
    .bind(i64::from(count))
    .fetch_all(pool)
    .await?;
    let key =
        |row: &AnyRow| Ok(CallKey { conversation_space_id: row.try_get(0)?, account_key: row.try_get(1)? });
    let calls = rows.iter().map(key).collect::<sqlx::Result<Vec<_>>>()?;
    privacy::erase_calls(pool, &calls, now).await?;
    Ok(calls.len())
}

impl ReportsTable {
    /// Writes a text over the newest one of a call that the store has.
    ///
    /// # Errors
    /// When the database cannot be reached or refuses.
    pub async fn replace(&mut self, pool: &AnyPool, call: &CallKey, raw: &str) -> sqlx::Result<()> {
        let Some(mut change) = changes::last_of(pool, call).await? else { return Ok(()) };
        raw.clone_into(&mut change.report.raw);
        self.write(&[change]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{reports, testing};

    #[tokio::test]
    async fn a_rule_meets_each_call_once_and_again_when_it_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let pool = testing::open(folder.path()).await.pool;
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let save = async |id: &str, ended: &str, reason: &str| {
            let raw = format!(
                r#"{{"conversationSpaceId": "{id}", "callCreated": "2026-02-03T17:00:00Z", "accountKey": "17",
                    "callEnded": "{ended}", "direction": "INBOUND", "callReason": "{reason}"}}"#
            );
            let typed = serde_json::from_str(&raw).unwrap();
            reports::save(&pool, &typed, &raw, at("2026-02-04T00:00:00Z"), None).await.unwrap();
        };
        save("a", "2026-02-03T17:00:00.5Z", "").await;
        save("b", "2026-02-03T18:00:00Z", "").await;
        let old = async |before: &str| with_field(&pool, "names", at(before), 9).await.unwrap();
        let (none, first) = (old("2026-02-03T17:00:00Z").await, old("2026-02-03T17:00:01Z").await);
        assert_eq!((none.len(), first.len()), (0, 1));
        let after = Old { raw: "{}".to_owned(), ..first[0].clone() };
        redact(&pool, "names", &[(first[0].clone(), after.clone())]).await.unwrap();
        assert_eq!(old("2026-02-03T17:00:01Z").await, []);
        assert_eq!(changes::after(&pool, 0, 9).await.unwrap()[0].report.raw, "{}");

        save("a", "2026-02-03T17:00:00.5Z", "order").await;
        let again = old("2026-02-03T17:00:01Z").await;
        assert_eq!((again.len(), again[0].earlier.len()), (1, 1), "its new text has the field again");
        save("a", "2026-02-03T17:00:00.5Z", "meanwhile").await;
        redact(&pool, "names", &[(again[0].clone(), after.clone())]).await.unwrap();
        assert_eq!(old("2026-02-03T17:00:01Z").await.len(), 1);

        assert_eq!(
            forget(&pool, at("2026-02-03T17:30:00Z"), at("2026-03-01T00:00:00Z"), 9).await.unwrap(),
            1
        );
        assert_eq!(reports::list(&pool, 0, 9).await.unwrap().len(), 1);
    }
}
