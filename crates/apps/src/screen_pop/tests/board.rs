//! The board alone: what each call state makes of a card.

use std::sync::Arc;

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use wire::call_events::CallEvent;

use super::{at, ending, example, inbound, ring, with_id};
use crate::screen_pop::{
    board::{Applied, Board},
    call::{Call, Outcome, Place, Stage},
    limits::{FINISHED_OF_LINE_MAX, LIVE_CARDS_MAX},
    sight::{Part, Sight, Tab},
    view,
};
use crate::store::desks::Mark;

const NOW: &str = "2026-02-03T17:00:00Z";

fn apply(board: &mut Board, event: &CallEvent) -> Applied {
    board.apply(at(NOW), event)
}

/// The word on the card after each state.
#[track_caller]
fn words(events: &[CallEvent]) -> Vec<String> {
    let mut board = Board::default();
    let mut words = Vec::new();
    for event in events {
        apply(&mut board, event);
        words.push(card_of(&board.calls()[0]).word);
    }
    assert_eq!(board.calls().len(), 1);
    words.dedup();
    words
}

/// The card of somebody who watches.
fn card_of(call: &Call) -> ui::Card {
    let watched = Sight { part: Part::Watched, tab: Tab::Active, alerts: false, ring: 0, closed: false };
    let texts = Arc::new(ui::Texts::of(ui::Lang::English));
    view::card(call, &watched, &Mark::default(), at(NOW), &TimeZone::UTC, &texts)
}

fn only(board: &Board) -> &crate::screen_pop::call::Call {
    assert_eq!(board.calls().len(), 1);
    &board.calls()[0]
}

fn pops(applied: &[Applied]) -> usize {
    applied.iter().filter(|applied| matches!(applied, Applied::Changed(change) if change.new)).count()
}

#[test]
fn a_call_is_followed_from_ring_to_end() {
    assert_eq!(words(&inbound()), ["Ringing", "Answered", "Ended"]);
    let mut board = Board::default();
    let applied: Vec<_> = inbound().iter().map(|event| apply(&mut board, event)).collect();
    assert_eq!(pops(&applied), 1);
    let call = only(&board);
    assert_eq!(call.stage, Stage::Ended(Outcome::Answered));
    let card = card_of(call);
    assert_eq!((card.who.as_str(), card.number), ("(312) 555-0147", None));
    assert_eq!(card.label.as_deref(), Some("EXAMPLE CALLER"), "a label, never the name of a customer");
    assert_eq!(
        (card.lines_heading.as_str(), card.lines),
        ("Answered by", vec!["Front Desk · 1001".to_owned()])
    );
    assert_eq!(card.dialled.label.as_deref(), Some("Main Number"));
    assert_eq!(card.dialled.number.as_deref(), Some("(202) 555-0123"));
}

#[test]
fn examples_of_the_specification() {
    assert_eq!(words(&example("ws-call-events-missed-anonymous")), ["Ringing", "Missed"]);
    assert_eq!(words(&example("ws-call-events-hold")), ["Ringing", "Answered", "Ended"]);
    assert_eq!(
        words(&example("ws-call-events-voicemail")),
        ["Ringing", "At voicemail", "Missed, went to voicemail"]
    );
    let queue = words(&example("ws-call-events-queue"));
    assert_eq!(queue.len(), 6, "{queue:?}");
    assert_eq!((queue[0].as_str(), queue[1].as_str()), ("Ringing", "In the menu"));
    assert!(queue[2].starts_with("In queue "), "{queue:?}");
    assert_eq!(queue[3..], ["Ringing", "Answered", "Ended"]);
}

#[test]
fn after_a_transfer_the_one_who_talks_is_named() {
    let mut board = Board::default();
    for event in example("ws-call-events-direct-transfer") {
        apply(&mut board, &event);
    }
    assert_eq!(only(&board).answered_by[0].name, "Sample Agent");
    assert_eq!(only(&board).rang.len(), 2);
}

#[test]
fn calls_that_are_not_inbound_make_no_card() {
    let mut board = Board::default();
    for name in ["ws-call-events-outbound", "ws-call-events-internal"] {
        for event in example(name) {
            assert_eq!(apply(&mut board, &event), Applied::Nothing);
        }
    }
    assert!(board.calls().is_empty());
}

#[test]
fn repeats_and_late_states_change_nothing() {
    let states = inbound();
    let mut board = Board::default();
    for (index, event) in states.iter().enumerate() {
        assert_ne!(apply(&mut board, event), Applied::Nothing);
        for earlier in &states[..=index] {
            assert_eq!(apply(&mut board, earlier), Applied::Nothing);
        }
    }
    assert_eq!(only(&board).stage, Stage::Ended(Outcome::Answered));
}

/// Any subset of the states, in any order, that holds the last one: one pop, and the right end.
#[test]
fn holes_and_disorder_end_well() {
    let seed = fastseed();
    let mut random = seed;
    let all = inbound();
    for _ in 0..500 {
        let mut some: Vec<_> = all.iter().filter(|_| !next(&mut random).is_multiple_of(3)).cloned().collect();
        some.push(all[7].clone());
        for at in (1..some.len()).rev() {
            let other = usize::try_from(next(&mut random) % (at as u64 + 1)).unwrap();
            some.swap(at, other);
        }
        let mut board = Board::default();
        let mut popped = 0;
        for event in &some {
            let applied = apply(&mut board, event);
            if let Applied::NeedsHistory(id) = &applied {
                popped += usize::from(board.replay(at(NOW), id, &all).is_some_and(|change| change.new));
            }
            popped += pops(&[applied]);
        }
        assert_eq!(popped, 1, "seed {seed}");
        assert!(!only(&board).is_live(), "seed {seed}");
    }
}

fn fastseed() -> u64 {
    u64::from(std::process::id()) ^ Timestamp::now().as_microsecond().unsigned_abs()
}

/// splitmix64
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[test]
fn a_state_seen_late_tells_as_much_as_it_can() {
    let states = inbound();
    let mut board = Board::default();
    apply(&mut board, &states[3]);
    assert_eq!(only(&board).stage, Stage::Answered);
    // The caller leaves a talk whose start was not seen.
    let mut board = Board::default();
    apply(&mut board, &states[5]);
    assert_eq!(only(&board).stage, Stage::Answered);
    // Nobody is left who could tell the caller.
    let mut board = Board::default();
    assert!(matches!(apply(&mut board, &states[6]), Applied::NeedsHistory(_)));
    assert_eq!(apply(&mut board, &states[7]), Applied::Nothing, "asked for once");
}

#[test]
fn a_call_that_nobody_knows_is_not_asked_for_again() {
    let mut board = Board::default();
    let end = ending("a", NOW, 7);
    assert_eq!(apply(&mut board, &end), Applied::NeedsHistory("a".into()));
    assert_eq!(board.replay(at(NOW), "a", &[]), None);
    assert_eq!(apply(&mut board, &end), Applied::Nothing);
    assert!(board.calls().is_empty());
}

#[test]
fn after_a_break_the_list_of_calls_decides() {
    let mut board = Board::default();
    for id in ["answered", "ringing", "still"] {
        apply(&mut board, &ring(id, NOW, "Ada", "+13125550147"));
    }
    for event in with_id(inbound()[..4].to_vec(), "answered") {
        apply(&mut board, &event);
    }
    let suspects = board.live_ids();
    // This one began after the list was asked for.
    apply(&mut board, &ring("younger", NOW, "Bo", "+13125550148"));
    let live = [ring("still", NOW, "Ada", "+13125550147"), ring("new", NOW, "Cy", "+13125550149")];
    let (changes, mut missing) = board.reconcile(at(NOW), &suspects, &live);
    missing.sort();
    assert_eq!(missing, ["answered", "ringing"]);
    assert_eq!(pops(&changes), 1);

    let states = with_id(inbound(), "ringing");
    assert!(board.replay(at(NOW), "ringing", &states).is_some());
    assert_eq!(board.find("ringing").unwrap().1.stage, Stage::Ended(Outcome::Answered));
    assert!(board.close(at(NOW), "ringing").is_none(), "its end was known");
    assert!(board.close(at(NOW), "answered").is_some());
    assert_eq!(board.find("answered").unwrap().1.stage, Stage::Ended(Outcome::Answered));
    assert_eq!(board.live_ids().len(), 3);
    board.close(at(NOW), "still");
    assert_eq!(board.find("still").unwrap().1.stage, Stage::Ended(Outcome::Unknown));
}

#[test]
fn news_of_a_call_that_was_given_up_brings_it_back() {
    let states = inbound();
    let id = &states[0].metadata.conversation_space_id;
    let mut board = Board::default();
    apply(&mut board, &states[0]);
    board.close(at(NOW), id);
    assert!(!only(&board).is_live());
    apply(&mut board, &states[3]);
    assert_eq!(only(&board).stage, Stage::Answered);
}

#[test]
fn a_call_without_news_is_stale() {
    let mut board = Board::default();
    apply(&mut board, &ring("a", NOW, "Ada", "+13125550147"));
    assert!(!board.is_stale(at(NOW) + 59.seconds()));
    assert!(board.is_stale(at(NOW) + 60.seconds()));
    board.reconcile(at(NOW) + 60.seconds(), &board.live_ids(), &[ring("a", NOW, "Ada", "+13125550147")]);
    assert!(!board.is_stale(at(NOW) + 90.seconds()));
}

#[test]
fn the_board_is_bounded_and_forgets_no_pop() {
    let mut board = Board::default();
    let second = |n: usize| (at(NOW) + i64::try_from(n).unwrap().seconds()).to_string();
    for n in 0..FINISHED_OF_LINE_MAX + 5 {
        let id = format!("call {n}");
        apply(&mut board, &ring(&id, &second(n), "Ada", "+13125550147"));
        apply(&mut board, &ending(&id, &second(n), 2));
    }
    assert_eq!(board.calls().len(), FINISHED_OF_LINE_MAX);
    assert_eq!(board.calls()[0].id, format!("call {}", FINISHED_OF_LINE_MAX + 4), "newest first");
    assert_eq!(apply(&mut board, &ring("call 0", &second(0), "Ada", "+13125550147")), Applied::Nothing);

    for n in 0..LIVE_CARDS_MAX + 1 {
        apply(&mut board, &ring(&format!("live {n}"), &second(n), "Ada", "+13125550147"));
    }
    assert_eq!(board.live_ids().len(), LIVE_CARDS_MAX);
}

#[test]
fn lines_that_ring_on_two_devices_are_one() {
    let mut event = inbound()[1].clone();
    let second = event.state.participants[1].clone();
    event.state.participants.push(second);
    let mut board = Board::default();
    apply(&mut board, &event);
    assert_eq!(only(&board).ringing.len(), 1);
}

#[test]
fn callers_are_named_as_well_as_they_can_be() {
    let card = |name: &str, number: &str| {
        let mut board = Board::default();
        apply(&mut board, &ring("a", NOW, name, number));
        let card = card_of(&board.calls()[0]);
        (card.who, card.number, card.label)
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(card("Ada Byron", "+442079460123"), ("+44 20 7946 0123".into(), None, text("Ada Byron")));
    assert_eq!(card("", "+13125550147"), ("(312) 555-0147".into(), None, None));
    assert_eq!(card("+13125550147", "+13125550147"), ("(312) 555-0147".into(), None, None));
    assert_eq!(card("", "Anonymous"), ("Anonymous caller".into(), None, None));
    assert_eq!(card("Anonymous", "Restricted"), ("Anonymous caller".into(), None, None));
    assert_eq!(
        card("Ada Byron", "Anonymous"),
        ("Anonymous caller".into(), text("Number withheld"), text("Ada Byron"))
    );
    assert_eq!(card("", "front-gate"), ("front-gate".into(), None, None));
}

#[test]
fn the_menu_is_a_place() {
    let states = example("ws-call-events-queue");
    let mut board = Board::default();
    apply(&mut board, &states[1]);
    assert_eq!(only(&board).stage, Stage::Waiting(Place::Menu));
    assert_eq!(card_of(only(&board)).phase, ui::Phase::Waiting);
}
