//! What a channel wants to hear.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::channels::hold;
use super::{Store, StoreResult, words};

/// The API a subscription was made through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    CallEvents,
    CallEventsReport,
    CallHistory,
    Recording,
}

impl Api {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CallEvents => "call-events",
            Self::CallEventsReport => "call-events-report",
            Self::CallHistory => "call-history",
            Self::Recording => "recording",
        }
    }
}

/// What kind of thing is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    Account,
    User,
    Line,
    PhoneNumber,
}

impl KeyKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::User => "user",
            Self::Line => "line",
            Self::PhoneNumber => "phone-number",
        }
    }

    pub(super) fn read(text: &str) -> Self {
        match text {
            "user" => Self::User,
            "line" => Self::Line,
            "phone-number" => Self::PhoneNumber,
            _ => Self::Account,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub id: String,
    pub channel_id: String,
    pub api: Api,
    pub key_kind: KeyKind,
    pub key_value: String,
    pub account_key: String,
    /// `STARTING` …, or `REPORT_SUMMARY` ….
    pub events: Vec<String>,
    pub created_us: i64,
    /// Head of the account's log when the subscription was stored; the store sets it.
    pub since_position: i64,
}

impl Subscription {
    pub(super) fn read(row: &AnyRow) -> StoreResult<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            channel_id: row.try_get("channel_id")?,
            api: match row.try_get::<&str, _>("api")? {
                "call-events-report" => Api::CallEventsReport,
                "call-history" => Api::CallHistory,
                "recording" => Api::Recording,
                _ => Api::CallEvents,
            },
            key_kind: KeyKind::read(row.try_get("key_kind")?),
            key_value: row.try_get("key_value")?,
            account_key: row.try_get("account_key")?,
            events: words(row.try_get("events")?),
            created_us: row.try_get("created_us")?,
            since_position: row.try_get("since_position")?,
        })
    }
}

impl Store {
    /// Adds subscriptions; one that exists stays as it is (spec/call-events.md: subscribing again is harmless and
    /// does not change the events). The channel's place in the account's log begins at its present head. False when
    /// the channel is gone: then nothing is added.
    pub async fn put_subscriptions(
        &self,
        channel_id: &str,
        subscriptions: &[Subscription],
    ) -> StoreResult<bool> {
        let mut tx = self.write.begin().await?;
        if !hold(&mut tx, channel_id).await? {
            return Ok(false);
        }
        for subscription in subscriptions {
            sqlx::query(
                "insert into subscriptions
                    (id, channel_id, api, key_kind, key_value, account_key, events, created_us,
                     since_position)
                 values ($1, $2, $3, $4, $5, $6, $7, $8,
                    (select log_head from accounts where account_key = $6))
                 on conflict (channel_id, api, key_kind, key_value) do nothing",
            )
            .bind(&subscription.id)
            .bind(channel_id)
            .bind(subscription.api.as_str())
            .bind(subscription.key_kind.as_str())
            .bind(&subscription.key_value)
            .bind(&subscription.account_key)
            .bind(subscription.events.join(" "))
            .bind(subscription.created_us)
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "insert into cursors (channel_id, account_key, position)
                 select $1, account_key, log_head from accounts where account_key = $2
                 on conflict (channel_id, account_key) do nothing",
            )
            .bind(channel_id)
            .bind(&subscription.account_key)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// A channel's subscriptions, oldest first.
    pub async fn subscriptions(&self, channel_id: &str) -> StoreResult<Vec<Subscription>> {
        let rows = sqlx::query("select * from subscriptions where channel_id = $1 order by created_us, id")
            .bind(channel_id)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(Subscription::read).collect()
    }

    pub async fn all_subscriptions(&self) -> StoreResult<Vec<Subscription>> {
        let rows = sqlx::query("select * from subscriptions").fetch_all(&self.read).await?;
        rows.iter().map(Subscription::read).collect()
    }

    /// A channel's places in the logs of its accounts.
    pub async fn cursors(&self, channel_id: &str) -> StoreResult<Vec<(String, i64)>> {
        let rows = sqlx::query("select account_key, position from cursors where channel_id = $1")
            .bind(channel_id)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(|row| Ok((row.try_get("account_key")?, row.try_get("position")?))).collect()
    }

    /// Deletes the given subscriptions, and sets the events of others: `(id, events)`.
    pub async fn change_subscriptions(
        &self,
        delete: &[String],
        set_events: &[(String, Vec<String>)],
    ) -> StoreResult<()> {
        let mut tx = self.write.begin().await?;
        for id in delete {
            sqlx::query("delete from subscriptions where id = $1").bind(id).execute(&mut *tx).await?;
        }
        for (id, events) in set_events {
            sqlx::query("update subscriptions set events = $1 where id = $2")
                .bind(events.join(" "))
                .bind(id)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
