//! Until when the screen pop knows of every call that ended, and which calls it has seen to their end. Instants are
//! microseconds since 1970.

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;
use sdk::pull::Watermark;
use sqlx::{AnyPool, Row};

use super::screen_pop::instant;

/// Table of the looks; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS screen_pop_looked (
    account_key text PRIMARY KEY,
    begun_us bigint NOT NULL,
    through_us bigint NOT NULL
);
";

/// A call that ended within a time came in no longer before it than this; one that did is looked up again, which changes
/// nothing.
const CALL_LASTS: Duration = Duration::from_secs(86_400);

/// What is known of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Calls that ended before are not wanted.
    pub begun: Timestamp,
    pub watermark: Watermark,
}

/// Reads until when all is known. An account begins at `now`, or where its last call was seen by a version that kept no
/// watermark.
///
/// # Errors
/// When the database refuses.
pub async fn known(pool: &AnyPool, account_key: &str, now: Timestamp) -> sqlx::Result<Known> {
    sqlx::query(
        "INSERT INTO screen_pop_looked (account_key, begun_us, through_us)
         SELECT $1, seen.at_us, seen.at_us
         FROM (SELECT coalesce(max(created_us), $2) AS at_us FROM screen_pop_calls) AS seen
         WHERE true ON CONFLICT DO NOTHING",
    )
    .bind(account_key)
    .bind(now.as_microsecond())
    .execute(pool)
    .await?;
    let row = sqlx::query("SELECT begun_us, through_us FROM screen_pop_looked WHERE account_key = $1")
        .bind(account_key)
        .fetch_one(pool)
        .await?;
    let watermark = Watermark::new(instant(row.try_get("through_us")?));
    Ok(Known { begun: instant(row.try_get("begun_us")?), watermark })
}

/// Every call that ended before is known.
///
/// # Errors
/// When the database refuses.
pub async fn looked(pool: &AnyPool, account_key: &str, through: Timestamp) -> sqlx::Result<()> {
    sqlx::query("UPDATE screen_pop_looked SET through_us = $2 WHERE account_key = $1")
        .bind(account_key)
        .bind(through.as_microsecond())
        .execute(pool)
        .await?;
    Ok(())
}

/// Ids of the calls, in either direction, that were seen to their end and may have ended since `since`.
///
/// # Errors
/// When the database refuses.
pub async fn seen(pool: &AnyPool, since: Timestamp) -> sqlx::Result<HashSet<String>> {
    let since = since.checked_sub(CALL_LASTS).unwrap_or(Timestamp::UNIX_EPOCH).as_microsecond();
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT conversation_space_id FROM screen_pop_calls WHERE created_us >= $1 AND outcome <> 'UNKNOWN'
         UNION ALL
         SELECT conversation_space_id FROM screen_pop_dialled WHERE created_us >= $1 AND outcome <> 'UNKNOWN'",
    )
    .bind(since)
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().collect())
}

/// When somebody here last talked with this number; `None` if nobody has.
///
/// # Errors
/// When the database refuses.
pub async fn talked(pool: &AnyPool, number: &str) -> sqlx::Result<Option<Timestamp>> {
    let last: Option<i64> = sqlx::query_scalar(
        "SELECT max(at_us) FROM (
             SELECT max(answered_us) AS at_us FROM screen_pop_calls WHERE caller_key = $1
             UNION ALL SELECT max(answered_us) FROM screen_pop_dialled WHERE number = $1
             UNION ALL SELECT max(at_us) FROM desk_reached WHERE number = $1) AS talks",
    )
    .bind(number)
    .fetch_one(pool)
    .await?;
    Ok(last.map(instant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen_pop::{call::Outcome, elsewhere::Dialled};
    use crate::store::{desks, screen_pop, testing, write};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[tokio::test]
    async fn an_account_begins_once_and_what_was_seen_to_its_end_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let pool = testing::open(folder.path()).await.pool;
        let begun = known(&pool, "17", at(1_000_000)).await.unwrap();
        assert_eq!((begun.begun, begun.watermark.through()), (at(1_000_000), at(1_000_000)));
        looked(&pool, "17", at(2_000_000)).await.unwrap();
        let later = known(&pool, "17", at(3_000_000)).await.unwrap();
        assert_eq!((later.begun, later.watermark.through()), (at(1_000_000), at(2_000_000)));

        let mut transaction = write(&pool).await.unwrap();
        for (id, created, outcome) in [
            ("answered", 1_950_000, Some(Outcome::Answered)),
            ("not seen to its end", 1_950_001, Some(Outcome::Unknown)),
            ("under way", 1_950_002, None),
            ("old", 1_000, Some(Outcome::Answered)),
        ] {
            let dialled = Dialled {
                id: id.to_owned(),
                created: at(created),
                number: "+13125550147".to_owned(),
                line: None,
                answered_at: (outcome == Some(Outcome::Answered)).then(|| at(created + 9)),
                ended_at: None,
                outcome,
            };
            screen_pop::save_dialled(&mut transaction, &dialled).await.unwrap();
        }
        transaction.commit().await.unwrap();
        assert_eq!(seen(&pool, at(2_000_000)).await.unwrap(), HashSet::from(["answered".to_owned()]));
        assert_eq!(talked(&pool, "+13125550147").await.unwrap(), Some(at(1_950_009)));
        assert_eq!(talked(&pool, "+13125550148").await.unwrap(), None);
        desks::reached(&pool, "+13125550147", at(1_960_000)).await.unwrap();
        desks::reached(&pool, "+13125550147", at(1_955_000)).await.unwrap();
        let last = talked(&pool, "+13125550147").await.unwrap();
        assert_eq!(last, Some(at(1_960_000)), "what is learnt later of an earlier talk hides no later one");
        let other = known(&pool, "18", at(9)).await.unwrap();
        assert_eq!(other.begun, at(9));
    }
}
