//! The machine itself: one function for each event.

use std::time::Duration;

use super::slot::{Phase, Refreshing, Slot, pause};
use super::{Action, Event, Generation, Now, Reason, Told, Trouble};
use crate::limits;

/// The machine. `current` delivers or tries to; `successor` exists while `current` is to be replaced.
#[derive(Debug)]
pub struct Lifecycle {
    random: fastrand::Rng,
    generations: Generation,
    current: Slot,
    successor: Option<Slot>,
    /// What the reader was told last.
    connected: bool,
    stopped: bool,
    sweep_at: Now,
    actions: Vec<Action>,
}

impl Lifecycle {
    /// Starts; `adopt` when a channel of an earlier run is known.
    #[must_use]
    pub fn start(seed: u64, adopt: bool) -> (Self, Vec<Action>) {
        let mut slot = Slot::new(1, None);
        slot.resumes = adopt;
        let machine = Self {
            random: fastrand::Rng::with_seed(seed),
            generations: 1,
            current: slot,
            successor: None,
            connected: false,
            stopped: false,
            sweep_at: limits::SWEEP_FIRST,
            actions: Vec::new(),
        };
        (machine, vec![if adopt { Action::Adopt(1) } else { Action::Make(1) }])
    }

    /// When to send [`Event::Tick`] at the latest; `Duration::MAX` for never.
    #[must_use]
    pub fn deadline(&self) -> Now {
        if self.stopped {
            return Duration::MAX;
        }
        let successor = self.successor.as_ref().map_or(Duration::MAX, Slot::deadline);
        let sweep = if self.connected { self.sweep_at } else { Duration::MAX };
        self.current.deadline().min(successor).min(sweep)
    }

    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// The channels that exist as far as the machine knows.
    #[must_use]
    pub fn living(&self) -> Vec<Generation> {
        let made = |slot: &Slot| slot.is_made().then_some(slot.generation);
        made(&self.current).into_iter().chain(self.successor.as_ref().and_then(made)).collect()
    }

    /// Takes one event and returns what is to be done, in this order.
    pub fn handle(&mut self, now: Now, event: Event) -> Vec<Action> {
        if self.stopped {
            self.after_stop(event);
        } else {
            self.dispatch(now, event);
        }
        std::mem::take(&mut self.actions)
    }

    fn dispatch(&mut self, now: Now, event: Event) {
        match event {
            Event::Made { generation, lifetime } => self.made(now, generation, lifetime),
            Event::MakeFailed { generation, trouble } => self.make_failed(now, generation, trouble),
            Event::SocketOpen { generation } => self.socket_open(now, generation),
            Event::SocketFailed { generation, trouble } => self.socket_failed(now, generation, trouble),
            Event::SocketClosed { generation } => self.socket_closed(now, generation),
            Event::Refreshed { generation, lifetime } => self.refreshed(now, generation, lifetime),
            Event::RefreshFailed { generation, trouble } => self.refresh_failed(now, generation, trouble),
            Event::RefreshAsked { generation } => self.refresh(generation),
            Event::CloseAnnounced { generation } => self.replace(generation, Reason::CloseAnnounced),
            Event::Pong { generation, sequence } => self.pong(generation, sequence),
            Event::Heard { generation } => self.heard(now, generation),
            Event::Probed { generation, repaired } => self.probed(now, generation, repaired),
            Event::ProbeFailed { generation, trouble } => self.probe_failed(now, generation, trouble),
            Event::Tick => self.tick(now),
            Event::SignedIn => self.signed_in(),
            Event::Stop => self.stop(),
        }
    }

    fn slot(&mut self, generation: Generation) -> Option<&mut Slot> {
        let slots = std::iter::once(&mut self.current).chain(self.successor.as_mut());
        slots.into_iter().find(|slot| slot.generation == generation)
    }

    fn made(&mut self, now: Now, generation: Generation, lifetime: Duration) {
        let Some(slot) = self.slot(generation).filter(|slot| !slot.is_made()) else {
            // Made for nobody any more: it must not be left behind.
            self.actions.push(Action::Delete(generation));
            return;
        };
        slot.live(now, lifetime);
        slot.failures = 0;
        slot.phase = Phase::Connecting;
        self.actions.push(Action::Connect(generation));
    }

    fn make_failed(&mut self, now: Now, generation: Generation, trouble: Trouble) {
        let fraction = self.random.f64();
        let Some(slot) = self.slot(generation).filter(|slot| slot.phase == Phase::Making) else { return };
        if matches!(trouble, Trouble::Gone | Trouble::Refused) && slot.resumes {
            // The channel of the earlier run cannot be had any more: that is no failure yet.
            slot.resumes = false;
            self.actions.push(Action::Make(generation));
            return;
        }
        let pause = pause(slot.failures, fraction);
        slot.failures += 1;
        slot.phase = Phase::MakePause(now + pause);
        if trouble == Trouble::SignIn {
            slot.phase = Phase::MakePause(Duration::MAX);
            slot.blocked = true;
            self.tell(Told::SignInNeeded);
        }
    }

    fn socket_open(&mut self, now: Now, generation: Generation) {
        let Some(slot) = self.slot(generation).filter(|slot| slot.phase == Phase::Connecting) else {
            self.actions.push(Action::CloseSocket(generation));
            return;
        };
        slot.phase = Phase::Open;
        slot.failures = 0;
        slot.ping_at = now + limits::PING_EVERY;
        slot.pongs_seen = slot.pings_sent;
        slot.probe_at = now + limits::SILENCE_MAX;
        let resumed = std::mem::replace(&mut slot.resumes, true);
        let reason = slot.reason.take();
        if self.successor.as_ref().is_some_and(|successor| successor.generation == generation) {
            self.hand_over();
        }
        if let Some(reason) = reason {
            self.tell(Told::Recreated(reason));
        }
        if !self.connected {
            self.connected = true;
            self.tell(Told::Connected { resumed });
        }
    }

    /// The successor is open: the old channel is given up.
    fn hand_over(&mut self) {
        let Some(successor) = self.successor.take() else { return };
        let old = std::mem::replace(&mut self.current, successor);
        if old.phase == Phase::Open {
            self.actions.push(Action::CloseSocket(old.generation));
        }
        // A dead one was deleted when it died.
        if old.phase != Phase::Dead {
            self.actions.push(Action::Delete(old.generation));
        }
    }

    fn socket_failed(&mut self, now: Now, generation: Generation, trouble: Trouble) {
        let fraction = self.random.f64();
        let Some(slot) = self.slot(generation).filter(|slot| slot.phase == Phase::Connecting) else { return };
        if matches!(trouble, Trouble::Gone | Trouble::Refused) || now >= slot.expires {
            self.replace(generation, Reason::Gone);
            return;
        }
        slot.phase = Phase::ConnectPause(now + pause(slot.failures, fraction));
        slot.failures += 1;
    }

    fn socket_closed(&mut self, now: Now, generation: Generation) {
        let fraction = self.random.f64();
        let Some(slot) = self.slot(generation).filter(|slot| slot.phase == Phase::Open) else { return };
        slot.phase = Phase::ConnectPause(now + pause(0, fraction));
        slot.failures = 1;
        if generation != self.current.generation {
            return;
        }
        self.disconnected();
        if self.successor.is_some() {
            // Nobody will open it again, so it need not live on.
            self.current.phase = Phase::Dead;
            self.actions.push(Action::Delete(generation));
        }
    }

    fn disconnected(&mut self) {
        if std::mem::take(&mut self.connected) {
            self.tell(Told::Disconnected);
        }
    }

    fn refresh(&mut self, generation: Generation) {
        let Some(slot) = self.slot(generation).filter(|slot| slot.is_made() && slot.phase != Phase::Dead)
        else {
            return;
        };
        if matches!(slot.refreshing, Refreshing::Due(_)) {
            slot.refreshing = Refreshing::UnderWay;
            self.actions.push(Action::Refresh(generation));
        }
    }

    fn refreshed(&mut self, now: Now, generation: Generation, lifetime: Duration) {
        let Some(slot) = self.slot(generation).filter(|slot| slot.is_made()) else { return };
        slot.live(now, lifetime);
        self.tell(Told::Refreshed);
    }

    fn refresh_failed(&mut self, now: Now, generation: Generation, trouble: Trouble) {
        let fraction = self.random.f64();
        let Some(slot) = self.slot(generation).filter(|slot| slot.is_made()) else { return };
        let expired = now >= slot.expires;
        match trouble {
            Trouble::Gone => self.replace(generation, Reason::Gone),
            Trouble::Refused => self.replace(generation, Reason::RefreshFailed),
            Trouble::Unreachable if expired => self.replace(generation, Reason::RefreshFailed),
            // The socket may still deliver, and half a life is left for more tries.
            Trouble::Unreachable => slot.refreshing = Refreshing::Due(now + pause(6, fraction)),
            Trouble::SignIn => {
                slot.refreshing = Refreshing::Blocked;
                self.tell(Told::SignInNeeded);
            }
        }
    }

    /// Gives up a channel: at once when it does not deliver, after its successor is open when it does.
    fn replace(&mut self, generation: Generation, reason: Reason) {
        let is_current = generation == self.current.generation;
        if !is_current && self.successor.as_ref().is_none_or(|slot| slot.generation != generation) {
            return;
        }
        if is_current && self.successor.is_some() {
            return;
        }
        self.generations += 1;
        let next = Slot::new(self.generations, Some(reason));
        if is_current && self.current.phase == Phase::Open {
            // No refresh any more: what delivers until then is a gift.
            self.current.refreshing = Refreshing::Due(Duration::MAX);
            self.successor = Some(next);
        } else if is_current {
            self.current = next;
            self.actions.push(Action::Delete(generation));
        } else {
            self.successor = Some(next);
            self.actions.push(Action::Delete(generation));
        }
        self.actions.push(Action::Make(next.generation));
    }

    fn pong(&mut self, generation: Generation, sequence: u64) {
        if let Some(slot) = self.slot(generation) {
            slot.pongs_seen = slot.pongs_seen.max(sequence.min(slot.pings_sent));
        }
    }

    fn heard(&mut self, now: Now, generation: Generation) {
        // While a probe is under way its answer counts.
        if let Some(slot) = self.slot(generation).filter(|slot| slot.probe_at != Duration::MAX) {
            slot.probe_at = now + limits::SILENCE_MAX;
        }
    }

    fn probed(&mut self, now: Now, generation: Generation, repaired: bool) {
        let Some(slot) = self.slot(generation) else { return };
        slot.probe_at = now + limits::SILENCE_MAX;
        if repaired {
            self.tell(Told::Repaired);
        }
    }

    fn probe_failed(&mut self, now: Now, generation: Generation, trouble: Trouble) {
        let Some(slot) = self.slot(generation) else { return };
        slot.probe_at = now + limits::SILENCE_MAX;
        match trouble {
            Trouble::Gone => self.replace(generation, Reason::Gone),
            Trouble::SignIn => self.tell(Told::SignInNeeded),
            // The pings say whether the socket lives; a refusal does not get better on another channel.
            Trouble::Unreachable | Trouble::Refused => {}
        }
    }

    fn tick(&mut self, now: Now) {
        if self.connected && now >= self.sweep_at {
            self.sweep_at = now + limits::SWEEP_EVERY;
            self.actions.push(Action::Sweep);
        }
        let generations: Vec<Generation> = std::iter::once(self.current.generation)
            .chain(self.successor.as_ref().map(|slot| slot.generation))
            .collect();
        for generation in generations {
            self.tick_slot(now, generation);
        }
    }

    fn tick_slot(&mut self, now: Now, generation: Generation) {
        let Some(slot) = self.slot(generation) else { return };
        let refresh_due = slot.is_made()
            && matches!(slot.refreshing, Refreshing::Due(at) if now >= at && at != Duration::MAX);
        match slot.phase {
            Phase::MakePause(until) if now >= until && !slot.blocked => {
                slot.phase = Phase::Making;
                let adopt = slot.resumes;
                self.actions.push(if adopt { Action::Adopt(generation) } else { Action::Make(generation) });
            }
            Phase::ConnectPause(until) if now >= until => {
                slot.phase = Phase::Connecting;
                self.actions.push(Action::Connect(generation));
            }
            Phase::Open if now >= slot.ping_at => self.ping(now, generation),
            _ => {}
        }
        if refresh_due {
            self.refresh(generation);
        }
        self.probe(now, generation);
    }

    fn probe(&mut self, now: Now, generation: Generation) {
        let Some(slot) = self.slot(generation) else { return };
        if slot.phase == Phase::Open && now >= slot.probe_at {
            slot.probe_at = Duration::MAX;
            self.actions.push(Action::Probe(generation));
        }
    }

    fn ping(&mut self, now: Now, generation: Generation) {
        let Some(slot) = self.slot(generation) else { return };
        if slot.pings_sent - slot.pongs_seen > limits::PINGS_OUTSTANDING_MAX {
            self.actions.push(Action::CloseSocket(generation));
            self.socket_closed(now, generation);
            return;
        }
        slot.pings_sent += 1;
        slot.ping_at = now + limits::PING_EVERY;
        let sequence = slot.pings_sent;
        self.actions.push(Action::Ping { generation, sequence });
    }

    /// What waits for a sign-in goes on, and so does what was refused or failed under the old one.
    fn signed_in(&mut self) {
        let mut actions = Vec::new();
        for slot in std::iter::once(&mut self.current).chain(self.successor.as_mut()) {
            if matches!(slot.phase, Phase::MakePause(_)) {
                slot.blocked = false;
                slot.phase = Phase::Making;
                let generation = slot.generation;
                actions.push(if slot.resumes { Action::Adopt(generation) } else { Action::Make(generation) });
            }
            if slot.refreshing == Refreshing::Blocked {
                slot.refreshing = Refreshing::UnderWay;
                actions.push(Action::Refresh(slot.generation));
            }
        }
        self.actions.append(&mut actions);
    }

    fn stop(&mut self) {
        self.stopped = true;
        self.connected = false;
        for slot in std::iter::once(self.current).chain(self.successor) {
            if slot.phase == Phase::Open {
                self.actions.push(Action::CloseSocket(slot.generation));
            }
            if slot.is_made() && slot.phase != Phase::Dead {
                self.actions.push(Action::Delete(slot.generation));
            }
        }
    }

    /// What was under way at the stop must not be left behind either.
    fn after_stop(&mut self, event: Event) {
        match event {
            Event::Made { generation, .. } => self.actions.push(Action::Delete(generation)),
            Event::SocketOpen { generation } => self.actions.push(Action::CloseSocket(generation)),
            _ => {}
        }
    }

    fn tell(&mut self, told: Told) {
        self.actions.push(Action::Tell(told));
    }
}
