//! A proxy between a reader and the platform that breaks connections as networks do, which neither end can do alone:
//! a reset that both hear at once, and a reader that vanishes without a word.
//!
//! Its buffers are small, so that a reader that stops reading is felt by the platform.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Buffers of the kernel on both sides of the proxy, in bytes; the kernel may round up.
pub const SOCKET_BUFFER_BYTES: u32 = 8 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 64;

/// What befalls the connections that are open at that moment; later ones are well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Both ends get a TCP reset.
    Reset,
    /// The reader's end is gone; the platform's stays open, takes all bytes and answers nothing.
    HalfOpen,
}

pub struct Chaos {
    pub address: SocketAddr,
    breaks: watch::Sender<Break>,
    task: JoinHandle<()>,
}

impl Chaos {
    /// Forwards to `platform`, an address of this machine.
    pub fn start(platform: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Accepted connections inherit it.
        socket.set_send_buffer_size(SOCKET_BUFFER_BYTES).expect("a buffer size");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let listener = socket.listen(BACKLOG).expect("the socket is bound");
        let address = listener.local_addr().expect("the socket is bound");
        let breaks = watch::Sender::new(Break::Reset);
        let task = tokio::spawn(accept(listener, platform, breaks.clone()));
        Self { address, breaks, task }
    }

    /// Breaks all connections that are open now.
    pub fn break_all(&self, how: Break) {
        self.breaks.send_replace(how);
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, platform: SocketAddr, breaks: watch::Sender<Break>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        tokio::spawn(forward(client, platform, breaks.subscribe()));
    }
}

async fn forward(mut client: TcpStream, platform: SocketAddr, mut breaks: watch::Receiver<Break>) {
    // While the platform is dead nobody listens there; the reader then sees its connection end.
    let Ok(mut server) = connect(platform).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => return,
        changed = breaks.changed() => if changed.is_err() { return },
    }
    let how = *breaks.borrow();
    let _ = client.set_zero_linger();
    match how {
        Break::Reset => {
            let _ = server.set_zero_linger();
        }
        Break::HalfOpen => {
            drop(client);
            let mut bytes = [0; 4096];
            while server.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
        }
    }
}

/// A connection to an address of this machine that takes little before it is read.
pub async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.connect(address).await
}
