//! One WebSocket of a channel.
//!
//! What counts as received is what lies before a ping that was answered: RFC 6455 §5.5.3 makes every client echo
//! it, and TCP keeps the order. A socket that returns gets everything since, with the same notification ids.
//!
//! There may be ten thousands of them, nearly all idle. So a socket is one small task with one timer, which owns no
//! buffer while nothing is on its way.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use listen::Seat;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::delivery::{Delivery, End, Frame, Outlet};
use super::frames::{self, Control, Inbox, close_code};
use super::hub::{Channel, Connection};
use super::signal::Signals;
use super::topic::Places;
use crate::app::App;
use crate::limits;

struct Socket<S> {
    wire: Wire<S>,
    delivery: Delivery,
    next_ping: Instant,
    /// Something was sent since the last ping.
    unconfirmed: bool,
}

/// The connection itself, and what its client has confirmed.
struct Wire<S> {
    stream: S,
    inbox: Inbox,
    /// Frames to be written; owns memory only while there are some.
    out: Vec<u8>,
    /// Unanswered, oldest first.
    pings: Vec<Ping>,
    ping_id: u64,
    channel: Arc<Channel>,
}

/// A ping on its way, and the places that its answer confirms.
struct Ping {
    id: u64,
    sent: Instant,
    places: Places,
}

enum Event {
    /// The client said something; an answer may be queued.
    Heard,
    Woken(Signals),
    Time,
}

/// Serves a socket until it ends; `begun` is what its client has said already, `after` the last notification that it
/// has.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    app: Arc<App>,
    stream: S,
    begun: Vec<u8>,
    connection: Connection,
    after: Option<String>,
    seat: Seat,
) {
    let channel = Arc::clone(&connection.channel);
    let wire =
        Wire { stream, inbox: Inbox::default(), out: Vec::new(), pings: Vec::new(), ping_id: 0, channel };
    let mut socket = Socket {
        wire,
        delivery: Delivery::new(Arc::clone(&app), connection),
        next_ping: Instant::now() + limits::SOCKET_PING_EVERY,
        unconfirmed: false,
    };
    let end = match Box::pin(socket.begin(begun, after)).await {
        Ok(()) => socket.run().await,
        Err(end) => end,
    };
    Box::pin(socket.finish(&app, end)).await;
    drop(seat);
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    async fn begin(&mut self, mut begun: Vec<u8>, after: Option<String>) -> Result<(), End> {
        self.wire.hear(&mut begun)?;
        self.delivery.begin(after.as_deref(), &mut self.wire).await?;
        self.sent();
        Ok(())
    }

    async fn run(&mut self) -> End {
        let mut alarm = pin!(sleep_until(self.due()));
        loop {
            let done = match poll_fn(|cx| self.poll(cx, alarm.as_mut())).await {
                Ok(Event::Heard) => self.wire.flush().await,
                Ok(Event::Woken(signals)) => self.woken(signals).await,
                Ok(Event::Time) => self.on_time().await,
                Err(end) => Err(end),
            };
            if let Err(end) = done {
                return end;
            }
            let due = self.due();
            if alarm.deadline() != due {
                alarm.as_mut().reset(due);
            }
        }
    }

    /// Waits for something to do: first what the client says, then what there is to send.
    fn poll(&mut self, cx: &mut Context<'_>, alarm: Pin<&mut Sleep>) -> Poll<Result<Event, End>> {
        if let Poll::Ready(heard) = self.wire.poll_heard(cx) {
            return Poll::Ready(heard.map(|()| Event::Heard));
        }
        if let Poll::Ready(signals) = self.delivery.poll_signals(cx) {
            return Poll::Ready(Ok(Event::Woken(signals)));
        }
        alarm.poll(cx).map(|()| Ok(Event::Time))
    }

    async fn woken(&mut self, signals: Signals) -> Result<(), End> {
        if self.delivery.handle(signals, &mut self.wire).await? {
            self.sent();
        }
        Ok(())
    }

    /// Soon asks for confirmation of what was sent.
    fn sent(&mut self) {
        if !self.unconfirmed {
            self.unconfirmed = true;
            self.next_ping = self.next_ping.min(Instant::now() + limits::SOCKET_CONFIRM_AFTER);
        }
    }

    /// When there is something to do without being asked.
    fn due(&self) -> Instant {
        self.next_ping.min(self.delivery.life_due())
    }

    async fn on_time(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.next_ping <= now {
            self.ping(now)?;
            self.wire.flush().await?;
        }
        if self.delivery.life_due() <= now { self.delivery.live_on(&mut self.wire).await } else { Ok(()) }
    }

    fn ping(&mut self, now: Instant) -> Result<(), End> {
        self.unconfirmed = false;
        self.next_ping = now + limits::SOCKET_PING_EVERY;
        self.wire.ping(now, self.delivery.places())
    }

    async fn finish(mut self, app: &App, end: End) {
        let (code, reason) = match end {
            End::Gone => return,
            End::Dead => {
                tracing::info!("socket closed: its client takes nothing or answers no ping");
                return;
            }
            // RFC 6455 §5.5.1: the answer to a close frame echoes its code.
            End::Closed(code) => (code, ""),
            End::Violation(violation) => {
                tracing::info!("socket closed: {violation}");
                (Some(violation.code()), "")
            }
            End::TakenOver => (Some(close_code::NORMAL), "taken over or deleted"),
            End::Expired => {
                super::delete_expired(app, &self.delivery.connection.channel.id).await;
                (Some(close_code::AWAY), "channel expired")
            }
            End::Restart => (Some(close_code::RESTART), "come back in a moment"),
            End::Ended(code) => {
                super::end(app, &self.delivery.connection.channel).await;
                if code == 0 {
                    return;
                }
                (Some(code), "the channel has ended")
            }
            End::Forced(0) => return,
            End::Forced(code) => (Some(code), "a fault on demand"),
            End::Fault(why) => {
                tracing::error!("socket closed, the event log could not be read: {why}");
                (Some(close_code::ERROR), "come back in a moment")
            }
        };
        frames::close(&mut self.wire.out, code, reason);
        let stream = &mut self.wire.stream;
        let closing = async {
            stream.write_all(&self.wire.out).await?;
            stream.shutdown().await?;
            // RFC 6455 §7.1.1: the client answers with its own close frame and leaves. What is unread when a
            // connection is closed would take our last frames from it.
            let mut rest = [0; 256];
            while stream.read(&mut rest).await? > 0 {}
            Ok::<(), std::io::Error>(())
        };
        let _ = timeout(limits::SOCKET_CLOSE_WAIT, closing).await;
    }
}

/// The client has everything that was sent before a ping that it answered.
fn confirm(channel: &Channel, pings: &mut Vec<Ping>, payload: &[u8]) {
    let Ok(id) = <[u8; 8]>::try_from(payload).map(u64::from_be_bytes) else { return };
    let Some(place) = pings.iter().position(|ping| ping.id == id) else { return };
    let places = pings[place].places.iter();
    channel.confirm(places.map(|(topic, position)| (&*topic.account_key, *position)));
    pings.drain(..=place);
    if pings.is_empty() {
        *pings = Vec::new();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        // On the stack for the length of a read, instead of a buffer for each socket.
        let mut scratch = [MaybeUninit::uninit(); limits::SOCKET_READ_BYTES];
        let mut read = ReadBuf::uninit(&mut scratch);
        if ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)).is_err() {
            return Poll::Ready(Err(End::Gone));
        }
        match read.filled_mut() {
            [] => Poll::Ready(Err(End::Gone)),
            bytes => Poll::Ready(self.hear(bytes)),
        }
    }

    /// Takes what the client said. Nothing is expected but control frames.
    fn hear(&mut self, bytes: &mut [u8]) -> Result<(), End> {
        let Self { inbox, out, pings, channel, .. } = self;
        let mut closed = None;
        let read = inbox.read(bytes, &mut |control| match control {
            _ if closed.is_some() => {}
            Control::Ping(payload) => frames::pong(out, payload),
            Control::Pong(payload) => confirm(channel, pings, payload),
            Control::Close(code) => closed = Some(code),
        });
        match (closed, read) {
            (Some(code), _) => Err(End::Closed(code)),
            (None, Err(violation)) => Err(End::Violation(violation)),
            (None, Ok(())) => Ok(()),
        }
    }

    /// Queues a ping whose answer confirms these places.
    fn ping(&mut self, now: Instant, places: &Places) -> Result<(), End> {
        if self.pings.first().is_some_and(|ping| now - ping.sent >= limits::SOCKET_PONG_TIMEOUT) {
            return Err(End::Dead);
        }
        self.ping_id += 1;
        self.pings.push(Ping { id: self.ping_id, sent: now, places: places.clone() });
        frames::ping(&mut self.out, &self.ping_id.to_be_bytes());
        Ok(())
    }

    /// Writes what the connection takes at once. Ready when that was all.
    fn poll_write_out(&mut self, cx: &mut Context<'_>, written: &mut usize) -> Poll<Result<(), End>> {
        while *written < self.out.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out[*written..])) {
                Ok(0) | Err(_) => return Poll::Ready(Err(End::Gone)),
                Ok(bytes) => *written += bytes,
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx).map_err(|_| End::Gone)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Outlet for Wire<S> {
    fn queue(&mut self, frame: &Frame<'_>) {
        self.out.reserve(frame.len() + 10);
        frames::text_head(&mut self.out, frame.len());
        frame.write(&mut self.out);
    }

    fn is_full(&self) -> bool {
        self.out.len() >= limits::SOCKET_WRITE_BYTES
    }

    async fn flush(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        let mut written = 0;
        // Nearly always all goes at once; the timer is for the rest.
        let at_once = poll_fn(|cx| Poll::Ready(self.poll_write_out(cx, &mut written))).await;
        if let Poll::Ready(done) = at_once {
            done?;
        } else {
            let rest = poll_fn(|cx| self.poll_write_out(cx, &mut written));
            Box::pin(timeout(limits::SOCKET_WRITE_TIMEOUT, rest)).await.map_err(|_| End::Dead)??;
        }
        self.out = Vec::new();
        Ok(())
    }

    /// Without this, a client whose connections are short would get the same again each time.
    async fn page_ends(&mut self, places: &Places) -> Result<(), End> {
        if self.pings.len() < limits::SOCKET_PINGS_MAX {
            self.ping(Instant::now(), places)?;
        }
        self.flush().await?;
        // Answers to the pings of earlier pages.
        while let Poll::Ready(heard) = poll_fn(|cx| Poll::Ready(self.poll_heard(cx))).await {
            heard?;
        }
        Ok(())
    }
}
