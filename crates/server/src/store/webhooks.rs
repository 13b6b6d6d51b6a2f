//! Webhook channels: where their notifications go, and with which keys they are signed.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::channels::{ChannelMaker, ChannelRow, insert_channel};
use super::{Store, StoreResult};

/// What a webhook channel has besides its [`ChannelRow`]. No `Debug`: URL and keys are secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRow {
    pub channel_id: String,
    pub user_key: String,
    pub nickname: String,
    pub url: String,
    /// Since when the receiver answers 404 or 410; 0 while it does not.
    pub unreachable_us: i64,
    pub durable: bool,
    /// Signing keys as JSON, or empty.
    pub signing: String,
}

impl WebhookRow {
    fn read(row: &AnyRow) -> StoreResult<Self> {
        Ok(Self {
            channel_id: row.try_get("channel_id")?,
            user_key: row.try_get("user_key")?,
            nickname: row.try_get("nickname")?,
            url: row.try_get("url")?,
            unreachable_us: row.try_get("unreachable_us")?,
            durable: row.try_get::<i64, _>("durable")? != 0,
            signing: row.try_get("signing")?,
        })
    }
}

impl Store {
    /// Adds a webhook channel. False when the user has one with this nickname and URL: then nothing is changed.
    pub async fn add_webhook(
        &self,
        channel: &ChannelRow,
        webhook: &WebhookRow,
        maker: &ChannelMaker,
    ) -> StoreResult<bool> {
        let mut tx = self.write.begin().await?;
        let done = sqlx::query(
            "insert into webhooks (channel_id, user_key, nickname, url, unreachable_us, durable, signing)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (user_key, nickname, url) do nothing",
        )
        .bind(&webhook.channel_id)
        .bind(&webhook.user_key)
        .bind(&webhook.nickname)
        .bind(&webhook.url)
        .bind(webhook.unreachable_us)
        .bind(i64::from(webhook.durable))
        .bind(&webhook.signing)
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        insert_channel(&mut tx, channel, maker).await?;
        tx.commit().await?;
        Ok(true)
    }

    pub async fn all_webhooks(&self) -> StoreResult<Vec<WebhookRow>> {
        let rows = sqlx::query("select * from webhooks").fetch_all(&self.read).await?;
        rows.iter().map(WebhookRow::read).collect()
    }

    /// Marks the receiver as unreachable since then; 0 takes the mark away.
    pub async fn set_webhook_unreachable(&self, channel_id: &str, unreachable_us: i64) -> StoreResult<()> {
        sqlx::query("update webhooks set unreachable_us = $1 where channel_id = $2")
            .bind(unreachable_us)
            .bind(channel_id)
            .execute(&self.write)
            .await?;
        Ok(())
    }

    /// Replaces the signing keys.
    pub async fn set_webhook_signing(&self, channel_id: &str, signing: &str) -> StoreResult<()> {
        sqlx::query("update webhooks set signing = $1 where channel_id = $2")
            .bind(signing)
            .bind(channel_id)
            .execute(&self.write)
            .await?;
        Ok(())
    }
}

/// Deletes what a channel has in the tables of webhooks.
pub(super) async fn forget(tx: &mut AnyConnection, channel_id: &str) -> StoreResult<()> {
    for delete in [
        "delete from webhook_attempts where channel_id = $1",
        "delete from webhook_deliveries where channel_id = $1",
        "delete from webhooks where channel_id = $1",
    ] {
        sqlx::query(delete).bind(channel_id).execute(&mut *tx).await?;
    }
    Ok(())
}
