//! `callfeed bench`: that every measurement runs and says something; how fast it was is for quiet machines.

use serde_json::Value;

use crate::harness::App;

/// One figure of each measurement, the rest stands and falls with them.
const FIGURES: &[&str] = &[
    "whole_calls_per_s",
    "half_rate_p99_ms",
    "latency_1000_p99_ms",
    "latency_10000_p99_ms",
    "one_socket_5000_p50_ms",
    "fan_out_per_s",
    "report_gets_per_s",
    "introspections_per_s",
    "log_states_per_s",
    "bare_rows_per_s",
    "log_ratio",
    "cold_start_ms",
];
/// The same of what is read from /proc.
const FIGURES_OF_LINUX: &[&str] = &[
    "whole_call_cpu_us",
    "fan_out_per_cpu_s",
    "idle_channel_bytes",
    "report_gets_per_cpu_s",
    "report_gets_ratio",
    "idle_rss_mib",
];

#[tokio::test]
async fn a_quick_bench_measures_everything() {
    let folder = tempfile::TempDir::new().unwrap();
    let ended = App::run(&["bench", "--quick", "--json"], folder.path()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors());
    let document: Value = serde_json::from_str(&ended.stdout.join("\n")).unwrap();
    assert_eq!(document["quick"], true);
    let figures = document["figures"].as_array().unwrap();
    let linux = if cfg!(target_os = "linux") { FIGURES_OF_LINUX } else { &[] };
    for name in FIGURES.iter().chain(linux) {
        let figure = figures.iter().find(|figure| figure["name"] == *name);
        let figure = figure.unwrap_or_else(|| panic!("no {name}: {document:#}"));
        assert!(figure["value"].as_f64().is_some_and(|value| value > 0.0), "{figure}");
        assert!(figure["unit"].is_string() && figure["what"].is_string(), "{figure}");
    }
    figures_agree(figures);
}

/// What follows from each other does so, whatever the machine.
fn figures_agree(figures: &[Value]) {
    let value = |name: &str| {
        let figure = figures.iter().find(|figure| figure["name"] == name);
        figure.and_then(|figure| figure["value"].as_f64()).unwrap_or_else(|| panic!("no {name}"))
    };
    for series in ["half_rate", "latency_1000", "latency_10000", "one_socket_5000"] {
        let [p50, p99, p999] = ["p50", "p99", "p999"].map(|part| value(&format!("{series}_{part}_ms")));
        assert!(p50 <= p99 && p99 <= p999, "{series}: {p50}, {p99}, {p999}");
    }
    let ratio = value("log_states_per_s") / value("bare_rows_per_s");
    assert!((value("log_ratio") / ratio - 1.0).abs() < 1e-6, "log_ratio is not {ratio}");
    for figure in figures {
        let (Some(value), Some(met)) = (figure["value"].as_f64(), figure["met"].as_bool()) else { continue };
        let least = figure["target"]["atLeast"].as_f64().is_none_or(|least| value >= least);
        let most = figure["target"]["atMost"].as_f64().is_none_or(|most| value <= most);
        assert_eq!(met, least && most, "{figure}");
    }
}

#[tokio::test]
async fn a_quick_bench_of_the_screen_pop_loses_no_pop() {
    let folder = tempfile::TempDir::new().unwrap();
    let ended = App::run(&["bench", "--quick", "--json", "--only", "desks,contacts"], folder.path()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors());
    let document: Value = serde_json::from_str(&ended.stdout.join("\n")).unwrap();
    let figures = document["figures"].as_array().unwrap();
    let value = |name: &str| {
        let figure = figures.iter().find(|figure| figure["name"] == name);
        figure
            .and_then(|figure| figure["value"].as_f64())
            .unwrap_or_else(|| panic!("no {name}: {document:#}"))
    };
    assert_eq!((value("desks_calls"), value("desks_lost"), value("desks_foreign")), (100.0, 0.0, 0.0));
    assert!(value("contacts_import_s") > 0.0 && value("contacts_p50_us") > 0.0);
}
