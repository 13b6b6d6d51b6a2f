//! The wallboard: figures and agents for a screen that everybody sees.

use std::sync::Arc;

use askama::Template;

use crate::{Link, Texts};

/// The whole page as it is painted first; afterwards it follows the events.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "wallboard.html")]
pub struct Wallboard {
    pub wall: Wall,
    /// How the app stands with the phone system.
    pub link: Link,
    /// Where the page hears of changes.
    pub events: String,
    /// The app's clock, milliseconds since 1970.
    pub now_ms: i64,
    /// Of somebody who is signed in, not by a link.
    pub is_desk: bool,
    /// A single key is a command; by a link none is, since nobody could switch it off.
    pub keys: bool,
    /// Proof of the session, which each form carries.
    pub proof: String,
    /// Links that hold; for admins.
    pub links: Option<Vec<WallLink>>,
    /// A link that was just made.
    pub new_link: Option<String>,
    /// Characters of the longest name of a link.
    pub name_chars_max: usize,
    /// The page itself, to which the choice of a language comes back.
    pub here: String,
    pub texts: Arc<Texts>,
}

/// What changes on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Template)]
#[template(path = "wall.html")]
pub struct Wall {
    pub waiting: u64,
    pub longest: Option<Timer>,
    /// Of today.
    pub answered: u64,
    pub missed: u64,
    pub agents: Vec<WallAgent>,
    pub texts: Arc<Texts>,
}

/// A running time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timer {
    /// When it began, milliseconds since 1970.
    pub since_ms: i64,
    /// What it shows at the first paint.
    pub text: String,
}

/// A line and what it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WallAgent {
    pub name: String,
    /// Name of the state for the stylesheet: talking, ringing, free.
    pub key: &'static str,
    /// The state in words.
    pub word: String,
    pub timer: Option<Timer>,
}

/// A read-only link; the address itself is known to who made it.
#[derive(Clone, Debug, Default)]
pub struct WallLink {
    pub id: String,
    /// What it is for: "Kitchen TV"; empty for those of before names were asked for.
    pub name: String,
    /// When it was made, and by whom, for people.
    pub made: String,
}
