//! Call history of the captured calls equals the captured rows; of played calls it follows the rules.

use serde_json::{Value, json};
use wire::Direction;
use wire::call_events::{CallEvent, Status};
use wire::call_history::HistoryCall;

use engine::{Call, Command, Names, Nonce, Request, Scenario, ended_legs, fold, history};

use crate::support::{
    UserKeys, beginning, captured, captured_inbound, example, office, play, play_all, scenario, script,
};

fn user_key(user_id: &str) -> Option<String> {
    (user_id == "bf579efa-4202-41f0-ad69-ed0649597b2b").then(|| "6190427733518264017".to_owned())
}

fn rows(events: &[CallEvent], truncated: bool, names: &dyn Names) -> Vec<HistoryCall> {
    let (report, _) = fold(events, truncated, names).expect("it has ended");
    history(&report, truncated)
}

fn played(name: &str) -> Vec<HistoryCall> {
    rows(&play(&script(&Request::new(scenario(name), 5)), 5), false, &office())
}

/// Equal but for the originator, which is opaque.
fn check(events: &[CallEvent], place: usize) {
    let mut expected = example("call-history-response.json")["items"][place].clone();
    let rows = rows(events, false, &UserKeys(user_key));
    assert_eq!(rows.len(), 1);
    expected["originatorId"] = json!(rows[0].originator_id);
    assert_eq!(serde_json::to_value(&rows[0]).expect("JSON"), expected);
}

#[test]
fn captured_calls_have_the_captured_rows() {
    check(&captured("ws-call-events-missed-anonymous.json"), 0);
    check(&captured_inbound(), 1);
}

#[test]
fn an_internal_call_has_a_row_for_each_side() {
    let rows = played("internal");
    assert_eq!(rows.len(), 2);
    let directions: Vec<&Direction> = rows.iter().map(|row| &row.direction).collect();
    assert_eq!(directions, [&Direction::Outbound, &Direction::Inbound]);
    assert_eq!((&rows[0].caller, &rows[0].callee), (&rows[1].caller, &rows[1].callee));
    assert_eq!(rows[0].originator_id, rows[1].originator_id);
    assert_ne!((&rows[0].leg_id, &rows[0].user_key), (&rows[1].leg_id, &rows[1].user_key));
    assert_eq!(rows[0].owner_phone_number, None);
}

#[test]
fn an_outbound_call_is_seen_from_the_line() {
    let rows = played("outbound");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].direction, Direction::Outbound);
    assert!(rows[0].callee.number.starts_with('+'), "{:?}", rows[0].callee);
    assert!(office().line(&rows[0].caller.number).is_some(), "{:?}", rows[0].caller);
    assert_eq!((rows[0].hangup_cause, rows[0].answer_time.is_some()), (16, true));
}

#[test]
fn a_ring_group_has_a_row_for_each_who_rang_and_one_of_them_answered() {
    let rows = played("ring-group");
    assert_eq!(rows.len(), 3);
    let answered: Vec<&HistoryCall> = rows.iter().filter(|row| row.answer_time.is_some()).collect();
    assert_eq!(answered.len(), 1);
    assert_eq!(answered[0].hangup_cause, 16);
    for row in rows.iter().filter(|row| row.answer_time.is_none()) {
        assert_eq!(row.hangup_cause, 19);
        assert!(row.duration < answered[0].duration, "the others stop when one answers");
    }
}

#[test]
fn a_missed_call_rang_and_was_not_answered() {
    let rows = played("missed");
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].hangup_cause, &rows[0].answer_time), (19, &None));
    assert!(rows[0].duration > 0);
    let value = serde_json::to_value(&rows[0]).expect("JSON");
    assert_eq!(value.get("answerTime"), None::<&Value>);
}

#[test]
fn a_call_that_was_cut_off_says_so() {
    let script = script(&Request::new(scenario("answered"), 5));
    let mut call = Call::new(Nonce(5), office().account_key);
    let mut events = Vec::new();
    for step in &script.steps {
        events.extend(call.apply(beginning(), &step.command).expect("the script fits"));
        if matches!(step.command, Command::Answer { .. }) {
            break;
        }
    }
    events.extend(call.apply(beginning(), &Command::Truncate).expect("it fits always"));
    let rows = rows(&events, true, &office());
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].hangup_cause, rows[0].answer_time.is_some()), (41, true));
}

/// The rows as a call's states come one by one, each with the state that it came with.
fn one_by_one(events: &[CallEvent]) -> Vec<(u64, usize, HistoryCall)> {
    let told = (1..=events.len()).flat_map(|count| {
        let number = events[count - 1].state.sequence_number;
        let rows = ended_legs(&events[..count], 1, false, &office());
        rows.into_iter().map(move |(leg, row)| (number, leg, row))
    });
    told.collect()
}

#[test]
fn rows_that_come_as_legs_end_are_those_of_the_report() {
    for scenario in Scenario::all() {
        for seed in 0..10 {
            let script = script(&Request::new(scenario.clone(), seed));
            for events in play_all(&script, u128::from(seed)) {
                let mut told = one_by_one(&events);
                for (state, _, row) in &told {
                    let index = usize::try_from(*state).expect("a small number") - 1;
                    let legs = &events[index].state.participants;
                    let leaves = legs.iter().find(|leg| leg.leg_id == row.leg_id);
                    assert!(
                        leaves.is_none_or(|leg| leg.status.value == Status::Disconnecting),
                        "{scenario} with seed {seed}: {row:?} ends in state {state}"
                    );
                }
                told.sort_by_key(|(_, leg, _)| *leg);
                let told: Vec<HistoryCall> = told.into_iter().map(|(.., row)| row).collect();
                assert_eq!(told, rows(&events, false, &office()), "{scenario} with seed {seed}");
            }
        }
    }
}

#[test]
fn a_telephone_that_stops_ringing_has_its_row_while_others_talk() {
    let events = play(&script(&Request::new(scenario("ring-group"), 5)), 5);
    let told = one_by_one(&events);
    let at: Vec<(u64, u32)> = told.iter().map(|(state, _, row)| (*state, row.hangup_cause)).collect();
    let last = events.len() as u64 - 1;
    assert_eq!(at[..2], [(4, 19), (4, 19)], "two stop as the third answers");
    assert!(at[2].0 >= last - 1 && at[2].1 == 16, "{at:?}");
}
