//! What the apps keep: one SQLite file in the state folder. All SQL of the apps stands in this folder.
//!
//! `synchronous=FULL`: what was committed survives a power cut.

pub mod reports;
pub mod screen_pop;

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::limits;

const FILE: &str = "callfeed.db";

/// The open store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub pool: SqlitePool,
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot use {path} as the state folder: {error}; choose another with --state")]
    Folder { path: PathBuf, error: io::Error },
    #[error("cannot open the store {path}: {error}")]
    Database { path: PathBuf, error: sqlx::Error },
}

impl Store {
    /// Opens `folder`/callfeed.db, making both if need be: the folder with mode 0700, the file with 0600.
    ///
    /// # Errors
    /// [`OpenError`], naming the path.
    pub async fn open(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(FILE);
        prepare(folder, &path).map_err(|error| OpenError::Folder { path: folder.to_owned(), error })?;
        match connect(&path).await {
            Ok(pool) => Ok(Self { pool }),
            Err(error) => Err(OpenError::Database { path, error }),
        }
    }
}

async fn connect(path: &Path) -> sqlx::Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(limits::DATABASE_BUSY_TIMEOUT);
    let pool =
        SqlitePoolOptions::new().max_connections(limits::DATABASE_CONNECTIONS).connect_with(options).await?;
    for schema in [reports::SCHEMA, screen_pop::SCHEMA] {
        sqlx::raw_sql(schema).execute(&pool).await?;
    }
    Ok(pool)
}

/// The database's side files get the mode of the database, so that one is made before SQLite makes it.
fn prepare(folder: &Path, file: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        builder.mode(0o700);
        options.mode(0o600);
    }
    builder.create(folder)?;
    options.open(file).map(|_| ())
}
