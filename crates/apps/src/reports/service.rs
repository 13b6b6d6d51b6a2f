//! What collecting needs of the phone system, so that the same code runs against the real one and against a simulated one
//! with a time of its own.

use jiff::Timestamp;
use sdk::pull::Span;
use sdk::{Client, Error};
use wire::report::Report;

pub(super) trait Service: Clone + Send + Sync + 'static {
    /// Its time, by which calls begin and end.
    fn now(&self) -> Timestamp;

    /// Ids of the calls of an account that ended within a span, newest first.
    fn ended_within(
        &self,
        account_key: &str,
        span: Span,
    ) -> impl Future<Output = Result<Vec<String>, Error>> + Send;

    /// The report of a call, with its text as it came.
    fn full_report(&self, id: &str) -> impl Future<Output = Result<(Report, String), Error>> + Send;
}

impl Service for Client {
    fn now(&self) -> Timestamp {
        Client::now(self)
    }

    async fn ended_within(&self, account_key: &str, span: Span) -> Result<Vec<String>, Error> {
        let summaries = self.report_summaries(account_key, span.from, span.to).await?;
        Ok(summaries.into_iter().map(|summary| summary.conversation_space_id).collect())
    }

    async fn full_report(&self, id: &str) -> Result<(Report, String), Error> {
        self.report(id).await
    }
}
