//! What one reader of notifications was told, checked as it comes: nothing in a wrong order within a call, nothing
//! told in two ways, and in the end nothing missing.
//!
//! Of contents it keeps hashes: a long run tells some hundred thousand notifications to each reader.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

/// Complaints that are kept; the first ones tell the story.
const WRONG_MAX: usize = 20;

/// Hash of a JSON document; members in any order.
pub fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}

/// A call as somebody knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Hash of each state, by sequence number, from 1 on.
    pub states: Vec<u64>,
    /// The last state was ENDING.
    pub ended: bool,
    /// Hash of the report's summary.
    pub summary: Option<u64>,
}

/// All calls by conversation space id.
pub type Calls = BTreeMap<String, Known>;

#[derive(Clone)]
pub struct Ledger {
    pub name: String,
    /// The reader says what it has when it returns, so nothing may come twice.
    once: bool,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// Hash of what each notification id told.
    told: HashMap<String, u64>,
    calls: Calls,
    /// Per call the last sequence number on the present connection.
    on_connection: HashMap<String, u64>,
    connections: usize,
    repeated: usize,
    last_id: Option<String>,
    wrong: Vec<String>,
}

/// Figures of a ledger.
#[derive(Debug)]
pub struct Figures {
    pub notifications: usize,
    pub repeated: usize,
    pub connections: usize,
}

impl Ledger {
    pub fn new(name: &str, once: bool) -> Self {
        Self { name: name.to_owned(), once, inner: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder panics")
    }

    /// A new connection: order is checked anew from here.
    pub fn connected(&self) {
        let mut inner = self.lock();
        inner.connections += 1;
        inner.on_connection.clear();
    }

    /// Id of the newest notification.
    pub fn last_id(&self) -> Option<String> {
        self.lock().last_id.clone()
    }

    /// Takes `data` of a frame, or the body of a webhook's request.
    pub fn take(&self, data: &Value) {
        let mut inner = self.lock();
        if let Err(why) = inner.take(data, self.once)
            && inner.wrong.len() < WRONG_MAX
        {
            inner.wrong.push(format!("{}: {why}", self.name));
        }
    }

    pub fn wrong(&self) -> Vec<String> {
        self.lock().wrong.clone()
    }

    /// Reports so far.
    pub fn reports(&self) -> usize {
        self.lock().calls.values().filter(|call| call.summary.is_some()).count()
    }

    pub fn figures(&self) -> Figures {
        let inner = self.lock();
        let (notifications, connections) = (inner.told.len(), inner.connections);
        Figures { notifications, repeated: inner.repeated, connections }
    }

    /// How this differs from the truth, a line for each call; nothing when all was told.
    pub fn differences(&self, truth: &Calls) -> Vec<String> {
        let inner = self.lock();
        let none = Known::default();
        let missing = truth.iter().filter_map(|(space, known)| {
            let told = inner.calls.get(space).unwrap_or(&none);
            let (states, all) = (told.states.len(), known.states.len());
            (told != known).then(|| {
                format!(
                    "{}: {space}: {states} of {all} states, same so far: {}, same summary: {}",
                    self.name,
                    known.states.starts_with(&told.states),
                    told.summary == known.summary
                )
            })
        });
        let invented = inner.calls.keys().filter(|space| !truth.contains_key(*space));
        missing.chain(invented.map(|space| format!("{}: {space} is not served", self.name))).collect()
    }
}

impl Inner {
    fn take(&mut self, data: &Value, once: bool) -> Result<(), String> {
        let (source, content) = (&data["source"], &data["content"]);
        match source.as_str() {
            Some("call-events" | "call-events-report") => {}
            Some("notification-websocket") => return Ok(()),
            _ => return Err(format!("unexpected {data}")),
        }
        let id = data["id"].as_str().ok_or("a notification without id")?.to_owned();
        let before = self.told.insert(id.clone(), hash(data));
        self.last_id = Some(id.clone());
        if let Some(before) = before {
            self.repeated += 1;
            if before != hash(data) {
                return Err(format!("{id} was told in two ways, now {data}"));
            }
            if once {
                return Err(format!("{id} came twice: {data}"));
            }
        }
        let is_new = before.is_none();
        if source == "call-events" { self.state(content, is_new) } else { self.report(content, is_new) }
    }

    fn state(&mut self, content: &Value, is_new: bool) -> Result<(), String> {
        let space = content["metadata"]["conversationSpaceId"].as_str().ok_or("a state without call")?;
        let number = content["state"]["sequenceNumber"].as_u64().ok_or("a state without number")?;
        let last = self.on_connection.insert(space.to_owned(), number);
        if last.is_some_and(|last| last >= number) {
            return Err(format!("state {number} of {space} came after state {last:?} on one connection"));
        }
        if is_new {
            let call = self.calls.entry(space.to_owned()).or_default();
            if number != call.states.len() as u64 + 1 || call.ended {
                return Err(format!("state {number} of {space} came after state {}", call.states.len()));
            }
            call.states.push(hash(content));
            call.ended = content["state"]["type"] == "ENDING";
        }
        Ok(())
    }

    fn report(&mut self, content: &Value, is_new: bool) -> Result<(), String> {
        let space = content["conversationSpaceId"].as_str().ok_or("a report without call")?;
        if is_new {
            let call = self.calls.entry(space.to_owned()).or_default();
            if !call.ended {
                return Err(format!("the report of {space} came before its last state"));
            }
            if call.summary.replace(hash(content)).is_some() {
                return Err(format!("{space} has two reports"));
            }
        }
        Ok(())
    }
}
