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
