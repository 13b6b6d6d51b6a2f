//! Commands beyond the scenarios: what browser telephones will do, and what does not fit.

use engine::{Call, Command, CommandError, Nonce, PlanNode, Target, Who, limits};
use wire::Party;
use wire::call_events::{CallEvent, LineParty, StateType, Status};

use crate::rules;
use crate::support::{at, beginning, office, run};

const NOW: &str = "2026-02-03T17:00:00.5Z";

fn start() -> Command {
    Command::StartInbound {
        number: office().numbers[0].clone(),
        caller: Party::new("Zoë Lindqvist", "+17735550126"),
    }
}

fn leg(extension: &str) -> LineParty {
    office().line(extension).expect("a line").legs().remove(0)
}

fn ring(extensions: &[&str]) -> Command {
    Command::Ring { targets: extensions.iter().map(|extension| Target::Line(leg(extension))).collect() }
}

fn device(extension: &str) -> Who {
    Who::Device(leg(extension).device_id)
}

fn enter_plan() -> Command {
    Command::EnterPlan {
        dial_plan_id: "plan".to_owned(),
        start_node_id: "start".to_owned(),
        node: PlanNode { id: "node".to_owned(), kind: "PlaySoundClipNode".to_owned() },
    }
}

fn call() -> Call {
    Call::new(Nonce(3), "1")
}

/// Runs at one instant, so that order is told by the sequence numbers alone.
fn all(call: &mut Call, commands: &[Command]) -> Vec<CallEvent> {
    let timed: Vec<(&str, Command)> = commands.iter().map(|command| (NOW, command.clone())).collect();
    run(call, &timed)
}

fn refused(before: &[Command], command: &Command) -> CommandError {
    let mut call = call();
    all(&mut call, before);
    call.apply(beginning(), command).expect_err("the command does not fit")
}

#[test]
fn what_does_not_fit_is_named() {
    let answered = [start(), ring(&["1001"]), Command::Answer { who: Who::Callee }];
    assert_eq!(refused(&[], &Command::Proceed), CommandError::NotStarted);
    assert_eq!(refused(&[], &Command::Truncate), CommandError::NotStarted);
    assert_eq!(refused(&[start()], &start()), CommandError::AlreadyStarted);
    assert_eq!(refused(&[start()], &Command::Proceed), CommandError::NothingToDo);
    assert_eq!(refused(&[start(), Command::Truncate], &Command::Proceed), CommandError::Ended);
    assert_eq!(refused(&[start()], &ring(&[])), CommandError::NobodyToRing);
    assert_eq!(refused(&[start()], &ring(&["1001", "1001"])), CommandError::AlreadyInCall);
    assert_eq!(refused(&answered, &ring(&["1002"])), CommandError::CallerNotWaiting);
    assert_eq!(refused(&answered, &Command::Answer { who: Who::Callee }), CommandError::NotRinging);
    assert_eq!(refused(&answered, &enter_plan()), CommandError::CallerNotWaiting);
    assert_eq!(refused(&answered, &Command::HangUp { who: device("1002") }), CommandError::NoSuchParty);
    assert_eq!(refused(&[start()], &Command::Answer { who: Who::Caller }), CommandError::NotRinging);
    assert_eq!(refused(&[start(), ring(&["1001"])], &enter_plan()), CommandError::Occupied);
    assert_eq!(refused(&[start()], &Command::EndPlan { result: String::new() }), CommandError::NoPlan);
    let result = Command::NodeResult { result: "CONTINUE".to_owned() };
    assert_eq!(refused(&[start(), enter_plan(), result.clone()], &result), CommandError::NodeDone);
    let caller_gone = [start(), ring(&["1001"]), Command::HangUp { who: Who::Caller }];
    assert_eq!(refused(&caller_gone, &Command::Answer { who: Who::Callee }), CommandError::CallerNotWaiting);
}

#[test]
fn legs_are_bounded() {
    let targets = |count: usize| Command::Ring {
        targets: (0..count)
            .map(|index| Target::Line(LineParty { device_id: index.to_string(), ..leg("1001") }))
            .collect(),
    };
    assert_eq!(refused(&[start()], &targets(limits::LEGS_MAX)), CommandError::TooManyLegs);
    let events = all(&mut call(), &[start(), targets(limits::LEGS_MAX - 1)]);
    assert_eq!(events[1].state.participants.len(), limits::LEGS_MAX);
}

#[test]
fn a_line_of_a_group_declines_and_the_others_ring_on() {
    let mut call = call();
    let events = all(
        &mut call,
        &[
            start(),
            ring(&["1001", "1002", "1003"]),
            Command::HangUp { who: device("1002") },
            Command::Proceed,
            Command::Answer { who: device("1003") },
        ],
    );
    rules::check(&events);
    assert_eq!(events[2].state.kind, StateType::Active);
    assert_eq!(events[3].state.participants.len(), 3, "caller and two lines");
    let statuses = |event: &CallEvent| -> Vec<Status> {
        event.state.participants.iter().map(|p| p.status.value.clone()).collect()
    };
    assert_eq!(statuses(&events[4]), [Status::Connected, Status::Ringing, Status::Ringing]);
    assert_eq!(statuses(&events[5]), [Status::Connected, Status::Disconnecting, Status::Connected]);
}

#[test]
fn when_the_only_line_declines_another_can_ring() {
    let mut call = call();
    let declined = Command::HangUp { who: device("1001") };
    let events = all(&mut call, &[start(), ring(&["1001"]), declined.clone(), ring(&["1001"]), declined]);
    rules::check(&events);
    let first = &events[1].state.participants[1];
    let second = &events[3].state.participants[1];
    assert_ne!(first.leg_id, second.leg_id, "ringing again is another leg");
    let end = all(&mut call, &[Command::Proceed, Command::Proceed]);
    assert_eq!(end[0].state.participants.len(), 1, "nobody is left to ring, so the caller goes");
    assert!(call.is_ended());
}

#[test]
fn hanging_up_in_a_dial_plan_ends_the_plan_first() {
    let events = all(&mut call(), &[start(), enter_plan(), Command::HangUp { who: Who::Caller }]);
    rules::check(&events);
    let (closing, leaving) = (&events[2].state, &events[3].state);
    let status = closing.systems()[0].status.as_ref().map(|status| &status.value);
    assert_eq!(status, Some(&Status::Disconnecting));
    assert_eq!(closing.participants[0].status.value, Status::InInteractiveVoiceResponse);
    assert_eq!(leaving.participants[0].status.value, Status::Disconnecting);
    assert!(leaving.systems().is_empty());
}

#[test]
fn time_does_not_run_backwards_within_a_call() {
    let mut call = call();
    let events = run(&mut call, &[(NOW, start()), ("2026-02-03T16:59:00Z", ring(&["1001"]))]);
    assert_eq!(events[1].state.timestamp, NOW);
}

#[test]
fn instants_have_milliseconds_without_trailing_zeros() {
    let check = |now: &str, expected: &str| assert_eq!(engine::instant(at(now)), expected);
    check("2026-02-03T17:00:00.570999999Z", "2026-02-03T17:00:00.57Z");
    check("2026-02-03T17:00:00.0004Z", "2026-02-03T17:00:00Z");
    check("2026-02-03T17:00:00.123Z", "2026-02-03T17:00:00.123Z");
}

#[test]
fn ids_have_the_versions_of_the_live_service() {
    let mut call = call();
    let events = all(&mut call, &[start(), ring(&["1001"])]);
    let version = |id: &str| uuid::Uuid::parse_str(id).expect("a UUID").get_version_num();
    assert_eq!(version(call.conversation_space_id()), 3);
    for event in &events {
        assert_eq!(event.metadata.conversation_space_id, call.conversation_space_id());
        assert_eq!(version(&event.state.id), 5);
        for participant in &event.state.participants {
            assert_eq!(version(&participant.id), 5);
            assert_eq!(version(&participant.leg_id), 4);
        }
    }
}
