//! Every limit of the apps, with what happens at it. The screen pop has its own list.

use std::time::Duration;

/// A database that another process is writing: waited for this long, then an error.
pub const DATABASE_BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections to the store; a further user waits.
pub const DATABASE_CONNECTIONS: u32 = 4;

/// The redirect page stays this long after the sign-in, so that the browser can fetch its stylesheet.
pub const SIGN_IN_LINGER: Duration = Duration::from_secs(2);

/// Reports fetched at the same time; further ones wait in the store.
pub const FETCHES_MAX: usize = 4;
/// First pause before a report is asked for again; doubled each time, jittered down to half.
pub const FETCH_PAUSE: Duration = Duration::from_millis(500);
/// Longest such pause.
pub const FETCH_PAUSE_MAX: Duration = Duration::from_secs(300);
/// A report announced longer ago than this and never found is given up, which is said.
pub const FETCH_AGE_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Pause after an error of the store, which is said.
pub const STORE_RETRY_PAUSE: Duration = Duration::from_secs(2);

/// Reports read from the store at a time.
pub const LIST_PAGE: u32 = 200;

/// After each connection, reports are looked for from this long before the last one stored …
pub const CATCH_UP_OVERLAP: Duration = Duration::from_secs(3600);
/// … but no further back than the service answers in one request (spec/call-events-report.md).
pub const CATCH_UP_MAX: Duration = Duration::from_secs(31 * 86_400 - 3600);

/// At the end, the line that is being printed gets this long; a stalled output must not hold up the rest.
pub const LAST_LINE_WAIT: Duration = Duration::from_secs(1);
