//! One WebSocket of a channel: reads the log from the channel's cursor, then follows the hub's hints.
//!
//! What counts as received is what lies before a ping that was answered: RFC 6455 §5.5.3 makes every client echo
//! it, and TCP keeps the order. A socket that returns gets everything since, with the same notification ids.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::hub::{Connection, wants};
use super::system::{self, Life, LifeEvent};
use crate::app::App;
use crate::limits;
use crate::store::Entry;
use crate::time;

/// Why a socket ends; each has a close code of RFC 6455 §7.4.1.
#[derive(Debug)]
enum End {
    /// The client left, or the connection broke.
    Gone,
    /// The client took no bytes, or answered no ping, for too long.
    Dead,
    /// A newer socket of the same channel, or the channel was deleted.
    TakenOver,
    /// The channel's life is over.
    Expired,
    /// The platform stops; the channel stays.
    Restart,
    /// The log could not be read.
    Fault(String),
}

struct Socket {
    web_socket: WebSocket,
    connection: Connection,
    app: Arc<App>,
    /// Place in the log of each account, up to what was sent.
    positions: HashMap<String, i64>,
    event_id: u64,
    pings: VecDeque<Ping>,
    ping_id: u64,
    next_ping: Instant,
    /// Something was sent since the last ping.
    unconfirmed: bool,
    life: Life,
}

/// A ping on its way, and the places that its answer confirms.
struct Ping {
    id: u64,
    sent: Instant,
    positions: HashMap<String, i64>,
}

/// Serves a socket until it ends.
pub async fn serve(app: Arc<App>, web_socket: WebSocket, connection: Connection) {
    let shutdown = app.shutdown.clone();
    let row = connection.channel.row();
    let mut socket = Socket {
        web_socket,
        positions: connection.channel.cursors(),
        connection,
        app,
        event_id: 0,
        pings: VecDeque::new(),
        ping_id: 0,
        next_ping: Instant::now() + limits::SOCKET_PING_EVERY,
        unconfirmed: false,
        life: Life::new(&row),
    };
    let end = match socket.run(&shutdown).await {
        Ok(end) | Err(end) => end,
    };
    socket.finish(end).await;
}

impl Socket {
    async fn run(&mut self, shutdown: &CancellationToken) -> Result<End, End> {
        self.catch_up().await?;
        loop {
            let life_due = self.life.next_due();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(End::Restart),
                () = self.connection.closed.cancelled() => return Ok(End::TakenOver),
                message = self.web_socket.next() => self.received(message)?,
                _ = self.connection.changes.changed() => {
                    self.life.restart(&self.connection.channel.row());
                    self.catch_up().await?;
                }
                hint = self.connection.hints.recv() => match hint {
                    Some(entry) => self.deliver_hints(entry).await?,
                    None => return Ok(End::TakenOver),
                },
                () = tokio::time::sleep_until(self.next_ping) => self.ping().await?,
                () = tokio::time::sleep_until(life_due) => {
                    if let Some(end) = self.live_on().await? { return Ok(end); }
                }
            }
        }
    }

    fn received(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        match message {
            None | Some(Err(_) | Ok(Message::Close(_))) => Err(End::Gone),
            Some(Ok(Message::Pong(payload))) => {
                self.confirm(&payload);
                Ok(())
            }
            // Pings are answered with their payload by the WebSocket library; nothing else is expected.
            Some(Ok(_)) => Ok(()),
        }
    }

    fn confirm(&mut self, payload: &[u8]) {
        let Ok(id) = <[u8; 8]>::try_from(payload).map(u64::from_be_bytes) else { return };
        if !self.pings.iter().any(|ping| ping.id == id) {
            return;
        }
        while let Some(ping) = self.pings.pop_front() {
            if ping.id == id {
                self.connection.channel.confirm(&ping.positions);
                break;
            }
        }
    }

    async fn ping(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.pings.front().is_some_and(|ping| now - ping.sent >= limits::SOCKET_PONG_TIMEOUT) {
            return Err(End::Dead);
        }
        self.ping_id += 1;
        self.pings.push_back(Ping { id: self.ping_id, sent: now, positions: self.positions.clone() });
        self.unconfirmed = false;
        self.next_ping = now + limits::SOCKET_PING_EVERY;
        self.feed(Message::Ping(Bytes::copy_from_slice(&self.ping_id.to_be_bytes()))).await?;
        self.flush().await
    }

    /// What the channel's life asks for now.
    async fn live_on(&mut self) -> Result<Option<End>, End> {
        match self.life.pass(time::now_us()) {
            Some(LifeEvent::RefreshRequired { remaining_s }) => {
                self.feed_data(&system::refresh_required(remaining_s)).await?;
            }
            Some(LifeEvent::ToBeClosed) => self.feed_data(&system::to_be_closed()).await?,
            Some(LifeEvent::Over) => return Ok(Some(End::Expired)),
            None => return Ok(None),
        }
        self.flush().await?;
        Ok(None)
    }

    /// Sends everything from the log that this socket has not sent yet.
    async fn catch_up(&mut self) -> Result<(), End> {
        let subscriptions = self.connection.channel.subscriptions();
        for (account, position) in self.connection.channel.cursors() {
            self.positions.entry(account).or_insert(position);
        }
        let mut accounts: Vec<&str> = subscriptions.iter().map(|s| s.account_key.as_str()).collect();
        accounts.sort_unstable();
        accounts.dedup();
        for account in accounts {
            loop {
                let after = self.positions.get(account).copied().unwrap_or(0);
                let page = self.app.store.log_after(account, after, limits::CATCH_UP_PAGE).await;
                let page = page.map_err(|error| End::Fault(error.to_string()))?;
                let last = page.len() < limits::CATCH_UP_PAGE as usize;
                for entry in &page {
                    self.feed_entry(entry).await?;
                }
                self.flush().await?;
                if last {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Sends a hint and all that wait behind it in one write.
    async fn deliver_hints(&mut self, first: Arc<Entry>) -> Result<(), End> {
        let mut next = Some(first);
        for _ in 0..limits::CHANNEL_HINTS_MAX {
            let Some(entry) = next else { break };
            let seen = self.positions.get(&entry.account_key).copied().unwrap_or(0);
            if entry.position == seen + 1 {
                self.feed_entry(&entry).await?;
            } else if entry.position > seen {
                self.catch_up().await?;
            }
            next = self.connection.hints.try_recv().ok();
        }
        // One that was taken out and not sent is found in the log by the gap it leaves.
        if next.is_some() {
            self.catch_up().await?;
        }
        if self.connection.lagging.swap(false, Ordering::AcqRel) {
            self.catch_up().await?;
        }
        self.flush().await
    }

    /// Queues an entry if a subscription wants it, and moves on in its account's log.
    async fn feed_entry(&mut self, entry: &Entry) -> Result<(), End> {
        let fresh = time::now_us() - entry.at_us <= limits::NOTIFICATION_TTL_S * 1_000_000;
        if fresh && self.connection.channel.subscriptions().iter().any(|s| wants(s, entry)) {
            self.feed_data(entry.data()).await?;
        }
        match self.positions.get_mut(&entry.account_key) {
            Some(position) => *position = entry.position,
            None => {
                self.positions.insert(entry.account_key.clone(), entry.position);
            }
        }
        if !self.unconfirmed {
            self.unconfirmed = true;
            self.next_ping = self.next_ping.min(Instant::now() + limits::SOCKET_CONFIRM_AFTER);
        }
        Ok(())
    }

    async fn feed_data(&mut self, data: &str) -> Result<(), End> {
        self.event_id += 1;
        let frame = format!(
            r#"{{"event":"Notification","eventId":{},"timestamp":"{}","data":{data}}}"#,
            self.event_id,
            time::nanos(time::now_us()),
        );
        self.feed(Message::Text(Utf8Bytes::from(frame))).await
    }

    async fn feed(&mut self, message: Message) -> Result<(), End> {
        within_time(self.web_socket.feed(message)).await
    }

    async fn flush(&mut self) -> Result<(), End> {
        within_time(self.web_socket.flush()).await
    }

    async fn finish(mut self, end: End) {
        let (code, reason) = match end {
            End::Gone => return,
            End::Dead => {
                tracing::info!("socket closed: its client takes nothing or answers no ping");
                return;
            }
            End::TakenOver => (close_code::NORMAL, "taken over or deleted"),
            End::Expired => {
                super::delete(&self.app, &self.connection.channel.id).await;
                (close_code::AWAY, "channel expired")
            }
            End::Restart => (close_code::RESTART, "come back in a moment"),
            End::Fault(why) => {
                tracing::error!("socket closed, the event log could not be read: {why}");
                (close_code::ERROR, "come back in a moment")
            }
        };
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let closing = async {
            self.web_socket.send(Message::Close(Some(frame))).await?;
            // RFC 6455 §7.1.1: the client answers with its own close frame.
            while let Some(Ok(_)) = self.web_socket.next().await {}
            Ok::<(), axum::Error>(())
        };
        let _ = timeout(CLOSING_MAX, closing).await;
    }
}

/// How long a client may take to answer a close frame.
const CLOSING_MAX: Duration = Duration::from_secs(2);

async fn within_time(write: impl Future<Output = Result<(), axum::Error>>) -> Result<(), End> {
    match timeout(limits::SOCKET_WRITE_TIMEOUT, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Dead),
    }
}
