//! Bounds of the call model, and what happens at each.

/// Legs that one call can have at the same time, ringing ones included. A `Ring` beyond it is refused with
/// `CommandError::TooManyLegs` and changes nothing.
pub const LEGS_MAX: usize = 100;

/// Bytes of a scenario file; more is refused.
pub const SCENARIO_BYTES_MAX: usize = 64 * 1024;

/// Steps of a scenario file; more are refused.
pub const SCENARIO_STEPS_MAX: usize = 200;

/// Calls that the telephones of one line are in at the same time, of those that a repeating scenario or the days of an
/// office play; a consultation belongs to its call. A further call takes another line, and the scenario's `when-busy`
/// when no line is free.
pub const CALLS_OF_A_LINE_MAX: usize = 1;

/// Calls that one scenario file can play; more are refused.
pub const SCENARIO_REPEATS_MAX: u32 = 1_000;

/// The longest that one step may wait, in milliseconds: a day. More is refused.
pub const SCENARIO_STEP_MS_MAX: u64 = 86_400_000;

/// Bytes of an office file; more is refused.
pub const OFFICE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Digits of an extension in an office file; others are refused.
pub const EXTENSION_DIGITS: std::ops::RangeInclusive<usize> = 2..=10;

/// Bytes of an e-mail address in an office file (RFC 5321 §4.5.3.1); more are refused.
pub const OFFICE_EMAIL_BYTES_MAX: usize = 254;

/// Misspelt words of an office file that are told of at once; behind them the file is not read.
pub const MISSPELT_WORDS_MAX: usize = 50;
