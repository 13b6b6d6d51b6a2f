//! Who takes which missed call: "I take this", seen by all and kept across restarts. Instants are microseconds since 1970.

use jiff::Timestamp;
use sqlx::{AnyPool, Row, any::AnyRow};

/// Table of the claims; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS desk_claims (
    conversation_space_id text PRIMARY KEY,
    person text NOT NULL,
    at_us bigint NOT NULL
);
";

/// These calls are this person's now; of nobody without one.
///
/// # Errors
/// When the database refuses.
pub async fn claim(
    pool: &AnyPool,
    calls: &[String],
    person: Option<&str>,
    now: Timestamp,
) -> sqlx::Result<()> {
    let mut transaction = super::write(pool).await?;
    for call in calls {
        sqlx::query("DELETE FROM desk_claims WHERE conversation_space_id = $1")
            .bind(call)
            .execute(&mut *transaction)
            .await?;
        let Some(person) = person else { continue };
        sqlx::query("INSERT INTO desk_claims (conversation_space_id, person, at_us) VALUES ($1, $2, $3)")
            .bind(call)
            .bind(person)
            .bind(now.as_microsecond())
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}

/// Each call that somebody took since `since`, and who; older ones are dropped.
///
/// # Errors
/// When the database refuses.
pub async fn all(pool: &AnyPool, since: Timestamp) -> sqlx::Result<Vec<(String, String)>> {
    sqlx::query("DELETE FROM desk_claims WHERE at_us < $1")
        .bind(since.as_microsecond())
        .execute(pool)
        .await?;
    let rows = sqlx::query("SELECT conversation_space_id, person FROM desk_claims").fetch_all(pool).await?;
    let of_row = |row: &AnyRow| Ok((row.try_get("conversation_space_id")?, row.try_get("person")?));
    rows.iter().map(of_row).collect()
}
