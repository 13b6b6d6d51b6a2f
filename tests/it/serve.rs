//! `callfeed serve` as an operator meets it: readiness, secrets on disk, slow logins, refusals, restarts.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use crate::harness::calls::{self, Channel, play};
use crate::harness::{App, Person, Platform, REPORTS_REDIRECT, SCOPES, SOON, eventually, http, ports};

#[tokio::test]
async fn the_example_office_is_made_once_and_its_secrets_stay_private() {
    let mut platform = Platform::start().await;
    let names = [
        "OAUTH_CLIENT_ID",
        "OAUTH_CLIENT_SECRET",
        "ACCOUNT_KEY",
        "CALLFEED_USER",
        "CALLFEED_PASSWORD",
        "CALLFEED_USER_2",
        "CALLFEED_PASSWORD_2",
    ];
    for name in names {
        assert!(!platform.setting(name).is_empty(), "{name}");
    }
    for name in ["GOTO_AUTH_URL", "GOTO_API_URL", "GOTO_CHANNEL_URL", "GOTO_ADMIN_URL"] {
        assert_eq!(platform.setting(name), platform.base, "{name} is an origin without a path");
    }
    assert!(platform.account().len() >= 16 && platform.account().bytes().all(|byte| byte.is_ascii_digit()));
    assert!(platform.setting("OAUTH_CLIENT_ID").parse::<uuid::Uuid>().is_ok());
    let mode =
        |platform: &Platform| std::fs::metadata(platform.env_file()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&platform), 0o600);
    let before = std::fs::read(platform.env_file()).unwrap();
    platform.kill9().await;
    platform.restart().await;
    assert_eq!(std::fs::read(platform.env_file()).unwrap(), before, "unchanged at a later start");
    assert_eq!(mode(&platform), 0o600);

    let other = Platform::start().await;
    for name in ["OAUTH_CLIENT_SECRET", "CALLFEED_PASSWORD", "CALLFEED_PASSWORD_2", "ACCOUNT_KEY"] {
        assert_ne!(platform.setting(name), other.setting(name), "{name} is random");
    }
    // No secret lies in the clear beside the file that is made to hold it.
    for entry in std::fs::read_dir(platform.env_file().parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path != platform.env_file() {
            let content = std::fs::read(&path).unwrap();
            for name in ["OAUTH_CLIENT_SECRET", "CALLFEED_PASSWORD"] {
                let secret = platform.setting(name).as_bytes();
                let found = content.windows(secret.len()).any(|window| window == secret);
                assert!(!found, "{name} stands in {}", path.display());
            }
        }
    }
}

#[tokio::test]
async fn tokens_channels_subscriptions_calls_and_reports_survive_kill_9() {
    let mut platform = Platform::start().await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let session = &grant.session;
    let channel = Channel::subscribed(&platform, session, "survivor").await;
    let mut socket = channel.socket().await;
    let space = play(&platform, "answered", &["--speed", "50"]).await;
    let frames = socket.call(&space).await;
    let report = platform.report(session, &space).await;
    platform.kill9().await;
    platform.restart().await;

    assert_eq!(platform.report(session, &space).await, report);
    let events = format!("/call-events/v1/conversation-spaces/{space}/events");
    let items = session.get(&events).await.is(200).json()["items"].as_array().unwrap().clone();
    let states: Vec<_> = items.iter().map(|item| item["state"].clone()).collect();
    assert_eq!(states, calls::states(&frames));
    session.get(&channel.path).await.is(200);
    let form = [("grant_type", "refresh_token"), ("refresh_token", grant.refresh_token.as_str())];
    platform.token(&form).await.is(200);
    // The old channel still delivers.
    let mut socket = channel.socket().await;
    let space = play(&platform, "missed", &["--speed", "50"]).await;
    calls::check_sequence(&calls::states(&socket.call(&space).await));
    // Consent was given; it is not asked again.
    let person = Person::admin(&platform);
    let url = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s").to_string();
    let login = person.open(&url).await.page();
    person.log_in(&login).await.elsewhere();
}

async fn fail(platform: &Platform) -> Duration {
    let person = Person::new(platform.setting("CALLFEED_USER"), "wrong");
    let url = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s").to_string();
    let page = person.open(&url).await.page();
    let started = Instant::now();
    person.log_in(&page).await.page();
    started.elapsed()
}

#[tokio::test]
async fn from_the_fifth_failure_within_a_minute_logins_are_slowed() {
    let platform = Platform::start().await;
    let mut quick = Duration::MAX;
    for _ in 0..4 {
        quick = quick.min(fail(&platform).await);
    }
    fail(&platform).await;
    let sixth = fail(&platform).await;
    assert!(sixth >= quick + Duration::from_millis(500), "the sixth took {sixth:?}, the quickest {quick:?}");
    // Slowed, not locked out.
    Person::admin(&platform).grant(&platform, SCOPES).await;
}

#[tokio::test]
async fn an_example_office_is_refused_where_others_could_reach_it() {
    let folder = tempfile::TempDir::new().unwrap();
    let data = folder.path().join("data").to_string_lossy().into_owned();
    let listen = format!("0.0.0.0:{}", ports::free());
    let arguments = ["serve", "--listen", &listen, "--data", &data, "--example"];
    let ended = App::run(&arguments, folder.path()).await;
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    assert!(ended.errors().contains("--example"), "{ended:?}");
    assert!(!folder.path().join("data/example.env").exists(), "nothing was made");
}

#[tokio::test]
async fn addresses_are_built_from_the_public_url() {
    let public = "https://phones.example.com";
    let platform = Platform::start_with(&["--public-url", public]).await;
    let url = format!("{}/oauth/authorize", platform.base);
    let query = platform.authorize_url(REPORTS_REDIRECT, SCOPES, "s").query().unwrap().to_owned();
    let request = crate::harness::http().get(format!("{url}?{query}"));
    let answer = crate::harness::Answer::of("authorize", request).await.is(302);
    assert!(answer.header("location").starts_with(&format!("{public}/login?service=https%3A%2F%2Fphones")));
    assert_eq!(platform.setting("GOTO_API_URL"), public);
}

#[tokio::test]
async fn ctrl_c_ends_the_platform_cleanly_and_a_taken_port_is_named() {
    let platform = Platform::start().await;
    let folder = tempfile::TempDir::new().unwrap();
    let data = folder.path().join("data").to_string_lossy().into_owned();
    let listen = platform.base.strip_prefix("http://").unwrap().to_owned();
    let ended = App::run(&["serve", "--listen", &listen, "--data", &data, "--example"], folder.path()).await;
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    assert!(ended.errors().contains(&listen), "{ended:?}");
    platform.stop().await;
}

#[tokio::test]
async fn help_tells_every_command_and_flag_of_the_contract() {
    let folder = tempfile::TempDir::new().unwrap();
    let contract: [(&[&str], &[&str]); 9] = [
        (&["--help"], &["serve", "check-config", "backup", "call", "reports", "login", "screen-pop", "demo"]),
        (
            &["serve", "--help"],
            &[
                "--listen",
                "--data",
                "--database",
                "--public-url",
                "--rate-limit",
                "--keep-days",
                "--tls-cert",
                "--tls-key",
                "--metrics-listen",
                "--example",
                "--allow-private-webhooks",
                "--log-level",
                "--log ",
            ],
        ),
        (&["check-config", "--help"], &["--listen", "--data", "--tls-cert", "--json"]),
        (&["backup", "--help"], &["--data", "--to"]),
        (
            &["call", "--help"],
            &["--env", "--from", "--from-name", "--to", "--speed", "--seed", "--count", "--every"],
        ),
        (&["reports", "--help"], &["--env", "--state", "--json", "--no-browser", "list"]),
        (&["login", "--help"], &["--env", "--state", "--no-browser"]),
        (&["screen-pop", "--help"], &["--env", "--state", "--listen", "--no-browser"]),
        (&["demo", "--help"], &["--data", "--json", "--calls", "--speed", "--exit"]),
    ];
    for (arguments, words) in contract {
        let ended = App::run(arguments, folder.path()).await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        let said = ended.stdout.join("\n");
        for word in words {
            assert!(said.contains(word), "{arguments:?} does not tell {word}:\n{said}");
        }
    }
}

#[tokio::test]
async fn a_platform_without_an_account_is_ready_and_lets_nobody_in() {
    let mut platform = Platform::start().await;
    platform.kill9().await;
    let folder = platform.folder("empty");
    let listen = platform.base.trim_start_matches("http://").to_owned();
    let data = folder.join("data").to_string_lossy().into_owned();
    let app = App::start(&["serve", "--listen", &listen, "--data", &data], &folder);
    let said = |lines: &[String]| lines.iter().any(|line| line.contains("--example")).then_some(());
    app.stderr.wait("the warning", SOON, said).await;
    let health = format!("{}/healthz", platform.base);
    eventually("it is ready", SOON, async || {
        let answer = http().get(&health).send().await.ok()?;
        (answer.status() == 200).then_some(())
    })
    .await;
    platform.with_token("nothing").get("/users/v1/me").await.error(401, "AUTHN_INVALID_TOKEN");
    app.stop().await;
}
