//! Calls that the screen pop saw: who called when and how it ended, so that the next card can tell.
//!
//! Instants are microseconds since 1970. Callers who withhold their number have no `caller_key` and never match.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::{AnyConnection, AnyPool, Row, any::AnyRow};

use crate::{
    people::number::{Home, Number},
    screen_pop::{
        call::{Call, Line, Outcome, Stage},
        elsewhere::Dialled,
        limits::SEEN_KEPT_DAYS,
    },
};

/// Tables of the screen pop; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS screen_pop_calls (
    conversation_space_id text PRIMARY KEY,
    created_us bigint NOT NULL,
    caller_key text,
    caller_number text NOT NULL,
    caller_name text NOT NULL,
    dialled_number text NOT NULL,
    dialled_label text NOT NULL,
    rang text NOT NULL,
    answered_by text NOT NULL,
    answered_us bigint,
    voicemail bigint NOT NULL,
    ended_us bigint,
    outcome text
);
CREATE INDEX IF NOT EXISTS screen_pop_calls_by_caller ON screen_pop_calls (caller_key, created_us);
CREATE INDEX IF NOT EXISTS screen_pop_calls_by_time ON screen_pop_calls (created_us);
CREATE TABLE IF NOT EXISTS screen_pop_talked (
    conversation_space_id text PRIMARY KEY,
    created_us bigint NOT NULL,
    lines text NOT NULL
);
CREATE TABLE IF NOT EXISTS screen_pop_dialled (
    conversation_space_id text PRIMARY KEY,
    created_us bigint NOT NULL,
    number text NOT NULL,
    line text NOT NULL,
    answered_us bigint,
    ended_us bigint,
    outcome text
);
CREATE INDEX IF NOT EXISTS screen_pop_dialled_by_number ON screen_pop_dialled (number, created_us);
CREATE INDEX IF NOT EXISTS screen_pop_dialled_by_time ON screen_pop_dialled (created_us);
";

/// Writes a call as it stands now, over what was written of it before.
///
/// # Errors
/// When the database refuses.
pub async fn save(connection: &mut AnyConnection, call: &Call) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO screen_pop_calls (conversation_space_id, created_us, caller_key, caller_number, caller_name,
             dialled_number, dialled_label, rang, answered_by, answered_us, voicemail, ended_us, outcome)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (conversation_space_id) DO UPDATE SET rang = excluded.rang, answered_by = excluded.answered_by,
             answered_us = excluded.answered_us, voicemail = excluded.voicemail, ended_us = excluded.ended_us,
             outcome = excluded.outcome",
    )
    .bind(&call.id)
    .bind(call.created.as_microsecond())
    .bind(call.caller.key())
    .bind(call.caller.key().unwrap_or_default())
    .bind(&call.caller_name)
    .bind(call.dialled.key().unwrap_or_default())
    .bind(&call.dialled_label)
    .bind(lines_text(&call.rang))
    .bind(lines_text(&call.answered_by))
    .bind(call.answered_at.map(Timestamp::as_microsecond))
    .bind(i64::from(call.voicemail))
    .bind(call.ended_at.map(Timestamp::as_microsecond))
    .bind(call.outcome().map(outcome_text))
    .execute(&mut *connection)
    .await?;
    // Most calls have one talker, who stands in the row already.
    if call.talked.len() > 1 {
        sqlx::query(
            "INSERT INTO screen_pop_talked (conversation_space_id, created_us, lines) VALUES ($1, $2, $3)
             ON CONFLICT (conversation_space_id) DO UPDATE SET lines = excluded.lines",
        )
        .bind(&call.id)
        .bind(call.created.as_microsecond())
        .bind(lines_text(&call.talked))
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// Writes a call of ours to somebody outside, once: what was written of it stays.
///
/// # Errors
/// When the database refuses.
pub async fn save_dialled(connection: &mut AnyConnection, dialled: &Dialled) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO screen_pop_dialled (conversation_space_id, created_us, number, line, answered_us, ended_us, outcome)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(&dialled.id)
    .bind(dialled.created.as_microsecond())
    .bind(&dialled.number)
    .bind(lines_text(dialled.line.as_slice()))
    .bind(dialled.answered_at.map(Timestamp::as_microsecond))
    .bind(dialled.ended_at.map(Timestamp::as_microsecond))
    .bind(dialled.outcome.map(outcome_text))
    .execute(connection)
    .await?;
    Ok(())
}

/// The newest calls, at most `max`, and besides the newest missed ones, at most `missed`: they wait for somebody, however
/// many others were answered since.
///
/// # Errors
/// When the database refuses.
pub async fn recent(pool: &AnyPool, now: Timestamp, max: u32, missed: u32) -> sqlx::Result<Vec<Call>> {
    let rows = sqlx::query(
        "SELECT screen_pop_calls.*, screen_pop_talked.lines AS talked FROM screen_pop_calls
         LEFT JOIN screen_pop_talked USING (conversation_space_id)
         WHERE conversation_space_id IN (
             SELECT conversation_space_id FROM screen_pop_calls ORDER BY created_us DESC LIMIT $1)
         OR conversation_space_id IN (
             SELECT conversation_space_id FROM screen_pop_calls WHERE outcome = 'MISSED'
             ORDER BY created_us DESC LIMIT $2)
         ORDER BY screen_pop_calls.created_us DESC",
    )
    .bind(i64::from(max))
    .bind(i64::from(missed))
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| call_of(row, now)).collect()
}

/// How many calls that came in since `since` were answered, and how many ended unanswered.
///
/// # Errors
/// When the database refuses.
pub async fn answered_and_missed(pool: &AnyPool, since: Timestamp) -> sqlx::Result<(u64, u64)> {
    let row = sqlx::query(
        "SELECT count(answered_us) AS answered, count(CASE WHEN outcome = 'MISSED' THEN 1 END) AS missed
         FROM screen_pop_calls WHERE created_us >= $1",
    )
    .bind(since.as_microsecond())
    .fetch_one(pool)
    .await?;
    let count =
        |name: &str| row.try_get::<i64, _>(name).map(|count| u64::try_from(count).unwrap_or_default());
    Ok((count("answered")?, count("missed")?))
}

/// Drops what is too old to be told.
///
/// # Errors
/// When the database refuses.
pub async fn forget_old(pool: &AnyPool, now: Timestamp) -> sqlx::Result<()> {
    let oldest = now.as_microsecond() - SEEN_KEPT_DAYS * 24 * 3600 * 1_000_000;
    sqlx::query("DELETE FROM screen_pop_calls WHERE created_us < $1").bind(oldest).execute(pool).await?;
    sqlx::query("DELETE FROM screen_pop_talked WHERE created_us < $1").bind(oldest).execute(pool).await?;
    sqlx::query("DELETE FROM screen_pop_dialled WHERE created_us < $1").bind(oldest).execute(pool).await?;
    Ok(())
}

fn call_of(row: &AnyRow, now: Timestamp) -> sqlx::Result<Call> {
    let rang = lines_of(row.try_get("rang")?);
    // Numbers are stored as E.164, so the region decides only how they are written.
    let home = Home::of(row.try_get("dialled_number")?).unwrap_or_default();
    let answered_at = row.try_get::<Option<i64>, _>("answered_us")?.map(instant);
    let stage = match outcome_of(row.try_get("outcome")?) {
        Some(outcome) => Stage::Ended(outcome),
        None if answered_at.is_some() => Stage::Answered,
        None => Stage::Ringing,
    };
    let answered_by = lines_of(row.try_get("answered_by")?);
    let talked = row.try_get::<Option<String>, _>("talked")?;
    Ok(Call {
        id: row.try_get("conversation_space_id")?,
        created: instant(row.try_get("created_us")?),
        caller_name: row.try_get("caller_name")?,
        caller: Number::read(row.try_get("caller_number")?, home),
        dialled_label: row.try_get("dialled_label")?,
        dialled: Number::read(row.try_get("dialled_number")?, home),
        ringing: if stage == Stage::Ringing { rang.clone() } else { Vec::new() },
        stage,
        rang,
        talked: talked.map_or_else(|| answered_by.clone(), |text| lines_of(&text)),
        answered_by,
        parked: false,
        settled: false,
        claimed: None,
        answered_at,
        ended_at: row.try_get::<Option<i64>, _>("ended_us")?.map(instant),
        cut_off: false,
        voicemail: row.try_get::<i64, _>("voicemail")? != 0,
        queue: None,
        rings: HashMap::new(),
        history: None,
        known: None,
        logged: None,
        sequence: 0,
        heard: now,
    })
}

pub(super) fn instant(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn lines_text(lines: &[Line]) -> String {
    serde_json::to_string(lines).expect("lines are plain texts")
}

pub(super) fn lines_of(text: &str) -> Vec<Line> {
    serde_json::from_str(text).unwrap_or_default()
}

fn outcome_text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "ANSWERED",
        Outcome::Missed => "MISSED",
        Outcome::Unknown => "UNKNOWN",
    }
}

pub(super) fn outcome_of(text: Option<&str>) -> Option<Outcome> {
    match text? {
        "ANSWERED" => Some(Outcome::Answered),
        "MISSED" => Some(Outcome::Missed),
        _ => Some(Outcome::Unknown),
    }
}
