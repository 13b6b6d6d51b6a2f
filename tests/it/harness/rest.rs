//! REST calls with a token, and answers that are asserted where they arrive.

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// Requests of one user of one client.
#[derive(Clone)]
pub struct Session {
    pub token: String,
    base: String,
    http: reqwest::Client,
}

impl Session {
    pub fn new(http: reqwest::Client, base: &str, token: &str) -> Self {
        Self { token: token.to_owned(), base: base.to_owned(), http }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(&format!("GET {path}"), self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(&format!("DELETE {path}"), self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(&format!("POST {path}"), self.request(Method::POST, path).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        Answer::of(&format!("PUT {path}"), self.request(Method::PUT, path).json(body)).await
    }
}

/// An answer with its body read.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    what: String,
}

impl Answer {
    pub async fn of(what: &str, request: RequestBuilder) -> Self {
        let answer = request.send().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap_or_else(|error| panic!("{what}: body: {error}"));
        Self { status, headers, text, what: what.to_owned() }
    }

    /// Exactly this status.
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.what, self.text);
        self
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        let kind = self.header("content-type");
        assert!(kind.starts_with("application/json"), "{}: content type {kind:?}: {}", self.what, self.text);
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.what, self.text))
    }

    /// A JSON member that is a string.
    pub fn text_of(&self, pointer: &str) -> String {
        let json = self.json();
        let value = json.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("{}: no {pointer} in {json}", self.what)).to_owned()
    }

    /// The error body of the APIs (spec/errors-and-limits.md), and nothing beside it.
    pub fn error(self, status: u16, code: &str) -> Value {
        let answer = self.is(status);
        let (json, what) = (answer.json(), &answer.what);
        let members = json.as_object().unwrap_or_else(|| panic!("{what}: no object: {json}"));
        for (name, value) in members {
            match name.as_str() {
                "reference" => {
                    let length = value.as_str().map_or(0, str::len);
                    assert!((24..=32).contains(&length), "{what}: reference {value}");
                }
                "errorCode" => assert_eq!(value, code, "{what}: {json}"),
                "message" => assert_ne!(value.as_str().unwrap_or_default(), "", "{what}: {json}"),
                "constraintViolations" | "constraints" => check_constraints(what, value),
                _ => panic!("{what}: the spec's error body has no {name}: {json}"),
            }
        }
        for name in ["reference", "errorCode", "message"] {
            assert!(members.contains_key(name), "{what}: {name} is missing: {json}");
        }
        json
    }
}

fn check_constraints(what: &str, list: &Value) {
    let items = list.as_array().unwrap_or_else(|| panic!("{what}: not a list: {list}"));
    for item in items {
        assert!(item["field"].is_string() && item["constraint"].is_string(), "{what}: constraint {item}");
    }
}
