//! Reports, each exactly once, and those that were announced and are still to be fetched.
//!
//! Instants are microseconds since 1970. A report's text is kept as it came.

use jiff::Timestamp;
use sqlx::{Row, SqlitePool, sqlite::SqliteRow};

use super::{changes, revisions};

/// Tables of the report app; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS reports (
    conversation_space_id text PRIMARY KEY,
    account_key text NOT NULL,
    call_created text NOT NULL,
    call_ended text NOT NULL,
    stored_us bigint NOT NULL,
    -- of earlier versions; how far the terminal is stands with the other outputs
    printed bigint NOT NULL,
    report text NOT NULL
);
CREATE TABLE IF NOT EXISTS reports_pending (
    conversation_space_id text PRIMARY KEY,
    announced_us bigint NOT NULL,
    attempts bigint NOT NULL,
    next_try_us bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS reports_pending_by_time ON reports_pending (next_try_us);
";

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
pub async fn announce(pool: &SqlitePool, conversation_space_id: &str, now: Timestamp) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO reports_pending (conversation_space_id, announced_us, attempts, next_try_us)
         SELECT $1, $2, 0, $2 WHERE NOT EXISTS (SELECT 1 FROM reports WHERE conversation_space_id = $1)
             AND NOT EXISTS (SELECT 1 FROM erased_calls WHERE conversation_space_id = $1)
         ON CONFLICT (conversation_space_id) DO NOTHING",
    )
    .bind(conversation_space_id)
    .bind(now.as_microsecond())
    .execute(pool)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Remembers that a report is to be fetched, whether or not it is there: it has changed.
///
/// # Errors
/// When the database refuses.
pub async fn announce_again(
    pool: &SqlitePool,
    conversation_space_id: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO reports_pending (conversation_space_id, announced_us, attempts, next_try_us)
         SELECT $1, $2, 0, $2 WHERE NOT EXISTS (SELECT 1 FROM erased_calls WHERE conversation_space_id = $1)
         ON CONFLICT (conversation_space_id) DO UPDATE SET next_try_us = $2",
    )
    .bind(conversation_space_id)
    .bind(now.as_microsecond())
    .execute(pool)
    .await?;
    Ok(())
}

/// How many reports wait to be fetched.
///
/// # Errors
/// When the database refuses.
pub async fn waiting(pool: &SqlitePool) -> sqlx::Result<u64> {
    let row = sqlx::query("SELECT count(*) FROM reports_pending").fetch_one(pool).await?;
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

/// How many reports are known of and not there; those that are there and looked at again are not counted.
///
/// # Errors
/// When the database refuses.
pub async fn missing(pool: &SqlitePool) -> sqlx::Result<u64> {
    let row = sqlx::query(
        "SELECT count(*) FROM reports_pending AS pending WHERE NOT EXISTS
             (SELECT 1 FROM reports WHERE reports.conversation_space_id = pending.conversation_space_id)",
    )
    .fetch_one(pool)
    .await?;
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

/// What is to be fetched now, announced last first: the calls of this moment do not wait for those of last month.
///
/// # Errors
/// When the database refuses.
pub async fn due(pool: &SqlitePool, now: Timestamp, count: usize) -> sqlx::Result<Vec<Pending>> {
    let rows = sqlx::query(
        "SELECT conversation_space_id, announced_us, attempts FROM reports_pending
         WHERE next_try_us <= $1 ORDER BY announced_us DESC, conversation_space_id LIMIT $2",
    )
    .bind(now.as_microsecond())
    .bind(i64::try_from(count).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await?;
    rows.iter().map(pending).collect()
}

/// When the next report that is not due yet will be.
///
/// # Errors
/// When the database refuses.
pub async fn next_try(pool: &SqlitePool, now: Timestamp) -> sqlx::Result<Option<Timestamp>> {
    let row = sqlx::query("SELECT min(next_try_us) FROM reports_pending WHERE next_try_us > $1")
        .bind(now.as_microsecond())
        .fetch_one(pool)
        .await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.map(instant))
}

/// Puts a report off after a failed try.
///
/// # Errors
/// When the database refuses.
pub async fn postpone(pool: &SqlitePool, conversation_space_id: &str, next: Timestamp) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE reports_pending SET attempts = attempts + 1, next_try_us = $2 WHERE conversation_space_id = $1",
    )
    .bind(conversation_space_id)
    .bind(next.as_microsecond())
    .execute(pool)
    .await?;
    Ok(())
}

/// Makes everything that waits due now: the platform is back.
///
/// # Errors
/// When the database refuses.
pub async fn hurry(pool: &SqlitePool, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query("UPDATE reports_pending SET next_try_us = $1 WHERE next_try_us > $1")
        .bind(now.as_microsecond())
        .execute(pool)
        .await?;
    Ok(())
}

/// Gives a report up.
///
/// # Errors
/// When the database refuses.
pub async fn give_up(pool: &SqlitePool, conversation_space_id: &str) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM reports_pending WHERE conversation_space_id = $1")
        .bind(conversation_space_id)
        .execute(pool)
        .await?;
    Ok(())
}

/// When the last call ended whose report is there or waits to be fetched; `None` for a store that has seen none.
///
/// # Errors
/// When the database refuses.
pub async fn last_seen(pool: &SqlitePool) -> sqlx::Result<Option<Timestamp>> {
    // As text instants of UTC sort only if they have the same number of digits; as numbers they always do.
    let rows =
        sqlx::query("SELECT call_ended FROM reports ORDER BY rowid DESC LIMIT 100").fetch_all(pool).await?;
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
}

/// Stores a fetched report. `again`: it is incomplete and to be fetched once more then. A gap that stood for it is
/// closed.
///
/// # Errors
/// When the database refuses.
pub async fn save(
    pool: &SqlitePool,
    report: &sdk::wire::report::Report,
    raw: &str,
    now: Timestamp,
    again: Option<Timestamp>,
) -> sqlx::Result<Saved> {
    let mut transaction = super::write(pool).await?;
    let id = &report.conversation_space_id;
    let erased = sqlx::query("SELECT 1 FROM erased_calls WHERE conversation_space_id = $1")
        .bind(id)
        .fetch_optional(&mut *transaction)
        .await?;
    if erased.is_some() {
        return Ok(Saved::Known);
    }
    let before = sqlx::query("SELECT report FROM reports WHERE conversation_space_id = $1")
        .bind(id)
        .fetch_optional(&mut *transaction)
        .await?;
    let saved = match before {
        None => {
            insert(&mut transaction, report, raw, now).await?;
            changes::add(&mut transaction, id, "").await?;
            Saved::New
        }
        Some(row) => revisions::revise(&mut transaction, report, raw, now, row.try_get(0)?).await?,
    };
    if let Saved::Revised(changed) = &saved {
        changes::add(&mut transaction, id, &changed.join(" ")).await?;
    }
    let pending = match again {
        Some(_) => {
            "UPDATE reports_pending SET attempts = attempts + 1, next_try_us = $2 WHERE conversation_space_id = $1"
        }
        None => "DELETE FROM reports_pending WHERE conversation_space_id = $1 AND $2 = $2",
    };
    sqlx::query(pending)
        .bind(id)
        .bind(again.unwrap_or(now).as_microsecond())
        .execute(&mut *transaction)
        .await?;
    sqlx::query(
        "UPDATE gaps SET closed_us = $2, to_us = $2, reports = 1
         WHERE kind = 'report' AND subject = $1 AND closed_us IS NULL",
    )
    .bind(id)
    .bind(now.as_microsecond())
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(saved)
}

async fn insert(
    transaction: &mut sqlx::SqliteTransaction<'_>,
    report: &sdk::wire::report::Report,
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
pub async fn list(pool: &SqlitePool, after: i64, count: u32) -> sqlx::Result<Vec<StoredReport>> {
    let rows = sqlx::query(
        "SELECT rowid, conversation_space_id, account_key, call_created, call_ended, stored_us, report FROM reports
         WHERE rowid > $1 ORDER BY rowid LIMIT $2",
    )
    .bind(after)
    .bind(count)
    .fetch_all(pool)
    .await?;
    rows.iter().map(stored).collect()
}

pub(super) fn stored(row: &SqliteRow) -> sqlx::Result<StoredReport> {
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

fn pending(row: &SqliteRow) -> sqlx::Result<Pending> {
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
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::revisions::{Revision, revisions};

    fn report(id: &str) -> (sdk::wire::report::Report, String) {
        let raw = format!(
            r#"{{"conversationSpaceId": "{id}", "callCreated": "2026-02-03T17:00:00Z",
                "callEnded": "2026-02-03T17:02:41.35Z", "direction": "INBOUND", "accountKey": "17"}}"#
        );
        (serde_json::from_str(&raw).unwrap(), raw)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[tokio::test]
    async fn an_announced_report_waits_until_it_is_stored_once() {
        let folder = tempfile::tempdir().unwrap();
        let pool = Store::open(folder.path()).await.unwrap().pool;
        announce(&pool, "a", at(10)).await.unwrap();
        announce(&pool, "a", at(11)).await.unwrap();
        postpone(&pool, "a", at(20)).await.unwrap();
        assert_eq!(due(&pool, at(19), 9).await.unwrap(), []);
        assert_eq!(next_try(&pool, at(19)).await.unwrap(), Some(at(20)));
        hurry(&pool, at(15)).await.unwrap();
        let waiting = Pending { conversation_space_id: "a".to_owned(), announced: at(10), attempts: 1 };
        assert_eq!(due(&pool, at(15), 9).await.unwrap(), [waiting]);

        let (typed, raw) = report("a");
        assert_eq!(save(&pool, &typed, &raw, at(21), None).await.unwrap(), Saved::New);
        assert_eq!(save(&pool, &typed, &raw, at(22), None).await.unwrap(), Saved::Known);
        announce(&pool, "a", at(23)).await.unwrap();
        assert_eq!(due(&pool, at(99), 9).await.unwrap(), []);
        assert_eq!(next_try(&pool, at(0)).await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_incomplete_report_is_kept_and_fetched_again_and_what_changed_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let pool = Store::open(folder.path()).await.unwrap().pool;
        announce(&pool, "a", at(10)).await.unwrap();
        let (typed, raw) = report("a");
        assert_eq!(save(&pool, &typed, &raw, at(11), Some(at(20))).await.unwrap(), Saved::New);
        assert_eq!(waiting(&pool).await.unwrap(), 1);
        assert_eq!(due(&pool, at(20), 9).await.unwrap()[0].attempts, 1);

        let richer = raw.replace("\"INBOUND\"", "\"INBOUND\", \"callReason\": \"order\"");
        let revised = save(&pool, &typed, &richer, at(21), None).await.unwrap();
        assert_eq!(revised, Saved::Revised(vec!["callReason".to_owned()]));
        assert_eq!(waiting(&pool).await.unwrap(), 0);
        let kept = revisions(&pool, "a").await.unwrap();
        let first = Revision { revision: 1, replaced: at(21), changed: "callReason".to_owned(), raw };
        assert_eq!(kept, [first]);
        assert_eq!(list(&pool, 0, 9).await.unwrap()[0].raw, richer);

        announce_again(&pool, "a", at(30)).await.unwrap();
        assert_eq!(due(&pool, at(30), 9).await.unwrap().len(), 1, "a revision is fetched though it is there");
    }

    #[tokio::test]
    async fn the_calls_of_this_moment_come_before_those_of_last_month() {
        let folder = tempfile::tempdir().unwrap();
        let pool = Store::open(folder.path()).await.unwrap().pool;
        for (id, second) in [("old", 10), ("new", 20)] {
            announce(&pool, id, at(second)).await.unwrap();
        }
        let ids: Vec<String> =
            due(&pool, at(20), 9).await.unwrap().into_iter().map(|due| due.conversation_space_id).collect();
        assert_eq!(ids, ["new", "old"]);
    }

    #[tokio::test]
    async fn reports_are_listed_in_order_of_storing() {
        let folder = tempfile::tempdir().unwrap();
        let pool = Store::open(folder.path()).await.unwrap().pool;
        for id in ["c", "a", "b"] {
            let (typed, raw) = report(id);
            save(&pool, &typed, &raw, at(1), None).await.unwrap();
        }
        let ids = |reports: Vec<StoredReport>| {
            reports.into_iter().map(|report| report.conversation_space_id).collect::<Vec<_>>()
        };
        let first = list(&pool, 0, 2).await.unwrap();
        let after = first.last().unwrap().number;
        assert_eq!(ids(first), ["c", "a"]);
        let rest = list(&pool, after, 9).await.unwrap();
        assert_eq!(rest[0].raw, report("b").1);
        assert_eq!(ids(rest), ["b"]);
    }

    #[tokio::test]
    async fn many_writers_at_once_wait_for_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let pool = Store::open(folder.path()).await.unwrap().pool;
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..60 {
            let pool = pool.clone();
            writers.spawn(async move {
                let (typed, raw) = report(&format!("call-{number}"));
                announce(&pool, &typed.conversation_space_id, at(1)).await?;
                save(&pool, &typed, &raw, at(2), None).await
            });
        }
        for saved in writers.join_all().await {
            assert_eq!(saved.unwrap(), Saved::New);
        }
        assert_eq!(missing(&pool).await.unwrap(), 0);
    }
}
