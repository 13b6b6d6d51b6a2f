//! A scenario written out: commands with the time between them. A pure function of office and request.

use fastrand::Rng;
use jiff::Timestamp;

use super::format::{After, Later};
use super::parties::Cast;
use super::steps::Writer;
use super::{Request, ScenarioError};
use crate::{Command, Office};

/// Calls to be played.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// Name of the scenario.
    pub scenario: String,
    /// When the first call starts, if whoever plays it can choose.
    pub starts: Option<Timestamp>,
    /// In order; every call has an end.
    pub steps: Vec<Step>,
    /// What the reports are told later.
    pub afterwards: Vec<Afterwards>,
}

/// One command, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Milliseconds at speed 1 since the previous step, or since the beginning.
    pub after_ms: u64,
    /// Which of the script's calls, from 0.
    pub call: usize,
    pub command: Command,
    /// The call that the command needs to know of.
    pub linked: Option<usize>,
}

/// One revision of a call's report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Afterwards {
    /// Milliseconds at speed 1 since the end of the call.
    pub after_ms: u64,
    pub call: usize,
    pub what: Later,
}

impl Script {
    /// Milliseconds at speed 1 from the first step to the last.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.steps.iter().map(|step| step.after_ms).sum()
    }

    /// How many calls are played.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.steps.iter().map(|step| step.call + 1).max().unwrap_or(0)
    }

    /// What the report of this call is told later, in order.
    pub fn later(&self, call: usize) -> impl Iterator<Item = &Afterwards> {
        self.afterwards.iter().filter(move |later| later.call == call)
    }
}

/// Writes out the calls that the request asks for. The same office and request give the same script.
///
/// # Errors
/// When `from` or `to` fits nothing in the office (the error lists what would), or the steps do not fit each other.
pub fn script(office: &Office, request: &Request) -> Result<Script, ScenarioError> {
    let file = &request.scenario.file;
    let mut rng = Rng::with_seed(request.seed);
    let mut script = Script {
        scenario: request.scenario.name().to_owned(),
        starts: file.starts,
        steps: Vec::new(),
        afterwards: Vec::new(),
    };
    let times = file.repeat.as_ref().map_or(1, |repeat| repeat.times);
    let every = file.repeat.as_ref().and_then(|repeat| repeat.every);
    let same_line = file.repeat.as_ref().is_some_and(|repeat| repeat.same_line);
    let mut asked = request.clone();
    let mut timed: Vec<(u64, Step)> = Vec::new();
    let mut begins_ms = 0;
    for _ in 0..times {
        let cast = Cast::draw(office, &asked, &mut rng)?;
        if same_line {
            asked.to = cast.reached_extension().or(asked.to);
        }
        let first = timed.iter().map(|(_, step)| step.call + 1).max().unwrap_or(0);
        let steps = Writer::new(office, &asked, cast, &mut rng, first).write()?;
        let mut now_ms = begins_ms;
        for step in steps {
            now_ms += step.after_ms;
            timed.push((now_ms, step));
        }
        let after = file.afterwards.iter();
        script.afterwards.extend(after.map(|line| Afterwards {
            after_ms: draw(line.after, &mut rng),
            call: first,
            what: line.what,
        }));
        begins_ms = every.map_or(now_ms, |every| begins_ms + draw(every, &mut rng));
    }
    // Stable: steps of one call that fall together keep their order.
    timed.sort_by_key(|(now_ms, _)| *now_ms);
    let mut before_ms = 0;
    for (now_ms, step) in timed {
        script.steps.push(Step { after_ms: now_ms - before_ms, ..step });
        before_ms = now_ms;
    }
    Ok(script)
}

/// Some time between the two, both inclusive.
pub(super) fn draw(after: After, rng: &mut Rng) -> u64 {
    if after.from_ms == after.to_ms { after.from_ms } else { rng.u64(after.from_ms..=after.to_ms) }
}
