//! What durable webhook channels have to deliver, and what was tried. The content stays in the log.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::channels::hold;
use super::rows::Row;
use super::{Entry, Store, StoreResult};

/// A notification to be delivered now.
#[derive(Debug)]
pub struct DueDelivery {
    pub entry: Entry,
    /// Since it was last set to pending: its place in the schedule.
    pub tries: i64,
    /// All of them.
    pub attempts: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    Pending,
    Delivered,
    Failed,
}

impl DeliveryState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// One try with what follows from it.
#[derive(Clone, Debug)]
pub struct TriedDelivery {
    pub notification_id: String,
    /// 1, 2, 3 …
    pub number: i64,
    pub at_us: i64,
    pub duration_ms: i64,
    /// 0 when no answer came.
    pub status: i64,
    /// Why no answer came, or empty.
    pub error: String,
    pub state: DeliveryState,
    pub tries: i64,
    /// Not before this, when pending.
    pub next_us: i64,
}

/// One line of the log of attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    pub notification_id: String,
    pub number: i64,
    pub at_us: i64,
    pub duration_ms: i64,
    pub status: i64,
    pub error: String,
    /// Where its notification stands now.
    pub state: String,
    pub next_us: i64,
}

impl AttemptRow {
    fn read(row: &AnyRow) -> StoreResult<Self> {
        Ok(Self {
            notification_id: row.try_get("notification_id")?,
            number: row.try_get("number")?,
            at_us: row.try_get("at_us")?,
            duration_ms: row.try_get("duration_ms")?,
            status: row.try_get("status")?,
            error: row.try_get("error")?,
            state: row.try_get("state")?,
            next_us: row.try_get("next_us")?,
        })
    }
}

/// The first pending notification of each call: the next ones wait behind it.
const FIRST_OF_CALL: &str = "not exists (select 1 from webhook_deliveries e where e.channel_id = d.channel_id
    and e.conversation_space_id = d.conversation_space_id and e.state = 'pending' and e.position < d.position)";

impl Store {
    /// Notifications of all durable webhooks that are neither delivered nor given up.
    pub async fn pending_deliveries(&self) -> StoreResult<i64> {
        let count = sqlx::query("select count(*) as n from webhook_deliveries where state = 'pending'");
        Ok(count.fetch_one(&self.read).await?.try_get("n")?)
    }

    /// Adds what a channel has to deliver; what it has already stays as it is, and a channel that is gone gets nothing.
    pub async fn add_deliveries(&self, channel_id: &str, entries: &[Entry], now_us: i64) -> StoreResult<()> {
        let mut tx = self.write.begin().await?;
        if !hold(&mut tx, channel_id).await? {
            return Ok(());
        }
        for entry in entries {
            sqlx::query(
                "insert into webhook_deliveries (channel_id, notification_id, account_key, position,
                    conversation_space_id, state, tries, attempts, next_us, created_us)
                 values ($1, $2, $3, $4, $5, 'pending', 0, 0, $6, $7)
                 on conflict (channel_id, notification_id) do nothing",
            )
            .bind(channel_id)
            .bind(&entry.notification_id)
            .bind(&entry.account_key)
            .bind(entry.position)
            .bind(&entry.conversation_space_id)
            .bind(now_us)
            .bind(entry.at_us)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// What is due, oldest first, one of each call.
    pub async fn due_deliveries(
        &self,
        channel_id: &str,
        now_us: i64,
        limit: i64,
    ) -> StoreResult<Vec<DueDelivery>> {
        let query = format!(
            "select d.tries, d.attempts, l.account_key, l.position, l.conversation_space_id, l.kind,
                l.notification_id, l.at_us, l.content
             from webhook_deliveries d
             join log l on l.account_key = d.account_key and l.position = d.position
             where d.channel_id = $1 and d.state = 'pending' and d.next_us <= $2 and {FIRST_OF_CALL}
             order by d.position limit $3"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(channel_id)
            .bind(now_us)
            .bind(limit)
            .fetch_all(&self.read)
            .await?;
        rows.iter()
            .map(|row| {
                let (tries, attempts) = (row.try_get("tries")?, row.try_get("attempts")?);
                Ok(DueDelivery { entry: Entry::read(&Row::Any(row))?, tries, attempts })
            })
            .collect()
    }

    /// When the next delivery is due.
    pub async fn next_delivery_us(&self, channel_id: &str) -> StoreResult<Option<i64>> {
        let query = format!(
            "select d.next_us from webhook_deliveries d
             where d.channel_id = $1 and d.state = 'pending' and {FIRST_OF_CALL}
             order by d.next_us limit 1"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(channel_id).fetch_optional(&self.read).await?;
        row.map(|row| Ok(row.try_get("next_us")?)).transpose()
    }

    /// Writes tries and what follows from them.
    pub async fn record_attempts(&self, channel_id: &str, tried: &[TriedDelivery]) -> StoreResult<()> {
        let mut tx = self.write.begin().await?;
        if !hold(&mut tx, channel_id).await? {
            return Ok(());
        }
        for tried in tried {
            sqlx::query(
                "insert into webhook_attempts
                    (channel_id, notification_id, number, at_us, duration_ms, status, error)
                 values ($1, $2, $3, $4, $5, $6, $7)
                 on conflict (channel_id, notification_id, number) do nothing",
            )
            .bind(channel_id)
            .bind(&tried.notification_id)
            .bind(tried.number)
            .bind(tried.at_us)
            .bind(tried.duration_ms)
            .bind(tried.status)
            .bind(&tried.error)
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "update webhook_deliveries set state = $1, tries = $2, attempts = $3, next_us = $4
                 where channel_id = $5 and notification_id = $6",
            )
            .bind(tried.state.as_str())
            .bind(tried.tries)
            .bind(tried.number)
            .bind(tried.next_us)
            .bind(channel_id)
            .bind(&tried.notification_id)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The log of attempts, newest first, below the key of the page before; of one notification, if given.
    pub async fn attempts(
        &self,
        channel_id: &str,
        notification_id: Option<&str>,
        before: Option<(i64, &str)>,
        limit: i64,
    ) -> StoreResult<Vec<AttemptRow>> {
        let (at_us, id) = before.unwrap_or((i64::MAX, ""));
        let rows = sqlx::query(
            "select a.notification_id, a.number, a.at_us, a.duration_ms, a.status, a.error,
                d.state, d.next_us
             from webhook_attempts a join webhook_deliveries d
                on d.channel_id = a.channel_id and d.notification_id = a.notification_id
             where a.channel_id = $1 and ($2 = '' or a.notification_id = $2)
                and (a.at_us < $3 or (a.at_us = $3 and a.notification_id < $4))
             order by a.at_us desc, a.notification_id desc limit $5",
        )
        .bind(channel_id)
        .bind(notification_id.unwrap_or_default())
        .bind(at_us)
        .bind(id)
        .bind(limit)
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(AttemptRow::read).collect()
    }

    /// Sets one notification to be delivered again now. False when the channel does not know it.
    pub async fn resend_delivery(
        &self,
        channel_id: &str,
        notification_id: &str,
        now_us: i64,
    ) -> StoreResult<bool> {
        let done = sqlx::query(
            "update webhook_deliveries set state = 'pending', tries = 0, next_us = $1
             where channel_id = $2 and notification_id = $3",
        )
        .bind(now_us)
        .bind(channel_id)
        .bind(notification_id)
        .execute(&self.write)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Sets everything since `since_us` that is not delivered, or all of it, to be delivered now; says how many.
    pub async fn recover_deliveries(
        &self,
        channel_id: &str,
        since_us: i64,
        delivered_too: bool,
        now_us: i64,
    ) -> StoreResult<u64> {
        let mut tx = self.write.begin().await?;
        // Attempts are being written meanwhile: whoever changes many of a channel's deliveries holds the channel.
        hold(&mut tx, channel_id).await?;
        let done = sqlx::query(
            "update webhook_deliveries set state = 'pending', tries = 0, next_us = $1
             where channel_id = $2 and created_us >= $3 and (state <> 'delivered' or $4 = 1)",
        )
        .bind(now_us)
        .bind(channel_id)
        .bind(since_us)
        .bind(i64::from(delivered_too))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }

    /// Forgets deliveries and attempts of what happened before that instant, and what the log has forgotten.
    pub async fn sweep_deliveries(&self, channel_id: &str, before_us: i64) -> StoreResult<()> {
        let mut tx = self.write.begin().await?;
        hold(&mut tx, channel_id).await?;
        sqlx::query("delete from webhook_attempts where channel_id = $1 and at_us < $2")
            .bind(channel_id)
            .bind(before_us)
            .execute(&mut *tx)
            .await?;
        sqlx::query("delete from webhook_deliveries where channel_id = $1 and created_us < $2")
            .bind(channel_id)
            .bind(before_us)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "delete from webhook_deliveries where channel_id = $1 and state = 'pending' and not exists
                (select 1 from log l where l.account_key = webhook_deliveries.account_key
                    and l.position = webhook_deliveries.position)",
        )
        .bind(channel_id)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}
