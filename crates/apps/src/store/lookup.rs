//! Contacts out of somebody's own database: a query that the owner of `sources.toml` wrote, on SQLite or PostgreSQL.

use sqlx::{
    AnyPool, AssertSqlSafe, Column as _, Row,
    any::{AnyPoolOptions, AnyRow, install_default_drivers},
};

use crate::people::{
    contact::Contact,
    limits::{ANSWER_CONTACTS_MAX, SOURCE_CONNECTIONS, SUFFIX_DIGITS},
    number::Number,
    text::{split_numbers, tidy},
};

/// A database and the query that finds the contacts of a number.
pub struct Database {
    pool: AnyPool,
    query: String,
    source: String,
}

impl Database {
    /// Connects when it is first asked. `url` is that of a SQLite file or a PostgreSQL database.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn new(url: &str, query: &str, source: &str) -> sqlx::Result<Self> {
        install_default_drivers();
        let pool = AnyPoolOptions::new().max_connections(SOURCE_CONNECTIONS).connect_lazy(url)?;
        Ok(Self { pool, query: query.to_owned(), source: source.to_owned() })
    }

    /// The contacts that the query finds. It is given `$1` E.164 (`+13125550147`), `$2` the national number
    /// (`3125550147`) and `$3` its last seven digits, as far as it names them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn find(&self, number: &Number) -> sqlx::Result<Vec<Contact>> {
        let (e164, national) = match number {
            Number::Phone(phone) => (phone.e164.clone(), phone.national.clone()),
            Number::Digits { digits, .. } => (digits.clone(), digits.clone()),
            Number::Withheld | Number::Text(_) => return Ok(Vec::new()),
        };
        let suffix = national[national.len().saturating_sub(SUFFIX_DIGITS)..].to_owned();
        let mut query = sqlx::query(AssertSqlSafe(self.query.clone()));
        let values = [("$1", e164), ("$2", national), ("$3", suffix)];
        // PostgreSQL refuses values that the query does not name; `$2` alone needs the one before it too.
        let named = values.iter().rposition(|(name, _)| self.query.contains(name)).map_or(0, |last| last + 1);
        for (_, value) in values.into_iter().take(named) {
            query = query.bind(value);
        }
        let rows = query.fetch_all(&self.pool).await?;
        Ok(rows.iter().take(ANSWER_CONTACTS_MAX).map(|row| self.contact(row)).collect())
    }

    /// Columns by their names; others are facts under their own.
    fn contact(&self, row: &AnyRow) -> Contact {
        let mut contact = Contact { source: self.source.clone(), ..Contact::default() };
        for column in row.columns() {
            let Some(value) = text(row, column.ordinal()) else { continue };
            let value = tidy(&value);
            match column.name().to_ascii_lowercase().as_str() {
                "id" => contact.reference = value,
                "name" => contact.name = value,
                "company" => contact.company = value,
                "email" => contact.email = value,
                "tier" => contact.tier = value,
                "notes" => contact.notes = value,
                "link" => contact.link = value,
                name if name.starts_with("phone") => {
                    contact.numbers.extend(split_numbers(&value).into_iter().map(str::to_owned));
                }
                name if contact.take_column(name, &value) => {}
                _ => {
                    contact.other.insert(tidy(column.name()), value);
                }
            }
        }
        contact
    }
}

/// A value of any type as a text; none for NULL and for types that have no text here.
fn text(row: &AnyRow, at: usize) -> Option<String> {
    let text = row.try_get::<Option<String>, _>(at).ok().flatten();
    let whole = || row.try_get::<Option<i64>, _>(at).ok().flatten().map(|number| number.to_string());
    let real = || row.try_get::<Option<f64>, _>(at).ok().flatten().map(|number| number.to_string());
    text.or_else(whole).or_else(real).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::*;
    use crate::people::number::Home;

    async fn check(url: &str) {
        let mut connection = sqlx::AnyConnection::connect(url).await.unwrap();
        let schema = "CREATE TABLE callfeed_customers (id bigint, name text, phone text, tickets bigint);
            INSERT INTO callfeed_customers VALUES (7, 'Ada Example', '+1 312 555 0147', 3);
            INSERT INTO callfeed_customers VALUES (8, NULL, '+13125550148', NULL);";
        sqlx::raw_sql("DROP TABLE IF EXISTS callfeed_customers").execute(&mut connection).await.unwrap();
        sqlx::raw_sql(schema).execute(&mut connection).await.unwrap();
        let query = "SELECT id, name, phone, tickets AS balance, tickets AS open_tickets,
            'Demo' AS appointment_title, '2026-02-05 14:00' AS appointment FROM callfeed_customers
            WHERE replace(replace(phone, ' ', ''), '+1', '') = $2 AND $1 <> ''";
        let database = Database::new(url, query, "crm").unwrap();
        let number = Number::read("+13125550147", Home::default());
        let found = database.find(&number).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].reference.as_str()), ("Ada Example", "7"));
        assert_eq!(
            (found[0].numbers.as_slice(), found[0].other["balance"].as_str()),
            (["+1 312 555 0147".to_owned()].as_slice(), "3")
        );
        let tickets = found[0].tickets.clone().map(|tickets| tickets.open);
        let appointment = found[0].appointments.first().map(|one| (one.at.as_str(), one.title.as_str()));
        assert_eq!((tickets, appointment), (Some(3), Some(("2026-02-05 14:00", "Demo"))));
        assert!(database.find(&Number::Withheld).await.unwrap().is_empty());
        let wrong = Database::new(url, "SELECT nothing FROM nowhere WHERE x = $1", "crm").unwrap();
        assert!(wrong.find(&number).await.is_err());
        sqlx::raw_sql("DROP TABLE callfeed_customers").execute(&mut connection).await.unwrap();
    }

    #[tokio::test]
    async fn a_query_on_sqlite() {
        install_default_drivers();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("crm.db");
        check(&format!("sqlite://{}?mode=rwc", file.display())).await;
    }

    /// Runs where the test command gives a PostgreSQL server.
    #[tokio::test]
    async fn a_query_on_postgres() {
        install_default_drivers();
        if let Ok(url) = std::env::var("CALLFEED_TEST_POSTGRES") {
            check(&url).await;
        }
    }
}
