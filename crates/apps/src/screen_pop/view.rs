//! A call as a card: the words, times and numbers that a person reads, in their language.

use std::sync::Arc;

use jiff::{Timestamp, tz::TimeZone};
use ui::{Card, Code, Dialled, Fact, MatchLine, Phase, Texts};

use super::{
    call::{Call, Line, Logged, Outcome, Place, Stage},
    limits::{FACTS_SHOWN_MAX, FINISHED_STAYS, LINES_SHOWN_MAX, MATCHES_SHOWN_MAX, TAKEN_STAYS},
    sight::{Part, Sight, Tab},
    when::{clock, coming, last_call, short},
};
use crate::people::{
    compare::{Level, Reason},
    contact::{Candidate, Contact, certain},
    number::Number,
    sources::{Failure, further::About},
};
use crate::store::{contacts::BY_HAND, desks::Mark};

/// Who calls, for people: the contact, else the number, else that they are anonymous. What the network calls the caller is
/// a label beside that, never their name.
#[must_use]
pub fn who(call: &Call, texts: &Texts) -> String {
    let number = || call.caller.people().unwrap_or(texts.card.anonymous.as_str()).to_owned();
    contact(call).map_or_else(number, |contact| contact.title().to_owned())
}

fn candidates(call: &Call) -> &[Candidate] {
    call.known.as_ref().map_or(&[], |known| &known.candidates)
}

/// The contact who surely calls.
fn contact(call: &Call) -> Option<&Contact> {
    certain(candidates(call)).map(|candidate| &candidate.contact)
}

/// The card of a call for one person, with times of the zone `zone`.
#[must_use]
pub fn card(
    call: &Call,
    sight: &Sight,
    mark: &Mark,
    now: Timestamp,
    zone: &TimeZone,
    texts: &Arc<Texts>,
) -> Card {
    let who = who(call, texts);
    let (lines_heading, lines) = lines(call, texts);
    let word = word(call, &sight.part, texts);
    let has_left = left(call, &sight.part, texts);
    let created = call.created.to_zoned(zone.clone());
    Card {
        id: call.id.clone(),
        tab: match sight.tab {
            Tab::Active => ui::Tab::Active,
            Tab::Recent => ui::Tab::Recent,
            Tab::Missed => ui::Tab::Missed,
        },
        active_until_ms: active_until(call, sight).map(Timestamp::as_millisecond),
        pinned: mark.pinned,
        closed: sight.closed,
        claim: None,
        codes: Vec::new(),
        notes: mark.notes.clone(),
        notes_version: 0,
        notes_go_to: call.logged.as_ref().map(|logged| crm(logged).to_owned()),
        logged: logged(call, texts),
        created_ms: call.created.as_millisecond(),
        caller_key: call.caller.key().map(str::to_owned),
        call_back: call_back(call),
        phase: phase(call, &sight.part),
        say: say(call, &sight.part, &who, &word, texts),
        word,
        number: number(call, texts),
        label: said(&call.caller_name),
        company: contact(call).and_then(|contact| said(&contact.company).filter(|name| *name != who)),
        tier: contact(call).and_then(|contact| said(&contact.tier)),
        links: links(call, &who, texts),
        sources: sources(call, texts),
        facts: facts(call, now, zone, texts),
        matches: matches(call, texts),
        named: contact(call).is_some(),
        picked: candidates(call).first().is_some_and(|first| first.picked),
        contact_form: contact_form(call, &who, texts),
        failures: failures(call, texts),
        queue: call.queue.clone().filter(|name| !name.is_empty()),
        waited: call.answered_at.map(|at| clock(at.duration_since(call.created).as_secs())),
        who,
        dialled: Dialled {
            label: Some(call.dialled_label.clone()).filter(|label| !label.is_empty()),
            number: call.dialled.people().map(str::to_owned),
        },
        lines_heading,
        lines: shown(lines, texts),
        timer_words: timer_words(call, texts),
        since_ms: since(call).filter(|_| has_left.is_none()).map(Timestamp::as_millisecond),
        duration: duration(call, now, texts).filter(|_| has_left.is_none()),
        came_in: short(&created, now, texts),
        came_in_iso: call.created.to_string(),
        last_calls: last_calls(call, now, zone, texts),
        today: call.history.as_ref().map(|history| texts.nth(&texts.card.calls_today, history.today)),
        texts: Arc::clone(texts),
    }
}

fn crm(logged: &Logged) -> &str {
    match logged {
        Logged::Waits(crm) | Logged::There(crm) | Logged::Failed { crm, .. } => crm,
    }
}

/// Whether the call is in the CRM; nothing while it waits for its turn.
fn logged(call: &Call, texts: &Texts) -> Option<ui::LoggedLine> {
    let words = &texts.card;
    match call.logged.as_ref()? {
        Logged::Waits(_) => None,
        Logged::There(crm) => Some(ui::LoggedLine { text: words.logged.with("crm", crm), failed: false }),
        Logged::Failed { crm, why, again } => {
            let why = why.as_ref().map(|why| failure(crm, why, texts)).unwrap_or_default();
            let words = if *again { &words.not_logged_yet } else { &words.not_logged };
            Some(ui::LoggedLine { text: words.fill(&[("crm", crm), ("why", &why)]), failed: true })
        }
    }
}

/// The words for what came of a call; one that was chosen stays, though it is not listed any more.
#[must_use]
pub fn codes(outcomes: &[String], chosen: &str) -> Vec<Code> {
    let former =
        Some(chosen).filter(|chosen| !chosen.is_empty() && !outcomes.iter().any(|text| text == chosen));
    let texts = outcomes.iter().map(String::as_str).chain(former);
    texts.map(|text| Code { text: text.to_owned(), chosen: text == chosen }).collect()
}

fn phase(call: &Call, part: &Part) -> Phase {
    if call.is_live() && matches!(part, Part::Taken(_) | Part::HandedOn(_) | Part::Moved) {
        return Phase::Ended;
    }
    match call.stage {
        // It comes to this person after somebody else has answered.
        Stage::Answered if *part == Part::Rings => Phase::Ringing,
        Stage::Waiting(_) => Phase::Waiting,
        Stage::Ringing => Phase::Ringing,
        Stage::Answered => Phase::Answered,
        Stage::Ended(Outcome::Missed) => Phase::Missed,
        Stage::Ended(Outcome::Unknown) if call.cut_off => Phase::CutOff,
        Stage::Ended(Outcome::Answered | Outcome::Unknown) => Phase::Ended,
    }
}

/// What became of a call that is no longer with this person.
fn left(call: &Call, part: &Part, texts: &Texts) -> Option<String> {
    let by = |lines: &[Line]| match lines.first() {
        Some(line) => short_name(line, texts),
        None => (&texts.state.colleague).into(),
    };
    match part {
        Part::Taken(lines) => Some(texts.state.taken.with("name", by(lines))),
        Part::HandedOn(lines) => Some(texts.state.passed_on.with("name", by(lines))),
        Part::Moved if call.is_live() => Some((&texts.state.elsewhere).into()),
        _ => None,
    }
}

/// "Front Desk · 1001"
pub(super) fn named(line: &Line, texts: &Texts) -> String {
    match (line.name.as_str(), line.extension.as_str()) {
        ("", "") => (&texts.card.unnamed_line).into(),
        ("", extension) => texts.card.extension.with("number", extension),
        _ => line.people(),
    }
}

/// "Front Desk"
pub(super) fn short_name(line: &Line, texts: &Texts) -> String {
    if line.name.is_empty() { named(line, texts) } else { line.name.clone() }
}

/// The calls before this one, in words; nothing while that is not known.
fn last_calls(call: &Call, now: Timestamp, zone: &TimeZone, texts: &Texts) -> Vec<String> {
    let Some(history) = &call.history else { return Vec::new() };
    if history.calls.is_empty() {
        return vec![(&texts.last.none).into()];
    }
    history.calls.iter().map(|last| last_call(last, now, zone, texts)).collect()
}

/// What stands before and behind the timer: how long a caller waits says so.
fn timer_words(call: &Call, texts: &Texts) -> (String, String) {
    if !matches!(call.stage, Stage::Waiting(_) | Stage::Ringing) {
        return Default::default();
    }
    let (before, behind) = texts.state.waits.as_str().split_once("{time}").unwrap_or_default();
    (before.to_owned(), behind.to_owned())
}

/// Until when a call that is over for this person stays among the active ones.
pub(super) fn active_until(call: &Call, sight: &Sight) -> Option<Timestamp> {
    if sight.closed {
        return None;
    }
    let (since, stays) = match &sight.part {
        Part::Taken(_) | Part::HandedOn(_) | Part::Moved if call.is_live() => (call.heard, TAKEN_STAYS),
        Part::Taken(_) | Part::HandedOn(_) => return None,
        Part::Rings | Part::Talks | Part::Watched | Part::Moved => (call.ended_at?, FINISHED_STAYS),
    };
    since.checked_add(stays).ok()
}

fn word(call: &Call, part: &Part, texts: &Texts) -> String {
    if let Some(word) = left(call, part, texts) {
        return word;
    }
    let words = &texts.state;
    let word = match &call.stage {
        Stage::Answered if *part == Part::Rings => &words.ringing,
        Stage::Answered if call.parked => &words.parked,
        Stage::Ended(Outcome::Missed) if call.settled => &words.settled,
        Stage::Waiting(Place::Menu) => &words.menu,
        Stage::Waiting(Place::Queue(name)) if name.is_empty() => &words.some_queue,
        Stage::Waiting(Place::Queue(name)) => return words.queue.with("name", name),
        Stage::Waiting(Place::Voicemail) => &words.voicemail,
        Stage::Ringing => &words.ringing,
        Stage::Answered => &words.answered,
        Stage::Ended(Outcome::Missed) if call.voicemail => &words.missed_voicemail,
        Stage::Ended(Outcome::Missed) => &words.missed,
        Stage::Ended(Outcome::Unknown) if call.cut_off => &words.cut_off,
        Stage::Ended(Outcome::Answered | Outcome::Unknown) => &words.ended,
    };
    word.into()
}

/// The number, unless it stands in place of a name.
fn number(call: &Call, texts: &Texts) -> Option<String> {
    match &call.caller {
        Number::Withheld => said(&call.caller_name).map(|_| (&texts.card.withheld).into()),
        number => contact(call).and_then(|_| number.people().map(str::to_owned)),
    }
}

fn said(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// An address of the web, nothing that a browser would run.
fn web(address: &str) -> Option<String> {
    let url = url::Url::parse(address).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.to_string())
}

/// Pages of the contact, each in its source.
fn links(call: &Call, who: &str, texts: &Texts) -> Vec<ui::PageLink> {
    let parts = certain(candidates(call)).map_or(&[][..], |candidate| &candidate.parts);
    let several = parts.iter().filter(|part| web(&part.link).is_some()).count() > 1;
    let words = |part: &Contact| match several {
        true => texts.card.open_in.fill(&[("who", &who), ("source", &source_name(part, texts))]),
        false => texts.card.open.with("who", who),
    };
    parts
        .iter()
        .filter_map(|part| Some(ui::PageLink { address: web(&part.link)?, text: words(part) }))
        .collect()
}

fn source_name(part: &Contact, texts: &Texts) -> String {
    if part.source == BY_HAND { (&texts.card.by_hand).into() } else { part.source.clone() }
}

/// Who knows the contact, when it is more than one source.
fn sources(call: &Call, texts: &Texts) -> Option<String> {
    let parts = certain(candidates(call)).map_or(&[][..], |candidate| &candidate.parts);
    let names: Vec<String> = parts.iter().map(|part| source_name(part, texts)).collect();
    (names.len() > 1).then(|| texts.card.known_to.with("sources", names.join(", ")))
}

fn facts(call: &Call, now: Timestamp, zone: &TimeZone, texts: &Texts) -> Vec<Fact> {
    let Some(contact) = contact(call) else { return Vec::new() };
    let own = [(&texts.card.contact_notes, &contact.notes), (&texts.card.email, &contact.email)];
    let own = own.into_iter().map(|(label, text)| (label.into(), text.clone()));
    let said = |text: &String| match text.as_str() {
        "true" => (&texts.card.yes).into(),
        "false" => (&texts.card.no).into(),
        _ => text.clone(),
    };
    let other = contact.other.iter().map(|(label, text)| (label.clone(), said(text)));
    let all = own.chain(other).filter(|(_, text)| !text.is_empty()).take(FACTS_SHOWN_MAX);
    let plain = all.map(|(label, text)| Fact { label, text, link: None });
    tickets(contact, texts).into_iter().chain(appointment(contact, now, zone, texts)).chain(plain).collect()
}

/// "3 · Printer on fire"
fn tickets(contact: &Contact, texts: &Texts) -> Option<Fact> {
    let tickets = contact.tickets.as_ref()?;
    let text = match (tickets.open, tickets.newest.as_str()) {
        (0, _) => (&texts.card.no_tickets).into(),
        (open, "") => texts.number(open),
        (open, newest) => format!("{} · {newest}", texts.number(open)),
    };
    let link = web(&tickets.link).filter(|_| tickets.open > 0);
    Some(Fact { label: (&texts.card.tickets).into(), text, link })
}

/// "Tomorrow, 2:05 PM · Demo"
fn appointment(contact: &Contact, now: Timestamp, zone: &TimeZone, texts: &Texts) -> Option<Fact> {
    let (due, appointment) = contact.next_appointment(now, zone)?;
    let when = coming(due, now, zone, texts);
    let text = if appointment.title.is_empty() { when } else { format!("{when} · {}", appointment.title) };
    Some(Fact { label: (&texts.card.appointment).into(), text, link: web(&appointment.link) })
}

/// Those who may call, while nobody knows which of them. Beside one who surely calls: those with the same number otherwise
/// written, and beside one who was picked, all others, since another of them can call the next time.
fn matches(call: &Call, texts: &Texts) -> Vec<MatchLine> {
    let sure = certain(candidates(call));
    let is_other = |candidate: &&Candidate| match sure {
        None => true,
        Some(sure) => {
            candidate.contact != sure.contact && (sure.picked || candidate.matched.level != Level::Maybe)
        }
    };
    let line = |candidate: &Candidate| MatchLine {
        key: candidate.contact.key(),
        title: candidate.contact.title().to_owned(),
        company: said(&candidate.contact.company),
        reason: reason(candidate.matched.reason, texts).into(),
    };
    candidates(call).iter().filter(is_other).take(MATCHES_SHOWN_MAX).map(line).collect()
}

/// A new contact where nobody is surely the caller; else the one that was kept on a card for this very number, to be
/// amended.
fn contact_form(call: &Call, who: &str, texts: &Texts) -> Option<ui::ContactForm> {
    if !matches!(call.caller, Number::Phone(_) | Number::Digits { .. }) {
        return None;
    }
    if call.known.as_ref().is_some_and(|known| known.is_nobody(call.is_live())) {
        let heading = texts.card.new_contact.with("who", who);
        return Some(ui::ContactForm {
            heading,
            name: call.caller_name.clone(),
            ..ui::ContactForm::default()
        });
    }
    let kept = |part: &&Contact| part.source == BY_HAND && Some(part.reference.as_str()) == call.caller.key();
    let kept = certain(candidates(call))?.parts.iter().find(kept)?;
    Some(ui::ContactForm {
        amends: true,
        heading: texts.kept.amend.with("who", &kept.name),
        name: kept.name.clone(),
        company: kept.company.clone(),
        notes: kept.notes.clone(),
    })
}

fn reason(reason: Reason, texts: &Texts) -> &ui::Text {
    let words = &texts.reason;
    match reason {
        Reason::SameNumber => &words.same,
        Reason::SameNumberOneExtension => &words.same_extension,
        Reason::HomeGuessed => &words.home,
        Reason::PlusGuessed => &words.plus,
        Reason::Letters => &words.letters,
        Reason::OtherExtension => &words.other_extension,
        Reason::CountryUncertain => &words.country,
        Reason::EndOfNumber => &words.end,
        Reason::Mobile9 => &words.mobile_9,
        Reason::BrazilNinthDigit => &words.brazil_9,
        Reason::ItalianZero => &words.italian_zero,
        Reason::SameCompany => &words.company,
        Reason::ShortNumber => &words.short,
    }
}

/// Sources that have not answered, in words.
fn failures(call: &Call, texts: &Texts) -> Vec<String> {
    let failed = call.known.iter().flat_map(|known| known.failures());
    failed.map(|(source, about, why)| failure(&part(source, about, texts), why, texts)).collect()
}

/// "HubSpot (Open tickets)"
fn part(source: &str, about: Option<&About>, texts: &Texts) -> String {
    let about: String = match about {
        None => return source.to_owned(),
        Some(About::Tickets) => (&texts.card.tickets).into(),
        Some(About::Appointments) => (&texts.card.appointment).into(),
        Some(About::Fact(label)) => label.clone(),
    };
    texts.failure.part.fill(&[("source", &source), ("part", &about)])
}

fn failure(source: &str, why: &Failure, texts: &Texts) -> String {
    let words = &texts.failure;
    let words = match why {
        Failure::Slow => &words.slow,
        Failure::Unreachable => &words.unreachable,
        Failure::Refused => &words.refused,
        Failure::Budget => &words.budget,
        Failure::Pause => &words.pause,
        Failure::Status(status) => {
            return words.status.fill(&[("source", &source), ("status", status)]);
        }
        Failure::Database => &words.database,
        Failure::NotSetUp => &words.not_set_up,
        Failure::Unreadable => &words.unreadable,
    };
    words.with("source", source)
}

fn lines<'a>(call: &'a Call, texts: &Texts) -> (String, &'a [Line]) {
    let (heading, lines) = match call.stage {
        Stage::Waiting(_) | Stage::Ringing => (&texts.card.rings_at, &call.ringing),
        Stage::Answered => (&texts.card.answered_by, &call.answered_by),
        Stage::Ended(_) if call.answered_at.is_some() => (&texts.card.answered_by, &call.answered_by),
        Stage::Ended(_) => (&texts.card.rang_at, &call.rang),
    };
    (heading.into(), lines)
}

fn shown(lines: &[Line], texts: &Texts) -> Vec<String> {
    let mut shown: Vec<String> = lines.iter().take(LINES_SHOWN_MAX).map(|line| named(line, texts)).collect();
    let more = lines.len().saturating_sub(LINES_SHOWN_MAX);
    if more > 0 {
        shown.push(texts.count(&texts.card.more_lines, more as u64));
    }
    shown
}

/// The number to dial, where there is one.
fn call_back(call: &Call) -> Option<String> {
    match &call.caller {
        Number::Phone(phone) => Some(format!("tel:{}", phone.e164)),
        _ => None,
    }
}

fn say(call: &Call, part: &Part, who: &str, word: &str, texts: &Texts) -> String {
    let other = || texts.say.other.fill(&[("who", &who), ("state", &lower(word))]);
    if *part == Part::Rings && call.is_live() {
        return texts.say.calling.with("who", who);
    }
    if left(call, part, texts).is_some() || call.parked {
        return other();
    }
    let by = |lines: &[Line]| lines.first().map(|line| line.name.clone()).filter(|name| !name.is_empty());
    match &call.stage {
        Stage::Ringing => texts.say.calling.with("who", who),
        Stage::Waiting(_) => texts.say.calling_in.fill(&[("who", &who), ("state", &lower(word))]),
        Stage::Answered => match by(&call.answered_by) {
            Some(name) => texts.say.answered_by.fill(&[("who", &who), ("name", &name)]),
            None => texts.say.answered.with("who", who),
        },
        Stage::Ended(_) => other(),
    }
}

fn lower(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// When the running timer began.
fn since(call: &Call) -> Option<Timestamp> {
    match call.stage {
        Stage::Waiting(_) | Stage::Ringing => Some(call.created),
        Stage::Answered => call.answered_at,
        Stage::Ended(_) => None,
    }
}

fn duration(call: &Call, now: Timestamp, texts: &Texts) -> Option<String> {
    let start = match call.stage {
        // How long a call took whose end was not seen is not known.
        Stage::Ended(Outcome::Unknown) => return None,
        _ => call.answered_at.unwrap_or(call.created),
    };
    let text = clock(call.ended_at.unwrap_or(now).duration_since(start).as_secs());
    Some(match call.stage {
        Stage::Ended(Outcome::Answered) => texts.state.talked.with("time", text),
        Stage::Ended(_) => texts.state.rang.with("time", text),
        _ => text,
    })
}
