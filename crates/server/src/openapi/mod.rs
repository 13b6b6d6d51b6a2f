//! The OpenAPI 3.1 document of the platform, made from the router's own list when the platform starts: schemas come
//! from the types that the handlers read and write, examples from the spec.

pub mod operation;
pub mod parameters;
mod responses;
pub mod routes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use url::Url;
use wire::call_events::CallEvent;
use wire::call_history::HistoryCall;
use wire::notification::{Frame, WebhookBody};
use wire::recording::RecordingNotification;
use wire::report::Summary;

use operation::{Documented, Schemas};

const ABOUT: &str = "The GoTo Connect APIs as Callfeed serves them, with Callfeed's own extras. A request with a \
    method that a path does not take is 405 with `Allow`. Members and enum values that are not listed here can \
    appear at any time: ignore what you do not know. Parameters that are not known are ignored.";

/// The document, as it is sent.
#[derive(Clone)]
pub struct Document {
    bytes: Bytes,
}

impl Document {
    pub fn new(operations: &[Documented], public_url: &Url) -> Self {
        Self { bytes: Bytes::from(describe(operations, public_url).to_string()) }
    }

    pub fn value(&self) -> serde_json::Result<Value> {
        serde_json::from_slice(&self.bytes)
    }
}

/// `GET /openapi.json`.
pub async fn serve(Extension(document): Extension<Arc<Document>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document.bytes.clone()).into_response()
}

fn describe(operations: &[Documented], public_url: &Url) -> Value {
    let settings = || {
        SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
    };
    let requests = settings().for_deserialize().with(|settings| settings.inline_subschemas = true);
    let mut schemas =
        Schemas { requests: requests.into_generator(), answers: settings().for_serialize().into_generator() };
    let mut paths = Map::new();
    let mut tags: Vec<&str> = Vec::new();
    for documented in operations {
        let Documented { method, path, tag, operation } = documented;
        let item = paths.entry(path.clone()).or_insert_with(|| json!({}));
        item[method.as_str().to_lowercase()] = operation.describe(path, tag, &mut schemas);
        if !tags.contains(tag) {
            tags.push(tag);
        }
    }
    let responses = responses::all(&mut schemas.answers);
    let webhooks = webhooks(&mut schemas);
    let origin = public_url.as_str().trim_end_matches('/');
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Callfeed", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0"}},
        "servers": [{"url": origin}],
        "tags": tags.iter().map(|tag| json!({"name": tag})).collect::<Vec<_>>(),
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": schemas.answers.take_definitions(true),
            "responses": responses,
            "securitySchemes": security_schemes(origin),
        },
    })
}

/// What channels carry: no path of ours answers these types, so they are named here.
fn webhooks(schemas: &mut Schemas) -> Value {
    let answers = &mut schemas.answers;
    for make in [
        |g: &mut _| Frame::reference(g),
        CallEvent::reference,
        Summary::reference,
        HistoryCall::reference,
        RecordingNotification::reference,
    ] {
        make(answers);
    }
    let body = answers.subschema_for::<WebhookBody>();
    json!({"notification": {"post": {
        "operationId": "notification",
        "summary": "A notification, as webhook channels deliver it",
        "description": "On a WebSocket the same stands in `data` of a `Frame`. `content` is a `CallEvent` from \
            `call-events`, a `Summary` from `call-events-report`, a `HistoryCall` from `call-history` and a \
            `RecordingNotification` from `recording-service`.",
        "security": [],
        "requestBody": {"required": true, "content": {"application/json": {
            "schema": body, "example": examples::read("webhook-call-event.json")}}},
        "responses": {"204": {"description": "Received; any 2xx will do."}},
    }}})
}

/// Adds a type to the components.
trait Referenced: schemars::JsonSchema {
    fn reference(generator: &mut schemars::SchemaGenerator) {
        generator.subschema_for::<Self>();
    }
}

impl<T: schemars::JsonSchema> Referenced for T {}

fn security_schemes(origin: &str) -> Value {
    let scopes: Map<String, Value> =
        wire::scope::ALL.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
    json!({
        "oauth2": {"type": "oauth2", "description": "Authorization code flow, with PKCE if the client likes.",
            "flows": {"authorizationCode": {
                "authorizationUrl": format!("{origin}/oauth/authorize"),
                "tokenUrl": format!("{origin}/oauth/token"),
                "refreshUrl": format!("{origin}/oauth/token"),
                "scopes": scopes,
            }}},
        "bearer": {"type": "http", "scheme": "bearer", "description": "An access token."},
        "client": {"type": "http", "scheme": "basic", "description": "Id and secret of an OAuth client."},
    })
}

/// Members of `patch` go into `target`, objects member by member.
fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(target.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (target, patch) => *target = patch.clone(),
    }
}

/// The spec's example messages.
mod examples {
    use rust_embed::RustEmbed;
    use serde_json::Value;

    #[derive(RustEmbed)]
    #[folder = "$CARGO_MANIFEST_DIR/../wire/tests/examples"]
    struct Files;

    /// `None` for an empty name.
    ///
    /// # Panics
    /// For a name that is not there, when the router is made.
    pub fn read(name: &str) -> Option<Value> {
        let name = Some(name).filter(|name| !name.is_empty())?;
        let file = Files::get(name).expect("a route names an example that is there");
        Some(serde_json::from_slice(&file.data).expect("examples are JSON"))
    }

    #[cfg(test)]
    pub fn names() -> impl Iterator<Item = String> {
        Files::iter().map(|name| name.into_owned())
    }
}
