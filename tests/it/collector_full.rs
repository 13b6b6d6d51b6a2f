//! The collector when its own disk is full: it goes on hearing, loses nothing, gives nothing out twice, says so, and goes
//! on by itself when there is room.

use std::path::Path;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::harness::calls::play;
use crate::harness::{LATER, Platform, SOON, apps, eventually};

/// Tables that a report goes through, and the one that the collector tries whether it can write again.
const TABLES: [(&str, &str); 4] =
    [("reports_pending", "INSERT"), ("reports", "INSERT"), ("outputs", "UPDATE"), ("store_probe", "INSERT")];

/// Makes the store of a folder refuse what a full disk refuses, or take it again.
async fn disk(state: &Path, full: bool) {
    let url = format!("sqlite://{}", state.join("callfeed.db").display());
    let mut store = sqlx::SqliteConnection::connect(&url).await.expect("the store is there");
    for (table, act) in TABLES {
        let text = match full {
            true => format!(
                "PRAGMA busy_timeout = 10000; CREATE TRIGGER full_{table} BEFORE {act} ON {table}
                 BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
            ),
            false => format!("PRAGMA busy_timeout = 10000; DROP TRIGGER full_{table}"),
        };
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut store).await.expect("the store can be changed");
    }
    store.close().await.expect("it closes");
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_ends_nothing() {
    let platform = Platform::start().await;
    let state = platform.folder("state");
    apps::log_in(&platform, &state).await;
    let address = format!("127.0.0.1:{}", crate::harness::ports::free());
    let app = apps::start(&platform, "reports", &state, &["--json", "--health", &address]);
    let first = play(&platform, "answered", &["--speed", "50"]).await;
    apps::printed(&app, &first).await;
    let http = crate::harness::http();
    let health = async |status: u16| {
        eventually("the health that is due", LATER, async || {
            let answer = http.get(format!("http://{address}/healthz")).send().await.ok()?;
            if answer.status() == status { answer.json::<Value>().await.ok() } else { None }
        })
        .await
    };
    health(200).await;

    disk(&state, true).await;
    let (second, third) = (
        play(&platform, "answered", &["--speed", "50"]).await,
        play(&platform, "missed", &["--speed", "50"]).await,
    );
    let ill = health(503).await;
    assert!(ill["storeFailure"].as_str().unwrap().contains("disk is full"), "{ill}");
    assert_eq!(ill["connected"], true, "{ill}");
    app.stderr.line_with("make room on its disk", SOON).await;

    disk(&state, false).await;
    for space in [&second, &third] {
        apps::printed(&app, space).await;
    }
    health(200).await;
    app.stderr.line_with("can be written again", SOON).await;
    let printed = app.stdout.all();
    app.stop().await;
    assert_eq!(printed.len(), 3, "nothing is printed twice: {printed:?}");
    assert_eq!(apps::stored(&platform, &state).await.len(), 3);
}
