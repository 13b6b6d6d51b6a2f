//! Rows inserted many by one statement: each statement costs a switch to the database's thread or server, which is
//! most of what a small one costs.

use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Database};

use super::StoreResult;

/// Rows in one statement; few sizes, so that few prepared statements serve all.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// An insert with its values still to come; both texts are constants.
pub(super) struct Insert {
    /// `TABLE (COLUMNS)`.
    pub(super) into: &'static str,
    pub(super) columns: usize,
    /// What follows the values.
    pub(super) tail: &'static str,
}

/// A query whose parameters are being given.
pub(super) type Bound<'q> = Query<'q, Any, <Any as Database>::Arguments>;

/// Inserts all rows in order; `bind` gives a row's values in the order of the columns. After an error the transaction
/// must be given up: some of the rows may be there.
pub(super) async fn insert<'r, R>(
    tx: &mut AnyConnection,
    sqlite: bool,
    table: &Insert,
    rows: &'r [R],
    bind: impl Fn(Bound<'r>, &'r R) -> Bound<'r>,
) -> StoreResult<()> {
    let mut rest = rows;
    for size in SIZES {
        while let Some((now, later)) = rest.split_at_checked(size) {
            // The text holds nothing but constants and placeholders.
            let query = sqlx::query(AssertSqlSafe(table.text(sqlite, size)));
            now.iter().fold(query, &bind).execute(&mut *tx).await?;
            rest = later;
        }
    }
    Ok(())
}

impl Insert {
    fn text(&self, sqlite: bool, rows: usize) -> String {
        // Otherwise SQLite copies each page before it changes it, to take back the first rows of a statement whose
        // last one is refused; here the whole transaction is taken back.
        let verb = if sqlite { "insert or fail into" } else { "insert into" };
        let mut text = format!("{verb} {} values", self.into);
        for row in 0..rows {
            text.push_str(if row == 0 { " (" } else { "), (" });
            for column in 0..self.columns {
                if column > 0 {
                    text.push(',');
                }
                // SQLite looks for each numbered parameter among all before it; plain ones it counts.
                if sqlite {
                    text.push('?');
                } else {
                    text.push_str(&format!("${}", row * self.columns + column + 1));
                }
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
        let insert = Insert { into: "t (a, b)", columns: 2, tail: " on conflict do nothing" };
        assert_eq!(
            insert.text(true, 2),
            "insert or fail into t (a, b) values (?,?), (?,?) on conflict do nothing"
        );
        assert_eq!(
            insert.text(false, 2),
            "insert into t (a, b) values ($1,$2), ($3,$4) on conflict do nothing"
        );
    }
}
