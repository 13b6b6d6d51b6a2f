//! Read-only links of the wallboard, each by the digest of its token. Instants are microseconds since 1970.

use jiff::Timestamp;
use sqlx::{AnyPool, Row, any::AnyRow};

/// Table of the links; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS desk_wall_links (
    digest text PRIMARY KEY,
    person text NOT NULL,
    made_us bigint NOT NULL,
    name text NOT NULL DEFAULT ''
);
";

/// A link that holds.
#[derive(Clone, Debug)]
pub struct WallLink {
    pub digest: String,
    /// What it is for; those of before names were asked for have none.
    pub name: String,
    /// Who made it.
    pub by: String,
    pub made: Timestamp,
}

/// Keeps a new link. False if there are `max` already.
///
/// # Errors
/// When the database refuses.
pub async fn add(pool: &AnyPool, link: &WallLink, max: u32) -> sqlx::Result<bool> {
    let added = sqlx::query(
        "INSERT INTO desk_wall_links (digest, person, made_us, name)
         SELECT $1, $2, $3, $4 WHERE (SELECT count(*) FROM desk_wall_links) < $5",
    )
    .bind(&link.digest)
    .bind(&link.by)
    .bind(link.made.as_microsecond())
    .bind(&link.name)
    .bind(i64::from(max))
    .execute(pool)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// # Errors
/// When the database refuses.
pub async fn end(pool: &AnyPool, digest: &str) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM desk_wall_links WHERE digest = $1").bind(digest).execute(pool).await?;
    Ok(())
}

/// # Errors
/// When the database refuses.
pub async fn holds(pool: &AnyPool, digest: &str) -> sqlx::Result<bool> {
    let found = sqlx::query("SELECT 1 FROM desk_wall_links WHERE digest = $1").bind(digest);
    Ok(found.fetch_optional(pool).await?.is_some())
}

/// Newest first.
///
/// # Errors
/// When the database refuses.
pub async fn all(pool: &AnyPool) -> sqlx::Result<Vec<WallLink>> {
    let rows = sqlx::query("SELECT digest, name, person, made_us FROM desk_wall_links ORDER BY made_us DESC");
    let link = |row: &AnyRow| {
        let made = Timestamp::from_microsecond(row.try_get("made_us")?).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(WallLink {
            digest: row.try_get("digest")?,
            name: row.try_get("name")?,
            by: row.try_get("person")?,
            made,
        })
    };
    rows.fetch_all(pool).await?.iter().map(link).collect()
}
