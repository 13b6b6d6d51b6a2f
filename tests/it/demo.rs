//! `callfeed demo`: everything in one process, counted by itself.

use std::collections::HashMap;

use serde_json::Value;

use crate::harness::{App, apps, ports};

#[tokio::test]
async fn two_hundred_calls_end_with_nothing_lost_and_nothing_twice() {
    // The demo looks for free ports itself, yet it cannot keep others from taking them a moment later.
    let _screen_pop = ports::reserve(apps::SCREEN_POP_PORT).await;
    let _reports = ports::reserve(apps::REPORTS_PORT).await;
    let folder = tempfile::TempDir::new().unwrap();
    let arguments = ["demo", "--calls", "200", "--speed", "100", "--exit", "--json"];
    let ended = App::run(&arguments, folder.path()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors());
    let lines: Vec<Value> = ended
        .stdout
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let (last, before) = lines.split_last().expect("demo --json prints lines");
    let summary = &last["summary"];
    for (member, expected) in [("calls", 200), ("reports", 200), ("lost", 0), ("duplicates", 0)] {
        assert_eq!(summary[member], expected, "{member}: {last}");
    }
    assert_eq!(summary["pops"], summary["inbound"], "every inbound call pops once: {last}");
    for member in ["ring_to_pop_ms_p50", "ring_to_pop_ms_p99", "end_to_report_ms_p99"] {
        assert!(summary[member].as_f64().is_some_and(|value| value >= 0.0), "{member}: {last}");
    }

    let mut reports: HashMap<&str, usize> = HashMap::new();
    let mut pops: HashMap<&str, usize> = HashMap::new();
    let mut inbound = 0;
    for line in before {
        if let Some(pop) = line.get("pop") {
            *pops.entry(pop["conversationSpaceId"].as_str().unwrap()).or_default() += 1;
            assert!(pop["screen"].is_string() || pop["screen"].is_number(), "{line}");
        } else {
            let report = line.get("report").unwrap_or_else(|| panic!("neither pop nor report: {line}"));
            *reports.entry(report["conversationSpaceId"].as_str().unwrap()).or_default() += 1;
            inbound += usize::from(report["direction"] == "INBOUND");
        }
    }
    assert_eq!(reports.len(), 200);
    assert_eq!(pops.len(), inbound, "the lines say what the summary says");
    assert_eq!(summary["inbound"], inbound);
    assert!(reports.values().chain(pops.values()).all(|count| *count == 1), "each once");
    assert!(ended.errors().contains("http://"), "the addresses are on stderr: {}", ended.errors());
}
