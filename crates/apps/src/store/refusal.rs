//! Whether the store can be written. A full disk, or a database that is away, is said once when it begins and once when it
//! has ended; meanwhile whoever has something to write keeps it and tries again.

use jiff::Timestamp;
use sqlx::AnyPool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Store;
use crate::limits;

/// Table of the probe; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS store_probe (
    id bigint PRIMARY KEY,
    filler text NOT NULL
);
";

/// Why nothing can be written at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub since: Timestamp,
    pub why: String,
}

/// What all who write to one store know of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(watch::Sender<Option<Refusal>>);

impl Store {
    /// Takes note that something could not be written, or not be read for it. Only the first time is logged.
    pub fn refused(&self, error: &sqlx::Error) {
        self.refusals.0.send_if_modified(|refusal| {
            if refusal.is_some() {
                return false;
            }
            tracing::error!(
                "the store failed: {error}; what is to be written waits and is tried again: make room on its disk, or \
                 look at its database"
            );
            *refusal = Some(Refusal { since: Timestamp::now(), why: error.to_string() });
            true
        });
    }

    /// What stands against writing, if anything does.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusals.0.borrow().clone()
    }

    /// While the store refuses, looks for the end of it, until `shutdown`.
    pub async fn watch_refusals(self, shutdown: CancellationToken) {
        let mut refusals = self.refusals.0.subscribe();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                refused = refusals.wait_for(Option::is_some) => if refused.is_err() { return },
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(limits::STORE_RETRY_PAUSE) => {}
            }
            if probe(&self.pool).await.is_ok() {
                self.refusals.0.send_replace(None);
                tracing::info!("the store can be written again");
            }
        }
    }
}

/// Writes as much as a busy moment does, and takes it away.
async fn probe(pool: &AnyPool) -> sqlx::Result<()> {
    for bytes in [limits::STORE_PROBE_BYTES, 0] {
        sqlx::query(
            "INSERT INTO store_probe (id, filler) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET filler = excluded.filler",
        )
        .bind("x".repeat(bytes))
        .execute(pool)
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    #[tokio::test]
    async fn a_refusal_lasts_until_there_is_room_for_more_than_a_little() {
        let folder = tempfile::tempdir().unwrap();
        let store = testing::open_file(folder.path()).await;
        assert_eq!(store.refusal(), None);
        let refuse = "CREATE TRIGGER full BEFORE INSERT ON store_probe WHEN length(NEW.filler) > 1000
            BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END";
        sqlx::raw_sql(refuse).execute(&store.pool).await.unwrap();
        let error = probe(&store.pool).await.unwrap_err();
        store.refused(&error);
        store.refused(&sqlx::Error::PoolClosed);
        let refusal = store.clone().refusal().unwrap();
        assert!(refusal.why.contains("disk is full"), "the first word counts: {}", refusal.why);

        let (stop, mut refusals) = (CancellationToken::new(), store.refusals.0.subscribe());
        let watching = tokio::spawn(store.clone().watch_refusals(stop.clone()));
        sqlx::raw_sql("DROP TRIGGER full").execute(&store.pool).await.unwrap();
        let over = refusals.wait_for(Option::is_none);
        tokio::time::timeout(std::time::Duration::from_secs(60), over).await.unwrap().unwrap();
        stop.cancel();
        watching.await.unwrap();
    }
}
