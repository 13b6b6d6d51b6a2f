//! Contacts from files: a CSV file of any origin, or vCards. A file replaces what was imported before under the same
//! name, in one step and only when all of it was read; rows that cannot be used are counted and kept in a report.

pub mod columns;
pub mod look;
mod rejects;
mod rows;
#[cfg(test)]
mod tests;
mod vcards;

use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::sync::mpsc;

use super::{
    contact::Contact,
    limits::{IMPORT_CHUNK_ROWS, IMPORT_CHUNKS_WAITING, REASONS_SHOWN_MAX},
    number::{Home, Number},
    text::{split_numbers, tidy},
};
use crate::store::contacts::{self as store, NewContact};
use columns::{Choice, ColumnError, Field};
use rejects::Rejects;

/// What to import and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// `.csv`, `.tsv`, `.txt` or `.vcf`.
    pub file: PathBuf,
    /// Name of the import; the next one of the same name takes its place.
    pub name: String,
    pub told: Vec<(Field, String)>,
    /// What a person chose for each column; then nothing is guessed.
    pub chosen: Option<Vec<Choice>>,
    pub home: Home,
    /// The list may lose more than half of its contacts.
    pub replace_all: bool,
    /// Where the report of unusable rows is written.
    pub rejects: PathBuf,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    pub contacts: u64,
    pub numbers: u64,
    /// Rows that are not there, and why: [`Imported::report`] has them.
    pub rejected: u64,
    /// Numbers that could not be read, of contacts that are there.
    pub unreadable_numbers: u64,
    /// The file with the rejected rows and unreadable numbers; none if all was well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<PathBuf>,
}

/// Why a file was not imported; nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("cannot read {path}: {error}")]
    Read { path: PathBuf, error: std::io::Error },
    #[error("cannot write the report {path}: {error}")]
    Report { path: PathBuf, error: std::io::Error },
    #[error("{0}")]
    Columns(#[from] ColumnError),
    #[error("{path} is empty: it needs a row of headings and a row for each contact")]
    Empty { path: PathBuf },
    #[error("{path}, line {line}: a row longer than {max} bytes; a quotation mark is not closed there")]
    RowTooLong { path: PathBuf, line: u64, max: usize },
    #[error(
        "{path}: none of its {rows} rows can be used, so nothing was changed: {first}; say which column holds the phone \
         numbers with --map phone=COLUMN"
    )]
    NoneUsable { path: PathBuf, rows: u64, first: Reasons },
    #[error(
        "{name} has {before} contacts, and this file only {now}, so nothing was changed; if the others are to go, import \
         it with --replace-all"
    )]
    LosesMost { name: String, before: u64, now: u64 },
    #[error("the store refused the contacts: {0}")]
    Store(#[from] sqlx::Error),
    #[error("the import was interrupted")]
    Interrupted,
}

/// The first rows that cannot be used, with their lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons(pub Vec<(u64, Refused)>);

impl std::fmt::Display for Reasons {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<String> =
            self.0.iter().map(|(line, reason)| format!("line {line}: {reason}")).collect();
        formatter.write_str(&lines.join("; "))
    }
}

/// Why a row is no contact, or a number of it is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refused {
    #[error("a number that cannot be read")]
    Unreadable,
    #[error("no number by which a call could be known")]
    NoNumber,
    #[error("it has another number of fields than the headings")]
    OtherFields,
    #[error("it is no vCard")]
    NoCard,
    #[error("the card does not end")]
    EndlessCard,
}

/// A row as it was read: a contact, or why it is none.
struct Row {
    line: u64,
    contact: Result<Contact, Refused>,
    /// The row itself, for the report.
    written: String,
}

/// What each column of a file is taken for; nothing for vCards, which have no columns.
///
/// # Errors
/// [`ImportError`], as the import would end.
pub fn columns_taken(options: &Options) -> Result<Vec<Choice>, ImportError> {
    if is_vcard(&options.file) { Ok(Vec::new()) } else { rows::columns_taken(options) }
}

/// Imports a file. `progress` hears the number of rows read so far, now and then.
///
/// # Errors
/// [`ImportError`]; what was there before stays as it was.
pub async fn import(
    pool: &sqlx::AnyPool,
    options: Options,
    progress: impl Fn(u64) + Send + 'static,
) -> Result<Imported, ImportError> {
    let (sender, mut chunks) = mpsc::channel(IMPORT_CHUNKS_WAITING);
    let (name, file, replace_all) = (options.name.clone(), options.file.clone(), options.replace_all);
    let before = store::count(pool, &name).await?;
    let reader = tokio::task::spawn_blocking(move || read(&options, &sender, &progress));
    let mut writer = store::Writer::begin(pool, &name).await?;
    let mut written = Ok(());
    while let Some(chunk) = chunks.recv().await {
        written = writer.write(chunk).await;
        if written.is_err() {
            break;
        }
    }
    // Lets a reader that waits for room end.
    drop(chunks);
    let read = reader.await.map_err(|_| ImportError::Interrupted)?;
    let read = read.and_then(|(imported, refused)| {
        let (name, now) = (name.clone(), imported.contacts);
        match now {
            0 if imported.rejected == 0 => Err(ImportError::Empty { path: file }),
            0 => Err(ImportError::NoneUsable { path: file, rows: imported.rejected, first: refused }),
            now if now < before.div_ceil(2) && !replace_all => {
                Err(ImportError::LosesMost { name, before, now })
            }
            _ => Ok(imported),
        }
    });
    match (written, read) {
        (Ok(()), Ok(imported)) => {
            writer.finish().await?;
            Ok(imported)
        }
        (Err(error), _) => {
            writer.abandon().await?;
            Err(error.into())
        }
        (Ok(()), Err(error)) => {
            writer.abandon().await?;
            Err(error)
        }
    }
}

fn read(
    options: &Options,
    chunks: &mpsc::Sender<Vec<NewContact>>,
    progress: &dyn Fn(u64),
) -> Result<(Imported, Reasons), ImportError> {
    let mut taker = Taker {
        first: Reasons::default(),
        chunks,
        chunk: Vec::with_capacity(IMPORT_CHUNK_ROWS),
        rejects: Rejects::new(&options.rejects),
        imported: Imported::default(),
        home: options.home,
        rows: 0,
        progress,
    };
    if is_vcard(&options.file) {
        vcards::read(options, |row| taker.take(row))?
    } else {
        rows::read(options, |row| taker.take(row))?
    }
    taker.flush()?;
    (taker.progress)(taker.rows);
    let (mut imported, first) = (taker.imported, taker.first);
    imported.report = taker.rejects.finish()?;
    Ok((imported, first))
}

fn is_vcard(path: &Path) -> bool {
    has_extension(path, &["vcf", "vcard"])
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    extensions.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// The numbers of a contact, as written and as read, and how many could not be read.
fn numbers(contact: &Contact, home: Home) -> (Vec<(String, Number)>, u64) {
    let (mut numbers, mut unreadable) = (Vec::new(), 0);
    for text in contact.numbers.iter().flat_map(|field| split_numbers(field)) {
        match Number::read(text, home) {
            number @ (Number::Phone(_) | Number::Digits { .. }) => numbers.push((tidy(text), number)),
            Number::Withheld => {}
            Number::Text(_) => unreadable += 1,
        }
    }
    (numbers, unreadable)
}

/// Takes rows one by one and hands them on in chunks.
struct Taker<'a> {
    chunks: &'a mpsc::Sender<Vec<NewContact>>,
    chunk: Vec<NewContact>,
    rejects: Rejects,
    imported: Imported,
    /// Why the first rows are no contacts.
    first: Reasons,
    home: Home,
    rows: u64,
    progress: &'a dyn Fn(u64),
}

impl Taker<'_> {
    fn take(&mut self, row: Row) -> Result<(), ImportError> {
        self.rows += 1;
        let contact = match row.contact {
            Ok(contact) => contact,
            Err(reason) => return self.refuse(row.line, reason, &row.written),
        };
        let (numbers, unreadable) = numbers(&contact, self.home);
        for _ in 0..unreadable {
            self.imported.unreadable_numbers += 1;
            self.rejects.write(row.line, Refused::Unreadable, &row.written)?;
        }
        if numbers.is_empty() {
            return self.refuse(row.line, Refused::NoNumber, &row.written);
        }
        self.imported.contacts += 1;
        self.imported.numbers += numbers.len() as u64;
        self.chunk.push(NewContact::new(contact, numbers));
        if self.chunk.len() >= IMPORT_CHUNK_ROWS { self.flush() } else { Ok(()) }
    }

    /// A row is no contact.
    fn refuse(&mut self, line: u64, reason: Refused, written: &str) -> Result<(), ImportError> {
        self.imported.rejected += 1;
        if self.first.0.len() < REASONS_SHOWN_MAX {
            self.first.0.push((line, reason));
        }
        self.rejects.write(line, reason, written)
    }

    fn flush(&mut self) -> Result<(), ImportError> {
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(IMPORT_CHUNK_ROWS));
        (self.progress)(self.rows);
        self.chunks.blocking_send(chunk).map_err(|_| ImportError::Interrupted)
    }
}
