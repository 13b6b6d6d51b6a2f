//! Reads vCards (RFC 6350 and the older 2.1 and 3.0), one at a time.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
};

use calcard::vcard::{VCard, VCardEntry, VCardProperty, VCardValue};

use super::{Contact, ImportError, Options, Refused, Row};
use crate::people::{limits::IMPORT_ROW_BYTES_MAX, text::tidy};

/// Reads all cards of a file.
pub fn read(
    options: &Options,
    mut take: impl FnMut(Row) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let failed = |error| ImportError::Read { path: options.file.clone(), error };
    let mut file = BufReader::new(File::open(&options.file).map_err(failed)?);
    let (mut card, mut line_number, mut begin, mut any) = (String::new(), 0, 0, false);
    loop {
        let mut line = Vec::new();
        let room = IMPORT_ROW_BYTES_MAX as u64;
        let read = (&mut file).take(room).read_until(b'\n', &mut line).map_err(failed)?;
        if read == 0 {
            break;
        }
        line_number += 1;
        if card.len() + line.len() > IMPORT_ROW_BYTES_MAX {
            let path = options.file.clone();
            return Err(ImportError::RowTooLong { path, line: begin, max: IMPORT_ROW_BYTES_MAX });
        }
        let line = String::from_utf8_lossy(&line);
        let word = line.trim().trim_start_matches('\u{feff}').to_ascii_uppercase();
        if word == "BEGIN:VCARD" {
            begin = line_number;
            card.clear();
        }
        card.push_str(&line);
        if word == "END:VCARD" {
            any = true;
            take(row(begin, std::mem::take(&mut card), &options.name))?;
        }
    }
    if card.trim().is_empty() && any {
        return Ok(());
    }
    if any {
        return take(Row { line: begin, contact: Err(Refused::EndlessCard), written: card });
    }
    Err(ImportError::Empty { path: options.file.clone() })
}

fn row(line: u64, text: String, source: &str) -> Row {
    let contact = match VCard::parse(text.trim_start_matches('\u{feff}')) {
        Ok(card) => Ok(contact(&card, source)),
        Err(_) => Err(Refused::NoCard),
    };
    Row { line, contact, written: text }
}

fn contact(card: &VCard, source: &str) -> Contact {
    let mut contact = Contact { source: source.to_owned(), ..Contact::default() };
    let mut parts = String::new();
    for entry in &card.entries {
        let text = joined(entry, " ");
        match entry.name {
            VCardProperty::Fn => contact.name = tidy(&text),
            // Family, given, additional, prefix, suffix: RFC 6350 §6.2.2.
            VCardProperty::N => parts = name_of(entry),
            VCardProperty::Org => contact.company = tidy(&joined(entry, ", ")),
            VCardProperty::Tel => contact.numbers.push(text),
            VCardProperty::Email if contact.email.is_empty() => contact.email = tidy(&text),
            VCardProperty::Note => contact.notes = tidy(&text),
            VCardProperty::Url if contact.link.is_empty() => contact.link = tidy(&text),
            VCardProperty::Uid => contact.reference = tidy(&text),
            VCardProperty::Categories => contact.tier = tidy(&joined(entry, ", ")),
            VCardProperty::Title => {
                contact.other.insert("Title".to_owned(), tidy(&text));
            }
            _ => {}
        }
    }
    if contact.name.is_empty() {
        contact.name = tidy(&parts);
    }
    contact
}

fn texts(entry: &VCardEntry) -> Vec<String> {
    let mut texts = Vec::new();
    for value in &entry.values {
        match value {
            VCardValue::Component(parts) => texts.extend(parts.iter().cloned()),
            VCardValue::Integer(number) => texts.push(number.to_string()),
            other => texts.extend(other.as_text().map(str::to_owned)),
        }
    }
    texts
}

fn joined(entry: &VCardEntry, between: &str) -> String {
    texts(entry).into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(between)
}

fn name_of(entry: &VCardEntry) -> String {
    let parts = texts(entry);
    let part = |at: usize| parts.get(at).map_or("", String::as_str);
    format!("{} {} {}", part(1), part(2), part(0))
}
