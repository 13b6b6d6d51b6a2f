//! Drives one output: what was put aside and is wanted again, then what is new, in order, as long as it takes.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Sink, Taken};
use crate::limits;
use crate::store::Store;
use crate::store::changes::{self, Change, Place};

/// Why a runner ended.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::reports) enum Ended {
    Stopped,
    /// Nobody reads the output any more.
    Gone,
}

/// An output and its place.
pub(in crate::reports) struct Runner {
    pub store: Store,
    pub name: String,
    pub sink: Sink,
    pub from_now: bool,
    /// Changes when something was stored.
    pub stored: watch::Receiver<()>,
    /// What the output took and the store does not know yet: a store that refuses makes nobody get anything twice.
    pub untold: Option<Untold>,
}

/// What an output took.
pub(in crate::reports) struct Untold {
    place: Place,
    count: usize,
    /// The number of what was delivered again.
    replayed: Option<i64>,
}

/// Failures in a row.
#[derive(Default)]
struct Trouble {
    /// The output was down this often.
    downs: u32,
    /// It refused the change at hand this often.
    refusals: u32,
}

/// What to do after a step.
enum Next {
    Again,
    Pause(Duration),
    /// Nothing to do until something is stored.
    Rest,
    End,
}

enum Failure {
    Store(sqlx::Error),
    Terminal(anyhow::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error)
    }
}

impl Runner {
    /// Works until `shutdown`, with a moment for what is under way then.
    ///
    /// # Errors
    /// When the terminal fails.
    pub async fn run(mut self, shutdown: CancellationToken) -> anyhow::Result<Ended> {
        let hurry = async {
            shutdown.cancelled().await;
            tokio::time::sleep(limits::LAST_LINE_WAIT).await;
        };
        tokio::pin!(hurry);
        let mut trouble = Trouble::default();
        while !shutdown.is_cancelled() {
            self.stored.borrow_and_update();
            let next = tokio::select! {
                next = self.step(&mut trouble) => next?,
                () = &mut hurry => return Ok(Ended::Stopped),
            };
            let (pause, may_wake) = match next {
                Next::Again => continue,
                Next::End => return Ok(Ended::Gone),
                Next::Pause(pause) => (pause, false),
                Next::Rest => (limits::OUTPUT_LOOK, true),
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                Ok(()) = self.stored.changed(), if may_wake => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        Ok(Ended::Stopped)
    }

    /// One batch. An error of the store is said and tried again; one of the terminal is the end.
    async fn step(&mut self, trouble: &mut Trouble) -> anyhow::Result<Next> {
        match self.try_step(trouble).await {
            Err(Failure::Store(error)) => {
                self.store.refused(&error);
                Ok(Next::Pause(limits::STORE_RETRY_PAUSE))
            }
            Err(Failure::Terminal(error)) => Err(error),
            Ok(next) => Ok(next),
        }
    }

    async fn try_step(&mut self, trouble: &mut Trouble) -> Result<Next, Failure> {
        self.tell().await?;
        let pool = &self.store.pool;
        let place = changes::place(pool, &self.name, self.from_now).await?;
        let again = changes::replays(pool, &self.name, 1).await?;
        let is_replay = !again.is_empty();
        let batch = match is_replay {
            true => again,
            false => changes::after(pool, place.cursor, self.sink.batch()).await?,
        };
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(Next::Rest) };
        let taken = self.sink.take(&batch, &place).await.map_err(Failure::Terminal)?;
        match taken {
            Taken::All(position) => {
                let cursor = if is_replay { place.cursor } else { last.number };
                let (count, replayed) = (batch.len(), is_replay.then_some(first.number));
                self.untold = Some(Untold { place: Place { cursor, position }, count, replayed });
                self.tell().await?;
                self.well(trouble);
                Ok(Next::Again)
            }
            Taken::Moved(position) => {
                changes::took(pool, &self.name, &Place { position, ..place }, 0).await?;
                Ok(Next::Again)
            }
            Taken::Down(why) => self.down(trouble, &why).await,
            Taken::Refused(why) => self.refused(trouble, first, &why).await,
            // Nothing waits behind what is delivered again.
            Taken::Failed(why) if is_replay => self.refused(trouble, first, &why).await,
            Taken::Failed(why) => self.failed(trouble, first, &why, &place).await,
            Taken::Gone => {
                tracing::info!("nobody reads the output any more");
                Ok(Next::End)
            }
        }
    }

    async fn tell(&mut self) -> Result<(), Failure> {
        if let Some(Untold { place, count, replayed }) = &self.untold {
            let pool = &self.store.pool;
            changes::took(pool, &self.name, place, *count).await?;
            if let Some(number) = *replayed {
                changes::replayed(pool, &self.name, number).await?;
            }
            self.untold = None;
        }
        Ok(())
    }

    fn well(&self, trouble: &mut Trouble) {
        if trouble.downs > 0 {
            tracing::info!("output {} takes reports again", self.name);
        }
        *trouble = Trouble::default();
    }

    /// Nothing is given up and nothing is overtaken: what comes waits in the store.
    async fn down(&self, trouble: &mut Trouble, why: &str) -> Result<Next, Failure> {
        if trouble.downs == 0 {
            let name = &self.name;
            tracing::warn!("output {name} takes no reports: {why}; they wait, and it is tried until it does");
        }
        changes::fails(&self.store.pool, &self.name, why, Timestamp::now()).await?;
        trouble.downs += 1;
        Ok(Next::Pause(pause(trouble.downs)))
    }

    async fn refused(&self, trouble: &mut Trouble, change: &Change, why: &str) -> Result<Next, Failure> {
        trouble.refusals += 1;
        if trouble.refusals < limits::OUTPUT_REFUSALS_MAX {
            return Ok(Next::Pause(pause(trouble.refusals)));
        }
        self.put_aside(trouble, change, why).await?;
        Ok(Next::Again)
    }

    /// After some tries the next report shows who is at fault: when it is taken, this one is put aside; when it is not, all
    /// wait in order, as for an output that is down.
    async fn failed(
        &mut self,
        trouble: &mut Trouble,
        change: &Change,
        why: &str,
        place: &Place,
    ) -> Result<Next, Failure> {
        trouble.refusals += 1;
        if trouble.refusals < limits::OUTPUT_REFUSALS_MAX {
            return Ok(Next::Pause(pause(trouble.refusals)));
        }
        let after = changes::after(&self.store.pool, change.number, 1).await?;
        let taken = match after.first() {
            Some(_) => self.sink.take(&after, place).await.map_err(Failure::Terminal)?,
            None => Taken::Failed(why.to_owned()),
        };
        let (Some(next), Taken::All(position)) = (after.first(), taken) else {
            // `down` says it once, and counts on from the pause that was reached.
            if trouble.downs == 0 {
                let next = self.down(trouble, why).await?;
                trouble.downs = trouble.refusals;
                return Ok(next);
            }
            return self.down(trouble, why).await;
        };
        // The output may have come back between the two.
        let once_more =
            self.sink.take(std::slice::from_ref(change), place).await.map_err(Failure::Terminal)?;
        if !matches!(once_more, Taken::All(_)) {
            self.put_aside(trouble, change, why).await?;
        }
        self.untold =
            Some(Untold { place: Place { cursor: next.number, position }, count: 1, replayed: None });
        self.tell().await?;
        self.well(trouble);
        Ok(Next::Again)
    }

    async fn put_aside(&self, trouble: &mut Trouble, change: &Change, why: &str) -> Result<(), Failure> {
        let (name, call) = (&self.name, &change.report.conversation_space_id);
        let tries = trouble.refusals;
        changes::put_aside(&self.store.pool, name, change.number, tries, why, Timestamp::now()).await?;
        tracing::warn!(
            "output {name} has refused report {call} {tries} times: {why}; it is put aside, and `callfeed outputs \
             replay {name}` delivers it again"
        );
        trouble.refusals = 0;
        Ok(())
    }
}

/// Doubling, jittered down to half.
fn pause(failures: u32) -> Duration {
    let doubled =
        limits::OUTPUT_PAUSE.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1).min(16)));
    doubled.min(limits::OUTPUT_PAUSE_MAX).mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::outputs::command::Run;
    use crate::store::{reports, testing};

    #[test]
    fn an_output_that_takes_nothing_is_tried_after_growing_pauses_up_to_the_longest() {
        let within = |failures, longest: Duration| {
            let pause = pause(failures);
            assert!(pause >= longest / 2 && pause <= longest, "{failures}: {pause:?}");
        };
        within(1, limits::OUTPUT_PAUSE);
        within(2, limits::OUTPUT_PAUSE * 2);
        within(99, limits::OUTPUT_PAUSE_MAX);
    }

    /// A store with these calls' reports, and a command that fails at those in whose text a word of the file stands.
    async fn runner(folder: &std::path::Path, calls: &[&str]) -> Runner {
        let store = testing::open(folder).await;
        for call in calls {
            let raw = format!(
                r#"{{"conversationSpaceId": "{call}", "callCreated": "2026-02-03T17:00:00Z",
                    "callEnded": "2026-02-03T17:02:41.35Z", "direction": "INBOUND", "accountKey": "17"}}"#
            );
            let head = serde_json::from_str(&raw).unwrap();
            reports::save(&store.pool, &head, &raw, Timestamp::now(), None).await.unwrap();
        }
        let place = folder.display();
        let command = format!("tee -a '{place}/got' | grep -q -F -f '{place}/fails' && exit 1; exit 0");
        Runner {
            store,
            name: "command".to_owned(),
            sink: Sink::Command(Run::new(&command)),
            from_now: false,
            stored: watch::channel(()).1,
            untold: None,
        }
    }

    /// Steps without their pauses, until there is nothing to do or the output has been down so often.
    async fn work(runner: &mut Runner, trouble: &mut Trouble, downs: u32) {
        for _ in 0..100 {
            if matches!(runner.step(trouble).await.unwrap(), Next::Rest) || trouble.downs >= downs {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    async fn dead(runner: &Runner) -> Vec<String> {
        let letters = changes::dead_letters(&runner.store.pool, None, ("", 0), 9).await.unwrap();
        letters.into_iter().map(|letter| letter.conversation_space_id).collect()
    }

    #[tokio::test]
    async fn a_report_at_which_an_output_fails_is_put_aside_once_the_next_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("fails"), "poison").unwrap();
        let mut runner = runner(folder.path(), &["first", "poison", "last"]).await;
        work(&mut runner, &mut Trouble::default(), u32::MAX).await;
        assert_eq!(dead(&runner).await, ["poison"]);
        let got = std::fs::read_to_string(folder.path().join("got")).unwrap();
        // And once more when the next was taken.
        let tries = limits::OUTPUT_REFUSALS_MAX as usize + 1;
        assert_eq!(["first", "poison", "last"].map(|call| got.matches(call).count()), [1, tries, 1]);
    }

    #[tokio::test]
    async fn an_output_that_fails_at_every_report_has_none_put_aside_and_gets_them_in_order() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("fails"), "conversationSpaceId").unwrap();
        let mut runner = runner(folder.path(), &["first", "second", "third"]).await;
        let mut trouble = Trouble::default();
        work(&mut runner, &mut trouble, 3 * limits::OUTPUT_REFUSALS_MAX).await;
        assert_eq!(dead(&runner).await, [""; 0]);
        let standing = changes::standings(&runner.store.pool).await.unwrap().remove(0);
        assert_eq!((standing.waiting, !standing.failure.is_empty()), (3, true));

        std::fs::write(folder.path().join("fails"), "nothing of the kind").unwrap();
        std::fs::remove_file(folder.path().join("got")).unwrap();
        work(&mut runner, &mut trouble, u32::MAX).await;
        assert_eq!(dead(&runner).await, [""; 0]);
        let got = std::fs::read_to_string(folder.path().join("got")).unwrap();
        let places = ["first", "second", "third"].map(|call| got.find(call).unwrap());
        assert!(places.is_sorted() && got.matches("conversationSpaceId").count() == 3, "{got}");
    }

    #[tokio::test]
    async fn the_last_report_waits_when_nothing_shows_who_is_at_fault() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("fails"), "poison").unwrap();
        let mut runner = runner(folder.path(), &["poison"]).await;
        work(&mut runner, &mut Trouble::default(), 2 * limits::OUTPUT_REFUSALS_MAX).await;
        assert_eq!(dead(&runner).await, [""; 0]);
    }
}
