//! The board: which inbound calls there are and how each stands. Pure: time and events are arguments.
//!
//! Calls pop once, follow their states by sequence number and never ring for ever: after a reconnect
//! [`Board::reconcile`] compares them with the calls under way, and [`Board::close`] ends what is gone.

use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use wire::{Direction, call_events::CallEvent};

use crate::people::parties::{Account, in_talk, parties};

use super::{
    call::{Call, History, Logged, Outcome, Stage, instant},
    callers::Known,
    elsewhere::Elsewhere,
    kept,
    limits::{FORGOTTEN_IDS_MAX, LIVE_CARDS_MAX, STALE_AFTER, WANTED_MAX},
};

/// The calls, newest first.
#[derive(Debug, Default)]
pub struct Board {
    calls: Vec<Call>,
    forgotten: VecDeque<String>,
    forgotten_ids: HashSet<String>,
    wanted: HashSet<String>,
    account: Arc<Account>,
    /// Calls that are no cards.
    pub elsewhere: Elsewhere,
}

/// What an event did to the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Known already, or no inbound call.
    Nothing,
    Changed(Change),
    /// An inbound call whose caller this state does not tell: its earlier states are needed ([`Board::replay`]).
    NeedsHistory(String),
    /// Somebody called this number and reached it: what was missed from it is settled. Ids of those cards.
    Reached {
        number: String,
        at: Timestamp,
        settled: Vec<String>,
    },
}

/// One card that is new or different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub id: String,
    /// The call appears: the one pop of this call.
    pub new: bool,
    /// It is at another stage than before.
    pub moved: bool,
    /// Something that the store keeps is different.
    pub kept: bool,
    /// The store remembered the call: what happened to it meanwhile is needed ([`Board::replay`]).
    pub unheard: bool,
    /// Cards that had to leave.
    pub gone: Vec<String>,
    /// Cards of earlier missed calls of the same caller, which this call has settled.
    pub settled: Vec<String>,
    /// Somebody has answered, for the first time.
    pub answered: bool,
    /// It has ended, and nobody did.
    pub missed: bool,
}

impl Change {
    /// A card whose call is as it was.
    #[must_use]
    pub fn of_card(id: &str) -> Self {
        let (gone, settled) = Default::default();
        let (new, moved, kept, unheard, answered, missed) = Default::default();
        Self { id: id.to_owned(), new, moved, kept, unheard, gone, settled, answered, missed }
    }

    /// Two changes of one card as one.
    fn then(mut self, next: Self) -> Self {
        self.new |= next.new;
        self.moved |= next.moved;
        self.kept |= next.kept;
        self.gone.extend(next.gone);
        self.settled.extend(next.settled);
        self.answered |= next.answered;
        self.missed |= next.missed;
        self
    }
}

impl Board {
    /// Calls, newest first.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// A call and its place from the top.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<(usize, &Call)> {
        self.calls.iter().enumerate().find(|(_, call)| call.id == id)
    }

    /// Takes in one state of a call. Repeats change nothing; late ones tell whose lines rang and who talked.
    pub fn apply(&mut self, now: Timestamp, event: &CallEvent) -> Applied {
        let id = &event.metadata.conversation_space_id;
        if event.metadata.direction != Direction::Inbound {
            return self.apply_outbound(now, event);
        }
        if self.forgotten_ids.contains(id) {
            return Applied::Nothing;
        }
        if let Some(call) = self.calls.iter_mut().find(|call| call.id == *id) {
            if event.state.sequence_number <= call.sequence {
                let told = call.recall(&event.state);
                let change = Change { kept: true, ..Change::of_card(id) };
                return if told { Applied::Changed(change) } else { Applied::Nothing };
            }
            let (before, was_answered) = (call.stage.clone(), call.answered_at.is_some());
            let unheard = call.is_from_store() && event.state.sequence_number > 1;
            let told = call.take(&event.state, now);
            let moved = call.stage != before;
            let kept = moved || told;
            let over = moved && !call.is_live();
            let first = !was_answered && call.answered_at.is_some();
            let missed = moved && call.stage == Stage::Ended(Outcome::Missed);
            let answered = (moved && call.stage == Stage::Answered)
                .then(|| call.caller.key().map(str::to_owned))
                .flatten();
            // What was missed after a talk is not settled by it, when that is learnt late.
            let talk = answered.zip(call.answered_at);
            let settled = talk.map(|(number, at)| self.settle(&number, at)).unwrap_or_default();
            let gone = if over { self.trim() } else { Vec::new() };
            let change = Change::of_card(id);
            let change = Change { moved, kept, unheard, gone, settled, answered: first, missed, ..change };
            return Applied::Changed(change);
        }
        match Call::first_seen(event, &Arc::clone(&self.account), now) {
            Some(call) => self.insert(call),
            None => self.want(id),
        }
    }

    /// Takes in all states of a call that [`Applied::NeedsHistory`] named; without any it is forgotten.
    pub fn replay(&mut self, now: Timestamp, id: &str, events: &[CallEvent]) -> Option<Change> {
        self.wanted.remove(id);
        let mut result: Option<Change> = None;
        for event in in_order(events, id) {
            if let Applied::Changed(change) = self.apply(now, event) {
                result = Some(match result {
                    Some(before) => before.then(change),
                    None => change,
                });
            }
        }
        self.wanted.remove(id);
        if self.find(id).is_none() {
            self.forget(id.to_owned());
        }
        result
    }

    /// Takes in all states of a call that is over, in either direction. Nothing if it was seen to its end, or has left the
    /// board.
    pub fn past(&mut self, now: Timestamp, id: &str, events: &[CallEvent]) -> Vec<Applied> {
        let seen = |call: &Call| !matches!(call.stage, Stage::Ended(Outcome::Unknown)) && !call.is_live();
        if self.forgotten_ids.contains(id) || self.find(id).is_some_and(|(_, call)| seen(call)) {
            return Vec::new();
        }
        let (mut change, mut all): (Option<Change>, Vec<Applied>) = Default::default();
        for event in in_order(events, id) {
            match self.apply(now, event) {
                Applied::Changed(next) => {
                    change = Some(match change {
                        Some(before) => before.then(next),
                        None => next,
                    });
                }
                reached @ Applied::Reached { .. } => all.push(reached),
                Applied::Nothing | Applied::NeedsHistory(_) => {}
            }
        }
        self.wanted.remove(id);
        all.extend(change.map(Applied::Changed));
        all
    }

    /// Takes back a call that the store remembers; changes nothing if it is known.
    pub fn restore(&mut self, call: Call) {
        if self.find(&call.id).is_none() {
            let at = self.place_of(&call);
            self.calls.insert(at, call);
            self.trim();
        }
    }

    /// Ids of the calls believed to be under way.
    #[must_use]
    pub fn live_ids(&self) -> Vec<String> {
        let live = self.calls.iter().filter(|call| call.is_live()).map(|call| &call.id);
        live.chain(self.elsewhere.ids()).cloned().collect()
    }

    /// There is a call under way without news for long.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        let old = |call: &Call| now.duration_since(call.heard).unsigned_abs() >= STALE_AFTER;
        self.calls.iter().any(|call| call.is_live() && old(call)) || self.elsewhere.is_stale(now)
    }

    /// Compares with the list of calls under way. `suspects` are the calls that were believed to be under way when
    /// the list was asked for; those of them that are missing in it come back beside the changes.
    pub fn reconcile(
        &mut self,
        now: Timestamp,
        suspects: &[String],
        live: &[CallEvent],
    ) -> (Vec<Applied>, Vec<String>) {
        let listed: HashSet<&str> =
            live.iter().map(|event| event.metadata.conversation_space_id.as_str()).collect();
        let mut missing = Vec::new();
        for call in &mut self.calls {
            if listed.contains(call.id.as_str()) {
                call.heard = now;
            } else if call.is_live() && suspects.contains(&call.id) {
                missing.push(call.id.clone());
            }
        }
        missing.extend(
            suspects
                .iter()
                .filter(|id| !listed.contains(id.as_str()) && self.elsewhere.is_known(id))
                .cloned(),
        );
        listed.iter().for_each(|id| self.elsewhere.listed(id, now));
        let changes = live.iter().map(|event| self.apply(now, event)).collect();
        (changes, missing)
    }

    /// Ends a call that is gone, after all that could be learned of it was applied.
    pub fn close(&mut self, now: Timestamp, id: &str) -> Option<Change> {
        self.elsewhere.end(id);
        let call = self.calls.iter_mut().find(|call| call.id == id && call.is_live())?;
        let outcome = if call.answered_at.is_some() { Outcome::Answered } else { Outcome::Unknown };
        call.end(outcome, now);
        Some(Change { moved: true, kept: true, gone: self.trim(), ..Change::of_card(id) })
    }

    pub fn set_history(&mut self, id: &str, history: History) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.id == id) {
            call.history = Some(history);
        }
    }

    /// A call that other cards tell of as going on has ended: they tell how. Ids of those cards.
    pub fn tell_end(&mut self, id: &str) -> Vec<String> {
        let Some((_, ended)) = self.find(id).filter(|(_, call)| !call.is_live()) else { return Vec::new() };
        let (outcome, line) = (ended.outcome(), ended.answered_by.first().cloned());
        let talked = ended.ended_at.zip(ended.answered_at);
        let talked_s = talked.map(|(ended, answered)| ended.duration_since(answered).as_secs().max(0));
        let mut told = Vec::new();
        for call in &mut self.calls {
            let last = call.history.iter_mut().flat_map(|history| &mut history.calls);
            for last in last.filter(|last| last.id == id && last.outcome != outcome) {
                (last.outcome, last.line, last.talked_s) = (outcome, line.clone(), talked_s);
                told.push(call.id.clone());
            }
        }
        told
    }

    /// Notes what is known of the caller of a call; tells whether that is new.
    pub fn set_known(&mut self, id: &str, known: Known) -> bool {
        let Some(call) = self.calls.iter_mut().find(|call| call.id == id) else { return false };
        let known = Some(known);
        let new = call.known != known;
        call.known = known;
        new
    }

    /// Notes how a call stands with the CRM; tells whether that is new.
    pub fn set_logged(&mut self, id: &str, logged: Option<Logged>) -> bool {
        let Some(call) = self.calls.iter_mut().find(|call| call.id == id) else { return false };
        std::mem::replace(&mut call.logged, logged.clone()) != logged
    }

    fn insert(&mut self, call: Call) -> Applied {
        if call.is_live() && self.calls.iter().filter(|call| call.is_live()).count() >= LIVE_CARDS_MAX {
            tracing::warn!(
                limit = LIVE_CARDS_MAX,
                "too many calls under way at once: a further one is not shown"
            );
            self.forget(call.id);
            return Applied::Nothing;
        }
        self.wanted.remove(&call.id);
        let id = call.id.clone();
        let at = self.place_of(&call);
        // The app came late: they talk already.
        let reached = call.answered_at.and_then(|at| Some((call.caller.key()?.to_owned(), at)));
        self.calls.insert(at, call);
        let answered = reached.is_some() || self.calls[at].answered_at.is_some();
        let settled = reached.map(|(number, at)| self.settle(&number, at)).unwrap_or_default();
        let gone = self.trim();
        let change = Change { new: true, moved: true, kept: true, ..Change::of_card(&id) };
        Applied::Changed(Change { gone, settled, answered, ..change })
    }

    /// An outbound call is no card, but reaching somebody settles what was missed from them.
    fn apply_outbound(&mut self, now: Timestamp, event: &CallEvent) -> Applied {
        self.elsewhere.take(now, event, &self.account);
        let talks = event.state.participants.iter().filter(|party| in_talk(&party.status.value)).count() >= 2;
        if !talks {
            return Applied::Nothing;
        }
        let outside = parties(&[event], &self.account, &[]).and_then(|found| found.outside);
        match outside.as_ref().and_then(|outside| outside.number.key()) {
            Some(number) => {
                let at = instant(&event.state.timestamp, now);
                let settled = self.settle(number, at);
                if settled.is_empty() {
                    return Applied::Nothing;
                }
                Applied::Reached { number: number.to_owned(), at, settled }
            }
            None => Applied::Nothing,
        }
    }

    /// Somebody talks with this number: its missed calls are settled.
    pub fn settle(&mut self, number: &str, at: Timestamp) -> Vec<String> {
        let missed = |call: &&mut Call| {
            call.stage == Stage::Ended(Outcome::Missed)
                && !call.settled
                && call.created <= at
                && call.caller.key() == Some(number)
        };
        let settle = |call: &mut Call| {
            call.settled = true;
            call.id.clone()
        };
        self.calls.iter_mut().filter(missed).map(settle).collect()
    }

    /// Numbers of which a missed call waits for somebody, each once.
    #[must_use]
    pub fn missed_numbers(&self) -> BTreeSet<String> {
        let missed = |call: &&Call| call.stage == Stage::Ended(Outcome::Missed) && !call.settled;
        self.calls.iter().filter(missed).filter_map(|call| call.caller.key().map(str::to_owned)).collect()
    }

    /// This missed call and the others of the same caller for whom nobody has been reached since. Empty if it is none.
    #[must_use]
    pub fn missed_like(&self, id: &str) -> Vec<String> {
        let open = |call: &Call| call.stage == Stage::Ended(Outcome::Missed) && !call.settled;
        let Some((_, like)) = self.find(id).filter(|(_, call)| open(call)) else { return Vec::new() };
        let of_caller = |call: &&Call| {
            call.id == like.id || (open(call) && like.caller.key().is_some() && call.caller == like.caller)
        };
        self.calls.iter().filter(of_caller).map(|call| call.id.clone()).collect()
    }

    /// A missed call of a caller whom somebody takes already is that person's, too.
    pub fn inherit_claim(&mut self, id: &str) {
        let like = self.missed_like(id);
        let holder = like.iter().find_map(|id| self.find(id)?.1.claimed.clone());
        if let Some(holder) = holder {
            self.set_claim(id, Some(&holder));
        }
    }

    /// Notes who takes a missed call; nobody without one.
    pub fn set_claim(&mut self, id: &str, person: Option<&str>) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.id == id) {
            call.claimed = person.map(str::to_owned);
        }
    }

    /// What is known of the account from now on.
    pub fn set_account(&mut self, account: Arc<Account>) {
        self.account = account;
    }

    /// Newest first; of two created at the same instant the one heard of last.
    fn place_of(&self, call: &Call) -> usize {
        self.calls.partition_point(|other| other.created > call.created)
    }

    fn want(&mut self, id: &str) -> Applied {
        if self.wanted.len() >= WANTED_MAX || !self.wanted.insert(id.to_owned()) {
            return Applied::Nothing;
        }
        Applied::NeedsHistory(id.to_owned())
    }

    fn trim(&mut self) -> Vec<String> {
        // From the end, so that the places before stay what they were.
        let leaving = kept::leaving(&self.calls).into_iter().rev();
        let gone: Vec<String> = leaving.map(|at| self.calls.remove(at).id).collect();
        for id in &gone {
            self.forget(id.clone());
        }
        gone
    }

    fn forget(&mut self, id: String) {
        if self.forgotten_ids.insert(id.clone()) {
            self.forgotten.push_back(id);
        }
        while self.forgotten.len() > FORGOTTEN_IDS_MAX {
            if let Some(oldest) = self.forgotten.pop_front() {
                self.forgotten_ids.remove(&oldest);
            }
        }
    }
}

fn in_order<'a>(events: &'a [CallEvent], id: &str) -> Vec<&'a CallEvent> {
    let mut list: Vec<_> = events.iter().filter(|event| event.metadata.conversation_space_id == id).collect();
    list.sort_by_key(|event| event.state.sequence_number);
    list
}
