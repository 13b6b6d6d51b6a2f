//! The texts of one language, as `texts/` has them: each key is a field, so that a text that is missing or left over cannot
//! be built or read.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::text::{Cardinal, Ordinal, Said, Text};
use crate::texts_contacts::{ContactsTexts, FieldsTexts, ImportTexts, KeptTexts};
use crate::{Lang, Link};

/// All texts of the desk in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    #[serde(skip)]
    pub lang: Lang,
    pub page: PageTexts,
    pub sign_in: SignInTexts,
    pub link: LinkTexts,
    pub problem: ProblemTexts,
    pub board: BoardTexts,
    pub keys: KeysTexts,
    pub settings: SettingsTexts,
    pub card: CardTexts,
    pub state: StateTexts,
    pub say: SayTexts,
    pub last: LastTexts,
    pub time: TimeTexts,
    pub reason: ReasonTexts,
    pub failure: FailureTexts,
    pub wall: WallTexts,
    pub contacts: ContactsTexts,
    pub kept: KeptTexts,
    pub fields: FieldsTexts,
    pub import: ImportTexts,
    pub errors: ErrorsTexts,
    pub script: ScriptTexts,
}

impl Texts {
    /// The texts of a language.
    #[must_use]
    pub fn of(lang: Lang) -> Self {
        Self::read(lang, lang.file()).expect("tests read the file of each language")
    }

    /// Reads a file of texts.
    ///
    /// # Errors
    /// When a key is missing or left over; the message names it.
    pub fn read(lang: Lang, file: &str) -> Result<Self, String> {
        let texts: Self = toml::from_str(file).map_err(|error| error.to_string())?;
        Ok(Self { lang, ..texts })
    }

    /// How the app stands with the phone system, in a word.
    #[must_use]
    pub fn link_word(&self, link: Link) -> &Text {
        match link {
            Link::Connecting => &self.link.connecting,
            Link::Live => &self.link.live,
            Link::Lost => &self.link.lost,
            Link::SignInNeeded => &self.link.signed_out,
        }
    }

    /// What scripts say, as JSON.
    #[must_use]
    pub fn for_scripts(&self) -> String {
        serde_json::to_string(&self.script).expect("texts are JSON")
    }

    /// "1,234"
    #[must_use]
    pub fn number(&self, n: u64) -> String {
        let digits = n.to_string();
        let groups: Vec<&str> =
            digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
        groups.join(self.time.thousands.as_str())
    }

    /// "3 missed calls"
    #[must_use]
    pub fn count(&self, forms: &Cardinal, n: u64) -> String {
        self.counted(forms, n, &[])
    }

    /// "2 of 3 rows": the same with further names filled in.
    #[must_use]
    pub fn counted(&self, forms: &Cardinal, n: u64, values: &[(&str, &dyn Display)]) -> String {
        let number = self.number(n);
        let mut all: Vec<(&str, &dyn Display)> = vec![("n", &number)];
        all.extend(values);
        forms.of(self.lang.cardinal(n)).fill(&all)
    }

    /// "3rd call today"
    #[must_use]
    pub fn nth(&self, forms: &Ordinal, n: u64) -> String {
        forms.of(self.lang.ordinal(n)).with("n", self.number(n))
    }
}

/// What all pages of the desk have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageTexts {
    pub screen_pop: Text,
    pub wallboard: Text,
    pub sign_out: Text,
    pub language: Text,
}

/// The page for who has not signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInTexts {
    pub title: Text,
    pub text: Text,
    pub admin_first: Text,
    pub button: Text,
}

/// How the app stands with the phone system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkTexts {
    pub connecting: Text,
    pub live: Text,
    pub lost: Text,
    pub signed_out: Text,
}

/// What only a person can mend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProblemTexts {
    pub unreachable: Text,
    pub refused: Text,
    pub other: Text,
}

/// The page of the calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardTexts {
    pub title: Text,
    pub lost: Text,
    pub signed_out: Text,
    pub sign_in_again: Text,
    pub ask_admin: Text,
    pub which: Text,
    pub active: Text,
    pub recent: Text,
    pub missed: Text,
    pub search_label: Text,
    pub search: Text,
    pub close_finished: Text,
    pub calls: Text,
    pub discard: Text,
    pub sound_needs_click: Text,
    pub to_wallboard: Text,
    pub to_contacts: Text,
}

/// What keys do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysTexts {
    pub title: Text,
    pub done: Text,
    pub step: Text,
    pub close: Text,
    pub leave: Text,
    pub pin: Text,
    pub notes: Text,
    pub call_back: Text,
    pub take: Text,
    pub tabs: Text,
    pub search: Text,
    pub help: Text,
    pub off: Text,
}

/// What a person may choose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsTexts {
    pub title: Text,
    pub everybody: Text,
    pub unowned: Text,
    pub team: Text,
    pub do_not_disturb: Text,
    pub sound: Text,
    pub keys: Text,
    pub hours: Text,
    pub from: Text,
    pub to: Text,
    pub days: [Text; 7],
    pub lines: Text,
    pub line: Text,
    pub keep: Text,
    pub test: Text,
}

/// One call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardTexts {
    pub pin: Text,
    pub dismiss: Text,
    pub caller_id: Text,
    pub open: Text,
    pub open_in: Text,
    pub known_to: Text,
    pub by_hand: Text,
    pub call_back: Text,
    pub mine: Text,
    pub give_back: Text,
    pub theirs: Text,
    pub take: Text,
    pub dialled: Text,
    pub queue: Text,
    pub waited: Text,
    pub last_calls: Text,
    pub how_often: Text,
    pub tickets: Text,
    pub no_tickets: Text,
    pub yes: Text,
    pub no: Text,
    pub appointment: Text,
    pub notes: Text,
    pub contact_notes: Text,
    pub notes_hint: Text,
    pub notes_go_to: Text,
    pub logged: Text,
    pub not_logged: Text,
    pub not_logged_yet: Text,
    pub log_again: Text,
    pub outcome: Text,
    pub who_is_it: Text,
    pub somebody_else: Text,
    pub forget_pick: Text,
    pub new_contact: Text,
    pub name: Text,
    pub company: Text,
    pub keep_contact: Text,
    pub email: Text,
    pub anonymous: Text,
    pub withheld: Text,
    pub rings_at: Text,
    pub answered_by: Text,
    pub rang_at: Text,
    pub more_lines: Cardinal,
    pub unnamed_line: Text,
    pub extension: Text,
    pub calls_today: Ordinal,
}

/// Where a call stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateTexts {
    pub menu: Text,
    pub some_queue: Text,
    pub queue: Text,
    pub voicemail: Text,
    pub ringing: Text,
    pub answered: Text,
    pub parked: Text,
    pub taken: Text,
    pub passed_on: Text,
    pub colleague: Text,
    pub elsewhere: Text,
    pub missed: Text,
    pub missed_voicemail: Text,
    pub settled: Text,
    pub cut_off: Text,
    pub ended: Text,
    pub waits: Text,
    pub talked: Text,
    pub rang: Text,
}

/// What a screen reader says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SayTexts {
    pub calling: Text,
    pub calling_in: Text,
    pub answered: Text,
    pub answered_by: Text,
    pub other: Text,
}

/// The calls before this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastTexts {
    pub none: Text,
    pub going_on: Text,
    pub answered: Text,
    pub answered_by: Text,
    pub missed: Text,
    pub called: Text,
    pub called_by: Text,
    pub not_reached: Text,
    pub talked: Text,
}

/// Times of day and dates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeTexts {
    pub clock: Text,
    pub months: [Text; 12],
    pub today: Text,
    pub yesterday: Text,
    pub this_year: Text,
    pub other_year: Text,
    pub this_day: Text,
    pub tomorrow: Text,
    pub day: Text,
    pub day_of_year: Text,
    pub day_time: Text,
    pub thousands: Text,
}

/// Why a contact may be the caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasonTexts {
    pub same: Text,
    pub same_extension: Text,
    pub home: Text,
    pub plus: Text,
    pub letters: Text,
    pub other_extension: Text,
    pub country: Text,
    pub end: Text,
    pub mobile_9: Text,
    pub brazil_9: Text,
    pub italian_zero: Text,
    pub company: Text,
    pub short: Text,
}

/// Why a source has not answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureTexts {
    pub slow: Text,
    pub unreachable: Text,
    pub refused: Text,
    pub budget: Text,
    pub pause: Text,
    pub status: Text,
    pub database: Text,
    pub unreadable: Text,
    pub not_set_up: Text,
    pub part: Text,
}

/// The wallboard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WallTexts {
    pub title: Text,
    pub waiting: Text,
    pub longest: Text,
    pub nobody_waits: Text,
    pub answered: Text,
    pub missed: Text,
    pub agents: Text,
    pub no_lines: Text,
    pub talking: Text,
    pub ringing: Text,
    pub free: Text,
    pub full_screen: Text,
    pub back: Text,
    pub new_link: Text,
    pub new_link_text: Text,
    pub address: Text,
    pub links: Text,
    pub links_text: Text,
    pub made: Text,
    pub made_by: Text,
    pub take_away: Text,
    pub sure: Text,
    pub make_link: Text,
    pub link_name: Text,
    pub link_name_example: Text,
}

/// Pages that say one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorsTexts {
    pub no_page: Said,
    pub wrong_name: Said,
    pub foreign_form: Said,
    pub store: Said,
    pub many_lines: Said,
    pub wrong_hours: Said,
    pub no_chance: Said,
    pub not_kept: Said,
    pub no_name: Said,
    pub contacts: Said,
    pub dead_link: Said,
    pub admins_only: Said,
    pub contacts_admins: Said,
    pub many_links: Said,
    pub link_name: Said,
    pub no_answer: Said,
    pub refused: Said,
    pub foreign_answer: Said,
}

/// What scripts say; a page has them as data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptTexts {
    pub not_kept: Text,
    pub hours_empty: Text,
    pub hours_no_day: Text,
    pub hours_whole_day: Text,
    pub hours_next_day: Text,
    pub reconnecting: Text,
    pub document: Text,
    pub ringing: Text,
    pub talking: Text,
    pub missed_calls: Cardinal,
    pub more: Cardinal,
    pub empty_active: Text,
    pub empty_active_text: Text,
    pub empty_recent: Text,
    pub empty_recent_text: Text,
    pub empty_missed: Text,
    pub empty_missed_text: Text,
    pub not_found: Text,
    pub not_found_text: Text,
    pub saved: Text,
    pub both_kept: Text,
    pub note_gone: Text,
    pub note_too_long: Text,
    pub not_saved: Text,
    pub calling: Text,
    pub no_notifications: Text,
    pub allowed: Text,
    pub refused: Text,
    pub not_asked: Text,
    pub nobody: Text,
    pub example: Text,
    pub reading: Text,
    pub too_large: Text,
    pub not_taken: Text,
    pub away: Text,
}
