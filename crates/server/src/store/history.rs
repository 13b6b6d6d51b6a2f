//! Call history, one row per leg of a user, and moving its subscriptions from channel to channel.

use sqlx::{AssertSqlSafe, Row as _};
use wire::Direction;
use wire::call_history::HistoryCall;

use super::channels::hold;
use super::insert::{Insert, insert};
use super::rows::Writing;
use super::summaries::placeholders;
use super::{Store, StoreResult, Subscription};
use crate::time;

/// Which rows of an account.
#[derive(Clone, Debug)]
pub struct HistoryQuery<'a> {
    pub account_key: &'a str,
    /// Without it, everybody's.
    pub user_key: Option<&'a str>,
    /// Empty means any.
    pub extensions: Vec<&'a str>,
    /// Start of the leg: from, inclusive, and until, exclusive.
    pub started_us: (i64, i64),
    /// Only what comes after this place: `(started, leg)`.
    pub after: Option<(i64, &'a str)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    pub started_us: i64,
    pub leg_id: String,
    /// `wire::call_history::HistoryCall` as JSON text.
    pub content: String,
}

/// A row as stored.
#[derive(Clone, Debug)]
pub(super) struct NewHistoryRow {
    user_key: String,
    started_us: i64,
    leg_id: String,
    extension: String,
    content: String,
}

impl NewHistoryRow {
    pub(super) fn new(call: &HistoryCall, content: &str) -> Self {
        let own = if call.direction == Direction::Outbound { &call.caller } else { &call.callee };
        Self {
            user_key: call.user_key.clone(),
            started_us: time::parse_us(&call.start_time),
            leg_id: call.leg_id.clone(),
            extension: own.number.clone(),
            content: content.to_owned(),
        }
    }
}

/// `(account, conversation space, row)` each.
pub(super) async fn write_history(
    tx: &mut Writing<'_>,
    rows: &[(&str, &str, &NewHistoryRow)],
) -> StoreResult<()> {
    let table = Insert {
        into: "call_history (account_key, user_key, started_us, leg_id, conversation_space_id,
                extension, content)",
        tail: "",
    };
    insert(tx, &table, rows, |(account_key, conversation_space_id, row)| {
        [
            (*account_key).into(),
            (&row.user_key).into(),
            row.started_us.into(),
            (&row.leg_id).into(),
            (*conversation_space_id).into(),
            (&row.extension).into(),
            (&row.content).into(),
        ]
    })
    .await
}

impl Store {
    /// Newest first, at most `limit`.
    pub async fn history(&self, wanted: &HistoryQuery<'_>, limit: i64) -> StoreResult<Vec<HistoryRow>> {
        let (started_us, leg_id) = wanted.after.unwrap_or((i64::MAX, ""));
        let mut text = "select started_us, leg_id, content from call_history
             where account_key = $1 and started_us >= $2 and started_us < $3
                and (started_us < $4 or (started_us = $4 and leg_id < $5))"
            .to_owned();
        let mut next = 7;
        if wanted.user_key.is_some() {
            text.push_str(" and user_key = $7");
            next += 1;
        }
        if !wanted.extensions.is_empty() {
            text.push_str(&format!(" and extension in ({})", placeholders(next, wanted.extensions.len())));
        }
        text.push_str(" order by started_us desc, leg_id desc limit $6");
        // The text holds nothing but the words above and placeholders.
        let mut select = sqlx::query(AssertSqlSafe(text))
            .bind(wanted.account_key)
            .bind(wanted.started_us.0)
            .bind(wanted.started_us.1)
            .bind(started_us)
            .bind(leg_id)
            .bind(limit);
        for value in wanted.user_key.iter().chain(&wanted.extensions) {
            select = select.bind(*value);
        }
        let rows = select.fetch_all(&self.read).await?;
        rows.iter()
            .map(|row| {
                Ok(HistoryRow {
                    started_us: row.try_get("started_us")?,
                    leg_id: row.try_get("leg_id")?,
                    content: row.try_get("content")?,
                })
            })
            .collect()
    }

    /// Legs of a call whose rows are written.
    pub async fn history_legs(&self, conversation_space_id: &str) -> StoreResult<Vec<String>> {
        let rows = sqlx::query("select leg_id from call_history where conversation_space_id = $1")
            .bind(conversation_space_id)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(|row| Ok(row.try_get("leg_id")?)).collect()
    }

    pub async fn subscription(&self, id: &str) -> StoreResult<Option<Subscription>> {
        let row = sqlx::query("select * from subscriptions where id = $1")
            .bind(id)
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(Subscription::read).transpose()
    }

    /// Moves a subscription to another channel, which hears what happens from now on. False when that channel
    /// has one of the same kind already, or is gone: then nothing is changed.
    pub async fn move_subscription(&self, id: &str, channel_id: &str, now_us: i64) -> StoreResult<bool> {
        let mut tx = self.write.begin().await?;
        if !hold(&mut tx, channel_id).await? {
            return Ok(false);
        }
        let moved = sqlx::query(
            "update subscriptions set channel_id = $1, created_us = $2 where id = $3 and not exists (
                select 1 from subscriptions s join subscriptions t on t.api = s.api
                    and t.key_kind = s.key_kind and t.key_value = s.key_value
                where s.id = $3 and t.channel_id = $1)",
        )
        .bind(channel_id)
        .bind(now_us)
        .bind(id)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "insert into cursors (channel_id, account_key, position)
             select s.channel_id, a.account_key, a.log_head
             from subscriptions s join accounts a on a.account_key = s.account_key where s.id = $1
             on conflict (channel_id, account_key) do nothing",
        )
        .bind(id)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(moved.rows_affected() == 1)
    }
}
