//! The machine, the sweep and the watermark against a world of trouble, in virtual time. A failure is a seed.
//!
//! The world forgets channels and subscriptions, hangs, drops, goes away, answers slowly or not at all, and the
//! program is killed. Calls end all the while. What must hold: never two sockets for longer than a hand-over takes,
//! a channel is refreshed before its end, nobody else's channel is touched, nothing is left behind, it is connected
//! again in the end, and no call is lost.

mod trouble;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::limits;
use crate::pull::{Look, Watermark};

const RUNS: u64 = 2000;
const LIFETIME: Duration = Duration::from_secs(1200);
const TROUBLE: Duration = Duration::from_secs(3600);
/// Shorter than a life: what is left behind must have been swept away, not have expired.
const PEACE: Duration = Duration::from_secs(1100);
/// Summaries come this long after their call at most.
const LAG_MAX_S: u64 = 300;
const PULL_EVERY: Duration = Duration::from_secs(300);
const OURS: &str = "callfeed-test";

struct Channel {
    nickname: &'static str,
    end: Now,
    subscribed: bool,
    /// Number of the open socket.
    socket: Option<u64>,
    /// No pong and no frame comes through.
    hanging: bool,
    /// The world has kept it from being refreshed, or it is given up.
    excused: bool,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Event(Event),
    SocketClosed { generation: Generation, number: u64 },
    EndChannel(u64),
    List,
    Pull(Look),
    CallEnds,
    Mischief,
}

struct World {
    now: Now,
    random: fastrand::Rng,
    /// `None`: of the world; else of this run of the program.
    queue: BTreeMap<(Now, u64), (Option<u32>, What)>,
    count: u64,
    channels: HashMap<u64, Channel>,
    away_until: Now,
    /// Calls: when each ended and when its summary can be seen.
    calls: Vec<(Now, Now)>,
    steps: u64,
    program: Program,
    /// What survives a kill.
    saved: Option<u64>,
    watermark: Watermark,
    collected: HashSet<usize>,
}

/// What a kill takes away.
struct Program {
    run: u32,
    machine: Lifecycle,
    ids: HashMap<Generation, u64>,
    /// Sockets that the program has not closed.
    held: HashMap<Generation, u64>,
    sweep: Sweep,
    connected: bool,
    two_sockets_since: Option<Now>,
}

fn instant(now: Now) -> Timestamp {
    Timestamp::UNIX_EPOCH.checked_add(now + Duration::from_secs(86_400)).expect("some hours")
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let (machine, actions) = Lifecycle::start(random.u64(..), false);
        let mut world = Self {
            now: Duration::ZERO,
            random,
            queue: BTreeMap::new(),
            count: 100,
            channels: HashMap::new(),
            away_until: Duration::ZERO,
            calls: Vec::new(),
            steps: 0,
            program: Program::new(1, machine),
            saved: None,
            watermark: Watermark::new(instant(Duration::ZERO)),
            collected: HashSet::new(),
        };
        // Of another application, and of a sibling with our name on another machine.
        world.channels.insert(1, Channel::new("demo", Duration::MAX));
        world.channels.insert(2, Channel { socket: Some(2), ..Channel::new(OURS, Duration::MAX) });
        world.queue(Duration::ZERO, None, What::Mischief);
        world.queue(Duration::ZERO, None, What::CallEnds);
        world.perform(actions);
        world.after(PULL_EVERY, What::Pull(Look::Periodic));
        world
    }

    fn queue(&mut self, delay: Duration, run: Option<u32>, what: What) {
        self.count += 1;
        self.queue.insert((self.now + delay, self.count), (run, what));
    }

    fn after(&mut self, delay: Duration, what: What) {
        self.queue(delay, Some(self.program.run), what);
    }

    /// The answer to a request, as a rule soon.
    fn answer(&mut self, slowest: Duration, event: Event) {
        let ms = if self.in_trouble() && self.random.u8(0..30) == 0 {
            self.random.u64(2000..u64::try_from(slowest.as_millis()).expect("seconds"))
        } else {
            self.random.u64(10..2000)
        };
        self.after(Duration::from_millis(ms), What::Event(event));
    }

    fn in_trouble(&self) -> bool {
        self.now < TROUBLE
    }

    fn is_away(&self) -> bool {
        self.now < self.away_until
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Make(generation) => self.make(generation, false),
                Action::Adopt(generation) => self.make(generation, true),
                Action::Connect(generation) => self.connect(generation),
                Action::Refresh(generation) => self.refresh(generation),
                Action::Ping { generation, sequence } => {
                    if self.socket_works(generation) {
                        let delay = Duration::from_millis(self.random.u64(10..2000));
                        self.after(delay, What::Event(Event::Pong { generation, sequence }));
                    }
                }
                Action::CloseSocket(generation) => self.close_socket(generation),
                Action::Probe(generation) => self.probe(generation),
                Action::Sweep => {
                    let delay = Duration::from_millis(self.random.u64(10..2000));
                    self.after(delay, What::List);
                }
                Action::Delete(generation) => self.delete(generation),
                Action::Tell(told) => self.told(told),
            }
        }
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Connected { .. } => {
                assert!(!self.program.connected, "told twice");
                self.program.connected = true;
                self.after(Duration::from_secs(1), What::Pull(Look::AfterBreak));
            }
            Told::Disconnected => {
                assert!(self.program.connected, "told without need");
                self.program.connected = false;
            }
            Told::Repaired => self.after(Duration::from_secs(1), What::Pull(Look::AfterBreak)),
            Told::SignInNeeded => {
                let delay = Duration::from_secs(self.random.u64(5..60));
                self.after(delay, What::Event(Event::SignedIn));
            }
            Told::Refreshed | Told::Recreated(_) => {}
        }
    }

    fn channel(&mut self, generation: Generation) -> Option<&mut Channel> {
        let now = self.now;
        let id = self.program.ids.get(&generation)?;
        self.channels.get_mut(id).filter(|channel| now < channel.end)
    }

    fn socket_works(&mut self, generation: Generation) -> bool {
        let held = self.program.held.get(&generation).copied();
        self.channel(generation)
            .is_some_and(|channel| channel.socket.is_some() && channel.socket == held && !channel.hanging)
    }

    fn make(&mut self, generation: Generation, adopt: bool) {
        let chance = if self.in_trouble() { self.random.u8(0..20) } else { 19 };
        let failed = |trouble| Event::MakeFailed { generation, trouble };
        let slow = limits::REQUEST_TIMEOUT;
        if self.is_away() {
            return self.answer(slow, failed(Trouble::Unreachable));
        }
        let event = match chance {
            // A subscription of the 207 was refused, or the 201 was empty: the channel is deleted again.
            0 => failed(Trouble::SignIn),
            1 => failed(Trouble::Refused),
            2 => failed(Trouble::Unreachable),
            _ if adopt => {
                let saved = self.saved.filter(|id| self.channels.get(id).is_some_and(|c| self.now < c.end));
                let Some(id) = saved else { return self.answer(slow, failed(Trouble::Gone)) };
                let end = self.now + LIFETIME;
                let channel = self.channels.get_mut(&id).expect("it was found above");
                (channel.end, channel.subscribed, channel.excused) = (end, true, false);
                self.program.ids.insert(generation, id);
                Event::Made { generation, lifetime: LIFETIME }
            }
            _ => {
                self.count += 1;
                self.channels.insert(self.count, Channel::new(OURS, self.now + LIFETIME));
                if chance == 3 {
                    // The answer is lost: a channel that nobody knows of.
                    return self.answer(slow, failed(Trouble::Unreachable));
                }
                self.program.ids.insert(generation, self.count);
                Event::Made { generation, lifetime: LIFETIME }
            }
        };
        self.answer(slow, event);
    }

    fn connect(&mut self, generation: Generation) {
        self.count += 1;
        let number = self.count;
        let event = if self.is_away() {
            Event::SocketFailed { generation, trouble: Trouble::Unreachable }
        } else if let Some(channel) = self.channel(generation) {
            (channel.socket, channel.hanging) = (Some(number), false);
            self.program.held.insert(generation, number);
            Event::SocketOpen { generation }
        } else {
            Event::SocketFailed { generation, trouble: Trouble::Gone }
        };
        self.answer(limits::SOCKET_OPEN_TIMEOUT, event);
    }

    fn refresh(&mut self, generation: Generation) {
        let failed = |trouble| Event::RefreshFailed { generation, trouble };
        let refused = self.in_trouble() && self.random.u8(0..10) == 0;
        let other = if self.random.bool() { Trouble::SignIn } else { Trouble::Refused };
        let (away, end) = (self.is_away(), self.now + LIFETIME);
        let event = match self.channel(generation) {
            Some(channel) if away || refused => {
                channel.excused = true;
                failed(if away { Trouble::Unreachable } else { other })
            }
            Some(channel) => {
                (channel.end, channel.excused) = (end, false);
                Event::Refreshed { generation, lifetime: LIFETIME }
            }
            None if away => failed(Trouble::Unreachable),
            None => failed(Trouble::Gone),
        };
        self.answer(limits::REQUEST_TIMEOUT, event);
    }

    fn probe(&mut self, generation: Generation) {
        let away = self.is_away();
        let event = match self.channel(generation) {
            _ if away => Event::ProbeFailed { generation, trouble: Trouble::Unreachable },
            None => Event::ProbeFailed { generation, trouble: Trouble::Gone },
            Some(channel) => {
                let repaired = !std::mem::replace(&mut channel.subscribed, true);
                Event::Probed { generation, repaired }
            }
        };
        self.answer(limits::REQUEST_TIMEOUT, event);
    }

    fn delete(&mut self, generation: Generation) {
        let away = self.is_away();
        let Some(id) = self.program.ids.get(&generation).copied() else { return };
        if !away {
            self.channels.remove(&id);
        } else if let Some(channel) = self.channels.get_mut(&id) {
            channel.excused = true;
        }
        self.program.ids.remove(&generation);
    }

    fn close_socket(&mut self, generation: Generation) {
        let Some(number) = self.program.held.remove(&generation) else { return };
        for channel in self.channels.values_mut().filter(|channel| channel.socket == Some(number)) {
            channel.socket = None;
        }
    }

    fn list(&mut self) {
        if self.is_away() {
            return;
        }
        let listed: Vec<Listed> = self
            .channels
            .iter()
            .filter(|(_, channel)| self.now < channel.end)
            .map(|(id, channel)| Listed {
                channel_id: id.to_string(),
                nickname: Some(channel.nickname.to_owned()),
                connected: Some(channel.socket.is_some()),
            })
            .collect();
        let ours: Vec<String> = self.program.ids.values().map(u64::to_string).collect();
        let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
        for id in self.program.sweep.orphans(OURS, &ours, &listed) {
            let id: u64 = id.parse().expect("a number became it");
            let channel = self.channels.remove(&id).expect("it was listed");
            assert_eq!(channel.nickname, OURS, "a channel of another application is deleted");
            assert!(channel.socket.is_none(), "a channel in use is deleted");
            assert!(!self.program.ids.values().any(|own| *own == id), "its own channel is deleted");
        }
    }

    fn call_ends(&mut self) {
        if !self.in_trouble() {
            return;
        }
        let next = Duration::from_millis(self.random.u64(1_000..120_000));
        self.queue(next, None, What::CallEnds);
        let lag = Duration::from_secs(self.random.u64(0..LAG_MAX_S));
        self.calls.push((self.now, self.now + lag));
        let generations: Vec<Generation> = self.program.held.keys().copied().collect();
        for generation in generations {
            let subscribed = self.channel(generation).is_some_and(|channel| channel.subscribed);
            if subscribed && self.socket_works(generation) {
                self.collected.insert(self.calls.len() - 1);
                let actions = self.program.machine.handle(self.now, Event::Heard { generation });
                self.perform(actions);
            }
        }
    }

    fn pull(&mut self, look: Look) {
        if self.is_away() {
            // Tried again until it is answered, as the collector does.
            return self.after(Duration::from_secs(20), What::Pull(look));
        }
        if look == Look::Periodic {
            self.after(PULL_EVERY, What::Pull(look));
        }
        let asked = instant(self.now);
        let span = self.watermark.span(asked, look);
        for (index, (ended, visible)) in self.calls.iter().enumerate() {
            if *visible <= self.now && (span.from..span.to).contains(&instant(*ended)) {
                self.collected.insert(index);
            }
        }
        self.watermark.advance(asked);
    }

    fn step(&mut self) {
        self.steps += 1;
        let next = self.queue.first_key_value().map_or(Duration::MAX, |((at, _), _)| *at);
        let deadline = self.program.machine.deadline();
        if deadline <= next {
            self.now = self.now.max(deadline);
            self.handle(Event::Tick);
        } else {
            self.now = next;
            let (run, what) = self.queue.pop_first().expect("next comes from the queue").1;
            if run.is_none_or(|run| run == self.program.run) {
                self.happen(what);
            }
        }
        self.check();
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Mischief => self.mischief(),
            What::CallEnds => self.call_ends(),
            What::EndChannel(id) => self.end_channel(id),
            What::List => self.list(),
            What::Pull(look) => self.pull(look),
            What::SocketClosed { generation, number } => {
                if self.program.held.get(&generation) == Some(&number) {
                    self.program.held.remove(&generation);
                    self.handle(Event::SocketClosed { generation });
                }
            }
            What::Event(event) => {
                if let Event::Made { generation, .. } = event {
                    self.saved = self.program.ids.get(&generation).copied();
                }
                self.handle(event);
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let actions = self.program.machine.handle(self.now, event);
        self.perform(actions);
    }

    fn check(&mut self) {
        let living = self.program.machine.living();
        assert!(living.len() <= 2, "more than two channels");
        assert_eq!(self.program.machine.is_connected(), self.program.connected);
        for generation in living {
            let channel = self.program.ids.get(&generation).and_then(|id| self.channels.get(id));
            let expired = channel.is_some_and(|channel| self.now >= channel.end && !channel.excused);
            assert!(!expired, "a channel was not refreshed before its end");
        }
        let is_open = |number: &&u64| self.channels.values().any(|channel| channel.socket == Some(**number));
        if self.program.held.values().filter(is_open).count() < 2 {
            self.program.two_sockets_since = None;
        } else {
            let since = *self.program.two_sockets_since.get_or_insert(self.now);
            assert!(self.now - since <= limits::SOCKET_OPEN_TIMEOUT, "two sockets for too long");
        }
    }
}

impl Channel {
    fn new(nickname: &'static str, end: Now) -> Self {
        Self { nickname, end, subscribed: true, socket: None, hanging: false, excused: false }
    }
}

impl Program {
    fn new(run: u32, machine: Lifecycle) -> Self {
        Self {
            run,
            machine,
            ids: HashMap::new(),
            held: HashMap::new(),
            sweep: Sweep::default(),
            connected: false,
            two_sockets_since: None,
        }
    }
}

fn play(seed: u64) {
    let mut world = World::new(seed);
    while world.now < TROUBLE + PEACE {
        world.step();
        assert!(world.steps < 200_000, "a circle without end");
    }
    assert!(world.program.connected, "not connected though all is well");
    assert_eq!(world.program.machine.living().len(), 1);
    let generation = world.program.machine.living()[0];
    assert!(world.socket_works(generation), "the socket delivers");
    assert!(world.channel(generation).is_some_and(|channel| channel.subscribed), "subscriptions are whole");
    let left: Vec<u64> =
        world.channels.iter().filter(|(_, c)| world.now < c.end).map(|(id, _)| *id).collect();
    assert_eq!(left.len(), 3, "its own channel, the sibling's and the foreign one");
    assert!(left.contains(&1) && left.contains(&2));
    let lost: Vec<usize> = (0..world.calls.len()).filter(|call| !world.collected.contains(call)).collect();
    assert!(lost.is_empty(), "calls are lost: {lost:?} of {}", world.calls.len());

    let actions = world.program.machine.handle(world.now, Event::Stop);
    assert_eq!(actions, [Action::CloseSocket(generation), Action::Delete(generation)]);
}

/// One seed: `CALLFEED_TEST_SEED=…`.
#[test]
fn whatever_happens_no_call_is_lost_and_nothing_is_left_behind() {
    let given = std::env::var("CALLFEED_TEST_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let (first, runs) = given.map_or_else(|| (fastrand::u64(..u64::MAX - RUNS), RUNS), |seed| (seed, 1));
    for seed in first..first + runs {
        let played = std::panic::catch_unwind(|| play(seed));
        assert!(played.is_ok(), "CALLFEED_TEST_SEED={seed}");
    }
}
