//! What can go wrong: one entry a fault, with its parameters, their bounds, and why a client may meet it.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::delivery::OnDelivery;
use super::grant::OnGrant;
use super::http::OnRequest;
use super::reach::Channels;
use super::states::{self, Shape};
use super::webhook::{self, OnWebhook};
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
    /// How surely a client of the live service meets it: begins with one of the words that docs/faults.md explains.
    pub why: &'static str,
    pub request: Option<OnRequest>,
    pub delivery: Option<OnDelivery>,
    pub grant: Option<OnGrant>,
    pub webhook: Option<OnWebhook>,
    /// It makes sense for the whole account alone.
    pub whole_account: bool,
    /// It strikes requests without a token, which are of no client.
    pub tokenless: bool,
    /// Of the channels that its requests name, it can strike these; see `reach`.
    pub only: Channels,
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
    pub const fn new(name: &'static str, what: &'static str, why: &'static str) -> Self {
        Self {
            name,
            what,
            parameters: &[],
            times: None,
            why,
            request: None,
            delivery: None,
            grant: None,
            webhook: None,
            whole_account: false,
            tokenless: false,
            only: Channels::BOTH,
        }
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

    /// Changes the states of calls, wherever they are told.
    pub const fn states(mut self, shape: Shape) -> Self {
        self.request = Some(states::IN_ANSWERS);
        self.delivery = Some(OnDelivery::State(shape));
        self
    }

    pub const fn grant(mut self, grant: OnGrant) -> Self {
        self.grant = Some(grant);
        self
    }

    pub const fn webhook(mut self, webhook: OnWebhook) -> Self {
        self.webhook = Some(webhook);
        self
    }

    pub const fn whole_account(mut self) -> Self {
        self.whole_account = true;
        self
    }

    pub const fn tokenless(mut self) -> Self {
        self.tokenless = true;
        self
    }

    pub const fn only(mut self, channels: Channels) -> Self {
        self.only = channels;
        self
    }

    pub fn concerns_requests(&self) -> bool {
        self.request.is_some() || self.grant.is_some()
    }

    pub fn concerns_deliveries(&self) -> bool {
        self.delivery.is_some()
    }

    pub fn describe(&self) -> Value {
        let parameters: Vec<Value> = self.parameters.iter().map(Parameter::describe).collect();
        json!({
            "fault": self.name,
            "what": self.what,
            "parameters": parameters,
            "times": self.times,
            "scopes": self.scopes(),
            "why": self.why,
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
                // Some choices are numbers, such as a status.
                let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let chosen = given.map_or_else(|| values[0].to_owned(), text);
                let wrong = || wrong(format!("{} is one of {}.", self.name, values.join(", ")));
                values.contains(&chosen.as_str()).then(|| Value::from(chosen)).ok_or_else(wrong)
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

/// All of them by what they concern, in the order of the documentation.
pub const GROUPS: [(&str, &[Kind]); 10] = [
    ("Deliveries", delivery::KINDS),
    ("Webhooks", webhook::KINDS),
    ("Requests", answers::KINDS),
    ("Signing in", modes::sign_in::KINDS),
    ("Channels", modes::channels::KINDS),
    ("Notifications", modes::frames::KINDS),
    ("Live calls", modes::calls::KINDS),
    ("Course of a call", modes::states::KINDS),
    ("Reports", modes::reports::KINDS),
    ("History and recordings", modes::others::KINDS),
];

pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    GROUPS.into_iter().flat_map(|(_, kinds)| kinds)
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
            let acts = kind.concerns_requests() || kind.concerns_deliveries() || kind.webhook.is_some();
            assert!(acts, "{}", kind.name);
            assert!(kind.what.ends_with('.') && kind.why.ends_with('.'), "{}", kind.name);
            assert!(GROUNDS.iter().any(|ground| kind.why.starts_with(ground)), "{}: {}", kind.name, kind.why);
            assert!(!kind.why.contains(".md"), "{} names a file that its readers do not have", kind.name);
        }
    }

    /// How `why` begins.
    const GROUNDS: [&str; 5] = ["Documented", "Seen", "Sources differ", "Open", "Network"];
    const DOCS: &str = include_str!("../../../../docs/faults.md");

    #[test]
    fn the_documentation_lists_the_catalogue() {
        let mut made = DOCS.to_owned();
        for (title, kinds) in GROUPS {
            let heading = format!("\n## {title}\n\n");
            let start = made.find(&heading).unwrap_or_else(|| panic!("docs/faults.md has no {heading}"));
            let start = start + heading.len();
            let end = made[start..].find("\n\n").map_or(made.len(), |length| start + length + 1);
            let head = "| fault | what a client meets | parameters | scopes | times | why |\n";
            let rows: String =
                kinds.iter().map(|kind| format!("| `{}` | {}\n", kind.name, row(kind))).collect();
            made.replace_range(start..end, &format!("{head}| --- | --- | --- | --- | --- | --- |\n{rows}"));
        }
        if std::env::var_os("CALLFEED_UPDATE_DOCS").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/faults.md");
            std::fs::write(path, &made).expect("the documentation can be written");
            return;
        }
        assert!(made == DOCS, "docs/faults.md is not up to date: run this test with CALLFEED_UPDATE_DOCS=1");
    }

    #[test]
    fn each_open_question_has_its_modes_and_each_such_mode_its_question() {
        let (_, table) = DOCS.split_once("\n## Open questions\n").expect("docs/faults.md lists them");
        let rows: Vec<&str> = table.lines().filter(|line| line.ends_with(" |")).skip(2).collect();
        assert!(rows.len() > 40, "{}", rows.len());
        for row in &rows {
            let answer = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
            assert!(answer.starts_with("none: ") || answer.starts_with('`'), "{row}");
            for name in answer.split('`').skip(1).step_by(2) {
                assert!(find(name).is_some(), "{name}: {row}");
            }
        }
        let names: Vec<&str> = rows.iter().flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
        let open = |kind: &&Kind| kind.why.starts_with("Open") || kind.why.starts_with("Sources differ");
        for kind in kinds().filter(open) {
            assert!(names.contains(&kind.name), "{} answers no question of docs/faults.md", kind.name);
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
        let cells = [kind.what, &parameters.join(", "), &kind.scopes().join(", "), &times, kind.why];
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
