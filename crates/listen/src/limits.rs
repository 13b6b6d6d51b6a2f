//! Every bound of listening, and what happens at it.

use std::time::Duration;

/// Connections at the same time, sockets included, where the system allows as many open files; beyond it 503.
pub const CONNECTIONS_MAX: usize = 100_000;
/// Open files that are not for connections: database, webhooks, certificates.
pub const OPEN_FILES_KEPT: usize = 512;
/// Open files assumed where the system does not tell.
pub const OPEN_FILES_UNKNOWN: u64 = 1_024;
/// Connections that are being told that there are too many; further ones are closed without a word.
pub const REFUSALS_MAX: usize = 64;
/// A refused connection is closed after this.
pub const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);
/// Wait after a connection that could not be accepted for want of files or memory.
pub const ACCEPT_RETRY: Duration = Duration::from_secs(1);
/// The head of a request must be there within this after the connection's begin or the last answer; then it is closed.
pub const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// TLS handshakes at the same time; beyond it new connections wait for theirs.
pub const TLS_HANDSHAKES_MAX: usize = 256;
/// A connection that has not shaken hands by then is closed.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A certificate with fewer days left is warned of.
pub const CERTIFICATE_WARN_DAYS: i64 = 30;
/// Renewed files of a certificate are looked for this often.
pub const CERTIFICATE_LOOK_EVERY: Duration = Duration::from_mins(1);
/// So often a running server looks whether the certificate is about to expire.
pub const CERTIFICATE_CHECK_EVERY: Duration = Duration::from_hours(24);
