//! Fetches announced reports, for as long as it takes: the live service can answer 404 for a while
//! (spec/call-events-report.md, Notification), and the platform can be away for longer.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sdk::{Client, ErrorKind};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::limits;
use crate::store::{Store, reports as table};
use table::Pending;

/// What the fetcher and the rest of the app tell each other.
#[derive(Clone)]
pub(super) struct Fetcher {
    pub client: Client,
    pub store: Store,
    /// There is more to fetch.
    pub wake: Arc<Notify>,
    /// A report was stored.
    pub stored: Arc<Notify>,
}

impl Fetcher {
    /// Works until `shutdown`. An error of the store is said and tried again.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut fetches: JoinSet<String> = JoinSet::new();
        let mut under_way: HashSet<String> = HashSet::new();
        loop {
            let pause = match self.start_due(&mut fetches, &mut under_way).await {
                Ok(next) => next.map_or(limits::FETCH_PAUSE_MAX, |next| {
                    Duration::try_from(next.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
                }),
                Err(error) => {
                    tracing::error!("the store failed: {error}");
                    limits::STORE_RETRY_PAUSE
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.wake.notified() => {}
                Some(done) = fetches.join_next(), if !fetches.is_empty() => {
                    if let Ok(id) = done {
                        under_way.remove(&id);
                    }
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Starts what is due and has a free place; returns when the next one will be due.
    async fn start_due(
        &self,
        fetches: &mut JoinSet<String>,
        under_way: &mut HashSet<String>,
    ) -> sqlx::Result<Option<Timestamp>> {
        let now = Timestamp::now();
        let free = limits::FETCHES_MAX.saturating_sub(under_way.len());
        let due = table::due(&self.store.pool, now, limits::FETCHES_MAX + under_way.len()).await?;
        let new = due.into_iter().filter(|pending| !under_way.contains(&pending.conversation_space_id));
        for pending in new.take(free).collect::<Vec<_>>() {
            under_way.insert(pending.conversation_space_id.clone());
            fetches.spawn(self.clone().fetch(pending));
        }
        table::next_try(&self.store.pool, now).await
    }

    async fn fetch(self, pending: Pending) -> String {
        let result = self.try_once(&pending).await;
        if let Err(error) = result {
            tracing::error!("the store failed: {error}");
            // The row is still due; without a pause it would be tried in a circle.
            tokio::time::sleep(limits::STORE_RETRY_PAUSE).await;
        }
        pending.conversation_space_id
    }

    async fn try_once(&self, pending: &Pending) -> sqlx::Result<()> {
        let id = &pending.conversation_space_id;
        let error = match self.client.report(id).await {
            Ok((report, raw)) => {
                if report.conversation_space_id != *id {
                    tracing::warn!(
                        "report {id} answers for another call; it is kept under the name it gives"
                    );
                    table::give_up(&self.store.pool, id).await?;
                }
                if table::save(&self.store.pool, &report, &raw, Timestamp::now()).await? {
                    self.stored.notify_one();
                }
                return Ok(());
            }
            Err(error) => error,
        };
        let age = Duration::try_from(Timestamp::now().duration_since(pending.announced)).unwrap_or_default();
        if age > limits::FETCH_AGE_MAX && !error.is_temporary() {
            tracing::error!("report {id} is given up after a week: {error}");
            return table::give_up(&self.store.pool, id).await;
        }
        let pause = pause(pending.attempts, error.kind, fastrand::f64());
        tracing::debug!("report {id} is tried again in {:.1} s: {error}", pause.as_secs_f64());
        table::postpone(&self.store.pool, id, Timestamp::now() + pause).await
    }
}

/// Doubling, jittered down to half. A report that only waits for a sign-in is not made to wait longer.
fn pause(attempts: u32, kind: ErrorKind, fraction: f64) -> Duration {
    let attempts = if kind == ErrorKind::SignInNeeded { attempts.min(3) } else { attempts.min(16) };
    let doubled = limits::FETCH_PAUSE.saturating_mul(2u32.saturating_pow(attempts));
    doubled.min(limits::FETCH_PAUSE_MAX).mul_f64(0.5 + fraction / 2.0)
}
