//! Finished calls are forgotten after `--keep-days`.

use sqlx::Connection as _;

use crate::harness::calls::play;
use crate::harness::{Person, Platform, SCOPES, SOON, eventually};

#[tokio::test]
async fn calls_older_than_the_days_to_keep_are_forgotten_and_younger_ones_stay() {
    let mut platform = Platform::start_with(&["--keep-days", "7"]).await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let old = play(&platform, "missed", &["--speed", "50"]).await;
    let young = play(&platform, "missed", &["--speed", "50"]).await;
    platform.kill9().await;
    // Eight days later, for one of the two.
    sqlx::any::install_default_drivers();
    let mut database = sqlx::AnyConnection::connect(&platform.database()).await.expect("the database");
    let age = "update calls set ended_us = ended_us - $1 where conversation_space_id = $2";
    let query = sqlx::query(age).bind(8 * 86_400 * 1_000_000_i64).bind(&old);
    assert_eq!(query.execute(&mut database).await.expect("changed").rows_affected(), 1);
    database.close().await.expect("closed");
    platform.restart().await;
    let report = |space: &str| format!("/call-events-report/v1/reports/{space}");
    eventually("the old call is forgotten", SOON, async || {
        (session.get(&report(&old)).await.status == 404).then_some(())
    })
    .await;
    session.get(&format!("/call-events/v1/conversation-spaces/{old}/events")).await.error(404, "NOT_FOUND");
    session.get(&report(&young)).await.is(200);
    session.get(&format!("/call-events/v1/conversation-spaces/{young}/events")).await.is(200);
}
