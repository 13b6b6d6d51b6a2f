//! Every bound of the screen pop, and what happens at it.

use std::time::Duration;

/// Finished calls of one line kept on the board, and as many missed ones; the oldest leaves the pages, the store keeps it.
pub const FINISHED_OF_LINE_MAX: usize = 100;
/// Finished calls kept on the board in all; the oldest leaves, whatever its line.
pub const FINISHED_CARDS_MAX: usize = 4000;
/// Finished calls on the pages of one person when they are opened, and as many missed ones; older ones are not painted.
pub const FINISHED_OF_ONE_MAX: usize = 100;
/// Cards by which the pages of a person may outgrow that while they are open; then the oldest leave them.
pub const FINISHED_OF_ONE_MORE: usize = 32;
/// Calls under way on the board; a further one is not shown, and that is logged.
pub const LIVE_CARDS_MAX: usize = 1000;
/// Ids of calls that left the board, remembered so that a late repeat does not pop again; the oldest is forgotten.
pub const FORGOTTEN_IDS_MAX: usize = 10_000;
/// A finished call stays among the active ones this long, for notes.
pub const FINISHED_STAYS: Duration = Duration::from_secs(15 * 60);
/// A call that a colleague took stays this long.
pub const TAKEN_STAYS: Duration = Duration::from_secs(60);
/// Lines named on one card; the rest is counted.
pub const LINES_SHOWN_MAX: usize = 12;

/// Bytes of a form; a longer one is refused with 413.
pub const FORM_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a form with notes; a longer one is refused with 413. Each character can take four bytes, of which a form makes
/// three each; there are two texts, the notes and what they were made from.
pub const NOTES_FORM_BYTES_MAX: usize = 2 * 12 * NOTES_CHARS_MAX + 1024;
/// Groups of people whose marks are changed and stored one after another; a further change in the same group waits.
pub const TURNS: usize = 64;
/// Bytes of a file of contacts that the page takes; a longer one gets 413, and the command takes it.
pub const UPLOAD_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Lists of contacts made on the page; with as many, one has to be taken away first.
pub const CONTACT_LISTS_MAX: usize = 50;
/// Characters of the name of such a list; a longer one is refused.
pub const LIST_NAME_CHARS_MAX: usize = 60;
/// Contacts kept on cards that their page shows at a time, the newest; a search finds the others.
pub const KEPT_CONTACTS_SHOWN_MAX: usize = 100;
/// Contacts offered on one card; the rest is left out.
pub const MATCHES_SHOWN_MAX: usize = 5;
/// Earlier calls of a caller on one card; older ones are left out.
pub const LAST_CALLS_SHOWN_MAX: usize = 3;
/// Numbers of one contact whose earlier calls are told on the card; those of further numbers are not.
pub const HISTORY_NUMBERS_MAX: usize = 8;
/// Facts of a contact on one card; the rest is left out.
pub const FACTS_SHOWN_MAX: usize = 6;

/// Connections at a time, where the system allows as many open files; a further one gets 503, over TLS no word.
pub const CONNECTIONS_MAX: usize = 20_000;
/// Pages open at a time; a further one gets 503.
pub const PAGES_MAX: usize = 4000;
/// Wallboards open at a time; a further one gets 503.
pub const WALLS_MAX: usize = 64;
/// Read-only links of the wallboard at a time; with as many, one has to be taken away first.
pub const WALL_LINKS_MAX: u32 = 20;
/// Characters of the name of such a link; a longer one is refused with 422.
pub const WALL_LINK_NAME_CHARS_MAX: usize = 60;
/// Lines on a wallboard; the rest is left out.
pub const AGENTS_SHOWN_MAX: usize = 200;
/// Pages of one person open at a time; a further one gets 503.
pub const PAGES_OF_ONE_MAX: usize = 64;
/// How often the sources are asked again about callers of whom one of them could not tell …
pub const ASK_AGAIN_EVERY: Duration = Duration::from_secs(30);
/// … and how many calls are looked at each time; the others have their turn when these are known.
pub const ASK_AGAIN_MAX: usize = 100;
/// Characters of the notes of one call; a longer text is refused with 413.
pub const NOTES_CHARS_MAX: usize = 4000;
/// Pages whose last save of notes is remembered for each call, so that one that comes again changes nothing; the one that is
/// silent longest is forgotten, and then both texts are kept if they differ. At [`NOTES_CHARS_MAX`] some 30 MB.
pub const SAVES_KEPT_MAX: usize = 2000;
/// Bytes of the name of such a page; saves of a page with a longer one are not remembered.
pub const PAGE_NAME_BYTES_MAX: usize = 64;
/// Lines that a person may keep from popping; a form with more is refused with 400.
pub const LINES_CHOSEN_MAX: usize = 64;
/// Marks (notes, pins, dismissals) of one person taken back at their first page besides those of calls on the board; older
/// ones stay in the store.
pub const MARKS_RESTORED_MAX: u32 = 1000;

/// How long a browser stays signed in.
pub const SESSION_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// How long a browser keeps the language that was chosen before somebody signed in.
pub const LANGUAGE_KEPT: Duration = Duration::from_secs(365 * 86_400);
/// Sessions at a time; with more the one that signed in first is signed out.
pub const SESSIONS_MAX: usize = 10_000;
/// Sign-ins under way; with more, the oldest of the address that began most has to begin again.
pub const SIGN_INS_MAX: usize = 2000;
/// Sign-ins under way of one address, which can be that of a whole office; with more, its oldest has to begin again.
pub const SIGN_INS_OF_ONE_MAX: usize = 500;
/// How long a person may take to sign in; then they begin again.
pub const SIGN_IN_LIFE: Duration = Duration::from_secs(600);
/// How often people and lines are read anew: so soon who has left the phone system loses their session.
pub const DIRECTORY_EVERY: Duration = Duration::from_secs(120);
/// How long after the sign-in a right to see all calls holds that a restart of the app has parted from its tokens; while
/// the app runs it is asked about as often as people and lines are read.
pub const RIGHT_UNASKED_MAX: Duration = Duration::from_secs(12 * 3600);
/// Changes waiting for one page; when full the page is closed, comes back and gets a fresh snapshot.
pub const PAGE_QUEUE_MAX: usize = 128;
/// How soon a page that lost its connection tries again.
pub const PAGE_RETRY: Duration = Duration::from_secs(1);
/// A comment this often tells both ends that the connection lives.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long reading a caller's history may take; then the card has none.
pub const HISTORY_WAIT: Duration = Duration::from_millis(250);
/// Calls, in either direction, waiting to be written; when full the next one waits, and with it the feed.
pub const WRITES_MAX: usize = 1024;
/// Calls under way at the start about which the services are asked at the same time; the others wait.
pub const CATCH_UP_AT_ONCE: usize = 4;
/// Pause between two finished calls about which the services are asked after the start, so that new calls find requests left.
pub const CATCH_UP_EVERY: Duration = Duration::from_secs(2);
/// Pause after a service took no more requests; then it is asked once more about the same call.
pub const CATCH_UP_SPENT: Duration = Duration::from_secs(60);
/// How often the app looks whether contacts were imported by another process.
pub const LISTS_EVERY: Duration = Duration::from_secs(10);
/// Calls taken back onto the board at the start; older ones stay in the store.
pub const RESTORED_MAX: u32 = 500;
/// Missed calls that are taken back besides, however many came since.
pub const MISSED_RESTORED_MAX: u32 = 500;

/// A call without news for this long is compared with the calls under way.
pub const STALE_AFTER: Duration = Duration::from_secs(60);
/// How often the board is searched for such calls, and how soon a failed comparison is tried again.
pub const STALE_CHECK: Duration = Duration::from_secs(15);
/// Calls whose history is read in one comparison; the others are closed with the outcome unknown.
pub const HISTORIES_MAX: usize = 100;
/// Calls whose history is wanted and not yet asked for; when full a further one is not shown.
pub const WANTED_MAX: usize = 256;

/// Time before a look in which calls that ended without being heard are looked for; older ones are not shown: a week, which no
/// closed office outlasts often.
pub const LOOK_BACK: Duration = Duration::from_secs(7 * 86_400);
/// Such calls taken in one look, the newest; the others are not shown, and that is logged. About a minute of requests.
pub const PAST_CALLS_MAX: usize = 500;
/// Such calls that go to the pages together.
pub const PAST_TOGETHER: usize = 25;
/// Such calls that wait for the board; then the look waits.
pub const PAST_WAITING: usize = 2;
/// Looks after the start and after each break …
pub const LOOKS_AFTER_BREAK: u32 = 4;
/// … with this pause, for a report can come minutes after its call; while all is heard, so often is noted until when it was.
pub const LOOK_EVERY: Duration = Duration::from_secs(300);
/// Pause after a look that failed.
pub const LOOK_RETRY: Duration = Duration::from_secs(30);
/// Calls remembered as looked at; with more all are forgotten, and looked at once more.
pub const LOOKED_AT_MAX: usize = 20_000;

/// How long the server waits for its open pages at the end.
pub const SHUTDOWN_WAIT: Duration = Duration::from_secs(2);
/// How long the app waits before it asks the authorization server again.
pub const SIGN_IN_RETRY: Duration = Duration::from_secs(5);
/// Calls seen longer ago than this many days are dropped from the store at the start.
pub const SEEN_KEPT_DAYS: i64 = 400;
