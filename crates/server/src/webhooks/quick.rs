//! Delivery as GoTo Connect does it: up to two quick retries, then the notification is dropped.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Endpoint;
use super::attempt::{Verdict, attempt};
use super::window::Window;
use crate::app::App;
use crate::channels::hub::Connection;
use crate::channels::interest;
use crate::channels::signal::Signals;
use crate::channels::topic::Next;
use crate::clock::Busy;
use crate::limits;
use crate::store::{Entry, StoreResult};

struct Quick<'a> {
    app: &'a Arc<App>,
    endpoint: &'a Arc<Endpoint>,
    connection: Connection,
    window: Window,
    running: JoinSet<Arc<Entry>>,
    /// The log holds more than was read.
    behind: bool,
}

/// Delivers until the channel is deleted or the platform stops.
pub async fn deliver(app: &Arc<App>, endpoint: &Arc<Endpoint>, connection: Connection) {
    let (window, running) = (Window::default(), JoinSet::new());
    Quick { app, endpoint, connection, window, running, behind: true }.run().await;
}

impl Quick<'_> {
    async fn run(&mut self) {
        loop {
            if self.behind && self.window.room() > 0 && !self.read().await {
                return;
            }
            self.launch();
            self.confirm();
            self.endpoint.waiting.store(self.window.held(), Ordering::Relaxed);
            tokio::select! {
                biased;
                () = self.app.shutdown.cancelled() => return self.drain().await,
                signals = self.connection.signals() => {
                    if signals.has(Signals::CLOSED) {
                        return;
                    }
                    if signals.has(Signals::CHANGED) {
                        self.behind = true;
                    }
                    if let Err(error) = self.follow().await {
                        tracing::warn!("a webhook could not read the event log, trying again soon: {error}");
                        self.behind = true;
                    }
                }
                Some(done) = self.running.join_next() => self.finished(done),
            }
        }
    }

    /// Reads the log; when it cannot be read, waits a while. False when the channel ended meanwhile.
    async fn read(&mut self) -> bool {
        let Err(error) = self.catch_up().await else { return true };
        tracing::warn!("a webhook could not read the event log, trying again soon: {error}");
        self.behind = true;
        tokio::select! {
            () = self.app.shutdown.cancelled() => false,
            () = self.connection.closed() => false,
            () = tokio::time::sleep(limits::WEBHOOK_STORE_RETRY) => true,
        }
    }

    async fn catch_up(&mut self) -> StoreResult<()> {
        for (account, position) in self.connection.channel.cursors() {
            self.window.begin(&account, position);
        }
        let subscriptions = self.connection.channel.subscriptions();
        let mut accounts: Vec<&str> = subscriptions.iter().map(|s| s.account_key.as_str()).collect();
        accounts.sort_unstable();
        accounts.dedup();
        for account in accounts {
            loop {
                let limit = (self.window.room() as i64).min(limits::CATCH_UP_PAGE);
                if limit == 0 {
                    return Ok(());
                }
                let page = self.app.store.log_after(account, self.window.read(account), limit).await?;
                let last = (page.len() as i64) < limit;
                for entry in page {
                    self.take(Arc::new(entry)).await?;
                }
                if last {
                    break;
                }
            }
        }
        self.behind = false;
        Ok(())
    }

    /// Takes what is new from memory as far as there is room; the rest is read from the log.
    async fn follow(&mut self) -> StoreResult<()> {
        for (topic, _) in self.connection.channel.places() {
            while !self.behind {
                let read = self.window.read(&topic.account_key);
                match topic.after(read) {
                    Next::Nothing => break,
                    Next::Gap => self.behind = true,
                    Next::Batch(batch) => {
                        let new = batch.iter().filter(|entry| entry.position > read);
                        for entry in new.take(self.window.room()) {
                            self.take(Arc::clone(entry)).await?;
                        }
                        self.behind = self.window.room() == 0;
                    }
                }
            }
        }
        Ok(())
    }

    async fn take(&mut self, entry: Arc<Entry>) -> StoreResult<()> {
        let subscriptions = self.connection.channel.subscriptions();
        let wanted = interest::wanted(&self.app.store, &subscriptions, &entry).await?;
        self.window.take(entry, wanted);
        Ok(())
    }

    fn launch(&mut self) {
        while self.running.len() < limits::WEBHOOK_CONCURRENCY {
            let Some(entry) = self.window.next() else { return };
            let (app, endpoint) = (Arc::clone(self.app), Arc::clone(self.endpoint));
            let busy = app.clock.busy();
            self.running.spawn(async move {
                tell(&app, &endpoint, &entry, busy).await;
                entry
            });
        }
    }

    fn finished(&mut self, done: Result<Arc<Entry>, tokio::task::JoinError>) {
        match done {
            Ok(entry) => self.window.finish(&entry),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// The platform stops: what is under way may end, so that it is not repeated at the next start.
    async fn drain(&mut self) {
        let ending = async {
            while let Some(done) = self.running.join_next().await {
                self.finished(done);
            }
        };
        // What takes longer is sent again at the next start, with the same id.
        let _ = timeout(limits::WEBHOOK_DRAIN, ending).await;
        self.confirm();
    }

    fn confirm(&self) {
        let done = self.window.done();
        let done = done.iter().map(|(account, position)| (account.as_str(), *position));
        self.connection.channel.confirm(done);
    }
}

/// Tells the receiver, again if it fails, and then leaves it.
async fn tell(app: &Arc<App>, endpoint: &Arc<Endpoint>, entry: &Entry, mut busy: Busy) {
    let mut waits = limits::WEBHOOK_QUICK_RETRIES.iter();
    for number in 1.. {
        // As on a socket: what is older than its ttl is of no use to anybody.
        if app.clock.now_us() - entry.at_us > limits::NOTIFICATION_TTL_S * 1_000_000 {
            return endpoint.untold(app, entry, "not sent", || "it is older than its ttl".to_owned());
        }
        let tried = attempt(app, endpoint, entry, number, &mut busy).await;
        let verdict = tried.verdict();
        if verdict == Verdict::Delivered {
            return;
        }
        let Some(wait) = waits.next().filter(|_| verdict == Verdict::Failed) else {
            return endpoint.untold(app, entry, "given up", || match verdict {
                Verdict::Failed => format!("attempt {number} was the last one"),
                _ => format!("{} is not tried again", tried.told()),
            });
        };
        busy = app.clock.sleep(*wait, busy).await;
    }
}
