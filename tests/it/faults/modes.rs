//! Modes of answers: what an answer looks like under each, and that the next one is as usual.

use reqwest::Method;
use serde_json::{Value, json};

use super::{add, body, end_of, full_channel, office, play, struck};
use crate::harness::calls::Channel;
use crate::harness::{Answer, Platform, Session, Socket, http};

/// A mode, a request, and what its answer shows under the mode and not otherwise.
struct Row {
    mode: &'static str,
    set: Value,
    method: &'static str,
    /// With `{space}` and so on.
    path: &'static str,
    /// What else the query has.
    query: String,
    body: Value,
    shows: fn(&Answer) -> bool,
}

fn get(mode: &'static str, path: &'static str, shows: fn(&Answer) -> bool) -> Row {
    Row { mode, set: json!({}), method: "GET", path, query: String::new(), body: Value::Null, shows }
}

fn put(
    mode: &'static str,
    method: &'static str,
    path: &'static str,
    body: Value,
    shows: fn(&Answer) -> bool,
) -> Row {
    Row { mode, set: json!({}), method, path, query: String::new(), body, shows }
}

const NEW: &str = "/notification-channel/v1/channels/mode";
const LIVE: &str = "/call-events/v1/subscriptions";
const REPORTS: &str = "/call-events-report/v1/subscriptions";
const REPORT: &str = "/call-events-report/v1/reports/{space}";
const SUMMARIES: &str =
    "/call-events-report/v1/report-summaries?startTime={from}&endTime={to}&accountKey={account}";
const EVENTS: &str = "/call-events/v1/conversation-spaces/{space}/events";
const HISTORY: &str = "/call-history/v1/calls?accountKey={account}&extension=1001&extension=1002&extension=1003\
    &extension=1004&extension=1005";

/// Summaries with this outcome.
fn filter(mode: &'static str, outcome: &str, shows: fn(&Answer) -> bool) -> Row {
    Row { query: format!("&conversationCallerOutcome={outcome}"), ..get(mode, SUMMARIES, shows) }
}

fn first(answer: &Answer) -> Value {
    body(answer)["items"][0].clone()
}

fn channel_rows() -> Vec<Row> {
    let socket = || json!({"channelType": "WebSockets"});
    let life = || json!({"channelType": "WebSockets", "channelLifetime": 60});
    vec![
        put("channel-url-top-level", "POST", NEW, socket(), |a| body(a)["channelURL"].is_string()),
        Row {
            set: json!({"lagMs": 120_000}),
            ..get("channel-list-lag", "/notification-channel/v1/channels", |a| body(a)["items"] == json!([]))
        },
        put("lifetime-ignored", "POST", NEW, life(), |a| body(a)["channelLifetime"] != 60),
        put("lifetime-10800", "POST", NEW, socket(), |a| body(a)["channelLifetime"] == 10_800),
        put("channel-quota", "POST", NEW, socket(), |a| a.status == 409),
        put("strict-nickname", "POST", "/notification-channel/v1/channels/a_b", socket(), |a| {
            a.status == 400
        }),
        get("nickname-read-missing", NEW, |a| a.status == 404),
        put("empty-refresh-refused", "PUT", "{channel}", Value::Null, |a| a.status == 400),
        put(
            "lifetime-put-refused",
            "PUT",
            "{channel}/channel-lifetime",
            json!({"channelLifetime": 600}),
            |a| a.status == 400,
        ),
        get("callback-url", "{channel}", |a| body(a)["callbackURL"].is_string()),
    ]
}

fn call_rows() -> Vec<Row> {
    let gone = "/call-events/v1/subscriptions?channelId={bare}";
    let live = json!({"channelId": "{id}", "accountKeys": [{"id": "{account}"}]});
    let by_line = json!({"channelId": "{id}", "lineIds": [{"id": "{line}"}]});
    vec![
        Row {
            set: json!({"lagMs": 120_000}),
            ..get("subscription-list-lag", "/call-events/v1/subscriptions?channelId={id}", |a| {
                body(a)["accountKeys"].as_array().is_none_or(Vec::is_empty)
            })
        },
        get("empty-keys-listed", "/call-events/v1/subscriptions?channelId={bare}", |a| {
            body(a)["accountKeys"] == json!([])
        }),
        get("new-error-code", "/call-events-report/v1/reports/none", |a| {
            a.status == 404 && body(a)["errorCode"] == "RTC-UNHEARD-OF"
        }),
        get("empty-lists-left-out", REPORT, |a| !a.text.contains("[]")),
        put("line-subscription-refused", "POST", LIVE, by_line, |a| a.status == 400),
        put("resubscribe-conflict", "POST", LIVE, live, |a| a.status == 409),
        put("unsubscribe-always-204", "DELETE", gone, Value::Null, |a| a.status == 204),
        put("constraints-key", "POST", REPORTS, json!({"channelId": "{id}"}), |a| {
            body(a)["constraints"].is_array()
        }),
        get("events-bare", EVENTS, |a| first(a)["sequenceNumber"] == 1),
        get("events-gone", EVENTS, |a| a.status == 404),
        get(
            "sequence-exclusive",
            "/call-events/v1/conversation-spaces/{space}/events?sequenceFrom=2&sequenceTo=4",
            |a| body(a)["items"].as_array().unwrap().len() == 1,
        ),
        Row {
            set: json!({"number": "sip:caller@example.com"}),
            ..get("caller-number", REPORT, |a| a.text.contains("sip:caller@example.com"))
        },
        get("new-members", REPORT, |a| body(a)["newMember"]["level"] == 1),
        get("new-values", REPORT, |a| {
            a.text.contains("CONFERENCED")
                && a.text.contains("CONFERENCE_BRIDGE")
                && body(a)["callInitiator"] == "CLICK_TO_CALL"
        }),
        get("timestamps", REPORT, |a| body(a)["callCreated"].as_str().is_some_and(|at| at.len() == 30)),
    ]
}

fn report_rows() -> Vec<Row> {
    let keys = json!({"channelId": "{id}", "accountKeys": ["{account}"]});
    let history = json!({"accountKey": "{account}", "channelId": "{bare}"});
    let audio = "/recording/v1/recordings/{recording}/content/{token}";
    vec![
        put("report-subscription-200", "POST", REPORTS, keys, |a| a.status == 200),
        get("participant-id", REPORT, |a| body(a)["participants"][0]["participantId"].is_string()),
        get("nulls-in-answers", SUMMARIES, |a| body(a).get("nextPageMarker") == Some(&Value::Null)),
        Row { set: json!({"size": 1}), ..get("page-size", SUMMARIES, |a| body(a)["pageSize"] == 1) },
        Row {
            set: json!({"marker": "empty"}),
            ..get("last-page-marker", SUMMARIES, |a| body(a)["nextPageMarker"] == "")
        },
        get("last-page-marker", SUMMARIES, |a| body(a).get("nextPageMarker") == Some(&Value::Null)),
        get(
            "marker-expired",
            "/call-events-report/v1/report-summaries?startTime={from}&endTime={to}&accountKey={account}&pageSize=1&pageMarker={marker}",
            |a| a.status == 400,
        ),
        get("truncated-report", REPORT, |a| !a.text.contains("ENDING")),
        get("truncated-report", SUMMARIES, |a| first(a)["callerOutcome"] == "TRUNCATED"),
        get(
            "marker-forgets-filters",
            "/call-events-report/v1/report-summaries?startTime={from}&endTime={to}&accountKey={account}\
             &pageSize=1&pageMarker={marker}&conversationCallerOutcome=LEFT_QUEUE",
            |a| body(a)["items"].as_array().unwrap().len() == 1,
        ),
        get(
            "summaries-by-start",
            "/call-events-report/v1/report-summaries?startTime={from}&endTime={ended}&accountKey={account}",
            |a| body(a)["items"].as_array().unwrap().len() == 2,
        ),
        get("no-answer-outcome", SUMMARIES, |a| a.text.contains("NO_ANSWER")),
        get("unknown-outcome", SUMMARIES, |a| first(a)["callerOutcome"] == "UNKNOWN"),
        filter("no-answer-outcome", "NO_ANSWER", |a| first(a)["callerOutcome"] == "NO_ANSWER"),
        filter("no-answer-outcome", "MISSED", |a| first(a) == Value::Null),
        filter("truncated-report", "TRUNCATED", |a| first(a)["callerOutcome"] == "TRUNCATED"),
        filter("truncated-report", "NORMAL", |a| first(a) == Value::Null),
        filter("unknown-outcome", "UNKNOWN", |a| first(a)["callerOutcome"] == "UNKNOWN"),
        filter("unknown-outcome", "MISSED", |a| first(a) == Value::Null),
        put("history-subscription-200", "POST", "/call-history/v1/subscriptions", history, |a| {
            a.status == 200
        }),
        get("history-seconds", HISTORY, |a| first(a)["duration"].as_u64().is_some_and(|s| s < 20)),
        get("history-old-ids", HISTORY, |a| {
            first(a)["legId"].as_str().is_some_and(|id| id.ends_with("-1563304741.6043"))
        }),
        get("recording-documented", "/recording/v1/recordings/{recording}/content", |a| {
            body(a)["expires"].is_string()
        }),
        get("recording-not-uploaded", "/recording/v1/recordings/{recording}", |a| {
            body(a)["status"] == "UPLOADING"
        }),
        get("recording-not-uploaded", "/recording/v1/recordings/{recording}/content", |a| a.status == 400),
        Row { method: "BARE", ..get("content-needs-token", audio, |a| a.status == 401) },
        get("capital-page-marker", "/recording/v1/subscriptions?pageSize=1", |a| {
            body(a)["NextPageMarker"].is_string()
        }),
        get("not-admin", "/admin/rest/v1/me", |a| body(a)["errorCode"] == "not.authenticated"),
        get("user-permissions", "/users/v1/me", |a| {
            first(a)["permissions"][0].is_string() && first(a)["outboundPhoneNumbers"][0].is_string()
        }),
        Row {
            set: json!({"form": "objects"}),
            ..get("user-permissions", "/users/v1/me", |a| first(a)["permissions"][0]["name"].is_string())
        },
        get("scim-no-accounts", "/identity/v1/Users/me", |a| !a.text.contains("\"accounts\"")),
    ]
}

/// The things that paths and bodies name.
struct Names(Vec<(&'static str, String)>);

impl Names {
    fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

async fn names(platform: &Platform, session: &Session) -> Names {
    let channel = full_channel(platform, session, "mode").await;
    let bare = Channel::create(session, "mode").await;
    let body = json!({"accountKey": platform.account(), "channelId": bare.id});
    session.post("/recording/v1/subscriptions", &body).await.is(201);
    play(platform, "missed").await;
    let space = play(platform, "answered").await;
    let report = platform.report(session, &space).await;
    let legs = report["participants"].as_array().unwrap();
    let recording = legs.iter().find_map(|leg| leg["recordings"][0]["id"].as_str()).unwrap().to_owned();
    let line = legs.iter().find_map(|leg| leg["type"]["lineId"].as_str()).unwrap().to_owned();
    let content = session.get(&format!("/recording/v1/recordings/{recording}/content")).await.is(200);
    let now = jiff::Timestamp::now();
    let hour = jiff::SignedDuration::from_hours(1);
    let mut names = Names(vec![
        ("channel", channel.path.clone()),
        ("id", channel.id.clone()),
        ("bare", bare.id.clone()),
        ("account", platform.account().to_owned()),
        ("space", space),
        ("recording", recording),
        ("line", line),
        ("token", content.text_of("/token/token")),
        ("ended", report["callEnded"].as_str().unwrap().to_owned()),
        ("from", (now - hour).to_string()),
        ("to", (now + hour).to_string()),
    ]);
    let page = session.get(&names.fill(&format!("{SUMMARIES}&pageSize=1"))).await.is(200);
    names.0.push(("marker", page.text_of("/nextPageMarker")));
    names
}

async fn request(platform: &Platform, session: &Session, names: &Names, row: &Row) -> Answer {
    let path = names.fill(row.path) + &row.query;
    if row.method == "BARE" {
        return Answer::of(&path, http().get(format!("{}{path}", platform.base))).await;
    }
    let request = session.request(row.method.parse::<Method>().unwrap(), &path);
    let request = match &row.body {
        Value::Null => request,
        body => request.header("content-type", "application/json").body(names.fill(&body.to_string())),
    };
    Answer::of(&format!("{} {path}", row.method), request).await
}

async fn check(rows: Vec<Row>) {
    let (platform, session) = office().await;
    let names = names(&platform, &session).await;
    for row in rows {
        let fault = json!({"fault": row.mode, "parameters": row.set, "times": 1});
        let id = add(&platform, &fault).await;
        let answer = request(&platform, &session, &names, &row).await;
        assert!((row.shows)(&answer), "{}: {} {}", row.mode, answer.status, answer.text);
        assert_eq!(struck(&answer), row.mode, "{} {}", answer.status, answer.text);
        assert_eq!(end_of(&platform, &id).await, ("times".to_owned(), 1), "{}", row.mode);
        let usual = request(&platform, &session, &names, &row).await;
        assert!(!(row.shows)(&usual), "{} has ended: {} {}", row.mode, usual.status, usual.text);
        assert_eq!(struck(&usual), "", "{}", row.mode);
    }
}

#[tokio::test]
async fn channels_answer_otherwise() {
    check(channel_rows()).await;
}

#[tokio::test]
async fn live_calls_answer_otherwise() {
    check(call_rows()).await;
}

#[tokio::test]
async fn reports_history_and_recordings_answer_otherwise() {
    check(report_rows()).await;
}

#[tokio::test]
async fn a_subscription_is_deleted_with_200() {
    let (platform, session) = office().await;
    let channel = Channel::subscribed(&platform, &session, "deleted").await;
    add(&platform, &json!({"fault": "unsubscribe-200", "times": 1})).await;
    let live = session.delete(&format!("{LIVE}?channelId={}", channel.id)).await.is(200);
    assert_eq!(live.json(), json!({}));
    session.delete(&format!("{REPORTS}?channelId={}", channel.id)).await.is(204);
}

#[tokio::test]
async fn a_second_socket_is_refused_and_the_first_goes_on() {
    let (platform, session) = office().await;
    let channel = Channel::subscribed(&platform, &session, "second").await;
    let mut first = channel.socket().await;
    assert_eq!(first.ping(b"there").await, b"there");
    let fault = json!({"fault": "second-socket-refused", "channelId": channel.id, "times": 1});
    let id = add(&platform, &fault).await;
    assert!(Socket::try_connect(&channel.url).await.is_err(), "refused");
    let space = play(&platform, "answered").await;
    first.call(&space).await;
    assert_eq!(end_of(&platform, &id).await.1, 1);
    let mut second = channel.socket().await;
    assert_eq!(first.close_code().await, Some(1000), "as usual, the second takes over");
    let space = play(&platform, "answered").await;
    second.call(&space).await;
}

#[tokio::test]
async fn two_sockets_share_a_channel_while_the_mode_lasts() {
    let (platform, session) = office().await;
    let channel = Channel::subscribed(&platform, &session, "shared").await;
    let mut first = channel.socket().await;
    assert_eq!(first.ping(b"there").await, b"there");
    let id = add(&platform, &json!({"fault": "sockets-share", "channelId": channel.id, "times": 1})).await;
    let mut second = channel.socket().await;
    assert_eq!(second.ping(b"there").await, b"there");
    assert_eq!(end_of(&platform, &id).await, ("times".to_owned(), 1));
    for _ in 0..2 {
        let space = play(&platform, "answered").await;
        let (one, other) = (first.call(&space).await, second.call(&space).await);
        let data = |frames: &[Value]| frames.iter().map(|frame| frame["data"].clone()).collect::<Vec<_>>();
        assert_eq!(data(&one), data(&other), "both get everything");
    }
    let mut third = channel.socket().await;
    assert_eq!((first.close_code().await, second.close_code().await), (Some(1000), Some(1000)));
    let space = play(&platform, "answered").await;
    third.call(&space).await;
}
