//! Channels and how far their readers have come.

use std::collections::HashMap;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::{Store, StoreResult};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRow {
    pub channel_id: String,
    /// Empty when made without one.
    pub nickname: String,
    pub user_key: String,
    pub application_tag: String,
    pub lifetime_s: i64,
    pub created_us: i64,
    pub expires_us: i64,
}

/// The client that made a channel, and the grant by which it did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelMaker {
    pub client_id: String,
    /// As in [`super::TokenRow`].
    pub grant_id: String,
}

impl ChannelRow {
    fn read(row: &AnyRow) -> StoreResult<Self> {
        Ok(Self {
            channel_id: row.try_get("channel_id")?,
            nickname: row.try_get("nickname")?,
            user_key: row.try_get("user_key")?,
            application_tag: row.try_get("application_tag")?,
            lifetime_s: row.try_get("lifetime_s")?,
            created_us: row.try_get("created_us")?,
            expires_us: row.try_get("expires_us")?,
        })
    }
}

impl Store {
    pub async fn put_channel(&self, channel: &ChannelRow, maker: &ChannelMaker) -> StoreResult<()> {
        let mut connection = self.write.acquire().await?;
        insert_channel(&mut connection, channel, maker).await
    }

    /// Whether any token of a grant is left. Asked after a channel was stored: then whoever takes the grant away
    /// either found the channel, or had taken the tokens before.
    pub async fn grant_lives(&self, maker: &ChannelMaker) -> StoreResult<bool> {
        let row = sqlx::query("select 1 from tokens where client_id = $1 and grant_id = $2 limit 1")
            .bind(&maker.client_id)
            .bind(&maker.grant_id)
            .fetch_optional(&self.read)
            .await?;
        Ok(row.is_some())
    }

    /// Starts a life anew. False when the channel is gone. One of before makers were kept takes the one who asks: the
    /// program that refreshes a channel is the one that made it.
    pub async fn prolong_channel(
        &self,
        channel_id: &str,
        lifetime_s: i64,
        expires_us: i64,
        asking: &ChannelMaker,
    ) -> StoreResult<bool> {
        let done = sqlx::query(
            "update channels set lifetime_s = $1, expires_us = $2,
                client_id = case when grant_id = '' then $3 else client_id end,
                grant_id = case when grant_id = '' then $4 else grant_id end
             where channel_id = $5",
        )
        .bind(lifetime_s)
        .bind(expires_us)
        .bind(&asking.client_id)
        .bind(&asking.grant_id)
        .bind(channel_id)
        .execute(&self.write)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// No channel ends before the given instant: the time in which nobody could refresh it does not count.
    pub async fn grant_grace(&self, until_us: i64) -> StoreResult<()> {
        sqlx::query("update channels set expires_us = $1 where expires_us < $1")
            .bind(until_us)
            .execute(&self.write)
            .await?;
        Ok(())
    }

    /// A user's channels that live, newest first, starting below the key of the page before.
    pub async fn channels_of_user(
        &self,
        user_key: &str,
        now_us: i64,
        before: Option<(i64, &str)>,
        limit: i64,
    ) -> StoreResult<Vec<ChannelRow>> {
        let (created_us, channel_id) = before.unwrap_or((i64::MAX, ""));
        let rows = sqlx::query(
            "select * from channels where user_key = $1 and expires_us > $2
                and (created_us < $3 or (created_us = $3 and channel_id < $4))
             order by created_us desc, channel_id desc limit $5",
        )
        .bind(user_key)
        .bind(now_us)
        .bind(created_us)
        .bind(channel_id)
        .bind(limit)
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(ChannelRow::read).collect()
    }

    /// All channels with their cursors, for the hub to begin with.
    pub async fn all_channels(&self) -> StoreResult<Vec<(ChannelRow, HashMap<String, i64>)>> {
        let rows = sqlx::query("select * from channels").fetch_all(&self.read).await?;
        let mut channels = Vec::with_capacity(rows.len());
        for row in &rows {
            channels.push((ChannelRow::read(row)?, HashMap::new()));
        }
        let places: HashMap<String, usize> =
            channels.iter().enumerate().map(|(i, (channel, _))| (channel.channel_id.clone(), i)).collect();
        let rows = sqlx::query("select channel_id, account_key, position from cursors")
            .fetch_all(&self.read)
            .await?;
        for row in &rows {
            if let Some(&place) = places.get(row.try_get::<&str, _>("channel_id")?) {
                channels[place].1.insert(row.try_get("account_key")?, row.try_get("position")?);
            }
        }
        Ok(channels)
    }

    /// Deletes a channel with all subscriptions on it. False when it was gone.
    pub async fn delete_channel(&self, channel_id: &str) -> StoreResult<bool> {
        let mut tx = self.write.begin().await?;
        let there = remove(&mut tx, channel_id).await?;
        tx.commit().await?;
        Ok(there)
    }

    /// Writes cursors: `(channel, account, position)`.
    pub async fn put_cursors(&self, cursors: &[(String, String, i64)]) -> StoreResult<()> {
        let mut tx = self.write.begin().await?;
        for (channel_id, account_key, position) in cursors {
            sqlx::query("update cursors set position = $1 where channel_id = $2 and account_key = $3")
                .bind(position)
                .bind(channel_id)
                .bind(account_key)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

pub(super) async fn insert_channel(
    connection: &mut AnyConnection,
    channel: &ChannelRow,
    maker: &ChannelMaker,
) -> StoreResult<()> {
    sqlx::query(
        "insert into channels
            (channel_id, nickname, user_key, application_tag, lifetime_s, created_us, expires_us, client_id, grant_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&channel.channel_id)
    .bind(&channel.nickname)
    .bind(&channel.user_key)
    .bind(&channel.application_tag)
    .bind(channel.lifetime_s)
    .bind(channel.created_us)
    .bind(channel.expires_us)
    .bind(&maker.client_id)
    .bind(&maker.grant_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// A channel with its subscriptions, places and webhook. False when it is gone already.
///
/// The channel itself goes first: who is adding to it holds it ([`hold`]), so what is added meanwhile is removed too.
pub(super) async fn remove(connection: &mut AnyConnection, channel_id: &str) -> StoreResult<bool> {
    let delete = sqlx::query("delete from channels where channel_id = $1").bind(channel_id);
    let there = delete.execute(&mut *connection).await?.rows_affected() > 0;
    for statement in
        ["delete from subscriptions where channel_id = $1", "delete from cursors where channel_id = $1"]
    {
        sqlx::query(statement).bind(channel_id).execute(&mut *connection).await?;
    }
    super::webhooks::forget(connection, channel_id).await?;
    Ok(there)
}

/// Keeps a channel from being removed until this transaction ends. False when it is gone: then nothing may be added
/// to it, since nobody would ever remove that.
pub(super) async fn hold(connection: &mut AnyConnection, channel_id: &str) -> StoreResult<bool> {
    // Portable: PostgreSQL locks the row, SQLite knows one writer.
    let touch = sqlx::query("update channels set channel_id = channel_id where channel_id = $1");
    Ok(touch.bind(channel_id).execute(connection).await?.rows_affected() > 0)
}

/// Removes the channels of a client, or of one of its grants, and tells which they were.
pub(super) async fn remove_of(
    connection: &mut AnyConnection,
    client_id: Option<&str>,
    grant_id: Option<&str>,
) -> StoreResult<Vec<String>> {
    let rows = sqlx::query(
        "select channel_id from channels where grant_id <> '' and ($1 = '' or client_id = $1)
            and ($2 = '' or grant_id = $2)
         order by channel_id",
    )
    .bind(client_id.unwrap_or_default())
    .bind(grant_id.unwrap_or_default())
    .fetch_all(&mut *connection)
    .await?;
    let mut removed = Vec::with_capacity(rows.len());
    for row in rows {
        let id: String = row.try_get("channel_id")?;
        remove(connection, &id).await?;
        removed.push(id);
    }
    Ok(removed)
}
