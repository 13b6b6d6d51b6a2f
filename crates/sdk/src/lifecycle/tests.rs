//! The machine against a world of trouble, in virtual time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use super::*;
use crate::limits;

const LIFETIME: Duration = Duration::from_secs(1200);
/// Two sockets may be open at the same time for as long as an answer takes.
const OVERLAP_MAX: Duration = Duration::from_secs(3);
const TROUBLE: Duration = Duration::from_secs(4 * 3600);
const PEACE: Duration = Duration::from_secs(1500);

/// A server that forgets, hangs, drops and goes away.
struct World {
    now: Now,
    random: fastrand::Rng,
    machine: Lifecycle,
    queue: BTreeMap<(Now, u64), What>,
    queued: u64,
    /// Channels on the server, with their end.
    channels: HashMap<Generation, Now>,
    /// Open sockets, each with its number.
    sockets: HashMap<Generation, u64>,
    /// The last socket of each channel that the client has not closed: only of these it hears.
    held: HashMap<Generation, u64>,
    /// Sockets that hang: no pong comes.
    hanging: HashSet<Generation>,
    away_until: Now,
    connected: bool,
    two_sockets_since: Option<Now>,
    steps: u64,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Event(Event),
    SocketClosed { generation: Generation, number: u64 },
    Mischief,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let adopt = random.bool();
        let (machine, actions) = Lifecycle::start(random.u64(..), adopt);
        let mut world = Self {
            now: Duration::ZERO,
            random,
            machine,
            queue: BTreeMap::new(),
            queued: 0,
            channels: HashMap::new(),
            sockets: HashMap::new(),
            held: HashMap::new(),
            hanging: HashSet::new(),
            away_until: Duration::ZERO,
            connected: false,
            two_sockets_since: None,
            steps: 0,
        };
        world.later(What::Mischief);
        world.perform(actions);
        world
    }

    fn queue(&mut self, delay: Duration, what: What) {
        self.queued += 1;
        self.queue.insert((self.now + delay, self.queued), what);
    }

    fn later(&mut self, what: What) {
        let delay = Duration::from_millis(self.random.u64(10..2000));
        self.queue(delay, what);
    }

    fn in_trouble(&self) -> bool {
        self.now < TROUBLE
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Make(generation) => self.make(generation, false),
                Action::Adopt(generation) => self.make(generation, true),
                Action::Connect(generation) => self.connect(generation),
                Action::Refresh(generation) => self.refresh(generation),
                Action::Ping { generation, sequence } => {
                    if self.sockets.contains_key(&generation) && !self.hanging.contains(&generation) {
                        self.later(What::Event(Event::Pong { generation, sequence }));
                    }
                }
                Action::CloseSocket(generation) => {
                    self.sockets.remove(&generation);
                    self.held.remove(&generation);
                }
                Action::Delete(generation) => {
                    if self.now >= self.away_until {
                        self.channels.remove(&generation);
                    }
                }
                Action::Tell(told) => self.told(told),
            }
        }
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Connected { .. } => {
                assert!(!self.connected, "told twice");
                self.connected = true;
            }
            Told::Disconnected => {
                assert!(self.connected, "told without need");
                self.connected = false;
            }
            Told::SignInNeeded => {
                let delay = Duration::from_secs(self.random.u64(5..60));
                self.queue(delay, What::Event(Event::SignedIn));
            }
            Told::Refreshed | Told::Recreated(_) => {}
        }
    }

    fn make(&mut self, generation: Generation, adopt: bool) {
        let chance = if self.in_trouble() { self.random.u8(0..20) } else { 19 };
        let failed = |trouble| Event::MakeFailed { generation, trouble };
        let event = match chance {
            _ if self.now < self.away_until => failed(Trouble::Unreachable),
            0 => failed(Trouble::SignIn),
            1 => failed(Trouble::Refused),
            2 => failed(Trouble::Unreachable),
            3..9 if adopt => failed(Trouble::Gone),
            _ => {
                self.channels.insert(generation, self.now + LIFETIME);
                Event::Made { generation, lifetime: LIFETIME }
            }
        };
        self.later(What::Event(event));
    }

    fn lives(&self, generation: Generation) -> bool {
        self.channels.get(&generation).is_some_and(|end| self.now < *end)
    }

    fn connect(&mut self, generation: Generation) {
        let event = if self.now < self.away_until {
            Event::SocketFailed { generation, trouble: Trouble::Unreachable }
        } else if self.lives(generation) {
            self.queued += 1;
            self.sockets.insert(generation, self.queued);
            self.held.insert(generation, self.queued);
            self.hanging.remove(&generation);
            Event::SocketOpen { generation }
        } else {
            Event::SocketFailed { generation, trouble: Trouble::Gone }
        };
        self.later(What::Event(event));
    }

    fn refresh(&mut self, generation: Generation) {
        let failed = |trouble| Event::RefreshFailed { generation, trouble };
        let event = if self.now < self.away_until {
            failed(Trouble::Unreachable)
        } else if self.in_trouble() && self.random.u8(0..10) == 0 {
            failed(if self.random.bool() { Trouble::SignIn } else { Trouble::Refused })
        } else if self.lives(generation) {
            self.channels.insert(generation, self.now + LIFETIME);
            Event::Refreshed { generation, lifetime: LIFETIME }
        } else {
            failed(Trouble::Gone)
        };
        self.later(What::Event(event));
    }

    fn mischief(&mut self) {
        if !self.in_trouble() {
            return;
        }
        let next = Duration::from_millis(self.random.u64(100..120_000));
        self.queue(next, What::Mischief);
        let generations: Vec<Generation> = self.sockets.keys().copied().collect();
        let Some(&generation) = generations.first() else { return };
        match self.random.u8(0..6) {
            0 => self.drop_socket(generation),
            1 => {
                self.hanging.insert(generation);
            }
            2 => self.later(What::Event(Event::RefreshAsked { generation })),
            3 => self.later(What::Event(Event::CloseAnnounced { generation })),
            4 => {
                self.channels.remove(&generation);
                self.drop_socket(generation);
            }
            _ => {
                self.away_until = self.now + Duration::from_secs(self.random.u64(1..300));
                generations.into_iter().for_each(|generation| self.drop_socket(generation));
            }
        }
    }

    fn drop_socket(&mut self, generation: Generation) {
        if let Some(number) = self.sockets.remove(&generation) {
            // Never before the news that it is open.
            self.queue(Duration::from_secs(2), What::SocketClosed { generation, number });
        }
    }

    fn step(&mut self) {
        self.steps += 1;
        let next = self.queue.first_key_value().map_or(Duration::MAX, |((at, _), _)| *at);
        let deadline = self.machine.deadline();
        let what = if deadline <= next {
            self.now = self.now.max(deadline);
            What::Event(Event::Tick)
        } else {
            self.now = next;
            self.queue.pop_first().expect("next comes from the queue").1
        };
        match what {
            What::Mischief => self.mischief(),
            What::SocketClosed { generation, number } => {
                if self.held.get(&generation) == Some(&number) {
                    let actions = self.machine.handle(self.now, Event::SocketClosed { generation });
                    self.perform(actions);
                }
            }
            What::Event(event) => {
                let actions = self.machine.handle(self.now, event);
                self.perform(actions);
            }
        }
        self.check();
    }

    fn check(&mut self) {
        assert!(self.machine.living().len() <= 2, "more than two channels");
        assert_eq!(self.machine.is_connected(), self.connected);
        if self.sockets.len() < 2 {
            self.two_sockets_since = None;
        } else {
            let since = *self.two_sockets_since.get_or_insert(self.now);
            assert!(self.now - since <= OVERLAP_MAX, "two sockets for too long");
        }
    }
}

fn play(seed: u64) {
    let mut world = World::new(seed);
    while world.now < TROUBLE + PEACE {
        world.step();
        assert!(world.steps < 200_000, "a circle without end");
    }
    assert!(world.connected, "not connected though all is well");
    assert_eq!(world.sockets.len(), 1);
    assert_eq!(world.machine.living().len(), 1);
    let left: Vec<_> = world.channels.values().filter(|end| world.now < **end).collect();
    assert_eq!(left.len(), 1, "channels are left behind");

    let actions = world.machine.handle(world.now, Event::Stop);
    let generation = *world.sockets.keys().next().expect("one socket");
    assert_eq!(actions, [Action::CloseSocket(generation), Action::Delete(generation)]);
}

#[test]
fn whatever_happens_it_is_connected_again_and_leaves_nothing_behind() {
    let first = fastrand::u64(..);
    for seed in first..first.saturating_add(100) {
        let played = std::panic::catch_unwind(|| play(seed));
        assert!(played.is_ok(), "seed {seed}");
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A machine with an open socket at time 0.
fn connected() -> Lifecycle {
    let (mut machine, actions) = Lifecycle::start(1, false);
    assert_eq!(actions, [Action::Make(1)]);
    let made = machine.handle(seconds(0), Event::Made { generation: 1, lifetime: LIFETIME });
    assert_eq!(made, [Action::Connect(1)]);
    let open = machine.handle(seconds(0), Event::SocketOpen { generation: 1 });
    assert_eq!(open, [Action::Tell(Told::Connected { resumed: false })]);
    machine
}

#[test]
fn a_channel_to_be_closed_is_replaced_before_it_is_given_up() {
    let mut machine = connected();
    assert_eq!(machine.handle(seconds(1), Event::CloseAnnounced { generation: 1 }), [Action::Make(2)]);
    assert_eq!(machine.handle(seconds(1), Event::CloseAnnounced { generation: 1 }), []);
    let made = machine.handle(seconds(2), Event::Made { generation: 2, lifetime: LIFETIME });
    assert_eq!(made, [Action::Connect(2)]);
    assert!(machine.is_connected());
    assert_eq!(
        machine.handle(seconds(3), Event::SocketOpen { generation: 2 }),
        [Action::CloseSocket(1), Action::Delete(1), Action::Tell(Told::Recreated(Reason::CloseAnnounced))]
    );
    assert_eq!(machine.handle(seconds(3), Event::SocketClosed { generation: 1 }), []);
    assert!(machine.is_connected());
}

#[test]
fn a_lost_socket_is_opened_again_on_the_same_channel() {
    let mut machine = connected();
    let closed = machine.handle(seconds(1), Event::SocketClosed { generation: 1 });
    assert_eq!(closed, [Action::Tell(Told::Disconnected)]);
    let pause = machine.deadline() - seconds(1);
    assert!(pause >= limits::RECONNECT_PAUSE / 2 && pause <= limits::RECONNECT_PAUSE, "{pause:?}");
    assert_eq!(machine.handle(machine.deadline(), Event::Tick), [Action::Connect(1)]);
    let open = machine.handle(seconds(2), Event::SocketOpen { generation: 1 });
    assert_eq!(open, [Action::Tell(Told::Connected { resumed: true })]);
}

#[test]
fn a_socket_refused_for_good_means_a_new_channel() {
    let mut machine = connected();
    machine.handle(seconds(1), Event::SocketClosed { generation: 1 });
    machine.handle(machine.deadline(), Event::Tick);
    let refused = Event::SocketFailed { generation: 1, trouble: Trouble::Gone };
    assert_eq!(machine.handle(seconds(2), refused), [Action::Delete(1), Action::Make(2)]);
    machine.handle(seconds(2), Event::Made { generation: 2, lifetime: LIFETIME });
    assert_eq!(
        machine.handle(seconds(3), Event::SocketOpen { generation: 2 }),
        [Action::Tell(Told::Recreated(Reason::Gone)), Action::Tell(Told::Connected { resumed: false })]
    );
}

#[test]
fn a_channel_is_refreshed_when_asked_and_when_half_its_life_is_over() {
    let mut machine = connected();
    assert_eq!(machine.handle(seconds(1), Event::RefreshAsked { generation: 1 }), [Action::Refresh(1)]);
    assert_eq!(machine.handle(seconds(1), Event::RefreshAsked { generation: 1 }), []);
    let refreshed = Event::Refreshed { generation: 1, lifetime: LIFETIME };
    assert_eq!(machine.handle(seconds(2), refreshed), [Action::Tell(Told::Refreshed)]);

    let half = seconds(2) + LIFETIME / 2;
    let (mut now, mut asked) = (seconds(2), None);
    while asked.is_none() && now < LIFETIME {
        now = machine.deadline();
        for action in machine.handle(now, Event::Tick) {
            match action {
                Action::Ping { generation, sequence } => {
                    assert_eq!(machine.handle(now, Event::Pong { generation, sequence }), []);
                }
                Action::Refresh(1) => asked = Some(now),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(asked, Some(half));
}

#[test]
fn a_socket_that_answers_no_ping_is_dead() {
    let mut machine = connected();
    for sequence in 1..=4 {
        let now = limits::PING_EVERY * u32::try_from(sequence).unwrap();
        assert_eq!(machine.deadline(), now);
        assert_eq!(machine.handle(now, Event::Tick), [Action::Ping { generation: 1, sequence }]);
    }
    let dead = machine.handle(limits::PING_EVERY * 5, Event::Tick);
    assert_eq!(dead, [Action::CloseSocket(1), Action::Tell(Told::Disconnected)]);
}

#[test]
fn a_stop_leaves_nothing_that_was_under_way() {
    let (mut machine, _) = Lifecycle::start(1, false);
    assert_eq!(machine.handle(seconds(1), Event::Stop), []);
    let made = Event::Made { generation: 1, lifetime: LIFETIME };
    assert_eq!(machine.handle(seconds(2), made), [Action::Delete(1)]);
    assert_eq!(machine.deadline(), Duration::MAX);
}

#[test]
fn a_channel_of_an_earlier_run_that_is_gone_is_made_anew() {
    let (mut machine, actions) = Lifecycle::start(1, true);
    assert_eq!(actions, [Action::Adopt(1)]);
    let gone = Event::MakeFailed { generation: 1, trouble: Trouble::Gone };
    assert_eq!(machine.handle(seconds(1), gone), [Action::Make(1)]);
}

#[test]
fn without_a_sign_in_it_waits_and_then_goes_on() {
    let (mut machine, _) = Lifecycle::start(1, false);
    let failed = Event::MakeFailed { generation: 1, trouble: Trouble::SignIn };
    assert_eq!(machine.handle(seconds(1), failed), [Action::Tell(Told::SignInNeeded)]);
    assert_eq!(machine.deadline(), Duration::MAX);
    assert_eq!(machine.handle(seconds(60), Event::SignedIn), [Action::Make(1)]);
}
