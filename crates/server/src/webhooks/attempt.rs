//! One request that tells a receiver of one notification, and what its answer means.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use super::outbound::{Answer, OutboundError};
use super::{Endpoint, at_fault};
use crate::app::App;
use crate::clock::Busy;
use crate::console::{Again, Record, Told};
use crate::store::Entry;

/// What was tried and what came of it.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub at_us: i64,
    pub duration: Duration,
    pub result: Result<Answer, OutboundError>,
}

/// What an attempt means (spec/notification-channel.md, Webhook channels).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 2xx.
    Delivered,
    /// 404 or 410: the receiver is marked as unreachable.
    Gone,
    /// 5xx, no answer in time, no connection: try again.
    Failed,
    /// Another status, or an address that may not be used: trying again at once would not help.
    Refused,
}

impl Attempt {
    pub fn verdict(&self) -> Verdict {
        match &self.result {
            Ok(answer) => verdict_of(answer.status),
            Err(OutboundError::Refused(_)) => Verdict::Refused,
            Err(OutboundError::TimedOut | OutboundError::Failed(_)) => Verdict::Failed,
        }
    }

    pub fn status(&self) -> Option<u16> {
        self.result.as_ref().ok().map(|answer| answer.status.as_u16())
    }

    pub fn retry_after(&self) -> Option<&HeaderValue> {
        self.result.as_ref().ok()?.retry_after.as_ref()
    }

    /// Why no answer came.
    pub fn error(&self) -> Option<String> {
        self.result.as_ref().err().map(ToString::to_string)
    }

    /// What the journal tells of it. `number`: which attempt it was.
    fn for_journal(&self, number: i64) -> Told {
        let status = self.status().map_or_else(|| json!("failed"), |status| json!(status));
        let (error, duration) = (self.error(), self.duration);
        Told { number, status, error, faults: Vec::new(), duration, body: None }
    }

    /// The answer's status, or why there is none.
    pub fn told(&self) -> String {
        match &self.result {
            Ok(answer) => answer.status.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

fn verdict_of(status: StatusCode) -> Verdict {
    match status {
        status if status.is_success() => Verdict::Delivered,
        StatusCode::NOT_FOUND | StatusCode::GONE => Verdict::Gone,
        status if status.is_server_error() => Verdict::Failed,
        _ => Verdict::Refused,
    }
}

/// What a receiver is told.
pub struct Telling {
    id: String,
    body: Bytes,
    /// Signed as if it were another body.
    forged: bool,
}

impl Telling {
    pub fn new(entry: &Entry, body: Bytes, forged: bool) -> Self {
        Self { id: entry.notification_id.clone(), body, forged }
    }
}

/// Tells the receiver of an entry once, and notes on the endpoint what its answer says about it. `number` counts the
/// tries from 1; a fault that keeps the request back waits with `turn`, which a virtual clock then knows of.
pub async fn attempt(
    app: &Arc<App>,
    endpoint: &Arc<Endpoint>,
    entry: &Entry,
    number: i64,
    turn: &mut Busy,
) -> Attempt {
    let bent = app.faults.at_webhooks();
    let at_fault::Bent { attempt, struck, word, body } = match bent {
        false => post(app, endpoint, &Telling::new(entry, entry.webhook_body(), false)).await.into(),
        true => Box::pin(at_fault::attempt(app, endpoint, entry, turn)).await,
    };
    if app.journal.is_on() {
        let mut told = attempt.for_journal(number);
        if let Some(word) = word {
            told.status = json!(word);
        }
        (told.faults, told.body) = (struck, body);
        let (channel_id, nickname) = endpoint.names();
        app.journal.told(&channel_id, &nickname, entry, told);
    }
    note(app, endpoint, &attempt).await;
    if bent && attempt.verdict() == Verdict::Gone {
        Box::pin(at_fault::gone(app, endpoint, entry)).await;
    }
    attempt
}

/// Tells the receiver once more because somebody asks for it in the console; faults leave it alone. The row tells what
/// came of it.
pub fn again(app: &Arc<App>, endpoint: Arc<Endpoint>, record: Arc<Record>, again: &Again) {
    let body = Bytes::from(again.data.clone());
    let telling = Telling { id: again.notification_id.clone(), body, forged: false };
    let of_task = Arc::clone(app);
    app.tasks.spawn(async move {
        let turn = of_task.clock.busy();
        let attempt = post(&of_task, &endpoint, &telling).await;
        of_task.journal.told_again(&record, &attempt.for_journal(1));
        note(&of_task, &endpoint, &attempt).await;
        drop(turn);
    });
}

/// One request.
pub async fn post(app: &App, endpoint: &Endpoint, telling: &Telling) -> Attempt {
    let (at_us, started) = (app.clock.now_us(), Instant::now());
    let signed: &[u8] = if telling.forged { b"another body" } else { &telling.body };
    let headers = endpoint.signing().map(|signing| signing.headers(&telling.id, at_us, signed));
    let headers: HeaderMap = headers.unwrap_or_default();
    let result = app.webhooks.outbound.post(&endpoint.url(), headers, telling.body.clone()).await;
    let attempt = Attempt { at_us, duration: started.elapsed(), result };
    tracing::debug!(duration_ms = attempt.duration.as_millis(), "webhook request: {}", attempt.told());
    attempt
}

async fn note(app: &App, endpoint: &Endpoint, attempt: &Attempt) {
    let verdict = attempt.verdict();
    let delivered = verdict == Verdict::Delivered;
    let meter = &app.metrics.webhooks;
    if delivered {
        meter.delivered.increment(1)
    } else {
        meter.failed.increment(1)
    }
    if endpoint.failing.swap(!delivered, Ordering::AcqRel) == delivered {
        match delivered {
            true => tracing::info!("a webhook's receiver takes notifications again"),
            false => tracing::warn!("a webhook's receiver takes no notifications: {}", attempt.told()),
        }
    }
    let marked = endpoint.unreachable_us() != 0;
    let mark_us = match verdict {
        Verdict::Delivered if marked => 0,
        Verdict::Gone if !marked => attempt.at_us,
        _ => return,
    };
    if let Err(error) = endpoint.set_unreachable(&app.store, mark_us).await {
        // The next answer says the same.
        tracing::warn!("a webhook's mark could not be stored: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_mean_what_the_spec_says() {
        for (status, verdict) in [
            (200, Verdict::Delivered),
            (204, Verdict::Delivered),
            (302, Verdict::Refused),
            (400, Verdict::Refused),
            (404, Verdict::Gone),
            (410, Verdict::Gone),
            (429, Verdict::Refused),
            (500, Verdict::Failed),
            (503, Verdict::Failed),
        ] {
            assert_eq!(verdict_of(StatusCode::from_u16(status).expect("a status")), verdict, "{status}");
        }
    }
}
