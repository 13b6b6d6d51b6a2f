//! What is known to be complete, what is not yet, and what was missing and when: the proof that no call was lost.
//!
//! Instants are microseconds since 1970.

use jiff::Timestamp;
use sdk::pull::{Span, Watermark};
use serde::Serialize;
use sqlx::{AnyPool, AssertSqlSafe, Row, any::AnyRow};

/// Tables of the ledger; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS watermarks (
    account_key text PRIMARY KEY,
    begun_us bigint NOT NULL,
    through_us bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS backfill_slices (
    account_key text NOT NULL,
    from_us bigint NOT NULL,
    to_us bigint NOT NULL,
    PRIMARY KEY (account_key, from_us)
);
CREATE TABLE IF NOT EXISTS gaps (
    number integer PRIMARY KEY,
    account_key text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    reason text NOT NULL,
    from_us bigint NOT NULL,
    to_us bigint,
    closed_us bigint,
    reports bigint NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS gaps_open ON gaps (account_key, kind, subject) WHERE closed_us IS NULL;
-- reports that were given up
CREATE INDEX IF NOT EXISTS gaps_lost ON gaps (account_key, subject)
    WHERE kind = 'report' AND closed_us IS NOT NULL AND reports = 0;
";

/// Why calls could be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapKind {
    /// The program did not run.
    Downtime,
    /// No notification could arrive.
    Connection,
    /// Nobody was signed in: nothing could be asked for.
    SignIn,
    /// The time before the first start.
    Backfill,
    /// The list of finished calls was refused.
    Look,
    /// One report was announced and cannot be had.
    Report,
}

impl GapKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Downtime => "downtime",
            Self::Connection => "connection",
            Self::SignIn => "sign-in",
            Self::Backfill => "backfill",
            Self::Look => "look",
            Self::Report => "report",
        }
    }
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    pub number: i64,
    pub account_key: String,
    pub kind: String,
    /// Conversation space id of a missing report; else empty.
    pub subject: String,
    pub reason: String,
    pub from: Timestamp,
    /// Known when it is closed.
    pub to: Option<Timestamp>,
    /// When everything within it was found.
    pub closed: Option<Timestamp>,
    /// How many reports were found within it.
    pub reports: i64,
}

impl Gap {
    /// Of a report that was given up.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.kind == GapKind::Report.as_str() && self.closed.is_some() && self.reports == 0
    }
}

/// What is known of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub watermark: Watermark,
    /// Calls that ended before are not wanted.
    pub begun: Timestamp,
}

/// `None` for an account that was never looked at.
///
/// # Errors
/// When the database refuses.
pub async fn known(pool: &AnyPool, account_key: &str) -> sqlx::Result<Option<Known>> {
    let row = sqlx::query("SELECT through_us, begun_us FROM watermarks WHERE account_key = $1")
        .bind(account_key)
        .fetch_optional(pool)
        .await?;
    let known = |row: AnyRow| {
        Ok(Known { watermark: Watermark::new(instant(row.try_get(0)?)), begun: instant(row.try_get(1)?) })
    };
    row.map(known).transpose()
}

/// Begins with an account in one step: known from `now` on, `slices` to be looked through, newest first, and a gap
/// for them. One that has begun stays as it is.
///
/// # Errors
/// When the database refuses.
pub async fn begin(pool: &AnyPool, account_key: &str, now: Timestamp, slices: &[Span]) -> sqlx::Result<()> {
    let mut transaction = super::write(pool).await?;
    let begun = slices.last().map_or(now, |oldest| oldest.from);
    sqlx::query(
        "INSERT INTO watermarks (account_key, begun_us, through_us) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
        .bind(account_key)
        .bind(begun.as_microsecond())
        .bind(now.as_microsecond())
        .execute(&mut *transaction)
        .await?;
    for slice in slices {
        sqlx::query(
            "INSERT INTO backfill_slices (account_key, from_us, to_us) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        )
        .bind(account_key)
        .bind(slice.from.as_microsecond())
        .bind(slice.to.as_microsecond())
        .execute(&mut *transaction)
        .await?;
    }
    if let Some(oldest) = slices.last() {
        insert_gap(
            &mut transaction,
            account_key,
            GapKind::Backfill,
            "",
            "before the first start",
            oldest.from,
        )
        .await?;
    }
    transaction.commit().await
}

/// Those whose accounts are collected; see [`super::left`].
pub(super) const COLLECTED: &str = "account_key NOT IN (SELECT account_key FROM accounts_left)";

/// Until when every call that ended is known to be known: the earliest watermark of the accounts that are collected.
/// `None` for a store that has none yet.
///
/// # Errors
/// When the database refuses.
pub async fn known_through(pool: &AnyPool) -> sqlx::Result<Option<Timestamp>> {
    let text = format!("SELECT min(through_us) FROM watermarks WHERE {COLLECTED}");
    let row = sqlx::query(AssertSqlSafe(text)).fetch_one(pool).await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.map(instant))
}

/// How many accounts the store has ever collected.
///
/// # Errors
/// When the database refuses.
pub async fn accounts(pool: &AnyPool) -> sqlx::Result<u64> {
    let row = sqlx::query("SELECT count(*) FROM watermarks").fetch_one(pool).await?;
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

/// The newest slice that is still to be looked through, and how many there are.
///
/// # Errors
/// When the database refuses.
pub async fn next_slice(pool: &AnyPool, account_key: &str) -> sqlx::Result<Option<(Span, u64)>> {
    let row = sqlx::query(
        "SELECT from_us, to_us, (SELECT count(*) FROM backfill_slices WHERE account_key = $1)
         FROM backfill_slices WHERE account_key = $1 ORDER BY from_us DESC LIMIT 1",
    )
    .bind(account_key)
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let span = Span { from: instant(row.try_get(0)?), to: instant(row.try_get(1)?) };
    Ok(Some((span, row.try_get::<i64, _>(2)?.unsigned_abs())))
}

/// A slice was looked through and all its reports are announced. The last one closes the gap.
///
/// # Errors
/// When the database refuses.
pub async fn slice_done(
    pool: &AnyPool,
    account_key: &str,
    slice: Span,
    reports: usize,
    now: Timestamp,
) -> sqlx::Result<()> {
    let mut transaction = super::write(pool).await?;
    sqlx::query("DELETE FROM backfill_slices WHERE account_key = $1 AND from_us = $2")
        .bind(account_key)
        .bind(slice.from.as_microsecond())
        .execute(&mut *transaction)
        .await?;
    sqlx::query(
        "UPDATE gaps SET reports = reports + $2 WHERE account_key = $1 AND kind = 'backfill' AND closed_us IS NULL",
    )
    .bind(account_key)
    .bind(i64::try_from(reports).unwrap_or(i64::MAX))
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "UPDATE gaps SET closed_us = $2, to_us = $2
         WHERE account_key = $1 AND kind = 'backfill' AND closed_us IS NULL
           AND NOT EXISTS (SELECT 1 FROM backfill_slices WHERE account_key = $1)",
    )
    .bind(account_key)
    .bind(now.as_microsecond())
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

/// The number of the newest gap, whatever its account: those that are there before something, by the order in which
/// they were found, for clocks may go back.
///
/// # Errors
/// When the database refuses.
pub async fn newest_gap(pool: &AnyPool) -> sqlx::Result<i64> {
    sqlx::query("SELECT coalesce(max(number), 0) FROM gaps").fetch_one(pool).await?.try_get(0)
}

/// When the break began that no look has closed yet: of the open gaps of downtime, connection and sign-in,
/// the oldest.
///
/// # Errors
/// When the database refuses.
pub async fn break_began(pool: &AnyPool, account_key: &str) -> sqlx::Result<Option<Timestamp>> {
    let row = sqlx::query(
        "SELECT min(from_us) FROM gaps
         WHERE account_key = $1 AND kind IN ('downtime', 'connection', 'sign-in') AND closed_us IS NULL",
    )
    .bind(account_key)
    .fetch_one(pool)
    .await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.map(instant))
}

/// A look is done and all it found is announced: the watermark moves, and with `close` the gaps of downtime,
/// connection and sign-in up to this number are closed, at this time.
///
/// # Errors
/// When the database refuses.
pub async fn looked(
    pool: &AnyPool,
    account_key: &str,
    watermark: Watermark,
    close: Option<(i64, Timestamp)>,
    reports: usize,
) -> sqlx::Result<u64> {
    let mut transaction = super::write(pool).await?;
    sqlx::query("UPDATE watermarks SET through_us = $2 WHERE account_key = $1")
        .bind(account_key)
        .bind(watermark.through().as_microsecond())
        .execute(&mut *transaction)
        .await?;
    let mut closed = 0;
    if let Some((newest, at)) = close {
        closed = sqlx::query(
            "UPDATE gaps SET closed_us = $2, to_us = CASE WHEN from_us > $2 THEN from_us ELSE $2 END,
                             reports = reports + $3
             WHERE account_key = $1 AND kind IN ('downtime', 'connection', 'sign-in', 'look') AND closed_us IS NULL
                 AND number <= $4",
        )
        .bind(account_key)
        .bind(at.as_microsecond())
        .bind(i64::try_from(reports).unwrap_or(i64::MAX))
        .bind(newest)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    }
    transaction.commit().await?;
    Ok(closed)
}

/// The gaps of looks that are refused, of accounts that are collected.
///
/// # Errors
/// When the database refuses.
pub async fn refused_looks(pool: &AnyPool) -> sqlx::Result<Vec<(String, String, Timestamp)>> {
    let text = format!(
        "SELECT account_key, reason, from_us FROM gaps
         WHERE kind = 'look' AND closed_us IS NULL AND {COLLECTED} ORDER BY number"
    );
    let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(pool).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, instant(row.try_get(2)?)))).collect()
}

/// Opens a gap, unless one of this kind and subject is open: that one goes on.
///
/// # Errors
/// When the database refuses.
pub async fn open_gap(
    pool: &AnyPool,
    account_key: &str,
    kind: GapKind,
    subject: &str,
    reason: &str,
    from: Timestamp,
) -> sqlx::Result<()> {
    let mut transaction = super::write(pool).await?;
    insert_gap(&mut transaction, account_key, kind, subject, reason, from).await?;
    transaction.commit().await
}

async fn insert_gap(
    transaction: &mut sqlx::Transaction<'_, sqlx::Any>,
    account_key: &str,
    kind: GapKind,
    subject: &str,
    reason: &str,
    from: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO gaps (account_key, kind, subject, reason, from_us, reports) VALUES ($1, $2, $3, $4, $5, 0)
         ON CONFLICT DO NOTHING",
    )
    .bind(account_key)
    .bind(kind.as_str())
    .bind(subject)
    .bind(reason)
    .bind(from.as_microsecond())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// How many gaps of the accounts that are collected are open.
///
/// # Errors
/// When the database refuses.
pub async fn open_gaps(pool: &AnyPool) -> sqlx::Result<u64> {
    let text = format!("SELECT count(*) FROM gaps WHERE closed_us IS NULL AND {COLLECTED}");
    let row = sqlx::query(AssertSqlSafe(text)).fetch_one(pool).await?;
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

/// Gaps in order of opening; only those that are open, of accounts that are collected, unless `all`. A keyset page after
/// the number `after`.
///
/// # Errors
/// When the database refuses.
pub async fn gaps(pool: &AnyPool, all: bool, after: i64, count: u32) -> sqlx::Result<Vec<Gap>> {
    let text = format!(
        "SELECT number, account_key, kind, subject, reason, from_us, to_us, closed_us, reports FROM gaps
         WHERE number > $1 AND ($2 OR (closed_us IS NULL AND {COLLECTED})) ORDER BY number LIMIT $3"
    );
    let rows =
        sqlx::query(AssertSqlSafe(text)).bind(after).bind(all).bind(i64::from(count)).fetch_all(pool).await?;
    rows.iter().map(gap).collect()
}

fn gap(row: &AnyRow) -> sqlx::Result<Gap> {
    Ok(Gap {
        number: row.try_get(0)?,
        account_key: row.try_get(1)?,
        kind: row.try_get(2)?,
        subject: row.try_get(3)?,
        reason: row.try_get(4)?,
        from: instant(row.try_get(5)?),
        to: row.try_get::<Option<i64>, _>(6)?.map(instant),
        closed: row.try_get::<Option<i64>, _>(7)?.map(instant),
        reports: row.try_get(8)?,
    })
}

fn instant(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::testing;

    const ACCOUNT: &str = "4827193056281740395";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    async fn open(folder: &tempfile::TempDir) -> AnyPool {
        testing::open(folder.path()).await.pool
    }

    #[tokio::test]
    async fn a_backfill_goes_newest_first_goes_on_after_a_kill_and_closes_its_gap() {
        let folder = tempfile::tempdir().unwrap();
        let pool = open(&folder).await;
        assert_eq!(known(&pool, ACCOUNT).await.unwrap(), None);
        let slices = Span { from: at(0), to: at(250) }.slices(Duration::from_secs(100));
        begin(&pool, ACCOUNT, at(250), &slices).await.unwrap();
        let (first, left) = next_slice(&pool, ACCOUNT).await.unwrap().unwrap();
        assert_eq!((first, left), (Span { from: at(150), to: at(250) }, 3));
        slice_done(&pool, ACCOUNT, first, 7, at(251)).await.unwrap();
        pool.close().await;

        let pool = open(&folder).await;
        begin(&pool, ACCOUNT, at(900), &[]).await.unwrap();
        let known = known(&pool, ACCOUNT).await.unwrap();
        assert_eq!(known, Some(Known { watermark: Watermark::new(at(250)), begun: at(0) }));
        assert_eq!(gaps(&pool, false, 0, 9).await.unwrap().len(), 1);
        while let Some((slice, _)) = next_slice(&pool, ACCOUNT).await.unwrap() {
            slice_done(&pool, ACCOUNT, slice, 1, at(901)).await.unwrap();
        }
        assert_eq!(gaps(&pool, false, 0, 9).await.unwrap(), []);
        let closed = &gaps(&pool, true, 0, 9).await.unwrap()[0];
        assert_eq!((closed.from, closed.closed, closed.reports), (at(0), Some(at(901)), 9));
    }

    #[tokio::test]
    async fn a_gap_stays_one_until_a_look_closes_it() {
        let folder = tempfile::tempdir().unwrap();
        let pool = open(&folder).await;
        begin(&pool, ACCOUNT, at(100), &[]).await.unwrap();
        for second in [110, 120] {
            open_gap(&pool, ACCOUNT, GapKind::Connection, "", "lost", at(second)).await.unwrap();
        }
        open_gap(&pool, ACCOUNT, GapKind::Report, "call-1", "404", at(111)).await.unwrap();
        assert_eq!(break_began(&pool, ACCOUNT).await.unwrap(), Some(at(110)));
        let mark = Watermark::new(at(130));
        assert_eq!(looked(&pool, ACCOUNT, mark, None, 1).await.unwrap(), 0);
        assert_eq!(gaps(&pool, false, 0, 9).await.unwrap().len(), 2);
        assert_eq!(looked(&pool, ACCOUNT, mark, Some((0, at(130))), 0).await.unwrap(), 0, "it opened later");
        let newest = newest_gap(&pool).await.unwrap();
        assert_eq!(looked(&pool, ACCOUNT, mark, Some((newest, at(130))), 2).await.unwrap(), 1);
        assert_eq!(break_began(&pool, ACCOUNT).await.unwrap(), None, "a report's gap is no break");
        let left = gaps(&pool, false, 0, 9).await.unwrap();
        assert_eq!((left.len(), left[0].subject.as_str()), (1, "call-1"));
        let all = gaps(&pool, true, 0, 9).await.unwrap();
        assert_eq!((all[0].from, all[0].to, all[0].reports), (at(110), Some(at(130)), 2));
        // By a clock that was ahead before: what it said is believed no longer.
        let earlier = Watermark::new(at(90));
        looked(&pool, ACCOUNT, earlier, None, 0).await.unwrap();
        let known = known(&pool, ACCOUNT).await.unwrap().unwrap();
        assert_eq!((known.watermark, known.begun), (earlier, at(100)));
    }
}
