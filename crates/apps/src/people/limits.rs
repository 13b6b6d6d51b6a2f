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
/// KiB of the database's pages kept in memory during an import.
pub const IMPORT_CACHE_KIB: i64 = 64_000;
/// Contacts read from the store at a time.
pub const LIST_PAGE: u32 = 500;
