//! Who is calling, and what is known of them.
//!
//! [`parties`] finds the outside party of a call; [`number`] reads what stands where a number is expected;
//! [`compare`] says how surely two numbers are one, [`same`] whether two contacts are one person; [`import`] takes contacts from files, [`sources`]
//! asks them and web services.

pub mod agenda;
pub mod compare;
pub mod contact;
pub mod import;
pub mod limits;
pub mod number;
pub mod parties;
pub mod same;
pub mod sources;
pub mod text;

#[cfg(test)]
mod tests;
