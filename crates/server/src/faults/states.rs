//! Modes that change the states of calls, the same way wherever a state is told: in notifications, in the lists of live
//! calls, in the states of one call, and in reports. What a state becomes depends on the call's earlier ones, so these are
//! read from the log while such a mode is active.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::delivery::OnDelivery;
use super::http::{Answer, Asked, OnRequest};
use super::shapes::items;
use super::{Fault, Faults};
use crate::limits;
use crate::store::{Entry, EntryKind, Store, StoreResult};

/// Changes `metadata` and `state` of one state; the slice has the call's earlier ones as the log has them.
pub type Shape = fn(&Fault, &[Value], &mut Value) -> Shaped;

/// What a shape has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shaped {
    Same,
    Changed,
    /// There is no such state.
    Gone,
}

/// Calls by id, each with its states in order.
pub type Calls = HashMap<String, Vec<Value>>;

/// Where answers tell of states.
pub const IN_ANSWERS: OnRequest = OnRequest {
    on: &["GET /call-events/v1/conversation-spaces", "GET /call-events-report/v1/reports"],
    calls: true,
    ask: Some(with_stored_numbers),
    alter: Some(alter),
    ..OnRequest::NOTHING
};

impl Shaped {
    pub fn changed(changed: bool) -> Self {
        if changed { Self::Changed } else { Self::Same }
    }
}

fn number(content: &Value) -> u64 {
    content["state"]["sequenceNumber"].as_u64().unwrap_or_default()
}

fn id(content: &Value) -> &str {
    content["metadata"]["conversationSpaceId"].as_str().unwrap_or_default()
}

/// What a shape makes of a state, given all of its call's states.
pub fn apply(fault: &Fault, shape: Shape, call: &[Value], content: &mut Value) -> Shaped {
    if !content["state"].is_object() {
        return Shaped::Same;
    }
    let own = number(content);
    shape(fault, &call[..call.partition_point(|one| number(one) < own)], content)
}

async fn read(store: &Store, call: &str) -> StoreResult<Vec<Value>> {
    let texts = store.states(call, 1, i64::MAX, limits::FAULT_STATES_MAX).await?;
    Ok(texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
}

impl Faults {
    /// The states of an entry's call, if a mode that is active for this channel looks at them.
    pub async fn call_of(&self, store: &Store, channel_id: &str, entry: &Entry) -> Vec<Value> {
        let looks = |on: &OnDelivery| matches!(on, OnDelivery::State(_));
        let concerned = self.of_entry(channel_id, entry);
        if entry.kind != EntryKind::State || !concerned.iter().any(|(_, on)| looks(on)) {
            return Vec::new();
        }
        read(store, &entry.conversation_space_id).await.unwrap_or_else(|error| {
            tracing::warn!("a mode could not read the states of a call: {error}");
            Vec::new()
        })
    }
}

/// Reads the calls that a request and the items of its answer name, as far as they are not known yet.
///
/// # Errors
/// When the log cannot be read.
pub async fn load(asked: &mut Asked<'_>, answer: Option<&Value>) -> StoreResult<()> {
    let mut wanted: Vec<String> = Vec::new();
    if asked.path.ends_with("/events") {
        wanted.push(asked.segment(3).to_owned());
    }
    let items = answer.and_then(|answer| answer["items"].as_array());
    wanted.extend(items.into_iter().flatten().map(|content| id(content).to_owned()));
    for call in wanted {
        if !asked.calls.contains_key(&call) {
            let states = read(&asked.app.store, &call).await?;
            asked.calls.insert(call, states);
        }
    }
    Ok(())
}

fn shape_of(fault: &Fault) -> Option<Shape> {
    match fault.kind.delivery {
        Some(OnDelivery::State(shape)) => Some(shape),
        _ => None,
    }
}

/// Each stored number with the one that is told; `None` for a state that is not.
fn numbers(fault: &Fault, shape: Shape, call: &[Value]) -> Vec<(u64, Option<u64>)> {
    let told = |content: &Value| {
        let mut shaped = content.clone();
        let gone = apply(fault, shape, call, &mut shaped) == Shaped::Gone;
        (number(content), (!gone).then(|| number(&shaped)))
    };
    call.iter().map(told).collect()
}

/// `sequenceFrom` and `sequenceTo` count what is told; the log counts what it has. No strike by itself.
fn with_stored_numbers(fault: &Fault, asked: &mut Asked<'_>) -> bool {
    let call = asked.calls.get(asked.segment(3)).filter(|_| asked.path.ends_with("/events"));
    let (Some(call), Some(shape)) = (call, shape_of(fault)) else { return false };
    let numbers = numbers(fault, shape, call);
    let dropped = numbers.iter().filter(|(_, told)| told.is_none()).count() as i64;
    if dropped == 0 {
        return false;
    }
    let stored = |bound: i64, is_last: bool| {
        let told = |told: Option<u64>| told.map_or(i64::MIN, |told| told as i64);
        let last = numbers.iter().rev().find(|(_, number)| number.is_some() && told(*number) <= bound);
        let first = numbers.iter().find(|(_, number)| told(*number) >= bound);
        let known = numbers.iter().any(|(_, number)| told(*number) >= bound);
        let found = if is_last { last.filter(|_| known) } else { first };
        found.map_or(bound.saturating_add(dropped), |(stored, _)| *stored as i64)
    };
    let mut pairs = asked.pairs();
    for (name, value) in &mut pairs {
        let is_last = match name.as_str() {
            "sequenceFrom" => false,
            "sequenceTo" => true,
            _ => continue,
        };
        if let Ok(bound) = value.parse() {
            *value = stored(bound, is_last).to_string();
        }
    }
    asked.put_query(&pairs);
    false
}

fn alter(fault: &Fault, asked: &Asked<'_>, answer: &mut Answer) -> bool {
    let Some(shape) = shape_of(fault).filter(|_| answer.status.is_success()) else { return false };
    if let Some(items) = items(&mut answer.json) {
        return alter_items(fault, shape, asked, items);
    }
    let metadata = json!({
        "conversationSpaceId": answer.json["conversationSpaceId"],
        "direction": answer.json["direction"],
        "callCreated": answer.json["callCreated"],
        "accountKey": answer.json["accountKey"],
    });
    let Some(states) = answer.json.get_mut("callStates").and_then(Value::as_array_mut) else { return false };
    let call: Vec<Value> =
        states.drain(..).map(|state| json!({"metadata": metadata, "state": state})).collect();
    let mut changed = false;
    for mut content in call.clone() {
        let shaped = apply(fault, shape, &call, &mut content);
        changed |= shaped != Shaped::Same;
        if shaped != Shaped::Gone {
            states.push(content["state"].take());
        }
    }
    changed
}

/// States of one call, or the last one of each.
fn alter_items(fault: &Fault, shape: Shape, asked: &Asked<'_>, items: &mut Vec<Value>) -> bool {
    let last_ones = !asked.path.ends_with("/events");
    let mut changed = false;
    items.retain_mut(|content| {
        let call = asked.calls.get(id(content)).map(Vec::as_slice).unwrap_or_default();
        let shaped = apply(fault, shape, call, content);
        changed |= shaped != Shaped::Same;
        if shaped == Shaped::Gone && last_ones {
            let own = number(content);
            let before = call.iter().rev().filter(|one| number(one) < own).find_map(|one| {
                let mut one = one.clone();
                (apply(fault, shape, call, &mut one) != Shaped::Gone).then_some(one)
            });
            return before.map(|before| *content = before).is_some();
        }
        shaped != Shaped::Gone
    });
    changed
}
