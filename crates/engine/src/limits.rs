//! Bounds of the call model, and what happens at each.

/// Legs that one call can have at the same time, ringing ones included. A `Ring` beyond it is refused with
/// `CommandError::TooManyLegs` and changes nothing.
pub const LEGS_MAX: usize = 100;
