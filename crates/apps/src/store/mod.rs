//! What the apps keep: a SQLite file in the state folder, or a PostgreSQL database. All SQL of the apps stands in this
//! folder, in words that both databases know.
//!
//! `synchronous=FULL`: what was committed survives a power cut.

pub mod causes;
pub mod changes;
pub mod claims;
pub mod contact_files;
pub mod contacts;
pub mod crm_log;
mod database;
pub mod desks;
pub mod erasures;
mod folder;
pub mod head;
pub mod history;
pub mod kept_contacts;
pub mod languages;
pub mod ledger;
pub mod left;
pub mod looked;
pub mod lookup;
mod moving;
pub mod pace;
pub mod pending;
pub mod privacy;
mod refusal;
pub mod reports;
pub mod reports_table;
pub mod retention;
pub mod revisions;
pub mod screen_pop;
#[cfg(test)]
pub(crate) mod testing;
pub mod trace;
mod upgrade;
mod waiting;
pub mod wall_links;

use std::io;
use std::path::{Path, PathBuf};

use sqlx::AnyPool;

pub(crate) use database::{is_sqlite, write};
pub(crate) use folder::prepare;
pub use folder::{OneApp, OneOnDatabase, is_running, use_database};
pub use moving::{MoveError, Moved, move_store};
pub use refusal::Refusal;
pub use waiting::{open_waiting, take_waiting};

/// The open store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub pool: AnyPool,
    refusals: refusal::Refusals,
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot use {path} as the state folder: {error}; choose another with --state")]
    Folder { path: PathBuf, error: io::Error },
    #[error("another {app} uses {path} as its state folder: stop that one, or choose another with --state")]
    InUse { app: &'static str, path: PathBuf },
    #[error(
        "another {app} uses this database, perhaps on another machine: stop that one, or give this one its own"
    )]
    DatabaseInUse { app: &'static str },
    #[error("there is no store in {path}: name the folder that callfeed reports was started with")]
    NoStore { path: PathBuf },
    #[error("cannot open the store {path}: {error}")]
    Database { path: PathBuf, error: sqlx::Error },
    #[error(
        "cannot open the store on PostgreSQL: {0}; look at the server, and at the address in the state folder's file \"database\""
    )]
    Server(sqlx::Error),
    #[error("--database must begin with postgres://; without it the store is a file of the state folder")]
    NoDatabase,
    #[error("the store of {path} is in {place}: leave --database out, or choose another folder with --state")]
    StoreThere { path: PathBuf, place: String },
}

impl Store {
    /// Opens a store that must be there.
    ///
    /// # Errors
    /// [`OpenError`], naming the path.
    pub async fn open_existing(folder: &Path) -> Result<Self, OpenError> {
        if folder::address(folder)?.is_some() || folder.join(folder::FILE).is_file() {
            return Self::open(folder).await;
        }
        Err(OpenError::NoStore { path: folder.to_owned() })
    }

    /// Opens the database that `folder` names (see [`use_database`]), else `folder`/callfeed.db, making what is not there:
    /// the folder with mode 0700, the file with 0600.
    ///
    /// # Errors
    /// [`OpenError`], naming the path.
    pub async fn open(folder: &Path) -> Result<Self, OpenError> {
        match folder::address(folder)? {
            Some(url) => Self::open_server(&url).await.map_err(OpenError::Server),
            None => {
                let path = folder::file(folder)?;
                Self::open_file(&path, true).await.map_err(|error| OpenError::Database { path, error })
            }
        }
    }

    /// Whether the PostgreSQL database that a folder names can be used; `None` where the store is a file.
    ///
    /// # Errors
    /// [`OpenError::Server`] when it cannot be reached or its user may not write.
    pub async fn answers(folder: &Path) -> Result<Option<()>, OpenError> {
        let Some(url) = folder::address(folder)? else { return Ok(None) };
        let store = Self::open_server(&url).await.map_err(OpenError::Server)?;
        let writes = write(&store.pool).await.map_err(OpenError::Server)?;
        writes.rollback().await.map_err(OpenError::Server)?;
        Ok(Some(()))
    }

    async fn open_file(path: &Path, safe: bool) -> sqlx::Result<Self> {
        Self::prepared(database::open_file(path, safe).await?).await
    }

    async fn open_server(url: &str) -> sqlx::Result<Self> {
        Self::prepared(database::open_server(url).await?).await
    }

    async fn prepared(pool: AnyPool) -> sqlx::Result<Self> {
        let schemas = [
            reports::SCHEMA,
            pending::SCHEMA,
            revisions::SCHEMA,
            ledger::SCHEMA,
            pace::SCHEMA,
            changes::SCHEMA,
            privacy::SCHEMA,
            erasures::SCHEMA,
            refusal::SCHEMA,
            left::SCHEMA,
            retention::SCHEMA,
            screen_pop::SCHEMA,
            looked::SCHEMA,
            contacts::SCHEMA,
            desks::SCHEMA,
            claims::SCHEMA,
            wall_links::SCHEMA,
            languages::SCHEMA,
            crm_log::SCHEMA,
            contact_files::SCHEMA,
        ];
        upgrade::prepare(&pool, &schemas).await?;
        Ok(Self { pool, refusals: refusal::Refusals::default() })
    }
}
