//! A backup made while calls are under way, and a platform that starts from it.

use serde_json::Value;

use crate::harness::calls::{Channel, first_space, play, states};
use crate::harness::socket::space_of;
use crate::harness::{App, Person, Platform, SCOPES, SOON, Session, eventually, http, ports};

async fn back_up(platform: &Platform, to: &str) -> crate::harness::app::Ended {
    let data = platform.folder("data").to_string_lossy().into_owned();
    App::run(&["backup", "--data", &data, "--to", to], &platform.folder("backups")).await
}

/// Starts a platform from a backup and returns it with its address.
async fn restored(backup: &std::path::Path, folder: &std::path::Path) -> (App, String) {
    let data = folder.join("restored");
    std::fs::create_dir(&data).expect("the temporary folder can be written");
    std::fs::copy(backup, data.join("callfeed.db")).expect("the backup is one file");
    let listen = format!("127.0.0.1:{}", ports::free());
    let app = App::start(&["serve", "--data", &data.to_string_lossy(), "--listen", &listen], folder);
    let base = format!("http://{listen}");
    eventually("the restored platform is ready", SOON, async || {
        let answer = http().get(format!("{base}/healthz")).send().await.ok()?;
        (answer.status() == 200).then_some(())
    })
    .await;
    (app, base)
}

#[tokio::test]
async fn a_backup_made_during_calls_holds_everything_that_was_told_before_it() {
    if std::env::var("CALLFEED_TEST_DATABASE").as_deref() == Ok("postgres") {
        let platform = Platform::start().await;
        let ended = back_up(&platform, "one.db").await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.errors().contains("pg_dump"), "{ended:?}");
        return;
    }
    let platform = Platform::start().await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let channel = Channel::subscribed(&platform, &grant.session, "backup").await;
    let mut socket = channel.socket().await;
    let finished = play(&platform, "answered", &["--speed", "50"]).await;
    socket.call(&finished).await;
    let calls = platform.call("answered", &["--count", "30", "--every", "10ms"]);
    let open = first_space(&calls).await;
    socket.until("a state of the open call", |frame| space_of(frame) == Some(&open)).await;
    let told = socket.frames.clone();
    let ended = back_up(&platform, "one.db").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let backup = platform.folder("backups").join("one.db");
    let (app, base) = restored(&backup, &platform.folder("other")).await;
    // Tokens are in the backup too: nobody has to sign in again.
    let session = Session::new(http(), &base, &grant.session.token);
    for space in [&finished, &open] {
        let frames: Vec<Value> =
            told.iter().filter(|frame| space_of(frame) == Some(space)).cloned().collect();
        let path = format!("/call-events/v1/conversation-spaces/{space}/events");
        let served = session.get(&path).await.is(200).json();
        let served: Vec<Value> =
            served["items"].as_array().expect("items").iter().map(|item| item["state"].clone()).collect();
        for state in states(&frames) {
            assert!(served.contains(&state), "told before the backup and not in it: {state}");
        }
        assert_eq!(served.last().map(|state| state["type"].clone()), Some("ENDING".into()));
        session.get(&format!("/call-events-report/v1/reports/{space}")).await.is(200);
    }
    let again = back_up(&platform, "one.db").await;
    assert_eq!(again.code, Some(1), "a backup that is there is not written over: {again:?}");
    app.stop().await;
    drop(calls);
    platform.stop().await;
}
