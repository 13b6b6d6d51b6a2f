//! A WebSocket's receiving end that costs next to nothing: frames are looked at where they lie in the read buffer.
//!
//! It knows what servers send to a client that only listens: whole text frames, pings, closes (RFC 6455 §5).

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use super::http;

const READ_BYTES: usize = 16 * 1024;
/// Masking keys protect proxies from scripts in browsers; between these two programs any key will do.
const MASK: [u8; 4] = [0; 4];

pub struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Socket {
    /// Connects to `ws://HOST:PORT/PATH?QUERY`.
    pub async fn connect(url: &Url) -> anyhow::Result<Self> {
        let host = url.host_str().context("the socket's URL has no host")?;
        let port = url.port_or_known_default().context("the socket's URL has no port")?;
        let address: SocketAddr = format!("{host}:{port}").parse().context("the host must be an address")?;
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let request = format!(
            "GET {}{query} HTTP/1.1\r\nhost: {host}:{port}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            url.path()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut buffer = Vec::with_capacity(1024);
        let end = loop {
            ensure!(stream.read_buf(&mut buffer).await? > 0, "the server closed the connection");
            if let Some(end) = http::find(&buffer, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = String::from_utf8_lossy(&buffer);
        ensure!(
            text.starts_with("HTTP/1.1 101"),
            "no WebSocket: {}",
            text.lines().next().unwrap_or_default()
        );
        buffer.drain(..end);
        Ok(Self { stream, buffer })
    }

    /// Waits for bytes and hands every whole text frame to `on_text`; answers pings. Cancelling it loses nothing.
    ///
    /// # Errors
    /// When the server closes.
    pub async fn read(&mut self, mut on_text: impl FnMut(&[u8])) -> anyhow::Result<()> {
        let mut pongs = self.take_frames(&mut on_text)?;
        // Only what is ready takes memory: thousands of these lie idle.
        self.stream.readable().await?;
        self.buffer.reserve(READ_BYTES);
        match self.stream.try_read_buf(&mut self.buffer) {
            Ok(0) => bail!("the server closed the socket"),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        pongs.extend(self.take_frames(&mut on_text)?);
        if !pongs.is_empty() {
            self.stream.write_all(&pongs).await?;
        }
        Ok(())
    }

    /// Returns the answers to pings among the frames.
    fn take_frames(&mut self, on_text: &mut impl FnMut(&[u8])) -> anyhow::Result<Vec<u8>> {
        let mut pongs = Vec::new();
        let mut from = 0;
        while let Some((kind, payload, end)) = frame(&self.buffer[from..]) {
            let payload = &self.buffer[from + payload..from + end];
            match kind {
                1 => on_text(payload),
                8 => bail!("the server closed the socket"),
                9 => {
                    // A ping's payload is at most 125 bytes (RFC 6455 §5.5).
                    pongs.extend([0x8a, 0x80 | u8::try_from(payload.len()).unwrap_or(125)]);
                    pongs.extend(MASK);
                    pongs.extend(payload);
                }
                _ => {}
            }
            from += end;
        }
        self.buffer.drain(..from);
        Ok(pongs)
    }
}

/// Opcode, start of the payload and end of the first frame, if it is there wholly.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (kind, short) = (bytes.first()? & 0x0f, bytes.get(1)? & 0x7f);
    let (start, length) = match short {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short)),
    };
    (bytes.len() >= start + length).then_some((kind, start, start + length))
}

#[cfg(test)]
mod tests {
    use super::frame;

    #[test]
    fn frames_of_all_three_lengths_are_found_once_they_are_whole() {
        for length in [0_usize, 5, 125, 126, 600, 65_535, 65_536] {
            let mut bytes = vec![0x81];
            match length {
                0..126 => bytes.push(length as u8),
                126..65_536 => {
                    bytes.push(126);
                    bytes.extend((length as u16).to_be_bytes());
                }
                _ => {
                    bytes.push(127);
                    bytes.extend((length as u64).to_be_bytes());
                }
            }
            let start = bytes.len();
            bytes.resize(start + length, b'x');
            assert_eq!(frame(&bytes), Some((1, start, start + length)));
            assert_eq!(frame(&bytes[..bytes.len() - 1]), None, "{length}: one byte is missing");
        }
    }
}
