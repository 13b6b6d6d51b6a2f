//! The life of a notification channel as a pure machine: events with their time go in, actions come out.
//! No I/O, no clock and no chance but a seed, so that a test can play years of trouble in a second.
//!
//! Rules (spec/notification-channel.md, WebSocket life cycle): a lost socket is opened again on the same
//! channel; a channel that is gone is made anew; one that is about to be closed is replaced before it is given
//! up; a channel is refreshed when asked and when half its life is over. A socket that lives and brings nothing is
//! probed: its channel and subscriptions may be gone. Nothing is ever given up for good.

mod machine;
#[cfg(test)]
mod simulation;
mod slot;
mod sweep;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use machine::Lifecycle;
pub use sweep::{Listed, Sweep};

/// Time since the feed was opened.
pub type Now = Duration;

/// Numbers the channels of one feed, so that late answers for an old one are recognised.
pub type Generation = u64;

/// Why an operation failed, as far as the machine cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The channel does not exist any more.
    Gone,
    /// No answer or "not now".
    Unreachable,
    /// A person must sign in.
    SignIn,
    /// Understood and refused.
    Refused,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A channel was made, or taken over, with its subscriptions.
    Made {
        generation: Generation,
        lifetime: Duration,
    },
    MakeFailed {
        generation: Generation,
        trouble: Trouble,
    },
    SocketOpen {
        generation: Generation,
    },
    SocketFailed {
        generation: Generation,
        trouble: Trouble,
    },
    /// By the other side; of a socket that the machine has closed it wants to hear nothing.
    SocketClosed {
        generation: Generation,
    },
    Refreshed {
        generation: Generation,
        lifetime: Duration,
    },
    RefreshFailed {
        generation: Generation,
        trouble: Trouble,
    },
    /// `WEBSOCKET_REFRESH_REQUIRED`.
    RefreshAsked {
        generation: Generation,
    },
    /// `WEBSOCKET_TO_BE_CLOSED`.
    CloseAnnounced {
        generation: Generation,
    },
    Pong {
        generation: Generation,
        sequence: u64,
    },
    /// A notification came.
    Heard {
        generation: Generation,
    },
    /// The channel lives; `repaired`: a subscription was missing and was made again.
    Probed {
        generation: Generation,
        repaired: bool,
    },
    ProbeFailed {
        generation: Generation,
        trouble: Trouble,
    },
    /// The time of [`Lifecycle::deadline`] has come. Too early does no harm.
    Tick,
    /// There are new tokens.
    SignedIn,
    /// Give everything back.
    Stop,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take over the channel of an earlier run; answered as [`Action::Make`].
    Adopt(Generation),
    /// Create a channel and its subscriptions.
    Make(Generation),
    Connect(Generation),
    Refresh(Generation),
    Ping {
        generation: Generation,
        sequence: u64,
    },
    CloseSocket(Generation),
    /// Nothing was heard for long: look whether the channel and its subscriptions are there, and repair them.
    Probe(Generation),
    /// List the channels and delete what [`Sweep`] says; nothing waits for it.
    Sweep,
    /// Delete the subscriptions and the channel, if need be more than once; nothing waits for it.
    Delete(Generation),
    Tell(Told),
}

/// What the reader of the feed learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// `resumed`: on a channel that had its subscriptions before.
    Connected {
        resumed: bool,
    },
    Disconnected,
    Refreshed,
    Recreated(Reason),
    /// Subscriptions were missing; what happened meanwhile was not heard.
    Repaired,
    SignInNeeded,
}

/// Why a channel is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The server told.
    CloseAnnounced,
    /// The server does not know it any more.
    Gone,
    /// It could not be refreshed.
    RefreshFailed,
}

impl Reason {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CloseAnnounced => "the server announced that it will close the channel",
            Self::Gone => "the channel was gone",
            Self::RefreshFailed => "the channel could not be refreshed",
        }
    }
}
