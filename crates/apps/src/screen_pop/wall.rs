//! What a wallboard shows: how many callers wait and since when, what became of the calls of today, and which agent is on
//! the phone. Nothing of a caller, so that a wall may hang where visitors see it. Pure.

use std::collections::HashMap;

use jiff::{Timestamp, civil::Date};

use super::{
    board::{Board, Change},
    call::{Call, Line, Place, Stage},
    limits::AGENTS_SHOWN_MAX,
};

/// Answered and missed calls of one day, by when they came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    day: Option<Date>,
    pub answered: u64,
    pub missed: u64,
}

impl Tally {
    #[must_use]
    pub fn of(day: Date, answered: u64, missed: u64) -> Self {
        Self { day: Some(day), answered, missed }
    }

    /// The tally of this day: a new one begins at midnight.
    #[must_use]
    pub fn on(self, today: Date) -> Self {
        if self.day == Some(today) { self } else { Self::of(today, 0, 0) }
    }

    /// Counts what became of a call that came in on the day `created`.
    pub fn count(&mut self, created: Date, today: Date, change: &Change) {
        *self = self.on(today);
        if created == today {
            self.answered += u64::from(change.answered);
            self.missed += u64::from(change.missed);
        }
    }
}

/// What a line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    Talks(Timestamp),
    Rings(Timestamp),
    Free,
}

/// A line and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub line: Line,
    pub doing: Doing,
}

/// What stands on the wall.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Callers whom nobody has answered yet; a caller who talks to voicemail does not wait.
    pub waiting: u64,
    /// When the first of them called.
    pub waiting_since: Option<Timestamp>,
    pub tally: Tally,
    pub agents: Vec<Agent>,
}

/// The figures of a moment; `lines` are those of the account, in the order in which they are shown.
#[must_use]
pub fn figures(board: &Board, lines: &[Line], tally: Tally) -> Figures {
    let waits = |call: &&Call| match &call.stage {
        Stage::Waiting(place) => *place != Place::Voicemail,
        Stage::Ringing => true,
        Stage::Answered | Stage::Ended(_) => false,
    };
    let waiting: Vec<Timestamp> = board.calls().iter().filter(waits).map(|call| call.created).collect();
    let doing = doing(board);
    let agent = |line: &Line| Agent {
        line: line.clone(),
        doing: doing.get(line.id.as_str()).copied().unwrap_or(Doing::Free),
    };
    Figures {
        waiting: waiting.len() as u64,
        waiting_since: waiting.iter().min().copied(),
        tally,
        agents: lines.iter().take(AGENTS_SHOWN_MAX).map(agent).collect(),
    }
}

fn doing(board: &Board) -> HashMap<&str, Doing> {
    let mut doing = HashMap::new();
    for call in board.calls().iter().filter(|call| call.is_live()) {
        for line in &call.ringing {
            doing.entry(line.id.as_str()).or_insert(Doing::Rings(call.created));
        }
    }
    let talking = board.calls().iter().filter(|call| call.stage == Stage::Answered && !call.parked);
    let inbound = talking.flat_map(|call| {
        let since = call.answered_at.unwrap_or(call.created);
        call.answered_by.iter().map(move |line| (line.id.as_str(), since))
    });
    for (line, since) in inbound.chain(board.elsewhere.talks()) {
        doing.insert(line, Doing::Talks(since));
    }
    doing
}
