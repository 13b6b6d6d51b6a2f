//! Driven by the same events at the same instants, the model says of transfers what the captured calls say, ids apart.
//! One thing the captures of transfers leave out: the moment between an answer and the talk, which the capture of a plain
//! call has (ws-call-event-inbound-3-active-answering.json).

use engine::{Call, Command, CompanyNumber, Consultation, Nonce, Route, Target, Who};
use wire::call_events::{CallEvent, LineParty, PhoneNumberParty, StateType, Status};

use crate::support::{at, captured, run, with_plain_ids};

/// The line that a state shows with this extension.
fn line(events: &[CallEvent], extension: &str) -> LineParty {
    let all = events.iter().flat_map(|event| &event.state.participants);
    let mut lines = all.filter_map(|party| party.kind.as_line());
    lines.find(|line| line.extension_number == extension).expect("a line of the capture").clone()
}

fn start(events: &[CallEvent]) -> Command {
    let caller: PhoneNumberParty =
        events[0].state.participants[0].kind.as_phone_number().expect("an outside party").clone();
    let number = CompanyNumber {
        id: caller.phone_number_id.clone(),
        number: caller.number.clone(),
        name: caller.name.clone().expect("a label"),
        route: Route::Line(String::new()),
    };
    Command::StartInbound { number, caller: caller.caller.expect("a caller") }
}

fn ring(line: &LineParty) -> Command {
    Command::Ring { targets: vec![Target::Line(line.clone())] }
}

/// Without the moment between an answer and the talk, and counted anew.
fn without_answering(events: Vec<CallEvent>) -> Vec<CallEvent> {
    let status = |event: &CallEvent, wanted: &Status| {
        event.state.participants.iter().any(|party| party.status.value == *wanted)
    };
    let answering = |event: &CallEvent| {
        event.state.kind == StateType::Active
            && status(event, &Status::Connected)
            && status(event, &Status::Ringing)
    };
    let mut kept: Vec<CallEvent> = events.into_iter().filter(|event| !answering(event)).collect();
    for (sequence_number, event) in (1..).zip(&mut kept) {
        event.state.sequence_number = sequence_number;
    }
    kept
}

fn device(line: &LineParty) -> Who {
    Who::Device(line.device_id.clone())
}

#[test]
fn blind_transfer() {
    let expected = captured("ws-call-events-direct-transfer.json");
    let (first, second) = (line(&expected, "1001"), line(&expected, "1002"));
    let mut call = Call::new(Nonce(7), expected[0].metadata.account_key.clone());
    let transfer = Command::Transfer { by: device(&first), destination: "1002".to_owned() };
    let events = run(
        &mut call,
        &[
            ("2026-02-03T21:00:00.4Z", start(&expected)),
            ("2026-02-03T21:00:00.8Z", ring(&first)),
            ("2026-02-03T21:00:06.01Z", Command::Answer { who: device(&first) }),
            ("2026-02-03T21:00:40.33Z", transfer),
            ("2026-02-03T21:00:40.91Z", ring(&second)),
            ("2026-02-03T21:00:46.2Z", Command::Answer { who: device(&second) }),
            ("2026-02-03T21:03:00.05Z", Command::HangUp { who: device(&second) }),
            ("2026-02-03T21:03:00.08Z", Command::Proceed),
            ("2026-02-03T21:03:00.14Z", Command::Proceed),
        ],
    );
    assert_eq!(with_plain_ids(&without_answering(events)), with_plain_ids(&expected));
}

#[test]
fn attended_transfer_with_its_consultation() {
    let expected = captured("ws-call-events-warm-transfer.json");
    let (first, second) = (line(&expected, "1001"), line(&expected, "1002"));
    let key = expected[0].metadata.account_key.clone();
    let mut call = Call::new(Nonce(7), key.clone());
    let mut consultation = Call::new(Nonce(8), key);
    let mut events = run(
        &mut call,
        &[
            ("2026-02-03T22:00:00.31Z", start(&expected)),
            ("2026-02-03T22:00:00.72Z", ring(&first)),
            ("2026-02-03T22:00:05Z", Command::Answer { who: device(&first) }),
        ],
    );
    let dialled = Command::StartOutbound { line: first.clone(), dial_string: "1002".to_owned() };
    let mut asked = run(
        &mut consultation,
        &[
            ("2026-02-03T22:00:30.2Z", dialled),
            ("2026-02-03T22:00:30.61Z", ring(&second)),
            ("2026-02-03T22:00:36.12Z", Command::Answer { who: device(&second) }),
        ],
    );
    let talking = &asked.last().expect("they talk").state.participants;
    let consulted = Consultation {
        conversation_space_id: consultation.conversation_space_id().to_owned(),
        transferrer_id: talking[0].id.clone(),
        destination_id: talking[1].id.clone(),
        destination_extension: second.extension_number.clone(),
        destination_name: second.name.clone(),
    };
    let give = Command::WarmTransfer { by: device(&first), consultation: consulted };
    let into = call.conversation_space_id().to_owned();
    events.extend(run(&mut call, &[("2026-02-03T22:00:58.74Z", give)]));
    let leave = Command::HandOver { by: device(&first), into };
    asked.extend(run(
        &mut consultation,
        &[("2026-02-03T22:00:58.76Z", leave), ("2026-02-03T22:00:58.9Z", Command::MoveAway)],
    ));
    events.extend(run(
        &mut call,
        &[
            ("2026-02-03T22:00:58.93Z", Command::TakeOver { line: second }),
            ("2026-02-03T22:02:20.4Z", Command::HangUp { who: Who::Caller }),
            ("2026-02-03T22:02:20.46Z", Command::Proceed),
            ("2026-02-03T22:02:20.51Z", Command::Proceed),
        ],
    ));
    let mut all = [without_answering(events), without_answering(asked)].concat();
    all.sort_by_key(|event| at(&event.state.timestamp));
    assert_eq!(with_plain_ids(&all), with_plain_ids(&expected));
}
