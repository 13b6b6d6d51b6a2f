//! A notification channel seen from a client: frames in order, pings with any payload.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{LOOK, Log, SOON};

pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Every frame so far.
    pub frames: Vec<Value>,
}

impl Socket {
    /// Connects as the demos do: no headers, no subprotocol.
    pub async fn connect(url: &str) -> Self {
        Self::try_connect(url).await.unwrap_or_else(|error| panic!("the channel URL refuses: {error}"))
    }

    pub async fn try_connect(url: &str) -> Result<Self, tungstenite::Error> {
        let (stream, _) = tokio_tungstenite::connect_async(url).await?;
        Ok(Self { stream, frames: Vec::new() })
    }

    /// Connects with next to no room for what is not read yet.
    pub async fn connect_narrow(url: &str) -> Self {
        let plain: url::Url = url.parse().expect("a URL");
        let address = plain.socket_addrs(|| None).expect("an address").remove(0);
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4_096).expect("a size");
        let stream = MaybeTlsStream::Plain(socket.connect(address).await.expect("the platform listens"));
        let (stream, _) = tokio_tungstenite::client_async(url, stream).await.expect("a WebSocket");
        Self { stream, frames: Vec::new() }
    }

    /// Connects over TLS as one who trusts what `tls` trusts.
    pub async fn connect_trusting(url: &str, tls: rustls::ClientConfig) -> Result<Self, tungstenite::Error> {
        let connector = tokio_tungstenite::Connector::Rustls(std::sync::Arc::new(tls));
        let connected =
            tokio_tungstenite::connect_async_tls_with_config(url, None, false, Some(connector)).await;
        Ok(Self { stream: connected?.0, frames: Vec::new() })
    }

    /// The next message that is no ping; text is kept as a frame.
    async fn message(&mut self, patience: Duration) -> Option<Message> {
        // Pings do not make it longer: they come for ever where nothing else comes.
        let deadline = Instant::now() + patience;
        loop {
            let next = tokio::time::timeout_at(deadline, self.stream.next()).await;
            let Ok(next) = next else { panic!("no message within {patience:?}; so far {:#?}", self.last()) };
            match next? {
                Ok(Message::Ping(_)) => {}
                Ok(Message::Text(text)) => {
                    let frame = serde_json::from_str(&text).expect("a frame is one JSON document");
                    self.frames.push(frame);
                    return Some(Message::Text(text));
                }
                Ok(message) => return Some(message),
                Err(_) => return None,
            }
        }
    }

    fn last(&self) -> &[Value] {
        &self.frames[self.frames.len().saturating_sub(3)..]
    }

    /// The next frame; `None` when the socket closed.
    pub async fn frame(&mut self) -> Option<Value> {
        loop {
            match self.message(SOON).await? {
                Message::Text(_) => return self.frames.last().cloned(),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Reads to the end and returns the code that the platform closed with.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            if let Message::Close(frame) = self.message(SOON).await? {
                return frame.map(|frame| frame.code.into());
            }
        }
    }

    /// Reads until a frame fits, and returns it.
    pub async fn until(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            match self.frame().await {
                Some(frame) if fits(&frame) => return frame,
                Some(_) => {}
                None => panic!("{what}: the socket closed; last frames {:#?}", self.last()),
            }
        }
    }

    /// The frames of one call up to and with its report.
    pub async fn call(&mut self, space: &str) -> Vec<Value> {
        let of_call = |frame: &Value| space_of(frame) == Some(space);
        let is_report = |frame: &Value| frame["data"]["source"] == "call-events-report" && of_call(frame);
        if !self.frames.iter().any(is_report) {
            self.until("the report of the call", is_report).await;
        }
        self.frames.iter().filter(|frame| of_call(frame)).cloned().collect()
    }

    /// Whether a ping is answered within that time; frames that come meanwhile are kept.
    pub async fn answers(&mut self, payload: &[u8], deadline: Duration) -> bool {
        let ping = Message::Ping(payload.to_vec().into());
        self.stream.send(ping).await.expect("the socket is open");
        let pong = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Pong(answer))) if *answer == *payload => return true,
                    Some(Ok(Message::Text(text))) => {
                        self.frames.push(serde_json::from_str(&text).expect("a frame is one JSON document"));
                    }
                    Some(Ok(_)) => {}
                    None | Some(Err(_)) => return false,
                }
            }
        };
        tokio::time::timeout(deadline, pong).await.unwrap_or(false)
    }

    /// Sends a ping and returns the payload of its pong.
    pub async fn ping(&mut self, payload: &[u8]) -> Vec<u8> {
        let ping = Message::Ping(payload.to_vec().into());
        self.stream.send(ping).await.expect("the socket is open");
        loop {
            match self.message(SOON).await {
                Some(Message::Pong(payload)) => return payload.to_vec(),
                Some(Message::Text(_)) => {}
                other => panic!("no pong but {other:?}"),
            }
        }
    }
}

/// The call that a frame is about.
pub fn space_of(frame: &Value) -> Option<&str> {
    let content = &frame["data"]["content"];
    content["metadata"]["conversationSpaceId"].as_str().or(content["conversationSpaceId"].as_str())
}

/// Follows a channel in the background for as long as the log lives, and comes back when the socket dies.
pub fn follow(url: &str) -> (Log<Value>, tokio::task::JoinHandle<()>) {
    let log = Log::new();
    let (sink, url) = (log.clone(), url.to_owned());
    let task = tokio::spawn(async move {
        loop {
            if let Ok((mut stream, _)) = tokio_tungstenite::connect_async(&url).await {
                while let Some(Ok(message)) = stream.next().await {
                    if let Message::Text(text) = message {
                        sink.push(serde_json::from_str(&text).expect("a frame is one JSON document"));
                    }
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    });
    (log, task)
}
