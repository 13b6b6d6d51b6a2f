//! Every limit of the apps, with what happens at it. The screen pop has its own list.

use std::time::Duration;

/// A database that another process is writing: waited for this long, then an error.
pub const DATABASE_BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections to the store; a further user waits.
pub const DATABASE_CONNECTIONS: u32 = 4;
/// Connecting to the store on PostgreSQL, or waiting for a free connection; then an error.
pub const DATABASE_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Tries to take the database of an app on PostgreSQL that another one seems to use; then it does …
pub const DATABASE_LOCK_TRIES: u32 = 20;
/// … and the pause between two of them.
pub const DATABASE_LOCK_PAUSE: Duration = Duration::from_millis(250);

/// Looks at the lock of an app that seems to run already; then it does …
pub const APP_LOCK_LOOKS: u32 = 4;
/// … and the pause between two of them.
pub const APP_LOCK_LOOK: Duration = Duration::from_millis(20);

/// The redirect page stays this long after the sign-in, so that the browser can fetch its stylesheet.
pub const SIGN_IN_LINGER: Duration = Duration::from_secs(2);
/// A collector whose question to sign in was denied or could not be asked asks again after this; doubled each time, ended
/// by a sign-in elsewhere …
pub const SIGN_IN_PAUSE: Duration = Duration::from_secs(2);
/// … up to this.
pub const SIGN_IN_PAUSE_MAX: Duration = Duration::from_secs(300);
/// A start that waits for a sign-in looks this often whether somebody has signed in elsewhere.
pub const SIGN_IN_LOOK: Duration = Duration::from_millis(500);

/// Reports fetched at the same time; further ones wait in the store. Enough for the pace of the SDK even where an
/// answer takes two seconds.
pub const FETCHES_MAX: usize = 16;
/// With more reports than this waiting to be fetched the log says so …
pub const CATCHING_UP: u64 = 40;
/// … this often.
pub const CATCHING_UP_EVERY: Duration = Duration::from_secs(30);
/// Why reports cannot be had is told this long after the first one meets it, so that the others are counted …
pub const CAUSE_WAIT: Duration = Duration::from_secs(3);
/// … and again when it holds back so many times more than were told.
pub const CAUSE_GROWN: u64 = 10;
/// First pause before a report is asked for again; doubled each time, jittered down to half.
pub const FETCH_PAUSE: Duration = Duration::from_millis(500);
/// Longest such pause.
pub const FETCH_PAUSE_MAX: Duration = Duration::from_secs(300);
/// In the order of fetching a call counts as older by this times the square of its failed tries.
pub const FETCH_AGED_BY: Duration = Duration::from_secs(3600);
/// A report announced longer ago than this and not to be had is asked for rarely …
pub const FETCH_AGE_MAX: Duration = Duration::from_secs(7 * 86_400);
/// … after such a pause, jittered down to half …
pub const FETCH_PAUSE_LATE: Duration = Duration::from_secs(86_400);
/// … and given up when it is not found after this time, the longest that a backfill goes back; its gap ends as lost.
pub const FETCH_GIVEN_UP: Duration = Duration::from_secs(BACKFILL_DAYS_MAX as u64 * 86_400);
/// Pause after an error of the store, which is said; what was to be written is then tried again, without end.
pub const STORE_RETRY_PAUSE: Duration = Duration::from_secs(2);
/// A store that has refused counts as mended when it takes this much.
pub const STORE_PROBE_BYTES: usize = 256 * 1024;

/// Largest number of `GOTO_RATE_LIMIT`; more is an error of the settings.
pub const RATE_LIMIT_MAX: u32 = 100_000;

/// With several accounts, one that failed for good is tried again after this; the others go on meanwhile.
pub const ACCOUNT_PAUSE: Duration = Duration::from_secs(300);
/// Accounts of one collector; more are an error of the command line.
pub const ACCOUNTS_MAX: usize = 64;

/// Longest wish to keep something; more is an error of the command line, as is none: it would erase all at once.
pub const KEEP_DAYS_MAX: u32 = 36_500;
/// What is too old is looked for this often.
pub const RETENTION_EVERY: Duration = Duration::from_secs(3600);

/// Reports read from the store at a time.
pub const LIST_PAGE: u32 = 200;

/// An incomplete report is fetched again, with growing pauses, until it is complete or announced this long ago.
pub const INCOMPLETE_AGE_MAX: Duration = Duration::from_secs(3600);
/// First pause before an incomplete report is fetched again.
pub const INCOMPLETE_PAUSE: Duration = Duration::from_secs(30);
/// A report that is stored, was asked for again this long ago and is not to be had is left as it is, which is said.
pub const ASK_AGAIN_AGE_MAX: Duration = Duration::from_secs(3600);
/// A report announced this long ago and not to be had is a gap, which is listed; one that is refused, at once.
pub const REPORT_GAP_AGE: Duration = Duration::from_secs(600);

/// While notifications flow, summaries are still looked at this often.
pub const PULL_EVERY: Duration = Duration::from_secs(300);
/// Between two looks that go back by two days; the first comes with the second look of a run.
pub const PULL_DAILY: Duration = Duration::from_secs(86_400);
/// First pause after a look that failed; doubled each time up to [`PULL_EVERY`].
pub const PULL_PAUSE: Duration = Duration::from_secs(2);
/// The first look waits this long for the connection, then goes without.
pub const PULL_FIRST_WAIT: Duration = Duration::from_secs(30);
/// Summaries are asked for in parts of this length, so that a part fits in memory.
pub const PULL_SLICE: Duration = Duration::from_secs(86_400);
/// After a break, stored reports of calls that ended this long before it began, or since, are fetched once more: nobody could
/// be told that they change. A report that changes later than this, during a break, keeps its earlier text …
pub const REVISION_SPAN: Duration = Duration::from_secs(86_400);
/// … and so do those beyond this many of the last: about a minute of requests after each break. It is said.
pub const REVISIONS_MAX: usize = 500;
/// Days before the first start that are fetched unless `--since` says otherwise.
pub const BACKFILL_DAYS: u32 = 31;
/// Longest backfill; more is an error of the command line.
pub const BACKFILL_DAYS_MAX: u32 = 400;
/// A number that was erased is remembered this long, as a digest, so that the longest backfill of an account that is added
/// later, and a report that is waited for as long as any, do not bring it back; then it is forgotten.
pub const ERASURE_KEPT: Duration =
    Duration::from_secs(BACKFILL_DAYS_MAX as u64 * 86_400 + FETCH_AGE_MAX.as_secs());
/// While more reports than this wait to be fetched, the backfill looks no further.
pub const BACKFILL_BACKLOG_MAX: u64 = 200;
/// Between two looks at that backlog.
pub const BACKFILL_LOOK: Duration = Duration::from_millis(500);

/// At the end, the line that is being printed gets this long; a stalled output must not hold up the rest.
pub const LAST_LINE_WAIT: Duration = Duration::from_secs(1);

/// Changes that an output which takes many at once is given at a time.
pub const OUTPUT_BATCH: u32 = 200;
/// An output that takes nothing is tried again after this; doubled each time, jittered down to half …
pub const OUTPUT_PAUSE: Duration = Duration::from_secs(1);
/// … up to this. What it does not take waits in the store, in order, without bound.
pub const OUTPUT_PAUSE_MAX: Duration = Duration::from_secs(300);
/// An output that refuses one report this often has it put aside, and goes on with the next; one that fails at it this
/// often is shown the next first.
pub const OUTPUT_REFUSALS_MAX: u32 = 6;
/// An output with nothing to do looks this often for what a person wants delivered again.
pub const OUTPUT_LOOK: Duration = Duration::from_secs(5);
/// Outputs of one collector; more are an error of the configuration.
pub const OUTPUTS_MAX: usize = 32;
/// Connecting to a webhook; then it counts as down.
pub const WEBHOOK_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One request to a webhook, to the last byte of its answer; then it counts as down.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(20);
/// A command that takes longer with one report is ended, which counts as a refusal.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections of an output to its database.
pub const OUTPUT_CONNECTIONS: u32 = 1;
/// Connecting to that database; then it counts as down.
pub const OUTPUT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The doctor's look at one host; then it counts as not reached.
pub const DOCTOR_TIMEOUT: Duration = Duration::from_secs(10);
/// The doctor waits this long for a socket, then says what kept it.
pub const DOCTOR_SOCKET_WAIT: Duration = Duration::from_secs(20);
/// Bytes that the doctor writes into the state folder and takes away again: some hundred reports.
pub const DOCTOR_FILE_BYTES: usize = 4 * 1024 * 1024;
/// A clock that is further from the server's is named.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(30);
