//! What was seen of a caller before: their last calls in either direction, and how often they have called today.

use jiff::Timestamp;
use sqlx::{AnyPool, AssertSqlSafe, Row, any::AnyRow};

use super::screen_pop::{instant, lines_of, outcome_of};
use crate::screen_pop::{
    call::{Call, History, LastCall, Way},
    limits::LAST_CALLS_SHOWN_MAX,
};

/// What was seen of these numbers before `call`; `day_start` is when the day of the call began. Nothing without a number:
/// who withholds theirs is nobody.
///
/// # Errors
/// When the database refuses.
pub async fn history(
    pool: &AnyPool,
    call: &Call,
    numbers: &[String],
    day_start: Timestamp,
) -> sqlx::Result<Option<History>> {
    if numbers.is_empty() {
        return Ok(None);
    }
    let wanted = (4..4 + numbers.len()).map(|at| format!("${at}")).collect::<Vec<_>>().join(", ");
    let inbound = format!(
        "SELECT conversation_space_id, created_us, outcome, answered_by AS lines, answered_us, ended_us FROM screen_pop_calls
         WHERE created_us <= $1 AND conversation_space_id <> $2 AND caller_key IN ({wanted})
         ORDER BY created_us DESC LIMIT $3"
    );
    let dialled = format!(
        "SELECT conversation_space_id, created_us, outcome, line AS lines, answered_us, ended_us FROM screen_pop_dialled
         WHERE created_us <= $1 AND conversation_space_id <> $2 AND number IN ({wanted})
         ORDER BY created_us DESC LIMIT $3"
    );
    let mut calls = Vec::new();
    for (text, way) in [(inbound, Way::Inbound), (dialled, Way::Outbound)] {
        let mut query = sqlx::query(AssertSqlSafe(text))
            .bind(call.created.as_microsecond())
            .bind(&call.id)
            .bind(i64::try_from(LAST_CALLS_SHOWN_MAX).unwrap_or(i64::MAX));
        for number in numbers {
            query = query.bind(number);
        }
        for row in query.fetch_all(pool).await? {
            calls.push(last_call(&row, way)?);
        }
    }
    calls.sort_by_key(|call| std::cmp::Reverse(call.created));
    calls.truncate(LAST_CALLS_SHOWN_MAX);
    let text = format!(
        "SELECT count(*) FROM screen_pop_calls
         WHERE created_us <= $1 AND conversation_space_id <> $2 AND created_us >= $3 AND caller_key IN ({wanted})"
    );
    let mut query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(text))
        .bind(call.created.as_microsecond())
        .bind(&call.id)
        .bind(day_start.as_microsecond());
    for number in numbers {
        query = query.bind(number);
    }
    let today = u64::try_from(query.fetch_one(pool).await?).unwrap_or_default() + 1;
    Ok(Some(History { numbers: numbers.to_vec(), calls, today }))
}

fn last_call(row: &AnyRow, way: Way) -> sqlx::Result<LastCall> {
    let at = |name: &str| row.try_get::<Option<i64>, _>(name).map(|at| at.map(instant));
    let talked = at("ended_us")?.zip(at("answered_us")?);
    Ok(LastCall {
        id: row.try_get("conversation_space_id")?,
        created: instant(row.try_get("created_us")?),
        way,
        outcome: outcome_of(row.try_get("outcome")?),
        line: lines_of(row.try_get("lines")?).into_iter().next(),
        talked_s: talked.map(|(ended, answered)| ended.duration_since(answered).as_secs().max(0)),
    })
}
