//! What may be asked of a scenario, and why it may be refused.

use super::Scenario;

/// A call that somebody wants played.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub scenario: Scenario,
    /// Inbound: any string, shown as the caller's number. Otherwise the extension or id of the calling line.
    pub from: Option<String>,
    /// Inbound only: any string, shown as the caller's name.
    pub from_name: Option<String>,
    /// Inbound: one of the company's numbers, or the extension to be reached through one. Outbound: the number
    /// to dial. Internal: an extension.
    pub to: Option<String>,
    /// Decides all that is left open.
    pub seed: u64,
    /// The line that talks is recorded, from half a second after the answer on.
    pub record: bool,
    /// Ids of lines that are in a call already and do not ring; empty if nothing is known of other calls.
    pub busy: Vec<String>,
}

impl Request {
    /// The scenario with everything left to the seed.
    #[must_use]
    pub fn new(scenario: Scenario, seed: u64) -> Self {
        Self { scenario, from: None, from_name: None, to: None, seed, record: false, busy: Vec::new() }
    }
}

/// Why a call cannot be played; the message names what can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    #[error("there is no scenario {name:?}: choose one of {}", super::names().collect::<Vec<_>>().join(", "))]
    UnknownScenario { name: String },
    #[error("no line {asked:?} to call from: choose an extension of {possible}")]
    UnknownFrom { asked: String, possible: String },
    #[error("nothing to call at {asked:?}: choose one of {possible}")]
    UnknownTo { asked: String, possible: String },
    #[error("{asked:?} is no number to dial: it needs digits, such as +14155550188")]
    NotDiallable { asked: String },
    #[error("a line cannot call itself: choose another extension than {extension}")]
    CallsItself { extension: String },
    #[error(
        "a caller name fits inbound calls only: leave it out, or choose another scenario than {scenario}"
    )]
    NameNotShown { scenario: String },
    #[error("this office has no {missing}, which scenario {scenario} needs: choose another scenario")]
    OfficeLacks { missing: &'static str, scenario: String },
    #[error("no line is free for a call of scenario {scenario}: wait until one is")]
    NobodyFree { scenario: String },
    #[error("scenario {scenario} cannot be read: {why}")]
    Unreadable { scenario: String, why: String },
    #[error("scenario {scenario}, step {step}: {why}")]
    StepDoesNotFit { scenario: String, step: usize, why: String },
    #[error("scenario {scenario} leaves a call without an end: let somebody hang up last")]
    NoEnd { scenario: String },
}
