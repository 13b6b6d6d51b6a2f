//! Which entries of the log a channel's subscriptions want: one rule for sockets, event streams and webhooks.

use crate::store::{Api, Entry, EntryKind, KeyKind, Store, StoreResult, Subscription};

/// Whether one of the subscriptions wants an entry.
///
/// A subscription by line gets each state of a call from the first one that had the line, the last one included,
/// which names no participants at all.
///
/// # Errors
/// When the call's earlier states cannot be read.
pub async fn wanted(store: &Store, subscriptions: &[Subscription], entry: &Entry) -> StoreResult<bool> {
    if subscriptions.iter().any(|subscription| wants(subscription, entry)) {
        return Ok(true);
    }
    if entry.kind != EntryKind::State {
        return Ok(false);
    }
    let lines: Vec<&str> = subscriptions
        .iter()
        .filter(|s| s.key_kind == KeyKind::Line && concerns(s, entry))
        .map(|s| s.key_value.as_str())
        .collect();
    if lines.is_empty() {
        return Ok(false);
    }
    let through = entry.subject().sequence_number;
    let from =
        store.touched_from(&entry.conversation_space_id, through, |line| lines.contains(&line)).await?;
    Ok(from.is_some())
}

/// Whether a subscription wants an entry for what the entry itself says.
fn wants(subscription: &Subscription, entry: &Entry) -> bool {
    if !concerns(subscription, entry) {
        return false;
    }
    let subject = entry.subject();
    let key = &subscription.key_value;
    match subscription.key_kind {
        KeyKind::Account => true,
        KeyKind::User => subject.user_keys.contains(key),
        KeyKind::Line => subject.line_ids.contains(key),
        KeyKind::PhoneNumber => subject.phone_number_ids.contains(key),
    }
}

/// Whether an entry is of the API, the account, the time and the events of a subscription.
fn concerns(subscription: &Subscription, entry: &Entry) -> bool {
    let api = match entry.kind {
        EntryKind::State => Api::CallEvents,
        EntryKind::Report | EntryKind::Revision => Api::CallEventsReport,
        EntryKind::History => Api::CallHistory,
        EntryKind::Recording | EntryKind::Transcript => Api::Recording,
    };
    // What happened before the subscription was made is none of its business, wherever the cursor stands.
    let after = entry.position > subscription.since_position;
    subscription.api == api
        && subscription.account_key == entry.account_key
        && after
        && subscription.events.contains(&entry.subject().event)
}
