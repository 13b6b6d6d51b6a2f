//! Which finished calls stay on the board and on a person's pages.

use super::{
    at,
    pages::{App, Events},
    ring,
};
use crate::screen_pop::{
    board::{Board, Change},
    call::{Call, Line, Outcome, Stage},
    kept,
    limits::{FINISHED_CARDS_MAX, FINISHED_OF_LINE_MAX, FINISHED_OF_ONE_MAX, FINISHED_OF_ONE_MORE},
    seat::Seat,
};

const NOW: &str = "2026-02-03T17:00:00Z";

/// A finished call that rang at these lines, `age` seconds old.
fn finished(id: &str, lines: &[&str], outcome: Outcome, age: usize) -> Call {
    let mut board = Board::default();
    board.apply(at(NOW), &ring(id, NOW, "Ada", "+13125550147"));
    let mut call = board.calls()[0].clone();
    let line = |id: &&str| Line { id: (*id).to_owned(), name: String::new(), extension: String::new() };
    call.created -= std::time::Duration::from_secs(u64::try_from(age).unwrap());
    call.rang = lines.iter().map(line).collect();
    call.stage = Stage::Ended(outcome);
    call
}

#[test]
fn a_busy_colleague_pushes_nobodys_calls_away() {
    let mut board = Board::default();
    board.restore(finished("mine, missed", &["mine"], Outcome::Missed, 2000));
    board.restore(finished("mine, answered", &["mine"], Outcome::Answered, 2001));
    board.restore(finished("of both", &["busy", "mine"], Outcome::Missed, 2002));
    board.restore(finished("of nobody", &[], Outcome::Missed, 2003));
    for age in 0..FINISHED_OF_LINE_MAX + 5 {
        board.restore(finished(&format!("missed {age}"), &["busy"], Outcome::Missed, age));
        board.restore(finished(&format!("answered {age}"), &["busy"], Outcome::Answered, age));
    }
    for id in ["mine, missed", "mine, answered", "of both", "of nobody"] {
        assert!(board.find(id).is_some(), "{id}");
    }
    let oldest = FINISHED_OF_LINE_MAX - 1;
    assert!(board.find(&format!("missed {oldest}")).is_some());
    assert!(board.find(&format!("answered {oldest}")).is_some());
    assert_eq!(board.calls().len(), 4 + 2 * FINISHED_OF_LINE_MAX, "the busy line has its own bound");
    let late = ring(&format!("missed {}", oldest + 1), NOW, "Ada", "+13125550147");
    board.apply(at(NOW), &late);
    assert_eq!(board.calls().len(), 4 + 2 * FINISHED_OF_LINE_MAX, "what has left does not pop again");
}

#[test]
fn the_board_is_bounded_as_a_whole() {
    let call = finished("a", &["a"], Outcome::Answered, 0);
    let of_line = |n: usize| {
        let mut call = call.clone();
        call.rang[0].id = (n / 2).to_string();
        call
    };
    let calls: Vec<Call> = (0..FINISHED_CARDS_MAX + 3).map(of_line).collect();
    let oldest: Vec<usize> = (FINISHED_CARDS_MAX..FINISHED_CARDS_MAX + 3).collect();
    assert_eq!(kept::leaving(&calls), oldest);
}

#[tokio::test]
async fn a_page_has_the_newest_finished_calls_of_its_person() {
    let app = App::start().await;
    // Each at a line of its own, so that the board keeps them all.
    let add = |n: usize, outcome| {
        let id = format!("call {n:03}");
        app.hub.board(|board| board.restore(finished(&id, &[&n.to_string()], outcome, 1000 - n)));
        id
    };
    for n in 0..FINISHED_OF_ONE_MAX + 10 {
        add(n, Outcome::Missed);
    }
    add(900, Outcome::Answered);
    let page = app.text("/").await;
    assert_eq!(page.matches("<li class=\"card").count(), FINISHED_OF_ONE_MAX + 1, "each tab has its bound");
    assert!(!page.contains("call 009") && page.contains("call 010") && page.contains("call 900"), "{page}");

    let mut events: Events = app.events().await;
    assert_eq!(events.expect("snapshot").await["cards"].as_array().unwrap().len(), FINISHED_OF_ONE_MAX + 1);
    let more = FINISHED_OF_ONE_MAX + FINISHED_OF_ONE_MORE;
    for n in 200..200 + more {
        app.hub.publish(&Change::of_card(&add(n, Outcome::Missed)));
        events.expect("card").await;
    }
    let gone = events.expect("gone").await;
    let ids: Vec<&str> = gone["ids"].as_array().unwrap().iter().filter_map(|id| id.as_str()).collect();
    assert!(ids.contains(&"call 010") && !ids.contains(&"call 900"), "{ids:?}");
    assert_eq!(ids.len(), more, "as many as are new");
}

#[tokio::test]
async fn nothing_is_kept_of_a_call_that_has_left_the_board() {
    let app = App::start().await;
    app.text("/").await;
    // Nobody has a page open: a seat is there for months all the same.
    for seat in app.hub.lock().seats.values_mut() {
        seat.change("old", |mark| mark.pinned = true);
        seat.note("old", at(NOW));
        seat.told.insert("old".to_owned(), 1);
    }
    app.hub.publish(&Change { gone: vec!["old".to_owned()], ..Change::of_card("other") });
    assert_eq!(app.hub.lock().seats.values().map(Seat::kept).max(), Some(0));
}
