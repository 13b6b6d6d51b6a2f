//! Rows inserted many at a time: by one statement on PostgreSQL, where each is a round trip to a server; one after the
//! other on SQLite, where they are a call each.

use sqlx::{AnyConnection, AssertSqlSafe};

use super::rows::{Value, Writing, bind};
use super::{StoreResult, local};

/// Rows in one statement; few sizes, so that few prepared statements serve all.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// An insert with its values still to come; both texts are constants.
pub(super) struct Insert {
    /// `TABLE (COLUMNS)`.
    pub(super) into: &'static str,
    /// What follows the values.
    pub(super) tail: &'static str,
}

/// Inserts all rows in order; `values` gives a row's values in the order of the columns. After an error the transaction
/// must be given up: some of the rows may be there.
pub(super) async fn insert<'r, R, const COLUMNS: usize>(
    tx: &mut Writing<'_>,
    table: &Insert,
    rows: &'r [R],
    values: impl Fn(&'r R) -> [Value<'r>; COLUMNS],
) -> StoreResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    match tx {
        Writing::Any(connection) => insert_many(connection, table, rows, values).await,
        Writing::Local(connection) => local::insert(connection, &table.text(COLUMNS, 1), rows, values),
    }
}

async fn insert_many<'r, R, const COLUMNS: usize>(
    connection: &mut AnyConnection,
    table: &Insert,
    rows: &'r [R],
    values: impl Fn(&'r R) -> [Value<'r>; COLUMNS],
) -> StoreResult<()> {
    let mut rest = rows;
    for size in SIZES {
        while let Some((now, later)) = rest.split_at_checked(size) {
            // The text holds nothing but constants and placeholders.
            let query = sqlx::query(AssertSqlSafe(table.text(COLUMNS, size)));
            let query = now.iter().fold(query, |query, row| bind(query, &values(row)));
            query.execute(&mut *connection).await?;
            rest = later;
        }
    }
    Ok(())
}

impl Insert {
    fn text(&self, columns: usize, rows: usize) -> String {
        let mut text = format!("insert into {} values", self.into);
        for row in 0..rows {
            text.push_str(if row == 0 { " (" } else { "), (" });
            for column in 0..columns {
                let comma = if column == 0 { "" } else { "," };
                text.push_str(&format!("{comma}${}", row * columns + column + 1));
            }
        }
        text.push(')');
        text.push_str(self.tail);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_a_place_for_each_value() {
        let insert = Insert { into: "t (a, b)", tail: " on conflict do nothing" };
        assert_eq!(insert.text(2, 2), "insert into t (a, b) values ($1,$2), ($3,$4) on conflict do nothing");
    }
}
