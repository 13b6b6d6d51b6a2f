//! What the apps keep: one SQLite file in the state folder. All SQL of the apps stands in this folder.
//!
//! `synchronous=FULL`: what was committed survives a power cut.

pub mod changes;
pub mod claims;
pub mod contacts;
pub mod desks;
pub mod languages;
pub mod ledger;
pub mod lookup;
pub mod privacy;
pub mod reports;
pub mod reports_table;
pub mod retention;
pub mod revisions;
pub mod screen_pop;
pub mod trace;
mod upgrade;
pub mod wall_links;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlitePool, SqliteTransaction};

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
    #[error("another {app} uses {path} as its state folder: stop that one, or choose another with --state")]
    InUse { app: &'static str, path: PathBuf },
    #[error("there is no store in {path}: name the folder that callfeed reports was started with")]
    NoStore { path: PathBuf },
    #[error("cannot open the store {path}: {error}")]
    Database { path: PathBuf, error: sqlx::Error },
}

/// One app of a kind per state folder: two would take each other's channel away. Held as long as the app runs; a
/// crash lets go of it.
#[derive(Debug)]
pub struct OneApp {
    _file: File,
}

impl OneApp {
    /// # Errors
    /// [`OpenError::InUse`] when another process holds it; [`OpenError::Folder`].
    pub fn take(folder: &Path, app: &'static str) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Folder { path: folder.to_owned(), error };
        let path = folder.join(format!("{app}.lock"));
        prepare(folder, &path).map_err(failed)?;
        let file = File::open(&path).map_err(failed)?;
        let mut looks = 1;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                // It may be the short look of `is_running`.
                Err(TryLockError::WouldBlock) if looks < limits::APP_LOCK_LOOKS => {
                    looks += 1;
                    std::thread::sleep(limits::APP_LOCK_LOOK);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::InUse { app, path: folder.to_owned() });
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }

    /// Whether an app runs on this folder, in whatever process.
    #[must_use]
    pub fn is_running(folder: &Path, app: &'static str) -> bool {
        let Ok(file) = File::open(folder.join(format!("{app}.lock"))) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

impl Store {
    /// Opens a store that must be there.
    ///
    /// # Errors
    /// [`OpenError`], naming the path.
    pub async fn open_existing(folder: &Path) -> Result<Self, OpenError> {
        if folder.join(FILE).is_file() {
            return Self::open(folder).await;
        }
        Err(OpenError::NoStore { path: folder.to_owned() })
    }

    /// Opens `folder`/callfeed.db, making both if need be: the folder with mode 0700, the file with 0600.
    ///
    /// # Errors
    /// [`OpenError`], naming the path.
    pub async fn open(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(FILE);
        prepare(folder, &path).map_err(|error| OpenError::Folder { path: folder.to_owned(), error })?;
        match connect(&path, SqliteSynchronous::Full).await {
            Ok(pool) => Ok(Self { pool }),
            Err(error) => Err(OpenError::Database { path, error }),
        }
    }
}

#[cfg(test)]
impl Store {
    /// The same for tests that kill no machine: nothing waits for the disk.
    pub(crate) async fn open_in_haste(folder: &Path) -> Self {
        Self { pool: connect(&folder.join(FILE), SqliteSynchronous::Off).await.unwrap() }
    }
}

/// A transaction that writes. It takes its turn at the start: SQLite refuses one that reads first and finds at its
/// first write that another has written meanwhile ("database is locked"), however long it would wait.
pub(crate) async fn write(pool: &SqlitePool) -> sqlx::Result<SqliteTransaction<'static>> {
    pool.begin_with("BEGIN IMMEDIATE").await
}

async fn connect(path: &Path, synchronous: SqliteSynchronous) -> sqlx::Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        // What is erased is overwritten.
        .pragma("secure_delete", "ON")
        .busy_timeout(limits::DATABASE_BUSY_TIMEOUT);
    let pool =
        SqlitePoolOptions::new().max_connections(limits::DATABASE_CONNECTIONS).connect_with(options).await?;
    let reports = [reports::SCHEMA, revisions::SCHEMA, ledger::SCHEMA, changes::SCHEMA, privacy::SCHEMA];
    for schema in reports.into_iter().chain([
        retention::SCHEMA,
        screen_pop::SCHEMA,
        contacts::SCHEMA,
        desks::SCHEMA,
        languages::SCHEMA,
        claims::SCHEMA,
        wall_links::SCHEMA,
    ]) {
        sqlx::raw_sql(schema).execute(&pool).await?;
    }
    upgrade::upgrade(&pool).await?;
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
    let is_new = !folder.exists();
    builder.create(folder)?;
    if is_new {
        // Tokens and numbers are kept here; the folder may lie in somebody's repository.
        std::fs::write(folder.join(".gitignore"), "*\n")?;
    }
    options.open(file).map(|_| ())
}
