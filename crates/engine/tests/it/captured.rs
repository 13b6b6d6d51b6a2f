//! Driven by the same events at the same instants, the model says what the captured calls say, ids apart.

use engine::{Call, Command, CompanyNumber, Nonce, Route, Target, Who};
use wire::call_events::{CallEvent, LineParty, PhoneNumberParty};

use crate::support::{captured, captured_inbound, run, with_plain_ids};

fn call(like: &[CallEvent]) -> Call {
    Call::new(Nonce(7), like[0].metadata.account_key.clone())
}

fn outside(events: &[CallEvent], state: usize, index: usize) -> PhoneNumberParty {
    events[state].state.participants[index].kind.as_phone_number().expect("an outside party").clone()
}

fn line(events: &[CallEvent], state: usize, index: usize) -> LineParty {
    events[state].state.participants[index].kind.as_line().expect("a line").clone()
}

fn number(party: &PhoneNumberParty) -> CompanyNumber {
    CompanyNumber {
        id: party.phone_number_id.clone(),
        number: party.number.clone(),
        name: party.name.clone().expect("a label"),
        route: Route::Line(String::new()),
    }
}

fn ring_line(line: LineParty) -> Command {
    Command::Ring { targets: vec![Target::Line(line)] }
}

#[test]
fn inbound_answered() {
    let expected = captured_inbound();
    let caller = outside(&expected, 0, 0);
    let start =
        Command::StartInbound { number: number(&caller), caller: caller.caller.clone().expect("a caller") };
    let events = run(
        &mut call(&expected),
        &[
            ("2026-02-03T17:00:00.570999Z", start),
            ("2026-02-03T17:00:01.213Z", ring_line(line(&expected, 1, 1))),
            ("2026-02-03T17:00:07.4Z", Command::Answer { who: Who::Callee }),
            ("2026-02-03T17:00:07.96Z", Command::Record { who: Who::Callee }),
            ("2026-02-03T17:02:41.118Z", Command::HangUp { who: Who::Caller }),
            ("2026-02-03T17:02:41.302Z", Command::Proceed),
            ("2026-02-03T17:02:41.35Z", Command::Proceed),
        ],
    );
    assert_eq!(with_plain_ids(&events), with_plain_ids(&expected));
}

#[test]
fn inbound_missed() {
    let expected = captured("ws-call-events-missed-anonymous.json");
    let caller = outside(&expected, 0, 0);
    let start =
        Command::StartInbound { number: number(&caller), caller: caller.caller.clone().expect("a caller") };
    let events = run(
        &mut call(&expected),
        &[
            ("2026-02-03T19:30:00Z", start),
            ("2026-02-03T19:30:00.53Z", ring_line(line(&expected, 1, 1))),
            ("2026-02-03T19:30:09.7Z", Command::HangUp { who: Who::Caller }),
            ("2026-02-03T19:30:09.72Z", Command::Proceed),
            ("2026-02-03T19:30:09.8Z", Command::Proceed),
        ],
    );
    assert_eq!(with_plain_ids(&events), with_plain_ids(&expected));
}

#[test]
fn outbound() {
    let expected = captured("ws-call-events-outbound.json");
    let callee = outside(&expected, 1, 1);
    let targets =
        vec![Target::Number { number: number(&callee), callee: callee.callee.clone().expect("a callee") }];
    let start = Command::StartOutbound { line: line(&expected, 0, 0), dial_string: "4155550188".to_owned() };
    let events = run(
        &mut call(&expected),
        &[
            ("2026-02-03T18:10:12.004Z", start),
            ("2026-02-03T18:10:12.69Z", Command::Ring { targets }),
            ("2026-02-03T18:10:19.231Z", Command::Answer { who: Who::Callee }),
            ("2026-02-03T18:11:02.87Z", Command::HangUp { who: Who::Callee }),
            ("2026-02-03T18:11:02.912Z", Command::Proceed),
            ("2026-02-03T18:11:03Z", Command::Proceed),
        ],
    );
    assert_eq!(with_plain_ids(&events), with_plain_ids(&expected));
}

#[test]
fn internal() {
    let expected = captured("ws-call-events-internal.json");
    let start = Command::StartOutbound { line: line(&expected, 0, 0), dial_string: "1003".to_owned() };
    let events = run(
        &mut call(&expected),
        &[
            ("2026-02-03T18:30:00.1Z", start),
            ("2026-02-03T18:30:00.452Z", ring_line(line(&expected, 1, 1))),
            ("2026-02-03T18:30:04.009Z", Command::Answer { who: Who::Callee }),
            ("2026-02-03T18:30:31.66Z", Command::HangUp { who: Who::Callee }),
            ("2026-02-03T18:30:31.7Z", Command::Proceed),
            ("2026-02-03T18:30:31.75Z", Command::Proceed),
        ],
    );
    assert_eq!(with_plain_ids(&events), with_plain_ids(&expected));
}
