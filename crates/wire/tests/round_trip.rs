//! Every example message survives a round trip through its type without losing a member, and so it does with
//! members and enum values that no type has heard of.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wire::call_events::{self, CallEvent};
use wire::notification::{Frame, WebhookBody};
use wire::{Page, call_history, channel, directory, error, oauth, recording, report};

type Check = fn(&Value) -> Result<Value, serde_json::Error>;

fn through<T: Serialize + DeserializeOwned>(value: &Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(serde_json::from_value::<T>(value.clone())?)
}

/// A frame, and its content through the type that its source names.
fn frame(value: &Value) -> Result<Value, serde_json::Error> {
    let mut frame: Frame = serde_json::from_value(value.clone())?;
    frame.data.content = content(&frame.data.source, &frame.data.kind, &frame.data.content)?;
    serde_json::to_value(frame)
}

fn webhook(value: &Value) -> Result<Value, serde_json::Error> {
    let mut body: WebhookBody = serde_json::from_value(value.clone())?;
    body.content = content(&body.source, &body.kind, &body.content)?;
    serde_json::to_value(body)
}

fn content(source: &str, kind: &str, content: &Value) -> Result<Value, serde_json::Error> {
    match (source, kind) {
        (call_events::SOURCE, _) => through::<CallEvent>(content),
        (report::SOURCE, report::REPORT_SUMMARY) => through::<report::Summary>(content),
        ("call-history", _) => through::<call_history::HistoryCall>(content),
        ("recording-service", _) => through::<recording::RecordingNotification>(content),
        _ => Ok(content.clone()),
    }
}

fn frames(value: &Value) -> Result<Value, serde_json::Error> {
    value.as_array().expect("an array of frames").iter().map(frame).collect()
}

/// The type of each file, by the longest prefix that fits.
#[rustfmt::skip]
const TYPES: &[(&str, Check)] = &[
    ("admin-account-users", through::<directory::AdminUsers>),
    ("admin-me", through::<directory::AdminMe>),
    ("call-events-subscription-207", through::<call_events::SubscriptionResults>),
    ("call-events-subscription-400", through::<error::ApiError>),
    ("call-events-subscription-request", through::<call_events::SubscriptionRequest>),
    ("call-events-subscriptions-get", through::<call_events::SubscribedKeys>),
    ("call-history-response", through::<Page<call_history::HistoryCall>>),
    ("call-history-subscription-request", through::<call_history::SubscriptionRequest>),
    ("call-history-subscription-response", through::<call_history::Subscriptions>),
    ("channel-create-webhook-request", through::<channel::ChannelRequest>),
    ("channel-create-ws-request", through::<channel::ChannelRequest>),
    ("channel-create-webhook-response", through::<channel::Channel>),
    ("channel-create-ws-response", through::<channel::Channel>),
    ("channel-lifetime", through::<channel::ChannelLifetime>),
    ("channel-refresh-ws-response", through::<channel::Channel>),
    ("channel-webhook-unreachable", through::<channel::Channel>),
    ("channels-list-response", through::<Page<channel::Channel>>),
    ("conversation-space-events-response", through::<Page<CallEvent>>),
    ("conversation-spaces-response", through::<Page<CallEvent>>),
    ("error-", through::<error::ApiError>),
    ("oauth-error", through::<oauth::OAuthError>),
    ("oauth-token", through::<oauth::TokenResponse>),
    ("recording-content", through::<recording::RecordingContent>),
    ("recording-status", through::<recording::RecordingStatus>),
    ("recording-subscription-201", through::<recording::Subscription>),
    ("recording-subscription-request", through::<recording::SubscriptionRequest>),
    ("report-inbound", through::<report::Report>),
    ("report-queue", through::<report::Report>),
    ("report-voicemail", through::<report::Report>),
    ("report-subscription-201", through::<report::Subscriptions>),
    ("report-subscription-request", through::<report::SubscriptionRequest>),
    ("report-subscriptions-get", through::<report::SubscribedKeys>),
    ("report-summaries", through::<Page<report::Summary>>),
    ("scim-me", through::<directory::ScimMe>),
    ("transcription", through::<recording::Transcription>),
    ("users-lines", through::<Page<directory::Line>>),
    ("users-list", through::<Page<directory::User>>),
    ("users-me", through::<Page<directory::MyAccount>>),
    ("voice-admin-extensions", through::<Page<directory::Extension>>),
    ("voice-admin-phone-numbers", through::<Page<directory::PhoneNumber>>),
    ("webhook-", webhook),
    ("ws-call-events-", frames),
    ("ws-", frame),
];

fn examples() -> Vec<(String, Value, Check)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/examples");
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("the examples are there") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let value = serde_json::from_slice(&fs::read(&path).expect("readable")).expect("JSON");
        let check = TYPES
            .iter()
            .filter(|(prefix, _)| name.starts_with(prefix))
            .max_by_key(|(prefix, _)| prefix.len())
            .unwrap_or_else(|| panic!("{name} has no type"));
        all.push((name, value, check.1));
    }
    all
}

#[test]
fn all_82_examples_keep_every_member() {
    let examples = examples();
    assert_eq!(examples.len(), 82);
    for (name, value, check) in examples {
        let back = check(&value).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(back, value, "{name}");
    }
}

#[test]
fn unknown_members_survive_in_every_object() {
    for (name, mut value, check) in examples() {
        add_members(&mut value);
        let back = check(&value).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(back, value, "{name}");
    }
}

#[test]
fn unknown_enum_values_survive() {
    let mut changed = 0;
    for (name, mut value, check) in examples() {
        changed += rename_enums(&mut value);
        let back = check(&value).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(back, value, "{name}");
    }
    assert!(changed > 400, "only {changed} values were renamed");
}

fn add_members(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(add_members);
            members.insert("memberOfTheFuture".into(), json!({"deep": [1, null, "x"]}));
        }
        Value::Array(items) => items.iter_mut().for_each(add_members),
        _ => {}
    }
}

fn rename_enums(value: &mut Value) -> usize {
    match value {
        Value::Object(members) => members
            .iter_mut()
            .map(|(key, value)| match (key.as_str(), &*value) {
                ("value" | "direction" | "callerOutcome" | "callInitiator", Value::String(text))
                    if text.chars().all(|c| c.is_ascii_uppercase() || c == '_') =>
                {
                    *value = json!(format!("NEW_{text}"));
                    1
                }
                _ => rename_enums(value),
            })
            .sum(),
        Value::Array(items) => items.iter_mut().map(rename_enums).sum(),
        _ => 0,
    }
}

#[test]
fn both_spellings_of_a_web_socket_channel_are_read() {
    for body in [
        json!({"channelType": "WebSocket"}),
        json!({"channelType": "WebSockets"}),
        json!({"channelData": {"channelType": "WebSockets", "isConnected": false}}),
    ] {
        let request: channel::ChannelRequest = serde_json::from_value(body).expect("a request");
        assert!(request.kind().is_some_and(|kind| kind.starts_with("WebSocket")));
    }
}

#[test]
fn a_ttl_may_be_text() {
    let data = json!({"source": "s", "type": "t", "content": {}, "ttl": "30"});
    let data: wire::notification::FrameData = serde_json::from_value(data).expect("frame data");
    assert_eq!(data.ttl, Some(wire::notification::Ttl::Text("30".into())));
}
