//! A look at a file before it is imported: its columns with examples, and what would become of its rows.

use std::{collections::BTreeMap, fs::File, io::Read as _, path::Path};

use super::{ImportError, Options, Refused, columns::Columns, columns::Field, numbers, rows};
use crate::people::{
    limits::{CHECK_ROWS_MAX, COLUMNS_MAX, EXAMPLE_ROWS_MAX, EXAMPLES_MAX},
    number::{Home, Number},
};

/// Bytes by which the kind of a file is known.
const HEAD_BYTES: usize = 4096;

/// A column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub heading: String,
    /// The first different values.
    pub examples: Vec<String>,
    pub guess: Option<Field>,
}

/// What would become of the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    pub rows: u64,
    pub contacts: u64,
    /// Why rows would be left out, or a number of theirs: how often, and the first line.
    pub refused: BTreeMap<Refused, (u64, u64)>,
    /// There are more rows than were checked.
    pub more: bool,
}

/// Why a file is no table of contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTable {
    #[error("This is a workbook. Save it as CSV there (File, Save as, CSV UTF-8), and drop that file.")]
    Workbook,
    #[error("These are vCards. They need no columns: callfeed contacts import FILE takes them.")]
    Cards,
    #[error("This is no text. Save the contacts as CSV in UTF-8, and drop that file.")]
    NoText,
    #[error("The file is empty: it needs a row of headings and a row for each contact.")]
    Empty,
    #[error("The file has too many columns. Leave out those that nobody needs, and drop it again.")]
    Columns,
}

/// What kind of file this is, if it is no table.
///
/// # Errors
/// When it cannot be read.
pub fn kind(file: &Path) -> std::io::Result<Option<NoTable>> {
    let mut head = Vec::new();
    File::open(file)?.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    // ZIP, which the formats of office programs are, and the format before it.
    let workbook = head.starts_with(b"PK\x03\x04") || head.starts_with(b"\xd0\xcf\x11\xe0");
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).trim_ascii_start();
    Ok(match text {
        _ if workbook => Some(NoTable::Workbook),
        text if text.len() >= 11 && text[..11].eq_ignore_ascii_case(b"BEGIN:VCARD") => Some(NoTable::Cards),
        text if text.contains(&0) || text.starts_with(b"%PDF") => Some(NoTable::NoText),
        [] => Some(NoTable::Empty),
        _ => None,
    })
}

/// The columns of a file.
///
/// # Errors
/// [`ImportError`]
pub fn columns(file: &Path) -> Result<Result<Vec<Column>, NoTable>, ImportError> {
    let columns = guessed(file)?;
    Ok(match columns.len() {
        0 => Err(NoTable::Empty),
        count if count > COLUMNS_MAX => Err(NoTable::Columns),
        _ => Ok(columns),
    })
}

/// The columns of a file, however many, with what each seems to be by its heading and its first values.
///
/// # Errors
/// [`ImportError`]
pub fn guessed(file: &Path) -> Result<Vec<Column>, ImportError> {
    let (mut columns, mut rows): (Vec<Column>, usize) = Default::default();
    let read = rows::records(file, |_, fields, _| {
        if rows == 0 {
            let guesses = Columns::guessed(&fields).0;
            let column = |(heading, guess)| Column { heading, examples: Vec::new(), guess };
            columns = fields.into_iter().zip(guesses).map(column).collect();
        } else {
            for (column, value) in columns.iter_mut().zip(fields) {
                let known = value.is_empty() || column.examples.contains(&value);
                if !known && column.examples.len() < EXAMPLES_MAX {
                    column.examples.push(crate::people::text::tidy(&value));
                }
            }
        }
        rows += 1;
        enough(rows > EXAMPLE_ROWS_MAX)
    });
    whole(read)?;
    guess_by_values(&mut columns);
    Ok(columns)
}

/// Where no heading tells of a phone, the values do.
fn guess_by_values(columns: &mut [Column]) {
    let is_phone = |text: &String| matches!(Number::read(text, Home::default()), Number::Phone(_));
    let is_filled = |column: &Column| !column.examples.is_empty();
    if columns.iter().any(|column| column.guess == Some(Field::Phone) && is_filled(column)) {
        return;
    }
    let found = columns.iter_mut().filter(|column| column.guess.is_none() && is_filled(column));
    for column in found.filter(|column| column.examples.iter().all(is_phone)) {
        column.guess = Some(Field::Phone);
    }
}

/// What would become of the rows, at most [`CHECK_ROWS_MAX`] of them.
///
/// # Errors
/// [`ImportError`], as the import would end.
pub fn check(options: &Options) -> Result<Checked, ImportError> {
    let mut checked = Checked::default();
    let read = rows::read(options, |row| {
        if checked.rows == CHECK_ROWS_MAX {
            return enough(true);
        }
        checked.rows += 1;
        let (reason, times) = match &row.contact {
            Err(reason) => (*reason, 1),
            Ok(contact) => {
                let (numbers, unreadable) = numbers(contact, options.home);
                checked.contacts += u64::from(!numbers.is_empty());
                if numbers.is_empty() { (Refused::NoNumber, 1) } else { (Refused::Unreadable, unreadable) }
            }
        };
        if times > 0 {
            checked.refused.entry(reason).or_insert((0, row.line)).0 += times;
        }
        Ok(())
    });
    checked.more = !whole(read)?;
    Ok(checked)
}

/// Ends the reading where enough was seen.
fn enough(seen: bool) -> Result<(), ImportError> {
    if seen { Err(ImportError::Interrupted) } else { Ok(()) }
}

/// Whether the file was read to its end.
fn whole(read: Result<(), ImportError>) -> Result<bool, ImportError> {
    match read {
        Ok(()) => Ok(true),
        Err(ImportError::Interrupted) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::import::columns::Choice;

    fn file(text: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn files_of_another_kind_are_named() {
        for (text, expect) in [
            (&b"PK\x03\x04xl/workbook.xml"[..], Some(NoTable::Workbook)),
            (b"\xef\xbb\xbfbegin:vcard\r\n", Some(NoTable::Cards)),
            (b"%PDF-1.7", Some(NoTable::NoText)),
            (b"\xff\xfeN\0a\0m\0e\0", Some(NoTable::NoText)),
            (b" \r\n", Some(NoTable::Empty)),
            (b"Name;Phone\n", None),
        ] {
            let (_folder, path) = file(text);
            assert_eq!(kind(&path).unwrap(), expect, "{text:?}");
        }
    }

    #[test]
    fn phones_are_known_by_their_values_where_no_heading_tells() {
        let (_folder, path) = file(b"Who,Main line,Phone\nAda,+1 312 555 0147,\nBo,+1 312 555 0148,\n");
        let guesses: Vec<_> =
            columns(&path).unwrap().unwrap().into_iter().map(|column| column.guess).collect();
        assert_eq!(guesses, [None, Some(Field::Phone), Some(Field::Phone)]);
    }

    #[test]
    fn columns_have_examples_and_rows_a_fate() {
        let text = "Who,Ring me,Fax\nAda,+13125550147,1\nBo,,1\nCy,front gate,2\nDi,+13125550148\nEm,+13125550149 / oops,3\n";
        let (_folder, path) = file(text.as_bytes());
        let columns = columns(&path).unwrap().unwrap();
        assert_eq!(columns[1].examples, ["+13125550147", "front gate", "+13125550148"]);
        assert_eq!((columns[0].guess, columns[2].examples.len()), (None, 3));
        let choice = |heading: &str, field| Choice { heading: heading.to_owned(), field };
        let chosen = vec![
            choice("Who", Some(Field::Name)),
            choice("Ring me", Some(Field::Phone)),
            choice("Fax", Some(Field::Nothing)),
        ];
        let options = Options {
            file: path,
            name: "a".into(),
            told: Vec::new(),
            chosen: Some(chosen),
            home: Home::default(),
            replace_all: false,
            rejects: "unused".into(),
        };
        let checked = check(&options).unwrap();
        assert_eq!((checked.rows, checked.contacts, checked.more), (5, 2, false));
        assert_eq!(checked.refused[&Refused::NoNumber], (2, 3));
        assert_eq!(checked.refused[&Refused::Unreadable], (1, 6));
        assert_eq!(checked.refused.len(), 3);
        let mut without = options;
        without.chosen.as_mut().unwrap()[1].field = None;
        assert!(check(&without).unwrap_err().to_string().contains("phone number"));
    }
}
