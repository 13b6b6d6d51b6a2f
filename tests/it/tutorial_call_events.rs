//! The second tutorial as a story: live call states, as the screen pop demo hears and reads them.

use serde_json::{Value, json};

use crate::harness::calls::{self, Channel};
use crate::harness::{Person, Platform, SCOPES, Session};
use crate::tutorial_reports::check_envelope;

const SUBSCRIPTIONS: &str = "/call-events/v1/subscriptions";

async fn signed_in(platform: &Platform) -> Session {
    Person::admin(platform).grant(platform, SCOPES).await.session
}

#[tokio::test]
async fn a_call_is_heard_state_by_state_and_read_again() {
    let platform = Platform::start().await;
    let session = signed_in(&platform).await;
    let channel = Channel::create(&session, "screen-pop-demo").await;
    let keys = json!([{"id": platform.account(), "events": ["STARTING", "ACTIVE", "ENDING"]}]);
    let answer =
        session.post(SUBSCRIPTIONS, &json!({"channelId": channel.id, "accountKeys": keys})).await.is(207);
    let expected = json!([{"id": platform.account(), "status": 200, "message": "Success"}]);
    assert_eq!(answer.json(), json!({ "accountKeys": expected }));
    let mut socket = channel.socket().await;

    let app = platform.call("answered", &["--speed", "10", "--seed", "3", "--from-name", "Ada Example"]);
    let space = calls::first_space(&app).await;
    let is_ending = |frame: &Value| frame["data"]["content"]["state"]["type"] == "ENDING";
    let under_way = format!("/call-events/v1/conversation-spaces?accountKey={}", platform.account());
    let live = session.get(&under_way).await.is(200).json();
    assert_eq!(
        live["items"][0]["metadata"]["conversationSpaceId"],
        space.as_str(),
        "it is under way: {live}"
    );
    socket.until("the last state", is_ending).await;
    for (index, frame) in socket.frames.iter().enumerate() {
        check_envelope(frame, index + 1);
        assert_eq!(
            (&frame["data"]["source"], &frame["data"]["type"]),
            (&json!("call-events"), &json!("call-state"))
        );
        let event: wire::call_events::CallEvent =
            serde_json::from_value(frame["data"]["content"].clone()).unwrap();
        assert_eq!(serde_json::to_value(&event).unwrap(), frame["data"]["content"]);
    }
    let states = calls::states(&socket.frames);
    check_inbound(&states);
    check_first_metadata(&platform, &socket.frames);

    let events = format!("/call-events/v1/conversation-spaces/{space}/events");
    let contents: Vec<Value> = socket.frames.iter().map(|frame| frame["data"]["content"].clone()).collect();
    read_again(&session, &events, &contents).await;
    let live = session.get(&under_way).await.is(200).json();
    assert_eq!(live["items"], json!([]), "a finished call is not under way");
}

/// Inbound straight to a line (spec/call-events.md, Sequences).
fn check_inbound(states: &[Value]) {
    calls::check_sequence(states);
    let first = &states[0];
    assert_eq!(first["type"], "STARTING");
    assert_eq!(first["participants"].as_array().unwrap().len(), 1);
    let caller = &first["participants"][0];
    assert_eq!(caller["type"]["value"], "PHONE_NUMBER");
    assert_eq!(caller["type"]["caller"]["name"], "Ada Example");
    assert_eq!(caller["originator"], caller["id"]);
    assert_eq!(caller["type"].get("contact"), None, "no contact in the first state");
    assert_eq!(states[1]["participants"][0]["type"]["contact"], json!({"notAddedReason": "NO_CONTACT"}));
    let statuses = |state: &Value| -> Vec<String> {
        let participants = state["participants"].as_array().unwrap();
        participants.iter().map(|one| one["status"]["value"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(statuses(first), ["RINGING"]);
    assert_eq!(statuses(&states[1]), ["RINGING", "RINGING"]);
    assert_eq!(statuses(&states[2]), ["CONNECTED", "RINGING"]);
    assert_eq!(statuses(&states[3]), ["CONNECTED", "CONNECTED"]);
    assert_eq!(states[2]["timestamp"], states[3]["timestamp"]);
    let types: Vec<&str> = states.iter().map(|state| state["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["STARTING", "STARTING", "ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE", "ENDING"]);
    for state in states {
        assert_eq!(state.get("interactiveVoiceResponseSystems"), None, "left out when empty");
        let timestamp = state["timestamp"].as_str().unwrap();
        let fraction = timestamp.split_once('.').map(|(_, rest)| rest.trim_end_matches('Z'));
        let cut = fraction.is_none_or(|digits| digits.len() <= 3 && !digits.ends_with('0'));
        assert!(timestamp.ends_with('Z') && cut, "milliseconds, trailing zeros cut: {timestamp}");
    }
}

fn check_first_metadata(platform: &Platform, frames: &[Value]) {
    let metadata = |index: usize| &frames[index]["data"]["content"]["metadata"];
    let first = metadata(0);
    assert_eq!(first["direction"], "INBOUND");
    assert_eq!(first["accountKey"], platform.account());
    assert_eq!(first.get("callInitiator"), None, "not there yet in the first event");
    assert_eq!(metadata(1)["callInitiator"], "DIRECT");
    let space: uuid::Uuid = first["conversationSpaceId"].as_str().unwrap().parse().unwrap();
    assert_eq!(space.get_version_num(), 3);
    let state = &frames[0]["data"]["content"]["state"];
    for (id, version) in
        [(&state["id"], 5), (&state["participants"][0]["id"], 5), (&state["participants"][0]["legId"], 4)]
    {
        let id: uuid::Uuid = id.as_str().unwrap().parse().unwrap();
        assert_eq!(id.get_version_num(), version, "{id}");
    }
}

/// The states over REST equal those of the socket: all, a part with both ends inclusive, and page by page.
async fn read_again(session: &Session, events: &str, contents: &[Value]) {
    let all = session.get(events).await.is(200).json();
    assert_eq!(all["items"], json!(contents));
    assert_eq!(all.get("nextPageMarker"), None, "absent at the end");
    let part = session.get(&format!("{events}?sequenceFrom=2&sequenceTo=3")).await.is(200).json();
    assert_eq!(part["items"], json!(contents[1..3]));
    let mut paged = Vec::new();
    let mut path = format!("{events}?pageSize=3");
    loop {
        let page = session.get(&path).await.is(200).json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3, "{page}");
        paged.extend(items.clone());
        let Some(marker) = page["nextPageMarker"].as_str() else { break };
        path = format!("{events}?pageSize=3&pageMarker={marker}");
    }
    assert_eq!(paged, contents);
}

#[tokio::test]
async fn a_person_who_is_no_admin_is_refused_inside_the_207() {
    let platform = Platform::start().await;
    let session = Person::member(&platform).grant(&platform, SCOPES).await.session;
    let channel = Channel::create(&session, "member").await;
    let body = json!({"channelId": channel.id, "accountKeys": [{"id": platform.account()}]});
    let answer = session.post(SUBSCRIPTIONS, &body).await.is(207).json();
    let item = &answer["accountKeys"][0];
    assert_eq!((&item["status"], &item["message"]), (&json!(403), &json!("Forbidden")), "{answer}");
    assert!(item["errorCode"].is_string(), "{answer}");
}

#[tokio::test]
async fn an_account_of_somebody_else_is_refused_beside_ones_own() {
    let platform = Platform::start().await;
    let session = signed_in(&platform).await;
    let channel = Channel::create(&session, "mixed").await;
    let keys = json!([{"id": platform.account()}, {"id": "1000000000000000001"}]);
    let answer = session.post(SUBSCRIPTIONS, &json!({"channelId": channel.id, "accountKeys": keys})).await;
    let answer = answer.is(207).json();
    assert_eq!(
        (&answer["accountKeys"][0]["status"], &answer["accountKeys"][1]["status"]),
        (&json!(200), &json!(403))
    );
}

#[tokio::test]
async fn mistakes_in_a_subscription_are_answered_as_on_the_live_service() {
    let platform = Platform::start().await;
    let session = signed_in(&platform).await;
    let channel = Channel::create(&session, "mistakes").await;
    let account = platform.account();
    for wrong in ["REPORT_SUMMARY", "RINGING"] {
        let keys = json!([{"id": account, "events": [wrong]}]);
        let body = json!({"channelId": channel.id, "accountKeys": keys});
        let error = session.post(SUBSCRIPTIONS, &body).await.error(400, "BAD_REQUEST");
        assert_eq!(error["constraints"], json!([{"field": "Events[0]", "constraint": "INVALID"}]));
        assert_eq!(error["message"], "The Notification Channel must be a WebSocket channel");
        assert_eq!(error.get("constraintViolations"), None, "this API says constraints: {error}");
    }
    let grammar =
        json!({"channelId": channel.id, "accountKeys": [account], "eventTypes": ["REPORT_SUMMARY"]});
    session.post(SUBSCRIPTIONS, &grammar).await.error(400, "MALFORMED_REQUEST");
    let error = session.get(SUBSCRIPTIONS).await.error(400, "BAD_REQUEST");
    assert_eq!(error["constraints"], json!([{"field": "ID", "constraint": "REQUIRED"}]));
    let listed = session.get(&format!("{SUBSCRIPTIONS}?channelId={}", channel.id)).await.is(200).json();
    let none = listed.get("accountKeys").is_none_or(|keys| *keys == json!([]));
    assert!(none, "nothing was subscribed by mistake: {listed}");
}

#[tokio::test]
async fn subscriptions_are_listed_narrowed_and_deleted() {
    let platform = Platform::start().await;
    let session = signed_in(&platform).await;
    let channel = Channel::create(&session, "few").await;
    let account = platform.account();
    let body = json!({"channelId": channel.id, "accountKeys": [{"id": account, "events": ["STARTING"]}]});
    session.post(SUBSCRIPTIONS, &body).await.is(207);
    // Subscribing again is harmless and changes nothing.
    let body = json!({"channelId": channel.id, "accountKeys": [{"id": account}]});
    let again = session.post(SUBSCRIPTIONS, &body).await.is(207).json();
    assert_eq!(again["accountKeys"][0]["status"], 200);
    let list = format!("{SUBSCRIPTIONS}?channelId={}", channel.id);
    assert_eq!(session.get(&list).await.is(200).json(), json!({"accountKeys": [account]}));

    let reports = json!({"channelId": channel.id, "accountKeys": [account]});
    session.post("/call-events-report/v1/subscriptions", &reports).await.is(201);
    let mut socket = channel.socket().await;
    let space = calls::play(&platform, "answered", &["--speed", "50"]).await;
    let frames = socket.call(&space).await;
    let types: Vec<Value> = calls::states(&frames).iter().map(|state| state["type"].clone()).collect();
    assert_eq!(types, ["STARTING", "STARTING"], "only the event types that were asked for first");

    let path = format!("{SUBSCRIPTIONS}?channelId={}&accountKey={account}", channel.id);
    session.delete(&path).await.is(204);
    let listed = session.get(&list).await.is(200).json();
    assert!(listed.get("accountKeys").is_none_or(|keys| *keys == json!([])), "{listed}");
}
