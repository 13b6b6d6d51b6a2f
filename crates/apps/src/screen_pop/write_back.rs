//! Calls written back to the CRM of their contact: one record a call, made when the call is over, changed when a note is.
//!
//! What is to be written stands in the store before anything leaves ([`crate::store::crm_log`]), so that it outlives
//! restarts, and a request whose answer was lost is looked for before it is sent again. Without a contact who surely
//! called, nothing is written.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use sqlx::AnyPool;
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;
use ui::Lang;

use super::{
    call::{Call, Line, Logged, Outcome, Stage},
    hub::Hub,
    limits::SEEN_KEPT_DAYS,
    view,
    when::clock,
};
use crate::{
    people::{
        contact::{Candidate, Contact, certain},
        limits::{WRITE_RETRY_FIRST, WRITE_RETRY_MAX, WRITE_SETTLES, WRITE_TRIES_MAX, WRITES_AT_ONCE},
        number::Number,
        sources::{
            Failure,
            write::{LogCalls, Refusal, Values, Writer},
        },
    },
    store::{
        crm_log::{self as store, Entry},
        desks,
    },
};

/// How long what waits.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub settles: Duration,
    pub retry_first: Duration,
    pub retry_max: Duration,
    pub tries_max: i64,
}

impl Default for Pace {
    fn default() -> Self {
        let (settles, retry_first) = (WRITE_SETTLES, WRITE_RETRY_FIRST);
        Self { settles, retry_first, retry_max: WRITE_RETRY_MAX, tries_max: WRITE_TRIES_MAX }
    }
}

impl Pace {
    /// When a call is tried again that has failed so often; none when that was enough.
    fn again(&self, failures: i64, now: Timestamp) -> Option<Timestamp> {
        if failures >= self.tries_max {
            return None;
        }
        let doubled = u32::try_from(failures - 1).ok().and_then(|times| 2_u32.checked_pow(times));
        let wait = self.retry_first.saturating_mul(doubled.unwrap_or(u32::MAX)).min(self.retry_max);
        later(now, wait)
    }
}

fn later(now: Timestamp, wait: Duration) -> Option<Timestamp> {
    now.checked_add(SignedDuration::try_from(wait).ok()?).ok()
}

/// Writes calls to the services that take them.
pub struct WriteBack {
    hub: Arc<Hub>,
    pool: AnyPool,
    writers: HashMap<String, Writer>,
    pace: Pace,
    wake: Notify,
    /// One text of a call at a time, so that none with older notes is stored after a newer one.
    considering: Mutex<()>,
    /// One look at how a call stands at a time, so that no earlier one is put on the card after a later one.
    showing: Mutex<()>,
}

impl WriteBack {
    #[must_use]
    pub fn new(hub: Arc<Hub>, pool: AnyPool, writers: Vec<Writer>) -> Arc<Self> {
        Self::at_pace(hub, pool, writers, Pace::default())
    }

    /// The same with other waits.
    #[must_use]
    pub fn at_pace(hub: Arc<Hub>, pool: AnyPool, writers: Vec<Writer>, pace: Pace) -> Arc<Self> {
        let writers = writers.into_iter().map(|writer| (writer.name.clone(), writer)).collect();
        let (considering, showing) = Default::default();
        Arc::new(Self { hub, pool, writers, pace, wake: Notify::new(), considering, showing })
    }

    /// Looks whether a call is to be written, or written anew.
    pub async fn consider(&self, call_id: &str) {
        if self.writers.is_empty() {
            return;
        }
        let turn = self.considering.lock().await;
        let Some(call) = self.hub.board(|board| board.find(call_id).map(|(_, call)| call.clone())) else {
            return;
        };
        let done = if call.is_live() { Ok(()) } else { self.over(&call).await };
        if let Err(error) = done {
            tracing::error!(%error, "that a call is to be written to the CRM could not be stored");
        }
        drop(turn);
        self.show(&call).await;
    }

    /// A person wants it tried again, now. False if nothing failed.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn again(&self, call_id: &str) -> sqlx::Result<bool> {
        let again = store::again(&self.pool, call_id, Timestamp::now()).await?;
        self.wake.notify_one();
        Ok(again)
    }

    /// Writes what is due until `shutdown`.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        if self.writers.is_empty() {
            return;
        }
        let now = Timestamp::now();
        let kept = SignedDuration::from_hours(24 * SEEN_KEPT_DAYS);
        if let Err(error) = store::forget_old(&self.pool, now.checked_sub(kept).unwrap_or(now)).await {
            tracing::warn!(%error, "old calls of the CRM could not be dropped");
        }
        let calls: Vec<Call> = self.hub.board(|board| board.calls().to_vec());
        for call in &calls {
            self.show(call).await;
        }
        loop {
            let wait = self.round().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "calls for the CRM could not be read");
                self.pace.retry_first
            });
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Writes what is due; how long until more is.
    async fn round(&self) -> sqlx::Result<Duration> {
        let due = store::due(&self.pool, Timestamp::now(), WRITES_AT_ONCE).await?;
        for written in join_all(due.iter().map(|entry| self.write(entry))).await {
            written?;
        }
        let next = store::next(&self.pool).await?;
        let wait = next.map(|at| Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default());
        Ok(wait.unwrap_or(self.pace.retry_max))
    }

    async fn write(&self, entry: &Entry) -> sqlx::Result<()> {
        match self.try_to_write(entry).await? {
            Ok(()) => store::sent(&self.pool, &entry.call, entry.wanted).await?,
            Err(Refusal { failure, is_final }) => {
                tracing::warn!(source = entry.source, %failure, "a call could not be written to the CRM");
                let again = self.pace.again(entry.tries + 1, Timestamp::now()).filter(|_| !is_final);
                let why = serde_json::to_string(&failure).expect("a failure is a word or a number");
                store::failed(&self.pool, &entry.call, &why, again).await?;
            }
        }
        if let Some(call) = self.hub.board(|board| board.find(&entry.call).map(|(_, call)| call.clone())) {
            self.show(&call).await;
        }
        Ok(())
    }

    async fn try_to_write(&self, entry: &Entry) -> sqlx::Result<Result<(), Refusal>> {
        let Some(writer) = self.writers.get(&entry.source) else {
            return Ok(Err(Refusal { failure: Failure::NotSetUp, is_final: true }));
        };
        let values: Values = serde_json::from_str(&entry.document).unwrap_or_default();
        let mut record = entry.record.clone();
        if record.is_none() && entry.attempted {
            // The answer was lost, or the program ended before it came.
            record = match writer.find(&entry.contact, &values).await {
                Ok(found) => found,
                Err(refusal) => return Ok(Err(refusal)),
            };
            if let Some(record) = &record {
                store::found(&self.pool, &entry.call, record).await?;
            }
        }
        if let Some(record) = record {
            return Ok(writer.update(&record, &entry.contact, &values).await);
        }
        store::attempt(&self.pool, &entry.call).await?;
        match writer.create(&entry.contact, &values).await {
            Ok(record) => Ok(Ok(store::found(&self.pool, &entry.call, &record).await?)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Calls that are over, and of which a service has still to tell who called.
    pub async fn open_calls(&self) -> Vec<String> {
        if self.writers.is_empty() {
            return Vec::new();
        }
        store::all_open(&self.pool).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "calls that wait for the CRM could not be read");
            Vec::new()
        })
    }

    /// Who called can still be told by a service that takes calls.
    fn is_open(&self, call: &Call) -> bool {
        let fails = |(source, _, why): (&str, _, &Failure)| {
            self.writers.contains_key(source) && *why != Failure::NotSetUp
        };
        call.known.as_ref().is_none_or(|known| !known.done || known.failures().any(fails))
    }

    /// A call that is over: it is to be written if somebody surely called.
    async fn over(&self, call: &Call) -> sqlx::Result<()> {
        // Noted first, so that no end of the program comes between.
        let is_open = self.is_open(call);
        if is_open {
            store::open(&self.pool, &call.id, Timestamp::now()).await?;
        }
        self.want(call).await?;
        if !is_open {
            store::told(&self.pool, &call.id).await?;
        }
        Ok(())
    }

    async fn want(&self, call: &Call) -> sqlx::Result<()> {
        let before = store::of(&self.pool, &call.id).await?;
        let candidates = call.known.as_ref().map_or(&[][..], |known| &known.candidates);
        let surely = certain(candidates);
        let (source, contact) = match (self.taken_by(call, surely), before) {
            (Some(contact), _) => (contact.source.clone(), contact.reference.clone()),
            // It is somebody else after all.
            (None, Some(before)) if surely.is_some() && !before.attempted => {
                return store::withdraw(&self.pool, &call.id).await.map(|_| ());
            }
            (None, Some(before)) => (before.source, before.contact),
            (None, None) => return Ok(()),
        };
        let written = desks::written(&self.pool, &call.id).await?;
        let values = values(call, &written, &self.hub);
        let document = serde_json::to_string(&values).expect("they are texts");
        let now = Timestamp::now();
        let entry = Entry { source, contact, ..new(&call.id, document) };
        if store::want(&self.pool, &entry, later(now, self.pace.settles).unwrap_or(now), now).await? {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// The contact, as a source has it that takes this call; of several such sources the first in the order of their names,
    /// so that the call has one record.
    fn taken_by<'a>(&self, call: &Call, surely: Option<&'a Candidate>) -> Option<&'a Contact> {
        let takes = |contact: &&Contact| {
            let writer = self.writers.get(&contact.source).filter(|_| !contact.reference.is_empty());
            writer.is_some_and(|writer| {
                call.is_live() || writer.which == LogCalls::All || call.answered_at.is_some()
            })
        };
        surely?.parts.iter().filter(takes).min_by_key(|contact| &contact.source)
    }

    /// Puts on the card how the call stands.
    async fn show(&self, call: &Call) {
        let _turn = self.showing.lock().await;
        let entry = store::of(&self.pool, &call.id).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "how a call stands with the CRM could not be read");
            None
        });
        let candidates = call.known.as_ref().map_or(&[][..], |known| &known.candidates);
        let surely = certain(candidates);
        let logged = match entry {
            Some(entry) if !entry.failure.is_empty() => {
                let why = serde_json::from_str(&entry.failure).ok();
                Some(Logged::Failed { crm: entry.source, why, again: !entry.dead })
            }
            Some(entry) if entry.sent > 0 => Some(Logged::There(entry.source)),
            Some(entry) => Some(Logged::Waits(entry.source)),
            None => self.taken_by(call, surely).map(|contact| Logged::Waits(contact.source.clone())),
        };
        if self.hub.board(|board| board.set_logged(&call.id, logged)) {
            self.hub.publish_card(&call.id);
        }
    }
}

fn new(call: &str, document: String) -> Entry {
    Entry {
        call: call.to_owned(),
        source: String::new(),
        contact: String::new(),
        document,
        wanted: 0,
        sent: 0,
        record: None,
        attempted: false,
        tries: 0,
        failure: String::new(),
        dead: false,
    }
}

/// What is told of a call. `written` are person, notes and outcome.
fn values(call: &Call, written: &[(String, String, String)], hub: &Hub) -> Values {
    let started = call.created.to_zoned(hub.zone().clone());
    let ended = call.ended_at.unwrap_or(call.created);
    let talked_s = call.answered_at.map_or(0, |at| ended.duration_since(at).as_secs().max(0));
    let is_missed = call.stage == Stage::Ended(Outcome::Missed);
    let who = view::who(call, hub.texts(Lang::English));
    let (e164, national) = match &call.caller {
        Number::Phone(phone) => (phone.e164.clone(), phone.national.clone()),
        number => (number.key().unwrap_or_default().to_owned(), String::new()),
    };
    let all =
        |texts: Vec<&String>| texts.into_iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>();
    let notes = all(written.iter().map(|(_, notes, _)| notes).collect());
    let outcome = all(written.iter().map(|(_, _, outcome)| outcome).collect());
    let day = |format: &str| started.strftime(format).to_string();
    let pairs = [
        ("call", call.id.clone()),
        ("title", if is_missed { format!("Missed call from {who}") } else { format!("Call from {who}") }),
        ("text", text(call, written, talked_s)),
        ("notes", notes.join("\n")),
        ("outcome", outcome.join(", ")),
        ("status", if is_missed { "missed" } else { "answered" }.to_owned()),
        ("e164", e164),
        ("national", national),
        ("started", day("%Y-%m-%dT%H:%M:%S%:z")),
        ("started_ms", call.created.as_millisecond().to_string()),
        ("started_date", day("%Y-%m-%d")),
        ("started_time", day("%H:%M")),
        ("ended", ended.to_string()),
        ("duration_s", talked_s.to_string()),
        ("duration_ms", (talked_s * 1000).to_string()),
        ("duration_clock", format!("{:02}:{:02}", talked_s / 3600, talked_s / 60 % 60)),
        ("duration_minutes", format!("{:02}:{:02}", talked_s / 60, talked_s % 60)),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What a person reads in the CRM.
fn text(call: &Call, written: &[(String, String, String)], talked_s: i64) -> String {
    let mut lines = vec![match (call.answered_at, call.answered_by.first().map(Line::people)) {
        (Some(_), Some(line)) => format!("Answered by {line}, talked {}", clock(talked_s)),
        (Some(_), None) => format!("Answered, talked {}", clock(talked_s)),
        (None, _) if call.voicemail => "Missed, went to voicemail".to_owned(),
        (None, _) => "Missed".to_owned(),
    }];
    let dialled = [call.dialled_label.as_str(), call.dialled.people().unwrap_or_default()];
    let dialled = dialled.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
    if !dialled.is_empty() {
        lines.push(format!("Dialled: {dialled}"));
    }
    for (person, notes, outcome) in written {
        let by = if person.is_empty() { String::new() } else { format!(" ({person})") };
        if !outcome.is_empty() {
            lines.push(format!("Outcome{by}: {outcome}"));
        }
        if !notes.is_empty() {
            lines.push(format!("Notes{by}: {notes}"));
        }
    }
    // By this the record is found again.
    lines.push(format!("Callfeed call {}", call.id));
    lines.join("\n")
}
