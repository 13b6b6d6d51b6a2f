//! The screen pop page: the board, and one card a call.

use std::sync::Arc;

use askama::Template;

use crate::Texts;

/// The whole board as it is painted first; afterwards the page follows the events.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "screen_pop.html")]
pub struct ScreenPop {
    /// Newest first.
    pub cards: Vec<Card>,
    /// How the app stands with the phone system.
    pub link: Link,
    /// Login address for the phone system, while the app is signed out of it; for admins.
    pub sign_in: Option<String>,
    /// What only a person can mend.
    pub problem: Option<String>,
    /// The app's clock, milliseconds since 1970; timers run against it.
    pub now_ms: i64,
    /// Whose page it is.
    pub desk: Desk,
    pub texts: Arc<Texts>,
}

/// Whose page it is, and what they chose.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    /// Empty on a board without sign-in.
    pub email: String,
    /// Proof of the session, which each form carries.
    pub proof: String,
    /// Names the person to the page's own storage.
    pub key: String,
    /// May see every call, and choose to.
    pub admin: bool,
    pub everybody: bool,
    pub unowned: bool,
    pub team: bool,
    pub do_not_disturb: bool,
    pub sound: bool,
    /// Single keys are commands.
    pub keys: bool,
    /// Their lines.
    pub lines: Vec<DeskLine>,
    pub hours: DeskHours,
}

/// A line of the person's, and whether its calls are to pop.
#[derive(Clone, Debug, Default)]
pub struct DeskLine {
    pub id: String,
    pub name: String,
    pub wanted: bool,
}

/// When cards may ring; `from` and `to` as `09:00`.
#[derive(Clone, Debug, Default)]
pub struct DeskHours {
    pub set: bool,
    pub from: String,
    pub to: String,
    pub days: Vec<DeskDay>,
}

/// A day of the week; Monday is 1.
#[derive(Clone, Debug, Default)]
pub struct DeskDay {
    pub number: usize,
    pub name: String,
    pub set: bool,
}

/// The screen pop for somebody who has not signed in.
#[derive(Clone, Debug, Template)]
#[template(path = "screen_pop_sign_in.html")]
pub struct DeskSignIn {
    /// Where to sign in.
    pub address: String,
    /// The app itself is signed out, so that an administrator has to be the first.
    pub admin_first: bool,
    /// The page itself, to which the choice of a language comes back.
    pub here: String,
    /// Proof of the session, which this page has not.
    pub proof: String,
    pub texts: Arc<Texts>,
}

/// Whether a call is in the CRM, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedLine {
    pub text: String,
    /// It is not, and a person can have it tried again.
    pub failed: bool,
}

/// Where on the page a card stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Active,
    Recent,
    Missed,
}

impl Tab {
    /// Name for the stylesheet and the script.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Recent => "recent",
            Self::Missed => "missed",
        }
    }
}

/// How the app stands with the phone system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    #[default]
    Connecting,
    Live,
    /// Was connected; the app is trying again.
    Lost,
    SignInNeeded,
}

impl Link {
    /// Name of the state for the stylesheet and the script.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Lost => "lost",
            Self::SignInNeeded => "sign-in",
        }
    }
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// With a dial plan, a queue or voicemail: answered by no person yet.
    Waiting,
    Ringing,
    Answered,
    Ended,
    Missed,
    /// Ended because the phone system stopped, not because somebody hung up.
    CutOff,
}

impl Phase {
    /// Name of the state for the stylesheet and the script.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::Ended => "ended",
            Self::Missed => "missed",
            Self::CutOff => "cut-off",
        }
    }

    /// The call is still going on.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Waiting | Self::Ringing | Self::Answered)
    }
}

/// The number that was dialled: its label and how it is written for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialled {
    pub label: Option<String>,
    pub number: Option<String>,
}

/// A labelled text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub label: String,
    pub text: String,
    /// Where it stands, of `http` or `https`.
    pub link: Option<String>,
}

/// Characters of a fact that fit beside others; a longer one has a row to itself.
const FACT_BESIDE_MAX: usize = 26;

impl Fact {
    fn is_long(&self) -> bool {
        self.text.chars().count() > FACT_BESIDE_MAX
    }

    /// The text in parts between which a line may break: an e-mail address breaks behind its signs, not within a word.
    fn parts(&self) -> Vec<&str> {
        if self.text.contains('@') && !self.text.contains(char::is_whitespace) {
            self.text.split_inclusive(['@', '.', '_', '-']).collect()
        } else {
            vec![&self.text]
        }
    }
}

/// Where a browser may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageLink {
    /// Of `http` or `https`.
    pub address: String,
    pub text: String,
}

/// A contact who may be the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchLine {
    /// What is sent back when a person picks this one.
    pub key: String,
    pub title: String,
    pub company: Option<String>,
    /// Why it may be: "same last digits".
    pub reason: String,
}

/// What stands in the form that keeps a contact on a card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactForm {
    /// It changes a contact that is there.
    pub amends: bool,
    pub heading: String,
    pub name: String,
    pub company: String,
    pub notes: String,
}

/// A word for what came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    pub text: String,
    pub chosen: bool,
}

/// Who takes a missed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Name of the person, or their address.
    pub by: String,
    /// It is the person whose page this is.
    pub mine: bool,
    /// Whoever looks may give it back for them.
    pub may_free: bool,
}

/// One call on the board. All texts are ready to be read.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(path = "card.html")]
pub struct Card {
    /// Conversation space id.
    pub id: String,
    pub tab: Tab,
    /// Over, but among the active ones until then, milliseconds since 1970.
    pub active_until_ms: Option<i64>,
    pub pinned: bool,
    /// The person has closed it: it is none of the active ones.
    pub closed: bool,
    /// Missed, and somebody said that they take it.
    pub claim: Option<Claim>,
    /// Words for what came of the call; none if none are set up.
    pub codes: Vec<Code>,
    /// What the person wrote down.
    pub notes: String,
    /// Of two texts the one with the greater number is newer.
    pub notes_version: i64,
    /// Name of the CRM that gets the notes with the call; without one they are this person's alone.
    pub notes_go_to: Option<String>,
    /// Whether the call is in that CRM.
    pub logged: Option<LoggedLine>,
    /// When the call came in, milliseconds since 1970.
    pub created_ms: i64,
    /// Calls with the same one are the same caller's; none when the number is withheld.
    pub caller_key: Option<String>,
    /// A `tel:` address.
    pub call_back: Option<String>,
    pub phase: Phase,
    /// The phase in words: "Ringing".
    pub word: String,
    /// Who calls; never empty.
    pub who: String,
    /// Their number, unless it stands in `who` already.
    pub number: Option<String>,
    /// What the network calls the caller.
    pub label: Option<String>,
    pub company: Option<String>,
    pub tier: Option<String>,
    /// Pages of the contact.
    pub links: Vec<PageLink>,
    /// "Known to: customers, HubSpot"; none when it is one source.
    pub sources: Option<String>,
    /// What is known of the contact.
    pub facts: Vec<Fact>,
    /// Contacts to choose from, the likeliest first; where the caller has a name, others who could be meant.
    pub matches: Vec<MatchLine>,
    /// The caller has the name of a contact.
    pub named: bool,
    /// A person chose that contact for this number, which can be taken back.
    pub picked: bool,
    /// Nobody is known by this number, or who was kept for it on a card: a form keeps a contact.
    pub contact_form: Option<ContactForm>,
    /// Sources that have not answered, in words.
    pub failures: Vec<String>,
    pub dialled: Dialled,
    /// Queue that took the call.
    pub queue: Option<String>,
    /// How long the caller waited until somebody answered: "0:12".
    pub waited: Option<String>,
    /// Heading of `lines`: "Rings at".
    pub lines_heading: String,
    pub lines: Vec<String>,
    /// What stands before and behind the running timer.
    pub timer_words: (String, String),
    /// When the running timer began, milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// What the timer shows at the first paint, or how long the call took.
    pub duration: Option<String>,
    /// When the call came in: "14:05".
    pub came_in: String,
    /// When it came in, ISO 8601.
    pub came_in_iso: String,
    /// "Yesterday at 14:05, missed", the newest first.
    pub last_calls: Vec<String>,
    /// "3rd call today"
    pub today: Option<String>,
    /// What a screen reader says when this state appears.
    pub say: String,
    pub texts: Arc<Texts>,
}
