//! Rows of the journal for channels that nobody reads: what they want and do not get yet, or never.

use std::sync::Arc;

use super::journal::Verdict;
use crate::app::App;
use crate::channels::interest;
use crate::limits;
use crate::store::Entry;

/// Judges what is published while somebody looks, until the platform stops.
pub async fn watch(app: Arc<App>) {
    let Some(mut published) = app.journal.take_unread() else { return };
    loop {
        let entries = tokio::select! {
            () = app.shutdown.cancelled() => return,
            entries = published.recv() => entries,
        };
        for entry in entries.iter().flatten() {
            judge(&app, entry).await;
        }
        if entries.is_none() {
            return;
        }
    }
}

async fn judge(app: &App, entry: &Entry) {
    for channel in app.hub.unread(&entry.account_key, limits::CONSOLE_CHANNELS_MAX) {
        // What cannot be judged has no row; the log itself says why.
        let Ok(true) = interest::wanted(&app.store, &channel.subscriptions(), entry).await else { continue };
        let verdict = match channel.is_connected() {
            true => Verdict::Kept("held back", "half-open"),
            false if app.faults.loses_unread(&channel, &entry.account_key) => {
                Verdict::Kept("not kept", "no-replay")
            }
            false => Verdict::Unread,
        };
        app.journal.notification(&channel.id, channel.nickname(), entry, verdict);
    }
}
