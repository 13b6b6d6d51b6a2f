//! What pages are told, as JSON in server-sent events.

use serde::Serialize;

#[derive(Serialize)]
pub struct CardFrame<'a> {
    pub id: &'a str,
    pub html: String,
    /// This page is to ask whether it may ring.
    pub alert: bool,
    pub now: i64,
}

#[derive(Serialize)]
pub struct GoneFrame<'a> {
    pub ids: &'a [String],
}

#[derive(Serialize)]
pub struct NotesFrame<'a> {
    pub id: &'a str,
    pub notes: &'a str,
    /// A text with a lower one is older.
    pub version: i64,
}

#[derive(Serialize)]
pub struct SnapshotFrame {
    pub cards: Vec<SnapshotCard>,
    pub now: i64,
}

#[derive(Serialize)]
pub struct SnapshotCard {
    pub id: String,
    pub html: String,
    pub alert: bool,
}

#[derive(Serialize)]
pub struct LinkFrame {
    pub key: &'static str,
    pub word: String,
    pub problem: Option<String>,
}

#[derive(Serialize)]
pub struct LanguageFrame {
    /// As the page's `lang` attribute has it.
    pub tag: &'static str,
}
