//! A platform that was made by the first version is started by this one: logins, tokens, channels and reports still
//! work, and a call that was cut off before the update ends.

use serde_json::Value;
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, Connection as _};
use tempfile::TempDir;

use crate::harness::socket::space_of;
use crate::harness::{Person, Platform, SCOPES, Socket, calls};

const FIRST_MIGRATION: &str = include_str!("../../crates/server/migrations/0001_platform.sql");
const CONTENT: &str = include_str!("../../crates/server/src/store/fixtures/first_schema.sql");
const CHANNEL: &str =
    "0upgrade-fixture-upgrade-fixture-upgrade-fixture-upgrade-fixture-upgrade-fixture-abcdef";
/// Finished calls of the fixture, then the one that was cut off.
const FINISHED: [&str; 3] = [
    "c5ed6476-2768-37f9-a8dc-f01432d0f0f6",
    "ece15cda-ea35-3e66-aa1c-dca32f497eca",
    "260dddd3-ab9a-3163-b9c8-893d9318c7f7",
];
const CUT_OFF: &str = "1bb614d2-c840-3069-95cd-5808a647e714";

/// `example.env` of that platform, its addresses aside.
const SECRETS: &str = "\
OAUTH_CLIENT_ID=498d1577-fd5a-4093-94bc-f366c221ba86
OAUTH_CLIENT_SECRET=cfs_o7rMgtCtodIs1oaTkFMTN9BlXLR9sgb8siR2wxBP7ms
ACCOUNT_KEY=1910320858557865756
CALLFEED_USER=margaret@maplestreet.example
CALLFEED_PASSWORD=kh7NrkhiPEkDit7uCrjZ
CALLFEED_USER_2=priya@maplestreet.example
CALLFEED_PASSWORD_2=tDRd45vV3hyEAWEbqZRA
";

/// A platform on a database of the first schema.
async fn upgraded() -> Platform {
    Platform::start_prepared(&[], async |data, base, database| {
        let migrations = TempDir::new().unwrap();
        std::fs::write(migrations.path().join("0001_platform.sql"), FIRST_MIGRATION).unwrap();
        std::fs::create_dir_all(data).unwrap();
        let hosts = ["AUTH", "API", "CHANNEL", "ADMIN"].map(|host| format!("GOTO_{host}_URL={base}\n"));
        std::fs::write(data.join("example.env"), format!("{SECRETS}{}", hosts.concat())).unwrap();
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(database).await.expect("a database");
        let first = Migrator::new(migrations.path()).await.expect("one migration");
        first.run(&mut connection).await.expect("the first schema");
        let now_us = jiff::Timestamp::now().as_microsecond().to_string();
        let content = sqlx::AssertSqlSafe(CONTENT.replace("__NOW_US__", &now_us));
        sqlx::raw_sql(content).execute(&mut connection).await.expect("the content fits");
        connection.close().await.expect("written");
    })
    .await
}

#[tokio::test]
async fn a_platform_of_the_first_version_goes_on_after_the_update() {
    let platform = upgraded().await;
    // The access token and the refresh token of before.
    let session = platform.with_token("cfa_fixture-access-token");
    for space in FINISHED {
        let report = session.get(&format!("/call-events-report/v1/reports/{space}")).await.is(200).json();
        calls::check_sequence(report["callStates"].as_array().expect("states"));
    }
    let form = [("grant_type", "refresh_token"), ("refresh_token", "cfr_fixture-refresh-token")];
    platform.token(&form).await.is(200);
    // The passwords of before.
    let fresh = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let report = platform.report(&fresh, CUT_OFF).await;
    calls::check_sequence(report["callStates"].as_array().expect("states"));

    // The channel of before, with its place in the log: what its reader has not confirmed comes, and what is new.
    let listed = session.get("/notification-channel/v1/channels").await.is(200).json();
    let url = listed["items"][0]["channelData"]["channelURL"].as_str().expect("a channel").to_owned();
    assert!(url.contains(CHANNEL), "{url}");
    let mut socket = Socket::connect(&url).await;
    socket.call(CUT_OFF).await;
    let is_report = |frame: &&Value| frame["data"]["source"] == "call-events-report";
    let told: Vec<&str> = socket.frames.iter().filter(is_report).filter_map(space_of).collect();
    assert_eq!(told, [FINISHED[0], FINISHED[1], FINISHED[2], CUT_OFF]);
    let outcome = &socket.frames.last().expect("frames")["data"]["content"]["callerOutcome"];
    assert_eq!(outcome, "TRUNCATED");
    let next = calls::play(&platform, "answered", &["--speed", "50"]).await;
    calls::check_sequence(&calls::states(&socket.call(&next).await));
}
