//! A clean stop on SIGTERM, as systemd sends it: sockets are told to come back, open requests end, nothing is lost.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::calls::{Channel, check_sequence, first_space, states};
use crate::harness::socket::space_of;
use crate::harness::{Person, Platform, SCOPES, SOON};

/// The platform gives open requests and sockets five seconds, its writer five more.
const STOPPED_WITHIN: Duration = Duration::from_secs(12);

#[tokio::test]
async fn on_sigterm_sockets_are_told_to_come_back_and_nothing_is_lost() {
    let mut platform = Platform::start().await;
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let channel = Channel::subscribed(&platform, &session, "stop").await;
    let mut socket = channel.socket().await;
    // In real time: these calls are under way when the platform stops, and so is the request that started them.
    let mut calls = platform.call("answered", &["--count", "20", "--every", "1ms"]);
    let space = first_space(&calls).await;
    socket.until("a state of the call", |frame| space_of(frame) == Some(&space)).await;
    let started = Instant::now();
    platform.app.terminate().await;
    assert_eq!(socket.close_code().await, Some(1012), "1012 is RFC 6455's service restart");
    assert_eq!(platform.app.exit(SOON).await, Some(0), "a stop that was asked for is no failure");
    assert!(started.elapsed() < STOPPED_WITHIN, "stopped only after {:?}", started.elapsed());
    assert_eq!(calls.exit(SOON).await, Some(1), "the open request ended, and its client noticed");
    let of_call = |frame: &&Value| space_of(frame) == Some(&space);
    let heard = states(&socket.frames.iter().filter(of_call).cloned().collect::<Vec<_>>());
    assert!(!heard.is_empty());
    platform.restart().await;
    let mut socket = channel.socket().await;
    socket.call(&space).await;
    let report = platform.report(&session, &space).await;
    let served = report["callStates"].as_array().expect("a report has its states");
    check_sequence(served);
    for state in heard {
        assert!(served.contains(&state), "a state that was told is served after the stop: {state}");
    }
    platform.stop().await;
}

#[tokio::test]
async fn an_idle_platform_stops_at_once() {
    let mut platform = Platform::start().await;
    let started = Instant::now();
    platform.app.terminate().await;
    assert_eq!(platform.app.exit(SOON).await, Some(0));
    let said = platform.app.stderr.all();
    assert!(said.last().is_some_and(|line| line.contains("stopped; 0 requests")), "{said:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "nothing was open: {:?}", started.elapsed());
}
