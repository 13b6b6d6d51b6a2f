//! One platform per database: a second one would take the first one's live calls for cut off and end them.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Mutex;

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions as _, Row as _};

use super::address::Address;
use super::{StoreError, StoreResult};
use crate::limits;

/// Held as long as the platform runs; a crash lets go of it.
pub struct OneServer {
    _file: File,
    // The mutex only makes it shareable; nobody speaks on it.
    _session: Option<Mutex<AnyConnection>>,
}

/// "callfeed" as a number: the name of the advisory lock on PostgreSQL.
const LOCK_KEY: i64 = 0x6361_6c6c_6665_6564;

impl OneServer {
    /// # Errors
    /// When another platform uses the folder or the database.
    pub async fn take(folder: &Path, database: Option<&str>) -> StoreResult<Self> {
        let address = Address::read(folder, database)?;
        let file = lock_file(folder)?;
        let url = match address {
            Address::Sqlite(_) => return Ok(Self { _file: file, _session: None }),
            Address::Postgres(url) => url,
        };
        sqlx::any::install_default_drivers();
        let options = AnyConnectOptions::from_str(&url)?;
        let connecting = tokio::time::timeout(limits::DATABASE_CONNECT_TIMEOUT, options.connect());
        let mut session = match connecting.await {
            Ok(Ok(session)) => session,
            Ok(Err(error)) => return Err(StoreError::Unreachable(error.to_string())),
            Err(_) => return Err(StoreError::Unreachable("no answer in time".into())),
        };
        // PostgreSQL may need a moment to notice that a killed predecessor is gone.
        for _ in 0..limits::LOCK_TRIES {
            let row = sqlx::query("select case when pg_try_advisory_lock($1) then 1 else 0 end as taken")
                .bind(LOCK_KEY)
                .fetch_one(&mut session)
                .await?;
            if row.try_get::<i32, _>("taken")? == 1 {
                return Ok(Self { _file: file, _session: Some(Mutex::new(session)) });
            }
            tokio::time::sleep(limits::LOCK_RETRY).await;
        }
        Err(StoreError::InUse { what: "database".into() })
    }
}

fn lock_file(folder: &Path) -> StoreResult<File> {
    let path = folder.join("callfeed.lock");
    let failed = |source| StoreError::Folder { path: path.display().to_string(), source };
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::InUse { what: format!("data folder {}", folder.display()) })
        }
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Creates the database file as its owner's alone, and makes it so if it is not: it holds numbers, names and the
/// addresses of sockets. SQLite gives its side files the same mode.
pub(super) fn private_file(path: &Path) -> StoreResult<()> {
    let failed = |source| StoreError::Folder { path: path.display().to_string(), source };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_platform_on_the_same_folder_is_refused_until_the_first_has_gone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = OneServer::take(folder.path(), None).await.expect("the first one");
        let second = OneServer::take(folder.path(), None).await;
        assert!(matches!(second, Err(StoreError::InUse { .. })));
        drop(first);
        OneServer::take(folder.path(), None).await.expect("free again");
    }

    #[cfg(unix)]
    #[test]
    fn the_database_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("callfeed.db");
        std::fs::write(&path, "").expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("a wide mode");
        private_file(&path).expect("made private");
        let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
