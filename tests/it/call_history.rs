//! Call history (spec/call-history.md): rows of one's own legs, those of others for a super admin, and the
//! notification when a leg has ended.

use serde_json::{Value, json};

use crate::harness::calls::{self, Channel};
use crate::harness::{Person, Platform, SOON, Session};
use crate::tutorial_reports::check_envelope;

const CALLS: &str = "/call-history/v1/calls";
const SUBSCRIPTIONS: &str = "/call-history/v1/subscriptions";
const SCOPES: &str = "cr.v1.read call-history.v1.notifications.manage users.v1.read users.v1.lines.read";

async fn sessions(platform: &Platform) -> (Session, Session) {
    let admin = Person::admin(platform).grant(platform, SCOPES).await.session;
    let member = Person::member(platform).grant(platform, SCOPES).await.session;
    (admin, member)
}

/// Keys of all users in the order of `example.env`.
async fn user_keys(platform: &Platform, admin: &Session) -> Vec<String> {
    let path = format!("/users/v1/users?accountKey={}", platform.account());
    let page = admin.get(&path).await.is(200).json();
    let users = page["items"].as_array().unwrap();
    users.iter().map(|user| user["userKey"].as_str().unwrap().to_owned()).collect()
}

fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().unwrap_or_else(|| panic!("no items: {page}"))
}

#[tokio::test]
async fn a_call_that_rang_three_has_three_rows_and_each_sees_the_own_one() {
    let platform = Platform::start().await;
    let (admin, member) = sessions(&platform).await;
    let keys = user_keys(&platform, &admin).await;
    calls::play(&platform, "ring-group", &["--speed", "50", "--seed", "7"]).await;
    let path = format!("{CALLS}?accountKey={}", platform.account());

    let own = member.get(&path).await.is(200).json();
    assert_eq!((&own["pageSize"], items(&own).len()), (&json!(100), 1), "{own:#}");
    let row = &items(&own)[0];
    let typed: wire::call_history::HistoryCall = serde_json::from_value(row.clone()).unwrap();
    assert_eq!(serde_json::to_value(&typed).unwrap(), *row, "a row has only members that the spec knows");
    assert!(typed.extra.is_empty());
    assert_eq!((&row["userKey"], &row["accountKey"]), (&json!(keys[1]), &json!(platform.account())));
    assert_eq!((&row["callee"]["number"], &row["direction"]), (&json!("1001"), &json!("INBOUND")));
    assert!(row["ownerPhoneNumber"].as_str().unwrap().starts_with("+1312555"), "{row}");

    assert_eq!(items(&admin.get(&path).await.is(200).json()).len(), 0, "the super admin has no line");
    let theirs = admin.get(&format!("{path}&userKey={}", keys[1])).await.is(200).json();
    assert_eq!(theirs, own);
    let three =
        admin.get(&format!("{path}&extension=1001&extension=1002&extension=1003")).await.is(200).json();
    let answered = items(&three).iter().filter(|row| row["hangupCause"] == 16).count();
    assert_eq!((items(&three).len(), answered), (3, 1), "{three:#}");
    for row in items(&three) {
        assert_eq!(row["originatorId"], items(&three)[0]["originatorId"]);
        assert_eq!(row.get("answerTime").is_some(), row["hangupCause"] == 16, "{row}");
    }
    let page = admin.get(&format!("{path}&extension=1001&extension=1002&pageSize=1")).await.is(200).json();
    let marker = page["nextPageMarker"].as_str().unwrap();
    let rest = format!("{path}&extension=1001&extension=1002&pageSize=1&pageMarker={marker}");
    let rest = admin.get(&rest).await.is(200).json();
    assert_eq!((items(&rest).len(), rest.get("nextPageMarker")), (1, None));
    assert_ne!(items(&rest)[0]["legId"], items(&page)[0]["legId"]);
    let later = format!("{path}&startTime=2100-01-01T00:00:00Z");
    assert_eq!(items(&member.get(&later).await.is(200).json()).len(), 0);
}

#[tokio::test]
async fn what_may_not_be_asked_is_refused() {
    let platform = Platform::start().await;
    let (admin, member) = sessions(&platform).await;
    let keys = user_keys(&platform, &admin).await;
    let path = format!("{CALLS}?accountKey={}", platform.account());
    member.get(&format!("{path}&userKey={}", keys[2])).await.error(403, "UNAUTHORIZED");
    member.get(&format!("{CALLS}?accountKey=12345")).await.error(403, "UNAUTHORIZED");
    member.get(CALLS).await.error(400, "BAD_REQUEST");
    member.get(&format!("{path}&extension=1001&extension=1001")).await.error(400, "BAD_REQUEST");
    let many: String = (0..101).map(|number| format!("&extension={number}")).collect();
    admin.get(&format!("{path}{many}")).await.error(400, "BAD_REQUEST");
    admin.get(&format!("{path}&startTime=yesterday")).await.error(400, "BAD_REQUEST");
    let without = Person::member(&platform).grant(&platform, "users.v1.read").await.session;
    without.get(CALLS).await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
    without.post(SUBSCRIPTIONS, &json!({})).await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");

    let channel = Channel::create(&member, "history").await;
    let body = |more: Value| {
        let mut body = json!({"accountKey": platform.account(), "channelId": channel.id});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    member.post(SUBSCRIPTIONS, &body(json!({"userKeys": [keys[2]]}))).await.error(403, "UNAUTHORIZED");
    member.post(SUBSCRIPTIONS, &body(json!({"extensions": ["1002"]}))).await.error(403, "UNAUTHORIZED");
    member.post(SUBSCRIPTIONS, &body(json!({"accountKey": "12345"}))).await.error(403, "UNAUTHORIZED");
    let lacks = json!({"channelId": channel.id});
    let error = member.post(SUBSCRIPTIONS, &lacks).await.error(400, "BAD_REQUEST");
    assert_eq!(error["constraintViolations"][0]["field"], "accountKey");
    let own = Channel::create(&admin, "history").await;
    let unknown = json!({"accountKey": platform.account(), "channelId": own.id, "extensions": ["9999"]});
    let error = admin.post(SUBSCRIPTIONS, &unknown).await.error(400, "BAD_REQUEST");
    assert_eq!(error["constraintViolations"][0]["field"], "extensions");
}

#[tokio::test]
async fn the_notification_is_the_row() {
    let platform = Platform::start().await;
    let (admin, member) = sessions(&platform).await;
    let keys = user_keys(&platform, &admin).await;
    let channel = Channel::create(&admin, "history").await;
    let body = json!({"accountKey": platform.account(), "channelId": channel.id,
        "userKeys": [keys[1]], "extensions": ["1001"]});
    let answer = admin.post(SUBSCRIPTIONS, &body).await.is(201).json();
    assert_eq!(items(&answer).len(), 1, "key and extension are the same user: {answer}");
    let item = &items(&answer)[0];
    let id = item["id"].as_str().unwrap();
    let expected = json!({"id": id, "userKey": keys[1], "channelId": channel.id,
        "accountKey": platform.account()});
    assert_eq!(*item, expected);
    assert_eq!(admin.post(SUBSCRIPTIONS, &body).await.is(201).json(), answer, "again changes nothing");

    let mut socket = channel.socket().await;
    calls::play(&platform, "ring-group", &["--speed", "50", "--seed", "7"]).await;
    let is_row = |frame: &Value| frame["data"]["source"] == "call-history";
    let frame = socket.until("the end of a leg", is_row).await;
    check_envelope(&frame, 1);
    assert_eq!(frame["data"]["type"], "UchEvent");
    let path = format!("{CALLS}?accountKey={}", platform.account());
    let row = member.get(&path).await.is(200).json()["items"][0].clone();
    assert_eq!(frame["data"]["content"], row);

    // The subscription moves to another channel, and the first one hears nothing more.
    let other = Channel::create(&admin, "other").await;
    let moved = json!({"accountKey": platform.account(), "channelId": other.id});
    let changed = admin.put(&format!("{SUBSCRIPTIONS}/{id}"), &moved).await.is(200).json();
    assert_eq!(items(&changed)[0]["channelId"], other.id.as_str());
    assert_eq!(items(&changed)[0]["id"], id);
    let mut moved_socket = other.socket().await;
    calls::play(&platform, "ring-group", &["--speed", "50", "--seed", "8"]).await;
    let frame = moved_socket.until("the end of a leg", is_row).await;
    assert_eq!(frame["data"]["content"]["userKey"], keys[1].as_str());
    // Whatever had been on its way would come before the answer to a ping.
    tokio::time::timeout(SOON, socket.ping(b"?")).await.expect("the first socket lives");
    assert_eq!(socket.frames.len(), 1, "{:#?}", socket.frames);

    // Somebody else's subscription does not exist; the own one goes once.
    let subscription = format!("{SUBSCRIPTIONS}/{id}");
    member.delete(&subscription).await.error(404, "NOT_FOUND");
    member.put(&subscription, &moved).await.error(404, "NOT_FOUND");
    admin.post(SUBSCRIPTIONS, &body).await.is(201);
    let back = json!({"accountKey": platform.account(), "channelId": channel.id});
    admin.put(&subscription, &back).await.error(409, "CONFLICT");
    admin.delete(&subscription).await.is(204);
    admin.delete(&subscription).await.error(404, "NOT_FOUND");
}

#[tokio::test]
async fn who_stopped_ringing_has_a_row_while_others_talk_and_a_crash_doubles_none() {
    let mut platform = Platform::start_with(&["--clock", "virtual"]).await;
    let admin = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let call = platform.call("ring-group", &["--seed", "7"]);
    calls::first_space(&call).await;
    calls::advance(&platform, "6s").await;
    let path =
        format!("{CALLS}?accountKey={}&extension=1001&extension=1002&extension=1003", platform.account());
    let causes = async |session: &Session| {
        let page = session.get(&path).await.is(200).json();
        let mut causes: Vec<u64> =
            items(&page).iter().map(|row| row["hangupCause"].as_u64().unwrap()).collect();
        causes.sort_unstable();
        causes
    };
    assert_eq!(causes(&admin).await, [19, 19], "two have stopped, the third talks");
    platform.kill9().await;
    platform.restart().await;
    assert_eq!(causes(&admin).await, [19, 19, 41], "the third was cut off");
}
