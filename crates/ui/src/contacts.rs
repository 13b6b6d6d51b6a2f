//! The page on which an admin drops a file of contacts and says what its columns are, and the one of the contacts that people
//! kept on cards.

use std::sync::Arc;

use askama::Template;

use crate::Texts;

/// The lists that are in use, and the file that is being looked at.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "contacts.html")]
pub struct ContactsPage {
    /// Proof of the session, which each form carries.
    pub proof: String,
    pub lists: Vec<ContactList>,
    pub mapping: Option<Mapping>,
    pub notice: Option<String>,
    /// What went wrong and what to do, as full sentences.
    pub wrong: Option<String>,
    /// MiB of the longest file that is taken.
    pub mib_max: usize,
    /// Characters of the longest name of a list.
    pub name_chars_max: usize,
    /// The page itself, to which the choice of a language comes back.
    pub here: String,
    pub texts: Arc<Texts>,
}

/// A list of contacts in use.
#[derive(Clone, Debug, Default)]
pub struct ContactList {
    /// What forms know it by.
    pub name: String,
    /// What people know it by.
    pub title: String,
    /// How many contacts, and since when.
    pub about: String,
    /// Made on this page, where it can be changed.
    pub here: bool,
    /// Can be taken away on this page.
    pub removable: bool,
    /// Those that people kept on cards, which have a page of their own.
    pub kept: bool,
}

/// A file and what its columns are to be.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// `new` or `saved`.
    pub file: String,
    pub name: String,
    pub columns: Vec<ContactColumn>,
    /// How many of the rows become contacts …
    pub becomes: String,
    /// … and why others, or numbers of theirs, do not.
    pub refused: Vec<String>,
    /// Why nothing can be taken.
    pub wrong: Option<String>,
    /// It was not saved, since most contacts of the list would go: a button saves it all the same.
    pub loses: bool,
}

#[derive(Clone, Debug, Default)]
pub struct ContactColumn {
    pub heading: String,
    pub examples: Vec<String>,
    pub choices: Vec<FieldChoice>,
}

/// What a column can become; the key is that of `--map`, empty for a line under the column's heading.
#[derive(Clone, Debug, Default)]
pub struct FieldChoice {
    pub key: &'static str,
    /// In words.
    pub word: String,
    pub chosen: bool,
}

/// The contacts that people kept on cards.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "kept_contacts.html")]
pub struct KeptContacts {
    /// Proof of the session, which each form carries.
    pub proof: String,
    /// What is searched for.
    pub wanted: String,
    /// Newest first.
    pub contacts: Vec<KeptContact>,
    /// That there are more, in words.
    pub more: Option<String>,
    pub notice: Option<String>,
    /// What went wrong and what to do, as full sentences.
    pub wrong: Option<String>,
    /// The page itself, to which the choice of a language comes back.
    pub here: String,
    pub texts: Arc<Texts>,
}

/// A contact that was kept on a card, and what stands in its form.
#[derive(Clone, Debug, Default)]
pub struct KeptContact {
    /// What forms know it by.
    pub reference: String,
    /// What was kept of it when the form was made.
    pub was: String,
    /// What people know it by.
    pub title: String,
    /// Company, number and notes.
    pub about: String,
    pub name: String,
    pub company: String,
    pub notes: String,
    pub number: String,
    /// The form is open, since it was refused.
    pub open: bool,
}
