//! Every bound of the people's part, and what happens at it.

/// Characters of a name or label that are kept; the rest is cut.
pub const TEXT_CHARS_MAX: usize = 120;
/// Characters of what is read as a number; a longer text is no number.
pub const NUMBER_CHARS_MAX: usize = 64;
/// Digits of an extension; a longer one makes the text no number.
pub const EXTENSION_DIGITS_MAX: usize = 8;
/// Fewest digits by which an end of a number is compared with a whole one.
pub const SUFFIX_DIGITS: usize = 7;
/// Fewest digits of a short number, such as an extension or a service code.
pub const SHORT_DIGITS_MIN: usize = 3;
/// Most digits of a direct dial behind a company's number in Germany and Austria.
pub const DIRECT_DIAL_DIGITS_MAX: usize = 3;
/// Fewest digits of a company's number there, without the country code.
pub const TRUNK_DIGITS_MIN: usize = 6;
/// Lines kept for one call; further ones are not remembered.
pub const LINES_KEPT_MAX: usize = 64;

/// Contacts that one number can bring up; further ones are not looked at.
pub const CANDIDATES_MAX: i64 = 50;
/// Bytes of one row or card of an imported file; a longer one ends the import, and nothing changes.
pub const IMPORT_ROW_BYTES_MAX: usize = 1 << 20;
/// Bytes of a file read at a time.
pub const IMPORT_READ_BYTES: usize = 64 * 1024;
/// Contacts handed to the store at a time.
pub const IMPORT_CHUNK_ROWS: usize = 2_000;
/// Such chunks waiting for the store; when full the reader waits.
pub const IMPORT_CHUNKS_WAITING: usize = 4;
/// Contacts written in one transaction; an interrupted import leaves those, and the next one drops them.
pub const IMPORT_COMMIT_ROWS: usize = 50_000;
/// Contacts dropped in one transaction.
pub const IMPORT_DELETE_ROWS: i64 = 50_000;
/// Rows that a look at a file checks before it is imported; how many more there are is not known then.
pub const CHECK_ROWS_MAX: u64 = 20_000;
/// Rows that a look at a file takes examples from.
pub const EXAMPLE_ROWS_MAX: usize = 200;
/// Examples of a column.
pub const EXAMPLES_MAX: usize = 3;
/// Columns of a file that the page maps; one with more is refused there.
pub const COLUMNS_MAX: usize = 200;
/// KiB of the database's pages kept in memory during an import.
pub const IMPORT_CACHE_KIB: i64 = 64_000;
/// Contacts read from the store at a time.
pub const LIST_PAGE: u32 = 500;

/// Time that a source has for an answer unless its own is set; then the card says that it does not answer.
pub const SOURCE_DEADLINE_MS: u64 = 3_000;
/// Seconds for which an answer is not asked for again.
pub const SOURCE_FRESH_S: u64 = 300;
/// Seconds after that for which the old answer is shown while a new one is fetched.
pub const SOURCE_STALE_S: u64 = 86_400;
/// Rows of a file of which none can be used that are named with the reason; the report has all.
pub const REASONS_SHOWN_MAX: usize = 3;
/// Requests to a source in a minute, further ones for a contact and calls written to it included; then it is not asked, and the card says so.
pub const SOURCE_REQUESTS_PER_MINUTE: std::num::NonZeroU32 =
    std::num::NonZeroU32::new(100).expect("it is not zero");
/// Requests to a source at the same time; further ones wait, and their deadline runs.
pub const REQUESTS_AT_ONCE: usize = 8;
/// Failures in a row after which a source is left alone …
pub const CIRCUIT_FAILURES: u32 = 5;
/// … for this long; then one more failure is enough.
pub const CIRCUIT_PAUSE: std::time::Duration = std::time::Duration::from_secs(30);
/// Numbers whose answers a source keeps; the oldest is forgotten.
pub const CACHED_NUMBERS_MAX: usize = 10_000;
/// Bytes of a source's answer; a longer one counts as unreadable.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Contacts of one answer; further ones are not looked at.
pub const ANSWER_CONTACTS_MAX: usize = 20;
/// Appointments kept of a contact; later ones are left out.
pub const APPOINTMENTS_KEPT_MAX: usize = 20;
/// Contacts of one answer for which further requests are made, at the same time; the others go without.
pub const FURTHER_REQUESTS_MAX: usize = 4;
/// Answers waiting for the card; a source that finds no room waits.
pub const ANSWERS_WAITING: usize = 16;
/// Connections to a database among the sources; a further look-up waits, and its deadline runs.
pub const SOURCE_CONNECTIONS: u32 = 4;

/// Time that a CRM has to take a call; then the call is looked for there and, if it is not there, written again.
pub const WRITE_DEADLINE: std::time::Duration = std::time::Duration::from_secs(15);
/// A call is written so long after its last change, so that a note is sent when it is written, not at each key.
pub const WRITE_SETTLES: std::time::Duration = std::time::Duration::from_secs(5);
/// Wait before the second try to write a call; it doubles with each further one. Longer than services take until their
/// search finds what they have taken …
pub const WRITE_RETRY_FIRST: std::time::Duration = std::time::Duration::from_secs(60);
/// … up to this.
pub const WRITE_RETRY_MAX: std::time::Duration = std::time::Duration::from_secs(3_600);
/// Tries to write a call, some 20 hours; then its card says that it is not there, and a person can have it tried again.
pub const WRITE_TRIES_MAX: i64 = 25;
/// Calls written in one round.
pub const WRITES_AT_ONCE: u32 = 8;
/// Words for what came of a call; a longer list is refused at the start.
pub const OUTCOMES_MAX: usize = 40;
/// Characters of each; a longer one is refused at the start.
pub const OUTCOME_CHARS_MAX: usize = 40;
