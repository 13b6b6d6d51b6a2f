//! Writes calls into a web service: makes a record of a call, changes it later, and looks for one whose answer was lost.
//! What to send stands in `sources.toml` or in a preset.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use serde_json_path::JsonPath;
use tokio::time::Instant;

use super::{
    Failure,
    config::Source,
    guarded::SharedBudget,
    http::{Service, encoded, nodes, text},
};
use crate::people::limits::{ANSWER_BYTES_MAX, WRITE_DEADLINE};

/// Which calls are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogCalls {
    /// Those that somebody answered.
    Answered,
    /// Missed ones too.
    All,
}

/// The three requests of a service that takes calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// Makes the record of a call.
    pub create: Request,
    /// Changes it.
    pub update: Request,
    /// Finds it, after the answer of `create` was lost. Not needed where `create` is a PUT, which can be repeated.
    pub find: Option<Request>,
}

/// A request with blanks to fill in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub body: Option<String>,
    /// JSON path of the record's id in the answer, or in the item.
    pub id: Option<String>,
    /// For services that only list: JSON path of the items of the answer …
    pub items: Option<String>,
    /// … and of the text in an item that holds the call's id.
    pub holds: Option<String>,
}

/// What the blanks stand for, by name.
pub type Values = BTreeMap<String, String>;

/// Why a service did not take a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub failure: Failure,
    /// The same request would be refused again.
    pub is_final: bool,
}

impl Refusal {
    fn passing(failure: Failure) -> Self {
        Self { failure, is_final: false }
    }
}

/// A service that takes calls.
pub struct Writer {
    pub name: String,
    pub which: LogCalls,
    service: Service,
    write: Write,
    deadline: Duration,
    /// Shared with the look-ups of this source.
    budget: SharedBudget,
}

impl Writer {
    /// None for a source to which no calls are to be written.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub(super) fn new(
        source: &Source,
        token: SecretString,
        budget: SharedBudget,
    ) -> Result<Option<Self>, reqwest::Error> {
        let (Some(which), Some(write)) = (source.log_calls, source.http.write.clone()) else {
            return Ok(None);
        };
        let service = Service::new(source.clone(), token)?;
        Ok(Some(Self { name: source.name.clone(), which, service, write, deadline: WRITE_DEADLINE, budget }))
    }

    /// Makes the record of a call; its id.
    ///
    /// # Errors
    /// [`Refusal`]. Unless it is final, the record may be there all the same.
    pub async fn create(&self, contact: &str, values: &Values) -> Result<String, Refusal> {
        let answer = self.send(&self.write.create, contact, "", values).await?;
        id_in(&answer, &self.write.create, values).ok_or(Refusal::passing(Failure::Unreadable))
    }

    /// Changes the record of a call.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn update(&self, record: &str, contact: &str, values: &Values) -> Result<(), Refusal> {
        self.send(&self.write.update, contact, record, values).await.map(|_| ())
    }

    /// The record of a call, if there is one. None too where the request that makes it can be repeated.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn find(&self, contact: &str, values: &Values) -> Result<Option<String>, Refusal> {
        let Some(find) = &self.write.find else { return Ok(None) };
        match self.send(find, contact, "", values).await {
            Ok(answer) => Ok(id_in(&answer, find, values)),
            Err(Refusal { failure: Failure::Status(404), .. }) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    async fn send(
        &self,
        request: &Request,
        contact: &str,
        record: &str,
        values: &Values,
    ) -> Result<Value, Refusal> {
        if !self.budget.lock().take(Instant::now()) {
            return Err(Refusal::passing(Failure::Budget));
        }
        let http = &self.service.source.http;
        let value = |name: &str| match name {
            "id" => Some(contact),
            "record" => Some(record),
            "site" => http.site.as_deref(),
            "user" => http.user.as_deref(),
            name => values.get(name).map(String::as_str),
        };
        let method = Method::from_bytes(request.method.as_bytes()).unwrap_or(Method::POST);
        let built = self.service.client.request(method, fill(&request.url, value, encoded));
        let mut built = self.service.authorized(built).timeout(self.deadline);
        if let Some(body) = &request.body {
            built = built.header("content-type", "application/json").body(fill(body, value, in_json));
        }
        let answer = built.send().await.map_err(|error| unanswered(&error))?;
        judge(answer.status())?;
        let long = answer.content_length().is_some_and(|length| length > ANSWER_BYTES_MAX as u64);
        if long {
            return Err(Refusal::passing(Failure::Unreadable));
        }
        let bytes = answer.bytes().await.map_err(|error| unanswered(&error))?;
        // Some answer a change with nothing.
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|_| Refusal::passing(Failure::Unreadable))
    }
}

fn unanswered(error: &reqwest::Error) -> Refusal {
    Refusal::passing(if error.is_timeout() { Failure::Slow } else { Failure::Unreachable })
}

fn judge(status: StatusCode) -> Result<(), Refusal> {
    match status {
        status if status.is_success() => Ok(()),
        // A person can mend a token or a right without touching the call.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Refusal::passing(Failure::Refused)),
        StatusCode::TOO_MANY_REQUESTS => Err(Refusal::passing(Failure::Budget)),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => Err(Refusal::passing(Failure::Slow)),
        status => {
            let failure = Failure::Status(status.as_u16());
            Err(Refusal { failure, is_final: status.is_client_error() })
        }
    }
}

fn id_in(answer: &Value, request: &Request, values: &Values) -> Option<String> {
    let id = |within: &Value| nodes(within, request.id.as_deref()?).into_iter().find_map(text);
    let Some(items) = &request.items else { return id(answer) };
    let (call, holds) = (values.get("call")?, request.holds.as_deref()?);
    let is_ours =
        |item: &&Value| nodes(item, holds).into_iter().filter_map(text).any(|text| text.contains(call));
    nodes(answer, items).into_iter().find(is_ours).and_then(id)
}

/// Puts values in the place of `{name}`, once: what a value says is never read as a blank. Other braces stay.
fn fill<'a>(
    template: &str,
    value: impl Fn(&str) -> Option<&'a str>,
    encode: impl Fn(&str) -> String,
) -> String {
    let (mut filled, mut rest) = (String::new(), template);
    while let Some(start) = rest.find('{') {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let name = rest[1..].split('}').next().unwrap_or_default();
        let is_name = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        match value(name).filter(|_| is_name && rest.len() > name.len() + 1) {
            Some(value) => {
                filled.push_str(&encode(value));
                rest = &rest[name.len() + 2..];
            }
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled + rest
}

/// A text as it stands between the quotation marks of JSON.
fn in_json(value: &str) -> String {
    let quoted = Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

impl Write {
    /// What is wrong with it.
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let requests =
            [("create", Some(&self.create)), ("update", Some(&self.update)), ("find", self.find.as_ref())];
        for (name, request) in requests.into_iter().filter_map(|(name, request)| Some((name, request?))) {
            if !["GET", "POST", "PUT", "PATCH"].contains(&request.method.as_str()) {
                wrong.push(format!("write.{name}: method is GET, POST, PUT or PATCH"));
            }
            if !super::config::is_safe(&request.url) {
                wrong.push(format!(
                    "write.{name}: url must begin with https://, or with http:// on this machine"
                ));
            }
            for path in [&request.id, &request.items, &request.holds].into_iter().flatten() {
                if let Err(error) = JsonPath::parse(path) {
                    wrong.push(format!("write.{name}: {path} is no JSON path: {error}"));
                }
            }
            if request.id.is_none() && name != "update" {
                let what = "set id to the JSON path of the record's id in the answer";
                wrong.push(format!("write.{name}: {what}"));
            }
            if request.items.is_some() != request.holds.is_some() {
                wrong.push(format!("write.{name}: set both of items and holds"));
            }
        }
        if self.find.is_none() && self.create.method != "PUT" {
            wrong.push(
                "write.find is missing: without it a call whose answer was lost would be written twice"
                    .to_owned(),
            );
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_filled_once_and_nothing_else() {
        let value = |name: &str| match name {
            "notes" => Some("say \"{site}\"\n"),
            "site" => Some("acme"),
            _ => None,
        };
        let filled = fill("{\"a\": \"{notes}\", \"b\": {\"c\": \"{site}{unknown}\"}}", value, in_json);
        let json: Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(json, serde_json::json!({"a": "say \"{site}\"\n", "b": {"c": "acme{unknown}"}}));
        assert_eq!(fill("x?q={notes}&{", value, encoded), "x?q=say+%22%7Bsite%7D%22%0A&{");
        assert_eq!(fill("{site", value, encoded), "{site");
    }

    #[test]
    fn what_could_write_twice_is_refused() {
        let request = |method: &str| Request {
            method: method.to_owned(),
            url: "https://crm.example/calls".to_owned(),
            body: None,
            id: Some("$.id".to_owned()),
            items: None,
            holds: None,
        };
        let write = |method: &str| Write { create: request(method), update: request("PATCH"), find: None };
        assert!(write("POST").check()[0].contains("written twice"));
        assert_eq!(write("PUT").check(), Vec::<String>::new());
        let mut wrong = write("PUT");
        wrong.update.url = "http://crm.example/".to_owned();
        wrong.create.id = None;
        assert_eq!(wrong.check().len(), 2);
    }
}
