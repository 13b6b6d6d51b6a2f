//! What an operator reads: log lines for people and for collectors, with a request's id and without anybody's data.

use serde_json::Value;
use sqlx::{AnyConnection, Connection as _, Executor as _};

use crate::harness::calls::{Channel, play};
use crate::harness::{App, Person, Platform, SCOPES, SOON, Session};

const ID: &str = "x-request-id";

async fn admin(platform: &Platform) -> Session {
    Person::admin(platform).grant(platform, SCOPES).await.session
}

async fn asked_with(session: &Session, id: &str) -> String {
    let request = session.request(reqwest::Method::GET, "/healthz").header(ID, id);
    let answer = crate::harness::Answer::of("GET /healthz", request).await.is(200);
    answer.header(ID).to_owned()
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_a_sane_one_is_taken_over() {
    let platform = Platform::start().await;
    let session = platform.with_token("");
    assert_eq!(asked_with(&session, "order-66_a.b").await, "order-66_a.b");
    for bad in ["two words", &"x".repeat(65)] {
        let made = asked_with(&session, bad).await;
        assert_eq!(made.len(), 32, "{made}");
    }
    // Errors and unknown paths have one too, and no two are the same.
    let unknown = session.get("/nowhere").await.is(404);
    let unauthorized = session.get("/notification-channel/v1/channels").await;
    assert_ne!(unknown.header(ID), unauthorized.header(ID));
}

/// Makes the platform fail: the table behind reports is gone.
async fn drop_reports(platform: &Platform) {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&platform.database()).await.expect("the database answers");
    connection.execute("drop table reports").await.expect("the table was there");
}

#[tokio::test]
async fn a_fault_is_logged_once_with_its_reference_and_the_request_id() {
    let platform = Platform::start_with(&["--log", "json"]).await;
    let session = admin(&platform).await;
    drop_reports(&platform).await;
    let path = "/call-events-report/v1/reports/unknown";
    let request = session.request(reqwest::Method::GET, path).header(ID, "fault-1");
    let answer = crate::harness::Answer::of("GET a report", request).await.is(500);
    let reference = answer.text_of("/reference");
    let line = platform.app.stderr.line_with(&reference, SOON).await;
    let line: Value = serde_json::from_str(&line).expect("a log line is one JSON object");
    assert_eq!(line["level"], "ERROR", "{line}");
    assert_eq!(line["reference"], reference.as_str(), "{line}");
    assert_eq!(line["span"]["request_id"], "fault-1", "{line}");
    assert_eq!(line["span"]["route"], "/call-events-report/v1/reports/{id}", "{line}");
    // A second request's line is behind everything that the first could have logged.
    let second = session.get(path).await.is(500).text_of("/reference");
    platform.app.stderr.line_with(&second, SOON).await;
    let lines = platform.app.stderr.all();
    assert_eq!(lines.iter().filter(|line| line.contains("fault-1")).count(), 1, "{lines:#?}");
}

/// A sign-in, a failed one, a call, its report, and a clean end; everything that was logged meanwhile.
async fn log_of_a_day(flags: &[&str]) -> (Vec<String>, Vec<String>) {
    let mut platform = Platform::start_with(flags).await;
    let grant = Person::admin(&platform).grant(&platform, SCOPES).await;
    let channel = Channel::subscribed(&platform, &grant.session, "log").await;
    let mut socket = channel.socket().await;
    let space = play(
        &platform,
        "answered",
        &["--speed", "50", "--from", "+13125550147", "--from-name", "Ada Lovelace"],
    )
    .await;
    socket.call(&space).await;
    platform.report(&grant.session, &space).await;
    platform.with_token("nonsense").get("/notification-channel/v1/channels").await.is(401);
    let mut secrets: Vec<String> =
        ["5550147", "Ada", "Lovelace", "nonsense"].iter().map(|text| (*text).to_owned()).collect();
    secrets.extend([grant.access_token, grant.refresh_token, channel.id]);
    for name in ["OAUTH_CLIENT_SECRET", "CALLFEED_PASSWORD", "CALLFEED_USER"] {
        secrets.push(platform.setting(name).to_owned());
    }
    platform.app.interrupt().await;
    assert_eq!(platform.app.exit(SOON).await, Some(0));
    (platform.app.stderr.all(), secrets)
}

#[tokio::test]
async fn no_number_name_token_or_password_is_in_the_log() {
    for flags in [&[][..], &["--log", "json"]] {
        let (lines, secrets) = log_of_a_day(flags).await;
        assert!(!lines.is_empty(), "the log says at least where the platform serves");
        for line in &lines {
            for secret in &secrets {
                assert!(!line.contains(secret.as_str()), "{secret} is in the log: {line}");
            }
            if flags.contains(&"json") {
                let object: Value = serde_json::from_str(line).expect("a log line is one JSON object");
                assert!(object["level"].is_string() && object["timestamp"].is_string(), "{line}");
            }
        }
    }
}

#[tokio::test]
async fn an_unknown_log_format_is_refused_with_the_known_ones() {
    let folder = tempfile::TempDir::new().unwrap();
    let ended = App::run(&["serve", "--data", "data", "--log", "xml"], folder.path()).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.errors().contains("json") && ended.errors().contains("text"), "{ended:?}");
}
