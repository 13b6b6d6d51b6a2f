//! Calls that ended while nobody told of them: at the start, and after each break of the feed, the finished calls of that
//! time are looked up, and those that were not seen stand on the pages as if they had been. They are past: nothing rings,
//! no notification is shown, and each has the time at which it came in.
//!
//! A look goes by a watermark (`sdk::pull`), begins before it, and is taken again some times, for a report can come minutes
//! after its call. Calls that ended before the first start are not looked for.

use std::collections::HashSet;

use jiff::Timestamp;
use sdk::{Client, Error, ErrorKind, pull::Look, pull::Span};
use sqlx::AnyPool;
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use wire::{
    call_events::{CallEvent, Metadata, State, StateType},
    report::Report,
};

use super::{
    board::{Applied, Change},
    desk::Desk,
    hub::Hub,
    limits::{
        LOOK_BACK, LOOK_EVERY, LOOK_RETRY, LOOKED_AT_MAX, LOOKS_AFTER_BREAK, PAST_CALLS_MAX, PAST_TOGETHER,
    },
};
use crate::{limits::PULL_SLICE, store::looked};

/// The states of finished calls, newest call first.
pub type Past = Vec<Vec<CallEvent>>;

/// How the feed stands; each break begins a new epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    pub connected: bool,
    pub epoch: u64,
}

/// Looks for the finished calls of one account.
pub struct Looks {
    pub client: Client,
    pub pool: AnyPool,
    pub account_key: String,
    /// Takes what was found.
    pub found: mpsc::Sender<Past>,
    /// Calls whose report was read in this run: it tells no more at the next look.
    pub looked_at: HashSet<String>,
}

/// Why a look is not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    #[error("{0}")]
    Sdk(#[from] Error),
    #[error("the store failed: {0}")]
    Store(#[from] sqlx::Error),
    #[error("the screen pop ends")]
    Ends,
}

impl Looks {
    /// Looks until `shutdown`; a look that fails is taken again.
    pub async fn run(mut self, mut link: watch::Receiver<Link>, shutdown: CancellationToken) {
        let work = async {
            let (mut looked_in, mut left) = (None, 0);
            while link.wait_for(|link| link.connected).await.is_ok() {
                let now = *link.borrow_and_update();
                if looked_in != Some(now.epoch) {
                    left = LOOKS_AFTER_BREAK;
                }
                let done = if left > 0 { self.look().await } else { self.note(&link, now).await };
                let pause = match done {
                    Ok(()) => {
                        looked_in = Some(now.epoch);
                        left = left.saturating_sub(1);
                        LOOK_EVERY
                    }
                    Err(LookError::Ends) => return,
                    Err(error) => {
                        tracing::warn!("{error}; calls that ended meanwhile are looked for again soon");
                        // A right that is missing comes back by a person.
                        let refused =
                            matches!(&error, LookError::Sdk(error) if error.kind == ErrorKind::Forbidden);
                        if refused { LOOK_EVERY } else { LOOK_RETRY }
                    }
                };
                tokio::select! {
                    changed = link.wait_for(|link| link.epoch != now.epoch) => if changed.is_err() { return },
                    () = sleep(pause) => {}
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = work => {}
        }
    }

    /// One look: what ended since the last one and was not seen is handed on.
    pub(super) async fn look(&mut self) -> Result<(), LookError> {
        let asked = self.client.now();
        let looked::Known { begun, mut watermark } =
            looked::known(&self.pool, &self.account_key, asked).await?;
        let span = watermark.span(asked, Look::AfterBreak);
        let oldest = asked.checked_sub(LOOK_BACK).unwrap_or(begun).max(begun);
        let ids = self.unseen(Span { from: span.from.max(oldest), to: span.to }).await?;
        let mut together = Past::new();
        for id in ids {
            let report = match self.report(&id).await {
                Ok(report) => report,
                Err(error) => {
                    // What is in hand counts as looked at: it goes on before the look is given up.
                    self.hand_on(&mut together).await?;
                    return Err(error);
                }
            };
            if let Some(report) = report {
                self.looked_at.insert(id);
                together.push(states(report));
            }
            if together.len() >= PAST_TOGETHER {
                self.hand_on(&mut together).await?;
            }
        }
        self.hand_on(&mut together).await?;
        watermark.advance(asked);
        looked::looked(&self.pool, &self.account_key, watermark.through()).await?;
        Ok(())
    }

    /// Calls that ended within a span and were not seen to their end, newest first.
    pub(super) async fn unseen(&mut self, span: Span) -> Result<Vec<String>, LookError> {
        let seen = looked::seen(&self.pool, span.from).await?;
        if self.looked_at.len() > LOOKED_AT_MAX {
            self.looked_at.clear();
        }
        let mut unseen: Vec<String> = Vec::new();
        for slice in span.slices(PULL_SLICE) {
            let ended = self.client.ended_calls(&self.account_key, slice.from, slice.to).await?;
            let ended = ended.into_iter().map(|call| call.conversation_space_id);
            unseen.extend(ended.filter(|id| !seen.contains(id) && !self.looked_at.contains(id)));
            if unseen.len() > PAST_CALLS_MAX {
                unseen.truncate(PAST_CALLS_MAX);
                tracing::warn!("many calls ended meanwhile: the last {PAST_CALLS_MAX} are looked up");
                break;
            }
        }
        Ok(unseen)
    }

    /// None while it is not ready: the next look asks again.
    async fn report(&self, id: &str) -> Result<Option<Report>, LookError> {
        match self.client.report(id).await {
            Ok((report, _)) => Ok(Some(report)),
            // Of another shape than is known: the others are read.
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::BadAnswer) => {
                tracing::info!("{error}");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn hand_on(&self, together: &mut Past) -> Result<(), LookError> {
        if together.is_empty() {
            return Ok(());
        }
        self.found.send(std::mem::take(together)).await.map_err(|_| LookError::Ends)
    }

    /// What happened until now was heard: the next look begins here.
    async fn note(&self, link: &watch::Receiver<Link>, now: Link) -> Result<(), LookError> {
        if *link.borrow() == now {
            looked::looked(&self.pool, &self.account_key, self.client.now()).await?;
        }
        Ok(())
    }
}

/// The states of a finished call, as if they had been heard.
#[must_use]
pub fn states(report: Report) -> Vec<CallEvent> {
    let Report {
        conversation_space_id,
        call_created,
        call_ended,
        call_initiator,
        direction,
        account_key,
        mut call_states,
        ..
    } = report;
    call_states.sort_by_key(|state| state.sequence_number);
    let last = call_states.last().filter(|last| last.kind != StateType::Ending);
    if let Some(sequence) = last.map(|last| last.sequence_number) {
        // A report is made when the call has ended (spec/call-events-report.md).
        call_states.push(ending(sequence + 1, call_ended));
    }
    let metadata = Metadata {
        conversation_space_id,
        direction,
        account_key,
        call_created,
        call_initiator,
        dial_string: None,
        initiator_id: None,
        associated_conversations: None,
        extra: wire::Extra::default(),
    };
    let event = |state| CallEvent { metadata: metadata.clone(), state, extra: wire::Extra::default() };
    call_states.into_iter().map(event).collect()
}

fn ending(sequence_number: u64, timestamp: String) -> State {
    State {
        id: String::new(),
        sequence_number,
        kind: StateType::Ending,
        timestamp,
        participants: Vec::new(),
        interactive_voice_response_systems: None,
        recordings: None,
        transcripts: None,
        extra: wire::Extra::default(),
    }
}

impl Desk {
    /// Takes in finished calls; those that were seen to their end change nothing.
    pub async fn found(&self, past: Past) {
        let mut changes = Vec::new();
        for events in &past {
            let Some(id) = events.first().map(|event| event.metadata.conversation_space_id.as_str()) else {
                continue;
            };
            let now = Timestamp::now();
            for applied in self.hub().board(|board| board.past(now, id, events)) {
                match applied {
                    Applied::Changed(change) => changes.push(change),
                    other => {
                        self.applied(other).await;
                    }
                }
            }
            self.hub().board(|board| board.tell_end(id));
            if let Err(error) = self.keep_found(id).await {
                tracing::warn!(%error, "a call that ended meanwhile could not be stored");
            }
        }
        if !changes.is_empty() {
            tracing::info!("{} calls that ended meanwhile are on the pages", changes.len());
            self.hub().found(&changes);
            self.catch_up(changes.into_iter().map(|change| change.id).collect());
        }
    }
}

impl Hub {
    /// Shows everybody their calls anew, with these, which are over: pages are told as when they are opened, so that nothing is
    /// announced that is past.
    fn found(&self, changes: &[Change]) {
        let now = Timestamp::now();
        let mut guard = self.lock();
        let inner = &mut *guard;
        let date = |at: Timestamp| at.to_zoned(self.zone().clone()).date();
        for change in changes.iter().filter(|change| change.answered || change.missed) {
            if let Some((_, call)) = inner.board.find(&change.id) {
                inner.walls.tally.count(date(call.created), date(now), change);
            }
        }
        self.all_anew(inner);
        self.tell_walls(inner, now);
    }
}
