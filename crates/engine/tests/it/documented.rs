//! The list in docs/scenarios.md is made from the files, so that it cannot be wrong.

use std::fmt::Write as _;
use std::path::Path;

use engine::{Expectation, Part, Request, Scenario, fold, unexpected};

use crate::rules;
use crate::support::{office, play_all, script};

const BEGIN: &str = "<!-- scenarios: this list is made from the files -->\n";

fn described(scenario: &Scenario) -> String {
    let mut text = format!("\n### {}\n\n{}\n\n", scenario.name(), scenario.about());
    for (place, expected) in scenario.expected().iter().enumerate() {
        let call = if place == 0 { "Outcome" } else { "The consultation's outcome" };
        writeln!(text, "- {call} `{}`{}", expected.outcome.as_str(), details(expected))
            .expect("it takes all");
    }
    if let Some(expected) = scenario.expected_when_busy() {
        writeln!(text, "- When all lines are busy: `{}`{}", expected.outcome.as_str(), details(expected))
            .expect("it takes all");
    }
    if scenario.is_recorded() {
        text.push_str("- The line that talks is recorded.\n");
    }
    text
}

fn details(expected: &Expectation) -> String {
    let caller = serde_json::to_value(&expected.caller).expect("JSON");
    let statuses: Vec<&str> =
        caller.as_array().expect("a list").iter().filter_map(|one| one.as_str()).collect();
    let revised = match expected.revisions {
        0 => String::new(),
        1 => ". The report is revised once".to_owned(),
        times => format!(". The report is revised {times} times"),
    };
    format!("; who calls goes through {}{revised}.", statuses.join(", "))
}

#[test]
fn every_scenario_stands_in_the_docs_as_its_file_tells_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/scenarios.md");
    let text = std::fs::read_to_string(&path).expect("the page");
    let (before, _) = text.split_once(BEGIN).expect("the mark before the list");
    let made = format!("{before}{BEGIN}{}", Scenario::all().iter().map(described).collect::<String>());
    if std::env::var_os("CALLFEED_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).expect("the page can be written");
    }
    assert!(made == text, "docs/scenarios.md is not up to date: run this test with CALLFEED_UPDATE_DOCS=1");
}

/// The page's own files: who copies one gets what it says.
#[test]
fn every_file_in_the_docs_comes_to_what_it_expects() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/scenarios.md");
    let text = std::fs::read_to_string(&path).expect("the page");
    let files: Vec<&str> =
        text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(files.len() >= 6, "{} files", files.len());
    for (place, file) in files.iter().enumerate() {
        let scenario = Scenario::parse("docs", file).unwrap_or_else(|error| panic!("file {place}: {error}"));
        assert!(!scenario.expected().is_empty(), "file {place} says what must come of it");
        for seed in 0..20 {
            let script = script(&Request::new(scenario.clone(), seed));
            for (number, events) in play_all(&script, u128::from(seed)).iter().enumerate() {
                rules::check_finished(events);
                let what = format!("file {place} ({}) with seed {seed}, call {number}", scenario.about());
                let expected =
                    script.expected[number].as_ref().unwrap_or_else(|| panic!("{what} is compared"));
                let (report, summary) = fold(events, false, &office()).expect("a finished call");
                let revisions = script.later(number).count();
                let differences = unexpected(expected, events, (&report, &summary), revisions);
                assert!(differences.is_empty(), "{what}: {differences:#?}");
            }
            let busy = script.parts.contains(&Part::WhenBusy);
            assert_eq!(busy, scenario.expected_when_busy().is_some(), "file {place} with seed {seed}");
        }
    }
}
