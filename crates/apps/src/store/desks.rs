//! What the desks keep: sessions of browsers, what people chose, and their pins, dismissals and notes.
//!
//! A session is stored by the digest of its cookie. Instants are microseconds since 1970.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::{AnyPool, Row, any::AnyRow};

use crate::screen_pop::sight::{Choice, Person};

/// Tables of the desks; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS desk_sessions (
    digest text PRIMARY KEY,
    person text NOT NULL,
    user_key text,
    lines text NOT NULL,
    member bigint NOT NULL,
    admin bigint NOT NULL,
    ends_us bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS desk_choices (
    person text PRIMARY KEY,
    everybody bigint NOT NULL,
    team bigint NOT NULL,
    do_not_disturb bigint NOT NULL,
    sound bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS desk_marks (
    person text NOT NULL,
    conversation_space_id text NOT NULL,
    dismissed bigint NOT NULL,
    pinned bigint NOT NULL,
    notes text NOT NULL,
    changed_us bigint NOT NULL,
    PRIMARY KEY (person, conversation_space_id)
);
CREATE INDEX IF NOT EXISTS desk_marks_by_time ON desk_marks (person, changed_us);
CREATE TABLE IF NOT EXISTS desk_hours (
    person text PRIMARY KEY,
    muted text NOT NULL,
    hours text
);
CREATE TABLE IF NOT EXISTS desk_codes (
    person text NOT NULL,
    conversation_space_id text NOT NULL,
    code text NOT NULL,
    PRIMARY KEY (person, conversation_space_id)
);
CREATE TABLE IF NOT EXISTS desk_reached (
    number text PRIMARY KEY,
    at_us bigint NOT NULL
);
";

/// What `desk_choices.team` adds up: the team's calls are chosen …
const TEAM: i64 = 1;
/// … calls at lines of nobody are not …
const UNOWNED_OFF: i64 = 2;
/// … and single keys are no commands.
const KEYS_OFF: i64 = 4;

/// A browser that is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    pub person: Person,
    pub ends: Timestamp,
}

/// What a person did to a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    pub dismissed: Dismissed,
    pub pinned: bool,
    pub notes: String,
    /// What came of the call, one of the words that were set up; can be empty.
    pub code: String,
}

/// Whether a person has closed the card of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dismissed {
    #[default]
    No,
    /// While the call went on: it comes back when it is missed, or when a line of theirs begins to ring after the state with
    /// this sequence number.
    Ring(u64),
    ForGood,
}

impl Dismissed {
    /// As it is stored: 0, 1 for good, else the sequence number and two.
    fn stored(self) -> i64 {
        match self {
            Self::No => 0,
            Self::ForGood => 1,
            Self::Ring(number) => i64::try_from(number).unwrap_or(i64::MAX).saturating_add(2),
        }
    }

    fn of_stored(stored: i64) -> Self {
        match stored {
            0 => Self::No,
            1 => Self::ForGood,
            number => u64::try_from(number.saturating_sub(2)).map_or(Self::ForGood, Self::Ring),
        }
    }
}

/// Sessions that have not ended, by digest; those that have are deleted.
///
/// # Errors
/// When the database refuses.
pub async fn sessions(pool: &AnyPool, now: Timestamp) -> sqlx::Result<HashMap<String, Session>> {
    sqlx::query("DELETE FROM desk_sessions WHERE ends_us <= $1")
        .bind(now.as_microsecond())
        .execute(pool)
        .await?;
    let rows = sqlx::query("SELECT * FROM desk_sessions").fetch_all(pool).await?;
    rows.iter().map(session).collect()
}

fn session(row: &AnyRow) -> sqlx::Result<(String, Session)> {
    let person = Person {
        id: row.try_get("person")?,
        user_key: row.try_get("user_key")?,
        lines: serde_json::from_str(row.try_get("lines")?).unwrap_or_default(),
        member: row.try_get::<i64, _>("member")? != 0,
        admin: row.try_get::<i64, _>("admin")? != 0,
    };
    let ends = Timestamp::from_microsecond(row.try_get("ends_us")?).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok((row.try_get("digest")?, Session { person, ends }))
}

/// # Errors
/// When the database refuses.
pub async fn add_session(pool: &AnyPool, digest: &str, session: &Session) -> sqlx::Result<()> {
    let person = &session.person;
    sqlx::query(
        "INSERT INTO desk_sessions (digest, person, user_key, lines, member, admin, ends_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(digest)
    .bind(&person.id)
    .bind(&person.user_key)
    .bind(serde_json::to_string(&person.lines).expect("ids are texts"))
    .bind(i64::from(person.member))
    .bind(i64::from(person.admin))
    .bind(session.ends.as_microsecond())
    .execute(pool)
    .await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn end_session(pool: &AnyPool, digest: &str) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM desk_sessions WHERE digest = $1").bind(digest).execute(pool).await?;
    Ok(())
}

/// The person's sessions are no admin's any more.
///
/// # Errors
/// When the database refuses.
pub async fn demote(pool: &AnyPool, person: &str) -> sqlx::Result<()> {
    sqlx::query("UPDATE desk_sessions SET admin = 0 WHERE person = $1").bind(person).execute(pool).await?;
    Ok(())
}

/// What a person has chosen; the usual if nothing.
///
/// # Errors
/// When the database refuses.
pub async fn choice(pool: &AnyPool, person: &str) -> sqlx::Result<Choice> {
    let choices = sqlx::query(
        "SELECT desk_choices.*, muted, hours FROM desk_choices LEFT JOIN desk_hours USING (person)
         WHERE person = $1",
    );
    let row = choices.bind(person).fetch_optional(pool).await?;
    let Some(row) = row else { return Ok(Choice::default()) };
    let is = |name: &str| row.try_get::<i64, _>(name).map(|value| value != 0);
    Ok(Choice {
        everybody: is("everybody")?,
        unowned: row.try_get::<i64, _>("team")? & UNOWNED_OFF == 0,
        team: row.try_get::<i64, _>("team")? & TEAM != 0,
        do_not_disturb: is("do_not_disturb")?,
        sound: is("sound")?,
        keys: row.try_get::<i64, _>("team")? & KEYS_OFF == 0,
        muted: json(&row, "muted")?.unwrap_or_default(),
        hours: json(&row, "hours")?.unwrap_or_default(),
    })
}

/// What a column holds as JSON; none if it holds nothing, or what an older version wrote in another way.
fn json<T: serde::de::DeserializeOwned>(row: &AnyRow, name: &str) -> sqlx::Result<Option<T>> {
    let text: Option<String> = row.try_get(name)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// # Errors
/// When the database refuses.
pub async fn choose(pool: &AnyPool, person: &str, choice: &Choice) -> sqlx::Result<()> {
    let mut transaction = super::write(pool).await?;
    sqlx::query(
        "INSERT INTO desk_choices (person, everybody, team, do_not_disturb, sound) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (person) DO UPDATE SET everybody = excluded.everybody, team = excluded.team,
             do_not_disturb = excluded.do_not_disturb, sound = excluded.sound",
    )
    .bind(person)
    .bind(i64::from(choice.everybody))
    .bind(
        i64::from(choice.team) * TEAM
            + i64::from(!choice.unowned) * UNOWNED_OFF
            + i64::from(!choice.keys) * KEYS_OFF,
    )
    .bind(i64::from(choice.do_not_disturb))
    .bind(i64::from(choice.sound))
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO desk_hours (person, muted, hours) VALUES ($1, $2, $3)
         ON CONFLICT (person) DO UPDATE SET muted = excluded.muted, hours = excluded.hours",
    )
    .bind(person)
    .bind(serde_json::to_string(&choice.muted).expect("ids are texts"))
    .bind(serde_json::to_string(&choice.hours).expect("hours are numbers"))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

/// A person's newest marks, at most `max`, by call.
///
/// # Errors
/// When the database refuses.
pub async fn marks(pool: &AnyPool, person: &str, max: u32) -> sqlx::Result<HashMap<String, Mark>> {
    let rows = sqlx::query(
        "SELECT conversation_space_id, dismissed, pinned, notes, code FROM desk_marks
         LEFT JOIN desk_codes USING (person, conversation_space_id) WHERE person = $1 ORDER BY changed_us DESC LIMIT $2",
    )
    .bind(person)
    .bind(i64::from(max))
    .fetch_all(pool)
    .await?;
    rows.iter().map(mark_in).collect()
}

/// A person's marks of these calls.
///
/// # Errors
/// When the database refuses.
pub async fn marks_of(pool: &AnyPool, person: &str, calls: &[String]) -> sqlx::Result<HashMap<String, Mark>> {
    let text = if super::is_sqlite(pool) {
        "SELECT conversation_space_id, dismissed, pinned, notes, code FROM desk_marks
         LEFT JOIN desk_codes USING (person, conversation_space_id) WHERE person = $1
         AND conversation_space_id IN (SELECT value FROM json_each($2))"
    } else {
        "SELECT conversation_space_id, dismissed, pinned, notes, code FROM desk_marks
         LEFT JOIN desk_codes USING (person, conversation_space_id) WHERE person = $1
         AND conversation_space_id IN (SELECT * FROM json_array_elements_text($2::json))"
    };
    let calls = serde_json::to_string(calls).expect("ids are texts");
    let rows = sqlx::query(text).bind(person).bind(calls).fetch_all(pool).await?;
    rows.iter().map(mark_in).collect()
}

fn mark_in(row: &AnyRow) -> sqlx::Result<(String, Mark)> {
    let mark = Mark {
        dismissed: Dismissed::of_stored(row.try_get("dismissed")?),
        pinned: row.try_get::<i64, _>("pinned")? != 0,
        notes: row.try_get("notes")?,
        code: row.try_get::<Option<String>, _>("code")?.unwrap_or_default(),
    };
    Ok((row.try_get("conversation_space_id")?, mark))
}

/// What people wrote of a call: person, notes and what came of it, by person; those who wrote nothing are left out.
///
/// # Errors
/// When the database refuses.
pub async fn written(pool: &AnyPool, call: &str) -> sqlx::Result<Vec<(String, String, String)>> {
    sqlx::query_as(
        "SELECT person, notes, coalesce(code, '') AS code FROM desk_marks
         LEFT JOIN desk_codes USING (person, conversation_space_id)
         WHERE conversation_space_id = $1 AND (notes <> '' OR coalesce(code, '') <> '') ORDER BY person",
    )
    .bind(call)
    .fetch_all(pool)
    .await
}

/// Writes a mark over what was there.
///
/// # Errors
/// When the database refuses.
pub async fn mark(pool: &AnyPool, person: &str, call: &str, mark: &Mark, now: Timestamp) -> sqlx::Result<()> {
    mark_all(pool, person, &[(call.to_owned(), mark.clone())], now).await
}

/// Writes marks of several calls, all or none.
///
/// # Errors
/// When the database refuses.
pub async fn mark_all(
    pool: &AnyPool,
    person: &str,
    marks: &[(String, Mark)],
    now: Timestamp,
) -> sqlx::Result<()> {
    let mut transaction = super::write(pool).await?;
    for (call, mark) in marks {
        sqlx::query(
            "INSERT INTO desk_marks (person, conversation_space_id, dismissed, pinned, notes, changed_us)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (person, conversation_space_id) DO UPDATE SET dismissed = excluded.dismissed,
                 pinned = excluded.pinned, notes = excluded.notes, changed_us = excluded.changed_us",
        )
        .bind(person)
        .bind(call)
        .bind(mark.dismissed.stored())
        .bind(i64::from(mark.pinned))
        .bind(&mark.notes)
        .bind(now.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO desk_codes (person, conversation_space_id, code) VALUES ($1, $2, $3)
             ON CONFLICT (person, conversation_space_id) DO UPDATE SET code = excluded.code",
        )
        .bind(person)
        .bind(call)
        .bind(&mark.code)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}

/// Somebody here has called this number and reached it.
///
/// # Errors
/// When the database refuses.
pub async fn reached(pool: &AnyPool, number: &str, at: Timestamp) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO desk_reached (number, at_us) VALUES ($1, $2)
         ON CONFLICT (number) DO UPDATE SET
             at_us = CASE WHEN excluded.at_us > desk_reached.at_us THEN excluded.at_us ELSE desk_reached.at_us END",
    )
    .bind(number)
    .bind(at.as_microsecond())
    .execute(pool)
    .await?;
    Ok(())
}

/// When somebody here reached each number last, since `since`; older ones are dropped.
///
/// # Errors
/// When the database refuses.
pub async fn all_reached(pool: &AnyPool, since: Timestamp) -> sqlx::Result<Vec<(String, Timestamp)>> {
    sqlx::query("DELETE FROM desk_reached WHERE at_us < $1")
        .bind(since.as_microsecond())
        .execute(pool)
        .await?;
    let rows = sqlx::query("SELECT number, at_us FROM desk_reached").fetch_all(pool).await?;
    let of_row = |row: &AnyRow| {
        let at = Timestamp::from_microsecond(row.try_get("at_us")?).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok((row.try_get("number")?, at))
    };
    rows.iter().map(of_row).collect()
}
