//! How long finished calls are kept, and forgetting them bit by bit.

use std::time::Duration;

use crate::app::App;
use crate::limits;
use crate::store::StoreResult;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Forgets a few of the calls that are too old: small commits, so that the event log's writer waits for none of
/// them long. Calls under way are never touched, and nothing that a channel could still be sent: see
/// [`limits::KEEP_DAYS_MIN`].
pub async fn sweep(app: &App, now_us: i64) -> StoreResult<()> {
    let before_us = now_us.saturating_sub(kept_us(app.config.keep_days));
    let mut forgotten = 0;
    for _ in 0..limits::RETENTION_BATCHES {
        let batch = app.store.forget_calls(before_us, limits::RETENTION_BATCH).await?;
        forgotten += batch;
        if batch < limits::RETENTION_BATCH.unsigned_abs() || app.shutdown.is_cancelled() {
            break;
        }
    }
    if forgotten > 0 {
        tracing::debug!(calls = forgotten, "finished calls have been forgotten");
    }
    Ok(())
}

fn kept_us(days: u32) -> i64 {
    i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX).saturating_mul(i64::from(days))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_time_covers_every_promise_to_a_channel() {
        let shortest_s = kept_us(limits::KEEP_DAYS_MIN) / 1_000_000;
        assert_eq!(shortest_s, 7 * 24 * 3600);
        assert!(shortest_s > limits::RESUME_WINDOW_S, "a reader may resume");
        assert!(shortest_s > limits::NOTIFICATION_TTL_S, "a socket may catch up");
        // Webhooks are tried again for 75 hours.
        assert!(shortest_s > 75 * 3600);
        assert!(kept_us(u32::MAX) > 0, "no overflow");
        assert_eq!(kept_us(limits::KEEP_DAYS) / 1_000_000, 400 * 24 * 3600);
    }
}
