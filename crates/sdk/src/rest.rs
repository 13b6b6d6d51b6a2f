//! Typed calls of the APIs. What is safe to repeat is repeated, within limits; a refused token is refreshed
//! once (spec/errors-and-limits.md). Only a refused refresh ends a sign-in.

use jiff::Timestamp;
use std::time::Duration;

use http::{HeaderMap, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;
use wire::Page;
use wire::call_events::{self, CallEvent, StateType, SubscriptionItem, SubscriptionResults};
use wire::error::code;
use wire::report::{self, Report};

use crate::client::{Answer, Client};
use crate::error::{Error, ErrorKind};
use crate::limits;
use crate::shape::Misfit;

mod as_it_came;
mod channels;
mod people;

pub use as_it_came::EndedCall;
pub use people::Account;

/// The API of reports: the first part of its paths.
pub(crate) const REPORTS_API: &str = "call-events-report";

/// One call as it is to be made.
struct Call {
    /// For error messages: "reading a report".
    doing: &'static str,
    method: Method,
    url: Url,
    body: Option<Value>,
    /// Doing it twice is the same as doing it once.
    repeatable: bool,
}

impl Call {
    fn new(doing: &'static str, method: Method, url: Url) -> Self {
        let repeatable = method != Method::POST;
        Self { doing, method, url, body: None, repeatable }
    }

    fn with_body(mut self, body: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_value(body).expect("wire types serialize"));
        self
    }
}

/// Call events (spec/call-events.md).
impl Client {
    /// Subscribes to the calls of accounts; `events` `None` means every type of state.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] or another kind, naming the account key, when any item of the 207 is refused.
    pub async fn subscribe_call_events(
        &self,
        channel_id: &str,
        account_keys: &[String],
        events: Option<&[StateType]>,
    ) -> Result<(), Error> {
        let names: Option<Vec<String>> =
            events.map(|events| events.iter().map(|event| event.as_str().to_owned()).collect());
        let item = |id: &String| SubscriptionItem {
            id: id.clone(),
            events: names.clone(),
            extra: wire::Extra::new(),
        };
        let request = call_events::SubscriptionRequest {
            channel_id: Some(channel_id.to_owned()),
            account_keys: account_keys.iter().map(item).collect(),
            ..call_events::SubscriptionRequest::default()
        };
        let url = self.call_events_url(&["subscriptions"]);
        let mut call = Call::new("subscribing to call events", Method::POST, url).with_body(&request);
        // Subscribing again is harmless (spec/call-events.md, Create).
        call.repeatable = true;
        let results: SubscriptionResults = self.json(call).await?;
        check_items(account_keys, &results)
    }

    /// # Errors
    /// See [`ErrorKind`].
    pub async fn call_event_subscriptions(
        &self,
        channel_id: &str,
    ) -> Result<call_events::SubscribedKeys, Error> {
        let url = with_query(self.call_events_url(&["subscriptions"]), &[("channelId", channel_id)]);
        self.json(Call::new("listing call event subscriptions", Method::GET, url)).await
    }

    /// Ends the subscriptions of accounts on a channel. None there is no error.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn unsubscribe_call_events(
        &self,
        channel_id: &str,
        account_keys: &[String],
    ) -> Result<(), Error> {
        let url = subscription_query(self.call_events_url(&["subscriptions"]), channel_id, account_keys);
        self.delete(Call::new("ending the call event subscription", Method::DELETE, url)).await
    }

    /// The last state of each call under way.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn conversation_spaces(&self, account_keys: &[String]) -> Result<Vec<CallEvent>, Error> {
        let mut url = self.call_events_url(&["conversation-spaces"]);
        url.query_pairs_mut().extend_pairs(account_keys.iter().map(|key| ("accountKey", key)));
        self.pages("listing the calls under way", url).await
    }

    /// The states of one call in order; the bounds are sequence numbers, both included.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the call is unknown or too long over; see [`ErrorKind`].
    pub async fn events(
        &self,
        conversation_space_id: &str,
        sequence_from: Option<u64>,
        sequence_to: Option<u64>,
    ) -> Result<Vec<CallEvent>, Error> {
        let mut url = self.call_events_url(&["conversation-spaces", conversation_space_id, "events"]);
        for (name, value) in [("sequenceFrom", sequence_from), ("sequenceTo", sequence_to)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, &value.to_string());
            }
        }
        self.pages("reading the states of a call", url).await
    }

    fn call_events_url(&self, segments: &[&str]) -> Url {
        endpoint(&self.config().hosts.api, &["call-events", "v1"], segments)
    }
}

/// Reports (spec/call-events-report.md).
impl Client {
    /// Subscribes to the reports of finished calls.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] when the answer is an empty list: the user may see none of the accounts.
    pub async fn subscribe_reports(
        &self,
        channel_id: &str,
        account_keys: &[String],
    ) -> Result<report::Subscriptions, Error> {
        let request = report::SubscriptionRequest {
            channel_id: Some(channel_id.to_owned()),
            account_keys: account_keys.to_vec(),
            event_types: Some(vec![report::REPORT_SUMMARY.to_owned()]),
            ..report::SubscriptionRequest::default()
        };
        let url = self.reports_url(&["subscriptions"]);
        let call = Call::new("subscribing to reports", Method::POST, url).with_body(&request);
        let subscriptions: report::Subscriptions = self.json(call).await?;
        // One item per key is promised; the live service leaves out the keys that the user may not see.
        if subscriptions.items.len() >= account_keys.len() && !subscriptions.items.is_empty() {
            return Ok(subscriptions);
        }
        let seen = |key: &&String| subscriptions.items.iter().any(|item| &item.value == *key);
        let refused: Vec<&str> = account_keys.iter().filter(|key| !seen(key)).map(String::as_str).collect();
        Err(Error::new(ErrorKind::Forbidden, no_reports(&refused.join(", "))))
    }

    /// # Errors
    /// See [`ErrorKind`].
    pub async fn report_subscriptions(&self, channel_id: &str) -> Result<report::SubscribedKeys, Error> {
        let url = with_query(self.reports_url(&["subscriptions"]), &[("channelId", channel_id)]);
        self.json(Call::new("listing report subscriptions", Method::GET, url)).await
    }

    /// The same, of those that bring one type of event alone.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn report_subscriptions_of(
        &self,
        channel_id: &str,
        event_type: &str,
    ) -> Result<report::SubscribedKeys, Error> {
        let query = [("channelId", channel_id), ("eventType", event_type)];
        let url = with_query(self.reports_url(&["subscriptions"]), &query);
        self.json(Call::new("listing report subscriptions", Method::GET, url)).await
    }

    /// Ends the subscriptions of accounts on a channel. None there is no error.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub async fn unsubscribe_reports(&self, channel_id: &str, account_keys: &[String]) -> Result<(), Error> {
        let url = subscription_query(self.reports_url(&["subscriptions"]), channel_id, account_keys);
        self.delete(Call::new("ending the report subscription", Method::DELETE, url)).await
    }

    /// Summaries of the calls of one account that ended within a span of time, newest first.
    ///
    /// `start` is included, `end` is not; they are at most 31 days apart (spec/call-events-report.md). To miss no call
    /// whose summary has grown a new shape: [`Client::ended_calls`].
    ///
    /// # Errors
    /// [`ErrorKind::BadAnswer`] when one of them does not fit; see [`ErrorKind`].
    pub async fn report_summaries(
        &self,
        account_key: &str,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Vec<report::Summary>, Error> {
        self.summaries(account_key, start, end).await
    }

    async fn summaries<T: DeserializeOwned>(
        &self,
        account_key: &str,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Vec<T>, Error> {
        let query =
            [("accountKey", account_key), ("startTime", &start.to_string()), ("endTime", &end.to_string())];
        let url = with_query(self.reports_url(&["report-summaries"]), &query);
        self.pages("listing the reports of a time", url).await
    }

    /// The same for a report that was announced: asked for again while it is not ready, or the service is away, for at
    /// most [`limits::REPORT_WAIT`].
    ///
    /// # Errors
    /// The last one, when that time is over, and what no waiting mends at once.
    pub async fn report_when_ready(&self, conversation_space_id: &str) -> Result<(Report, String), Error> {
        let deadline = tokio::time::Instant::now() + limits::REPORT_WAIT;
        let mut pause = limits::REPORT_PAUSE;
        loop {
            let error = match self.report(conversation_space_id).await {
                Ok(report) => return Ok(report),
                Err(error) => error,
            };
            let may_come = error.kind == ErrorKind::NotFound || error.is_temporary();
            if !may_come || tokio::time::Instant::now() + pause > deadline {
                return Err(error);
            }
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(limits::REPORT_PAUSE_MAX);
        }
    }

    /// The full report of a finished call, and its JSON text, which [`Client::report_text`] gives whatever its shape.
    ///
    /// # Errors
    /// [`ErrorKind::BadAnswer`] when it does not fit;
    /// [`ErrorKind::NotFound`] when it is not ready yet (try again with a growing pause) or does not exist.
    pub async fn report(&self, conversation_space_id: &str) -> Result<(Report, String), Error> {
        let text = self.report_answer(conversation_space_id).await?;
        Ok((decode("reading a report", 200, text.as_bytes())?, text))
    }

    async fn report_answer(&self, conversation_space_id: &str) -> Result<String, Error> {
        let url = self.reports_url(&["reports", conversation_space_id]);
        let text = String::from_utf8(self.ok(Call::new("reading a report", Method::GET, url)).await?.body)
            .map_err(|_| Error::bad_answer("reading a report failed: the answer is not UTF-8"))?;
        self.inner.novelty.tell_text("reports", &text);
        Ok(text)
    }

    fn reports_url(&self, segments: &[&str]) -> Url {
        endpoint(&self.config().hosts.api, &[REPORTS_API, "v1"], segments)
    }
}

impl Client {
    async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let doing = call.doing;
        let answer = self.ok(call).await?;
        decode(doing, answer.status, &answer.body)
    }

    async fn delete(&self, call: Call) -> Result<(), Error> {
        match self.ok(call).await {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Follows the pages of a list. An absent, null or empty marker is the end.
    async fn pages<T: DeserializeOwned>(&self, doing: &'static str, url: Url) -> Result<Vec<T>, Error> {
        let first = with_query(url, &[("pageSize", &limits::PAGE_SIZE.to_string())]);
        let mut url = first.clone();
        let mut items = Vec::new();
        for _ in 0..limits::PAGES_MAX {
            let page: Page<T> = self.json(Call::new(doing, Method::GET, url)).await?;
            let next = page.next().map(str::to_owned);
            items.extend(page.items);
            let Some(marker) = next else { return Ok(items) };
            url = with_query(first.clone(), &[("pageMarker", &marker)]);
        }
        Err(Error::bad_answer(format!("{doing} failed: the list has no end")))
    }

    /// Makes a call until it succeeds with any 2xx, fails for good or has been tried often enough.
    async fn ok(&self, call: Call) -> Result<Answer, Error> {
        let (mut refreshes, mut tries, mut refusals) = (0, 0, 0);
        let api = call.url.path_segments().and_then(|mut path| path.next()).unwrap_or_default();
        loop {
            // Nobody waits for a turn without a sign-in, nor with a token that another request has replaced meanwhile.
            self.inner.access_token().await?;
            self.inner.paces.turn(api).await;
            let token = self.inner.access_token().await?;
            let (error, wish) = match self.once(&call, &token).await {
                Ok(answer) if answer.status == 401 && self.may_refresh(refreshes, &token, &answer) => {
                    refreshes += 1;
                    self.inner.refresh(&token).await?;
                    continue;
                }
                Ok(answer) if answer.status == 429 => {
                    self.inner.paces.slow_down(api, retry_after(&answer.headers));
                    refusals += 1;
                    if refusals < limits::RATE_TRIES_MAX {
                        // It was not carried out, so even a POST may be repeated; the pace makes the pause.
                        continue;
                    }
                    (Error::from_answer(call.doing, answer.status, &answer.body), None)
                }
                Ok(answer) => {
                    self.inner.paces.went_well(api);
                    if (200..300).contains(&answer.status) {
                        return Ok(answer);
                    }
                    let error = Error::from_answer(call.doing, answer.status, &answer.body);
                    (error, retry_after(&answer.headers))
                }
                Err(error) => (error, None),
            };
            tries += 1;
            let may_repeat = call.repeatable && error.kind == ErrorKind::Unreachable;
            if !may_repeat || tries >= limits::TRIES_MAX {
                return Err(error);
            }
            tokio::time::sleep(pause(tries, wish)).await;
        }
    }

    /// A refused token is refreshed once, unless a refresh has brought it a moment ago. One that is said to have expired
    /// again had its time: the machine slept between refresh and request, or the service's clock runs faster than ours, as
    /// a virtual one does.
    fn may_refresh(&self, refreshes: u32, token: &str, answer: &Answer) -> bool {
        match has_expired(answer) {
            true => refreshes < limits::REFRESHES_MAX,
            false => refreshes == 0 && !self.inner.is_just_refreshed(token),
        }
    }

    async fn once(&self, call: &Call, token: &str) -> Result<Answer, Error> {
        let mut request = self
            .inner
            .http
            .request(call.method.clone(), call.url.clone())
            .header(http::header::ACCEPT, "application/json")
            .bearer_auth(token);
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let request = request
            .build()
            .map_err(|_| Error::local(format!("{}: the request cannot be written", call.doing)))?;
        self.inner.send(call.doing, request).await
    }
}

/// Whether a 401 says that the token lived too long, not that it is none.
fn has_expired(answer: &Answer) -> bool {
    let error: wire::error::ApiError = serde_json::from_slice(&answer.body).unwrap_or_default();
    error.error_code == code::AUTHN_EXPIRED_TOKEN
}

fn decode<T: DeserializeOwned>(doing: &str, status: u16, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| {
        let misfit = Misfit::new(body, &error);
        Error::bad_answer(format!("{doing} failed: unreadable answer: {misfit}")).with_status(status)
    })
}

/// A 207 is no success by itself: every account must have its 200.
fn check_items(account_keys: &[String], results: &SubscriptionResults) -> Result<(), Error> {
    for key in account_keys {
        let Some(item) = results.account_keys.iter().find(|item| &item.id == key) else {
            let text =
                format!("subscribing to call events failed: the answer does not mention account {key}");
            return Err(Error::bad_answer(text));
        };
        if item.status == 200 {
            continue;
        }
        let error = Error::from_answer("", item.status, b"");
        let advice = match error.kind {
            ErrorKind::Forbidden => "sign in as a super admin of that account and check ACCOUNT_KEY",
            ErrorKind::NotFound => "check ACCOUNT_KEY",
            ErrorKind::Unreachable | ErrorKind::RateLimited => "try again later",
            _ => "check ACCOUNT_KEY and the scopes of the OAuth client",
        };
        let said = &item.message;
        let text = format!("subscribing to call events of account {key} failed: {said}; {advice}");
        return Err(Error::new(error.kind, text).with_status(item.status).with_code(item.error_code.clone()));
    }
    Ok(())
}

fn no_reports(account_key: &str) -> String {
    format!(
        "subscribing to reports of account {account_key} failed: the user may not see it; check ACCOUNT_KEY and sign \
         in as a user who may view call reports"
    )
}

/// Pause before the next try: what the server wishes, else doubling with jitter; both bounded.
fn pause(tries: u32, wish: Option<Duration>) -> Duration {
    let doubled = limits::RETRY_PAUSE * 2u32.saturating_pow(tries - 1);
    let jittered = doubled.mul_f64(0.5 + fastrand::f64() / 2.0);
    let wished = wish.map(|wish| wish + limits::RETRY_PAUSE.mul_f64(fastrand::f64()));
    wished.unwrap_or(jittered).min(limits::RETRY_PAUSE_MAX)
}

/// `Retry-After` in seconds; its other form, a date, is not worth a parser here and counts as absent.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

fn endpoint(host: &Url, base: &[&str], segments: &[&str]) -> Url {
    let mut url = host.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(base).extend(segments);
    }
    url
}

fn with_query(mut url: Url, pairs: &[(&str, &str)]) -> Url {
    url.query_pairs_mut().extend_pairs(pairs);
    url
}

fn subscription_query(url: Url, channel_id: &str, account_keys: &[String]) -> Url {
    let mut url = with_query(url, &[("channelId", channel_id)]);
    url.query_pairs_mut().extend_pairs(account_keys.iter().map(|key| ("accountKey", key)));
    url
}
