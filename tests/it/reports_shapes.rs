//! A service that has grown: what has an unknown shape is kept as it came, hides nothing else, and is named in the log
//! without anybody's data.

use crate::harness::calls::play;
use crate::harness::{LATER, Person, Platform, SCOPES, SOON, apps, database, eventually};

#[tokio::test]
async fn lists_and_reports_of_an_unknown_shape_are_borne_and_told_without_values() {
    let mut platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let flags = ["--speed", "50", "--from", "+13125550147", "--from-name", "Ada Lovelace"];
    let mut spaces = Vec::new();
    for scenario in ["answered", "missed", "answered"] {
        let space = play(&platform, scenario, &flags).await;
        platform.report(&session, &space).await;
        spaces.push(space);
    }
    let odd = &spaces[1];
    for column in ["summary", "report"] {
        let change = format!(
            r#"update reports set {column} = replace({column}, '"participants":[', '"participants":"Ada +13125550147","were":[')
               where conversation_space_id = '{odd}'"#
        );
        database::sql(&platform, &change).await;
    }
    // It keeps the latest reports in memory.
    platform.kill9().await;
    platform.restart().await;
    let state = platform.folder("state");
    apps::log_in(&platform, &state).await;
    let csv = platform.folder("csv").to_string_lossy().into_owned();
    let app = apps::start(&platform, "reports", &state, &["--json", "--csv", &csv]);
    for space in &spaces {
        let printed = apps::printed(&app, space).await;
        assert_eq!(printed["participants"].is_string(), space == odd, "{printed}");
    }
    for shape in ["summaries have a shape", "reports have a shape"] {
        let line = app.stderr.line_with(shape, SOON).await;
        assert!(line.contains("invalid type: string, expected a sequence in participants"), "{line}");
    }
    let rows = || -> String {
        let files = std::fs::read_dir(&csv).into_iter().flatten().flatten();
        files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect()
    };
    eventually("each call has its row", LATER, async || {
        let rows = rows();
        spaces.iter().all(|space| rows.contains(space.as_str())).then_some(())
    })
    .await;
    let log = app.stderr.all();
    app.stop().await;
    for secret in ["5550147", "Ada", "Lovelace"] {
        assert!(log.iter().all(|line| !line.contains(secret)), "{secret}: {log:#?}");
    }
    for shape in ["summaries have a shape", "reports have a shape"] {
        assert_eq!(log.iter().filter(|line| line.contains(shape)).count(), 1, "{shape}: {log:#?}");
    }
    assert_eq!(apps::stored(&platform, &state).await.len(), spaces.len());
}
