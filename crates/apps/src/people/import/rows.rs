//! Reads a CSV file as programs export them: comma, semicolon, tab or bar between the fields, UTF-8 with or without a
//! mark, or Windows-1252. Memory is that of one row.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufReader, Read, Seek as _, SeekFrom},
    path::Path,
    rc::Rc,
};

use csv::{ByteRecord, ReaderBuilder};

use super::{
    Contact, ImportError, Options, Refused, Row,
    columns::{Choice, Columns, Field},
    look,
};
use crate::people::limits::{IMPORT_READ_BYTES, IMPORT_ROW_BYTES_MAX};
use crate::people::text::tidy;

/// Fails when more is read than one row may have, so that a quotation mark that is not closed cannot take all memory.
struct Bounded {
    file: File,
    left: Rc<Cell<usize>>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let room = buffer.len().min(left);
        let read = self.file.read(&mut buffer[..room])?;
        self.left.set(left - read);
        Ok(read)
    }
}

/// Reads all rows as contacts.
pub fn read(
    options: &Options,
    mut take: impl FnMut(Row) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let guesses = guesses(options)?;
    let mut columns: Option<(Vec<String>, Columns)> = None;
    records(&options.file, |line, fields, separator| {
        let Some((headings, columns)) = &columns else {
            let found = found(options, &fields, &guesses)?;
            columns = Some((fields, found));
            return Ok(());
        };
        let contact = if fields.len() == headings.len() {
            Ok(contact(headings, columns, &fields, &options.name))
        } else {
            Err(Refused::OtherFields)
        };
        take(Row { line, contact, written: fields.join(separator) })
    })?;
    columns.map(|_| ()).ok_or_else(|| ImportError::Empty { path: options.file.clone() })
}

/// What each column becomes.
pub fn columns_taken(options: &Options) -> Result<Vec<Choice>, ImportError> {
    let guesses = guesses(options)?;
    let mut taken = None;
    let read = records(&options.file, |_, headings, _| {
        taken = Some((found(options, &headings, &guesses)?, headings));
        Err(ImportError::Interrupted)
    });
    match (read, taken) {
        (Ok(()) | Err(ImportError::Interrupted), Some((columns, headings))) => {
            let taken = headings.into_iter().zip(columns.0);
            Ok(taken.map(|(heading, field)| Choice { heading, field }).collect())
        }
        (Err(error), _) => Err(error),
        (Ok(()), None) => Err(ImportError::Empty { path: options.file.clone() }),
    }
}

/// As the page guesses them, by headings and values; nothing where a person chose.
fn guesses(options: &Options) -> Result<Vec<Option<Field>>, ImportError> {
    match options.chosen {
        Some(_) => Ok(Vec::new()),
        None => Ok(look::guessed(&options.file)?.into_iter().map(|column| column.guess).collect()),
    }
}

fn found(options: &Options, headings: &[String], guesses: &[Option<Field>]) -> Result<Columns, ImportError> {
    Ok(match &options.chosen {
        Some(chosen) => Columns::chosen(headings, chosen)?,
        None => Columns::find(headings, guesses, &options.told)?,
    })
}

/// Reads the rows of a file, the headings first, each with its line and what parts its fields; empty ones are left out.
pub fn records(
    path: &Path,
    mut take: impl FnMut(u64, Vec<String>, &str) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let failed = |error| ImportError::Read { path: path.to_owned(), error };
    let mut file = File::open(path).map_err(failed)?;
    let delimiter = begin(&mut file).map_err(failed)?;
    let separator = char::from(delimiter).to_string();
    let left = Rc::new(Cell::new(IMPORT_ROW_BYTES_MAX));
    let bounded = BufReader::with_capacity(IMPORT_READ_BYTES, Bounded { file, left: Rc::clone(&left) });
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(bounded);
    let (mut record, mut is_first) = (ByteRecord::new(), true);
    loop {
        left.set(IMPORT_ROW_BYTES_MAX);
        let line = reader.position().line();
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return Err(reading(error, path, line)),
        }
        let fields: Vec<String> = record.iter().map(text).collect();
        if is_first || !fields.iter().all(String::is_empty) {
            is_first = false;
            take(line, fields, &separator)?;
        }
    }
}

fn reading(error: csv::Error, path: &Path, line: u64) -> ImportError {
    let path = path.to_owned();
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            ImportError::RowTooLong { path, line, max: IMPORT_ROW_BYTES_MAX }
        }
        csv::ErrorKind::Io(error) => ImportError::Read { path, error },
        other => ImportError::Read { path, error: io::Error::other(format!("{other:?}")) },
    }
}

/// Leaves the file behind its byte order mark; what parts the fields stands in the headings.
fn begin(file: &mut File) -> io::Result<u8> {
    let mut head = vec![0; IMPORT_READ_BYTES];
    let length = file.read(&mut head)?;
    let head = &head[..length];
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        let why = "it is written in UTF-16, as Excel's \"Unicode text\" is: save it as \"CSV UTF-8\"";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let mark = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    file.seek(SeekFrom::Start(mark))?;
    let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| first.iter().filter(|byte| **byte == delimiter).count();
    // Of equal counts the first one named wins.
    Ok([b'|', b'\t', b';', b','].into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b','))
}

/// UTF-8, else Windows-1252, whose letters are those of Latin-1.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect::<String>().trim().to_owned(),
    }
}

fn contact(headings: &[String], columns: &Columns, fields: &[String], source: &str) -> Contact {
    let mut contact = Contact { source: source.to_owned(), ..Contact::default() };
    let (mut first, mut last) = ("", "");
    for ((heading, field), value) in headings.iter().zip(&columns.0).zip(fields) {
        if value.is_empty() {
            continue;
        }
        match field {
            Some(Field::Name) => contact.name = tidy(value),
            Some(Field::FirstName) => first = value,
            Some(Field::LastName) => last = value,
            Some(Field::Company) => contact.company = tidy(value),
            Some(Field::Phone) => contact.numbers.push(value.clone()),
            Some(Field::Email) => contact.email = tidy(value),
            Some(Field::Tier) => contact.tier = tidy(value),
            Some(Field::Notes) => contact.notes = tidy(value),
            Some(Field::Link) => contact.link = tidy(value),
            Some(Field::Id) => contact.reference = tidy(value),
            Some(Field::Nothing) => {}
            None if contact.take_column(heading, value) => {}
            None => {
                contact.other.insert(tidy(heading), tidy(value));
            }
        }
    }
    if contact.name.is_empty() {
        contact.name = tidy(&format!("{first} {last}"));
    }
    contact
}
