//! Faults of webhooks: requests that come twice, late, in another order, wrongly signed or never, addresses that are not
//! proved, and other answers to what a receiver says. The platform goes on as if all were well.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::catalogue::{Bounds, Kind, Parameter};
use super::delivery::OnDelivery;
use super::http::{Asked, OnRequest};
use super::{Fault, Faults, Scope};
use crate::limits;
use crate::store::Entry;
use crate::webhooks;

/// What a fault does to a request to a webhook's receiver, or makes of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnWebhook {
    Twice,
    Late,
    /// After the one that follows it.
    Reorder,
    Lose,
    Forge,
    /// Takes no answer for a failure after a shorter time.
    Impatient,
    /// Tries again after any 4xx.
    RetryRefused,
    /// The receiver's 404 or 410 removes the channel.
    GoneRemoves,
    /// A new channel's address is not asked for its proof.
    Unasked,
}

/// What becomes of one request to a receiver.
#[derive(Debug, Default)]
pub struct Sending {
    pub twice: bool,
    /// Not before so long after the event, unless the fault is lifted.
    pub late: Option<(Duration, CancellationToken)>,
    /// Until the next one has gone, or the fault is lifted.
    pub held: Option<CancellationToken>,
    pub lost: bool,
    pub forged: bool,
    /// The answer is waited for so long at most.
    pub patience: Option<Duration>,
    /// Faults that struck it.
    pub struck: Vec<&'static str>,
}

const LATE: Parameter = Parameter {
    name: "delayMs",
    what: "milliseconds",
    bounds: Bounds::Number { min: 1, max: limits::FAULT_DELAY_MS_MAX, default: 3_000 },
};
const PATIENCE: Parameter = Parameter {
    name: "timeoutMs",
    what: "milliseconds",
    bounds: Bounds::Number { min: 1, max: limits::WEBHOOK_TIMEOUT.as_millis() as u64, default: 1_000 },
};
const STATUS: Parameter = Parameter {
    name: "status",
    what: "HTTP status of the refusal",
    bounds: Bounds::Choice(&["400", "403", "409", "422"]),
};
const CREATE: &[&str] =
    &["POST /notification-channel/v1/channels$", "POST /notification-channel/v1/channels/*$"];

pub const KINDS: &[Kind] = &[
    Kind::new(
        "webhook-twice",
        "A webhook's receiver is told twice, with the same id and body.",
        "Seen: of reports and recordings.",
    )
    .webhook(OnWebhook::Twice),
    Kind::new(
        "webhook-late",
        "A webhook's receiver is told late, of the notifications of a call in their order.",
        "Seen: reports come minutes after the call at times.",
    )
    .with(&[LATE])
    .webhook(OnWebhook::Late),
    Kind::new(
        "webhook-reorder",
        "A webhook's receiver is told of a notification after the one that follows it.",
        "Open: no order is promised.",
    )
    .webhook(OnWebhook::Reorder),
    Kind::new(
        "webhook-lost",
        "A webhook's receiver is not told.",
        "Documented: after two more tries a notification is dropped.",
    )
    .once()
    .webhook(OnWebhook::Lose),
    Kind::new(
        "webhook-wrong-signature",
        "The signature of a webhook's request is not that of its body; a channel without signatures is left alone.",
        "Network: somebody else may know the address; signatures are Callfeed's own.",
    )
    .webhook(OnWebhook::Forge),
    Kind::new(
        "webhook-impatient",
        "A receiver that thinks longer than this has failed and is told again.",
        "Open: how long an answer may take.",
    )
    .with(&[PATIENCE])
    .webhook(OnWebhook::Impatient),
    Kind::new(
        "webhook-4xx-retried",
        "A receiver that answers with another 4xx than 404 and 410 is told again, as after a 5xx.",
        "Open: what follows such an answer.",
    )
    .webhook(OnWebhook::RetryRefused),
    Kind::new(
        "webhook-404-removes",
        "A webhook channel whose receiver answers 404 or 410 is removed.",
        "Sources differ: an older text has it so, a newer one marks the channel.",
    )
    .webhook(OnWebhook::GoneRemoves),
    Kind::new(
        "webhook-unproven",
        "A webhook channel is refused: its address is said to fail OPTIONS.",
        "Documented: that it is refused; status and body are open.",
    )
    .with(&[STATUS])
    .once()
    .request(OnRequest::refuse(CREATE, unproven)),
    Kind::new(
        "webhook-unasked",
        "A webhook channel is made without asking its address.",
        "Open: documented otherwise, and shown nowhere.",
    )
    .whole_account()
    .webhook(OnWebhook::Unasked),
];

fn unproven(fault: &Fault, asked: &Asked<'_>) -> Option<Response> {
    asked.json().filter(webhooks::create::is_asked_for)?;
    let mut response = webhooks::create::unproven(404).into_response();
    let status = fault.text("status").parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
    *response.status_mut() = status.unwrap_or(StatusCode::BAD_REQUEST);
    Some(response)
}

impl Faults {
    /// What becomes of a request that tells a webhook of an entry. `swaps`: another one waits for it to go first;
    /// `signed`: it has a signature.
    pub fn sending(&self, channel_id: &str, entry: &Entry, swaps: bool, signed: bool) -> Sending {
        let mut sending = Sending::default();
        for (fault, on) in self.of_webhook(channel_id, &entry.account_key) {
            let concerns_answer =
                matches!(on, OnWebhook::GoneRemoves | OnWebhook::RetryRefused | OnWebhook::Unasked);
            let late = self.wait(&fault, entry);
            let is_over = on == OnWebhook::Late && late.is_none();
            let nothing_to_do = (swaps && on == OnWebhook::Reorder) || (!signed && on == OnWebhook::Forge);
            let spared = concerns_answer || is_over || nothing_to_do;
            if spared || !self.strike(&fault) {
                continue;
            }
            sending.struck.push(fault.kind.name);
            match on {
                OnWebhook::Twice => sending.twice = true,
                OnWebhook::Late => sending.late = late.map(|wait| (wait, fault.lifted.clone())),
                OnWebhook::Reorder => sending.held = Some(fault.lifted.clone()),
                OnWebhook::Lose => sending.lost = true,
                OnWebhook::Forge => sending.forged = true,
                OnWebhook::Impatient => sending.patience = Some(fault.duration("timeoutMs")),
                OnWebhook::GoneRemoves | OnWebhook::RetryRefused | OnWebhook::Unasked => {}
            }
        }
        sending
    }

    /// Whether this mode has a say about an answer of a channel's receiver; that is a strike.
    pub fn answers(&self, channel_id: &str, entry: &Entry, mode: OnWebhook) -> bool {
        let faults = self.of_webhook(channel_id, &entry.account_key);
        faults.iter().any(|(fault, on)| *on == mode && self.strike(fault))
    }

    /// Whether a new channel of this account is made without a proof of its address.
    pub fn spares_proof(&self, account_key: &str) -> bool {
        let faults = self.of_webhook("", account_key);
        faults.iter().any(|(fault, on)| *on == OnWebhook::Unasked && self.strike(fault))
    }

    fn of_webhook(&self, channel_id: &str, account_key: &str) -> Vec<(Arc<Fault>, OnWebhook)> {
        let concerned = |fault: &Arc<Fault>| !matches!(&fault.scope, Scope::Channel(id) if id != channel_id);
        let active = self.active(account_key).into_iter().filter(concerned);
        active.filter_map(|fault| fault.kind.webhook.map(|on| (fault, on))).collect()
    }

    /// A webhook's body in the shape that modes of notifications give it; `None`: it is not sent at all.
    pub fn shaped_body(
        &self,
        channel_id: &str,
        entry: &Entry,
        call: &[Value],
        body: &[u8],
        struck: &mut Vec<&'static str>,
    ) -> Option<Vec<u8>> {
        let shapes = |on: &OnDelivery| matches!(on, OnDelivery::Frame(_) | OnDelivery::State(_));
        let concerned = self.of_entry(channel_id, entry);
        if !concerned.iter().any(|(_, on)| shapes(on)) {
            return Some(body.to_vec());
        }
        let data: Value = serde_json::from_slice(body).ok()?;
        let shaped = self.shaped(channel_id, entry, call, json!({"data": data}).to_string(), struck)?;
        let mut frame: Value = serde_json::from_str(&shaped).ok()?;
        let mut data = frame["data"].take();
        // There are no nulls around a webhook's content.
        if let Some(members) = data.as_object_mut() {
            members.retain(|_, member| !member.is_null());
        }
        Some(data.to_string().into_bytes())
    }
}
