//! Which finished calls stay: on the board the newest of each line, and on a person's pages their newest, so that the calls
//! of a busy colleague push nobody's recent and missed calls away. Pure.

use std::collections::HashMap;

use super::{
    call::{Call, Outcome, Stage},
    limits::{FINISHED_CARDS_MAX, FINISHED_OF_LINE_MAX, FINISHED_OF_ONE_MAX},
    sight::{Sight, Tab},
};

/// Places of the finished calls that leave the board, which has the newest first: those that are among the newest
/// [`FINISHED_OF_LINE_MAX`] of none of their lines, and the oldest beyond [`FINISHED_CARDS_MAX`]. What was missed and what
/// is over are counted apart; calls that came to no line are those of one more line.
#[must_use]
pub fn leaving(calls: &[Call]) -> Vec<usize> {
    let finished = || calls.iter().enumerate().filter(|(_, call)| !call.is_live());
    if finished().count() <= FINISHED_OF_LINE_MAX {
        return Vec::new();
    }
    let mut of_line: HashMap<(&str, bool), usize> = HashMap::new();
    let (mut stay, mut leave) = (0, Vec::new());
    for (at, call) in finished() {
        let missed = call.stage == Stage::Ended(Outcome::Missed) && !call.settled;
        let mut wanted = false;
        for line in lines(call) {
            let count = of_line.entry((line, missed)).or_default();
            *count += 1;
            wanted |= *count <= FINISHED_OF_LINE_MAX;
        }
        if wanted && stay < FINISHED_CARDS_MAX {
            stay += 1;
        } else {
            leave.push(at);
        }
    }
    leave
}

/// Ids of the lines that a call concerned, each once; one without a name if there are none.
fn lines(call: &Call) -> impl Iterator<Item = &str> {
    let joined = call.talked.iter().filter(|line| !call.rang.iter().any(|other| other.id == line.id));
    let nobodys = (call.rang.is_empty() && call.talked.is_empty()).then_some("");
    call.rang.iter().chain(joined).map(|line| line.id.as_str()).chain(nobodys)
}

/// Counts the finished cards of one person, the newest first.
#[derive(Debug, Default)]
pub struct Room {
    recent: usize,
    missed: usize,
}

impl Room {
    /// Whether there is room for this card; calls under way and pinned cards always have it.
    pub fn has(&mut self, call: &Call, sight: &Sight, pinned: bool) -> bool {
        if pinned || call.is_live() {
            return true;
        }
        let count = if sight.tab == Tab::Missed { &mut self.missed } else { &mut self.recent };
        *count += 1;
        *count <= FINISHED_OF_ONE_MAX
    }
}
