//! From the listening socket to requests: how many connections there may be, how long one may take to say what it
//! wants, and how they end when the program stops.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::limits;
use crate::tls::Served;

/// A connection's place among those that there may be. A socket keeps it after its request has ended.
#[derive(Clone, Debug)]
pub struct Seat {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// What there may be of connections.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub connections_max: usize,
    /// For the head of a request, from the connection's begin or the last answer's end.
    pub head_timeout: Duration,
    pub refusal: Refusal,
}

/// What a connection beyond the bound is told, with 503.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub content_type: &'static str,
    pub body: String,
}

/// Answers on a listener until it is told to stop.
pub struct Server {
    router: Router,
    tls: Option<Served>,
    bounds: Bounds,
    seats: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    connections: TaskTracker,
    stop: CancellationToken,
}

impl Server {
    #[must_use]
    pub fn new(router: Router, tls: Option<Served>, bounds: Bounds, stop: CancellationToken) -> Self {
        Self {
            router,
            tls,
            seats: Arc::new(Semaphore::new(bounds.connections_max)),
            bounds,
            handshakes: Arc::new(Semaphore::new(limits::TLS_HANDSHAKES_MAX)),
            refusals: Arc::new(Semaphore::new(limits::REFUSALS_MAX)),
            connections: TaskTracker::new(),
            stop,
        }
    }

    /// The connections that are open.
    #[must_use]
    pub fn connections(&self) -> TaskTracker {
        self.connections.clone()
    }

    /// Accepts until the server is told to stop, then waits for the requests that are under way.
    pub async fn run(self, listener: TcpListener) {
        let server = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                () = server.stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => server.take(stream, peer),
                Err(error) => server.not_accepted(&error).await,
            }
        }
        drop(listener);
        server.connections.close();
        server.connections.wait().await;
    }

    /// A client that hung up at once is nothing; else files or memory are short, and it is no use to hurry.
    async fn not_accepted(&self, error: &std::io::Error) {
        use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            return;
        }
        tracing::error!("a connection could not be accepted, waiting a moment: {error}");
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(limits::ACCEPT_RETRY) => {}
        }
    }

    fn take(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let server = Arc::clone(self);
        let Ok(permit) = Arc::clone(&self.seats).try_acquire_owned() else {
            if let Ok(place) = Arc::clone(&self.refusals).try_acquire_owned() {
                self.connections.spawn(async move {
                    let _ = timeout(limits::REFUSAL_TIMEOUT, server.refuse(stream)).await;
                    drop(place);
                });
            }
            return;
        };
        // A notification must not wait for the acknowledgement of the one before. What has no such option fails later.
        let _ = stream.set_nodelay(true);
        let seat = Seat { _permit: Arc::new(permit) };
        self.connections.spawn(async move {
            if server.tls.is_none() {
                server.serve(stream, peer, seat).await;
            } else if let Some(stream) = server.shake_hands(stream).await {
                server.serve(stream, peer, seat).await;
            }
        });
    }

    async fn shake_hands(&self, stream: TcpStream) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(self.tls.as_ref()?.config());
        let _place = self.handshakes.acquire().await.ok()?;
        timeout(limits::TLS_HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await.ok()?.ok()
    }

    /// Answers the requests of one connection, until it ends or becomes a WebSocket.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        peer: SocketAddr,
        seat: Seat,
    ) {
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(seat.clone());
            let answer = self.router.clone().oneshot(request.map(Body::new));
            async move { answer.await.map_err(|never: Infallible| never) }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.bounds.head_timeout);
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            // Its errors are the client's: it hung up, was too slow, or speaks no HTTP.
            _ = connection.as_mut() => return,
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    /// Says that there are too many connections. Over TLS the connection is closed without a word, since shaking
    /// hands is what costs most.
    async fn refuse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        if self.tls.is_some() {
            return Ok(());
        }
        let Refusal { content_type, body } = &self.bounds.refusal;
        let head = format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: {content_type}\r\nretry-after: 5\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all((head + body).as_bytes()).await?;
        stream.shutdown().await?;
        // What is unread when a connection is closed would take the answer from the client.
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        Ok(())
    }
}

/// How many connections there may be: each takes an open file, and so do the database and requests of our own.
/// Raises the number of files that this process may open as far as the system lets it.
#[must_use]
pub fn connections_max() -> usize {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(limits::OPEN_FILES_UNKNOWN);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    files.saturating_sub(limits::OPEN_FILES_KEPT).clamp(1, limits::CONNECTIONS_MAX)
}
