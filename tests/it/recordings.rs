//! Recordings and transcripts (spec/call-events.md, Recordings and transcripts): from the call that is recorded
//! to its sound.

use serde_json::{Value, json};

use crate::harness::calls::{self, Channel};
use crate::harness::{Answer, Person, Platform, Session, http};
use crate::tutorial_reports::check_envelope;

const SUBSCRIPTIONS: &str = "/recording/v1/subscriptions";
const SCOPES: &str = "call-events.v1.notifications.manage call-events.v1.events.read cr.v1.read \
    recording.v1.read recording.v1.notifications.manage";
const EVENTS: [&str; 2] = ["RECORDING_UPLOADED", "RECORDING_TRANSCRIPT_UPLOADED"];

async fn sessions(platform: &Platform) -> (Session, Session) {
    let admin = Person::admin(platform).grant(platform, SCOPES).await.session;
    let member = Person::member(platform).grant(platform, SCOPES).await.session;
    (admin, member)
}

/// Plays a recorded call and returns the recording's id, as its report tells it.
async fn recorded(platform: &Platform, admin: &Session) -> String {
    let space = calls::play(platform, "answered", &["--speed", "20", "--record"]).await;
    let report = platform.report(admin, &space).await;
    let legs = report["participants"].as_array().unwrap();
    let leg = legs.iter().find(|leg| leg["recordings"] != json!([])).expect("one leg is recorded");
    assert_eq!(leg["type"]["value"], "LINE");
    assert_eq!(leg["recordings"][0]["id"], leg["transcripts"][0]["id"]);
    leg["recordings"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_recorded_call_is_told_of_and_can_be_heard_and_read() {
    let platform = Platform::start().await;
    let (admin, member) = sessions(&platform).await;
    let channel = Channel::create(&admin, "recordings").await;
    let body = json!({"accountKey": platform.account(), "channelId": channel.id, "eventTypes": EVENTS});
    admin.post(SUBSCRIPTIONS, &body).await.is(201);
    let mut socket = channel.socket().await;
    let id = recorded(&platform, &admin).await;
    let is_transcript = |frame: &Value| frame["data"]["type"] == EVENTS[1];
    socket.until("the transcript", is_transcript).await;
    let kinds: Vec<&Value> = socket.frames.iter().map(|frame| &frame["data"]["type"]).collect();
    assert_eq!(kinds, EVENTS);
    for (place, frame) in socket.frames.iter().enumerate() {
        check_envelope(frame, place + 1);
        assert_eq!(frame["data"]["source"], "recording-service");
        assert_eq!(frame["data"]["content"], json!({"recording_id": id}));
    }

    let path = format!("/recording/v1/recordings/{id}");
    assert_eq!(admin.get(&path).await.is(200).json(), json!({"status": "UPLOADED"}));
    let content = admin.get(&format!("{path}/content")).await.is(200);
    assert_eq!(content.text_of("/status"), "UPLOADED");
    let expires: jiff::Timestamp = content.text_of("/token/expires").parse().unwrap();
    assert!(expires > jiff::Timestamp::now());
    let token = content.text_of("/token/token");
    let by_token = format!("{path}/content/{token}");
    let location = admin.get(&by_token).await.is(302).header("location").to_owned();
    assert!(location.starts_with(&platform.base), "{location}");
    // With or without a bearer token, and whatever is accepted.
    let plain = http().get(format!("{}{by_token}", platform.base)).header("accept", "audio/*");
    Answer::of("content", plain).await.is(302);
    let sound = http().get(&location).send().await.unwrap();
    assert_eq!(
        (sound.status().as_u16(), sound.headers()["content-type"].as_bytes()),
        (200, &b"audio/wav"[..])
    );
    let bytes = sound.bytes().await.unwrap();
    assert!(bytes.starts_with(b"RIFF") && bytes.len() > 44, "{} bytes", bytes.len());

    let answer = admin.get(&format!("/recording/v1/transcriptions/{id}")).await.is(302);
    let transcript = Answer::of("transcript", http().get(answer.header("location"))).await.is(200).json();
    let typed: wire::recording::Transcription = serde_json::from_value(transcript.clone()).unwrap();
    assert_eq!((typed.version.as_str(), typed.results.len()), ("1", 2));
    assert_eq!(serde_json::to_value(&typed).unwrap(), transcript);

    // Another's token gives nothing, and recordings are for super admins.
    admin.get(&format!("/recording/v1/recordings/another/content/{token}")).await.error(404, "NOT_FOUND");
    admin.get(&format!("{path}/content/wrong")).await.error(404, "NOT_FOUND");
    admin.get("/recording-media/v1/wrong/audio.wav").await.error(404, "NOT_FOUND");
    admin.get("/recording/v1/recordings/unknown").await.error(404, "NOT_FOUND");
    for path in [path.clone(), format!("{path}/content"), format!("/recording/v1/transcriptions/{id}")] {
        member.get(&path).await.error(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_subscription_to_recordings_is_made_once_listed_and_deleted() {
    let platform = Platform::start().await;
    let (admin, member) = sessions(&platform).await;
    let channel = Channel::create(&admin, "recordings").await;
    let body = json!({"accountKey": platform.account(), "channelId": channel.id, "eventTypes": EVENTS});
    let made = admin.post(SUBSCRIPTIONS, &body).await.is(201).json();
    let typed: wire::recording::Subscription = serde_json::from_value(made.clone()).unwrap();
    assert!(typed.extra.is_empty() && typed.timestamp.parse::<jiff::Timestamp>().is_ok(), "{made}");
    assert_eq!((&typed.channel_id, &typed.event_types[..]), (&channel.id, &EVENTS.map(str::to_owned)[..]));

    let error = admin.post(SUBSCRIPTIONS, &body).await.error(409, "CONFLICT");
    let constraint = json!([{"field": "channelId", "constraint": "Subscription already exists"}]);
    assert_eq!(error["constraintViolations"], constraint);
    let list = admin.get(SUBSCRIPTIONS).await.is(200).json();
    assert_eq!(list, json!({"pageSize": 50, "items": [made]}));
    assert_eq!(member.get(SUBSCRIPTIONS).await.is(200).json()["items"], json!([]));
    assert_eq!(admin.get(&format!("{SUBSCRIPTIONS}?pageSize=0")).await.is(200).json()["items"], json!([]));
    admin.get(&format!("{SUBSCRIPTIONS}?pageSize=101")).await.error(400, "BAD_REQUEST");

    let path = format!("{SUBSCRIPTIONS}/{}", typed.id);
    member.delete(&path).await.error(404, "NOT_FOUND");
    admin.delete(&path).await.is(204);
    admin.delete(&path).await.error(404, "NOT_FOUND");
    assert_eq!(admin.get(SUBSCRIPTIONS).await.is(200).json()["items"], json!([]));
}

#[tokio::test]
async fn what_may_not_be_recorded_or_asked_is_refused() {
    let platform = Platform::start().await;
    let (admin, member) = sessions(&platform).await;
    let channel = Channel::create(&member, "recordings").await;
    let body = json!({"accountKey": platform.account(), "channelId": channel.id, "eventTypes": EVENTS});
    member.post(SUBSCRIPTIONS, &body).await.error(403, "UNAUTHORIZED");
    let own = Channel::create(&admin, "recordings").await;
    for (body, field) in [
        (json!({"channelId": own.id}), "accountKey"),
        (json!({"accountKey": platform.account()}), "channelId"),
        (
            json!({"accountKey": platform.account(), "channelId": own.id, "eventTypes": ["X"]}),
            "eventTypes[0]",
        ),
    ] {
        let error = admin.post(SUBSCRIPTIONS, &body).await.error(400, "BAD_REQUEST");
        assert_eq!(error["constraintViolations"][0]["field"], field);
    }
    let without = Person::admin(&platform).grant(&platform, "cr.v1.read").await.session;
    for path in [
        SUBSCRIPTIONS,
        "/recording/v1/recordings/x",
        "/recording/v1/recordings/x/content",
        "/recording/v1/transcriptions/x",
    ] {
        without.get(path).await.error(403, "AUTHZ_INSUFFICIENT_SCOPE");
    }
    let missed = calls::play(&platform, "missed", &["--speed", "50", "--record"]).await;
    let report = platform.report(&admin, &missed).await;
    assert!(report["participants"].as_array().unwrap().iter().all(|leg| leg["recordings"] == json!([])));
}
