//! Numbers that were erased, remembered for as long as a report of a call before can still arrive: what waits to be fetched,
//! and what a later look or backfill finds, must not bring a number back.
//!
//! The store keeps no number but a keyed digest of it. Who has the store can find the number by trying all there are; who
//! reads a row learns nothing. Instants are microseconds since 1970.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{Any, AnyPool, Row, Transaction};

use super::head::Head;
use crate::limits;
use crate::people::number::{Home, Number};
use crate::screen_pop::secrets::digest;

/// Table of the numbers; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS erased_numbers (
    digest text NOT NULL,
    -- by which numbers without a country are read
    region text NOT NULL,
    -- of the digest; one for all rows
    salt text NOT NULL,
    erased_us bigint NOT NULL,
    PRIMARY KEY (digest, region)
);
";

/// From now on no report of a call with this number (E.164) is stored that began before `now` by this machine, or before
/// what is known of the service's time. `salt` is 256 bits of chance, used where the store has none yet.
///
/// # Errors
/// When the database refuses.
pub async fn remember(
    pool: &AnyPool,
    e164: &str,
    home: Home,
    salt: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    let mut transaction = super::write(pool).await?;
    let known =
        sqlx::query("SELECT salt FROM erased_numbers LIMIT 1").fetch_optional(&mut *transaction).await?;
    let salt = known.map_or(Ok(salt.to_owned()), |row| row.try_get(0))?;
    sqlx::query(
        "INSERT INTO erased_numbers (digest, region, salt, erased_us)
         SELECT $1, $2, $3, CASE WHEN through > $4 THEN through ELSE $4 END
         FROM (SELECT coalesce(max(through_us), 0) AS through FROM watermarks) AS known WHERE true
         ON CONFLICT (digest, region) DO UPDATE SET erased_us = excluded.erased_us",
    )
    .bind(digest(&salt, e164))
    .bind(home.to_string())
    .bind(salt)
    .bind(now.as_microsecond())
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

/// Whether a report is of a call that is to be erased: it has a number that was erased after the call began. One that does
/// not say when that was counts as earlier.
pub(super) async fn reaches(
    transaction: &mut Transaction<'_, Any>,
    report: &Head,
    raw: &str,
) -> sqlx::Result<bool> {
    let began = report.call_created.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    let rows = sqlx::query("SELECT digest, region, salt FROM erased_numbers WHERE erased_us >= $1")
        .bind(began.as_microsecond())
        .fetch_all(&mut **transaction)
        .await?;
    let mut by_region: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for row in &rows {
        by_region.entry((row.try_get(1)?, row.try_get(2)?)).or_default().insert(row.try_get(0)?);
    }
    if by_region.is_empty() {
        return Ok(false);
    }
    let report: Value = serde_json::from_str(raw).unwrap_or_default();
    Ok(by_region.iter().any(|((region, salt), digests)| {
        let home = region.parse().unwrap_or_default();
        has_number(&report, &mut |text| match Number::read(text, home) {
            Number::Phone(phone) => digests.contains(&digest(salt, &phone.e164)),
            _ => false,
        })
    }))
}

/// Whether a member of a report that is a number, wherever it stands, is one that is looked for.
pub fn has_number(value: &Value, is: &mut impl FnMut(&str) -> bool) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, value)| match value {
            Value::String(text) if name.to_lowercase().ends_with("number") => is(text),
            other => has_number(other, is),
        }),
        Value::Array(items) => items.iter().any(|item| has_number(item, is)),
        _ => false,
    }
}

/// Forgets numbers that nothing can bring back any more: [`limits::ERASURE_KEPT`] is over, and no account has a time
/// before the erasure still to be looked at, or a report of it to be fetched.
///
/// # Errors
/// When the database refuses.
pub async fn forget(pool: &AnyPool, now: Timestamp) -> sqlx::Result<u64> {
    let kept = now.checked_sub(limits::ERASURE_KEPT).unwrap_or(Timestamp::UNIX_EPOCH);
    let overlap_us = i64::try_from(limits::REVISION_SPAN.as_micros()).unwrap_or(i64::MAX);
    let done = sqlx::query(
        "DELETE FROM erased_numbers WHERE erased_us < $1
             AND NOT EXISTS (SELECT 1 FROM backfill_slices WHERE from_us <= erased_us)
             AND NOT EXISTS (SELECT 1 FROM watermarks WHERE through_us <= erased_us + $2)
             AND NOT EXISTS (SELECT 1 FROM reports_pending WHERE call_us <= erased_us)",
    )
    .bind(kept.as_microsecond())
    .bind(overlap_us)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sdk::pull::Watermark;

    use super::*;
    use crate::store::ledger::{self, GapKind};
    use crate::store::reports::{self as table, Saved};
    use crate::store::testing;

    const NUMBER: &str = "+13125550147";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn raw(id: &str, created: &str, number: &str) -> String {
        format!(
            r#"{{"conversationSpaceId": "{id}", "callCreated": "{created}", "accountKey": "17",
                "callEnded": "2026-02-03T17:02:41Z", "direction": "INBOUND",
                "participants": [{{"type": {{"caller": {{"number": "{number}"}}}}}}]}}"#
        )
    }

    async fn save(pool: &AnyPool, raw: &str) -> Saved {
        let now = at("2026-02-03T19:00:00Z");
        table::save(pool, &serde_json::from_str(raw).unwrap(), raw, now, None).await.unwrap()
    }

    #[tokio::test]
    async fn reports_that_were_on_their_way_do_not_bring_an_erased_number_back() {
        let folder = tempfile::tempdir().unwrap();
        let pool = testing::open(folder.path()).await.pool;
        let (before, erased, later) =
            ("2026-02-03T17:00:00Z", at("2026-02-03T18:00:00Z"), "2026-02-03T18:30:00Z");
        for id in ["a", "b"] {
            table::announce(&pool, "17", id, at(before)).await.unwrap();
            ledger::open_gap(&pool, "17", GapKind::Report, id, "status 404", at(before)).await.unwrap();
        }
        // Stored without the number, which was taken out or not there yet.
        assert_eq!(save(&pool, &raw("c", before, "")).await, Saved::New);
        remember(&pool, NUMBER, "US".parse().unwrap(), "salt", erased).await.unwrap();
        assert_eq!(save(&pool, &raw("a", before, "(312) 555-0147")).await, Saved::Erased);
        assert_eq!(save(&pool, &raw("c", before, NUMBER)).await, Saved::Erased, "its earlier text goes too");
        assert_eq!(save(&pool, &raw("x", "", NUMBER)).await, Saved::Erased, "nobody knows when it began");
        assert_eq!(save(&pool, &raw("b", before, "+13125550199")).await, Saved::New, "another number");
        assert_eq!(save(&pool, &raw("d", later, NUMBER)).await, Saved::New, "who calls again is known again");

        let stored = table::list(&pool, 0, 9).await.unwrap();
        let stored: Vec<_> = stored.iter().map(|one| one.conversation_space_id.as_str()).collect();
        assert_eq!(stored, ["b", "d"]);
        assert_eq!(table::waiting(&pool, "17").await.unwrap(), 0, "nothing is fetched again");
        assert!(!table::announce(&pool, "17", "a", erased).await.unwrap());
        assert_eq!(ledger::gaps(&pool, false, 0, 9).await.unwrap(), [], "no gap stands for it");
        let row =
            sqlx::query("SELECT digest, region, salt FROM erased_numbers").fetch_one(&pool).await.unwrap();
        let texts: Vec<String> = (0..3).map(|column| row.try_get(column).unwrap()).collect();
        assert!(!texts.concat().contains("5550147"), "the number itself is not kept: {texts:?}");
    }

    #[tokio::test]
    async fn an_erasure_is_of_the_services_time_where_that_is_ahead() {
        let folder = tempfile::tempdir().unwrap();
        let pool = testing::open(folder.path()).await.pool;
        ledger::begin(&pool, "17", at("2026-02-03T18:00:00Z"), &[]).await.unwrap();
        remember(&pool, NUMBER, Home::default(), "salt", at("2020-01-01T00:00:00Z")).await.unwrap();
        assert_eq!(save(&pool, &raw("a", "2026-02-03T17:00:00Z", NUMBER)).await, Saved::Erased);
    }

    #[tokio::test]
    async fn an_erased_number_is_forgotten_when_nothing_can_bring_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let pool = testing::open(folder.path()).await.pool;
        let erased = at("2026-02-03T18:00:00Z");
        let after = erased + limits::ERASURE_KEPT + Duration::from_secs(1);
        ledger::begin(&pool, "17", at("2026-02-03T17:00:00Z"), &[]).await.unwrap();
        for number in [NUMBER, NUMBER, "+13125550199"] {
            remember(&pool, number, Home::default(), "salt", erased).await.unwrap();
        }
        assert_eq!(forget(&pool, after).await.unwrap(), 0, "an account has not looked since");
        ledger::looked(&pool, "17", Watermark::new(after), None, 0).await.unwrap();
        table::announce(&pool, "17", "a", erased).await.unwrap();
        assert_eq!(forget(&pool, after).await.unwrap(), 0, "a report of before is waited for");
        crate::store::causes::give_up(&pool, "17", &testing::asked("a"), Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
        assert_eq!(forget(&pool, erased + limits::ERASURE_KEPT).await.unwrap(), 0, "a backfill may begin");
        assert_eq!(forget(&pool, after).await.unwrap(), 2);
    }
}
