//! Asks a web service for the contacts of a number, and reads them out of its JSON.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, StatusCode, redirect::Policy};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::{
    Failure,
    config::{Listed, Source},
};
use crate::people::{
    contact::Contact,
    limits::{ANSWER_BYTES_MAX, ANSWER_CONTACTS_MAX},
    number::Number,
    text::tidy,
};

/// A web service.
pub struct Service {
    pub(super) source: Source,
    pub(super) client: Client,
    token: SecretString,
}

impl Service {
    /// # Errors
    /// When the client cannot be made.
    pub fn new(source: Source, token: SecretString) -> Result<Self, reqwest::Error> {
        // A redirect would carry the token elsewhere.
        let client = Client::builder().redirect(Policy::none()).build()?;
        Ok(Self { source, client, token })
    }

    /// The contacts that the service finds for a number, without what further requests tell.
    ///
    /// # Errors
    /// [`Failure`] in words for a card.
    pub async fn find(&self, number: &Number) -> Result<Vec<Contact>, Failure> {
        let http = &self.source.http;
        let url = http.url.as_deref().unwrap_or_default();
        let Some(answer) = self.ask(url, http.method.as_deref(), http.body.as_deref(), number, "").await?
        else {
            return Ok(Vec::new());
        };
        let items = nodes(&answer, http.items.as_deref().unwrap_or("$[*]"));
        Ok(items.into_iter().take(ANSWER_CONTACTS_MAX).map(|item| self.contact(item)).collect())
    }

    pub(super) async fn ask(
        &self,
        url: &str,
        method: Option<&str>,
        body: Option<&str>,
        number: &Number,
        id: &str,
    ) -> Result<Option<Value>, Failure> {
        let url = self.filled(url, number, id);
        let request = match method {
            Some("POST") => self.client.post(url),
            _ => self.client.get(url),
        };
        let request = self.authorized(request);
        let request = match body {
            Some(body) => {
                request.header("content-type", "application/json").body(self.plain(body, number, id))
            }
            None => request,
        };
        let response = request.send().await.map_err(|_| Failure::Unreachable)?;
        match response.status() {
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Failure::Refused),
            StatusCode::TOO_MANY_REQUESTS => return Err(Failure::Budget),
            status if !status.is_success() => return Err(Failure::Status(status.as_u16())),
            _ => {}
        }
        let mut bytes = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| Failure::Unreachable)?;
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Failure::Unreadable);
            }
            bytes.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|_| Failure::Unreadable)
    }

    pub(super) fn authorized(&self, mut request: RequestBuilder) -> RequestBuilder {
        let http = &self.source.http;
        let secret = |text: &str| {
            let user = http.user.as_deref().unwrap_or_default();
            text.replace("{user}", user).replace("{token}", self.token.expose_secret())
        };
        for (name, value) in http.headers.iter().flatten() {
            request = request.header(name, secret(value));
        }
        if let Some(basic) = &http.basic {
            request = request.header("authorization", format!("Basic {}", STANDARD.encode(secret(basic))));
        }
        request
    }

    /// A template of a URL: what is put in is encoded.
    fn filled(&self, template: &str, number: &Number, id: &str) -> String {
        fill(template, &self.values(number, id), encoded)
    }

    /// A template of a JSON body: what is put in stands in a text.
    fn plain(&self, template: &str, number: &Number, id: &str) -> String {
        fill(template, &self.values(number, id), |value| {
            let text = serde_json::to_string(value).expect("a text is JSON");
            text[1..text.len() - 1].to_owned()
        })
    }

    pub(super) fn values(&self, number: &Number, id: &str) -> [(&'static str, String); 7] {
        let (e164, national) = match number {
            Number::Phone(phone) => (phone.e164.clone(), phone.national.clone()),
            Number::Digits { digits, .. } => (digits.clone(), digits.clone()),
            Number::Withheld | Number::Text(_) => Default::default(),
        };
        let digits = e164.trim_start_matches('+').to_owned();
        let site = self.source.http.site.clone().unwrap_or_default();
        let now = Timestamp::now();
        [
            ("{now}", now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            ("{now_ms}", now.as_millisecond().to_string()),
            ("{e164}", e164),
            ("{digits}", digits),
            ("{national}", national),
            ("{site}", site),
            ("{id}", id.to_owned()),
        ]
    }

    fn contact(&self, item: &Value) -> Contact {
        let http = &self.source.http;
        let all = |field: &str| -> Vec<String> {
            let paths = http.fields.iter().flat_map(|fields| fields.get(field)).flatten();
            paths.flat_map(|path| nodes(item, path)).filter_map(text).collect()
        };
        let joined = |field: &str| tidy(&all(field).join(" "));
        let reference = joined("id");
        let values = self.values(&Number::Withheld, &reference);
        Contact {
            source: self.source.name.clone(),
            name: joined("name"),
            company: joined("company"),
            tier: joined("tier"),
            email: joined("email"),
            notes: joined("notes"),
            link: http.link.as_deref().map(|link| fill(link, &values, encoded)).unwrap_or_default(),
            numbers: all("phone"),
            tickets: here(&http.tickets).and_then(|_| self.tickets_in(item, &reference)),
            appointments: here(&http.appointments)
                .map(|_| self.appointments_in(item, &reference))
                .unwrap_or_default(),
            other: http.facts.as_ref().map(|paths| facts(item, paths)).unwrap_or_default(),
            reference,
        }
    }
}

/// What stands in the contact itself.
fn here(listed: &Option<Listed>) -> Option<&Listed> {
    listed.as_ref().filter(|listed| listed.url.is_none())
}

pub(super) fn encoded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

pub(super) fn fill(template: &str, values: &[(&str, String)], encode: impl Fn(&str) -> String) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, &encode(value)))
}

/// Labels and texts; what is not there is left out.
pub(super) fn facts(json: &Value, paths: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let read = |path: &str| match path.strip_prefix("count ") {
        Some(path) => Some(nodes(json, path).len().to_string()),
        None => nodes(json, path).into_iter().find_map(text),
    };
    paths.iter().filter_map(|(label, path)| Some((label.clone(), tidy(&read(path)?)))).collect()
}

pub(super) fn nodes<'a>(json: &'a Value, path: &str) -> Vec<&'a Value> {
    // Paths were checked when the file was read.
    JsonPath::parse(path).map(|path| path.query(json).all()).unwrap_or_default()
}

pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        // The card says it in words, in the language of who looks.
        Value::Bool(is_so) => Some(is_so.to_string()),
        _ => None,
    }
}
