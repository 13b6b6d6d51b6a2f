//! A copy of the SQLite database in one file, while the platform runs.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions as _, Connection as _};

/// Name of the database in the data folder.
const DATABASE: &str = "callfeed.db";

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(
        "{0} is not there: give --data the folder that callfeed serve uses; back PostgreSQL up with pg_dump"
    )]
    NoDatabase(PathBuf),
    #[error("cannot write {path}: {source}; give --to a file that is not there yet")]
    Target { path: PathBuf, source: std::io::Error },
    #[error("the backup failed, nothing was kept: {0}")]
    Sql(#[from] sqlx::Error),
}

/// Writes everything that is durable at this moment to the new file `to`; whoever writes meanwhile does not wait.
/// The file holds what the data folder holds, so it is its owner's alone.
///
/// # Errors
/// When there is no SQLite database in `data`, `to` is there already, or the disk is full; then `to` is not made.
pub async fn backup(data: &Path, to: &Path) -> Result<(), BackupError> {
    let database = data.join(DATABASE);
    if !database.is_file() {
        return Err(BackupError::NoDatabase(database));
    }
    let target = |source| BackupError::Target { path: to.to_owned(), source };
    // SQLite writes into a file that is there as long as it is empty; made here, it is nobody else's.
    let file = private_file(to).map_err(target)?;
    let copied = copy(&database, to).await;
    if copied.is_err() {
        let _ = std::fs::remove_file(to);
    }
    copied?;
    // SQLite does not: a backup that a power cut empties is none.
    file.sync_all().map_err(target)
}

fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

async fn copy(database: &Path, to: &Path) -> Result<(), sqlx::Error> {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}?mode=rw", database.display());
    let mut connection: AnyConnection = AnyConnectOptions::from_str(&url)?.connect().await?;
    let to = to.display().to_string();
    sqlx::query("vacuum into $1").bind(to).execute(&mut connection).await?;
    connection.close().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_database_and_a_file_that_is_there_are_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let to = folder.path().join("backup.db");
        let error = backup(folder.path(), &to).await.expect_err("no database").to_string();
        assert!(error.contains(DATABASE) && error.contains("pg_dump"), "{error}");
        assert!(!to.exists());
        crate::store::Store::open(folder.path(), None).await.expect("a database").close().await;
        backup(folder.path(), &to).await.expect("a backup");
        assert!(std::fs::metadata(&to).expect("a file").len() > 0);
        let error = backup(folder.path(), &to).await.expect_err("it is there already").to_string();
        assert!(error.contains("backup.db") && error.contains("not there yet"), "{error}");
        assert!(std::fs::metadata(&to).expect("untouched").len() > 0);
    }
}
