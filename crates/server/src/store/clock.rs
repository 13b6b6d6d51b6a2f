//! Where a virtual clock stood when the platform stopped: time does not go back at the next start.

use sqlx::Row as _;

use super::{Store, StoreResult};

impl Store {
    /// The last time of a virtual clock on this database, if there was one; not before anything in the log.
    pub async fn virtual_clock(&self) -> StoreResult<Option<i64>> {
        let stood = sqlx::query("select now_us from virtual_clock").fetch_optional(&self.read).await?;
        let Some(stood) = stood else { return Ok(None) };
        let newest = sqlx::query(
            "select l.at_us from accounts a
             join log l on l.account_key = a.account_key and l.position = a.log_head
             order by l.at_us desc limit 1",
        )
        .fetch_optional(&self.read)
        .await?;
        let stood: i64 = stood.try_get("now_us")?;
        let newest: Option<i64> = newest.map(|row| row.try_get("at_us")).transpose()?;
        Ok(Some(newest.map_or(stood, |newest| stood.max(newest))))
    }

    pub async fn put_virtual_clock(&self, now_us: i64) -> StoreResult<()> {
        sqlx::query(
            "insert into virtual_clock (id, now_us) values (1, $1)
             on conflict (id) do update set now_us = excluded.now_us",
        )
        .bind(now_us)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    /// How many entries all logs have had; it never falls.
    pub async fn entries_ever(&self) -> StoreResult<i64> {
        let rows = sqlx::query("select log_head from accounts").fetch_all(&self.read).await?;
        let heads = rows.iter().map(|row| row.try_get::<i64, _>("log_head"));
        Ok(heads.sum::<Result<i64, _>>()?)
    }
}
