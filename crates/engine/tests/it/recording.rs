//! A recorded call is the same call with a recording of the line that talks.

use engine::{Call, Command, CommandError, Nonce, Request, Scenario, Who, fold};

use crate::support::{beginning, office, play, script};

const TALKS: [Scenario; 5] =
    [Scenario::Answered, Scenario::Outbound, Scenario::Internal, Scenario::RingGroup, Scenario::DialPlan];

#[test]
fn every_call_with_a_talk_can_be_recorded_and_keeps_its_times() {
    for scenario in TALKS {
        for seed in 0..20 {
            let plain = script(&Request::new(scenario, seed));
            let recorded = script(&Request { record: true, ..Request::new(scenario, seed) });
            assert_eq!(recorded.duration_ms(), plain.duration_ms(), "{scenario} {seed}");
            let (plain, recorded) = (play(&plain, 1), play(&recorded, 1));
            assert_eq!(recorded.len(), plain.len() + 1, "{scenario} {seed}");
            assert_eq!(recorded.last().map(|e| &e.state.timestamp), plain.last().map(|e| &e.state.timestamp));
            let (report, _) = fold(&recorded, false, &|_| None).expect("it has ended");
            let legs: Vec<_> = report.participants.iter().filter(|leg| !leg.recordings.is_empty()).collect();
            assert_eq!(legs.len(), 1, "{scenario} {seed}");
            assert_eq!(legs[0].recordings.len(), 1);
            assert_eq!(legs[0].recordings[0].id, legs[0].transcripts[0].id);
            let line = serde_json::to_value(&legs[0].kind).expect("JSON");
            assert_eq!(line["value"], "LINE", "{scenario} {seed}");
        }
    }
}

#[test]
fn a_missed_call_has_no_recording() {
    let plain = script(&Request::new(Scenario::Missed, 1));
    assert_eq!(script(&Request { record: true, ..Request::new(Scenario::Missed, 1) }), plain);
}

#[test]
fn only_who_talks_is_recorded_and_once() {
    let mut call = Call::new(Nonce(1), office().account_key);
    let record = Command::Record { who: Who::Callee };
    let mut refused = Vec::new();
    for step in &script(&Request::new(Scenario::Answered, 1)).steps {
        call.apply(beginning(), &step.command).expect("the script fits");
        refused.push(call.apply(beginning(), &record).err());
    }
    let expected = [Some(CommandError::NoSuchParty), Some(CommandError::NotTalking), None];
    assert_eq!(refused[..3], expected);
    assert!(refused[3..].iter().all(Option::is_some), "{refused:?}");
}
