//! Pages for programmers: the tutorials with their commands, and the reference of the APIs.

use askama::Template;

/// The tutorials.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "docs.html")]
pub struct Docs {
    pub tutorials: Vec<Tutorial>,
}

/// A heading with its steps.
#[derive(Clone, Debug, Default)]
pub struct Tutorial {
    /// Name of its place on the page.
    pub id: &'static str,
    pub title: &'static str,
    pub lead: &'static str,
    pub steps: Vec<Step>,
}

/// One step: what it is for, and what to paste.
#[derive(Clone, Debug, Default)]
pub struct Step {
    pub title: &'static str,
    pub text: String,
    /// Shell commands; empty if there is nothing to paste.
    pub command: String,
    /// What comes after the command.
    pub after: &'static str,
}

/// The reference, made of the OpenAPI document.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "reference.html")]
pub struct Reference {
    pub groups: Vec<Group>,
}

/// Operations of one API.
#[derive(Clone, Debug, Default)]
pub struct Group {
    pub id: String,
    pub title: String,
    pub operations: Vec<OperationPage>,
}

/// One operation. Texts may have words in `marks`, which are shown as they are.
#[derive(Clone, Debug, Default)]
pub struct OperationPage {
    pub id: String,
    pub method: String,
    pub path: String,
    pub summary: String,
    pub about: String,
    /// Who may call it.
    pub access: String,
    pub parameters: Vec<ParameterLine>,
    /// Example of a body, or its members; empty if it takes none.
    pub body: String,
    pub answers: Vec<AnswerLine>,
}

#[derive(Clone, Debug, Default)]
pub struct ParameterLine {
    pub name: String,
    pub kind: String,
    pub required: bool,
    pub text: String,
}

#[derive(Clone, Debug, Default)]
pub struct AnswerLine {
    pub status: String,
    pub text: String,
    /// Example of its body; empty if there is none.
    pub example: String,
}

/// A text of the `docs` folder.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "guide.html")]
pub struct Guide {
    /// Last part of its address.
    pub name: &'static str,
    pub title: &'static str,
    pub blocks: Vec<Block>,
    /// All there are, this one included.
    pub guides: Vec<GuideLink>,
}

#[derive(Clone, Debug, Default)]
pub struct GuideLink {
    pub name: &'static str,
    pub title: &'static str,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    Heading { id: String, text: Vec<Span> },
    Smaller(Vec<Span>),
    Text(Vec<Span>),
    List(Vec<Vec<Span>>),
    Table { head: Vec<Vec<Span>>, rows: Vec<Vec<Vec<Span>>> },
    Code(String),
}

/// Words within a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    Plain(String),
    Code(String),
    Bold(String),
    Link { text: String, href: String },
}
