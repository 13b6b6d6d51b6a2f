//! What a scenario file may say. The words are serde's to check; durations and bounds are ours.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer};
use wire::report::CallerOutcome;

use crate::{limits, words};

/// A scenario file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct File {
    pub(super) about: String,
    pub(super) direction: Direction,
    /// Inbound only: what the caller reaches.
    #[serde(default)]
    pub(super) reaches: Reaches,
    /// The caller withholds name and number.
    #[serde(default)]
    pub(super) anonymous: bool,
    #[serde(default)]
    pub(super) recorded: bool,
    /// When the call starts, for those who can choose the time.
    #[serde(default, deserialize_with = "starts")]
    pub(super) starts: Option<Timestamp>,
    #[serde(default)]
    pub(super) repeat: Option<Repeat>,
    pub(super) steps: Vec<StepLine>,
    /// What becomes of a call that finds all lines busy.
    #[serde(default)]
    pub(super) when_busy: Option<WhenBusy>,
    #[serde(default)]
    pub(super) afterwards: Vec<LaterLine>,
    #[serde(default)]
    pub(super) expect: Vec<Expectation>,
}

/// An instant, with a word on how one is written.
fn starts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = |_| {
        let example = "such as \"2026-02-03T23:59:30Z\": day, time and zone";
        serde::de::Error::custom(format!("starts is {text:?}, and must be an instant {example}"))
    };
    text.parse().map(Some).map_err(wrong)
}

/// Who starts the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Somebody outside calls one of the company's numbers.
    Inbound,
    /// A line calls an outside number.
    Outbound,
    /// A line calls an extension.
    Internal,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reaches {
    #[default]
    Line,
    /// A line that rings on two telephones or more.
    TwoDevices,
    RingGroup,
    DialPlan,
    /// A dial plan that leads to a call queue.
    Queue,
}

/// Several calls of the same kind.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Repeat {
    pub(super) times: u32,
    /// From one start to the next; if not given, a call starts when the one before has ended.
    #[serde(default)]
    pub(super) every: Option<After>,
    /// All reach the same line.
    #[serde(default)]
    pub(super) same_line: bool,
}

/// Instead of `steps` and `expect`, for a call into an office whose lines are all in calls.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct WhenBusy {
    pub(super) steps: Vec<StepLine>,
    #[serde(default)]
    pub(super) expect: Option<Expectation>,
}

/// One line of `steps`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct StepLine {
    pub(super) after: After,
    #[serde(rename = "do")]
    pub(super) verb: Verb,
    #[serde(default)]
    pub(super) who: Option<Role>,
    #[serde(default)]
    pub(super) to: Option<Role>,
    /// `consultation`: the step belongs to the second call.
    #[serde(default)]
    pub(super) call: Which,
    /// Of `plan`: kind of the node to stop at.
    #[serde(default)]
    pub(super) until: Option<String>,
    /// Of `leave-message`: how long it is.
    #[serde(default)]
    pub(super) message: Option<After>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verb {
    Ring,
    StopRinging,
    Answer,
    Plan,
    Queue,
    Voicemail,
    LeaveMessage,
    LeaveNoMessage,
    Hold,
    Resume,
    Park,
    PickUp,
    Transfer,
    Invite,
    Consult,
    CompleteTransfer,
    HangUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Role {
    /// Who started the call.
    Caller,
    /// What the caller reaches: a line, or all lines of a group or queue; once answered, who answered.
    Called,
    /// The members of a group or queue, one by one.
    First,
    Second,
    /// Another line of the office, and one more.
    Colleague,
    AnotherColleague,
    /// The seed decides between caller and the one who talks.
    Either,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Which {
    #[default]
    First,
    Consultation,
}

/// One line of `afterwards`: what happens to the report, counted from the end of the call.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct LaterLine {
    pub(super) after: After,
    #[serde(rename = "do")]
    pub(super) what: Later,
}

/// What a report is told only some time after the call, each with a revision (spec/call-events-report.md: a report
/// can be incomplete at first and be enriched later).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Later {
    /// The message is in the voicemail box: action `VOICEMAIL_NEW`.
    VoicemailStored,
    /// Recordings are uploaded; the report named none until then.
    RecordingReady,
    /// Transcripts are uploaded; the report named none until then.
    TranscriptReady,
    /// `callReason` and `aiAnalysis`.
    Analysed,
}

/// What one call must come to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Expectation {
    /// `callerOutcome` of the report's summary.
    pub outcome: CallerOutcome,
    /// Somebody or an automatic system answered.
    pub answered: bool,
    /// Statuses of the one who started the call, one after the other.
    pub caller: Vec<wire::call_events::Status>,
    /// Parties that the summary names besides the caller.
    pub reached: usize,
    /// `hangupCause` of the rows of call history, smallest first.
    pub rows: Vec<u32>,
    /// Notifications that a report was revised.
    #[serde(default)]
    pub revisions: usize,
}

/// Milliseconds, from and to, both inclusive; written `4s` or `3.2s..4.8s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct After {
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
}

impl<'de> Deserialize<'de> for After {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (from, to) = text.split_once("..").unwrap_or((&text, &text));
        let both = milliseconds(from).zip(milliseconds(to)).filter(|(from, to)| from <= to);
        let (from_ms, to_ms) = both.ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is no time: write 4s, 600ms, 3h or, from and to, 3.2s..4.8s; a day at most"
            ))
        })?;
        Ok(Self { from_ms, to_ms })
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    let duration: SignedDuration = text.trim().parse().ok()?;
    u64::try_from(duration.as_millis()).ok().filter(|ms| *ms <= limits::SCENARIO_STEP_MS_MAX)
}

/// # Errors
/// A message for people, with the line where there is one.
pub(super) fn parse(text: &str) -> Result<File, String> {
    if text.len() > limits::SCENARIO_BYTES_MAX {
        return Err(format!("a file has at most {} bytes", limits::SCENARIO_BYTES_MAX));
    }
    let file: File = toml::from_str(text).map_err(|error| words::with_meant(&error.to_string()))?;
    let times = file.repeat.as_ref().map_or(1, |repeat| repeat.times);
    let steps = file.steps.len();
    if steps == 0 || steps > limits::SCENARIO_STEPS_MAX {
        return Err(format!("a scenario has 1 to {} steps, not {steps}", limits::SCENARIO_STEPS_MAX));
    }
    if times == 0 || times > limits::SCENARIO_REPEATS_MAX {
        return Err(format!("a scenario repeats 1 to {} times, not {times}", limits::SCENARIO_REPEATS_MAX));
    }
    let busy_steps = file.when_busy.as_ref().map_or(1, |busy| busy.steps.len());
    if busy_steps == 0 || busy_steps > limits::SCENARIO_STEPS_MAX {
        return Err(format!("`when-busy` has 1 to {} steps, not {busy_steps}", limits::SCENARIO_STEPS_MAX));
    }
    if file.direction != Direction::Inbound && file.when_busy.is_some() {
        return Err(
            "`when-busy` is for inbound calls only: a call that no line can place is left out".to_owned()
        );
    }
    if file.direction != Direction::Inbound && (file.reaches != Reaches::Line || file.anonymous) {
        return Err("`reaches` and `anonymous` are for inbound calls only".to_owned());
    }
    check_expectations(&file)?;
    Ok(file)
}

/// The first `[[expect]]` is the call's, the second its consultation's.
fn check_expectations(file: &File) -> Result<(), String> {
    let consults = file.steps.iter().any(|step| step.verb == Verb::Consult);
    match file.expect.len() {
        0 | 1 => {}
        2 if consults => {}
        2 => return Err("a second [[expect]] is for the consultation, and no step is a `consult`".to_owned()),
        more => {
            return Err(format!("[[expect]] stands once, and again for a consultation; not {more} times"));
        }
    }
    let busy = file.when_busy.iter().filter_map(|busy| busy.expect.as_ref());
    file.expect.iter().chain(busy).try_for_each(words::check)
}
