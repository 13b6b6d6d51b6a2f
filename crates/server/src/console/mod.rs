//! `/console`: what a developer sees of the own account while a program is being made: channels, subscriptions, calls,
//! every request and every notification with the reason why it went or did not go; and buttons that play, break and
//! repeat. For super admins. What it shows is in memory alone, from when somebody first looks until nobody has looked
//! for a while.

mod journal;
mod page;
mod record;
mod stream;
mod unread;

pub use journal::{Again, AtFault, Journal, Record, Told, Verdict};
pub use page::{add_fault, clear_faults, play, resend, show};
pub use record::requests;
pub use stream::{events, list};
pub use unread::watch;
