//! Bounds of the call model, and what happens at each.

/// Legs that one call can have at the same time, ringing ones included. A `Ring` beyond it is refused with
/// `CommandError::TooManyLegs` and changes nothing.
pub const LEGS_MAX: usize = 100;

/// Bytes of an office file; more is refused.
pub const OFFICE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Digits of an extension in an office file; others are refused.
pub const EXTENSION_DIGITS: std::ops::RangeInclusive<usize> = 2..=10;

/// Bytes of an e-mail address in an office file (RFC 5321 §4.5.3.1); more are refused.
pub const OFFICE_EMAIL_BYTES_MAX: usize = 254;
