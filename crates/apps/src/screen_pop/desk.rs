//! Takes in what is heard of calls: board first, then the pages, then the store.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::AnyPool;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::task::TaskTracker;
use ui::Lang;
use wire::call_events::CallEvent;

use super::{
    board::{Applied, Change},
    call::Call,
    callers::Callers,
    elsewhere::Dialled,
    hub::Hub,
    limits::{MISSED_RESTORED_MAX, RESTORED_MAX, WRITES_MAX},
    view,
};
use crate::store::{claims, desks, looked, screen_pop as store};

/// A call popped up on the pages.
#[derive(Clone, Debug)]
pub struct Pop {
    pub conversation_space_id: String,
    /// When the call came in, by the platform's clock.
    pub call_created: Timestamp,
    /// When its card was handed to the pages.
    pub popped: Timestamp,
    /// Who calls, as the card says it.
    pub who: String,
    /// Address of the page.
    pub screen: String,
}

/// What is written down.
enum Seen {
    Call(Box<Call>),
    Dialled(Dialled),
}

/// The one place where calls come in.
pub struct Desk {
    hub: Arc<Hub>,
    callers: Arc<Callers>,
    /// Cards that are being filled.
    filling: TaskTracker,
    /// Asks about the calls of before the start, and looks for new lists of contacts.
    catching_up: JoinHandle<()>,
    pool: AnyPool,
    writes: mpsc::Sender<Seen>,
    writer: JoinHandle<()>,
    pops: Option<mpsc::Sender<Pop>>,
    screen: String,
}

impl Desk {
    /// Takes back the last calls from the store and is ready for more. `screen` is the address of the page.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open(
        hub: Arc<Hub>,
        pool: AnyPool,
        callers: Arc<Callers>,
        pops: Option<mpsc::Sender<Pop>>,
        screen: String,
    ) -> sqlx::Result<Self> {
        let now = Timestamp::now();
        store::forget_old(&pool, now).await?;
        for mut call in store::recent(&pool, now, RESTORED_MAX, MISSED_RESTORED_MAX).await? {
            callers.restore(&mut call).await?;
            hub.board(|board| board.restore(call));
        }
        settle(&hub, &pool, now).await?;
        let day = now.to_zoned(hub.zone().clone()).start_of_day().map_or(now, |day| day.timestamp());
        let (answered, missed) = store::answered_and_missed(&pool, day).await?;
        hub.start_tally(answered, missed);
        let (writes, queue) = mpsc::channel(WRITES_MAX);
        let writer = tokio::spawn(write(pool.clone(), queue));
        let of_before = Arc::clone(&callers);
        let catching_up = tokio::spawn(async move {
            tokio::join!(of_before.catch_up(), of_before.watch_lists(), of_before.ask_again());
        });
        let filling = TaskTracker::new();
        Ok(Self { hub, callers, filling, catching_up, pool, writes, writer, pops, screen })
    }

    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Takes in one state of a call. Its id comes back if its earlier states are needed.
    pub async fn take(&self, event: &CallEvent) -> Option<String> {
        let applied = self.hub.board(|board| board.apply(Timestamp::now(), event));
        if applied == Applied::Nothing {
            // No card, but somebody may have begun to talk.
            self.hub.refresh_walls();
        }
        self.keep_dialled().await;
        self.applied(applied).await
    }

    /// Takes in all states of a call that [`Desk::take`] asked for.
    pub async fn replay(&self, id: &str, events: &[CallEvent]) {
        let change = self.hub.board(|board| board.replay(Timestamp::now(), id, events));
        self.keep_dialled().await;
        if let Some(change) = change {
            self.show(change).await;
        }
    }

    /// Compares with the calls under way; see [`super::board::Board::reconcile`]. Ids of missing calls, and of those
    /// whose earlier states are needed, come back.
    pub async fn reconcile(&self, suspects: &[String], live: &[CallEvent]) -> (Vec<String>, Vec<String>) {
        let (changes, missing) = self.hub.board(|board| board.reconcile(Timestamp::now(), suspects, live));
        self.keep_dialled().await;
        let mut needed = Vec::new();
        for applied in changes {
            needed.extend(self.applied(applied).await);
        }
        (missing, needed)
    }

    /// Ends a call that is gone, after the states that are known of it.
    pub async fn gone(&self, id: &str, events: &[CallEvent]) {
        self.replay(id, events).await;
        let change = self.hub.board(|board| board.close(Timestamp::now(), id));
        self.keep_dialled().await;
        if let Some(change) = change {
            self.show(change).await;
        }
    }

    /// Writes what waits and ends.
    pub async fn close(self) {
        self.catching_up.abort();
        drop(self.writes);
        if let Err(error) = self.writer.await {
            tracing::error!(%error, "the last calls could not be stored");
        }
    }

    /// Stores a call that was found after its end, and settles it if somebody has talked with its caller since; with what
    /// is stored of the caller.
    ///
    /// # Errors
    /// When the store refuses.
    pub(super) async fn keep_found(&self, id: &str) -> sqlx::Result<()> {
        let dialled = self.hub.board(|board| board.elsewhere.take_over());
        let mut found: Vec<Seen> = dialled.into_iter().map(Seen::Dialled).collect();
        let call = self.hub.board(|board| board.find(id).map(|(_, call)| call.clone()));
        if let Some(call) = &call {
            found.push(Seen::Call(Box::new(call.clone())));
        }
        write_all(&self.pool, &found).await?;
        let Some(mut call) = call else { return Ok(()) };
        if let Some(number) = call.caller.key()
            && let Some(at) = looked::talked(&self.pool, number).await?
        {
            self.hub.board(|board| board.settle(number, at));
        }
        if call.known.is_none() {
            self.callers.restore(&mut call).await?;
            self.hub.board(|board| {
                if let Some(history) = call.history {
                    board.set_history(id, history);
                }
                if let Some(known) = call.known {
                    board.set_known(id, known);
                }
            });
        }
        Ok(())
    }

    /// Asks the services about the calls that were found, and writes them to the CRM.
    pub(super) fn catch_up(&self, ids: Vec<String>) {
        let callers = Arc::clone(&self.callers);
        self.filling.spawn(async move { callers.catch_up_with(&ids).await });
    }

    pub(super) async fn applied(&self, applied: Applied) -> Option<String> {
        match applied {
            Applied::Nothing => None,
            Applied::NeedsHistory(id) => Some(id),
            Applied::Reached { number, at, settled } => {
                if let Err(error) = desks::reached(&self.pool, &number, at).await {
                    tracing::warn!(%error, "that a missed caller was reached could not be stored");
                }
                settled.iter().for_each(|id| self.hub.publish_card(id));
                None
            }
            Applied::Changed(change) => {
                let needed = change.unheard.then(|| change.id.clone());
                self.show(change).await;
                needed
            }
        }
    }

    async fn show(&self, change: Change) {
        let call = self.hub.board(|board| {
            board.inherit_claim(&change.id);
            board.find(&change.id).map(|(_, call)| call.clone())
        });
        let Some(call) = call else { return };
        // The number at once; what is known of it follows.
        self.hub.publish(&change);
        if change.new {
            let (callers, call) = (Arc::clone(&self.callers), call.clone());
            self.filling.spawn(async move { callers.fill(&call).await });
        }
        if change.moved && !call.is_live() {
            self.hub.board(|board| board.tell_end(&call.id)).iter().for_each(|id| self.hub.publish_card(id));
        }
        if change.moved && !change.new && !call.is_live() {
            let (callers, id) = (Arc::clone(&self.callers), call.id.clone());
            self.filling.spawn(async move { callers.log(&id).await });
        }
        if let (true, Some(pops)) = (change.new, &self.pops) {
            let pop = Pop {
                conversation_space_id: call.id.clone(),
                call_created: call.created,
                popped: Timestamp::now(),
                who: view::who(&call, self.hub.texts(Lang::English)),
                screen: self.screen.clone(),
            };
            // Nobody listens any more: the pages still do.
            let _ = pops.send(pop).await;
        }
        if change.kept {
            self.keep(Seen::Call(Box::new(call))).await;
        }
    }

    /// Keeps the calls to the outside that are over, for the next card of whoever was called.
    async fn keep_dialled(&self) {
        for dialled in self.hub.board(|board| board.elsewhere.take_over()) {
            self.keep(Seen::Dialled(dialled)).await;
        }
    }

    async fn keep(&self, seen: Seen) {
        if self.writes.send(seen).await.is_err() {
            tracing::error!("calls are no longer stored: start the screen pop again");
        }
    }
}

/// Missed calls that were followed by a talk before the last stop are settled; who takes the others is known again.
async fn settle(hub: &Hub, pool: &AnyPool, now: Timestamp) -> sqlx::Result<()> {
    let oldest = hub.board(|board| board.calls().iter().map(|call| call.created).min()).unwrap_or(now);
    let reached = desks::all_reached(pool, oldest).await?;
    let claimed = claims::all(pool, oldest).await?;
    let talk = |call: &Call| Some((call.caller.key()?.to_owned(), call.answered_at?));
    hub.board(|board| {
        let answered: Vec<_> = board.calls().iter().filter_map(talk).collect();
        for (number, at) in reached.into_iter().chain(answered) {
            board.settle(&number, at);
        }
        for (id, person) in claimed {
            board.set_claim(&id, Some(&person));
        }
        let all: Vec<String> = board.calls().iter().map(|call| call.id.clone()).collect();
        all.iter().for_each(|id| board.inherit_claim(id));
    });
    // Who was called, or answered, in a call that is no card.
    for number in hub.board(|board| board.missed_numbers()) {
        if let Some(at) = looked::talked(pool, &number).await? {
            hub.board(|board| board.settle(&number, at));
        }
    }
    Ok(())
}

/// Writes calls to the store, all that wait in one transaction.
async fn write(pool: AnyPool, mut queue: mpsc::Receiver<Seen>) {
    let mut calls = Vec::new();
    while queue.recv_many(&mut calls, WRITES_MAX).await > 0 {
        if let Err(error) = write_all(&pool, &calls).await {
            tracing::warn!(%error, calls = calls.len(), "calls could not be stored");
        }
        calls.clear();
    }
}

async fn write_all(pool: &AnyPool, calls: &[Seen]) -> sqlx::Result<()> {
    let mut transaction = crate::store::write(pool).await?;
    for call in calls {
        match call {
            Seen::Call(call) => store::save(&mut transaction, call).await?,
            Seen::Dialled(dialled) => store::save_dialled(&mut transaction, dialled).await?,
        }
    }
    transaction.commit().await
}
