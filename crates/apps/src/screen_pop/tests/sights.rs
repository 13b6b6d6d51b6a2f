//! Who sees a call, and as what, from its first state to its last.

use serde_json::json;
use wire::directory::User;

use super::{at, example, inbound, ring};
use crate::screen_pop::{
    board::Board,
    sight::{Choice, Directory, Part, Person, Sight, Tab, sight},
};

const NOW: &str = "2026-02-03T17:00:00Z";
const FRONT_DESK: &str = "a97782c9-1b9b-4567-83f6-0050a2a2ef4a";

fn person(id: &str, lines: &[&str]) -> Person {
    let lines = lines.iter().map(|&line| line.to_owned()).collect();
    Person { id: id.to_owned(), lines, member: true, ..Person::default() }
}

fn see(person: &Person, board: &Board) -> Option<Sight> {
    see_with(person, Choice::default(), board, &Directory::default())
}

fn see_with(person: &Person, choice: Choice, board: &Board, directory: &Directory) -> Option<Sight> {
    sight(person, person.admin, &choice, &board.calls()[0], directory)
}

fn user(key: &str, line: &str) -> User {
    let line = json!({"id": line, "name": "Line", "number": "1", "accountKey": "1", "region": "DE",
        "organization": {"id": "o", "name": "O"}});
    serde_json::from_value(json!({"userKey": key, "userId": key, "lines": [line]})).unwrap()
}

#[test]
fn a_transferred_call_goes_from_one_desk_to_the_next() {
    let states = example("ws-call-events-direct-transfer");
    let line_of = |at: usize| {
        let lines = states[at].state.participants.iter().filter_map(|party| party.kind.as_line());
        lines.map(|line| line.line_id.clone()).next().unwrap()
    };
    let (first, second) = (person("first", &[&line_of(1)]), person("second", &[&line_of(4)]));
    let other = person("other", &["another line"]);
    let mut board = Board::default();
    let (mut seen, mut rung) = (Vec::new(), Vec::new());
    for state in &states {
        board.apply(at(NOW), state);
        let part = |person: &Person| see(person, &board).map(|sight| sight.part);
        assert_eq!(part(&other), None, "nobody sees calls of others");
        seen.push((part(&first), part(&second)));
        if seen.len() <= 5 {
            rung.push(see(&second, &board).is_some_and(|sight| sight.alerts));
        }
    }
    assert_eq!(seen[0], (None, None), "nothing rings at a desk yet");
    assert_eq!(seen[1], (Some(Part::Rings), None));
    assert_eq!(seen[2], (Some(Part::Talks), None));
    assert_eq!(rung, [false, false, false, false, true], "what is transferred rings at the other desk");
    assert_eq!(seen[4], (Some(Part::Talks), Some(Part::Rings)));
    assert!(matches!(&seen[5], (Some(Part::HandedOn(_)), Some(Part::Talks))), "{:?}", seen[5]);
    assert!(matches!(&seen[8], (Some(Part::HandedOn(_)), Some(Part::Talks))), "{:?}", seen[8]);
    assert_eq!(see(&first, &board).unwrap().tab, Tab::Recent);
}

#[test]
fn a_desk_whose_colleague_answers_is_told_who() {
    let mut states = inbound();
    let second = states[1].state.participants.iter().find(|party| party.kind.as_line().is_some());
    let mut other = serde_json::to_value(second.unwrap()).unwrap();
    other["id"] = json!("other");
    other["legId"] = json!("other leg");
    other["type"]["lineId"] = json!("other line");
    states[1].state.participants.push(serde_json::from_value(other).unwrap());
    let (front, other) = (person("front", &[FRONT_DESK]), person("other", &["other line"]));
    let mut board = Board::default();
    board.apply(at(NOW), &states[0]);
    board.apply(at(NOW), &states[1]);
    for desk in [&front, &other] {
        assert_eq!(
            see(desk, &board),
            Some(Sight { part: Part::Rings, tab: Tab::Active, alerts: true, ring: 2, closed: false })
        );
    }
    let quiet = Choice { do_not_disturb: true, ..Choice::default() };
    assert!(!see_with(&front, quiet, &board, &Directory::default()).unwrap().alerts);
    for state in &states[2..4] {
        board.apply(at(NOW), state);
    }
    assert_eq!(see(&front, &board).unwrap().part, Part::Talks);
    let taken = see(&other, &board).unwrap();
    assert_eq!((taken.tab, taken.alerts), (Tab::Recent, false));
    assert!(matches!(&taken.part, Part::Taken(by) if by[0].name == "Front Desk"), "{taken:?}");
}

#[test]
fn a_line_that_is_not_to_pop_shows_what_its_person_answers() {
    let agent = person("agent", &[FRONT_DESK]);
    let muted = || Choice { muted: [FRONT_DESK.to_owned()].into(), ..Choice::default() };
    let mut board = Board::default();
    let states = inbound();
    states[..2].iter().for_each(|state| drop(board.apply(at(NOW), state)));
    assert_eq!(see_with(&agent, muted(), &board, &Directory::default()), None);
    assert_eq!(see(&agent, &board).unwrap().part, Part::Rings);
    states[2..4].iter().for_each(|state| drop(board.apply(at(NOW), state)));
    assert_eq!(see_with(&agent, muted(), &board, &Directory::default()).unwrap().part, Part::Talks);
}

#[test]
fn admins_see_all_and_the_team_what_is_nobodys() {
    let mut board = Board::default();
    board.apply(at(NOW), &ring("waits", NOW, "", "+13125550147"));
    let admin = Person { admin: true, ..person("admin", &["their own line"]) };
    assert_eq!(
        see(&admin, &board),
        Some(Sight { part: Part::Watched, tab: Tab::Active, alerts: false, ring: 0, closed: false })
    );
    let own = Choice { everybody: false, ..Choice::default() };
    assert_eq!(see_with(&admin, own.clone(), &board, &Directory::default()), None);
    let team = Choice { team: true, ..Choice::default() };
    let agent = person("agent", &["a line"]);
    assert_eq!(see(&agent, &board), None, "everybody is for admins alone");
    assert!(
        see_with(&agent, team.clone(), &board, &Directory::default()).is_some(),
        "no line has been rung yet"
    );
    let stranger = Person { member: false, ..agent.clone() };
    assert_eq!(see_with(&stranger, team.clone(), &board, &Directory::default()), None);

    let mut board = Board::default();
    inbound()[..2].iter().for_each(|state| drop(board.apply(at(NOW), state)));
    let owned = Directory::new(&[user("1", FRONT_DESK)]);
    let unowned = Directory::new(&[user("1", "a line")]);
    assert_eq!(see_with(&agent, team.clone(), &board, &owned), None, "it rings at somebody's line");
    assert!(see_with(&agent, team, &board, &unowned).is_some());
    let silent = see_with(&agent, Choice::default(), &board, &unowned);
    assert!(
        silent.is_some_and(|sight| sight.part == Part::Watched && !sight.alerts),
        "nobody's is everybody's"
    );
    let off = Choice { unowned: false, ..Choice::default() };
    assert_eq!(see_with(&agent, off, &board, &unowned), None);
    assert_eq!(see_with(&stranger, Choice::default(), &board, &unowned), None);
    // The directory of today counts more than the lines of the sign-in.
    let moved = Person { user_key: Some("1".into()), ..agent };
    assert!(see_with(&moved, own, &board, &owned).is_some_and(|sight| sight.part == Part::Rings));
}

#[test]
fn a_missed_call_is_settled_by_a_later_talk_either_way() {
    let number = "+13125550147";
    let missed = |board: &mut Board, id: &str| {
        board.apply(at(NOW), &ring(id, NOW, "", number));
        board.apply(at(NOW), &super::ending(id, NOW, 2));
    };
    let admin = Person { admin: true, ..Person::default() };
    let mut board = Board::default();
    missed(&mut board, "1");
    assert_eq!(see(&admin, &board).unwrap().tab, Tab::Missed);
    let outbound = example("ws-call-events-outbound");
    let called = outbound.iter().find_map(|event| {
        let parties = event.state.participants.iter();
        parties.filter_map(|party| party.kind.as_phone_number()?.callee.clone()).next()
    });
    let called = called.unwrap().number;
    let mut board = Board::default();
    board.apply(at(NOW), &ring("1", NOW, "", &called));
    board.apply(at(NOW), &super::ending("1", NOW, 2));
    outbound.iter().for_each(|event| drop(board.apply(at(NOW), event)));
    assert_eq!(see(&admin, &board).unwrap().tab, Tab::Recent, "called back and reached");
}
