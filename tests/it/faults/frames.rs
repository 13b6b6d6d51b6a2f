//! Modes of notifications: a channel under each, beside one as usual, hears the same calls.

use serde_json::{Value, json};

use super::{add, clear_all, end_of, full_channel, office, play};
use crate::harness::calls::Channel;
use crate::harness::socket::space_of;
use crate::harness::{Platform, Session, Socket};

/// A mode, and what the frames of a channel show under it and not otherwise.
struct Row {
    mode: &'static str,
    set: Value,
    shows: fn(&[Value]) -> bool,
}

fn row(mode: &'static str, shows: fn(&[Value]) -> bool) -> Row {
    Row { mode, set: json!({}), shows }
}

fn any(frames: &[Value], fits: impl Fn(&Value) -> bool) -> bool {
    frames.iter().any(fits)
}

fn contents<'a>(frames: &'a [Value], source: &'a str) -> impl Iterator<Item = &'a Value> {
    frames
        .iter()
        .filter(move |frame| frame["data"]["source"] == source)
        .map(|frame| &frame["data"]["content"])
}

fn rows() -> Vec<Row> {
    vec![
        row("short-envelope", |frames| {
            frames.iter().all(|f| f.get("event").is_none() && f["data"].get("ttl").is_none())
        }),
        row("ttl-text", |frames| frames.iter().all(|f| f["data"]["ttl"] == "600")),
        row("event-id-goes-on", |frames| frames[0]["eventId"] == 101 && frames[1]["eventId"] == 102),
        row("foreign-notification", |frames| any(frames, |f| f["data"]["source"] == "presence")),
        Row {
            set: json!({"source": "call-events"}),
            ..row("foreign-notification", |frames| {
                any(frames, |f| f["data"]["source"] == "call-events" && f["data"]["type"] == "UNHEARD_OF")
            })
        },
        row("report-of-guide", |frames| {
            let mut reports = contents(frames, "call-events-report");
            reports.all(|content| content.as_object().unwrap().len() == 1)
                && any(frames, |f| f["data"]["type"] == "call-events-report")
        }),
        row("report-with-ai", |frames| {
            contents(frames, "call-events-report").all(|c| c["aiAnalysis"]["sentiment"] == "POSITIVE")
        }),
    ]
}

/// Modes of notifications and answers alike, which the whole account has; what stands together shows beside the others.
fn account_rows() -> [Vec<Row>; 3] {
    let together = vec![
        row("empty-lists-left-out", |frames| {
            let ending = |c: &&Value| c["state"]["type"] == "ENDING";
            contents(frames, "call-events").filter(ending).all(|c| c["state"].get("participants").is_none())
        }),
        row("new-members", |frames| {
            frames
                .iter()
                .all(|f| f["newMember"]["level"] == 1 && f["data"]["content"].get("newMember").is_some())
        }),
        row("new-values", |frames| {
            let text = json!(frames).to_string();
            ["CONFERENCED", "CONFERENCE_BRIDGE", "CLICK_TO_CALL"].iter().all(|word| text.contains(word))
        }),
        Row {
            set: json!({"digits": 0}),
            ..row("timestamps", |frames| {
                contents(frames, "call-events")
                    .all(|c| !c["state"]["timestamp"].as_str().unwrap().contains('.'))
            })
        },
        row("recording-documented", |frames| {
            contents(frames, "recording-service").all(|c| c["recordingId"].is_string())
        }),
        Row {
            // A withheld number of the example office reads otherwise.
            set: json!({"number": "sip:caller@example.com"}),
            ..row("caller-number", |frames| any(frames, |f| f.to_string().contains("sip:caller@example.com")))
        },
        row("no-answer-outcome", |frames| {
            any(frames, |f| f["data"]["content"]["callerOutcome"] == "NO_ANSWER")
        }),
        row("history-seconds", |frames| {
            contents(frames, "call-history").all(|c| c["duration"].as_u64().is_some_and(|s| s < 20))
        }),
        row("history-old-ids", |frames| {
            contents(frames, "call-history").all(|c| c["legId"].as_str().unwrap().ends_with(".6043"))
        }),
        row("hold-names", |frames| {
            let text = json!(frames).to_string();
            text.contains("\"HELD\"") && text.contains("\"IN_PARKING\"") && !text.contains("ON_HOLD")
        }),
    ];
    let truncated = vec![row("truncated-report", |frames| {
        contents(frames, "call-events-report").all(|c| c["callerOutcome"] == "TRUNCATED")
    })];
    let unknown = vec![row("unknown-outcome", |frames| {
        contents(frames, "call-events-report").all(|c| c["callerOutcome"] == "UNKNOWN")
    })];
    [together, truncated, unknown]
}

/// Plays calls, and hears all until the report of the last one.
async fn hear(platform: &Platform, sockets: &mut [Socket], scenarios: &[&str]) -> Vec<Vec<Value>> {
    let mut spaces = Vec::new();
    for scenario in scenarios {
        spaces.push(play(platform, scenario).await);
    }
    let last = spaces.last().cloned().unwrap_or_default();
    let mut heard = Vec::new();
    for socket in sockets {
        let before = socket.frames.len();
        let is_last = |frame: &Value| {
            frame["data"]["source"] == "call-events-report" && space_of(frame) == Some(last.as_str())
        };
        socket.until("the last report", is_last).await;
        heard.push(socket.frames[before..].to_vec());
    }
    heard
}

/// Without what has no value: REST leaves out what is null on a socket.
fn valued(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().filter(|(_, one)| !one.is_null()).map(|(name, one)| (name, valued(one))).collect()
        }
        Value::Array(items) => items.iter().map(valued).collect(),
        other => other.clone(),
    }
}

/// Summaries and call history tell what notifications told.
async fn by_rest_the_same(platform: &Platform, session: &Session, heard: &[Value]) {
    let now = jiff::Timestamp::now();
    let hour = jiff::SignedDuration::from_hours(1);
    let account = platform.account();
    for (source, path) in [
        (
            "call-events-report",
            format!("call-events-report/v1/report-summaries?startTime={}&endTime={}", now - hour, now + hour),
        ),
        (
            "call-history",
            "call-history/v1/calls?extension=1001&extension=1002&extension=1003&extension=1004&extension=1005"
                .to_owned(),
        ),
    ] {
        let page = session.get(&format!("/{path}&accountKey={account}&pageSize=100")).await.is(200).json();
        let told: Vec<Value> = page["items"].as_array().unwrap().iter().map(valued).collect();
        assert!(contents(heard, source).count() > 0, "{source}");
        for content in contents(heard, source) {
            assert!(told.contains(&valued(content)), "{source} has not {content:#}: {told:#?}");
        }
    }
}

const CALLS: [&str; 3] = ["answered", "missed", "internal"];

#[tokio::test]
async fn frames_are_otherwise_for_the_whole_account_until_the_modes_end() {
    let (platform, session) = office().await;
    let mut sockets = [full_channel(&platform, &session, "account").await.socket().await];
    let calls = ["hold", "park-and-pickup", "answered", "missed", "internal"];
    for rows in account_rows() {
        for row in &rows {
            add(&platform, &json!({"fault": row.mode, "parameters": row.set})).await;
        }
        let heard = hear(&platform, &mut sockets, &calls).await.remove(0);
        for row in &rows {
            assert!((row.shows)(&heard), "{}: {heard:#?}", row.mode);
        }
        if rows.iter().any(|row| row.mode == "hold-names") {
            let space = space_of(&heard[0]).expect("the call on hold").to_owned();
            let report = session.get(&format!("/call-events-report/v1/reports/{space}")).await.is(200);
            assert!(report.text.contains("\"HELD\""), "by REST, too: {}", report.text);
            by_rest_the_same(&platform, &session, &heard).await;
        }
        clear_all(&platform).await;
    }
    // What was made before may still be on its way.
    hear(&platform, &mut sockets, &["internal"]).await;
    let healed = hear(&platform, &mut sockets, &calls).await.remove(0);
    for row in account_rows().iter().flatten() {
        assert!(!(row.shows)(&healed), "{} has ended: {healed:#?}", row.mode);
    }
}

#[tokio::test]
async fn frames_are_otherwise_on_the_channel_of_the_mode_alone_and_until_it_ends() {
    let (platform, session) = office().await;
    let mut sockets = Vec::new();
    for row in rows() {
        let channel = full_channel(&platform, &session, row.mode).await;
        let fault = json!({"fault": row.mode, "parameters": row.set, "channelId": channel.id});
        add(&platform, &fault).await;
        sockets.push(channel.socket().await);
    }
    sockets.push(full_channel(&platform, &session, "usual").await.socket().await);
    let heard = hear(&platform, &mut sockets, &CALLS).await;
    let usual = heard.last().unwrap();
    for (row, frames) in rows().iter().zip(&heard) {
        assert!((row.shows)(frames), "{}: {frames:#?}", row.mode);
        assert!(!(row.shows)(usual), "{} shows on a channel that it does not concern", row.mode);
    }
    clear_all(&platform).await;
    // What was made before may still be on its way.
    hear(&platform, &mut sockets, &CALLS).await;
    let healed = hear(&platform, &mut sockets, &CALLS).await;
    for (row, frames) in rows().iter().zip(&healed) {
        assert!(!(row.shows)(frames), "{} has ended: {frames:#?}", row.mode);
    }
}

/// Whether a content has the shape.
type Shows = fn(&Value) -> bool;

#[tokio::test]
async fn a_revision_has_another_content_while_the_mode_lasts() {
    let (platform, session) = office().await;
    let channel = Channel::create(&session, "revised").await;
    let types = ["REPORT_SUMMARY", "REPORT_SUMMARY_REVISION"];
    let keys = json!({"channelId": channel.id, "accountKeys": [platform.account()], "eventTypes": types});
    session.post("/call-events-report/v1/subscriptions", &keys).await.is(201);
    let mut socket = channel.socket().await;
    let mut revised = async || {
        let space = crate::harness::calls::play(&platform, "recording-revision", &["--speed", "100"]).await;
        let is_revision = |frame: &Value| {
            frame["data"]["type"] == "REPORT_SUMMARY_REVISION" && space_of(frame) == Some(space.as_str())
        };
        let frame = socket.until("the revision", is_revision).await;
        frame["data"]["content"].clone()
    };
    let shapes: [(&str, Shows); 3] = [
        ("id", |content| content.as_object().unwrap().len() == 1),
        ("nested", |content| content["reportSummary"]["callerOutcome"].is_string()),
        ("changes", |content| content["changed"].is_array()),
    ];
    for (name, shows) in shapes {
        let fault = json!({"fault": "revision-payload", "parameters": {"content": name}, "times": 1});
        let id = add(&platform, &fault).await;
        let content = revised().await;
        assert!(shows(&content), "{name}: {content:#}");
        assert_eq!(end_of(&platform, &id).await, ("times".to_owned(), 1));
    }
    let usual = revised().await;
    assert!(shapes.iter().all(|(_, shows)| !shows(&usual)), "{usual:#}");
}
