//! The texts of the page of contacts: the page, what a column can become, and what is wrong with a file or its rows.

use serde::Deserialize;

use crate::text::{Cardinal, Text};

/// The page on which files of contacts are dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactsTexts {
    pub title: Text,
    pub back: Text,
    pub in_use: Text,
    pub add: Text,
    pub drop: Text,
    pub choose: Text,
    pub no_script: Text,
    pub lists: Text,
    pub none: Text,
    pub none_text: Text,
    pub by_hand: Text,
    pub contacts: Cardinal,
    pub change: Text,
    pub change_of: Text,
    pub see_kept: Text,
    pub take_away: Text,
    pub take_away_of: Text,
    pub sure: Text,
    pub columns: Text,
    pub list: Text,
    pub list_name: Text,
    pub list_name_hint: Text,
    pub column: Text,
    pub empty_column: Text,
    pub becomes: Cardinal,
    pub becomes_first: Text,
    pub refused: Cardinal,
    pub cancel: Text,
    pub check: Text,
    pub save: Text,
    pub replace_all: Text,
}

/// The page of the contacts that people kept on cards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptTexts {
    pub back: Text,
    pub search_label: Text,
    pub none: Text,
    pub none_text: Text,
    pub more: Text,
    pub amend: Text,
    pub amend_short: Text,
    pub sure: Text,
    pub done: Text,
    pub away: Text,
    pub gone: Text,
    pub changed: Text,
    pub no_name: Text,
    pub no_number: Text,
    pub number_taken: Text,
}

/// What a column can become.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldsTexts {
    pub name: Text,
    pub first_name: Text,
    pub last_name: Text,
    pub company: Text,
    pub phone: Text,
    pub email: Text,
    pub tier: Text,
    pub notes: Text,
    pub link: Text,
    pub id: Text,
    pub nothing: Text,
    pub line: Text,
}

/// What is wrong with a file, its rows, or the list that it is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportTexts {
    pub unreadable: Text,
    pub no_number: Text,
    pub other_fields: Text,
    pub broken_card: Text,
    pub workbook: Text,
    pub cards: Text,
    pub no_text: Text,
    pub empty_file: Text,
    pub many_columns: Text,
    pub changed: Text,
    pub no_phone: Text,
    pub none_usable: Text,
    pub loses_most: Text,
    pub open_quotation: Text,
    pub gone: Text,
    pub name_needed: Text,
    pub name_in_use: Text,
    pub many_lists: Text,
    pub busy: Text,
    pub failed: Text,
    pub not_removed: Text,
}

impl FieldsTexts {
    /// The word for a field by the key that `--map` has for it; for any other key that of a line on the card.
    #[must_use]
    pub fn of(&self, key: &str) -> &Text {
        match key {
            "name" => &self.name,
            "first-name" => &self.first_name,
            "last-name" => &self.last_name,
            "company" => &self.company,
            "phone" => &self.phone,
            "email" => &self.email,
            "tier" => &self.tier,
            "notes" => &self.notes,
            "link" => &self.link,
            "id" => &self.id,
            "nothing" => &self.nothing,
            _ => &self.line,
        }
    }
}
