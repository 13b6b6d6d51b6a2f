//! WebSocket frames as a server that mostly sends needs them (RFC 6455 §5): text and control frames out, control
//! frames in.
//!
//! A client of a channel says nothing but pings, pongs and closes. So what comes in is read without a buffer: data
//! frames are checked and dropped byte by byte, and only a control frame that arrives in pieces is kept until it is
//! whole. An idle socket owns no memory here.

use crate::limits;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
/// RFC 6455 §5.5: payload of a control frame.
const CONTROL_BYTES_MAX: usize = 125;

/// RFC 6455 §7.4.1, RFC 6455 §11.7 for the last.
pub mod close_code {
    pub const NORMAL: u16 = 1000;
    pub const AWAY: u16 = 1001;
    pub const PROTOCOL: u16 = 1002;
    pub const INVALID: u16 = 1007;
    pub const SIZE: u16 = 1009;
    pub const ERROR: u16 = 1011;
    pub const RESTART: u16 = 1012;
}

/// A control frame of the client, unmasked.
#[derive(Debug, PartialEq, Eq)]
pub enum Control<'a> {
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    /// With the code, if it gave one.
    Close(Option<u16>),
}

/// What a client must not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("the client broke the WebSocket protocol")]
    Protocol,
    #[error("the client sent text that is not UTF-8")]
    NotUtf8,
    #[error("the client sent a message that is too large")]
    TooLarge,
}

impl Violation {
    /// What the socket is closed with.
    pub fn code(self) -> u16 {
        match self {
            Self::Protocol => close_code::PROTOCOL,
            Self::NotUtf8 => close_code::INVALID,
            Self::TooLarge => close_code::SIZE,
        }
    }
}

/// Appends the head of an unmasked text frame whose payload is appended by the caller.
pub fn text_head(out: &mut Vec<u8>, payload_bytes: usize) {
    out.push(FIN | TEXT);
    match (u8::try_from(payload_bytes), u16::try_from(payload_bytes)) {
        (Ok(short @ 0..=125), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
}

pub fn ping(out: &mut Vec<u8>, payload: &[u8]) {
    control(out, PING, payload);
}

pub fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    control(out, PONG, payload);
}

/// A close frame; the answer to one without a code has none either.
pub fn close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    let mut payload = Vec::new();
    if let Some(code) = code {
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend_from_slice(reason.as_bytes());
    }
    control(out, CLOSE, &payload);
}

fn control(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    // Ours are short, and a client's ping is no longer than this either.
    let payload = &payload[..payload.len().min(CONTROL_BYTES_MAX)];
    out.extend_from_slice(&[FIN | opcode, payload.len() as u8]);
    out.extend_from_slice(payload);
}

/// Reads what a client sends.
#[derive(Debug, Default)]
pub struct Inbox {
    /// The head of a frame, and the payload of a control frame, as far as they have come.
    pieces: Vec<u8>,
    /// The data frame that is being dropped.
    data: Option<Data>,
    message: Option<Message>,
}

#[derive(Debug)]
struct Data {
    left: usize,
    mask: [u8; 4],
    fin: bool,
}

/// A message whose last frame has not come.
#[derive(Debug)]
struct Message {
    bytes: usize,
    /// The begin of a character whose rest has not come; `None` for what is no text.
    utf8: Option<Utf8Tail>,
}

#[derive(Debug, Default)]
struct Utf8Tail {
    bytes: [u8; 3],
    len: usize,
}

impl Inbox {
    /// Reads all of `bytes`, unmasking them in place. Nothing that follows a close or a violation is to be read.
    ///
    /// # Errors
    /// What the client did that it must not do; the socket is to be closed.
    pub fn read(
        &mut self,
        mut bytes: &mut [u8],
        handle: &mut impl FnMut(Control<'_>),
    ) -> Result<(), Violation> {
        while !bytes.is_empty() {
            if let Some(data) = &mut self.data {
                let here = data.left.min(bytes.len());
                let (now, rest) = std::mem::take(&mut bytes).split_at_mut(here);
                unmask(now, data.mask);
                data.mask.rotate_left(now.len() % 4);
                data.left -= now.len();
                self.drop_data(now)?;
                bytes = rest;
                continue;
            }
            let wanted = wanted(&self.pieces)?;
            if self.pieces.is_empty() && bytes.len() >= wanted {
                // The common case: the whole frame is here.
                let wanted = self::wanted(bytes)?;
                if bytes.len() >= wanted {
                    let (frame, rest) = std::mem::take(&mut bytes).split_at_mut(wanted);
                    self.head_or_control(frame, handle)?;
                    bytes = rest;
                    continue;
                }
            }
            let missing = (wanted - self.pieces.len()).min(bytes.len());
            let (now, rest) = std::mem::take(&mut bytes).split_at_mut(missing);
            self.pieces.extend_from_slice(now);
            bytes = rest;
            if self.pieces.len() == self::wanted(&self.pieces)? {
                let mut frame = std::mem::take(&mut self.pieces);
                self.head_or_control(&mut frame, handle)?;
            }
        }
        Ok(())
    }

    /// A whole control frame, or the head of a data frame.
    fn head_or_control(
        &mut self,
        frame: &mut [u8],
        handle: &mut impl FnMut(Control<'_>),
    ) -> Result<(), Violation> {
        let (first, payload_bytes) = (frame[0], payload_bytes(frame));
        let (head, payload) = frame.split_at_mut(head_bytes(frame[1]));
        let mut mask = [0; 4];
        mask.copy_from_slice(&head[head.len() - 4..]);
        let opcode = first & 0x0f;
        if opcode >= CLOSE {
            unmask(payload, mask);
            handle(match opcode {
                PING => Control::Ping(payload),
                PONG => Control::Pong(payload),
                _ => Control::Close(closing(payload)?),
            });
            return Ok(());
        }
        if (opcode == CONTINUATION) != self.message.is_some() {
            return Err(Violation::Protocol);
        }
        let utf8 = || (opcode == TEXT).then(Utf8Tail::default);
        let message = self.message.get_or_insert_with(|| Message { bytes: 0, utf8: utf8() });
        let left = usize::try_from(payload_bytes).map_err(|_| Violation::TooLarge)?;
        message.bytes = message.bytes.saturating_add(left);
        if message.bytes > limits::SOCKET_FRAME_BYTES_MAX {
            return Err(Violation::TooLarge);
        }
        self.data = Some(Data { left, mask, fin: first & FIN != 0 });
        self.drop_data(&[])
    }

    /// Checks a piece of a data frame, which nobody wants.
    fn drop_data(&mut self, piece: &[u8]) -> Result<(), Violation> {
        if let Some(tail) = self.message.as_mut().and_then(|message| message.utf8.as_mut()) {
            tail.check(piece)?;
        }
        let Some(Data { left: 0, fin, .. }) = self.data else { return Ok(()) };
        self.data = None;
        if fin {
            let ended = self.message.take();
            let cut = ended.and_then(|message| message.utf8).is_some_and(|tail| tail.len > 0);
            return if cut { Err(Violation::NotUtf8) } else { Ok(()) };
        }
        Ok(())
    }
}

impl Utf8Tail {
    fn check(&mut self, mut piece: &[u8]) -> Result<(), Violation> {
        // First the rest of the character that was cut.
        while self.len > 0 && !piece.is_empty() {
            let mut character = [0; 4];
            character[..self.len].copy_from_slice(&self.bytes[..self.len]);
            character[self.len] = piece[0];
            piece = &piece[1..];
            match std::str::from_utf8(&character[..=self.len]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_none() && self.len < 3 => {
                    self.bytes[self.len] = character[self.len];
                    self.len += 1;
                }
                Err(_) => return Err(Violation::NotUtf8),
            }
        }
        let Err(error) = std::str::from_utf8(piece) else { return Ok(()) };
        let rest = &piece[error.valid_up_to()..];
        if error.error_len().is_some() || rest.len() > self.bytes.len() {
            return Err(Violation::NotUtf8);
        }
        self.bytes[..rest.len()].copy_from_slice(rest);
        self.len = rest.len();
        Ok(())
    }
}

/// How many bytes from a frame's first on are wanted before it can be handled; at least 2.
fn wanted(begin: &[u8]) -> Result<usize, Violation> {
    let &[first, second, ..] = begin else { return Ok(2) };
    let opcode = first & 0x0f;
    let known = matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG);
    // RFC 6455 §5.1: what a client sends is masked.
    if !known || first & RESERVED != 0 || second & MASKED == 0 {
        return Err(Violation::Protocol);
    }
    let head = head_bytes(second);
    if opcode < CLOSE {
        return Ok(head);
    }
    let payload = usize::from(second & !MASKED);
    if payload > CONTROL_BYTES_MAX || first & FIN == 0 {
        return Err(Violation::Protocol);
    }
    Ok(head + payload)
}

/// Length of a masked frame's head.
fn head_bytes(second: u8) -> usize {
    match second & !MASKED {
        126 => 8,
        127 => 14,
        _ => 6,
    }
}

/// Of a frame whose head is whole.
fn payload_bytes(frame: &[u8]) -> u64 {
    let length = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    match frame[1] & !MASKED {
        126 => length(&frame[2..4]),
        127 => length(&frame[2..10]),
        short => u64::from(short),
    }
}

fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    for (byte, mask) in bytes.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// RFC 6455 §5.5.1, §7.4: no body, or a code that may be sent with a reason in UTF-8.
fn closing(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(Violation::Protocol),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::Protocol);
    }
    std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
    Ok(Some(code))
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
