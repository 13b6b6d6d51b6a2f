//! `callfeed grade`: two programs, two cards.

use serde_json::Value;

use crate::harness::App;

/// The cards of the collector and of the plain behaviour.
async fn card() -> Value {
    let folder = tempfile::TempDir::new().expect("the temporary folder can be written");
    let ended =
        App::run(&["grade", "--json", "--plain", "--calls", "2", "--patience", "25"], folder.path()).await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors());
    serde_json::from_str(&ended.stdout.join("\n")).expect("a card is JSON")
}

fn verdict<'a>(card: &'a Value, day: &str) -> &'a str {
    let days = card["days"].as_array().expect("a card has days");
    let line = days.iter().find(|line| line["day"] == day).unwrap_or_else(|| panic!("no {day} in {card}"));
    line["verdict"].as_str().expect("a day has a verdict")
}

#[tokio::test]
async fn the_collector_handles_what_a_plain_client_loses_or_does_twice() {
    let both = card().await;
    let (ours, plain) = (&both["program"], &both["plain"]);
    assert_eq!(verdict(plain, "usual"), "handled", "{plain:#}");
    assert_eq!(verdict(plain, "drop"), "lost", "{plain:#}");
    assert_eq!(verdict(plain, "duplicate"), "did twice", "{plain:#}");
    assert_eq!(verdict(plain, "404-then-200"), "lost", "{plain:#}");
    assert_eq!(verdict(plain, "kill"), "lost", "{plain:#}");
    for day in ["usual", "drop", "duplicate", "reorder", "close", "401", "404-then-200", "kill"] {
        assert_eq!(verdict(ours, day), "handled", "{day}: {ours:#}");
    }
}
