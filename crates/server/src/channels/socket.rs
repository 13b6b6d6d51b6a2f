//! One WebSocket of a channel.
//!
//! What counts as received is what lies before a ping that was answered: RFC 6455 §5.5.3 makes every client echo
//! it, and TCP keeps the order. A socket that returns gets everything since, with the same notification ids.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, timeout};

use super::delivery::{Delivery, End, Outlet};
use super::hub::Connection;
use crate::app::App;
use crate::limits;

struct Socket {
    wire: Wire,
    delivery: Delivery,
    pings: VecDeque<Ping>,
    ping_id: u64,
    next_ping: Instant,
    /// Something was sent since the last ping.
    unconfirmed: bool,
}

/// The connection itself.
struct Wire(WebSocket);

/// A ping on its way, and the places that its answer confirms.
struct Ping {
    id: u64,
    sent: Instant,
    positions: HashMap<String, i64>,
}

/// Serves a socket until it ends; `after` is the last notification that its client has.
pub async fn serve(app: Arc<App>, web_socket: WebSocket, connection: Connection, after: Option<String>) {
    let mut socket = Socket {
        wire: Wire(web_socket),
        delivery: Delivery::new(Arc::clone(&app), connection),
        pings: VecDeque::new(),
        ping_id: 0,
        next_ping: Instant::now() + limits::SOCKET_PING_EVERY,
        unconfirmed: false,
    };
    if let Err(end) = socket.run(after.as_deref()).await {
        socket.finish(&app, end).await;
    }
}

impl Socket {
    /// Never ends but by an [`End`].
    async fn run(&mut self, after: Option<&str>) -> Result<(), End> {
        self.delivery.begin(after, &mut self.wire).await?;
        self.sent();
        loop {
            tokio::select! {
                biased;
                message = self.wire.0.next() => self.received(message)?,
                wake = self.delivery.wake() => {
                    if self.delivery.handle(wake, &mut self.wire).await? {
                        self.sent();
                    }
                }
                () = tokio::time::sleep_until(self.next_ping) => self.ping().await?,
            }
        }
    }

    /// Soon asks for confirmation of what was sent.
    fn sent(&mut self) {
        if !self.unconfirmed {
            self.unconfirmed = true;
            self.next_ping = self.next_ping.min(Instant::now() + limits::SOCKET_CONFIRM_AFTER);
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
                self.delivery.connection.channel.confirm(&ping.positions);
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
        let positions = self.delivery.positions().clone();
        self.pings.push_back(Ping { id: self.ping_id, sent: now, positions });
        self.unconfirmed = false;
        self.next_ping = now + limits::SOCKET_PING_EVERY;
        let payload = Bytes::copy_from_slice(&self.ping_id.to_be_bytes());
        within_time(self.wire.0.send(Message::Ping(payload))).await
    }

    async fn finish(mut self, app: &App, end: End) {
        let (code, reason) = match end {
            End::Gone => return,
            End::Dead => {
                tracing::info!("socket closed: its client takes nothing or answers no ping");
                return;
            }
            End::TakenOver => (close_code::NORMAL, "taken over or deleted"),
            End::Expired => {
                super::delete_expired(app, &self.delivery.connection.channel.id).await;
                (close_code::AWAY, "channel expired")
            }
            End::Restart => (close_code::RESTART, "come back in a moment"),
            End::Forced(0) => return,
            End::Forced(code) => (code, "a fault on demand"),
            End::Fault(why) => {
                tracing::error!("socket closed, the event log could not be read: {why}");
                (close_code::ERROR, "come back in a moment")
            }
        };
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let closing = async {
            self.wire.0.send(Message::Close(Some(frame))).await?;
            // RFC 6455 §7.1.1: the client answers with its own close frame.
            while let Some(Ok(_)) = self.wire.0.next().await {}
            Ok::<(), axum::Error>(())
        };
        let _ = timeout(limits::SOCKET_CLOSE_WAIT, closing).await;
    }
}

impl Outlet for Wire {
    async fn feed(&mut self, _: Option<&str>, frame: String) -> Result<(), End> {
        within_time(self.0.feed(Message::Text(Utf8Bytes::from(frame)))).await
    }

    async fn flush(&mut self) -> Result<(), End> {
        within_time(self.0.flush()).await
    }
}

async fn within_time(write: impl Future<Output = Result<(), axum::Error>>) -> Result<(), End> {
    match timeout(limits::SOCKET_WRITE_TIMEOUT, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Dead),
    }
}
