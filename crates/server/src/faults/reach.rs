//! What a fault can be put on. It follows from what the fault does, here alone: the documentation's table, the console's
//! offer, the command line and REST all ask this file, so that no fault waits where it can never strike.

use axum::http::Method;

use super::catalogue::Kind;
use super::delivery::OnDelivery;
use super::http::{can_fail, meets};
use super::webhook::OnWebhook;
use crate::error::{ApiError, ApiResult};
use crate::{router, webhooks};

/// Kinds of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    pub sockets: bool,
    pub webhooks: bool,
}

impl Channels {
    pub const NONE: Self = Self { sockets: false, webhooks: false };
    pub const SOCKETS: Self = Self { sockets: true, ..Self::NONE };
    pub const WEBHOOKS: Self = Self { webhooks: true, ..Self::NONE };
    pub const BOTH: Self = Self { sockets: true, webhooks: true };

    fn and(self, other: Self) -> Self {
        Self { sockets: self.sockets || other.sockets, webhooks: self.webhooks || other.webhooks }
    }

    fn within(self, other: Self) -> Self {
        Self { sockets: self.sockets && other.sockets, webhooks: self.webhooks && other.webhooks }
    }

    /// Whether a channel with this id is among them.
    pub fn has(self, channel_id: &str) -> bool {
        if webhooks::is_id(channel_id) { self.webhooks } else { self.sockets }
    }

    fn word(self) -> Option<&'static str> {
        match (self.sockets, self.webhooks) {
            (true, true) => Some("channel"),
            (true, false) => Some("WebSockets channel"),
            (false, true) => Some("Webhook channel"),
            (false, false) => None,
        }
    }
}

/// Requests that name a channel, in their path, query or body. No other can be at fault for one channel alone.
const NAMING: &[(&str, Channels)] = &[
    ("GET /notification-channel/v1/channels/{name}", Channels::BOTH),
    ("PUT /notification-channel/v1/channels/{name}", Channels::BOTH),
    ("DELETE /notification-channel/v1/channels/{name}", Channels::BOTH),
    ("GET /notification-channel/v1/channels/{name}/{id}", Channels::BOTH),
    ("PUT /notification-channel/v1/channels/{name}/{id}", Channels::BOTH),
    ("DELETE /notification-channel/v1/channels/{name}/{id}", Channels::BOTH),
    ("GET /notification-channel/v1/channels/{name}/{id}/channel-lifetime", Channels::BOTH),
    ("PUT /notification-channel/v1/channels/{name}/{id}/channel-lifetime", Channels::BOTH),
    ("GET /notification-channel/v1/channels/{name}/{id}/ws", Channels::SOCKETS),
    ("GET /notification-channel/v1/channels/{name}/{id}/sse", Channels::SOCKETS),
    ("GET /notification-channel/v1/channels/{name}/{id}/attempts", Channels::WEBHOOKS),
    ("POST /notification-channel/v1/channels/{name}/{id}/attempts/{notification}/resend", Channels::WEBHOOKS),
    ("POST /notification-channel/v1/channels/{name}/{id}/recover", Channels::WEBHOOKS),
    ("POST /notification-channel/v1/channels/{name}/{id}/signature/rotate", Channels::WEBHOOKS),
    ("POST /call-events/v1/subscriptions", Channels::BOTH),
    ("GET /call-events/v1/subscriptions", Channels::BOTH),
    ("DELETE /call-events/v1/subscriptions", Channels::BOTH),
    ("POST /call-events-report/v1/subscriptions", Channels::BOTH),
    ("GET /call-events-report/v1/subscriptions", Channels::BOTH),
    ("DELETE /call-events-report/v1/subscriptions", Channels::BOTH),
    ("POST /call-history/v1/subscriptions", Channels::BOTH),
    ("PUT /call-history/v1/subscriptions/{id}", Channels::BOTH),
    ("POST /recording/v1/subscriptions", Channels::BOTH),
];

/// Whether a pattern of endpoints means this one, whose variable segments stand in braces.
fn means(pattern: &str, endpoint: &str) -> bool {
    let Some((method, path)) = endpoint.split_once(' ') else { return false };
    let is_open = |segment: &str| segment.starts_with('{');
    method.parse::<Method>().is_ok_and(|method| meets(pattern, &method, path, is_open))
}

/// Channels that requests of these patterns name.
fn named(patterns: &[&str]) -> Channels {
    let met = NAMING.iter().filter(|(endpoint, _)| patterns.iter().any(|pattern| means(pattern, endpoint)));
    met.fold(Channels::NONE, |all, (_, channels)| all.and(*channels))
}

fn of_delivery(on: OnDelivery) -> Channels {
    match on {
        OnDelivery::Frame(_) | OnDelivery::State(_) => Channels::BOTH,
        _ => Channels::SOCKETS,
    }
}

impl Kind {
    /// Both what channels hear and what requests are answered changes, so one channel alone would tell otherwise than
    /// REST does.
    fn at_all_doors(&self) -> bool {
        self.delivery.is_some() && self.request.is_some()
    }

    /// Channels that it can be put on, one at a time.
    pub fn channels(&self) -> Channels {
        if self.whole_account || self.at_all_doors() {
            return Channels::NONE;
        }
        let by_delivery = self.delivery.map_or(Channels::NONE, of_delivery);
        let by_webhook = match self.webhook {
            None | Some(OnWebhook::Unasked) => Channels::NONE,
            Some(_) => Channels::WEBHOOKS,
        };
        let by_request = match &self.request {
            None => Channels::NONE,
            Some(request) if request.on.is_empty() => Channels::BOTH,
            Some(request) => named(request.on),
        };
        by_delivery.and(by_webhook).and(by_request).within(self.only)
    }

    /// Whether it can be put on the requests of one client: a notification is for a channel, whoever made that.
    pub fn of_client(&self) -> bool {
        let by_request = self.request.is_some() && self.delivery.is_none();
        !self.whole_account && !self.tokenless && (by_request || self.grant.is_some())
    }

    /// What it can be put on, as the documentation has it.
    pub fn scopes(&self) -> Vec<&'static str> {
        let client = self.of_client().then_some("client");
        self.channels().word().into_iter().chain(client).chain(["all"]).collect()
    }

    /// # Errors
    /// 400 when this fault never meets this channel.
    pub fn on_channel(&self, id: &str, endpoint: &str) -> ApiResult<()> {
        let refuse = |why: String| Err(ApiError::bad_request("channelId", "INVALID").with_message(why));
        let (name, offer) = (self.name, self.scopes().join(", "));
        let channels = self.channels();
        if !channels.has(id) {
            let why = match channels.word() {
                Some(word) => format!("it meets a {word} only"),
                None if self.at_all_doors() => "one channel would then tell otherwise than REST".to_owned(),
                None => "what it strikes belongs to no single channel".to_owned(),
            };
            return refuse(format!("{name} cannot be put on this channel: {why}. Put it on: {offer}."));
        }
        if !endpoint.is_empty() && !named(&[endpoint]).has(id) {
            return refuse(format!(
                "{name} cannot be put on this channel: requests to {endpoint} do not name it. Leave channelId out, or choose \
                 an endpoint such as PUT /notification-channel/v1/channels or POST /call-events/v1/subscriptions."
            ));
        }
        Ok(())
    }
}

/// Refuses an endpoint that no request can be for.
///
/// # Errors
/// 400 when no endpoint of the APIs is meant.
pub fn is_endpoint(pattern: &str) -> ApiResult<()> {
    let known = router::endpoints();
    if known.iter().any(|(method, path)| can_fail(path) && means(pattern, &format!("{method} {path}"))) {
        return Ok(());
    }
    let message = format!(
        "No endpoint that can be at fault begins with {pattern}. /openapi.json lists them; pages and /simulator cannot be at \
         fault."
    );
    Err(ApiError::bad_request("parameters.endpoint", "INVALID").with_message(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::catalogue::{find, kinds};

    fn scopes(name: &str) -> String {
        find(name).map(|kind| kind.scopes().join(", ")).unwrap_or_default()
    }

    #[test]
    fn requests_that_name_a_channel_are_those_of_the_router() {
        let known: Vec<String> =
            router::endpoints().iter().map(|(method, path)| format!("{method} {path}")).collect();
        for (endpoint, _) in NAMING {
            assert!(known.iter().any(|one| one == endpoint), "{endpoint} is no route");
        }
        let creation = ["POST /notification-channel/v1/channels/{name}"];
        let on_channels =
            known.iter().filter(|one| one.contains("/channels/{") && !creation.contains(&one.as_str()));
        for endpoint in on_channels {
            assert!(NAMING.iter().any(|(naming, _)| naming == endpoint), "{endpoint} names a channel");
        }
    }

    #[test]
    fn a_fault_is_offered_where_it_can_strike() {
        for (name, expect) in [
            ("drop-socket", "WebSockets channel, all"),
            ("to-be-closed", "WebSockets channel, all"),
            ("webhook-late", "Webhook channel, all"),
            ("webhook-unasked", "all"),
            ("webhook-unproven", "client, all"),
            ("short-envelope", "channel, all"),
            ("answer-in-one-state", "all"),
            ("caller-number", "all"),
            ("unauthorized", "channel, client, all"),
            ("empty-items", "channel, client, all"),
            ("second-socket-refused", "WebSockets channel, all"),
            ("channel-quota", "client, all"),
            ("report-later", "client, all"),
            ("page-size", "client, all"),
            ("refresh-refused", "client, all"),
            ("old-access-ends", "client, all"),
            ("content-needs-token", "all"),
        ] {
            assert_eq!(scopes(name), expect, "{name}");
        }
    }

    #[test]
    fn what_changes_notifications_and_answers_is_for_the_whole_account() {
        for kind in kinds().filter(|kind| kind.delivery.is_some() && kind.request.is_some()) {
            assert_eq!(kind.scopes(), ["all"], "{}", kind.name);
        }
    }

    #[test]
    fn each_pattern_means_a_route() {
        for kind in kinds() {
            for pattern in kind.request.iter().flat_map(|request| request.on).filter(|on| !on.is_empty()) {
                assert!(is_endpoint(pattern).is_ok(), "{}: {pattern} is no route", kind.name);
            }
        }
        assert!(is_endpoint("").is_ok() && is_endpoint("GET /users/v1/me").is_ok());
        assert!(is_endpoint("/nowhere").is_err() && is_endpoint("GET /simulator/v1/faults").is_err());
        assert!(is_endpoint("PATCH").is_err() && is_endpoint("POST /users/v1/me").is_err());
    }
}
