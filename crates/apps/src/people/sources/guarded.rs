//! One source as it is asked: from its cache, within its budget and deadline. Its contacts come first, what further requests
//! tell of them as each answers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, timeout},
};

use super::{
    Answer, Asked, Failure,
    config::Source,
    further::{About, More},
    guard::{Budget, Guard, Plan},
};
use crate::people::{
    contact::{Contact, rank},
    limits::{FURTHER_REQUESTS_MAX, REQUESTS_AT_ONCE},
    number::{Home, Number},
};

/// The requests of a source, by whomever they are made.
#[derive(Clone)]
// A std mutex: held for a look, never over an await.
pub(super) struct SharedBudget(Arc<Mutex<Budget>>);

impl SharedBudget {
    /// A new one, with as many requests as the source allows.
    pub fn of(source: &Source) -> Self {
        Self(Arc::new(Mutex::new(Budget::new(source.requests_per_minute.get()))))
    }

    pub fn lock(&self) -> MutexGuard<'_, Budget> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A source with what keeps it from holding anybody up.
pub(super) struct Guarded {
    name: String,
    deadline: Duration,
    asked: Asked,
    further: Vec<About>,
    /// Shared with whoever writes calls to this source.
    budget: SharedBudget,
    // A std mutex: held for a look, never over an await.
    memory: Mutex<Memory>,
    /// Requests at the same time; further ones wait, and their deadline runs.
    turn: Semaphore,
}

struct Memory {
    /// By number.
    contacts: Guard<Vec<Contact>>,
    /// By the contact's id, one for each further request.
    further: Vec<Guard<More>>,
}

/// The contacts of one look-up, and what is known of them so far.
struct Found {
    contacts: Vec<Contact>,
    failure: Option<Failure>,
    /// By the contact's id and the place of the request.
    more: BTreeMap<(String, usize), More>,
    lacks: BTreeMap<About, Failure>,
}

impl Guarded {
    pub fn new(source: &Source, asked: Asked) -> Self {
        let (fresh, stale) = (Duration::from_secs(source.fresh_s), Duration::from_secs(source.stale_s));
        let further = asked.further();
        let memory = Memory {
            contacts: Guard::new(fresh, stale),
            further: further.iter().map(|_| Guard::new(fresh, stale)).collect(),
        };
        Self {
            name: source.name.clone(),
            deadline: Duration::from_millis(source.deadline_ms),
            asked,
            further,
            budget: SharedBudget::of(source),
            memory: Mutex::new(memory),
            turn: Semaphore::new(REQUESTS_AT_ONCE),
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn budget(&self) -> SharedBudget {
        self.budget.clone()
    }

    /// Says what it knows of a number, as soon as it knows it.
    pub async fn answer(self: Arc<Self>, number: Number, home: Home, to: mpsc::Sender<Answer>) {
        let Some(key) = number.key() else { return };
        let plan = {
            let mut memory = self.memory();
            memory.contacts.plan(key, Instant::now(), &mut self.budget.lock())
        };
        let (contacts, failure) = match plan {
            Plan::Known(contacts) => (contacts, None),
            Plan::Pause(old) => (old.unwrap_or_default(), Some(Failure::Pause)),
            Plan::Spent(old) => (old.unwrap_or_default(), Some(Failure::Budget)),
            Plan::Ask(old) => {
                if let Some(old) = &old {
                    let mut found = Found::new(old.clone(), None);
                    self.remember(&mut found);
                    self.say(&to, &found, true).await;
                }
                match self.in_time(self.asked.find(&number)).await {
                    Ok(contacts) => {
                        self.memory().contacts.answered(key, contacts.clone(), Instant::now());
                        (contacts, None)
                    }
                    Err(failure) => {
                        self.memory().contacts.failed(Instant::now());
                        tracing::debug!(source = self.name, %failure, "a source did not answer");
                        (old.unwrap_or_default(), Some(failure))
                    }
                }
            }
        };
        self.complete(Found::new(contacts, failure), &number, home, &to).await;
    }

    /// Says who was found, then what further requests tell of those who match, each as it answers.
    async fn complete(&self, mut found: Found, number: &Number, home: Home, to: &mpsc::Sender<Answer>) {
        let matching = rank(number, found.contacts.clone(), None, home);
        let ids = matching.into_iter().map(|candidate| candidate.contact.reference);
        let ids: Vec<String> = ids.filter(|id| !id.is_empty()).take(FURTHER_REQUESTS_MAX).collect();
        let mut asking = FuturesUnordered::new();
        for id in ids {
            for at in 0..self.further.len() {
                if self.plan(&mut found, &id, at) {
                    asking.push(self.ask(number, id.clone(), at));
                }
            }
        }
        self.say(to, &found, !asking.is_empty()).await;
        while let Some((id, at, answer)) = asking.next().await {
            match answer {
                Ok(more) => drop(found.more.insert((id, at), more)),
                Err(failure) => drop(found.lacks.insert(self.further[at].clone(), failure)),
            }
            self.say(to, &found, !asking.is_empty()).await;
        }
    }

    /// Takes what is remembered; whether the request is to be made.
    fn plan(&self, found: &mut Found, id: &str, at: usize) -> bool {
        let mut memory = self.memory();
        let plan = memory.further[at].plan(id, Instant::now(), &mut self.budget.lock());
        let (old, lacks, ask) = match plan {
            Plan::Known(more) => (Some(more), None, false),
            Plan::Ask(old) => (old, None, true),
            Plan::Pause(old) => (old, Some(Failure::Pause), false),
            Plan::Spent(old) => (old, Some(Failure::Budget), false),
        };
        found.more.extend(old.map(|more| ((id.to_owned(), at), more)));
        found.lacks.extend(lacks.map(|failure| (self.further[at].clone(), failure)));
        ask
    }

    /// What is remembered of old contacts, without a request.
    fn remember(&self, found: &mut Found) {
        let memory = self.memory();
        for contact in &found.contacts {
            for (at, guard) in memory.further.iter().enumerate() {
                let more = guard.remembered(&contact.reference, Instant::now());
                found.more.extend(more.map(|more| ((contact.reference.clone(), at), more)));
            }
        }
    }

    async fn ask(&self, number: &Number, id: String, at: usize) -> (String, usize, Result<More, Failure>) {
        let about = &self.further[at];
        let answer = self.in_time(self.asked.more(about, number, &id)).await;
        match &answer {
            Ok(more) => self.memory().further[at].answered(&id, more.clone(), Instant::now()),
            Err(failure) => {
                self.memory().further[at].failed(Instant::now());
                tracing::debug!(source = self.name, ?about, %failure, "a further request was not answered");
            }
        }
        (id, at, answer)
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let asked = timeout(self.deadline, async {
            let _turn = self.turn.acquire().await;
            work.await
        });
        asked.await.unwrap_or(Err(Failure::Slow))
    }

    async fn say(&self, to: &mpsc::Sender<Answer>, found: &Found, stale: bool) {
        let lacks = found.lacks.iter().map(|(about, failure)| (about.clone(), failure.clone())).collect();
        let (source, failure) = (self.name.clone(), found.failure.clone());
        // Nobody listens any more: the cache is filled all the same.
        let _ = to.send(Answer { source, contacts: found.complete(), failure, stale, lacks }).await;
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Found {
    fn new(contacts: Vec<Contact>, failure: Option<Failure>) -> Self {
        Self { contacts, failure, more: BTreeMap::new(), lacks: BTreeMap::new() }
    }

    /// The contacts with all that is known of them.
    fn complete(&self) -> Vec<Contact> {
        let mut contacts = self.contacts.clone();
        for contact in &mut contacts {
            let id = contact.reference.clone();
            let of_contact = self.more.iter().filter(|((of, _), _)| *of == id);
            of_contact.for_each(|(_, more)| more.add_to(contact));
        }
        contacts
    }
}
