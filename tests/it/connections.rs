//! Connections that take and give nothing: half a request, too many at once, frames that no client may send.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::harness::calls::{self, Channel};
use crate::harness::socket::space_of;
use crate::harness::{Person, Platform, SCOPES, SOON, eventually};

async fn connect(platform: &Platform) -> TcpStream {
    TcpStream::connect(platform.base.trim_start_matches("http://")).await.expect("the platform listens")
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(SOON, stream.read_to_end(&mut bytes)).await;
    // A reset is an end too.
    let _ = read.expect("the platform closes the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn half_a_head_is_waited_for_no_longer_than_the_limit_and_keeps_nobody_waiting() {
    let platform = Platform::start_with(&["--head-timeout", "2"]).await;
    let started = Instant::now();
    let mut halves = Vec::new();
    for _ in 0..20 {
        let mut stream = connect(&platform).await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").await.expect("it reads");
        halves.push(stream);
    }
    platform.with_token("").get("/healthz").await.is(200);
    assert!(started.elapsed() < Duration::from_secs(2), "others are served meanwhile");
    for mut stream in halves {
        read_to_end(&mut stream).await;
        assert!(started.elapsed() >= Duration::from_secs(1), "a slow client has its time");
    }
    // A connection of its own: one that was kept may be closed for its age at this very moment.
    let mut whole = connect(&platform).await;
    let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    whole.write_all(request).await.expect("it reads");
    assert!(read_to_end(&mut whole).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_socket_is_not_a_request_and_outlives_the_limit_of_its_head() {
    let platform = Platform::start_with(&["--head-timeout", "1"]).await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let channel = Channel::subscribed(&platform, &session, "long").await;
    let mut socket = channel.socket().await;
    let mut half = connect(&platform).await;
    half.write_all(b"GET").await.expect("it reads");
    read_to_end(&mut half).await;
    let space = calls::play(&platform, "answered", &["--speed", "50"]).await;
    calls::check_sequence(&calls::states(&socket.call(&space).await));
}

#[tokio::test]
async fn beyond_the_limit_of_connections_there_is_an_answer_and_later_a_place() {
    let platform = Platform::start_with(&["--max-connections", "6"]).await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let channel = Channel::create(&session, "counted").await;
    let mut socket = channel.socket().await;
    let mut held = Vec::new();
    let refused = loop {
        let mut stream = connect(&platform).await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it reads");
        let mut begin = vec![0; 2_000];
        let read = timeout(SOON, stream.read(&mut begin)).await.expect("an answer").unwrap_or(0);
        let answer = String::from_utf8_lossy(&begin[..read]).into_owned();
        if answer.starts_with("HTTP/1.1 503") {
            break answer;
        }
        // A keep-alive connection holds its place.
        held.push(stream);
        assert!(held.len() <= 6, "more connections than there may be are answered");
    };
    assert!(
        refused.contains("retry-after: 5") && refused.contains(r#""errorCode":"UNAVAILABLE""#),
        "{refused}"
    );
    assert_eq!(socket.ping(b"still here").await, b"still here");
    held.clear();
    eventually("a place again", SOON, async || {
        let mut stream = connect(&platform).await;
        let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.expect("it reads");
        read_to_end(&mut stream).await.starts_with("HTTP/1.1 200").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_whose_connections_are_short_does_not_get_the_same_again() {
    let platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let channel = Channel::subscribed(&platform, &session, "short").await;
    let missed = calls::play(&platform, "answered", &["--speed", "50"]).await;
    let mut first = channel.socket().await;
    first.call(&missed).await;
    // The first may overtake the answer to the platform's own ping, the second lies behind it.
    for payload in [b"one", b"two"] {
        assert_eq!(first.ping(payload).await, payload);
    }
    drop(first);
    let mut second = channel.socket().await;
    let next = calls::play(&platform, "answered", &["--speed", "50"]).await;
    second.call(&next).await;
    let again = second.frames.iter().filter(|frame| space_of(frame) == Some(&missed)).count();
    assert_eq!(again, 0, "what was confirmed comes only once");
}

/// Opens a channel's socket by hand and returns the stream behind the handshake.
async fn raw_socket(platform: &Platform, channel: &Channel) -> TcpStream {
    let mut stream = connect(platform).await;
    let path = channel.url.splitn(4, '/').nth(3).expect("a path");
    let request = format!(
        "GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(SOON, stream.read_u8()).await.expect("an answer").expect("a byte");
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101") && head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    stream
}

#[tokio::test]
async fn a_client_that_breaks_the_protocol_is_told_with_which_code_it_is_closed() {
    let platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let channel = Channel::create(&session, "broken").await;
    let cases: [(&[u8], u16); 4] = [
        (&[0x89, 0x00], 1002),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
        (&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0], 1009),
        // Its own close is echoed, also when it comes byte by byte after a text in two pieces.
        (&[0x01, 0x80, 0, 0, 0, 0, 0x80, 0x81, 0, 0, 0, 0, b'a', 0x88, 0x82, 0, 0, 0, 0, 0x0b, 0xb8], 3000),
    ];
    for (bytes, code) in cases {
        let mut stream = raw_socket(&platform, &channel).await;
        for byte in bytes {
            if stream.write_u8(*byte).await.is_err() {
                break;
            }
        }
        let mut answer = Vec::new();
        timeout(SOON, stream.read_to_end(&mut answer)).await.expect("it is closed").expect("orderly");
        let [high, low] = code.to_be_bytes();
        assert!(answer.starts_with(&[0x88, 2, high, low]), "{code}: {answer:?}");
    }
}
