//! One WebSocket of a channel: frames in, pings out (spec/notification-channel.md, Ping and pong).

use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::lifecycle::{Generation, Trouble};
use crate::limits;

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why a socket could not be opened.
#[derive(Debug)]
pub(super) struct SocketError {
    pub trouble: Trouble,
    pub message: String,
}

/// Tells the sockets of one feed apart; a channel can have several, one after the other.
#[derive(Clone, Copy)]
pub(super) struct SocketId {
    pub generation: Generation,
    pub number: u64,
}

/// What a socket reports.
pub(super) struct FromSocket {
    pub from: SocketId,
    pub news: News,
}

pub(super) enum News {
    Text(Utf8Bytes),
    Pong { sequence: u64 },
    Closed { reason: String },
}

/// Payload of our pings, which the server echoes.
#[derive(Serialize, Deserialize)]
struct PingPayload {
    sequence: u64,
}

pub(super) async fn connect(url: &str) -> Result<Socket, SocketError> {
    let config = WebSocketConfig::default()
        .read_buffer_size(limits::SOCKET_READ_BUFFER_BYTES)
        .max_message_size(Some(limits::FRAME_BYTES_MAX))
        .max_frame_size(Some(limits::FRAME_BYTES_MAX));
    let opening = Box::pin(tokio_tungstenite::connect_async_with_config(url, Some(config), true));
    match timeout(limits::SOCKET_OPEN_TIMEOUT, opening).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(tungstenite::Error::Http(response))) => {
            let status = response.status().as_u16();
            // The URL carries the only credential, so a refusal means that the channel is no more.
            let gone = [400, 401, 403, 404, 410].contains(&status);
            let trouble = if gone { Trouble::Gone } else { Trouble::Unreachable };
            Err(SocketError { trouble, message: format!("opening the socket failed with status {status}") })
        }
        Ok(Err(error)) => {
            let message = format!("opening the socket failed: {error}");
            Err(SocketError { trouble: Trouble::Unreachable, message })
        }
        Err(_) => {
            let message = "opening the socket failed: no answer in time".to_owned();
            Err(SocketError { trouble: Trouble::Unreachable, message })
        }
    }
}

/// Reads until the socket ends or `pings` is closed; then closes it in good order. A full `inbox` stops the
/// reading, which the other side sees: nothing is dropped.
pub(super) async fn run(
    from: SocketId,
    mut socket: Socket,
    mut pings: mpsc::Receiver<u64>,
    inbox: mpsc::Sender<FromSocket>,
) {
    let reason = loop {
        tokio::select! {
            message = socket.next() => match read(message) {
                Ok(Some(news)) => {
                    if inbox.send(FromSocket { from, news }).await.is_err() {
                        return;
                    }
                }
                Ok(None) => {}
                Err(reason) => break reason,
            },
            ping = pings.recv() => match ping {
                Some(sequence) => {
                    let payload = serde_json::to_vec(&PingPayload { sequence }).expect("a number serializes");
                    let sending = socket.send(Message::Ping(payload.into()));
                    if !matches!(timeout(limits::SOCKET_WRITE_TIMEOUT, sending).await, Ok(Ok(()))) {
                        break "a ping could not be sent".to_owned();
                    }
                }
                None => {
                    close(from, &mut socket, &inbox).await;
                    break "closed by us".to_owned();
                }
            },
        }
    };
    let _ = inbox.send(FromSocket { from, news: News::Closed { reason } }).await;
}

/// What was on its way before the close still counts.
async fn close(from: SocketId, socket: &mut Socket, inbox: &mpsc::Sender<FromSocket>) {
    let deadline = Instant::now() + limits::SOCKET_CLOSE_WAIT;
    let _ = tokio::time::timeout_at(deadline, socket.close(None)).await;
    while let Ok(message) = tokio::time::timeout_at(deadline, socket.next()).await {
        match read(message) {
            Ok(Some(news)) => {
                if inbox.send(FromSocket { from, news }).await.is_err() {
                    return;
                }
            }
            Ok(None) => {}
            Err(_) => return,
        }
    }
}

/// Sorts what a socket yields: news, nothing of interest, or the reason of its end.
fn read(message: Option<Result<Message, tungstenite::Error>>) -> Result<Option<News>, String> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Some(News::Text(text))),
        Some(Ok(Message::Pong(payload))) => {
            // A server that does not echo the payload still answers: it counts for all pings so far.
            let sequence =
                serde_json::from_slice(&payload).map_or(u64::MAX, |ping: PingPayload| ping.sequence);
            Ok(Some(News::Pong { sequence }))
        }
        Some(Ok(Message::Close(Some(frame)))) => Err(match frame.reason.as_str() {
            "" => format!("closed by the server with code {}", frame.code),
            reason => format!("closed by the server with code {}: {reason}", frame.code),
        }),
        Some(Ok(Message::Close(None))) | None => Err("closed by the server".to_owned()),
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(error.to_string()),
    }
}
