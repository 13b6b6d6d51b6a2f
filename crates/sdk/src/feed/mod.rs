//! A feed: what happens in the accounts, from the first ring to the report, as a stream of events that goes on
//! through restarts of either side. Loss of the socket, the end of a channel, an upgrade of the service are
//! handled inside; the reader only hears of them.

mod driver;
mod operations;
mod recent;
mod saved;
mod socket;

use std::path::PathBuf;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::call_events::{CallEvent, StateType};
use wire::notification::FrameData;

use crate::client::Client;
use crate::error::Error;
use crate::limits;

/// What to subscribe to.
#[derive(Clone, Debug)]
pub struct FeedConfig {
    /// Of the channel: letters, digits and hyphens.
    pub nickname: String,
    pub account_keys: Vec<String>,
    /// Types of call states; `None` for no call events at all, an empty list for every type.
    pub call_events: Option<Vec<StateType>>,
    /// Whether to be told of reports.
    pub reports: bool,
    /// Where to remember the channel, so that the next run takes it over instead of leaving it behind.
    pub state_file: Option<PathBuf>,
}

/// What a feed tells.
#[derive(Clone, Debug)]
pub enum FeedEvent {
    /// Notifications flow from here on. What happened while there was no connection may be missing: after each
    /// of these, ask [`Client::conversation_spaces`] for the truth. `resumed`: the channel and its subscriptions
    /// are the same as before.
    Connected { resumed: bool },
    /// Notifications have stopped; the feed is busy getting them back.
    Disconnected { reason: String },
    /// The channel's life has started again.
    Refreshed,
    /// Another channel has taken over.
    Recreated { reason: &'static str },
    /// Something may have been missed though the connection stood: subscriptions had vanished and were made again,
    /// or the server could not resume wholly. Ask for the truth, as after [`FeedEvent::Connected`].
    MayHaveMissed { reason: &'static str },
    /// A state of a call. Order and repeats are as on the wire: go by conversation space and sequence number.
    CallEvent(Box<CallEvent>, Notification),
    /// A report can be fetched with [`Client::report`]. A `kind` of
    /// [`REPORT_SUMMARY_REVISION`](wire::report::REPORT_SUMMARY_REVISION) means that it has changed.
    Report { conversation_space_id: String, notification: Notification },
    /// A notification of another service.
    Other(Box<FrameData>),
    /// Nothing goes on until a person has signed in; then it does by itself. May be told repeatedly.
    SignInNeeded,
    /// Somebody has signed in, in this process or another one, whether or not that was needed.
    SignedIn,
    /// Something failed; the feed tries again by itself. Kinds other than
    /// [`Unreachable`](crate::ErrorKind::Unreachable) and [`RateLimited`](crate::ErrorKind::RateLimited)
    /// will most likely fail again until a person has changed something.
    Problem(Error),
}

/// What a notification said besides its typed content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The same when the notification is repeated; empty when the server sent none.
    pub id: String,
    /// `data.type`.
    pub kind: String,
    /// JSON text of the content, letter for letter as it came.
    pub raw: Box<str>,
}

/// A running feed. When it is dropped without [`Feed::close`] the channel stays behind, to be taken over by the
/// next run with the same `state_file`.
#[derive(Debug)]
pub struct Feed {
    events: mpsc::Receiver<FeedEvent>,
    stop: CancellationToken,
    driver: JoinHandle<()>,
}

impl Feed {
    /// Starts a feed; it connects in the background. Must be called inside a Tokio runtime.
    #[must_use]
    pub fn open(client: Client, config: FeedConfig) -> Self {
        let (sender, events) = mpsc::channel(limits::FEED_QUEUE);
        let stop = CancellationToken::new();
        let driver = tokio::spawn(driver::run(client, config, sender, stop.clone()));
        Self { events, stop, driver }
    }

    /// The next event. A reader that is slow makes the feed wait: nothing is dropped.
    /// Can be used in `select!`: no event is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<FeedEvent> {
        self.events.recv().await
    }

    /// Closes the socket, deletes the subscriptions and the channel, for at most [`limits::CLOSE_TIMEOUT`].
    pub async fn close(self) {
        self.stop.cancel();
        if self.driver.await.is_err() {
            tracing::error!("the feed ended by a fault");
        }
    }
}
