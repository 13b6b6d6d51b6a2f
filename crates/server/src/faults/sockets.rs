//! Faults of a channel's reader as a whole: connections that drop, fall silent, or end with their channel. Unless `times`
//! asks for more, each strikes who is there when it begins, once: who comes later meets none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::delivery::OnDelivery;
use super::held::HeldThing;
use super::{Fault, Faults, Scope};
use crate::app::App;
use crate::channels::hub::Channel;
use crate::webhooks;

/// What a reader has to do at once.
pub enum Order {
    /// `data` of a frame.
    Send(String),
    /// The entry at this place of an account's log, which has waited long enough.
    Entry(String, i64),
    /// Announces the end, if with some content, which comes after this.
    ToBeClosed(Option<Value>, Duration),
    /// Ends the connection with this close code; 0: without a close frame.
    Close(u16),
    /// The same, and the channel with it.
    End(u16),
    /// Stays still until then.
    Stay(CancellationToken),
    /// Looks again after this.
    Look(Duration),
}

/// A channel's reader, as faults know it.
pub struct Reader<'a> {
    pub channel: &'a Channel,
    /// The account of the channel's user.
    pub account_key: &'a str,
    pub since: Instant,
    /// Ids of the faults that have struck this connection.
    pub struck: &'a mut Vec<String>,
}

impl Faults {
    /// The next of what is due for a channel, if anything is.
    pub fn due(&self, channel: &Channel) -> Option<Order> {
        Some(match channel.kept.due(self.clock.instant())? {
            HeldThing::Send(data) => Order::Send(data),
            HeldThing::Entry(account, position) => Order::Entry(account, position),
            HeldThing::End(code) => Order::End(code),
        })
    }

    /// What a channel's reader has to do now; asked again until there is nothing.
    pub fn order(&self, reader: &mut Reader<'_>) -> Option<Order> {
        if let Some(order) = self.due(reader.channel) {
            return Some(order);
        }
        for (fault, on) in self.of_channel(reader.channel, reader.account_key) {
            let order = match on {
                OnDelivery::Drop => {
                    self.on_connection(&fault, reader).then(|| Order::Close(close_code(&fault)))
                }
                OnDelivery::HalfOpen => self.stays(&fault, reader).then(|| Order::Stay(fault.ended.clone())),
                OnDelivery::ToBeClosed => self.announced(&fault, reader.channel),
                _ => None,
            };
            if order.is_some() {
                return order;
            }
        }
        // Whoever holds something for this channel wants the reader to look again.
        let next = reader.channel.kept.next()?;
        Some(Order::Look(next.saturating_duration_since(self.clock.instant())))
    }

    /// Strikes a connection, once.
    fn on_connection(&self, fault: &Fault, reader: &mut Reader<'_>) -> bool {
        let concerned = fault.newcomers || reader.since <= fault.began;
        let strikes = concerned && !reader.struck.contains(&fault.id) && self.strike(fault);
        if strikes {
            reader.struck.push(fault.id.clone());
        }
        strikes
    }

    /// Whether a connection is still, which it stays while the fault lasts.
    fn stays(&self, fault: &Fault, reader: &mut Reader<'_>) -> bool {
        fault.is_in_force() && (reader.struck.contains(&fault.id) || self.on_connection(fault, reader))
    }

    /// Announces a channel's end, once.
    fn announced(&self, fault: &Fault, channel: &Channel) -> Option<Order> {
        let concerned = fault.newcomers || channel.born <= fault.began;
        if !concerned || fault.remembered(&channel.id).is_some() || !self.strike(fault) {
            return None;
        }
        fault.remember(&channel.id, self.clock.now_us());
        let lead = fault.duration("leadMs");
        self.hold(channel, fault, lead, false, HeldThing::End(close_code(fault)));
        Some(Order::ToBeClosed(announcement(fault), lead))
    }

    /// Whether a returning reader of this channel is to begin at the end of the log.
    pub fn forgets(&self, channel: &Channel, account_key: &str) -> bool {
        let faults = self.of_channel(channel, account_key);
        faults.iter().any(|(fault, on)| matches!(on, OnDelivery::NoReplay) && self.strike(fault))
    }

    /// Whether what comes while nobody reads this channel is lost to it.
    pub fn loses_unread(&self, channel: &Channel, account_key: &str) -> bool {
        self.of_channel(channel, account_key).iter().any(|(_, on)| matches!(on, OnDelivery::NoReplay))
    }

    /// Whether a socket that comes leaves the one that is there.
    pub fn shares(&self, channel: &Channel, account_key: &str) -> bool {
        let faults = self.of_channel(channel, account_key);
        faults.iter().any(|(fault, on)| matches!(on, OnDelivery::Shared) && self.strike(fault))
    }

    fn of_channel(&self, channel: &Channel, account_key: &str) -> Vec<(Arc<Fault>, OnDelivery)> {
        self.on_delivery(|fault| match &fault.scope {
            Scope::Channel(id) => **id == *channel.id,
            _ => fault.account_key == account_key,
        })
    }
}

/// Channels that a fault on deliveries concerns.
pub fn channels(app: &App, account_key: &str, scope: &Scope) -> Vec<Arc<Channel>> {
    if let Scope::Channel(id) = scope {
        return app.hub.get(id).into_iter().collect();
    }
    let office = app.directory.office(account_key);
    let users: std::collections::HashSet<&str> =
        office.iter().flat_map(|office| &office.users).map(|user| user.key.as_str()).collect();
    app.hub.newest(usize::MAX, |key| users.contains(key))
}

/// Whether a fault of connections or channels meets nobody at its start: then it waits for the first that comes.
pub fn meets_nobody(app: &App, account_key: &str, scope: &Scope, on: OnDelivery) -> bool {
    let is_there = |channel: &Arc<Channel>| match on {
        OnDelivery::Drop | OnDelivery::HalfOpen => channel.is_connected(),
        _ => true,
    };
    let channels = channels(app, account_key, scope);
    !channels.iter().filter(|channel| !webhooks::is_id(&channel.id)).any(is_there)
}

fn close_code(fault: &Fault) -> u16 {
    u16::try_from(fault.number("code")).unwrap_or(0)
}

fn announcement(fault: &Fault) -> Option<Value> {
    match fault.text("content") {
        "unannounced" => None,
        "null" => Some(Value::Null),
        "remaining" => Some(json!({"remainingLifetime": fault.number("leadMs") / 1_000})),
        _ => Some(json!({})),
    }
}
