//! Files of contacts that an admin dropped on the page: what each column was chosen to be, and how the import went.

use jiff::Timestamp;
use sqlx::{AnyPool, Row, any::AnyRow};

use crate::people::import::columns::Choice;

/// Table of the files; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS people_files (
    name text PRIMARY KEY,
    columns text NOT NULL,
    saved_by text NOT NULL,
    saved_us bigint NOT NULL
);
";

/// A file in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactFile {
    pub name: String,
    pub columns: Vec<Choice>,
}

/// Keeps what was chosen for a file, over what was there.
///
/// # Errors
/// When the database refuses.
pub async fn save(pool: &AnyPool, file: &ContactFile, by: &str, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO people_files (name, columns, saved_by, saved_us) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO UPDATE SET columns = excluded.columns, saved_by = excluded.saved_by,
             saved_us = excluded.saved_us",
    )
    .bind(&file.name)
    .bind(serde_json::to_string(&file.columns).expect("they are texts"))
    .bind(by)
    .bind(now.as_microsecond())
    .execute(pool)
    .await
    .map(|_| ())
}

/// All files, by name.
///
/// # Errors
/// When the database refuses.
pub async fn all(pool: &AnyPool) -> sqlx::Result<Vec<ContactFile>> {
    let rows = sqlx::query("SELECT name, columns FROM people_files ORDER BY name").fetch_all(pool).await?;
    rows.iter().map(file).collect()
}

/// Forgets a file.
///
/// # Errors
/// When the database refuses.
pub async fn remove(pool: &AnyPool, name: &str) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM people_files WHERE name = $1").bind(name).execute(pool).await.map(|_| ())
}

fn file(row: &AnyRow) -> sqlx::Result<ContactFile> {
    let columns: String = row.try_get("columns")?;
    Ok(ContactFile {
        name: row.try_get("name")?,
        columns: serde_json::from_str(&columns).unwrap_or_default(),
    })
}
