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
        let (name, call) = (&self.name, &change.report.conversation_space_id);
        let tries = trouble.refusals;
        changes::put_aside(&self.store.pool, name, change.number, tries, why, Timestamp::now()).await?;
        tracing::warn!(
            "output {name} has refused report {call} {tries} times: {why}; it is put aside, and `callfeed outputs \
             replay {name}` delivers it again"
        );
        trouble.refusals = 0;
        Ok(Next::Again)
    }
}

/// Doubling, jittered down to half.
fn pause(failures: u32) -> Duration {
    let doubled =
        limits::OUTPUT_PAUSE.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1).min(16)));
    doubled.min(limits::OUTPUT_PAUSE_MAX).mul_f64(0.5 + fastrand::f64() / 2.0)
}
