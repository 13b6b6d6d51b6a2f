//! The frames against tungstenite's client as the oracle, whole and in pieces, and against bytes of chance.

use std::io::{self, Cursor};

use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Message as Theirs, WebSocket};

use super::*;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

fn see(control: &Control<'_>) -> Seen {
    match control {
        Control::Ping(payload) => Seen::Ping(payload.to_vec()),
        Control::Pong(payload) => Seen::Pong(payload.to_vec()),
        Control::Close(code) => Seen::Close(*code),
    }
}

/// Reads `bytes` in pieces of these sizes, again and again.
fn read(mut bytes: Vec<u8>, sizes: &[usize]) -> (Vec<Seen>, Result<(), Violation>, Inbox) {
    let (mut inbox, mut seen) = (Inbox::default(), Vec::new());
    let mut rest = bytes.as_mut_slice();
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(usize::MAX).clamp(1, rest.len());
        let (now, later) = rest.split_at_mut(size);
        if let Err(violation) = inbox.read(now, &mut |control| seen.push(see(&control))) {
            return (seen, Err(violation), inbox);
        }
        rest = later;
    }
    (seen, Ok(()), inbox)
}

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(MASKED | short as u8),
        medium => {
            frame.push(MASKED | 126);
            frame.extend_from_slice(&(medium as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    let from = frame.len();
    frame.extend_from_slice(payload);
    unmask(&mut frame[from..], mask);
    frame
}

/// What a client reads; what it answers goes nowhere.
struct Heard(Cursor<Vec<u8>>);

impl io::Read for Heard {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn message() -> impl Strategy<Value = Theirs> {
    let bytes = |max| prop::collection::vec(any::<u8>(), 0..=max);
    prop_oneof![
        bytes(125).prop_map(|payload| Theirs::Ping(payload.into())),
        bytes(125).prop_map(|payload| Theirs::Pong(payload.into())),
        bytes(70_000.min(limits::SOCKET_FRAME_BYTES_MAX)).prop_map(|payload| Theirs::Binary(payload.into())),
        ".{0,300}".prop_map(|text| Theirs::Text(text.into())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_client_sends_is_understood_in_pieces_of_any_size(
        messages in prop::collection::vec(message(), 0..8),
        reason in ".{0,30}",
        sizes in prop::collection::vec(1_usize..5_000, 1..6),
    ) {
        let mut client = WebSocket::from_raw_socket(Cursor::new(Vec::new()), Role::Client, None);
        let mut expected = Vec::new();
        for message in messages {
            match &message {
                Theirs::Ping(payload) => expected.push(Seen::Ping(payload.to_vec())),
                Theirs::Pong(payload) => expected.push(Seen::Pong(payload.to_vec())),
                _ => {}
            }
            client.send(message).expect("a cursor takes everything");
        }
        client.close(Some(CloseFrame { code: CloseCode::Normal, reason: reason.into() })).expect("it does");
        client.flush().expect("it does");
        expected.push(Seen::Close(Some(1000)));
        let (seen, result, inbox) = read(client.get_ref().get_ref().clone(), &sizes);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(seen, expected);
        prop_assert!(inbox.pieces.capacity() == 0 && inbox.data.is_none() && inbox.message.is_none());
    }

    #[test]
    fn what_we_send_is_understood_by_a_client(
        texts in prop::collection::vec(prop_oneof!["[a-z]{0,200}", "[a-z]{65000,66000}"], 1..4),
        payload in prop::collection::vec(any::<u8>(), 0..=125),
    ) {
        let mut out = Vec::new();
        for text in &texts {
            text_head(&mut out, text.len());
            out.extend_from_slice(text.as_bytes());
        }
        ping(&mut out, &payload);
        pong(&mut out, &payload);
        close(&mut out, Some(close_code::RESTART), "come back");
        let mut client = WebSocket::from_raw_socket(Heard(Cursor::new(out)), Role::Client, None);
        for text in texts {
            prop_assert_eq!(client.read().expect("a message"), Theirs::Text(text.into()));
        }
        prop_assert_eq!(client.read().expect("a message"), Theirs::Ping(payload.clone().into()));
        prop_assert_eq!(client.read().expect("a message"), Theirs::Pong(payload.into()));
        let close = CloseFrame { code: CloseCode::Restart, reason: "come back".into() };
        prop_assert_eq!(client.read().expect("a message"), Theirs::Close(Some(close)));
    }

    #[test]
    fn bytes_of_chance_break_nothing_and_read_the_same_in_pieces(
        mut bytes in prop::collection::vec(any::<u8>(), 0..400),
        sizes in prop::collection::vec(1_usize..20, 1..6),
        begin in prop::sample::select(vec![0x81_u8, 0x01, 0x89, 0x8a, 0x88, 0x80, 0x02]),
    ) {
        if let [first, second, ..] = bytes.as_mut_slice() {
            (*first, *second) = (begin, *second | MASKED);
        }
        let (whole, result, _) = read(bytes.clone(), &[usize::MAX]);
        let (pieces, result_of_pieces, inbox) = read(bytes, &sizes);
        prop_assert_eq!((whole, result), (pieces, result_of_pieces));
        prop_assert!(inbox.pieces.len() <= 14 + CONTROL_BYTES_MAX);
    }
}

#[test]
fn what_a_client_must_not_do_has_its_close_code() {
    let text = |payload: &[u8]| frame(FIN | TEXT, payload);
    let large = limits::SOCKET_FRAME_BYTES_MAX as u64 + 1;
    let too_large = [&[FIN | BINARY, MASKED | 127][..], &large.to_be_bytes(), &[0; 4]].concat();
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("not masked", vec![FIN | PING, 0], 1002),
        ("a reserved bit", frame(FIN | 0x40 | TEXT, b""), 1002),
        ("an unknown kind", frame(FIN | 3, b""), 1002),
        ("an unknown control frame", frame(FIN | 11, b""), 1002),
        ("a control frame in fragments", frame(PING, b""), 1002),
        ("a control frame with a long payload", frame(FIN | PING, &[0; 126]), 1002),
        ("a continuation of nothing", frame(FIN | CONTINUATION, b""), 1002),
        ("a message within a message", [frame(TEXT, b"a"), text(b"b")].concat(), 1002),
        ("a close with half a code", frame(FIN | CLOSE, &[3]), 1002),
        ("a close with a code that is never sent", frame(FIN | CLOSE, &1005_u16.to_be_bytes()), 1002),
        ("a close with a broken reason", frame(FIN | CLOSE, &[0x03, 0xe8, 0xff]), 1007),
        ("text that is not UTF-8", text(b"a\xff"), 1007),
        ("text that ends within a character", text("ä".as_bytes().split_at(1).0), 1007),
        ("a surrogate", text(&[0xed, 0xa0, 0x80]), 1007),
        ("a frame that is too large", too_large, 1009),
        (
            "a message that is too large",
            [frame(BINARY, &[0; 60_000]), frame(FIN | CONTINUATION, &[0; 60_000])].concat(),
            1009,
        ),
    ];
    for (what, bytes, code) in cases {
        for size in [1, 7, usize::MAX] {
            let (seen, result, _) = read(bytes.clone(), &[size]);
            assert_eq!(result.map_err(Violation::code), Err(code), "{what}, in pieces of {size}");
            assert!(seen.is_empty(), "{what}: {seen:?}");
        }
    }
}

#[test]
fn fragments_with_a_ping_between_them_and_a_cut_character_are_fine() {
    let text = "grün 📞";
    let (first, second) = text.as_bytes().split_at(text.len() - 2);
    let mut bytes = frame(TEXT, first);
    bytes.extend(frame(FIN | PING, b"now"));
    bytes.extend(frame(CONTINUATION, b""));
    bytes.extend(frame(FIN | CONTINUATION, second));
    bytes.extend(frame(FIN | CLOSE, b""));
    for size in [1, 2, 3, usize::MAX] {
        let (seen, result, _) = read(bytes.clone(), &[size]);
        assert_eq!((seen, result), (vec![Seen::Ping(b"now".to_vec()), Seen::Close(None)], Ok(())));
    }
}
