//! Who the callers are: fills cards with what the sources say, each as it answers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{StreamExt as _, stream};
use jiff::{Timestamp, Zoned};
use sqlx::AnyPool;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{
    call::{Call, History},
    hub::Hub,
    limits::{
        ASK_AGAIN_EVERY, ASK_AGAIN_MAX, CATCH_UP_AT_ONCE, CATCH_UP_EVERY, CATCH_UP_SPENT,
        HISTORY_NUMBERS_MAX, HISTORY_WAIT, LISTS_EVERY,
    },
    write_back::WriteBack,
};
use crate::{
    people::{
        contact::{Candidate, Contact, certain, rank},
        number::{Home, Number},
        sources::{Answer, Failure, IMPORTED, Lookup, further::About},
    },
    store::{contacts, history},
};

/// What the sources have said of a caller so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    answers: BTreeMap<String, Answer>,
    picked: Option<String>,
    /// The likeliest first.
    pub candidates: Vec<Candidate>,
    /// All sources have answered or were given up.
    pub done: bool,
    /// Web services are among those that were asked.
    asked: bool,
}

impl Known {
    /// What one source said, all others asked.
    #[cfg(test)]
    pub(super) fn of(answer: Answer, number: &Number, home: Home) -> Self {
        let mut known = Self { done: true, asked: true, ..Self::default() };
        known.answers.insert(answer.source.clone(), answer);
        known.rank(number, home);
        known
    }

    #[cfg(test)]
    pub(super) fn is_asked(&self) -> bool {
        self.asked
    }

    #[cfg(test)]
    pub(super) fn has_heard(&self, source: &str) -> bool {
        self.answers.contains_key(source)
    }

    /// What the imported contacts say.
    fn take_imported(&mut self, contacts: Vec<Contact>) {
        let source = IMPORTED.to_owned();
        let answer = Answer { source, contacts, failure: None, stale: false, lacks: Vec::new() };
        self.answers.insert(answer.source.clone(), answer);
    }

    fn rank(&mut self, number: &Number, home: Home) {
        let contacts = self.answers.values().flat_map(|answer| answer.contacts.iter().cloned()).collect();
        self.candidates = rank(number, contacts, self.picked.as_deref(), home);
    }

    /// Nobody is surely the caller, as far as can be told now. Calls that were over at the start are asked about one by one,
    /// which takes its time; for all others the answers are on their way.
    pub fn is_nobody(&self, is_live: bool) -> bool {
        let is_coming = !self.done && (self.asked || is_live);
        !is_coming && certain(&self.candidates).is_none()
    }

    /// Sources that have not answered, or not about everything, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&str, Option<&About>, &Failure)> {
        self.answers.values().flat_map(|answer| {
            let whole = answer.failure.iter().map(|failure| (None, failure));
            let parts = answer.lacks.iter().map(|(about, failure)| (Some(about), failure));
            whole.chain(parts).map(|(about, failure)| (answer.source.as_str(), about, failure))
        })
    }
}

/// Looks callers up, and takes what people say of them (`written`). Shared by the desk and the pages.
pub struct Callers {
    hub: Arc<Hub>,
    pub(super) pool: AnyPool,
    lookup: Lookup,
    home: Option<Home>,
    write_back: Option<Arc<WriteBack>>,
    /// A list of contacts was imported or taken away here.
    lists_changed: Notify,
    /// How often the cards were given other lists: a look-up that was under way then has read the former ones.
    lists_learnt: AtomicU64,
}

/// The lists of contacts in force: name, how many, and when imported.
pub type Lists = Vec<(String, i64, i64)>;

impl Callers {
    #[must_use]
    pub fn new(hub: Arc<Hub>, pool: AnyPool, lookup: Lookup, home: Option<Home>) -> Arc<Self> {
        Self::writing(hub, pool, lookup, home, None)
    }

    /// The same, and calls are written back to the CRM of their contact.
    #[must_use]
    pub fn writing(
        hub: Arc<Hub>,
        pool: AnyPool,
        lookup: Lookup,
        home: Option<Home>,
        write_back: Option<Arc<WriteBack>>,
    ) -> Arc<Self> {
        let (lists_changed, lists_learnt) = Default::default();
        Arc::new(Self { hub, pool, lookup, home, write_back, lists_changed, lists_learnt })
    }

    /// Something of a call has changed that its record in the CRM tells: its end, its caller, a note.
    pub async fn log(&self, call_id: &str) {
        let Some(write_back) = &self.write_back else { return };
        // A call of before a restart: web services have not been asked about it.
        let forgotten =
            |call: &Call| !call.is_live() && !call.known.as_ref().is_some_and(|known| known.asked);
        if let Some(call) = self.call(call_id).filter(forgotten) {
            self.look_up(&call).await;
        }
        write_back.consider(call_id).await;
    }

    /// A person wants a call written that could not be. False if there is nothing to write.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn log_again(&self, call_id: &str) -> sqlx::Result<bool> {
        match &self.write_back {
            Some(write_back) => write_back.again(call_id).await,
            None => Ok(false),
        }
    }

    /// Region of numbers without a country: as set, else that of the number that was called.
    fn home(&self, call: &Call) -> Home {
        self.home.or_else(|| Home::of(call.dialled.key()?)).unwrap_or_default()
    }

    /// Puts on the card of a call what is known of its caller, piece by piece; ends when all is there.
    pub async fn fill(&self, call: &Call) {
        self.tell_history(call, &self.numbers(call, &[])).await;
        self.ask(call).await;
    }

    async fn ask(&self, call: &Call) {
        self.look_up(call).await;
        self.log(&call.id).await;
    }

    /// Asks again about callers of whom a source could not tell, the newest first: what was away comes back some time, and
    /// their calls are to be written then. A source that goes on failing is left alone by its own guard. Never ends.
    pub async fn ask_again(&self) {
        loop {
            sleep(ASK_AGAIN_EVERY).await;
            self.ask_again_once().await;
        }
    }

    pub(super) async fn ask_again_once(&self) {
        let is_lacking = |call: &&Call| {
            let known = call.known.as_ref().filter(|known| known.done);
            known.is_some_and(|known| known.failures().any(|(_, _, why)| *why != Failure::NotSetUp))
        };
        let calls: Vec<Call> = self
            .hub
            .board(|board| board.calls().iter().filter(is_lacking).take(ASK_AGAIN_MAX).cloned().collect());
        for call in calls {
            // What is on the card stays there until there is something better.
            self.look_up_in(&call, false).await;
            self.log(&call.id).await;
        }
    }

    async fn look_up(&self, call: &Call) {
        self.look_up_in(call, true).await;
    }

    /// Asks all sources; what they say is shown at once where it is to come in pieces, else when all have answered. What each
    /// has said before stands until it answers anew.
    async fn look_up_in(&self, call: &Call, pieces: bool) {
        let picked = self.picked(&call.caller).await;
        let before = self.call(&call.id).and_then(|call| call.known).unwrap_or_default();
        let mut known = Known { asked: true, picked, ..before };
        let (home, learnt) = (self.home(call), self.lists_learnt.load(Ordering::SeqCst));
        let mut answers = self.lookup.look_up(&call.caller, home);
        while let Some(answer) = answers.next().await {
            known.answers.insert(answer.source.clone(), answer);
            if pieces {
                self.show_ranked(call, &mut known, learnt).await;
            }
        }
        known.done = true;
        self.show_ranked(call, &mut known, learnt).await;
    }

    async fn show_ranked(&self, call: &Call, known: &mut Known, learnt: u64) {
        self.keep_up(call, known, learnt).await;
        known.rank(&call.caller, self.home(call));
        self.show(call, known);
        self.tell_history(call, &self.numbers(call, &known.candidates)).await;
    }

    /// Reads the imported contacts anew if the lists are others than when a look-up began: what is shown next must not
    /// take them back.
    async fn keep_up(&self, call: &Call, known: &mut Known, began: u64) {
        let mut read = began;
        loop {
            let now = self.lists_learnt.load(Ordering::SeqCst);
            if now == read {
                return;
            }
            read = now;
            match contacts::candidates(&self.pool, &call.caller).await {
                Ok(contacts) => known.take_imported(contacts),
                Err(error) => tracing::warn!(%error, "the contacts of this caller could not be read anew"),
            }
        }
    }

    /// The numbers whose earlier calls are the caller's: their own, and the others of the contact who surely calls. None for
    /// those who withhold theirs.
    fn numbers(&self, call: &Call, candidates: &[Candidate]) -> Vec<String> {
        let (Some(own), home) = (call.caller.key(), self.home(call)) else { return Vec::new() };
        let mut numbers = vec![own.to_owned()];
        for text in certain(candidates).iter().flat_map(|candidate| &candidate.contact.numbers) {
            if let Number::Phone(phone) = Number::read(text, home)
                && !numbers.contains(&phone.e164)
                && numbers.len() < HISTORY_NUMBERS_MAX
            {
                numbers.push(phone.e164);
            }
        }
        numbers
    }

    /// Puts the earlier calls of these numbers on the card, unless they stand there.
    async fn tell_history(&self, call: &Call, numbers: &[String]) {
        let stands = |call: &Call| call.history.as_ref().is_some_and(|history| history.numbers == numbers);
        if self.call(&call.id).is_none_or(|call| stands(&call)) {
            return;
        }
        if let Some(history) = self.history(call, numbers).await {
            self.hub.board(|board| board.set_history(&call.id, history));
            self.hub.publish_card(&call.id);
        }
    }

    /// Contacts and history of a call that was taken back at the start. The services are asked by
    /// [`Callers::catch_up`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn restore(&self, call: &mut Call) -> sqlx::Result<()> {
        let contacts = contacts::candidates(&self.pool, &call.caller).await?;
        let picked = contacts::picked(&self.pool, &call.caller).await?;
        let mut known = Known { picked, done: !self.lookup.asks_services(), ..Known::default() };
        known.take_imported(contacts);
        known.rank(&call.caller, self.home(call));
        let numbers = self.numbers(call, &known.candidates);
        call.history = history::history(&self.pool, call, &numbers, self.day_start(call)).await?;
        call.known = Some(known);
        Ok(())
    }

    /// Asks the services about the calls that were taken back at the start: those under way at once, then the others one by
    /// one, the newest first. Calls whose caller a service could not tell of before are written to the CRM then.
    pub async fn catch_up(&self) {
        if !self.lookup.asks_services() {
            return;
        }
        let calls: Vec<Call> = self.hub.board(|board| board.calls().to_vec());
        let (live, over): (Vec<Call>, Vec<Call>) = calls.into_iter().partition(Call::is_live);
        let live = live.iter().filter(|call| self.is_unasked(&call.id));
        stream::iter(live).for_each_concurrent(CATCH_UP_AT_ONCE, |call| self.ask(call)).await;
        let open = match &self.write_back {
            Some(write_back) => write_back.open_calls().await,
            None => Vec::new(),
        };
        for call in over {
            if self.is_unasked(&call.id) {
                self.ask_slowly(&call).await;
            }
            if open.contains(&call.id) {
                self.log(&call.id).await;
            }
        }
    }

    /// The same for calls that were found after their end, which are then written to the CRM.
    pub async fn catch_up_with(&self, ids: &[String]) {
        for call in ids.iter().filter_map(|id| self.call(id)) {
            if self.lookup.asks_services() && self.is_unasked(&call.id) {
                self.ask_slowly(&call).await;
            }
            self.log(&call.id).await;
        }
    }

    async fn ask_slowly(&self, call: &Call) {
        self.look_up(call).await;
        if self.is_spent(&call.id) {
            sleep(CATCH_UP_SPENT).await;
            self.look_up(call).await;
        }
        sleep(CATCH_UP_EVERY).await;
    }

    /// No service has been asked about this call.
    fn is_unasked(&self, id: &str) -> bool {
        self.call(id).is_some_and(|call| !call.known.is_some_and(|known| known.asked))
    }

    /// A service took no more requests.
    fn is_spent(&self, id: &str) -> bool {
        let spent = |known: Known| known.failures().any(|(_, _, why)| *why == Failure::Budget);
        self.call(id).and_then(|call| call.known).is_some_and(spent)
    }

    /// A list was imported or taken away here: [`Callers::watch_lists`] looks at once.
    pub fn lists_changed(&self) {
        self.lists_changed.notify_one();
    }

    /// Tells the cards of lists that are imported or taken away, whichever process does it. Never ends.
    pub async fn watch_lists(&self) {
        let mut lists = None;
        loop {
            match self.learn_lists(lists.as_ref()).await {
                Ok(now) => lists = Some(now),
                Err(error) => tracing::warn!(%error, "whether contacts have changed could not be read"),
            }
            tokio::select! {
                () = self.lists_changed.notified() => {}
                () = sleep(LISTS_EVERY) => {}
            }
        }
    }

    /// Reads the contacts of all cards anew if the lists are others than `before`; the lists come back.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn learn_lists(&self, before: Option<&Lists>) -> sqlx::Result<Lists> {
        let mut lists = contacts::imports(&self.pool).await?;
        // What people write down is told to the cards of that caller when it is written.
        lists.retain(|(name, ..)| name != contacts::BY_HAND);
        if before.is_none_or(|before| *before == lists) {
            return Ok(lists);
        }
        self.learn_all().await?;
        Ok(lists)
    }

    /// Reads the contacts of all cards anew.
    pub(super) async fn learn_all(&self) -> sqlx::Result<()> {
        // Before what the cards know is read.
        self.lists_learnt.fetch_add(1, Ordering::SeqCst);
        let calls: Vec<Call> = self.hub.board(|board| board.calls().to_vec());
        let mut changed = false;
        for call in calls {
            changed |= self.learn_contacts(&call).await?;
        }
        if changed {
            self.hub.show_anew();
        }
        Ok(())
    }

    /// Reads the contacts of one card anew; tells whether they are others.
    async fn learn_contacts(&self, call: &Call) -> sqlx::Result<bool> {
        let contacts = contacts::candidates(&self.pool, &call.caller).await?;
        let picked = contacts::picked(&self.pool, &call.caller).await?;
        let Some(mut known) = self.call(&call.id).and_then(|call| call.known) else { return Ok(false) };
        known.picked = picked;
        known.take_imported(contacts);
        known.rank(&call.caller, self.home(call));
        let numbers = self.numbers(call, &known.candidates);
        if !self.hub.board(|board| board.set_known(&call.id, known)) {
            return Ok(false);
        }
        let history = history::history(&self.pool, call, &numbers, self.day_start(call)).await?;
        if let Some(history) = history {
            self.hub.board(|board| board.set_history(&call.id, history));
        }
        Ok(true)
    }

    /// Looks a caller up again, for all cards of theirs.
    pub(super) async fn again(&self, number: &Number) {
        let of_caller = |call: &&Call| call.caller == *number;
        let calls: Vec<Call> =
            self.hub.board(|board| board.calls().iter().filter(of_caller).cloned().collect());
        for call in &calls {
            self.ask(call).await;
        }
    }

    pub(super) fn call(&self, id: &str) -> Option<Call> {
        self.hub.board(|board| board.find(id).map(|(_, call)| call.clone()))
    }

    fn show(&self, call: &Call, known: &Known) {
        if self.hub.board(|board| board.set_known(&call.id, known.clone())) {
            self.hub.publish_card(&call.id);
        }
    }

    async fn picked(&self, number: &Number) -> Option<String> {
        contacts::picked(&self.pool, number).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the pick of this caller could not be read");
            None
        })
    }

    async fn history(&self, call: &Call, numbers: &[String]) -> Option<History> {
        let read = history::history(&self.pool, call, numbers, self.day_start(call));
        match timeout(HISTORY_WAIT, read).await {
            Ok(Ok(history)) => history,
            Ok(Err(error)) => {
                tracing::warn!(%error, "earlier calls of this caller could not be read");
                None
            }
            Err(_) => {
                tracing::warn!("reading earlier calls of this caller took too long");
                None
            }
        }
    }

    fn day_start(&self, call: &Call) -> Timestamp {
        let created: Zoned = call.created.to_zoned(self.hub.zone().clone());
        created.start_of_day().map_or(call.created, |start| start.timestamp())
    }
}
