//! The developer's console; its script fills it from the server's events.

use askama::Template;

use crate::Visitor;

#[derive(Clone, Debug, Default, Template)]
#[template(path = "console.html")]
pub struct Console {
    pub visitor: Visitor,
    /// Names of what can be played.
    pub scenarios: Vec<String>,
    /// By what they concern.
    pub faults: Vec<(&'static str, Vec<ConsoleFault>)>,
}

/// Something that can go wrong.
#[derive(Clone, Debug, Default)]
pub struct ConsoleFault {
    pub name: &'static str,
    pub what: &'static str,
    /// How surely a program meets it.
    pub why: &'static str,
    /// What can be chosen, as `GET /simulator/v1/faults` tells it: JSON for the script.
    pub parameters: String,
    /// Whether it can be aimed at one channel that is read through a socket, and at one webhook channel.
    pub of_sockets: bool,
    pub of_webhooks: bool,
}
