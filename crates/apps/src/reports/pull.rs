//! The pulling half of "push plus pull": looks at summaries at the start, after each break and every few minutes,
//! and at the time before the first start, so that what no notification told of is found all the same.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sdk::Error;
use sdk::pull::{Look, Span, Watermark};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::causes::{is_refusal, refused_look};
use super::counted;
use super::progress::Progress;
use super::service::Service;
use crate::limits;
use crate::store::ledger::{self, GapKind, Known};
use crate::store::{Store, causes, erasures, reports as table};

/// How notifications flow; each break begins a new epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub connected: bool,
    pub epoch: u64,
}

/// Looks at the summaries of one account.
#[derive(Clone)]
pub(super) struct Puller<S> {
    pub client: S,
    pub store: Store,
    pub account_key: String,
    /// There is more to fetch.
    pub wake: Arc<Notify>,
}

/// Why a look or a slice is not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum PullError {
    #[error("{0}")]
    Sdk(#[from] Error),
    #[error("the store failed: {0}")]
    Store(#[from] sqlx::Error),
}

impl<S: Service> Puller<S> {
    /// Takes note of the start: of a gap since the last run, or of the time before the first one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin(&self, since: Option<Timestamp>, now: Timestamp) -> sqlx::Result<()> {
        let (pool, account) = (&self.store.pool, self.account_key.as_str());
        let lost = causes::end_given_up(pool, account, now).await?;
        if lost > 0 {
            let number = counted(lost, "report is", "reports are");
            tracing::warn!("{number} lost for good: {}", causes::lost_reason());
        }
        let again = causes::announce_given_up(pool, account, now).await?;
        if again > 0 {
            let number = counted(again, "report", "reports");
            tracing::info!("an earlier version gave {number} up: asked for again");
        }
        let known = match ledger::known(pool, account).await? {
            Some(known) => Some(known.watermark.through()),
            // Written by a version that kept no watermark.
            None => match table::last_seen(pool, account).await? {
                Some(last) => {
                    ledger::begin(pool, account, last, &[]).await?;
                    Some(last)
                }
                None => None,
            },
        };
        match (known, since) {
            (Some(known), _) => {
                let reason = "the program did not run";
                ledger::open_gap(pool, account, GapKind::Downtime, "", reason, known).await
            }
            (None, None) => ledger::begin(pool, account, now, &[]).await,
            (None, Some(since)) => {
                let slices = Span { from: since, to: now }.slices(limits::PULL_SLICE);
                ledger::begin(pool, account, now, &slices).await
            }
        }
    }

    /// Looks until `shutdown`; a look that fails is taken again.
    pub async fn run(self, mut link: watch::Receiver<Link>, shutdown: CancellationToken) {
        let first = link.wait_for(|link| link.connected);
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tokio::time::timeout(limits::PULL_FIRST_WAIT, first) => {}
        }
        let (mut looked_in, mut failures, mut daily_at, mut told) = (None, 0, Instant::now(), None);
        loop {
            let now = *link.borrow_and_update();
            let look = which(looked_in == Some(now.epoch), daily_at <= Instant::now());
            let pause = tokio::select! {
                () = shutdown.cancelled() => return,
                result = self.look(look, now, &link) => match result {
                    Ok(()) => {
                        (looked_in, failures, told) = (Some(now.epoch), 0, None);
                        if look == Look::Daily {
                            daily_at = Instant::now() + limits::PULL_DAILY;
                        }
                        limits::PULL_EVERY
                    }
                    Err(error) => {
                        self.say(&error, "reports that nobody announced are looked for again soon", &mut told);
                        if let Err(error) = self.note_refusal(&error).await {
                            self.store.refused(&error);
                        }
                        failures += 1;
                        pause(failures)
                    }
                },
            };
            let deadline = Instant::now() + pause;
            let next_epoch = link.wait_for(|link| link.connected && link.epoch != now.epoch);
            tokio::select! {
                () = shutdown.cancelled() => return,
                result = tokio::time::timeout_at(deadline, next_epoch) => {
                    // The feed has ended, so this task is about to be.
                    if matches!(result, Ok(Err(_))) {
                        return;
                    }
                }
            }
        }
    }

    /// `told` is the refusal that the log has told last: what only a person can mend is told once, with its step.
    fn say(&self, error: &PullError, then: &str, told: &mut Option<String>) {
        match error {
            PullError::Store(error) => self.store.refused(error),
            PullError::Sdk(error) if is_refusal(error) => {
                let why = refused_look(error, &self.account_key);
                if told.as_ref() != Some(&why) {
                    tracing::warn!("{why}; {then}");
                    *told = Some(why);
                }
            }
            PullError::Sdk(error) => tracing::warn!("{error}; {then}"),
        }
    }

    /// A look that only a person can mend is a gap of the ledger until one succeeds.
    async fn note_refusal(&self, error: &PullError) -> sqlx::Result<()> {
        let PullError::Sdk(error) = error else { return Ok(()) };
        if !is_refusal(error) {
            return Ok(());
        }
        let (pool, account) = (&self.store.pool, self.account_key.as_str());
        let known = ledger::known(pool, account).await?;
        let from = known.map_or_else(|| self.client.now(), |known| known.watermark.through());
        ledger::open_gap(pool, account, GapKind::Look, "", &refused_look(error, account), from).await
    }

    pub(super) async fn look(
        &self,
        look: Look,
        link: Link,
        links: &watch::Receiver<Link>,
    ) -> Result<(), PullError> {
        let asked = self.client.now();
        let (pool, account) = (&self.store.pool, self.account_key.as_str());
        let newest_gap = ledger::newest_gap(pool).await?;
        let known = ledger::known(pool, account).await?;
        let Known { mut watermark, begun } =
            known.unwrap_or(Known { watermark: Watermark::new(asked), begun: asked });
        let mut found = 0;
        let span = watermark.span(asked, look);
        if look == Look::AfterBreak {
            // Before new ones are announced: what is fetched meanwhile is not fetched twice.
            self.ask_again(watermark.through(), span.to).await?;
        }
        // Calls from before the beginning are the backfill's. A beginning in what is still to come was taken from a wrong
        // clock.
        let from = if begun > asked { span.from } else { span.from.max(begun) };
        for slice in (Span { from, ..span }).slices(limits::PULL_SLICE) {
            found += self.announce(slice).await?;
        }
        watermark.advance(asked);
        // A gap is closed by a look that notifications were flowing around from beginning to end.
        let whole = link.connected && *links.borrow() == link;
        let closed =
            ledger::looked(pool, account, watermark, whole.then_some((newest_gap, asked)), found).await?;
        erasures::forget(pool, asked).await?;
        if found > 0 {
            let found = counted(found, "report of a call", "reports of calls");
            tracing::info!("to be fetched: {found} that ended meanwhile");
        }
        if closed > 0 {
            tracing::debug!("{} closed", counted(closed, "gap is", "gaps are"));
        }
        Ok(())
    }

    /// Announces all reports of a span; returns how many are new.
    async fn announce(&self, span: Span) -> Result<usize, PullError> {
        let ended = self.client.ended_within(&self.account_key, span).await?;
        let now = self.client.now();
        let calls = ended.iter().map(|call| (call.conversation_space_id.as_str(), call.ended));
        let new = table::announce_all(&self.store.pool, &self.account_key, calls, now).await?;
        if new > 0 {
            self.wake.notify_one();
        }
        Ok(new)
    }

    /// Stored reports may have changed during a break, which nobody could be told of; each is fetched once more. Calls from
    /// before the beginning count too, since the backfill stores those.
    async fn ask_again(&self, known: Timestamp, to: Timestamp) -> Result<(), PullError> {
        let (pool, account) = (&self.store.pool, self.account_key.as_str());
        let began = ledger::break_began(pool, account).await?.map_or(known, |began| began.min(known));
        let from = began.checked_sub(limits::REVISION_SPAN).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut left = limits::REVISIONS_MAX;
        for slice in (Span { from, to }).slices(limits::PULL_SLICE) {
            let ended = self.client.ended_within(account, slice).await?;
            let calls = ended.iter().map(|call| (call.conversation_space_id.as_str(), call.ended));
            left -= table::announce_stored(pool, account, calls, left, self.client.now()).await?;
            if left == 0 {
                let most = limits::REVISIONS_MAX;
                tracing::info!("whether their reports have changed is asked of the last {most} calls alone");
                break;
            }
        }
        if left < limits::REVISIONS_MAX {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Looks through the time before the first start, newest first, as far as it is not done yet. What fails is tried again
    /// after a pause, which a new sign-in or connection ends.
    pub async fn backfill(self, mut link: watch::Receiver<Link>, shutdown: CancellationToken) {
        let (mut failures, mut progress, mut told) = (0, None, None);
        loop {
            let epoch = link.borrow_and_update().epoch;
            let step = tokio::select! {
                () = shutdown.cancelled() => return,
                step = self.backfill_step(&mut progress) => step,
            };
            let pause = match step {
                Ok(true) => {
                    (failures, told) = (0, None);
                    continue;
                }
                Ok(false) => return,
                Err(error) => {
                    self.say(&error, "earlier calls are looked for again soon", &mut told);
                    failures += 1;
                    pause(failures)
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                Ok(_) = link.wait_for(|link| link.epoch != epoch) => {}
            }
        }
    }

    /// One slice; `false` when there is none left.
    pub(super) async fn backfill_step(&self, progress: &mut Option<Progress>) -> Result<bool, PullError> {
        let (pool, account) = (&self.store.pool, self.account_key.as_str());
        let Some((slice, left)) = ledger::next_slice(pool, account).await? else {
            if let Some(progress) = progress.take() {
                progress.finish();
            }
            return Ok(false);
        };
        let progress = progress.get_or_insert_with(|| Progress::new(left));
        // Those that are asked for once a day hold up nothing.
        let soon = || self.client.now().checked_add(limits::FETCH_PAUSE_MAX).unwrap_or(Timestamp::MAX);
        while table::waiting_until(pool, account, soon()).await? > limits::BACKFILL_BACKLOG_MAX {
            tokio::time::sleep(limits::BACKFILL_LOOK).await;
        }
        let found = self.announce(slice).await?;
        ledger::slice_done(pool, account, slice, found, self.client.now()).await?;
        progress.advance(left - 1, found);
        Ok(true)
    }
}

/// A break comes first; the daily look waits for the next one.
fn which(unbroken: bool, daily: bool) -> Look {
    match (unbroken, daily) {
        (false, _) => Look::AfterBreak,
        (true, true) => Look::Daily,
        (true, false) => Look::Periodic,
    }
}

/// Doubling, jittered down to half.
fn pause(failures: u32) -> Duration {
    let doubled = limits::PULL_PAUSE.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1).min(16)));
    doubled.min(limits::PULL_EVERY).mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_fails_is_taken_again_after_growing_pauses_up_to_the_usual_one() {
        for (failures, longest) in
            [(1, limits::PULL_PAUSE), (2, limits::PULL_PAUSE * 2), (99, limits::PULL_EVERY)]
        {
            let pause = pause(failures);
            assert!(pause >= longest / 2 && pause <= longest, "{failures}: {pause:?}");
        }
    }
}
