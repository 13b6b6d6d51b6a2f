//! The document holds for the spec's examples, and names every route of the router.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};
use url::Url;

use super::examples;
use crate::router;

/// What each example is, by the longest prefix of its name that fits: a component, or a place in the document.
#[rustfmt::skip]
const KINDS: &[(&str, &str)] = &[
    ("admin-account-users", "/paths/~1admin~1rest~1v1~1accounts~1{account_key}~1users/get/responses/200"),
    ("admin-me", "AdminMe"),
    ("call-events-subscription-207", "CallEventsSubscriptionResults"),
    ("call-events-subscription-400", "ApiError"),
    ("call-events-subscription-request", "/paths/~1call-events~1v1~1subscriptions/post/requestBody"),
    ("call-events-subscriptions-get", "CallEventsSubscribedKeys"),
    ("call-history-response", "/paths/~1call-history~1v1~1calls/get/responses/200"),
    ("call-history-subscription-request", "/paths/~1call-history~1v1~1subscriptions/post/requestBody"),
    ("call-history-subscription-response", "CallHistorySubscriptions"),
    ("channel-create-webhook-request", "/paths/~1notification-channel~1v1~1channels~1{name}/post/requestBody"),
    ("channel-create-ws-request", "/paths/~1notification-channel~1v1~1channels~1{name}/post/requestBody"),
    ("channel-", "Channel"),
    ("channel-lifetime", "ChannelLifetime"),
    ("channels-list-response", "/paths/~1notification-channel~1v1~1channels/get/responses/200"),
    ("conversation-space-events", "/paths/~1call-events~1v1~1conversation-spaces~1{id}~1events/get/responses/200"),
    ("conversation-spaces", "/paths/~1call-events~1v1~1conversation-spaces/get/responses/200"),
    ("error-", "ApiError"),
    ("oauth-error", "OAuthError"),
    ("oauth-token", "TokenResponse"),
    ("recording-content", "RecordingContent"),
    ("recording-status", "RecordingStatus"),
    ("recording-subscription-201", "RecordingSubscription"),
    ("recording-subscription-request", "/paths/~1recording~1v1~1subscriptions/post/requestBody"),
    ("report-", "Report"),
    ("report-subscription-201", "ReportSubscriptions"),
    ("report-subscription-request", "/paths/~1call-events-report~1v1~1subscriptions/post/requestBody"),
    ("report-subscriptions-get", "ReportSubscribedKeys"),
    ("report-summaries", "/paths/~1call-events-report~1v1~1report-summaries/get/responses/200"),
    ("scim-me", "ScimMe"),
    ("transcription", "Transcription"),
    ("users-lines", "/paths/~1users~1v1~1lines/get/responses/200"),
    ("users-list", "/paths/~1users~1v1~1users/get/responses/200"),
    ("users-me", "/paths/~1users~1v1~1me/get/responses/200"),
    ("voice-admin-extensions", "/paths/~1voice-admin~1v1~1extensions/get/responses/200"),
    ("voice-admin-phone-numbers", "/paths/~1voice-admin~1v1~1phone-numbers/get/responses/200"),
    ("webhook-", "WebhookBody"),
    ("ws-", "Frame"),
];

fn document() -> Value {
    let (_, operations) = router::routes();
    super::describe(&operations, &Url::parse("https://calls.example.com").expect("a URL"))
}

fn validator(document: &Value, schema: &Value) -> jsonschema::Validator {
    let mut schema = schema.clone();
    schema["components"] = document["components"].clone();
    jsonschema::validator_for(&schema).expect("a JSON Schema of draft 2020-12")
}

fn schema_of(document: &Value, kind: &str) -> Value {
    if kind.starts_with('/') {
        let place = format!("{kind}/content/application~1json/schema");
        return document.pointer(&place).unwrap_or_else(|| panic!("no {place}")).clone();
    }
    assert!(document["components"]["schemas"][kind].is_object(), "no component {kind}");
    json!({"$ref": format!("#/components/schemas/{kind}")})
}

/// The component that `content` of a notification is.
fn content_kind(notification: &Value) -> Option<&'static str> {
    let minimal = notification["content"].as_object().is_some_and(|content| content.len() == 1);
    match notification["source"].as_str()? {
        "call-events" => Some("CallEvent"),
        "call-events-report" if !minimal => Some("Summary"),
        "call-history" => Some("HistoryCall"),
        "recording-service" => Some("RecordingNotification"),
        _ => None,
    }
}

/// Every message of an example with its kind, contents of notifications besides.
fn messages(name: &str, example: Value) -> Vec<(&'static str, Value)> {
    let kind = KINDS.iter().filter(|(prefix, _)| name.starts_with(prefix)).max_by_key(|kind| kind.0.len());
    let kind = kind.unwrap_or_else(|| panic!("{name} has no kind")).1;
    let items = match example {
        Value::Array(items) => items,
        one => vec![one],
    };
    let mut all = Vec::new();
    for item in items {
        let notification = if kind == "Frame" { item["data"].clone() } else { item.clone() };
        if matches!(kind, "Frame" | "WebhookBody") {
            all.extend(content_kind(&notification).map(|kind| (kind, notification["content"].clone())));
        }
        all.push((kind, item));
    }
    all
}

fn check_examples(change: impl Fn(&mut Value)) {
    let document = document();
    let mut validators = BTreeMap::new();
    let names: Vec<String> = examples::names().collect();
    assert_eq!(names.len(), 82);
    for name in names {
        let example = examples::read(&name).expect("an example");
        for (kind, mut message) in messages(&name, example) {
            let validator =
                validators.entry(kind).or_insert_with(|| validator(&document, &schema_of(&document, kind)));
            change(&mut message);
            let errors: Vec<String> = validator.iter_errors(&message).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{name} is no {kind}: {errors:?}");
        }
    }
}

#[test]
fn all_82_examples_fit_their_schemas() {
    check_examples(|_| {});
}

#[test]
fn members_of_the_future_are_allowed_everywhere() {
    check_examples(add_members);
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

#[test]
fn a_message_that_lacks_what_is_always_there_does_not_fit() {
    let document = document();
    for (name, kind, pointer, member) in [
        ("report-inbound-call.json", "Report", "/participants/0", "legId"),
        ("ws-call-event-inbound-1-starting.json", "Frame", "/data", "source"),
        ("webhook-call-event.json", "WebhookBody", "", "id"),
        ("channel-create-ws-response.json", "Channel", "/channelData", "channelType"),
        ("oauth-token-response.json", "TokenResponse", "", "expires_in"),
    ] {
        let mut example = examples::read(name).expect("an example");
        let object = example.pointer_mut(pointer).and_then(Value::as_object_mut).expect("an object");
        object.remove(member).expect("the member is there");
        assert!(
            !validator(&document, &schema_of(&document, kind)).is_valid(&example),
            "{name} without {member}"
        );
    }
}

#[test]
fn each_example_of_the_document_fits_the_schema_beside_it() {
    let document = document();
    let mut checked = 0;
    walk(&document["paths"], &mut |object| {
        if let (Some(schema), Some(example)) = (object.get("schema"), object.get("example")) {
            let errors: Vec<_> =
                validator(&document, schema).iter_errors(example).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{example:#}: {errors:?}");
            checked += 1;
        }
    });
    assert!(checked > 40, "{checked}");
}

#[test]
fn references_lead_somewhere_and_operations_have_names_of_their_own() {
    let document = document();
    let mut references = 0;
    walk(&document, &mut |object| {
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            let place = reference.strip_prefix('#').expect("within the document");
            assert!(document.pointer(place).is_some(), "{reference}");
            references += 1;
        }
    });
    assert!(references > 300, "{references}");
    let mut names = HashSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let name = operation["operationId"].as_str().expect("a name").to_owned();
            assert!(names.insert(name), "{method} {path}: its operationId is taken");
            let answers = operation["responses"].as_object().expect("responses");
            assert!(answers.keys().any(|status| status.starts_with(['1', '2', '3'])), "{method} {path}");
            for scope in operation["security"].as_array().into_iter().flatten().map(|s| &s["oauth2"][0]) {
                let known =
                    &document["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"];
                assert!(scope.is_null() || known["scopes"][scope.as_str().expect("text")].is_string());
            }
        }
    }
}

fn walk(value: &Value, look: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            look(object);
            object.values().for_each(|value| walk(value, look));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, look)),
        _ => {}
    }
}

/// Paths of a router. It has no list to ask for, but prints one.
fn printed_paths<S>(router: &axum::Router<S>) -> BTreeSet<String> {
    let printed = format!("{router:?}");
    let texts = printed.split('"').skip(1).step_by(2);
    texts.filter(|text| text.starts_with('/')).map(str::to_owned).collect()
}

#[test]
fn the_router_and_the_document_name_the_same_paths() {
    let (router, operations) = router::routes();
    let documented: BTreeSet<String> = operations.iter().map(|operation| operation.path.clone()).collect();
    assert!(documented.len() > 50, "{}", documented.len());
    let pages = printed_paths(&router::pages());
    assert!(pages.contains("/login") && pages.is_disjoint(&documented), "{pages:?}");
    let all = printed_paths(&router);
    assert_eq!(all, documented.union(&pages).cloned().collect());
}
