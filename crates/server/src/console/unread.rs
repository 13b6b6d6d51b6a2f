//! Rows of the journal for channels whose reader tells nothing of an entry: nobody reads them, or they have no
//! subscription that wants it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::journal::Verdict;
use crate::app::App;
use crate::channels::hub::Channel;
use crate::channels::interest;
use crate::limits;
use crate::store::Entry;
use crate::webhooks;

/// Judges what is published while somebody looks, until the platform stops.
pub async fn watch(app: Arc<App>) {
    let Some(mut published) = app.journal.take_unread() else { return };
    let mut silent = Silent::default();
    loop {
        let entries = tokio::select! {
            () = app.shutdown.cancelled() => return,
            entries = published.recv() => entries,
        };
        silent.forget(&app);
        for entry in entries.iter().flatten() {
            for channel in silent.of(&app, &entry.account_key) {
                if let Some(verdict) = judge(&app, channel, entry).await {
                    app.journal.notification(&channel.id, channel.nickname(), entry, verdict);
                }
            }
        }
        if entries.is_none() {
            return;
        }
    }
}

/// Channels to be told of, by account, and since when that is known.
#[derive(Default)]
struct Silent(HashMap<String, (Instant, Vec<Arc<Channel>>)>);

impl Silent {
    /// Looking through few channels is cheap: it is done for each batch. Many are looked through once in a while.
    fn forget(&mut self, app: &App) {
        let is_large = app.hub.how_many() > limits::JOURNAL_LOOKED_THROUGH_MAX;
        self.0.retain(|_, (since, _)| is_large && since.elapsed() < limits::CONSOLE_STATE_EVERY);
    }

    fn of(&mut self, app: &App, account_key: &str) -> &[Arc<Channel>] {
        let known = self.0.entry(account_key.to_owned());
        &known.or_insert_with(|| (Instant::now(), look(app, account_key))).1
    }
}

fn look(app: &App, account_key: &str) -> Vec<Arc<Channel>> {
    let users = app.directory.office(account_key).into_iter().flat_map(|office| office.users.iter());
    let users: HashSet<&str> = users.map(|user| user.key.as_str()).collect();
    app.hub.silent(account_key, limits::JOURNAL_SILENT_MAX, |user_key| users.contains(user_key))
}

/// `None` where the channel's reader, or a request to the webhook's receiver, has a row of its own.
async fn judge(app: &App, channel: &Channel, entry: &Entry) -> Option<Verdict> {
    let subscriptions = channel.subscriptions();
    if subscriptions.is_empty() {
        return Some(Verdict::Unsubscribed);
    }
    let is_subscribed = subscriptions.iter().any(|one| one.account_key == entry.account_key);
    if is_subscribed && channel.tells() {
        return None;
    }
    // What cannot be judged has no row; the log itself says why.
    if !interest::wanted(&app.store, &subscriptions, entry).await.ok()? {
        return Some(Verdict::Unwanted);
    }
    match channel.is_connected() {
        _ if webhooks::is_id(&channel.id) => None,
        true => Some(Verdict::Kept("held back", "half-open")),
        false if app.faults.loses_unread(channel, &entry.account_key) => {
            Some(Verdict::Kept("not kept", "no-replay"))
        }
        false => Some(Verdict::Unread),
    }
}
