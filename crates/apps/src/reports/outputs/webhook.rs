//! Signed requests (Standard Webhooks 1.0.0) to an address that the owner of the collector names.

use anyhow::Context as _;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderName};
use sdk::SigningSecret;
use url::Url;

use super::{Secret, Taken};
use crate::limits;
use crate::store::changes::Change;

/// `type` of the first text of a report, and of a later one.
const CREATED: &str = "report.created";
const REVISED: &str = "report.revised";

pub(in crate::reports) struct Webhook {
    http: reqwest::Client,
    url: Url,
    secret: SigningSecret,
}

impl Webhook {
    pub(super) fn new(url: Url, secret: &Secret) -> anyhow::Result<Self> {
        let secret = match secret {
            Secret::Environment(name) => {
                let text = std::env::var(name).with_context(|| {
                    format!("the environment variable {name} with the signing secret is not set")
                })?;
                SigningSecret::parse(&text).with_context(|| format!("the environment variable {name}"))?
            }
            Secret::File(path) => SigningSecret::of_file(path)?,
        };
        // Another part of the process may have installed a provider already: any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("callfeed/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits::WEBHOOK_CONNECT_TIMEOUT)
            .timeout(limits::WEBHOOK_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("cannot set up HTTP")?;
        Ok(Self { http, url, secret })
    }

    pub(super) async fn send(&self, change: &Change) -> Taken {
        let (id, body) = (id(change), body(change));
        let now = Timestamp::now().as_second();
        let request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(HeaderName::from_static("webhook-id"), &id)
            .header(HeaderName::from_static("webhook-timestamp"), now)
            .header(HeaderName::from_static("webhook-signature"), self.secret.sign(&id, now, body.as_bytes()))
            .body(body);
        match request.send().await {
            Ok(answer) => judge(answer.status().as_u16()),
            Err(error) if error.is_timeout() => Taken::Down("no answer in time".to_owned()),
            Err(error) if error.is_connect() => Taken::Down("it cannot be reached".to_owned()),
            Err(_) => Taken::Down("the connection broke".to_owned()),
        }
    }
}

/// A receiver that is away or busy gets everything later, in order; what one report alone makes it say is a refusal; a
/// redirection, a wrong address or key and an error of its own can be either.
fn judge(status: u16) -> Taken {
    match status {
        200..300 => Taken::All(String::new()),
        408 | 425 | 429 | 502..=504 => Taken::Down(format!("status {status}")),
        400 | 409 | 411..=424 => Taken::Refused(format!("status {status}")),
        _ => Taken::Failed(format!("status {status}")),
    }
}

/// The same however often the text is sent.
fn id(change: &Change) -> String {
    let report = &change.report;
    format!("{}_{}_{}", report.conversation_space_id, report.account_key, change.revision)
}

/// The report stands in it letter for letter.
fn body(change: &Change) -> String {
    let kind = if change.revision > 1 { REVISED } else { CREATED };
    let changed: Vec<&str> = change.changed.split_whitespace().collect();
    let changed = serde_json::to_string(&changed).expect("text serializes");
    format!(
        r#"{{"type":"{kind}","timestamp":"{}","revision":{},"changed":{changed},"data":{}}}"#,
        change.report.stored, change.revision, change.report.raw
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::outputs::csv_line::tests::change;

    #[test]
    fn the_body_is_json_with_the_report_in_it() {
        let mut change = change("report-inbound-call.json");
        let value: serde_json::Value = serde_json::from_str(&body(&change)).unwrap();
        let report: serde_json::Value = serde_json::from_str(&change.report.raw).unwrap();
        assert_eq!((&value["data"], &value["type"]), (&report, &CREATED.into()));
        (change.revision, change.changed) = (2, "actions callReason".to_owned());
        let value: serde_json::Value = serde_json::from_str(&body(&change)).unwrap();
        assert_eq!(value["changed"], serde_json::json!(["actions", "callReason"]));
        assert!(id(&change).ends_with("_2"));
    }

    #[test]
    fn a_busy_receiver_is_down_and_one_that_says_no_has_refused() {
        assert_eq!(judge(204), Taken::All(String::new()));
        assert!(matches!(judge(503), Taken::Down(_)));
        for status in [400, 409, 413, 422] {
            assert!(matches!(judge(status), Taken::Refused(_)), "{status}");
        }
        for status in [302, 401, 404, 410, 500, 501] {
            assert!(matches!(judge(status), Taken::Failed(_)), "{status}");
        }
    }
}
