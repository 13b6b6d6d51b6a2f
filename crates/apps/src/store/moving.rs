//! A store goes from its file into a PostgreSQL database, whole: reports with their numbers, what outputs have taken, gaps,
//! contacts, the screen pop's calls. One transaction: the database has all of it or nothing.

use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use sqlx::{Any, AnyPool, AssertSqlSafe, Row, Transaction, any::AnyRow};

use super::{OpenError, Store, folder};

/// The file's name when its store is elsewhere.
const MOVED: &str = "callfeed.db.moved";

/// Tables that say nothing of the past.
const LEFT: [&str; 1] = ["store_probe"];

/// Why a store was not moved. It is where it was, unless the error is of the last step.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the store of {0} is in a PostgreSQL database already, named in its file \"database\"")]
    IsThere(PathBuf),
    #[error(
        "the database has a store already (its table {0} has rows): name an empty database; nothing was written"
    )]
    NotEmpty(String),
    #[error("nothing was moved, and the store is where it was: {0}")]
    Database(#[from] sqlx::Error),
    #[error(
        "all is in the database, but {path} cannot be written: {error}; write the database's address into its file \
         \"database\", and move callfeed.db away"
    )]
    Folder { path: PathBuf, error: std::io::Error },
}

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub reports: u64,
    /// All rows, those of reports included.
    pub rows: u64,
    /// What is left of the file: the store as it was.
    pub file: PathBuf,
}

/// Moves the store of a folder into the database at `url`; the folder names that from then on. No app may run on it.
///
/// # Errors
/// [`MoveError`].
pub async fn move_store(folder: &Path, url: &str) -> Result<Moved, MoveError> {
    if folder::address(folder)?.is_some() {
        return Err(MoveError::IsThere(folder.to_owned()));
    }
    folder::is_address(url)?;
    let source = Store::open_existing(folder).await?;
    let target = Store::open_server(url).await.map_err(OpenError::Server)?;
    let mut transaction = super::write(&target.pool).await?;
    let (mut reports, mut rows) = (0, 0);
    for table in tables(&source.pool).await? {
        let copied = table.copy(&source.pool, &mut transaction).await?;
        rows += copied;
        if table.name == "reports" {
            reports = copied;
        }
    }
    transaction.commit().await?;
    target.pool.close().await;
    // What the write-ahead log still has goes into the file.
    source.pool.close().await;
    let file = folder.join(MOVED);
    // The address first: a folder that has it uses the database, whatever else is there.
    let named = folder::remember(folder, url);
    named
        .and_then(|()| std::fs::rename(folder.join(folder::FILE), &file))
        .map_err(|error| MoveError::Folder { path: folder.to_owned(), error })?;
    Ok(Moved { reports, rows, file })
}

/// A table of ours.
struct Table {
    name: String,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    is_text: bool,
    /// The database gives the numbers of further rows.
    counts: bool,
}

async fn tables(source: &AnyPool) -> sqlx::Result<Vec<Table>> {
    let names =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name";
    let rows = sqlx::query(names).fetch_all(source).await?;
    let mut tables = Vec::new();
    for row in rows {
        let name: String = row.try_get(0)?;
        if LEFT.contains(&name.as_str()) {
            continue;
        }
        let columns = "SELECT name, lower(type) FROM pragma_table_info($1) ORDER BY cid";
        let columns = sqlx::query(columns).bind(&name).fetch_all(source).await?;
        let column = |row: &AnyRow| {
            let kind: String = row.try_get(1)?;
            // `integer` stands where SQLite counts (see the schemas), `bigint` everywhere else.
            Ok(Column { name: row.try_get(0)?, is_text: kind == "text", counts: kind == "integer" })
        };
        let mut columns = columns.iter().map(column).collect::<sqlx::Result<Vec<_>>>()?;
        if name == "reports" {
            columns.push(Column { name: "rowid".to_owned(), is_text: false, counts: true });
        }
        tables.push(Table { name, columns });
    }
    Ok(tables)
}

impl Table {
    /// Returns how many rows.
    async fn copy(&self, source: &AnyPool, target: &mut Transaction<'_, Any>) -> Result<u64, MoveError> {
        let name = &self.name;
        let any = sqlx::query(AssertSqlSafe(format!("SELECT 1 FROM {name} LIMIT 1")));
        if any.fetch_optional(&mut **target).await?.is_some() {
            return Err(MoveError::NotEmpty(name.clone()));
        }
        let columns: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        let columns = columns.join(", ");
        let places: Vec<String> = (1..=self.columns.len()).map(|place| format!("${place}")).collect();
        let insert = format!("INSERT INTO {name} ({columns}) VALUES ({})", places.join(", "));
        let mut rows = 0;
        let mut found = sqlx::query(AssertSqlSafe(format!("SELECT {columns} FROM {name}"))).fetch(source);
        while let Some(row) = found.try_next().await? {
            let mut query = sqlx::query(AssertSqlSafe(insert.clone()));
            for (place, column) in self.columns.iter().enumerate() {
                query = match column.is_text {
                    true => query.bind(row.try_get::<Option<String>, _>(place)?),
                    false => query.bind(row.try_get::<Option<i64>, _>(place)?),
                };
            }
            query.execute(&mut **target).await?;
            rows += 1;
        }
        drop(found);
        for column in self.columns.iter().filter(|column| column.counts) {
            self.count_on(source, target, &column.name).await?;
        }
        Ok(rows)
    }

    /// No number is given out twice, also not that of a row which is gone.
    async fn count_on(
        &self,
        source: &AnyPool,
        target: &mut Transaction<'_, Any>,
        column: &str,
    ) -> sqlx::Result<()> {
        let name = &self.name;
        let last = format!(
            "SELECT max(coalesce((SELECT max({column}) FROM {name}), 0),
                        coalesce((SELECT seq FROM sqlite_sequence WHERE name = $1), 0))"
        );
        let last: i64 = sqlx::query(AssertSqlSafe(last)).bind(name).fetch_one(source).await?.try_get(0)?;
        if last > 0 {
            let text = "SELECT setval(pg_get_serial_sequence($1, $2), $3)";
            sqlx::query(text).bind(name).bind(column).bind(last).execute(&mut **target).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::store::ledger::{self, GapKind};
    use crate::store::{changes, reports, testing};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    async fn save(pool: &AnyPool, id: &str, reason: &str) {
        let raw = format!(
            r#"{{"conversationSpaceId": "{id}", "callCreated": "2026-02-03T17:00:00Z", "accountKey": "17",
                "callEnded": "2026-02-03T17:02:41Z", "direction": "INBOUND", "callReason": "{reason} é \u0000"}}"#
        );
        reports::save(pool, &serde_json::from_str(&raw).unwrap(), &raw, at(1), None).await.unwrap();
    }

    /// On the PostgreSQL of the tests; without one there is nowhere to move to.
    #[tokio::test]
    async fn a_moved_store_has_all_and_goes_on_where_it_was() {
        if std::env::var("CALLFEED_TEST_POSTGRES").is_err() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let pool = testing::open_file(folder.path()).await.pool;
        ledger::begin(&pool, "17", at(5), &[]).await.unwrap();
        ledger::open_gap(&pool, "17", GapKind::Connection, "", "lost", at(6)).await.unwrap();
        for (id, reason) in [("a", ""), ("b", ""), ("a", "order"), ("c", "")] {
            save(&pool, id, reason).await;
        }
        reports::announce(&pool, "17", "w", at(7)).await.unwrap();
        let first = changes::after(&pool, 0, 1).await.unwrap().remove(0);
        let place = changes::Place { cursor: first.number, position: "x:1".to_owned() };
        changes::place(&pool, "files", false).await.unwrap();
        changes::took(&pool, "files", &place, 1).await.unwrap();
        // The last number has been given out, though its row is gone.
        let c = reports::CallKey { conversation_space_id: "c".to_owned(), account_key: "17".to_owned() };
        let last = changes::last_of(&pool, &c).await.unwrap().unwrap().number;
        crate::store::privacy::erase_calls(&pool, [&c], at(8)).await.unwrap();
        let before = (
            reports::list(&pool, 0, 9).await.unwrap(),
            changes::after(&pool, 0, 9).await.unwrap(),
            ledger::gaps(&pool, true, 0, 9).await.unwrap(),
            ledger::known(&pool, "17").await.unwrap(),
        );
        pool.close().await;

        let url = testing::new_database().await;
        let moved = move_store(folder.path(), &url).await.unwrap();
        assert_eq!(moved.reports, 2);
        assert!(moved.file.exists() && !folder.path().join(folder::FILE).exists());
        let pool = Store::open_existing(folder.path()).await.unwrap().pool;
        assert!(!crate::store::is_sqlite(&pool));
        let after = (
            reports::list(&pool, 0, 9).await.unwrap(),
            changes::after(&pool, 0, 9).await.unwrap(),
            ledger::gaps(&pool, true, 0, 9).await.unwrap(),
            ledger::known(&pool, "17").await.unwrap(),
        );
        assert_eq!(after, before);
        assert_eq!(changes::place(&pool, "files", false).await.unwrap(), place);
        assert_eq!(reports::waiting(&pool, "17").await.unwrap(), 1);
        assert!(!reports::announce(&pool, "17", "c", at(9)).await.unwrap(), "what is erased stays so");
        save(&pool, "d", "").await;
        let newest = changes::after(&pool, last, 9).await.unwrap();
        assert_eq!(newest.len(), 1, "its number is behind all that were given out");
        assert!(matches!(move_store(folder.path(), &url).await, Err(MoveError::IsThere(_))));

        let other = tempfile::tempdir().unwrap();
        save(&testing::open_file(other.path()).await.pool, "z", "").await;
        assert!(matches!(move_store(other.path(), &url).await, Err(MoveError::NotEmpty(_))));
        assert!(other.path().join(folder::FILE).exists());
        assert!(matches!(
            move_store(other.path(), "mysql://db.example/x").await,
            Err(MoveError::Open(OpenError::NoDatabase))
        ));
    }
}
