//! A start that finds the store away: a database that is not up yet, a disk that is full. It waits, as a running app does,
//! and says so once; what a person must mend is an error at once.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::{OneOnDatabase, OpenError, Store};
use crate::limits;

/// [`Store::open`], which waits while the store is away. `None`: `stop` came first.
///
/// # Errors
/// [`OpenError`] for what waiting does not mend.
pub async fn open_waiting(folder: &Path, stop: &CancellationToken) -> Result<Option<Store>, OpenError> {
    let mut wait = Wait::default();
    loop {
        let opened = tokio::select! {
            () = stop.cancelled() => return Ok(None),
            opened = Store::open(folder) => opened,
        };
        match opened {
            Ok(store) => {
                wait.is_over();
                return Ok(Some(store));
            }
            Err(error) => wait.after(error, stop).await?,
        }
    }
}

/// [`OneOnDatabase::take`], which waits while the database is away. `None`: `stop` came first.
///
/// # Errors
/// [`OpenError`] for what waiting does not mend.
pub async fn take_waiting(
    folder: &Path,
    app: &'static str,
    stop: &CancellationToken,
) -> Result<Option<OneOnDatabase>, OpenError> {
    let mut wait = Wait::default();
    loop {
        let taken = tokio::select! {
            () = stop.cancelled() => return Ok(None),
            taken = OneOnDatabase::take(folder, app) => taken,
        };
        match taken {
            Ok(taken) => {
                wait.is_over();
                return Ok(Some(taken));
            }
            Err(error) => wait.after(error, stop).await?,
        }
    }
}

/// Says once that something is waited for, and once that it is there.
#[derive(Default)]
struct Wait {
    said: bool,
}

impl Wait {
    /// Waits a moment, or until `stop`.
    async fn after(&mut self, error: OpenError, stop: &CancellationToken) -> Result<(), OpenError> {
        if !is_away(&error) {
            return Err(error);
        }
        if !std::mem::replace(&mut self.said, true) {
            tracing::error!("{error}; waiting for it: make room on its disk, or start its database");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(limits::STORE_RETRY_PAUSE) => {}
        }
        Ok(())
    }

    fn is_over(&self) {
        if self.said {
            tracing::info!("the store is there: going on");
        }
    }
}

/// Whether the store may come by itself.
fn is_away(error: &OpenError) -> bool {
    match error {
        OpenError::Server(error) => is_server_away(error),
        OpenError::Database { error, .. } => is_disk_in_need(error),
        OpenError::Folder { error, .. } => error.kind() == std::io::ErrorKind::StorageFull,
        _ => false,
    }
}

/// Not reached, starting, stopping, or without a free connection (PostgreSQL, Appendix A: classes 08, 53 and 57P0).
fn is_server_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            ["08", "53", "57P0"].iter().any(|class| code.starts_with(class))
        }
        _ => false,
    }
}

/// SQLITE_FULL, and SQLITE_IOERR, which is what its write-ahead log says on a full disk
/// (<https://sqlite.org/rescode.html>; the lower eight bits).
fn is_disk_in_need(error: &sqlx::Error) -> bool {
    const IOERR: u32 = 10;
    const FULL: u32 = 13;
    let sqlx::Error::Database(error) = error else { return false };
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, IOERR | FULL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::use_database;

    #[test]
    fn what_may_come_by_itself_is_waited_for() {
        let io = |kind| std::io::Error::from(kind);
        let refused = io(std::io::ErrorKind::ConnectionRefused);
        assert!(is_away(&OpenError::Server(sqlx::Error::Io(refused))));
        assert!(is_away(&OpenError::Server(sqlx::Error::PoolTimedOut)));
        let path = std::path::PathBuf::from("state");
        let full = io(std::io::ErrorKind::StorageFull);
        assert!(is_away(&OpenError::Folder { path: path.clone(), error: full }));
        let denied = io(std::io::ErrorKind::PermissionDenied);
        assert!(!is_away(&OpenError::Folder { path, error: denied }));
        assert!(!is_away(&OpenError::Server(sqlx::Error::Configuration("no such address".into()))));
        assert!(!is_away(&OpenError::NoDatabase));
    }

    #[tokio::test]
    async fn a_full_disk_at_the_first_start_is_waited_for_and_leaves_no_broken_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = crate::store::folder::file(folder.path()).unwrap();
        sqlx::any::install_default_drivers();
        let url = format!("sqlite://{}", path.display());
        let pool = sqlx::any::AnyPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
        // Room for some tables, not for all.
        sqlx::raw_sql("PRAGMA max_page_count = 9").execute(&pool).await.unwrap();
        let full = Store::prepared(pool.clone()).await.unwrap_err();
        assert!(is_disk_in_need(&full), "{full:?}");
        let tables = sqlx::query("SELECT name FROM sqlite_master").fetch_all(&pool).await.unwrap();
        assert!(tables.is_empty(), "nothing is half made");
        pool.close().await;
        let store = crate::store::testing::open_file(folder.path()).await;
        assert_eq!(crate::store::reports::list(&store.pool, 0, 9).await.unwrap(), []);
    }

    #[tokio::test]
    async fn who_is_stopped_while_waiting_waits_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        // Bound and never accepted from: nobody answers there.
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = nobody.local_addr().unwrap();
        use_database(folder.path(), &format!("postgres://calls@{address}/calls")).unwrap();
        let stop = CancellationToken::new();
        let (waited, ()) = tokio::join!(open_waiting(folder.path(), &stop), async { stop.cancel() });
        assert!(waited.unwrap().is_none());
    }
}
