//! Fetches announced reports, for as long as it takes: the live service can answer 404 for a while
//! (spec/call-events-report.md, Notification), and the platform can be away for longer.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sdk::{Error, ErrorKind};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::causes::{Told, is_common, is_refusal, line, over, reason};
use super::counted;
use super::progress::{estimate, words};
use super::service::Service;
use crate::limits;
use crate::store::head::Head;
use crate::store::{Store, causes, pace, reports as table};
use table::{Pending, Saved};

/// What the fetcher and the rest of the app tell each other.
#[derive(Clone)]
pub(super) struct Fetcher<S> {
    pub client: S,
    pub store: Store,
    pub account_key: String,
    /// There is more to fetch.
    pub wake: Arc<Notify>,
    /// A report was stored.
    pub stored: watch::Sender<()>,
    /// Names the account in the log where there are others; else empty.
    pub who: String,
}

/// A report that was asked for, and why it cannot be had where its gap says so now.
struct Tried {
    id: String,
    cause: Option<String>,
}

impl<S: Service> Fetcher<S> {
    /// Works until `shutdown`. An error of the store is said and tried again.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut fetches: JoinSet<Tried> = JoinSet::new();
        let mut under_way: HashSet<String> = HashSet::new();
        let (mut say_at, mut told) = (Instant::now(), Told::default());
        loop {
            if Instant::now() >= say_at {
                say_at = Instant::now() + limits::CATCHING_UP_EVERY;
                if let Err(error) = self.say_how_far(&mut told).await {
                    self.store.refused(&error);
                }
            }
            let pause = match self.start_due(&mut fetches, &mut under_way).await {
                Ok(next) => next.map_or(limits::FETCH_PAUSE_MAX, |next| {
                    Duration::try_from(next.duration_since(self.client.now())).unwrap_or(Duration::ZERO)
                }),
                Err(error) => {
                    self.store.refused(&error);
                    limits::STORE_RETRY_PAUSE
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.wake.notified() => {}
                Some(done) = fetches.join_next(), if !fetches.is_empty() => {
                    if let Ok(Tried { id, cause }) = done {
                        under_way.remove(&id);
                        if cause.is_some_and(|cause| !told.knows(&cause)) {
                            say_at = say_at.min(Instant::now() + limits::CAUSE_WAIT);
                        }
                    }
                }
                () = tokio::time::sleep(pause) => {}
                () = tokio::time::sleep_until(say_at) => {}
            }
        }
    }

    /// A burst takes its time: the service allows so many requests a second, and a report is a request. What cannot be had is
    /// no part of it, and is said apart.
    async fn say_how_far(&self, told: &mut Told) -> sqlx::Result<()> {
        let (pool, account) = (&self.store.pool, self.account_key.as_str());
        let per_s = self.client.reports_per_s();
        pace::set(pool, account, per_s).await?;
        let missing = causes::on_their_way(pool, Some(account)).await?;
        if missing > limits::CATCHING_UP {
            tracing::info!(
                "{}catching up: {} to fetch, about {} at {per_s:.1} a second, which leaves room below the service's limit",
                self.who,
                counted(missing, "report", "reports"),
                words(estimate(missing, per_s)),
            );
        }
        let standing = causes::causes(pool, Some(account), false, 0, limits::LIST_PAGE).await?;
        for (reason, since) in told.over(&standing) {
            let had = causes::had(pool, account, &reason, since).await?;
            if had > 0 {
                tracing::info!("{}{}", self.who, over(had, &reason));
            }
        }
        for cause in told.news(&standing, self.client.now()) {
            tracing::warn!("{}{}", self.who, line(cause));
        }
        Ok(())
    }

    /// Starts what is due and has a free place; returns when the next one will be due.
    async fn start_due(
        &self,
        fetches: &mut JoinSet<Tried>,
        under_way: &mut HashSet<String>,
    ) -> sqlx::Result<Option<Timestamp>> {
        let now = self.client.now();
        let free = limits::FETCHES_MAX.saturating_sub(under_way.len());
        let due = table::due(&self.store.pool, &self.account_key, now, limits::FETCHES_MAX + under_way.len())
            .await?;
        let new = due.into_iter().filter(|pending| !under_way.contains(&pending.conversation_space_id));
        for pending in new.take(free).collect::<Vec<_>>() {
            under_way.insert(pending.conversation_space_id.clone());
            fetches.spawn(self.clone().fetch(pending));
        }
        table::next_try(&self.store.pool, &self.account_key, now).await
    }

    async fn fetch(self, pending: Pending) -> Tried {
        let cause = match self.try_once(&pending).await {
            Ok(cause) => cause,
            Err(error) => {
                self.store.refused(&error);
                // The row is still due; without a pause it would be tried in a circle.
                tokio::time::sleep(limits::STORE_RETRY_PAUSE).await;
                None
            }
        };
        Tried { id: pending.conversation_space_id, cause }
    }

    /// Returns why the report cannot be had, where its gap says so now.
    pub(super) async fn try_once(&self, pending: &Pending) -> sqlx::Result<Option<String>> {
        let id = &pending.conversation_space_id;
        let answer = self.client.full_report(id).await;
        let now = self.client.now();
        let error = match answer {
            Ok(raw) => match Head::read(&raw, &self.account_key, now) {
                Some((head, is_whole)) => {
                    self.keep(pending, &head, is_whole, &raw).await?;
                    let Some(other) = self.other_than(id, &head) else { return Ok(None) };
                    Error::new(ErrorKind::BadAnswer, format!("the answer is the report of another {other}"))
                }
                None => Error::new(ErrorKind::BadAnswer, "the answer has no conversationSpaceId"),
            },
            Err(error) => error,
        };
        if !table::is_pending(&self.store.pool, &self.account_key, id).await? {
            // Its call was erased while it was asked for.
            return Ok(None);
        }
        self.failed(pending, &error, now).await
    }

    /// What the report of an answer is of, where that is not what was asked for.
    fn other_than(&self, id: &str, report: &Head) -> Option<&'static str> {
        match (report.conversation_space_id == id, report.account_key == self.account_key) {
            (true, true) => None,
            (false, _) => Some("call"),
            (true, false) => Some("account"),
        }
    }

    async fn failed(&self, pending: &Pending, error: &Error, now: Timestamp) -> sqlx::Result<Option<String>> {
        let (pool, account) = (&self.store.pool, self.account_key.as_str());
        let (id, age) = (&pending.conversation_space_id, age(pending, now));
        let is_stored = table::is_stored(pool, account, id).await?;
        let is_gone = matches!(error.kind, ErrorKind::NotFound | ErrorKind::BadAnswer);
        if is_stored && age > limits::ASK_AGAIN_AGE_MAX && is_gone {
            tracing::info!(
                "report {id} was asked for again and cannot be had: {error}; what is stored of it stays"
            );
            table::leave(pool, account, pending, now).await?;
            return Ok(None);
        }
        let is_gap = !is_stored && (age > limits::REPORT_GAP_AGE || is_refusal(error));
        let cause = is_gap.then(|| reason(error, account, id));
        if let Some(cause) = &cause {
            causes::cannot_be_had(pool, account, id, cause, pending.announced).await?;
        }
        if age > limits::FETCH_GIVEN_UP && is_gone {
            tracing::error!("report {id} is lost for good, {}: {error}", causes::lost_reason());
            causes::give_up(pool, account, pending, now).await?;
            return Ok(None);
        }
        // What has to do with the sign-in or the service is mended for all reports at once.
        let of_its_own = error.kind != ErrorKind::SignInNeeded && !error.is_temporary();
        let pause = match age > limits::FETCH_AGE_MAX && of_its_own {
            true => limits::FETCH_PAUSE_LATE.mul_f64(0.5 + fastrand::f64() / 2.0),
            false => pause(pending.attempts, error.kind, fastrand::f64()),
        };
        tracing::debug!("report {id} is tried again in {:.1} s: {error}", pause.as_secs_f64());
        table::postpone(pool, account, pending, now + pause).await?;
        Ok(cause)
    }

    async fn keep(&self, pending: &Pending, report: &Head, is_whole: bool, raw: &str) -> sqlx::Result<()> {
        let id = &report.conversation_space_id;
        if self.other_than(&pending.conversation_space_id, report).is_some() {
            tracing::debug!("report {id} is of another call or account than was asked for, and kept as that");
        }
        let now = self.client.now();
        let again = (!is_whole && age(pending, now) < limits::INCOMPLETE_AGE_MAX)
            .then(|| now + again_pause(pending.attempts, fastrand::f64()));
        let (pool, account) = (&self.store.pool, self.account_key.as_str());
        let held_back_by = match pending.attempts {
            0 => None,
            _ => causes::of(pool, account, id).await?.filter(|cause| is_common(cause)),
        };
        match table::save_fetched(pool, account, pending, report, raw, now, again).await? {
            Saved::New => self.stored.send_replace(()),
            Saved::Known => {}
            Saved::Erased => tracing::debug!("report {id} has a number that was erased; it is not kept"),
            Saved::Revised(changed) => {
                self.stored.send_replace(());
                tracing::info!("report {id} has changed: {}; the earlier text is kept", changed.join(", "));
            }
        }
        // The right has come back, as a rule: the others need not wait for their hour or day.
        if let Some(cause) = held_back_by
            && causes::hurry(pool, account, &cause, now).await? > 0
        {
            self.wake.notify_one();
        }
        Ok(())
    }
}

fn age(pending: &Pending, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(pending.announced)).unwrap_or_default()
}

/// Doubling, jittered down to half.
fn again_pause(attempts: u32, fraction: f64) -> Duration {
    let doubled = limits::INCOMPLETE_PAUSE.saturating_mul(2u32.saturating_pow(attempts.min(16)));
    doubled.min(limits::FETCH_PAUSE_MAX).mul_f64(0.5 + fraction / 2.0)
}

/// Doubling, jittered down to half. A report that only waits for a sign-in is not made to wait longer.
fn pause(attempts: u32, kind: ErrorKind, fraction: f64) -> Duration {
    let attempts = if kind == ErrorKind::SignInNeeded { attempts.min(3) } else { attempts.min(16) };
    let doubled = limits::FETCH_PAUSE.saturating_mul(2u32.saturating_pow(attempts));
    doubled.min(limits::FETCH_PAUSE_MAX).mul_f64(0.5 + fraction / 2.0)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use sdk::EndedCall;
    use sdk::pull::Span;

    use super::*;
    use crate::store::ledger;

    const ACCOUNT: &str = "17";

    /// A service at some time that has this report of the call "a", or answers so.
    #[derive(Clone)]
    struct Bare(Arc<Mutex<Timestamp>>, Result<&'static str, ErrorKind>);

    impl Service for Bare {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }

        async fn ended_within(&self, _account_key: &str, _span: Span) -> Result<Vec<EndedCall>, Error> {
            Ok(Vec::new())
        }

        async fn full_report(&self, _id: &str) -> Result<String, Error> {
            self.1.map(str::to_owned).map_err(|kind| Error::new(kind, "no"))
        }

        fn reports_per_s(&self) -> f64 {
            400.0
        }
    }

    async fn fetcher(folder: &std::path::Path, now: Timestamp) -> Fetcher<Bare> {
        Fetcher {
            client: Bare(Arc::new(Mutex::new(now)), Err(ErrorKind::NotFound)),
            store: crate::store::testing::open(folder).await,
            account_key: ACCOUNT.to_owned(),
            wake: Arc::default(),
            stored: watch::Sender::new(()),
            who: String::new(),
        }
    }

    /// Asks when the announcement is that old; returns how many reports wait and how many gaps are open then.
    async fn asked(fetcher: &Fetcher<Bare>, age: Duration) -> (u64, usize) {
        let pool = &fetcher.store.pool;
        let due = table::due(pool, ACCOUNT, Timestamp::MAX, 9).await.unwrap();
        *fetcher.client.0.lock().unwrap() = due[0].announced + age;
        fetcher.try_once(&due[0]).await.unwrap();
        let gaps = ledger::gaps(pool, false, 0, 9).await.unwrap();
        (table::waiting(pool, ACCOUNT).await.unwrap(), gaps.len())
    }

    const INCOMPLETE: &str = r#"{"conversationSpaceId": "a", "callCreated": "2026-02-03T16:00:00Z",
        "accountKey": "17", "callEnded": "2026-02-03T16:02:41Z", "direction": "INBOUND", "callStates": []}"#;
    const MOMENT: Duration = Duration::from_micros(1);

    #[tokio::test]
    async fn a_report_that_is_never_found_is_a_gap_asked_for_daily_after_fetch_age_max() {
        let (folder, now) = (tempfile::tempdir().unwrap(), "2026-02-03T17:00:00Z".parse().unwrap());
        let fetcher = fetcher(folder.path(), now).await;
        table::announce(&fetcher.store.pool, ACCOUNT, "a", now).await.unwrap();
        assert_eq!(asked(&fetcher, limits::REPORT_GAP_AGE).await, (1, 0));
        assert_eq!(asked(&fetcher, limits::REPORT_GAP_AGE + MOMENT).await, (1, 1));
        let next = async || {
            let pool = &fetcher.store.pool;
            let next = table::next_try(pool, ACCOUNT, Timestamp::UNIX_EPOCH).await.unwrap().unwrap();
            Duration::try_from(next.duration_since(*fetcher.client.0.lock().unwrap())).unwrap()
        };
        assert_eq!(asked(&fetcher, limits::FETCH_AGE_MAX).await, (1, 1));
        assert!(next().await <= limits::FETCH_PAUSE_MAX);
        assert_eq!(
            asked(&fetcher, limits::FETCH_AGE_MAX + MOMENT).await,
            (1, 1),
            "now it is asked for daily"
        );
        assert!(next().await >= limits::FETCH_PAUSE_LATE / 2);
        assert_eq!(asked(&fetcher, limits::FETCH_GIVEN_UP).await, (1, 1));
        assert_eq!(asked(&fetcher, limits::FETCH_GIVEN_UP + MOMENT).await, (0, 0), "its gap has ended");
        let lost = causes::causes(&fetcher.store.pool, None, true, 0, 9).await.unwrap();
        assert!(lost.len() == 1 && lost[0].lost && lost[0].reason == causes::lost_reason(), "{lost:?}");
    }

    /// No waiting mends it; who may mend it is told at once, and asked for it is all the same.
    #[tokio::test]
    async fn a_report_that_is_refused_is_a_gap_at_once_which_closes_when_the_right_is_back() {
        let (folder, now) = (tempfile::tempdir().unwrap(), "2026-02-03T17:00:00Z".parse().unwrap());
        let mut fetcher = fetcher(folder.path(), now).await;
        let pool = fetcher.store.pool.clone();
        for kind in [ErrorKind::NotFound, ErrorKind::Unreachable, ErrorKind::SignInNeeded] {
            fetcher.client.1 = Err(kind);
            table::announce(&pool, ACCOUNT, "a", now).await.unwrap();
            assert_eq!(asked(&fetcher, Duration::ZERO).await, (1, 0), "{kind:?} passes");
        }
        fetcher.client.1 = Err(ErrorKind::Forbidden);
        assert_eq!(asked(&fetcher, Duration::ZERO).await, (1, 1));
        let cause = causes::of(&pool, ACCOUNT, "a").await.unwrap().unwrap();
        assert!(cause.contains("super admin of account 17 (callfeed login)"), "{cause}");
        // Another one waits for the same, and its turn comes late.
        table::announce(&pool, ACCOUNT, "b", now - limits::FETCH_AGE_MAX * 2).await.unwrap();
        let second = table::due(&pool, ACCOUNT, now, 9).await.unwrap().pop().unwrap();
        assert_eq!(fetcher.try_once(&second).await.unwrap().as_ref(), Some(&cause));
        assert_eq!(table::due(&pool, ACCOUNT, now, 9).await.unwrap(), []);
        fetcher.client.1 = Ok(INCOMPLETE);
        assert_eq!(asked(&fetcher, Duration::ZERO).await.1, 1, "the other one's");
        let due = table::due(&pool, ACCOUNT, now, 9).await.unwrap();
        assert_eq!(due.iter().map(|due| due.conversation_space_id.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    /// As where the service mixes answers up: what comes is kept, what was asked for is not had.
    #[tokio::test]
    async fn a_call_that_is_answered_with_the_report_of_another_is_a_gap_until_it_is_found_or_lost() {
        let (folder, now) = (tempfile::tempdir().unwrap(), "2026-02-03T17:00:00Z".parse().unwrap());
        let mut fetcher = fetcher(folder.path(), now).await;
        fetcher.client.1 = Ok(INCOMPLETE);
        let pool = fetcher.store.pool.clone();
        table::announce(&pool, ACCOUNT, "asked", now).await.unwrap();
        assert_eq!(asked(&fetcher, limits::REPORT_GAP_AGE).await, (1, 0));
        assert_eq!(asked(&fetcher, limits::REPORT_GAP_AGE + MOMENT).await, (1, 1));
        let cause = causes::of(&pool, ACCOUNT, "asked").await.unwrap().unwrap();
        assert!(cause.starts_with("the answer is the report of another call; it is asked for"), "{cause}");
        assert_eq!(table::list(&pool, 0, 9).await.unwrap()[0].conversation_space_id, "a");
        assert_eq!(asked(&fetcher, limits::FETCH_GIVEN_UP + MOMENT).await, (0, 0));
        assert_eq!(causes::lost(&pool).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_call_that_is_erased_while_its_report_is_asked_for_leaves_no_gap() {
        let (folder, now) = (tempfile::tempdir().unwrap(), "2026-02-03T17:00:00Z".parse().unwrap());
        let fetcher = fetcher(folder.path(), now).await;
        let pool = &fetcher.store.pool;
        table::announce(pool, ACCOUNT, "a", now).await.unwrap();
        let pending = table::due(pool, ACCOUNT, Timestamp::MAX, 9).await.unwrap().remove(0);
        let call = table::CallKey { conversation_space_id: "a".to_owned(), account_key: ACCOUNT.to_owned() };
        crate::store::privacy::erase_calls(pool, [&call], now).await.unwrap();
        *fetcher.client.0.lock().unwrap() = now + limits::REPORT_GAP_AGE * 2;
        fetcher.try_once(&pending).await.unwrap();
        assert_eq!(ledger::gaps(pool, false, 0, 9).await.unwrap().len(), 0);
    }

    #[tokio::test]
    async fn a_report_that_waited_for_weeks_is_a_gap_from_its_first_refusal_and_not_given_up() {
        let (folder, now) = (tempfile::tempdir().unwrap(), "2026-02-03T17:00:00Z".parse().unwrap());
        let fetcher = fetcher(folder.path(), now).await;
        table::announce(&fetcher.store.pool, ACCOUNT, "a", now).await.unwrap();
        // The collector did not run, or nobody was signed in.
        assert_eq!(asked(&fetcher, limits::FETCH_AGE_MAX * 2).await, (1, 1));
    }

    #[tokio::test]
    async fn a_report_that_stays_incomplete_is_asked_for_until_incomplete_age_max() {
        let (folder, now) = (tempfile::tempdir().unwrap(), "2026-02-03T17:00:00Z".parse().unwrap());
        let mut fetcher = fetcher(folder.path(), now).await;
        fetcher.client.1 = Ok(INCOMPLETE);
        let pool = &fetcher.store.pool;
        table::announce(pool, ACCOUNT, "a", now).await.unwrap();
        assert_eq!(asked(&fetcher, Duration::ZERO).await, (1, 0));
        let next = table::next_try(pool, ACCOUNT, Timestamp::UNIX_EPOCH).await.unwrap().unwrap();
        let pause = Duration::try_from(next.duration_since(now)).unwrap();
        assert!(pause >= limits::INCOMPLETE_PAUSE / 2 && pause <= limits::INCOMPLETE_PAUSE, "{pause:?}");
        assert_eq!(asked(&fetcher, limits::INCOMPLETE_AGE_MAX - MOMENT).await, (1, 0));
        assert_eq!(asked(&fetcher, limits::INCOMPLETE_AGE_MAX).await, (0, 0), "it stays as it is");
        assert_eq!(table::list(pool, 0, 9).await.unwrap().len(), 1, "stored from the first answer on");
    }

    #[test]
    fn pauses_grow_up_to_the_longest_and_who_waits_for_a_sign_in_waits_less() {
        assert_eq!(pause(0, ErrorKind::NotFound, 1.0), limits::FETCH_PAUSE);
        assert_eq!(pause(0, ErrorKind::NotFound, 0.0), limits::FETCH_PAUSE / 2);
        assert_eq!(pause(99, ErrorKind::NotFound, 1.0), limits::FETCH_PAUSE_MAX);
        assert_eq!(pause(99, ErrorKind::SignInNeeded, 1.0), limits::FETCH_PAUSE * 8);
        assert_eq!(again_pause(99, 1.0), limits::FETCH_PAUSE_MAX);
    }

    /// As where who is signed in lacks a right: hundreds of reports, one cause.
    #[tokio::test]
    async fn many_reports_that_cannot_be_had_for_one_cause_are_one_line() {
        let (folder, now) = (tempfile::tempdir().unwrap(), "2026-02-03T17:00:00Z".parse().unwrap());
        let mut fetcher = fetcher(folder.path(), now).await;
        let pool = &fetcher.store.pool;
        for id in ["a", "b", "c"] {
            table::announce(pool, ACCOUNT, id, now).await.unwrap();
        }
        *fetcher.client.0.lock().unwrap() = now + limits::REPORT_GAP_AGE + MOMENT;
        for pending in table::due(pool, ACCOUNT, now, 9).await.unwrap() {
            fetcher.try_once(&pending).await.unwrap();
        }
        let mut told = Told::default();
        fetcher.say_how_far(&mut told).await.unwrap();
        let standing = causes::causes(pool, None, false, 0, 9).await.unwrap();
        assert_eq!((standing.len(), standing[0].reports), (1, 3), "{standing:?}");
        assert!(told.news(&standing, now).is_empty(), "it has been said");
        assert_eq!(pace::slowest(pool).await.unwrap(), Some(400.0));

        // One is had, one is held back by another cause now, one is given up.
        let reason = &standing[0].reason;
        causes::cannot_be_had(pool, ACCOUNT, "b", "no rights", now).await.unwrap();
        causes::give_up(pool, ACCOUNT, &crate::store::testing::asked("c"), now).await.unwrap();
        assert_eq!(causes::had(pool, ACCOUNT, reason, now).await.unwrap(), 0);
        fetcher.client.1 = Ok(INCOMPLETE);
        let due = table::due(pool, ACCOUNT, Timestamp::MAX, 9).await.unwrap();
        let first = due.iter().find(|pending| pending.conversation_space_id == "a").unwrap();
        fetcher.try_once(first).await.unwrap();
        assert_eq!(causes::had(pool, ACCOUNT, reason, now).await.unwrap(), 1);
        assert_eq!(causes::had(pool, ACCOUNT, reason, Timestamp::MAX).await.unwrap(), 0, "in another time");
    }

    #[tokio::test]
    async fn a_stored_report_that_cannot_be_had_again_stays_and_is_no_gap() {
        let (folder, now) = (tempfile::tempdir().unwrap(), "2026-02-03T17:00:00Z".parse().unwrap());
        let fetcher = fetcher(folder.path(), now).await;
        let raw = r#"{"conversationSpaceId": "a", "callCreated": "2026-02-03T16:00:00Z", "accountKey": "17",
            "callEnded": "2026-02-03T16:02:41Z", "direction": "INBOUND"}"#;
        let pool = &fetcher.store.pool;
        table::save(pool, &serde_json::from_str(raw).unwrap(), raw, now, None).await.unwrap();
        table::announce_stored(pool, ACCOUNT, [("a", None)].into_iter(), 9, now).await.unwrap();
        assert_eq!(asked(&fetcher, limits::ASK_AGAIN_AGE_MAX).await, (1, 0));
        assert_eq!(asked(&fetcher, limits::ASK_AGAIN_AGE_MAX + MOMENT).await, (0, 0));
        assert_eq!(table::list(pool, 0, 9).await.unwrap()[0].raw, raw);
    }
}
