//! The wallboards that are open: each hears the figures when they change.

use std::sync::Arc;

use axum::body::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc;
use ui::{Lang, Texts};

use super::{
    hub::{Hub, Inner},
    limits::{PAGE_QUEUE_MAX, PAGE_RETRY, WALLS_MAX},
    view,
    wall::{self, Doing, Figures, Tally},
    when::clock,
};

/// The wallboards' part of the hub.
#[derive(Default)]
pub struct Walls {
    open: Vec<Wall>,
    shown: Option<(Figures, ui::Link)>,
    pub tally: Tally,
    /// Links that were made and not shown yet: no more than there are links.
    new_links: Vec<NewLink>,
}

struct NewLink {
    /// Digest of its token.
    key: String,
    /// Who made it.
    session: String,
    address: String,
}

struct Wall {
    /// Digest of the session or of the link that opened it.
    key: String,
    lang: Lang,
    events: mpsc::Sender<Bytes>,
}

#[derive(Serialize)]
struct WallFrame {
    html: String,
    link: &'static str,
    word: String,
    now: i64,
}

impl Hub {
    /// What stands on the wall now.
    #[must_use]
    pub fn wall(&self, lang: Lang) -> (ui::Wall, ui::Link) {
        let now = Timestamp::now();
        let inner = self.lock();
        (shown(&self.figures(&inner, now), now, self.texts(lang)), inner.link())
    }

    /// Server-sent events of a wallboard: how things are, then each change. None when too many are open.
    #[must_use]
    pub fn subscribe_wall(&self, key: &str, lang: Lang) -> Option<mpsc::Receiver<Bytes>> {
        let now = Timestamp::now();
        let mut inner = self.lock();
        inner.walls.open.retain(|wall| !wall.events.is_closed());
        if inner.is_closed() || inner.walls.open.len() >= WALLS_MAX {
            return None;
        }
        let (events, queue) = mpsc::channel(PAGE_QUEUE_MAX);
        let retry = Bytes::from(format!("retry: {}\n\n", PAGE_RETRY.as_millis()));
        let first = frame(&self.figures(&inner, now), inner.link(), now, self.texts(lang));
        for bytes in [retry, first] {
            events.try_send(bytes).expect("a new queue has room for two");
        }
        inner.walls.open.push(Wall { key: key.to_owned(), lang, events });
        Some(queue)
    }

    /// Tells the wallboards what has changed; also that a new day has begun.
    pub fn refresh_walls(&self) {
        self.tell_walls(&mut self.lock(), Timestamp::now());
    }

    /// The link or session that opened these wallboards has ended.
    pub fn close_walls(&self, key: &str) {
        let walls = &mut self.lock().walls;
        walls.open.retain(|wall| wall.key != key);
        walls.new_links.retain(|link| link.key != key);
    }

    /// The next wallboard of this session shows the address of the link that it has made.
    pub fn show_once(&self, key: String, session: &str, address: String) {
        let session = session.to_owned();
        self.lock().walls.new_links.push(NewLink { key, session, address });
    }

    /// The address of the link that this session made last; it is told once.
    #[must_use]
    pub fn new_link(&self, session: &str) -> Option<String> {
        let walls = &mut self.lock().walls;
        let (mut own, others): (Vec<NewLink>, _) =
            std::mem::take(&mut walls.new_links).into_iter().partition(|link| link.session == session);
        walls.new_links = others;
        own.pop().map(|link| link.address)
    }

    /// What became of the calls of today before the start.
    pub fn start_tally(&self, answered: u64, missed: u64) {
        let today = Timestamp::now().to_zoned(self.zone().clone()).date();
        self.lock().walls.tally = Tally::of(today, answered, missed);
    }

    pub(super) fn tell_walls(&self, inner: &mut Inner, now: Timestamp) {
        if inner.walls.open.is_empty() {
            return;
        }
        let new = (self.figures(inner, now), inner.link());
        if inner.walls.shown.as_ref() == Some(&new) {
            return;
        }
        let frames = Lang::ALL.map(|lang| (lang, frame(&new.0, new.1, now, self.texts(lang))));
        for (lang, bytes) in &frames {
            inner.walls.open.retain(|wall| wall.lang != *lang || wall.events.try_send(bytes.clone()).is_ok());
        }
        inner.walls.shown = Some(new);
    }

    fn figures(&self, inner: &Inner, now: Timestamp) -> Figures {
        let today = now.to_zoned(self.zone().clone()).date();
        wall::figures(&inner.board, inner.directory.agents(), inner.walls.tally.on(today))
    }
}

fn frame(figures: &Figures, link: ui::Link, now: Timestamp, texts: &Arc<Texts>) -> Bytes {
    let html = ui::fragment(&shown(figures, now, texts));
    let word = texts.link_word(link).into();
    let frame = WallFrame { html, link: link.key(), word, now: now.as_millisecond() };
    let json = serde_json::to_string(&frame).expect("frames are plain texts and numbers");
    Bytes::from(format!("event: wall\ndata: {json}\n\n"))
}

fn shown(figures: &Figures, now: Timestamp, texts: &Arc<Texts>) -> ui::Wall {
    let timer = |since: Timestamp| ui::Timer {
        since_ms: since.as_millisecond(),
        text: clock(now.duration_since(since).as_secs()),
    };
    let agent = |agent: &wall::Agent| {
        let (key, word, since) = match agent.doing {
            Doing::Talks(since) => ("talking", &texts.wall.talking, Some(since)),
            Doing::Rings(since) => ("ringing", &texts.wall.ringing, Some(since)),
            Doing::Free => ("free", &texts.wall.free, None),
        };
        let name = view::named(&agent.line, texts);
        ui::WallAgent { name, key, word: word.into(), timer: since.map(timer) }
    };
    ui::Wall {
        waiting: figures.waiting,
        longest: figures.waiting_since.map(timer),
        answered: figures.tally.answered,
        missed: figures.tally.missed,
        agents: figures.agents.iter().map(agent).collect(),
        texts: Arc::clone(texts),
    }
}
