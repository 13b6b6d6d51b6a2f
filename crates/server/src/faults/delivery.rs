//! Faults of deliveries: sockets that drop or fall silent, notifications that come late, twice, in another order, in
//! another shape, or not at all. The place in the log moves on as if all were well.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;
use wire::report::REPORT_SUMMARY_REVISION;

use super::catalogue::{Bounds, Kind, Parameter};
use super::held::HeldThing;
use super::states::{self, Shape, Shaped};
use super::{Fault, Faults, Scope, lock};
use crate::channels::hub::Channel;
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
    Kind::new("drop-socket", "The channel's socket is closed; the next one works.", "Network: connections break.")
        .with(&[CODE])
        .delivery(OnDelivery::Drop),
    Kind::new(
        "half-open",
        "The socket stays open: nothing is sent, pings are not answered, until the fault ends; the next one works.",
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
        "WEBSOCKET_TO_BE_CLOSED, then the socket is closed and the channel has ended: 404, as after its life.",
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
            what: "content of the announcement; unannounced: there is none",
            bounds: Bounds::Choice(&["empty", "null", "remaining", "unannounced"]),
        },
        Parameter {
            name: "code",
            what: "close code; 0: the connection ends without a close frame",
            bounds: Bounds::Number { min: 0, max: 4_999, default: 1_001 },
        },
    ])
    .delivery(OnDelivery::ToBeClosed),
    Kind::new(
        "no-replay",
        "A socket that returns gets nothing of what came meanwhile.",
        "Open: whether a channel keeps what came while nobody was connected.",
    )
    .delivery(OnDelivery::NoReplay),
    Kind::new(
        "sockets-share",
        "A second socket on a channel leaves the first: both get every notification, until they leave; what another fault keeps back is for either.",
        "Open: what becomes of two sockets.",
    )
    .delivery(OnDelivery::Shared),
];

/// What becomes of one notification.
#[derive(Default)]
pub struct Fate {
    /// `data` of the frames that are sent instead of the one.
    pub data: VecDeque<String>,
    /// The reader is to look again after this.
    pub look_after: Option<Duration>,
    /// It waits.
    pub is_held: bool,
    /// It is sent more than once.
    pub is_twice: bool,
    /// Faults that struck it.
    pub struck: Vec<&'static str>,
}

impl Faults {
    pub(super) fn on_delivery(&self, concerned: impl Fn(&Fault) -> bool) -> Vec<(Arc<Fault>, OnDelivery)> {
        let inner = lock(&self.inner);
        let on = |fault: &Arc<Fault>| Some((Arc::clone(fault), fault.kind.delivery?));
        inner.active.iter().filter(|fault| concerned(fault)).filter_map(on).collect()
    }

    /// What becomes of a notification for a channel. `late`: it has waited already.
    pub fn fate(&self, channel: &Channel, entry: &Entry, late: bool) -> Fate {
        let mut fate = Fate::default();
        if !late && let Some(wait) = self.delay(channel, entry, &mut fate.struck) {
            return Fate { look_after: Some(wait), is_held: true, ..fate };
        }
        fate.data.push_back(entry.data().to_owned());
        let swapped = channel.kept.take_swap();
        let mut faults = self.of_entry(&channel.id, entry);
        // What is lost is not there for the others.
        faults.sort_by_key(|(_, on)| !matches!(on, OnDelivery::Lose));
        for (fault, on) in &faults {
            if swapped.is_some() && matches!(on, OnDelivery::Reorder) {
                continue;
            }
            self.bend(fault, *on, channel, entry, &mut fate);
            if matches!(on, OnDelivery::Lose) && fate.data.is_empty() {
                break;
            }
        }
        fate.data.extend(swapped);
        fate
    }

    /// A frame in the shape that faults give it; `None`: it is not sent. `call`: see [`Faults::call_of`].
    pub fn shaped(
        &self,
        channel_id: &str,
        entry: &Entry,
        call: &[Value],
        mut text: String,
        struck: &mut Vec<&'static str>,
    ) -> Option<String> {
        // Asked before a mode writes ids otherwise.
        let own = text.contains(&*entry.conversation_space_id);
        let mut concerned = self.of_entry(channel_id, entry);
        // States first, whenever they began: they know the words and numbers of the log, which others write otherwise.
        concerned.sort_by_key(|(_, on)| !matches!(on, OnDelivery::State(_)));
        for (fault, on) in &concerned {
            let change: &dyn Fn(&mut Value) -> Shaped = match on {
                OnDelivery::Frame(change) => &|frame| Shaped::changed(change(fault, frame)),
                OnDelivery::State(shape) => &|frame| in_frame(fault, *shape, call, own, frame),
                OnDelivery::EventIdGoesOn => &|frame| goes_on(fault, channel_id, frame),
                _ => continue,
            };
            let Ok(mut frame) = serde_json::from_str::<Value>(&text) else { continue };
            if !fault.is_in_force() {
                continue;
            }
            let shaped = change(&mut frame);
            if shaped == Shaped::Same || !self.strike(fault) {
                continue;
            }
            struck.push(fault.kind.name);
            match shaped {
                Shaped::Gone => return None,
                _ => text = frame.to_string(),
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

    /// How long a notification waits, if it does: as long as its own delay, and as what waits before it.
    fn delay(&self, channel: &Channel, entry: &Entry, struck: &mut Vec<&'static str>) -> Option<Duration> {
        let delays = self.of_entry(&channel.id, entry).into_iter().filter_map(|(fault, on)| {
            let concerns = matches!(on, OnDelivery::Delay) && chooses(&fault, entry) && !self.is_full();
            let wait = self.wait(&fault, entry).filter(|_| concerns && self.strike(&fault))?;
            Some((fault, wait))
        });
        let longest = delays.max_by_key(|(_, wait)| *wait);
        let now = self.clock.instant();
        let own = longest.as_ref().map(|(_, wait)| now + *wait);
        let before = channel.kept.last_entry();
        let due = own.into_iter().chain(before.as_ref().map(|(due, _)| *due)).max()?;
        let fault = longest.map(|(fault, _)| (fault.id.clone(), fault.kind.name));
        struck.extend(fault.as_ref().map(|(_, name)| *name));
        let id = before.and_then(|(_, id)| id).or(fault.map(|(id, _)| id));
        let what = HeldThing::Entry(entry.account_key.clone(), entry.position);
        channel.kept.put(&self.counts, due, false, id, what);
        Some(due.saturating_duration_since(now))
    }

    /// How long an entry still waits under a fault that delays; `None` when it is older than the delay already, which
    /// is no strike.
    pub(super) fn wait(&self, fault: &Fault, entry: &Entry) -> Option<Duration> {
        let due_us = entry.at_us + fault.number("delayMs") as i64 * 1_000;
        let wait_us = u64::try_from(due_us - self.clock.now_us()).ok().filter(|wait_us| *wait_us > 0)?;
        Some(Duration::from_micros(wait_us))
    }

    fn bend(&self, fault: &Fault, on: OnDelivery, channel: &Channel, entry: &Entry, fate: &mut Fate) {
        let of_kind = match on {
            OnDelivery::Again => entry.kind == EntryKind::State,
            OnDelivery::RevisionLater => entry.kind == EntryKind::Report,
            OnDelivery::Lose | OnDelivery::Duplicate | OnDelivery::Foreign | OnDelivery::Reorder => true,
            _ => false,
        };
        let waits = matches!(on, OnDelivery::Reorder | OnDelivery::RevisionLater);
        if !of_kind || !chooses(fault, entry) || (waits && self.is_full()) || !self.strike(fault) {
            return;
        }
        fate.struck.push(fault.kind.name);
        match on {
            OnDelivery::Lose => fate.data.clear(),
            OnDelivery::Duplicate => fate.data.push_back(entry.data().to_owned()),
            OnDelivery::Again => fate.data.push_back(again(entry.data())),
            OnDelivery::Foreign => fate.data.push_front(foreign(fault, self.clock.now_us())),
            OnDelivery::Reorder => {
                for data in fate.data.drain(..) {
                    self.hold(channel, fault, limits::FAULT_REORDER_WAIT, true, HeldThing::Send(data));
                }
                (fate.look_after, fate.is_held) = (Some(limits::FAULT_REORDER_WAIT), true);
            }
            OnDelivery::RevisionLater => {
                let wait = fault.duration("delayMs");
                // From now on, too, the report itself lacks members for so long.
                fault.first_seen(&entry.conversation_space_id, self.clock.instant());
                self.hold(channel, fault, wait, false, HeldThing::Send(revision(entry.data())));
                fate.look_after = Some(wait);
            }
            _ => {}
        }
        fate.is_twice |= matches!(on, OnDelivery::Duplicate | OnDelivery::Again);
    }

    /// Sends something to a channel's reader as soon as that looks.
    pub fn send(&self, channel: &Channel, data: String) {
        channel.kept.put(&self.counts, self.clock.instant(), false, None, HeldThing::Send(data));
    }

    /// Keeps something back for a channel; who asks has looked whether there is room.
    pub(super) fn hold(
        &self,
        channel: &Channel,
        fault: &Fault,
        wait: Duration,
        swaps: bool,
        what: HeldThing,
    ) {
        channel.kept.put(&self.counts, self.clock.instant() + wait, swaps, Some(fault.id.clone()), what);
    }

    /// Whether no more is kept back: what comes then goes at once.
    pub fn is_full(&self) -> bool {
        self.counts.held.load(Ordering::Acquire) >= limits::FAULT_MEMORY_MAX
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
fn in_frame(fault: &Fault, shape: Shape, call: &[Value], own: bool, frame: &mut Value) -> Shaped {
    if own { states::apply(fault, shape, call, &mut frame["data"]["content"]) } else { Shaped::Same }
}

fn goes_on(fault: &Fault, channel_id: &str, frame: &mut Value) -> Shaped {
    // A webhook's body has none.
    if frame["eventId"].is_null() {
        return Shaped::Same;
    }
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
