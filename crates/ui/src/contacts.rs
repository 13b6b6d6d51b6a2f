//! The page on which an admin drops a file of contacts and says what its columns are.

use askama::Template;

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
    /// Bytes of the longest file that is taken.
    pub bytes_max: usize,
}

/// A list of contacts in use.
#[derive(Clone, Debug, Default)]
pub struct ContactList {
    pub name: String,
    pub contacts: String,
    pub imported: String,
    /// Made on this page, where it can be changed.
    pub here: bool,
}

/// A file and what its columns are to be.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// `new` or `saved`.
    pub file: String,
    pub name: String,
    pub columns: Vec<ContactColumn>,
    /// Rows that were looked at …
    pub rows: u64,
    /// … contacts among them …
    pub taken: u64,
    /// … and why others, or numbers of theirs, are not: the reason, how often, the first line.
    pub refused: Vec<(String, u64, u64)>,
    /// There are more rows.
    pub more: bool,
    /// Why nothing can be taken.
    pub wrong: Option<String>,
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
    pub chosen: bool,
}

impl FieldChoice {
    /// In words.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.key {
            "name" => "Name",
            "first-name" => "First name",
            "last-name" => "Last name",
            "company" => "Company",
            "phone" => "Phone number",
            "email" => "E-mail",
            "tier" => "Tier",
            "notes" => "Notes",
            "link" => "Link to their page",
            "id" => "Number or id of the customer",
            "nothing" => "Leave out",
            _ => "A line on the card",
        }
    }
}

impl Mapping {
    /// Nothing is wrong, and somebody would be taken.
    #[must_use]
    pub fn can_save(&self) -> bool {
        self.wrong.is_none() && self.taken > 0
    }
}

impl ContactsPage {
    /// MiB of the longest file.
    #[must_use]
    pub fn mib_max(&self) -> usize {
        self.bytes_max / (1024 * 1024)
    }
}
