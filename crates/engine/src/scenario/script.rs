//! A scenario written out: commands with the time between them. A pure function of office and request.

use fastrand::Rng;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::format::{After, Direction, Expectation, File, Later, Role, StepLine, Verb, Which};
use super::parties::Cast;
use super::steps::{InCall, Writer};
use super::{Request, ScenarioError};
use crate::{Command, Office, limits};

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
    /// The lines that take part, once for each call.
    pub in_call: Vec<InCall>,
    /// What each call must come to, where the file says it.
    pub expected: Vec<Option<Expectation>>,
    /// Which part of the file each call plays.
    pub parts: Vec<Part>,
}

/// A part of a scenario file that a call of its own plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// `steps`, compared with the first `[[expect]]`.
    Steps,
    /// The call that a `consult` starts, compared with the second.
    Consultation,
    /// `[when-busy]`, compared with `[when-busy.expect]`.
    WhenBusy,
    /// All lines were busy, and the file does not say what comes then.
    BusyTone,
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
        self.expected.len()
    }

    /// Lines that are in as many calls as one can be at this time, in milliseconds at speed 1.
    fn busy_at(&self, now_ms: u64) -> Vec<String> {
        let mut busy: Vec<String> = Vec::new();
        for line in self.in_call.iter().filter(|line| line.until_ms > now_ms) {
            let same = |other: &&InCall| other.line_id == line.line_id && other.until_ms > now_ms;
            if self.in_call.iter().filter(same).count() >= limits::CALLS_OF_A_LINE_MAX
                && !busy.contains(&line.line_id)
            {
                busy.push(line.line_id.clone());
            }
        }
        busy
    }

    /// What the report of this call is told later, in order.
    pub fn later(&self, call: usize) -> impl Iterator<Item = &Afterwards> {
        self.afterwards.iter().filter(move |later| later.call == call)
    }
}

/// Writes out the calls that the request asks for. The same office and request give the same script.
///
/// A line that is in a call takes no other: the calls of a script, and those that keep `request.busy`, share the lines.
/// A caller who finds all of them busy meets the scenario's `when-busy`, or the busy tone; a call out or within the
/// office that no free line can place is left out.
///
/// # Errors
/// When `from` or `to` fits nothing in the office (the error lists what would), or the steps do not fit each other;
/// [`ScenarioError::NobodyFree`] when all calls are left out.
pub fn script(office: &Office, request: &Request) -> Result<Script, ScenarioError> {
    let file = &request.scenario.file;
    let mut rng = Rng::with_seed(request.seed);
    let mut script = Script {
        scenario: request.scenario.name().to_owned(),
        starts: file.starts,
        steps: Vec::new(),
        afterwards: Vec::new(),
        in_call: Vec::new(),
        expected: Vec::new(),
        parts: Vec::new(),
    };
    let times = file.repeat.as_ref().map_or(1, |repeat| repeat.times);
    let every = file.repeat.as_ref().and_then(|repeat| repeat.every);
    let mut asked = request.clone();
    let mut timed: Vec<(u64, Step)> = Vec::new();
    let mut begins_ms = 0;
    for _ in 0..times {
        asked.busy = request.busy.iter().cloned().chain(script.busy_at(begins_ms)).collect();
        let first = script.expected.len();
        let mut ended_ms = begins_ms;
        if let Some(call) = compose(office, file, &mut asked, &mut rng, first)? {
            for step in call.steps {
                ended_ms += step.after_ms;
                timed.push((ended_ms, step));
            }
            script.in_call.extend(
                call.in_call.into_iter().map(|line| InCall { until_ms: begins_ms + line.until_ms, ..line }),
            );
            script.afterwards.extend(call.afterwards);
            script.expected.extend(call.expected);
            script.parts.extend(call.parts);
        }
        begins_ms = every.map_or(ended_ms, |every| begins_ms + draw(every, &mut rng));
    }
    if timed.is_empty() {
        return Err(ScenarioError::NobodyFree { scenario: script.scenario });
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

/// One call with its consultation, if it has one.
struct Composed {
    steps: Vec<Step>,
    in_call: Vec<InCall>,
    afterwards: Vec<Afterwards>,
    /// As many as there are calls.
    expected: Vec<Option<Expectation>>,
    parts: Vec<Part>,
}

/// The script's call with this number; nothing when there is no line to place it.
fn compose(
    office: &Office,
    file: &File,
    asked: &mut Request,
    rng: &mut Rng,
    first: usize,
) -> Result<Option<Composed>, ScenarioError> {
    match write(office, asked, rng, first, &file.steps) {
        Ok((steps, in_call)) => {
            let calls = steps.iter().map(|step| step.call + 1 - first).max().unwrap_or(1);
            let expected = (0..calls).map(|call| file.expect.get(call).cloned()).collect();
            let parts = (0..calls).map(|call| if call == 0 { Part::Steps } else { Part::Consultation });
            let after = file.afterwards.iter();
            let afterwards = after.map(|line| Afterwards {
                after_ms: draw(line.after, rng),
                call: first,
                what: line.what,
            });
            let (afterwards, parts) = (afterwards.collect(), parts.collect());
            Ok(Some(Composed { steps, in_call, afterwards, expected, parts }))
        }
        Err(ScenarioError::OfficeLacks { .. }) if !asked.busy.is_empty() => {
            if file.direction != Direction::Inbound {
                return Ok(None);
            }
            let tone = [busy_tone()];
            let (lines, expected, part) = match &file.when_busy {
                Some(busy) => (busy.steps.as_slice(), busy.expect.clone(), Part::WhenBusy),
                None => (tone.as_slice(), None, Part::BusyTone),
            };
            asked.busy.clear();
            let (steps, in_call) = write(office, asked, rng, first, lines)?;
            let (expected, parts) = (vec![expected], vec![part]);
            Ok(Some(Composed { steps, in_call, afterwards: Vec::new(), expected, parts }))
        }
        Err(error) => Err(error),
    }
}

fn write(
    office: &Office,
    asked: &mut Request,
    rng: &mut Rng,
    first: usize,
    lines: &[StepLine],
) -> Result<(Vec<Step>, Vec<InCall>), ScenarioError> {
    let cast = Cast::draw(office, asked, rng)?;
    let same_line = asked.scenario.file.repeat.as_ref().is_some_and(|repeat| repeat.same_line);
    let reached = cast.reached_extension().filter(|_| same_line);
    let written = Writer::new(office, asked, cast, rng, first).write(lines)?;
    asked.to = reached.or(asked.to.take());
    Ok(written)
}

/// A caller who hears that all are busy gives up.
fn busy_tone() -> StepLine {
    StepLine {
        after: After { from_ms: 2_000, to_ms: 4_000 },
        verb: Verb::HangUp,
        who: Some(Role::Caller),
        to: None,
        call: Which::First,
        until: None,
        message: None,
    }
}

/// Some time between the two, both inclusive.
pub(super) fn draw(after: After, rng: &mut Rng) -> u64 {
    if after.from_ms == after.to_ms { after.from_ms } else { rng.u64(after.from_ms..=after.to_ms) }
}
