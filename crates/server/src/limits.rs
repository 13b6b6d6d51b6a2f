//! Every bound of the platform, with what happens when it is reached.

use std::time::Duration;

pub use listen::limits::{CERTIFICATE_LOOK_EVERY, CERTIFICATE_WARN_DAYS, REQUEST_HEAD_TIMEOUT};

/// Largest request body; beyond it 413.
pub const REQUEST_BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest `x-request-id` that is taken over from a request; a longer one is replaced.
pub const REQUEST_ID_BYTES_MAX: usize = 64;
/// Connections to the port for metrics; beyond it 503.
pub const METRICS_CONNECTIONS_MAX: usize = 64;
/// A request's body must be there within this; then 408.
pub const REQUEST_BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Default requests per second per client and API; beyond it 429 (spec/errors-and-limits.md, Rate limit).
pub const RATE_LIMIT_PER_S: u32 = 10;
/// Clients and APIs that the rate limiter remembers before it forgets idle ones.
pub const RATE_LIMIT_KEYS_MAX: usize = 10_000;

/// Where a virtual clock begins: 2026-01-05T00:00:00Z, a Monday.
pub const CLOCK_START_S: i64 = 1_767_571_200;
/// Farthest that a virtual clock is advanced by one request; beyond it 400.
pub const CLOCK_ADVANCE_DAYS_MAX: i64 = 3660;
/// Real time that a virtual clock gives a client to refresh a channel, or to come back after its end; then it moves on. So
/// long a token serves at least that was issued while the clock moved.
pub const CLOCK_PATIENCE: Duration = Duration::from_secs(5);
/// … but no longer than this on the clock. On a fast machine weeks pass within [`CLOCK_PATIENCE`]: a client whose token
/// served through all of the days in which a refresh brings a new refresh token would have to sign in again.
pub const CLOCK_SPARED_MAX_S: i64 = 6 * 24 * 3600;
/// Real time that a virtual clock waits for work that was begun; then it says so and moves on.
pub const CLOCK_SETTLE_MAX: Duration = Duration::from_secs(60);
/// As good as never: where the machine's timer has nothing to say because the clock is virtual.
pub const CLOCK_NEVER: Duration = Duration::from_secs(366 * 24 * 3600);
/// Between two looks for ended channels, in virtual time.
pub const CLOCK_LOOK_EVERY: Duration = Duration::from_secs(60);
/// Every so many of these looks, what is too old is forgotten: once an hour.
pub const CLOCK_LOOKS_PER_SWEEP: u64 = 60;

/// Days of an office that are laid out by one request; beyond it 400.
pub const OFFICE_DAYS_MAX: u32 = 366;

/// A token that was looked up is not looked up again for this long, unless a token was taken away meanwhile.
pub const SESSION_KNOWN: Duration = Duration::from_secs(1);
/// Tokens known at the same time; beyond it all are forgotten and looked up again.
pub const SESSIONS_KNOWN_MAX: usize = 10_000;

/// An access token lives one hour (spec/oauth.md).
pub const ACCESS_TOKEN_LIFE_S: i64 = 3600;
/// A refresh token lives 30 days …
pub const REFRESH_TOKEN_LIFE_S: i64 = 2_592_000;
/// … and a refresh brings a new one from this part of its life on.
pub const REFRESH_TOKEN_RENEW_PERCENT: i64 = 60;
/// RFC 6749 §4.1.2: ten minutes at most.
pub const CODE_LIFE_S: i64 = 600;
/// From the login to the end of the consent page; after it the person signs in again.
pub const SIGN_IN_LIFE_S: i64 = 600;
/// A session of the client portal; after it the person signs in again.
pub const PORTAL_SESSION_LIFE_S: i64 = 8 * 3600;
/// Clients of one person; beyond it the form says to delete one.
pub const CLIENTS_PER_USER_MAX: usize = 100;
/// Personal access tokens of one person; beyond it the form says to revoke one.
pub const PERSONAL_TOKENS_PER_USER_MAX: usize = 100;
/// A replaced client secret works this much longer.
pub const OLD_SECRET_LIFE_S: i64 = 24 * 3600;
/// Replaced secrets of one client that work at the same time; beyond it the page says to end them first.
pub const OLD_SECRETS_MAX: usize = 4;
/// Name of a client or a personal access token, in characters; a longer one is refused beside its field.
pub const PORTAL_NAME_CHARS_MAX: usize = 100;
/// Description of a client, in characters; a longer one is refused beside its field.
pub const CLIENT_DESCRIPTION_CHARS_MAX: usize = 500;
/// Redirect URIs of one client; more are refused beside their field.
pub const REDIRECT_URIS_MAX: usize = 20;
/// Length of one redirect URI; a longer one is refused beside its field.
pub const REDIRECT_URI_BYTES_MAX: usize = 1_000;
/// Expired tokens are remembered this long, so that a client hears "expired" and not "unknown".
pub const EXPIRED_TOKEN_KEPT_S: i64 = 24 * 3600;
/// The same on a virtual clock, which can pass a day between two requests of a client.
pub const EXPIRED_TOKEN_KEPT_VIRTUAL_S: i64 = 400 * 24 * 3600;

/// Failures of one user at an address, or of one address, within [`LOGIN_WINDOW`] after which logins are slowed.
pub const LOGIN_FAILURES_FREE: usize = 4;
pub const LOGIN_WINDOW: Duration = Duration::from_secs(60);
/// Wait before the first slowed login; doubles with each further failure …
pub const LOGIN_DELAY_MIN: Duration = Duration::from_secs(1);
/// … up to this.
pub const LOGIN_DELAY_MAX: Duration = Duration::from_secs(8);
/// A login that would have to wait longer is answered 429 with what to do.
pub const LOGIN_WAIT_MAX: Duration = Duration::from_secs(20);
/// An e-mail address is cut to this (RFC 5321 §4.5.3.1 allows 256 octets); a longer one belongs to nobody.
pub const EMAIL_CHARS_MAX: usize = 256;
/// Failures remembered of one user or address; more do not lengthen the wait.
pub const LOGIN_FAILURES_KEPT: usize = 16;
/// Users and addresses whose failures are remembered; the oldest are forgotten first.
pub const LOGIN_KEYS_MAX: usize = 10_000;
/// A new password; a shorter or longer one is refused.
pub const PASSWORD_CHARS_MIN: usize = 12;
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Passwords checked at the same time; Argon2 takes memory and a core for each.
pub const PASSWORD_CHECKS_MAX: usize = 2;
/// Logins that wait for their turn or their delay; beyond it 503.
pub const LOGINS_WAITING_MAX: usize = 256;

/// Life of a WebSocket channel unless asked otherwise (seen on the live service).
pub const CHANNEL_LIFE_S: u64 = 1200;
/// Bounds of `channelLifetime` in a request; outside of them 400.
pub const CHANNEL_LIFE_S_MIN: u64 = 2;
pub const CHANNEL_LIFE_S_MAX: u64 = 86_400;
/// `WEBSOCKET_TO_BE_CLOSED` comes this long before the end, or at a tenth of the life if that is less.
pub const TO_BE_CLOSED_BEFORE_END: Duration = Duration::from_secs(10);
/// Nickname, in characters.
pub const NICKNAME_CHARS_MAX: usize = 128;
/// Live channels of one user; beyond it 409 with what to do.
pub const CHANNELS_PER_USER_MAX: usize = 10_000;
/// Keys in one subscription request; beyond it 400.
pub const SUBSCRIPTION_KEYS_MAX: usize = 1_000;

/// Longest `--list-lag`, in seconds; a longer one is refused at the start.
pub const LIST_LAG_S_MAX: u64 = 60;
/// Deleted channels, and subscriptions, that lists which lag still show; the oldest are forgotten first.
pub const LIST_LAG_GONE_MAX: usize = 10_000;

/// Newest log entries of one account kept in memory for its readers; one that is further behind reads the log …
pub const RECENT_ENTRIES_MAX: usize = 1_024;
/// … as does one that is later than this, give or take [`SWEEP_EVERY`].
pub const RECENT_KEPT: Duration = Duration::from_secs(1);
/// Log entries read at once when a channel catches up.
pub const CATCH_UP_PAGE: i64 = 256;
/// A socket that takes no bytes for this long is closed; its channel keeps its place in the log.
pub const SOCKET_WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// The server pings an idle socket this often.
pub const SOCKET_PING_EVERY: Duration = Duration::from_secs(30);
/// After a delivery a ping asks for confirmation this soon.
pub const SOCKET_CONFIRM_AFTER: Duration = Duration::from_secs(1);
/// A ping unanswered for this long (two periods) means a dead socket.
pub const SOCKET_PONG_TIMEOUT: Duration = Duration::from_secs(60);
/// Pings that may wait for their answers for a page of a catch-up to send one more; beyond it the page is confirmed
/// with what follows.
pub const SOCKET_PINGS_MAX: usize = 64;
/// How long a client may take to answer a close frame.
pub const SOCKET_CLOSE_WAIT: Duration = Duration::from_secs(2);
/// Largest message a client may send, beyond it close code 1009; clients send pings and closes only.
pub const SOCKET_FRAME_BYTES_MAX: usize = 64 * 1024;
/// What is read of a socket at once; the rest waits in the system's buffer.
pub const SOCKET_READ_BYTES: usize = 4 * 1024;
/// Frames collected for one write to a socket; what is more goes into the next.
pub const SOCKET_WRITE_BYTES: usize = 64 * 1024;

/// Notifications older than their `ttl` are not sent any more.
pub const NOTIFICATION_TTL_S: i64 = wire::notification::TTL_S as i64;

/// A reader that names its last notification gets what came since for this long …
pub const RESUME_WINDOW_S: i64 = 86_400;
/// … and as long as no more than this came since; else it is told that something is missing.
pub const RESUME_NOTIFICATIONS_MAX: i64 = 100_000;

/// Chunks waiting for the reader of server-sent events; beyond it the stream waits, and ends like a socket.
pub const SSE_CHUNKS_MAX: usize = 16;
/// Frames are collected up to this before they are handed on.
pub const SSE_CHUNK_BYTES: usize = 64 * 1024;
/// A comment keeps an idle stream of events open.
pub const SSE_HEARTBEAT: Duration = Duration::from_secs(15);

/// Life of a webhook channel unless asked otherwise, and the longest: practically for ever.
pub const WEBHOOK_LIFE_S: u64 = 2_147_483_647;
/// Address of a webhook; a longer one is 400.
pub const WEBHOOK_URL_BYTES_MAX: usize = 2_048;
/// Webhook channels of one user; beyond it 409 with what to do.
pub const WEBHOOKS_PER_USER_MAX: usize = 1_000;
/// Addresses asked for their proof at the same time; beyond it 503.
pub const WEBHOOK_PROOFS_MAX: usize = 64;
/// A receiver that has not answered by then counts as failed.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// Waits before the second and the third try of a notification, quick ones (spec/notification-channel.md);
/// after the last it is dropped.
pub const WEBHOOK_QUICK_RETRIES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];
/// Requests to one webhook at the same time, each of another call; further calls wait.
pub const WEBHOOK_CONCURRENCY: usize = 8;
/// Notifications of one webhook in memory; further ones stay in the log until there is room.
pub const WEBHOOK_WINDOW: usize = 256;
/// Idle connections kept for one receiver, and for how long.
pub const WEBHOOK_IDLE_CONNECTIONS_MAX: usize = 8;
pub const WEBHOOK_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests of webhooks under way get this long when the platform stops; less than [`SHUTDOWN_GRACE`].
pub const WEBHOOK_DRAIN: Duration = Duration::from_secs(3);
/// Waits before the second and further tries of a durable webhook's notification: 75 hours in all, as Standard
/// Webhooks advises; after the last it is given up and can be recovered by hand.
pub const WEBHOOK_DURABLE_RETRIES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];
/// Each of those waits is longer or shorter by up to this part of it.
pub const WEBHOOK_JITTER: f64 = 0.1;
/// Longest `Retry-After` that is honoured; a longer one is cut to it.
pub const WEBHOOK_RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// Failures in a row after which a durable webhook leaves its receiver alone for a while …
pub const WEBHOOK_BREAKER_FAILURES: u32 = 5;
/// … first this long, then twice as long after each probe that fails, up to the second.
pub const WEBHOOK_BREAKER_PAUSE_MIN: Duration = Duration::from_secs(10);
pub const WEBHOOK_BREAKER_PAUSE_MAX: Duration = Duration::from_mins(10);
/// While requests are under way, a durable webhook looks this often for calls that it can start.
pub const WEBHOOK_LOOK_EVERY: Duration = Duration::from_secs(1);
/// When none are under way it looks when the next is due, but not more often than this.
pub const WEBHOOK_LOOK_MIN: Duration = Duration::from_millis(250);
/// Deliveries and attempts of a durable webhook are kept 30 days, and swept this often.
pub const WEBHOOK_DELIVERIES_KEPT_S: i64 = 30 * 86_400;
pub const WEBHOOK_SWEEP_EVERY: Duration = Duration::from_hours(1);
/// Keys of one webhook that sign at the same time; one rotation more is 409 until the first has ended.
pub const WEBHOOK_KEYS_MAX: usize = 5;
/// After a rotation the old key signs too for this long unless asked otherwise; at most the second, else 400.
pub const WEBHOOK_KEY_OVERLAP_S: u64 = 86_400;
pub const WEBHOOK_KEY_OVERLAP_S_MAX: u64 = 30 * 86_400;
/// A webhook whose log or deliveries could not be read or written tries again after this.
pub const WEBHOOK_STORE_RETRY: Duration = Duration::from_secs(2);

/// A database that a killed platform still holds is tried this often before it counts as in use.
pub const LOCK_TRIES: u32 = 50;
pub const LOCK_RETRY: Duration = Duration::from_millis(200);
/// At the start every channel has at least this much of its life left: its reader needs time to come back.
pub const CHANNEL_GRACE_S: i64 = 120;

/// With less than this free on the disk of the data folder, `check-config` tells of a problem.
pub const DISK_FREE_BYTES_MIN: u64 = 256 << 20;

/// How long PostgreSQL may take to answer at the start.
pub const DATABASE_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Reports of an older version that are looked at in one commit at the first start of a newer one.
pub const UPGRADE_PAGE: i64 = 100;
/// Connections for reading.
pub const DATABASE_READERS: u32 = 4;
/// Pages of 4 KiB that SQLite's write-ahead log grows to before a commit copies them into the database, which that
/// commit waits for. At SQLite's own 1,000 a busy log does so at every thirtieth commit.
pub const SQLITE_CHECKPOINT_PAGES: u32 = 8_000;
/// Pages that SQLite's writing connection keeps, taken as they are touched; beyond it they are read again.
pub const SQLITE_WRITER_CACHE_KIB: u32 = 16 * 1024;
/// Connections for writing on PostgreSQL; SQLite has one, since it knows one writer.
pub const DATABASE_WRITERS_POSTGRES: u32 = 8;
/// How long a statement waits for what another process does with SQLite's file before it fails.
pub const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Prepared statements kept by each connection that speaks to SQLite directly; the one used longest ago makes room.
pub const SQLITE_STATEMENTS: usize = 32;
/// How long a query waits for a connection before it fails.
pub const DATABASE_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// Appends waiting for the log's writer; beyond it callers wait.
pub const LOG_QUEUE_MAX: usize = 4_096;
/// How long the log's writer keeps the turn to write to SQLite when commit follows commit; whoever else writes waits
/// that much longer.
pub const LOG_TURN_MAX: Duration = Duration::from_millis(10);
/// Entries grouped into one commit.
pub const LOG_BATCH_MAX: usize = 512;
/// Calls whose lines are remembered for subscriptions by line; those of another call are read from the log again.
pub const CALL_LINES_KNOWN_MAX: usize = 10_000;
/// Reports kept in memory after they were stored; the oldest make room, and are read from the database.
pub const RECENT_REPORTS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A failed commit is tried again this often before its calls are given up.
pub const LOG_COMMIT_TRIES: u32 = 5;
pub const LOG_COMMIT_RETRY: Duration = Duration::from_millis(200);

/// Default and largest `pageSize`; a larger one is cut to it.
pub const PAGE_SIZE: i64 = 100;
pub const PAGE_SIZE_MAX: i64 = 1_000;

/// Days of one request for report summaries; more is 400 (spec/errors-and-limits.md).
pub const SUMMARY_WINDOW_DAYS_MAX: i64 = 31;
/// Microseconds of a call, a day; longer ones have an index of their own, so that a list of the calls that ended in a
/// span of time need not look at all earlier ones. The index of migration 18 says the same number.
pub const LONG_CALL_US: i64 = 86_400_000_000;
/// Default `pageSize` of the Admin API, which is also its largest.
pub const ADMIN_PAGE_SIZE: i64 = PAGE_SIZE_MAX;
/// Default `pageSize` of Voice Admin.
pub const VOICE_ADMIN_PAGE_SIZE: i64 = 50;
/// Default `pageSize` of recording subscriptions, and the largest; beyond it 400.
pub const RECORDING_PAGE_SIZE: i64 = 50;
pub const RECORDING_PAGE_SIZE_MAX: i64 = 100;
/// A token for a recording's content lives this long, as seen on the live service; after it 404.
pub const RECORDING_TOKEN_LIFE_S: i64 = 1_800;
/// Longest tone that stands for a recording; a longer call is cut to it.
pub const TONE_MS_MAX: i64 = 60_000;
/// Values of one repeated filter; more is 400.
pub const FILTER_VALUES_MAX: usize = 100;

/// Calls under way on this node; further ones are refused with 503.
pub const CALLS_UNDER_WAY_MAX: usize = 50_000;
/// A call whose states could not be stored is ended as soon as they can be; tried this often.
pub const BROKEN_CALL_RETRY: Duration = Duration::from_secs(2);
/// Bounds of `speed`; outside of them 400.
pub const SIMULATOR_SPEED: std::ops::RangeInclusive<f64> = 0.01..=100_000.0;
/// Between the starts of two calls of one simulator request, a day at most; more is 400.
pub const SIMULATOR_EVERY_MS_MAX: u64 = 86_400_000;
/// An empty line keeps the answer of the simulator alive, and tells its reader that the platform lives.
pub const SIMULATOR_HEARTBEAT: Duration = Duration::from_secs(5);
/// Calls of one simulator request; more is 400.
pub const SIMULATOR_COUNT_MAX: u64 = 1_000_000;
/// Lines waiting for the reader of a simulator answer; beyond it the calls of that request wait.
pub const SIMULATOR_LINES_MAX: usize = 1_024;

/// Requests and notifications that the console's journal keeps; the oldest are forgotten first.
pub const JOURNAL_RECORDS_MAX: usize = 2_000;
/// So many characters of a channel's id are shown, and are enough to name it: enough to know it, too little to read
/// from it.
pub const CHANNEL_ID_SHOWN: usize = 12;
/// Batches of the log that wait to be judged for channels without a reader; beyond it those rows are missing.
pub const JOURNAL_BATCHES_MAX: usize = 256;
/// Channels that are told of for one entry of the log though their readers tell nothing of it; the newest, older ones
/// have no row.
pub const JOURNAL_SILENT_MAX: usize = 50;
/// Where there are more channels than this, those that are told of are looked up once a [`CONSOLE_STATE_EVERY`]: a
/// newer channel has no row before.
pub const JOURNAL_LOOKED_THROUGH_MAX: usize = 10_000;
/// A longer body is not kept in the journal; its length is.
pub const JOURNAL_BODY_BYTES_MAX: usize = 16 * 1024;
/// The journal records so long after somebody last looked.
pub const JOURNAL_ON_FOR: Duration = Duration::from_mins(10);
/// Events waiting for one console; beyond it its stream waits, and what the journal forgets meanwhile is not shown.
pub const CONSOLE_EVENTS_MAX: usize = 256;
/// The console hears this often how things stand.
pub const CONSOLE_STATE_EVERY: Duration = Duration::from_secs(1);
/// Channels and calls that the console lists; the newest channels and the oldest calls.
pub const CONSOLE_CHANNELS_MAX: usize = 100;
pub const CONSOLE_CALLS_MAX: i64 = 100;

/// Active faults; beyond it 409.
pub const FAULTS_ACTIVE_MAX: usize = 100;
/// Ended faults that are still listed; the oldest are forgotten first.
pub const FAULTS_ENDED_KEPT: usize = 100;
/// A fault ends after this unless asked otherwise, and after the second at the latest; more is 400.
pub const FAULT_LIFE_S: u64 = 300;
pub const FAULT_LIFE_S_MAX: u64 = 86_400;
/// Strikes of one fault; more is 400.
pub const FAULT_TIMES_MAX: u32 = 100_000;
/// Calls and tokens that a fault remembers; beyond it, it forgets them all. Notifications that faults keep back; what
/// comes beyond it goes at once, and so does what waits for the same channel.
pub const FAULT_MEMORY_MAX: usize = 10_000;
/// Largest answer that a fault can change; a larger one is 500.
pub const FAULT_ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Longest that a fault keeps back a notification or a report: ten minutes; more is 400.
pub const FAULT_DELAY_MS_MAX: u64 = 600_000;
/// Longest that a fault keeps back an answer, or a fresh thing out of a list; more is 400.
pub const FAULT_SLOW_MS_MAX: u64 = 120_000;
/// States of a call that a mode looks at; what comes later in the call stays as it is.
pub const FAULT_STATES_MAX: i64 = 10_000;
/// A notification that is to change places with the next one goes after this if there is none.
pub const FAULT_REORDER_WAIT: Duration = Duration::from_secs(1);
/// Where `eventId` goes on when it does not begin at 1.
pub const FAULT_EVENT_ID_START: i64 = 100;

/// Expired channels are removed this often; confirmed cursors are written as often.
pub const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// Expired tokens, codes and sign-ins are removed at each so many-th sweep.
pub const SWEEPS_PER_OAUTH_SWEEP: u64 = 30;
/// Finished calls are kept so many days (13 months) unless the operator says otherwise; then they are forgotten.
pub const KEEP_DAYS: u32 = 400;
/// Fewer days are refused: what a channel may still be sent (resume, webhooks' retries of 75 hours) must be there.
pub const KEEP_DAYS_MIN: u32 = 7;
/// Calls forgotten in one commit …
pub const RETENTION_BATCH: i64 = 25;
/// … and commits of one sweep; what is left waits for the next sweep.
pub const RETENTION_BATCHES: usize = 20;
/// Open requests and sockets get this long when the platform stops.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
