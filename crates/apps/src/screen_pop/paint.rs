//! What the hub paints: a person's page, their cards, and the frames that tell their open pages of a change, each in the
//! language of the page.

use jiff::Timestamp;
use ui::{Card, Lang, ScreenPop};

use super::{
    call::Call,
    frames::{CardFrame, GoneFrame, LinkFrame, SnapshotCard, SnapshotFrame},
    hub::{Hub, Inner},
    kept::Room,
    seat::Seat,
    settings,
    sight::{self, Directory, Person, Sight, Tab},
    view,
};

impl Hub {
    /// The person's page as it is now. None without a seat.
    #[must_use]
    pub fn page(&self, person: &Person, lang: Lang) -> Option<ScreenPop> {
        let now = Timestamp::now();
        let inner = self.lock();
        let seat = inner.seats.get(&person.id)?;
        let admin = inner.is_admin(seat);
        let texts = self.texts(lang);
        Some(ScreenPop {
            cards: self.cards(&inner, seat, lang, now).into_iter().map(|(card, _)| card).collect(),
            link: inner.link(),
            sign_in: inner.sign_in.as_ref().filter(|_| admin).map(|sign_in| sign_in.login_url.clone()),
            problem: inner.problem.as_ref().and_then(|problem| problem.words(texts, admin)),
            now_ms: now.as_millisecond(),
            desk: ui::Desk {
                email: seat.person.id.clone(),
                admin,
                everybody: seat.choice.everybody,
                unowned: seat.choice.unowned,
                team: seat.choice.team,
                do_not_disturb: seat.choice.do_not_disturb,
                sound: seat.choice.sound,
                keys: seat.choice.keys,
                lines: settings::lines(seat, &inner.directory, texts),
                hours: settings::hours(&seat.choice, texts),
                ..ui::Desk::default()
            },
            texts: texts.clone(),
        })
    }

    /// One card of a person. None if there is no such call for them.
    #[must_use]
    pub fn one(&self, person: &Person, call: &str, lang: Lang) -> Option<Card> {
        let inner = self.lock();
        let seat = inner.seats.get(&person.id)?;
        let (_, call) = inner.board.find(call)?;
        let sight = seat.sight(call, inner.operator.as_deref(), &inner.directory)?;
        let claim = claim(seat, call, &sight, inner.operator.as_deref(), &inner.directory);
        Some(Card { claim, ..self.card(seat, call, &sight, lang, Timestamp::now()) })
    }

    /// Tells a person's pages how a call stands, or takes it from them.
    pub(super) fn tell(
        &self,
        seat: &mut Seat,
        call: &Call,
        operator: Option<&str>,
        directory: &Directory,
        now: Timestamp,
    ) {
        match seat.sight(call, operator, directory) {
            Some(sight) => {
                let claim = claim(seat, call, &sight, operator, directory);
                let frames = seat.in_languages(|lang| CardFrame {
                    id: &call.id,
                    html: ui::fragment(&Card {
                        claim: claim.clone(),
                        ..self.card(seat, call, &sight, lang, now)
                    }),
                    alert: seat.is_to_tell(&call.id, &sight),
                    now: now.as_millisecond(),
                });
                if seat.is_news(&call.id, &frames) {
                    seat.send_each(self.run, "card", &frames);
                }
            }
            None if seat.shown.remove(&call.id).is_some() => {
                seat.send(self.run, "gone", &GoneFrame { ids: std::slice::from_ref(&call.id) });
            }
            None => {}
        }
    }

    pub(super) fn all_anew(&self, inner: &mut Inner) {
        let people: Vec<String> = inner.seats.keys().cloned().collect();
        for person in people {
            self.anew(inner, &person);
        }
    }

    /// A fresh snapshot for all pages of a person.
    pub(super) fn anew(&self, inner: &mut Inner, person: &str) {
        let now = Timestamp::now();
        let Some(seat) = inner.seats.get(person).filter(|seat| seat.is_taken()) else { return };
        let frames = seat.in_languages(|lang| self.snapshot(inner, seat, lang, now));
        let Some(seat) = inner.seats.get_mut(person) else { return };
        let ids = frames.first().into_iter().flat_map(|(_, frame)| &frame.cards);
        seat.shown = ids.map(|card| (card.id.clone(), None)).collect();
        seat.send_each(self.run, "snapshot", &frames);
    }

    /// All that a person sees.
    pub(super) fn snapshot(&self, inner: &Inner, seat: &Seat, lang: Lang, now: Timestamp) -> SnapshotFrame {
        let card = |(card, sight): (Card, Sight)| SnapshotCard {
            html: ui::fragment(&card),
            alert: seat.is_to_tell(&card.id, &sight),
            id: card.id,
        };
        let cards = self.cards(inner, seat, lang, now).into_iter().map(card).collect();
        SnapshotFrame { cards, now: now.as_millisecond() }
    }

    /// How the app stands with the phone system, for a person who can mend it, or cannot.
    pub(super) fn link_frame(&self, inner: &Inner, lang: Lang, mends: bool) -> LinkFrame {
        let (link, texts) = (inner.link(), self.texts(lang));
        let problem = inner.problem.as_ref().and_then(|problem| problem.words(texts, mends));
        LinkFrame { key: link.key(), word: texts.link_word(link).into(), problem }
    }

    fn cards(&self, inner: &Inner, seat: &Seat, lang: Lang, now: Timestamp) -> Vec<(Card, Sight)> {
        let mut room = Room::default();
        let of_seat = |call: &Call| {
            let sight = seat.sight(call, inner.operator.as_deref(), &inner.directory)?;
            if !room.has(call, &sight, seat.mark_of(&call.id).pinned) {
                return None;
            }
            let claim = claim(seat, call, &sight, inner.operator.as_deref(), &inner.directory);
            Some((Card { claim, ..self.card(seat, call, &sight, lang, now) }, sight))
        };
        inner.board.calls().iter().filter_map(of_seat).collect()
    }

    fn card(&self, seat: &Seat, call: &Call, sight: &Sight, lang: Lang, now: Timestamp) -> Card {
        let mark = seat.mark_of(&call.id);
        let codes = view::codes(self.outcomes(), &mark.code);
        let notes_version = seat.notes_version(&call.id);
        Card { codes, notes_version, ..view::card(call, sight, &mark, now, self.zone(), self.texts(lang)) }
    }
}

/// Who takes a missed call, as this person's card says it.
fn claim(
    seat: &Seat,
    call: &Call,
    sight: &Sight,
    operator: Option<&str>,
    directory: &Directory,
) -> Option<ui::Claim> {
    let by = call.claimed.as_ref().filter(|_| sight.tab == Tab::Missed)?;
    let mine = *by == seat.person.id;
    let may_free = sight::is_admin(&seat.person, operator);
    Some(ui::Claim { by: directory.name(by).to_owned(), mine, may_free })
}
