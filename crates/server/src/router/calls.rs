//! Call Events API (spec/call-events.md).

use serde_json::{Value, json};
use wire::call_events::{CallEvent, SubscribedKeys, SubscriptionRequest, SubscriptionResults};
use wire::{Page, scope};

use crate::calls;
use crate::limits;
use crate::openapi::operation::op;
use crate::openapi::parameters::{Parameter, paging};
use crate::openapi::routes::Routes;

pub fn call_events() -> Routes {
    Routes::new("Call events", "/call-events/v1")
        .post(
            "/subscriptions",
            calls::subscribe,
            op("subscribeToCallEvents", "Subscribe a channel to live call states")
                .about("Give `accountKeys`, `lineIds` or both. An account asks for a super admin's token.")
                .scope(scope::CALL_EVENTS_MANAGE)
                .body::<SubscriptionRequest>("call-events-subscription-request.json", request_bounds())
                .answers::<SubscriptionResults>(
                    207,
                    "A success only where each item's status is 200.",
                    "call-events-subscription-207.json",
                )
                .errors(&[404]),
        )
        .get(
            "/subscriptions",
            calls::subscribed,
            op("listCallEventsSubscriptions", "List what a channel is subscribed to")
                .scope(scope::CALL_EVENTS_MANAGE)
                .query([channel_id()])
                .answers::<SubscribedKeys>(200, "Plain keys.", "call-events-subscriptions-get.json")
                .errors(&[404]),
        )
        .delete(
            "/subscriptions",
            calls::unsubscribe,
            op("unsubscribeFromCallEvents", "End subscriptions of a channel")
                .scope(scope::CALL_EVENTS_MANAGE)
                .query([
                    channel_id(),
                    Parameter::repeated("accountKey", "Only of these accounts."),
                    Parameter::repeated("lineId", "Only of these lines."),
                ])
                .answer(204, "Gone.")
                .errors(&[404]),
        )
        .get(
            "/conversation-spaces",
            calls::conversation_spaces,
            op("listConversationSpaces", "Read the last state of each call under way")
                .about("Give either `accountKey` or `lineId`.")
                .scope(scope::CALL_EVENTS_READ)
                .query([
                    Parameter::repeated("accountKey", "Calls of these accounts."),
                    Parameter::repeated("lineId", "Calls of these lines."),
                ])
                .query(paging())
                .answers::<Page<CallEvent>>(200, "One page.", "conversation-spaces-response.json"),
        )
        .get(
            "/conversation-spaces/{id}/events",
            calls::events,
            op("listCallStates", "Read the states of one call, in order")
                .scope(scope::CALL_EVENTS_READ)
                .query([
                    Parameter::integer("sequenceFrom", "First sequence number.", i64::MIN, i64::MAX),
                    Parameter::integer("sequenceTo", "Last sequence number.", i64::MIN, i64::MAX),
                ])
                .query(paging())
                .answers::<Page<CallEvent>>(200, "One page.", "conversation-space-events-response.json"),
        )
}

fn channel_id() -> Parameter {
    Parameter::text("channelId", "A channel of the token's user.").required()
}

fn request_bounds() -> Value {
    let items = json!({
        "maxItems": limits::SUBSCRIPTION_KEYS_MAX,
        "items": {"properties": {"events": {"items": {"enum": ["STARTING", "ACTIVE", "ENDING"]}}}},
    });
    json!({
        "required": ["channelId"],
        "properties": {
            "channelId": {"type": "string", "minLength": 1},
            "accountKeys": items,
            "lineIds": items,
        },
        "anyOf": [
            {"required": ["accountKeys"], "properties": {"accountKeys": {"minItems": 1}}},
            {"required": ["lineIds"], "properties": {"lineIds": {"minItems": 1}}},
        ],
    })
}
