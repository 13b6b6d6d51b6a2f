//! The state folder: who may use it, which database it names, and one app of a kind.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sqlx::{AnyConnection, Row as _};

use super::{OpenError, database};
use crate::limits;

pub(super) const FILE: &str = "callfeed.db";
/// Holds the address of a PostgreSQL database, where the store is there.
const ADDRESS: &str = "database";

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

/// One app of a kind per PostgreSQL database, however many machines and folders use it. Held as long as the app runs
/// and its connection lives.
pub struct OneOnDatabase {
    // The mutex only makes it shareable; nobody speaks on it.
    _session: Option<Mutex<AnyConnection>>,
}

impl OneOnDatabase {
    /// Takes it where the folder's store is on PostgreSQL; of a file the folder's lock says all.
    ///
    /// # Errors
    /// [`OpenError::DatabaseInUse`] when another app of this kind has it; [`OpenError::Server`].
    pub async fn take(folder: &Path, app: &'static str) -> Result<Self, OpenError> {
        let Some(url) = address(folder)? else { return Ok(Self { _session: None }) };
        let mut session = database::session(&url).await.map_err(OpenError::Server)?;
        // PostgreSQL may need a moment to notice that a killed predecessor is gone.
        for _ in 0..limits::DATABASE_LOCK_TRIES {
            if try_lock(&mut session, app).await? {
                return Ok(Self { _session: Some(Mutex::new(session)) });
            }
            tokio::time::sleep(limits::DATABASE_LOCK_PAUSE).await;
        }
        Err(OpenError::DatabaseInUse { app })
    }
}

/// Whether an app runs on the store of a folder: on this folder or, where the store is on PostgreSQL, on any machine.
///
/// # Errors
/// [`OpenError::Server`] when the database cannot be asked.
pub async fn is_running(folder: &Path, app: &'static str) -> Result<bool, OpenError> {
    if OneApp::is_running(folder, app) {
        return Ok(true);
    }
    let Some(url) = address(folder)? else { return Ok(false) };
    let mut session = database::session(&url).await.map_err(OpenError::Server)?;
    // It is let go with the session.
    Ok(!try_lock(&mut session, app).await?)
}

async fn try_lock(session: &mut AnyConnection, app: &str) -> Result<bool, OpenError> {
    let row = sqlx::query("SELECT CASE WHEN pg_try_advisory_lock(hashtextextended($1, 0)) THEN 1 ELSE 0 END")
        .bind(format!("callfeed_apps {app}"))
        .fetch_one(session)
        .await
        .map_err(OpenError::Server)?;
    Ok(row.try_get::<i32, _>(0).map_err(OpenError::Server)? == 1)
}

/// The address of the PostgreSQL database that a folder names; none where the store is its file.
pub(super) fn address(folder: &Path) -> Result<Option<String>, OpenError> {
    match std::fs::read_to_string(folder.join(ADDRESS)) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(OpenError::Folder { path: folder.to_owned(), error }),
    }
}

/// Puts the store of a folder into a PostgreSQL database: the folder remembers its address, in a file of its owner's, so
/// that every command with the folder finds it. Nothing to do where it is there already.
///
/// # Errors
/// [`OpenError::NoDatabase`] for an address of another kind; [`OpenError::StoreThere`] when the folder has a store
/// elsewhere, which would seem to be empty from then on.
pub fn use_database(folder: &Path, url: &str) -> Result<(), OpenError> {
    is_address(url)?;
    let elsewhere = |place: &str| OpenError::StoreThere { path: folder.to_owned(), place: place.to_owned() };
    match address(folder)? {
        Some(known) if known == url => return Ok(()),
        Some(_) => return Err(elsewhere("another database, named in its file \"database\"")),
        None if folder.join(FILE).exists() => return Err(elsewhere(FILE)),
        None => {}
    }
    remember(folder, url).map_err(|error| OpenError::Folder { path: folder.to_owned(), error })
}

/// Refuses an address of another kind.
pub(super) fn is_address(url: &str) -> Result<(), OpenError> {
    let fits = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if fits { Ok(()) } else { Err(OpenError::NoDatabase) }
}

/// From now on the folder names this database. A start that is cut off leaves no half of an address.
pub(super) fn remember(folder: &Path, url: &str) -> io::Result<()> {
    let (path, new) = (folder.join(ADDRESS), folder.join(format!("{ADDRESS}.new")));
    prepare(folder, &new)?;
    let mut file = OpenOptions::new().write(true).truncate(true).open(&new)?;
    file.write_all(url.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(new, path)
}

/// The database's side files get the mode of the database, so that one is made before SQLite makes it.
pub(crate) fn prepare(folder: &Path, file: &Path) -> io::Result<()> {
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
        let ignore = folder.join(".gitignore");
        if let Err(error) = std::fs::write(&ignore, "*\n") {
            // A full disk: the next start finds no folder that seems to be ready.
            let _ = std::fs::remove_file(&ignore).and_then(|()| std::fs::remove_dir(folder));
            return Err(error);
        }
    }
    options.open(file).map(|_| ())
}

/// The path of the folder's SQLite file, made with its folder if need be.
pub(super) fn file(folder: &Path) -> Result<PathBuf, OpenError> {
    let path = folder.join(FILE);
    prepare(folder, &path).map_err(|error| OpenError::Folder { path: folder.to_owned(), error })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_store_and_remembers_which() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("state");
        let (first, second) = ("postgres://calls@db.example/calls", "postgres://calls@db.example/other");
        assert!(matches!(use_database(&folder, "mysql://db.example/calls"), Err(OpenError::NoDatabase)));
        assert_eq!(address(&folder).unwrap(), None);
        use_database(&folder, first).unwrap();
        use_database(&folder, first).unwrap();
        assert!(matches!(use_database(&folder, second), Err(OpenError::StoreThere { .. })));
        assert_eq!(address(&folder).unwrap().as_deref(), Some(first));
        std::fs::remove_file(folder.join(ADDRESS)).unwrap();
        file(&folder).unwrap();
        let refused = use_database(&folder, first).unwrap_err().to_string();
        assert!(refused.contains(FILE) && refused.contains("--state"), "{refused}");
    }

    /// On the PostgreSQL of the tests; of a file the folder's lock says all.
    #[tokio::test]
    async fn an_app_on_the_same_database_is_seen_from_another_folder() {
        if std::env::var("CALLFEED_TEST_POSTGRES").is_err() {
            return;
        }
        let (url, folders) =
            (crate::store::testing::new_database().await, [(); 2].map(|()| tempfile::tempdir().unwrap()));
        let [one, other] = folders.each_ref().map(tempfile::TempDir::path);
        for folder in [one, other] {
            use_database(folder, &url).unwrap();
        }
        assert!(!is_running(other, "app").await.unwrap());
        let _running = OneOnDatabase::take(one, "app").await.unwrap();
        assert!(is_running(other, "app").await.unwrap());
        assert!(!is_running(other, "another").await.unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn the_address_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        use_database(folder.path(), "postgres://calls:secret@db.example/calls").unwrap();
        let mode = std::fs::metadata(folder.path().join(ADDRESS)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}
