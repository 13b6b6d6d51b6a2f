//! Readers of a channel to whom everything happens that happens to connections: they are reset, vanish, stop reading
//! and go on, are taken over by their own second connection, and come back.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, Stream, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::LOOK;
use super::chaos::{self, Break, Chaos};
use super::ledger::Ledger;

/// A connection is well for so long before something happens to it.
const WELL_MS: std::ops::Range<u64> = 100..1_500;
/// A slow reader reads nothing for so long …
const SLOW_MS: std::ops::Range<u64> = 100..4_000;
/// … and one of so many is so slow that the platform gives it up.
const VERY_SLOW_ONE_IN: u64 = 20;
const VERY_SLOW_MS: u64 = 25_000;

/// How a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The socket as clients of GoTo Connect know it.
    Socket,
    /// The same with `?after=` the last notification.
    SocketAfter,
    /// Server-sent events with `Last-Event-ID`.
    Events,
}

#[derive(Clone, Copy, Debug)]
enum Misfortune {
    Reset,
    HalfOpen,
    /// The reader closes its connection without a word.
    Drop,
    /// A second connection, while the first is open and unread.
    Takeover,
    Slow,
}

const MISFORTUNES: [Misfortune; 6] = [
    Misfortune::Reset,
    Misfortune::HalfOpen,
    Misfortune::Drop,
    Misfortune::Takeover,
    Misfortune::Slow,
    Misfortune::Slow,
];

pub struct Reader {
    door: Door,
    /// Path and query of the channel's address.
    path: String,
    pub ledger: Ledger,
    /// Whether there is time for readers that are given up.
    patient: bool,
    proxy: Chaos,
    random: fastrand::Rng,
}

enum Connection {
    Socket(Box<WebSocketStream<TcpStream>>),
    Events { chunks: Chunks, bytes: Vec<u8> },
}

type Chunks = std::pin::Pin<Box<dyn Stream<Item = reqwest::Result<axum::body::Bytes>> + Send>>;

impl Reader {
    pub fn new(door: Door, path: String, platform: SocketAddr, seed: u64, patient: bool) -> Self {
        let ledger = Ledger::new(&format!("{door:?}"), door != Door::Socket);
        let random = fastrand::Rng::with_seed(seed);
        Self { door, path, ledger, patient, proxy: Chaos::start(platform), random }
    }

    /// Reads for as long as the task lives; nothing happens to it any more once `quiet` is true.
    pub async fn run(mut self, quiet: watch::Receiver<bool>) {
        // Connections that were taken over, open until the next one ends.
        let mut held = Vec::new();
        loop {
            let Some(mut connection) = self.connect().await else {
                tokio::time::sleep(LOOK).await;
                continue;
            };
            self.ledger.connected();
            if self.read(&mut connection, &quiet).await {
                held.push(connection);
            } else {
                held.clear();
            }
        }
    }

    /// Reads until the connection ends; true when it shall stay open, unread.
    async fn read(&mut self, connection: &mut Connection, quiet: &watch::Receiver<bool>) -> bool {
        let mut due = self.next_due();
        loop {
            tokio::select! {
                data = connection.next() => match data {
                    Some(data) => self.ledger.take(&data),
                    None => return false,
                },
                () = tokio::time::sleep_until(due), if !*quiet.borrow() => {
                    match self.random.choice(MISFORTUNES).expect("there are some") {
                        Misfortune::Reset => self.proxy.break_all(Break::Reset),
                        Misfortune::HalfOpen => self.proxy.break_all(Break::HalfOpen),
                        Misfortune::Drop => return false,
                        Misfortune::Takeover => return true,
                        // Not a wait for anything: this is the misfortune.
                        Misfortune::Slow => {
                            tokio::time::sleep(self.slowness()).await;
                        }
                    }
                    due = self.next_due();
                }
            }
        }
    }

    fn slowness(&mut self) -> Duration {
        let very = self.patient && self.random.u64(..VERY_SLOW_ONE_IN) == 0;
        Duration::from_millis(if very { VERY_SLOW_MS } else { self.random.u64(SLOW_MS) })
    }

    fn next_due(&mut self) -> Instant {
        Instant::now() + Duration::from_millis(self.random.u64(WELL_MS))
    }

    async fn connect(&self) -> Option<Connection> {
        let last = self.ledger.last_id();
        if self.door == Door::Events {
            let client = reqwest::Client::builder().no_proxy().build().expect("a client");
            let mut request = client.get(format!("http://{}{}", self.proxy.address, self.path));
            if let Some(id) = last {
                request = request.header("last-event-id", id);
            }
            let answer = request.send().await.ok()?;
            assert_eq!(answer.status(), 200, "the stream of events is refused");
            return Some(Connection::Events { chunks: Box::pin(answer.bytes_stream()), bytes: Vec::new() });
        }
        let after = last.filter(|_| self.door == Door::SocketAfter);
        let after = after.map(|id| format!("?after={id}")).unwrap_or_default();
        let url = format!("ws://{}{}{after}", self.proxy.address, self.path);
        let stream = chaos::connect(self.proxy.address).await.ok()?;
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.ok()?;
        Some(Connection::Socket(Box::new(socket)))
    }
}

impl Connection {
    /// `data` of the next frame; nothing when the connection has ended. Cancelling the wait loses nothing.
    async fn next(&mut self) -> Option<Value> {
        match self {
            Self::Socket(socket) => loop {
                match socket.next().await?.ok()? {
                    Message::Text(text) => return Some(data_of(text.as_bytes())),
                    Message::Ping(_) => socket.flush().await.ok()?,
                    Message::Close(_) => return None,
                    _ => {}
                }
            },
            Self::Events { chunks, bytes } => loop {
                while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = bytes.drain(..=end).collect();
                    if let Some(frame) = line.strip_prefix(b"data: ") {
                        return Some(data_of(frame));
                    }
                }
                bytes.extend_from_slice(&chunks.next().await?.ok()?);
            },
        }
    }
}

fn data_of(frame: &[u8]) -> Value {
    let mut frame: Value = serde_json::from_slice(frame).expect("a frame is one JSON document");
    frame["data"].take()
}
