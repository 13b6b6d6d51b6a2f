//! The developer's console; its script fills it from the server's events.

use askama::Template;

use crate::Visitor;

#[derive(Clone, Debug, Default, Template)]
#[template(path = "console.html")]
pub struct Console {
    pub visitor: Visitor,
    /// Names of what can be played.
    pub scenarios: Vec<String>,
    pub faults: Vec<ConsoleFault>,
}

/// Something that can go wrong.
#[derive(Clone, Debug, Default)]
pub struct ConsoleFault {
    pub name: &'static str,
    pub what: &'static str,
}
