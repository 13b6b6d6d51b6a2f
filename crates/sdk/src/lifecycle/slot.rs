//! One channel on its way through the machine.

use std::time::Duration;

use super::{Generation, Now, Reason};
use crate::limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Making,
    /// Until the time, then making again.
    MakePause(Now),
    Connecting,
    /// Until the time, then connecting again.
    ConnectPause(Now),
    Open,
    /// Replaced as soon as its successor is open; its socket is gone already.
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refreshing {
    Due(Now),
    UnderWay,
    /// Waits for new tokens.
    Blocked,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) generation: Generation,
    pub(super) phase: Phase,
    /// Waits for new tokens before the next making.
    pub(super) blocked: bool,
    /// Failures in a row, for the pause.
    pub(super) failures: u32,
    pub(super) refreshing: Refreshing,
    pub(super) lifetime: Duration,
    pub(super) expires: Now,
    pub(super) ping_at: Now,
    pub(super) pings_sent: u64,
    pub(super) pongs_seen: u64,
    /// When to ask whether the channel is still whole; never while an answer is awaited.
    pub(super) probe_at: Now,
    /// Was open before, or taken over: an opening socket resumes it.
    pub(super) resumes: bool,
    pub(super) reason: Option<Reason>,
}

impl Slot {
    pub(super) fn new(generation: Generation, reason: Option<Reason>) -> Self {
        Self {
            generation,
            phase: Phase::Making,
            blocked: false,
            failures: 0,
            refreshing: Refreshing::Due(Duration::MAX),
            lifetime: limits::CHANNEL_LIFETIME_DEFAULT,
            expires: Duration::MAX,
            ping_at: Duration::MAX,
            pings_sent: 0,
            pongs_seen: 0,
            probe_at: Duration::MAX,
            resumes: false,
            reason,
        }
    }

    pub(super) fn is_made(&self) -> bool {
        !matches!(self.phase, Phase::Making | Phase::MakePause(_))
    }

    /// The channel's life starts again.
    pub(super) fn live(&mut self, now: Now, lifetime: Duration) {
        self.lifetime = lifetime.max(limits::CHANNEL_LIFETIME_MIN);
        self.expires = now + self.lifetime;
        self.refreshing = Refreshing::Due(now + self.lifetime / 2);
    }

    pub(super) fn deadline(&self) -> Now {
        let phase = match self.phase {
            Phase::MakePause(until) | Phase::ConnectPause(until) => until,
            Phase::Open => self.ping_at.min(self.probe_at),
            Phase::Making | Phase::Connecting | Phase::Dead => Duration::MAX,
        };
        let refresh = match self.refreshing {
            Refreshing::Due(at) if self.is_made() && self.phase != Phase::Dead => at,
            _ => Duration::MAX,
        };
        phase.min(refresh)
    }
}

/// Doubling from the first pause to the longest, jittered down to half by `fraction` (0 to 1).
pub(super) fn pause(failures: u32, fraction: f64) -> Duration {
    let doubled = limits::RECONNECT_PAUSE.saturating_mul(2u32.saturating_pow(failures.min(16)));
    doubled.min(limits::RECONNECT_PAUSE_MAX).mul_f64(0.5 + fraction / 2.0)
}
