//! What all open pages share: the board, how the app stands with the phone system, and a queue to each page.
//!
//! A change is rendered and encoded once; the pages share the bytes. A page that does not keep up is closed: its
//! browser comes back by itself and starts from a fresh snapshot.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use tokio::sync::mpsc;
use ui::{Card, Link, ScreenPop};

use super::{
    board::{Board, Change},
    limits::{PAGE_QUEUE_MAX, PAGE_RETRY, PAGES_MAX},
    view,
};

/// Shared by the server and by whoever feeds the board.
pub struct Hub {
    zone: TimeZone,
    // A std mutex: held for a look or a render, never over an await.
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    board: Board,
    link: Link,
    sign_in: Option<SignIn>,
    /// State of the last sign-in that worked.
    signed_in: Option<String>,
    problem: Option<String>,
    pages: Vec<mpsc::Sender<Bytes>>,
    closed: bool,
}

/// A sign-in that waits for a person.
#[derive(Clone)]
pub struct SignIn {
    pub login_url: String,
    /// What must come back to the redirect URI.
    pub state: String,
}

#[derive(Serialize)]
struct CardFrame<'a> {
    id: &'a str,
    position: usize,
    html: String,
    gone: &'a [String],
    now: i64,
}

#[derive(Serialize)]
struct SnapshotFrame {
    cards: Vec<SnapshotCard>,
    now: i64,
}

#[derive(Serialize)]
struct SnapshotCard {
    id: String,
    html: String,
}

#[derive(Serialize)]
struct LinkFrame<'a> {
    key: &'static str,
    word: &'static str,
    problem: Option<&'a str>,
}

impl Hub {
    /// A board without calls; pages tell times in `zone`.
    #[must_use]
    pub fn new(zone: TimeZone) -> Arc<Self> {
        Arc::new(Self { zone, inner: Mutex::default() })
    }

    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Reads or changes the board; pages hear of it by [`Hub::publish`].
    pub fn board<R>(&self, work: impl FnOnce(&mut Board) -> R) -> R {
        work(&mut self.lock().board)
    }

    /// Sends a changed card to all pages.
    pub fn publish(&self, change: &Change) {
        let now = Timestamp::now();
        let mut inner = self.lock();
        let Some((position, call)) = inner.board.find(&change.id) else { return };
        let card = CardFrame {
            id: &change.id,
            position,
            html: ui::fragment(&view::card(call, now, &self.zone)),
            gone: &change.gone,
            now: now.as_millisecond(),
        };
        let bytes = frame("card", &card);
        inner.send(&bytes);
    }

    /// Sends a card whose call has not changed, but what is known of the caller has.
    pub fn publish_card(&self, id: &str) {
        self.publish(&Change { id: id.to_owned(), new: false, moved: false, gone: Vec::new() });
    }

    /// How the app stands with the phone system now.
    pub fn set_link(&self, link: Link) {
        let mut inner = self.lock();
        inner.link = link;
        inner.send_link();
    }

    /// What only a person can mend, until it is mended (`None`).
    pub fn set_problem(&self, problem: Option<String>) {
        let mut inner = self.lock();
        if inner.problem != problem {
            inner.problem = problem;
            inner.send_link();
        }
    }

    /// A person has to sign in.
    pub fn invite(&self, sign_in: SignIn) {
        let mut inner = self.lock();
        inner.sign_in = Some(sign_in);
        inner.send_link();
    }

    /// The person has signed in.
    pub fn signed_in(&self) {
        let mut inner = self.lock();
        // It can be told twice: by whoever exchanged the code and by the feed.
        if let Some(sign_in) = inner.sign_in.take() {
            inner.signed_in = Some(sign_in.state);
        }
        inner.send_link();
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

    /// The page as it is now.
    #[must_use]
    pub fn page(&self) -> ScreenPop {
        let now = Timestamp::now();
        let inner = self.lock();
        ScreenPop {
            cards: self.cards(&inner, now),
            link: inner.link(),
            sign_in: inner.sign_in.as_ref().map(|sign_in| sign_in.login_url.clone()),
            problem: inner.problem.clone(),
            now_ms: now.as_millisecond(),
        }
    }

    /// Server-sent events for one page: how things are, then each change. None when too many pages are open.
    #[must_use]
    pub fn subscribe(&self) -> Option<mpsc::Receiver<Bytes>> {
        let now = Timestamp::now();
        let mut inner = self.lock();
        inner.pages.retain(|page| !page.is_closed());
        if inner.closed || inner.pages.len() >= PAGES_MAX {
            return None;
        }
        let cards = self.cards(&inner, now);
        let cards =
            cards.iter().map(|card| SnapshotCard { id: card.id.clone(), html: ui::fragment(card) }).collect();
        let first = [
            // Browsers wait several seconds by themselves.
            Bytes::from(format!("retry: {}\n\n", PAGE_RETRY.as_millis())),
            frame("snapshot", &SnapshotFrame { cards, now: now.as_millisecond() }),
            inner.link_frame(),
        ];
        let (page, events) = mpsc::channel(PAGE_QUEUE_MAX);
        for bytes in first {
            page.try_send(bytes).expect("a new queue has room for three");
        }
        inner.pages.push(page);
        Some(events)
    }

    /// Ends all pages' events; new ones get none.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.pages.clear();
    }

    fn cards(&self, inner: &Inner, now: Timestamp) -> Vec<Card> {
        inner.board.calls().iter().map(|call| view::card(call, now, &self.zone)).collect()
    }

    // What the mutex guards is whole after every step, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn link(&self) -> Link {
        if self.sign_in.is_some() { Link::SignInNeeded } else { self.link }
    }

    fn send_link(&mut self) {
        let bytes = self.link_frame();
        self.send(&bytes);
    }

    fn link_frame(&self) -> Bytes {
        let link = self.link();
        let problem = self.problem.as_deref();
        frame("link", &LinkFrame { key: link.key(), word: link.word(), problem })
    }

    fn send(&mut self, bytes: &Bytes) {
        self.pages.retain(|page| page.try_send(bytes.clone()).is_ok());
    }
}

/// JSON has no line breaks, so one `data` line is enough.
fn frame(event: &str, data: &impl Serialize) -> Bytes {
    let json = serde_json::to_string(data).expect("frames are plain texts and numbers");
    Bytes::from(format!("event: {event}\ndata: {json}\n\n"))
}
