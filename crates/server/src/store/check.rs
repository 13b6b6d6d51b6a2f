//! How a database stands, without changing it.

use std::fs::{OpenOptions, TryLockError};
use std::path::Path;
use std::str::FromStr as _;

use sqlx::any::AnyConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyConnection, ConnectOptions as _, Connection as _, Row as _};

use super::address::Address;
use super::{MIGRATIONS, StoreError, StoreResult};
use crate::limits;

/// The schema of a database, as numbers of migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseState {
    /// Nothing is there yet.
    New,
    Current(i64),
    Older {
        version: i64,
        newest: i64,
    },
    Newer {
        version: i64,
        newest: i64,
    },
}

/// Whether a platform uses a data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockState {
    Free,
    Held,
    Unreadable(String),
}

/// Reads the schema's version of `database`, or of `callfeed.db` in `folder`.
///
/// # Errors
/// When the database cannot be reached or is none.
pub async fn database_state(folder: &Path, database: Option<&str>) -> StoreResult<DatabaseState> {
    let Some((mut connection, sqlite)) = open(folder, database).await? else { return Ok(DatabaseState::New) };
    let state = state(&mut connection, sqlite).await?;
    connection.close().await?;
    Ok(state)
}

/// What a database holds of accounts.
#[derive(Clone, Debug)]
pub enum AccountState {
    None,
    /// Made from an office file, which came to this at the last start.
    FromFile(Box<engine::Office>),
    /// Such as the example office; a backup may hold its secrets.
    Other {
        secrets_inside: bool,
    },
    /// Of a newer version.
    Unknown,
}

/// What a database holds of accounts; `secrets` is the file that a backup keeps inside.
///
/// # Errors
/// As [`database_state`].
pub async fn account_state(
    folder: &Path,
    database: Option<&str>,
    secrets: &str,
) -> StoreResult<AccountState> {
    let Some((mut connection, sqlite)) = open(folder, database).await? else { return Ok(AccountState::None) };
    let found = match state(&mut connection, sqlite).await? {
        DatabaseState::New => AccountState::None,
        DatabaseState::Newer { .. } => AccountState::Unknown,
        known => {
            let offices = sqlx::query("select office from accounts").fetch_all(&mut connection).await?;
            let offices: Vec<String> =
                offices.iter().map(|row| row.try_get("office")).collect::<Result<_, _>>()?;
            let mut from_file = offices.iter().map(|office| serde_json::from_str::<engine::Office>(office));
            match from_file.next().transpose()? {
                None => AccountState::None,
                Some(office) if office.from_file => AccountState::FromFile(Box::new(office)),
                Some(_) => {
                    // An older schema may not have the table: the start will see.
                    let current = matches!(known, DatabaseState::Current(_));
                    let secrets_inside = !current || backup_has(&mut connection, secrets).await?;
                    AccountState::Other { secrets_inside }
                }
            }
        }
    };
    connection.close().await?;
    Ok(found)
}

async fn backup_has(connection: &mut AnyConnection, file: &str) -> StoreResult<bool> {
    let text = "select count(*) as n from backup_files where name = $1";
    Ok(sqlx::query(text).bind(file).fetch_one(connection).await?.try_get::<i64, _>("n")? > 0)
}

/// A connection, and whether it is to SQLite; `None` where no database is yet.
async fn open(folder: &Path, database: Option<&str>) -> StoreResult<Option<(AnyConnection, bool)>> {
    sqlx::any::install_default_drivers();
    let address = Address::read(folder, database)?;
    // Looking makes no file.
    let url = address.url().replace("?mode=rwc", "?mode=ro");
    let is_made = url != address.url();
    if is_made && !SqliteConnectOptions::from_str(&url)?.get_filename().exists() {
        return Ok(None);
    }
    let options = AnyConnectOptions::from_str(&url)?;
    let connection = match tokio::time::timeout(limits::DATABASE_CONNECT_TIMEOUT, options.connect()).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) if address.is_sqlite() => return Err(error.into()),
        Ok(Err(error)) => return Err(StoreError::Unreachable(error.to_string())),
        Err(_) => return Err(StoreError::Unreachable("no answer in time".into())),
    };
    Ok(Some((connection, address.is_sqlite())))
}

async fn state(connection: &mut AnyConnection, sqlite: bool) -> StoreResult<DatabaseState> {
    let tables = if sqlite {
        "select count(*) as n from sqlite_master where name = '_sqlx_migrations'"
    } else {
        "select count(*) as n from information_schema.tables
         where table_name = '_sqlx_migrations' and table_schema = current_schema()"
    };
    if sqlx::query(tables).fetch_one(&mut *connection).await?.try_get::<i64, _>("n")? == 0 {
        return Ok(DatabaseState::New);
    }
    let row = sqlx::query("select coalesce(max(version), 0) as version from _sqlx_migrations");
    let version: i64 = row.fetch_one(connection).await?.try_get("version")?;
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    Ok(match version.cmp(&newest) {
        std::cmp::Ordering::Less if version == 0 => DatabaseState::New,
        std::cmp::Ordering::Less => DatabaseState::Older { version, newest },
        std::cmp::Ordering::Equal => DatabaseState::Current(version),
        std::cmp::Ordering::Greater => DatabaseState::Newer { version, newest },
    })
}

/// Tries the lock of a data folder and lets go of it at once.
pub fn lock_state(folder: &Path) -> LockState {
    let path = folder.join("callfeed.lock");
    if !path.exists() {
        return LockState::Free;
    }
    match OpenOptions::new().write(true).open(&path) {
        Err(error) => LockState::Unreadable(error.to_string()),
        Ok(file) => match file.try_lock() {
            Ok(()) => LockState::Free,
            Err(TryLockError::WouldBlock) => LockState::Held,
            Err(TryLockError::Error(error)) => LockState::Unreadable(error.to_string()),
        },
    }
}
