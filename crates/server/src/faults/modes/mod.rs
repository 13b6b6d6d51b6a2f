//! What sources say differently, or nobody has seen: each open question of the spec as a mode, so that a client can be
//! tried on either answer.

pub mod calls;
pub mod channels;
pub mod frames;
mod ids;
pub mod others;
pub mod reports;
pub mod sign_in;
pub mod states;
