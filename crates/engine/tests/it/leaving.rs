//! Callers who give up where nobody talks to them: on hold, in a parking spot.

use engine::{Request, Scenario, fold, unexpected};

use crate::rules;
use crate::support::{office, play, script};

/// Plays the file with many seeds; each call must come to what the file expects.
fn check(text: &str) {
    let scenario = Scenario::parse("mine", text).expect("a scenario");
    for seed in 0..20 {
        let script = script(&Request::new(scenario.clone(), seed));
        let events = play(&script, u128::from(seed));
        rules::check_finished(&events);
        let (report, summary) = fold(&events, false, &office()).expect("it has ended");
        let expected = script.expected[0].as_ref().expect("the file expects something");
        let differences = unexpected(expected, &events, (&report, &summary), 0);
        assert!(differences.is_empty(), "seed {seed}: {differences:#?}");
        let caller = &report.participants[0].id;
        assert_eq!(report.hangup_originator_id.as_ref(), Some(caller), "seed {seed}: the caller hung up");
    }
}

#[test]
fn the_example_of_the_docs_leaves_on_hold() {
    let page = include_str!("../../../../docs/scenarios.md");
    let (_, after) = page.split_once("```toml\n").expect("an example");
    let (example, _) = after.split_once("```").expect("its end");
    assert!(example.contains("outcome = \"LEFT_ON_HOLD\""), "{example}");
    check(example);
}

#[test]
fn a_caller_whom_nobody_picks_up_leaves_the_parking_spot() {
    check(
        r#"
        about = "A line parks the caller, nobody comes, and the caller gives up."
        direction = "inbound"
        steps = [
            { after = "500ms", do = "ring" },
            { after = "4s", do = "answer" },
            { after = "10s", do = "park" },
            { after = "60s..90s", do = "hang-up", who = "caller" },
        ]
        [[expect]]
        outcome = "LEFT_PARKING_SPOT"
        answered = true
        caller = ["RINGING", "CONNECTED", "PARKED", "DISCONNECTING"]
        reached = 1
        rows = [16]
        "#,
    );
}
