//! `callfeed reports` as a person uses it: sign in once, see every report, leave with Ctrl-C.

use serde_json::{Value, json};

use crate::harness::calls::{self, Channel, play};
use crate::harness::{App, LATER, Person, Platform, SCOPES, SOON, Session, apps, eventually};

const CHANNELS: &str = "/notification-channel/v1/channels";

async fn admin(platform: &Platform) -> Session {
    Person::admin(platform).grant(platform, SCOPES).await.session
}

/// Waits until the app has a channel with a report subscription, and returns the channel.
async fn listening(platform: &Platform, session: &Session) -> Value {
    eventually("the app listens for reports", SOON, async || {
        let channels = session.get(CHANNELS).await.is(200).json();
        for channel in channels["items"].as_array()? {
            let id = channel["channelId"].as_str()?;
            let path = format!("/call-events-report/v1/subscriptions?channelId={id}");
            let keys = session.get(&path).await;
            let subscribed = keys.status == 200 && keys.json()["accountKeys"] == json!([platform.account()]);
            if subscribed && channel["channelData"]["isConnected"] == true {
                return Some(channel.clone());
            }
        }
        None
    })
    .await
}

#[tokio::test]
async fn sign_in_once_see_every_report_and_leave_with_ctrl_c() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let state = platform.folder("state");
    let mut app = apps::reports_signed_in(&platform, &state, &["--json"]).await;
    listening(&platform, &session).await;
    let mut spaces = Vec::new();
    for scenario in ["answered", "missed"] {
        let space = play(&platform, scenario, &["--speed", "20"]).await;
        let printed = apps::printed(&app, &space).await;
        assert_eq!(printed, platform.report(&session, &space).await, "the bare report, as the API gives it");
        spaces.push(space);
    }
    app.interrupt().await;
    assert_eq!(app.exit(SOON).await, Some(0));
    let printed: Vec<String> =
        app.stdout.all().iter().filter(|line| line.starts_with('{')).cloned().collect();
    assert_eq!(printed.len(), 2, "stdout has nothing but reports: {:?}", app.stdout.all());
    let left = session.get(CHANNELS).await.is(200).json();
    assert_eq!(left["items"], json!([]), "the app took its channel and subscription away");

    // A restart needs no person, and what was printed is not printed again.
    let app = apps::start(&platform, "reports", &state, &["--json"]);
    listening(&platform, &session).await;
    let space = play(&platform, "answered", &["--speed", "20"]).await;
    apps::printed(&app, &space).await;
    assert_eq!(app.stdout.len(), 1, "{:?}", app.stdout.all());
    app.stop().await;
    spaces.push(space);
    let mut stored = apps::spaces_of(&apps::stored(&platform, &state).await);
    stored.sort();
    spaces.sort();
    assert_eq!(stored, spaces, "the store holds each report exactly once");
}

#[tokio::test]
async fn a_person_reads_the_reports_without_json() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let state = platform.folder("state");
    apps::log_in(&platform, &state).await;
    let app = apps::start(&platform, "reports", &state, &[]);
    listening(&platform, &session).await;
    let flags = ["--speed", "20", "--from", "+13125550147", "--from-name", "Ada Example"];
    play(&platform, "answered", &flags).await;
    let line = app.stdout.line_with("Ada Example", LATER).await;
    assert!(line.contains("555") && line.contains("0147"), "{line}");
    let said = [app.stdout.all(), app.stderr.all()].concat().join("\n");
    for secret in ["OAUTH_CLIENT_SECRET", "CALLFEED_PASSWORD"] {
        assert!(!said.contains(platform.setting(secret)), "{secret} is never printed");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_killed_app_goes_on_where_it_was() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let state = platform.folder("state");
    apps::log_in(&platform, &state).await;
    let mut app = apps::start(&platform, "reports", &state, &["--json"]);
    let before = listening(&platform, &session).await["channelId"].clone();
    let first = play(&platform, "answered", &["--speed", "20"]).await;
    apps::printed(&app, &first).await;
    app.kill9().await;
    // Calls go on while the app is away.
    let second = play(&platform, "answered", &["--speed", "20"]).await;
    platform.report(&session, &second).await;
    let app = apps::start(&platform, "reports", &state, &["--json"]);
    apps::printed(&app, &second).await;
    assert_eq!(listening(&platform, &session).await["channelId"], before, "it takes its channel over");
    let mut stored = apps::spaces_of(&apps::stored(&platform, &state).await);
    stored.sort();
    let mut expected = [first, second];
    expected.sort();
    assert_eq!(stored, expected);
    app.stop().await;
}

#[tokio::test]
async fn the_app_makes_a_new_channel_when_its_own_is_gone() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let state = platform.folder("state");
    apps::log_in(&platform, &state).await;
    let app = apps::start(&platform, "reports", &state, &["--json"]);
    let channel = listening(&platform, &session).await;
    let path = channel["resourceURL"].as_str().unwrap().strip_prefix(&platform.base).unwrap().to_owned();
    session.delete(&path).await.is(204);
    let again = listening(&platform, &session).await;
    assert_ne!(again["channelId"], channel["channelId"]);
    let space = play(&platform, "answered", &["--speed", "20"]).await;
    apps::printed(&app, &space).await;
    app.stop().await;
}

#[tokio::test]
async fn a_wrong_state_at_the_redirect_uri_is_403_and_the_right_one_still_works() {
    let platform = Platform::start().await;
    let state = platform.folder("state");
    let _port = crate::harness::ports::reserve(apps::REPORTS_PORT).await;
    let mut app = apps::start(&platform, "login", &state, &[]);
    let address = apps::login_address(&app).await;
    let person = Person::admin(&platform);
    let forged = url::Url::parse("http://127.0.0.1:12021/app/redirect?code=forged&state=wrong").unwrap();
    person.deliver(&forged).await.is(403);
    let landed = person.sign_in(&address).await;
    person.deliver(&landed).await.is(200);
    assert_eq!(app.exit(SOON).await, Some(0));
    for entry in std::fs::read_dir(&state).unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        let others_may = entry.file_type().unwrap().is_file() && mode & 0o077 != 0;
        assert!(!others_may, "{} has mode {mode:o}: it holds tokens", entry.path().display());
    }
}

#[tokio::test]
async fn missing_and_wrong_settings_are_named_with_the_file() {
    let platform = Platform::start().await;
    let folder = platform.folder("apps");
    let good = std::fs::read_to_string(platform.env_file()).unwrap();
    let state = platform.folder("state").to_string_lossy().into_owned();
    for name in ["OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "ACCOUNT_KEY"] {
        let less: Vec<&str> = good.lines().filter(|line| !line.starts_with(&format!("{name}="))).collect();
        let file = folder.join(format!("without-{name}.env"));
        std::fs::write(&file, less.join("\n")).unwrap();
        let path = file.to_string_lossy().into_owned();
        for app in ["reports", "screen-pop", "login"] {
            let ended = App::run(&[app, "--env", &path, "--state", &state, "--no-browser"], &folder).await;
            assert!(ended.code.is_some_and(|code| code != 0), "{app}: {ended:?}");
            let said = ended.errors();
            assert!(said.contains(name) && said.contains("without-"), "{app} without {name} says: {said}");
        }
    }
    let wrong = folder.join("wrong.env");
    std::fs::write(&wrong, format!("{good}\nLOG_LEVEL=shouting\n")).unwrap();
    let path = wrong.to_string_lossy().into_owned();
    let ended = App::run(&["reports", "--env", &path, "--state", &state, "--no-browser"], &folder).await;
    assert!(ended.code != Some(0) && ended.errors().contains("LOG_LEVEL"), "{ended:?}");
}

#[tokio::test]
async fn settings_come_from_the_working_folder_unless_a_file_is_named() {
    let platform = Platform::start().await;
    let folder = platform.folder("apps");
    std::fs::copy(platform.env_file(), folder.join(".env")).unwrap();
    let state = platform.folder("state").to_string_lossy().into_owned();
    let _port = crate::harness::ports::reserve(apps::REPORTS_PORT).await;
    let app = App::start(&["reports", "--state", &state, "--no-browser"], &folder);
    apps::sign_in(&platform, &app).await;
    listening(&platform, &admin(&platform).await).await;
    app.stop().await;
}

#[tokio::test]
async fn debug_logs_show_requests_and_mask_secrets() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let state = platform.folder("state");
    let folder = platform.folder("apps");
    let env = folder.join("debug.env");
    let good = std::fs::read_to_string(platform.env_file()).unwrap();
    let lines: Vec<&str> = good.lines().filter(|line| !line.starts_with("LOG_LEVEL")).collect();
    std::fs::write(&env, format!("{}\nLOG_LEVEL=debug\nSHOW_DEBUG_LOGS=true\n", lines.join("\n"))).unwrap();
    apps::log_in(&platform, &state).await;
    let arguments =
        ["reports", "--env", &env.to_string_lossy(), "--state", &state.to_string_lossy(), "--no-browser"];
    let app = App::start(&arguments, &folder);
    let channel = listening(&platform, &session).await;
    app.stderr.line_with("/call-events-report/v1/subscriptions", SOON).await;
    let said = app.stderr.all().join("\n");
    let channel_id = channel["channelId"].as_str().unwrap();
    for secret in [platform.setting("OAUTH_CLIENT_SECRET"), channel_id] {
        assert!(!said.contains(secret), "a secret stands in the debug log: {said}");
    }
    assert!(said.contains("201"), "the statuses of answers are shown: {said}");
    app.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let platform = Platform::start().await;
    let state = platform.folder("state");
    let _port = crate::harness::ports::reserve(apps::REPORTS_PORT).await;
    let _taken = std::net::TcpListener::bind("127.0.0.1:12021").unwrap();
    let mut app = apps::start(&platform, "login", &state, &[]);
    assert_ne!(app.exit(SOON).await, Some(0));
    let said = app.stderr.all().join("\n");
    assert!(said.contains("12021") && said.contains("--"), "port and flag are named: {said}");
}

#[tokio::test]
async fn every_report_of_overlapping_calls_arrives_once() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let state = platform.folder("state");
    apps::log_in(&platform, &state).await;
    let app = apps::start(&platform, "reports", &state, &["--json"]);
    listening(&platform, &session).await;
    let own = Channel::subscribed(&platform, &session, "beside").await;
    let mut calls = platform.call("answered", &["--count", "40", "--every", "500ms", "--speed", "20"]);
    assert_eq!(calls.exit(LATER).await, Some(0));
    let mut spaces = calls::spaces(&calls);
    assert_eq!(spaces.len(), 40);
    for space in &spaces {
        apps::printed(&app, space).await;
    }
    let mut stored = apps::spaces_of(&apps::stored(&platform, &state).await);
    stored.sort();
    spaces.sort();
    assert_eq!(stored, spaces);
    session.delete(&own.path).await.is(204);
    app.stop().await;
}

#[tokio::test]
async fn calls_that_ended_while_the_app_was_off_are_collected_when_it_comes_back() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let state = platform.folder("state");
    let app = apps::reports_signed_in(&platform, &state, &["--json"]).await;
    listening(&platform, &session).await;
    let mut spaces = vec![play(&platform, "answered", &["--speed", "50"]).await];
    apps::printed(&app, &spaces[0]).await;
    // Ctrl-C deletes subscription and channel: nobody will tell the app of these.
    app.stop().await;
    for scenario in ["missed", "outbound", "ring-group"] {
        spaces.push(play(&platform, scenario, &["--speed", "50"]).await);
    }
    let app = apps::start(&platform, "reports", &state, &["--json"]);
    for space in &spaces[1..] {
        apps::printed(&app, space).await;
    }
    app.stop().await;
    let mut stored = apps::spaces_of(&apps::stored(&platform, &state).await);
    stored.sort_unstable();
    spaces.sort_unstable();
    assert_eq!(stored, spaces, "each exactly once");
}

#[tokio::test]
async fn a_second_collector_on_the_same_state_is_refused_and_a_missing_store_is_named() {
    let platform = Platform::start().await;
    let session = admin(&platform).await;
    let state = platform.folder("state");
    let app = apps::reports_signed_in(&platform, &state, &["--json"]).await;
    listening(&platform, &session).await;
    let (env, folder) =
        (platform.env_file().to_string_lossy().into_owned(), state.to_string_lossy().into_owned());
    let arguments = ["reports", "--env", &env, "--state", &folder, "--no-browser"];
    let second = App::run(&arguments, &platform.folder("second")).await;
    assert_eq!(second.code, Some(1));
    assert!(second.errors().contains("--state"), "{}", second.errors());
    app.stop().await;

    let nowhere = platform.folder("second").join("nowhere");
    let listed = ["reports", "list", "--state", &nowhere.to_string_lossy()].map(str::to_owned);
    let listed = App::run(&listed.each_ref().map(String::as_str), &platform.folder("second")).await;
    assert_eq!(listed.code, Some(1));
    assert!(listed.errors().contains("there is no store"), "{}", listed.errors());
    assert!(!nowhere.exists(), "a look creates nothing");
}
