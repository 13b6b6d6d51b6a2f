//! Who is in the calls that the specification shows.

use serde_json::Value;
use wire::call_events::CallEvent;

use crate::people::{
    number::{Home, Number},
    parties::{Account, Parties, Way, parties},
};

fn example(name: &str) -> Vec<CallEvent> {
    let path = format!("{}/../wire/tests/examples/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let frames: Vec<Value> = match serde_json::from_str(&text).unwrap() {
        Value::Array(frames) => frames,
        frame => vec![frame],
    };
    frames
        .into_iter()
        .map(|frame| serde_json::from_value(frame["data"]["content"].clone()).unwrap())
        .collect()
}

fn of(events: &[CallEvent], account: &Account, agent: &[String]) -> Parties {
    parties(&events.iter().collect::<Vec<_>>(), account, agent).unwrap()
}

fn key(number: &Number) -> &str {
    number.key().unwrap_or_default()
}

#[test]
fn an_inbound_call() {
    let events = example("ws-call-event-inbound-1-starting");
    let found = of(&events, &Account::default(), &[]);
    let (outside, ours) = (found.outside.unwrap(), found.ours.unwrap());
    assert_eq!(found.way, Way::Inbound);
    assert_eq!((key(&outside.number), outside.label.as_str()), ("+13125550147", "EXAMPLE CALLER"));
    assert_eq!((key(&ours.number), ours.label.as_str()), ("+12025550123", "Main Number"));
    assert!(found.people.is_empty());
}

#[test]
fn an_outbound_call_and_an_internal_one() {
    let events = example("ws-call-events-outbound");
    let found = of(&events, &Account::default(), &[]);
    assert_eq!(found.way, Way::Outbound);
    assert!(matches!(found.outside.unwrap().number, Number::Phone(_)));
    assert!(found.ours.is_some(), "the number of ours that is shown");
    assert_eq!(found.people.len(), 1);
    assert!(found.people[0].talked && !found.people[0].present);
    // The first state has no leg of the network's yet: the digits dialled tell.
    assert_eq!(of(&events[..1], &Account::default(), &[]).way, Way::Outbound);

    let internal = example("ws-call-events-internal");
    let found = of(&internal, &Account::default(), &[]);
    assert_eq!((found.way, found.outside, found.people.len()), (Way::Internal, None, 2));
}

#[test]
fn a_queue_is_named_and_the_agent_is_known() {
    let events = example("ws-call-events-queue");
    let all = of(&events, &Account::default(), &[]);
    assert!(all.queue.is_some_and(|name| !name.is_empty()));
    let agent = all.people.iter().find(|person| person.talked).unwrap().line.id.clone();
    let found = of(&events, &Account::default(), std::slice::from_ref(&agent));
    let mine: Vec<_> = found.people.iter().filter(|person| person.is_agent).collect();
    assert_eq!((mine.len(), mine[0].line.id.as_str()), (1, agent.as_str()));
}

#[test]
fn a_withheld_number_has_no_label_of_its_own() {
    let events = example("ws-call-events-missed-anonymous");
    let outside = of(&events, &Account::default(), &[]).outside.unwrap();
    assert_eq!((outside.number, outside.label.as_str()), (Number::Withheld, ""));
}

#[test]
fn the_region_is_the_accounts_or_that_of_the_number_dialled() {
    let mut events = example("ws-call-event-inbound-1-starting");
    let party = &mut events[0].state.participants[0].kind;
    if let wire::call_events::ParticipantType::PhoneNumber(party) = party {
        party.number = "+441632960999".into();
        party.name = None;
        party.caller.as_mut().unwrap().number = "01632 960123".into();
    }
    let mut account = Account::default();
    account.numbers.insert("+441632960999".into(), "Leeds".into());
    let found = of(&events, &account, &[]);
    assert_eq!(key(&found.outside.unwrap().number), "+441632960123");
    assert_eq!(found.ours.unwrap().label, "Leeds", "the account's own list knows the label");
    account.home = "US".parse::<Home>().ok();
    assert_eq!(key(&of(&events, &account, &[]).outside.unwrap().number), "01632 960123");
    assert!("XX".parse::<Home>().is_err() && "".parse::<Home>().is_err());
    assert_eq!(parties(&[], &account, &[]), None);
}
