//! An account made from a file: `serve --office FILE`, `callfeed password`, and what becomes of changes.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::calls::{self, Channel};
use crate::harness::portal::{CLIENTS, Portal, form_for};
use crate::harness::socket::space_of;
use crate::harness::{App, LATER, Person, Platform, Session, http, ports};

const HELEN: &str = "helen@larkfield.example";
const OWEN: &str = "owen@larkfield.example";
const PASSWORD: &str = "a tooth for a tooth";
const SCOPES: &str = "cr.v1.read call-events.v1.notifications.manage users.v1.read voice-admin.v1.read";

/// The example of docs/operations.md, as people copy it.
pub fn practice() -> String {
    let document = include_str!("../../docs/operations.md");
    let (_, rest) = document.split_once("```toml\n").expect("an example");
    rest.split_once("```").expect("its end").0.to_owned()
}

/// A folder with an office file.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("office.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

/// Runs `callfeed password EMAIL --stdin` and returns whether it worked, and what it said.
async fn set_password(platform: &Platform, email: &str, password: &str) -> (bool, String) {
    let data = platform.env_file().with_file_name("").to_string_lossy().into_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_callfeed"));
    command.args(["password", email, "--stdin", "--data", &data]);
    let database = platform.database();
    if database.starts_with("postgres") {
        command.args(["--database", &database]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let line = format!("{password}\n");
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().expect("the binary was built with this test");
        child
            .stdin
            .take()
            .expect("stdin is piped")
            .write_all(line.as_bytes())
            .expect("the password is taken");
        child.wait_with_output().expect("it ends")
    });
    let output = output.await.unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What `callfeed check-config` prints for this platform with this office file.
async fn check(platform: &Platform, file: &std::path::Path) -> String {
    let data = platform.env_file().with_file_name("").to_string_lossy().into_owned();
    let (file, database) = (file.to_string_lossy().into_owned(), platform.database());
    let mut arguments = vec!["check-config", "--data", &data, "--office", &file];
    if database.starts_with("postgres") {
        arguments.extend(["--database", &database]);
    }
    App::run(&arguments, &platform.folder("check")).await.stdout.join("\n")
}

async fn log_in(platform: &Platform, email: &str) -> u16 {
    Portal::closed(platform).log_in(&Person::new(email, PASSWORD), CLIENTS, &[]).await.status
}

/// Status of an answer that only the programs of a super admin get.
async fn read_log(platform: &Platform, id: &str, secret: &str) -> u16 {
    let request = http().get(format!("{}/simulator/v1/log", platform.base)).basic_auth(id, Some(secret));
    request.send().await.unwrap().status().as_u16()
}

/// Settings for `callfeed call`.
fn put_env_file(platform: &Platform, account: &str) {
    let env = format!(
        "OAUTH_CLIENT_ID={}\nOAUTH_CLIENT_SECRET={}\nACCOUNT_KEY={account}\nGOTO_AUTH_URL={base}\nGOTO_API_URL={base}\n\
         GOTO_CHANNEL_URL={base}\nGOTO_ADMIN_URL={base}\n",
        platform.setting("OAUTH_CLIENT_ID"),
        platform.setting("OAUTH_CLIENT_SECRET"),
        base = platform.base,
    );
    std::fs::write(platform.env_file(), env).unwrap();
}

async fn start(path: &std::path::Path) -> Platform {
    Platform::start_with(&["--office", &path.to_string_lossy()]).await
}

#[tokio::test]
async fn a_practice_from_a_file_signs_in_subscribes_and_plays_calls() {
    let (_folder, path) = file(&practice());
    let mut platform = start(&path).await;
    assert_eq!(log_in(&platform, HELEN).await, 401, "nobody has a password at first");
    assert_eq!(log_in(&platform, HELEN).await, 401);
    let (done, error) = set_password(&platform, HELEN, "short").await;
    assert!(!done && error.contains("12 characters"), "{error}");
    let (done, error) = set_password(&platform, "nobody@larkfield.example", PASSWORD).await;
    assert!(!done && error.contains("office file"), "{error}");
    let (done, error) = set_password(&platform, "Helen@Larkfield.example", PASSWORD).await;
    assert!(done, "{error}");

    let helen = Person::new(HELEN, PASSWORD);
    let portal = Portal::open(&platform, &helen).await;
    let client = portal.new_client(SCOPES, &["authorization_code", "refresh_token"]).await;
    platform.env.insert("OAUTH_CLIENT_ID".into(), client.id);
    platform.env.insert("OAUTH_CLIENT_SECRET".into(), client.secret);
    let session = helen.grant(&platform, SCOPES).await.session;
    let me = session.get("/users/v1/me").await.is(200).json();
    let account = me["items"][0]["accountKey"].as_str().unwrap().to_owned();
    assert_eq!(me["items"][0]["organizationName"], "Larkfield Dental");
    assert_eq!(me["items"][0]["lines"].as_array().unwrap().len(), 3);
    let devices = session.get("/voice-admin/v1/devices").await.is(200).json();
    assert_eq!(devices["items"].as_array().unwrap().len(), 12);
    let place = session.get("/voice-admin/v1/locations").await.is(200).json();
    assert_eq!(place["items"][0]["timeZone"], "America/Chicago");
    let queues = session.get("/voice-admin/v1/call-queues").await.is(200).json();
    let queue = queues["items"][0]["id"].as_str().unwrap();
    let agents = session.get(&format!("/voice-admin/v1/call-queues/{queue}/users")).await.is(200).json();
    assert_eq!(agents["items"].as_array().unwrap().len(), 3);

    let channels = "/notification-channel/v1/channels/office";
    let channel = session.post(channels, &json!({"channelType": "WebSocket"})).await.is(201);
    let body = json!({"channelId": channel.text_of("/channelId"), "accountKeys": [account]});
    session.post("/call-events-report/v1/subscriptions", &body).await.is(201);

    put_env_file(&platform, &account);
    for (scenario, to) in [("internal", "114"), ("answered", "103"), ("ring-group", "201")] {
        let mut call = platform.call(scenario, &["--speed", "1000", "--to", to]);
        assert_eq!(call.exit(LATER).await, Some(0), "{scenario}");
        let line: Value = serde_json::from_str(&call.stdout.all()[0]).unwrap();
        let space = line["conversationSpaceId"].as_str().unwrap();
        assert_eq!(platform.report(&session, space).await["accountKey"], account);
    }
}

#[tokio::test]
async fn who_leaves_the_file_cannot_sign_in_and_returns_with_the_old_password() {
    let person =
        "[[people]]\nfirst-name = \"Owen\"\nlast-name = \"Brandt\"\nemail = \"owen@larkfield.example\"\n";
    assert!(practice().contains(person));
    let admin = format!("{person}roles = [\"super-admin\"]\n");
    let whole = practice().replace(person, &admin);
    let (_folder, path) = file(&whole);
    let mut platform = start(&path).await;
    for email in [HELEN, OWEN] {
        assert!(set_password(&platform, email, PASSWORD).await.0);
        assert_eq!(log_in(&platform, email).await, 303);
    }
    let portal = Portal::open(&platform, &Person::new(OWEN, PASSWORD)).await;
    let client = portal.new_client(SCOPES, &["authorization_code"]).await;
    assert_eq!(read_log(&platform, &client.id, &client.secret).await, 200);
    // Owen's phones become Helen's.
    let without = whole.replace(&admin, "").replace(OWEN, HELEN);
    std::fs::write(&path, without).unwrap();
    let told = check(&platform, &path).await;
    assert!(told.contains("; one person would be removed"), "{told}");
    platform.kill9().await;
    platform.restart().await;
    assert_eq!(log_in(&platform, OWEN).await, 401);
    assert_eq!(log_in(&platform, HELEN).await, 303);
    assert_eq!(
        read_log(&platform, &client.id, &client.secret).await,
        401,
        "the leaver's client opens nothing"
    );
    // An admin sees it, and can make it hers.
    let admins = Portal::open(&platform, &Person::new(HELEN, PASSWORD)).await;
    let own = format!("/clients/{}", client.id);
    admins.get(&own).await.is(404);
    let page = admins.get("/clients").await.is(200);
    let form = form_for(&page, &format!("{own}/take-over"));
    let proof = form.controls.iter().find(|control| control.name == "proof").expect("a proof");
    admins.post(&format!("{own}/take-over"), &[("proof", &proof.value)]).await.is(303);
    admins.get(&own).await.is(200);
    assert_eq!(read_log(&platform, &client.id, &client.secret).await, 200, "the client is an admin's");
    assert!(!admins.get("/clients").await.text.contains("take-over"));
    let (done, error) = set_password(&platform, OWEN, PASSWORD).await;
    assert!(!done && error.contains("taken out"), "{error}");
    std::fs::write(&path, whole).unwrap();
    platform.kill9().await;
    platform.restart().await;
    assert_eq!(log_in(&platform, OWEN).await, 303);
    let log = platform.app.stderr.all().join("\n");
    assert!(log.contains("returned=1") && !log.contains('@'), "{log}");
}

/// What a person's channel is subscribed to, by line; those of one request are in no order.
async fn lines_followed(session: &Session, channel: &str) -> BTreeSet<String> {
    let path = format!("/call-events/v1/subscriptions?channelId={channel}");
    ids(session.get(&path).await.is(200).json()["lineIds"].as_array().unwrap())
}

fn ids(values: &[Value]) -> BTreeSet<String> {
    values.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn who_loses_a_line_hears_no_more_of_its_calls() {
    const FOLLOW: &str = "call-events.v1.events.read call-events.v1.notifications.manage cr.v1.read users.v1.read users.v1.lines.read";
    const RUTH: &str = "ruth@larkfield.example";
    let (_folder, path) = file(&practice());
    let mut platform = start(&path).await;
    let (helen, ruth) = (Person::new(HELEN, PASSWORD), Person::new(RUTH, PASSWORD));
    for person in [&helen, &ruth] {
        assert!(set_password(&platform, &person.email, PASSWORD).await.0);
    }
    let portal = Portal::open(&platform, &helen).await;
    let client = portal.new_client(FOLLOW, &["authorization_code", "refresh_token"]).await;
    platform.env.insert("OAUTH_CLIENT_ID".into(), client.id);
    platform.env.insert("OAUTH_CLIENT_SECRET".into(), client.secret);
    let mut followed = Vec::new();
    let ruths = ruth.grant(&platform, FOLLOW).await.session;
    let items = ruths.get("/users/v1/lines").await.is(200).json()["items"].clone();
    let lines: Vec<Value> = items.as_array().unwrap().iter().map(|line| line["id"].clone()).collect();
    assert_eq!(lines.len(), 2, "101 and 115");
    for person in [&helen, &ruth] {
        let session = person.grant(&platform, FOLLOW).await.session;
        let channel = Channel::create(&session, "lines").await;
        let items: Vec<Value> = lines.iter().map(|id| json!({"id": id})).collect();
        let states = json!({"channelId": channel.id, "lineIds": items});
        session.post("/call-events/v1/subscriptions", &states).await.is(207);
        let reports = json!({"channelId": channel.id, "lineIds": lines});
        session.post("/call-events-report/v1/subscriptions", &reports).await.is(201);
        assert_eq!(lines_followed(&session, &channel.id).await, ids(&lines));
        followed.push((session, channel));
    }
    // Reception's telephone is Marco's from now on.
    let before = "extension = \"101\", person = \"ruth@larkfield.example\"";
    let moved = practice().replace(before, "extension = \"101\", person = \"marco@larkfield.example\"");
    assert_ne!(moved, practice());
    std::fs::write(&path, moved).unwrap();
    platform.kill9().await;
    platform.restart().await;
    let (admin, own) = (&followed[0], &followed[1]);
    let [mut all, mut rest] = [admin.1.socket().await, own.1.socket().await];
    assert_eq!(lines_followed(&admin.0, &admin.1.id).await, ids(&lines), "an admin may follow every line");
    assert_eq!(lines_followed(&own.0, &own.1.id).await, ids(&lines[1..]), "the other one is still Ruth's");
    let me = admin.0.get("/users/v1/me").await.is(200);
    put_env_file(&platform, &me.text_of("/items/0/accountKey"));
    let mut spaces = Vec::new();
    for to in ["101", "115"] {
        let mut call = platform.call("answered", &["--speed", "1000", "--to", to]);
        assert_eq!(call.exit(LATER).await, Some(0), "{to}");
        spaces.push(calls::spaces(&call).remove(0));
    }
    // The admin hears of both; the second one, heard by both, tells that nothing of the first is still on its way.
    all.call(&spaces[0]).await;
    all.call(&spaces[1]).await;
    rest.call(&spaces[1]).await;
    assert!(
        rest.frames.iter().all(|frame| space_of(frame) == Some(spaces[1].as_str())),
        "{:#?}",
        rest.frames
    );
}

#[tokio::test]
async fn a_file_with_mistakes_is_refused_and_each_is_named() {
    let bad = practice()
        .replacen("extension = \"102\"", "extension = \"101\"", 1)
        .replace("roles = [\"super-admin\"]", "")
        .replace("+13125550170", "312 555 0170");
    let (folder, path) = file(&bad);
    let listen = format!("127.0.0.1:{}", ports::free());
    let path = path.to_string_lossy();
    let flags = ["--listen", &listen, "--data", "data", "--office", &path];
    for command in ["serve", "check-config"] {
        let ended = App::run(&[&[command], &flags[..]].concat(), folder.path()).await;
        assert_eq!(ended.code, Some(1), "{command}: {ended:?}");
        let said = format!("{}\n{}", ended.stdout.join("\n"), ended.errors());
        for expected in
            ["extension 101 is taken already in line", "nobody is a super admin", "\"312 555 0170\""]
        {
            assert!(said.contains(expected), "{command}: {expected}: {said}");
        }
    }
    std::fs::write(folder.path().join("office.toml"), practice().replace("America/Chicago", "Mars/Base"))
        .unwrap();
    let ended = App::run(&[&["check-config"], &flags[..]].concat(), folder.path()).await;
    assert!(ended.stdout.join("\n").contains("time-zone: Mars/Base is not known"), "{ended:?}");
    std::fs::write(folder.path().join("office.toml"), practice()).unwrap();
    let ended = App::run(&[&["check-config"], &flags[..]].concat(), folder.path()).await;
    assert!(ended.code == Some(0) && ended.stdout.join("\n").contains("4 people, 9 lines"), "{ended:?}");
}

#[tokio::test]
async fn a_file_does_not_take_the_example_office_over() {
    let (folder, path) = file(&practice());
    let platform = Platform::start().await;
    let data = platform.env_file().with_file_name("").to_string_lossy().into_owned();
    let database = platform.database();
    platform.app.interrupt().await;
    let mut app = platform.app;
    assert_eq!(app.exit(LATER).await, Some(0));
    let listen = format!("127.0.0.1:{}", ports::free());
    let path = path.to_string_lossy();
    let mut flags = vec!["serve", "--listen", &listen, "--data", &data, "--office", &path];
    if database.starts_with("postgres") {
        flags.extend(["--database", &database]);
    }
    let ended = App::run(&flags, folder.path()).await;
    assert!(ended.code == Some(1) && ended.errors().contains("not made from a file"), "{ended:?}");
}
