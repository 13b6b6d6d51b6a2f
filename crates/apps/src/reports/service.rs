//! What collecting needs of the phone system, so that the same code runs against the real one and against a simulated one
//! with a time of its own.

use jiff::Timestamp;
use sdk::pull::Span;
use sdk::{Client, EndedCall, Error};

pub(super) trait Service: Clone + Send + Sync + 'static {
    /// Its time, by which calls begin and end.
    fn now(&self) -> Timestamp;

    /// The calls of an account that ended within a span, newest first.
    fn ended_within(
        &self,
        account_key: &str,
        span: Span,
    ) -> impl Future<Output = Result<Vec<EndedCall>, Error>> + Send;

    /// The text of the report of a call, as it came: a JSON object.
    fn full_report(&self, id: &str) -> impl Future<Output = Result<String, Error>> + Send;

    /// How many reports a second may be asked for at present.
    fn reports_per_s(&self) -> f64;
}

impl Service for Client {
    fn now(&self) -> Timestamp {
        Client::now(self)
    }

    async fn ended_within(&self, account_key: &str, span: Span) -> Result<Vec<EndedCall>, Error> {
        self.ended_calls(account_key, span.from, span.to).await
    }

    async fn full_report(&self, id: &str) -> Result<String, Error> {
        self.report_text(id).await
    }

    fn reports_per_s(&self) -> f64 {
        self.report_requests_per_s()
    }
}
