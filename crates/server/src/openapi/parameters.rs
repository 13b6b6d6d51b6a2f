//! Parameters of queries and paths, with the bounds that the platform enforces.

use serde_json::{Value, json};

use crate::limits;

/// One parameter of a query.
#[derive(Clone)]
pub struct Parameter {
    name: &'static str,
    text: String,
    schema: Value,
    required: bool,
    place: &'static str,
}

impl Parameter {
    pub fn new(name: &'static str, text: impl Into<String>, schema: Value) -> Self {
        Self { name, text: text.into(), schema, required: false, place: "query" }
    }

    /// A text.
    pub fn text(name: &'static str, text: &str) -> Self {
        Self::new(name, text, json!({"type": "string"}))
    }

    /// A text that can be given several times.
    pub fn repeated(name: &'static str, text: &str) -> Self {
        Self::new(name, text, json!({"type": "array", "items": {"type": "string"}}))
    }

    /// The same, with as many different values as one filter may have.
    pub fn filter(name: &'static str, text: &str) -> Self {
        let max = limits::FILTER_VALUES_MAX;
        Self::new(name, text, json!({"type": "array", "items": {"type": "string"}, "maxItems": max}))
    }

    /// ISO 8601 with an offset.
    pub fn instant(name: &'static str, text: &str) -> Self {
        Self::new(name, text, json!({"type": "string", "format": "date-time"}))
    }

    pub fn one_of(name: &'static str, text: &str, values: &[&str]) -> Self {
        Self::new(name, text, json!({"type": "string", "enum": values}))
    }

    pub fn integer(name: &'static str, text: impl Into<String>, min: i64, max: i64) -> Self {
        let schema = json!({"type": "integer", "format": "int64", "minimum": min, "maximum": max});
        Self::new(name, text, schema)
    }

    pub fn header(name: &'static str, text: &str) -> Self {
        Self { place: "header", ..Self::text(name, text) }
    }

    /// The request is 400 without it.
    pub fn required(mut self) -> Self {
        self.required = true;
        if self.schema["type"] == "string" {
            self.schema["minLength"] = json!(1);
        }
        self
    }

    pub fn describe(&self) -> Value {
        json!({
            "name": self.name,
            "in": self.place,
            "description": self.text,
            "required": self.required,
            "schema": self.schema,
        })
    }
}

/// `pageSize` and `pageMarker` of most lists.
pub fn paging() -> [Parameter; 2] {
    paging_from(limits::PAGE_SIZE)
}

/// The same with another default.
pub fn paging_from(default: i64) -> [Parameter; 2] {
    let text =
        format!("Items on a page, {default} unless given; more than {} is cut.", limits::PAGE_SIZE_MAX);
    [Parameter::integer("pageSize", text, 1, i64::MAX), marker()]
}

pub fn marker() -> Parameter {
    Parameter::text("pageMarker", "`nextPageMarker` of the page before; opaque.")
}

pub fn account_key() -> Parameter {
    Parameter::text("accountKey", "Account key; the caller's own unless given.")
}

/// The parameters that a path names, in their order.
pub fn in_path(path: &str) -> impl Iterator<Item = Value> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(|name| {
        json!({
            "name": name,
            "in": "path",
            "description": about(name),
            "required": true,
            "schema": {"type": "string", "minLength": 1},
        })
    })
}

fn about(name: &str) -> &'static str {
    match name {
        "name" => "Nickname of the channel, or the id of a channel without one.",
        "notification" => "Id of a notification.",
        "key" => "User key; an e-mail address works and is deprecated.",
        "account_key" => "Account key.",
        "token" => "Token of the content, good for half an hour.",
        _ => "Id, as other answers tell it.",
    }
}
