//! Lists that lag behind, as seen on the live service: a fresh channel or subscription is missing from them for some
//! seconds, and one that was deleted is shown for as long [inferred]. Off unless the operator asks for it. Reading one
//! channel, connecting, deliveries and everything else is never late.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wire::channel::Channel;

use crate::clock::Clock;
use crate::limits;
use crate::store::{ChannelRow, Subscription};

/// How far lists lag, and what was deleted within that.
pub struct ListLag {
    lag_us: i64,
    clock: Clock,
    gone: Mutex<Gone>,
}

/// With the instant of each deletion, oldest first.
#[derive(Default)]
struct Gone {
    channels: VecDeque<(i64, ChannelRow, Channel)>,
    subscriptions: VecDeque<(i64, Subscription)>,
}

impl ListLag {
    /// Zero switches it off.
    pub fn new(lag: Duration, clock: Clock) -> Self {
        let lag_us = i64::try_from(lag.as_micros()).unwrap_or(i64::MAX);
        Self { lag_us, clock, gone: Mutex::default() }
    }

    pub fn is_off(&self) -> bool {
        self.lag_us == 0
    }

    /// Channels made after this instant are not listed yet.
    pub fn listed_before_us(&self) -> i64 {
        if self.is_off() { i64::MAX } else { self.clock.now_us() - self.lag_us }
    }

    /// A channel was deleted; `shown` is what lists have said of it.
    pub fn deleted(&self, row: ChannelRow, shown: Channel) {
        if !self.is_off() {
            self.gone().channels.push_back((self.clock.now_us(), row, shown));
        }
    }

    /// Subscriptions were deleted.
    pub fn unsubscribed<'a>(&self, subscriptions: impl IntoIterator<Item = &'a Subscription>) {
        if !self.is_off() {
            let now_us = self.clock.now_us();
            let gone = subscriptions.into_iter().map(|subscription| (now_us, subscription.clone()));
            self.gone().subscriptions.extend(gone);
        }
    }

    /// A user's deleted channels that are listed still.
    pub fn channels_of(&self, user_key: &str) -> Vec<(ChannelRow, Channel)> {
        if self.is_off() {
            return Vec::new();
        }
        let listed_us = self.listed_before_us();
        let gone = self.gone();
        let still =
            gone.channels.iter().filter(|(_, row, _)| row.user_key == user_key && row.created_us < listed_us);
        still.map(|(_, row, shown)| (row.clone(), shown.clone())).collect()
    }

    /// Subscriptions as lists show them: of the present ones those that are not too fresh, and of the deleted ones
    /// those that are `wanted` and not gone for long enough.
    pub fn subscriptions(
        &self,
        present: Vec<Subscription>,
        wanted: impl Fn(&Subscription) -> bool,
    ) -> Vec<Subscription> {
        if self.is_off() {
            return present;
        }
        let listed_us = self.listed_before_us();
        let gone = self.gone();
        let gone =
            gone.subscriptions.iter().map(|(_, subscription)| subscription).filter(|s| wanted(s)).cloned();
        let all = present.into_iter().chain(gone).filter(|s| s.created_us < listed_us);
        let mut listed: Vec<Subscription> = Vec::new();
        for subscription in all {
            let same = |s: &Subscription| {
                (&s.channel_id, s.api, s.key_kind, &s.key_value)
                    == (
                        &subscription.channel_id,
                        subscription.api,
                        subscription.key_kind,
                        &subscription.key_value,
                    )
            };
            if !listed.iter().any(same) {
                listed.push(subscription);
            }
        }
        listed
    }

    /// What lists still show of what is gone.
    fn gone(&self) -> MutexGuard<'_, Gone> {
        // Whole after every step.
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        let since_us = self.clock.now_us() - self.lag_us;
        let Gone { channels, subscriptions } = &mut *gone;
        let most = limits::LIST_LAG_GONE_MAX;
        while channels.len() > most || channels.front().is_some_and(|(at_us, ..)| *at_us < since_us) {
            channels.pop_front();
        }
        while subscriptions.len() > most || subscriptions.front().is_some_and(|(at_us, _)| *at_us < since_us)
        {
            subscriptions.pop_front();
        }
        gone
    }
}
