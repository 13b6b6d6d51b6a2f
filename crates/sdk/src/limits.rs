//! Every limit of this crate, with what happens at it.

use std::time::Duration;

/// Connecting to a host; then the request counts as unreachable.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// One request from its first byte to the last of the answer; then it counts as unreachable.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of one answer; a longer one is [`BadAnswer`](crate::ErrorKind::BadAnswer).
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How often a request's token is refreshed when each is said to have expired; then the service counts as unreachable:
/// a refresh that succeeds proves that the sign-in lives.
pub const REFRESHES_MAX: u32 = 4;
/// A token that a refresh has brought less long ago than this is not refreshed when it is refused: the service counts as
/// unreachable. However many requests are refused, and for how long, there is no storm of refreshes.
pub const REFUSED_PAUSE: Duration = Duration::from_secs(10);
/// Tries of one request that is safe to repeat; then its last error is returned.
pub const TRIES_MAX: u32 = 4;
/// Pause before the second try; doubled for each further one, jittered down to half.
pub const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause between two tries, `Retry-After` included: longer wishes are cut to this.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(20);

/// Requests a second to one API at most; the service allows 10 (spec/errors-and-limits.md, Rate limit). Further ones
/// wait for their turn. With [`RATE_BURST`] on top no second has 10.
pub const RATE_MAX: f64 = 8.0;
/// After a rest this many requests may leave at once.
pub const RATE_BURST: u32 = 2;
/// However often 429 is answered, the pace does not fall below this.
pub const RATE_MIN: f64 = 0.5;
/// Each answer that is no 429 makes the pace faster by this part of the full one, up to that.
pub const RATE_GROWTH: f64 = 0.0025;
/// The part of a service's limit that one client takes, where another limit than the usual is known.
pub const RATE_SHARE: f64 = 0.8;
/// Pause of an API after a 429 without `Retry-After`.
pub const RATE_PAUSE: Duration = Duration::from_secs(1);
/// 429s that one request gets before it fails with [`RateLimited`](crate::ErrorKind::RateLimited).
pub const RATE_TRIES_MAX: u32 = 10;

/// Pages followed in one list; a longer list is an error rather than an endless loop.
pub const PAGES_MAX: usize = 1000;
/// `pageSize` asked for (spec/errors-and-limits.md: 100 is the default).
pub const PAGE_SIZE: u32 = 100;

/// A list of subscriptions may lack for this long what was made (spec/call-events.md, Create: a second or two) …
pub const LIST_LAG: Duration = Duration::from_secs(10);
/// … so one that lacks it is asked again after this; when that time is over it is made again.
pub const LIST_LAG_PAUSE: Duration = Duration::from_millis(500);

/// Longest span of one request for summaries (spec/call-events-report.md, `GET /report-summaries`).
pub const SUMMARIES_SPAN_MAX: Duration = Duration::from_secs(31 * 86_400);
/// A periodic look for summaries begins this long before the watermark; later ones are found by the next long look.
pub const PULL_OVERLAP: Duration = Duration::from_secs(900);
/// The same after a break: the service was seen to need minutes, an hour leaves room.
pub const PULL_OVERLAP_BREAK: Duration = Duration::from_secs(3600);
/// The same of the look that is taken once a day. A summary that comes later than this, and whose notification is lost too,
/// is not found.
pub const PULL_OVERLAP_DAILY: Duration = Duration::from_secs(2 * 86_400);

/// Clocks that differ by less count as the same: `Date` has whole seconds, and answers take their time.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// By so much the service's time may fall behind what was told before without being told to go back.
pub const CLOCK_STANDS_MAX: Duration = Duration::from_secs(3600);

/// How long a start waits to hear the service's time; after it the machine's clock is taken until an answer comes.
pub const CLOCK_ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// An access token is refreshed after this part of its life (spec/oauth.md, Refresh behaviour: one third).
pub const REFRESH_AT_DIVISOR: u32 = 3;
/// Shortest pause between two refreshes, whatever `expires_in` says.
pub const REFRESH_PAUSE_MIN: Duration = Duration::from_secs(1);

/// Life of a refresh token (spec/oauth.md, Refresh behaviour). The service replaces it after 60 %, so a shorter rest
/// means that replacing fails.
pub const REFRESH_TOKEN_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// From this rest of its life on the end of the sign-in is warned of …
pub const SIGN_IN_WARNING: Duration = Duration::from_secs(7 * 86_400);
/// … this often.
pub const SIGN_IN_WARNING_EVERY: Duration = Duration::from_secs(86_400);
/// Another process that changes the tokens is waited for this long, then the refresh has failed. Longer than a
/// request of that process can take.
pub const TOKEN_LOCK_WAIT: Duration = Duration::from_secs(60);
/// Between two tries to take the lock.
pub const TOKEN_LOCK_LOOK: Duration = Duration::from_millis(50);
/// The token file is looked at this often: another process may have signed in. It is read when it has changed.
pub const TOKEN_FILE_LOOK: Duration = Duration::from_secs(5);

/// Bytes of a body in a debug log; the rest is cut.
pub const LOG_BODY_BYTES_MAX: usize = 4096;

/// Pings are sent this often (spec/notification-channel.md, Ping and pong).
pub const PING_EVERY: Duration = Duration::from_secs(8);
/// More pings than this without a pong: the socket is dead.
pub const PINGS_OUTSTANDING_MAX: u64 = 3;
/// First pause before a reconnect; doubled each time, jittered down to half.
pub const RECONNECT_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause before a reconnect.
pub const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(30);
/// The system's keyring may ask a person to unlock it; after this it counts as not there …
pub const KEYRING_WAIT: Duration = Duration::from_secs(60);
/// … and between two looks whether it has answered.
pub const KEYRING_LOOK: Duration = Duration::from_millis(5);
/// The first line of what comes back from a sign-in; a longer one is somebody else's …
pub const REDIRECT_LINE_BYTES: u64 = 8 * 1024;
/// … and so is one that takes longer.
pub const REDIRECT_LINE_WAIT: Duration = Duration::from_secs(5);
/// A report that is not ready is asked for again this long …
pub const REPORT_WAIT: Duration = Duration::from_secs(120);
/// … with pauses that begin with this and double …
pub const REPORT_PAUSE: Duration = Duration::from_millis(500);
/// … up to this.
pub const REPORT_PAUSE_MAX: Duration = Duration::from_secs(10);
/// Opening a socket; then the attempt failed.
pub const SOCKET_OPEN_TIMEOUT: Duration = Duration::from_secs(15);
/// Writing one frame to a socket; then the socket is dead.
pub const SOCKET_WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Life taken for a channel whose answer names none (spec/notification-channel.md: 1200 s observed).
pub const CHANNEL_LIFETIME_DEFAULT: Duration = Duration::from_secs(1200);
/// Shortest life believed, so that a wrong answer cannot make a refresh loop.
pub const CHANNEL_LIFETIME_MIN: Duration = Duration::from_secs(2);

/// A socket that has brought no notification for this long is asked about: its channel or subscriptions may be gone.
pub const SILENCE_MAX: Duration = Duration::from_secs(300);
/// The first look for channels that a crash has left behind comes this long after the start …
pub const SWEEP_FIRST: Duration = Duration::from_secs(30);
/// … and the next ones after this. What has no socket in two looks is deleted.
pub const SWEEP_EVERY: Duration = Duration::from_secs(300);
/// Shapes of answers that do not fit the specification which are told, once each; further ones are borne in silence.
pub const NEW_SHAPES_MAX: usize = 64;
/// Member names never seen before that are told, once each; further ones are not.
pub const NEW_MEMBERS_MAX: usize = 256;

/// Bytes of one frame: a notification is at most 1 MB, plus the envelope. A larger one kills the socket.
pub const FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Frames between a socket and the feed. When full the socket is not read: nothing is dropped here.
pub const SOCKET_QUEUE: usize = 64;
/// Events between the feed and its reader. When full the feed stops reading the socket: nothing is dropped.
pub const FEED_QUEUE: usize = 256;
/// Ids of notifications remembered to drop repeats; the oldest is forgotten first.
pub const RECENT_IDS_MAX: usize = 8192;
/// Closing a feed with all deletions; what is not done by then ends with the channel's life.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(8);

/// Pings waiting for a socket that cannot write; further ones are not sent, which the machine notices.
pub const PING_QUEUE: usize = 4;

/// Our own close waits this long for the other side's.
pub const SOCKET_CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Idle sockets need no large buffer; a longer frame makes it grow.
pub const SOCKET_READ_BUFFER_BYTES: usize = 16 * 1024;
