//! Calls that ended while nobody told of them.

use jiff::Timestamp;
use wire::report::Report;

use super::{at, ending, inbound, ring, with_id};
use crate::screen_pop::{
    board::{Applied, Board},
    call::{Outcome, Stage},
    past::states,
};

const CALLER: &str = "+13125550147";

fn report(name: &str) -> Report {
    let path = format!("{}/../wire/tests/examples/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A missed call of [`CALLER`], from its report.
fn missed(board: &mut Board, id: &str, created: &str) -> Vec<Applied> {
    board.past(at(created), id, &[ring(id, created, "", CALLER), ending(id, created, 2)])
}

fn stage(board: &Board, id: &str) -> (Stage, bool) {
    let (_, call) = board.find(id).unwrap();
    (call.stage.clone(), call.settled)
}

#[test]
fn a_report_tells_all_that_the_states_would_have() {
    let report = report("report-inbound-call");
    let (id, ended) = (report.conversation_space_id.clone(), at(&report.call_ended));
    let mut cut = report.clone();
    cut.call_states.pop();
    for report in [report, cut] {
        let mut board = Board::default();
        let applied = board.past(Timestamp::now(), &id, &states(report));
        assert!(matches!(&applied[..], [Applied::Changed(change)] if change.answered && change.new));
        let (_, call) = board.find(&id).unwrap();
        assert_eq!(call.stage, Stage::Ended(Outcome::Answered));
        assert!(call.ended_at.unwrap().duration_since(ended).abs() < jiff::SignedDuration::from_secs(1));
        assert!(call.ringing.is_empty() && !call.talked.is_empty());
    }
}

#[test]
fn a_call_that_was_seen_to_its_end_is_not_added_again() {
    let mut board = Board::default();
    let events = with_id(inbound(), "a");
    for event in &events {
        board.apply(Timestamp::now(), event);
    }
    assert_eq!(board.past(Timestamp::now(), "a", &events), []);
    assert_eq!(board.calls().len(), 1);
}

#[test]
fn a_call_whose_end_was_not_seen_gets_its_true_end() {
    let mut board = Board::default();
    let created = "2026-03-02T10:00:00Z";
    board.apply(at(created), &ring("a", created, "", CALLER));
    board.close(at("2026-03-02T11:00:00Z"), "a");
    assert_eq!(stage(&board, "a"), (Stage::Ended(Outcome::Unknown), false));
    let applied = missed(&mut board, "a", created);
    assert!(matches!(&applied[..], [Applied::Changed(change)] if change.missed && !change.new));
    assert_eq!(board.find("a").unwrap().1.ended_at, Some(at(created)));
}

#[test]
fn a_talk_that_is_learnt_of_late_settles_what_was_missed_before_it_alone() {
    let mut talk = with_id(inbound(), "talk");
    let created = talk[0].metadata.call_created.clone();
    let number = {
        let mut board = Board::default();
        board.past(at(&created), "talk", &talk);
        board.find("talk").unwrap().1.caller.key().unwrap().to_owned()
    };
    let mut board = Board::default();
    for (id, created) in [("before", "2020-01-01T00:00:00Z"), ("after", "2100-01-01T00:00:00Z")] {
        board.past(at(created), id, &[ring(id, created, "", &number), ending(id, created, 2)]);
    }
    talk.reverse();
    board.past(at("2101-01-01T00:00:00Z"), "talk", &talk);
    assert_eq!(stage(&board, "before"), (Stage::Ended(Outcome::Missed), true));
    assert_eq!(stage(&board, "after"), (Stage::Ended(Outcome::Missed), false));
}
