//! The call model seen from outside: calls against the captured examples, against their rules, and for people
//! to read.

mod busy;
mod captured;
mod captured_transfers;
mod commands;
mod documented;
mod history;
mod leaving;
mod office_file;
mod properties;
mod recording;
mod reports;
mod requests;
mod rules;
mod snapshots;
mod support;
