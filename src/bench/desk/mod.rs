//! The screen pop measured: from a call to its painted card, many desks at once, a million contacts.

mod app;
mod browser;
pub mod card;
pub mod contacts;
mod crm;
mod listener;
pub mod many;
mod office;
