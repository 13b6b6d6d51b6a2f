//! The durable side of the platform: SQLite in one file, or PostgreSQL. SQL stands in this folder only.
//!
//! One writing connection on SQLite, which knows one writer anyway; PostgreSQL gets as many as its pool has.

mod accounts;
mod address;
mod backup;
mod call_lines;
mod calls;
mod channels;
mod check;
mod clients;
mod clock;
mod commit;
mod history;
mod insert;
mod local;
mod lock;
mod log;
mod notification_ids;
mod oauth;
mod office;
mod personal_tokens;
mod recent;
mod recordings;
mod retention;
mod revisions;
mod rows;
mod sessions;
mod subscriptions;
mod summaries;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_clock;
#[cfg(test)]
mod tests_local;
#[cfg(test)]
mod tests_oauth;
#[cfg(test)]
mod tests_office;
#[cfg(test)]
mod tests_reads;
#[cfg(test)]
mod tests_retention;
#[cfg(test)]
mod tests_revisions;
#[cfg(test)]
mod tests_upgrade;
#[cfg(test)]
mod tests_webhooks;
mod upgrade;
mod webhook_deliveries;
mod webhooks;
mod writer;

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, Connection as _, Executor as _};

use crate::clock::Clock;
use crate::limits;

pub use accounts::{Account, User};
use address::Address;
pub use backup::{BackupError, backup};
pub use calls::StoredReport;
pub use channels::{ChannelMaker, ChannelRow};
pub use check::{AccountState, DatabaseState, LockState, account_state, database_state, lock_state};
pub use clients::ClientRow;
pub use history::HistoryQuery;
pub use lock::OneServer;
pub use log::{Entry, EntryKind};
pub use oauth::{Basis, CodeRow, TokenKind, TokenRow};
pub use office::{OfficeChanges, PasswordChange};
pub use personal_tokens::PersonalToken;
pub use recordings::RecordingRow;
pub use revisions::Revision;
pub use subscriptions::{Api, KeyKind, Subscription};
pub use summaries::SummaryQuery;
pub use webhook_deliveries::{AttemptRow, DeliveryState, DueDelivery, TriedDelivery};
pub use webhooks::WebhookRow;
pub use writer::{Append, Ending, LogWriter};

/// The schema, step by step.
static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("database schema: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("database holds a document that cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    #[error("cannot use {path}: {source}")]
    Folder { path: String, source: std::io::Error },
    #[error("--database must begin with postgres:// or sqlite://")]
    UnknownDatabase,
    #[error(
        "--database names no SQLite file: write sqlite://PATH (or sqlite://PATH?mode=rwc to make it), or leave it out for \
         callfeed.db in the data folder; a database in memory cannot be used"
    )]
    SqliteAddress,
    #[error("the event log's writer has stopped")]
    WriterGone,
    /// With what the database said to the last try.
    #[error(
        "the event log cannot be written, so this is not stored: {0}; look at the platform's disk, database and log"
    )]
    NotWritten(String),
    #[error(
        "the database holds an office already, but {0} is not there: start with the data folder that the office \
         was made in, or with a fresh database"
    )]
    SecretsElsewhere(String),
    #[error("cannot reach the PostgreSQL of --database: {0}")]
    Unreachable(String),
    #[error("another platform uses this {what}: stop that one, or give this one its own")]
    InUse { what: String },
}

pub type StoreResult<T> = Result<T, StoreError>;

/// The pools. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    read: AnyPool,
    write: AnyPool,
    /// On SQLite.
    local: Option<Arc<local::Local>>,
    /// The platform's.
    pub clock: Clock,
    sessions: Arc<sessions::Sessions>,
    recent: Arc<recent::RecentReports>,
    call_lines: Arc<call_lines::CallLines>,
}

impl Store {
    /// Opens `database`, or `callfeed.db` in `folder`, and brings its schema up to date.
    ///
    /// # Errors
    /// When the database cannot be reached or is newer than this program.
    pub async fn open(folder: &Path, database: Option<&str>) -> StoreResult<Self> {
        Self::open_with(folder, database, false).await
    }

    /// The same; one for a virtual clock is not made to survive a power cut, since its time is no time to keep.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_with(folder: &Path, database: Option<&str>, fleeting: bool) -> StoreResult<Self> {
        sqlx::any::install_default_drivers();
        let address = Address::read(folder, database)?;
        let (url, sqlite) = (address.url(), address.is_sqlite());
        if database.is_none() {
            lock::private_file(&folder.join("callfeed.db"))?;
        }
        let options = AnyConnectOptions::from_str(url)?;
        let writers = if sqlite { 1 } else { limits::DATABASE_WRITERS_POSTGRES };
        let write = pool(writers, sqlite.then(|| sqlite_writer(fleeting)), &options).await?;
        MIGRATIONS.run(&write).await?;
        let read = pool(limits::DATABASE_READERS, sqlite.then(|| SQLITE.to_owned()), &options).await?;
        let local = if sqlite {
            let options = sqlx::sqlite::SqliteConnectOptions::from_str(url)?;
            Some(Arc::new(local::Local::new(options.get_filename(), fleeting)))
        } else {
            None
        };
        let (sessions, recent, call_lines) = (Arc::default(), Arc::default(), Arc::default());
        let clock = Clock::default();
        let store = Self { read, write, local, clock, sessions, recent, call_lines };
        store.upgrade().await?;
        Ok(store)
    }

    /// Lets running queries end; on SQLite this also folds the write-ahead log into the file.
    pub async fn close(&self) {
        if let Some(local) = &self.local {
            local.close();
        }
        self.read.close().await;
        self.write.close().await;
    }
}

/// FULL: a power cut loses nothing that was notified.
const SQLITE: &str = "pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 10000;";

fn sqlite_writer(fleeting: bool) -> String {
    let (pages, cache_kib) = (limits::SQLITE_CHECKPOINT_PAGES, limits::SQLITE_WRITER_CACHE_KIB);
    let synchronous = if fleeting { " pragma synchronous = normal;" } else { "" };
    format!("{SQLITE}{synchronous} pragma wal_autocheckpoint = {pages}; pragma cache_size = -{cache_kib};")
}

/// `sqlite`: what each connection to a SQLite file begins with.
async fn pool(size: u32, sqlite: Option<String>, options: &AnyConnectOptions) -> StoreResult<AnyPool> {
    let is_sqlite = sqlite.is_some();
    let pool = AnyPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(limits::DATABASE_ACQUIRE_TIMEOUT)
        // A file does not hang up; asking it first would double the cost of a small query.
        .test_before_acquire(sqlite.is_none())
        .after_release(move |connection, _| {
            Box::pin(async move { Ok(!is_sqlite || is_at_rest(connection).await?) })
        })
        .after_connect(move |connection, _| {
            let begin = sqlite.clone();
            Box::pin(async move {
                if let Some(begin) = begin {
                    // The text holds nothing but the words above and numbers.
                    connection.execute(sqlx::AssertSqlSafe(begin)).await?;
                }
                Ok(())
            })
        })
        .connect_with(options.clone())
        .await?;
    Ok(pool)
}

/// Whether the next transaction of this connection would be one. Where SQLite ends a transaction by itself, as it does
/// when the disk is full, sqlx takes it for open still: what is written then is seen by this connection alone, and no
/// other may write. A connection that is not at rest is closed.
async fn is_at_rest(connection: &mut AnyConnection) -> sqlx::Result<bool> {
    // A rollback may still wait for its turn.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// `a b c` as stored, back to its words.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
