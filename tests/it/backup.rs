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
    let arguments = ["serve", "--data", &data.to_string_lossy(), "--listen", &listen, "--example"];
    let app = App::start(&arguments, folder);
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

#[tokio::test]
async fn behind_a_notification_of_the_lost_time_nothing_is_resumed_as_if_it_were_whole() {
    if std::env::var("CALLFEED_TEST_DATABASE").as_deref() == Ok("postgres") {
        return;
    }
    let platform = Platform::start().await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let channel = Channel::subscribed(&platform, &grant.session, "lost").await;
    let mut socket = channel.socket().await;
    let kept = play(&platform, "missed", &["--speed", "50"]).await;
    socket.call(&kept).await;
    let id = |frame: &Value| frame["data"]["id"].as_str().expect("an id").to_owned();
    let last_kept = id(socket.frames.last().expect("frames"));
    assert_eq!(back_up(&platform, "lost.db").await.code, Some(0));
    let lost = play(&platform, "answered", &["--speed", "50"]).await;
    let lost: Vec<String> = socket.call(&lost).await.iter().map(id).collect();
    drop(socket);

    let (app, base) = restored(&platform.folder("backups").join("lost.db"), &platform.folder("other")).await;
    let url = channel.url.replace(&platform.base.replacen("http", "ws", 1), &base.replacen("http", "ws", 1));
    // The example's own secrets came with the backup.
    let env = platform.folder("other").join("restored").join("example.env");
    let text =
        std::fs::read_to_string(&env).expect("example.env is there again").replace(&platform.base, &base);
    std::fs::write(&env, text).expect("written");
    let call = |seed: &str| {
        let arguments = ["call", "missed", "--speed", "50", "--seed", seed, "--env", &env.to_string_lossy()];
        App::start(&arguments, &platform.folder("other"))
    };
    let mut running = call("7");
    let new = first_space(&running).await;
    assert_eq!(running.exit(SOON).await, Some(0));
    let mut socket = crate::harness::Socket::connect(&format!("{url}?after={last_kept}")).await;
    let given: Vec<String> = socket.call(&new).await.iter().map(id).collect();
    assert_eq!(socket.frames.len(), given.len(), "what is in the backup resumes: {:#?}", socket.frames);
    drop(socket);
    assert!(given.iter().all(|id| !lost.contains(id)), "no id is given twice");
    for lost in [&lost[0], lost.last().expect("ids")] {
        let mut socket = crate::harness::Socket::connect(&format!("{url}?after={lost}")).await;
        let first = socket.frame().await.expect("a first frame");
        assert_eq!(first["data"]["type"], "RESUME", "{first}");
        assert_eq!(first["data"]["content"]["recovered"], false);
    }
    app.stop().await;
    platform.stop().await;
}

#[tokio::test]
async fn the_folder_of_another_program_is_refused_and_an_error_says_things_once() {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    std::fs::write(folder.path().join("callfeed.db"), "").expect("written");
    let data = folder.path().to_string_lossy().into_owned();
    let ended = App::run(&["backup", "--data", &data, "--to", "one.db"], folder.path()).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.errors().contains("no platform's database"), "{}", ended.errors());
    let nowhere = "/dev/null/one.db";
    let ended = App::run(&["backup", "--data", &data, "--to", nowhere], folder.path()).await;
    assert_eq!(ended.errors().matches("os error").count(), 1, "{}", ended.errors());
}
