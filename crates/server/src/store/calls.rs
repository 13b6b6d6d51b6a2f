//! Calls by their conversation space: states under way, history of states, reports.

use bytes::Bytes;
use sqlx::Row as _;

use super::rows::Row;
use super::{Store, StoreResult};

#[derive(Clone, Debug)]
pub struct StoredReport {
    pub account_key: String,
    /// The report as JSON text.
    pub report: Bytes,
}

impl Store {
    /// Account of a call, under way or finished.
    pub async fn account_of_call(&self, conversation_space_id: &str) -> StoreResult<Option<String>> {
        let row = sqlx::query("select account_key from calls where conversation_space_id = $1")
            .bind(conversation_space_id)
            .fetch_optional(&self.read)
            .await?;
        row.map(|row| Ok(row.try_get("account_key")?)).transpose()
    }

    /// Last state of each call under way, oldest call first: `(created, id, content)`, above the given key.
    pub async fn calls_under_way(
        &self,
        account_key: &str,
        after: (i64, &str),
        limit: i64,
    ) -> StoreResult<Vec<(i64, String, String)>> {
        let rows = sqlx::query(
            "select c.created_us, c.conversation_space_id, l.content
             from calls c join log l on l.conversation_space_id = c.conversation_space_id and l.kind = 'state'
             where c.ended_us = 0 and c.account_key = $1
                and (c.created_us > $2 or (c.created_us = $2 and c.conversation_space_id > $3))
                and l.sequence_number = (
                    select max(sequence_number) from log
                    where conversation_space_id = c.conversation_space_id and kind = 'state')
             order by c.created_us, c.conversation_space_id limit $4",
        )
        .bind(account_key)
        .bind(after.0)
        .bind(after.1)
        .bind(limit)
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                Ok((
                    row.try_get("created_us")?,
                    row.try_get("conversation_space_id")?,
                    row.try_get("content")?,
                ))
            })
            .collect()
    }

    /// Contents of a call's states with `from <= sequence number <= to`, in order.
    pub async fn states(
        &self,
        conversation_space_id: &str,
        from: i64,
        to: i64,
        limit: i64,
    ) -> StoreResult<Vec<String>> {
        let rows = sqlx::query(
            "select content from log
             where conversation_space_id = $1 and kind = 'state' and sequence_number between $2 and $3
             order by sequence_number limit $4",
        )
        .bind(conversation_space_id)
        .bind(from)
        .bind(to)
        .bind(limit)
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(|row| Ok(row.try_get("content")?)).collect()
    }

    /// `(account, conversation space)` of all calls that have no end yet.
    pub async fn calls_without_end(&self) -> StoreResult<Vec<(String, String)>> {
        let rows = sqlx::query(
            "select account_key, conversation_space_id from calls where ended_us = 0 order by created_us",
        )
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("account_key")?, row.try_get("conversation_space_id")?)))
            .collect()
    }

    pub async fn report(&self, conversation_space_id: &str) -> StoreResult<Option<StoredReport>> {
        if let Some(report) = self.recent.get(conversation_space_id) {
            return Ok(Some(report));
        }
        let text = "select account_key, report from reports where conversation_space_id = $1";
        let read = |row: &Row<'_>| {
            Ok(StoredReport { account_key: row.text("account_key")?, report: row.text("report")?.into() })
        };
        Ok(self.select(text, &[conversation_space_id.into()], read).await?.pop())
    }
}
