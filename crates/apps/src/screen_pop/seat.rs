//! One person's place at the hub: what they chose and marked, and their open pages.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::body::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc;
use ui::Lang;

use super::{
    board::Board,
    call::Call,
    frames::CardFrame,
    kept::Room,
    limits::{FINISHED_OF_ONE_MAX, FINISHED_OF_ONE_MORE},
    sight::{self, Choice, Directory, Person, Sight, Tab},
};
use crate::store::desks::{Dismissed, Mark};

/// Recent and missed cards, and some more.
const SHOWN_MAX: usize = 2 * FINISHED_OF_ONE_MAX + FINISHED_OF_ONE_MORE;

pub struct Seat {
    pub person: Person,
    pub choice: Choice,
    /// Calls that are on the person's pages now, with a digest of the card if all those pages have that one.
    pub shown: HashMap<String, Option<u64>>,
    /// With as many the oldest finished ones are looked for, to leave.
    pub shown_max: usize,
    /// For which ring of a call a page has rung last ([`Sight::ring`]).
    pub told: HashMap<String, u64>,
    /// What the person has chosen; else each page speaks what its browser asks for.
    pub language: Option<Lang>,
    marks: HashMap<String, Mark>,
    /// Versions of the notes that were changed since the person sits here.
    noted: HashMap<String, i64>,
    since_us: i64,
    pages: Vec<Page>,
    /// Events sent so far.
    events: u64,
}

struct Page {
    /// Digest of the session.
    session: String,
    lang: Lang,
    events: mpsc::Sender<Bytes>,
}

impl Seat {
    #[must_use]
    pub fn new(person: Person, choice: Choice, marks: HashMap<String, Mark>, language: Option<Lang>) -> Self {
        let (shown, told, noted, pages) = Default::default();
        let (shown_max, since_us) = (SHOWN_MAX, Timestamp::now().as_microsecond());
        Self { person, choice, shown, shown_max, told, language, marks, noted, since_us, pages, events: 0 }
    }

    /// What a call is to this person; none if it is not for them, or chose not to see it.
    #[must_use]
    pub fn sight(&self, call: &Call, operator: Option<&str>, directory: &Directory) -> Option<Sight> {
        let dismissed = self.marks.get(&call.id).map(|mark| mark.dismissed).unwrap_or_default();
        let admin = sight::is_admin(&self.person, operator);
        let mut sight = sight::sight(&self.person, admin, &self.choice, call, directory)?;
        sight.closed = match dismissed {
            Dismissed::No => false,
            // What was closed is that ring.
            Dismissed::Ring(closed) => sight.ring <= closed,
            Dismissed::ForGood => true,
        };
        // Nobody means to lose a call by closing its card, nor a missed one that is not seen to.
        if sight.closed && (sight.tab == Tab::Active || dismissed == Dismissed::ForGood) {
            sight.tab = Tab::Recent;
        }
        sight.alerts &= !sight.closed;
        Some(sight)
    }

    /// Orders the texts of a call's notes: a later one has a greater number, also after a restart, as far as the clock goes
    /// on. Microseconds since 1970.
    #[must_use]
    pub fn notes_version(&self, call: &str) -> i64 {
        self.noted.get(call).copied().unwrap_or(self.since_us)
    }

    /// The notes of a call have changed; their version.
    pub fn note(&mut self, call: &str, now: Timestamp) -> i64 {
        let version = now.as_microsecond().max(self.notes_version(call) + 1);
        self.noted.insert(call.to_owned(), version);
        version
    }

    /// A page is to ring: none has for this ring of the call.
    #[must_use]
    pub fn is_to_tell(&self, call: &str, sight: &Sight) -> bool {
        sight.alerts && self.told.get(call) != Some(&sight.ring)
    }

    #[must_use]
    pub fn mark_of(&self, call: &str) -> Mark {
        self.marks.get(call).cloned().unwrap_or_default()
    }

    pub fn change(&mut self, call: &str, change: impl FnOnce(&mut Mark)) -> Mark {
        let mark = self.marks.entry(call.to_owned()).or_default();
        change(mark);
        mark.clone()
    }

    /// A call has left the board, and nobody can ask for it any more; what the person wrote stays in the store. Whether it was
    /// on the person's pages.
    pub fn forget(&mut self, call: &str) -> bool {
        self.told.remove(call);
        self.noted.remove(call);
        self.marks.remove(call);
        self.shown.remove(call).is_some()
    }

    /// How many calls the seat keeps something of.
    #[cfg(test)]
    #[must_use]
    pub fn kept(&self) -> usize {
        self.told.len().max(self.noted.len()).max(self.marks.len()).max(self.shown.len())
    }

    /// Takes the oldest finished calls off the person's pages when there are too many; their ids.
    pub fn make_room(&mut self, board: &Board, operator: Option<&str>, directory: &Directory) -> Vec<String> {
        if self.shown.len() <= self.shown_max {
            return Vec::new();
        }
        let mut room = Room::default();
        let mut stays = |call: &Call| {
            let sight = self.sight(call, operator, directory);
            sight.is_some_and(|sight| room.has(call, &sight, self.mark_of(&call.id).pinned))
        };
        let shown = board.calls().iter().filter(|call| self.shown.contains_key(&call.id));
        let gone: Vec<String> = shown.filter(|call| !stays(call)).map(|call| call.id.clone()).collect();
        self.shown.retain(|id, _| !gone.contains(id));
        // Calls under way may be many, too: the next look is when there are more again.
        self.shown_max = SHOWN_MAX.max(self.shown.len() + FINISHED_OF_ONE_MORE);
        gone
    }

    /// A page is open.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        !self.pages.is_empty()
    }

    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Counts the pages after those that left are taken out.
    pub fn open_pages(&mut self) -> usize {
        self.pages.retain(|page| !page.events.is_closed());
        self.pages.len()
    }

    pub fn open(&mut self, session: &str, lang: Lang, events: mpsc::Sender<Bytes>) {
        self.pages.push(Page { session: session.to_owned(), lang, events });
    }

    /// A browser has signed out: its pages are told, and their events end.
    pub fn close(&mut self, run: i64, session: &str) {
        let bytes = self.frame(run, "signed-out", &serde_json::json!({}));
        for page in self.pages.extract_if(.., |page| page.session == session) {
            // One that does not keep up learns it when it comes back.
            let _ = page.events.try_send(bytes.clone());
        }
    }

    /// Sends to all pages of the person; one that does not keep up is closed.
    pub fn send(&mut self, run: i64, event: &str, data: &impl Serialize) {
        self.events += 1;
        if self.pages.is_empty() {
            return;
        }
        let bytes = self.frame(run, event, data);
        self.pages.retain(|page| page.events.try_send(bytes.clone()).is_ok());
    }

    /// What `make` makes, once for each language of the open pages.
    pub fn in_languages<T>(&self, make: impl Fn(Lang) -> T) -> Vec<(Lang, T)> {
        let spoken = |lang: &Lang| self.pages.iter().any(|page| page.lang == *lang);
        Lang::ALL.into_iter().filter(spoken).map(|lang| (lang, make(lang))).collect()
    }

    /// As [`Seat::send`], to each page in its language.
    pub fn send_each<T: Serialize>(&mut self, run: i64, event: &str, frames: &[(Lang, T)]) {
        self.events += 1;
        for (lang, data) in frames {
            if !self.pages.iter().any(|page| page.lang == *lang) {
                continue;
            }
            let bytes = self.frame(run, event, data);
            self.pages.retain(|page| page.lang != *lang || page.events.try_send(bytes.clone()).is_ok());
        }
    }

    /// Whether these cards of a call differ from the last ones: a call's states say more than a card shows.
    pub fn is_news(&mut self, call: &str, frames: &[(Lang, CardFrame<'_>)]) -> bool {
        let mut hasher = DefaultHasher::new();
        for (lang, frame) in frames {
            (lang.tag(), &frame.html, frame.alert).hash(&mut hasher);
        }
        let digest = Some(hasher.finish());
        self.shown.insert(call.to_owned(), digest) != Some(digest)
    }

    /// The person has chosen a language.
    pub fn speak(&mut self, lang: Lang) {
        self.language = Some(lang);
        self.pages.iter_mut().for_each(|page| page.lang = lang);
    }

    /// The id of the last event: a page that has it has heard everything.
    #[must_use]
    pub fn event_id(&self, run: i64) -> String {
        format!("{run}-{}", self.events)
    }

    /// JSON has no line breaks, so one `data` line is enough.
    #[must_use]
    pub fn frame(&self, run: i64, event: &str, data: &impl Serialize) -> Bytes {
        let json = serde_json::to_string(data).expect("frames are plain texts and numbers");
        Bytes::from(format!("event: {event}\nid: {}\ndata: {json}\n\n", self.event_id(run)))
    }
}
