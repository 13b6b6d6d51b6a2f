//! Callfeed from outside: every story runs the real binary and speaks to it as its users do, over HTTP,
//! WebSocket and a browser. `CALLFEED_TEST_DATABASE` tells on which database (see `harness/database.rs`).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops with a panic")]

mod backup;
mod bench;
mod call_history;
mod channel_life;
mod channels;
mod check_config;
mod clients;
mod connections;
mod console;
mod crash;
mod demo;
mod directory;
mod docs;
mod endpoints;
mod errors;
mod faults;
mod grade;
mod hardening;
mod harness;
mod lines;
mod logs;
mod metrics;
mod oauth_extras;
mod oauth_security;
mod office;
mod openapi;
mod recordings;
mod reports_app;
mod reports_pull;
mod resume;
mod scenarios;
mod screen_pop;
mod serve;
mod sign_in;
mod soak;
mod stalled_output;
mod stop;
mod summaries;
mod tls;
mod tutorial_call_events;
mod tutorial_reports;
mod upgrade;
mod webhooks;
mod webhooks_durable;
