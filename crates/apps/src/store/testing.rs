//! Stores for tests, on the database that CALLFEED_TEST_DATABASE names (`sqlite` or `postgres`).

use std::path::Path;

use sqlx::{AnyPool, AssertSqlSafe, Executor as _};

use super::pending::Pending;
use super::{Store, database, folder, use_database};

/// A report that was announced once and never tried.
pub(crate) fn asked(id: &str) -> Pending {
    Pending {
        conversation_space_id: id.to_owned(),
        announced: jiff::Timestamp::UNIX_EPOCH,
        attempts: 0,
        generation: 0,
    }
}

/// The store of a folder; on PostgreSQL each folder has a database of its own, which it finds again.
pub(crate) async fn open(folder: &Path) -> Store {
    if std::env::var("CALLFEED_TEST_DATABASE").as_deref() == Ok("postgres") {
        if folder::address(folder).unwrap().is_none() {
            use_database(folder, &new_database().await).unwrap();
        }
        return Store::open(folder).await.unwrap();
    }
    // Tests kill no machine: nothing waits for the disk.
    open_file(folder).await
}

/// The same, always in the folder's own file.
pub(crate) async fn open_file(folder: &Path) -> Store {
    Store::open_file(&folder::file(folder).unwrap(), false).await.unwrap()
}

/// The URL of a fresh PostgreSQL database.
pub(crate) async fn new_database() -> String {
    let server = std::env::var("CALLFEED_TEST_POSTGRES").expect("CALLFEED_TEST_POSTGRES names a server");
    let name = format!("apps_{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let mut connection = database::session(&server).await.expect("PostgreSQL answers");
    connection.execute(AssertSqlSafe(format!("create database {name}"))).await.expect("a database");
    let mut url = url::Url::parse(&server).expect("a URL");
    url.set_path(&name);
    url.to_string()
}

/// What writes to this table is refused from now on.
pub(crate) async fn lose(pool: &AnyPool, table: &str) {
    pool.execute(AssertSqlSafe(format!("DROP TABLE {table}"))).await.unwrap();
}
