//! `callfeed accounts`: nobody has to look for an account key.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::person::query;
use crate::harness::portal::Portal;
use crate::harness::{App, Person, Platform, SCOPES, SOON, apps, ports};

/// The settings of the platform with other values and further ones; `None` leaves a line out.
pub fn settings(platform: &Platform, name: &str, changes: &[(&str, Option<&str>)]) -> PathBuf {
    let good = std::fs::read_to_string(platform.env_file()).unwrap();
    let lines = good.lines().filter_map(|line| {
        let found =
            line.split_once('=').and_then(|(found, _)| changes.iter().find(|(name, _)| *name == found));
        match found {
            Some((name, value)) => value.map(|value| format!("{name}={value}")),
            None => Some(line.to_owned()),
        }
    });
    let is_new = |name: &str| !good.lines().any(|line| line.starts_with(&format!("{name}=")));
    let new = changes.iter().filter(|(name, _)| is_new(name));
    let new = new.filter_map(|(name, value)| value.map(|value| format!("{name}={value}")));
    let path = platform.folder("apps").join(format!("{name}.env"));
    std::fs::write(&path, lines.chain(new).collect::<Vec<_>>().join("\n")).unwrap();
    path
}

/// Starts a command that signs a person in at a port of its own, and does what the person would. It goes on by itself.
pub async fn signed_in(platform: &Platform, person: &Person, command: &str, flags: &[&str]) -> App {
    let listen = format!("127.0.0.1:{}", ports::free());
    let arguments = [&[command, "--no-browser", "--listen", &listen], flags].concat();
    let app = App::start(&arguments, &platform.folder("apps"));
    let landed = person.sign_in(&apps::login_address(&app).await).await;
    assert!(query(&landed, "code").is_some(), "{landed}");
    person.deliver(&landed).await.is(200);
    app
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[tokio::test]
async fn the_account_key_is_found_and_written_into_the_settings() {
    let platform = Platform::start().await;
    let env = settings(&platform, "new", &[("ACCOUNT_KEY", None)]);
    let (file, state) = (text(&env), text(&platform.folder("state")));
    let flags = ["--env", &file, "--state", &state];
    let admin = Person::admin(&platform);
    let mut app = signed_in(&platform, &admin, "accounts", &[&flags[..], &["--json"]].concat()).await;
    assert_eq!(app.exit(SOON).await, Some(0));
    let told: Value = serde_json::from_str(&app.stdout.all()[0]).unwrap();
    assert_eq!((&told["accountKey"], &told["chosen"]), (&platform.account().into(), &false.into()), "{told}");
    assert_eq!(told["admin"], true);
    assert!(!told["name"].as_str().unwrap().is_empty());
    assert!(!told["phoneNumbers"].as_array().unwrap().is_empty(), "{told}");
    assert!(app.stderr.all().join("\n").contains("--pick"));

    let picked = App::run(&[&["accounts"], &flags[..], &["--pick"]].concat(), &platform.folder("apps")).await;
    assert_eq!(picked.code, Some(0), "{}", picked.errors());
    assert!(picked.stdout[0].starts_with(&format!("* {}", platform.account())), "{picked:?}");
    let written = std::fs::read_to_string(&env).unwrap();
    assert!(written.lines().any(|line| line == format!("ACCOUNT_KEY={}", platform.account())), "{written}");
    let other =
        App::run(&[&["accounts"], &flags[..], &["--pick", "17"]].concat(), &platform.folder("apps")).await;
    assert_eq!(other.code, Some(1));
    assert!(other.errors().contains("cannot see account 17"), "{}", other.errors());

    // A client without the scopes of the list says which ones it needs.
    let client = Portal::open(&platform, &admin).await.new_client(SCOPES, &["authorization_code"]).await;
    let few = [("OAUTH_CLIENT_ID", Some(client.id.as_str())), ("OAUTH_CLIENT_SECRET", Some(&client.secret))];
    let (file, state) = (text(&settings(&platform, "few", &few)), text(&platform.folder("few")));
    let mut app = signed_in(&platform, &admin, "accounts", &["--env", &file, "--state", &state]).await;
    assert_eq!(app.exit(SOON).await, Some(1));
    let said = app.stderr.all().join("\n");
    assert!(said.contains("users.v1.read") && said.contains("admin.goto.com"), "{said}");
}
