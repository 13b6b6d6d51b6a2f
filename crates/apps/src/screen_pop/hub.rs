//! What all open pages share: the board, the people at their desks, how the app stands with the phone system, and a
//! queue to each page.
//!
//! A page hears of the calls of its own person alone ([`super::sight`]). A change is rendered once for each person whom it
//! concerns; that person's pages share the bytes. A page that does not keep up is closed: its browser comes back by
//! itself and starts from a fresh snapshot.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::body::Bytes;
use jiff::{Timestamp, tz::TimeZone};
use tokio::sync::mpsc;
use ui::{Lang, Languages, Link, Texts};

use super::{
    board::{Board, Change},
    call::Call,
    frames::{GoneFrame, LanguageFrame},
    limits::{PAGE_QUEUE_MAX, PAGE_RETRY, PAGES_MAX, PAGES_OF_ONE_MAX},
    marks::Turns,
    notes::Saves,
    seat::Seat,
    settings,
    sight::{self, Choice, Directory, Person, Tab},
    walls::Walls,
};
use crate::store::desks::Mark;

/// Shared by the server and by whoever feeds the board.
pub struct Hub {
    zone: TimeZone,
    /// What can come of a call, to choose from; none if none are set up.
    outcomes: Vec<String>,
    /// Differs from run to run, so that a page knows whose event ids it has.
    pub(super) run: i64,
    languages: Languages,
    pub(super) turns: Turns,
    /// Asked and told while `inner` is held, never the other way round.
    pub(super) saves: Saves,
    /// Held while a claim is made.
    pub(super) claiming: tokio::sync::Mutex<()>,
    // A std mutex: held for a look or a render, never over an await.
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) board: Board,
    link: Link,
    pub(super) sign_in: Option<SignIn>,
    /// State of the last sign-in that worked.
    signed_in: Option<String>,
    pub(super) problem: Option<Problem>,
    /// Whose sign-in brings the calls; the phone system shows this person every call.
    pub(super) operator: Option<String>,
    pub(super) directory: Arc<Directory>,
    /// Who has signed in, by [`Person::id`]; no more than there are sessions and seats.
    people: HashMap<String, Person>,
    pub(super) walls: Walls,
    pub(super) seats: HashMap<String, Seat>,
    closed: bool,
}

/// What only a person can mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The phone system does not answer.
    Unreachable,
    /// It does not tell this sign-in of the calls; with what it says.
    Refused(String),
    Other(String),
}

impl Problem {
    /// What a page says; a refusal only to whoever can mend it: to the others says that an administrator has to sign in.
    #[must_use]
    pub fn words(&self, texts: &Texts, mends: bool) -> Option<String> {
        match self {
            Self::Unreachable => Some((&texts.problem.unreachable).into()),
            Self::Refused(_) if !mends => None,
            Self::Refused(text) => Some(texts.problem.refused.with("text", text)),
            Self::Other(text) => Some(texts.problem.other.with("text", text)),
        }
    }
}

/// A sign-in that waits for a person.
#[derive(Clone)]
pub struct SignIn {
    pub login_url: String,
    /// What must come back to the redirect URI.
    pub state: String,
}

impl Hub {
    /// A board without calls; pages tell times in `zone`.
    #[must_use]
    pub fn new(zone: TimeZone) -> Arc<Self> {
        Self::with_outcomes(zone, Vec::new())
    }

    /// The same, with words for what came of a call to choose from.
    #[must_use]
    pub fn with_outcomes(zone: TimeZone, outcomes: Vec<String>) -> Arc<Self> {
        let run = Timestamp::now().as_millisecond();
        let languages = Languages::read();
        let (turns, saves, claiming, inner) = Default::default();
        Arc::new(Self { zone, outcomes, run, languages, turns, saves, claiming, inner })
    }

    /// The texts of a language.
    #[must_use]
    pub fn texts(&self, lang: Lang) -> &Arc<Texts> {
        self.languages.of(lang)
    }

    /// What can come of a call.
    #[must_use]
    pub fn outcomes(&self) -> &[String] {
        &self.outcomes
    }

    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Reads or changes the board; pages hear of it by [`Hub::publish`].
    pub fn board<R>(&self, work: impl FnOnce(&mut Board) -> R) -> R {
        work(&mut self.lock().board)
    }

    /// Sends a changed card to the pages of everyone whom it concerns, and takes it from those whom it does no more.
    pub fn publish(&self, change: &Change) {
        let now = Timestamp::now();
        let mut guard = self.lock();
        let inner = &mut *guard;
        let cards = [&change.id].into_iter().chain(&change.settled);
        let calls: Vec<&Call> = cards.filter_map(|id| inner.board.find(id)).map(|(_, call)| call).collect();
        for seat in inner.seats.values_mut() {
            // Also of who has no page open now: a seat is there for months.
            let mut gone: Vec<String> = change.gone.iter().filter(|id| seat.forget(id)).cloned().collect();
            if !seat.is_taken() {
                continue;
            }
            for call in &calls {
                self.tell(seat, call, inner.operator.as_deref(), &inner.directory, now);
            }
            gone.extend(seat.make_room(&inner.board, inner.operator.as_deref(), &inner.directory));
            if !gone.is_empty() {
                seat.send(self.run, "gone", &GoneFrame { ids: &gone });
            }
        }
        if let (Some((_, call)), true) = (inner.board.find(&change.id), change.answered || change.missed) {
            let date = |at: Timestamp| at.to_zoned(self.zone.clone()).date();
            inner.walls.tally.count(date(call.created), date(now), change);
        }
        self.tell_walls(inner, now);
    }

    /// Sends a card whose call has not changed, but what is known of the caller has.
    pub fn publish_card(&self, id: &str) {
        self.publish(&Change::of_card(id));
    }

    /// Shows everybody their calls anew, where much has changed at once.
    pub fn show_anew(&self) {
        self.all_anew(&mut self.lock());
    }

    /// How the app stands with the phone system now.
    pub fn set_link(&self, link: Link) {
        let mut inner = self.lock();
        inner.link = link;
        self.send_link(&mut inner);
        self.tell_walls(&mut inner, Timestamp::now());
    }

    /// What only a person can mend, until it is mended (`None`).
    pub fn set_problem(&self, problem: Option<Problem>) {
        let mut inner = self.lock();
        if inner.problem != problem {
            inner.problem = problem;
            self.send_link(&mut inner);
        }
    }

    /// The phone system shows every call to the person with this address.
    pub fn set_operator(&self, address: Option<String>) {
        self.lock().operator = address.map(|address| address.to_lowercase());
    }

    /// Whose lines are whose, from now on.
    pub fn set_directory(&self, mut directory: Directory) {
        let mut inner = self.lock();
        inner.people.values().for_each(|person| directory.learn(person));
        if *inner.directory == directory {
            return;
        }
        inner.board.set_account(Arc::new(directory.account.clone()));
        inner.directory = Arc::new(directory);
        self.all_anew(&mut inner);
        self.tell_walls(&mut inner, Timestamp::now());
    }

    /// These people have signed in: cards call them by their names.
    pub fn know(&self, people: impl IntoIterator<Item = Person>) {
        let mut inner = self.lock();
        for person in people {
            Arc::make_mut(&mut inner.directory).learn(&person);
            inner.people.insert(person.id.clone(), person);
        }
    }

    /// A person has to sign in.
    pub fn invite(&self, sign_in: SignIn) {
        let mut inner = self.lock();
        inner.sign_in = Some(sign_in);
        self.send_link(&mut inner);
    }

    /// The person has signed in.
    pub fn signed_in(&self) {
        let mut inner = self.lock();
        // It can be told twice: by whoever exchanged the code and by the feed.
        if let Some(sign_in) = inner.sign_in.take() {
            inner.signed_in = Some(sign_in.state);
        }
        // What was refused to somebody else, may be allowed now.
        inner.problem.take_if(|problem| matches!(problem, Problem::Refused(_)));
        self.send_link(&mut inner);
    }

    /// Whether `state` is that of the last sign-in that worked.
    #[must_use]
    pub fn was_signed_in_by(&self, state: Option<&str>) -> bool {
        state.is_some() && self.lock().signed_in.as_deref() == state
    }

    /// The sign-in that waits for a person.
    #[must_use]
    pub fn sign_in(&self) -> Option<SignIn> {
        self.lock().sign_in.clone()
    }

    /// Seats a person; `read` gives what is stored of them, if they have no seat yet.
    pub fn seat(
        &self,
        person: &Person,
        choice: Choice,
        marks: HashMap<String, Mark>,
        language: Option<Lang>,
    ) {
        self.know([person.clone()]);
        let mut inner = self.lock();
        let new = || Seat::new(person.clone(), choice, marks, language);
        inner.seats.entry(person.id.clone()).or_insert_with(new);
    }

    /// The language that a person has chosen.
    #[must_use]
    pub fn language(&self, person: &Person) -> Option<Lang> {
        self.lock().seats.get(&person.id)?.language
    }

    /// A person has chosen a language: their pages are told.
    pub fn speak(&self, person: &Person, lang: Lang) {
        if let Some(seat) = self.lock().seats.get_mut(&person.id) {
            seat.speak(lang);
            seat.send(self.run, "language", &LanguageFrame { tag: lang.tag() });
        }
    }

    #[must_use]
    pub fn has_seat(&self, person: &Person) -> bool {
        self.lock().seats.get(&person.id).is_some_and(|seat| seat.person == *person)
    }

    /// The person has other lines or rights now: the seat is prepared anew, and their pages come back to it by themselves.
    pub fn vacate(&self, person: &Person) {
        self.lock().seats.remove(&person.id);
    }

    /// Server-sent events for one page: how things are, then each change. A page that says it heard everything gets
    /// no snapshot. None when too many pages are open, or the person has no seat.
    #[must_use]
    pub fn subscribe(
        &self,
        person: &Person,
        session: &str,
        last_event: Option<&str>,
        lang: Lang,
    ) -> Option<mpsc::Receiver<Bytes>> {
        let now = Timestamp::now();
        let mut guard = self.lock();
        let inner = &mut *guard;
        let open: usize = inner.seats.values_mut().map(Seat::open_pages).sum();
        let seat = inner.seats.get(&person.id)?;
        if inner.closed || open >= PAGES_MAX || seat.pages() >= PAGES_OF_ONE_MAX {
            return None;
        }
        let (page, events) = mpsc::channel(PAGE_QUEUE_MAX);
        // Browsers wait several seconds by themselves.
        let mut first = vec![Bytes::from(format!("retry: {}\n\n", PAGE_RETRY.as_millis()))];
        // A seat that nobody watched has not counted what happened.
        let heard_all = seat.is_taken() && last_event == Some(&seat.event_id(self.run));
        let snapshot = self.snapshot(inner, seat, lang, now);
        let ids: Vec<String> = snapshot.cards.iter().map(|card| card.id.clone()).collect();
        if !heard_all {
            first.push(seat.frame(self.run, "snapshot", &snapshot));
        }
        first.push(seat.frame(self.run, "link", &self.link_frame(inner, lang, inner.is_admin(seat))));
        for bytes in first {
            page.try_send(bytes).expect("a new queue has room for three");
        }
        let seat = inner.seats.get_mut(&person.id)?;
        // What was sent before this page opened is not news to the others alone.
        seat.shown.extend(ids.into_iter().map(|id| (id, None)));
        seat.open(session, lang, page);
        Some(events)
    }

    /// Changes what a person chose, then shows them their calls anew. None without a seat.
    pub fn choose(&self, person: &Person, choice: Choice) -> Option<()> {
        let mut inner = self.lock();
        let directory = Arc::clone(&inner.directory);
        let seat = inner.seats.get_mut(&person.id)?;
        seat.choice = choice;
        let settings = settings::frame(seat, &directory);
        seat.send(self.run, "settings", &settings);
        self.anew(&mut inner, &person.id);
        Some(())
    }

    /// What the person has chosen.
    #[must_use]
    pub fn choice(&self, person: &Person) -> Option<Choice> {
        self.lock().seats.get(&person.id).map(|seat| seat.choice.clone())
    }

    /// Whether a call stands among the missed ones of a person.
    #[must_use]
    pub(super) fn misses(&self, person: &Person, call: &str) -> bool {
        let inner = self.lock();
        let (Some(seat), Some((_, call))) = (inner.seats.get(&person.id), inner.board.find(call)) else {
            return false;
        };
        let sight = seat.sight(call, inner.operator.as_deref(), &inner.directory);
        sight.is_some_and(|sight| sight.tab == Tab::Missed)
    }

    /// Whether a person may see every call.
    #[must_use]
    pub(super) fn is_admin(&self, person: &Person) -> bool {
        sight::is_admin(person, self.lock().operator.as_deref())
    }

    /// A browser has signed out: its pages end.
    pub fn close_session(&self, person: &Person, session: &str) {
        if let Some(seat) = self.lock().seats.get_mut(&person.id) {
            seat.close(self.run, session);
        }
        self.close_walls(session);
    }

    /// Ends all pages' events; new ones get none.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.seats.clear();
        inner.walls = Walls::default();
    }

    fn send_link(&self, inner: &mut Inner) {
        let frames =
            [false, true].map(|mends| Lang::ALL.map(|lang| (lang, self.link_frame(inner, lang, mends))));
        let operator = inner.operator.clone();
        for seat in inner.seats.values_mut() {
            let mends = sight::is_admin(&seat.person, operator.as_deref());
            seat.send_each(self.run, "link", &frames[usize::from(mends)]);
        }
    }

    // What the mutex guards is whole after every step, so a panic elsewhere does not spoil it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    pub(super) fn link(&self) -> Link {
        if self.sign_in.is_some() { Link::SignInNeeded } else { self.link }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn is_admin(&self, seat: &Seat) -> bool {
        sight::is_admin(&seat.person, self.operator.as_deref())
    }
}
