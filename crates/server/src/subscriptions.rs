//! What the subscriptions of all APIs have in common: store first, then the hub.

use std::sync::Arc;

use axum::http::StatusCode;
use uuid::Uuid;

use crate::app::App;
use crate::channels::hub::Channel;
use crate::error::{ApiError, ApiResult};
use crate::limits;
use crate::store::{Api, KeyKind, Subscription};

/// A key to subscribe to.
pub struct NewKey {
    pub kind: KeyKind,
    pub value: String,
    pub events: Vec<String>,
}

pub fn required_channel<'a>(channel_id: Option<&'a str>, field: &str) -> ApiResult<&'a str> {
    channel_id.filter(|id| !id.is_empty()).ok_or_else(|| ApiError::bad_request(field, "REQUIRED"))
}

/// At least one key, at most [`limits::SUBSCRIPTION_KEYS_MAX`].
pub fn check_count(count: usize, field: &str) -> ApiResult<()> {
    match count {
        0 => Err(ApiError::bad_request(field, "REQUIRED")),
        1..=limits::SUBSCRIPTION_KEYS_MAX => Ok(()),
        _ => Err(ApiError::bad_request(field, "InvalidRange")
            .with_message(format!("One request takes at most {} keys.", limits::SUBSCRIPTION_KEYS_MAX))),
    }
}

/// What becomes of the events of a subscription that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// They stay as they are, as seen on the live service for call events.
    Stay,
    /// They become those that are asked for.
    Change,
}

/// Adds subscriptions to a channel. Returns the channel's present ones.
pub async fn add(
    app: &Arc<App>,
    channel: &Arc<Channel>,
    account_key: &str,
    api: Api,
    keys: Vec<NewKey>,
    again: Again,
) -> ApiResult<Arc<Vec<Subscription>>> {
    let created_us = app.clock.now_us();
    let new: Vec<Subscription> = keys
        .into_iter()
        .map(|key| Subscription {
            id: Uuid::new_v4().to_string(),
            channel_id: channel.id.to_string(),
            api,
            key_kind: key.kind,
            key_value: key.value,
            account_key: account_key.to_owned(),
            events: key.events,
            created_us,
            since_position: 0,
        })
        .collect();
    if !new.is_empty() {
        let (app, changed) = (Arc::clone(app), Arc::clone(channel));
        to_the_end(async move {
            let _changing = changed.changing.lock().await;
            if again == Again::Change {
                let events = other_events(&changed.subscriptions(), &new);
                app.store.change_subscriptions(&[], &events).await?;
            }
            if !app.store.put_subscriptions(&changed.id, &new).await? {
                return Err(ApiError::channel_not_found(&changed.id));
            }
            reload(&app, &changed).await
        })
        .await?;
    }
    Ok(channel.subscriptions())
}

/// Subscriptions that are there with other events than those asked for now.
fn other_events(present: &[Subscription], asked: &[Subscription]) -> Vec<(String, Vec<String>)> {
    let same = |a: &Subscription, b: &Subscription| {
        a.api == b.api && a.key_kind == b.key_kind && a.key_value == b.key_value
    };
    let other = |asked: &Subscription| {
        let known = present.iter().find(|known| same(known, asked))?;
        (known.events != asked.events).then(|| (known.id.clone(), asked.events.clone()))
    };
    asked.iter().filter_map(other).collect()
}

/// Removes what the keys name, or everything of the API when they name nothing; of `event` only, if given.
pub async fn remove(
    app: &Arc<App>,
    channel: &Arc<Channel>,
    api: Api,
    keys: &[(KeyKind, Vec<&str>)],
    event: Option<&str>,
) -> ApiResult<StatusCode> {
    let (app, channel, event) = (Arc::clone(app), Arc::clone(channel), event.map(str::to_owned));
    let owned = |values: &Vec<&str>| values.iter().map(|value| (*value).to_owned()).collect();
    let keys: Vec<(KeyKind, Vec<String>)> = keys.iter().map(|(kind, v)| (*kind, owned(v))).collect();
    to_the_end(async move { remove_now(&app, &channel, api, &keys, event.as_deref()).await }).await
}

async fn remove_now(
    app: &App,
    channel: &Channel,
    api: Api,
    keys: &[(KeyKind, Vec<String>)],
    event: Option<&str>,
) -> ApiResult<StatusCode> {
    let _changing = channel.changing.lock().await;
    let everything = keys.iter().all(|(_, values)| values.is_empty());
    let named = |s: &Subscription| {
        everything || keys.iter().any(|(kind, v)| s.key_kind == *kind && v.contains(&s.key_value))
    };
    let has_event = |s: &Subscription| event.is_none_or(|event| s.events.iter().any(|e| e == event));
    let present = channel.subscriptions();
    let matched = present.iter().filter(|s| s.api == api && named(s) && has_event(s));
    let (mut delete, mut keep) = (Vec::new(), Vec::new());
    for subscription in matched {
        let left: Vec<String> =
            subscription.events.iter().filter(|e| event.is_some_and(|event| *e != event)).cloned().collect();
        match left.is_empty() {
            true => delete.push(subscription.id.clone()),
            false => keep.push((subscription.id.clone(), left)),
        }
    }
    if delete.is_empty() && keep.is_empty() {
        return Err(ApiError::not_found());
    }
    app.store.change_subscriptions(&delete, &keep).await?;
    app.list_lag.unsubscribed(present.iter().filter(|s| delete.contains(&s.id)));
    reload(app, channel).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keys of one kind, with an event if given, as lists show them.
pub fn keys(app: &App, channel: &Channel, api: Api, kind: KeyKind, event: Option<&str>) -> Vec<String> {
    let present =
        app.list_lag.subscriptions(channel.subscriptions().to_vec(), |s| *s.channel_id == *channel.id);
    let matched = present.iter().filter(|s| {
        s.api == api && s.key_kind == kind && event.is_none_or(|event| s.events.iter().any(|e| e == event))
    });
    matched.map(|s| s.key_value.clone()).collect()
}

/// Finishes what was begun even if the client hangs up meanwhile: store and hub must not part.
pub async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = ApiResult<T>> + Send + 'static,
) -> ApiResult<T> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(ApiError::fault(error)))
}

/// Tells the hub what the store knows of a channel's subscriptions.
pub async fn reload(app: &App, channel: &Channel) -> ApiResult<()> {
    let subscriptions = app.store.subscriptions(&channel.id).await?;
    let cursors = app.store.cursors(&channel.id).await?.into_iter().collect();
    app.hub.set_subscriptions(&channel.id, subscriptions, cursors);
    Ok(())
}
