//! The machine step by step; `simulation.rs` plays it against a world of trouble.

use std::time::Duration;

use super::*;
use crate::limits;

const LIFETIME: Duration = Duration::from_secs(1200);

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
                Action::Sweep => {}
                Action::Probe(1) => {
                    machine.handle(now, Event::Probed { generation: 1, repaired: false });
                }
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
        if sequence == 4 {
            assert_eq!(machine.handle(limits::SWEEP_FIRST, Event::Tick), [Action::Sweep]);
        }
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

#[test]
fn what_somebody_may_not_do_is_tried_at_once_when_somebody_else_signs_in() {
    let (mut machine, _) = Lifecycle::start(1, false);
    for n in 0..8 {
        let failed = Event::MakeFailed { generation: 1, trouble: Trouble::Refused };
        assert_eq!(machine.handle(seconds(n * 1000), failed), []);
        let due = machine.deadline();
        if n < 7 {
            assert_eq!(machine.handle(due, Event::Tick), [Action::Make(1)]);
        }
    }
    let now = seconds(7000);
    assert!(machine.deadline() > now, "it waits");
    assert_eq!(machine.handle(now, Event::SignedIn), [Action::Make(1)]);
    assert_eq!(machine.handle(now, Event::SignedIn), [], "once");
}

/// Pings and pongs until the machine wants something else.
fn quiet_until_other(machine: &mut Lifecycle, mut now: Now) -> (Now, Vec<Action>) {
    loop {
        now = machine.deadline().max(now);
        let actions = machine.handle(now, Event::Tick);
        let other: Vec<Action> =
            actions.iter().copied().filter(|action| !matches!(action, Action::Ping { .. })).collect();
        for action in actions {
            if let Action::Ping { generation, sequence } = action {
                assert_eq!(machine.handle(now, Event::Pong { generation, sequence }), []);
            }
        }
        if !other.is_empty() {
            return (now, other);
        }
    }
}

#[test]
fn a_socket_that_brings_nothing_is_probed_and_a_repair_is_told() {
    let mut machine = connected();
    assert_eq!(quiet_until_other(&mut machine, seconds(0)), (limits::SWEEP_FIRST, vec![Action::Sweep]));
    machine.handle(seconds(100), Event::Heard { generation: 1 });
    let next_sweep = limits::SWEEP_FIRST + limits::SWEEP_EVERY;
    assert_eq!(quiet_until_other(&mut machine, seconds(100)), (next_sweep, vec![Action::Sweep]));
    let (now, actions) = quiet_until_other(&mut machine, next_sweep);
    assert_eq!((now, actions), (seconds(100) + limits::SILENCE_MAX, vec![Action::Probe(1)]));
    let probed = machine.handle(now, Event::Probed { generation: 1, repaired: true });
    assert_eq!(probed, [Action::Tell(Told::Repaired)]);
    let gone = Event::ProbeFailed { generation: 1, trouble: Trouble::Gone };
    assert_eq!(
        machine.handle(now, gone),
        [Action::Make(2)],
        "the old socket stays until the new one is open"
    );
}
