//! A channel as server-sent events: `GET …/channels/{nickname}/{channelId}/sse`, Callfeed's own door for readers that
//! have no WebSocket. Frames are those of the socket; the event id is the notification's, so a browser's EventSource
//! resumes by itself (`Last-Event-ID`).
//!
//! Nothing comes back from such a reader, so nothing is confirmed: one that returns without naming its last
//! notification gets what is younger than the `ttl` again, with the same ids.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::delivery::{Delivery, End, Frame, Outlet};
use super::hub::Connection;
use super::topic::Places;
use crate::app::App;
use crate::limits;

/// Frames of one flush, and the way to the client.
struct Stream {
    text: Vec<u8>,
    chunks: mpsc::Sender<Bytes>,
}

/// Answers with the stream, and serves it until it ends.
pub fn respond(app: Arc<App>, connection: Connection, after: Option<String>) -> Response {
    let (chunks, inbox) = mpsc::channel(limits::SSE_CHUNKS_MAX);
    let tasks = app.tasks.clone();
    tasks.spawn(serve(app, connection, after, chunks));
    let body = Body::from_stream(ReceiverStream::new(inbox).map(Ok::<_, Infallible>));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}

async fn serve(app: Arc<App>, connection: Connection, after: Option<String>, chunks: mpsc::Sender<Bytes>) {
    let mut stream = Stream { text: Vec::new(), chunks };
    let mut delivery = Delivery::new(Arc::clone(&app), connection);
    let end = run(&mut delivery, after.as_deref(), &mut stream).await;
    match end {
        Err(End::Expired) => super::delete_expired(&app, &delivery.connection.channel.id).await,
        Err(End::Ended(_)) => super::end(&app, &delivery.connection.channel).await,
        Err(End::Fault(why)) => tracing::error!("event stream ended, the event log could not be read: {why}"),
        Err(End::Dead) => tracing::info!("event stream ended: its client takes nothing"),
        _ => {}
    }
}

/// Never ends but by an [`End`].
async fn run(delivery: &mut Delivery, after: Option<&str>, stream: &mut Stream) -> Result<(), End> {
    let mut heartbeat = interval(limits::SSE_HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    delivery.begin(after, stream).await?;
    let closed = stream.chunks.clone();
    loop {
        tokio::select! {
            () = closed.closed() => return Err(End::Gone),
            signals = poll_fn(|cx| delivery.poll_signals(cx)) => {
                delivery.handle(signals, stream).await?;
            }
            () = sleep_until(delivery.life_due()) => delivery.live_on(stream).await?,
            _ = heartbeat.tick() => {
                stream.text.extend_from_slice(b":\n\n");
                stream.flush().await?;
            }
        }
    }
}

impl Outlet for Stream {
    fn queue(&mut self, frame: &Frame<'_>) {
        if let Some(id) = frame.id {
            self.text.extend_from_slice(b"id: ");
            self.text.extend_from_slice(id.as_bytes());
            self.text.push(b'\n');
        }
        // JSON has no line breaks, so one data line is enough.
        self.text.extend_from_slice(b"data: ");
        frame.write(&mut self.text);
        self.text.extend_from_slice(b"\n\n");
    }

    fn is_full(&self) -> bool {
        self.text.len() >= limits::SSE_CHUNK_BYTES
    }

    async fn flush(&mut self) -> Result<(), End> {
        if self.text.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::take(&mut self.text));
        match timeout(limits::SOCKET_WRITE_TIMEOUT, self.chunks.send(chunk)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Dead),
        }
    }

    async fn page_ends(&mut self, _: &Places) -> Result<(), End> {
        Ok(())
    }
}
