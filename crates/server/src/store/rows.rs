//! Statements that run on both databases, without the store's functions knowing which: SQLite is spoken to directly
//! (see [`super::local`]), PostgreSQL through sqlx.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Row as _};

use super::{Store, StoreResult, local};

/// A parameter: the schema knows nothing but these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Number(i64),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A row that was found.
pub(super) enum Row<'r> {
    Any(&'r AnyRow),
    Local(&'r rusqlite::Row<'r>),
}

impl Row<'_> {
    pub(super) fn text(&self, column: &str) -> StoreResult<String> {
        Ok(match self {
            Self::Any(row) => row.try_get(column)?,
            Self::Local(row) => row.get(column)?,
        })
    }

    pub(super) fn number(&self, column: &str) -> StoreResult<i64> {
        Ok(match self {
            Self::Any(row) => row.try_get(column)?,
            Self::Local(row) => row.get(column)?,
        })
    }
}

type Bound<'q> = Query<'q, Any, AnyArguments>;

pub(super) fn bind<'q>(query: Bound<'q>, values: &[Value<'q>]) -> Bound<'q> {
    values.iter().fold(query, |query, value| match *value {
        Value::Text(text) => query.bind(text),
        Value::Number(number) => query.bind(number),
    })
}

impl Store {
    /// Rows of a query for little that a request waits for. `text` names its parameters `$1`, `$2` … in the order in
    /// which they first appear.
    pub(super) async fn select<T>(
        &self,
        text: &'static str,
        values: &[Value<'_>],
        read: impl Fn(&Row<'_>) -> StoreResult<T>,
    ) -> StoreResult<Vec<T>> {
        if let Some(local) = &self.local {
            return local.select(text, values, read);
        }
        let rows = bind(sqlx::query(text), values).fetch_all(&self.read).await?;
        rows.iter().map(|row| read(&Row::Any(row))).collect()
    }
}

/// A commit under way.
pub(super) enum Writing<'c> {
    Any(&'c mut AnyConnection),
    Local(&'c mut rusqlite::Connection),
}

impl Writing<'_> {
    /// Parameters as in [`Store::select`].
    pub(super) async fn execute(&mut self, text: &'static str, values: &[Value<'_>]) -> StoreResult<()> {
        match self {
            Self::Any(connection) => {
                bind(sqlx::query(text), values).execute(&mut **connection).await?;
            }
            Self::Local(connection) => local::execute(connection, text, values)?,
        }
        Ok(())
    }

    /// The number that a statement returns.
    pub(super) async fn number(&mut self, text: &'static str, values: &[Value<'_>]) -> StoreResult<i64> {
        Ok(match self {
            Self::Any(connection) => {
                bind(sqlx::query(text), values).fetch_one(&mut **connection).await?.try_get(0)?
            }
            Self::Local(connection) => local::number(connection, text, values)?,
        })
    }
}
