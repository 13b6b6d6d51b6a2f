//! Ids that are no UUIDs, everywhere at once.

use serde_json::{Value, json};

use super::{add, clear, end_of, office, play, struck};
use crate::harness::calls::{self, Channel};
use crate::harness::socket::space_of;

const PREFIX: &str = "z.";

#[tokio::test]
async fn every_id_has_another_form_and_may_be_named_in_it() {
    let (platform, session) = office().await;
    let channel = Channel::subscribed(&platform, &session, "ids").await;
    let mut socket = channel.socket().await;
    let fault = add(&platform, &json!({"fault": "opaque-ids"})).await;
    let played = play(&platform, "answered").await;
    let told = format!("{PREFIX}{}", played.replace('-', ""));
    let frames = socket.call(&told).await;
    calls::check_sequence(&calls::states(&frames));
    let first = &frames[0]["data"];
    for id in [
        &first["id"],
        &first["content"]["state"]["id"],
        &first["content"]["state"]["participants"][0]["legId"],
    ] {
        assert!(id.as_str().unwrap().starts_with(PREFIX), "{first:#}");
    }
    // In a path, in a query and in a body they are understood as they were told.
    let report = session.get(&format!("/call-events-report/v1/reports/{told}")).await.is(200);
    assert_eq!(struck(&report), "opaque-ids");
    let report = report.json();
    assert_eq!(report["conversationSpaceId"], json!(told));
    let legs = |of: &Value| {
        of["participants"].as_array().unwrap().iter().map(|leg| leg["legId"].clone()).collect::<Vec<_>>()
    };
    assert!(
        legs(&report).contains(&first["content"]["state"]["participants"][0]["legId"]),
        "they join: {report:#}"
    );
    let line =
        report["participants"].as_array().unwrap().iter().find_map(|leg| leg["type"]["lineId"].as_str());
    let line = line.expect("a line took part");
    assert!(line.starts_with(PREFIX));
    let now = jiff::Timestamp::now();
    let hour = jiff::SignedDuration::from_hours(1);
    let query = format!("lineId={line}&startTime={}&endTime={}", now - hour, now + hour);
    let summaries =
        session.get(&format!("/call-events-report/v1/report-summaries?{query}")).await.is(200).json();
    assert_eq!(summaries["items"][0]["conversationSpaceId"], json!(told));
    let body = json!({"channelId": channel.id, "lineIds": [{"id": line}]});
    let made = session.post("/call-events/v1/subscriptions", &body).await.is(207).json();
    assert_eq!((&made["lineIds"][0]["id"], &made["lineIds"][0]["status"]), (&json!(line), &json!(200)));

    clear(&platform, &fault).await;
    assert_eq!(end_of(&platform, &fault).await.0, "cleared");
    session.get(&format!("/call-events-report/v1/reports/{told}")).await.is(404);
    let usual = session.get(&format!("/call-events-report/v1/reports/{played}")).await.is(200).json();
    assert_eq!(usual["conversationSpaceId"], json!(played));
    let space = play(&platform, "answered").await;
    assert!(socket.call(&space).await.iter().all(|frame| space_of(frame) == Some(space.as_str())));
}
