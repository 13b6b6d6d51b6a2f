//! SQLite without a thread in between. sqlx hands each statement to a thread of its own and back, which costs several
//! times what a small statement does; so the event log and the reads that requests wait for speak to SQLite here.
//! Everything else, and PostgreSQL, stays with sqlx. All of them see one file.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags, ToSql, types};

use super::rows::{Row, Value};
use super::{StoreError, StoreResult};
use crate::limits;

/// Connections to the database's file, opened when they are first needed.
pub(super) struct Local {
    file: PathBuf,
    fleeting: bool,
    readers: Mutex<Readers>,
}

#[derive(Default)]
struct Readers {
    /// The one used last is taken first: it knows the most pages.
    idle: Vec<Connection>,
    closed: bool,
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<types::ToSqlOutput<'_>> {
        Ok(match *self {
            Self::Text(text) => text.into(),
            Self::Number(number) => number.into(),
        })
    }
}

impl Local {
    /// `fleeting`: what is written need not survive a power cut.
    pub(super) fn new(file: &Path, fleeting: bool) -> Self {
        Self { file: file.to_owned(), fleeting, readers: Mutex::default() }
    }

    /// The connection that the log is written with.
    pub(super) fn writer(&self) -> StoreResult<Connection> {
        let connection = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let (pages, cache_kib) = (limits::SQLITE_CHECKPOINT_PAGES, limits::SQLITE_WRITER_CACHE_KIB);
        let synchronous = if self.fleeting { "normal" } else { "full" };
        connection.execute_batch(&format!(
            "pragma synchronous = {synchronous}; pragma wal_autocheckpoint = {pages}; pragma cache_size = -{cache_kib};"
        ))?;
        Ok(connection)
    }

    fn open(&self, access: OpenFlags) -> StoreResult<Connection> {
        // Each connection is used by one thread at a time.
        let connection = Connection::open_with_flags(&self.file, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(limits::SQLITE_BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(limits::SQLITE_STATEMENTS);
        Ok(connection)
    }

    fn readers(&self) -> MutexGuard<'_, Readers> {
        // Nothing panics while it is held.
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs where it is called: a row that is looked up by its key is there before another thread would have begun.
    pub(super) fn select<T>(
        &self,
        text: &'static str,
        values: &[Value<'_>],
        read: impl Fn(&Row<'_>) -> StoreResult<T>,
    ) -> StoreResult<Vec<T>> {
        let idle = {
            let mut readers = self.readers();
            if readers.closed {
                return Err(StoreError::Sql(sqlx::Error::PoolClosed));
            }
            readers.idle.pop()
        };
        let connection = match idle {
            Some(connection) => connection,
            None => self.open(OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        };
        let found = select(&connection, text, values, read);
        let mut readers = self.readers();
        if !readers.closed && readers.idle.len() < limits::DATABASE_READERS as usize {
            readers.idle.push(connection);
        }
        found
    }

    /// Closes what is open, and opens no more.
    pub(super) fn close(&self) {
        *self.readers() = Readers { idle: Vec::new(), closed: true };
    }
}

fn select<T>(
    connection: &Connection,
    text: &str,
    values: &[Value<'_>],
    read: impl Fn(&Row<'_>) -> StoreResult<T>,
) -> StoreResult<Vec<T>> {
    let mut statement = connection.prepare_cached(text)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(&Row::Local(row))?);
    }
    Ok(found)
}

pub(super) fn execute(connection: &Connection, text: &str, values: &[Value<'_>]) -> StoreResult<()> {
    connection.prepare_cached(text)?.execute(rusqlite::params_from_iter(values))?;
    Ok(())
}

pub(super) fn number(connection: &Connection, text: &str, values: &[Value<'_>]) -> StoreResult<i64> {
    let mut statement = connection.prepare_cached(text)?;
    Ok(statement.query_row(rusqlite::params_from_iter(values), |row| row.get(0))?)
}

/// Begins a commit; whoever writes meanwhile is waited for.
pub(super) fn begin(connection: &Connection) -> StoreResult<()> {
    execute(connection, "begin immediate", &[])
}

/// Ends it: for good when everything was written, else as if nothing had been.
pub(super) fn end<T>(connection: &Connection, written: StoreResult<T>) -> StoreResult<T> {
    let ended = written.and_then(|written| execute(connection, "commit", &[]).map(|()| written));
    if ended.is_err() && !connection.is_autocommit() {
        execute(connection, "rollback", &[])?;
    }
    ended
}

/// One row after the other, each by the same statement.
pub(super) fn insert<'r, R, const COLUMNS: usize>(
    connection: &Connection,
    text: &str,
    rows: &'r [R],
    values: impl Fn(&'r R) -> [Value<'r>; COLUMNS],
) -> StoreResult<()> {
    let mut statement = connection.prepare_cached(text)?;
    for row in rows {
        statement.execute(rusqlite::params_from_iter(values(row)))?;
    }
    Ok(())
}
