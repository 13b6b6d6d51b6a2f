//! Contacts and their numbers, and which contact a person chose for a number.
//!
//! A number is found by its last seven digits without country code and trunk prefix (`suffix`), whatever way it was
//! written; [`crate::people::compare`] then says how surely it is the one. In Germany and Austria a company's number is
//! found by a second key. An import's contacts count when `active` is set, so one import takes the place of another in
//! one step.

use serde_json::json;
use sqlx::{AnyConnection, AnyPool, Row, any::AnyRow, pool::PoolConnection};

use crate::people::{
    contact::Contact,
    limits::{CANDIDATES_MAX, IMPORT_CACHE_KIB, IMPORT_COMMIT_ROWS, IMPORT_DELETE_ROWS, SUFFIX_DIGITS},
    number::{Number, trunks},
};

/// Tables of the contacts; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS people_imports (
    id integer PRIMARY KEY AUTOINCREMENT,
    name text NOT NULL,
    active bigint NOT NULL,
    contacts bigint NOT NULL,
    imported_us bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS people_contacts (
    id integer PRIMARY KEY,
    import_id bigint NOT NULL,
    reference text NOT NULL,
    document text NOT NULL
);
CREATE TABLE IF NOT EXISTS people_numbers (
    suffix text NOT NULL,
    contact_id bigint NOT NULL,
    PRIMARY KEY (suffix, contact_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS people_picks (
    number text PRIMARY KEY,
    contact text NOT NULL,
    picked_us bigint NOT NULL
);
";

/// Name of the contacts that people added by hand.
pub const BY_HAND: &str = "by hand";

/// A contact with its numbers read.
#[derive(Clone, Debug)]
pub struct NewContact {
    pub(super) contact: Contact,
    suffixes: Vec<String>,
}

impl NewContact {
    /// `numbers` are those of the contact, as written and as read. A contact without a reference gets one made of what it
    /// says.
    #[must_use]
    pub fn new(mut contact: Contact, numbers: Vec<(String, Number)>) -> Self {
        let mut suffixes: Vec<String> = numbers.iter().flat_map(|(_, number)| contact_keys(number)).collect();
        suffixes.sort_unstable();
        suffixes.dedup();
        if contact.reference.is_empty() {
            let number = numbers.first().and_then(|(_, number)| number.key()).unwrap_or_default();
            contact.reference = [&contact.name, &contact.company, number].join("|");
        }
        contact.numbers = numbers.into_iter().map(|(written, _)| written).collect();
        Self { contact, suffixes }
    }

    /// By what a pick remembers it.
    #[must_use]
    pub fn key(&self) -> String {
        self.contact.key()
    }
}

fn suffix(digits: &str) -> String {
    let bare = digits.trim_start_matches('0');
    bare[bare.len().saturating_sub(SUFFIX_DIGITS)..].to_owned()
}

fn contact_keys(number: &Number) -> Vec<String> {
    match number {
        Number::Phone(phone) => {
            let company = phone.trunk.iter().map(|trunk| format!("T{trunk}"));
            std::iter::once(suffix(&phone.national)).chain(company).collect()
        }
        Number::Digits { digits, .. } => vec![suffix(digits)],
        Number::Withheld | Number::Text(_) => Vec::new(),
    }
}

fn party_keys(number: &Number) -> Vec<String> {
    let mut keys = contact_keys(number);
    if let Number::Phone(phone) = number {
        keys.extend(trunks(phone).into_iter().map(|trunk| format!("T{trunk}")));
    }
    keys
}

/// The contacts that a number may belong to, at most [`CANDIDATES_MAX`], in no order.
///
/// # Errors
/// When the database refuses.
pub async fn candidates(pool: &AnyPool, number: &Number) -> sqlx::Result<Vec<Contact>> {
    let keys = party_keys(number);
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    // SQLite is told the order of the tables; PostgreSQL finds it.
    let text = if super::is_sqlite(pool) {
        "SELECT DISTINCT c.reference, c.document, i.name FROM json_each($1) AS wanted
         CROSS JOIN people_numbers AS n ON n.suffix = wanted.value
         CROSS JOIN people_contacts AS c ON c.id = n.contact_id
         JOIN people_imports AS i ON i.id = c.import_id AND i.active = 1 LIMIT $2"
    } else {
        "SELECT DISTINCT c.reference, c.document, i.name FROM json_array_elements_text($1::json) AS wanted
         JOIN people_numbers AS n ON n.suffix = wanted.value
         JOIN people_contacts AS c ON c.id = n.contact_id
         JOIN people_imports AS i ON i.id = c.import_id AND i.active = 1 LIMIT $2"
    };
    let rows = sqlx::query(text).bind(json!(keys).to_string()).bind(CANDIDATES_MAX).fetch_all(pool).await?;
    rows.iter().map(contact_of).collect()
}

/// Contacts in the order in which they came, at most `limit`, behind the one with the id `after`; each with its id.
///
/// # Errors
/// When the database refuses.
pub async fn page(pool: &AnyPool, after: i64, limit: u32) -> sqlx::Result<Vec<(i64, Contact)>> {
    let rows = sqlx::query(
        "SELECT c.id, c.reference, c.document, i.name FROM people_contacts AS c
         JOIN people_imports AS i ON i.id = c.import_id AND i.active = 1
         WHERE c.id > $1 ORDER BY c.id LIMIT $2",
    )
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, contact_of(row)?))).collect()
}

/// Names of the imports in force, how many contacts each has, and when it was made (microseconds since 1970).
///
/// # Errors
/// When the database refuses.
pub async fn imports(pool: &AnyPool) -> sqlx::Result<Vec<(String, i64, i64)>> {
    sqlx::query_as("SELECT name, contacts, imported_us FROM people_imports WHERE active = 1 ORDER BY name")
        .fetch_all(pool)
        .await
}

/// How many contacts the import of this name has; 0 if there is none.
///
/// # Errors
/// When the database refuses.
pub async fn count(pool: &AnyPool, name: &str) -> sqlx::Result<u64> {
    let count: Option<i64> =
        sqlx::query_scalar("SELECT contacts FROM people_imports WHERE name = $1 AND active = 1")
            .bind(name)
            .fetch_optional(pool)
            .await?;
    Ok(count.unwrap_or_default().unsigned_abs())
}

/// The contact that was chosen for a number, as [`Contact::key`].
///
/// # Errors
/// When the database refuses.
pub async fn picked(pool: &AnyPool, number: &Number) -> sqlx::Result<Option<String>> {
    let Some(key) = number.key() else { return Ok(None) };
    sqlx::query_scalar("SELECT contact FROM people_picks WHERE number = $1")
        .bind(key)
        .fetch_optional(pool)
        .await
}

/// Remembers which contact a number belongs to; withheld numbers belong to nobody.
///
/// # Errors
/// When the database refuses.
pub async fn pick(pool: &AnyPool, number: &Number, contact: &str, now: jiff::Timestamp) -> sqlx::Result<()> {
    let Some(key) = number.key() else { return Ok(()) };
    sqlx::query(
        "INSERT INTO people_picks (number, contact, picked_us) VALUES ($1, $2, $3)
         ON CONFLICT (number) DO UPDATE SET contact = excluded.contact, picked_us = excluded.picked_us",
    )
    .bind(key)
    .bind(contact)
    .bind(now.as_microsecond())
    .execute(pool)
    .await?;
    Ok(())
}

/// Forgets which contact a number belongs to.
///
/// # Errors
/// When the database refuses.
pub async fn forget_pick(pool: &AnyPool, number: &Number) -> sqlx::Result<()> {
    let Some(key) = number.key() else { return Ok(()) };
    sqlx::query("DELETE FROM people_picks WHERE number = $1").bind(key).execute(pool).await?;
    Ok(())
}

/// Writes one import, in many transactions; it counts when [`Writer::finish`] is done.
pub struct Writer {
    connection: PoolConnection<sqlx::Any>,
    import: i64,
    name: String,
    next: i64,
    contacts: i64,
    waiting: usize,
}

impl Writer {
    /// Begins an import, and drops what an interrupted one has left. One import at a time: their ids follow each other.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn begin(pool: &AnyPool, name: &str) -> sqlx::Result<Self> {
        let mut connection = pool.acquire().await?;
        cache(&mut connection, IMPORT_CACHE_KIB).await?;
        drop_inactive(&mut connection).await?;
        let import = sqlx::query_scalar(
            "INSERT INTO people_imports (name, active, contacts, imported_us) VALUES ($1, 0, 0, $2) RETURNING id",
        )
        .bind(name)
        .bind(jiff::Timestamp::now().as_microsecond())
        .fetch_one(&mut *connection)
        .await?;
        let next = "SELECT CASE WHEN max(id) > 0 THEN max(id) ELSE 0 END + 1 FROM people_contacts";
        let next = sqlx::query_scalar(next).fetch_one(&mut *connection).await?;
        Ok(Self { connection, import, name: name.to_owned(), next, contacts: 0, waiting: 0 })
    }

    /// Writes contacts.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn write(&mut self, contacts: Vec<NewContact>) -> sqlx::Result<()> {
        if self.waiting == 0 {
            let begin = if is_sqlite(&self.connection) { "BEGIN IMMEDIATE" } else { "BEGIN" };
            sqlx::query(begin).execute(&mut *self.connection).await?;
        }
        insert(&mut self.connection, self.import, self.next, &contacts).await?;
        let count = i64::try_from(contacts.len()).unwrap_or(i64::MAX);
        self.next += count;
        self.contacts += count;
        self.waiting += contacts.len().max(1);
        if self.waiting >= IMPORT_COMMIT_ROWS { self.commit().await } else { Ok(()) }
    }

    /// Puts this import in the place of the one before of the same name.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn finish(mut self) -> sqlx::Result<()> {
        self.commit().await?;
        sqlx::query("UPDATE people_imports SET active = CASE id WHEN $1 THEN 1 ELSE 0 END, contacts = CASE id WHEN $1 THEN $2 ELSE contacts END WHERE name = $3")
            .bind(self.import)
            .bind(self.contacts)
            .bind(&self.name)
            .execute(&mut *self.connection)
            .await?;
        self.end().await
    }

    /// Takes back what was written.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn abandon(mut self) -> sqlx::Result<()> {
        self.commit().await?;
        self.end().await
    }

    async fn commit(&mut self) -> sqlx::Result<()> {
        if std::mem::take(&mut self.waiting) > 0 {
            sqlx::query("COMMIT").execute(&mut *self.connection).await?;
        }
        Ok(())
    }

    async fn end(mut self) -> sqlx::Result<()> {
        drop_inactive(&mut self.connection).await?;
        // SQLite's own size, so that the connection goes back as it came.
        cache(&mut self.connection, 2_000).await
    }
}

/// Takes the contacts of an import away.
///
/// # Errors
/// When the database refuses.
pub async fn remove(pool: &AnyPool, name: &str) -> sqlx::Result<()> {
    let mut connection = pool.acquire().await?;
    sqlx::query("UPDATE people_imports SET active = 0 WHERE name = $1")
        .bind(name)
        .execute(&mut *connection)
        .await?;
    drop_inactive(&mut connection).await
}

fn is_sqlite(connection: &AnyConnection) -> bool {
    connection.backend_name() == "SQLite"
}

/// Memory for the pages of an import; PostgreSQL has its own.
async fn cache(connection: &mut AnyConnection, kib: i64) -> sqlx::Result<()> {
    if is_sqlite(connection) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA cache_size = -{kib}"))).execute(connection).await?;
    }
    Ok(())
}

/// Drops contacts of imports that do not count, a part at a time.
async fn drop_inactive(connection: &mut AnyConnection) -> sqlx::Result<()> {
    let old: Vec<i64> = sqlx::query_scalar("SELECT id FROM people_imports WHERE active = 0")
        .fetch_all(&mut *connection)
        .await?;
    for import in old {
        // Ids of one import follow each other, so that its contacts and their numbers go by ranges.
        let range: (Option<i64>, Option<i64>) =
            sqlx::query_as("SELECT min(id), max(id) FROM people_contacts WHERE import_id = $1")
                .bind(import)
                .fetch_one(&mut *connection)
                .await?;
        if let (Some(first), Some(last)) = range {
            sqlx::query("DELETE FROM people_numbers WHERE contact_id BETWEEN $1 AND $2")
                .bind(first)
                .bind(last)
                .execute(&mut *connection)
                .await?;
            for from in (first..=last).step_by(usize::try_from(IMPORT_DELETE_ROWS).unwrap_or(1)) {
                sqlx::query("DELETE FROM people_contacts WHERE import_id = $1 AND id >= $2 AND id < $3")
                    .bind(import)
                    .bind(from)
                    .bind(from + IMPORT_DELETE_ROWS)
                    .execute(&mut *connection)
                    .await?;
            }
        }
        sqlx::query("DELETE FROM people_imports WHERE id = $1")
            .bind(import)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// One statement for many rows: they travel as one JSON text.
pub(super) async fn insert(
    connection: &mut AnyConnection,
    import: i64,
    first: i64,
    new: &[NewContact],
) -> sqlx::Result<()> {
    let mut contacts = Vec::with_capacity(new.len());
    let mut numbers: Vec<(&str, i64)> = Vec::with_capacity(new.len());
    for (id, new) in (first..).zip(new) {
        let document = serde_json::to_string(&new.contact).expect("a contact is plain texts");
        contacts.push((id, &new.contact.reference, document));
        numbers.extend(new.suffixes.iter().map(|suffix| (suffix.as_str(), id)));
    }
    // In the order of the index, so that neighbours are written together.
    numbers.sort_unstable();
    let contacts = serde_json::to_string(&contacts).expect("contacts are plain texts");
    let numbers = serde_json::to_string(&numbers).expect("numbers are plain texts");
    let (into_contacts, into_numbers) = if is_sqlite(connection) {
        (
            "INSERT INTO people_contacts (id, import_id, reference, document)
             SELECT value ->> 0, $1, value ->> 1, value ->> 2 FROM json_each($2)",
            "INSERT INTO people_numbers (suffix, contact_id) SELECT value ->> 0, value ->> 1 FROM json_each($1)
             WHERE true ON CONFLICT DO NOTHING",
        )
    } else {
        (
            "INSERT INTO people_contacts (id, import_id, reference, document)
             SELECT (value ->> 0)::bigint, $1, value ->> 1, value ->> 2 FROM json_array_elements($2::json)",
            "INSERT INTO people_numbers (suffix, contact_id)
             SELECT value ->> 0, (value ->> 1)::bigint FROM json_array_elements($1::json) ON CONFLICT DO NOTHING",
        )
    };
    sqlx::query(into_contacts).bind(import).bind(contacts).execute(&mut *connection).await?;
    sqlx::query(into_numbers).bind(numbers).execute(&mut *connection).await?;
    Ok(())
}

pub(super) fn contact_of(row: &AnyRow) -> sqlx::Result<Contact> {
    let document: &str = row.try_get("document")?;
    let mut contact: Contact =
        serde_json::from_str(document).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    contact.source = row.try_get("name")?;
    contact.reference = row.try_get("reference")?;
    Ok(contact)
}
