//! Reading for programs that keep everything: a shape that the service has grown hides no call and no report.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;
use wire::report::{Report, Summary};

use crate::client::Client;
use crate::error::Error;
use crate::shape::Misfit;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    conversation_space_id: String,
    #[serde(default)]
    call_ended: Value,
}

/// A call of the list of finished ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedCall {
    pub conversation_space_id: String,
    /// `None` where the list does not say it in a shape that is known.
    pub ended: Option<Timestamp>,
}

impl Client {
    /// The calls of one account that ended within a span of time, newest first; the bounds are those of
    /// [`Client::report_summaries`]. An item that is no [`Summary`] counts all the same if it has a `conversationSpaceId`;
    /// one without is left out. Either is told in the log, each shape once.
    ///
    /// # Errors
    /// See [`crate::ErrorKind`].
    pub async fn ended_calls(
        &self,
        account_key: &str,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Vec<EndedCall>, Error> {
        let items: Vec<Box<RawValue>> = self.summaries(account_key, start, end).await?;
        Ok(items.iter().filter_map(|item| self.listed(item.get())).collect())
    }

    fn listed(&self, item: &str) -> Option<EndedCall> {
        self.inner.novelty.tell_text("report-summaries", item);
        let misfit = |error: serde_json::Error| Misfit::new(item.as_bytes(), &error).kind();
        let named = match serde_json::from_str::<Named>(item) {
            Ok(named) => named,
            Err(error) => {
                let kind = misfit(error);
                if self.inner.told.is_new(format!("listed {kind}")) {
                    tracing::warn!(
                        "a call in the list of finished calls has no usable id and is left out: {kind}"
                    );
                }
                return None;
            }
        };
        if let Err(error) = serde_json::from_str::<Summary>(item) {
            let kind = misfit(error);
            if self.inner.told.is_new(format!("summary {kind}")) {
                tracing::warn!("summaries have a shape that is not known yet, which is borne: {kind}");
            }
        }
        let ended = named.call_ended.as_str().and_then(|text| text.parse().ok());
        Some(EndedCall { conversation_space_id: named.conversation_space_id, ended })
    }

    /// The full report of a finished call as it came: a JSON object, which may lack what a [`Report`] has. That is told in the
    /// log, each shape once.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] when it is not ready yet (try again with a growing pause) or does not exist;
    /// [`crate::ErrorKind::BadAnswer`] when it is no JSON object.
    pub async fn report_text(&self, conversation_space_id: &str) -> Result<String, Error> {
        let text = self.report_answer(conversation_space_id).await?;
        let Err(error) = serde_json::from_str::<Report>(&text) else { return Ok(text) };
        let misfit = Misfit::new(text.as_bytes(), &error);
        if serde_json::from_str::<HashMap<String, IgnoredAny>>(&text).is_err() {
            return Err(Error::bad_answer(format!("reading a report failed: unreadable answer: {misfit}")));
        }
        let kind = misfit.kind();
        if self.inner.told.is_new(format!("report {kind}")) {
            tracing::warn!("reports have a shape that is not known yet; they are kept as they came: {kind}");
        }
        Ok(text)
    }
}
