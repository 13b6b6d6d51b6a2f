//! The pure call model: commands in, call states out, the report as a fold of the states.
//!
//! A source of calls (a scenario, later a browser phone or SIP) gives [`Command`]s to a [`Call`]; each command
//! that fits yields one or two states, exactly as the Call Events API tells them (spec/call-events.md,
//! Sequences). When the call has ended, [`fold`] makes the report and its summary from these states alone, so
//! the log of states is the only thing that has to be kept.
//!
//! Nothing here does I/O, reads a clock or draws a random number: time, ids and chance are arguments. The same
//! arguments yield the same bytes.

mod call;
mod command;
mod history;
mod ids;
pub mod limits;
mod moves;
mod office;
mod office_days;
mod office_file;
mod outcome;
mod recording;
mod report;
mod report_systems;
mod revision;
mod scenario;
mod situation;
mod systems;
mod transitions;
mod words;

pub use call::{Call, instant};
pub use command::{Command, CommandError, Consultation, PlanExit, PlanNode, Target, Who};
pub use history::{ended_legs, history};
pub use ids::Nonce;
pub use office::{
    CallQueue, CompanyNumber, Customer, Device, DialPlan, Line, Node, Office, RingGroup, Route, User,
};
pub use office_days::{Arrival, office_days};
pub use office_file::OfficeFileError;
pub use report::{Names, fold};
pub use revision::edition;
pub use scenario::{
    Afterwards, Direction, Expectation, InCall, Later, Part, Playback, Request, Scenario, ScenarioError,
    Script, Step, names, script, text, unexpected,
};
pub use words::nearest;
