//! The channel's own messages and when they are due (spec/notification-channel.md, WebSocket life cycle).
//!
//! Seen on the live service: of a life of 1200 s, the refresh is asked for when 600 s remain. When
//! `WEBSOCKET_TO_BE_CLOSED` comes and what ends an unrefreshed life is [inferred]; both stand here alone.

use std::time::Duration;

use serde_json::{Value, json};
use wire::notification::{REFRESH_REQUIRED, SYSTEM_SOURCE, TO_BE_CLOSED, TTL_S, USAGE_BACKGROUND};

use crate::limits;

/// Where a channel stands in its life.
#[derive(Debug)]
pub struct Life {
    lifetime_us: i64,
    expires_us: i64,
    next: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    AskForRefresh,
    AnnounceEnd,
    End,
}

#[derive(Debug, PartialEq, Eq)]
pub enum LifeEvent {
    RefreshRequired { remaining_s: i64 },
    ToBeClosed,
    Over,
}

impl Life {
    pub fn new(lifetime_s: i64, expires_us: i64) -> Self {
        Self { lifetime_us: lifetime_s * 1_000_000, expires_us, next: Stage::AskForRefresh }
    }

    /// Begins anew if the channel was refreshed since.
    pub fn restart(&mut self, lifetime_s: i64, expires_us: i64) -> bool {
        let refreshed = expires_us != self.expires_us;
        if refreshed {
            *self = Self::new(lifetime_s, expires_us);
        }
        refreshed
    }

    pub fn due_us(&self) -> i64 {
        match self.next {
            Stage::AskForRefresh => self.expires_us - self.lifetime_us / 2,
            Stage::AnnounceEnd => {
                let before_us = limits::TO_BE_CLOSED_BEFORE_END.as_micros() as i64;
                self.expires_us - before_us.min(self.lifetime_us / 10)
            }
            Stage::End => self.expires_us,
        }
    }

    /// How long until [`Life::pass`] has something to say.
    pub fn next_due(&self, now_us: i64) -> Duration {
        Duration::from_micros((self.due_us() - now_us).max(0).unsigned_abs())
    }

    /// What is due at `now_us`, once.
    pub fn pass(&mut self, now_us: i64) -> Option<LifeEvent> {
        if now_us < self.due_us() {
            return None;
        }
        match self.next {
            Stage::AskForRefresh => {
                self.next = Stage::AnnounceEnd;
                let remaining_us = (self.expires_us - now_us).max(0);
                Some(LifeEvent::RefreshRequired { remaining_s: (remaining_us + 500_000) / 1_000_000 })
            }
            Stage::AnnounceEnd => {
                self.next = Stage::End;
                Some(LifeEvent::ToBeClosed)
            }
            Stage::End => Some(LifeEvent::Over),
        }
    }
}

/// One of the channel's own messages.
#[derive(Debug)]
pub enum Message {
    RefreshRequired {
        remaining_s: i64,
    },
    /// With its content, which is not known for sure.
    ToBeClosed(Value),
    /// First frame for a reader that asked to resume where that cannot be done wholly. Only who asks gets it.
    Resume(Value),
}

impl Message {
    /// `data` of its frame.
    pub fn data(&self, id: &str) -> String {
        match self {
            Self::RefreshRequired { remaining_s } => {
                data(id, SYSTEM_SOURCE, REFRESH_REQUIRED, &json!({"remainingLifetime": remaining_s}))
            }
            Self::ToBeClosed(content) => data(id, SYSTEM_SOURCE, TO_BE_CLOSED, content),
            Self::Resume(content) => data(id, "callfeed", "RESUME", content),
        }
    }
}

fn data(id: &str, source: &str, kind: &str, content: &Value) -> String {
    json!({
        "id": id,
        "source": source,
        "type": kind,
        "usage": USAGE_BACKGROUND,
        "timestamp": null,
        "ttl": TTL_S,
        "topic": null,
        "displayNotification": null,
        "contentVersion": null,
        "content": content,
        "bypassDoNotDisturb": null,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_of_1200_s_asks_at_600_announces_at_10_and_ends() {
        let s = 1_000_000;
        let mut life = Life::new(1200, 1200 * s);
        assert_eq!(life.pass(599 * s), None);
        assert_eq!(life.pass(600 * s), Some(LifeEvent::RefreshRequired { remaining_s: 600 }));
        assert_eq!(life.pass(1189 * s), None);
        assert_eq!(life.pass(1190 * s), Some(LifeEvent::ToBeClosed));
        assert_eq!(life.pass(1199 * s), None);
        assert_eq!(life.pass(1200 * s), Some(LifeEvent::Over));
    }

    #[test]
    fn a_refresh_starts_a_life_again() {
        let s = 1_000_000;
        let mut life = Life::new(1200, 1200 * s);
        assert!(life.pass(600 * s).is_some());
        life.restart(1200, 1800 * s);
        assert_eq!(life.pass(1199 * s), None);
        assert_eq!(life.pass(1200 * s), Some(LifeEvent::RefreshRequired { remaining_s: 600 }));
    }
}
