//! Contacts that people keep themselves, on the card of a call: one for each number, which is its reference. Their ids are
//! below zero, so that an import that runs meanwhile keeps its own, and they are found without a look at the others.

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::{Any, AnyPool, Transaction};

use super::contacts::{BY_HAND, NewContact, contact_of, insert};
use crate::{
    people::{contact::Contact, text::digits},
    screen_pop::secrets::digest,
};

/// What became of a contact that was to be amended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amended {
    Done,
    /// It is not there any more.
    Gone,
    /// It is not what it was when somebody began to amend it.
    Changed,
    /// Another one has the new number.
    NumberTaken,
}

/// Adds a contact; one with the same reference is replaced.
///
/// # Errors
/// When the database refuses.
pub async fn add(pool: &AnyPool, new: NewContact, now: Timestamp) -> sqlx::Result<()> {
    let mut transaction = super::write(pool).await?;
    let import = match import(&mut transaction).await? {
        Some(import) => import,
        None => {
            sqlx::query_scalar(
                "INSERT INTO people_imports (name, active, contacts, imported_us) VALUES ($1, 1, 0, $2) RETURNING id",
            )
            .bind(BY_HAND)
            .bind(now.as_microsecond())
            .fetch_one(&mut *transaction)
            .await?
        }
    };
    if let Some(id) = id_of(&mut transaction, import, &new.contact.reference).await? {
        drop_one(&mut transaction, id).await?;
    }
    put(&mut transaction, import, new).await?;
    transaction.commit().await
}

/// Puts a contact in the place of the one with this reference, if that is still what it `was` ([`state`]; empty where
/// nobody knows). Whom it was picked for stays; where the number is another
/// one, what was picked for the former is forgotten.
///
/// # Errors
/// When the database refuses.
pub async fn amend(pool: &AnyPool, reference: &str, was: &str, new: NewContact) -> sqlx::Result<Amended> {
    let mut transaction = super::write(pool).await?;
    let Some(import) = import(&mut transaction).await? else { return Ok(Amended::Gone) };
    let Some(id) = id_of(&mut transaction, import, reference).await? else { return Ok(Amended::Gone) };
    if !was.is_empty() && state(&one(&mut transaction, id).await?) != was {
        return Ok(Amended::Changed);
    }
    if new.contact.reference != reference {
        if id_of(&mut transaction, import, &new.contact.reference).await?.is_some() {
            return Ok(Amended::NumberTaken);
        }
        forget_pick(&mut transaction, reference).await?;
        sqlx::query("UPDATE people_picks SET contact = $1 WHERE contact = $2")
            .bind(new.contact.key())
            .bind(key(reference))
            .execute(&mut *transaction)
            .await?;
    }
    drop_one(&mut transaction, id).await?;
    put(&mut transaction, import, new).await?;
    transaction.commit().await?;
    Ok(Amended::Done)
}

/// Tells all that is kept of a contact from what was kept of it before.
#[must_use]
pub fn state(contact: &Contact) -> String {
    digest("kept contact", &serde_json::to_string(contact).expect("a contact is plain texts"))
}

/// Takes a contact away, and what was picked by it. False if there is none.
///
/// # Errors
/// When the database refuses.
pub async fn remove(pool: &AnyPool, reference: &str) -> sqlx::Result<bool> {
    let mut transaction = super::write(pool).await?;
    let Some(import) = import(&mut transaction).await? else { return Ok(false) };
    let Some(id) = id_of(&mut transaction, import, reference).await? else { return Ok(false) };
    drop_one(&mut transaction, id).await?;
    sqlx::query("DELETE FROM people_picks WHERE contact = $1")
        .bind(key(reference))
        .execute(&mut *transaction)
        .await?;
    count(&mut transaction, import).await?;
    // A list without contacts is none.
    sqlx::query("DELETE FROM people_imports WHERE id = $1 AND contacts = 0")
        .bind(import)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(true)
}

/// Those with these words in what is kept of them, the newest first, at most `max`; and whether there are more. A number is
/// found however it is written.
///
/// # Errors
/// When the database refuses.
pub async fn find(pool: &AnyPool, words: &str, max: usize) -> sqlx::Result<(Vec<Contact>, bool)> {
    let text = "SELECT c.reference, c.document, i.name FROM people_contacts AS c
                JOIN people_imports AS i ON i.id = c.import_id AND i.active = 1
                WHERE c.id < 0 AND i.name = $1 ORDER BY c.id";
    let mut rows = sqlx::query(text).bind(BY_HAND).fetch(pool);
    let (mut found, words) = (Vec::new(), words.trim().to_lowercase());
    while let Some(row) = rows.try_next().await? {
        let contact = contact_of(&row)?;
        if !has(&contact, &words) {
            continue;
        }
        if found.len() == max {
            return Ok((found, true));
        }
        found.push(contact);
    }
    Ok((found, false))
}

fn has(contact: &Contact, words: &str) -> bool {
    let texts = [&contact.name, &contact.company, &contact.notes, &contact.reference];
    let is_number = !words.is_empty() && words.chars().all(|c| c.is_ascii_digit() || " +().-".contains(c));
    let number = digits(words);
    texts.iter().any(|text| text.to_lowercase().contains(words))
        || is_number && !number.is_empty() && digits(&contact.reference).contains(&number)
}

/// By what a pick remembers the contact with this reference.
fn key(reference: &str) -> String {
    Contact { source: BY_HAND.to_owned(), reference: reference.to_owned(), ..Contact::default() }.key()
}

async fn import(transaction: &mut Transaction<'static, Any>) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar("SELECT id FROM people_imports WHERE name = $1 AND active = 1")
        .bind(BY_HAND)
        .fetch_optional(&mut **transaction)
        .await
}

async fn id_of(
    transaction: &mut Transaction<'static, Any>,
    import: i64,
    reference: &str,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar("SELECT id FROM people_contacts WHERE id < 0 AND import_id = $1 AND reference = $2")
        .bind(import)
        .bind(reference)
        .fetch_optional(&mut **transaction)
        .await
}

async fn one(transaction: &mut Transaction<'static, Any>, id: i64) -> sqlx::Result<Contact> {
    let text = "SELECT c.reference, c.document, i.name FROM people_contacts AS c
                JOIN people_imports AS i ON i.id = c.import_id WHERE c.id = $1";
    contact_of(&sqlx::query(text).bind(id).fetch_one(&mut **transaction).await?)
}

async fn put(transaction: &mut Transaction<'static, Any>, import: i64, new: NewContact) -> sqlx::Result<()> {
    let next: i64 =
        sqlx::query_scalar("SELECT CASE WHEN min(id) < 0 THEN min(id) ELSE 0 END - 1 FROM people_contacts")
            .fetch_one(&mut **transaction)
            .await?;
    insert(transaction, import, next, &[new]).await?;
    count(transaction, import).await
}

async fn drop_one(transaction: &mut Transaction<'static, Any>, id: i64) -> sqlx::Result<()> {
    for table in
        ["DELETE FROM people_numbers WHERE contact_id = $1", "DELETE FROM people_contacts WHERE id = $1"]
    {
        sqlx::query(table).bind(id).execute(&mut **transaction).await?;
    }
    Ok(())
}

/// The number of a contact is another one: who chose the contact for the former meant somebody else.
async fn forget_pick(transaction: &mut Transaction<'static, Any>, reference: &str) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM people_picks WHERE number = $1 AND contact = $2")
        .bind(reference)
        .bind(key(reference))
        .execute(&mut **transaction)
        .await
        .map(|_| ())
}

async fn count(transaction: &mut Transaction<'static, Any>, import: i64) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE people_imports SET contacts = (SELECT count(*) FROM people_contacts WHERE id < 0 AND import_id = $1)
         WHERE id = $1",
    )
    .bind(import)
    .execute(&mut **transaction)
    .await
    .map(|_| ())
}
