//! A call as a card: the words, times and numbers that a person reads.

use jiff::{Timestamp, Zoned, civil::Date, tz::TimeZone};
use ui::{Card, Code, Dialled, Fact, MatchLine, Phase};

use super::{
    call::{Call, LastCall, Line, Outcome, Place, Stage},
    limits::{FACTS_SHOWN_MAX, FINISHED_STAYS, LINES_SHOWN_MAX, MATCHES_SHOWN_MAX, TAKEN_STAYS},
    sight::{Part, Sight, Tab},
};
use crate::people::{
    contact::{Candidate, Contact, certain},
    number::Number,
};
use crate::store::desks::Mark;

/// Who calls, for people: the contact, else the number, else "Anonymous caller". What the network calls the caller is
/// a label beside that, never their name.
#[must_use]
pub fn who(call: &Call) -> String {
    let number = || call.caller.people().unwrap_or("Anonymous caller").to_owned();
    contact(call).map_or_else(number, |contact| contact.title().to_owned())
}

fn candidates(call: &Call) -> &[Candidate] {
    call.known.as_ref().map_or(&[], |known| &known.candidates)
}

/// The contact who surely calls.
fn contact(call: &Call) -> Option<&Contact> {
    certain(candidates(call)).map(|candidate| &candidate.contact)
}

/// The card of a call for one person, in words of the zone `zone`.
#[must_use]
pub fn card(call: &Call, sight: &Sight, mark: &Mark, now: Timestamp, zone: &TimeZone) -> Card {
    let who = who(call);
    let (lines_heading, lines) = lines(call);
    let word = word(call, &sight.part);
    let has_left = left(call, &sight.part);
    let created = call.created.to_zoned(zone.clone());
    Card {
        id: call.id.clone(),
        tab: match sight.tab {
            Tab::Active => ui::Tab::Active,
            Tab::Recent => ui::Tab::Recent,
            Tab::Missed => ui::Tab::Missed,
        },
        active_until_ms: active_until(call, &sight.part).map(Timestamp::as_millisecond),
        pinned: mark.pinned,
        claim: None,
        codes: Vec::new(),
        notes: mark.notes.clone(),
        created_ms: call.created.as_millisecond(),
        caller_key: call.caller.key().map(str::to_owned),
        call_back: call_back(call),
        phase: phase(call, &sight.part),
        say: say(call, &sight.part, &who, &word),
        word,
        number: number(call),
        label: said(&call.caller_name),
        company: contact(call).and_then(|contact| said(&contact.company).filter(|name| *name != who)),
        tier: contact(call).and_then(|contact| said(&contact.tier)),
        link: contact(call).and_then(link),
        facts: facts(call),
        matches: matches(call),
        unknown: matches!(call.caller, Number::Phone(_) | Number::Digits { .. })
            && call.known.as_ref().is_some_and(|known| known.done && known.candidates.is_empty()),
        failures: call.known.as_ref().map(|known| known.failures()).unwrap_or_default(),
        queue: call.queue.clone().filter(|name| !name.is_empty()),
        waited: call.answered_at.map(|at| clock(at.duration_since(call.created).as_secs())),
        who,
        dialled: Dialled {
            label: Some(call.dialled_label.clone()).filter(|label| !label.is_empty()),
            number: call.dialled.people().map(str::to_owned),
        },
        lines_heading: lines_heading.to_owned(),
        lines: shown(lines),
        since_ms: since(call).filter(|_| has_left.is_none()).map(Timestamp::as_millisecond),
        duration: duration(call, now).filter(|_| has_left.is_none()),
        came_in: came_in(&created, now),
        came_in_iso: call.created.to_string(),
        last_call: call.history.as_ref().map(|history| match &history.last {
            Some(last) => last_call(last, now, zone),
            None => "None on record".to_owned(),
        }),
        today: call.history.as_ref().map(|history| format!("{} call today", ordinal(history.today))),
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
        Stage::Waiting(_) => Phase::Waiting,
        Stage::Ringing => Phase::Ringing,
        Stage::Answered => Phase::Answered,
        Stage::Ended(Outcome::Missed) => Phase::Missed,
        Stage::Ended(Outcome::Unknown) if call.cut_off => Phase::CutOff,
        Stage::Ended(Outcome::Answered | Outcome::Unknown) => Phase::Ended,
    }
}

/// What became of a call that is no longer with this person.
fn left(call: &Call, part: &Part) -> Option<String> {
    let by = |lines: &[Line]| lines.first().map_or_else(|| "a colleague".to_owned(), Line::short);
    match part {
        Part::Taken(lines) => Some(format!("Taken by {}", by(lines))),
        Part::HandedOn(lines) => Some(format!("Passed on to {}", by(lines))),
        Part::Moved if call.is_live() => Some("Rings elsewhere".to_owned()),
        _ => None,
    }
}

/// Until when a call that is over for this person stays among the active ones.
fn active_until(call: &Call, part: &Part) -> Option<Timestamp> {
    let (since, stays) = match part {
        Part::Taken(_) | Part::HandedOn(_) | Part::Moved if call.is_live() => (call.heard, TAKEN_STAYS),
        Part::Taken(_) | Part::HandedOn(_) => return None,
        Part::Rings | Part::Talks | Part::Watched | Part::Moved => (call.ended_at?, FINISHED_STAYS),
    };
    since.checked_add(stays).ok()
}

fn word(call: &Call, part: &Part) -> String {
    if let Some(word) = left(call, part) {
        return word;
    }
    match &call.stage {
        Stage::Answered if call.parked => "Parked".to_owned(),
        Stage::Ended(Outcome::Missed) if call.settled => "Missed, talked since".to_owned(),
        Stage::Waiting(Place::Menu) => "In the menu".to_owned(),
        Stage::Waiting(Place::Queue(name)) if name.is_empty() => "In a queue".to_owned(),
        Stage::Waiting(Place::Queue(name)) => format!("In queue {name}"),
        Stage::Waiting(Place::Voicemail) => "At voicemail".to_owned(),
        Stage::Ringing => "Ringing".to_owned(),
        Stage::Answered => "Answered".to_owned(),
        Stage::Ended(Outcome::Missed) if call.voicemail => "Missed, went to voicemail".to_owned(),
        Stage::Ended(Outcome::Missed) => "Missed".to_owned(),
        Stage::Ended(Outcome::Unknown) if call.cut_off => "Cut off".to_owned(),
        Stage::Ended(Outcome::Answered | Outcome::Unknown) => "Ended".to_owned(),
    }
}

/// The number, unless it stands in place of a name.
fn number(call: &Call) -> Option<String> {
    match &call.caller {
        Number::Withheld => said(&call.caller_name).map(|_| "Number withheld".to_owned()),
        number => contact(call).and_then(|_| number.people().map(str::to_owned)),
    }
}

fn said(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// An address of the web, nothing that a browser would run.
fn link(contact: &Contact) -> Option<String> {
    let url = url::Url::parse(&contact.link).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.to_string())
}

fn facts(call: &Call) -> Vec<Fact> {
    let Some(contact) = contact(call) else { return Vec::new() };
    let own = [("Notes", &contact.notes), ("Email", &contact.email)];
    let own = own.into_iter().map(|(label, text)| (label.to_owned(), text.clone()));
    let other = contact.other.iter().map(|(label, text)| (label.clone(), text.clone()));
    let all = own.chain(other).filter(|(_, text)| !text.is_empty());
    all.take(FACTS_SHOWN_MAX).map(|(label, text)| Fact { label, text }).collect()
}

/// Those who may call, while nobody knows which of them.
fn matches(call: &Call) -> Vec<MatchLine> {
    if contact(call).is_some() {
        return Vec::new();
    }
    let line = |candidate: &Candidate| MatchLine {
        key: candidate.contact.key(),
        title: candidate.contact.title().to_owned(),
        company: said(&candidate.contact.company),
        reason: candidate.matched.reason.text().to_owned(),
    };
    candidates(call).iter().take(MATCHES_SHOWN_MAX).map(line).collect()
}

fn lines(call: &Call) -> (&'static str, &[Line]) {
    match call.stage {
        Stage::Waiting(_) | Stage::Ringing => ("Rings at", &call.ringing),
        Stage::Answered => ("Answered by", &call.answered_by),
        Stage::Ended(_) if call.answered_at.is_some() => ("Answered by", &call.answered_by),
        Stage::Ended(_) => ("Rang at", &call.rang),
    }
}

fn shown(lines: &[Line]) -> Vec<String> {
    let mut texts: Vec<String> = lines.iter().take(LINES_SHOWN_MAX).map(Line::people).collect();
    if lines.len() > LINES_SHOWN_MAX {
        texts.push(format!("and {} more", lines.len() - LINES_SHOWN_MAX));
    }
    texts
}

/// The number to dial, where there is one.
fn call_back(call: &Call) -> Option<String> {
    match &call.caller {
        Number::Phone(phone) => Some(format!("tel:{}", phone.e164)),
        _ => None,
    }
}

fn say(call: &Call, part: &Part, who: &str, word: &str) -> String {
    if left(call, part).is_some() || call.parked {
        return format!("{who}: {}", lower(word));
    }
    let by = |lines: &[Line]| lines.first().map(|line| line.name.clone()).filter(|name| !name.is_empty());
    match &call.stage {
        Stage::Ringing => format!("{who} is calling"),
        Stage::Waiting(_) => format!("{who} is calling: {}", lower(word)),
        Stage::Answered => match by(&call.answered_by) {
            Some(name) => format!("{who}: answered by {name}"),
            None => format!("{who}: answered"),
        },
        Stage::Ended(_) => format!("{who}: {}", lower(word)),
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

fn duration(call: &Call, now: Timestamp) -> Option<String> {
    let start = match call.stage {
        // How long a call took whose end was not seen is not known.
        Stage::Ended(Outcome::Unknown) => return None,
        _ => call.answered_at.unwrap_or(call.created),
    };
    let text = clock(call.ended_at.unwrap_or(now).duration_since(start).as_secs());
    Some(match call.stage {
        Stage::Ended(Outcome::Answered) => format!("Talked {text}"),
        Stage::Ended(_) => format!("Rang {text}"),
        _ => text,
    })
}

/// "0:07", "12:30", "1:02:03"
pub(super) fn clock(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

fn came_in(created: &Zoned, now: Timestamp) -> String {
    let time = created.strftime("%-I:%M %p").to_string();
    let today = now.to_zoned(created.time_zone().clone()).date();
    match day(created.date(), today) {
        Day::Today => time,
        Day::Yesterday => format!("Yesterday, {time}"),
        Day::Earlier => format!("{}, {time}", created.strftime("%b %-d")),
        Day::OtherYear => format!("{}, {time}", created.strftime("%b %-d, %Y")),
    }
}

enum Day {
    Today,
    Yesterday,
    Earlier,
    OtherYear,
}

fn day(date: Date, today: Date) -> Day {
    match date {
        _ if date == today => Day::Today,
        _ if today.yesterday().is_ok_and(|yesterday| date == yesterday) => Day::Yesterday,
        _ if date.year() == today.year() => Day::Earlier,
        _ => Day::OtherYear,
    }
}

fn last_call(last: &LastCall, now: Timestamp, zone: &TimeZone) -> String {
    let created = last.created.to_zoned(zone.clone());
    let time = came_in(&created, now);
    let is_today = created.date() == now.to_zoned(zone.clone()).date();
    let time = if is_today { format!("Today, {time}") } else { time };
    match (last.outcome, &last.answered_by) {
        // As it was when this card came up; nobody tells this card how that one ended.
        (None, _) => format!("{time}, was still going on"),
        (Some(Outcome::Answered), Some(line)) => format!("{time}, answered by {line}"),
        (Some(Outcome::Answered), None) => format!("{time}, answered"),
        (Some(Outcome::Missed), _) => format!("{time}, missed"),
        (Some(Outcome::Unknown), _) => time,
    }
}

/// "1st", "22nd", "113th"
fn ordinal(n: u64) -> String {
    let ending = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals() {
        let texts: Vec<_> = [1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111].into_iter().map(ordinal).collect();
        assert_eq!(texts.join(" "), "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 101st 111th");
    }

    #[test]
    fn clocks() {
        assert_eq!([clock(-5), clock(7), clock(750), clock(3723)], ["0:00", "0:07", "12:30", "1:02:03"]);
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let now: Timestamp = "2026-03-02T03:30:00Z".parse().unwrap();
        let text = |at: &str| {
            let last =
                LastCall { created: at.parse().unwrap(), outcome: Some(Outcome::Missed), answered_by: None };
            last_call(&last, now, &zone)
        };
        assert_eq!(text("2026-03-02T01:05:00Z"), "Today, 8:05 PM, missed");
        assert_eq!(text("2026-03-01T04:59:00Z"), "Yesterday, 11:59 PM, missed");
        assert_eq!(text("2026-01-15T15:00:00Z"), "Jan 15, 10:00 AM, missed");
        assert_eq!(text("2025-12-31T15:00:00Z"), "Dec 31, 2025, 10:00 AM, missed");
    }
}
