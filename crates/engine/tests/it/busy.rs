//! A line that is in a call takes no other one: repeated calls, and calls beside those that somebody else plays.

use std::collections::{BTreeSet, HashMap};

use engine::{Command, Request, Scenario, ScenarioError, Script, Target};

use crate::support::{office, play_all, scenario, script};

/// Panics when a line is in two calls at once. A leg is in its call from the state that shows it first until the one
/// that shows it leave.
fn check(script: &Script, nonce: u128, what: &str) {
    // line -> from, until, call
    let mut times: HashMap<String, Vec<(String, String, usize)>> = HashMap::new();
    for (number, events) in play_all(script, nonce).iter().enumerate() {
        let mut of_call: HashMap<&str, (&str, &str)> = HashMap::new();
        for event in events {
            for line in event.state.participants.iter().filter_map(|party| party.kind.as_line()) {
                let now = event.state.timestamp.as_str();
                of_call.entry(&line.line_id).or_insert((now, now)).1 = now;
            }
        }
        for (line, (from, until)) in of_call {
            times.entry(line.to_owned()).or_default().push((from.to_owned(), until.to_owned(), number));
        }
    }
    for (line, mut calls) in times {
        calls.sort();
        for pair in calls.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "{what}: line {line} is in two calls at once: {pair:?}");
        }
    }
}

#[test]
fn no_line_of_a_burst_is_in_two_calls() {
    for seed in 0..40 {
        let script = script(&Request::new(scenario("burst"), seed));
        check(&script, u128::from(seed), &format!("burst with seed {seed}"));
        assert_eq!(script.calls(), 30);
        let lines: BTreeSet<&str> = script.in_call.iter().map(|line| line.line_id.as_str()).collect();
        assert_eq!(
            (lines.len(), script.in_call.len()),
            (4, 4),
            "each line with one telephone takes one call"
        );
    }
}

fn parse(text: &str) -> Scenario {
    Scenario::parse("mine", text).expect("a scenario")
}

const STEPS: &str = r#"
    { after = "500ms", do = "ring" },
    { after = "4s", do = "answer" },
    { after = "10s", do = "hang-up", who = "caller" },
"#;

#[test]
fn without_another_way_a_caller_hears_the_busy_tone() {
    let text = format!(
        "about = 'x'\ndirection = 'inbound'\nsteps = [{STEPS}]\n[repeat]\ntimes = 3\nevery = '1s'\nsame-line = true"
    );
    let script = script(&Request::new(parse(&text), 1));
    let rings = script.steps.iter().filter(|step| matches!(step.command, Command::Ring { .. })).count();
    assert_eq!((script.calls(), rings), (3, 1));
    let calls = play_all(&script, 1);
    let (_, summary) = engine::fold(&calls[2], false, &office()).expect("it has ended");
    assert_eq!(summary.caller_outcome.as_str(), "MISSED");
}

#[test]
fn a_call_that_no_line_can_place_is_left_out() {
    let text =
        format!("about = 'x'\ndirection = 'outbound'\nsteps = [{STEPS}]\n[repeat]\ntimes = 9\nevery = '1s'");
    let script = script(&Request::new(parse(&text), 1));
    assert_eq!(script.calls(), 5, "each line places one");
    check(&script, 1, "outbound");
    let busy = office().lines.into_iter().map(|line| line.id).collect();
    let request = Request { busy, ..Request::new(scenario("outbound"), 1) };
    let refused = engine::script(&office(), &request).expect_err("all lines are busy");
    assert_eq!(refused, ScenarioError::NobodyFree { scenario: "outbound".to_owned() });
}

#[test]
fn whoever_talks_does_not_ring_with_the_group() {
    let busy = vec![office().line("1002").expect("a line").id.clone()];
    let script = script(&Request { busy, ..Request::new(scenario("ring-group"), 1) });
    let rung = script.steps.iter().find_map(|step| match &step.command {
        Command::Ring { targets } => Some(targets),
        _ => None,
    });
    let line = |target: &Target| match target {
        Target::Line(line) => line.extension_number.clone(),
        Target::Number { .. } => String::new(),
    };
    assert_eq!(rung.expect("it rings").iter().map(line).collect::<Vec<_>>(), ["1001", "1003"]);
}
