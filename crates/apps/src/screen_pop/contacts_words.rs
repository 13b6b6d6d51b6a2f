//! What the page of contacts says of files, rows and lists, in the language of its admin, who need not know paths or flags.

use ui::{Text, Texts};

use crate::{
    people::import::{
        ImportError, Refused,
        columns::ColumnError,
        look::{Checked, NoTable},
    },
    store::contacts,
};

/// Why a file is not taken.
pub fn in_words(error: &ImportError, texts: &Texts) -> String {
    let words = &texts.import;
    match error {
        ImportError::Columns(ColumnError::NoPhone { .. }) => (&words.no_phone).into(),
        ImportError::Columns(ColumnError::Changed { there }) => words.changed.with("there", there),
        ImportError::Empty { .. } => no_table(NoTable::Empty, texts).into(),
        ImportError::RowTooLong { line, .. } => words.open_quotation.with("line", texts.number(*line)),
        ImportError::NoneUsable { rows, .. } => words.none_usable.with("rows", texts.number(*rows)),
        ImportError::LosesMost { name, before, now } => {
            let (before, now) = (texts.number(*before), texts.number(*now));
            words.loses_most.fill(&[("name", name), ("before", &before), ("now", &now)])
        }
        error => failed(error, texts),
    }
}

/// What nobody at the page can mend: the log has it.
pub fn failed(error: &dyn std::fmt::Display, texts: &Texts) -> String {
    tracing::error!(%error, "a list of contacts could not be kept");
    (&texts.import.failed).into()
}

/// Why a file is no table of contacts.
pub fn no_table(why: NoTable, texts: &Texts) -> &Text {
    let words = &texts.import;
    match why {
        NoTable::Workbook => &words.workbook,
        NoTable::Cards => &words.cards,
        NoTable::NoText => &words.no_text,
        NoTable::Empty => &words.empty_file,
        NoTable::Columns => &words.many_columns,
    }
}

/// How many of the rows become contacts.
pub fn becomes(checked: &Checked, texts: &Texts) -> String {
    let taken = texts.number(checked.contacts);
    if checked.more {
        return texts.contacts.becomes_first.fill(&[("taken", &taken), ("n", &texts.number(checked.rows))]);
    }
    texts.counted(&texts.contacts.becomes, checked.rows, &[("taken", &taken)])
}

/// Rows that become none, or numbers that are left out, and where the first stands.
pub fn refused_line(reason: Refused, times: u64, line: u64, texts: &Texts) -> String {
    let words = &texts.import;
    let reason = match reason {
        Refused::Unreadable => &words.unreadable,
        Refused::NoNumber => &words.no_number,
        Refused::OtherFields => &words.other_fields,
        Refused::NoCard | Refused::EndlessCard => &words.broken_card,
    };
    let line = texts.number(line);
    texts.counted(&texts.contacts.refused, times, &[("reason", reason), ("line", &line)])
}

/// The name that people know a list by.
pub fn list_title(name: &str, texts: &Texts) -> String {
    if name == contacts::BY_HAND { (&texts.contacts.by_hand).into() } else { name.to_owned() }
}
