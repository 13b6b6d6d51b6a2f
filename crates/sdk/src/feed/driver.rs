//! The one task that owns a feed: it hands events to the pure machine and does what the machine answers.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use wire::call_events::{self, CallEvent};
use wire::channel::Channel;
use wire::notification::{Frame, FrameData, REFRESH_REQUIRED, TO_BE_CLOSED};
use wire::report;

use super::operations::{Done, Operator, trouble};
use super::recent::RecentIds;
use super::saved::SavedChannel;
use super::socket::{self, FromSocket, News, SocketId};
use super::{FeedConfig, FeedEvent, Notification};
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::lifecycle::{Action, Event, Generation, Lifecycle, Listed, Sweep, Told, Trouble};
use crate::limits;
use crate::shape::Misfit;
use crate::tokens::SignIn;

/// First frame of a Callfeed platform that cannot resume wholly behind the notification named by `?after=`.
const RESUME_SOURCE: &str = "callfeed";
const RESUME: &str = "RESUME";

struct Driver {
    operator: Operator,
    machine: Lifecycle,
    started: Instant,
    channels: HashMap<Generation, Known>,
    sockets: HashMap<Generation, Held>,
    sockets_opened: u64,
    inbox: mpsc::Sender<FromSocket>,
    operations: JoinSet<Done>,
    out: mpsc::Sender<FeedEvent>,
    stop: CancellationToken,
    recent: RecentIds,
    sweep: Sweep,
    /// The last notification handed to the reader, to resume behind.
    last_heard: Option<String>,
    /// The reader was told that somebody must sign in.
    sign_in_told: bool,
    /// The sign-in in use; `None` while there is none.
    sign_in: Option<SignIn>,
    /// The channel of the last run, until it is taken over or cannot be.
    saved: Option<SavedChannel>,
    /// Why the socket went, for the reader.
    last_close: String,
}

/// An open socket. Dropping the sender closes it.
struct Held {
    number: u64,
    pings: mpsc::Sender<u64>,
}

struct Known {
    channel_id: String,
    socket_url: String,
}

pub(super) async fn run(
    client: Client,
    config: FeedConfig,
    out: mpsc::Sender<FeedEvent>,
    stop: CancellationToken,
) {
    let saved = SavedChannel::load(&client, &config);
    let mut tokens = client.token_changes();
    let sign_in = sign_in_of(&client);
    let (machine, actions) = Lifecycle::start(fastrand::u64(..), saved.is_some());
    let (inbox, mut news) = mpsc::channel(limits::SOCKET_QUEUE);
    let mut driver = Driver {
        operator: Operator { client, config: Arc::new(config) },
        machine,
        started: Instant::now(),
        channels: HashMap::new(),
        sockets: HashMap::new(),
        sockets_opened: 0,
        inbox,
        operations: JoinSet::new(),
        out,
        stop,
        recent: RecentIds::default(),
        sweep: Sweep::default(),
        last_heard: None,
        sign_in_told: false,
        sign_in,
        saved,
        last_close: String::new(),
    };
    driver.perform(actions).await;
    loop {
        let deadline = driver.deadline();
        tokio::select! {
            () = driver.stop.cancelled() => break,
            // Nobody reads any more: the channel stays for the next run.
            () = driver.out.closed() => return,
            Some(done) = driver.operations.join_next(), if !driver.operations.is_empty() => {
                if let Ok(done) = done {
                    driver.done(done).await;
                }
            }
            Some(news) = news.recv() => driver.news(news).await,
            Ok(()) = tokens.changed() => driver.tokens_changed().await,
            () = sleep_until(deadline) => driver.step(Event::Tick).await,
        }
    }
    driver.close().await;
}

fn sign_in_of(client: &Client) -> Option<SignIn> {
    client.inner.held().map(|held| held.tokens.sign_in())
}

impl Driver {
    fn deadline(&self) -> Instant {
        // Never is far away: a clock cannot count to the end of time.
        const NEVER: std::time::Duration = std::time::Duration::from_secs(86_400);
        self.started.checked_add(self.machine.deadline()).unwrap_or_else(|| Instant::now() + NEVER)
    }

    async fn step(&mut self, event: Event) {
        let actions = self.machine.handle(self.started.elapsed(), event);
        self.perform(actions).await;
    }

    /// A dead sign-in is told at once, not when the next request needs it, and a new one whether or not it was waited for:
    /// it may have rights that the one before lacked.
    async fn tokens_changed(&mut self) {
        if !self.operator.client.is_signed_in() {
            return self.tell(Told::SignInNeeded).await;
        }
        let sign_in = sign_in_of(&self.operator.client);
        let is_new = self.sign_in != sign_in;
        self.sign_in = sign_in;
        if std::mem::take(&mut self.sign_in_told) || is_new {
            self.emit(FeedEvent::SignedIn).await;
        }
        self.step(Event::SignedIn).await;
    }

    async fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Adopt(generation) => self.adopt(generation),
                Action::Make(generation) => self.spawn(|operator| operator.make(generation)),
                Action::Connect(generation) => self.connect(generation),
                Action::Refresh(generation) => {
                    if let Some(known) = self.channels.get(&generation) {
                        let id = known.channel_id.clone();
                        self.spawn(|operator| operator.refresh(generation, id));
                    }
                }
                Action::Ping { generation, sequence } => {
                    if let Some(held) = self.sockets.get(&generation) {
                        let _ = held.pings.try_send(sequence);
                    }
                }
                Action::CloseSocket(generation) => {
                    self.sockets.remove(&generation);
                }
                Action::Probe(generation) => {
                    if let Some(known) = self.channels.get(&generation) {
                        let id = known.channel_id.clone();
                        self.spawn(|operator| operator.probe(generation, id));
                    }
                }
                Action::Sweep => self.spawn(Operator::list),
                Action::Delete(generation) => self.delete(generation),
                Action::Tell(told) => self.tell(told).await,
            }
        }
    }

    fn spawn<F>(&mut self, operation: impl FnOnce(Operator) -> F)
    where
        F: Future<Output = Done> + Send + 'static,
    {
        self.operations.spawn(operation(self.operator.clone()));
    }

    fn adopt(&mut self, generation: Generation) {
        match self.saved.clone() {
            Some(saved) => self.spawn(|operator| operator.adopt(generation, saved)),
            None => self.spawn(|operator| operator.make(generation)),
        }
    }

    fn connect(&mut self, generation: Generation) {
        if let Some(known) = self.channels.get(&generation) {
            let url = known.socket_url.clone();
            // With several accounts the server would resume that of the notification and forget the others.
            let may_resume = self.operator.client.config().hosts.may_resume()
                && self.operator.config.account_keys.len() == 1;
            let after = self.last_heard.clone().filter(|_| may_resume);
            self.spawn(|operator| operator.connect(generation, url, after));
        }
    }

    fn delete(&mut self, generation: Generation) {
        if let Some(known) = self.channels.remove(&generation) {
            self.spawn(|operator| operator.delete(known.channel_id));
        }
    }

    async fn tell(&mut self, told: Told) {
        let event = match told {
            Told::Connected { resumed } => FeedEvent::Connected { resumed },
            Told::Disconnected => FeedEvent::Disconnected { reason: self.reason_of_loss() },
            Told::Refreshed => FeedEvent::Refreshed,
            Told::Recreated(reason) => FeedEvent::Recreated { reason: reason.as_str() },
            Told::Repaired => {
                FeedEvent::MayHaveMissed { reason: "subscriptions were missing and are made again" }
            }
            Told::SignInNeeded => {
                self.sign_in_told = true;
                FeedEvent::SignInNeeded
            }
        };
        self.emit(event).await;
    }

    fn reason_of_loss(&mut self) -> String {
        match std::mem::take(&mut self.last_close) {
            // We closed it ourselves.
            reason if reason.is_empty() => "the socket did not answer pings".to_owned(),
            reason => reason,
        }
    }

    /// Waits for a slow reader, but not when the feed is to stop.
    async fn emit(&self, event: FeedEvent) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            _ = self.out.send(event) => {}
        }
    }

    async fn problem(&self, error: Error) {
        if error.kind != ErrorKind::SignInNeeded {
            self.emit(FeedEvent::Problem(error)).await;
        }
    }

    async fn done(&mut self, done: Done) {
        let event = match done {
            Done::Made(generation, Ok(ready)) => {
                let saved = SavedChannel::new(
                    &self.operator.client,
                    &self.operator.config,
                    ready.channel_id.clone(),
                    ready.socket_url.clone(),
                );
                saved.save(&self.operator.config);
                // Taken over or replaced: from now on a failure is one of the present.
                self.saved = None;
                let known = Known { channel_id: ready.channel_id, socket_url: ready.socket_url };
                self.channels.insert(generation, known);
                Event::Made { generation, lifetime: ready.lifetime }
            }
            Done::Made(generation, Err(error)) => self.make_failed(generation, error).await,
            Done::Connected(generation, Ok(socket)) => {
                let (pings, receiver) = mpsc::channel(limits::PING_QUEUE);
                self.sockets_opened += 1;
                let id = SocketId { generation, number: self.sockets_opened };
                self.sockets.insert(generation, Held { number: id.number, pings });
                tokio::spawn(socket::run(id, *socket, receiver, self.inbox.clone()));
                Event::SocketOpen { generation }
            }
            Done::Connected(generation, Err(error)) => {
                if error.trouble == Trouble::Unreachable {
                    self.problem(Error::new(ErrorKind::Unreachable, error.message)).await;
                }
                Event::SocketFailed { generation, trouble: error.trouble }
            }
            Done::Refreshed(generation, Ok(lifetime)) => Event::Refreshed { generation, lifetime },
            Done::Refreshed(generation, Err(error)) => {
                let trouble = trouble(&error);
                self.problem(error).await;
                Event::RefreshFailed { generation, trouble }
            }
            Done::Probed(generation, Ok(repaired)) => Event::Probed { generation, repaired },
            Done::Probed(generation, Err(error)) => {
                let trouble = trouble(&error);
                self.problem(error).await;
                Event::ProbeFailed { generation, trouble }
            }
            Done::Listed(listed) => return self.sweep(listed),
            Done::Deleted { channel_id, result } => {
                match result {
                    Ok(()) => SavedChannel::forget(&self.operator.config, &channel_id),
                    Err(error) => tracing::warn!("{error}; the channel ends by itself"),
                }
                return;
            }
        };
        self.step(event).await;
    }

    fn sweep(&mut self, listed: Result<Vec<Channel>, Error>) {
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => return tracing::debug!("{error}; channels left behind end by themselves"),
        };
        let listed: Vec<Listed> = listed
            .into_iter()
            .map(|channel| Listed {
                connected: channel.channel_data.and_then(|data| data.is_connected),
                nickname: channel.channel_nickname,
                channel_id: channel.channel_id,
            })
            .collect();
        let ours: Vec<&str> = self.channels.values().map(|known| known.channel_id.as_str()).collect();
        for channel_id in self.sweep.orphans(&self.operator.config.nickname, &ours, &listed) {
            tracing::info!("a channel that an earlier run left behind is deleted");
            self.spawn(|operator| operator.delete(channel_id));
        }
    }

    async fn make_failed(&mut self, generation: Generation, error: Error) -> Event {
        let taking_over = self.saved.is_some();
        let trouble = match trouble(&error) {
            // A new channel cannot be gone: something else was not found, and only a person can mend it.
            Trouble::Gone if !taking_over => Trouble::Refused,
            trouble => trouble,
        };
        if taking_over && matches!(trouble, Trouble::Gone | Trouble::Refused) {
            tracing::debug!("the channel of the last run cannot be taken over: {error}");
            self.saved = None;
        } else {
            self.problem(error).await;
        }
        Event::MakeFailed { generation, trouble }
    }

    async fn news(&mut self, FromSocket { from, news }: FromSocket) {
        let generation = from.generation;
        let is_held = self.sockets.get(&generation).is_some_and(|held| held.number == from.number);
        match news {
            // What a socket that we gave up still had counts like any other.
            News::Text(text) => match serde_json::from_str::<Frame>(&text) {
                Ok(frame) => self.frame(generation, frame.data, &text).await,
                Err(error) => {
                    let misfit = Misfit::new(text.as_bytes(), &error);
                    self.problem(Error::bad_answer(format!("unreadable frame on the socket: {misfit}")))
                        .await;
                }
            },
            News::Pong { sequence } if is_held => self.step(Event::Pong { generation, sequence }).await,
            News::Closed { reason } if is_held => {
                self.sockets.remove(&generation);
                self.last_close = reason;
                self.step(Event::SocketClosed { generation }).await;
            }
            News::Pong { .. } | News::Closed { .. } => {}
        }
    }

    async fn frame(&mut self, generation: Generation, data: FrameData, text: &str) {
        match data.kind.as_str() {
            REFRESH_REQUIRED => return self.step(Event::RefreshAsked { generation }).await,
            TO_BE_CLOSED => return self.step(Event::CloseAnnounced { generation }).await,
            _ => {}
        }
        self.step(Event::Heard { generation }).await;
        if data.id.as_ref().is_some_and(|id| !self.recent.is_new(id)) {
            return;
        }
        let id = data.id.clone();
        let event = match data.source.as_str() {
            call_events::SOURCE => call_event(self.with_raw(data, text).1),
            report::SOURCE => report_event(self.with_raw(data, text)),
            RESUME_SOURCE if data.kind == RESUME => {
                Ok(FeedEvent::MayHaveMissed { reason: "the server could not resume wholly" })
            }
            _ => Ok(FeedEvent::Other(Box::new(data))),
        };
        match event {
            Ok(event) => self.emit(event).await,
            Err(error) => self.problem(error).await,
        }
        self.last_heard = id.or_else(|| self.last_heard.take());
    }

    fn with_raw(&mut self, data: FrameData, text: &str) -> (Value, Notification) {
        self.operator.client.inner.novelty.tell(&data.source, &data.content);
        let raw = raw_content(text).map_or_else(|| data.content.to_string().into(), Into::into);
        let notification = Notification { id: data.id.unwrap_or_default(), kind: data.kind, raw };
        (data.content, notification)
    }

    /// Gives everything back, within a bounded time.
    async fn close(mut self) {
        let deadline = Instant::now() + limits::CLOSE_TIMEOUT;
        self.step(Event::Stop).await;
        while let Ok(Some(done)) = timeout_at(deadline, self.operations.join_next()).await {
            if let Ok(done) = done {
                self.done(done).await;
            }
        }
        if !self.operations.is_empty() {
            tracing::warn!("the channel could not be deleted in time; it ends by itself");
        }
    }
}

fn call_event(notification: Notification) -> Result<FeedEvent, Error> {
    let event: CallEvent = serde_json::from_str(&notification.raw).map_err(|error| {
        let misfit = Misfit::new(notification.raw.as_bytes(), &error);
        Error::bad_answer(format!("unreadable call event {}: {misfit}", notification.id))
    })?;
    Ok(FeedEvent::CallEvent(Box::new(event), notification))
}

fn report_event((content, notification): (Value, Notification)) -> Result<FeedEvent, Error> {
    let id = content.get("conversationSpaceId").and_then(Value::as_str);
    let Some(id) = id else {
        return Err(Error::bad_answer("a report notification without conversationSpaceId"));
    };
    Ok(FeedEvent::Report { conversation_space_id: id.to_owned(), notification })
}

/// `data.content` as it stands in the frame.
fn raw_content(text: &str) -> Option<&str> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow)]
        data: RawData<'a>,
    }
    #[derive(Deserialize)]
    struct RawData<'a> {
        #[serde(borrow)]
        content: &'a RawValue,
    }
    serde_json::from_str::<Raw>(text).ok().map(|raw| raw.data.content.get())
}
