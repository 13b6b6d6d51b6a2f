//! Reading the event log.

use std::sync::OnceLock;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use wire::{call_events, call_history, notification, recording, report};

use super::rows::Row;
use super::{Store, StoreResult};
use crate::time;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A call state.
    State,
    /// A report is ready.
    Report,
    /// A report has changed after it was ready.
    Revision,
    /// A leg of a user has ended; there is a row of call history.
    History,
    /// A recording can be fetched.
    Recording,
    /// The transcript of a recording can be fetched.
    Transcript,
}

impl EntryKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Report => "report",
            Self::Revision => "revision",
            Self::History => "history",
            Self::Recording => "recording",
            Self::Transcript => "transcript",
        }
    }

    fn source_and_type(self) -> (&'static str, &'static str) {
        match self {
            Self::State => (call_events::SOURCE, call_events::TYPE_CALL_STATE),
            Self::Report => (report::SOURCE, report::REPORT_SUMMARY),
            Self::Revision => (report::SOURCE, report::REPORT_SUMMARY_REVISION),
            Self::History => (call_history::SOURCE, call_history::UCH_EVENT),
            Self::Recording => (recording::SOURCE, recording::RECORDING_UPLOADED),
            Self::Transcript => (recording::SOURCE, recording::RECORDING_TRANSCRIPT_UPLOADED),
        }
    }
}

/// One entry of an account's log. Its notification is encoded once; all readers share the bytes.
#[derive(Debug)]
pub struct Entry {
    pub account_key: String,
    pub position: i64,
    pub conversation_space_id: String,
    pub kind: EntryKind,
    pub notification_id: String,
    pub at_us: i64,
    pub content: Box<RawValue>,
    data: OnceLock<String>,
    webhook_body: OnceLock<Bytes>,
    subject: OnceLock<Subject>,
}

/// Whom an entry is about, for subscriptions narrower than an account.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// `STARTING`, `ACTIVE`, `ENDING`, `REPORT_SUMMARY`, or the type of any other notification.
    pub event: String,
    /// Of a call state; 0 otherwise.
    pub sequence_number: i64,
    pub line_ids: Vec<String>,
    pub user_keys: Vec<String>,
    pub phone_number_ids: Vec<String>,
}

/// `data` of a frame, members in the order of the captures, `null` where there is no value.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    usage: Option<&'a str>,
    timestamp: String,
    ttl: u64,
    topic: Option<()>,
    display_notification: Option<()>,
    content_version: Option<()>,
    content: &'a RawValue,
    bypass_do_not_disturb: bool,
}

/// Body of a webhook's `POST`: flat and without nulls (spec/notification-channel.md, Webhook channels).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhookBody<'a> {
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    ttl: u64,
    content: &'a RawValue,
    bypass_do_not_disturb: bool,
}

impl Entry {
    pub(super) fn new(
        account_key: String,
        position: i64,
        conversation_space_id: String,
        kind: EntryKind,
        notification_id: String,
        at_us: i64,
        content: Box<RawValue>,
    ) -> Self {
        Self {
            account_key,
            position,
            conversation_space_id,
            kind,
            notification_id,
            at_us,
            content,
            data: OnceLock::new(),
            webhook_body: OnceLock::new(),
            subject: OnceLock::new(),
        }
    }

    /// What the entry is about, where it is known without reading the content.
    pub(super) fn about(self, subject: Subject) -> Self {
        Self { subject: subject.into(), ..self }
    }

    pub(super) fn read(row: &Row<'_>) -> StoreResult<Self> {
        let kind = match row.text("kind")?.as_str() {
            "report" => EntryKind::Report,
            "revision" => EntryKind::Revision,
            "history" => EntryKind::History,
            "recording" => EntryKind::Recording,
            "transcript" => EntryKind::Transcript,
            _ => EntryKind::State,
        };
        Ok(Self::new(
            row.text("account_key")?,
            row.number("position")?,
            row.text("conversation_space_id")?,
            kind,
            row.text("notification_id")?,
            row.number("at_us")?,
            RawValue::from_string(row.text("content")?)?,
        ))
    }

    /// A call state that says nothing, for tests.
    #[cfg(test)]
    pub fn example(account_key: &str, position: i64, conversation_space_id: &str) -> Self {
        let content = RawValue::from_string("{}".to_owned()).expect("it is JSON");
        let (account_key, call) = (account_key.to_owned(), conversation_space_id.to_owned());
        Self::new(account_key, position, call, EntryKind::State, format!("id-{position}"), 0, content)
    }

    /// `data` of the frame that tells of this entry.
    pub fn data(&self) -> &str {
        self.data.get_or_init(|| {
            let (source, kind) = self.kind.source_and_type();
            let data = Data {
                id: &self.notification_id,
                source,
                kind,
                usage: None,
                timestamp: time::nanos(self.at_us),
                ttl: notification::TTL_S,
                topic: None,
                display_notification: None,
                content_version: None,
                content: &self.content,
                bypass_do_not_disturb: false,
            };
            serde_json::to_string(&data).expect("strings and JSON text always encode")
        })
    }

    /// Body of the webhook request that tells of this entry.
    pub fn webhook_body(&self) -> Bytes {
        let encoded = self.webhook_body.get_or_init(|| {
            let (source, kind) = self.kind.source_and_type();
            let body = WebhookBody {
                id: &self.notification_id,
                source,
                kind,
                timestamp: time::nanos(self.at_us),
                ttl: notification::TTL_S,
                content: &self.content,
                bypass_do_not_disturb: false,
            };
            serde_json::to_vec(&body).expect("strings and JSON text always encode").into()
        });
        encoded.clone()
    }

    /// Whom the entry is about; read from its content when first asked for.
    pub fn subject(&self) -> &Subject {
        let read = || Subject::read(self.kind, self.content.get());
        self.subject.get_or_init(|| read().unwrap_or_else(|_| Subject::of_account(self.kind)))
    }
}

impl Subject {
    pub(super) fn of_state(event: &call_events::CallEvent) -> Self {
        let lines = event.state.participants.iter().filter_map(|p| p.kind.as_line());
        Self {
            event: event.state.kind.as_str().to_owned(),
            sequence_number: i64::try_from(event.state.sequence_number).unwrap_or(i64::MAX),
            line_ids: lines.map(|line| line.line_id.clone()).collect(),
            ..Self::default()
        }
    }

    pub(super) fn of_history(row: &call_history::HistoryCall) -> Self {
        Self { user_keys: vec![row.user_key.clone()], ..Self::of_account(EntryKind::History) }
    }

    /// Of a report or a revision.
    pub(super) fn of_report(kind: EntryKind, summary: &report::Summary) -> Self {
        let mut subject = Self::of_account(kind);
        for party in std::iter::once(&summary.caller).chain(&summary.participants) {
            match &party.kind {
                report::ReportPartyType::Line(line) | report::ReportPartyType::Agent(line) => {
                    subject.line_ids.push(line.line_id.clone());
                    subject.user_keys.extend(line.user_key.clone());
                }
                report::ReportPartyType::PhoneNumber(party) => {
                    subject.phone_number_ids.push(party.phone_number_id.clone());
                }
                report::ReportPartyType::Other(_) => {}
            }
        }
        subject
    }

    /// Of what is subscribed to by account alone.
    pub(super) fn of_account(kind: EntryKind) -> Self {
        Self { event: kind.source_and_type().1.to_owned(), ..Self::default() }
    }

    fn read(kind: EntryKind, content: &str) -> serde_json::Result<Self> {
        Ok(match kind {
            EntryKind::State => Self::of_state(&serde_json::from_str(content)?),
            EntryKind::Report | EntryKind::Revision => Self::of_report(kind, &serde_json::from_str(content)?),
            EntryKind::History => Self::of_history(&serde_json::from_str(content)?),
            EntryKind::Recording | EntryKind::Transcript => Self::of_account(kind),
        })
    }
}

impl Store {
    /// Newest position of an account's log.
    pub async fn log_head(&self, account_key: &str) -> StoreResult<i64> {
        let text = "select log_head from accounts where account_key = $1";
        let heads = self.select(text, &[account_key.into()], |row| row.number("log_head")).await?;
        Ok(heads.first().copied().unwrap_or(0))
    }

    /// Entries of an account above `after`, in order, at most `limit`.
    pub async fn log_after(&self, account_key: &str, after: i64, limit: i64) -> StoreResult<Vec<Entry>> {
        let text =
            "select account_key, position, conversation_space_id, kind, notification_id, at_us, content
             from log where account_key = $1 and position > $2 order by position limit $3";
        self.select(text, &[account_key.into(), after.into(), limit.into()], Entry::read).await
    }
}
