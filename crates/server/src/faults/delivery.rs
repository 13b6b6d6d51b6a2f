//! Faults of deliveries: sockets that drop or fall silent, notifications that come late, twice, in another order, in
//! another shape, or not at all. The place in the log moves on as if all were well.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wire::report::REPORT_SUMMARY_REVISION;

use super::catalogue::{Bounds, Kind, Parameter};
use super::http::{Asked, OnRequest};
use super::states::{self, Shape, Shaped};
use super::{Fault, Faults, Inner, Scope, lock};
use crate::channels::hub::Channel;
use crate::error::ApiError;
use crate::limits;
use crate::store::{Entry, EntryKind};
use crate::time;

/// What a fault does to deliveries.
#[derive(Clone, Copy, Debug)]
pub enum OnDelivery {
    Drop,
    HalfOpen,
    Delay,
    Duplicate,
    /// Again under a new state id, as seen after connection trouble.
    Again,
    Reorder,
    Lose,
    ToBeClosed,
    NoReplay,
    /// A second socket goes on beside the first.
    Shared,
    RevisionLater,
    /// Something that nobody subscribed to comes before.
    Foreign,
    /// Changes the frame; true when it did.
    Frame(fn(&Fault, &mut Value) -> bool),
    /// Changes the state of a call, or leaves it out.
    State(Shape),
    /// `eventId` goes on where the channel's last socket ended.
    EventIdGoesOn,
}

const OF: Parameter = Parameter {
    name: "of",
    what: "source of the notifications concerned",
    bounds: Bounds::Choice(&[
        "all",
        "call-events",
        "call-events-report",
        "call-history",
        "recording-service",
    ]),
};
const CODE: Parameter = Parameter {
    name: "code",
    what: "close code; 0: the connection ends without a close frame",
    bounds: Bounds::Number { min: 0, max: 4_999, default: 0 },
};

pub const KINDS: &[Kind] = &[
    Kind::new("drop-socket", "The channel's socket is closed, once.", "Network: connections break.")
        .with(&[CODE])
        .delivery(OnDelivery::Drop),
    Kind::new(
        "half-open",
        "The socket stays open: nothing is sent, pings are not answered.",
        "Network: a connection can die without a word.",
    )
    .delivery(OnDelivery::HalfOpen),
    Kind::new("delay", "Notifications come late.", "Seen: reports come minutes after the call at times.")
        .with(&[
            Parameter {
                name: "delayMs",
                what: "milliseconds after the event",
                bounds: Bounds::Number { min: 1, max: limits::FAULT_DELAY_MS_MAX, default: 3_000 },
            },
            OF,
        ])
        .delivery(OnDelivery::Delay),
    Kind::new("duplicate", "A notification comes twice.", "Seen: after trouble with a connection.")
        .with(&[OF])
        .delivery(OnDelivery::Duplicate),
    Kind::new(
        "duplicate-new-id",
        "A call state comes again under a new notification id and state id.",
        "Seen: after trouble with a connection.",
    )
    .delivery(OnDelivery::Again),
    Kind::new("reorder", "A notification comes after the one that follows it.", "Seen: after a reconnect.")
        .with(&[OF])
        .delivery(OnDelivery::Reorder),
    Kind::new(
        "lose",
        "A notification is not sent.",
        "Open: whether what nobody received is ever sent again.",
    )
    .with(&[OF])
    .once()
    .delivery(OnDelivery::Lose),
    Kind::new(
        "to-be-closed",
        "WEBSOCKET_TO_BE_CLOSED, then the socket is closed, then the channel is 404 while the fault lasts.",
        "Documented: that it comes; its content, lead and close code are open.",
    )
    .with(&[
        Parameter {
            name: "leadMs",
            what: "milliseconds from the announcement to the close",
            bounds: Bounds::Number { min: 0, max: 600_000, default: 5_000 },
        },
        Parameter {
            name: "content",
            what: "content of the announcement",
            bounds: Bounds::Choice(&["empty", "null", "remaining"]),
        },
        Parameter {
            name: "code",
            what: "close code; 0: the connection ends without a close frame",
            bounds: Bounds::Number { min: 0, max: 4_999, default: 1_001 },
        },
    ])
    .request(OnRequest::refuse(&["/notification-channel/v1/channels"], closed))
    .delivery(OnDelivery::ToBeClosed),
    Kind::new(
        "no-replay",
        "A socket that returns gets nothing of what came meanwhile.",
        "Open: whether a channel keeps what came while nobody was connected.",
    )
    .delivery(OnDelivery::NoReplay),
    Kind::new(
        "sockets-share",
        "A second socket on a channel leaves the first: both get every notification, until they leave.",
        "Open: what becomes of two sockets.",
    )
    .delivery(OnDelivery::Shared),
];

/// A notification that waits, or a close.
pub struct Held {
    due: Instant,
    /// It may go as soon as another notification has gone.
    swaps: bool,
    what: HeldThing,
}

enum HeldThing {
    Send(String),
    /// An entry of this account's log.
    Entry(String, i64),
    Close(u16),
}

/// What becomes of one notification.
#[derive(Default)]
pub struct Fate {
    /// `data` of the frames that are sent instead of the one.
    pub data: VecDeque<String>,
    /// The reader is to look again after this.
    pub look_after: Option<Duration>,
}

/// What a reader has to do at once.
pub enum Order {
    /// `data` of a frame.
    Send(String),
    /// The entry at this place of an account's log, which has waited long enough.
    Entry(String, i64),
    /// Announces the end, with this content.
    ToBeClosed(Value),
    /// Ends the connection with this close code; 0: without a close frame.
    Close(u16),
    /// Stays still until then.
    Stay(CancellationToken),
    /// Looks again after this.
    Look(Duration),
}

impl Faults {
    fn on_delivery(&self, concerned: impl Fn(&Fault) -> bool) -> Vec<(Arc<Fault>, OnDelivery)> {
        let inner = lock(&self.inner);
        let on = |fault: &Arc<Fault>| Some((Arc::clone(fault), fault.kind.delivery?));
        inner.active.iter().filter(|fault| concerned(fault)).filter_map(on).collect()
    }

    /// What becomes of a notification for a channel. `late`: it has waited already.
    pub fn fate(&self, channel_id: &str, entry: &Entry, late: bool) -> Fate {
        if !late && let Some(wait) = self.delay(channel_id, entry) {
            let what = HeldThing::Entry(entry.account_key.clone(), entry.position);
            self.hold(channel_id, wait, false, what);
            return Fate { look_after: Some(wait), ..Fate::default() };
        }
        let mut fate = Fate { data: VecDeque::from([entry.data().to_owned()]), ..Fate::default() };
        let swapped = self.take_swap(channel_id);
        for (fault, on) in &self.of_entry(channel_id, entry) {
            if swapped.is_some() && matches!(on, OnDelivery::Reorder) {
                continue;
            }
            self.bend(fault, *on, channel_id, entry, &mut fate);
        }
        fate.data.extend(swapped);
        fate
    }

    /// Faults that have a say about a notification for a channel.
    pub fn names(&self, channel_id: &str, entry: &Entry) -> Vec<&'static str> {
        let concerned = self.of_entry(channel_id, entry).into_iter();
        concerned.filter(|(fault, _)| chooses(fault, entry)).map(|(fault, _)| fault.kind.name).collect()
    }

    /// A frame in the shape that faults give it; `None`: it is not sent. `call`: see [`Faults::call_of`].
    pub fn shaped(
        &self,
        channel_id: &str,
        entry: &Entry,
        call: &[Value],
        mut text: String,
    ) -> Option<String> {
        for (fault, on) in &self.of_entry(channel_id, entry) {
            let change: &dyn Fn(&mut Value) -> Shaped = match on {
                OnDelivery::Frame(change) => &|frame| Shaped::changed(change(fault, frame)),
                OnDelivery::State(shape) => &|frame| in_frame(fault, *shape, call, entry, frame),
                OnDelivery::EventIdGoesOn => &|frame| goes_on(fault, channel_id, frame),
                _ => continue,
            };
            let Ok(mut frame) = serde_json::from_str::<Value>(&text) else { continue };
            if !fault.is_in_force() {
                continue;
            }
            match change(&mut frame) {
                Shaped::Changed if self.strike(fault) => text = frame.to_string(),
                Shaped::Gone if self.strike(fault) => return None,
                _ => {}
            }
        }
        Some(text)
    }

    pub(super) fn of_entry(&self, channel_id: &str, entry: &Entry) -> Vec<(Arc<Fault>, OnDelivery)> {
        self.on_delivery(|fault| match &fault.scope {
            Scope::Channel(id) => id == channel_id,
            _ => fault.account_key == entry.account_key,
        })
    }

    /// How long a notification waits, if it does. Beyond the limit of what is held it goes at once.
    fn delay(&self, channel_id: &str, entry: &Entry) -> Option<Duration> {
        let delays = self.of_entry(channel_id, entry).into_iter().filter(|(fault, on)| {
            matches!(on, OnDelivery::Delay) && chooses(fault, entry) && self.strike(fault)
        });
        let longest_ms = delays.map(|(fault, _)| fault.number("delayMs")).max()?;
        let due_us = entry.at_us + longest_ms as i64 * 1_000;
        let wait_us = u64::try_from(due_us - self.clock.now_us()).ok().filter(|wait_us| *wait_us > 0)?;
        let inner = lock(&self.inner);
        let held = inner.held.values().map(Vec::len).sum::<usize>();
        (held < limits::FAULT_MEMORY_MAX).then(|| Duration::from_micros(wait_us))
    }

    fn bend(&self, fault: &Fault, on: OnDelivery, channel_id: &str, entry: &Entry, fate: &mut Fate) {
        let data = &mut fate.data;
        if !chooses(fault, entry) {
            return;
        }
        match on {
            OnDelivery::Lose if self.strike(fault) => data.clear(),
            OnDelivery::Duplicate if self.strike(fault) => data.push_back(entry.data().to_owned()),
            OnDelivery::Again if entry.kind == EntryKind::State && self.strike(fault) => {
                data.push_back(again(entry.data()));
            }
            OnDelivery::Foreign if self.strike(fault) => data.push_front(foreign(fault, self.clock.now_us())),
            OnDelivery::Reorder if self.strike(fault) => {
                for data in data.drain(..) {
                    self.hold(channel_id, limits::FAULT_REORDER_WAIT, true, HeldThing::Send(data));
                }
                fate.look_after = Some(limits::FAULT_REORDER_WAIT);
            }
            OnDelivery::RevisionLater if entry.kind == EntryKind::Report && self.strike(fault) => {
                let wait = fault.duration("delayMs");
                // From now on, too, the report itself lacks members for so long.
                fault.first_seen(&entry.conversation_space_id, self.clock.instant());
                self.hold(channel_id, wait, false, HeldThing::Send(revision(entry.data())));
                fate.look_after = Some(wait);
            }
            _ => {}
        }
    }

    /// Sends something to a channel's reader as soon as that looks.
    pub fn send(&self, channel_id: &str, data: String) {
        self.hold(channel_id, Duration::ZERO, false, HeldThing::Send(data));
    }

    fn hold(&self, channel_id: &str, wait: Duration, swaps: bool, what: HeldThing) {
        let mut inner = lock(&self.inner);
        if inner.held.values().map(Vec::len).sum::<usize>() >= limits::FAULT_MEMORY_MAX {
            inner.held.clear();
        }
        let list = inner.held.entry(channel_id.to_owned()).or_default();
        let mut due = self.clock.instant() + wait;
        if matches!(what, HeldThing::Entry(..)) {
            // What waits stays in its order: instants of one commit differ by less than it takes to compute them.
            let before = list.iter().filter(|one| matches!(one.what, HeldThing::Entry(..)));
            due = before.map(|one| one.due).max().map_or(due, |latest| due.max(latest));
        }
        list.push(Held { due, swaps, what });
        self.count(&inner);
    }

    /// A notification of a channel that waits for another to go first.
    fn take_swap(&self, channel_id: &str) -> Option<String> {
        let mut inner = lock(&self.inner);
        let list = inner.held.get_mut(channel_id)?;
        let place = list.iter().position(|one| one.swaps)?;
        let taken = list.remove(place);
        self.tidy(&mut inner, channel_id);
        match taken.what {
            HeldThing::Send(data) => Some(data),
            HeldThing::Entry(..) | HeldThing::Close(_) => None,
        }
    }

    fn tidy(&self, inner: &mut Inner, channel_id: &str) {
        if inner.held.get(channel_id).is_some_and(Vec::is_empty) {
            inner.held.remove(channel_id);
        }
        self.count(inner);
    }

    /// What is due for a channel from what is held, if anything is.
    fn due(&self, channel_id: &str) -> Option<HeldThing> {
        let mut inner = lock(&self.inner);
        let now = self.clock.instant();
        let list = inner.held.get_mut(channel_id)?;
        let place = list.iter().position(|one| one.due <= now)?;
        let due = list.remove(place);
        self.tidy(&mut inner, channel_id);
        Some(due.what)
    }

    /// What a channel's reader has to do now; asked again until there is nothing.
    pub fn order(&self, channel: &Channel) -> Option<Order> {
        match self.due(&channel.id) {
            Some(HeldThing::Send(data)) => return Some(Order::Send(data)),
            Some(HeldThing::Entry(account, position)) => return Some(Order::Entry(account, position)),
            Some(HeldThing::Close(code)) => return Some(Order::Close(code)),
            None => {}
        }
        for (fault, on) in self.of_channel(channel) {
            // Each channel is struck once by what concerns its socket.
            if fault.remembered(&channel.id).is_some() {
                if matches!(on, OnDelivery::HalfOpen) && fault.is_in_force() {
                    return Some(Order::Stay(fault.ended.clone()));
                }
                continue;
            }
            if !matches!(on, OnDelivery::Drop | OnDelivery::HalfOpen | OnDelivery::ToBeClosed)
                || !self.strike(&fault)
            {
                continue;
            }
            fault.remember(&channel.id, self.clock.now_us());
            return Some(match on {
                OnDelivery::Drop => Order::Close(close_code(&fault)),
                OnDelivery::HalfOpen => Order::Stay(fault.ended.clone()),
                _ => {
                    let close = HeldThing::Close(close_code(&fault));
                    self.hold(&channel.id, fault.duration("leadMs"), false, close);
                    Order::ToBeClosed(announcement(&fault))
                }
            });
        }
        // Whoever holds something for this channel wants the reader to look again.
        let inner = lock(&self.inner);
        let next = inner.held.get(&*channel.id)?.iter().map(|one| one.due).min()?;
        Some(Order::Look(next.saturating_duration_since(self.clock.instant())))
    }

    /// Whether a returning reader of this channel is to begin at the end of the log.
    pub fn forgets(&self, channel: &Channel) -> bool {
        let faults = self.of_channel(channel);
        faults.iter().any(|(fault, on)| matches!(on, OnDelivery::NoReplay) && self.strike(fault))
    }

    /// Whether a socket that comes leaves the one that is there.
    pub fn shares(&self, channel: &Channel) -> bool {
        let faults = self.of_channel(channel);
        faults.iter().any(|(fault, on)| matches!(on, OnDelivery::Shared) && self.strike(fault))
    }

    fn of_channel(&self, channel: &Channel) -> Vec<(Arc<Fault>, OnDelivery)> {
        let subscriptions = channel.subscriptions();
        self.on_delivery(|fault| match &fault.scope {
            Scope::Channel(id) => **id == *channel.id,
            _ => subscriptions.iter().any(|one| one.account_key == fault.account_key),
        })
    }
}

/// The channel that was announced to be closed is gone, as far as clients can see.
fn closed(fault: &Fault, asked: &Asked<'_>) -> Option<axum::response::Response> {
    let id = asked.channel()?;
    let announced_us = fault.remembered(id)?;
    let closed_us = announced_us + fault.number("leadMs") as i64 * 1_000;
    (asked.app.clock.now_us() >= closed_us)
        .then(|| axum::response::IntoResponse::into_response(ApiError::channel_not_found(id)))
}

fn close_code(fault: &Fault) -> u16 {
    u16::try_from(fault.number("code")).unwrap_or(0)
}

fn announcement(fault: &Fault) -> Value {
    match fault.text("content") {
        "null" => Value::Null,
        "remaining" => json!({"remainingLifetime": fault.number("leadMs") / 1_000}),
        _ => json!({}),
    }
}

/// Whether a fault's `of` means this notification.
fn chooses(fault: &Fault, entry: &Entry) -> bool {
    matches!(fault.text("of"), "" | "all") || fault.text("of") == source(entry)
}

fn source(entry: &Entry) -> &'static str {
    match entry.kind {
        EntryKind::State => wire::call_events::SOURCE,
        EntryKind::Report | EntryKind::Revision => wire::report::SOURCE,
        EntryKind::History => wire::call_history::SOURCE,
        EntryKind::Recording | EntryKind::Transcript => wire::recording::SOURCE,
    }
}

/// A state of the entry's own call; another one may have changed places with it.
fn in_frame(fault: &Fault, shape: Shape, call: &[Value], entry: &Entry, frame: &mut Value) -> Shaped {
    let content = &mut frame["data"]["content"];
    let own = content["metadata"]["conversationSpaceId"] == *entry.conversation_space_id;
    if own { states::apply(fault, shape, call, content) } else { Shaped::Same }
}

fn goes_on(fault: &Fault, channel_id: &str, frame: &mut Value) -> Shaped {
    let next = fault.remembered(channel_id).unwrap_or(limits::FAULT_EVENT_ID_START) + 1;
    fault.remember(channel_id, next);
    frame["eventId"] = json!(next);
    Shaped::Changed
}

fn again(data: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(data) else { return data.to_owned() };
    value["id"] = json!(Uuid::new_v4());
    value["content"]["state"]["id"] = json!(Uuid::new_v4());
    value.to_string()
}

fn revision(data: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(data) else { return data.to_owned() };
    value["id"] = json!(Uuid::new_v4());
    value["type"] = json!(REPORT_SUMMARY_REVISION);
    value.to_string()
}

fn foreign(fault: &Fault, now_us: i64) -> String {
    let (kind, content) = match fault.text("source") {
        "presence" => ("appearance-changed", json!({"appearance": "BUSY"})),
        _ => ("UNHEARD_OF", json!({"note": "nothing that anybody knows"})),
    };
    json!({
        "id": Uuid::new_v4(),
        "source": fault.text("source"),
        "type": kind,
        "usage": null,
        "timestamp": time::nanos(now_us),
        "ttl": 600,
        "topic": null,
        "displayNotification": null,
        "contentVersion": null,
        "content": content,
        "bypassDoNotDisturb": null,
    })
    .to_string()
}
