//! A recorded call is the same call with a recording of the line that talks.

use engine::{Call, Command, CommandError, Nonce, Request, Who, fold};

use crate::support::{beginning, office, play, scenario, script};

const TALKS: [&str; 5] = ["answered", "outbound", "internal", "ring-group", "dial-plan"];

#[test]
fn every_call_with_a_talk_can_be_recorded_and_keeps_its_times() {
    for name in TALKS {
        for seed in 0..20 {
            let plain = script(&Request::new(scenario(name), seed));
            let recorded = script(&Request { record: true, ..Request::new(scenario(name), seed) });
            assert_eq!(recorded.duration_ms(), plain.duration_ms(), "{name} {seed}");
            let (plain, recorded) = (play(&plain, 1), play(&recorded, 1));
            assert_eq!(recorded.len(), plain.len() + 1, "{name} {seed}");
            assert_eq!(recorded.last().map(|e| &e.state.timestamp), plain.last().map(|e| &e.state.timestamp));
            let (report, _) = fold(&recorded, false, &office()).expect("it has ended");
            let legs: Vec<_> = report.participants.iter().filter(|leg| !leg.recordings.is_empty()).collect();
            assert_eq!(legs.len(), 1, "{name} {seed}");
            assert_eq!(legs[0].recordings.len(), 1);
            assert_eq!(legs[0].recordings[0].id, legs[0].transcripts[0].id);
            let line = serde_json::to_value(&legs[0].kind).expect("JSON");
            assert_eq!(line["value"], "LINE", "{name} {seed}");
        }
    }
}

#[test]
fn a_missed_call_has_no_recording() {
    let plain = script(&Request::new(scenario("missed"), 1));
    assert_eq!(script(&Request { record: true, ..Request::new(scenario("missed"), 1) }), plain);
}

#[test]
fn only_who_talks_is_recorded_and_once() {
    let mut call = Call::new(Nonce(1), office().account_key);
    let record = Command::Record { who: Who::Callee };
    let mut refused = Vec::new();
    for step in &script(&Request::new(scenario("answered"), 1)).steps {
        call.apply(beginning(), &step.command).expect("the script fits");
        refused.push(call.apply(beginning(), &record).err());
    }
    let expected = [Some(CommandError::NoSuchParty), Some(CommandError::NotTalking), None];
    assert_eq!(refused[..3], expected);
    assert!(refused[3..].iter().all(Option::is_some), "{refused:?}");
}
