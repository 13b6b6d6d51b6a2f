//! The calls that can be played: a library of files that a person can read and write, what may be asked of them,
//! and the commands they come to. `docs/scenarios.md` describes the files.

mod cast;
mod expect;
mod format;
mod library;
mod parties;
mod playback;
mod request;
mod script;
mod steps;

use std::fmt;
use std::str::FromStr;

pub use expect::unexpected;
pub use format::{Direction, Expectation, Later};
pub use library::{names, text};
pub use playback::Playback;
pub use request::{Request, ScenarioError};
pub use script::{Afterwards, Part, Script, Step, script};
pub use steps::InCall;

/// A course that calls can take, as its file tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    name: String,
    file: format::File,
}

impl Scenario {
    /// A file's text; `name` is what messages call it.
    ///
    /// # Errors
    /// When the text is no scenario; the message says where and what is possible.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let file = format::parse(text)
            .map_err(|why| ScenarioError::Unreadable { scenario: name.to_owned(), why })?;
        Ok(Self { name: name.to_owned(), file })
    }

    /// All scenarios of the library, in the order in which they are listed for people.
    ///
    /// # Panics
    /// Never: a test reads each file of the library.
    #[must_use]
    pub fn all() -> Vec<Self> {
        names().map(|name| name.parse().expect("a test reads each file of the library")).collect()
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What happens, in a person's words.
    #[must_use]
    pub fn about(&self) -> &str {
        self.file.about.trim()
    }

    /// Who starts the call.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.file.direction
    }

    /// True when the call comes from outside.
    #[must_use]
    pub fn is_inbound(&self) -> bool {
        self.direction() == Direction::Inbound
    }

    /// True when the line that talks is recorded, asked or not.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.file.recorded
    }

    /// What each call must come to: the first one's, then the consultation's. Repeated calls are all like these, but for
    /// those that find all lines busy.
    #[must_use]
    pub fn expected(&self) -> &[Expectation] {
        &self.file.expect
    }

    /// What a call must come to that finds all lines busy.
    #[must_use]
    pub fn expected_when_busy(&self) -> Option<&Expectation> {
        self.file.when_busy.as_ref()?.expect.as_ref()
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.name)
    }
}

impl FromStr for Scenario {
    type Err = ScenarioError;

    /// A scenario of the library by its name.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let text =
            library::text(name).ok_or_else(|| ScenarioError::UnknownScenario { name: name.to_owned() })?;
        Self::parse(name, text)
    }
}
