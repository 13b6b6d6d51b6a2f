//! Whatever is done to a call, at whatever moment: the rules hold.

use std::collections::BTreeSet;

use engine::{
    Call, Command, Consultation, Customer, Nonce, Office, PlanExit, PlanNode, Request, Scenario, Target, Who,
    ended_legs, fold, history,
};
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use wire::Party;
use wire::call_events::{CallEvent, LineParty, Status};
use wire::call_history::HistoryCall;
use wire::report::CallerOutcome;

use crate::rules;
use crate::support::{beginning, office, play, play_all, script};

fn legs() -> Vec<LineParty> {
    office().lines.iter().flat_map(engine::Line::legs).collect()
}

fn arb_scenario() -> impl Strategy<Value = Scenario> {
    select(Scenario::all())
}

fn arb_who() -> impl Strategy<Value = Who> {
    prop_oneof![
        Just(Who::Caller),
        Just(Who::Callee),
        select(legs()).prop_map(|leg| Who::Device(leg.device_id)),
        Just(Who::Participant("nobody".to_owned())),
    ]
}

fn arb_target() -> impl Strategy<Value = Target> {
    let number = Target::Number {
        number: office().numbers[0].clone(),
        callee: Party::new("", Customer::clone(&office().customers[0]).number),
    };
    prop_oneof![4 => select(legs()).prop_map(Target::Line), 1 => Just(number)]
}

fn arb_node() -> impl Strategy<Value = PlanNode> {
    select(vec!["ScheduleNode", "PlaySoundClipNode", "SimpleDialNode"])
        .prop_map(|kind| PlanNode { id: format!("node {kind}"), kind: kind.to_owned() })
}

fn arb_start() -> impl Strategy<Value = Command> {
    prop_oneof![
        any::<String>().prop_map(|text| Command::StartInbound {
            number: office().numbers[0].clone(),
            caller: Party::new(text.clone(), text),
        }),
        select(legs()).prop_map(|line| Command::StartOutbound { line, dial_string: "4155550188".to_owned() }),
    ]
}

fn arb_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        1 => arb_start(),
        6 => prop::collection::vec(arb_target(), 0..4).prop_map(|targets| Command::Ring { targets }),
        3 => arb_node().prop_map(|node| Command::EnterPlan {
            dial_plan_id: "plan".to_owned(),
            start_node_id: "start".to_owned(),
            node,
        }),
        2 => Just(Command::NodeResult { result: "CONTINUE".to_owned() }),
        2 => arb_node().prop_map(|node| Command::NextNode { connector: "nextNode".to_owned(), node }),
        1 => Just(Command::EndPlan { result: "COMPLETED".to_owned() }),
        6 => arb_who().prop_map(|who| Command::Answer { who }),
        4 => arb_who().prop_map(|who| Command::HangUp { who }),
        2 => arb_who().prop_map(|who| Command::Record { who }),
        6 => Just(Command::Proceed),
        2 => Just(Command::StopRinging),
        2 => prop::option::of(arb_node()).prop_map(|node| Command::EnterQueue {
            queue: office().queues[0].as_wire(),
            exit: node.map(|node| PlanExit { connector: "nextNode".to_owned(), node }),
        }),
        1 => Just(Command::LeaveQueue),
        2 => Just(Command::EnterVoicemail { mailbox_id: "box".to_owned(), extension: "1001".to_owned() }),
        1 => any::<Option<u64>>().prop_map(|message_ms| Command::EndVoicemail { message_ms }),
        2 => (arb_who(), arb_target()).prop_map(|(by, to)| Command::Invite { by, targets: vec![to] }),
        2 => arb_who().prop_map(|who| Command::Hold { who }),
        2 => arb_who().prop_map(|who| Command::Resume { who }),
        1 => arb_who().prop_map(|by| Command::Park { by, spot: "701".to_owned() }),
        2 => select(legs()).prop_map(|line| Command::TakeOver { line }),
        1 => arb_who().prop_map(|by| Command::Transfer { by, destination: "1002".to_owned() }),
        1 => arb_who().prop_map(|by| Command::WarmTransfer { by, consultation: Consultation::default() }),
        1 => arb_who().prop_map(|by| Command::HandOver { by, into: "elsewhere".to_owned() }),
        1 => Just(Command::MoveAway),
        1 => Just(Command::Truncate),
    ]
}

/// Milliseconds from one command to the next; the clock may be set back.
fn arb_commands() -> impl Strategy<Value = Vec<(i64, Command)>> {
    let later = prop::collection::vec((-50_i64..20_000, arb_command()), 0..25);
    (arb_start(), later).prop_map(|(start, later)| {
        let mut commands = vec![(0, start)];
        commands.extend(later);
        commands
    })
}

fn bytes(events: &[CallEvent]) -> String {
    serde_json::to_string(events).expect("JSON")
}

/// Does what fits; asserts that what does not fit changes nothing.
fn do_all(call: &mut Call, commands: &[(i64, Command)]) -> Vec<CallEvent> {
    let mut now = beginning();
    let mut events = Vec::new();
    for (after_ms, command) in commands {
        now += SignedDuration::from_millis(*after_ms);
        let before = call.clone();
        match call.apply(now, command) {
            Ok(states) => {
                assert!(!states.is_empty(), "a command that fits says something");
                events.extend(states);
            }
            Err(_) => assert_eq!(call.last(), before.last(), "a command that does not fit changes nothing"),
        }
        assert_eq!(call.last(), events.last());
    }
    events
}

fn check_report(office: &Office, events: &[CallEvent], truncated: bool) {
    rules::check_finished(events);
    let (report, summary) = fold(events, truncated, office).expect("a finished call has a report");
    let seen: BTreeSet<&String> =
        events.iter().flat_map(|event| &event.state.participants).map(|p| &p.leg_id).collect();
    let reported: Vec<&String> = report.participants.iter().map(|p| &p.leg_id).collect();
    assert_eq!(reported.len(), seen.len(), "each leg stands once in the report");
    assert_eq!(reported.into_iter().collect::<BTreeSet<_>>(), seen, "all legs ever seen are in the report");
    assert_eq!(report.call_states.len(), events.len());
    assert_eq!(summary.caller_outcome == CallerOutcome::Truncated, truncated);
    if !truncated {
        let told = (1..=events.len()).flat_map(|count| ended_legs(&events[..count], 1, false, office));
        let mut told: Vec<(usize, HistoryCall)> = told.collect();
        told.sort_by_key(|(leg, _)| *leg);
        let course = |row: &HistoryCall| {
            (
                row.leg_id.clone(),
                row.start_time.clone(),
                row.answer_time.clone(),
                row.duration,
                row.hangup_cause,
            )
        };
        let told: Vec<_> = told.iter().map(|(_, row)| course(row)).collect();
        let at_the_end: Vec<_> = history(&report, false).iter().map(course).collect();
        assert_eq!(told, at_the_end, "each row once, when its leg ends, as the report has it");
    }
    let hung_up = report.hangup_originator_id;
    assert!(hung_up.is_none_or(|who| report.participants.iter().any(|p| p.id == who)));
}

/// The call goes down by itself once somebody begins to leave it: `Proceed` as long as it fits.
fn proceed_to_rest(call: &mut Call) -> Vec<CallEvent> {
    let mut events = Vec::new();
    while let Ok(states) = call.apply(beginning(), &Command::Proceed) {
        events.extend(states);
        assert!(events.len() < 10, "a call comes to rest in a few steps");
    }
    events
}

proptest! {
    #[test]
    fn scenarios_keep_the_rules(scenario in arb_scenario(), seed: u64, nonce: u128) {
        let script = script(&Request::new(scenario, seed));
        let calls = play_all(&script, nonce);
        for events in &calls {
            check_report(&office(), events, false);
        }
        let events = &calls[0];
        prop_assert_eq!(bytes(events), bytes(&play(&script, nonce)), "same seed and nonce, same bytes");
        prop_assert_ne!(
            &play(&script, nonce ^ 1)[0].metadata.conversation_space_id,
            &events[0].metadata.conversation_space_id
        );
    }

    #[test]
    fn any_commands_keep_the_rules(nonce: u128, commands in arb_commands()) {
        let mut call = Call::new(Nonce(nonce), "1");
        let mut events = do_all(&mut call, &commands);
        rules::check(&events);
        events.extend(proceed_to_rest(&mut call));
        rules::check(&events);
        if !call.is_ended() {
            let now = beginning();
            events.extend(call.apply(now, &Command::Truncate).expect("fits a call under way"));
        }
        rules::check_finished(&events);
        prop_assert!(call.apply(beginning(), &Command::Truncate).is_err(), "over is over");
    }

    #[test]
    fn a_call_that_loses_a_talker_ends_by_itself(nonce: u128, commands in arb_commands(), who in arb_who()) {
        let mut call = Call::new(Nonce(nonce), "1");
        let mut events = do_all(&mut call, &commands);
        if call.apply(beginning(), &Command::HangUp { who: Who::Caller }).map(|s| events.extend(s)).is_ok() {
            // Whatever the other side still tries.
            events.extend(call.apply(beginning(), &Command::HangUp { who }).unwrap_or_default());
            events.extend(proceed_to_rest(&mut call));
            let talk = |status: &Status| matches!(status, Status::Connected | Status::OnHold);
            let last = &events.last().expect("a state").state;
            let others = last.participants.iter().filter(|p| talk(&p.status.value)).count();
            prop_assert!(call.is_ended() || others > 1, "without its caller no call goes on, unless others talk");
            if call.is_ended() {
                check_report(&office(), &events, false);
            }
        }
    }

    /// As after a crash: only a part of the log is left, maybe half of what one command said.
    #[test]
    fn a_call_cut_off_anywhere_can_be_truncated(nonce: u128, commands in arb_commands(), cut: Index) {
        let mut log = do_all(&mut Call::new(Nonce(nonce), "1"), &commands);
        log.truncate(cut.index(log.len()) + 1);
        let mut call = Call::resume(&log[log.len() - 1]);
        if !call.is_ended() {
            log.extend(call.apply(beginning(), &Command::Truncate).expect("fits a call under way"));
            check_report(&office(), &log, true);
        }
    }

    #[test]
    fn a_resumed_call_goes_on_as_if_nothing_had_happened(
        scenario in arb_scenario(), seed: u64, nonce: u128, cut: Index,
    ) {
        let script = script(&Request::new(scenario, seed));
        prop_assume!(script.calls() == 1);
        let cut = cut.index(script.steps.len() - 1) + 1;
        let mut now = script.starts.unwrap_or_else(beginning);
        let mut call = Call::new(Nonce(nonce), office().account_key);
        let mut events = Vec::new();
        for (index, step) in script.steps.iter().enumerate() {
            if index == cut {
                call = Call::resume(call.last().expect("a state"));
            }
            now += SignedDuration::from_millis(i64::try_from(step.after_ms).expect("a short call"));
            events.extend(call.apply(now, &step.command).expect("the step fits"));
        }
        prop_assert_eq!(bytes(&events), bytes(&play(&script, nonce)));
    }
}
