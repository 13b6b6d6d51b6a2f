//! `callfeed grade`: two programs, two cards.

use serde_json::Value;

use crate::harness::{App, apps, ports};

/// The card of a `callfeed` command.
async fn card(command: &str) -> Value {
    let folder = tempfile::TempDir::new().expect("the temporary folder can be written");
    let command = format!("{} {command}", env!("CARGO_BIN_EXE_callfeed"));
    let ended = App::run(
        &["grade", "--json", "--calls", "2", "--patience", "25", "--command", &command],
        folder.path(),
    )
    .await;
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
    let _port = ports::reserve(apps::REPORTS_PORT).await;
    let plain = card(r#"plain-client --env "$GRADE_ENV" --state "$GRADE_FOLDER/plain""#).await;
    assert_eq!(verdict(&plain, "usual"), "handled", "{plain:#}");
    assert_eq!(verdict(&plain, "drop"), "lost", "{plain:#}");
    assert_eq!(verdict(&plain, "duplicate"), "did twice", "{plain:#}");
    assert_eq!(verdict(&plain, "404-then-200"), "lost", "{plain:#}");
    let ours =
        card(r#"reports --json --no-browser --env "$GRADE_ENV" --state "$GRADE_FOLDER/reports""#).await;
    for day in ["usual", "drop", "duplicate", "reorder", "close", "401", "404-then-200"] {
        assert_eq!(verdict(&ours, day), "handled", "{day}: {ours:#}");
    }
}
