//! Reports that were announced and cannot be had: why, and how many share a cause. Each has a gap of its own in the ledger;
//! who reads of them wants each cause once.
//!
//! Instants are microseconds since 1970.

use jiff::Timestamp;
use sqlx::{AnyPool, AssertSqlSafe, Row, any::AnyRow};

use super::ledger::COLLECTED;
use super::pending::Pending;
use super::reports::instant;
use crate::limits;

/// Reports of one account that are missing for one cause, or were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Of the gap that was opened first.
    pub number: i64,
    pub account_key: String,
    pub reason: String,
    /// The call, where there is one alone; else one of them.
    pub subject: String,
    pub from: Timestamp,
    /// When the last of those that were missing was there; `None` for those that still are.
    pub closed: Option<Timestamp>,
    /// They were given up.
    pub lost: bool,
    pub reports: u64,
}

/// What the gap of a report says that was given up.
#[must_use]
pub fn lost_reason() -> String {
    let days = limits::FETCH_GIVEN_UP.as_secs() / 86_400;
    format!("it was asked for in vain for {days} days, and is asked for no more")
}

/// Notes why a report that is waited for cannot be had: its gap is opened or, where it is open, says so from now on. A report
/// that is not waited for any more, since its call was erased, gets none.
///
/// # Errors
/// When the database refuses.
pub async fn cannot_be_had(
    pool: &AnyPool,
    account_key: &str,
    conversation_space_id: &str,
    reason: &str,
    from: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO gaps (account_key, kind, subject, reason, from_us, reports)
         SELECT $1, 'report', $2, $3, $4, 0 WHERE EXISTS
             (SELECT 1 FROM reports_pending WHERE conversation_space_id = $2 AND account_key IN ($1, ''))
         ON CONFLICT (account_key, kind, subject) WHERE closed_us IS NULL DO UPDATE SET reason = excluded.reason
             WHERE gaps.reason <> excluded.reason",
    )
    .bind(account_key)
    .bind(conversation_space_id)
    .bind(reason)
    .bind(from.as_microsecond())
    .execute(pool)
    .await?;
    Ok(())
}

/// The causes in order of their first gap, of one account or of all; only those that stand, of accounts that are collected,
/// unless `all`. A keyset page after the number `after`.
///
/// # Errors
/// When the database refuses.
pub async fn causes(
    pool: &AnyPool,
    account_key: Option<&str>,
    all: bool,
    after: i64,
    count: u32,
) -> sqlx::Result<Vec<Cause>> {
    let text = format!(
        "SELECT min(number), account_key, reason, min(subject), min(from_us), max(closed_us), count(*), max(reports) FROM gaps
         WHERE kind = 'report' AND ($1 IS NULL OR account_key = $1) AND ($2 OR (closed_us IS NULL AND {COLLECTED}))
         GROUP BY account_key, reason, CASE WHEN closed_us IS NULL THEN 0 ELSE 1 END
         HAVING min(number) > $3 ORDER BY min(number) LIMIT $4"
    );
    let query = sqlx::query(AssertSqlSafe(text)).bind(account_key).bind(all).bind(after);
    let rows = query.bind(i64::from(count)).fetch_all(pool).await?;
    let cause = |row: &AnyRow| {
        let closed = row.try_get::<Option<i64>, _>(5)?.map(instant);
        Ok(Cause {
            number: row.try_get(0)?,
            account_key: row.try_get(1)?,
            reason: row.try_get(2)?,
            subject: row.try_get(3)?,
            from: instant(row.try_get(4)?),
            lost: closed.is_some() && row.try_get::<i64, _>(7)? == 0,
            closed,
            reports: row.try_get::<i64, _>(6)?.unsigned_abs(),
        })
    };
    rows.iter().map(cause).collect()
}

/// How many reports of an account, or of all that are collected, are known of, not there, and on their way as far as anybody
/// knows: those that cannot be had are not counted.
///
/// # Errors
/// When the database refuses.
pub async fn on_their_way(pool: &AnyPool, account_key: Option<&str>) -> sqlx::Result<u64> {
    // Each is looked up by its whole key; those without an account, of the first versions, are few.
    let text = format!(
        "SELECT count(*) FROM reports_pending AS pending
         WHERE CASE WHEN $1 IS NULL THEN {COLLECTED} ELSE account_key IN ($1, '') END
         AND NOT EXISTS (SELECT 1 FROM reports WHERE reports.conversation_space_id = pending.conversation_space_id
             AND reports.account_key = pending.account_key)
         AND NOT EXISTS (SELECT 1 FROM gaps WHERE kind = 'report' AND closed_us IS NULL
             AND subject = pending.conversation_space_id AND gaps.account_key = pending.account_key)
         AND (pending.account_key <> '' OR NOT EXISTS
             (SELECT 1 FROM reports WHERE reports.conversation_space_id = pending.conversation_space_id))
         AND (pending.account_key <> '' OR NOT EXISTS (SELECT 1 FROM gaps
             WHERE kind = 'report' AND closed_us IS NULL AND subject = pending.conversation_space_id))"
    );
    let row = sqlx::query(AssertSqlSafe(text)).bind(account_key).fetch_one(pool).await?;
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

/// How many reports of the accounts that are collected were given up and are not there.
///
/// # Errors
/// When the database refuses.
pub async fn lost(pool: &AnyPool) -> sqlx::Result<u64> {
    let text = format!(
        "SELECT count(DISTINCT subject) FROM gaps WHERE kind = 'report' AND closed_us IS NOT NULL AND reports = 0
         AND {COLLECTED} AND NOT EXISTS (SELECT 1 FROM reports
             WHERE reports.conversation_space_id = gaps.subject AND reports.account_key = gaps.account_key)"
    );
    let row = sqlx::query(AssertSqlSafe(text)).fetch_one(pool).await?;
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

/// The reports of an account that wait for the same as this call's are due now: what held them back is mended for one of them.
///
/// # Errors
/// When the database refuses.
pub async fn hurry(pool: &AnyPool, account_key: &str, reason: &str, now: Timestamp) -> sqlx::Result<u64> {
    // Many rows: in its turn, so that it and a commit never wait for each other.
    let mut transaction = super::write(pool).await?;
    let done = sqlx::query(
        "UPDATE reports_pending SET next_try_us = $3 WHERE next_try_us > $3 AND account_key IN ($1, '')
             AND conversation_space_id IN (SELECT subject FROM gaps
                 WHERE account_key = $1 AND kind = 'report' AND closed_us IS NULL AND reason = $2)",
    )
    .bind(account_key)
    .bind(reason)
    .bind(now.as_microsecond())
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(done.rows_affected())
}

/// How many reports that were missing for a cause have come since then.
///
/// # Errors
/// When the database refuses.
pub async fn had(pool: &AnyPool, account_key: &str, reason: &str, since: Timestamp) -> sqlx::Result<u64> {
    let text = "SELECT count(*) FROM gaps WHERE account_key = $1 AND kind = 'report' AND reason = $2
        AND closed_us >= $3 AND reports > 0";
    let row = sqlx::query(text).bind(account_key).bind(reason).bind(since.as_microsecond());
    Ok(row.fetch_one(pool).await?.try_get::<i64, _>(0)?.unsigned_abs())
}

/// Why a report cannot be had, where it has an open gap.
///
/// # Errors
/// When the database refuses.
pub async fn of(
    pool: &AnyPool,
    account_key: &str,
    conversation_space_id: &str,
) -> sqlx::Result<Option<String>> {
    let text = "SELECT reason FROM gaps WHERE account_key = $1 AND kind = 'report' AND subject = $2
        AND closed_us IS NULL";
    let row = sqlx::query(text).bind(account_key).bind(conversation_space_id).fetch_optional(pool).await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// Gives a report up, unless it was announced again since the try began. Its gap ends as lost.
///
/// # Errors
/// When the database refuses; then nothing has changed.
pub async fn give_up(
    pool: &AnyPool,
    account_key: &str,
    pending: &Pending,
    now: Timestamp,
) -> sqlx::Result<()> {
    let mut transaction = super::write(pool).await?;
    let done = sqlx::query(
        "DELETE FROM reports_pending
         WHERE conversation_space_id = $1 AND account_key IN ($2, '') AND generation = $3",
    )
    .bind(&pending.conversation_space_id)
    .bind(account_key)
    .bind(pending.generation)
    .execute(&mut *transaction)
    .await?;
    if done.rows_affected() > 0 {
        sqlx::query(
            "UPDATE gaps SET closed_us = $3, to_us = $3, reason = $4
             WHERE account_key = $1 AND kind = 'report' AND subject = $2 AND closed_us IS NULL",
        )
        .bind(account_key)
        .bind(&pending.conversation_space_id)
        .bind(now.as_microsecond())
        .bind(lost_reason())
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}

/// Ends the gaps of reports of an account that are not waited for and are too old to be: earlier versions left them open for
/// ever. Returns how many.
///
/// # Errors
/// When the database refuses.
pub async fn end_given_up(pool: &AnyPool, account_key: &str, now: Timestamp) -> sqlx::Result<u64> {
    let youngest = now.checked_sub(limits::FETCH_GIVEN_UP).unwrap_or(Timestamp::MIN);
    let done = sqlx::query(
        "UPDATE gaps SET closed_us = $2, to_us = $2, reason = $4
         WHERE kind = 'report' AND account_key = $1 AND closed_us IS NULL AND from_us < $3
             AND NOT EXISTS (SELECT 1 FROM reports_pending AS pending
                 WHERE pending.conversation_space_id = gaps.subject AND pending.account_key IN ($1, ''))",
    )
    .bind(account_key)
    .bind(now.as_microsecond())
    .bind(youngest.as_microsecond())
    .bind(lost_reason())
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// Waits again for the reports of an account that have an open gap and are not waited for: earlier versions gave them up
/// after a week. They are as old as they are, so that what is given up now stays that. Returns how many.
///
/// # Errors
/// When the database refuses.
pub async fn announce_given_up(pool: &AnyPool, account_key: &str, now: Timestamp) -> sqlx::Result<u64> {
    let youngest = now.checked_sub(limits::FETCH_GIVEN_UP).unwrap_or(Timestamp::MIN);
    let done = sqlx::query(
        "INSERT INTO reports_pending (conversation_space_id, announced_us, attempts, next_try_us, account_key, call_us)
         SELECT subject, from_us, 0, $2, account_key, from_us FROM gaps
         WHERE kind = 'report' AND account_key = $1 AND closed_us IS NULL AND from_us >= $3
             AND NOT EXISTS (SELECT 1 FROM reports
                 WHERE reports.conversation_space_id = gaps.subject AND reports.account_key = $1)
             AND NOT EXISTS (SELECT 1 FROM reports_pending AS pending
                 WHERE pending.conversation_space_id = gaps.subject AND pending.account_key IN ($1, ''))
             AND NOT EXISTS (SELECT 1 FROM erased_calls AS erased
                 WHERE erased.conversation_space_id = gaps.subject AND erased.account_key IN ($1, ''))
         ON CONFLICT (conversation_space_id, account_key) DO NOTHING",
    )
    .bind(account_key)
    .bind(now.as_microsecond())
    .bind(youngest.as_microsecond())
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::ledger::{self, GapKind};
    use crate::store::testing::{self, asked};
    use crate::store::{pending, privacy, reports};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    async fn open(folder: &tempfile::TempDir) -> AnyPool {
        testing::open(folder.path()).await.pool
    }

    #[tokio::test]
    async fn reports_that_are_missing_for_one_cause_are_one_and_no_fact_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let pool = open(&folder).await;
        for (account, id, second) in [("17", "a", 10), ("17", "b", 11), ("18", "c", 12), ("17", "d", 13)] {
            pending::announce(&pool, account, id, at(second)).await.unwrap();
            cannot_be_had(&pool, account, id, "no rights", at(second)).await.unwrap();
        }
        let told = async |account, all| -> Vec<(String, u64, bool)> {
            let (mut told, mut after) = (Vec::new(), 0);
            // A page of one cause each: the key of the pages holds.
            while let Some(cause) = causes(&pool, account, all, after, 1).await.unwrap().pop() {
                after = cause.number;
                told.push((cause.reason, cause.reports, cause.closed.is_some()));
            }
            told
        };
        let rights = "no rights".to_owned();
        assert_eq!(told(None, false).await, [(rights.clone(), 3, false), (rights.clone(), 1, false)]);
        assert_eq!(told(Some("18"), false).await, [(rights.clone(), 1, false)]);
        assert_eq!(ledger::gaps(&pool, false, 0, 9).await.unwrap().len(), 4, "each has its gap");
        assert_eq!(on_their_way(&pool, None).await.unwrap(), 0);

        // The cause of today is told, and a report that is there is no part of one.
        cannot_be_had(&pool, "17", "d", "status 404", at(14)).await.unwrap();
        let gap = ledger::gaps(&pool, false, 3, 9).await.unwrap().remove(0);
        assert_eq!((gap.reason.as_str(), gap.from), ("status 404", at(13)));
        let raw = r#"{"conversationSpaceId": "a", "callCreated": "", "callEnded": "", "accountKey": "17"}"#;
        reports::save(&pool, &serde_json::from_str(raw).unwrap(), raw, at(20), None).await.unwrap();
        let open =
            [(rights.clone(), 1, false), (rights.clone(), 1, false), ("status 404".to_owned(), 1, false)];
        assert_eq!(told(None, false).await, open);
        assert!(told(None, true).await.contains(&(rights, 1, true)));
    }

    #[tokio::test]
    async fn a_call_that_is_not_waited_for_gets_no_gap() {
        let folder = tempfile::tempdir().unwrap();
        let pool = open(&folder).await;
        cannot_be_had(&pool, "17", "erased", "status 404", at(10)).await.unwrap();
        assert_eq!(causes(&pool, None, true, 0, 9).await.unwrap(), []);
    }

    #[tokio::test]
    async fn what_an_earlier_version_gave_up_is_waited_for_again_but_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let pool = open(&folder).await;
        let now = at(0) + limits::FETCH_GIVEN_UP;
        let moment = Duration::from_micros(1);
        for (id, from) in [("old", at(0) - moment), ("young", at(0)), ("erased", now), ("there", now)] {
            ledger::open_gap(&pool, "17", GapKind::Report, id, "status 404", from).await.unwrap();
        }
        ledger::open_gap(&pool, "18", GapKind::Report, "other", "status 404", now).await.unwrap();
        ledger::open_gap(&pool, "17", GapKind::Connection, "", "lost", now).await.unwrap();
        let call =
            reports::CallKey { conversation_space_id: "erased".to_owned(), account_key: "17".to_owned() };
        privacy::erase_calls(&pool, [&call], now).await.unwrap();
        let raw =
            r#"{"conversationSpaceId": "there", "callCreated": "", "callEnded": "", "accountKey": "17"}"#;
        reports::save(&pool, &serde_json::from_str(raw).unwrap(), raw, now, None).await.unwrap();
        assert_eq!(announce_given_up(&pool, "17", now).await.unwrap(), 1);
        assert_eq!(announce_given_up(&pool, "17", now).await.unwrap(), 0, "it is waited for");
        let due = pending::due(&pool, "17", now, 9).await.unwrap();
        assert_eq!((due.len(), due[0].conversation_space_id.as_str(), due[0].announced), (1, "young", at(0)));
        assert_eq!(on_their_way(&pool, Some("17")).await.unwrap(), 0, "its gap tells of it");
        give_up(&pool, "17", &asked("young"), now + moment).await.unwrap();
        assert_eq!(
            announce_given_up(&pool, "17", now + moment).await.unwrap(),
            0,
            "what is given up stays so"
        );
    }

    #[tokio::test]
    async fn what_is_given_up_ends_as_lost_and_is_counted_until_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let pool = open(&folder).await;
        let (now, moment) = (at(0) + limits::FETCH_GIVEN_UP, Duration::from_micros(1));
        for id in ["a", "b"] {
            pending::announce(&pool, "17", id, at(0)).await.unwrap();
            cannot_be_had(&pool, "17", id, "status 404", at(0)).await.unwrap();
        }
        // As an earlier version left them.
        for (id, from) in [("left", at(0) - moment), ("younger", at(0))] {
            ledger::open_gap(&pool, "17", GapKind::Report, id, "status 404", from).await.unwrap();
        }
        assert_eq!(end_given_up(&pool, "17", now).await.unwrap(), 1);
        assert_eq!(
            end_given_up(&pool, "17", now + moment).await.unwrap(),
            1,
            "those that wait are left alone"
        );
        give_up(&pool, "17", &asked("a"), now).await.unwrap();
        assert_eq!((lost(&pool).await.unwrap(), ledger::open_gaps(&pool).await.unwrap()), (3, 1));
        let all = causes(&pool, None, true, 0, 9).await.unwrap();
        let told: Vec<_> =
            all.iter().map(|cause| (cause.reason.clone(), cause.reports, cause.lost)).collect();
        assert_eq!(told, [(lost_reason(), 3, true), ("status 404".to_owned(), 1, false)]);
        assert!(lost_reason().contains("for 400 days"), "{}", lost_reason());

        let raw = r#"{"conversationSpaceId": "a", "callCreated": "", "callEnded": "", "accountKey": "17"}"#;
        reports::save(&pool, &serde_json::from_str(raw).unwrap(), raw, now, None).await.unwrap();
        assert_eq!(lost(&pool).await.unwrap(), 2, "it came all the same");
    }

    #[tokio::test]
    async fn reports_that_wait_for_the_same_are_due_together() {
        let folder = tempfile::tempdir().unwrap();
        let pool = open(&folder).await;
        for (id, why) in [("a", "no rights"), ("b", "no rights"), ("c", "status 404")] {
            pending::announce(&pool, "17", id, at(10)).await.unwrap();
            pending::postpone(&pool, "17", &asked(id), at(900)).await.unwrap();
            cannot_be_had(&pool, "17", id, why, at(10)).await.unwrap();
        }
        assert_eq!(of(&pool, "17", "a").await.unwrap(), Some("no rights".to_owned()));
        assert_eq!(of(&pool, "18", "a").await.unwrap(), None);
        assert_eq!(hurry(&pool, "17", "no rights", at(20)).await.unwrap(), 2);
        let due = pending::due(&pool, "17", at(20), 9).await.unwrap();
        assert_eq!(due.iter().map(|due| due.conversation_space_id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }
}
