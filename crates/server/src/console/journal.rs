//! The last requests and notifications, bounded and in memory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::limits;
use crate::store::Entry;
use crate::time;

/// Secrets in JSON and forms, by the names of their members.
const SECRETS: [&str; 10] = [
    "access_token",
    "refresh_token",
    "client_secret",
    "code",
    "code_verifier",
    "pat",
    "token",
    "sharedSecret",
    "keys",
    "channelURL",
];

pub struct Journal {
    clock: Clock,
    /// Real time, from the first look on: nothing is recorded this many microseconds after `begun`; 0 before anybody
    /// has looked.
    until_us: AtomicU64,
    begun: Instant,
    records: Mutex<Records>,
    /// Number of the last record, for those who wait.
    last: watch::Sender<u64>,
    /// Entries of the log that somebody may miss who does not read.
    published: mpsc::Sender<Vec<Arc<Entry>>>,
    unread: Mutex<Option<mpsc::Receiver<Vec<Arc<Entry>>>>>,
}

#[derive(Default)]
struct Records {
    list: VecDeque<Arc<Record>>,
    next: u64,
}

/// Something that happened.
pub struct Record {
    pub number: u64,
    pub account_key: String,
    /// What the console shows; secrets are masked.
    pub shown: Value,
    pub again: Option<Again>,
}

/// What is sent when somebody asks for a notification again.
#[derive(Clone)]
pub struct Again {
    pub channel_id: String,
    pub notification_id: String,
    /// `data` of a frame, or a webhook's body; as stored, whatever a fault made of it.
    pub data: String,
}

/// Why a notification went to a channel, or did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Sent,
    AtFault(Box<AtFault>),
    /// The channel has no subscription at all.
    Unsubscribed,
    Unwanted,
    Stale,
    /// Nobody reads the channel.
    Unread,
    /// Somebody does, or will, who gets it never or not yet: what became of it, and by which fault.
    Kept(&'static str, &'static str),
}

/// What faults made of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtFault {
    pub status: &'static str,
    /// Those that struck it.
    pub names: String,
    /// The frame that was sent, where a fault changed it.
    pub frame: Option<String>,
}

impl AtFault {
    /// `held`: what an earlier row says of why it waited.
    fn why(&self, held: Option<String>) -> String {
        let names = self.names.as_str();
        match (self.status, held) {
            ("sent late", Some(held)) if names.is_empty() => held,
            ("sent late", Some(held)) => format!("{held}, {names}"),
            // Nobody looked when it was held back.
            ("sent late", None) if names.is_empty() => "fault: it was held back".to_owned(),
            // One that waits behind another is struck by none itself.
            _ if names.is_empty() => BEHIND.to_owned(),
            _ => format!("fault: {names}"),
        }
    }
}

const BEHIND: &str = "fault: one before it waits";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that holds this lock can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    pub fn new(clock: Clock) -> Self {
        let (until_us, records, last) = (AtomicU64::new(0), Mutex::default(), watch::Sender::new(0));
        let (published, unread) = mpsc::channel(limits::JOURNAL_BATCHES_MAX);
        let unread = Mutex::new(Some(unread));
        Self { clock, until_us, begun: Instant::now(), records, last, published, unread }
    }

    /// Real time since the start of the platform: somebody looks for as long as that, whatever the platform's clock does.
    fn elapsed_us(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Whether anything is recorded.
    pub fn is_on(&self) -> bool {
        let until_us = self.until_us.load(Ordering::Relaxed);
        until_us > 0 && self.elapsed_us() < until_us
    }

    /// Somebody looks: what happens from now on is recorded for a while.
    pub fn look(&self) {
        let until_us = self.elapsed_us() + limits::JOURNAL_ON_FOR.as_micros() as u64;
        self.until_us.store(until_us, Ordering::Relaxed);
    }

    /// New entries of the log; while somebody looks, `unread` judges them.
    pub fn published(&self, entries: &[Arc<Entry>]) {
        if self.is_on() {
            // Beyond the bound the rows of channels without a reader are missing.
            let _ = self.published.try_send(entries.to_vec());
        }
    }

    /// For the one task that judges them.
    pub(super) fn take_unread(&self) -> Option<mpsc::Receiver<Vec<Arc<Entry>>>> {
        lock(&self.unread).take()
    }

    pub fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Those of an account behind a number, oldest first.
    pub fn after(&self, account_key: &str, number: u64) -> Vec<Arc<Record>> {
        let records = lock(&self.records);
        let wanted = |record: &&Arc<Record>| record.number > number && record.account_key == account_key;
        records.list.iter().filter(wanted).cloned().collect()
    }

    pub fn get(&self, account_key: &str, number: u64) -> Option<Arc<Record>> {
        let records = lock(&self.records);
        records.list.iter().find(|one| one.number == number && one.account_key == account_key).cloned()
    }

    pub fn put(&self, account_key: &str, mut shown: Value, again: Option<Again>) {
        let mut records = lock(&self.records);
        records.next += 1;
        let number = records.next;
        shown["number"] = json!(number);
        shown["at"] = json!(time::nanos(self.clock.now_us()));
        if records.list.len() >= limits::JOURNAL_RECORDS_MAX {
            records.list.pop_front();
        }
        let account_key = account_key.to_owned();
        records.list.push_back(Arc::new(Record { number, account_key, shown, again }));
        drop(records);
        self.last.send_replace(number);
    }

    /// What became of an entry at a channel's reader.
    pub fn notification(&self, channel_id: &str, nickname: &str, entry: &Entry, verdict: Verdict) {
        // What nobody wants is not offered to be sent again.
        let again = !matches!(verdict, Verdict::Unwanted | Verdict::Unsubscribed);
        let mut sent = None;
        let (status, why) = match verdict {
            Verdict::Sent => ("sent", "a subscription of the channel wants it".to_owned()),
            Verdict::AtFault(bent) => {
                let held = (bent.status == "sent late").then(|| self.held(channel_id, entry)).flatten();
                let why = bent.why(held);
                sent = bent
                    .frame
                    .and_then(|frame| Some(serde_json::from_str::<Value>(&frame).ok()?["data"].take()));
                (bent.status, why)
            }
            Verdict::Unsubscribed => ("not sent", "the channel has no subscription".to_owned()),
            Verdict::Kept(status, name) => (status, format!("fault: {name}")),
            Verdict::Unread => ("kept", "nobody reads the channel: it waits for the next reader".to_owned()),
            Verdict::Unwanted => ("not sent", "no subscription of the channel wants it".to_owned()),
            Verdict::Stale => ("not sent", "it is older than its ttl".to_owned()),
        };
        let mut shown = about(channel_id, nickname, entry, entry.data(), sent);
        shown["status"] = json!(status);
        shown["why"] = json!(why);
        shown["again"] = json!(again);
        let again = again.then(|| Again {
            channel_id: channel_id.to_owned(),
            notification_id: entry.notification_id.clone(),
            data: entry.data().to_owned(),
        });
        self.put(&entry.account_key, shown, again);
    }

    /// Why the newest row says that an entry is held back for a channel.
    fn held(&self, channel_id: &str, entry: &Entry) -> Option<String> {
        let records = lock(&self.records);
        let is_it = |record: &&Arc<Record>| {
            record.shown["status"] == "held back"
                && record.again.as_ref().is_some_and(|again| {
                    again.channel_id == channel_id && again.notification_id == entry.notification_id
                })
        };
        let why = records.list.iter().rev().find(is_it)?.shown["why"].as_str()?.to_owned();
        Some(if why == BEHIND { "fault: it waited behind another".to_owned() } else { why })
    }

    /// A notification of the journal goes out once more.
    pub fn again(&self, record: &Record) {
        self.put_again(record, json!("sent again"), "somebody asked for it in the console".to_owned());
    }

    /// The same to a webhook's receiver, and what came of it.
    pub fn told_again(&self, record: &Record, told: &Told) {
        let why = ["somebody asked for it in the console"].into_iter().chain(told.error.as_deref());
        self.put_again(record, told.status.clone(), why.collect::<Vec<_>>().join(" · "));
    }

    fn put_again(&self, record: &Record, status: Value, why: String) {
        let mut shown = record.shown.clone();
        if let (Some(members), Some(again)) = (shown.as_object_mut(), &record.again) {
            members.retain(|name, _| name != "changed" && name != "ms");
            let mut body = serde_json::from_str(&again.data).unwrap_or(Value::Null);
            mask(&mut body);
            members.insert("body".to_owned(), body);
        }
        shown["status"] = status;
        shown["why"] = json!(why);
        self.put(&record.account_key, shown, record.again.clone());
    }

    /// What became of an entry at a webhook without a request.
    pub fn untold(&self, channel_id: &str, nickname: &str, entry: &Entry, status: &str, why: &str) {
        let data = String::from_utf8_lossy(&entry.webhook_body()).into_owned();
        let mut shown = about(channel_id, nickname, entry, &data, None);
        shown["status"] = json!(status);
        shown["why"] = json!(why);
        self.put_webhook(channel_id, entry, shown, data);
    }

    fn put_webhook(&self, channel_id: &str, entry: &Entry, mut shown: Value, data: String) {
        shown["again"] = json!(true);
        let (channel_id, notification_id) = (channel_id.to_owned(), entry.notification_id.clone());
        self.put(&entry.account_key, shown, Some(Again { channel_id, notification_id, data }));
    }

    /// A request to a webhook's receiver.
    pub fn told(&self, channel_id: &str, nickname: &str, entry: &Entry, told: Told) {
        let data = String::from_utf8_lossy(&entry.webhook_body()).into_owned();
        let sent = told.body.and_then(|body| serde_json::from_slice(&body).ok());
        let mut shown = about(channel_id, nickname, entry, &data, sent);
        shown["status"] = told.status;
        let attempt = format!("attempt {}", told.number);
        let faults = (!told.faults.is_empty()).then(|| format!("fault: {}", told.faults.join(", ")));
        let why: Vec<String> = faults.into_iter().chain([attempt]).chain(told.error).collect();
        shown["why"] = json!(why.join(" · "));
        shown["ms"] = json!(told.duration.as_millis() as u64);
        self.put_webhook(channel_id, entry, shown, data);
    }
}

/// What came of one request to a webhook's receiver.
pub struct Told {
    /// 1 for the first.
    pub number: i64,
    /// The answer's, or a word where there was none.
    pub status: Value,
    pub error: Option<String>,
    pub faults: Vec<&'static str>,
    pub duration: Duration,
    /// What was sent, where a fault changed it.
    pub body: Option<Vec<u8>>,
}

/// What all rows of notifications have. `sent`: the body where a fault changed it.
fn about(channel_id: &str, nickname: &str, entry: &Entry, data: &str, sent: Option<Value>) -> Value {
    let changed = sent.is_some();
    let mut body = sent.or_else(|| serde_json::from_str(data).ok()).unwrap_or(Value::Null);
    let source = body["source"].as_str().unwrap_or_default().to_owned();
    mask(&mut body);
    let mut shown = json!({
        "kind": "notification",
        "channel": short(channel_id),
        "nickname": nickname,
        "what": format!("{source} {}", entry.subject().event),
        "call": entry.conversation_space_id,
        "body": body,
    });
    if changed {
        shown["changed"] = json!(true);
    }
    shown
}

/// The beginning of a channel's id.
pub fn short(channel_id: &str) -> String {
    match channel_id.char_indices().nth(limits::CHANNEL_ID_SHOWN) {
        Some((end, _)) if !channel_id.starts_with("Webhook.") => format!("{}…", &channel_id[..end]),
        _ => channel_id.to_owned(),
    }
}

/// Takes secrets out of a document.
pub fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match member {
                    Value::String(text) if SECRETS.contains(&name.as_str()) && !text.is_empty() => {
                        *text = "•••".to_owned();
                    }
                    Value::String(text) if name == "channelId" || name == "resourceURL" => {
                        *text = path(text);
                    }
                    _ => mask(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

/// Fields of a form without its secrets.
pub fn mask_form(text: &str) -> Value {
    let pairs = url::form_urlencoded::parse(text.as_bytes()).into_owned();
    let mut fields = Value::Object(pairs.map(|(name, value)| (name, Value::String(value))).collect());
    mask(&mut fields);
    fields
}

/// A path or query in which what is long enough to be a secret is cut.
pub fn path(text: &str) -> String {
    let is_secret = |part: &str| part.len() > 64 || part.starts_with("cf") && part.len() > 24;
    let cut = |part: &str| if is_secret(part) { short(part) } else { part.to_owned() };
    // A whole value is judged, so separators are taken apart before `=`.
    let pair = |text: &str| text.split('=').map(cut).collect::<Vec<_>>().join("=");
    let query = |text: &str| text.split('&').map(pair).collect::<Vec<_>>().join("&");
    text.split('/').map(query).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_calls_are_not() {
        let id = "0".repeat(87);
        let mut body = json!({"access_token": "cfa_1", "channelId": id, "items": [{"refresh_token": "x", "code": 1}],
            "conversationSpaceId": "6117222b-7c3f-3c3e-841e-487c90c778fd"});
        mask(&mut body);
        assert_eq!(body["access_token"], "•••");
        assert_eq!(body["channelId"], "000000000000…");
        assert_eq!(body["items"][0], json!({"refresh_token": "•••", "code": 1}));
        assert_eq!(body["conversationSpaceId"], "6117222b-7c3f-3c3e-841e-487c90c778fd");
        assert_eq!(mask_form("grant_type=refresh_token&refresh_token=abc")["refresh_token"], "•••");
        assert_eq!(path(&format!("/v1/channels/a/{id}")), "/v1/channels/a/000000000000…");
        assert_eq!(path(&format!("channelId={id}&x=1")), "channelId=000000000000…&x=1");
    }

    #[test]
    fn the_journal_forgets_the_oldest_and_knows_accounts() {
        let journal = Journal::new(Clock::default());
        assert!(!journal.is_on());
        journal.look();
        assert!(journal.is_on());
        for number in 0..=limits::JOURNAL_RECORDS_MAX {
            journal.put(if number % 2 == 0 { "a" } else { "b" }, json!({}), None);
        }
        assert!(journal.get("a", 1).is_none(), "the first has gone");
        assert!(journal.get("b", 2).is_some() && journal.get("a", 2).is_none());
        assert_eq!(journal.after("a", 0).len() + journal.after("b", 0).len(), limits::JOURNAL_RECORDS_MAX);
    }
}
