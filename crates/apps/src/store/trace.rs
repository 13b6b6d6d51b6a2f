//! All that the store knows of one call.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{AnyPool, Row, any::AnyRow};

use super::reports::instant;

/// What the store knows of one call.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    pub stored: Option<StoredAt>,
    pub pending: Option<PendingUntil>,
    /// When it was erased, for good.
    pub erased: Option<Timestamp>,
    pub changes: Vec<ChangedIn>,
    pub gaps: Vec<Missing>,
    pub deliveries: Vec<Delivery>,
    /// Times in which its end could not be heard of: those that were open when it ended or, of a call that is not stored,
    /// that are open now.
    pub unheard: Vec<Unheard>,
    /// The screen pop of the same folder has seen it.
    pub popped: bool,
}

/// A gap of the account: no notification could arrive.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unheard {
    /// As [`GapKind::as_str`](super::ledger::GapKind::as_str) says.
    pub kind: String,
    pub reason: String,
    pub from: Timestamp,
    /// When a look at the finished calls had covered it.
    pub closed: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredAt {
    pub at: Timestamp,
    pub call_ended: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingUntil {
    pub announced: Timestamp,
    pub attempts: i64,
    pub next: Timestamp,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedIn {
    pub revision: i64,
    pub changed: String,
}

/// A gap of the call's own.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    pub from: Timestamp,
    pub closed: Option<Timestamp>,
    /// It was given up.
    pub lost: bool,
    pub reason: String,
}

/// A text of the report and an output.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    pub output: String,
    pub revision: i64,
    /// The output has come past it …
    pub taken: bool,
    /// … because it began later.
    pub before: bool,
    /// Why it was put aside.
    pub refused: Option<String>,
    /// Why the output takes nothing at present.
    pub failure: Option<String>,
    /// The collector that started last uses the output.
    pub used: bool,
}

/// The accounts that know of a call with this id, by their keys.
///
/// # Errors
/// When the database refuses.
pub async fn accounts(pool: &AnyPool, id: &str) -> sqlx::Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT account_key FROM reports WHERE conversation_space_id = $1
         UNION SELECT account_key FROM reports_pending WHERE conversation_space_id = $1 AND account_key <> ''
         UNION SELECT account_key FROM erased_calls WHERE conversation_space_id = $1 AND account_key <> ''
         UNION SELECT account_key FROM gaps WHERE kind = 'report' AND subject = $1 ORDER BY 1",
    )
    .bind(id)
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// What is known of a call. Without an account: of one that no account knows of, as far as that goes.
///
/// # Errors
/// When the database refuses.
pub async fn of(pool: &AnyPool, account: Option<&str>, id: &str) -> sqlx::Result<Trace> {
    let key = account.unwrap_or_default();
    let stored = sqlx::query(
        "SELECT stored_us, call_ended FROM reports WHERE conversation_space_id = $1 AND account_key = $2",
    )
    .bind(id)
    .bind(key)
    .fetch_optional(pool)
    .await?;
    let stored = stored.map(|row| stored_at(&row)).transpose()?;
    let pending = sqlx::query(
        "SELECT announced_us, attempts, next_try_us FROM reports_pending
         WHERE conversation_space_id = $1 AND account_key IN ($2, '')",
    )
    .bind(id)
    .bind(key)
    .fetch_optional(pool)
    .await?;
    let erased = sqlx::query(
        "SELECT erased_us FROM erased_calls WHERE conversation_space_id = $1 AND account_key IN ($2, '')",
    )
    .bind(id)
    .bind(key)
    .fetch_optional(pool)
    .await?;
    let popped = sqlx::query("SELECT 1 FROM screen_pop_calls WHERE conversation_space_id = $1")
        .bind(id)
        .fetch_optional(pool)
        .await?;
    let ended = stored.as_ref().map(|stored| stored.call_ended.parse::<Timestamp>());
    let unheard = match ended {
        None => unheard(pool, account, None).await?,
        Some(Ok(ended)) => unheard(pool, account, Some(ended)).await?,
        Some(Err(_)) => Vec::new(),
    };
    Ok(Trace {
        stored,
        pending: pending.map(|row| pending_until(&row)).transpose()?,
        erased: erased.map(|row| row.try_get(0).map(instant)).transpose()?,
        changes: changes(pool, key, id).await?,
        gaps: gaps(pool, key, id).await?,
        deliveries: deliveries(pool, key, id).await?,
        unheard,
        popped: popped.is_some(),
    })
}

/// Gaps of an account, or of all, that were open at an instant, or are.
async fn unheard(pool: &AnyPool, account: Option<&str>, at: Option<Timestamp>) -> sqlx::Result<Vec<Unheard>> {
    let rows = sqlx::query(
        "SELECT kind, reason, from_us, closed_us FROM gaps WHERE kind NOT IN ('report', 'sign-in', 'look') AND ($1 IS NULL OR account_key = $1)
             AND CASE WHEN $2 IS NULL THEN closed_us IS NULL
                 ELSE from_us <= $2 AND (closed_us IS NULL OR closed_us >= $2) END ORDER BY number",
    )
    .bind(account)
    .bind(at.map(Timestamp::as_microsecond))
    .fetch_all(pool)
    .await?;
    let unheard = |row: &AnyRow| {
        Ok(Unheard {
            kind: row.try_get(0)?,
            reason: row.try_get(1)?,
            from: instant(row.try_get(2)?),
            closed: row.try_get::<Option<i64>, _>(3)?.map(instant),
        })
    };
    rows.iter().map(unheard).collect()
}

fn stored_at(row: &AnyRow) -> sqlx::Result<StoredAt> {
    Ok(StoredAt { at: instant(row.try_get(0)?), call_ended: row.try_get(1)? })
}

fn pending_until(row: &AnyRow) -> sqlx::Result<PendingUntil> {
    Ok(PendingUntil {
        announced: instant(row.try_get(0)?),
        attempts: row.try_get(1)?,
        next: instant(row.try_get(2)?),
    })
}

async fn changes(pool: &AnyPool, account: &str, id: &str) -> sqlx::Result<Vec<ChangedIn>> {
    let rows = sqlx::query(
        "SELECT revision, changed FROM report_changes WHERE conversation_space_id = $1 AND account_key = $2
         ORDER BY revision",
    )
    .bind(id)
    .bind(account)
    .fetch_all(pool)
    .await?;
    let change = |row: &AnyRow| Ok(ChangedIn { revision: row.try_get(0)?, changed: row.try_get(1)? });
    rows.iter().map(change).collect()
}

async fn gaps(pool: &AnyPool, account: &str, id: &str) -> sqlx::Result<Vec<Missing>> {
    let rows = sqlx::query(
        "SELECT from_us, closed_us, reason, reports FROM gaps WHERE kind = 'report' AND subject = $1 AND account_key = $2
         ORDER BY number",
    )
    .bind(id)
    .bind(account)
    .fetch_all(pool)
    .await?;
    let missing = |row: &AnyRow| {
        let closed = row.try_get::<Option<i64>, _>(1)?.map(instant);
        Ok(Missing {
            from: instant(row.try_get(0)?),
            lost: closed.is_some() && row.try_get::<i64, _>(3)? == 0,
            closed,
            reason: row.try_get(2)?,
        })
    };
    rows.iter().map(missing).collect()
}

async fn deliveries(pool: &AnyPool, account: &str, id: &str) -> sqlx::Result<Vec<Delivery>> {
    let rows = sqlx::query(
        "SELECT output.name, change.revision, CASE WHEN change.number <= output.cursor THEN 1 ELSE 0 END,
             CASE WHEN change.number <= output.begun THEN 1 ELSE 0 END, dead.reason,
             CASE WHEN output.failing_since_us IS NULL THEN NULL ELSE output.failure END,
             -- Of a store that has only met versions which kept no list, nobody can tell.
             CASE WHEN EXISTS (SELECT 1 FROM outputs_in_use AS used WHERE used.name = output.name)
                 OR NOT EXISTS (SELECT 1 FROM outputs_in_use) THEN 1 ELSE 0 END
         FROM report_changes AS change CROSS JOIN outputs AS output
         LEFT JOIN dead_letters AS dead ON dead.output = output.name AND dead.number = change.number
         WHERE change.conversation_space_id = $1 AND change.account_key = $2 ORDER BY output.name, change.revision",
    )
    .bind(id)
    .bind(account)
    .fetch_all(pool)
    .await?;
    let delivery = |row: &AnyRow| {
        Ok(Delivery {
            output: row.try_get(0)?,
            revision: row.try_get(1)?,
            taken: row.try_get::<i64, _>(2)? != 0,
            before: row.try_get::<i64, _>(3)? != 0,
            refused: row.try_get(4)?,
            failure: row.try_get(5)?,
            used: row.try_get::<i64, _>(6)? != 0,
        })
    };
    rows.iter().map(delivery).collect()
}
