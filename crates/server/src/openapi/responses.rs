//! Errors that operations share, each with the spec's example (spec/errors-and-limits.md).

use schemars::generate::SchemaGenerator;
use serde_json::{Map, Value, json};
use wire::error::ApiError;

use super::examples;

/// Status, name among the components, what it means, the spec's example.
const ERRORS: [(u16, &str, &str, &str); 12] = [
    (
        400,
        "BadRequest",
        "The request is malformed, or a value is wrong or missing.",
        "error-400-required.json",
    ),
    (401, "Unauthorized", "The token is not valid.", "error-401-invalid-token.json"),
    (403, "Forbidden", "No token, a scope is lacking, or the user may not do this.", "error-403-scope.json"),
    (404, "NotFound", "No such thing, or not visible to the user.", "error-404.json"),
    (406, "NotAcceptable", "`Accept` does not allow JSON.", ""),
    (408, "RequestTimeout", "The body did not arrive in time.", ""),
    (409, "Conflict", "It exists already, or there are too many.", "error-409.json"),
    (413, "PayloadTooLarge", "The body is too large.", ""),
    (415, "UnsupportedMediaType", "The body is no JSON.", ""),
    (429, "TooManyRequests", "Too many requests a second.", "error-429.json"),
    (500, "UnknownError", "Something failed that is not the caller's doing.", "error-500.json"),
    (
        503,
        "Unavailable",
        "Not now; try again. Any request is answered so while there are too many connections.",
        "error-503.json",
    ),
];

/// Name of a shared error among the components.
///
/// # Panics
/// For a status that no operation has, when the router is made.
pub fn name(status: u16) -> &'static str {
    let known = ERRORS.iter().find(|error| error.0 == status);
    known.map(|error| error.1).expect("every status that a route names stands in the table")
}

/// All of them, for the components.
pub fn all(schemas: &mut SchemaGenerator) -> Value {
    let mut all = Map::new();
    for (status, name, text, example) in ERRORS {
        let mut content = json!({"schema": schemas.subschema_for::<ApiError>()});
        if let Some(example) = examples::read(example) {
            content["example"] = example;
        }
        let mut error = json!({"description": text, "content": {"application/json": content}});
        if matches!(status, 429 | 503) {
            error["headers"]["Retry-After"] = json!({
                "description": "Seconds to wait.", "required": true, "schema": {"type": "integer", "minimum": 0}
            });
        }
        all.insert(name.to_owned(), error);
    }
    Value::Object(all)
}
