//! What can go wrong: one entry a fault, with its parameters, their bounds, and where the spec tells of it.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::delivery::OnDelivery;
use super::http::OnRequest;
use super::refresh::OnRefresh;
use super::{answers, delivery, modes};
use crate::error::{ApiError, ApiResult};

/// One thing that can go wrong.
#[derive(Debug)]
pub struct Kind {
    pub name: &'static str,
    /// What a client meets, in one sentence.
    pub what: &'static str,
    pub parameters: &'static [Parameter],
    /// Strikes unless asked otherwise; `None`: as many as come in its time.
    pub times: Option<u32>,
    /// Where the spec tells of it.
    pub source: &'static str,
    pub request: Option<OnRequest>,
    pub delivery: Option<OnDelivery>,
    pub refresh: Option<OnRefresh>,
}

/// Something that a fault lets one choose.
#[derive(Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub what: &'static str,
    pub bounds: Bounds,
}

#[derive(Debug)]
pub enum Bounds {
    Number {
        min: u64,
        max: u64,
        default: u64,
    },
    /// The first is the default.
    Choice(&'static [&'static str]),
    /// `METHOD /path`, either of them alone, or nothing for every path; `*` stands for one segment, and what
    /// follows the path's end fits too.
    Endpoint(&'static str),
}

/// The endpoint of a fault that can be put on any.
pub const ENDPOINT: Parameter = Parameter {
    name: "endpoint",
    what: "METHOD /path, or either; * is one segment; empty: every API path",
    bounds: Bounds::Endpoint(""),
};

impl Kind {
    /// An empty entry to be filled.
    pub const fn new(name: &'static str, what: &'static str, source: &'static str) -> Self {
        let (request, delivery, refresh) = (None, None, None);
        Self { name, what, parameters: &[], times: None, source, request, delivery, refresh }
    }

    pub const fn with(mut self, parameters: &'static [Parameter]) -> Self {
        self.parameters = parameters;
        self
    }

    pub const fn once(mut self) -> Self {
        self.times = Some(1);
        self
    }

    pub const fn request(mut self, request: OnRequest) -> Self {
        self.request = Some(request);
        self
    }

    pub const fn delivery(mut self, delivery: OnDelivery) -> Self {
        self.delivery = Some(delivery);
        self
    }

    pub const fn refresh(mut self, refresh: OnRefresh) -> Self {
        self.refresh = Some(refresh);
        self
    }

    pub fn concerns_requests(&self) -> bool {
        self.request.is_some() || self.refresh.is_some()
    }

    pub fn concerns_deliveries(&self) -> bool {
        self.delivery.is_some()
    }

    /// Scopes besides `all`: a notification is for a channel, whoever made that; a refresh knows no channel.
    pub fn scopes(&self) -> &'static [&'static str] {
        match (self.delivery.is_some(), self.refresh.is_some()) {
            (true, _) => &["channel", "all"],
            (_, true) => &["client", "all"],
            _ => &["channel", "client", "all"],
        }
    }

    pub fn describe(&self) -> Value {
        let parameters: Vec<Value> = self.parameters.iter().map(Parameter::describe).collect();
        json!({
            "fault": self.name,
            "what": self.what,
            "parameters": parameters,
            "times": self.times,
            "scopes": self.scopes(),
            "source": self.source,
        })
    }

    /// Reads parameters; those that are not given have their default.
    ///
    /// # Errors
    /// 400 for an unknown name and a value out of bounds.
    pub fn read(&self, given: &Map<String, Value>) -> ApiResult<HashMap<&'static str, Value>> {
        let known = |name: &str| self.parameters.iter().any(|parameter| parameter.name == name);
        if let Some(name) = given.keys().find(|name| !known(name)) {
            return Err(ApiError::bad_request(&format!("parameters.{name}"), "INVALID")
                .with_message(format!("{} has no parameter {name}.", self.name)));
        }
        let read = |parameter: &Parameter| Ok((parameter.name, parameter.read(given.get(parameter.name))?));
        self.parameters.iter().map(read).collect()
    }
}

impl Parameter {
    fn describe(&self) -> Value {
        let mut told = json!({"name": self.name, "what": self.what});
        match self.bounds {
            Bounds::Number { min, max, default } => {
                told["min"] = json!(min);
                told["max"] = json!(max);
                told["default"] = json!(default);
            }
            Bounds::Choice(values) => {
                told["values"] = json!(values);
                told["default"] = json!(values[0]);
            }
            Bounds::Endpoint(default) => told["default"] = json!(default),
        }
        told
    }

    fn read(&self, given: Option<&Value>) -> ApiResult<Value> {
        let wrong = |says: String| {
            ApiError::bad_request(&format!("parameters.{}", self.name), "INVALID").with_message(says)
        };
        match self.bounds {
            Bounds::Number { min, max, default } => {
                // The command line knows text only.
                let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
                let number = given.map_or(Some(default), number).filter(|n| (min..=max).contains(n));
                number.map(Value::from).ok_or_else(|| wrong(format!("{} is {min} to {max}.", self.name)))
            }
            Bounds::Choice(values) => {
                let chosen = given.map_or(Some(values[0]), Value::as_str).filter(|v| values.contains(v));
                let wrong = || wrong(format!("{} is one of {}.", self.name, values.join(", ")));
                chosen.map(Value::from).ok_or_else(wrong)
            }
            Bounds::Endpoint(default) => {
                let fits = |text: &&str| {
                    let path = text.split_once(' ').map_or(*text, |(_, path)| path);
                    path.is_empty() || path.starts_with('/') || path.bytes().all(|b| b.is_ascii_uppercase())
                };
                let text = given.map_or(Some(default), Value::as_str).filter(fits);
                let wrong = || wrong("endpoint is such as GET /call-events-report/v1/reports.".to_owned());
                text.map(Value::from).ok_or_else(wrong)
            }
        }
    }
}

/// All of them, in the order of the documentation.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    let groups: [&'static [Kind]; 8] = [
        delivery::KINDS,
        answers::KINDS,
        modes::sign_in::KINDS,
        modes::channels::KINDS,
        modes::frames::KINDS,
        modes::calls::KINDS,
        modes::reports::KINDS,
        modes::others::KINDS,
    ];
    groups.into_iter().flatten()
}

pub fn find(name: &str) -> Option<&'static Kind> {
    kinds().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_each_does_something() {
        let mut names: Vec<&str> = kinds().map(|kind| kind.name).collect();
        assert!(names.len() > 50, "{}", names.len());
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for kind in kinds() {
            assert!(kind.concerns_requests() || kind.concerns_deliveries(), "{}", kind.name);
            assert!(kind.what.ends_with('.') && kind.source.contains(".md"), "{}", kind.name);
        }
    }

    #[test]
    fn the_documentation_lists_the_catalogue() {
        let text = include_str!("../../../../docs/faults.md");
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        // Paths stand in another table, with their methods.
        let told: Vec<(&str, &str)> =
            rows.filter_map(|row| row.split_once("` | ")).filter(|(name, _)| !name.contains(' ')).collect();
        let expected: Vec<&str> = kinds().map(|kind| kind.name).collect();
        let names: Vec<&str> = told.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, expected, "docs/faults.md has one row a fault, in the order of the catalogue");
        for (kind, (_, rest)) in kinds().zip(told) {
            assert_eq!(rest, row(kind), "the row of {} in docs/faults.md", kind.name);
        }
    }

    /// A row of the table behind the name.
    fn row(kind: &Kind) -> String {
        let parameter = |one: &Parameter| match one.bounds {
            Bounds::Number { min, max, default } => format!("`{}` {default} ({min} to {max})", one.name),
            Bounds::Choice(values) => format!("`{}` {}", one.name, values.join(" / ")),
            Bounds::Endpoint(default) => format!("`{}` {default}", one.name).trim_end().to_owned(),
        };
        let parameters: Vec<String> = kind.parameters.iter().map(parameter).collect();
        let times = kind.times.map_or_else(|| "–".to_owned(), |times| times.to_string());
        let cells = [kind.what, &parameters.join(", "), &kind.scopes().join(", "), &times, kind.source];
        format!("{} |", cells.join(" | "))
    }

    #[test]
    fn parameters_have_bounds_and_defaults() {
        let slow = find("slow").expect("a slow answer");
        let given = |text: &str| {
            slow.read(serde_json::from_str::<Value>(text).expect("JSON").as_object().expect("{}"))
        };
        assert_eq!(given("{}").expect("defaults")["delayMs"], 5000);
        assert_eq!(given(r#"{"delayMs": "7"}"#).expect("text of a number")["delayMs"], 7);
        assert!(given(r#"{"delayMs": 0}"#).is_err());
        assert!(given(r#"{"endpoint": "reports"}"#).is_err());
        assert!(given(r#"{"pigeon": 1}"#).is_err());
        for fits in ["GET", "/users/v1", "PUT /users/v1/*/lines", ""] {
            assert!(given(&json!({"endpoint": fits}).to_string()).is_ok(), "{fits}");
        }
    }
}
