//! A copy of the SQLite database in one file, while the platform runs.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions as _, Connection as _, Row as _};

use super::{Store, StoreResult};

/// Name of the database in the data folder.
const DATABASE: &str = "callfeed.db";
/// The example office's secrets, which a start with `--example` needs.
const EXAMPLE: &str = "example.env";

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(
        "{0} is not there: give --data the folder that callfeed serve uses; back PostgreSQL up with pg_dump"
    )]
    NoDatabase(PathBuf),
    #[error("cannot write {path}: {source}; give --to a file that is not there yet")]
    Target { path: PathBuf, source: std::io::Error },
    #[error(
        "{0} is no platform's database: give --data the folder that callfeed serve uses, not that of callfeed reports \
         or callfeed screen-pop"
    )]
    NoPlatform(PathBuf),
    #[error("cannot read {path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("the backup failed, nothing was kept: {0}")]
    Sql(#[from] sqlx::Error),
}

/// Writes everything that is durable at this moment to the new file `to`; whoever writes meanwhile does not wait.
/// The file holds what the data folder holds, so it is its owner's alone.
///
/// # Errors
/// When there is no platform's SQLite database in `data`, `to` is there already, or the disk is full; then `to` is not made.
pub async fn backup(data: &Path, to: &Path) -> Result<(), BackupError> {
    let database = data.join(DATABASE);
    if !database.is_file() {
        return Err(BackupError::NoDatabase(database));
    }
    let target = |source| BackupError::Target { path: to.to_owned(), source };
    // SQLite writes into a file that is there as long as it is empty; made here, it is nobody else's.
    let file = private_file(to).map_err(target)?;
    let copied = copy(&database, &data.join(EXAMPLE), to).await;
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

async fn copy(database: &Path, example: &Path, to: &Path) -> Result<(), BackupError> {
    sqlx::any::install_default_drivers();
    let mut connection = open(database).await?;
    if !has_table(&mut connection, "accounts").await? || !has_table(&mut connection, "log").await? {
        return Err(BackupError::NoPlatform(database.to_owned()));
    }
    let copied = to.display().to_string();
    sqlx::query("vacuum into $1").bind(copied).execute(&mut connection).await?;
    connection.close().await?;
    if !example.is_file() {
        return Ok(());
    }
    let mut connection = open(to).await?;
    // A database of before that table is copied as it is.
    if has_table(&mut connection, "backup_files").await? {
        let failed = |source| BackupError::File { path: example.to_owned(), source };
        let content = std::fs::read_to_string(example).map_err(failed)?;
        let insert = "insert into backup_files (name, content) values ($1, $2)
             on conflict (name) do update set content = excluded.content";
        sqlx::query(insert).bind(EXAMPLE).bind(content).execute(&mut connection).await?;
    }
    Ok(connection.close().await?)
}

async fn open(file: &Path) -> Result<AnyConnection, sqlx::Error> {
    let url = format!("sqlite://{}?mode=rw", file.display());
    AnyConnectOptions::from_str(&url)?.connect().await
}

async fn has_table(connection: &mut AnyConnection, name: &str) -> Result<bool, sqlx::Error> {
    let found = sqlx::query("select 1 from sqlite_master where type = 'table' and name = $1").bind(name);
    Ok(found.fetch_optional(connection).await?.is_some())
}

impl Store {
    /// A file that a backup carried with it.
    pub async fn backup_file(&self, name: &str) -> StoreResult<Option<String>> {
        let row = sqlx::query("select content from backup_files where name = $1")
            .bind(name)
            .fetch_optional(&self.read)
            .await?;
        row.map(|row| Ok(row.try_get("content")?)).transpose()
    }

    /// Forgets a file that is where it belongs again.
    pub async fn forget_backup_file(&self, name: &str) -> StoreResult<()> {
        let delete = sqlx::query("delete from backup_files where name = $1").bind(name);
        delete.execute(&self.write).await?;
        Ok(())
    }
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
        // A program's own database of that name.
        std::fs::write(folder.path().join(DATABASE), "").expect("written");
        let error = backup(folder.path(), &to).await.expect_err("no platform's").to_string();
        assert!(error.contains("no platform's") && error.contains("callfeed reports"), "{error}");
        assert!(!to.exists());
        crate::store::Store::open(folder.path(), None).await.expect("a database").close().await;
        backup(folder.path(), &to).await.expect("a backup");
        assert!(std::fs::metadata(&to).expect("a file").len() > 0);
        let error = backup(folder.path(), &to).await.expect_err("it is there already").to_string();
        assert!(error.contains("backup.db") && error.contains("not there yet"), "{error}");
        assert!(std::fs::metadata(&to).expect("untouched").len() > 0);
    }
}
