//! Which database `--database` names: one place for all commands that take it, so that none opens what another refuses.

use std::path::Path;

use super::{StoreError, StoreResult};

/// A database that the platform can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A file.
    Sqlite(String),
    Postgres(String),
}

impl Address {
    /// What `database` names; without one, `callfeed.db` in `folder`, made where it is not there.
    ///
    /// # Errors
    /// [`StoreError::UnknownDatabase`] for every other kind, and [`StoreError::SqliteAddress`] for a SQLite database
    /// that is not one file: what is in memory is gone with the connection, and each connection would have its own.
    pub(super) fn read(folder: &Path, database: Option<&str>) -> StoreResult<Self> {
        let Some(url) = database else {
            return Ok(Self::Sqlite(format!("sqlite://{}?mode=rwc", folder.join("callfeed.db").display())));
        };
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        if !url.starts_with("sqlite:") {
            return Err(StoreError::UnknownDatabase);
        }
        let (path, options) = url.split_once('?').unwrap_or((url, ""));
        let file = path.strip_prefix("sqlite://").filter(|path| !path.is_empty() && !path.starts_with(':'));
        if file.is_none() || !matches!(options, "" | "mode=rw" | "mode=rwc") {
            return Err(StoreError::SqliteAddress);
        }
        Ok(Self::Sqlite(url.to_owned()))
    }

    pub(super) fn url(&self) -> &str {
        match self {
            Self::Sqlite(url) | Self::Postgres(url) => url,
        }
    }

    pub(super) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(database: &str) -> Result<bool, String> {
        let address = Address::read(Path::new("data"), Some(database));
        address.map(|address| address.is_sqlite()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_and_postgresql_are_taken_and_all_else_is_refused_with_what_to_write() {
        for file in
            ["sqlite:///a/b.db", "sqlite://b.db", "sqlite:///a/b.db?mode=rwc", "sqlite://b.db?mode=rw"]
        {
            assert_eq!(read(file), Ok(true), "{file}");
        }
        for server in ["postgres://user@host/name", "postgresql://host/name?sslmode=require"] {
            assert_eq!(read(server), Ok(false), "{server}");
        }
        for other in ["mysql://host/name", "", "/a/b.db", "b.db", "SQLITE://b.db"] {
            assert!(read(other).is_err_and(|error| error.contains("postgres://")), "{other}");
        }
        for none in [
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite:",
            "sqlite://",
            "sqlite:b.db",
            "sqlite:///a/b.db?mode=memory",
            "sqlite:///a/b.db?mode=ro",
            "sqlite:///a/b.db?mode=rwc&cache=shared",
            "sqlite://?mode=rwc",
        ] {
            assert!(read(none).is_err_and(|error| error.contains("sqlite://PATH")), "{none}");
        }
        let file = Address::read(Path::new("data"), None).expect("always");
        assert_eq!(file.url(), "sqlite://data/callfeed.db?mode=rwc");
    }
}
