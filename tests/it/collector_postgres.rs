//! The collector with PostgreSQL: as its own store, which outlives kills and serves every command, and as an output whose
//! rows are erased. Only where the tests have a PostgreSQL.

use std::path::Path;

use crate::harness::calls::play;
use crate::harness::{App, LATER, Person, Platform, SCOPES, SOON, apps, database, eventually};

fn is_postgres() -> bool {
    std::env::var("CALLFEED_TEST_DATABASE").as_deref() == Ok("postgres")
}

/// What a command on a state folder prints.
async fn ask(platform: &Platform, state: &Path, arguments: &[&str]) -> String {
    let state = state.to_string_lossy().into_owned();
    let arguments = [arguments, &["--state", &state]].concat();
    let ended = App::run(&arguments, &platform.folder("apps")).await;
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.errors());
    ended.stdout.join("\n")
}

#[tokio::test]
async fn the_store_on_postgresql_outlives_a_kill_and_serves_every_command() {
    if !is_postgres() {
        return;
    }
    let platform = Platform::start().await;
    let (state, url) = (platform.folder("state"), database::create().await);
    apps::log_in(&platform, &state).await;
    let mut app = apps::start(&platform, "reports", &state, &["--json", "--database", &url]);
    let from = ["--speed", "50", "--from", "+13125550147"];
    let first = play(&platform, "answered", &from).await;
    apps::printed(&app, &first).await;

    // Another machine has another folder, and may not collect into the same store.
    let elsewhere = platform.folder("elsewhere");
    let mut other = apps::start(&platform, "reports", &elsewhere, &["--database", &url]);
    assert_eq!(other.exit(LATER).await, Some(1));
    let said = other.stderr.all().join("\n");
    assert!(said.contains("another callfeed-reports uses this database"), "{said}");

    app.kill9().await;
    let second = play(&platform, "answered", &["--speed", "50"]).await;
    let app = apps::start(&platform, "reports", &state, &["--json"]);
    apps::printed(&app, &second).await;
    assert_eq!(app.stdout.len(), 1, "the folder remembers the database, which knows what was printed");
    eventually("no gap is open", LATER, async || {
        ask(&platform, &state, &["gaps"]).await.contains("No gap is open").then_some(())
    })
    .await;
    let told = ask(&platform, &state, &["explain", &first]).await;
    assert!(told.contains("collected:") && told.contains("terminal: revision 1 was delivered"), "{told}");
    let env = platform.env_file().to_string_lossy().into_owned();
    let found = ask(&platform, &state, &["doctor", "--env", &env]).await;
    assert!(found.contains("the PostgreSQL database answers"), "{found}");
    assert!(ask(&platform, &state, &["outputs"]).await.contains("terminal"));
    assert!(ask(&platform, &state, &["export", "+13125550147"]).await.contains(&first));
    let erased = ask(&platform, &state, &["erase", "+13125550147"]).await;
    assert!(erased.starts_with("Erased from the store: 1 call,"), "{erased}");
    assert_eq!(apps::spaces_of(&apps::stored(&platform, &state).await), [second]);
    app.stop().await;
    assert!(!state.join("callfeed.db").exists(), "nothing is kept beside it");
}

#[tokio::test]
async fn the_screen_pop_and_its_contacts_live_on_postgresql() {
    if !is_postgres() {
        return;
    }
    let platform = Platform::start().await;
    let (state, url) = (platform.folder("state"), database::create().await);
    apps::log_in(&platform, &state).await;
    let listen = format!("localhost:{}", crate::harness::ports::free());
    let app = apps::start(&platform, "screen-pop", &state, &["--listen", &listen, "--database", &url]);
    let csv = platform.folder("apps").join("people.csv");
    std::fs::write(&csv, "Name,Phone\nAda Example,+1 312 555 0147\nBo Example,+1 312 555 0148\n").unwrap();
    eventually("the folder names its database", SOON, async || state.join("database").exists().then_some(()))
        .await;
    let file = csv.to_string_lossy().into_owned();
    for _ in 0..2 {
        let told = ask(&platform, &state, &["contacts", "import", &file]).await;
        assert!(
            told.contains("2 contacts with 2 numbers imported"),
            "an import takes the place of the last: {told}"
        );
    }
    assert!(ask(&platform, &state, &["contacts", "find", "312 555 0147"]).await.contains("Ada Example"));
    assert!(ask(&platform, &state, &["contacts", "stats"]).await.contains("2 contacts"));
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    eventually("the screen pop listens", SOON, async || {
        let channels = session.get("/notification-channel/v1/channels").await.is(200).json();
        let connected = |item: &serde_json::Value| item["channelData"]["isConnected"] == true;
        channels["items"].as_array()?.iter().any(connected).then_some(())
    })
    .await;
    let space = play(&platform, "answered", &["--speed", "20", "--from", "+13125550147"]).await;
    let seen = "select conversation_space_id from callfeed_apps.screen_pop_calls where ended_us is not null";
    eventually("the call is kept", LATER, async || {
        database::column(&url, seen).await.contains(&space).then_some(())
    })
    .await;
    assert!(ask(&platform, &state, &["explain", &space]).await.contains("the screen pop has seen it"));
    app.stop().await;
}

#[tokio::test]
async fn rows_of_an_output_are_erased() {
    if !is_postgres() {
        return;
    }
    let platform = Platform::start().await;
    let (state, url) = (platform.folder("state"), database::create().await);
    apps::log_in(&platform, &state).await;
    let app = apps::start(&platform, "reports", &state, &["--json", "--postgres", &url]);
    for from in ["+13125550147", "+13125550199"] {
        play(&platform, "answered", &["--speed", "50", "--from", from]).await;
    }
    let rows = async |count: usize| {
        eventually("the table has its rows", LATER, async || {
            let rows = database::column(&url, "select report::text from callfeed_reports").await;
            (rows.len() == count).then_some(rows)
        })
        .await
    };
    // The table is made when the first report comes.
    eventually("the table is there", LATER, async || {
        let tables =
            "select table_name::text from information_schema.tables where table_name = 'callfeed_reports'";
        (!database::column(&url, tables).await.is_empty()).then_some(())
    })
    .await;
    rows(2).await;
    let erased = ask(&platform, &state, &["erase", "+13125550147", "--postgres", &url]).await;
    assert!(erased.contains("and 1 row of tables"), "{erased}");
    let left = rows(1).await;
    assert!(left[0].contains("+13125550199") && !left[0].contains("+13125550147"), "{left:?}");
    app.stop().await;
}
