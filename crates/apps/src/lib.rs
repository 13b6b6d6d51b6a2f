//! The apps for people: the screen pop and the report collector. They know the world through `sdk` alone.

pub mod accounts;
pub mod env;
pub mod limits;
pub mod people;
pub mod reports;
pub mod screen_pop;
pub mod service;
mod session;
pub mod sign_in;
pub mod store;

pub use session::{SCOPES, session};
